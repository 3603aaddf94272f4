package windowing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"goflink/core/keygroup"
	"goflink/core/stream"
	"goflink/core/window"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/operator/operatortest"
)

// scenario is a random window, a random function and a random stream.
type scenario struct {
	grid     grid
	lateness int64
	function string
	// uneven says that watermarks go to one subtask each.
	uneven bool
	steps  []action
	// gap is, for sessions, their gap, else 0; with dynamic the record's value is added.
	gap     int64
	dynamic bool
}

// action is a record, or a watermark if Key is empty.
type action struct {
	event
	time int64
	// subtask gets the watermark if the scenario is uneven; it is taken modulo their number.
	subtask int
}

func (a action) String() string {
	if a.Key == "" {
		return fmt.Sprintf("wm %d", a.time)
	}
	return fmt.Sprintf("%v@%d", a.event, a.time)
}

func (s *scenario) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v lateness %d, uneven %v, %s:", s.assigner(), s.lateness, s.uneven,
		s.function)
	for _, a := range s.steps {
		b.WriteString(" " + a.String())
	}
	return b.String()
}

func randomScenario(rnd *rand.Rand) *scenario {
	s := &scenario{uneven: rnd.IntN(4) == 0}
	if rnd.IntN(4) == 0 {
		s.gap, s.dynamic = 1+rnd.Int64N(12), rnd.IntN(2) == 0
	}
	s.grid.slide = 1 + rnd.Int64N(12)
	switch rnd.IntN(5) {
	case 0:
		s.grid.size = s.grid.slide
	case 1:
		s.grid.size = 1 + rnd.Int64N(s.grid.slide)
	case 2:
		s.grid.size = s.grid.slide * (1 + rnd.Int64N(8))
	default:
		s.grid.size = 1 + rnd.Int64N(40)
	}
	s.grid.offset = rnd.Int64N(2*s.grid.slide-1) - (s.grid.slide - 1)
	if rnd.IntN(2) == 0 {
		s.lateness = rnd.Int64N(30)
	}
	s.function = []string{"sum", "reduce", "list", "distinct"}[rnd.IntN(4)]
	keys := 1 + rnd.IntN([]int{1, 4, 40}[rnd.IntN(3)])
	now, wm := int64(-30), int64(firstWatermark)
	for range 20 + rnd.IntN(testkit.Scaled(100)) {
		now += rnd.Int64N(4)
		if rnd.IntN(20) == 0 {
			now += rnd.Int64N(150) // a gap
		}
		if rnd.IntN(6) == 0 {
			if w := now - rnd.Int64N(20); w > wm {
				wm = w
				s.steps = append(s.steps, action{time: w, subtask: rnd.IntN(6)})
			}
			continue
		}
		late := rnd.Int64N(5)
		if rnd.IntN(5) == 0 {
			late = rnd.Int64N(80)
		}
		e := event{fmt.Sprintf("k%d", rnd.IntN(keys)), rnd.Int64N(10)}
		s.steps = append(s.steps, action{event: e, time: now - late})
	}
	return s
}

// firstWatermark is before all watermarks of a scenario.
const firstWatermark = -1000

// restart is a snapshot before a step, that is written some steps later, after which the operator
// starts again from it with another parallelism.
type restart struct {
	step, lag, parallelism int
	savepoint              bool
}

func (s *scenario) randomPlan(rnd *rand.Rand) []restart {
	var plan []restart
	for step := range s.steps {
		if rnd.IntN(len(s.steps)) < 2 {
			plan = append(plan, restart{step, rnd.IntN(5), 1 + rnd.IntN(3), rnd.IntN(2) == 0})
		}
	}
	return plan
}

// parallelismAt is the parallelism that a plan has at a step.
func parallelismAt(plan []restart, step int) int {
	p := 1
	for _, r := range plan {
		if r.step <= step {
			p = r.parallelism
		}
	}
	return p
}

// model runs a scenario by brute force: it keeps all records of all windows, and follows the
// definitions of R54, R56 and R57 word by word.
func (s *scenario) model(plan []restart) []string {
	m := &model{s: s, keys: map[string]*modelKey{}}
	for _, a := range s.steps {
		if a.Key != "" {
			m.keys[a.Key] = &modelKey{name: a.Key, watermark: stream.MinWatermark}
		}
	}
	for step, a := range append(slices.Clone(s.steps), action{time: stream.MaxWatermark}) {
		if a.Key != "" {
			m.record(m.keys[a.Key], a)
			continue
		}
		p := parallelismAt(plan, step)
		for _, k := range m.keys {
			toAll := !s.uneven || step == len(s.steps)
			if a.time > k.watermark && (toAll || ownerOf(k.name, p) == a.subtask%p) {
				m.advance(k, a.time)
			}
		}
	}
	slices.Sort(m.lines)
	return m.lines
}

