package datastream_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"goflink/core/eventtime"
	"goflink/core/state"
	"goflink/core/window"
	"goflink/datastream"
	"goflink/operator/windowing"
)

// second is a second in the times of events.
const second = 1000

// ticks are events of one person at the given seconds, each with its place as number.
func ticks(env *datastream.Environment, seconds ...int64) *datastream.Stream[event] {
	var es []event
	for i, s := range seconds {
		es = append(es, event{"a", s * second, int64(i + 1)})
	}
	return timed(elements(env, es...), 0)
}

// members writes down a window and the numbers of its records.
func members[W windowing.Window](who string, w W, in []event, out datastream.Collector[string]) {
	var ns []string
	for _, e := range in {
		ns = append(ns, fmt.Sprint(e.N))
	}
	out.Emit(fmt.Sprintf("%s%v: %s", who, w, strings.Join(ns, " ")))
}

// windowed runs ticks of one person through windows of event time.
func windowed[W windowing.Window](t *testing.T, seconds []int64,
	cut func(k *datastream.Keyed[string, event]) *datastream.Windowed[string, event, W],
) *results[string] {
	t.Helper()
	var got *results[string]
	execute(t, func(env *datastream.Environment) {
		env.SetStreamTimeCharacteristic(eventtime.EventTime)
		got = collect(datastream.Apply(cut(byWho(ticks(env, seconds...))), members))
	})
	return got
}

// keyedEvents is what windows are cut from.
type keyedEvents = *datastream.Keyed[string, event]

// TestTumblingTimeWindow: R42: timeWindow(5 s).
func TestTumblingTimeWindow(t *testing.T) {
	windowed(t, []int64{0, 1, 4, 5, 9, 17}, func(k keyedEvents,
	) *datastream.Windowed[string, event, window.Time] {
		return datastream.TimeWindow(k, 5*time.Second)
	}).want(t, "a[0,5000): 1 2 3", "a[5000,10000): 4 5", "a[15000,20000): 6")
}

// TestSlidingTimeWindow: R42: timeWindow(10 s, 5 s): each record is in two windows.
func TestSlidingTimeWindow(t *testing.T) {
	windowed(t, []int64{0, 4, 5, 12}, func(k keyedEvents,
	) *datastream.Windowed[string, event, window.Time] {
		return datastream.TimeWindow(k, 10*time.Second, 5*time.Second)
	}).want(t, "a[-5000,5000): 1 2", "a[0,10000): 1 2 3", "a[5000,15000): 3 4", "a[10000,20000): 4")
}

// TestTumblingCountWindow: R42: countWindow(5): the rest of a stream makes no window.
func TestTumblingCountWindow(t *testing.T) {
	windowed(t, make([]int64, 12), func(k keyedEvents,
	) *datastream.Windowed[string, event, window.Global] {
		return datastream.CountWindow(k, 5)
	}).want(t, "aglobal: 1 2 3 4 5", "aglobal: 6 7 8 9 10")
}

// TestSlidingCountWindow: R42: countWindow(10, 5) fires at every fifth record over the last ten.
func TestSlidingCountWindow(t *testing.T) {
	windowed(t, make([]int64, 17), func(k keyedEvents,
	) *datastream.Windowed[string, event, window.Global] {
		return datastream.CountWindow(k, 10, 5)
	}).want(t, "aglobal: 1 2 3 4 5", "aglobal: 1 2 3 4 5 6 7 8 9 10",
		"aglobal: 6 7 8 9 10 11 12 13 14 15")
}

// TestSessionWindow: R43: a gap of 5 s after 0, 2, 4, 20 and 21 s makes [0,9) and [20,26).
func TestSessionWindow(t *testing.T) {
	windowed(t, []int64{0, 2, 4, 20, 21}, func(k keyedEvents,
	) *datastream.Windowed[string, event, window.Time] {
		return datastream.Window(k, window.EventTimeSessions[event](5*time.Second))
	}).want(t, "a[0,9000): 1 2 3", "a[20000,26000): 4 5")
}

// TestTrigger: R46: a trigger that fires at every second record without purging gives growing
// results, with purging disjoint ones.
func TestTrigger(t *testing.T) {
	two := window.CountTrigger[event, window.Global](2)
	all := func(k keyedEvents) *datastream.Windowed[string, event, window.Global] {
		return datastream.Window(k, window.GlobalWindows[event]())
	}
	windowed(t, make([]int64, 5), func(k keyedEvents,
	) *datastream.Windowed[string, event, window.Global] {
		return all(k).Trigger(two)
	}).want(t, "aglobal: 1 2", "aglobal: 1 2 3 4")
	windowed(t, make([]int64, 5), func(k keyedEvents,
	) *datastream.Windowed[string, event, window.Global] {
		return all(k).Trigger(window.PurgingTrigger(two))
	}).want(t, "aglobal: 1 2", "aglobal: 3 4")
}

