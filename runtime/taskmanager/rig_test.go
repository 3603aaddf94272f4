package taskmanager_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/graph"
	"goflink/internal/sim"
	"goflink/operator"
	"goflink/operator/routing"
	"goflink/runtime/controlplane"
	"goflink/runtime/memstate"
	"goflink/runtime/metric"
	"goflink/runtime/task"
	"goflink/runtime/taskmanager"
)

const turnsMax = 100_000

var (
	textType = routing.NewType(typeinfo.MustOf[string]())
	jobID    = id.Job{7}
)

// rig is a TaskManager on a simulated host with a job of two vertices: a source and a sink of one
// subtask each. It is also the job's master and logs what it is told.
type rig struct {
	t       *testing.T
	w       *sim.World
	tm      *taskmanager.TaskManager
	metrics *metric.Registry
	graph   *graph.JobGraph
	code    *graph.Code
	lines   []string
	offered []controlplane.SlotOffer
	source  *source
	sink    *sink
	samples []controlplane.BackpressureSamples
	backend backend
	// stateful makes the sink open keyed state.
	stateful bool
}

// backend remembers what it was asked for, and has nothing.
type backend struct {
	statebackend.Backend
	asked []statebackend.KeyedOptions
}

func (b *backend) NewKeyed(_ context.Context, o statebackend.KeyedOptions) (
	statebackend.Keyed, error) {
	b.asked = append(b.asked, o)
	return nil, errors.New("there is no memory")
}

func newRig(t *testing.T, slots int) *rig {
	t.Helper()
	r := &rig{t: t, w: sim.New(1), metrics: metric.NewRegistry()}
	x, err := taskmanager.NewExchange(r.w, config.New())
	if err != nil {
		t.Fatal(err)
	}
	r.graph, r.code = r.program()
	r.tm = taskmanager.New(taskmanager.Options{Host: r.w, Worker: "w1", Slots: slots,
		ManagedBytes: 1000, Jobs: r, Exchange: x, Metrics: r.metrics,
		SlotFreed: func(id.Allocation) { r.log("resource manager: a slot is free") },
		Logger:    slog.New(slog.DiscardHandler)})
	return r
}

