package datastream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"goflink/core/state"
	"goflink/core/tuple"
	"goflink/core/window"
	"goflink/datastream"
	"goflink/operator/asyncio"
)

// TestCoMap: R38: two streams of different types become one.
func TestCoMap(t *testing.T) {
	var maps, flats *results[string]
	execute(t, func(env *datastream.Environment) {
		c := datastream.Connect(elements(env, 1, 2), elements(env, "x", "y"))
		maps = collect(datastream.CoMap(c, func(n int) string { return fmt.Sprint("number ", n) },
			func(s string) string { return "text " + s }))
		flats = collect(datastream.CoFlatMap(c, func(n int, out datastream.Collector[string]) {
			for range n {
				out.Emit(fmt.Sprint(n))
			}
		}, func(string, datastream.Collector[string]) {}))
	})
	maps.wantSet(t, "number 1", "number 2", "text x", "text y")
	flats.want(t, "1", "2", "2")
}

// TestKeyedCoMap: R38, R61: on two streams that are keyed alike functions share the state of the
// key: an order and its payment find each other in whatever order they come.
func TestKeyedCoMap(t *testing.T) {
	var pairs *results[string]
	execute(t, func(env *datastream.Environment) {
		env.SetParallelism(2)
		orders := datastream.Map(datastream.FromSequence(env, 1, 50), func(n int64) count {
			return count{fmt.Sprint("order", n), n}
		})
		payments := datastream.Map(datastream.FromSequence(env, 26, 75), func(n int64) event {
			return event{fmt.Sprint("order", n), n, 10 * n}
		})
		c := datastream.ConnectKeyed(
			datastream.KeyBy(orders, func(c count) string { return c.Word }), byWho(payments))
		pairs = collect(datastream.RichCoFlatMap(c, func() *matching { return &matching{} }))
	})
	var want []string
	for n := 26; n <= 50; n++ {
		want = append(want, fmt.Sprintf("order%d: %d for %d", n, 10*n, n))
	}
	pairs.wantSet(t, want...)
}

// matching pairs the first order of a key with its first payment.
type matching struct {
	order   state.Value[count]
	payment state.Value[event]
}

func (f *matching) Open(ctx *datastream.FunctionContext) (err error) {
	if f.order, err = datastream.OpenValue(ctx, state.ValueOf[count]("order")); err != nil {
		return err
	}
	f.payment, err = datastream.OpenValue(ctx, state.ValueOf[event]("payment"))
	return err
}

func (f *matching) FlatMap1(c count, out datastream.Collector[string]) error {
	if err := f.order.Put(c); err != nil {
		return err
	}
	return f.pair(out)
}

func (f *matching) FlatMap2(e event, out datastream.Collector[string]) error {
	if err := f.payment.Put(e); err != nil {
		return err
	}
	return f.pair(out)
}

func (f *matching) pair(out datastream.Collector[string]) error {
	order, ordered, err := f.order.Get()
	if err != nil || !ordered {
		return err
	}
	payment, paid, err := f.payment.Get()
	if err == nil && paid {
		out.Emit(fmt.Sprintf("%s: %d for %d", order.Word, payment.N, order.N))
	}
	return err
}

// TestCoProcess: R38: process functions of two streams, with side outputs, keys and timers.
func TestCoProcess(t *testing.T) {
	var plain, sides, keyed *results[string]
	tag := datastream.NewOutputTag[string]("second")
	execute(t, func(env *datastream.Environment) {
		a, b := ticks(env, 1, 2), ticks(env, 5)
		out := datastream.CoProcess(datastream.Connect(a, b),
			func() datastream.CoProcessFunction[event, event, string] { return sorting{tag} })
		plain, sides = collect(out), collect(datastream.SideOutput(out, tag))
		keyed = collect(datastream.KeyedCoProcess(datastream.ConnectKeyed(byWho(a), byWho(b)),
			func() *waking { return &waking{} }))
	})
	plain.want(t, "1 at 1000", "2 at 2000")
	sides.want(t, "1 at 5000")
	keyed.wantSet(t, "a wakes at 1010", "a wakes at 2010", "a wakes at 5020")
}

