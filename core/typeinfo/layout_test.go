package typeinfo_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"goflink/core/tuple"
	"goflink/core/typeinfo"
)

type Person struct {
	ID   int32
	Name string
}

func encode[T any](t *testing.T, v T) string {
	t.Helper()
	b, err := typeinfo.MustOf[T]().Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestLayoutOfTheWorkedExample is R111: 4 bytes int, 8 bytes double, one header byte of the
// struct, then its fields by their own serializers.
func TestLayoutOfTheWorkedExample(t *testing.T) {
	typ, err := typeinfo.Of[tuple.T3[int32, float64, Person]](typeinfo.WithoutGeneric())
	if err != nil {
		t.Fatal(err)
	}
	v := tuple.New3(int32(7), 1.5, Person{258, "Ann"})
	got, err := typ.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	want := "\x07\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\xF8\x3F" + "\x10" + "\x02\x01\x00\x00" +
		"\x03Ann"
	if string(got) != want {
		t.Fatalf("encoded as\n% x, want\n% x", got, want)
	}
	var back tuple.T3[int32, float64, Person]
	rest, err := typ.Decode(got, &back)
	if err != nil || len(rest) != 0 || back != v {
		t.Fatalf("read back %v, rest %d bytes, error %v", back, len(rest), err)
	}
}

// TestLayout pins format version 1: a change here makes savepoints unreadable.
func TestLayout(t *testing.T) {
	n := int8(5)
	p := &n
	for _, c := range []struct{ got, want string }{
		{encode(t, true), "\x01"},
		{encode(t, int16(-2)), "\xfe\xff"},
		{encode(t, 1), "\x01\x00\x00\x00\x00\x00\x00\x00"},
		{encode(t, uint32(1)), "\x01\x00\x00\x00"},
		{encode(t, float32(1)), "\x00\x00\x80\x3f"},
		{encode(t, complex64(1i)), "\x00\x00\x00\x00\x00\x00\x80\x3f"},
		{encode(t, "ab"), "\x02ab"},
		{encode(t, strings.Repeat("x", 200)), "\xc8\x01" + strings.Repeat("x", 200)},
		{encode(t, []byte{1, 2}), "\x02\x01\x02"},
		{encode(t, []byte(nil)), "\x00"},
		{encode(t, []byte{}), "\x80\x00"},
		{encode(t, []int16{1, 2}), "\x02\x01\x00\x02\x00"},
		{encode(t, []string{"a", ""}), "\x02\x01a\x00"},
		{encode(t, [2]int8{1, 2}), "\x01\x02"},
		{encode(t, [2]string{"a", "b"}), "\x01a\x01b"},
		{encode(t, map[string]int8{"a": 1}), "\x01\x01a\x01"},
		{encode(t, map[string]int8{}), "\x80\x00"},
		{encode(t, map[string]int64(nil)), "\x00"},
		{encode(t, struct{}{}), "\x10"},
		{encode(t, Person{1, "x"}), "\x10\x01\x00\x00\x00\x01x"},
		{encode(t, &Person{1, "x"}), "\x10\x01\x00\x00\x00\x01x"},
		{encode(t, (*Person)(nil)), "\x11"},
		{encode(t, &p), "\x10\x10\x05"},
		{encode(t, struct{ P Person }{Person{1, "x"}}), "\x10\x10\x01\x00\x00\x00\x01x"},
		{encode(t, tuple.New2("a", int8(1))), "\x01a\x01"},
		{encode(t, tuple.Some(int8(5))), "\x01\x05"},
		{encode(t, tuple.None[int]()), "\x00"},
		{encode(t, tuple.Left[int8, string](5)), "\x00\x05"},
		{encode(t, tuple.Right[int8]("a")), "\x01\x01a"},
		{encode(t, time.Unix(1, 2).In(time.FixedZone("", -60))),
			"\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\xc4\xff\xff\xff"},
		{encode(t, secret{"ab"}), "\x02ab"},
		{encode(t, any(nil)), "\x00"},
		{encode(t, any("a")), "\x0f\x01a"},
		{encode(t, any(int64(1))), "\x07\x01\x00\x00\x00\x00\x00\x00\x00"},
		{encode(t, any([]any{true, map[string]any{"k": uint8(1)}})),
			"\x12\x02\x02\x01\x13\x01\x01k\x09\x01"},
		{encode(t, List{1, nil}), "\x10\x01\x00\x00\x00\x00\x00\x00\x00\x11"},
	} {
		if c.got != c.want {
			t.Errorf("got % x, want % x", c.got, c.want)
		}
	}
}

// TestSnapshotLayout pins the JSON form of schemas.
func TestSnapshotLayout(t *testing.T) {
	type record struct {
		Word string `flink:"word"`
		M    map[string][2]*Person
		L    *List
	}
	b, err := json.Marshal(typeinfo.MustOf[record]().Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	const pkg = "goflink/core/typeinfo_test."
	want := `{"version":1,"root":{"kind":"struct","name":"` + pkg + `record","fields":[` +
		`{"name":"word","type":{"kind":"string"}},` +
		`{"name":"M","type":{"kind":"map","key":{"kind":"string"},"elem":{"kind":"array","len":2,` +
		`"elem":{"kind":"ptr","elem":{"kind":"struct","name":"` + pkg + `Person","fields":[` +
		`{"name":"ID","type":{"kind":"int32"}},{"name":"Name","type":{"kind":"string"}}]}}}}},` +
		`{"name":"L","type":{"kind":"ref","ref":"*` + pkg + `List"}}]},` +
		`"defs":{"*` + pkg + `List":{"kind":"ptr","elem":{"kind":"struct","name":"` + pkg +
		`List","fields":[{"name":"Value","type":{"kind":"int64"}},` +
		`{"name":"Next","type":{"kind":"ref","ref":"*` + pkg + `List"}}]}}}}`
	if string(b) != want {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
}

// TestConcurrentUse: one Type and one Key serve many goroutines.
func TestConcurrentUse(t *testing.T) {
	type record struct {
		Own  secret
		Any  any
		At   time.Time
		Tree Tree
	}
	typ := typeinfo.MustOf[record]()
	key := keyOf[tuple.T2[string, int]](t)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				zone := time.FixedZone("", (g*100+i)%96*900-12*3600)
				v := record{secret{string(rune('a' + g))}, registered{g, "x"},
					time.Unix(int64(i), 0).In(zone), Tree{Name: "t", Kids: []Tree{{}}}}
				b, err := typ.Append(nil, &v)
				if err != nil {
					t.Error(err)
					return
				}
				var back record
				if _, err := typ.Decode(b, &back); err != nil || back.Own != v.Own ||
					back.Any != v.Any || !back.At.Equal(v.At) {
					t.Errorf("wrote %+v, read %+v, %v", v, back, err)
					return
				}
				if c := typ.Clone(v); typ.MemSize(&c) == 0 || c.Own != v.Own {
					t.Errorf("copied %+v as %+v", v, c)
				}
				k := tuple.New2(v.Own.s, i)
				if got, err := key.Decode(key.Append(nil, &k)); err != nil || got != k {
					t.Errorf("key %v is %v, %v", k, got, err)
				}
			}
		})
	}
	wg.Wait()
}
