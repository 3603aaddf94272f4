package routing_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"goflink/core/keygroup"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/operator"
	"goflink/operator/routing"
)

// TestSingle: R25, R26: everything goes to channel 0, in order.
func TestSingle(t *testing.T) {
	w := newWriter[int64](3)
	feed(t, build(t, routing.Single(typeFor[int64]()), w, 1), sequence(500))
	if !slices.Equal(w.values(0), sequence(500)) || w.total() != 500 {
		t.Errorf("channel 0 has %d of %d records", len(w.channels[0]), w.total())
	}
	expectInOrder(t, w)
}

// TestRoundRobin: R28, R29: whatever the batches, each channel has exactly as many records as if
// they were dealt out one by one, beginning at the producer's own index.
func TestRoundRobin(t *testing.T) {
	for _, channels := range []int{1, 2, 3, 4, 7} {
		for _, n := range []int{0, 1, 5, 1000, 1003} {
			for _, subtask := range []int{0, 2, 9} {
				w := newWriter[int64](channels)
				feed(t, build(t, routing.RoundRobin(typeFor[int64]()), w, subtask), sequence(n))
				for c := range channels {
					want := 0
					for i := range n {
						if (subtask+i)%channels == c {
							want++
						}
					}
					if len(w.channels[c]) != want {
						t.Errorf("%d records of subtask %d to %d channels: channel %d has %d, "+
							"want %d",
							n, subtask, channels, c, len(w.channels[c]), want)
					}
				}
				expectInOrder(t, w)
			}
		}
	}
}

// TestShuffle: R27: every record goes to one channel, evenly in the mean (chi-square of 4 channels
// is below 16.27 in 999 of 1000 fair draws), and each producer draws for itself.
func TestShuffle(t *testing.T) {
	const n, channels = 100_000, 4
	var first []int64
	for subtask := range 3 {
		w := newWriter[int64](channels)
		feed(t, build(t, routing.Shuffle(typeFor[int64]()), w, subtask), sequence(n))
		var chi float64
		for c := range channels {
			d := float64(len(w.channels[c])) - n/channels
			chi += d * d / (n / channels)
		}
		if w.total() != n || chi > 16.27 {
			t.Errorf("subtask %d: %d records, chi-square %.2f", subtask, w.total(), chi)
		}
		expectInOrder(t, w)
		if subtask > 0 && slices.Equal(first, w.values(0)) {
			t.Errorf("subtask %d draws as subtask 0 does", subtask)
		}
		first = w.values(0)
	}
}

// TestBroadcast: R30: each channel has every record once, in order.
func TestBroadcast(t *testing.T) {
	w := newWriter[int64](3)
	feed(t, build(t, routing.Broadcast(typeFor[int64]()), w, 0), sequence(500))
	for c := range 3 {
		if !slices.Equal(w.values(c), sequence(500)) {
			t.Errorf("channel %d has %v", c, w.values(c))
		}
	}
	expectInOrder(t, w)
}

// TestBroadcastCopies: channels do not share what a record points to.
func TestBroadcastCopies(t *testing.T) {
	w := newWriter[[]int](3)
	feed(t, build(t, routing.Broadcast(typeFor[[]int]()), w, 0), [][]int{{1, 2}, {3}})
	w.channels[0][0].Value[0] = 77
	w.channels[1][1].Value[0] = 88
	for c, want := range [][]int{{77, 3}, {1, 88}, {1, 3}} {
		for i := range 2 {
			if got := w.channels[c][i].Value[0]; got != want[i] {
				t.Errorf("channel %d, record %d: %d, want %d", c, i, got, want[i])
			}
		}
	}
}

type person struct {
	Name string
	Age  int32
}

// TestKeyGroup: R31: a record goes to the channel that owns its key's group, with the key's hash.
func TestKeyGroup(t *testing.T) {
	var people []person
	for i := range 2000 {
		people = append(people, person{fmt.Sprint("name", i%200), int32(i % 50)})
	}
	t.Run("string", func(t *testing.T) {
		keyGroups(t, people, func(p person) string { return p.Name })
	})
	t.Run("number", func(t *testing.T) {
		keyGroups(t, people, func(p person) int32 { return p.Age })
	})
	t.Run("record", func(t *testing.T) { keyGroups(t, people, func(p person) person { return p }) })
}

