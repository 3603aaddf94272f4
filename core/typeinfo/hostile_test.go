package typeinfo_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"goflink/core/tuple"
	"goflink/core/typeinfo"
)

// TestTruncated: every proper prefix of a value is an error that says so.
func TestTruncated(t *testing.T) {
	r := newRand(t)
	for range 10 {
		truncate(t, randomOf[Everything](r))
		truncate(t, randomOf[Tree](r))
	}
	truncate(t, any(map[string]any{"a": []any{1, "x", time.Unix(1, 0)}}))
	truncate(t, any(registered{1, "x"}))
	truncate(t, secret{strings.Repeat("x", 200)})
	truncate(t, [][2]int16{{1, 2}, {3, 4}})
	truncate(t, map[int64]string{1: "a", 2: "b"})
	truncate(t, tuple.New3(true, int8(1), int16(2)))
}

// prefixesMax is how many prefixes of a value are tried.
const prefixesMax = 100

func truncate[T any](t *testing.T, v T) {
	t.Helper()
	typ := typeinfo.MustOf[T]()
	b, err := typ.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(b); i += 1 + len(b)/prefixesMax {
		var back T
		_, err := typ.Decode(b[:i:i], &back)
		if !errors.Is(err, typeinfo.ErrTruncated) && !errors.Is(err, typeinfo.ErrCorrupt) {
			t.Fatalf("%T: %d of %d bytes: %v", v, i, len(b), err)
		}
		_, _, err = typ.DecodeAll(b[:i:i], 1, nil)
		if err == nil {
			t.Fatalf("%T: %d of %d bytes were enough in a batch", v, i, len(b))
		}
	}
}

// TestCorruptBytes says what is wrong and where.
func TestCorruptBytes(t *testing.T) {
	corruptAs[bool](t, "\x02", "bool byte 0x02")
	corruptAs[Person](t, "\x11", "header byte 0x11")
	corruptAs[*int8](t, "\x12", "header byte 0x12")
	corruptAs[tuple.Option[int]](t, "\x02", "option byte")
	corruptAs[tuple.Either[int, int]](t, "\x02", "either byte")
	corruptAs[string](t, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "64 bits")
	corruptAs[time.Time](t, "\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00",
		"nanoseconds")
	corruptAs[any](t, "\x63", "unknown tag")
	corruptAs[any](t, "\x01\x01\x01", "")
	corruptAs[map[any]int](t, "\x01\x12\x00\x00\x00\x00\x00\x00\x00\x00\x00", "compared")
	corruptAs[map[[0]int]struct{ A [0]int }](t, "\x02\x10\x11", "header")
	corruptAs[map[[0]int][0]int](t, "\xff\xff\xff\xff\x0f", "keys take no bytes")
	type record struct{ F tuple.T2[int8, bool] }
	corruptAs[[]record](t, "\x02\x10\x01\x01\x10\x01\x07", "[1].F.F1: corrupt: bool byte")
}

func corruptAs[T any](t *testing.T, src, part string) {
	t.Helper()
	var v T
	_, err := typeinfo.MustOf[T]().Decode([]byte(src), &v)
	wantError(t, err, typeinfo.ErrCorrupt, part)
}

// TestDecodeAllRefusesBadCounts: the number of values comes from outside too.
func TestDecodeAllRefusesBadCounts(t *testing.T) {
	dst := []int64{1}
	for _, n := range []int{-1, 2, math.MaxInt, math.MinInt} {
		out, _, err := typeinfo.MustOf[int64]().DecodeAll(make([]byte, 15), n, dst)
		wantError(t, err, typeinfo.ErrTruncated, "15 bytes")
		if len(out) != 1 {
			t.Errorf("got %v", out)
		}
	}
	empty, rest, err := typeinfo.MustOf[[0]int]().DecodeAll([]byte{1}, math.MaxInt, nil)
	if err != nil || len(rest) != 1 || len(empty) != math.MaxInt {
		t.Errorf("values without bytes: %d, %v", len(empty), err)
	}
	none, rest, err := typeinfo.MustOf[string]().DecodeAll(nil, 0, nil)
	if err != nil || len(rest) != 0 || len(none) != 0 {
		t.Errorf("no values: %v, %v", none, err)
	}
}

// TestHostileLengths: input that claims more than it has gets no more memory than a multiple of
// its own size, however deep the claims are nested.
func TestHostileLengths(t *testing.T) {
	huge := binary.AppendUvarint(nil, 1<<40)
	hostile[string](t, huge, 0)
	hostile[[]byte](t, huge, 0)
	hostile[[]int64](t, huge, 0)
	hostile[[]Person](t, huge, 0)
	hostile[map[string]int](t, huge, 0)
	hostile[secret](t, huge, 0)
	hostile[any](t, append([]byte{1}, huge...), 0)
	// Each level claims as many elements as there are bytes left.
	const levels = 9000
	claims := func(head []byte) []byte {
		src := []byte{}
		for i := range levels {
			src = append(src, head...)
			src = binary.AppendUvarint(src, uint64(2*(levels-i)))
		}
		return src
	}
	hostile[any](t, claims([]byte{0x12}), 300)
	hostile[any](t, claims([]byte{0x13}), 300)
	type kids struct{ Kids []kids }
	hostile[kids](t, claims([]byte{0x10}), 300)
	hostile[[]tuple.Option[[100]int64]](t, append(binary.AppendUvarint(nil, 20_000),
		bytes.Repeat([]byte{2}, 20_000)...), 20)
}

