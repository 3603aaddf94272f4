package recordfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"goflink/core/typeinfo"
	"goflink/operator/recordfile"
)

type old struct {
	Name string
	Tags []string
}

// newer is what old became.
type newer struct {
	Count int64
	Name  string
}

func file(t testing.TB, vs ...old) []byte {
	t.Helper()
	typ := typeinfo.MustOf[old]()
	b, err := recordfile.Header(typ)
	if err != nil {
		t.Fatal(err)
	}
	for i := range vs {
		if b, err = recordfile.Append(typ, b, &vs[i]); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// read returns the records of a file and the positions behind them.
func read[T any](b []byte) (vs []T, ends []int64, err error) {
	r, at, err := recordfile.NewReader(typeinfo.MustOf[T](), bytes.NewReader(b))
	for err == nil {
		var v T
		var n int64
		if n, err = r.Next(&v); err == nil {
			at += n
			vs, ends = append(vs, v), append(ends, at)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return vs, ends, err
}

// TestRoundTrip: what was written is read, also into a type that has changed, and from any record
// on.
func TestRoundTrip(t *testing.T) {
	want := []old{{"a", []string{"x", "y"}}, {}, {strings.Repeat("b", 200_000), nil},
		{"c", []string{""}}}
	b := file(t, want...)
	got, ends, err := read[old](b)
	if err != nil || typeinfo.Text(got) != typeinfo.Text(want) || ends[3] != int64(len(b)) {
		t.Fatalf("%v: got %d records, %d bytes of %d", err, len(got), ends, len(b))
	}
	changed, _, err := read[newer](b)
	if err != nil || len(changed) != 4 || changed[0] != (newer{0, "a"}) || changed[3].Name != "c" {
		t.Fatalf("%v: got %v", err, changed)
	}
	for i, end := range ends {
		r, _, err := recordfile.NewReader(typeinfo.MustOf[old](), bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		r.Continue(bytes.NewReader(b[end:]))
		var v old
		if _, err := r.Next(&v); i == 3 && err != io.EOF || i < 3 && v.Name != want[i+1].Name {
			t.Errorf("behind record %d: %v, %v", i, v, err)
		}
	}
	if vs, _, err := read[old](file(t)); err != nil || len(vs) > 0 {
		t.Errorf("an empty file: %v, %v", vs, err)
	}
}

// TestDamaged: a file that is cut anywhere but behind a record is an error, as is one that lies
// about lengths.
func TestDamaged(t *testing.T) {
	b := file(t, old{"a", nil}, old{"b", []string{"c"}})
	_, ends, err := read[old](b)
	if err != nil {
		t.Fatal(err)
	}
	header := int64(len(file(t)))
	for n := range int64(len(b)) {
		_, _, err := read[old](b[:n])
		if whole := n == header || slices.Contains(ends, n); whole != (err == nil) {
			t.Errorf("cut to %d bytes: %v", n, err)
		} else if n > header && err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	for text, spoil := range map[string]func(b []byte){
		"no binary file of records": func(b []byte) { b[0]++ },
		"a schema of":               func(b []byte) { b[8] = 0xff },
		"a record of":               func(b []byte) { b[header] = 0xff },
		"are left of a record":      func(b []byte) { b[header+3]++ },
	} {
		c := append(bytes.Clone(b), 0)
		spoil(c)
		if _, _, err := read[old](c); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("want an error with %q, got %v", text, err)
		}
	}
	if _, _, err := read[int](b); !errors.Is(err, typeinfo.ErrIncompatible) {
		t.Errorf("read as another type: %v", err)
	}
	// A length that lies allocates no more than there is.
	liar := binary.BigEndian.AppendUint32(file(t), recordfile.MaxRecordBytes)
	if n := testing.AllocsPerRun(1, func() { _, _, err = read[old](liar) }); err == nil ||
		n > 1000 {
		t.Errorf("%v after %v allocations", err, n)
	}
}

// FuzzReader: no input makes the reader panic or go on forever.
func FuzzReader(f *testing.F) {
	f.Add(file(f, old{"a", []string{"b"}}, old{}))
	f.Add(file(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		vs, _, err := read[old](b)
		if len(vs) > len(b) {
			t.Errorf("%d records of %d bytes, %v", len(vs), len(b), err)
		}
	})
}