func keyGroups[K any](t *testing.T, people []person, selector func(person) K) {
	key, err := typeinfo.KeyOf[K]()
	if err != nil {
		t.Fatal(err)
	}
	for _, channels := range []int{1, 3, 128} {
		w := newWriter[person](channels)
		f := routing.KeyGroup(typeFor[person](), selector, key)
		feed(t, build(t, f, w, 0), people)
		used := 0
		for c, records := range w.channels {
			if len(records) > 0 {
				used++
			}
			for _, s := range records {
				k := selector(s.Value)
				h := keygroup.Hash(key.Append(nil, &k))
				group := keygroup.Of(h, 128)
				if s.Hash != h || group*channels/128 != c {
					t.Fatalf("key %v of group %d is on channel %d of %d with the hash %x, want %x",
						k,
						group, c, channels, s.Hash, h)
				}
			}
		}
		if w.total() != len(people) || channels == 3 && used != 3 {
			t.Errorf("%d records on %d of %d channels", w.total(), used, channels)
		}
	}
}

// TestCustom: R32: the user's function chooses by key and number of channels.
func TestCustom(t *testing.T) {
	seen := map[int]bool{}
	f := routing.Custom(typeFor[int64](), func(v int64) int64 { return v / 10 },
		func(key int64, n int) int { seen[n] = true; return int(key % 2) })
	w := newWriter[int64](5)
	feed(t, build(t, f, w, 0), sequence(400))
	for c, records := range w.channels {
		for _, s := range records {
			if int(s.Value/10%2) != c {
				t.Errorf("number %d is on channel %d", s.Value, c)
			}
		}
	}
	if w.total() != 400 || len(seen) != 1 || !seen[5] {
		t.Errorf("%d records; numbers of channels seen: %v", w.total(), seen)
	}
	expectInOrder(t, w)
}

