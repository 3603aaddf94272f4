package windowing

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"goflink/core/state"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/core/window"
	"goflink/operator"
	"goflink/operator/operatortest"
)

// TestGolden runs the scripts in testdata. Their directives:
//
//	open assigner=(kind,…) [trigger=(kind,…)] [purge] [timeout=d] [evictor=(kind,…)] [after]
//	     [lateness=d] [late] function=f [strategy=s]
//	    makes a window operator and prints how it runs its windows, or why it refuses.
//	run
//	    feeds lines and prints what comes out, in order: "a=1@2s" is a record of key a with the
//	    value 1 at 2 s, "wm 5s" a watermark, "now 5s" moves the clock, "jump 5s" moves it so that
//	    timers are late, "end" ends the input. Times may also be like 12:03.
//	restore [parallelism=n]
//	    takes a checkpoint and starts again from it.
//	counters
//	    prints numLateRecordsDropped.
//	explore
//	    runs all lines since open again with all kinds of batches, restores and parallelism, and
//	    demands the same output.
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		g := &golden{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			g.t = t
			out, err := g.do(d)
			if err != nil {
				return "error: " + err.Error() + "\n"
			}
			return out
		})
	})
}

// golden is what a script works on.
type golden struct {
	t       *testing.T
	options operatortest.Options
	h       *operatortest.Harness
	steps   []operatortest.Step
	shown   int
}

func (g *golden) do(d *datadriven.TestData) (string, error) {
	switch d.Cmd {
	case "open":
		return g.open(d)
	case "run":
		return g.run(d)
	case "restore":
		p := 1
		d.MaybeScanArgs(g.t, "parallelism", &p)
		c, err := g.h.Checkpoint()
		if err == nil {
			err = c.Write()
		}
		if err == nil {
			err = g.h.Restore(c, p)
		}
		return "", err
	case "counters":
		return fmt.Sprintf("%s %d\n", metricLate, g.h.Counter(metricLate)), nil
	case "explore":
		lines := operatortest.Explore(g.t, g.options, g.steps)
		return fmt.Sprintf("%d lines\n", len(lines)), nil
	}
	return "", fmt.Errorf("unknown directive %q", d.Cmd)
}

func (g *golden) run(d *datadriven.TestData) (string, error) {
	for _, l := range strings.Split(strings.TrimSpace(d.Input), "\n") {
		s, err := parseStep(l)
		if err != nil {
			return "", err
		}
		g.steps = append(g.steps, s)
		if err := g.h.Do(s); err != nil {
			return "", err
		}
	}
	if err := g.h.Flush(); err != nil {
		return "", err
	}
	var b strings.Builder
	for ; g.shown < len(g.h.Events()); g.shown++ {
		if e := &g.h.Events()[g.shown]; e.Kind == operatortest.RecordEvent {
			b.WriteString(e.String() + "\n")
		}
	}
	return b.String(), nil
}

func parseStep(l string) (operatortest.Step, error) {
	word, rest, _ := strings.Cut(strings.TrimSpace(l), " ")
	switch word {
	case "end":
		return operatortest.End(), nil
	case "wm", "now", "jump":
		at, err := parseTime(rest)
		if err != nil {
			return operatortest.Step{}, err
		}
		switch word {
		case "wm":
			return events.Watermark(at), nil
		case "now":
			return operatortest.AdvanceTo(at), nil
		}
		return operatortest.JumpTo(at), nil
	}
	what, when, timed := strings.Cut(l, "@")
	key, value, ok := strings.Cut(what, "=")
	v, err := strconv.ParseInt(value, 10, 64)
	if !ok || err != nil {
		return operatortest.Step{}, fmt.Errorf("line %q: want key=value@time", l)
	}
	at := stream.NoTimestamp
	if timed {
		if at, err = parseTime(when); err != nil {
			return operatortest.Step{}, err
		}
	}
	return events.Record(event{key, v}, at), nil
}

// parseTime reads a time as a duration, or as a time of the day.
func parseTime(s string) (int64, error) {
	if hours, minutes, ok := strings.Cut(s, ":"); ok {
		h, err := strconv.Atoi(hours)
		if err != nil {
			return 0, err
		}
		m, err := strconv.Atoi(minutes)
		return int64(h*60+m) * 60_000, err
	}
	d, err := time.ParseDuration(s)
	return d.Milliseconds(), err
}

