package typeinfo_test

import (
	"testing"
	"unsafe"

	"goflink/core/typeinfo"
)

// TestCloneStrings: strings of a value, also nested ones, get memory of their own; the rest stays.
func TestCloneStrings(t *testing.T) {
	type inner struct{ A, B string }
	type record struct {
		Name string
		N    int
		In   inner
		Ref  *string
	}
	info, err := typeinfo.Of[record]()
	if err != nil {
		t.Fatal(err)
	}
	buffer := "one two three"
	r := record{Name: buffer[:3], N: 7, In: inner{A: buffer[4:7], B: ""}, Ref: &buffer}
	was := r
	info.CloneStrings(&r)
	if r != was {
		t.Errorf("%+v became %+v", was, r)
	}
	if unsafe.StringData(r.Name) == unsafe.StringData(buffer) ||
		unsafe.StringData(r.In.A) == unsafe.StringData(was.In.A) {
		t.Error("a string still lies in the buffer that it was cut from")
	}
	word, err := typeinfo.Of[string]()
	if err != nil {
		t.Fatal(err)
	}
	s := buffer[4:7]
	word.CloneStrings(&s)
	if s != "two" || unsafe.StringData(s) == unsafe.StringData(was.In.A) {
		t.Errorf("%q, or it was not copied", s)
	}
	numbers, err := typeinfo.Of[int]()
	if err != nil {
		t.Fatal(err)
	}
	n := 3
	numbers.CloneStrings(&n)
	if n != 3 {
		t.Error(n)
	}
}
