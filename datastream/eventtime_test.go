package datastream_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"goflink/core/eventtime"
	"goflink/core/stream"
	"goflink/core/window"
	"goflink/datastream"
	"goflink/internal/testkit"
)

// TestDefaultCharacteristic: R50: a fresh environment goes by processing time; configuration and
// program can say otherwise.
func TestDefaultCharacteristic(t *testing.T) {
	if c := environment(t).StreamTimeCharacteristic(); c != eventtime.ProcessingTime {
		t.Errorf("a fresh environment goes by %v", c)
	}
	env := environment(t, "pipeline.time-characteristic", "event-time")
	if c := env.StreamTimeCharacteristic(); c != eventtime.EventTime {
		t.Errorf("a configured environment goes by %v", c)
	}
	env.SetStreamTimeCharacteristic(eventtime.IngestionTime)
	if c := env.StreamTimeCharacteristic(); c != eventtime.IngestionTime {
		t.Errorf("after SetStreamTimeCharacteristic it goes by %v", c)
	}
	env.SetStreamTimeCharacteristic(77)
	refused(t, env, "SetStreamTimeCharacteristic(77)")
}

// TestCharacteristics: R51: the three settings select the three kinds of windows for the same call.
func TestCharacteristics(t *testing.T) {
	for c, want := range map[eventtime.Characteristic][]string{
		eventtime.ProcessingTime: {"Window(tumbling processing-time windows of 1h0m0s, Sum)"},
		eventtime.IngestionTime: {"Window(tumbling event-time windows of 1h0m0s, Sum)",
			"Ingestion Time"},
		eventtime.EventTime: {"Window(tumbling event-time windows of 1h0m0s, Sum)"},
	} {
		env := environment(t).SetStreamTimeCharacteristic(c)
		datastream.TimeWindow(byWho(ticks(env, 1, 2)), time.Hour).Sum("n").ForEach(func(event) {})
		g := streamGraph(t, env)
		for _, name := range want {
			node(t, g, name)
		}
		if n := strings.Count(g.PlanText(), "Ingestion Time"); n != len(want)-1 {
			t.Errorf("%v: %d operators stamp records:\n%s", c, n, g.PlanText())
		}
		if n := len(env.Transformations()); n != 6 {
			t.Errorf("%v: %d transformations, want 6", c, n)
		}
	}
}

// TestEventAndIngestionTime: R50, R51: with event time windows lie where the records say, with
// ingestion time where the clock stood.
func TestEventAndIngestionTime(t *testing.T) {
	run := func(c eventtime.Characteristic) []string {
		var got *results[string]
		execute(t, func(env *datastream.Environment) {
			env.SetStreamTimeCharacteristic(c)
			s := elements(env, event{"a", 1000, 1}, event{"a", 2000, 2})
			if c == eventtime.EventTime {
				s = timed(s, 0)
			}
			got = collect(datastream.Apply(datastream.TimeWindow(byWho(s), 24*time.Hour), members))
		})
		return got.lines()
	}
	if got := fmt.Sprint(run(eventtime.EventTime)); got != "[a[0,86400000): 1 2]" {
		t.Errorf("event time: %s", got)
	}
	day := int64(24 * 3600 * second)
	before := time.Now().UnixMilli() / day
	got := fmt.Sprint(run(eventtime.IngestionTime))
	after := time.Now().UnixMilli() / day
	if before == after {
		if want := fmt.Sprintf("[a[%d,%d): 1 2]", before*day, (before+1)*day); got != want {
			t.Errorf("ingestion time: %s, want %s", got, want)
		}
	}
}

// TestIngestionTimeIsConstant: R50: records are stamped once, at the source: operators behind, on
// other subtasks, see the same times, between the program's start and its end.
func TestIngestionTimeIsConstant(t *testing.T) {
	type stamps struct{ First, Second, Clock int64 }
	var got *results[stamps]
	before := time.Now().UnixMilli()
	execute(t, func(env *datastream.Environment) {
		first := datastream.Process(datastream.FromSequence(env, 1, 500).SetParallelism(2),
			func() datastream.ProcessFunction[int64, stamps] {
				return processing[int64, stamps](func(_ int64, ctx *datastream.Context) stamps {
					return stamps{First: ctx.Timestamp()}
				})
			})
		second := datastream.Process(first.Rebalance(),
			func() datastream.ProcessFunction[stamps, stamps] {
				return processing[stamps, stamps](func(s stamps, ctx *datastream.Context) stamps {
					return stamps{s.First, ctx.Timestamp(), ctx.ProcessingTime()}
				})
			})
		got = collect(second.SetParallelism(3))
		// It counts for the whole program, however late it is set.
		env.SetStreamTimeCharacteristic(eventtime.IngestionTime)
	})
	if len(got.all()) != 500 {
		t.Errorf("%d records", len(got.all()))
	}
	for _, s := range got.all() {
		if s.First != s.Second || s.First < before || s.First > s.Clock {
			t.Fatalf("stamped %d, later %d, at %d (began at %d)", s.First, s.Second, s.Clock,
				before)
		}
	}
}

// processing is a function of record and context as a ProcessFunction.
type processing[In, Out any] func(v In, ctx *datastream.Context) Out

func (f processing[In, Out]) ProcessElement(v In, ctx *datastream.Context,
	out datastream.Collector[Out]) error {
	out.Emit(f(v, ctx))
	return nil
}

