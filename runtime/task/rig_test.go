package task_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"goflink/core/accumulator"
	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/graph"
	"goflink/internal/sim"
	"goflink/operator"
	"goflink/runtime/dataplane"
	"goflink/runtime/memstate"
	"goflink/runtime/metric"
	"goflink/runtime/task"
)

// turnsMax bounds the turns of the simulation that one command may take.
const turnsMax = 100_000

// rig is one task on a simulated host, with real exchanges at both ends. Its log is what happens to
// the operators and what the task reports.
type rig struct {
	t        testing.TB
	w        *sim.World
	registry *dataplane.Registry
	metrics  *metric.Registry
	lines    []line
	// late are the acknowledgements. Snapshots are written while the task goes on, so they stand at
	// the end of what is logged.
	late []string

	task *task.Task
	// made counts the operators that factories have made, by name.
	made       map[string]int
	behaviours map[string]*behaviour
	// inputs are the partitions that the task reads, by gate and channel; outputs its own, and
	// readers the gates that read them.
	inputs  [][]*dataplane.Partition
	outputs []*dataplane.Partition
	readers []*dataplane.Gate
	feed    *feed
	storage storage
	// acked are the task's parts of checkpoints.
	acked   map[uint64]statebackend.TaskSnapshot
	attempt int32
	over    bool
	// rt is what the operator that was opened last was given.
	rt operator.Runtime
}

// line is something that happened to somebody.
type line struct{ who, what string }

// design says what task to make.
type design struct {
	// channels are the numbers of channels of the gates; without any the head is a source.
	channels []int
	// union makes all gates lead to input 0.
	union bool
	// operators is the length of the chain, results the number of outputs.
	operators, results int
	// keepAligned are the gates and keepOut the results that take no unaligned barriers.
	keepAligned, keepOut []int
	finalCheckpoint      bool
	// restore is the checkpoint that the task begins with, finished that it had ended before it.
	restore  uint64
	finished bool
	// markers is the granularity of latency markers, which are sent each second; empty for none.
	markers string
	// let, if there, is the action of this name.
	let []string
	// segment is the size of network segments: what bounds outputs.
	segment int
}

func newRig(t testing.TB, seed uint64) *rig {
	r := &rig{t: t, w: sim.New(seed), made: map[string]int{},
		behaviours: map[string]*behaviour{}, acked: map[uint64]statebackend.TaskSnapshot{}}
	r.registry = dataplane.NewRegistry(dataplane.RegistryOptions{After: r.w.After})
	return r
}

// saw logs what happened to who; what happens to the same in a row is one line.
func (r *rig) saw(who, what string) {
	if n := len(r.lines); n > 0 && r.lines[n-1].who == who {
		r.lines[n-1].what += " " + what
		return
	}
	r.lines = append(r.lines, line{who, what})
}

// report logs what the task reports, in a line of its own.
func (r *rig) report(format string, args ...any) {
	r.lines = append(r.lines, line{"", fmt.Sprintf(format, args...)})
}

// flush returns the log since the last call.
func (r *rig) flush() string {
	var b strings.Builder
	for _, l := range r.lines {
		if l.who != "" {
			b.WriteString(l.who + ": ")
		}
		b.WriteString(l.what + "\n")
	}
	for _, l := range r.late {
		b.WriteString(l + "\n")
	}
	r.lines, r.late = nil, nil
	return b.String()
}

// start makes a new attempt of the task and starts it.
func (r *rig) start(d design) {
	r.t.Helper()
	r.stop()
	r.make(d)
	r.settle()
}

