package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goflink/core/failure"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/operator/asyncio"
	"goflink/operator/operatortest"
	"goflink/operator/process"
	"goflink/runtime/memstate"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

var in = operatortest.Input[int]{}

// service is an asynchronous function whose calls return when the test says so.
type service struct {
	mu    sync.Mutex
	calls map[int][]chan answer // under way, by record
	made  map[int]int           // calls so far, by record
	most  int                   // calls under way at a time
	log   []string
	// notify has one element while something happened that nobody looked at.
	notify chan struct{}
	// timeout, if set, is the result of Timeout.
	timeout func(v int) ([]string, error)
}

type answer struct {
	results []string
	err     error
}

func newService() *service {
	return &service{calls: map[int][]chan answer{}, made: map[int]int{},
		notify: make(chan struct{}, 1)}
}

func (s *service) happened() {
	select {
	case s.notify <- struct{}{}:
	default:
	}
}

func (s *service) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, what)
}

// Open notes that the function was opened.
func (s *service) Open(*process.FunctionContext) error {
	s.note("open")
	return nil
}

// Close notes how many calls were under way, which must be none.
func (s *service) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf("close with %d calls", s.underWay()))
	return nil
}

// madeFor is how many calls for v were made so far.
func (s *service) madeFor(v int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made[v]
}

// peak is the largest number of calls that were under way at a time.
func (s *service) peak() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

func (s *service) underWay() (n int) {
	for _, c := range s.calls {
		n += len(c)
	}
	return n
}

// AsyncInvoke waits for the test's answer, or for ctx.
func (s *service) AsyncInvoke(ctx context.Context, v int) ([]string, error) {
	c := make(chan answer, 1)
	s.mu.Lock()
	s.calls[v] = append(s.calls[v], c)
	s.made[v]++
	s.most = max(s.most, s.underWay())
	s.mu.Unlock()
	s.happened()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls[v] = slices.DeleteFunc(s.calls[v], func(o chan answer) bool { return o == c })
	}()
	select {
	case a := <-c:
		return a.results, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// waitFor returns once the n-th call for v has been made.
func (s *service) waitFor(t testing.TB, v, n int) {
	t.Helper()
	for {
		s.mu.Lock()
		made := s.made[v]
		s.mu.Unlock()
		if made >= n {
			return
		}
		select {
		case <-s.notify:
		case <-t.Context().Done():
			t.Fatalf("no call %d for %d", n, v)
		}
	}
}

// answer ends the first call for v that is under way.
func (s *service) answer(v int, results []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[v][0] <- answer{results, err}
}

// ok answers a record with its own text, once the call is made.
func (s *service) ok(v int) operatortest.Step {
	return operatortest.Check(fmt.Sprint("answer ", v), func(h *operatortest.Harness) error {
		for s.underWayFor(v) == 0 {
			<-s.notify
		}
		s.answer(v, []string{fmt.Sprint("r", v)}, nil)
		return nil
	})
}

func (s *service) underWayFor(v int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls[v])
}

// emitted waits until n records were emitted.
func emitted(n int) operatortest.Step {
	return operatortest.Await(fmt.Sprint(n, " records"), func(h *operatortest.Harness) bool {
		return len(operatortest.Values[string](h, "")) == n
	})
}

type wait func(o asyncio.Options[string], create func() asyncio.AsyncFunction[int, string]) (
	operator.Factory, error)

// start runs an operator on a service.
func start(t testing.TB, w wait, o asyncio.Options[string], s *service) *operatortest.Harness {
	t.Helper()
	return operatortest.New(t, withState(factory(t, w, o,
		func() asyncio.AsyncFunction[int, string] {
			if s.timeout != nil {
				return impatient{s}
			}
			return s
		})))
}

func factory(t testing.TB, w wait, o asyncio.Options[string],
	create func() asyncio.AsyncFunction[int, string],
) operator.Factory {
	t.Helper()
	f, err := w(o, create)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func withState(f operator.Factory) operatortest.Options {
	return operatortest.Options{
		Factory: f, Outputs: []operatortest.AnyOutput{operatortest.Output[string]{}},
		CheckMutation: true,
		OperatorStates: func(o statebackend.OperatorOptions) (statebackend.OperatorStore, error) {
			return memstate.NewOperatorStore(context.Background(), o)
		},
	}
}

// impatient is a service with results for timeouts.
type impatient struct{ *service }

func (s impatient) Timeout(v int) ([]string, error) { return s.timeout(v) }

// events are what a harness logged, in order.
func events(h *operatortest.Harness) []string {
	var all []string
	for _, e := range h.Events() {
		all = append(all, e.String())
	}
	return all
}

func expect(tb testing.TB, got []string, want ...string) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("got  %s\nwant %s", strings.Join(got, " | "), strings.Join(want, " | "))
	}
}

