package process_test

import (
	"strings"
	"testing"

	"goflink/core/stream"
	"goflink/operator"
	"goflink/operator/operatortest"
	"goflink/operator/process"
)

var lineInput = operatortest.Input[string]{}

// TestMap: R38: one record becomes one, with its timestamp.
func TestMap(t *testing.T) {
	f := process.Map(strings.ToUpper)
	got := operatortest.Explore(t, options[string](f), []operatortest.Step{
		lineInput.Record("b", 2), lineInput.Record("a", 1), lineInput.Watermark(3),
		lineInput.Record("c", stream.NoTimestamp), lineInput.Status(stream.Idle),
		operatortest.End(),
	})
	expect(t, got, "A@1", "B@2", "watermark 3", "C", "idle", "watermark max")
}

// TestFlatMap: R38: one record becomes any number.
func TestFlatMap(t *testing.T) {
	f := process.FlatMap(func(line string, out *operator.Emitter[string]) {
		for _, w := range strings.Fields(line) {
			out.Emit(w)
		}
	})
	got := operatortest.Explore(t, options[string](f), []operatortest.Step{
		lineInput.Record("to be or", 1), lineInput.Record("", 2), lineInput.Watermark(2),
		lineInput.Record("not", 4), operatortest.End(),
	})
	expect(t, got, "be@1", "or@1", "to@1", "watermark 2", "not@4", "watermark max")
}

// TestFilter: R38: records for which the function does not hold are dropped.
func TestFilter(t *testing.T) {
	f := process.Filter(func(n int) bool { return n%2 == 0 })
	in := operatortest.Input[int]{}
	got := operatortest.Explore(t, options[int](f), []operatortest.Step{
		in.Record(2, 1), in.Record(3, 2), in.Record(4, 3), in.Record(5, stream.NoTimestamp),
		in.Record(6, stream.NoTimestamp), in.Watermark(4), in.Record(7, 5), operatortest.End(),
	})
	expect(t, got, "2@1", "4@3", "6", "watermark 4", "watermark max")
}

// TestLatencyMarkersPass: markers go through operators of all kinds.
func TestLatencyMarkersPass(t *testing.T) {
	for name, f := range map[string]operator.Factory{
		"map":     process.Map(func(w wordCount) wordCount { return w }),
		"rolling": process.Reduce(byWord(t), nil, func(a, _ wordCount) wordCount { return a }),
		"process": process.Process(func() process.ProcessFunction[wordCount, wordCount] {
			return echo{}
		}),
	} {
		h := operatortest.New(t, options[wordCount](f))
		h.Run(wordInput.Latency(stream.LatencyMarker{Emitted: 1}))
		if got := h.Lines(); len(got) != 1 || got[0] != "latency marker" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// echo emits what it gets.
type echo struct{}

func (echo) ProcessElement(v wordCount, _ *process.Context,
	out *operator.Emitter[wordCount]) error {
	out.Emit(v)
	return nil
}
