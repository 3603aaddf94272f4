package scheduling_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/runtime/execgraph"
	"goflink/runtime/execgraph/graphtest"
	"goflink/runtime/scheduling"
)

// recorder is a strategy that notes its calls and has another one decide.
type recorder struct {
	scheduling.SchedulingStrategy
	calls []string
}

func (r *recorder) StartScheduling() error {
	r.calls = append(r.calls, "start")
	return r.SchedulingStrategy.StartScheduling()
}

func (r *recorder) RestartTasks(vertices []execgraph.VertexIndex) error {
	r.calls = append(r.calls, fmt.Sprint("restart ", vertices))
	return r.SchedulingStrategy.RestartTasks(vertices)
}

func (r *recorder) OnExecutionStateChange(
	v *execgraph.ExecutionVertex, state execgraph.ExecutionState,
) error {
	r.calls = append(r.calls, fmt.Sprintf("%s %v", v.JobVertex().Vertex().Name, state))
	return r.SchedulingStrategy.OnExecutionStateChange(v, state)
}

func (r *recorder) OnPartitionConsumable(p *execgraph.IntermediateResultPartition) error {
	r.calls = append(r.calls, p.Producer().JobVertex().Vertex().Name+" consumable")
	return r.SchedulingStrategy.OnPartitionConsumable(p)
}