// TestLateRecordWithinDelay: R54: windows of 10 minutes and a delay of 2: of events at 12:03,
// 12:11, 12:08 and 12:12 the last one makes the window [12:00,12:10) fire, with 12:03 and 12:08.
func TestLateRecordWithinDelay(t *testing.T) {
	at := func(minute int64) event {
		noon := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC).UnixMilli()
		return event{"a", noon + minute*60*second, minute}
	}
	var got *results[string]
	execute(t, func(env *datastream.Environment) {
		s := timed(elements(env, at(3), at(11), at(8), at(12)), 2*time.Minute)
		w := datastream.Window(byWho(s), window.TumblingEventTime[event](10*time.Minute))
		got = collect(datastream.ProcessWindow(w, func() firing {
			return func(ctx *timeContext, in []event, out datastream.Collector[string]) error {
				when := "at the end"
				if w := ctx.Watermark(); w != stream.MaxWatermark {
					when = time.UnixMilli(w + 1).UTC().Format("at 15:04:05")
				}
				var minutes []int64
				for _, e := range in {
					minutes = append(minutes, e.N)
				}
				start := time.UnixMilli(ctx.Window().Start).UTC().Format("15:04")
				out.Emit(fmt.Sprintf("%s window of %s: %v", when, start, minutes))
				return nil
			}
		}))
	})
	got.want(t, "at 12:10:00 window of 12:00: [3 8]", "at the end window of 12:10: [11 12]")
}

type firing = datastream.WindowFunc[string, window.Time, []event, string]

// TestLateness: R56, R57: with a delay of 2 s and a lateness of 3 s a record is on time, makes its
// window fire again, or goes to the side output. Without that it is dropped.
func TestLateness(t *testing.T) {
	tag := datastream.NewOutputTag[event]("late")
	es := []event{
		{"a", 1 * second, 1}, {"a", 12 * second, 1}, // [0,10) fires: 12 − 2 ≥ 10
		{"a", 5 * second, 10}, // late, but the window is kept until 13 s
		{"a", 15 * second, 1}, // 15 − 2 ≥ 13
		{"a", 6 * second, 100},
	}
	for _, lateness := range []time.Duration{3 * time.Second, 0} {
		var got, late *results[event]
		execute(t, func(env *datastream.Environment) {
			w := datastream.Window(byWho(timed(elements(env, es...), 2*time.Second)),
				window.TumblingEventTime[event](10*time.Second))
			if lateness > 0 {
				w = w.AllowedLateness(lateness).SideOutputLateData(tag)
			}
			s := w.Sum("n")
			got = collect(s)
			late = collect(datastream.SideOutput(s, tag))
		})
		if lateness > 0 {
			got.want(t, "event{who='a', at=1000, n=1}", "event{who='a', at=1000, n=11}",
				"event{who='a', at=12000, n=2}")
			late.want(t, "event{who='a', at=6000, n=100}")
			continue
		}
		got.want(t, "event{who='a', at=1000, n=1}", "event{who='a', at=12000, n=2}")
		late.want(t)
	}
}

// TestWatermarkNeverGoesBack: R53, R58: with events in random order the watermark is the latest
// event time minus the delay, also behind a union, where it is that of the slower stream.
func TestWatermarkNeverGoesBack(t *testing.T) {
	rnd := testkit.Rand(t)
	const delay = 50
	var es []event
	for i := range 500 {
		es = append(es, event{"a", rnd.Int64N(100_000), int64(i)})
	}
	type seen struct{ N, Watermark int64 }
	var got *results[seen]
	execute(t, func(env *datastream.Environment) {
		s := timed(elements(env, es...), delay*time.Millisecond)
		got = collect(datastream.Process(s, func() datastream.ProcessFunction[event, seen] {
			return processing[event, seen](func(e event, ctx *datastream.Context) seen {
				return seen{e.N, ctx.Watermark()}
			})
		}))
	})
	want := stream.MinWatermark
	for i, s := range got.all() {
		if s.N != int64(i) || s.Watermark != want {
			t.Fatalf("record %d (want %d) sees the watermark %d, want %d", s.N, i, s.Watermark,
				want)
		}
		want = max(want, es[i].At-delay-1)
	}
	if len(got.all()) != len(es) {
		t.Errorf("%d records", len(got.all()))
	}
}

// TestUnionOfTimes: R58: behind a union the watermark is the minimum: the window does not fire
// before the slower stream has passed it.
func TestUnionOfTimes(t *testing.T) {
	var got *results[string]
	execute(t, func(env *datastream.Environment) {
		fast := ticks(env, 1, 100)
		slow := timed(elements(env, event{"a", 3 * second, 7}), 0)
		w := datastream.Window(byWho(fast.Union(slow)),
			window.TumblingEventTime[event](5*time.Second))
		got = collect(datastream.Map(w.Sum("n"), func(e event) string { return fmt.Sprint(e.N) }))
	})
	got.want(t, "8", "2")
}

// TestPunctuatedWatermarks: R55: a punctuated strategy advances time on marker records only.
func TestPunctuatedWatermarks(t *testing.T) {
	var got *results[int64]
	execute(t, func(env *datastream.Environment) {
		s := elements(env, event{"a", 10, 0}, event{"marker", 20, 0}, event{"a", 90, 0},
			event{"marker", 30, 0}, event{"a", 5, 0}).AssignTimestampsAndWatermarks(
			eventtime.Punctuated(func(e event, at int64) (int64, bool) {
				return at, e.Who == "marker"
			}).WithTimestamps(func(e event) int64 { return e.At }))
		got = collect(datastream.Process(s, func() datastream.ProcessFunction[event, int64] {
			return processing[event, int64](func(_ event, ctx *datastream.Context) int64 {
				return ctx.Watermark()
			})
		}))
	})
	none := fmt.Sprint(stream.MinWatermark)
	got.want(t, none, none, "20", "20", "30")
}
