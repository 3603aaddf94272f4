package process_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/operator"
	"goflink/operator/operatortest"
	"goflink/operator/process"
)

// keyedFunc is a keyed process function made of functions.
type keyedFunc struct {
	open    func(ctx *process.FunctionContext) error
	process func(v wordCount, ctx *process.KeyedContext[string],
		out *operator.Emitter[string]) error
}

func (f keyedFunc) Open(ctx *process.FunctionContext) error {
	if f.open == nil {
		return nil
	}
	return f.open(ctx)
}

func (f keyedFunc) ProcessElement(v wordCount, ctx *process.KeyedContext[string],
	out *operator.Emitter[string],
) error {
	return f.process(v, ctx, out)
}

// timedFunc is a keyedFunc that takes timers.
type timedFunc struct {
	keyedFunc
	timer func(at int64, ctx *process.OnTimerContext[string], out *operator.Emitter[string]) error
}

func (f timedFunc) OnTimer(at int64, ctx *process.OnTimerContext[string],
	out *operator.Emitter[string],
) error {
	return f.timer(at, ctx, out)
}

// keyed returns the factory of an operator with the function that create makes.
func keyed(tb testing.TB,
	create func() process.KeyedProcessFunction[string, wordCount, string],
) operator.Factory {
	return process.KeyedProcess(byWord(tb), create)
}

// registers is a function that does to each of the five kinds of state what its input says: a
// negative count clears, others are put or added.
type registers struct {
	value     state.Value[int64]
	list      state.List[int64]
	reducing  state.Reducing[int64]
	averaging state.Aggregating[wordCount, float64]
	table     state.Map[int64, string]
}

// average is an aggregate function of word counts.
type average struct{}

func (average) Create() [2]int64 { return [2]int64{} }

func (average) Add(w wordCount, acc [2]int64) [2]int64 {
	return [2]int64{acc[0] + w.Count, acc[1] +
		1}
}

func (average) Result(acc [2]int64) float64 { return float64(acc[0]) / float64(acc[1]) }

func (average) Merge(a, b [2]int64) [2]int64 { return [2]int64{a[0] + b[0], a[1] + b[1]} }

func (f *registers) Open(ctx *process.FunctionContext) error {
	var errs [5]error
	f.value, errs[0] = process.OpenValue(ctx, state.ValueOf[int64]("value"))
	f.list, errs[1] = process.OpenList(ctx, state.ListOf[int64]("list"))
	f.reducing, errs[2] = process.OpenReducing(ctx,
		state.ReducingOf("reducing", func(a, b int64) int64 { return max(a, b) }))
	f.averaging, errs[3] = process.OpenAggregating(ctx,
		state.AggregatingOf[wordCount, [2]int64, float64]("averaging", average{}))
	f.table, errs[4] = process.OpenMap(ctx, state.MapOf[int64, string]("table"))
	return errors.Join(errs[:]...)
}

func (f *registers) ProcessElement(v wordCount, _ *process.KeyedContext[string],
	out *operator.Emitter[string],
) error {
	var err error
	if v.Count < 0 {
		err = errors.Join(f.value.Clear(), f.list.Clear(), f.reducing.Clear(), f.averaging.Clear(),
			f.table.Remove(-v.Count))
	} else {
		err = errors.Join(f.value.Put(v.Count), f.list.Add(v.Count), f.reducing.Add(v.Count),
			f.averaging.Add(v), f.table.Put(v.Count, v.Word))
	}
	if err != nil {
		return err
	}
	return f.show(v.Word, out)
}

func (f *registers) show(word string, out *operator.Emitter[string]) error {
	value, found, err := f.value.Get()
	if err != nil {
		return err
	}
	list, err := f.list.Get()
	if err != nil {
		return err
	}
	most, _, err := f.reducing.Get()
	if err != nil {
		return err
	}
	mean, _, err := f.averaging.Get()
	if err != nil {
		return err
	}
	var keys []int64
	for k, v := range f.table.All() {
		if v != word {
			return fmt.Errorf("the map of %s holds %s", word, v)
		}
		keys = append(keys, k)
	}
	out.Emit(fmt.Sprint(word, ":", value, found, list, most, mean, keys))
	return f.table.Err()
}

