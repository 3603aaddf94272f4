package routing_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/operator/routing"
)

// sent is a record that a channel got.
type sent[T any] struct {
	Value T
	Time  int64
	Hash  uint64
}

// writer is the producing end of an exchange that keeps what it is given.
type writer[T any] struct {
	channels [][]sent[T]
	// sizes are those of the batches, and log is the order of batches and other elements.
	sizes  []int
	log    []string
	hungry []bool
	fail   error
}

func newWriter[T any](channels int) *writer[T] {
	return &writer[T]{channels: make([][]sent[T], channels), hungry: make([]bool, channels)}
}

func (w *writer[T]) Channels() int { return len(w.channels) }

func (w *writer[T]) Put(channel int, c stream.Carrier) error {
	if w.fail != nil {
		return w.fail
	}
	b, ok := c.(*stream.Batch[T])
	if !ok {
		return fmt.Errorf("a %T was put", c)
	}
	if b.Len() == 0 {
		return errors.New("an empty batch was put")
	}
	for i, v := range b.Values {
		s := sent[T]{Value: v, Time: b.Time(i)}
		if len(b.Hashes) > 0 {
			s.Hash = b.Hashes[i]
		}
		w.channels[channel] = append(w.channels[channel], s)
	}
	w.sizes = append(w.sizes, b.Len())
	w.log = append(w.log, fmt.Sprint(channel, ":", b.Len()))
	b.Release()
	return nil
}

func (w *writer[T]) Broadcast(e stream.Element) error {
	text := fmt.Sprint("watermark ", e.Watermark)
	switch e.Kind {
	case stream.KindStatus:
		text = fmt.Sprint("status ", e.Status)
	case stream.KindLatency:
		text = fmt.Sprint("latency ", e.Latency.Subtask)
	}
	w.log = append(w.log, text)
	return w.fail
}

func (w *writer[T]) Hungry(channel int) bool { return w.hungry[channel] }

// values are what a channel got.
func (w *writer[T]) values(channel int) (vs []T) {
	for _, s := range w.channels[channel] {
		vs = append(vs, s.Value)
	}
	return vs
}

// total is the number of records of all channels.
func (w *writer[T]) total() (n int) {
	for _, c := range w.channels {
		n += len(c)
	}
	return n
}

// typeFor is the output type of T.
func typeFor[T any]() *routing.Type[T] { return routing.NewType(typeinfo.MustOf[T]()) }

// make makes a router into a writer.
func build[T any](t testing.TB, f operator.RouterFactory, w *writer[T],
	subtask int) operator.Router {
	t.Helper()
	r, err := f(w, operator.RouterOptions{Subtask: subtask, MaxParallelism: 128})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// batchOf makes a batch of values whose times are 10 times their places, but for every seventh.
func batchOf[T any](from int, vs []T) *stream.Batch[T] {
	b := &stream.Batch[T]{}
	for i, v := range vs {
		at := int64(10 * (from + i))
		if (from+i)%7 == 0 {
			at = stream.NoTimestamp
		}
		b.Append(v, at)
	}
	return b
}

// feed routes values in batches of random sizes and flushes.
func feed[T any](t testing.TB, r operator.Router, vs []T) {
	t.Helper()
	rnd := testkit.Rand(t)
	in, ok := r.(stream.Receiver[T])
	if !ok {
		t.Fatalf("a %T does not receive the records", r)
	}
	for from := 0; from < len(vs); {
		n := min(1+rnd.IntN(40), len(vs)-from)
		if err := in.Batch(batchOf(from, vs[from:from+n])); err != nil {
			t.Fatal(err)
		}
		from += n
	}
	if err := r.Flush(true); err != nil {
		t.Fatal(err)
	}
}

// sequence are the numbers from 0 to n-1.
func sequence(n int) []int64 {
	vs := make([]int64, n)
	for i := range vs {
		vs[i] = int64(i)
	}
	return vs
}

// expectInOrder expects that each channel has growing numbers with their times.
func expectInOrder(t *testing.T, w *writer[int64]) {
	t.Helper()
	for c, records := range w.channels {
		if !slices.IsSortedFunc(records, func(a,
			b sent[int64]) int {
			return int(a.Value - b.Value)
		}) {
			t.Errorf("channel %d is out of order: %v", c, w.values(c))
		}
		for _, s := range records {
			want := 10 * s.Value
			if s.Value%7 == 0 {
				want = stream.NoTimestamp
			}
			if s.Time != want {
				t.Fatalf("channel %d: number %d has the time %d", c, s.Value, s.Time)
			}
		}
	}
}
