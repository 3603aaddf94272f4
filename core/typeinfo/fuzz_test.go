package typeinfo_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"goflink/core/tuple"
	"goflink/core/typeinfo"
)

// decoded reads src as a T; what can be read must be written and read again as the same value,
// and skipped over to the same place.
func decoded[T any](t *testing.T, src []byte) {
	typ := typeinfo.MustOf[T]()
	var v T
	rest, err := typ.Decode(src, &v)
	skip, err2 := typeinfo.MustOf[tuple.T1[struct{ A int8 }]]().Migrate(skipSchema[T]())
	if err2 != nil {
		t.Fatal(err2)
	}
	var skipped tuple.T1[struct{ A int8 }]
	skipRest, skipErr := skip.Decode(append([]byte{0x10}, src...), &skipped)
	if err != nil {
		return
	}
	if skipErr != nil || len(skipRest) != len(rest) {
		t.Fatalf("%T: %d bytes are left, after skipping %d (%v)", v, len(rest), len(skipRest),
			skipErr)
	}
	b, err := typ.Append(nil, &v)
	if err != nil {
		t.Fatalf("%T: read %#v but could not write it: %v", v, v, err)
	}
	var again T
	if rest, err = typ.Decode(b, &again); err != nil || len(rest) != 0 {
		t.Fatalf("%T: %#v was written but not read: %v", v, v, err)
	}
	c, err := typ.Append(nil, &again)
	if err != nil || len(b) != len(c) {
		t.Fatalf("%T: %#v became %#v", v, v, again)
	}
	if clone := typ.Clone(v); typ.MemSize(&clone) <= 0 {
		t.Fatalf("%T: no size", v)
	}
}

// skipSchema is the schema of a record whose only field is a T that its new form does not have.
func skipSchema[T any]() typeinfo.Snapshot {
	s := typeinfo.MustOf[tuple.T1[struct{ Gone T }]]().Snapshot()
	return s
}

// corpus are encoded values of the types that FuzzDecode reads.
func corpus(f *testing.F) {
	add := func(b []byte, err error) {
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	e := Everything{S: "x", L: []int32{1}, M: map[tuple.T2[string, int64]]*Person{{}: {}}}
	add(typeinfo.MustOf[Everything]().Append(nil, &e))
	tree := Tree{"a", []Tree{{Name: "b"}}, map[string]Tree{"c": {}}}
	add(typeinfo.MustOf[Tree]().Append(nil, &tree))
	anything := any(map[string]any{"a": []any{1, nil, time.Unix(1, 0), registered{1, "x"}}})
	add(typeinfo.MustOf[any]().Append(nil, &anything))
	add(typeinfo.MustOf[List]().Append(nil, &List{1, &List{2, nil}}))
	words := []wordCount{{"a", 1}, {"b", 2}}
	add(typeinfo.MustOf[[]wordCount]().Append(nil, &words))
	f.Add([]byte{0x12, 0x80, 0x00})
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
}

func FuzzDecode(f *testing.F) {
	corpus(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		decoded[Everything](t, src)
		decoded[Tree](t, src)
		decoded[List](t, src)
		decoded[any](t, src)
		decoded[[]wordCount](t, src)
		decoded[map[any][]string](t, src)
		decoded[tuple.T3[int32, tuple.Option[[]bool], tuple.Either[string, [2]*float32]]](t, src)
		decoded[[]map[int64]string](t, src)
		decoded[secret](t, src)
	})
}

func decodedKey[K any](t *testing.T, src []byte) {
	k := keyOf[K](t)
	v, err := k.Decode(src)
	if err != nil {
		return
	}
	if b := k.Append(nil, &v); !bytes.Equal(b, src) {
		t.Fatalf("%T: % x was read as %#v, whose bytes are % x", v, src, v, b)
	}
}

func FuzzKeyDecode(f *testing.F) {
	f.Add([]byte("text"))
	f.Add(keyBytes(f, tuple.New3("a\x00b", int32(-1), []float64{1.5})))
	f.Add(keyBytes(f, Person{1, "x"}))
	f.Add(keyBytes(f, time.Unix(1, 2)))
	f.Add(keyBytes(f, tuple.New2(tuple.Some("x"), tuple.Right[bool](&Person{2, "y"}))))
	f.Fuzz(func(t *testing.T, src []byte) {
		decodedKey[string](t, src)
		decodedKey[[]byte](t, src)
		decodedKey[int64](t, src)
		decodedKey[float32](t, src)
		decodedKey[float64](t, src)
		decodedKey[time.Time](t, src)
		decodedKey[Person](t, src)
		decodedKey[[3]uint16](t, src)
		decodedKey[tuple.T3[string, int32, []float64]](t, src)
		decodedKey[tuple.T2[tuple.Option[string], tuple.Either[bool, *Person]]](t, src)
		decodedKey[[][]byte](t, src)
	})
}

func FuzzSnapshotParse(f *testing.F) {
	for _, s := range []typeinfo.Snapshot{
		typeinfo.MustOf[Everything]().Snapshot(), typeinfo.MustOf[Tree]().Snapshot(),
		typeinfo.MustOf[Pong]().Snapshot(), typeinfo.MustOf[any]().Snapshot(),
		typeinfo.MustOf[tuple.T2[tuple.Option[int], tuple.Either[string, [3]bool]]]().Snapshot(),
	} {
		b, err := json.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, []byte("\x10\x10\x00\x01\x02"))
	}
	f.Fuzz(func(t *testing.T, text, value []byte) {
		s, err := typeinfo.ParseSnapshot(text)
		if err != nil {
			return
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := typeinfo.ParseSnapshot(b)
		if err != nil || !s.Equal(again) || !s.Equal(s) {
			t.Fatalf("%s came back as %s: %v", text, b, err)
		}
		dec, err := typeinfo.MustOf[Everything]().Migrate(s)
		if err != nil {
			return
		}
		var v Everything
		_, _ = dec.Decode(value, &v) // must not panic
	})
}