// TestCustomOutOfRange: R32: a channel that is not there is an error that says so.
func TestCustomOutOfRange(t *testing.T) {
	for _, bad := range []int{-1, 3, math.MaxInt} {
		f := routing.Custom(typeFor[int64](), func(v int64) int64 { return v },
			func(int64, int) int { return bad })
		r := build(t, f, newWriter[int64](3), 0)
		err := r.(stream.Receiver[int64]).Batch(batchOf(0, sequence(1)))
		want := fmt.Sprintf("custom partitioner returned %d; there are 3 partitions", bad)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// routers are all kinds of routers of numbers.
func routers() map[string]operator.RouterFactory {
	ty := typeFor[int64]()
	key, err := typeinfo.KeyOf[int64]()
	if err != nil {
		panic(err)
	}
	id := func(v int64) int64 { return v }
	return map[string]operator.RouterFactory{"single": routing.Single(ty),
		"round robin": routing.RoundRobin(ty), "shuffle": routing.Shuffle(ty),
		"broadcast": routing.Broadcast(ty), "key group": routing.KeyGroup(ty, id, key),
		"custom": routing.Custom(ty, id, func(v int64, n int) int { return int(v) % n })}
}

// TestElementsStayBehindRecords: R21: watermarks, statuses and latency markers go to all channels,
// after every record that came before them.
func TestElementsStayBehindRecords(t *testing.T) {
	for name, f := range routers() {
		w := newWriter[int64](2)
		r := build(t, f, w, 0)
		in := r.(stream.Receiver[int64])
		err := errors.Join(in.Batch(batchOf(0, sequence(20))), r.Watermark(5),
			r.Status(stream.Idle),
			in.Batch(batchOf(0, sequence(20))), r.Latency(stream.LatencyMarker{Subtask: 9}))
		if err != nil {
			t.Fatal(err)
		}
		at := func(text string) int { return slices.Index(w.log, text) }
		mark, status, latency := at("watermark 5"), at(fmt.Sprint("status ", stream.Idle)),
			at("latency 9")
		if mark < 1 || status != mark+1 || latency < status+2 || latency != len(w.log)-1 {
			t.Errorf("%s: %q", name, w.log)
		}
	}
}

// TestFlush: R8: records wait in open batches until a receiver is hungry or all are flushed.
func TestFlush(t *testing.T) {
	for name, f := range routers() {
		w := newWriter[int64](2)
		r := build(t, f, w, 0)
		if err := r.(stream.Receiver[int64]).Batch(batchOf(0, sequence(20))); err != nil {
			t.Fatal(err)
		}
		if err := r.Flush(false); err != nil || len(w.log) != 0 {
			t.Errorf("%s: nobody is hungry, but %q was put (%v)", name, w.log, err)
		}
		w.hungry[0] = true
		if err := r.Flush(false); err != nil || len(w.channels[0]) == 0 || len(w.channels[1]) != 0 {
			t.Errorf("%s: channel 0 is hungry, but %q was put (%v)", name, w.log, err)
		}
		n := w.total()
		if err := r.Flush(true); err != nil || name != "single" && w.total() == n {
			t.Errorf("%s: all are flushed, but %q was put (%v)", name, w.log, err)
		}
		n = len(w.log)
		if err := r.Flush(true); err != nil || len(w.log) != n {
			t.Errorf("%s: nothing is open, but %q was put (%v)", name, w.log[n:], err)
		}
	}
}

// TestBatchLimits: no batch has more records or, beyond one record, more bytes than it may.
func TestBatchLimits(t *testing.T) {
	for name, f := range routers() {
		w := newWriter[int64](2)
		feed(t, build(t, f, w, 0), sequence(10*stream.MaxBatchRecords))
		if n := slices.Max(w.sizes); n > stream.MaxBatchRecords {
			t.Errorf("%s: a batch of %d records", name, n)
		}
	}
	long := strings.Repeat("x", stream.MaxBatchBytes/4)
	w := newWriter[string](1)
	feed(t, build(t, routing.Single(typeFor[string]()), w, 0), slices.Repeat([]string{long}, 40))
	if n := slices.Max(w.sizes); n > 4 || w.total() != 40 {
		t.Errorf("a batch of %d records of a quarter of the bytes", n)
	}
	w = newWriter[string](1)
	feed(t, build(t, routing.Single(typeFor[string]()), w, 0),
		slices.Repeat([]string{strings.Repeat("x", 3*stream.MaxBatchBytes)}, 5))
	if n := slices.Max(w.sizes); n != 1 || w.total() != 5 {
		t.Errorf("%d records of thrice the bytes in a batch, %d in all", n, w.total())
	}
}

// TestWriterErrors: an error of the exchange comes back from whatever led to it.
func TestWriterErrors(t *testing.T) {
	broken := errors.New("broken")
	for name, f := range routers() {
		w := newWriter[int64](2)
		r := build(t, f, w, 0)
		in := r.(stream.Receiver[int64])
		if err := in.Batch(batchOf(0, sequence(20))); err != nil {
			t.Fatal(err)
		}
		w.fail = broken
		if err := r.Flush(true); !errors.Is(err, broken) {
			t.Errorf("%s: flush: %v", name, err)
		}
		var err error
		for i := 0; err == nil && i < 4; i++ {
			err = in.Batch(batchOf(0, sequence(stream.MaxBatchRecords)))
		}
		if !errors.Is(err, broken) {
			t.Errorf("%s: batch: %v", name, err)
		}
		if err := r.Watermark(1); !errors.Is(err, broken) {
			t.Errorf("%s: watermark: %v", name, err)
		}
	}
}

// BenchmarkRouters measures the time of a batch of 1024 records to four channels.
func BenchmarkRouters(b *testing.B) {
	for _, name := range []string{"round robin", "shuffle", "broadcast", "key group"} {
		b.Run(name, func(b *testing.B) {
			r, err := routers()[name](forgetful{}, operator.RouterOptions{MaxParallelism: 128})
			if err != nil {
				b.Fatal(err)
			}
			in := r.(stream.Receiver[int64])
			batch := batchOf(0, sequence(stream.MaxBatchRecords))
			b.ReportAllocs()
			for b.Loop() {
				if err := errors.Join(in.Batch(batch), r.Flush(true)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/stream.MaxBatchRecords,
				"ns/record")
		})
	}
}

// forgetful is an exchange of four channels that releases what it is given.
type forgetful struct{}

func (forgetful) Channels() int                     { return 4 }
func (forgetful) Put(_ int, b stream.Carrier) error { b.Release(); return nil }
func (forgetful) Broadcast(stream.Element) error    { return nil }
func (forgetful) Hungry(int) bool                   { return false }
