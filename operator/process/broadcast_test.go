package process_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"goflink/core/keygroup"
	"goflink/core/state"
	"goflink/operator"
	"goflink/operator/operatortest"
	"goflink/operator/process"
)

// rule says by what a word's counts are multiplied; 0 removes the rule.
type rule struct {
	Word   string
	Factor int64
}

var (
	ruleInput = operatortest.Input[rule]{Index: 1, All: true}
	rules     = state.MapOf[string, int64]("rules")
)

// keepRule changes the rules.
func keepRule(r rule, ctx process.BroadcastWriter) error {
	m, err := process.WriteBroadcast(ctx, rules)
	if err != nil {
		return err
	}
	if r.Factor == 0 {
		return m.Remove(r.Word)
	}
	return m.Put(r.Word, r.Factor)
}

// scale applies the rules.
func scale(w wordCount, ctx process.BroadcastReader) (int64, error) {
	m, err := process.ReadBroadcast(ctx, rules)
	if err != nil {
		return 0, err
	}
	factor, found, err := m.Get(w.Word)
	if !found {
		factor = 1
	}
	return factor * w.Count, err
}

// scaling is a broadcast process function.
type scaling struct{}

func (scaling) ProcessElement(w wordCount, ctx *process.ReadOnlyContext,
	out *operator.Emitter[string],
) error {
	n, err := scale(w, ctx)
	out.Emit(fmt.Sprint(w.Word, n))
	return err
}

func (scaling) ProcessBroadcastElement(r rule, ctx *process.BroadcastContext,
	_ *operator.Emitter[string],
) error {
	process.Side[string](ctx, "changes").Emit(r.Word)
	return keepRule(r, ctx)
}

// TestBroadcastProcess: R63: rules that are broadcast change the later outputs of every subtask,
// and survive restores and other parallelism.
func TestBroadcastProcess(t *testing.T) {
	f := process.BroadcastProcess(
		func() process.BroadcastProcessFunction[wordCount, rule, string] { return scaling{} },
		process.BroadcastOf(rules))
	in := operatortest.Input[wordCount]{} // not keyed: dealt out in turn
	got := operatortest.Explore(t, options[string](f), []operatortest.Step{
		in.Record(wc("a", 1), 1), ruleInput.Record(rule{"a", 10}, 2), in.Record(wc("a", 1), 3),
		in.Record(wc("b", 1), 4), together(ruleInput.Watermark(5), in.Watermark(7)),
		ruleInput.Record(rule{"a", 0}, 6), ruleInput.Record(rule{"b", 5}, 6),
		in.Record(wc("a", 1), 8), in.Record(wc("b", 1), 9), in.Record(wc("b", 2), 10),
		operatortest.End(),
	})
	expect(t, got, "a10@3", "a1@1", "b1@4", "watermark 5", "a1@8", "b10@10", "b5@9",
		"watermark max")
}

// TestBroadcastReachesAll: R63: 3 subtasks, each of which sees the rules.
func TestBroadcastReachesAll(t *testing.T) {
	f := process.BroadcastProcess(
		func() process.BroadcastProcessFunction[wordCount, rule, string] { return scaling{} },
		process.BroadcastOf(rules))
	o := options[string](f, operatortest.Output[string]{Tag: "changes"})
	o.Parallelism = 3
	h := operatortest.New(t, o)
	in := operatortest.Input[wordCount]{}
	h.Run(ruleInput.Record(rule{"a", 7}, 1), in.Record(wc("a", 1), 2), in.Record(wc("a", 1), 2),
		in.Record(wc("a", 1), 2))
	expect(t, h.Lines(), "a7@2", "a7@2", "a7@2", "changes: a@1", "changes: a@1", "changes: a@1")
}

