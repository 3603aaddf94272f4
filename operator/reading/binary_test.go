package reading_test

import (
	"fmt"
	"io"
	"slices"
	"testing"

	"goflink/core/typeinfo"
	"goflink/internal/testkit"
	"goflink/operator/reading"
	"goflink/operator/recordfile"
)

// TestBinaryFile: R37, R62: binary files are read from where a failed reader was, also rescaled.
func TestBinaryFile(t *testing.T) {
	typ := typeinfo.MustOf[int64]()
	contents := map[string]string{}
	n := int64(0)
	for i := range 4 {
		b, err := recordfile.Header(typ)
		for range i * 20 {
			if err == nil {
				b, err = recordfile.Append(typ, b, &n)
			}
			n++
		}
		if err != nil {
			t.Fatal(err)
		}
		contents[fmt.Sprintf("/in/%d.bin", i)] = string(b)
	}
	_, files := memory(t, contents)
	src := reading.BinaryFile[int64]{Files: files, Path: "/in", Type: typ}
	if err := src.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.EachSeed(t, testkit.Scaled(50), func(t *testing.T, seed uint64) {
		rnd := testkit.Source(seed)
		c := chaos[int64]{r: newRig(t, src, 1+rnd.IntN(3), nil), rnd: rnd, faults: rnd.IntN(8),
			max: 20}
		c.run()
		numbersAre(t, "binary files", c.r.values(), 0, n-1)
	})
	first := newRig(t, reading.BinaryFile[int64]{Files: files, Path: "/in/1*", Type: typ}, 1, nil)
	first.read(7)
	if want := slices.Sorted(slices.Values(first.values())); len(want) != 20 || want[0] != 0 {
		t.Errorf("one file: %v", want)
	}
}

// TestBinaryFileErrors: what is wrong is said with the path.
func TestBinaryFileErrors(t *testing.T) {
	typ := typeinfo.MustOf[int64]()
	b, err := recordfile.Header(typ)
	if err != nil {
		t.Fatal(err)
	}
	_, files := memory(t, map[string]string{"/text": "no records", "/cut": string(b) + "\x00\x00"})
	for _, c := range []struct {
		path string
		is   error
		text string
	}{{"/none", nil, "binary file: stat /none"}, {"/text", nil,
		"binary file /text: it does not begin"},
		{"/cut", io.ErrUnexpectedEOF, fmt.Sprintf("binary file /cut, byte %d", len(b))}} {
		r := newRig(t, reading.BinaryFile[int64]{Files: files, Path: c.path, Type: typ}, 1, nil)
		expectError(t, r.settle(10), c.is, c.text)
		r.close()
	}
	strings := reading.BinaryFile[string]{Files: files, Path: "/cut",
		Type: typeinfo.MustOf[string]()}
	r := newRig(t, strings, 1, nil)
	expectError(t, r.settle(10), typeinfo.ErrIncompatible, "binary file /cut")
}
