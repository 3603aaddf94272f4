package process_test

import (
	"fmt"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/eventtime"
	"goflink/core/stream"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/operator/operatortest"
	"goflink/operator/process"
)

var numberInput = operatortest.Input[int]{}

// timesOf is a strategy's timestamp assigner: records are their own timestamps.
func timesOf(v int) int64 { return int64(v) }

// watermarked runs a strategy with periodic watermarks every interval.
func watermarked(tb testing.TB, s eventtime.Strategy[int], interval string) operatortest.Options {
	tb.Helper()
	o := options[int](process.TimestampsAndWatermarks(s))
	o.Config = config.New()
	o.Config.Set(config.PipelineAutoWatermarkInterval.Key, interval, "the test")
	return o
}

// events are what a harness logged, in order.
func events(h *operatortest.Harness) []string {
	var all []string
	for _, e := range h.Events() {
		all = append(all, e.String())
	}
	return all
}

// TestPeriodicWatermarks: R52–R54: a watermark every interval, behind the highest timestamp by the
// delay and one, that never goes back; upstream's watermarks count no more, except the last.
func TestPeriodicWatermarks(t *testing.T) {
	s := eventtime.BoundedOutOfOrderness[int](10 * time.Millisecond).WithTimestamps(timesOf)
	h := operatortest.New(t, watermarked(t, s, "100 ms"))
	h.Run(operatortest.AdvanceTo(100), numberInput.Record(50, 1), numberInput.Record(30, 1),
		operatortest.AdvanceTo(199), operatortest.AdvanceTo(200), numberInput.Record(40, 2),
		operatortest.AdvanceTo(300), numberInput.Watermark(500), numberInput.Status(stream.Idle),
		numberInput.Record(90, 3), operatortest.AdvanceTo(400), operatortest.End(),
		operatortest.AdvanceTo(900))
	expect(t, events(h), "50@50", "30@30", "watermark 39", "40@40", "90@90", "watermark 79",
		"watermark max")
	if n := h.PendingCalls(); n != 0 {
		t.Errorf("%d calls of the clock are asked for after the end", n)
	}
}

// TestMonotonousWatermarks: R53: without a delay the watermark is the highest timestamp less one;
// records keep their timestamps if the strategy has no assigner.
func TestMonotonousWatermarks(t *testing.T) {
	h := operatortest.New(t, watermarked(t, eventtime.Monotonous[int](), "100 ms"))
	h.Run(numberInput.Record(1, 70), numberInput.Record(2, 80), operatortest.AdvanceTo(100),
		numberInput.Record(3, stream.NoTimestamp), operatortest.AdvanceTo(200))
	expect(t, events(h), "1@70", "2@80", "watermark 79", "3")
}

// TestPunctuatedWatermarks: R55: the watermark that a record causes follows that record, before the
// next one of its batch.
func TestPunctuatedWatermarks(t *testing.T) {
	s := eventtime.Punctuated(func(v int, timestamp int64) (int64, bool) {
		return timestamp, v%10 == 0
	}).WithTimestamps(timesOf)
	o := watermarked(t, s, "0")
	h := operatortest.New(t, o)
	h.Run(numberInput.Record(7, 0), numberInput.Record(10, 0), numberInput.Record(8, 0),
		numberInput.Record(5, 0), numberInput.Record(20, 0), numberInput.Record(10, 0),
		numberInput.Record(11, 0), operatortest.End())
	expect(t, events(h), "7@7", "10@10", "watermark 10", "8@8", "5@5", "20@20", "watermark 20",
		"10@10", "11@11", "watermark max")
	o.NoRescale = true
	operatortest.Explore(t, o, []operatortest.Step{numberInput.Record(7, 0),
		numberInput.Record(10, 0), numberInput.Record(8, 0), numberInput.Record(20, 0),
		numberInput.Record(21, 0)})
}

