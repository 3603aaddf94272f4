package process_test

import (
	"errors"
	"testing"

	"goflink/core/stream"
	"goflink/core/tuple"
	"goflink/operator"
	"goflink/operator/operatortest"
	"goflink/operator/process"
)

// splitter is a process function made of one function.
type splitter func(v int, ctx *process.Context, out *operator.Emitter[int])

func (f splitter) ProcessElement(v int, ctx *process.Context, out *operator.Emitter[int]) error {
	f(v, ctx, out)
	return nil
}

func splitting(f splitter) operator.Factory {
	return process.Process(func() process.ProcessFunction[int, int] { return f })
}

// TestSplit: R38: records are split into named streams; watermarks and statuses reach every side
// output that is read, also those that get no record.
func TestSplit(t *testing.T) {
	f := splitting(func(v int, ctx *process.Context, out *operator.Emitter[int]) {
		out.Emit(v)
		if v%2 == 0 {
			process.Side[int](ctx, "even").Emit(v)
			process.Side[int](ctx, "nobody reads").Emit(v)
		} else {
			process.Side[string](ctx, "odd").EmitAt("odd", 99)
		}
	})
	o := options[int](f, operatortest.Output[int]{Tag: "even"},
		operatortest.Output[string]{Tag: "odd"},
		operatortest.Output[int]{Tag: "quiet"})
	got := operatortest.Explore(t, o, []operatortest.Step{
		numberInput.Record(1, 1), numberInput.Record(2, 2), numberInput.Watermark(5),
		numberInput.Record(4, 6), numberInput.Status(stream.Idle),
	})
	expect(t, got, "1@1", "2@2", "even: 2@2", "odd: odd@99", "even: watermark 5",
		"odd: watermark 5",
		"quiet: watermark 5", "watermark 5", "4@6", "even: 4@6", "even: idle", "idle", "odd: idle",
		"quiet: idle")
}

// TestSideMisuse: a tag has one type, and is not empty; mistakes fail the job.
func TestSideMisuse(t *testing.T) {
	for want, f := range map[string]splitter{
		"is used as a": func(v int, ctx *process.Context, _ *operator.Emitter[int]) {
			process.Side[int](ctx, "x").Emit(v)
			process.Side[string](ctx, "x").Emit("v")
		},
		"no tag": func(v int, ctx *process.Context, _ *operator.Emitter[int]) {
			process.Side[int](ctx, "").Emit(v)
		},
		"does not receive string": func(_ int, ctx *process.Context, _ *operator.Emitter[int]) {
			process.Side[string](ctx, "numbers").Emit("v")
		},
	} {
		h := operatortest.New(t, options[int](splitting(f),
			operatortest.Output[int]{Tag: "numbers"}))
		expectError(t, errors.Join(h.Do(numberInput.Record(1, 1)), h.Flush()), want)
	}
}

// TestProcessContext: the context shows timestamp, watermark and clock.
func TestProcessContext(t *testing.T) {
	type seen struct{ timestamp, watermark, now int64 }
	var got []seen
	h := operatortest.New(t, options[int](splitting(
		func(_ int, ctx *process.Context, _ *operator.Emitter[int]) {
			got = append(got, seen{ctx.Timestamp(), ctx.Watermark(), ctx.ProcessingTime()})
		})))
	h.Run(numberInput.Record(1, 3), numberInput.Watermark(5), operatortest.AdvanceTo(70),
		numberInput.Record(1, stream.NoTimestamp))
	want := []seen{{3, stream.MinWatermark, 0}, {stream.NoTimestamp, 5, 70}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestProjectTuples: R38: positions name the fields of tuples.
func TestProjectTuples(t *testing.T) {
	type in3 = tuple.T3[string, int, bool]
	f := must(process.Project[in3, tuple.T2[bool, string]]("2", "0"))(t)
	h := operatortest.New(t, operatortest.Options{Factory: f,
		Outputs: []operatortest.AnyOutput{operatortest.Output[tuple.T2[bool, string]]{}}})
	h.Run(operatortest.Input[in3]{}.Record(tuple.New3("a", 1, true), 1))
	expect(t, events(h), "(true,a)@1")
}
