package typeinfo_test

import (
	"errors"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"testing"
	"time"

	"goflink/core/tuple"
	"goflink/core/typeinfo"
)

type (
	// Color and the others are named types: they go by their underlying kinds.
	Color   uint8
	Words   []string
	Scores  map[string]float64
	Instant time.Time

	// Everything has a field of each kind that needs no fallback.
	Everything struct {
		B    bool
		I    int
		I8   int8
		I16  int16
		I32  int32
		I64  int64
		U    uint
		U8   uint8
		U16  uint16
		U32  uint32
		U64  uint64
		F32  float32
		F64  float64
		C64  complex64
		C128 complex128
		S    string
		Raw  []byte
		L    []int32
		H    []int16
		Dup  []tuple.T2[int64, int64]
		Arr  [3]string
		Sums [2][2]int64
		P    *string
		PP   **int64
		T    time.Time
		D    time.Duration
		C    Color
		W    Words
		Sc   Scores
		Opt  tuple.Option[Person]
		E    tuple.Either[string, []Person]
		M    map[tuple.T2[string, int64]]*Person
		MM   map[string]map[int32][]bool
		Tup  tuple.T3[int32, float64, Person]
		Z    struct{}
		ZZ   []struct{}
		Left int `flink:"-"`
		Anon struct{ X, Y int }
		Base
		*Person
	}
	// Base is embedded in Everything.
	Base struct{ BaseID int64 }

	// List is a linked list.
	List struct {
		Value int64
		Next  *List
	}
	// Tree contains itself by slice and by map.
	Tree struct {
		Name  string
		Kids  []Tree
		ByKey map[string]Tree
	}
	// Ping and Pong contain each other, Pong with Ping by value behind a pointer.
	Ping struct {
		N    int32
		Pong *Pong
	}
	Pong struct {
		S    string
		Ping Ping
		More []Ping
	}
)

// roundTrip encodes and decodes v, alone and in a batch.
func roundTrip[T any](t *testing.T, v T, opts ...typeinfo.Option) T {
	t.Helper()
	typ, err := typeinfo.Of[T](opts...)
	if err != nil {
		t.Fatal(err)
	}
	b, err := typ.Append([]byte("x"), &v)
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := typ.FixedSize(); ok && n != len(b)-1 {
		t.Fatalf("%s: FixedSize is %d, %d bytes written", typ.Name(), n, len(b)-1)
	}
	var back T
	rest, err := typ.Decode(append(b[1:], "rest"...), &back)
	if err != nil {
		t.Fatalf("%s: %v", typ.Name(), err)
	}
	if string(rest) != "rest" {
		t.Fatalf("%s: rest is %q", typ.Name(), rest)
	}
	all, err := typ.AppendAll(nil, []T{v, v, v})
	if err != nil {
		t.Fatal(err)
	}
	vs, rest, err := typ.DecodeAll(all, 3, []T{v})
	if err != nil || len(rest) != 0 || len(vs) != 4 {
		t.Fatalf("%s: batch: %d values, %d bytes left, %v", typ.Name(), len(vs), len(rest), err)
	}
	if !reflect.DeepEqual(vs[3], back) {
		t.Fatalf("%s: batch gave %v, single value %v", typ.Name(), vs[3], back)
	}
	return back
}

// check is a round trip that has to give the same value again.
func check[T any](t *testing.T, v T) {
	t.Helper()
	if back := roundTrip(t, v); !reflect.DeepEqual(back, v) {
		t.Errorf("%T: wrote %#v, read %#v", v, v, back)
	}
}