// make makes a new attempt of the task, which has done nothing yet.
func (r *rig) make(d design) {
	r.t.Helper()
	r.metrics = metric.NewRegistry()
	r.attempt++
	v, code := r.vertex(d)
	o := task.Options{
		Host: r.w,
		Info: operator.Info{Job: id.Job{1}, JobName: "job", TaskName: "task (1/1)", Parallelism: 1,
			MaxParallelism: 128, Attempt: id.Attempt{Job: id.Job{1}, Vertex: v.ID,
				Number: r.attempt}},
		Vertex: v, Code: code, Config: config.New(), Backend: memstate.New(),
		OperatorStates: func(ctx context.Context, o statebackend.OperatorOptions) (
			statebackend.OperatorStore, error) {
			return memstate.NewOperatorStore(ctx, o)
		},
		Storage: &r.storage, Listener: listener{r}, Logger: slog.New(slog.DiscardHandler),
		Metrics: r.metrics.Group("task"), FinalCheckpoint: d.finalCheckpoint,
		Shared: task.NewShared(),
	}
	if d.markers != "" {
		o.Config.Set("metrics.latency.interval", "1 s", "test")
		o.Config.Set("metrics.latency.granularity", d.markers, "test")
	}
	r.connect(d, &o)
	if d.restore != 0 || d.finished {
		o.Restore = r.restored(d)
	}
	r.feed, r.rt, r.over = &feed{}, nil, false
	clear(r.behaviours)
	if d.let != nil {
		if err := r.let(d.let); err != nil {
			r.t.Fatal(err)
		}
	}
	r.task = task.New(o)
	r.task.Start()
}

// logged reports whether something happened to an operator since the log was flushed.
func (r *rig) logged(what string) bool {
	return slices.ContainsFunc(r.lines, func(l line) bool {
		return slices.Contains(strings.Fields(l.what), what)
	})
}

// happened reports whether the log ends with something that happened to an operator.
func (r *rig) happened(what string) bool {
	n := len(r.lines)
	return n > 0 && strings.HasSuffix(" "+r.lines[n-1].what, " "+what)
}

// stop ends the task that runs, if any; nobody cares about it any more.
func (r *rig) stop() {
	r.t.Helper()
	if r.task == nil {
		return
	}
	r.task.Cancel()
	r.w.LimitSteps(0)
	if r.settle(); !r.over {
		r.t.Fatal("a task that was cancelled did not end")
	}
	r.flush()
}

func (r *rig) settle() {
	r.t.Helper()
	if err := r.w.Settle(turnsMax); err != nil {
		r.t.Fatal(err)
	}
}

// vertex describes the task's operators.
func (r *rig) vertex(d design) (*graph.Vertex, *graph.Code) {
	v := &graph.Vertex{ID: id.Vertex{1}, Name: "task", Parallelism: 1, MaxParallelism: 128}
	code := &graph.Code{Nodes: map[int]graph.NodeCode{}, Edges: map[int]graph.EdgeCode{}}
	edge := graph.EdgeCode{Router: textType.Routers().Single, Type: textType}
	for i := range d.channels {
		e := graph.Edge{Input: i, StreamEdge: 10 + i,
			KeepAligned: slices.Contains(d.keepAligned, i)}
		if d.union {
			e.Input = 0
		}
		v.Inputs = append(v.Inputs, e)
		code.Edges[10+i] = edge
	}
	for i := range d.results {
		v.Results = append(v.Results, graph.Result{StreamEdge: 20 + i,
			KeepAligned: slices.Contains(d.keepOut, i)})
		code.Edges[20+i] = edge
	}
	for i := range d.operators {
		n := graph.Node{Stream: i, Operator: id.Operator{byte(i + 1)}, Name: fmt.Sprintf("op%d", i)}
		inputs := 1
		if i == 0 {
			n.Source = len(d.channels) == 0
			if inputs = len(d.channels); d.union {
				inputs = 1
			}
		}
		if i+1 < d.operators {
			n.Outputs = []graph.Output{{Node: i + 1, Result: -1}}
		} else {
			for k := range d.results {
				n.Outputs = append(n.Outputs, graph.Output{Node: -1, Result: k})
			}
		}
		v.Nodes = append(v.Nodes, n)
		code.Nodes[i] = graph.NodeCode{Outputs: map[string]operator.OutputType{"": textType},
			Factory: r.factory(n, inputs)}
	}
	return v, code
}