// TestEvictor: R47: a count evictor of 3 shows the last 3 of 5 records.
func TestEvictor(t *testing.T) {
	windowed(t, []int64{0, 1, 2, 3, 4}, func(k keyedEvents,
	) *datastream.Windowed[string, event, window.Time] {
		return datastream.TimeWindow(k, 5*time.Second).Evictor(
			window.CountEvictor[event, window.Time](3, window.BeforeFunction))
	}).want(t, "a[0,5000): 3 4 5")
}

// TestWindowedIsCopied: the methods of windows change copies: one cut serves several results.
func TestWindowedIsCopied(t *testing.T) {
	var plain, evicted *results[event]
	execute(t, func(env *datastream.Environment) {
		w := datastream.Window(byWho(ticks(env, 0, 1, 2)),
			window.TumblingEventTime[event](5*time.Second))
		one := w.Evictor(window.CountEvictor[event, window.Time](1, window.BeforeFunction))
		plain, evicted = collect(w.Sum("n")), collect(one.Sum("n"))
	})
	plain.want(t, "event{who='a', at=0, n=6}")
	evicted.want(t, "event{who='a', at=2000, n=3}")
}

// TestWindowFields: R48: predefined aggregations of a field, incremental or of what an evictor
// left.
func TestWindowFields(t *testing.T) {
	es := []event{{"a", 0, 4}, {"b", 1, 7}, {"a", 2, 2}, {"a", 3, 9}, {"a", 4, 2}, {"a", 5, 9}}
	for _, evicting := range []bool{false, true} {
		var got []*results[event]
		execute(t, func(env *datastream.Environment) {
			w := datastream.Window(byWho(timed(elements(env, es...), 0)),
				window.TumblingEventTime[event](time.Second))
			if evicting {
				w = w.Evictor(window.CountEvictor[event, window.Time](100, window.BeforeFunction))
			}
			for _, s := range []*datastream.Stream[event]{w.Sum("n"), w.Min("n"), w.Max("n"),
				w.MinBy("n", datastream.KeepFirst), w.MinBy("n", datastream.KeepLast),
				w.MaxBy("n", datastream.KeepFirst)} {
				got = append(got, collect(s))
			}
		})
		for i, want := range []event{{"a", 0, 26}, {"a", 0, 2}, {"a", 0, 9}, {"a", 2, 2},
			{"a", 4, 2},
			{"a", 3, 9}} {
			got[i].wantSet(t, "event{who='b', at=1, n=7}",
				fmt.Sprintf("event{who='a', at=%d, n=%d}", want.At, want.N))
		}
	}
}

// TestWindowReduceAggregate: R48, R49: reductions and aggregations, alone and with a function that
// sees key and window.
func TestWindowReduceAggregate(t *testing.T) {
	var reduced *results[event]
	var means *results[float64]
	var withReduced, withMeans *results[string]
	execute(t, func(env *datastream.Environment) {
		w := datastream.Window(byWho(ticks(env, 0, 1, 2, 6)),
			window.TumblingEventTime[event](5*time.Second))
		add := func(a, b event) event { return event{a.Who, a.At, a.N + b.N} }
		reduced = collect(w.Reduce(add))
		withReduced = collect(datastream.ReduceWith(w, add, func() describeEvent {
			return func(ctx *timeContext, e event, out datastream.Collector[string]) error {
				out.Emit(fmt.Sprint(ctx.Key(), ctx.Window(), e.N))
				return nil
			}
		}))
		means = collect(datastream.Aggregate(w, meanOfEvents{}))
		withMeans = collect(datastream.AggregateWith(w, meanOfEvents{}, func() describeMean {
			return func(ctx *timeContext, m float64, out datastream.Collector[string]) error {
				out.Emit(fmt.Sprint(ctx.Key(), ctx.Window(), m))
				return nil
			}
		}))
	})
	reduced.want(t, "event{who='a', at=0, n=6}", "event{who='a', at=6000, n=4}")
	withReduced.want(t, "a[0,5000) 6", "a[5000,10000) 4")
	means.want(t, "2.0", "4.0")
	withMeans.want(t, "a[0,5000) 2", "a[5000,10000) 4")
}

type (
	timeContext   = datastream.WindowContext[string, window.Time]
	describeEvent = datastream.WindowFunc[string, window.Time, event, string]
	describeMean  = datastream.WindowFunc[string, window.Time, float64, string]
)

// meanOfEvents is the mean of events' numbers.
type meanOfEvents struct{ mean }

func (meanOfEvents) Add(e event, a sums) sums { return sums{a.N + 1, a.Sum + e.N} }

// TestProcessWindow: R48: a window function with state per key, state per window and a side output.
func TestProcessWindow(t *testing.T) {
	var got, sides *results[string]
	execute(t, func(env *datastream.Environment) {
		// The windows [0,5) and [5,10) are late by one record each; they fire again.
		s := ticks(env, 0, 6, 1, 7, 30)
		w := datastream.Window(byWho(s), window.TumblingEventTime[event](5*time.Second)).
			AllowedLateness(10 * time.Second)
		out := datastream.ProcessWindow(w, func() *firings { return &firings{} })
		got = collect(out)
		sides = collect(datastream.SideOutput(out, firingsTag))
	})
	got.want(t, "window [0,5000) of a: 1 records, firing 1, 1 in all",
		"window [0,5000) of a: 2 records, firing 2, 2 in all",
		"window [5000,10000) of a: 2 records, firing 1, 3 in all",
		"window [30000,35000) of a: 1 records, firing 1, 4 in all")
	sides.want(t, "again")
}