// TestBroadcastMisuse: R63: states must be declared, with the types that they are used with.
func TestBroadcastMisuse(t *testing.T) {
	f := process.BroadcastProcess(
		func() process.BroadcastProcessFunction[wordCount, rule, string] { return scaling{} },
		process.BroadcastOf(state.MapOf[string, int64]("other")))
	h := operatortest.New(t, options[string](f))
	in := operatortest.Input[wordCount]{}
	expectError(t, errors.Join(h.Do(in.Record(wc("a", 1), 1)), h.Flush()),
		`"rules" was not declared`, "declared are: other")
	f = process.BroadcastProcess(
		func() process.BroadcastProcessFunction[wordCount, rule, string] { return scaling{} },
		process.BroadcastOf(state.MapOf[string, string]("rules")))
	h = operatortest.New(t, options[string](f))
	expectError(t, errors.Join(h.Do(in.Record(wc("a", 1), 1)), h.Flush()), `"rules"`, "int64")
	h = operatortest.New(t, options[string](f))
	expectError(t, errors.Join(h.Do(ruleInput.Record(rule{"a", 1}, 1)), h.Flush()), `"rules"`,
		"int64")
}

// totals keeps scaled sums per key. A rule for a word that is kept changes its sum at once, by
// visiting all keys; a timer emits the sum.
type totals struct {
	sum  state.Value[int64]
	all  state.List[int64]
	most state.Reducing[int64]
	mean state.Aggregating[wordCount, float64]
}

var (
	sumState  = state.ValueOf[int64]("sum")
	allState  = state.ListOf[int64]("all")
	mostState = state.ReducingOf("most", func(a, b int64) int64 { return max(a, b) })
	meanState = state.AggregatingOf[wordCount, [2]int64, float64]("mean", average{})
)

func (f *totals) Open(ctx *process.FunctionContext) error {
	var errs [4]error
	f.sum, errs[0] = process.OpenValue(ctx, sumState)
	f.all, errs[1] = process.OpenList(ctx, allState)
	f.most, errs[2] = process.OpenReducing(ctx, mostState)
	f.mean, errs[3] = process.OpenAggregating(ctx, meanState)
	return errors.Join(errs[:]...)
}

func (f *totals) ProcessElement(w wordCount, ctx *process.KeyedReadOnlyContext[string],
	_ *operator.Emitter[string],
) error {
	n, err := scale(w, ctx)
	if err != nil {
		return err
	}
	sum, _, err := f.sum.Get()
	return errors.Join(err, f.sum.Put(sum+n), f.all.Add(n), f.most.Add(n), f.mean.Add(w),
		ctx.TimerService().RegisterEventTimeTimer(ctx.Timestamp()+5))
}

func (f *totals) ProcessBroadcastElement(r rule, ctx *process.KeyedBroadcastContext[string],
	out *operator.Emitter[string],
) error {
	if err := keepRule(r, ctx); err != nil {
		return err
	}
	var keys []string
	err := process.ApplyToValues(ctx, sumState, func(key string, s state.Value[int64]) error {
		keys = append(keys, key)
		sum, _, err := s.Get()
		if key != r.Word {
			return err
		}
		if r.Factor == 0 {
			return s.Clear()
		}
		return errors.Join(err, s.Put(sum*r.Factor))
	})
	if err != nil {
		return err
	}
	slices.Sort(keys)
	for _, k := range keys {
		out.Emit("visited " + k)
	}
	return errors.Join(
		process.ApplyToLists(ctx, allState, func(key string, s state.List[int64]) error {
			return s.Add(int64(len(key)))
		}),
		process.ApplyToReducing(ctx, mostState, func(_ string, s state.Reducing[int64]) error {
			return s.Add(100)
		}),
		process.ApplyToAggregating(ctx, meanState,
			func(key string, s state.Aggregating[wordCount, float64]) error {
				return s.Add(wc(key, 0))
			}))
}

func (f *totals) OnTimer(at int64, ctx *process.BroadcastTimerContext[string],
	out *operator.Emitter[string],
) error {
	factor, err := scale(wc(ctx.CurrentKey(), 1), ctx)
	if err != nil {
		return err
	}
	sum, found, err := f.sum.Get()
	if err != nil {
		return err
	}
	all, err := f.all.Get()
	if err != nil {
		return err
	}
	most, _, err := f.most.Get()
	if err != nil {
		return err
	}
	mean, _, err := f.mean.Get()
	out.Emit(fmt.Sprintf("%s %d %v %v %d %.2f factor %d", ctx.CurrentKey(), sum, found, all, most,
		mean,
		factor))
	return err
}

