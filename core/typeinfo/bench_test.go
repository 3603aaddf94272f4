package typeinfo_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"goflink/core/tuple"
	"goflink/core/typeinfo"
)

// wordCount is the record of the reference program (R34).
type wordCount struct {
	Word  string
	Count int64
}

// point is a record of fixed size.
type point struct {
	X, Y float64
	ID   int64
	On   bool
	Tag  int32
}

func BenchmarkAppend(b *testing.B) {
	b.Run("int64", func(b *testing.B) { benchAppend(b, int64(42)) })
	b.Run("wordCount", func(b *testing.B) { benchAppend(b, wordCount{"streaming", 42}) })
	b.Run("T2", func(b *testing.B) { benchAppend(b, tuple.New2("streaming", int64(42))) })
	b.Run("point", func(b *testing.B) { benchAppend(b, point{1, 2, 3, true, 4}) })
	b.Run("map", func(b *testing.B) { benchAppend(b, map[string]int64{"a": 1, "b": 2, "c": 3}) })
	b.Run("any", func(b *testing.B) { benchAppend(b, any("streaming")) })
}

// BenchmarkHandwritten is what BenchmarkAppend/wordCount is measured against: the same bytes by
// code that knows the type.
func BenchmarkHandwritten(b *testing.B) {
	v := wordCount{"streaming", 42}
	buf := make([]byte, 0, 256)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = append(buf[:0], 0x10)
			buf = binary.AppendUvarint(buf, uint64(len(v.Word)))
			buf = append(buf, v.Word...)
			buf = binary.LittleEndian.AppendUint64(buf, uint64(v.Count))
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n, w := binary.Uvarint(buf[1:])
			rest := buf[1+w:]
			v.Word = string(rest[:n])
			v.Count = int64(binary.LittleEndian.Uint64(rest[n:]))
		}
	})
}

func benchAppend[T any](b *testing.B, v T) {
	t := typeinfo.MustOf[T]()
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = t.Append(buf[:0], &v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	b.Run("int64", func(b *testing.B) { benchDecode(b, int64(42)) })
	b.Run("wordCount", func(b *testing.B) { benchDecode(b, wordCount{"streaming", 42}) })
	b.Run("T2", func(b *testing.B) { benchDecode(b, tuple.New2("streaming", int64(42))) })
	b.Run("point", func(b *testing.B) { benchDecode(b, point{1, 2, 3, true, 4}) })
	b.Run("map", func(b *testing.B) { benchDecode(b, map[string]int64{"a": 1, "b": 2, "c": 3}) })
}

func benchDecode[T any](b *testing.B, v T) {
	t := typeinfo.MustOf[T]()
	buf, err := t.Append(nil, &v)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := t.Decode(buf, &v); err != nil {
			b.Fatal(err)
		}
	}
}

const benchBatch = 1000

func BenchmarkBatch(b *testing.B) {
	b.Run("int64", func(b *testing.B) { benchBatchOf(b, int64(42)) })
	b.Run("string", func(b *testing.B) { benchBatchOf(b, "streaming") })
	b.Run("wordCount", func(b *testing.B) { benchBatchOf(b, wordCount{"streaming", 42}) })
	b.Run("point", func(b *testing.B) { benchBatchOf(b, point{1, 2, 3, true, 4}) })
}

func benchBatchOf[T any](b *testing.B, v T) {
	t := typeinfo.MustOf[T]()
	vs := make([]T, benchBatch)
	for i := range vs {
		vs[i] = v
	}
	buf, err := t.AppendAll(nil, vs)
	if err != nil {
		b.Fatal(err)
	}
	perRecord := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchBatch, "ns/record")
	}
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if buf, err = t.AppendAll(buf[:0], vs); err != nil {
				b.Fatal(err)
			}
		}
		perRecord(b)
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if vs, _, err = t.DecodeAll(buf, benchBatch, vs[:0]); err != nil {
				b.Fatal(err)
			}
		}
		perRecord(b)
	})
	b.Run("memsize", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if t.MemSizeAll(vs) <= 0 {
				b.Fatal("no size")
			}
		}
		perRecord(b)
	})
}

func BenchmarkKeyAppend(b *testing.B) {
	b.Run("string", func(b *testing.B) { benchKey(b, "streaming") })
	b.Run("int64", func(b *testing.B) { benchKey(b, int64(42)) })
	b.Run("float64", func(b *testing.B) { benchKey(b, 4.2) })
	b.Run("T2", func(b *testing.B) { benchKey(b, tuple.New2("streaming", int64(42))) })
	b.Run("long", func(b *testing.B) { benchKey(b, tuple.New1(strings.Repeat("streaming", 20))) })
}

func benchKey[K any](b *testing.B, v K) {
	k, err := typeinfo.KeyOf[K]()
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		buf = k.Append(buf[:0], &v)
	}
}