var firingsTag = datastream.NewOutputTag[string]("firings")

// firings counts how often windows fire.
type firings struct {
	ofWindow, ofKey state.Value[int]
	again           datastream.Collector[string]
}

func (f *firings) Open(o *windowing.OpenContext) error {
	in, err := o.WindowState()
	if err != nil {
		return err
	}
	if f.ofWindow, err = state.OpenValue(in, state.ValueOf[int]("window")); err != nil {
		return err
	}
	if f.ofKey, err = state.OpenValue(o.GlobalState(), state.ValueOf[int]("key")); err != nil {
		return err
	}
	f.again, err = datastream.WindowOutput(o, firingsTag)
	return err
}

func (f *firings) Process(ctx *timeContext, in []event, out datastream.Collector[string]) error {
	var n [2]int
	for i, s := range []state.Value[int]{f.ofWindow, f.ofKey} {
		v, _, err := s.Get()
		if err != nil {
			return err
		}
		n[i] = v + 1
		if err := s.Put(n[i]); err != nil {
			return err
		}
	}
	if n[0] > 1 {
		f.again.Emit("again")
	}
	out.Emit(fmt.Sprintf("window %v of %s: %d records, firing %d, %d in all", ctx.Window(),
		ctx.Key(),
		len(in), n[0], n[1]))
	return nil
}

func (f *firings) Clear(*timeContext) error { return f.ofWindow.Clear() }

// TestWindowAll: R42: windows over a whole stream, which one subtask handles, whatever the keys.
func TestWindowAll(t *testing.T) {
	var timeSums, timeLists, countSums, sessions *results[string]
	var graph string
	execute(t, func(env *datastream.Environment) {
		env.SetParallelism(2).SetStreamTimeCharacteristic(eventtime.EventTime)
		s := timed(elements(env, event{"a", 0, 1}, event{"b", 2000, 2}, event{"c", 4000, 3},
			event{"a", 9000, 4}), 0).SetParallelism(1)
		text := func(s *datastream.Stream[event]) *results[string] {
			return collect(datastream.Map(s, func(e event) string { return fmt.Sprint(e.N) }).
				SetParallelism(1))
		}
		timeSums = text(datastream.TimeWindowAll(s, 5*time.Second).Sum("n"))
		timeLists = collect(datastream.Apply(datastream.TimeWindowAll(s, 4*time.Second,
			2*time.Second),
			func(_ datastream.NoKey, w window.Time, in []event, out datastream.Collector[string]) {
				members("", w, in, out)
			}))
		countSums = text(datastream.CountWindowAll(s, 3).Sum("n"))
		sessions = text(datastream.WindowAll(s,
			window.EventTimeSessions[event](3*time.Second)).Sum("n"))
		g, err := env.StreamGraph("")
		if err != nil {
			t.Error(err)
			return
		}
		graph = g.PlanText()
	})
	timeSums.want(t, "6", "4")
	timeLists.want(t, "[-2000,2000): 1", "[0,4000): 1 2", "[2000,6000): 2 3", "[4000,8000): 3",
		"[6000,10000): 4", "[8000,12000): 4")
	countSums.want(t, "6")
	sessions.want(t, "6", "4")
	for _, line := range strings.Split(graph, "\n") {
		if strings.Contains(line, "WindowAll(") && !strings.Contains(line, "(parallelism 1)") {
			t.Errorf("windows of a whole stream in parallel: %s", line)
		}
	}
}

// TestWindowsInParallel: R31, R42: windows of many keys on several subtasks are complete.
func TestWindowsInParallel(t *testing.T) {
	const n, keys = 4000, 37
	var got *results[event]
	execute(t, func(env *datastream.Environment) {
		env.SetParallelism(3)
		es := datastream.Map(datastream.FromSequence(env, 0, n-1), func(i int64) event {
			return event{fmt.Sprint("key", i%keys), i, 1}
		})
		w := datastream.Window(byWho(timed(es, time.Hour)),
			window.TumblingEventTime[event](time.Second))
		got = collect(w.Sum("n"))
	})
	sum := map[string]int64{}
	for _, e := range got.all() {
		sum[e.Who] += e.N
	}
	for i := range int64(keys) {
		if want := n/keys + btoi(i < n%keys); sum[fmt.Sprint("key", i)] != want {
			t.Errorf("key %d: %d records in windows, want %d", i, sum[fmt.Sprint("key", i)], want)
		}
	}
	if len(got.all()) != 4*keys {
		t.Errorf("%d windows, want %d", len(got.all()), 4*keys)
	}
}

func btoi(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