func (r *rig) log(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

// expect compares the log since the last call.
func (r *rig) expect(want ...string) {
	r.t.Helper()
	r.settle()
	got := strings.Join(r.lines, "\n")
	if got != strings.Join(want, "\n") {
		r.t.Errorf("happened:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
	r.lines = nil
}

// expectAll is expect for things whose order does not matter.
func (r *rig) expectAll(want ...string) {
	r.t.Helper()
	r.settle()
	slices.Sort(r.lines)
	r.expect(want...)
}

func (r *rig) settle() {
	r.t.Helper()
	if err := r.w.Settle(turnsMax); err != nil {
		r.t.Fatal(err)
	}
}

// program is the job: source -> sink over a network edge.
func (r *rig) program() (*graph.JobGraph, *graph.Code) {
	j := &graph.JobGraph{ID: jobID, Name: "job", Vertices: []graph.Vertex{
		{ID: id.Vertex{1}, Name: "source", Parallelism: 1, MaxParallelism: 128,
			Nodes: []graph.Node{{Stream: 1, Operator: id.Operator{1}, Name: "source", Source: true,
				Outputs: []graph.Output{{Node: -1, Result: 0}}}},
			Results: []graph.Result{{StreamEdge: 1, Consumer: 1}}},
		{ID: id.Vertex{2}, Name: "sink", Parallelism: 1, MaxParallelism: 128,
			Nodes: []graph.Node{{Stream: 2, Operator: id.Operator{2}, Name: "sink", Inputs: 1,
				KeySchema: []byte("{}")}},
			Inputs: []graph.Edge{{StreamEdge: 1}}},
	}}
	outputs := map[string]operator.OutputType{"": textType}
	return j, &graph.Code{
		Nodes: map[int]graph.NodeCode{
			1: {Outputs: outputs, Factory: operator.FactoryFunc(func() (operator.Operator, error) {
				r.source = &source{}
				return r.source, nil
			})},
			2: {Factory: operator.FactoryFunc(func() (operator.Operator, error) {
				r.sink = &sink{r: r}
				return r.sink, nil
			})},
		},
		Edges: map[int]graph.EdgeCode{1: {Router: textType.Routers().Single, Type: textType}},
	}
}

// Job knows one job.
func (r *rig) Job(j id.Job) (*taskmanager.Job, error) {
	if j != jobID {
		return nil, fmt.Errorf("job %s is not known", j)
	}
	return &taskmanager.Job{Graph: r.graph, Code: r.code, Config: config.New(),
		Backend: &r.backend, Storage: noStorage{}, Shared: task.NewShared(),
		OperatorStates: func(ctx context.Context, o statebackend.OperatorOptions) (
			statebackend.OperatorStore, error) {
			return memstate.NewOperatorStore(ctx, o)
		}}, nil
}

// allocate gives the job a slot.
func (r *rig) allocate(index int) id.Allocation {
	r.t.Helper()
	a := id.NewAllocation()
	if err := r.tm.Allocate(index, a, jobID, r); err != nil {
		r.t.Fatal(err)
	}
	return a
}

func attempt(vertex byte, number int32) id.Attempt {
	return id.Attempt{Job: jobID, Vertex: id.Vertex{vertex}, Number: number}
}

// deployment is that of the source or the sink.
func deployment(a id.Allocation, at id.Attempt) *controlplane.TaskDeployment {
	d := &controlplane.TaskDeployment{Attempt: at, Allocation: a, Vertex: int(at.Vertex[0]) - 1}
	if d.Vertex == 0 {
		d.Outputs = []int{1}
		return d
	}
	d.Inputs = []controlplane.InputDeployment{{Producers: []controlplane.Producer{{
		Partition: id.Partition{Producer: attempt(1, at.Number)}, Worker: "w1"}}}}
	return d
}

func (r *rig) submit(a id.Allocation, at id.Attempt) {
	r.t.Helper()
	r.tm.Submit(deployment(a, at), r)
}

// The rig as the job's master.
var _ controlplane.JobMaster = (*rig)(nil)

func name(a id.Attempt) string {
	return fmt.Sprintf("%s#%d", [...]string{"source", "sink"}[a.Vertex[0]-1], a.Number)
}

func (r *rig) ID() id.Job { return jobID }

func (r *rig) TaskRunning(a id.Attempt) { r.log("%s runs", name(a)) }

func (r *rig) TaskEnded(a id.Attempt, end controlplane.TaskEnd) {
	switch {
	case end.Cancelled:
		r.log("%s was cancelled", name(a))
	case end.Failure != nil:
		r.log("%s failed: %s", name(a), end.Failure.Message)
		if strings.Contains(end.Failure.Stack, "taskmanager_test.explode(") {
			r.log("  in explode")
		}
	default:
		r.log("%s finished", name(a))
	}
}

func (r *rig) AcknowledgeCheckpoint(a id.Attempt, cp uint64, _ statebackend.TaskSnapshot,
	_ statebackend.SnapshotMetrics) {
	r.log("%s acknowledged %d", name(a), cp)
}

func (r *rig) DeclineCheckpoint(a id.Attempt, cp uint64, _ controlplane.DeclineCause,
	reason failure.Info) {
	r.log("%s declined %d: %s", name(a), cp, reason.Message)
}

func (r *rig) OperatorEvent(a id.Attempt, _ id.Operator, event []byte) {
	r.log("event of %s: %s", name(a), event)
}

func (r *rig) WantsCheckpoint(a id.Attempt) { r.log("%s wants a checkpoint", name(a)) }

func (r *rig) OfferSlots(te controlplane.TaskExecutor, slots []controlplane.SlotOffer) {
	r.offered = append(r.offered, slots...)
	for _, s := range slots {
		r.log("%s offers slot %d", te.Worker(), s.Index)
	}
}

func (r *rig) Disconnected(w id.Worker, cause failure.Info) {
	r.log("%s is lost: %s", w, cause.Message)
}

func (r *rig) BackpressureSampled(_ id.Worker, s controlplane.BackpressureSamples) {
	r.samples = append(r.samples, s)
}

// noStorage refuses checkpoints.
type noStorage struct{}

func (noStorage) Location(uint64, string, id.Attempt) (statebackend.Location, error) {
	return nil, errors.New("there is no storage")
}

func (noStorage) Reader() statebackend.BlobReader { return nil }

// source emits what it is told to, or as much as it can.
type source struct {
	rt      operator.Runtime
	out     *operator.Emitter[string]
	records []string
	endless bool
	end     bool
}

func (s *source) Open(rt operator.Runtime) (err error) {
	s.rt = rt
	s.out, err = operator.NewEmitter[string](rt, "")
	return err
}

func (s *source) Input(int) any { return nil }
func (s *source) Finish() error { return nil }
func (s *source) Close() error  { return nil }

func (s *source) emit(records ...string) {
	s.records = append(s.records, records...)
	s.rt.Wake()
}

func (s *source) Poll(most int) (operator.PollStatus, error) {
	if s.endless {
		for range most {
			s.out.Emit("endless")
		}
		return operator.PollMore, s.out.Flush()
	}
	for _, v := range s.records {
		s.out.Emit(v)
	}
	s.records = nil
	if s.end {
		return operator.PollEnd, s.out.Flush()
	}
	return operator.PollIdle, s.out.Flush()
}

// CoordinatorEvent sends the event back.
func (s *source) CoordinatorEvent(event []byte) error { s.emit(string(event)); return nil }

// sink logs what it gets.
type sink struct {
	operator.Discard[string]
	r *rig
	// takes is the time that a record takes, as a function of the world.
	takes func()
}

func (s *sink) Open(rt operator.Runtime) (err error) {
	if s.r.stateful {
		_, err = rt.Keyed()
	}
	return err
}

func (s *sink) Input(int) any { return s }
func (s *sink) Finish() error { return nil }
func (s *sink) Close() error  { return nil }

func (s *sink) Batch(b *stream.Batch[string]) error {
	for _, v := range b.Values {
		switch {
		case v == "explode":
			explode()
		case s.takes != nil:
			s.takes()
		default:
			s.r.log("sink got %s", v)
		}
	}
	return nil
}

// CheckpointComplete and CheckpointAborted log.
func (s *sink) CheckpointComplete(cp uint64) error { s.r.log("sink: %d complete", cp); return nil }
func (s *sink) CheckpointAborted(cp uint64) error  { s.r.log("sink: %d aborted", cp); return nil }

func explode() { panic("a fault in user code") }