type sorting struct{ tag datastream.OutputTag[string] }

func (sorting) ProcessElement1(e event, ctx *datastream.Context,
	out datastream.Collector[string]) error {
	out.Emit(fmt.Sprintf("%d at %d", e.N, ctx.Timestamp()))
	return nil
}

func (f sorting) ProcessElement2(e event, ctx *datastream.Context,
	_ datastream.Collector[string]) error {
	datastream.Output(ctx, f.tag, fmt.Sprintf("%d at %d", e.N, ctx.Timestamp()))
	return nil
}

// waking sets a timer for each record.
type waking struct{}

func (waking) ProcessElement1(e event, ctx *datastream.KeyedContext[string],
	_ datastream.Collector[string]) error {
	return ctx.TimerService().RegisterEventTimeTimer(e.At + 10)
}

func (waking) ProcessElement2(e event, ctx *datastream.KeyedContext[string],
	_ datastream.Collector[string]) error {
	return ctx.TimerService().RegisterEventTimeTimer(e.At + 20)
}

func (waking) OnTimer(at int64, ctx *datastream.OnTimerContext[string],
	out datastream.Collector[string]) error {
	out.Emit(fmt.Sprintf("%s wakes at %d", ctx.CurrentKey(), at))
	return nil
}

// rules are the broadcast state of the tests: what a word is to be replaced by.
var rules = state.MapOf[string, string]("rules")

// TestBroadcastState: R63: rules that are broadcast reach all subtasks; a record is judged by the
// rules that came before it, and a change of a rule changes what comes after it on every subtask.
func TestBroadcastState(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		const subtasks = 3
		// gates hold back the first data, the change of a rule, and the data after it.
		var gates [3]chan struct{}
		for i := range gates {
			gates[i] = make(chan struct{})
		}
		var applied atomic.Int32
		create := func() *ruled {
			return &ruled{applied: func() {
				switch applied.Add(1) {
				case 2 * subtasks:
					close(gates[0])
				case 3 * subtasks:
					close(gates[2])
				}
			}}
		}
		var got, stats *results[string]
		execute(t, func(env *datastream.Environment) {
			change := datastream.Map(elements(env, "a=c"), func(s string) string {
				pass(t, gates[1])
				return s
			})
			b := elements(env, "a=b", "x=y").Union(change).
				BroadcastWith(datastream.BroadcastState(rules))
			data := wave(t, env, gates[0]).Union(wave(t, env, gates[2])).Rebalance()
			var out *datastream.Stream[string]
			if keyed {
				k := datastream.KeyBy(data, func(s string) string { return s })
				out = datastream.KeyedBroadcastProcess(k, b, func() *keyedRuled {
					return &keyedRuled{ruled: create()}
				})
			} else {
				out = datastream.BroadcastProcess(data, b, create)
			}
			out.SetParallelism(subtasks)
			seen := 0
			got = collect(datastream.Map(out, func(s string) string {
				if seen++; seen == waveLen {
					close(gates[1])
				}
				return s
			}))
			stats = collect(datastream.SideOutput(out, ruleTag))
		})
		for i, want := range []string{"b", "c"} {
			counts := map[string]int{}
			for _, s := range got.all()[i*waveLen : (i+1)*waveLen] {
				counts[s]++
			}
			if counts[want] != waveLen/3 || counts["y"] != waveLen/3 || counts["z"] != waveLen/3 {
				t.Errorf("keyed %t, wave %d: %v, want as often %s, y and z", keyed, i, counts, want)
			}
		}
		var want []string
		for range subtasks {
			want = append(want, "a=b", "a=c", "x=y")
		}
		stats.wantSet(t, want...)
	}
}

// waveLen is the number of records of a wave.
const waveLen = 30

// wave is a stream of as many words a, x and z each, which waits for a gate.
func wave(t *testing.T, env *datastream.Environment,
	gate chan struct{}) *datastream.Stream[string] {
	return datastream.Map(datastream.FromSequence(env, 1, waveLen), func(n int64) string {
		pass(t, gate)
		return [3]string{"a", "x", "z"}[n%3]
	})
}