// TestKeyedBroadcastProcess: R63: the broadcast side visits the state of all keys; the data side
// has state, timers and reads the rules.
func TestKeyedBroadcastProcess(t *testing.T) {
	f := process.KeyedBroadcastProcess(byWord(t),
		func() process.KeyedBroadcastProcessFunction[string, wordCount, rule, string] {
			return &totals{}
		}, process.BroadcastOf(rules))
	got := operatortest.Explore(t, options[string](f), []operatortest.Step{
		counts.Record(wc("aa", 1), 1), counts.Record(wc("b", 2), 1),
		ruleInput.Record(rule{"aa", 10}, 2), counts.Record(wc("aa", 3), 3),
		together(counts.Watermark(20), ruleInput.Watermark(6)),
		ruleInput.Record(rule{"b", 0}, 7), together(counts.Watermark(30), ruleInput.Watermark(8)),
		operatortest.End(),
	})
	expect(t, got, "aa 40 true [1 2 30] 100 1.33 factor 10@6", "b 2 true [2 1] 100 1.00 factor 1@6",
		"visited aa@2", "visited b@2", "watermark 6", "aa 40 true [1 2 30 2] 100 1.00 factor 10@8",
		"visited aa@7", "visited b@7", "watermark 8", "watermark max")
}

// visitor does on the broadcast side what it is told.
type visitor struct {
	open func(ctx *process.FunctionContext) error
	rule func(ctx *process.KeyedBroadcastContext[string]) error
}

func (f visitor) Open(ctx *process.FunctionContext) error { return f.open(ctx) }

func (visitor) ProcessElement(wordCount, *process.KeyedReadOnlyContext[string],
	*operator.Emitter[string],
) error {
	return nil
}

func (f visitor) ProcessBroadcastElement(_ rule, ctx *process.KeyedBroadcastContext[string],
	_ *operator.Emitter[string],
) error {
	return f.rule(ctx)
}

// TestKeyedBroadcastMisuse: R61, R63: the broadcast side has no current key, and errors of a visit
// stop it.
func TestKeyedBroadcastMisuse(t *testing.T) {
	var sum state.Value[int64]
	run := func(f func(ctx *process.KeyedBroadcastContext[string]) error) error {
		factory := process.KeyedBroadcastProcess(byWord(t),
			func() process.KeyedBroadcastProcessFunction[string, wordCount, rule, string] {
				return visitor{open: func(ctx *process.FunctionContext) (err error) {
					sum, err = process.OpenValue(ctx, sumState)
					return err
				}, rule: f}
			})
		h := operatortest.New(t, options[string](factory))
		h.Run(counts.Record(wc("a", 1), 1))
		k := h.Keyed(0)
		k.SetKey(keygroup.HashString("a"), []byte("a"))
		if err := sum.Put(1); err != nil {
			t.Fatal(err)
		}
		k.UnsetKey()
		return errors.Join(h.Do(ruleInput.Record(rule{}, 1)), h.Flush())
	}
	expectError(t, run(func(*process.KeyedBroadcastContext[string]) error {
		return sum.Put(1)
	}), "no current key")
	expectError(t, run(func(ctx *process.KeyedBroadcastContext[string]) error {
		return process.ApplyToValues(ctx, sumState, func(key string, _ state.Value[int64]) error {
			return errors.New("stop at " + key)
		})
	}), "stop at a")
	expectError(t, run(func(ctx *process.KeyedBroadcastContext[string]) error {
		err := process.ApplyToValues(ctx, sumState, func(string, state.Value[int64]) error {
			return nil
		})
		return errors.Join(err, sum.Put(2))
	}), "no current key")
	expectError(t, run(func(ctx *process.KeyedBroadcastContext[string]) error {
		return process.ApplyToLists(ctx, state.ListOf[int64]("sum"),
			func(string, state.List[int64]) error { return nil })
	}), `"sum"`)
}
