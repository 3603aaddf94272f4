package typeinfo_test

import (
	"errors"
	"math"
	"math/big"
	"testing"
	"time"

	"goflink/core/tuple"
	"goflink/core/typeinfo"
)

// WordWithCount is the record of the reference program.
type WordWithCount struct {
	Word  string `flink:"word"`
	Count int64
}

type pair[A, B any] struct {
	First  A
	Second B
}

type byValue struct{ n int }

func (byValue) String() string { return "value!" }

type byPointer struct{ N int }

func (*byPointer) String() string { return "pointer!" }

type panicking struct{}

func (panicking) String() string { panic("boom") }

type day int

func (day) String() string { return "Monday" }

// TestText is the form that print() writes (R34).
func TestText(t *testing.T) {
	var circle = &List{Value: 1}
	circle.Next = circle
	var noError error
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, "null"},
		{noError, "null"},
		{(*int)(nil), "null"},
		{(*byPointer)(nil), "null"},
		{"it's", "it's"},
		{true, "true"},
		{int8(-3), "-3"},
		{uint8(200), "200"},
		{'x', "120"},
		{WordWithCount{"hello", 3}, "WordWithCount{word='hello', count=3}"},
		{&WordWithCount{"hello", 3}, "WordWithCount{word='hello', count=3}"},
		{struct{ A, B any }{"x", nil}, "{a='x', b=null}"},
		{pair[int, string]{1, "x"}, "pair{first=1, second='x'}"},
		{struct {
			A    int `flink:"-"`
			b, C int
			Base
		}{1, 2, 3, Base{4}}, "{c=3, base=Base{baseID=4}}"},
		{tuple.New1("a"), "(a)"},
		{tuple.New2("a", 1), "(a,1)"},
		{new(tuple.New3("a", 1.5, tuple.New2(1, 2))), "(a,1.5,(1,2))"},
		{[]int{1, 2}, "[1, 2]"},
		{[]byte{1, 2}, "[1, 2]"},
		{[2]string{"a", "b"}, "[a, b]"},
		{[]int(nil), "[]"},
		{map[string]int{"b": 2, "a": 1}, "{a=1, b=2}"},
		{map[int][]string{10: {"x"}, 9: nil}, "{9=[], 10=[x]}"},
		{map[float64]bool{2.5: true, -1: false}, "{-1.0=false, 2.5=true}"},
		{map[uint8]int{2: 1, 10: 1}, "{2=1, 10=1}"},
		{map[any]int{"b": 1, "a": 2, 3: 4}, "{3=4, a=2, b=1}"},
		{map[string]int(nil), "{}"},
		{tuple.Some("x"), "Some(x)"},
		{tuple.None[int](), "None"},
		{tuple.Left[int, string](1), "Left(1)"},
		{tuple.Right[int]("r"), "Right(r)"},
		{time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), "2020-01-01T00:00:00Z"},
		{time.Unix(0, 1500000).UTC(), "1970-01-01T00:00:00.0015Z"},
		{struct{ T *time.Time }{new(time.Unix(0, 0).UTC())}, "{t=1970-01-01T00:00:00Z}"},
		{90 * time.Second, "1m30s"},
		{errors.New("broken"), "broken"},
		{byValue{1}, "value!"},
		{&byValue{1}, "value!"},
		{byPointer{1}, "pointer!"},
		{[]byPointer{{1}}, "[pointer!]"},
		{day(1), "Monday"},
		{pair[day, byPointer]{}, "pair{first=Monday, second=pointer!}"},
		{*big.NewInt(12), "12"},
		{panicking{}, "(PANIC=boom)"},
		{complex(1, -2), "(1.0, -2.0)"},
		{struct{ f any }{1}, "{}"},
	} {
		if got := typeinfo.Text(c.v); got != c.want {
			t.Errorf("%#v is %q, want %q", c.v, got, c.want)
		}
		if got := string(typeinfo.AppendText([]byte("x"), c.v)); got != "x"+c.want {
			t.Errorf("%#v is appended as %q", c.v, got)
		}
	}
	if got := typeinfo.Text(circle); len(got) > 5000 {
		t.Errorf("a circle has %d characters", len(got))
	}
	if got := tuple.New2("a", tuple.Some(1)).String(); got != "(a,Some(1))" {
		t.Errorf("String of a tuple is %q", got)
	}
}

// TestFloatText: as Java 21's Double.toString and Float.toString document it.
func TestFloatText(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{1.0, "1.0"}, {3.5, "3.5"}, {0.0, "0.0"}, {math.Copysign(0, -1), "-0.0"},
		{math.NaN(), "NaN"}, {math.Inf(1), "Infinity"}, {math.Inf(-1), "-Infinity"},
		{0.1, "0.1"}, {-12.25, "-12.25"}, {100.0, "100.0"}, {9999999.0, "9999999.0"},
		{1e7, "1.0E7"}, {12345678.9, "1.23456789E7"}, {0.001, "0.001"}, {9.99e-4, "9.99E-4"},
		{1e-10, "1.0E-10"}, {1e100, "1.0E100"}, {math.MaxFloat64, "1.7976931348623157E308"},
		{math.SmallestNonzeroFloat64, "4.9E-324"}, {1.0 / 3, "0.3333333333333333"},
		{float32(0.1), "0.1"}, {float32(1e10), "1.0E10"}, {float32(3), "3.0"},
		{float32(math.SmallestNonzeroFloat32), "1.4E-45"}, {2e-323, "2.0E-323"},
	} {
		if got := typeinfo.Text(c.v); got != c.want {
			t.Errorf("%g is %q, want %q", c.v, got, c.want)
		}
	}
}