func (r *rig) factory(n graph.Node, inputs int) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		r.made[n.Name]++
		p := newProbe(r, n.Name, r.made[n.Name], inputs)
		p.feed = r.feed
		if n.Source {
			return &source{p}, nil
		}
		return p, nil
	})
}

// connect makes the exchanges of the task.
func (r *rig) connect(d design, o *task.Options) {
	r.t.Helper()
	r.inputs, r.outputs, r.readers = nil, nil, nil
	buffers := dataplane.Buffers{SegmentBytes: d.segment}
	for g, n := range d.channels {
		var sources []dataplane.ChannelSource
		var ps []*dataplane.Partition
		for c := range n {
			pid := id.Partition{Producer: id.Attempt{Vertex: id.Vertex{2, byte(g)},
				Subtask: int32(c), Number: r.attempt}}
			ps = append(ps, r.partition(pid, dataplane.Buffers{}))
			sources = append(sources, dataplane.ChannelSource{Partition: pid})
		}
		r.inputs = append(r.inputs, ps)
		o.Gates = append(o.Gates, r.gate("task", sources))
	}
	for i := range d.results {
		pid := id.Partition{Producer: o.Info.Attempt, Output: int32(i)}
		p := r.partition(pid, buffers)
		r.outputs = append(r.outputs, p)
		o.Partitions = append(o.Partitions, p)
		g := r.gate("reader", []dataplane.ChannelSource{{Partition: pid}})
		g.Connect()
		r.readers = append(r.readers, g)
	}
}

