package routing_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"goflink/core/stream"
)

// taker receives batches and keeps what was in them.
type taker[T any] struct {
	name   string
	log    *[]string
	values []T
	times  []int64
	change func(b *stream.Batch[T])
	fail   error
}

func (r *taker[T]) Batch(b *stream.Batch[T]) error {
	*r.log = append(*r.log, fmt.Sprint(r.name, ":", b.Len()))
	r.values = append(r.values, b.Values...)
	for i := range b.Values {
		r.times = append(r.times, b.Time(i))
	}
	if r.change != nil {
		r.change(b)
	}
	return r.fail
}

func (r *taker[T]) Watermark(w int64) error {
	*r.log = append(*r.log, fmt.Sprint(r.name, " watermark ", w))
	return r.fail
}

func (r *taker[T]) Status(s stream.Status) error {
	*r.log = append(*r.log, fmt.Sprint(r.name, " status ", s))
	return r.fail
}

func (r *taker[T]) Latency(m stream.LatencyMarker) error {
	*r.log = append(*r.log, fmt.Sprint(r.name, " latency ", m.Subtask))
	return r.fail
}

// fanOut makes a fan-out to takers with the given names.
func fanOut[T any](t *testing.T, names ...string) (stream.Receiver[T], []*taker[T], *[]string) {
	t.Helper()
	var takers []*taker[T]
	var any []any
	log := &[]string{}
	for _, n := range names {
		r := &taker[T]{name: n, log: log}
		takers, any = append(takers, r), append(any, r)
	}
	f, err := typeFor[T]().FanOut(any)
	if err != nil {
		t.Fatal(err)
	}
	return f.(stream.Receiver[T]), takers, log
}

// TestFanOut: each element goes to all receivers, in their order.
func TestFanOut(t *testing.T) {
	f, takers, log := fanOut[int64](t, "a", "b", "c")
	err := errors.Join(f.Batch(batchOf(0, sequence(3))), f.Watermark(5), f.Status(stream.Idle),
		f.Latency(stream.LatencyMarker{Subtask: 2}))
	if err != nil {
		t.Fatal(err)
	}
	idle := fmt.Sprint(" status ", stream.Idle)
	want := []string{"a:3", "b:3", "c:3", "a watermark 5", "b watermark 5", "c watermark 5",
		"a" + idle, "b" + idle, "c" + idle, "a latency 2", "b latency 2", "c latency 2"}
	if !slices.Equal(*log, want) {
		t.Errorf("%q, want %q", *log, want)
	}
	for _, r := range takers {
		if !slices.Equal(r.values, sequence(3)) ||
			!slices.Equal(r.times, []int64{stream.NoTimestamp, 10, 20}) {
			t.Errorf("%s has %v at %v", r.name, r.values, r.times)
		}
	}
}

// TestFanOutCopies: receivers do not share what a record points to.
func TestFanOutCopies(t *testing.T) {
	f, takers, _ := fanOut[[]int](t, "a", "b", "c")
	if err := f.Batch(batchOf(0, [][]int{{1}, {2}})); err != nil {
		t.Fatal(err)
	}
	takers[0].values[0][0] = 100
	takers[1].values[0][0] = 200
	if got := takers[2].values[0][0]; got != 1 {
		t.Errorf("the last receiver sees %d", got)
	}
	if !slices.Equal(takers[1].times, []int64{stream.NoTimestamp, 10}) {
		t.Errorf("the copies have the times %v", takers[1].times)
	}
}

// TestFanOutErrors: a receiver's error comes back; one of another type is refused.
func TestFanOutErrors(t *testing.T) {
	for i := range 3 {
		f, takers, _ := fanOut[[]int](t, "a", "b", "c")
		takers[i].fail = errors.New("broken")
		for name, err := range map[string]error{"batch": f.Batch(batchOf(0, [][]int{{1}})),
			"watermark": f.Watermark(1)} {
			if !errors.Is(err, takers[i].fail) {
				t.Errorf("receiver %d, %s: %v", i, name, err)
			}
		}
	}
	_, err := typeFor[int64]().FanOut([]any{&taker[string]{}})
	if err == nil || !strings.Contains(err.Error(), "does not receive int64") {
		t.Errorf("a receiver of strings: %v", err)
	}
}

// TestChecked: a record that is changed after it was emitted is found, by whom it was emitted and
// when it was changed.
func TestChecked(t *testing.T) {
	type change = func(b *stream.Batch[[]int])
	for _, c := range []struct {
		name   string
		behind change // by who receives it
		later  change // by the emitter, before its next batch
		want   string
	}{
		{"nobody", nil, nil, ""},
		{"an operator behind", func(b *stream.Batch[[]int]) { b.Values[1][0]++ }, nil,
			"by an operator chained behind it"},
		{"the emitter", nil, func(b *stream.Batch[[]int]) { b.Values[0][0]++ },
			"after it had been handed on"},
	} {
		next := &taker[[]int]{log: &[]string{}, change: c.behind}
		checked, err := typeFor[[]int]().Checked("the emitter of tests", next)
		if err != nil {
			t.Fatal(err)
		}
		in := checked.(stream.Receiver[[]int])
		b := batchOf(0, [][]int{{1}, {2}})
		err = in.Batch(b)
		if err == nil {
			if c.later != nil {
				c.later(b)
			}
			err = errors.Join(in.Status(stream.Active), in.Watermark(1))
		}
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		for _, part := range []string{c.want, `"the emitter of tests"`, "[]int",
			"pipeline.check-mutation"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: error %v, want %q", c.name, err, part)
			}
		}
	}
}

// TestCheckedPassesOn: what needs no check goes straight to the next receiver; errors come back.
func TestCheckedPassesOn(t *testing.T) {
	next := &taker[int64]{log: &[]string{}}
	if got, err := typeFor[int64]().Checked("x", next); got != any(next) || err != nil {
		t.Errorf("records without pointers are checked by a %T (%v)", got, err)
	}
	if _, err := typeFor[[]int]().Checked("x", next); err == nil {
		t.Error("a receiver of another type was accepted")
	}
	broken := &taker[[]int]{log: &[]string{}, fail: errors.New("broken")}
	checked, err := typeFor[[]int]().Checked("x", broken)
	if err != nil {
		t.Fatal(err)
	}
	in := checked.(stream.Receiver[[]int])
	for name, err := range map[string]error{"batch": in.Batch(batchOf(0, [][]int{{1}})),
		"watermark": in.Watermark(1), "status": in.Status(stream.Idle),
		"latency": in.Latency(stream.LatencyMarker{})} {
		if !errors.Is(err, broken.fail) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