func expectError(tb testing.TB, err error, parts ...string) {
	tb.Helper()
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			tb.Errorf("got the error %v, want %q in it", err, p)
		}
	}
}

// TestOrdered: results come in the order of their records, with their timestamps, whatever the
// order of the answers; watermarks and statuses keep their places.
func TestOrdered(t *testing.T) {
	s := newService()
	h := start(t, asyncio.OrderedWait[int, string], asyncio.Options[string]{}, s)
	h.Run(in.Watermark(1), in.Record(1, 10), in.Record(2, 20), in.Watermark(15), in.Watermark(20),
		in.Status(stream.Idle), in.Status(stream.Active), in.Watermark(25), in.Record(3, 30),
		in.Watermark(30))
	h.Run(s.ok(3), s.ok(2))
	expect(t, events(h), "watermark 1")
	h.Run(s.ok(1), emitted(3), operatortest.End())
	expect(t, events(h), "watermark 1", "r1@10", "r2@20", "watermark 20", "active", "watermark 25",
		"r3@30", "watermark 30", "watermark max")
}

// TestUnordered: results come as they are there, but none overtakes a watermark or falls behind it.
func TestUnordered(t *testing.T) {
	s := newService()
	h := start(t, asyncio.UnorderedWait[int, string], asyncio.Options[string]{}, s)
	h.Run(in.Record(1, 10), in.Record(2, 20), in.Watermark(20), in.Record(3, 30), in.Record(4, 40),
		in.Watermark(40), in.Watermark(45), in.Record(5, 50))
	h.Run(s.ok(2), emitted(1), s.ok(4), s.ok(5))
	expect(t, events(h), "r2@20")
	h.Run(s.ok(1), emitted(3), s.ok(3), emitted(5), operatortest.End())
	expect(t, events(h), "r2@20", "r1@10", "watermark 20", "r4@40", "r3@30", "watermark 45",
		"r5@50", "watermark max")
}

// TestResults: a record may have any number of results.
func TestResults(t *testing.T) {
	f := asyncio.Func[int, string](func(_ context.Context, v int) ([]string, error) {
		return slices.Repeat([]string{fmt.Sprint(v)}, v), nil
	})
	for _, w := range []wait{asyncio.OrderedWait[int, string], asyncio.UnorderedWait[int, string]} {
		h := operatortest.New(t, withState(factory(t, w, asyncio.Options[string]{},
			func() asyncio.AsyncFunction[int, string] { return f })))
		h.Run(in.Record(2, 1), in.Record(0, 2), in.Record(1, stream.NoTimestamp),
			operatortest.End())
		expect(t, h.Lines(), "1", "2@1", "2@1", "watermark max")
	}
}

// TestCapacity: no more calls than the capacity are under way, and no more records are taken than
// the capacity and one batch.
func TestCapacity(t *testing.T) {
	s := newService()
	h := start(t, asyncio.OrderedWait[int, string], asyncio.Options[string]{Capacity: 3}, s)
	op := h.Operator(0).(operator.Throttled)
	for i := range 10 {
		if !op.Ready() {
			t.Fatalf("not ready after %d batches", i)
		}
		if i == 2 {
			break
		}
		h.Run(in.Record(i, int64(i)))
	}
	h.Run(in.Record(2, 2), in.Record(3, 3), in.Record(4, 4))
	if op.Ready() {
		t.Error("ready with 5 records held and a capacity of 3")
	}
	for v := range 3 {
		s.waitFor(t, v, 1)
	}
	for i := range 5 {
		h.Run(s.ok(i), emitted(i+1))
		if want := i >= 2; op.Ready() != want {
			t.Errorf("after %d results Ready is %t", i+1, op.Ready())
		}
	}
	if n := s.peak(); n != 3 {
		t.Errorf("up to %d calls were under way, want 3", n)
	}
}

