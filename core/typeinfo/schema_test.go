package typeinfo_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"goflink/core/tuple"
	"goflink/core/typeinfo"
)

// parsed returns s after a way through JSON.
func parsed(t *testing.T, s typeinfo.Snapshot) typeinfo.Snapshot {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	back, err := typeinfo.ParseSnapshot(b)
	if err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return back
}

// evolve encodes v as an Old and reads it as a New, with the old schema gone through JSON.
func evolve[Old, New any](t *testing.T, v Old) New {
	t.Helper()
	old, now := typeinfo.MustOf[Old](), typeinfo.MustOf[New]()
	dec, err := now.Migrate(parsed(t, old.Snapshot()))
	if err != nil {
		t.Fatal(err)
	}
	b, err := old.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	var out New
	rest, err := dec.Decode(append(b, "rest"...), &out)
	if err != nil || string(rest) != "rest" {
		t.Fatalf("rest %q, %v", rest, err)
	}
	for i := 0; i < len(b); i += 1 + len(b)/prefixesMax {
		if _, err := dec.Decode(b[:i:i], &out); err == nil {
			t.Fatalf("%d of %d bytes were enough", i, len(b))
		}
	}
	if _, err := dec.Decode(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func wantEqual[T any](t *testing.T, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestAddedFields: what the old bytes do not have is zero.
func TestAddedFields(t *testing.T) {
	type now struct {
		Before []string
		ID     int32
		Middle map[string]int
		Name   string
		After  tuple.Option[time.Time]
	}
	got := evolve[Person, now](t, Person{7, "Ann"})
	wantEqual(t, got, now{ID: 7, Name: "Ann"})
}

// TestRemovedFields skips each kind of type.
func TestRemovedFields(t *testing.T) {
	r := newRand(t)
	type now struct {
		S    string
		Last string
	}
	type old struct {
		Everything
		Any  []any
		Big  big.Int
		Addr netip.Addr
		T    Tree
		L    *List
		Last string
	}
	type flat struct {
		Everything struct{ S string }
		Last       string
	}
	for range 5 {
		v := old{randomOf[Everything](r), []any{1, "x", nil, []any{2.5, registered{}}},
			*big.NewInt(1), netip.MustParseAddr("::1"), randomOf[Tree](r), &List{1,
				&List{}}, "last"}
		got := evolve[old, now](t, v)
		wantEqual(t, got, now{Last: "last"})
		wantEqual(t, evolve[old, flat](t, v), flat{struct{ S string }{v.S}, "last"})
	}
}

// TestNestedEvolution changes structs inside each composite.
func TestNestedEvolution(t *testing.T) {
	type A struct{ X, Y int64 }
	type B struct {
		Z string
		Y int64
	}
	type old struct {
		V   A
		P   *A
		Nil *A
		L   []A
		Arr [2]A
		M   map[string]A
		K   map[A]int
		Opt tuple.Option[A]
		E   tuple.Either[string, A]
		T   tuple.T2[A, string]
		PP  **A
		End string
	}
	type now struct {
		V   B
		P   *B
		Nil *B
		L   []B
		Arr [2]B
		M   map[string]B
		K   map[B]int
		Opt tuple.Option[B]
		E   tuple.Either[string, B]
		T   tuple.T2[B, string]
		PP  **B
		End string
	}
	a, b := &A{1, 2}, &B{"", 2}
	got := evolve[old, now](t, old{*a, a, nil, []A{*a, {}}, [2]A{{}, *a}, map[string]A{"k": *a},
		map[A]int{*a: 1}, tuple.Some(*a), tuple.Right[string](*a), tuple.New2(*a, "t"), &a, "end"})
	wantEqual(t, got, now{*b, b, nil, []B{*b, {}}, [2]B{{}, *b}, map[string]B{"k": *b},
		map[B]int{*b: 1}, tuple.Some(*b), tuple.Right[string](*b), tuple.New2(*b, "t"), &b, "end"})
}

// TestRecursiveEvolution adds a field to a type that contains itself.
func TestRecursiveEvolution(t *testing.T) {
	type node struct {
		Value int64
		Note  string
		Next  *node
	}
	got := evolve[List, node](t, List{1, &List{2, &List{3, nil}}})
	wantEqual(t, got, node{1, "", &node{2, "", &node{3, "", nil}}})
	type tree struct {
		Name string
		Kids []tree
	}
	wantEqual(t, evolve[Tree, tree](t, Tree{"a", []Tree{{Name: "b"}}, map[string]Tree{"x": {}}}),
		tree{"a", []tree{{Name: "b"}}})
}

// TestReorderedAndRenamedTypes: order and type names are free, field names count.
func TestReorderedAndRenamedTypes(t *testing.T) {
	type human struct {
		Surname string `flink:"Name"`
		ID      int32
		Temp    func() `flink:"-"`
	}
	got := evolve[Person, human](t, Person{7, "Ann"})
	if got.Surname != "Ann" || got.ID != 7 {
		t.Errorf("got %+v", got)
	}
}

// TestSameSchemaNeedsNoMigration: equal schemas are read by the type itself.
func TestSameSchemaNeedsNoMigration(t *testing.T) {
	type human Person
	now := typeinfo.MustOf[human]()
	old := parsed(t, typeinfo.MustOf[Person]().Snapshot())
	dec, err := now.Migrate(old)
	if err != nil || dec != typeinfo.Decoder[human](now) {
		t.Errorf("decoder %T, %v", dec, err)
	}
	if !old.Equal(now.Snapshot()) || !now.Snapshot().Equal(old) {
		t.Error("schemas differ")
	}
}

// TestRefusedEvolution names the path, the old and the new type.
func TestRefusedEvolution(t *testing.T) {
	type addr struct{ Zip int32 }
	type addr2 struct{ Zip string }
	incompatible[struct{ A []addr }, struct{ A []addr2 }](t, ".A[].Zip", "int32", "string")
	incompatible[int32, int64](t, "int64 was int32 and is now int64")
	incompatible[int, int64](t, "was int ")
	incompatible[struct{ P *int }, struct{ P int }](t, ".P was *int and is now int")
	incompatible[struct{ P []int }, struct{ P [2]int }](t, ".P was []int and is now [2]int")
	incompatible[[3]string, [2]string](t, "[3]string", "[2]string")
	incompatible[map[string]int, map[int]int](t, "[key] was string and is now int")
	incompatible[map[string]int, map[string]uint](t, "[] was int and is now uint")
	incompatible[tuple.T2[int, int], tuple.T3[int, int, int]](t, "T2[int,int]", "T3[int,int,int]")
	incompatible[tuple.T2[int, int], tuple.T2[int, bool]](t, ".F1 was int and is now bool")
	incompatible[tuple.Option[int], tuple.Option[string]](t, "was int and is now string")
	incompatible[tuple.Either[int, int], tuple.Either[int, string]](t, ".Right was int")
	incompatible[Person, tuple.T2[int32, string]](t, "Person", "T2[int32,string]")
	incompatible[netip.Addr, netip.Prefix](t, "net/netip.Addr", "net/netip.Prefix")
	incompatible[any, fmt.Stringer](t, "interface {}", "fmt.Stringer")
	incompatible[struct{ T time.Time }, struct{ T int64 }](t, ".T was time.Time and is now int64")

	now := typeinfo.MustOf[int]()
	_, err := now.Migrate(typeinfo.Snapshot{})
	wantError(t, err, typeinfo.ErrIncompatible, "missing")
	newer := now.Snapshot()
	newer.Version++
	_, err = now.Migrate(newer)
	wantError(t, err, typeinfo.ErrIncompatible, "version 2", "version 1")
}

func incompatible[Old, New any](t *testing.T, parts ...string) {
	t.Helper()
	_, err := typeinfo.MustOf[New]().Migrate(parsed(t, typeinfo.MustOf[Old]().Snapshot()))
	wantError(t, err, typeinfo.ErrIncompatible, parts...)
}

// TestSnapshotEqual compares every pair of schemas, after a way through JSON.
func TestSnapshotEqual(t *testing.T) {
	type likeList struct {
		Value int64
		Next  *likeList
	}
	type swapped struct {
		Name string
		ID   int32
	}
	groups := [][]typeinfo.Snapshot{
		{{}},
		{typeinfo.MustOf[Person]().Snapshot(), typeinfo.MustOf[struct {
			ID   int32
			Name string
		}]().Snapshot()},
		{typeinfo.MustOf[swapped]().Snapshot()},
		{typeinfo.MustOf[List]().Snapshot(), typeinfo.MustOf[likeList]().Snapshot()},
		{typeinfo.MustOf[Tree]().Snapshot()},
		{typeinfo.MustOf[Pong]().Snapshot()},
		{typeinfo.MustOf[Ping]().Snapshot()},
		{typeinfo.MustOf[Everything]().Snapshot()},
		{typeinfo.MustOf[int64]().Snapshot(), typeinfo.MustOf[time.Duration]().Snapshot()},
		{typeinfo.MustOf[netip.Addr]().Snapshot()},
		{typeinfo.MustOf[netip.Prefix]().Snapshot()},
		{typeinfo.MustOf[any]().Snapshot()},
		{typeinfo.MustOf[*any]().Snapshot()},
		{typeinfo.MustOf[[2]int]().Snapshot()},
		{typeinfo.MustOf[[3]int]().Snapshot()},
		{typeinfo.MustOf[[]int]().Snapshot()},
	}
	for i, a := range groups {
		for j, b := range groups {
			for _, x := range a {
				for _, y := range b {
					if !x.IsZero() {
						x = parsed(t, x)
					}
					if got := x.Equal(y); got != (i == j) {
						t.Errorf("%s equal to %s: %v", x, y, got)
					}
				}
			}
		}
	}
}

// TestSnapshotInJSON: it is plain data inside other documents, and checked there too.
func TestSnapshotInJSON(t *testing.T) {
	type doc struct{ Schema typeinfo.Snapshot }
	b, err := json.Marshal(doc{typeinfo.MustOf[Tree]().Snapshot()})
	if err != nil {
		t.Fatal(err)
	}
	var back doc
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if !back.Schema.Equal(typeinfo.MustOf[Tree]().Snapshot()) {
		t.Errorf("%s came back different", b)
	}
	var empty doc
	if err := json.Unmarshal([]byte(`{"Schema":{}}`), &empty); err != nil ||
		!empty.Schema.IsZero() {
		t.Errorf("zero snapshot: %v", err)
	}
	if err := json.Unmarshal([]byte(`{"Schema":{"version":1}}`), &empty); err == nil {
		t.Error("a snapshot without a type was accepted")
	}
}

// TestBadSnapshots says what is wrong with a schema.
func TestBadSnapshots(t *testing.T) {
	deep := strings.Repeat(`{"kind":"slice","elem":`, 2000) + `{"kind":"int"}` +
		strings.Repeat("}", 2000)
	root := func(s string) string { return `{"version":1,"root":` + s + `}` }
	field := `{"name":"a","type":{"kind":"int"}}`
	for _, c := range [][2]string{
		{``, "JSON"},
		{`{`, "JSON"},
		{`[]`, "JSON"},
		{`{}`, "no type"},
		{`{"version":1}`, "type is missing"},
		{`{"version":99,"root":{}}`, "version 99"},
		{root(`{}`), `unknown kind ""`},
		{root(deep), "nested more than"},
		{root(`{"kind":"chan"}`), "chan"},
		{root(`{"kind":"slice"}`), "root[]: type is missing"},
		{root(`{"kind":"map","elem":{"kind":"int"}}`), "root[key]"},
		{root(`{"kind":"option"}`), "missing"},
		{root(`{"kind":"either"}`), "0 sides"},
		{root(`{"kind":"array","len":-1,"elem":{"kind":"int"}}`), "length -1"},
		{root(`{"kind":"array","len":2000000000,"elem":{"kind":"int"}}`), "array of"},
		{root(`{"kind":"ref","ref":"x"}`), `definition of "x"`},
		{`{"version":1,"root":{"kind":"ref","ref":"x"},"defs":{"x":{"kind":"option",` +
			`"elem":{"kind":"ref","ref":"x"}}}}`, "contains itself by value"},
		{root(`{"kind":"struct","fields":[{"name":"a"}]}`), "root.a: type is missing"},
		{root(`{"kind":"struct","fields":[{"name":"","type":{"kind":"int"}}]}`), "name"},
		{root(`{"kind":"struct","fields":[` + field + `,` + field + `]}`), "twice"},
	} {
		_, err := typeinfo.ParseSnapshot([]byte(c[0]))
		wantError(t, err, nil, c[1])
	}
	if _, err := typeinfo.ParseSnapshot(make([]byte, 17<<20)); err == nil {
		t.Error("a huge snapshot was read")
	}
}

// TestFieldAccess is how KeyBy("word") and Sum("count") find their fields (R34, R36).
func TestFieldAccess(t *testing.T) {
	type inner struct {
		A int8
		B int64 `flink:"bee"`
	}
	type record struct {
		Word  string
		Count int64 `flink:"count"`
		inner
		In  inner
		T   tuple.T2[string, inner]
		Ptr *inner
		Out int `flink:"-"`
	}
	typ := typeinfo.MustOf[record]()
	var r record
	base := reflect.ValueOf(&r).Pointer()
	for name, at := range map[string]any{
		"Word": &r.Word, "word": &r.Word, "count": &r.Count, "Count": &r.Count, "A": &r.A,
		"bee": &r.B, "In.bee": &r.In.B, "in.a": &r.In.A, "t.f0": &r.T.F0, "T.F1.B": &r.T.F1.B,
		"Ptr": &r.Ptr, "inner": &r.inner,
	} {
		f, err := typ.Field(name)
		if err != nil {
			t.Error(err)
			continue
		}
		p := reflect.ValueOf(at)
		if base+f.Offset != p.Pointer() || f.Type != p.Type().Elem() {
			t.Errorf("%s: %+v", name, f)
		}
	}
	_, err := typ.Field("wrod")
	wantError(t, err, nil, `"wrod"`, "record", "Word, count, inner, In, T, Ptr")
	_, err = typ.Field("In.x")
	wantError(t, err, nil, `"x"`, "A, bee")
	_, err = typ.Field("Ptr.A")
	wantError(t, err, nil, "not a struct")
	_, err = typ.Field("Out")
	wantError(t, err, nil, `"Out"`)
	_, err = typeinfo.MustOf[int]().Field("f0")
	wantError(t, err, nil, "not a struct")
	var names []string
	for _, f := range typ.Fields() {
		names = append(names, f.Name+"/"+f.GoName)
	}
	if got := strings.Join(names, " "); got != "Word/Word count/Count inner/inner In/In T/T "+
		"Ptr/Ptr" {
		t.Errorf("fields %s", got)
	}
	if typeinfo.MustOf[int]().Fields() != nil {
		t.Error("an int has fields")
	}
}
