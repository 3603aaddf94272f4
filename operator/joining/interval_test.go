package joining_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/operator/joining"
	"goflink/operator/operatortest"
	"goflink/operator/process"
	"goflink/runtime/memstate"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

// order and payment are the records of the two streams; they are joined by their customer.
type order struct {
	Customer string
	Item     int
}

type payment struct {
	Customer string
	Cents    int
}

var (
	orders = operatortest.Input[order]{
		Hash: func(o order) uint64 { return keygroup.HashString(o.Customer) }}
	payments = operatortest.Input[payment]{Index: 1,
		Hash: func(p payment) uint64 { return keygroup.HashString(p.Customer) }}
)

type interval = joining.Interval[string, order, payment]

func within(tb testing.TB, lower, upper time.Duration) interval {
	tb.Helper()
	key, err := typeinfo.KeyOf[string]()
	if err != nil {
		tb.Fatal(err)
	}
	return interval{
		Left: process.KeyBy[order, string]{Key: key,
			Selector: func(o order) string { return o.Customer }},
		Right: process.KeyBy[payment, string]{Key: key,
			Selector: func(p payment) string { return p.Customer }},
		Lower: lower, Upper: upper,
	}
}

// pairUp describes pairs.
type pairUp struct{}

func (pairUp) ProcessElement(o order, p payment, ctx *joining.Context[string],
	out *operator.Emitter[string],
) error {
	if o.Customer != p.Customer || ctx.CurrentKey() != o.Customer {
		return fmt.Errorf("%v joined with %v under %q", o, p, ctx.CurrentKey())
	}
	if p.Cents < 0 {
		return errors.New("a negative payment")
	}
	if p.Cents == 0 {
		process.Side[string](ctx, "free").Emit(o.Customer)
		return nil
	}
	out.Emit(fmt.Sprintf("%s %d(%d) %d(%d)", o.Customer, o.Item, ctx.LeftTimestamp(), p.Cents,
		ctx.RightTimestamp()))
	return nil
}

func joined(tb testing.TB, s interval) operatortest.Options {
	tb.Helper()
	f, err := joining.IntervalJoin(s,
		func() joining.ProcessJoinFunction[string, order, payment, string] { return pairUp{} })
	if err != nil {
		tb.Fatal(err)
	}
	return withState(f, operatortest.Output[string]{},
		operatortest.Output[order]{Tag: "late orders"},
		operatortest.Output[payment]{Tag: "late payments"},
		operatortest.Output[string]{Tag: "free"})
}

// withState runs an operator with the state of the heap backend.
func withState(f operator.Factory, outputs ...operatortest.AnyOutput) operatortest.Options {
	return operatortest.Options{
		Factory: f, Outputs: outputs, Backend: memstate.New(), CheckMutation: true,
		OperatorStates: func(o statebackend.OperatorOptions) (statebackend.OperatorStore, error) {
			return memstate.NewOperatorStore(context.Background(), o)
		},
	}
}

// watermark hands a watermark to both inputs, without a restore between.
func watermark(w int64) operatortest.Step {
	return operatortest.Check(fmt.Sprint("watermark ", w), func(h *operatortest.Harness) error {
		return errors.Join(h.Do(orders.Watermark(w)), h.Do(payments.Watermark(w)))
	})
}

func expect(tb testing.TB, got []string, want ...string) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("the output differs (- missing, + too many)\n%s\ngot %s",
			operatortest.Diff(want, got), strings.Join(got, " | "))
	}
}

// records drops what is no record of the main output.
func records(lines []string) []string {
	return slices.DeleteFunc(lines, func(l string) bool {
		return strings.Contains(l, "watermark") || strings.HasPrefix(l, "free:")
	})
}

// TestIntervalJoin: R38: pairs within the bounds are joined, whichever comes first, and get the
// greater timestamp; late records go to side outputs, also after a restore.
func TestIntervalJoin(t *testing.T) {
	s := within(t, -5*time.Millisecond, 10*time.Millisecond)
	s.LateLeftTag, s.LateRightTag = "late orders", "late payments"
	got := operatortest.Explore(t, joined(t, s), []operatortest.Step{
		orders.Record(order{"a", 1}, 100), payments.Record(payment{"a", 10}, 95),
		payments.Record(payment{"a", 20}, 94), payments.Record(payment{"a", 30}, 110),
		payments.Record(payment{"a", 40}, 111), payments.Record(payment{"b", 50}, 100),
		watermark(98),
		orders.Record(order{"b", 2}, 98), orders.Record(order{"b", 3}, 105),
		orders.Record(order{"b", 4}, 106), orders.Record(order{"a", 5}, 97),
		payments.Record(payment{"a", 60}, 90), payments.Record(payment{"a", 0}, 109),
		operatortest.End(),
	})
	expect(t, slices.DeleteFunc(got, func(l string) bool {
		return strings.Contains(l,
			"watermark")
	}),
		"a 1(100) 10(95)@100", "a 1(100) 30(110)@110",
		"b 2(98) 50(100)@100", "b 3(105) 50(100)@105", "free: a@109", "late orders: {a 5}@97",
		"late payments: {a 60}@90")
}

