package process_test

import (
	"fmt"
	"testing"

	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/operator"
	"goflink/operator/operatortest"
	"goflink/operator/process"
	"goflink/runtime/memstate"
)

// batches cuts records into full batches; with hash, as a keyed exchange in one process does.
func batches[T any](records []T, hash func(v T) uint64) []*stream.Batch[T] {
	var all []*stream.Batch[T]
	for len(records) > 0 {
		n := min(len(records), stream.MaxBatchRecords)
		b := &stream.Batch[T]{}
		for i, v := range records[:n] {
			b.Append(v, int64(i))
			if hash != nil {
				b.Hashes = append(b.Hashes, hash(v))
			}
		}
		all = append(all, b)
		records = records[n:]
	}
	return all
}

// benchRolling feeds batches over and over; the keys are all there before the clock starts.
func benchRolling[T any](b *testing.B, f operator.Factory, all []*stream.Batch[T]) {
	h := operatortest.New(b, operatortest.Options{Factory: f, Backend: memstate.New()})
	in := h.Operator(0).Input(0).(stream.Receiver[T])
	feed := func(batch *stream.Batch[T]) {
		if err := in.Batch(batch); err != nil {
			b.Fatal(err)
		}
	}
	for _, batch := range all {
		feed(batch)
	}
	b.ReportAllocs()
	records := 0
	for i := 0; b.Loop(); i++ {
		batch := all[i%len(all)]
		feed(batch)
		records += batch.Len()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/record")
}

func words(n, keys int) []wordCount {
	all := make([]wordCount, n)
	for i := range all {
		// A multiplicative step visits the keys in a scattered order.
		all[i] = wordCount{Word: fmt.Sprintf("word-%05d", i*7919%keys), Count: 1}
	}
	return all
}

// BenchmarkRolling measures rolling aggregations in the operator: from the batch to the call of the
// output, without the exchange.
func BenchmarkRolling(b *testing.B) {
	info := must(typeinfo.Of[wordCount]())(b)
	hot := words(20_480, 20_000)
	hash := hashOf
	sum := must(process.Sum(byWord(b), info, "count"))(b)
	b.Run("sum/words=20k", func(b *testing.B) { benchRolling(b, sum, batches(hot, hash)) })
	b.Run("sum/words=20k/unhashed", func(b *testing.B) { benchRolling(b, sum, batches(hot, nil)) })
	b.Run("sum/words=100", func(b *testing.B) {
		benchRolling(b, sum, batches(words(20_480, 100), hash))
	})
	reduce := process.Reduce(byWord(b), info, func(a, v wordCount) wordCount {
		a.Count += v.Count
		return a
	})
	b.Run("reduce/words=20k", func(b *testing.B) { benchRolling(b, reduce, batches(hot, hash)) })

	type reading struct{ Sensor, Value int64 }
	keys := 1 << 20
	readings := make([]reading, keys)
	for i := range readings {
		readings[i] = reading{Sensor: int64(i * 7919 % keys), Value: int64(i)}
	}
	by := process.KeyBy[reading, int64]{Selector: func(r reading) int64 { return r.Sensor },
		Key: must(typeinfo.KeyOf[int64]())(b)}
	most := must(process.Max(by, must(typeinfo.Of[reading]())(b), "Value"))(b)
	b.Run("max/ints=1M/unhashed", func(b *testing.B) {
		benchRolling(b, most,
			batches(readings, nil))
	})
}