func newGraph(t testing.TB, text string) *execgraph.ExecutionGraph {
	t.Helper()
	job, err := graphtest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	g, err := execgraph.New(epoch, job)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func step(t testing.TB, s *scheduling.Scheduler, ev scheduling.Event) []scheduling.Effect {
	t.Helper()
	effects, err := s.Step(epoch, ev)
	if err != nil {
		t.Fatalf("%T: %v", ev, err)
	}
	return effects
}

// R147: a recording strategy sees the four calls in order.
func TestStrategyCalls(t *testing.T) {
	g := newGraph(t, "vertex a\nvertex b\nedge a b alltoall blocking")
	var r *recorder
	s, err := scheduling.New(g, scheduling.Options{
		BlockingResults: true,
		Restart:         config.RestartStrategy{Kind: config.FixedDelay, Attempts: 1},
		NewStrategy: func(
			g *execgraph.ExecutionGraph, ops scheduling.Operations,
		) scheduling.SchedulingStrategy {
			make, err := scheduling.StrategyOf(config.SchedulePipelinedRegion)
			if err != nil {
				t.Fatal(err)
			}
			r = &recorder{SchedulingStrategy: make(g, ops)}
			return r
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	slot := execgraph.Slot{Allocation: id.Allocation{1}, Worker: "w"}
	report := func(v execgraph.VertexIndex, states ...execgraph.ExecutionState) {
		t.Helper()
		for _, state := range states {
			step(t, s, scheduling.TaskStateChanged{
				Attempt: g.Subtask(v).Current().Attempt(), State: state,
				Failure: failure.Info{Message: "boom"},
			})
		}
	}
	step(t, s, scheduling.StartScheduling{})
	step(t, s, scheduling.SlotsAllocated{
		Slots: []scheduling.AllocatedSlot{{Request: 1, Slot: slot}},
	})
	report(0, execgraph.Running, execgraph.Finished)
	slot.Allocation[1]++
	step(t, s, scheduling.SlotsAllocated{
		Slots: []scheduling.AllocatedSlot{{Request: 2, Slot: slot}},
	})
	report(1, execgraph.Running, execgraph.Failed)
	step(t, s, scheduling.RestartTimerFired{Restart: 1})
	want := strings.Split("start|a SCHEDULED|a DEPLOYING|a RUNNING|a FINISHED|a consumable|"+
		"b SCHEDULED|b DEPLOYING|b RUNNING|b FAILED|restart [1]|b SCHEDULED|b DEPLOYING", "|")
	if !slices.Equal(r.calls, want) {
		t.Errorf("calls are\n%s, want\n%s", strings.Join(r.calls, "|"), strings.Join(want, "|"))
	}
}

// A strategy is not told of partitions whose producers are being canceled: they will be made anew.
func TestPartitionOfPendingFailover(t *testing.T) {
	g := newGraph(t, "vertex a p=2\nvertex b\nvertex c\nedge a b alltoall blocking")
	var r *recorder
	s, err := scheduling.New(g, scheduling.Options{
		BlockingResults: true,
		Restart:         config.RestartStrategy{Kind: config.FixedDelay, Attempts: 100},
		NewStrategy: func(
			g *execgraph.ExecutionGraph, ops scheduling.Operations,
		) scheduling.SchedulingStrategy {
			make, err := scheduling.StrategyOf(config.ScheduleEager)
			if err != nil {
				t.Fatal(err)
			}
			r = &recorder{SchedulingStrategy: make(g, ops)}
			return r
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	step(t, s, scheduling.StartScheduling{})
	step(t, s, scheduling.SlotsAllocated{Slots: []scheduling.AllocatedSlot{
		{Request: 1, Slot: execgraph.Slot{Allocation: id.Allocation{1}, Worker: "w"}},
		{Request: 2, Slot: execgraph.Slot{Allocation: id.Allocation{2}, Worker: "w"}},
	}})
	consumable := func() {
		t.Helper()
		step(t, s, scheduling.PartitionConsumable{
			Partition: id.Partition{Producer: g.Subtask(0).Current().Attempt()},
		})
	}
	step(t, s, scheduling.GlobalFailure{})
	consumable()
	if i := slices.Index(r.calls, "a consumable"); i >= 0 {
		t.Errorf("call %d of %q", i, r.calls)
	}
	for v := range execgraph.VertexIndex(4) {
		step(t, s, scheduling.TaskStateChanged{
			Attempt: g.Subtask(v).Current().Attempt(), State: execgraph.Canceled,
		})
	}
	step(t, s, scheduling.RestartTimerFired{Restart: 1})
	consumable()
	if n := len(r.calls); r.calls[n-1] != "a consumable" {
		t.Errorf("calls are %q", r.calls)
	}
}

// failing is a strategy that cannot restart, until it is told to.
type failing struct {
	scheduling.SchedulingStrategy
	broken bool
}

func (f *failing) RestartTasks(vertices []execgraph.VertexIndex) error {
	if f.broken {
		return fmt.Errorf("strategy is broken")
	}
	return f.SchedulingStrategy.RestartTasks(vertices)
}

// An error of a strategy ends the step; the job can be restarted as a whole after it, also where
// other regions were about to be restarted in the same step.
func TestStrategyError(t *testing.T) {
	g := newGraph(t, "vertex a p=3\nvertex b p=3\nedge a b pointwise")
	f := &failing{broken: true}
	s, err := scheduling.New(g, scheduling.Options{
		Restart: config.RestartStrategy{Kind: config.FixedDelay, Attempts: 100},
		NewStrategy: func(
			g *execgraph.ExecutionGraph, ops scheduling.Operations,
		) scheduling.SchedulingStrategy {
			make, err := scheduling.StrategyOf(config.SchedulePipelinedRegion)
			if err != nil {
				t.Fatal(err)
			}
			f.SchedulingStrategy = make(g, ops)
			return f
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	step(t, s, scheduling.StartScheduling{})
	slots := scheduling.SlotsAllocated{}
	lost := scheduling.SlotsLost{}
	for i := range 3 {
		a := id.Allocation{1, byte(i)}
		slots.Slots = append(slots.Slots, scheduling.AllocatedSlot{
			Request: id.SlotRequest(i + 1), Slot: execgraph.Slot{Allocation: a, Worker: "w"},
		})
		lost.Allocations = append(lost.Allocations, a)
	}
	step(t, s, slots)
	report := func(v execgraph.VertexIndex, state execgraph.ExecutionState) {
		t.Helper()
		step(t, s, scheduling.TaskStateChanged{
			Attempt: g.Subtask(v).Current().Attempt(), State: state,
			Failure: failure.Info{Message: "boom"},
		})
	}
	for v := range execgraph.VertexIndex(6) {
		report(v, execgraph.Running)
	}
	// Two regions wait for the end of one task each. The loss of their slots is that for both.
	report(0, execgraph.Failed)
	report(1, execgraph.Failed)
	step(t, s, scheduling.RestartTimerFired{Restart: 1})
	step(t, s, scheduling.RestartTimerFired{Restart: 2})
	lost.Allocations = lost.Allocations[:2]
	_, err = s.Step(epoch, lost)
	if err == nil || !strings.Contains(err.Error(), `job "test"`) ||
		!strings.Contains(err.Error(), "strategy is broken") {
		t.Fatalf("error %v", err)
	}
	f.broken = false
	step(t, s, scheduling.GlobalFailure{Cause: failure.Info{Message: "broken"}})
	report(2, execgraph.Canceled)
	report(5, execgraph.Canceled)
	step(t, s, scheduling.RestartTimerFired{Restart: 3})
	if got := g.Status(); got != execgraph.JobRunning {
		t.Errorf("the job is %v", got)
	}
	for v := range execgraph.VertexIndex(6) {
		c := g.Subtask(v).Current()
		if want := execgraph.Scheduled; v != 2 && v != 5 && c.State() != want {
			t.Errorf("%s is %v, want %v", g.Subtask(v).AttemptName(), c.State(), want)
		}
	}
}

// What a scheduler cannot be made of is refused by name.
func TestNewRefuses(t *testing.T) {
	g := newGraph(t, "vertex a")
	for want, o := range map[string]scheduling.Options{
		`unknown scheduling strategy "random"`: {Strategy: "random"},
		`"lazy-from-sources" is not offered`:   {Strategy: config.ScheduleLazy},
		`unknown failover strategy "half"`:     {Failover: "half"},
		`unknown restart strategy "often"`: {
			Restart: config.RestartStrategy{Kind: "often"},
		},
		"fixed-delay: -1 attempts": {
			Restart: config.RestartStrategy{Kind: config.FixedDelay, Attempts: -1},
		},
		"failure-rate: 0 failures": {
			Restart: config.RestartStrategy{Kind: config.FailureRate},
		},
		"exponential-delay: inconsistent": {
			Restart: config.RestartStrategy{Kind: config.ExponentialDelay},
		},
		"web.exception-history-size is -1": {HistorySize: -1},
	} {
		if _, err := scheduling.New(g, o); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), `job "test"`) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// The history of failures is bounded, in incidents and in the failures of one incident; the latest
// incidents and the first failures are kept.
func TestHistoryIsBounded(t *testing.T) {
	const tasks = scheduling.MaxConcurrent + 4
	g := newGraph(t, fmt.Sprintf("vertex a p=%d\nvertex b\nedge a b alltoall", tasks))
	s, err := scheduling.New(g, scheduling.Options{
		HistorySize: 3,
		Restart:     config.RestartStrategy{Kind: config.FixedDelay, Attempts: 100},
	})
	if err != nil {
		t.Fatal(err)
	}
	step(t, s, scheduling.StartScheduling{})
	var slots []scheduling.AllocatedSlot
	var lost []id.Allocation
	for i := range tasks {
		a := id.Allocation{1, byte(i)}
		lost = append(lost, a)
		slots = append(slots, scheduling.AllocatedSlot{
			Request: id.SlotRequest(i + 1), Slot: execgraph.Slot{Allocation: a, Worker: "w"},
		})
	}
	step(t, s, scheduling.SlotsAllocated{Slots: slots})
	step(t, s, scheduling.SlotsLost{
		Allocations: lost, Cause: failure.Info{Message: "w was lost"},
	})
	h := s.History()
	if len(h) != 1 || len(h[0].Concurrent) != scheduling.MaxConcurrent || h[0].Omitted != 4 ||
		h[0].Task != fmt.Sprintf("a (1/%d)", tasks) ||
		h[0].Concurrent[0].Task != "b (1/1)" {
		t.Fatalf("the loss of a TaskManager is %d incidents, the first with %d others and %d "+
			"omitted: %+v", len(h), len(h[0].Concurrent), h[0].Omitted, h[0])
	}
	for i := range 5 {
		step(t, s, scheduling.GlobalFailure{
			Cause: failure.Info{Message: fmt.Sprint("failure ", i)},
		})
	}
	h = s.History()
	if len(h) != 3 || h[0].Failure.Message != "failure 2" || h[2].Failure.Message != "failure 4" {
		t.Errorf("the history is %+v", h)
	}
	h[0].Failure.Message = "changed"
	if s.History()[0].Failure.Message != "failure 2" {
		t.Error("the history can be changed from outside")
	}
}

// A slot belongs to one request: a second assignment is an error that loses no other slot.
func TestDoubleAllocationIsRefused(t *testing.T) {
	g := newGraph(t, "vertex a p=3\nvertex b\nedge a b alltoall")
	s, err := scheduling.New(g, scheduling.Options{})
	if err != nil {
		t.Fatal(err)
	}
	step(t, s, scheduling.StartScheduling{})
	one := execgraph.Slot{Allocation: id.Allocation{1}, Worker: "w"}
	two := execgraph.Slot{Allocation: id.Allocation{2}, Worker: "w"}
	_, err = s.Step(epoch, scheduling.SlotsAllocated{Slots: []scheduling.AllocatedSlot{
		{Request: 1, Slot: one}, {Request: 2, Slot: one}, {Request: 3}, {Request: 2, Slot: two},
	}})
	if err == nil || !strings.Contains(err.Error(), "serves slot 0 of the sharing group") ||
		!strings.Contains(err.Error(), "request 3 was answered with no allocation id") {
		t.Errorf("error %v", err)
	}
	if missing, _ := s.MissingSlots(); missing != 1 {
		t.Errorf("%d slots are missing, want 1", missing)
	}
}