// TestIntervalBounds: R38: the bounds themselves belong to the interval unless they are taken out;
// they may lie on one side of zero.
func TestIntervalBounds(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		lower, upper     time.Duration
		noLower, noUpper bool
		want             []int // payments at which offsets
	}{
		{-2 * ms, 1 * ms, false, false, []int{-2, -1, 0, 1}},
		{-2 * ms, 1 * ms, true, false, []int{-1, 0, 1}},
		{-2 * ms, 1 * ms, false, true, []int{-2, -1, 0}},
		{-2 * ms, 1 * ms, true, true, []int{-1, 0}},
		{0, 0, false, false, []int{0}},
		{1 * ms, 3 * ms, false, false, []int{1, 2, 3}},
		{-3 * ms, -2 * ms, false, false, []int{-3, -2}},
	} {
		for _, paymentsFirst := range []bool{false, true} {
			s := within(t, c.lower, c.upper)
			s.LowerExclusive, s.UpperExclusive = c.noLower, c.noUpper
			h := operatortest.New(t, joined(t, s))
			if !paymentsFirst {
				h.Run(orders.Record(order{"a", 1}, 100))
			}
			for d := -5; d <= 5; d++ {
				h.Run(payments.Record(payment{"a", 10 + d}, int64(100+d)))
			}
			if paymentsFirst {
				h.Run(orders.Record(order{"a", 1}, 100))
			}
			var want []string
			for _, d := range c.want {
				want = append(want, fmt.Sprintf("a 1(100) %d(%d)@%d", 10+d, 100+d, max(100, 100+d)))
			}
			slices.Sort(want)
			expect(t, records(h.Lines()), want...)
		}
	}
}

// TestIntervalLate: R56: what is late, strictly before the watermark, is dropped and counted.
func TestIntervalLate(t *testing.T) {
	h := operatortest.New(t, joined(t, within(t, 0, time.Second)))
	h.Run(orders.Record(order{"a", 1}, 50), watermark(100), orders.Record(order{"a", 2}, 99),
		payments.Record(payment{"a", 1}, 99), payments.Record(payment{"a", 2}, 100))
	expect(t, records(h.Lines()), "a 1(50) 2(100)@100")
	if n := h.Counter("numLateRecordsDropped"); n != 2 {
		t.Errorf("%d late records were counted, want 2", n)
	}
}

// TestIntervalCleanup: state is removed when no record to come can join with it, and not before.
func TestIntervalCleanup(t *testing.T) {
	h := operatortest.New(t, joined(t, within(t, -5*time.Millisecond, 10*time.Millisecond)))
	size := func() int64 {
		t.Helper()
		c, err := h.Checkpoint()
		if err == nil {
			err = c.Write()
		}
		if err != nil {
			t.Fatal(err)
		}
		return c.Bytes()
	}
	empty := size()
	for i := range int64(100) {
		key := fmt.Sprint(i % 7)
		h.Run(orders.Record(order{key, int(i)}, 1000-i), payments.Record(payment{key, 1}, 1500-i))
	}
	full := size()
	h.Run(watermark(905)) // orders stay until 10 after their time: the first goes at 911
	if n := size(); n < full {
		t.Errorf("the state shrank from %d to %d bytes too early", full, n)
	}
	h.Run(watermark(1200))
	if n := size(); n > full*2/3 {
		t.Errorf("the orders were not removed: %d of %d bytes are left", n, full)
	}
	h.Run(watermark(1504)) // payments stay until 5 after their time
	if n := size(); n == empty {
		t.Error("the last payment went too early")
	}
	h.Run(watermark(1505))
	if n := size(); n != empty {
		t.Errorf("%d bytes of state are left, without records there are %d", n, empty)
	}
}

// event is a record of either stream for the comparison with the plain definition.
type event struct {
	left bool
	key  string
	id   int
	time int64
	// since is the watermark when it came.
	since int64
}