type model struct {
	s     *scenario
	keys  map[string]*modelKey
	lines []string
}

// modelKey is the windows of one key, each with the values of its records in order of arrival.
type modelKey struct {
	name      string
	watermark int64
	windows   []modelWindow
}

type modelWindow struct {
	window.Time
	values []int64
}

func (m *model) emit(k *modelKey, w *modelWindow) {
	m.lines = append(m.lines, fmt.Sprintf("%s %v %s@%d", k.name, w.Time, m.s.result(w.values),
		w.MaxTime()))
}

func (m *model) over(k *modelKey, w window.Time) bool {
	return plus(w.MaxTime(), m.s.lateness) <= k.watermark
}

func (m *model) advance(k *modelKey, watermark int64) {
	for i := range k.windows {
		if end := k.windows[i].MaxTime(); end > k.watermark && end <= watermark {
			m.emit(k, &k.windows[i])
		}
	}
	k.watermark = watermark
	k.windows = slices.DeleteFunc(k.windows, func(w modelWindow) bool { return m.over(k, w.Time) })
}

func (m *model) record(k *modelKey, a action) {
	taken := false
	for _, w := range m.s.windowsOf(a) {
		if m.s.gap > 0 {
			w = k.join(w)
		}
		if m.over(k, w) {
			continue
		}
		taken = true
		i := slices.IndexFunc(k.windows, func(o modelWindow) bool { return o.Time == w })
		if i < 0 {
			i = len(k.windows)
			k.windows = append(k.windows, modelWindow{Time: w})
		}
		k.windows[i].values = append(k.windows[i].values, a.V)
		if w.MaxTime() <= k.watermark {
			m.emit(k, &k.windows[i])
		}
	}
	if !taken && plus(a.time, m.s.lateness) <= k.watermark {
		m.lines = append(m.lines, fmt.Sprintf("late: %v@%d", a.event, a.time))
	}
}

// join makes one window of w and all that it overlaps or touches, and returns it. One that meets
// none is not added.
func (k *modelKey) join(w window.Time) window.Time {
	var values []int64
	var rest, parts []modelWindow
	for _, o := range k.windows {
		if o.Intersects(w) {
			parts = append(parts, o)
		} else {
			rest = append(rest, o)
		}
	}
	if len(parts) == 0 {
		return w
	}
	slices.SortFunc(parts, func(a, b modelWindow) int { return int(a.Start - b.Start) })
	for _, o := range parts {
		w = w.Cover(o.Time)
		values = append(values, o.values...)
	}
	k.windows = append(rest, modelWindow{w, values})
	return w
}

// windowsOf are the windows of a record. Those of a grid are looked for one by one.
func (s *scenario) windowsOf(a action) (ws []window.Time) {
	if s.gap > 0 {
		return []window.Time{{Start: a.time, End: a.time + s.gapOf(a.V)}}
	}
	for k := floorDiv(a.time-100, s.grid.slide); s.grid.start(k) <= a.time; k++ {
		if end := s.grid.end(k); a.time < end {
			ws = append(ws, window.Time{Start: s.grid.start(k), End: end})
		}
	}
	return ws
}

// ownerOf is the subtask that owns a key.
func ownerOf(key string, parallelism int) int {
	const groups = operatortest.DefaultMaxParallelism
	return keygroup.Subtask(keygroup.Of(keygroup.HashString(key), groups), groups, parallelism)
}

