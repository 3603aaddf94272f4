package process_test

import (
	"errors"
	"fmt"
	"testing"

	"goflink/core/keygroup"
	"goflink/core/state"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/operator/operatortest"
	"goflink/operator/process"
)

// Two streams: word counts (input 0) and plain words (input 1).
var (
	counts = operatortest.Input[wordCount]{Hash: hashOf}
	names  = operatortest.Input[string]{Index: 1, Hash: keygroup.HashString}
)

func byName(tb testing.TB) process.KeyBy[string, string] {
	return process.KeyBy[string, string]{Selector: func(s string) string { return s },
		Key: must(typeinfo.KeyOf[string]())(tb)}
}

// both is a co-map, co-flat-map and co-process function.
type both struct{}

func (both) Map1(w wordCount) (string, error) { return "1:" + w.String(), nil }
func (both) Map2(s string) (string, error)    { return "2:" + s, nil }

func (both) FlatMap1(w wordCount, out *operator.Emitter[string]) error {
	for range w.Count {
		out.Emit("1:" + w.Word)
	}
	return nil
}

func (both) FlatMap2(s string, out *operator.Emitter[string]) error {
	if s == "bad" {
		return errors.New("a bad word")
	}
	out.Emit("2:" + s)
	return nil
}

func (both) ProcessElement1(w wordCount, ctx *process.Context,
	out *operator.Emitter[string]) error {
	process.Side[int64](ctx, "side").Emit(w.Count)
	out.Emit(fmt.Sprint("1:", w, " ", ctx.Timestamp()))
	return nil
}

func (both) ProcessElement2(s string, ctx *process.Context, out *operator.Emitter[string]) error {
	out.Emit(fmt.Sprint("2:", s, " ", ctx.Timestamp()))
	return nil
}

// together is several steps as one, between which nothing is restored: the watermarks of several
// inputs, which are not restored.
func together(steps ...operatortest.Step) operatortest.Step {
	return operatortest.Check(fmt.Sprint(steps), func(h *operatortest.Harness) error {
		for _, s := range steps {
			if err := h.Do(s); err != nil {
				return err
			}
		}
		return nil
	})
}

// connected is a script of both inputs; the joint watermark is the lower one.
func connected() []operatortest.Step {
	return []operatortest.Step{
		counts.Record(wc("a", 2), 1), names.Record("a", 2), names.Record("b", 3),
		together(counts.Watermark(5), names.Watermark(4)), counts.Record(wc("b", 1), 6),
		operatortest.End(),
	}
}

// TestCoFunctions: R38: connect: a function per stream, one output.
func TestCoFunctions(t *testing.T) {
	m := process.CoMap[wordCount, string, string](nil, nil,
		func() process.CoMapFunction[wordCount, string, string] { return both{} })
	expect(t, operatortest.Explore(t, options[string](m), connected()),
		"1:a=2@1", "2:a@2", "2:b@3", "watermark 4", "1:b=1@6", "watermark max")
	fm := process.CoFlatMap[wordCount, string, string](nil, nil,
		func() process.CoFlatMapFunction[wordCount, string, string] { return both{} })
	expect(t, operatortest.Explore(t, options[string](fm), connected()),
		"1:a@1", "1:a@1", "2:a@2", "2:b@3", "watermark 4", "1:b@6", "watermark max")
	p := process.CoProcess(
		func() process.CoProcessFunction[wordCount, string, string] { return both{} })
	expect(t, operatortest.Explore(t,
		options[string](p, operatortest.Output[int64]{Tag: "side"}), connected()),
		"1:a=2 1@1", "2:a 2@2", "2:b 3@3", "side: 2@1", "side: watermark 4", "watermark 4",
		"1:b=1 6@6", "side: 1@6", "side: watermark max", "watermark max")
}

// TestCoErrors: what a function returns fails the task; both inputs are keyed, or none.
func TestCoErrors(t *testing.T) {
	create := func() process.CoFlatMapFunction[wordCount, string, string] { return both{} }
	h := operatortest.New(t, options[string](process.CoFlatMap(nil, nil, create)))
	err := errors.Join(h.Do(names.Record("bad", 1)), h.Flush())
	expectError(t, err, "process_test.both", "a bad word")
	_, err = operatortest.Start(t, options[string](process.CoFlatMap(
		process.Keying[wordCount](byWord(t)), nil, create)))
	expectError(t, err, "one of the two streams is keyed")
}