// TestIntervalJoinRandom: R38: for random streams, bounds, watermarks, restores and parallelism the
// result is that of the definition: all pairs of records that were not late.
func TestIntervalJoinRandom(t *testing.T) {
	testkit.EachSeed(t, 20, func(t *testing.T, seed uint64) {
		rnd := testkit.Source(seed)
		lower := int64(rnd.IntN(30) - 20)
		upper := lower + int64(rnd.IntN(30))
		h := operatortest.New(t, joined(t, within(t, time.Duration(lower)*time.Millisecond,
			time.Duration(upper)*time.Millisecond)))
		var seen []event
		var want []string
		now, w := int64(0), stream.MinWatermark
		for id := range 400 {
			switch n := rnd.IntN(40); {
			case n == 0:
				c, err := h.Checkpoint()
				if err == nil {
					err = errors.Join(c.Write(), h.Restore(c, 1+rnd.IntN(3)))
				}
				if err != nil {
					t.Fatal(err)
				}
			case n < 6:
				if now-5 > w {
					w = now - 5
					h.Run(watermark(w))
				}
			default:
				now += int64(rnd.IntN(4))
				e := event{left: rnd.IntN(2) == 0, key: fmt.Sprint(rnd.IntN(3)), id: id + 1,
					time: now - int64(rnd.IntN(15)), since: w}
				if e.left {
					h.Run(orders.Record(order{e.key, e.id}, e.time))
				} else {
					h.Run(payments.Record(payment{e.key, e.id}, e.time))
				}
				if e.time < w {
					continue
				}
				want = append(want, partners(seen, e, w, lower, upper)...)
				seen = append(seen, e)
			}
		}
		h.Run(operatortest.End())
		got := operatortest.Values[string](h, "")
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("[%d,%d] %s", lower, upper, operatortest.Diff(want, got))
		}
	})
}

// partners are the pairs of e with earlier records that are still there at watermark w: a record
// goes with the first watermark after it that ends its use.
func partners(seen []event, e event, w, lower, upper int64) []string {
	var pairs []string
	for _, o := range seen {
		l, r := o, e
		keep := max(0, upper)
		if !o.left {
			keep = max(0, -lower)
		}
		if e.left {
			l, r = e, o
		}
		if o.left != e.left && o.key == e.key && l.time+lower <= r.time && r.time <= l.time+upper &&
			(o.time+keep > w || o.since == w) {
			pairs = append(pairs, fmt.Sprintf("%s %d(%d) %d(%d)", e.key, l.id, l.time, r.id,
				r.time))
		}
	}
	return pairs
}

// TestIntervalRefused: bounds without a time between them, records without timestamps and functions
// that fail are refused with errors that say so.
func TestIntervalRefused(t *testing.T) {
	create := func() joining.ProcessJoinFunction[string, order, payment, string] { return pairUp{} }
	for want, s := range map[string]interval{
		"no time lies between":   within(t, 2*time.Millisecond, time.Millisecond),
		"the upper bound is 1µs": within(t, 0, time.Microsecond),
	} {
		_, err := joining.IntervalJoin(s, create)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	s := within(t, 1*time.Millisecond, 2*time.Millisecond)
	s.LowerExclusive, s.UpperExclusive = true, true
	if _, err := joining.IntervalJoin(s, create); err == nil {
		t.Error("an empty interval was accepted")
	}
	h := operatortest.New(t, joined(t, within(t, 0, time.Second)))
	err := errors.Join(h.Do(orders.Record(order{"a", 1}, stream.NoTimestamp)), h.Flush())
	if err == nil || !strings.Contains(err.Error(), "no timestamp") {
		t.Errorf("a record without timestamp: %v", err)
	}
	h = operatortest.New(t, joined(t, within(t, 0, time.Second)))
	h.Run(orders.Record(order{"a", 1}, 1))
	err = errors.Join(h.Do(payments.Record(payment{"a", -1}, 1)), h.Flush())
	if err == nil || !strings.Contains(err.Error(), "pairUp: a negative payment") {
		t.Errorf("a failing function: %v", err)
	}
	f, err := joining.IntervalJoin(within(t, 0, time.Second),
		func() joining.ProcessJoinFunction[string, order, payment, string] { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err = operatortest.Start(t, withState(f)); err == nil ||
		!strings.Contains(err.Error(), "returned nil") {
		t.Errorf("a factory without function: %v", err)
	}
}

// counting is a join function with a life of its own.
type counting struct {
	pairUp
	log *[]string
}

func (f counting) Open(ctx *process.FunctionContext) error {
	*f.log = append(*f.log, fmt.Sprint("open ", ctx.Info().Subtask))
	return nil
}

func (f counting) Close() error { return f.note("close") }

func (f counting) Snapshot(operator.Checkpoint) error { return f.note("snapshot") }
func (f counting) CheckpointComplete(uint64) error    { return f.note("complete") }
func (f counting) CheckpointAborted(uint64) error     { return f.note("aborted") }

func (f counting) note(what string) error {
	*f.log = append(*f.log, what)
	return nil
}

// TestIntervalFunctionLife: R64: a join function is opened, told of checkpoints and closed.
func TestIntervalFunctionLife(t *testing.T) {
	var log []string
	f, err := joining.IntervalJoin(within(t, 0, time.Second),
		func() joining.ProcessJoinFunction[string, order, payment, string] {
			return counting{log: &log}
		})
	if err != nil {
		t.Fatal(err)
	}
	h := operatortest.New(t, withState(f))
	c, err := h.Checkpoint()
	if err == nil {
		err = c.Write()
	}
	if err != nil {
		t.Fatal(err)
	}
	if c, err = h.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	c.Abandon()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, log, "open 0", "snapshot", "complete", "snapshot", "aborted", "close")
}