// TestFamilies is the round trip of each family of R109.
func TestFamilies(t *testing.T) {
	t.Run("basic", func(t *testing.T) {
		check(t, true)
		check(t, int8(math.MinInt8))
		check(t, int16(math.MinInt16))
		check(t, int32(math.MinInt32))
		check(t, int64(math.MinInt64))
		check(t, math.MaxInt)
		check(t, uint8(math.MaxUint8))
		check(t, uint16(math.MaxUint16))
		check(t, uint32(math.MaxUint32))
		check(t, uint64(math.MaxUint64))
		check(t, uint(math.MaxUint))
		check(t, float32(math.SmallestNonzeroFloat32))
		check(t, math.Inf(-1))
		check(t, complex64(complex(1, -2)))
		check(t, complex(3, math.MaxFloat64))
		check(t, "")
		check(t, string(make([]byte, 300)))
		check(t, Color(7))
		check(t, time.Minute)
	})
	t.Run("arrays", func(t *testing.T) {
		check(t, []byte(nil))
		check(t, []byte{})
		check(t, []byte{1, 2})
		check(t, [4]int64{1, 2, 3, 4})
		check(t, [2][]string{{"a"}, nil})
		check(t, [0]string{})
		check(t, [][0]int{{}, {}})
		check(t, []bool{true, false})
		check(t, []float64{1, 2})
		check(t, []uint16{1, 2, 3})
		check(t, []complex128{1, 2i})
		check(t, []string{"a", "", "c"})
		check(t, [][]int{nil, {}, {1}})
		check(t, Words{"x"})
		check(t, []struct{}{{}, {}})
	})
	t.Run("composite", func(t *testing.T) {
		check(t, tuple.New1("a"))
		check(t, tuple.New2("a", 1))
		check(t, tuple.New8(int8(1), "b", 3.0, true, []int{1}, &Person{1, "x"}, uint(7), 'x'))
		check(t, Person{1, "x"})
		check(t, &Person{1, "x"})
		check(t, (*Person)(nil))
		check(t, struct{}{})
		check(t, tuple.New2(int64(1), int64(2)))
		check(t, []tuple.T2[int32, int64]{tuple.New2(int32(1), int64(2)), {}})
	})
	t.Run("auxiliary", func(t *testing.T) {
		check(t, tuple.Some("x"))
		check(t, tuple.None[Person]())
		check(t, tuple.Some(tuple.Some(1)))
		check(t, tuple.Left[int, string](3))
		check(t, tuple.Right[int](""))
		check(t, map[string]int64{"a": 1, "b": 2})
		check(t, map[string]int64(nil))
		check(t, map[string]int64{})
		check(t, map[Color][]Person{1: {{1, "x"}}, 2: nil})
		check(t, Scores{"x": 1.5})
		check(t, map[int32]int32{1: 2})
		check(t, map[int]string{1: "x"})
		check(t, map[[0]int]string{{}: "x"})
		check(t, map[struct{}]struct{}{{}: {}})
	})
	t.Run("own codec", func(t *testing.T) {
		check(t, netip.MustParseAddr("10.1.2.3"))
		check(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
		u, _ := url.Parse("https://example.org/" + string(make([]byte, 0)) + "a?b=c")
		check(t, *u)
		check(t, secret{"hidden"})
		check(t, secret{string(make([]byte, 20_000))})
		check(t, marshalOnly{"hidden"})
	})
	t.Run("generic", func(t *testing.T) {
		check(t, any(nil))
		check(t, any("x"))
		check(t, any(int8(3)))
		check(t, any([]byte{1}))
		check(t, any(map[string]any{"a": []any{1.5, nil, true, "x"}, "t": time.Unix(1, 2).UTC()}))
		check(t, map[any]any{"a": 1, 2: "b"})
		check(t, any(registered{1, "x"}))
		check(t, shapely(registered{1, "x"}))
		check(t, *big.NewInt(0).Exp(big.NewInt(7), big.NewInt(300), nil))
	})
	t.Run("recursive", func(t *testing.T) {
		check(t, List{1, &List{2, &List{3, nil}}})
		check(t, Tree{"a", []Tree{{"b", nil, nil}}, map[string]Tree{"c": {Name: "c"}}})
		check(t, Ping{1, &Pong{"x", Ping{2, nil}, []Ping{{3, &Pong{S: "y"}}}}})
		check(t, &Pong{Ping: Ping{4, &Pong{}}})
	})
}

// secret has unexported fields and a codec that appends.
type secret struct{ s string }

func (s secret) AppendBinary(b []byte) ([]byte, error) { return append(b, s.s...), nil }
func (s *secret) UnmarshalBinary(b []byte) error       { s.s = string(b); return nil }

// marshalOnly has the older form of a codec.
type marshalOnly struct{ s string }

func (s *marshalOnly) MarshalBinary() ([]byte, error) { return []byte(s.s), nil }
func (s *marshalOnly) UnmarshalBinary(b []byte) error { s.s = string(b); return nil }

// registered is known to the generic fallback.
type registered struct {
	N int
	S string
}

type shapely interface{ Area() int }

func (r registered) Area() int { return r.N }

func init() { typeinfo.Register(registered{}) }

// TestNestedComposites is R110: a composite of composites uses the serializers of its fields and
// never the fallback, in random values too.
func TestNestedComposites(t *testing.T) {
	r := newRand(t)
	for range 100 {
		v := randomOf[Everything](r)
		back := roundTrip(t, v, typeinfo.WithoutGeneric())
		if !reflect.DeepEqual(v, back) {
			t.Fatalf("wrote %#v, read %#v", v, back)
		}
		check(t, randomOf[tuple.T3[[]Person, tuple.Option[[]string], map[string]*Person]](r))
		check(t, randomOf[Tree](r))
		check(t, randomOf[Pong](r))
	}
}

// TestWithoutGeneric is R110's switch: what needs the fallback is refused with its path.
func TestWithoutGeneric(t *testing.T) {
	type inner struct{ Any any }
	type outer struct{ In []inner }
	if _, err := typeinfo.Of[outer](); err != nil {
		t.Fatal(err)
	}
	_, err := typeinfo.Of[outer](typeinfo.WithoutGeneric())
	wantError(t, err, typeinfo.ErrUnsupported, "outer.In[].Any", "interface {}",
		"pipeline.generic-types")
	_, err = typeinfo.Of[struct{ N *big.Int }](typeinfo.WithoutGeneric())
	wantError(t, err, typeinfo.ErrUnsupported, "N (big.Int)", "gob")
}

// TestNotANumber keeps the bits of a NaN in values (keys are another matter).
func TestNotANumber(t *testing.T) {
	v := math.Float64frombits(0x7ff8_0000_dead_beef)
	typ := typeinfo.MustOf[float64]()
	b, err := typ.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	var back float64
	if _, err := typ.Decode(b, &back); err != nil {
		t.Fatal(err)
	}
	if got := math.Float64bits(back); got != math.Float64bits(v) {
		t.Fatalf("got %#x", got)
	}
}

// TestTimes: the instant and the offset survive, the zone's name does not.
func TestTimes(t *testing.T) {
	for _, at := range []time.Time{
		{},
		time.Unix(0, 0).UTC(),
		time.Date(2024, 2, 29, 12, 0, 0, 999_999_999, time.UTC),
		time.Date(9999, 1, 1, 0, 0, 0, 0, time.FixedZone("", 5*3600+1800)),
		time.Date(-44, 3, 15, 0, 0, 0, 1, time.FixedZone("odd", -1234)),
		time.Date(2024, 1, 1, 0, 0, 0, 0, time.FixedZone("far", 100*3600)),
		time.Now(),
	} {
		back := roundTrip(t, at)
		_, offset := at.Zone()
		_, got := back.Zone()
		if !back.Equal(at) || offset != got {
			t.Errorf("wrote %v, read %v", at, back)
		}
		if at.Location() == time.UTC && back != at {
			t.Errorf("UTC time %#v is %#v", at, back)
		}
	}
	at := Instant(time.Unix(1, 0).UTC())
	check(t, at)
	bad := time.Unix(0, 0).In(time.FixedZone("", math.MaxInt32+1))
	_, err := typeinfo.MustOf[time.Time]().Append(nil, &bad)
	wantError(t, err, nil, "zone offset")
}

// TestEmbeddedTime: the codec that a struct has from an embedded field must not swallow the rest.
func TestEmbeddedTime(t *testing.T) {
	type event struct {
		time.Time
		Name string
	}
	v := event{time.Unix(1, 0).UTC(), "x"}
	check(t, v)
	check(t, ownEmbedding{secret{"a"}, "b"})
	check(t, promotedCodec{secret{"a"}, "b"})
}

// ownEmbedding embeds a type with a codec and has its own.
type ownEmbedding struct {
	secret
	s string
}

func (o ownEmbedding) AppendBinary(b []byte) ([]byte, error) {
	return append(append(append(b, o.secret.s...), ','), o.s...), nil
}

func (o *ownEmbedding) UnmarshalBinary(b []byte) error {
	for i, c := range b {
		if c == ',' {
			o.secret.s, o.s = string(b[:i]), string(b[i+1:])
			return nil
		}
	}
	return errors.New("no comma")
}

// promotedCodec has the methods of its embedded field only.
type promotedCodec struct {
	secret
	Name string
}

// TestSkippedFields: a field that is left out is zero after decoding, whatever was there before.
func TestSkippedFields(t *testing.T) {
	type record struct {
		A    int
		Temp chan int `flink:"-"`
		_    int
	}
	typ := typeinfo.MustOf[[2]tuple.Option[record]]()
	v := [2]tuple.Option[record]{tuple.Some(record{A: 1, Temp: make(chan int)})}
	b, err := typ.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	dirty := [2]tuple.Option[record]{
		tuple.Some(record{A: 5, Temp: v[0].Value.Temp}), tuple.Some(record{A: 6})}
	if _, err := typ.Decode(b, &dirty); err != nil {
		t.Fatal(err)
	}
	if want := [2]tuple.Option[record]{tuple.Some(record{A: 1})}; dirty != want {
		t.Fatalf("got %+v", dirty)
	}
	used := [][2]tuple.Option[record]{v, v}
	vs, _, err := typ.DecodeAll(b, 1, used[:0])
	if err != nil || vs[0][0].Value.Temp != nil {
		t.Fatalf("got %+v, %v", vs, err)
	}
}

// TestDecodeDoesNotAlias: what was read does not change with the buffer, nor with what the
// variable held before.
func TestDecodeDoesNotAlias(t *testing.T) {
	r := newRand(t)
	typ := typeinfo.MustOf[Everything]()
	for range 50 {
		v := randomOf[Everything](r)
		b, err := typ.Append(nil, &v)
		if err != nil {
			t.Fatal(err)
		}
		before := randomOf[Everything](r)
		kept := typ.Clone(before)
		back := before // shares slices and maps with before
		if _, err := typ.Decode(b, &back); err != nil {
			t.Fatal(err)
		}
		for i := range b {
			b[i] = 0xAA
		}
		if !reflect.DeepEqual(back, v) {
			t.Fatalf("wrote %#v, read %#v", v, back)
		}
		if !reflect.DeepEqual(before, kept) {
			t.Fatalf("an old value was changed from %#v to %#v", kept, before)
		}
	}
}