// TestKeyedStateCRUD: R61: the five kinds of keyed state are created, read, changed and cleared,
// isolated per key, through restores and other parallelism.
func TestKeyedStateCRUD(t *testing.T) {
	f := keyed(t, func() process.KeyedProcessFunction[string, wordCount, string] {
		return &registers{}
	})
	got := operatortest.Explore(t, options[string](f), []operatortest.Step{
		wordInput.Record(wc("a", 3), 1), wordInput.Record(wc("b", 9), 2),
		wordInput.Record(wc("a", 1), 3), wordInput.Record(wc("a", -3), 4),
		wordInput.Record(wc("a", 2), 5), wordInput.Record(wc("b", 5), 6), operatortest.End(),
	})
	expect(t, got, "a:0 false [] 0 0 [1]@4", "a:1 true [3 1] 3 2 [1 3]@3",
		"a:2 true [2] 2 2 [1 2]@5",
		"a:3 true [3] 3 3 [3]@1", "b:5 true [9 5] 9 7 [5 9]@6", "b:9 true [9] 9 9 [9]@2",
		"watermark max")
}

// TestKeyedStateInOpen: R61: state is opened, but not used, in Open.
func TestKeyedStateInOpen(t *testing.T) {
	f := keyed(t, func() process.KeyedProcessFunction[string, wordCount, string] {
		return keyedFunc{open: func(ctx *process.FunctionContext) error {
			s, err := process.OpenValue(ctx, state.ValueOf[int]("n"))
			if err != nil {
				return err
			}
			return s.Put(1)
		}}
	})
	_, err := operatortest.Start(t, options[string](f))
	expectError(t, err, "no current key", "open")
	if !errors.Is(err, statebackend.ErrNoKey) {
		t.Errorf("%v is not ErrNoKey", err)
	}
}

// alarmClock sets an event-time timer for each record at count, and a processing-time one if the
// count is negative; a word that begins with "-" deletes the timer instead.
func alarmClock() timedFunc {
	return timedFunc{
		keyedFunc: keyedFunc{process: func(v wordCount, ctx *process.KeyedContext[string],
			out *operator.Emitter[string],
		) error {
			out.Emit("set " + ctx.CurrentKey())
			timers := ctx.TimerService()
			if v.Count < 0 {
				return timers.RegisterProcessingTimeTimer(-v.Count)
			}
			return timers.RegisterEventTimeTimer(v.Count)
		}},
		timer: func(at int64, ctx *process.OnTimerContext[string], out *operator.Emitter[string],
		) error {
			if at != ctx.Timestamp() {
				return fmt.Errorf("timer %d with timestamp %d", at, ctx.Timestamp())
			}
			text := fmt.Sprintf("%v %s:%d", ctx.TimeDomain(), ctx.CurrentKey(), at)
			if ctx.TimeDomain() == process.EventTime { // watermarks are not restored
				text += fmt.Sprint(" at ", ctx.Watermark())
			}
			out.Emit(text)
			return nil
		},
	}
}

func alarms(tb testing.TB) operator.Factory {
	return keyed(tb, func() process.KeyedProcessFunction[string, wordCount, string] {
		return alarmClock()
	})
}

// TestEventTimers: R46: event-time timers fire once per key and time, in order of time, before the
// watermark is handed on, and see it; they are state.
func TestEventTimers(t *testing.T) {
	got := operatortest.Explore(t, options[string](alarms(t)), []operatortest.Step{
		wordInput.Record(wc("a", 30), 1), wordInput.Record(wc("b", 10), 2),
		wordInput.Record(wc("a", 30), 3), wordInput.Record(wc("c", 20), 4),
		wordInput.Watermark(20), wordInput.Record(wc("b", 15), 5), // below the watermark
		wordInput.Watermark(25), wordInput.Watermark(30), operatortest.End(),
	})
	expect(t, got, "event-time b:10 at 20@10", "event-time c:20 at 20@20", "set a@1", "set a@3",
		"set b@2", "set c@4", "watermark 20", "event-time b:15 at 25@15", "set b@5", "watermark 25",
		"event-time a:30 at 30@30", "watermark 30", "watermark max")
	h := operatortest.New(t, options[string](alarms(t)))
	h.Run(wordInput.Record(wc("a", 3), 1), wordInput.Record(wc("b", 1), 1),
		wordInput.Record(wc("c", 2), 1), wordInput.Watermark(10))
	var order []string
	for _, e := range h.Events() {
		order = append(order, e.String())
	}
	expect(t, order[3:], "event-time b:1 at 10@1", "event-time c:2 at 10@2",
		"event-time a:3 at 10@3", "watermark 10")
}

