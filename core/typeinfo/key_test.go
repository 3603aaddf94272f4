package typeinfo_test

import (
	"bytes"
	"cmp"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"goflink/core/tuple"
	"goflink/core/typeinfo"
)

func keyOf[K any](t testing.TB) *typeinfo.Key[K] {
	t.Helper()
	k, err := typeinfo.KeyOf[K]()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keyBytes[K any](t testing.TB, v K) []byte {
	t.Helper()
	k := keyOf[K](t)
	b := k.Append([]byte{9}, &v)
	if n, ok := k.Fixed(); ok && n != len(b)-1 {
		t.Fatalf("%T: Fixed is %d, %d bytes written", v, n, len(b)-1)
	}
	return b[1:]
}

// TestKeyLayout pins the canonical bytes: they are in savepoints and decide the key group (R31).
func TestKeyLayout(t *testing.T) {
	at := time.Unix(1, 2)
	x := int8(1)
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{keyBytes(t, true), "\x01"},
		{keyBytes(t, int8(-1)), "\x7f"},
		{keyBytes(t, int16(1)), "\x80\x01"},
		{keyBytes(t, int32(-2)), "\x7f\xff\xff\xfe"},
		{keyBytes(t, 1), "\x80\x00\x00\x00\x00\x00\x00\x01"},
		{keyBytes(t, int64(math.MinInt64)), "\x00\x00\x00\x00\x00\x00\x00\x00"},
		{keyBytes(t, uint8(7)), "\x07"},
		{keyBytes(t, uint16(258)), "\x01\x02"},
		{keyBytes(t, uint32(1)), "\x00\x00\x00\x01"},
		{keyBytes(t, uint(1)), "\x00\x00\x00\x00\x00\x00\x00\x01"},
		{keyBytes(t, 1.0), "\xbf\xf0\x00\x00\x00\x00\x00\x00"},
		{keyBytes(t, float32(-1)), "\x40\x7f\xff\xff"},
		{keyBytes(t, math.NaN()), "\xff\xf8\x00\x00\x00\x00\x00\x00"},
		{keyBytes(t, "a\x00b"), "a\x00b"},
		{keyBytes(t, []byte("a\x00")), "a\x00"},
		{keyBytes(t, Color(3)), "\x03"},
		{keyBytes(t, [3]byte{1, 2, 3}), "\x01\x02\x03"},
		{keyBytes(t, tuple.New2("a\x00", uint8(7))), "a\x00\xff\x00\x01\x07"},
		{keyBytes(t, tuple.New1([]byte{5})), "\x05\x00\x01"},
		{keyBytes(t, Person{1, "x"}), "\x80\x00\x00\x01x\x00\x01"},
		{keyBytes(t, []int8{0, 1}), "\x01\x80\x01\x81\x00"},
		{keyBytes(t, [2]bool{true, false}), "\x01\x00"},
		{keyBytes(t, (*int8)(nil)), "\x00"},
		{keyBytes(t, &x), "\x01\x81"},
		{keyBytes(t, tuple.None[int8]()), "\x00"},
		{keyBytes(t, tuple.Some(int8(1))), "\x01\x81"},
		{keyBytes(t, tuple.Left[int8, string](1)), "\x00\x81"},
		{keyBytes(t, tuple.Right[int8]("r")), "\x01r\x00\x01"},
		{keyBytes(t, at), "\x80\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02"},
		{keyBytes(t, complex64(1)), "\xbf\x80\x00\x00\x80\x00\x00\x00"},
		{keyBytes(t, struct{}{}), ""},
	} {
		if string(c.got) != c.want {
			t.Errorf("got % x, want % x", c.got, c.want)
		}
	}
}