// pass waits for a gate.
func pass(t *testing.T, gate chan struct{}) {
	select {
	case <-gate:
	case <-t.Context().Done():
	}
}

var ruleTag = datastream.NewOutputTag[string]("rules")

// ruled replaces words by rules.
type ruled struct{ applied func() }

func (f *ruled) ProcessElement(s string, ctx *datastream.ReadOnlyContext,
	out datastream.Collector[string]) error {
	m, err := datastream.ReadBroadcast(ctx, rules)
	if err != nil {
		return err
	}
	return replace(s, m, out)
}

func replace(s string, m state.ReadOnlyMap[string, string],
	out datastream.Collector[string]) error {
	v, found, err := m.Get(s)
	if !found {
		v = s
	}
	out.Emit(v)
	return err
}

func (f *ruled) ProcessBroadcastElement(rule string, ctx *datastream.BroadcastContext,
	_ datastream.Collector[string]) error {
	m, err := datastream.WriteBroadcast(ctx, rules)
	if err != nil {
		return err
	}
	defer f.applied()
	datastream.Output(ctx, ruleTag, rule)
	word, by, _ := strings.Cut(rule, "=")
	return m.Put(word, by)
}

// keyedRuled does so on a keyed stream.
type keyedRuled struct{ *ruled }

func (f *keyedRuled) ProcessElement(s string, ctx *datastream.KeyedReadOnlyContext[string],
	out datastream.Collector[string]) error {
	if ctx.CurrentKey() != s {
		return fmt.Errorf("the key of %q is %q", s, ctx.CurrentKey())
	}
	m, err := datastream.ReadBroadcast(ctx, rules)
	if err != nil {
		return err
	}
	return replace(s, m, out)
}

func (f *keyedRuled) ProcessBroadcastElement(rule string,
	ctx *datastream.KeyedBroadcastContext[string], out datastream.Collector[string]) error {
	return f.ruled.ProcessBroadcastElement(rule, &ctx.BroadcastContext, out)
}

// TestWindowJoin: R38: pairs of the records of two streams in the same windows of the same keys.
func TestWindowJoin(t *testing.T) {
	var joined *results[string]
	var groups, sessions *results[string]
	execute(t, func(env *datastream.Environment) {
		env.SetParallelism(2)
		left := timed(elements(env, event{"a", 1, 1}, event{"b", 2, 2}, event{"a", 7, 3}),
			time.Second)
		right := timed(elements(env, event{"a", 3, 10}, event{"a", 4, 20}, event{"c", 8, 30}),
			time.Second)
		both := datastream.Both(byWho(left), byWho(right))
		w := datastream.Window(both, window.TumblingEventTime[sides](5*time.Millisecond))
		joined = collect(datastream.Join(w, func(l, r event) string {
			return fmt.Sprint(l.Who, l.N, " ", r.Who, r.N)
		}))
		groups = collect(datastream.CoGroup(w, func() grouping { return grouping{} }))
		sessions = collect(datastream.CoGroup(
			datastream.Window(both, window.EventTimeSessions[sides](4*time.Millisecond)),
			func() grouping { return grouping{} }))
	})
	joined.wantSet(t, "a1 a10", "a1 a20")
	groups.wantSet(t, "a[0,5): [1] [10 20]", "b[0,5): [2] []", "a[5,10): [3] []",
		"c[5,10): [] [30]")
	sessions.wantSet(t, "a[1,11): [1 3] [10 20]", "b[2,6): [2] []", "c[8,12): [] [30]")
}

// sides is a record of either stream.
type sides = tuple.Either[event, event]

// grouping writes down the numbers of both sides.
type grouping struct{}

func (grouping) CoGroup(ctx *timeContext, left, right []event,
	out datastream.Collector[string]) error {
	numbers := func(es []event) []int64 {
		ns := []int64{}
		for _, e := range es {
			ns = append(ns, e.N)
		}
		slices.Sort(ns)
		return ns
	}
	out.Emit(fmt.Sprint(ctx.Key(), ctx.Window(), ": ", numbers(left), " ", numbers(right)))
	return nil
}