func (r *rig) partition(pid id.Partition, b dataplane.Buffers) *dataplane.Partition {
	r.t.Helper()
	p, err := dataplane.NewPartition(dataplane.PartitionOptions{ID: pid, Channels: 1,
		Type: textType, Buffers: b, Now: r.w.Now})
	if err == nil {
		err = r.registry.Add(p)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rig) gate(name string, sources []dataplane.ChannelSource) *dataplane.Gate {
	r.t.Helper()
	g, err := dataplane.NewGate(dataplane.GateOptions{Name: name, Sources: sources, Type: textType,
		Registry: r.registry})
	if err != nil {
		r.t.Fatal(err)
	}
	return g
}

// restored is the state of a checkpoint that an earlier attempt acknowledged. What was in flight to
// its consumers is theirs.
func (r *rig) restored(d design) *task.Restore {
	re := &task.Restore{Checkpoint: d.restore, Finished: d.finished,
		Operators: map[id.Operator]statebackend.OperatorSnapshot{}}
	for _, o := range r.acked[d.restore].Operators {
		s := o.OperatorSnapshot
		s.OutputChannels = nil
		re.Operators[o.ID] = s
	}
	return re
}

// listener logs what the task reports.
type listener struct{ r *rig }

func (l listener) Running(id.Attempt) { l.r.report("running") }

func (l listener) Ended(_ id.Attempt, err error, _ []accumulator.Share) {
	if l.r.over {
		l.r.t.Error("the task reported its end twice")
	}
	l.r.over = true
	switch {
	case err == nil:
		l.r.report("finished")
	case errors.Is(err, task.ErrCancelled):
		l.r.report("cancelled")
	default:
		info := failure.InfoOf(err)
		l.r.report("failed: %s", info.Message)
		if strings.Contains(info.Stack, "task_test.userCode(") {
			l.r.report("  at userCode")
		}
	}
}

func (l listener) Acknowledge(_ id.Attempt, cp uint64, s statebackend.TaskSnapshot,
	m statebackend.SnapshotMetrics) {
	l.r.acked[cp] = s
	text := fmt.Sprintf("acknowledge %d", cp)
	if m.Unaligned {
		text += " unaligned"
	}
	if s.Finished {
		text += " finished"
	}
	for _, o := range s.Operators {
		text += l.channels("in", o.InputChannels) + l.channels("out", o.OutputChannels)
	}
	l.r.late = append(l.r.late, text)
}

// channels writes channel state down.
func (l listener) channels(what string, hs []statebackend.ChannelHandle) string {
	text := ""
	for _, h := range hs {
		text += fmt.Sprintf(" %s%d/%d[%s]", what, h.Edge, h.Channel,
			l.r.stateText(h.Contents.Inline))
	}
	return text
}

// stateText writes encoded channel state down.
func (r *rig) stateText(state []byte) (text string) {
	r.t.Helper()
	err := dataplane.ReadState(textType, state, func(e stream.Element) error {
		text += elementText(e)
		return nil
	})
	if err != nil {
		r.t.Error(err)
	}
	return strings.TrimSpace(text)
}

func (l listener) Decline(_ id.Attempt, cp uint64, cause task.DeclineCause, reason error) {
	l.r.report("decline %d: %s: %s", cp, [...]string{task.Failed: "failed",
		task.NotReady: "not ready",
		task.Ended:    "ended", task.Superseded: "superseded"}[cause], reason)
}

func (l listener) CoordinatorEvent(_ id.Attempt, op id.Operator, event []byte) {
	l.r.report("event for the coordinator of %d: %s", op[0], event)
}

func (l listener) WantsCheckpoint(id.Attempt) { l.r.report("wants a checkpoint") }

// elementText writes an element down, with a space behind each of its parts.
func elementText(e stream.Element) string {
	switch e.Kind {
	case stream.KindBatch:
		defer e.Batch.Release()
		return strings.Join(e.Batch.(*stream.Batch[string]).Values, " ") + " "
	case stream.KindWatermark:
		return "wm=" + watermarkText(e.Watermark) + " "
	case stream.KindStatus:
		return e.Status.String() + " "
	case stream.KindBarrier:
		if e.Barrier.Alignment == stream.Unaligned {
			return fmt.Sprintf("barrier=%d(unaligned) ", e.Barrier.Checkpoint)
		}
		return fmt.Sprintf("barrier=%d ", e.Barrier.Checkpoint)
	case stream.KindCancelBarrier:
		return fmt.Sprintf("cancel=%d ", e.Watermark)
	case stream.KindEndOfInput:
		if !e.Drained {
			return "stopped "
		}
		return "end "
	}
	return e.Kind.String() + " "
}

// storage keeps what is written in the handles themselves.
type storage struct {
	// unreachable makes Location fail, full what is written.
	unreachable, full bool
}

func (s *storage) Location(cp uint64, _ string, _ id.Attempt) (statebackend.Location, error) {
	if s.unreachable {
		return nil, errors.New("the storage cannot be reached")
	}
	return location{s}, nil
}

func (s *storage) Reader() statebackend.BlobReader { return inlineReader{} }

type location struct{ s *storage }

func (l location) Create(context.Context, string) (statebackend.BlobWriter, error) {
	return &inlineWriter{s: l.s}, nil
}

type inlineWriter struct {
	bytes.Buffer
	s *storage
}

func (w *inlineWriter) Write(b []byte) (int, error) {
	if w.s.full {
		return 0, errors.New("the storage is full")
	}
	return w.Buffer.Write(b)
}

func (w *inlineWriter) Commit() (statebackend.Blob, error) {
	return statebackend.Blob{Inline: w.Bytes(), Length: int64(w.Len())}, nil
}

func (w *inlineWriter) Discard() {}

type inlineReader struct{}

func (inlineReader) Open(_ context.Context, b statebackend.Blob) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b.Inline)), nil
}

func (inlineReader) OpenAt(_ context.Context, b statebackend.Blob, offset, length int64) (
	io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b.Inline[offset : offset+length])), nil
}