func (g *golden) open(d *datadriven.TestData) (string, error) {
	if g.h != nil {
		if err := g.h.Close(); err != nil {
			return "", err
		}
	}
	var a args
	for _, arg := range d.CmdArgs {
		a = append(a, arg)
	}
	f, name, err := a.build()
	if err != nil {
		return "", err
	}
	g.options = optionsOf(f)
	g.h, err = operatortest.Start(g.t, g.options)
	g.steps, g.shown = nil, 0
	return name + "\n", err
}

// args are the arguments of open.
type args []datadriven.CmdArg

func (a args) values(key string) []string {
	for _, arg := range a {
		if arg.Key == key {
			return append([]string{""}, arg.Vals...)[1:]
		}
	}
	return nil
}

func (a args) has(key string) bool {
	for _, arg := range a {
		if arg.Key == key {
			return true
		}
	}
	return false
}

func (a args) text(key string) string {
	if v := a.values(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// duration is argument i of a list, or 0.
func duration(vals []string, i int) time.Duration {
	if i >= len(vals) {
		return 0
	}
	d, err := time.ParseDuration(vals[i])
	if err != nil {
		panic(err)
	}
	return d
}

func number(vals []string, i int) int {
	n, err := strconv.Atoi(vals[i])
	if err != nil {
		panic(err)
	}
	return n
}

// build makes the operator's factory and the name of its strategy.
func (a args) build() (operator.Factory, string, error) {
	v := a.values("assigner")
	gap := func(e event) time.Duration { return time.Duration(e.V) * time.Second }
	switch v[0] {
	case "tumbling":
		return buildFor(a, window.TumblingEventTime[event](duration(v, 1)).WithOffset(duration(v,
			2)))
	case "tumbling-processing":
		return buildFor(a, window.TumblingProcessingTime[event](duration(v, 1)))
	case "sliding":
		return buildFor(a, window.SlidingEventTime[event](duration(v, 1), duration(v, 2)).
			WithOffset(duration(v, 3)))
	case "sliding-processing":
		return buildFor(a, window.SlidingProcessingTime[event](duration(v, 1), duration(v, 2)))
	case "session":
		return buildFor(a, window.EventTimeSessions[event](duration(v, 1)))
	case "session-processing":
		return buildFor(a, window.ProcessingTimeSessions[event](duration(v, 1)))
	case "session-dynamic":
		return buildFor(a, window.DynamicEventTimeSessions(gap))
	case "session-dynamic-processing":
		return buildFor(a, window.DynamicProcessingTimeSessions(gap))
	case "global":
		return buildFor(a, window.GlobalWindows[event]())
	}
	return nil, "", fmt.Errorf("unknown assigner %q", v[0])
}

func buildFor[W Window](a args, assigner window.Assigner[event, W]) (
	operator.Factory, string, error,
) {
	s := specOf(assigner)
	s.Trigger, s.Evictor = triggerOf[W](a), evictorOf[W](a)
	s.AllowedLateness = duration(a.values("lateness"), 0)
	if a.has("late") {
		s.LateTag = "late"
	}
	for _, st := range []strategy{general, aligned, panes} {
		if st.String() == a.text("strategy") {
			s.force = st
		}
	}
	f, err := functionOf(a, s)
	if err != nil {
		return nil, "", err
	}
	op, err := f.New()
	if err != nil {
		return nil, "", err
	}
	name := fmt.Sprintf("%T", op)
	name, _, _ = strings.Cut(name[strings.Index(name, ".")+1:], "Op[")
	return f, name, op.Close()
}

// everyOther is a custom trigger: it fires at every n-th element (R46).
type everyOther[W Window] struct {
	window.Quiet[event, W]
	n int64
}

func (t everyOther[W]) OnElement(_ event, _ int64, _ W, ctx window.TriggerContext) (
	window.Result, error,
) {
	n, err := ctx.Count("seen")
	if err != nil {
		return window.Continue, err
	}
	if (n+1)%t.n == 0 {
		return window.Fire, ctx.SetCount("seen", n+1)
	}
	return window.Continue, ctx.SetCount("seen", n+1)
}

func (t everyOther[W]) Clear(_ W, ctx window.TriggerContext) error {
	return ctx.SetCount("seen",
		0)
}

func distance(a, b event) float64 { return float64(b.V - a.V) }

func triggerOf[W Window](a args) (t window.Trigger[event, W]) {
	v := a.values("trigger")
	if len(v) == 0 {
		return nil
	}
	switch v[0] {
	case "event":
		t = window.EventTimeTrigger[event, W]()
	case "processing":
		t = window.ProcessingTimeTrigger[event, W]()
	case "count":
		t = window.CountTrigger[event, W](int64(number(v, 1)))
	case "every":
		t = everyOther[W]{n: int64(number(v, 1))}
	case "continuous":
		t = window.ContinuousEventTimeTrigger[event, W](duration(v, 1))
	case "continuous-processing":
		t = window.ContinuousProcessingTimeTrigger[event, W](duration(v, 1))
	case "delta":
		t = window.DeltaTrigger[event, W](float64(number(v, 1)), distance,
			typeinfo.MustOf[event]())
	case "never":
		t = window.NeverTrigger[event, W]()
	}
	if d := duration(a.values("timeout"), 0); d > 0 {
		t = window.ProcessingTimeoutTrigger(window.Timeout[event, W]{Nested: t, After: d,
			ResetOnElement: a.has("reset"), ClearOnTimeout: a.has("clear")})
	}
	if a.has("purge") {
		t = window.PurgingTrigger(t)
	}
	return t
}

func evictorOf[W Window](a args) window.Evictor[event, W] {
	v, when := a.values("evictor"), window.When(a.has("after"))
	if len(v) == 0 {
		return nil
	}
	switch v[0] {
	case "count":
		return window.CountEvictor[event, W](number(v, 1), when)
	case "time":
		return window.TimeEvictor[event, W](duration(v, 1), when)
	case "delta":
		return window.DeltaEvictor[event, W](float64(number(v, 1)), distance, when)
	}
	return nil
}

func functionOf[W Window](a args, s Spec[event, string, W]) (operator.Factory, error) {
	switch a.text("function") {
	case "sum":
		return Aggregate(s, sum{}, nil, describe[W, int64]())
	case "distinct":
		return Aggregate(s, distinct{}, nil, describe[W, string]())
	case "max":
		return Reduce(s, larger, nil, describe[W, event]())
	case "all": // not keyed
		s.Key, s.KeyType = nil, nil
		return Aggregate(s, sum{}, nil, describe[W, int64]())
	case "process":
		return Aggregate(s, sum{}, nil, func() (Function[string, W, int64, string], error) {
			return &counting[W]{}, nil
		})
	}
	return Apply(s, describeList[W]())
}

// describeList emits the values of a window.
func describeList[W Window]() Functions[string, W, []event, string] {
	return Pure(func(ctx *Context[string, W], in []event, out *operator.Emitter[string]) error {
		values := make([]int64, len(in))
		for i := range in {
			values[i] = in[i].V
		}
		out.Emit(fmt.Sprintf("%s %v %v", ctx.Key(), ctx.Window(), values))
		return nil
	})
}

// counting is a window function with state per key, state per window and a side output.
type counting[W Window] struct {
	firings, windows state.Value[int64]
	side             *operator.Emitter[string]
}

func (f *counting[W]) Open(o *OpenContext) (err error) {
	ws, err := o.WindowState()
	if err != nil {
		return err
	}
	if f.firings, err = state.OpenValue(ws, state.ValueOf[int64]("firings")); err != nil {
		return err
	}
	f.windows, err = state.OpenValue(o.GlobalState(), state.ValueOf[int64]("windows"))
	if err != nil {
		return err
	}
	f.side, err = SideOutput[string](o, "side")
	return err
}

// Process says how often the window fired, and how many windows of the key did.
func (f *counting[W]) Process(ctx *Context[string, W], in int64,
	out *operator.Emitter[string]) error {
	n, again, err := f.firings.Get()
	if err != nil {
		return err
	}
	all, _, err := f.windows.Get()
	if err != nil {
		return err
	}
	if !again {
		all++
	}
	out.Emit(fmt.Sprintf("%s %v %d firing=%d window=%d", ctx.Key(), ctx.Window(), in, n+1, all))
	f.side.EmitAt(fmt.Sprintf("%s at %d", ctx.Key(), ctx.Watermark()), ctx.Window().MaxTime())
	if err := f.firings.Put(n + 1); err != nil {
		return err
	}
	return f.windows.Put(all)
}

// Clear forgets the window's firings.
func (f *counting[W]) Clear(ctx *Context[string, W]) error {
	n, _, err := f.firings.Get()
	if err != nil {
		return err
	}
	f.side.EmitAt(fmt.Sprintf("%s %v over after %d firings", ctx.Key(), ctx.Window(), n), 0)
	return f.firings.Clear()
}