// TestIntervalJoin: R38: pairs whose times lie within bounds, with and without the bounds
// themselves; late records go to side outputs.
func TestIntervalJoin(t *testing.T) {
	lateLeft := datastream.NewOutputTag[event]("late left")
	run := func(exclusive bool) (pairs, late *results[string]) {
		execute(t, func(env *datastream.Environment) {
			left := timed(elements(env, event{"a", 10, 1}, event{"b", 10, 3}, event{"a", 20, 2},
				event{"a", 100, 4}, event{"a", 9, 5}), 0)
			right := timed(elements(env, event{"a", 8, 10}, event{"a", 12, 20}, event{"a", 13, 30},
				event{"b", 9, 40}), time.Hour)
			j := datastream.IntervalJoin(byWho(left), byWho(right), -2*time.Millisecond,
				3*time.Millisecond).SideOutputLeftLateData(lateLeft)
			if exclusive {
				j = j.LowerBoundExclusive().UpperBoundExclusive()
			}
			s := datastream.ProcessJoin(j, func() joinEvents {
				return func(l, r event) string { return fmt.Sprint(l.N, "+", r.N) }
			})
			pairs = collect(s)
			late = collect(datastream.Map(datastream.SideOutput(s, lateLeft),
				func(e event) string { return fmt.Sprint(e.N) }))
		})
		return pairs, late
	}
	pairs, late := run(false)
	pairs.wantSet(t, append([]string{"1+10", "1+20", "1+30", "3+40"},
		notLate(late, "5+10", "5+20")...)...)
	pairs, late = run(true)
	pairs.wantSet(t, append([]string{"1+20", "3+40"}, notLate(late, "5+10")...)...)
}

// notLate are the pairs of the fifth left record, which is late only if the watermark of the right
// stream, which ends, came before it.
func notLate(late *results[string], pairs ...string) []string {
	if slices.Equal(late.lines(), []string{"5"}) {
		return nil
	}
	return pairs
}

type joinEvents = datastream.JoinFunc[string, event, event, string]

// TestAsync: results of calls, in order or as they come; a call that fails is made again.
func TestAsync(t *testing.T) {
	var calls atomic.Int32
	var ordered, unordered, retried *results[int]
	first := make(chan struct{})
	execute(t, func(env *datastream.Environment) {
		s := elements(env, 1, 2, 3, 4)
		o := datastream.AsyncOptions[int]{Capacity: 4}
		ordered = collect(datastream.OrderedWait(s, o, func() datastream.AsyncFunc[int, int] {
			release := make(chan struct{})
			return func(_ context.Context, n int) ([]int, error) {
				// Later records are answered first.
				if n == 4 {
					close(release)
				} else {
					pass(t, release)
				}
				return []int{n, 10 * n}, nil
			}
		}))
		unordered = collect(datastream.Map(datastream.UnorderedWait(s, o,
			func() datastream.AsyncFunc[int, int] {
				return func(_ context.Context, n int) ([]int, error) {
					if n == 1 {
						pass(t, first) // until the result of another record was seen
					}
					return []int{n}, nil
				}
			}), func(n int) int {
			if n == 4 {
				close(first)
			}
			return n
		}))
		retry := datastream.AsyncOptions[int]{Retry: asyncio.FixedDelay[int](3, time.Millisecond)}
		retried = collect(datastream.OrderedWait(elements(env, 7), retry,
			func() datastream.AsyncFunc[int, int] {
				return func(_ context.Context, n int) ([]int, error) {
					if calls.Add(1) < 3 {
						return nil, errors.New("try again")
					}
					return []int{n}, nil
				}
			}))
	})
	ordered.want(t, "1", "10", "2", "20", "3", "30", "4", "40")
	unordered.wantSet(t, "1", "2", "3", "4")
	if got := unordered.lines(); slices.Index(got, "4") > slices.Index(got, "1") {
		t.Errorf("results as they come: %v, want 4 before 1", got)
	}
	retried.want(t, "7")
	if calls.Load() != 3 {
		t.Errorf("%d calls", calls.Load())
	}
}