// TestProcessingTimers: R46: processing-time timers fire by the clock, also those that were
// restored; what they emit has no timestamp.
func TestProcessingTimers(t *testing.T) {
	got := operatortest.Explore(t, options[string](alarms(t)), []operatortest.Step{
		wordInput.Record(wc("a", -300), 1), wordInput.Record(wc("b", -100), 2),
		wordInput.Record(wc("c", -200), 2), operatortest.AdvanceTo(150), wordInput.Watermark(2),
		wordInput.Record(wc("a", -160), 3), operatortest.JumpTo(250), operatortest.AdvanceTo(299),
		wordInput.Watermark(3), operatortest.AdvanceTo(300), operatortest.End(),
	})
	expect(t, got, "processing-time b:100", "set a@1", "set b@2", "set c@2", "watermark 2",
		"processing-time a:160", "processing-time c:200", "set a@3", "watermark 3",
		"processing-time a:300", "watermark max")
}

// TestOnePendingCall: an operator asks the clock for one call at a time, the first that is due.
func TestOnePendingCall(t *testing.T) {
	h := operatortest.New(t, options[string](alarms(t)))
	for i := range 100 {
		h.Run(wordInput.Record(wc(fmt.Sprint(i), -int64(1000-i)), 1))
	}
	if n := h.PendingCalls(); n != 1 {
		t.Errorf("%d calls of the clock are asked for, want 1", n)
	}
	h.Run(operatortest.AdvanceTo(950))
	if n := h.PendingCalls(); n != 1 {
		t.Errorf("%d calls of the clock are asked for after the half, want 1", n)
	}
	h.Run(operatortest.AdvanceTo(1000))
	if n := h.PendingCalls(); n != 0 {
		t.Errorf("%d calls of the clock are asked for after the last, want 0", n)
	}
	if got := len(operatortest.Values[string](h, "")); got != 200 {
		t.Errorf("%d records, want 100 set and 100 fired", got)
	}
}

// TestTimersInTimers: R46: a timer that is set by a timer and due already fires in the same
// advance, also with a smaller time; timers can be deleted.
func TestTimersInTimers(t *testing.T) {
	f := keyed(t, func() process.KeyedProcessFunction[string, wordCount, string] {
		c := alarmClock()
		show := c.timer
		c.timer = func(at int64, ctx *process.OnTimerContext[string], out *operator.Emitter[string],
		) error {
			timers := ctx.TimerService()
			switch at {
			case 10:
				if err := timers.RegisterEventTimeTimer(5); err != nil {
					return err
				}
				if err := timers.DeleteEventTimeTimer(12); err != nil {
					return err
				}
				if err := timers.RegisterEventTimeTimer(90); err != nil {
					return err
				}
			case 100:
				if err := timers.RegisterProcessingTimeTimer(101); err != nil {
					return err
				}
				if err := timers.DeleteProcessingTimeTimer(102); err != nil {
					return err
				}
			}
			return show(at, ctx, out)
		}
		return c
	})
	h := operatortest.New(t, options[string](f))
	h.Run(wordInput.Record(wc("a", 10), 1), wordInput.Record(wc("a", 12), 1),
		wordInput.Record(wc("b", 12), 1), wordInput.Record(wc("a", -100), 1),
		wordInput.Record(wc("a", -102), 1), wordInput.Record(wc("b", -102), 1))
	h.Forget()
	h.Run(wordInput.Watermark(50), operatortest.AdvanceTo(100), operatortest.AdvanceTo(101),
		operatortest.AdvanceTo(200))
	expect(t, h.Lines(), "event-time a:10 at 50@10", "event-time a:5 at 50@5",
		"event-time b:12 at 50@12", "watermark 50", "processing-time a:100",
		"processing-time a:101", "processing-time b:102")
}

// TestTimersAcrossRescale: R31, R46: timers of both domains move with their keys, 1 → 3 → 2.
func TestTimersAcrossRescale(t *testing.T) {
	h := operatortest.New(t, options[string](alarms(t)))
	const keys = 200
	for i := range int64(keys) {
		h.Run(wordInput.Record(wc(fmt.Sprint("e", i), 100+i), 1),
			wordInput.Record(wc(fmt.Sprint("p", i), -100-i), 1))
	}
	restore := func(parallelism int) {
		c := must(h.Checkpoint())(t)
		if err := errors.Join(c.Write(), h.Restore(c, parallelism)); err != nil {
			t.Fatal(err)
		}
	}
	restore(3)
	h.Run(wordInput.Watermark(150), operatortest.AdvanceTo(150))
	restore(2)
	h.Run(wordInput.Watermark(1000), operatortest.AdvanceTo(1000))
	fired := map[string]int{}
	for _, v := range operatortest.Values[string](h, "") {
		key, _, _ := strings.Cut(v, " at ")
		fired[key]++
	}
	for i := range keys {
		for _, k := range []string{fmt.Sprintf("event-time e%d:%d", i, 100+i),
			fmt.Sprintf("processing-time p%d:%d", i, 100+i)} {
			if fired[k] != 1 {
				t.Errorf("timer %s fired %d times", k, fired[k])
			}
		}
	}
}