// TestManyRecords: with answers in any order every record has its result, in order or not; the
// harness feeds only while the operator is ready.
func TestManyRecords(t *testing.T) {
	for name, w := range map[string]wait{"ordered": asyncio.OrderedWait[int, string],
		"unordered": asyncio.UnorderedWait[int, string]} {
		var mu sync.Mutex
		calls, most := 0, 0
		f := asyncio.Func[int, string](func(_ context.Context, v int) ([]string, error) {
			mu.Lock()
			calls++
			most = max(most, calls)
			mu.Unlock()
			defer func() {
				mu.Lock()
				calls--
				mu.Unlock()
			}()
			return []string{fmt.Sprintf("%04d", v)}, nil
		})
		h := operatortest.New(t, withState(factory(t, w, asyncio.Options[string]{Capacity: 7},
			func() asyncio.AsyncFunction[int, string] { return f })))
		var want []string
		n := testkit.Scaled(4000)
		for i := range n {
			h.Run(in.Record(i, int64(i)))
			want = append(want, fmt.Sprintf("%04d", i))
			if i%100 == 99 {
				h.Run(in.Watermark(int64(i)))
			}
		}
		h.Run(operatortest.End())
		last := int64(-1)
		for _, e := range h.Events() {
			if e.Kind == operatortest.WatermarkEvent {
				last = e.Watermark
			} else if e.Time <= last || e.Time > last+100 {
				t.Fatalf("%s: %s came between the watermarks %d and %d", name, e.String(), last,
					last+100)
			}
		}
		got := operatortest.Values[string](h, "")
		if name == "unordered" {
			slices.Sort(got)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d results are not those of %d records", name, len(got), n)
		}
		if most > 7 {
			t.Errorf("%s: %d calls were under way", name, most)
		}
	}
}

// TestTimeout: a call that takes too long is cancelled; the function's Timeout has the results.
func TestTimeout(t *testing.T) {
	s := newService()
	s.timeout = func(v int) ([]string, error) { return []string{fmt.Sprint("late ", v)}, nil }
	h := start(t, asyncio.OrderedWait[int, string],
		asyncio.Options[string]{Timeout: 100 * time.Millisecond}, s)
	h.Run(in.Record(1, 10), operatortest.AdvanceTo(60), in.Record(2, 20), in.Record(3, 30))
	s.waitFor(t, 1, 1)
	h.Run(operatortest.AdvanceTo(99))
	expect(t, events(h))
	h.Run(operatortest.AdvanceTo(100))
	expect(t, events(h), "late 1@10")
	h.Run(s.ok(2), emitted(2), operatortest.AdvanceTo(159), operatortest.AdvanceTo(160),
		operatortest.AdvanceTo(500))
	expect(t, events(h), "late 1@10", "r2@20", "late 3@30")
	if n := h.PendingCalls(); n != 0 {
		t.Errorf("%d calls of the clock are pending", n)
	}
	h.Run(operatortest.End())
}

// TestTimeoutFails: without results for timeouts the job fails.
func TestTimeoutFails(t *testing.T) {
	s := newService()
	h := start(t, asyncio.UnorderedWait[int, string],
		asyncio.Options[string]{Timeout: 100 * time.Millisecond}, s)
	h.Run(in.Record(1, 10))
	err := h.Do(operatortest.AdvanceTo(100))
	expectError(t, err, "has timed out", "100ms", "asyncio_test.service")
	if !errors.Is(err, asyncio.ErrTimeout) {
		t.Errorf("%v is not ErrTimeout", err)
	}
	s = newService()
	s.timeout = func(int) ([]string, error) { return nil, errors.New("no results either") }
	h = start(t, asyncio.UnorderedWait[int, string],
		asyncio.Options[string]{Timeout: 100 * time.Millisecond}, s)
	h.Run(in.Record(1, 10))
	expectError(t, h.Do(operatortest.AdvanceTo(100)), "timeout: no results either")
}

// TestFailure: an error, or a panic, of a call fails the job as the user's.
func TestFailure(t *testing.T) {
	s := newService()
	h := start(t, asyncio.OrderedWait[int, string], asyncio.Options[string]{}, s)
	h.Run(in.Record(1, 10))
	s.waitFor(t, 1, 1)
	s.answer(1, nil, errors.New("no such record"))
	err := h.Do(emitted(1))
	expectError(t, err, "attempt 1: no such record")
	if failure.DomainOf(err) != failure.User {
		t.Errorf("the error is of domain %v", failure.DomainOf(err))
	}
	h = operatortest.New(t, withState(factory(t, asyncio.OrderedWait[int, string],
		asyncio.Options[string]{}, func() asyncio.AsyncFunction[int, string] {
			return asyncio.Func[int, string](func(context.Context, int) ([]string, error) {
				panic("mine")
			})
		})))
	if err := h.Do(in.Record(1, 10)); err != nil { // collected, not yet handed over
		t.Fatal(err)
	}
	expectError(t, h.Do(emitted(1)), "panic: mine")
}