// TestOneKey: values that are equal as keys have the same bytes.
func TestOneKey(t *testing.T) {
	same := func(a, b []byte) {
		t.Helper()
		if !bytes.Equal(a, b) {
			t.Errorf("% x and % x differ", a, b)
		}
	}
	negative := math.Copysign(0, -1)
	same(keyBytes(t, negative), keyBytes(t, 0.0))
	same(keyBytes(t, float32(negative)), keyBytes(t, float32(0)))
	same(keyBytes(t, complex(0, negative)), keyBytes(t, complex(0, 0)))
	for _, bits := range []uint64{0x7ff0000000000001, 0xfff8000000000000, math.MaxUint64} {
		same(keyBytes(t, math.Float64frombits(bits)), keyBytes(t, math.NaN()))
	}
	for _, bits := range []uint32{0x7f800001, 0xffc00000, math.MaxUint32} {
		same(keyBytes(t, math.Float32frombits(bits)), keyBytes(t, float32(math.NaN())))
	}
	same(keyBytes(t, []string(nil)), keyBytes(t, []string{}))
	long := "a string that is a part of a longer one"
	same(keyBytes(t, long[2:8]), keyBytes(t, string([]byte("string"))))
	at := time.Date(2024, 5, 6, 7, 8, 9, 10, time.FixedZone("x", 3600))
	same(keyBytes(t, at), keyBytes(t, at.UTC()))
	now := time.Now() // has a monotonic reading
	same(keyBytes(t, now), keyBytes(t, now.Round(0)))
}

// TestKeyOrder is the property that bytes sort as keys do, on random keys (R112: comparison on
// binary keys equals logical order).
func TestKeyOrder(t *testing.T) {
	order(t, cmp.Compare[int8])
	order(t, cmp.Compare[int16])
	order(t, cmp.Compare[int32])
	order(t, cmp.Compare[int64])
	order(t, cmp.Compare[int])
	order(t, cmp.Compare[uint8])
	order(t, cmp.Compare[uint16])
	order(t, cmp.Compare[uint32])
	order(t, cmp.Compare[uint64])
	order(t, cmp.Compare[float32])
	order(t, cmp.Compare[float64])
	order(t, cmp.Compare[string])
	order(t, bytes.Compare)
	order(t, time.Time.Compare)
	type ts = tuple.T2[string, int32]
	compareTS := func(a, b ts) int {
		return cmp.Or(strings.Compare(a.F0, b.F0), cmp.Compare(a.F1, b.F1))
	}
	order(t, compareTS)
	type nested struct {
		Name []string
		Opt  tuple.Option[ts]
		P    *float64
		E    tuple.Either[string, int8]
		Arr  [2]string
		B    []byte
	}
	order(t, func(a, b nested) int {
		return cmp.Or(
			compareSlices(a.Name, b.Name, strings.Compare),
			compareOption(a.Opt.Valid, b.Opt.Valid, func() int {
				return compareTS(a.Opt.Value, b.Opt.Value)
			}),
			compareOption(a.P != nil, b.P != nil, func() int { return cmp.Compare(*a.P, *b.P) }),
			compareBool(a.E.IsRight, b.E.IsRight),
			strings.Compare(a.E.Left, b.E.Left), cmp.Compare(a.E.Right, b.E.Right),
			strings.Compare(a.Arr[0], b.Arr[0]), strings.Compare(a.Arr[1], b.Arr[1]),
			bytes.Compare(a.B, b.B))
	})
}

func compareBool(a, b bool) int {
	if a == b {
		return 0
	}
	if b {
		return -1
	}
	return 1
}

func compareOption(a, b bool, both func() int) int {
	if a && b {
		return both()
	}
	return compareBool(a, b)
}

