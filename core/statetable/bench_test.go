package statetable

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/core/typeinfo"
)

// intKeys are the 8-byte keys of 0 to n-1 with their hashes.
func intKeys(n int) (hashes []uint64, keys [][]byte) {
	all := make([]byte, 8*n)
	for i := range n {
		k := all[8*i : 8*i+8]
		binary.BigEndian.PutUint64(k, uint64(i)^1<<63)
		keys = append(keys, k)
		hashes = append(hashes, keygroup.Hash(k))
	}
	return hashes, keys
}

// words are n words of 3 to 14 letters with their hashes.
func words(n int) (hashes []uint64, keys [][]byte) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		k := fmt.Appendf(nil, "%x%d", i, r.IntN(1_000_000_000))
		k = k[:min(len(k), 3+r.IntN(12))]
		k = append(k, byte(i), byte(i>>8))
		keys = append(keys, k)
		hashes = append(hashes, keygroup.Hash(k))
	}
	return hashes, keys
}

func benchTable() (*Table[int64], *statebackend.KeyContext) {
	key := new(statebackend.KeyContext)
	return New("bench", key, CodecOf(typeinfo.MustOf[int64]())), key
}

// order draws batches of keys, uniformly or skewed.
func drawOrder(n int, skewed bool) []int32 {
	r := rand.New(rand.NewPCG(3, 4))
	zipf := rand.NewZipf(r, 1.1, 10, uint64(n-1))
	out := make([]int32, 1<<20)
	for i := range out {
		if skewed {
			out[i] = int32(zipf.Uint64())
		} else {
			out[i] = int32(r.IntN(n))
		}
	}
	return out
}

// BenchmarkUpsert is a hit per record by the way of a keyed state: set the key, count it.
func BenchmarkUpsert(b *testing.B) {
	for _, c := range []struct {
		name   string
		n      int
		text   bool
		skewed bool
	}{{"int20k", 20_000, false, false}, {"int100k", 100_000, false, false},
		{"int1M", 1_000_000, false, false}, {"words20kSkewed", 20_000, true, true}} {
		hashes, keys := intKeys(c.n)
		if c.text {
			hashes, keys = words(c.n)
		}
		order := drawOrder(c.n, c.skewed)
		t, key := benchTable()
		for i := range keys {
			key.Set(hashes[i], keys[i])
			if _, _, err := t.Upsert(nil); err != nil {
				b.Fatal(err)
			}
		}
		runs := drawRuns(hashes, keys, order)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; i < b.N; i += batch {
				r := &runs[i/batch%len(runs)]
				for j, k := range r.keys {
					key.Set(r.hashes[j], k)
					p, _, err := t.Upsert(nil)
					if err != nil {
						b.Fatal(err)
					}
					*p++
				}
			}
		})
		b.Run(c.name+"/batch", func(b *testing.B) {
			s, err := t.Space(nil)
			if err != nil {
				b.Fatal(err)
			}
			sum := func(_ int, p *int64, _ bool) error {
				*p++
				return nil
			}
			b.ReportAllocs()
			for i := 0; i < b.N; i += batch {
				r := &runs[i/batch%len(runs)]
				if err := s.UpsertAll(r.hashes, r.keys, sum); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// batch is the size of the batches that benchmarks handle.
const batch = 1024

// run is a batch of keys.
type run struct {
	hashes []uint64
	keys   [][]byte
}

// drawRuns makes batches of keys in the given order, whose bytes lie side by side, as a key reader
// makes them.
func drawRuns(hashes []uint64, keys [][]byte, order []int32) []run {
	var runs []run
	for ; len(order) >= batch; order = order[batch:] {
		var r run
		var flat []byte
		for _, i := range order[:batch] {
			flat = append(flat, keys[i]...)
		}
		for _, i := range order[:batch] {
			n := len(keys[i])
			r.keys = append(r.keys, flat[:n:n])
			r.hashes = append(r.hashes, hashes[i])
			flat = flat[n:]
		}
		runs = append(runs, r)
	}
	return runs
}

// BenchmarkInsert is the growth of a table from nothing to a million keys, per key.
func BenchmarkInsert(b *testing.B) {
	hashes, keys := intKeys(1_000_000)
	b.ReportAllocs()
	for i := 0; i < b.N; i += len(keys) {
		t, _ := benchTable()
		s, _ := t.Space(nil)
		err := s.UpsertAll(hashes, keys, func(i int, p *int64, _ bool) error {
			*p = int64(i)
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func fillMillion(b *testing.B) (*Table[int64], *statebackend.KeyContext, []uint64, [][]byte) {
	hashes, keys := intKeys(1_000_000)
	t, key := benchTable()
	s, _ := t.Space(nil)
	err := s.UpsertAll(hashes, keys, func(i int, p *int64, _ bool) error {
		*p = int64(i)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return t, key, hashes, keys
}

// BenchmarkFreeze is the pause of the task for a snapshot of a million keys.
func BenchmarkFreeze(b *testing.B) {
	t, _, _, _ := fillMillion(b)
	b.ReportAllocs()
	for b.Loop() {
		t.Freeze(0).Release()
	}
}

// BenchmarkCopyOnWrite is an update of each of a million keys, in random order, under a snapshot
// that was just taken: each page is copied once.
func BenchmarkCopyOnWrite(b *testing.B) {
	for _, open := range []bool{false, true} {
		b.Run(fmt.Sprintf("snapshot=%t", open), func(b *testing.B) {
			t, key, hashes, keys := fillMillion(b)
			perm := rand.New(rand.NewPCG(5, 6)).Perm(len(keys))
			b.ReportAllocs()
			for i := 0; i < b.N; i += len(keys) {
				var f Frozen
				if open {
					f = t.Freeze(0)
				}
				for _, j := range perm {
					key.Set(hashes[j], keys[j])
					p, _, _ := t.Upsert(nil)
					*p++
				}
				if open {
					f.Release()
				}
			}
		})
	}
}

// BenchmarkEach walks a million keys, per key.
func BenchmarkEach(b *testing.B) {
	t, _, _, _ := fillMillion(b)
	s, _ := t.Space(nil)
	sum := int64(0)
	b.ReportAllocs()
	for i := 0; i < b.N; i += s.Len() {
		err := s.Each(func(_ uint64, _ []byte, p *int64) (bool, error) {
			sum += *p
			return true, nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWindow fills and drops namespaces, as tumbling windows do, per key.
func BenchmarkWindow(b *testing.B) {
	hashes, keys := intKeys(10_000)
	t, _ := benchTable()
	var ns [16]byte
	b.ReportAllocs()
	for i := 0; i < b.N; i += len(keys) {
		binary.BigEndian.PutUint64(ns[:], uint64(i))
		s, _ := t.Space(ns[:])
		err := s.UpsertAll(hashes, keys, func(i int, p *int64, _ bool) error {
			*p++
			return nil
		})
		if err == nil {
			err = s.Drop()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTimers sets and fires timers of few times and many keys, per timer.
func BenchmarkTimers(b *testing.B) {
	hashes, keys := intKeys(10_000)
	key := new(statebackend.KeyContext)
	q := NewTimers("bench", key)
	ns := make([]byte, 16)
	b.ReportAllocs()
	for i := 0; i < b.N; i += len(keys) {
		for j := range keys {
			key.Set(hashes[j], keys[j])
			if err := q.Add(int64(i), ns); err != nil {
				b.Fatal(err)
			}
		}
		err := q.PopUntil(int64(i), func(statebackend.Timer) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
}
