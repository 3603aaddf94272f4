package typeinfo_test

import (
	"reflect"
	"testing"

	"goflink/core/tuple"
	"goflink/core/typeinfo"
)

type Person struct {
	ID   int32
	Name string
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
	want := []byte{
		7, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0xF8, 0x3F,
		0x10,
		2, 1, 0, 0,
		3, 'A', 'n', 'n',
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("encoded as\n% x, want\n% x", got, want)
	}
	var back tuple.T3[int32, float64, Person]
	rest, err := typ.Decode(got, &back)
	if err != nil || len(rest) != 0 || back != v {
		t.Fatalf("read back %v, rest %d bytes, error %v", back, len(rest), err)
	}
}