// TestTimerWithoutOnTimer: a function that takes no timers cannot set any; one whose OnTimer has
// another signature is refused; timers in the state need a function that takes them.
func TestTimerWithoutOnTimer(t *testing.T) {
	f := keyed(t, func() process.KeyedProcessFunction[string, wordCount, string] {
		return alarmClock().keyedFunc
	})
	for _, count := range []int64{5, -5} {
		h := operatortest.New(t, options[string](f))
		err := errors.Join(h.Do(wordInput.Record(wc("a", count), 1)), h.Flush())
		expectError(t, err, "keyedFunc", "no method OnTimer")
	}
	_, err := operatortest.Start(t, options[string](keyed(t,
		func() process.KeyedProcessFunction[string, wordCount, string] { return wrongTimer{} })))
	expectError(t, err, "wrongTimer", "OnTimer", "TimerFunction")

	takes := true
	h := operatortest.New(t, options[string](keyed(t,
		func() process.KeyedProcessFunction[string, wordCount, string] {
			if takes {
				return alarmClock()
			}
			return alarmClock().keyedFunc
		})))
	h.Run(wordInput.Record(wc("a", 5), 1))
	c := must(h.Checkpoint())(t)
	takes = false
	if err := errors.Join(c.Write(), h.Restore(c, 1)); err != nil {
		t.Fatal(err)
	}
	expectError(t, h.Do(wordInput.Watermark(9)), "event-time timer for 5", "no method OnTimer")
}

// wrongTimer has an OnTimer for another key type.
type wrongTimer struct{ keyedFunc }

func (wrongTimer) OnTimer(int64, *process.OnTimerContext[int], *operator.Emitter[string]) error {
	return nil
}

// TestCurrentKeyOutsideOfContext: R61: there is no current key after the call.
func TestCurrentKeyOutsideOfContext(t *testing.T) {
	var kept *process.KeyedContext[string]
	f := keyed(t, func() process.KeyedProcessFunction[string, wordCount, string] {
		return keyedFunc{process: func(_ wordCount, ctx *process.KeyedContext[string],
			_ *operator.Emitter[string],
		) error {
			kept = ctx
			return nil
		}}
	})
	h := operatortest.New(t, options[string](f))
	h.Run(wordInput.Record(wc("a", 1), 1))
	kept.CurrentKey()
	err := errors.Join(h.Do(wordInput.Record(wc("b", 1), 1)), h.Flush())
	expectError(t, err, "CurrentKey", "no current key")
}

// TestKeyedProcessAllocatesNothing: state and timers of known keys cost no allocation per record.
func TestKeyedProcessAllocatesNothing(t *testing.T) {
	f := process.KeyedProcess(byWord(t),
		func() process.KeyedProcessFunction[string, wordCount, wordCount] { return &running{} })
	o := options[wordCount](f)
	o.Outputs, o.CheckMutation = nil, false
	h := operatortest.New(t, o)
	expectNoAllocs(t, "keyed process", h.Operator(0).Input(0).(stream.Receiver[wordCount]),
		batches(words(1024, 300), hashOf)[0])
}

// running keeps a sum per key and emits it to the main and a side output.
type running struct{ sum state.Value[int64] }

func (f *running) Open(ctx *process.FunctionContext) (err error) {
	f.sum, err = process.OpenValue(ctx, state.ValueOf[int64]("sum"))
	return err
}

func (f *running) ProcessElement(v wordCount, ctx *process.KeyedContext[string],
	out *operator.Emitter[wordCount],
) error {
	n, _, err := f.sum.Get()
	if err != nil {
		return err
	}
	n += v.Count
	out.Emit(wordCount{ctx.CurrentKey(), n})
	process.Side[int64](ctx, "sums").Emit(n)
	return f.sum.Put(n)
}
