package typeinfo_test

import (
	"math/big"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"
	"unsafe"

	"goflink/core/tuple"
	"goflink/core/typeinfo"
)

// overwrite changes everything that can be changed behind v, without touching v itself.
func overwrite(v reflect.Value, depth int) {
	if depth > 20 {
		return
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if v.Kind() == reflect.Slice {
				zeroAfter(v.Index(i), depth)
			} else {
				overwrite(v.Index(i), depth+1)
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			zeroAfter(v.Elem(), depth)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			overwrite(k, depth+1)
			overwrite(v.MapIndex(k), depth+1)
			v.SetMapIndex(k, reflect.Value{})
		}
	case reflect.Interface:
		if !v.IsNil() {
			overwrite(v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				overwrite(v.Field(i), depth+1)
			}
		}
	}
}

func zeroAfter(v reflect.Value, depth int) {
	overwrite(v, depth+1)
	if v.CanSet() {
		v.SetZero()
	}
}

// TestCloneIsIndependent destroys the original and compares the copy with a third one.
func TestCloneIsIndependent(t *testing.T) {
	r := newRand(t)
	for range 100 {
		independent(t, randomOf[Everything](r))
		independent(t, randomOf[Tree](r))
		independent(t, randomOf[Pong](r))
		independent(t, randomOf[tuple.Option[[]*Person]](r))
		independent(t, randomOf[tuple.Either[map[string][]int, [2][]byte]](r))
	}
	independent(t, any(map[string]any{"a": []any{1, []byte{1, 2}, "x"}, "b": map[string]any{}}))
	independent(t, any(&registered{1, "x"}))
	independent(t, []any{nil, []string{"a"}, 3})
	independent(t, [][]int{nil, {}, {1}})
	independent(t, map[*int]string{new(int): "x"}[new(int)])
	independent(t, *big.NewInt(1 << 40))
	independent(t, ownBuffer{[]byte("abc")})
	independent(t, cloning{[]byte("abc"), new(int)})
}

func independent[T any](t *testing.T, v T) {
	t.Helper()
	typ := typeinfo.MustOf[T]()
	copied, third := typ.Clone(v), typ.Clone(v)
	if !reflect.DeepEqual(copied, v) {
		t.Fatalf("%#v was copied as %#v", v, copied)
	}
	if b, ok := any(&v).(interface{ destroy() }); ok {
		b.destroy()
	}
	overwrite(reflect.ValueOf(&v).Elem(), 0)
	if !reflect.DeepEqual(copied, third) {
		t.Fatalf("%#v became %#v when its original was changed", third, copied)
	}
}

// ownBuffer is mutable and has a codec.
type ownBuffer struct{ b []byte }

func (o ownBuffer) AppendBinary(b []byte) ([]byte, error) { return append(b, o.b...), nil }
func (o *ownBuffer) UnmarshalBinary(b []byte) error       { o.b = slices.Clone(b); return nil }
func (o *ownBuffer) destroy()                             { clear(o.b) }

// cloning has a codec that fails and copies itself.
type cloning struct {
	b      []byte
	copies *int
}

func (cloning) AppendBinary([]byte) ([]byte, error) { return nil, errFails }
func (*cloning) UnmarshalBinary([]byte) error       { return errFails }
func (c *cloning) destroy()                         { clear(c.b) }

// Clone counts itself.
func (c cloning) Clone() cloning {
	*c.copies++
	return cloning{slices.Clone(c.b), c.copies}
}

// TestCloneKeepsGraphs: sharing and cycles of recursive types survive, and deep values are no
// danger.
func TestCloneKeepsGraphs(t *testing.T) {
	circle := &List{Value: 1}
	circle.Next = &List{Value: 2, Next: circle}
	got := typeinfo.MustOf[*List]().Clone(circle)
	if got == circle || got.Next.Next != got || got.Next == circle.Next || got.Next.Value != 2 {
		t.Errorf("copy of a circle: %p %p", got, got.Next.Next)
	}
	type dag struct{ A, B *dag }
	top := &dag{}
	for range 100 { // 2^100 paths
		top = &dag{top, top}
	}
	typ := typeinfo.MustOf[*dag]()
	if c := typ.Clone(top); c == top || c.A != c.B || c.A == top.A {
		t.Error("sharing was lost")
	}
	if n := typ.MemSize(&top); n != 8+101*16 {
		t.Errorf("memory of shared nodes is %d", n)
	}
	if _, err := typeinfo.MustOf[*List]().Append(nil, &circle); err == nil {
		t.Error("a circle was encoded")
	}
	tree := Tree{Name: "x", Kids: make([]Tree, 2)}
	tree.Kids[0].Kids, tree.Kids[1].Kids = tree.Kids, tree.Kids
	if c := typeinfo.MustOf[Tree]().Clone(tree); &c.Kids[0] != &c.Kids[0].Kids[0] {
		t.Error("a circle of slices was cut")
	}
	loop := []any{1, nil}
	loop[1] = loop
	anything := any(loop)
	c := typeinfo.MustOf[any]().Clone(anything).([]any)
	if &c[0] == &loop[0] || &c[1].([]any)[1].([]any)[0] != &c[1].([]any)[0] {
		t.Error("a circle of interfaces was cut")
	}
	if n := typeinfo.MustOf[any]().MemSize(&anything); n < 50 || n > 200 {
		t.Errorf("memory of a circle is %d", n)
	}
	var long *List
	for range 10 * typeinfo.MaxDepth {
		long = &List{Next: long}
	}
	if c := typeinfo.MustOf[*List]().Clone(long); c == long || c.Next == long.Next {
		t.Error("a long list was not copied")
	}
}