// TestJointWatermark: R58: the watermark of two inputs is the lower one, of the active ones if
// one is idle, and both idle make the output idle; however the inputs are interleaved it never
// goes back.
func TestJointWatermark(t *testing.T) {
	f := process.CoMap[wordCount, string, string](nil, nil,
		func() process.CoMapFunction[wordCount, string, string] { return both{} })
	h := operatortest.New(t, options[string](f))
	h.Run(counts.Watermark(10), names.Watermark(3), names.Status(stream.Idle),
		counts.Watermark(12), counts.Status(stream.Idle), names.Status(stream.Active),
		names.Watermark(11), names.Watermark(15))
	var got []string
	for _, e := range h.Events() {
		got = append(got, e.String())
	}
	expect(t, got, "watermark 3", "watermark 10", "watermark 12", "idle", "active", "watermark 15")

	first := []operatortest.Step{counts.Watermark(5), counts.Record(wc("x", 1), 6),
		counts.Watermark(8), counts.Watermark(20)}
	second := []operatortest.Step{names.Watermark(4), names.Watermark(6), names.Record("x", 7),
		names.Watermark(30)}
	for _, mix := range operatortest.Interleave(testkit.Rand(t), 80, first, second) {
		h := operatortest.New(t, options[string](f)) // the harness demands that watermarks grow
		h.Run(mix...)
		last := stream.MinWatermark
		for _, e := range h.Events() {
			if e.Kind == operatortest.WatermarkEvent {
				last = e.Watermark
			}
		}
		if last != 20 {
			t.Fatalf("after %v the watermark is %d, want 20", mix, last)
		}
	}
}

// matcher waits, per key, for a name and a count; a timer gives up. Both inputs share the state.
type matcher struct {
	seen state.Value[string]
}

func (f *matcher) Open(ctx *process.FunctionContext) (err error) {
	f.seen, err = process.OpenValue(ctx, state.ValueOf[string]("seen"))
	return err
}

func (f *matcher) meet(what string, ctx *process.KeyedContext[string],
	out *operator.Emitter[string],
) error {
	other, found, err := f.seen.Get()
	if err != nil {
		return err
	}
	if found {
		out.Emit(fmt.Sprint(ctx.CurrentKey(), ":", other, "+", what))
		return f.seen.Clear()
	}
	return errors.Join(f.seen.Put(what),
		ctx.TimerService().RegisterEventTimeTimer(ctx.Timestamp()+10))
}

func (f *matcher) ProcessElement1(w wordCount, ctx *process.KeyedContext[string],
	out *operator.Emitter[string],
) error {
	return f.meet(fmt.Sprint("count ", w.Count), ctx, out)
}

func (f *matcher) ProcessElement2(_ string, ctx *process.KeyedContext[string],
	out *operator.Emitter[string],
) error {
	return f.meet("name", ctx, out)
}

func (f *matcher) OnTimer(at int64, ctx *process.OnTimerContext[string],
	out *operator.Emitter[string],
) error {
	what, found, err := f.seen.Get()
	if err != nil || !found {
		return err
	}
	process.Side[string](ctx, "alone").Emit(fmt.Sprint(ctx.CurrentKey(), ":", what))
	return f.seen.Clear()
}

// TestKeyedCoProcess: R38, R61: two keyed inputs share state and timers by key; timers wait for the
// joint watermark.
func TestKeyedCoProcess(t *testing.T) {
	f := process.KeyedCoProcess(byWord(t), byName(t),
		func() process.KeyedCoProcessFunction[string, wordCount, string, string] {
			return &matcher{}
		})
	got := operatortest.Explore(t, options[string](f, operatortest.Output[string]{Tag: "alone"}),
		[]operatortest.Step{
			counts.Record(wc("a", 1), 1), names.Record("b", 2), names.Record("a", 3),
			counts.Record(wc("c", 7), 4), together(counts.Watermark(30), names.Watermark(11)),
			counts.Record(wc("c", 8), 31), together(counts.Watermark(31), names.Watermark(12)),
			together(counts.Watermark(32), names.Watermark(13)), operatortest.End(),
		})
	expect(t, got, "a:count 1+name@3", "alone: watermark 11", "watermark 11",
		"alone: b:name@12", "c:count 7+count 8@31", "alone: watermark 12", "watermark 12",
		"alone: watermark 13",
		"watermark 13", "alone: watermark max", "watermark max")
}

// coCounter counts both inputs per key.
type coCounter struct{ numbered }

func (f *coCounter) Map1(w wordCount) (string, error) {
	n, err := f.next()
	return fmt.Sprint("1:", w.Word, n), err
}

func (f *coCounter) Map2(s string) (string, error) {
	n, err := f.next()
	return fmt.Sprint("2:", s, n), err
}

// TestCoMapKeyed: R61: the function of two keyed streams has one state per key.
func TestCoMapKeyed(t *testing.T) {
	f := process.CoMap(process.Keying[wordCount](byWord(t)), process.Keying[string](byName(t)),
		func() process.CoMapFunction[wordCount, string, string] { return &coCounter{} })
	expect(t, operatortest.Explore(t, options[string](f), connected()),
		"1:a1@1", "2:a2@2", "2:b1@3", "watermark 4", "1:b2@6", "watermark max")
}