// TestRetry: calls that fail are made again after a delay, up to a number of attempts.
func TestRetry(t *testing.T) {
	s := newService()
	h := start(t, asyncio.OrderedWait[int, string], asyncio.Options[string]{
		Retry: asyncio.ExponentialBackoff[string](4, 10*time.Millisecond, 25*time.Millisecond,
			2)}, s)
	h.Run(in.Record(1, 10), in.Record(2, 20))
	attempt := func(n int) operatortest.Step {
		return operatortest.Check(fmt.Sprint("attempt ", n), func(h *operatortest.Harness) error {
			s.waitFor(t, 1, n)
			s.answer(1, nil, errors.New("busy"))
			return nil
		})
	}
	retrying := func(n int) operatortest.Step {
		return operatortest.Await("a retry", func(h *operatortest.Harness) bool {
			return h.PendingCalls() == n
		})
	}
	h.Run(s.ok(2), attempt(1), retrying(1), operatortest.AdvanceTo(9))
	if n := s.madeFor(1); n != 1 {
		t.Errorf("%d calls before the delay is over", n)
	}
	h.Run(operatortest.AdvanceTo(10), attempt(2), retrying(1), operatortest.AdvanceTo(29),
		operatortest.AdvanceTo(30), attempt(3), retrying(1), operatortest.AdvanceTo(54))
	if n := s.madeFor(1); n != 3 {
		t.Errorf("%d calls before the third delay is over", n)
	}
	h.Run(operatortest.AdvanceTo(55), s.ok(1), emitted(2), operatortest.End())
	expect(t, events(h), "r1@10", "r2@20", "watermark max")

	s = newService()
	h = start(t, asyncio.OrderedWait[int, string], asyncio.Options[string]{
		Retry: asyncio.FixedDelay[string](2, 10*time.Millisecond)}, s)
	h.Run(in.Record(1, 10), attempt(1), retrying(1), operatortest.AdvanceTo(10))
	s.waitFor(t, 1, 2)
	s.answer(1, nil, errors.New("still busy"))
	expectError(t, h.Do(emitted(1)), "attempt 2: still busy")
}

// TestRetryPredicates: which errors and results are worth a retry is the user's choice.
func TestRetryPredicates(t *testing.T) {
	busy := errors.New("busy")
	retry := asyncio.FixedDelay[string](3, 10*time.Millisecond).If(
		func(err error) bool { return errors.Is(err, busy) },
		func(results []string) bool { return len(results) == 0 })
	s := newService()
	h := start(t, asyncio.UnorderedWait[int, string], asyncio.Options[string]{Retry: retry}, s)
	answer := func(n int, results []string, err error) operatortest.Step {
		return operatortest.Check("answer", func(h *operatortest.Harness) error {
			s.waitFor(t, 1, n)
			s.answer(1, results, err)
			return nil
		})
	}
	pending := operatortest.Await("a retry", func(h *operatortest.Harness) bool {
		return h.PendingCalls() == 1
	})
	h.Run(in.Record(1, 1), answer(1, nil, nil), pending, operatortest.AdvanceTo(10),
		answer(2, nil, busy), pending, operatortest.AdvanceTo(20), answer(3, nil, nil),
		operatortest.End())
	expect(t, events(h), "watermark max") // the last result, an empty one, counts
	s = newService()
	h = start(t, asyncio.UnorderedWait[int, string], asyncio.Options[string]{Retry: retry}, s)
	h.Run(in.Record(1, 1))
	s.waitFor(t, 1, 1)
	s.answer(1, nil, errors.New("broken"))
	expectError(t, h.Do(emitted(1)), "attempt 1: broken")
}

// TestTimeoutCoversRetries: the timeout counts from the first call, also while the next one is
// waited for.
func TestTimeoutCoversRetries(t *testing.T) {
	s := newService()
	s.timeout = func(v int) ([]string, error) { return []string{"late"}, nil }
	h := start(t, asyncio.OrderedWait[int, string], asyncio.Options[string]{
		Timeout: 100 * time.Millisecond, Retry: asyncio.FixedDelay[string](9, time.Minute)}, s)
	h.Run(in.Record(1, 10))
	s.waitFor(t, 1, 1)
	s.answer(1, nil, errors.New("busy"))
	h.Run(operatortest.Await("the end of the call", func(*operatortest.Harness) bool {
		return s.underWayFor(1) == 0
	}), operatortest.AdvanceTo(100))
	expect(t, events(h), "late@10")
	h.Run(operatortest.AdvanceTo(200_000), operatortest.End())
	if n := s.madeFor(1); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}