// hostile decodes src, which must fail with less than a fixed amount plus perByte bytes of memory
// for each byte of src.
func hostile[T any](t *testing.T, src []byte, perByte int) {
	t.Helper()
	typ := typeinfo.MustOf[T]()
	var v T
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := typ.Decode(src, &v)
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Fatalf("%s: no error", typ.Name())
	}
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(2<<20+perByte*len(src)); got > most {
		t.Errorf("%s: %d bytes of input took %d bytes of memory", typ.Name(), len(src), got)
	}
}

// TestLongSlices: slices that grow while they are read come back whole.
func TestLongSlices(t *testing.T) {
	type wide struct {
		Opt tuple.Option[[64]int64]
		S   string
	}
	v := make([]wide, 5000)
	for i := range v {
		if i%100 == 0 {
			v[i] = wide{tuple.Some([64]int64{int64(i)}), "x"}
		}
	}
	check(t, v)
	m := map[string][]string{}
	for i := range 5000 {
		m[string(rune(i+0x100))] = []string{"a"}
	}
	check(t, m)
}

// TestNoAllocation: nothing is allocated for records of fixed size and for keys, wherever they
// lie (the values here are on the stack).
func TestNoAllocation(t *testing.T) {
	noAllocation(t, int64(1))
	noAllocation(t, true)
	noAllocation(t, 1.5)
	noAllocation(t, point{1, 2, 3, true, 4})
	noAllocation(t, tuple.New3(int32(1), 2.5, [4]int16{1, 2}))
	noAllocation(t, tuple.Some(int64(3)))
	noAllocation(t, tuple.Right[int32](int64(3)))
	noAllocation(t, struct{ T time.Time }{time.Unix(1, 2).In(time.FixedZone("", 7200))})
	keyAllocation(t, "a key")
	keyAllocation(t, int64(7))
	keyAllocation(t, tuple.New3("a\x00", 1.5, []string{"x", "y"}))
	keyAllocation(t, time.Unix(1, 2))
	keyAllocation(t, tuple.Some(&Person{1, "x"}))
	withoutAllocation(t, "Append of strings and slices", func() {
		v := wordCount{"streaming", 1}
		words.buf, _ = words.typ.Append(words.buf[:0], &v)
	})
	withoutAllocation(t, "Append of a map", func() {
		counts.buf, _ = counts.typ.Append(counts.buf[:0], &counts.v)
	})
	withoutAllocation(t, "Append by a type's own codec", func() {
		v := secret{"x"}
		secrets.buf, _ = secrets.typ.Append(secrets.buf[:0], &v)
	})
	withoutAllocation(t, "MemSize", func() {
		v := wordCount{"streaming", 1}
		words.size = words.typ.MemSize(&v)
	})
}

// TestContentsEscape: what a value refers to must lie on the heap where it is copied to the heap
// on the way (a pointer from the heap into a stack dangles when the stack grows). Each run makes
// one array, pointee or map on what would be its stack.
func TestContentsEscape(t *testing.T) {
	oneAllocation := func(what string, least float64, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(100, f); n < least {
			t.Errorf("%s: %v allocations, at least %v are needed", what, n, least)
		}
	}
	buffers := typeinfo.MustOf[ownBuffer]()
	buf := make([]byte, 0, 1000)
	oneAllocation("own codec", 1, func() {
		var local [64]byte
		v := ownBuffer{local[:]}
		buf, _ = buffers.Append(buf[:0], &v)
	})
	lists := typeinfo.MustOf[[]ownBuffer]()
	oneAllocation("slice of own codecs", 1, func() {
		var local [64]byte
		v := [1]ownBuffer{{local[:]}}
		s := v[:]
		buf, _ = lists.Append(buf[:0], &s)
	})
	anys := typeinfo.MustOf[any]()
	oneAllocation("interface", 3, func() { // the array, the slice in the interface, the copy
		var local [64]byte
		v := any(local[:])
		buf, _ = anys.Append(buf[:0], &v)
	})
	maps := typeinfo.MustOf[map[[2]int]bool]()
	oneAllocation("map", 4, func() { // the map, the copy of its header, a key, a value
		v := map[[2]int]bool{{1, 2}: true}
		buf, _ = maps.Append(buf[:0], &v)
	})
}

var (
	words = struct {
		typ  *typeinfo.Type[wordCount]
		buf  []byte
		size int
	}{typ: typeinfo.MustOf[wordCount]()}
	counts = struct {
		typ *typeinfo.Type[map[string]int64]
		buf []byte
		v   map[string]int64
	}{typ: typeinfo.MustOf[map[string]int64](), v: map[string]int64{"a": 1, "b": 2}}
	secrets = struct {
		typ *typeinfo.Type[secret]
		buf []byte
	}{typ: typeinfo.MustOf[secret]()}
)

func withoutAllocation(t *testing.T, what string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, f); n != 0 {
		t.Errorf("%s: %v allocations", what, n)
	}
}

func noAllocation[T any](t *testing.T, v T) {
	t.Helper()
	typ := typeinfo.MustOf[T]()
	buf, err := typ.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	vs := make([]T, 0, 10)
	withoutAllocation(t, typ.Name(), func() {
		in := v
		buf, _ = typ.Append(buf[:0], &in)
		var out T
		if _, err := typ.Decode(buf, &out); err != nil {
			panic(err)
		}
		vs = append(vs[:0], out, out)
		buf, _ = typ.AppendAll(buf[:0], vs)
		vs, _, _ = typ.DecodeAll(buf, 2, vs[:0])
		if typ.MemSizeAll(vs) == 0 {
			panic("no size")
		}
		vs[0] = typ.Clone(vs[1])
	})
}

func keyAllocation[K any](t *testing.T, v K) {
	t.Helper()
	k := keyOf[K](t)
	buf := make([]byte, 0, 100)
	withoutAllocation(t, "key", func() {
		in := v
		buf = k.Append(buf[:0], &in)
	})
}