// TestNoWatermarks: a strategy without watermarks has the last one only.
func TestNoWatermarks(t *testing.T) {
	s := eventtime.NoWatermarks[int]().WithTimestamps(timesOf)
	h := operatortest.New(t, watermarked(t, s, "100 ms"))
	h.Run(numberInput.Record(7, 0), operatortest.AdvanceTo(1000), operatortest.End())
	expect(t, events(h), "7@7", "watermark max")
}

// TestIdleness: R58: a stream without records becomes idle after the timeout, having handed on the
// watermark that its records allow, and active with the next record; the end ends idleness.
func TestIdleness(t *testing.T) {
	s := eventtime.Monotonous[int]().WithTimestamps(timesOf).WithIdleness(50 * time.Millisecond)
	h := operatortest.New(t, watermarked(t, s, "200 ms"))
	h.Run(operatortest.AdvanceTo(20), numberInput.Record(5, 0), operatortest.AdvanceTo(60),
		numberInput.Record(6, 0), operatortest.AdvanceTo(109))
	expect(t, events(h), "5@5", "6@6")
	h.Forget()
	h.Run(operatortest.AdvanceTo(110), operatortest.AdvanceTo(1000), numberInput.Record(9, 0),
		operatortest.AdvanceTo(1049), operatortest.AdvanceTo(1050), operatortest.End())
	expect(t, events(h), "watermark 5", "idle", "active", "9@9", "watermark 8", "idle", "active",
		"watermark max")
	h = operatortest.New(t, watermarked(t, s, "0"))
	h.Run(operatortest.AdvanceTo(50), operatortest.AdvanceTo(500))
	expect(t, events(h), "idle")
}

// moody is a generator that does what records say: it becomes idle at a negative one.
type moody struct{}

func (moody) OnEvent(v int, _ int64, out eventtime.WatermarkOutput) {
	if v < 0 {
		out.MarkIdle()
		return
	}
	out.EmitWatermark(int64(v))
}

func (moody) OnPeriodic(out eventtime.WatermarkOutput) { out.EmitWatermark(3) }

// TestGeneratorIdle: a generator of the user's makes the stream idle until a record or a watermark
// that grows.
func TestGeneratorIdle(t *testing.T) {
	s := eventtime.Strategy[int]{New: func() eventtime.Generator[int] { return moody{} }}
	h := operatortest.New(t, watermarked(t, s, "100 ms"))
	h.Run(numberInput.Record(1, 0), numberInput.Record(-1, 0), numberInput.Record(2, 0),
		numberInput.Record(-2, 0), operatortest.AdvanceTo(100), numberInput.Record(-3, 0),
		operatortest.AdvanceTo(200))
	expect(t, events(h), "1@0", "watermark 1", "-1@0", "idle", "active", "2@0", "watermark 2",
		"-2@0", "idle", "active", "watermark 3", "-3@0", "idle")
}

// TestWatermarksNeverGoBack: R58: whatever the generator emits, watermarks grow (the harness
// demands it), and none is above what it asked for.
func TestWatermarksNeverGoBack(t *testing.T) {
	rnd := testkit.Rand(t)
	s := eventtime.Punctuated(func(v int, _ int64) (int64, bool) { return int64(v), v%3 == 0 })
	h := operatortest.New(t, watermarked(t, s, "10 ms"))
	highest := -1
	for range 500 {
		v := rnd.IntN(1000)
		h.Run(numberInput.Record(v, 0))
		if v%3 == 0 {
			highest = max(highest, v)
		}
	}
	last := int64(-1)
	for _, e := range h.Events() {
		if e.Kind == operatortest.WatermarkEvent {
			last = e.Watermark
		}
	}
	if last != int64(highest) {
		t.Errorf("the last watermark is %d, want %d", last, highest)
	}
}

