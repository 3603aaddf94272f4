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

// perKey reports the time per key of a benchmark whose iterations handle n keys each.
func perKey(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/key")
}

// fill puts i under key i, for all keys.
func fill(b *testing.B, t *Table[int64], hashes []uint64, keys [][]byte) {
	b.Helper()
	s, err := t.Space(nil)
	if err == nil {
		err = s.UpsertAll(hashes, keys, func(i int, p *int64, _ bool) error {
			*p = int64(i)
			return nil
		})
	}
	if err != nil {
		b.Fatal(err)
	}
}

// million is how many keys the large benchmarks have.
const million = 1_000_000

// BenchmarkInsert is the growth of a table from nothing to a million keys.
func BenchmarkInsert(b *testing.B) {
	hashes, keys := intKeys(million)
	b.ReportAllocs()
	for b.Loop() {
		t, _ := benchTable()
		fill(b, t, hashes, keys)
	}
	perKey(b, million)
}

// BenchmarkFreeze is the pause of the task for a snapshot of a million keys.
func BenchmarkFreeze(b *testing.B) {
	t, _ := benchTable()
	hashes, keys := intKeys(million)
	fill(b, t, hashes, keys)
	b.ReportAllocs()
	for b.Loop() {
		t.Freeze(0).Release()
	}
}

// BenchmarkCopyOnWrite updates each of a million keys, in random order, without a snapshot and
// under one that was just taken: then each page is copied once.
func BenchmarkCopyOnWrite(b *testing.B) {
	hashes, keys := intKeys(million)
	runs := drawRuns(hashes, keys, drawOrder(million, false))
	for _, open := range []bool{false, true} {
		b.Run(fmt.Sprintf("snapshot=%t", open), func(b *testing.B) {
			t, key := benchTable()
			fill(b, t, hashes, keys)
			b.ReportAllocs()
			for b.Loop() {
				var f Frozen
				if open {
					f = t.Freeze(0)
				}
				for _, r := range runs {
					for j, k := range r.keys {
						key.Set(r.hashes[j], k)
						p, _, err := t.Upsert(nil)
						if err != nil {
							b.Fatal(err)
						}
						*p++
					}
				}
				if open {
					f.Release()
				}
			}
			perKey(b, len(runs)*batch)
		})
	}
}

// BenchmarkEach walks a million keys, for change and for reading.
func BenchmarkEach(b *testing.B) {
	t, _ := benchTable()
	hashes, keys := intKeys(million)
	fill(b, t, hashes, keys)
	s, err := t.Space(nil)
	if err != nil {
		b.Fatal(err)
	}
	sum := int64(0)
	visit := func(_ uint64, _ []byte, p *int64) (bool, error) {
		sum += *p
		return true, nil
	}
	for name, walk := range map[string]func(func(uint64, []byte, *int64) (bool, error)) error{
		"Each": s.Each, "Range": s.Range} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := walk(visit); err != nil {
					b.Fatal(err)
				}
			}
			perKey(b, million)
		})
	}
}

// BenchmarkWindow fills and drops namespaces, as tumbling windows do.
func BenchmarkWindow(b *testing.B) {
	hashes, keys := intKeys(10_000)
	t, _ := benchTable()
	var ns [16]byte
	count := func(_ int, p *int64, _ bool) error {
		*p++
		return nil
	}
	b.ReportAllocs()
	for at := uint64(0); b.Loop(); at++ {
		binary.BigEndian.PutUint64(ns[:], at)
		s, err := t.Space(ns[:])
		if err == nil {
			err = s.UpsertAll(hashes, keys, count)
		}
		if err == nil {
			err = s.Drop()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	perKey(b, len(keys))
}

// BenchmarkSessions moves the session of a key to another namespace with every record.
func BenchmarkSessions(b *testing.B) {
	hashes, keys := intKeys(10_000)
	t, key := benchTable()
	var from, to [16]byte
	b.ReportAllocs()
	for at := uint64(0); b.Loop(); at++ {
		i := at % uint64(len(keys))
		binary.BigEndian.PutUint64(from[:], at-uint64(len(keys)))
		binary.BigEndian.PutUint64(to[:], at)
		key.Set(hashes[i], keys[i])
		err := t.Delete(from[:])
		if err == nil {
			_, _, err = t.Upsert(to[:])
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTimers sets and fires timers of one time and many keys.
func BenchmarkTimers(b *testing.B) {
	hashes, keys := intKeys(10_000)
	key := new(statebackend.KeyContext)
	q := NewTimers("bench", key)
	ns := make([]byte, 16)
	fire := func(statebackend.Timer) error { return nil }
	b.ReportAllocs()
	for at := int64(0); b.Loop(); at++ {
		for j := range keys {
			key.Set(hashes[j], keys[j])
			if err := q.Add(at, ns); err != nil {
				b.Fatal(err)
			}
		}
		if err := q.PopUntil(at, fire); err != nil {
			b.Fatal(err)
		}
	}
	perKey(b, len(keys))
}

// BenchmarkMapTable counts in maps of 30 entries of 10,000 keys.
func BenchmarkMapTable(b *testing.B) {
	hashes, keys := intKeys(10_000)
	key := new(statebackend.KeyContext)
	t := NewMap("bench", key, CodecOf(typeinfo.MustOf[int64]()))
	at := 0
	b.ReportAllocs()
	for b.Loop() {
		i := at * 7919 % len(keys)
		key.Set(hashes[i], keys[i])
		p, _, err := t.Upsert(nil, keys[at%30])
		if err != nil {
			b.Fatal(err)
		}
		*p++
		at++
	}
}
