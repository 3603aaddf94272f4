package tuple_test

import (
	"testing"

	"goflink/core/tuple"
	"goflink/core/typeinfo"
)

// TestTuplesAreTuples: each arity is encoded as its fields alone (R109, R111) and printed as Flink
// prints it.
func TestTuplesAreTuples(t *testing.T) {
	arity(t, tuple.New1(int8(1)), 1, "(1)")
	arity(t, tuple.New2(int8(1), int8(2)), 2, "(1,2)")
	arity(t, tuple.New3(int8(1), int8(2), "x"), 4, "(1,2,x)")
	arity(t, tuple.New4(int8(1), int8(2), int8(3), true), 4, "(1,2,3,true)")
	arity(t, tuple.New5(int8(1), int8(2), int8(3), int8(4), int8(5)), 5, "(1,2,3,4,5)")
	arity(t, tuple.New6(int8(1), int8(2), int8(3), int8(4), int8(5), 1.5), 13, "(1,2,3,4,5,1.5)")
	arity(t, tuple.New7(int8(1), int8(2), int8(3), int8(4), int8(5), int8(6), int8(7)), 7,
		"(1,2,3,4,5,6,7)")
	arity(t, tuple.New8(int8(1), int8(2), int8(3), int8(4), int8(5), int8(6), int8(7), int8(8)), 8,
		"(1,2,3,4,5,6,7,8)")
}

func arity[T interface {
	comparable
	String() string
}](t *testing.T, v T, size int, text string) {
	t.Helper()
	typ := typeinfo.MustOf[T]()
	b, err := typ.Append(nil, &v)
	if err != nil || len(b) != size {
		t.Errorf("%v takes %d bytes, want %d; %v", v, len(b), size, err)
	}
	var back T
	if rest, err := typ.Decode(b, &back); err != nil || len(rest) != 0 || back != v {
		t.Errorf("%v came back as %v, %v", v, back, err)
	}
	if v.String() != text {
		t.Errorf("text %q, want %q", v.String(), text)
	}
	if _, err := typ.Field("f0"); err != nil {
		t.Error(err)
	}
}

func TestOption(t *testing.T) {
	some, none := tuple.Some(3), tuple.None[int]()
	if v, ok := some.Get(); v != 3 || !ok {
		t.Errorf("Get gave %d, %v", v, ok)
	}
	if v, ok := none.Get(); v != 0 || ok {
		t.Errorf("Get gave %d, %v", v, ok)
	}
	if some.OrElse(4) != 3 || none.OrElse(4) != 4 {
		t.Error("OrElse is wrong")
	}
	if some.String() != "Some(3)" || none.String() != "None" {
		t.Errorf("texts %s, %s", some, none)
	}
}

func TestEither(t *testing.T) {
	left, right := tuple.Left[int, string](3), tuple.Right[int]("x")
	if left.IsRight || left.Left != 3 || !right.IsRight || right.Right != "x" {
		t.Errorf("%+v, %+v", left, right)
	}
	if left.String() != "Left(3)" || right.String() != "Right(x)" {
		t.Errorf("texts %s, %s", left, right)
	}
}
