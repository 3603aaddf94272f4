package typeinfo_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"goflink/core/tuple"
	"goflink/core/typeinfo"
)

// wantError fails unless err wraps target (if not nil) and its text has all parts.
func wantError(t *testing.T, err, target error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	if target != nil && !errors.Is(err, target) {
		t.Errorf("%q is not %q", err, target)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q does not say %q", err, p)
		}
	}
}

func refused[T any](t *testing.T, parts ...string) {
	t.Helper()
	_, err := typeinfo.Of[T]()
	wantError(t, err, typeinfo.ErrUnsupported, parts...)
}

// TestRefusedTypes: the error names the field path and the type (R109).
func TestRefusedTypes(t *testing.T) {
	type hidden struct {
		A int
		b string
	}
	type holder struct{ M map[string][]hidden }
	_ = hidden{}.b
	refused[chan int](t, "chan int")
	refused[struct{ F func() }](t, ".F (func())", "leave the field out")
	refused[[]uintptr](t, "[]uintptr[]", "uintptr")
	refused[struct{ P unsafe.Pointer }](t, ".P")
	refused[holder](t, "holder.M[value][].b (string)", "not exported", `flink:"-"`, "AppendBinary")
	refused[tuple.T2[int, map[chan int]int]](t, ".F1[key]", "chan int")
	refused[tuple.Option[func()]](t, ".Value (func())")
	refused[tuple.Either[int, chan int]](t, ".Right (chan int)")
	refused[struct{ A *struct{ B chan int } }](t, ".A.B (chan int)")
	refused[struct {
		A int `flink:"x"`
		X int `flink:"x"`
	}](t, ".A", ".X", `"x"`)
	refused[struct {
		A int `flink:"a.b"`
	}](t, ".A", "dots")
	refused[struct {
		A int `flink:""`
	}](t, ".A", "empty")
	refused[sync.Mutex](t, "sync.Mutex")
}

func TestMustOfPanics(t *testing.T) {
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, typeinfo.ErrUnsupported) {
			t.Errorf("recovered %v", err)
		}
	}()
	typeinfo.MustOf[chan int]()
}

// TestCachedTypes: one Type per Go type and options, whoever asks first.
func TestCachedTypes(t *testing.T) {
	type local struct{ A, B int }
	got := make([]*typeinfo.Type[local], 8)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i], _ = typeinfo.Of[local]() })
	}
	wg.Wait()
	strict, err := typeinfo.Of[local](typeinfo.WithoutGeneric())
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range got {
		if typ == nil || typ != got[0] || typ == strict {
			t.Fatalf("got %p, %p, strict %p", typ, got[0], strict)
		}
	}
	if name := got[0].Name(); name != "typeinfo_test.local" {
		t.Errorf("name %q", name)
	}
}

// TestDepthLimit: values that are too deep or circular are refused, not followed for ever.
func TestDepthLimit(t *testing.T) {
	typ := typeinfo.MustOf[List]()
	var l *List
	for range typeinfo.MaxDepth {
		l = &List{Next: l}
	}
	b, err := typ.Append(nil, l)
	if err != nil {
		t.Fatalf("at the limit: %v", err)
	}
	var back List
	if _, err = typ.Decode(b, &back); err != nil {
		t.Fatalf("at the limit: %v", err)
	}
	deeper := &List{Next: &List{Next: l}}
	_, err = typ.Append(nil, deeper)
	wantError(t, err, nil, fmt.Sprint(typeinfo.MaxDepth), "Next.Next")
	// One header byte and one number per level make an encoding that is too deep.
	long := make([]byte, 0, 20*typeinfo.MaxDepth)
	for range typeinfo.MaxDepth + 5 {
		long = append(long, 0x10, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	_, err = typ.Decode(append(long, 0x11), &back)
	wantError(t, err, nil, fmt.Sprint(typeinfo.MaxDepth))

	circle := &List{}
	circle.Next = circle
	_, err = typ.Append(nil, circle)
	wantError(t, err, nil, "refers to itself")
	loop := []any{nil}
	loop[0] = loop
	anything := any(loop)
	_, err = typeinfo.MustOf[any]().Append(nil, &anything)
	wantError(t, err, nil, "refers to itself")
	tree := Tree{Kids: make([]Tree, 1)}
	tree.Kids[0].Kids = tree.Kids
	_, err = typeinfo.MustOf[Tree]().Append(nil, &tree)
	wantError(t, err, nil, "refers to itself")
}

// TestAppendErrors: the buffer comes back as it was, the message has the path.
func TestAppendErrors(t *testing.T) {
	type record struct {
		N    int
		List []any
	}
	typ := typeinfo.MustOf[record]()
	v := record{List: []any{1, make(chan int)}}
	b, err := typ.Append([]byte("abc"), &v)
	wantError(t, err, nil, "List[1]", "chan int", "typeinfo.Register")
	if string(b) != "abc" {
		t.Errorf("buffer is %q", b)
	}
	b, err = typ.AppendAll([]byte("abc"), []record{{}, v})
	wantError(t, err, nil, "[1].List[1]")
	if string(b) != "abc" {
		t.Errorf("buffer is %q", b)
	}
	type unregistered struct{ A int }
	v.List[1] = unregistered{1}
	_, err = typ.Append(nil, &v)
	wantError(t, err, nil, "unregistered", "typeinfo.Register")
	bad := []failing{{}}
	_, err = typeinfo.MustOf[[]failing]().Append(nil, &bad)
	wantError(t, err, errFails, "[0]", "failing")
}

var errFails = errors.New("fails on purpose")

type failing struct{ x int }

func (failing) AppendBinary([]byte) ([]byte, error) { return nil, errFails }
func (f *failing) UnmarshalBinary(b []byte) error {
	if len(b) == 0 {
		panic("panics on purpose")
	}
	f.x = len(b)
	return errFails
}

// TestForeignCodecs: their errors and panics are errors of Decode.
func TestForeignCodecs(t *testing.T) {
	typ := typeinfo.MustOf[failing]()
	var v failing
	_, err := typ.Decode([]byte{0}, &v)
	wantError(t, err, typeinfo.ErrCorrupt, "panics on purpose")
	_, err = typ.Decode([]byte{1, 1}, &v)
	wantError(t, err, errFails, "failing")
}

// badlyRegistered would lose its second field in gob.
type badlyRegistered struct {
	A int
	b int
}

func TestRegisterOfUnusableType(t *testing.T) {
	typeinfo.Register(nil)
	typeinfo.Register(badlyRegistered{b: 1})
	v := any(badlyRegistered{A: 1})
	_, err := typeinfo.MustOf[any]().Append(nil, &v)
	wantError(t, err, typeinfo.ErrUnsupported, "badlyRegistered.b", "not exported")
}

// TestWrongInterface: a value that does not implement the field's interface is an error.
func TestWrongInterface(t *testing.T) {
	v := any("text")
	b, err := typeinfo.MustOf[any]().Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	var s shapely
	_, err = typeinfo.MustOf[shapely]().Decode(b, &s)
	wantError(t, err, typeinfo.ErrCorrupt, "string does not implement")
}