// TestIngestionTime: R51: records get the time at which they come by, and watermarks follow the
// clock, also without records.
func TestIngestionTime(t *testing.T) {
	o := options[int](process.IngestionTime[int]())
	o.Config = config.New()
	o.Config.Set(config.PipelineAutoWatermarkInterval.Key, "100 ms", "the test")
	h := operatortest.New(t, o)
	h.Run(operatortest.AdvanceTo(30), numberInput.Record(1, 7777), operatortest.AdvanceTo(100),
		numberInput.Record(2, stream.NoTimestamp), operatortest.AdvanceTo(200), operatortest.End())
	expect(t, events(h), "1@30", "watermark 99", "2@100", "watermark 199", "watermark max")
}

// TestWatermarksRefused: a strategy must have a generator.
func TestWatermarksRefused(t *testing.T) {
	f := process.TimestampsAndWatermarks(eventtime.Strategy[int]{})
	_, err := operatortest.Start(t, options[int](f))
	expectError(t, err, "no generator")
	o := watermarked(t, eventtime.Monotonous[int](), "soon")
	_, err = operatortest.Start(t, o)
	expectError(t, err, config.PipelineAutoWatermarkInterval.Key)
}

// TestWatermarksAllocateNothing: timestamps cost no allocation per record.
func TestWatermarksAllocateNothing(t *testing.T) {
	s := eventtime.Monotonous[wordCount]().WithTimestamps(func(w wordCount) int64 {
		return w.Count
	})
	h := operatortest.New(t, operatortest.Options{Factory: process.TimestampsAndWatermarks(s)})
	expectNoAllocs(t, "watermarks", h.Operator(0).Input(0).(stream.Receiver[wordCount]),
		batches(words(1024, 300), nil)[0])
}

// person and its projections.
type (
	person struct {
		Name string
		Age  int32
		Zip  string `flink:"zip"`
		Tags []string
		Born time.Time
		Home place
	}
	place struct{ City string }
	badge struct{ Zip, Name string }
	facts struct {
		Tags []string
		Age  int32
		Born time.Time
		Home place
	}
	wrong  struct{ Age int64 }
	nobody struct{ Name, Shoe string }
)

// TestProject: R38: fields are copied by name, or in the order of names that are given.
func TestProject(t *testing.T) {
	in := operatortest.Input[person]{}
	p := person{"Ann", 30, "8000", []string{"x"}, time.Unix(1, 0).UTC(), place{"Bern"}}
	run := func(f operator.Factory, out operatortest.AnyOutput) []string {
		h := operatortest.New(t, operatortest.Options{Factory: f,
			Outputs: []operatortest.AnyOutput{out}})
		h.Run(in.Record(p, 4), in.Record(person{Name: "Bob"}, 5))
		return events(h)
	}
	expect(t, run(must(process.Project[person, badge]("zip", "Name"))(t),
		operatortest.Output[badge]{}),
		"{8000 Ann}@4", "{ Bob}@5")
	expect(t, run(must(process.Project[person, badge]("name", "home.City"))(t),
		operatortest.Output[badge]{}), "{Ann Bern}@4", "{Bob }@5")
	expect(t, run(must(process.Project[person, facts]())(t), operatortest.Output[facts]{}),
		fmt.Sprint(facts{p.Tags, 30, p.Born, p.Home}, "@4"), fmt.Sprint(facts{}, "@5"))
}

// TestProjectRefused: R38: fields that are not there or of another type are refused when the
// operator is built.
func TestProjectRefused(t *testing.T) {
	_, err := process.Project[person, nobody]()
	expectError(t, err, `"Shoe"`, "Name, Age, zip")
	_, err = process.Project[person, wrong]()
	expectError(t, err, `"Age"`, "int32", "int64")
	_, err = process.Project[person, badge]("Name")
	expectError(t, err, "1 fields are named, it has 2")
	_, err = process.Project[person, int]()
	expectError(t, err, "no struct or tuple")
	_, err = process.Project[chan int, badge]()
	expectError(t, err, "chan int")
}