func compareSlices[E any](a, b []E, f func(E, E) int) int {
	for i := range min(len(a), len(b)) {
		if c := f(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func order[K any](t *testing.T, compare func(a, b K) int) {
	t.Helper()
	r := newRand(t)
	k := keyOf[K](t)
	vs := make([]K, 60)
	bs := make([][]byte, len(vs))
	for i := range vs {
		vs[i] = randomOf[K](r)
		bs[i] = k.Append(nil, &vs[i])
		back, err := k.Decode(bs[i])
		if err != nil || compare(back, vs[i]) != 0 {
			t.Fatalf("%T: wrote %v, read %v, %v", back, vs[i], back, err)
		}
	}
	for i, a := range vs {
		for j, b := range vs {
			if want, got := sign(compare(a, b)), bytes.Compare(bs[i], bs[j]); got != want {
				t.Fatalf("%T: %v and %v compare %d, their bytes % x and % x %d", a, a, b, want,
					bs[i], bs[j], got)
			}
		}
	}
}

func sign(i int) int { return cmp.Compare(i, 0) }

// TestKeyRoundTrip reads keys back that have no order of their own.
func TestKeyRoundTrip(t *testing.T) {
	checkKey(t, math.Inf(-1))
	checkKey(t, complex(1, -2))
	checkKey(t, [0]int{})
	checkKey(t, [2][]string{{"a", ""}, {"\x00"}})
	checkKey(t, tuple.T2[*Person, [][]byte]{F0: &Person{1, "x"}, F1: [][]byte{{1}, {0, 0}}})
	checkKey(t, time.Unix(-1, 5).UTC())
	checkKey(t, []byte{})
	nan, err := keyOf[float64](t).Decode(keyBytes(t, -math.NaN()))
	if err != nil || !math.IsNaN(nan) {
		t.Errorf("NaN is %v, %v", nan, err)
	}
	src := []byte("text")
	s, err := keyOf[string](t).Decode(src)
	src[0] = 'X'
	if err != nil || s != "text" {
		t.Errorf("key %q shares its bytes", s)
	}
}

func checkKey[K any](t *testing.T, v K) {
	t.Helper()
	b := keyBytes(t, v)
	back, err := keyOf[K](t).Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if again := keyBytes(t, back); !bytes.Equal(b, again) {
		t.Errorf("%v came back as %v", v, back)
	}
}

// TestRefusedKeys says why a type cannot be a key.
func TestRefusedKeys(t *testing.T) {
	type holder struct{ In []struct{ M map[string]int } }
	refusedKey[map[string]int](t, "map[string]int", "map has no canonical bytes")
	refusedKey[holder](t, "holder", ".In.M")
	refusedKey[any](t, "interface {}")
	refusedKey[func()](t, "func()")
	refusedKey[chan int](t, "chan int")
	refusedKey[List](t, "contains itself")
	refusedKey[Tree](t, "contains itself")
	refusedKey[secret](t, "secret.s", "not exported")
	refusedKey[big.Int](t, "not exported")
	refusedKey[netip.Addr](t, "not exported")
	refusedKey[tuple.Option[any]](t, "interface {}")
}

func refusedKey[K any](t *testing.T, parts ...string) {
	t.Helper()
	_, err := typeinfo.KeyOf[K]()
	wantError(t, err, typeinfo.ErrUnsupported, append(parts, "cannot be a key")...)
}

// TestKeyProperties covers the questions that callers ask of a Key.
func TestKeyProperties(t *testing.T) {
	type name string
	if !keyOf[string](t).IsString() || !keyOf[name](t).IsString() || keyOf[[]byte](t).IsString() {
		t.Error("IsString is wrong")
	}
	if n, ok := keyOf[tuple.T2[int32, time.Time]](t).Fixed(); !ok || n != 16 {
		t.Errorf("fixed size %d, %v", n, ok)
	}
	if n, ok := keyOf[tuple.Either[int32, uint32]](t).Fixed(); !ok || n != 5 {
		t.Errorf("fixed size %d, %v", n, ok)
	}
	if _, ok := keyOf[tuple.T2[string, int]](t).Fixed(); ok {
		t.Error("a string has a fixed size")
	}
	if first, again := keyOf[Person](t), keyOf[Person](t); first != again {
		t.Error("keys are not cached")
	}
	if !keyOf[Person](t).Snapshot().Equal(typeinfo.MustOf[Person]().Snapshot()) {
		t.Error("the schema of a key differs from that of its type")
	}
	if keyOf[string](t).Snapshot().Equal(keyOf[[]byte](t).Snapshot()) {
		t.Error("string and bytes have one schema")
	}
}

// TestFieldKey: keys by field name are the keys of the fields (R34).
func TestFieldKey(t *testing.T) {
	type record struct {
		Pad   int8
		Word  string
		Count int64
		In    tuple.T2[int16, Person]
		Temp  map[string]int
	}
	typ := typeinfo.MustOf[record]()
	v := record{1, "wo\x00rd", 7, tuple.New2(int16(3), Person{5, "Ann"}), nil}
	for _, c := range []struct {
		names []string
		want  []byte
		back  record
	}{
		{[]string{"word"}, keyBytes(t, v.Word), record{Word: v.Word}},
		{[]string{"count"}, keyBytes(t, v.Count), record{Count: v.Count}},
		{[]string{"in.f1"}, keyBytes(t, v.In.F1), record{In: tuple.T2[int16, Person]{F1: v.In.F1}}},
		{[]string{"count", "word"}, keyBytes(t, tuple.New2(v.Count, v.Word)),
			record{Word: v.Word, Count: v.Count}},
	} {
		k, err := typ.FieldKey(c.names...)
		if err != nil {
			t.Fatal(err)
		}
		if got := k.Append(nil, &v); !bytes.Equal(got, c.want) {
			t.Errorf("%v: % x, want % x", c.names, got, c.want)
		}
		if back, err := k.Decode(c.want); err != nil || !reflect.DeepEqual(back, c.back) {
			t.Errorf("%v: %+v, %v", c.names, back, err)
		}
	}
	one, _ := typ.FieldKey("word")
	if !one.Snapshot().Equal(keyOf[string](t).Snapshot()) {
		t.Error("schema of a single field")
	}
	two, _ := typ.FieldKey("count", "word")
	if !two.Snapshot().Equal(keyOf[tuple.T2[int64, string]](t).Snapshot()) {
		t.Error("schema of two fields")
	}
	_, err := typ.FieldKey()
	wantError(t, err, nil, "record", "no field")
	_, err = typ.FieldKey("wrod")
	wantError(t, err, nil, "wrod", "Word, Count")
	_, err = typ.FieldKey("temp")
	wantError(t, err, typeinfo.ErrUnsupported, `"temp"`, "map")
}

// TestBadKeys: bytes that Append does not write are refused.
func TestBadKeys(t *testing.T) {
	badKey[bool](t, "\x02", "\x01\x01", "")
	badKey[int32](t, "\x00\x00\x00", "\x00\x00\x00\x00\x00")
	badKey[float64](t, "\x7f\xff\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff")
	badKey[float32](t, "\x7f\xff\xff\xff", "\x00\x00\x00\x00", "\x00")
	badKey[tuple.T1[string]](t, "a", "a\x00", "a\x00\x02", "a\x00\xff", "a\x00\x01b")
	badKey[[]int8](t, "", "\x01", "\x01\x80", "\x02")
	badKey[*int8](t, "", "\x01", "\x02\x00", "\x00\x00")
	badKey[tuple.Either[int8, bool]](t, "\x02", "\x01\x02", "\x00")
	badKey[tuple.Option[string]](t, "\x01a", "\x02")
	badKey[[3]byte](t, "\x01\x02", "\x01\x02\x03\x04")
	badKey[[2]bool](t, "\x01\x02")
	badKey[time.Time](t, "\x80\x00\x00\x00\x00\x00\x00\x01\x3b\x9a\xca\x00", "\x80")
	badKey[Person](t, "\x00", "\x80\x00\x00\x01x\x00")
}

func badKey[K any](t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if v, err := keyOf[K](t).Decode([]byte(text)); err == nil {
			t.Errorf("% x is a %T: %v", text, v, v)
		}
	}
}