// TestMutable: strings and times do not count, and what is not mutable is not copied.
func TestMutable(t *testing.T) {
	for _, c := range []struct{ got, want bool }{
		{typeinfo.MustOf[int]().Mutable(), false},
		{typeinfo.MustOf[tuple.T2[string, time.Time]]().Mutable(), false},
		{typeinfo.MustOf[[4]Person]().Mutable(), false},
		{typeinfo.MustOf[tuple.Option[netip.Addr]]().Mutable(), false},
		{typeinfo.MustOf[secret]().Mutable(), false},
		{typeinfo.MustOf[[0][]int]().Mutable(), false},
		{typeinfo.MustOf[[]int]().Mutable(), true},
		{typeinfo.MustOf[struct{ In struct{ P *int } }]().Mutable(), true},
		{typeinfo.MustOf[tuple.Either[int, map[int]int]]().Mutable(), true},
		{typeinfo.MustOf[any]().Mutable(), true},
		{typeinfo.MustOf[big.Int]().Mutable(), true},
		{typeinfo.MustOf[ownBuffer]().Mutable(), true},
	} {
		if c.got != c.want {
			t.Errorf("%+v", c)
		}
	}
}

// TestMemSize compares the estimates with what the runtime's types take.
func TestMemSize(t *testing.T) {
	size := func(got, least, most int) {
		t.Helper()
		if got < least || got > most {
			t.Errorf("size %d, expected %d to %d", got, least, most)
		}
	}
	size(memSize(int64(1)), 8, 8)
	size(memSize("hello"), 21, 21)
	size(memSize(Person{1, "hello"}), 29, 29)
	size(memSize([]int64{1, 2, 3}), 48, 48)
	size(memSize(make([]byte, 1, 100)), 124, 124)
	size(memSize([]string{"ab", "c"}), 24+32+3, 24+32+3)
	size(memSize(&Person{1, "hello"}), 8+29, 8+29)
	size(memSize(tuple.Some([]byte("abc"))), 35, 35)
	size(memSize(tuple.New2([2]string{"a", "b"}, "c")), 51, 51)
	size(memSize(struct{ T time.Time }{time.Now()}), 24, 24)
	size(memSize(tuple.Left[string, int]("abc")), 16+8+8+3, 16+8+8+3)
	size(memSize(map[int64]int64{1: 2, 3: 4}), 8+32, 200)
	size(memSize(map[string]*Person{"abc": {1, "hello"}}), 8+16+8+3+29, 250)
	size(memSize(any("hello")), 16+16+5, 16+16+5)
	size(memSize(any([]any{"a", make([]byte, 1000)})), 1000, 1200)
	size(memSize(any(nil)), 16, 16)
	size(memSize(*big.NewInt(1)), 32+8, 32+100)
	size(memSize(ownBuffer{make([]byte, 500)}), 524, 524)
	size(memSize(List{1, &List{}}), 32, 32)

	words := typeinfo.MustOf[wordCount]()
	vs := []wordCount{{"abc", 1}, {"", 2}, {"defg", 3}}
	sum := 0
	for i := range vs {
		sum += words.MemSize(&vs[i])
	}
	if got := words.MemSizeAll(vs); got != sum || sum != 3*24+7 {
		t.Errorf("MemSizeAll %d, sum of MemSize %d", got, sum)
	}
	points := typeinfo.MustOf[point]()
	if got := points.MemSizeAll(make([]point, 10)); got != 10*int(unsafe.Sizeof(point{})) {
		t.Errorf("MemSizeAll of points %d", got)
	}
	if got := typeinfo.MustOf[List]().MemSizeAll(make([]List, 2)); got != 32 {
		t.Errorf("MemSizeAll of lists %d", got)
	}
}

func memSize[T any](v T) int { return typeinfo.MustOf[T]().MemSize(&v) }