func (s *scenario) result(values []int64) string {
	switch s.function {
	case "sum":
		total := int64(0)
		for _, v := range values {
			total += v
		}
		return fmt.Sprint(total)
	case "reduce":
		return fmt.Sprint(slices.Max(values))
	case "distinct":
		sorted := slices.Clone(values)
		slices.Sort(sorted)
		return fmt.Sprintf("%d of %d", len(slices.Compact(sorted)), len(values))
	}
	return fmt.Sprint(values)
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// assigner is the assigner of a scenario.
func (s *scenario) assigner() window.Assigner[event, window.Time] {
	switch {
	case s.gap == 0:
		return window.SlidingEventTime[event](ms(s.grid.size), ms(s.grid.slide)).
			WithOffset(ms(s.grid.offset))
	case s.dynamic:
		return window.DynamicEventTimeSessions(func(e event) time.Duration {
			return ms(s.gapOf(e.V))
		})
	}
	return window.EventTimeSessions[event](ms(s.gap))
}

// gapOf is the session gap of a record.
func (s *scenario) gapOf(v int64) int64 {
	if s.dynamic {
		return s.gap + v
	}
	return s.gap
}

// factory makes the operator of a scenario.
func (s *scenario) factory(t *testing.T, force strategy, derived int64) operator.Factory {
	spec := specOf(s.assigner())
	spec.AllowedLateness, spec.LateTag = ms(s.lateness), "late"
	spec.force, spec.DerivedBytes = force, derived
	switch s.function {
	case "sum":
		return must(t)(Aggregate(spec, sum{}, nil, describe[window.Time, int64]()))
	case "distinct":
		return must(t)(Aggregate(spec, distinct{}, nil, describe[window.Time, string]()))
	case "reduce":
		return must(t)(Reduce(spec, larger, nil,
			Pure(func(ctx *Context[string, window.Time], in event,
				out *operator.Emitter[string]) error {
				out.Emit(fmt.Sprintf("%s %v %d", ctx.Key(), ctx.Window(), in.V))
				return nil
			})))
	}
	return must(t)(Apply(spec,
		Pure(func(ctx *Context[string, window.Time], in []event,
			out *operator.Emitter[string]) error {
			values := make([]int64, len(in))
			for i := range in {
				values[i] = in[i].V
			}
			out.Emit(fmt.Sprintf("%s %v %v", ctx.Key(), ctx.Window(), values))
			return nil
		})))
}

// run runs a scenario on a harness, cutting batches at random and restoring by plan.
func (s *scenario) run(t *testing.T, f operator.Factory, rnd *rand.Rand, plan []restart) []string {
	t.Helper()
	h := operatortest.New(t, optionsOf(f))
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range s.steps {
		for len(plan) > 0 && plan[0].step == i {
			check(s.restart(h, plan[0]))
			plan = plan[1:]
		}
		check(h.Do(s.step(i)))
		if rnd.IntN(3) == 0 {
			check(h.Flush())
		}
	}
	h.Run(operatortest.End())
	var lines []string
	for i := range h.Events() {
		if e := &h.Events()[i]; e.Kind == operatortest.RecordEvent {
			lines = append(lines, e.String())
		}
	}
	slices.Sort(lines)
	check(h.Close())
	return lines
}

func (s *scenario) restart(h *operatortest.Harness, r restart) error {
	take := h.Checkpoint
	if r.savepoint {
		take = h.Savepoint
	}
	c, err := take()
	if err != nil {
		return err
	}
	for i := r.step; i < min(len(s.steps), r.step+r.lag); i++ {
		if err := h.Do(s.step(i)); err != nil {
			return err
		}
	}
	if err := h.Flush(); err != nil {
		return err
	}
	if err := c.Write(); err != nil {
		return err
	}
	if err := h.Restore(c, r.parallelism); err != nil {
		return err
	}
	// Watermarks begin anew; what was late stays late.
	return h.Do(events.Watermark(firstWatermark))
}

func (s *scenario) step(i int) operatortest.Step {
	a := &s.steps[i]
	switch {
	case a.Key != "":
		return events.Record(a.event, a.time)
	case s.uneven:
		return events.WatermarkTo(a.subtask, a.time)
	}
	return events.Watermark(a.time)
}

// TestEquivalence compares all strategies with each other and with a model, on random windows and
// streams, restored and rescaled at random places (R41, R45, R54–R58).
func TestEquivalence(t *testing.T) {
	testkit.EachSeed(t, 150, func(t *testing.T, seed uint64) {
		rnd := testkit.Source(seed)
		s := randomScenario(rnd)
		plan := s.randomPlan(rnd)
		want := s.model(plan)
		runs := []struct {
			name    string
			force   strategy
			derived int64
		}{
			{"automatic", automatic, 0},
			{"general", general, 0},
			{"aligned", aligned, 0},
			{"panes", panes, 0},
			{"panes without ring", panes, 1},
			{"panes with a small ring", panes, 40 << 10},
		}
		for _, r := range runs {
			sliding := s.gap == 0 && s.grid.size > s.grid.slide && s.function != "list"
			if r.force == panes && !sliding || r.force == aligned && s.gap > 0 {
				continue
			}
			got := s.run(t, s.factory(t, r.force, r.derived), rnd, plan)
			if !slices.Equal(got, want) {
				t.Fatalf("%s: %v\n%+v\n%s", r.name, s, plan, operatortest.Diff(want, got))
			}
		}
	})
}
