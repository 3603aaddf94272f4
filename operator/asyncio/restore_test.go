package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/operator/asyncio"
	"goflink/operator/operatortest"
	"goflink/operator/process"
)

// TestRestore: what is under way is state: after a failure the calls are made again, each once,
// also at another parallelism and if there are more than the capacity.
func TestRestore(t *testing.T) {
	for name, w := range map[string]wait{"ordered": asyncio.OrderedWait[int, string],
		"unordered": asyncio.UnorderedWait[int, string]} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			h := start(t, w, asyncio.Options[string]{Capacity: 2}, s)
			h.Run(in.Record(1, 10), in.Record(2, 20), in.Record(3, 30), in.Record(4, 40),
				in.Record(5, 50), in.Record(6, 60), in.Watermark(60))
			h.Run(s.ok(1), emitted(1), s.ok(2), emitted(2))
			c, err := h.Checkpoint()
			if err == nil {
				err = c.Write()
			}
			if err != nil {
				t.Fatal(err)
			}
			h.Run(s.ok(3), emitted(3)) // is lost and comes again
			for _, parallelism := range []int{3, 2, 1} {
				if err := h.Restore(c, parallelism); err != nil {
					t.Fatal(err)
				}
				if got := len(operatortest.Values[string](h, "")); got != 2 {
					t.Fatalf("%d records after a restore", got)
				}
			}
			for i := 3; i <= 6; i++ {
				h.Run(s.ok(i), emitted(i))
			}
			h.Run(operatortest.End())
			expect(t, operatortest.Values[string](h, ""), "r1", "r2", "r3", "r4", "r5", "r6")
			var times []int64
			for _, e := range h.Events() {
				if e.Kind == operatortest.RecordEvent {
					times = append(times, e.Time)
				}
			}
			if !slices.Equal(times, []int64{10, 20, 30, 40, 50, 60}) {
				t.Errorf("timestamps %v", times)
			}
		})
	}
}

// TestExplore: with snapshots at each point and other parallelism every record has its results
// once. Watermarks begin anew after a restore, so that the script has none before its end.
func TestExplore(t *testing.T) {
	var script []operatortest.Step
	for i := range 12 {
		script = append(script, in.Record(i, int64(i)))
	}
	script = append(script, operatortest.End())
	for _, w := range []wait{asyncio.OrderedWait[int, string], asyncio.UnorderedWait[int, string]} {
		f := factory(t, w, asyncio.Options[string]{Capacity: 4, Timeout: time.Hour},
			func() asyncio.AsyncFunction[int, string] {
				return asyncio.Func[int, string](func(_ context.Context, v int) ([]string, error) {
					return []string{fmt.Sprint("x", v)}, nil
				})
			})
		if got := operatortest.Explore(t, withState(f), script); len(got) != 13 {
			t.Errorf("got %q", got)
		}
	}
}

// TestDrain: the operator is not drained before all results are handed on.
func TestDrain(t *testing.T) {
	s := newService()
	h := start(t, asyncio.OrderedWait[int, string], asyncio.Options[string]{}, s)
	d := h.Operator(0).(operator.Drainer)
	if !d.Drained() {
		t.Error("not drained without records")
	}
	h.Run(in.Record(1, 10), in.Watermark(10))
	if d.Drained() {
		t.Error("drained with a call under way")
	}
	h.Run(s.ok(1), operatortest.Await("draining", func(*operatortest.Harness) bool {
		return d.Drained()
	}))
	expect(t, events(h), "r1@10", "watermark 10")
}

// TestCloseWaitsForCalls: when the task is cancelled, calls see their context end; the function is
// closed once, by the last of them.
func TestCloseWaitsForCalls(t *testing.T) {
	s := newService()
	h := start(t, asyncio.OrderedWait[int, string], asyncio.Options[string]{}, s)
	h.Run(in.Record(1, 10), in.Record(2, 20))
	s.waitFor(t, 1, 1)
	s.waitFor(t, 2, 1)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, s.log, "open", "close with 0 calls")
	s = newService()
	h = start(t, asyncio.OrderedWait[int, string], asyncio.Options[string]{}, s)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, s.log, "open", "close with 0 calls")
}

// TestAbandonedCalls: calls that take too long are cancelled, and make room when they have ended:
// never are there more than the capacity.
func TestAbandonedCalls(t *testing.T) {
	testkit.NoLeaks(t)
	s := newService()
	s.timeout = func(v int) ([]string, error) { return []string{fmt.Sprint("late", v)}, nil }
	h := start(t, asyncio.UnorderedWait[int, string],
		asyncio.Options[string]{Capacity: 2, Timeout: 10 * time.Millisecond}, s)
	// The clock goes on until the operator got as far as the test wants it.
	advanceUntil := func(done func() bool) {
		for !done() {
			h.Run(operatortest.AdvanceTo(h.Now() + 1))
		}
	}
	for i := range 20 {
		advanceUntil(h.Operator(0).(operator.Throttled).Ready)
		h.Run(in.Record(i, int64(i)))
	}
	advanceUntil(h.Operator(0).(operator.Drainer).Drained)
	if got := len(operatortest.Values[string](h, "")); got != 20 {
		t.Errorf("%d results of 20 timeouts", got)
	}
	if n := s.peak(); n > 2 {
		t.Errorf("%d calls were under way", n)
	}
}

// TestRefused: options that make no sense are refused when the operator is built.
func TestRefused(t *testing.T) {
	create := func() asyncio.AsyncFunction[int, string] { return nil }
	for want, o := range map[string]asyncio.Options[string]{
		"the timeout is -1s":      {Timeout: -time.Second},
		"the timeout is 1µs":      {Timeout: time.Microsecond},
		"the capacity is -1":      {Capacity: -1},
		"needs a delay":           {Retry: asyncio.Retry[string]{Attempts: 2}},
		"-1 attempts; there must": {Retry: asyncio.Retry[string]{Attempts: -1}},
	} {
		_, err := asyncio.OrderedWait(o, create)
		expectError(t, err, want)
	}
	f := factory(t, asyncio.OrderedWait[int, string], asyncio.Options[string]{}, create)
	_, err := operatortest.Start(t, withState(f))
	expectError(t, err, "returned nil")
	f = factory(t, asyncio.OrderedWait[int, string], asyncio.Options[string]{},
		func() asyncio.AsyncFunction[int, string] { return broken{} })
	_, err = operatortest.Start(t, withState(f))
	expectError(t, err, "cannot connect")
}

// broken is a function that does not open.
type broken struct{ asyncio.Func[int, string] }

func (broken) Open(*process.FunctionContext) error { return errors.New("cannot connect") }
