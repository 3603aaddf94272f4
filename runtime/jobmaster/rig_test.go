package jobmaster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/stream"
	"goflink/graph"
	"goflink/internal/sim"
	"goflink/operator"
	"goflink/runtime/checkpoint"
	"goflink/runtime/controlplane"
	"goflink/runtime/execgraph/graphtest"
	"goflink/runtime/jobmaster"
	"goflink/runtime/metric"
)

// turnsMax bounds the turns of the simulation that one command may take.
const turnsMax = 100_000

// rig is one JobMaster on a simulated host. Its log is what the master traces and what it says to
// its TaskManagers, to the ResourceManager and to its storage.
type rig struct {
	t       testing.TB
	w       *sim.World
	m       *jobmaster.Master
	job     *graph.JobGraph
	lines   []string
	logged  strings.Builder
	workers map[string]*worker
	metrics *metric.Registry
	store   store
	slots   int
	// coordinators are those of the job's operators by name.
	coordinators map[string]*coordinator
}

func (r *rig) log(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *rig) flush() string {
	out := ""
	for _, l := range r.lines {
		out += l + "\n"
	}
	r.lines = nil
	return out
}

func newRig(t testing.TB, seed uint64) *rig {
	return &rig{t: t, w: sim.New(seed), workers: map[string]*worker{},
		metrics:      metric.NewRegistry(),
		coordinators: map[string]*coordinator{}}
}

// start makes the master of a job and starts it.
func (r *rig) start(text, restore string, settings map[string]string) error {
	job, err := graphtest.Parse(text)
	if err != nil {
		return err
	}
	code := &graph.Code{Nodes: map[int]graph.NodeCode{}}
	for i := range job.Vertices {
		r.addNode(job, i, code)
	}
	job.Restore.Path = restore
	c := config.FromMap(settings, "test")
	cs, err := config.ResolveCheckpointing(c)
	if err != nil {
		return err
	}
	r.store = store{r: r, saved: r.store.saved}
	m, err := jobmaster.New(jobmaster.Options{Host: r.w, Job: job, Code: code, Config: c,
		Resources: resources{r}, Trace: func(e string) { r.log("%s", e) },
		Logger:  slog.New(slog.NewTextHandler(&r.logged, nil)),
		Metrics: r.metrics.Group("jobmanager"), Ended: func() { r.log("ended") },
		Checkpoints: &jobmaster.CheckpointOptions{Settings: cs, Epoch: 1, Store: &r.store}})
	if err != nil {
		return err
	}
	r.m, r.job, r.slots = m, job, 0
	r.workers = map[string]*worker{}
	m.Start()
	return r.w.Settle(turnsMax)
}

// addNode gives a vertex its operator. Vertices whose names begin with a capital have a
// coordinator.
func (r *rig) addNode(job *graph.JobGraph, i int, code *graph.Code) {
	v := &job.Vertices[i]
	n := graph.Node{Stream: i, Operator: id.OperatorFromUID(v.Name), UID: v.Name, Name: v.Name,
		Inputs: len(v.Inputs), Source: len(v.Inputs) == 0}
	for k := range v.Results {
		n.Outputs = append(n.Outputs, graph.Output{Node: -1, Result: k})
	}
	nc := graph.NodeCode{}
	if v.Name[0] >= 'A' && v.Name[0] <= 'Z' {
		n.Coordinated = true
		nc.Coordinator = func(ctx operator.CoordinatorContext) (operator.Coordinator, error) {
			c := &coordinator{r: r, name: v.Name, ctx: ctx}
			r.coordinators[v.Name] = c
			return c, nil
		}
	}
	v.Nodes = []graph.Node{n}
	code.Nodes[i] = nc
}

// taskName names an attempt: vertex/subtask#number.
func (r *rig) taskName(a id.Attempt) string {
	for i := range r.job.Vertices {
		if v := &r.job.Vertices[i]; v.ID == a.Vertex {
			return fmt.Sprintf("%s/%d#%d", v.Name, a.Subtask, a.Number)
		}
	}
	return a.String()
}

func (r *rig) taskNames(as []id.Attempt) string {
	var names []string
	for _, a := range as {
		names = append(names, r.taskName(a))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// attempt finds the attempt that a name is of: vertex/subtask, which is the current one, or with
// #number behind it.
func (r *rig) attempt(name string) (id.Attempt, error) {
	task, number, numbered := strings.Cut(name, "#")
	vertex, subtask, _ := strings.Cut(task, "/")
	a := id.Attempt{Job: r.job.ID, Vertex: graphtest.VertexID(vertex)}
	if _, err := fmt.Sscan(subtask, &a.Subtask); err != nil {
		return a, fmt.Errorf("task %q: %w", name, err)
	}
	if numbered {
		_, err := fmt.Sscan(number, &a.Number)
		return a, err
	}
	tasks, err := r.tasks()
	if err != nil {
		return a, err
	}
	for _, t := range tasks {
		if t.Attempt.Vertex == a.Vertex && t.Attempt.Subtask == a.Subtask {
			return t.Attempt, nil
		}
	}
	return a, fmt.Errorf("no task %q", name)
}

// tasks asks the master for its tasks. Its actor runs in this goroutine.
func (r *rig) tasks() (ts []jobmaster.Task, err error) {
	return inWorld(r, func() ([]jobmaster.Task, error) { return r.m.Client().Tasks(r.t.Context()) })
}

// inWorld calls a method that waits for the master, from a goroutine of its own. The world runs
// when that waits, so that nothing runs at once. The caller is in a bubble of synctest.
func inWorld[T any](r *rig, f func() (T, error)) (v T, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		v, err = f()
	}()
	synctest.Wait()
	if err := r.w.Settle(turnsMax); err != nil {
		r.t.Fatal(err)
	}
	<-done
	return v, err
}

// worker is a TaskManager as far as the master sees it.
type worker struct {
	r    *rig
	name string
	// refuses is how deployments end that are not carried out; nil if they are.
	refuses *controlplane.TaskEnd
}

var _ controlplane.TaskExecutor = (*worker)(nil)

func (w *worker) log(format string, args ...any) {
	w.r.log("  %s: %s", w.name, fmt.Sprintf(format, args...))
}

func (w *worker) Worker() id.Worker   { return id.Worker(w.name) }
func (w *worker) DataAddress() string { return w.name + ":1" }

func (w *worker) Submit(d *controlplane.TaskDeployment, _ controlplane.JobMaster) {
	text := "submit " + w.r.taskName(d.Attempt)
	for _, in := range d.Inputs {
		var from []string
		for i, p := range in.Producers {
			from = append(from, fmt.Sprintf("%s@%s[%d]", w.r.taskName(p.Partition.Producer),
				p.Worker,
				in.ChannelOf(i)))
		}
		text += " from " + strings.Join(from, " ")
	}
	if len(d.Outputs) > 0 {
		text += fmt.Sprintf(" outputs %v", d.Outputs)
	}
	if d.Restore != nil {
		text += fmt.Sprintf(" restore %d", d.Restore.Checkpoint)
		if d.Restore.Finished {
			text += " finished"
		}
	}
	w.log("%s", text)
	if w.refuses != nil {
		w.r.m.TaskEnded(d.Attempt, *w.refuses)
	}
}

func (w *worker) CancelTask(a id.Attempt) { w.log("cancel %s", w.r.taskName(a)) }

func (w *worker) TriggerCheckpoint(a id.Attempt, b *stream.Barrier) {
	w.log("trigger %d at %s", b.Checkpoint, w.r.taskName(a))
}

func (w *worker) CheckpointComplete(as []id.Attempt, cp uint64) {
	w.log("complete %d for %s", cp, w.r.taskNames(as))
}

func (w *worker) CheckpointAborted(as []id.Attempt, cp uint64) {
	w.log("aborted %d for %s", cp, w.r.taskNames(as))
}

func (w *worker) CoordinatorEvent(a id.Attempt, _ id.Operator, event []byte) {
	w.log("event %s for %s", event, w.r.taskName(a))
}

func (w *worker) FreeSlot(_ id.Allocation, cause error) { w.log("free a slot: %s", cause) }

func (w *worker) ReleaseJob(id.Job) { w.log("release the job") }

func (w *worker) SampleBackpressure(q controlplane.BackpressureRequest, _ controlplane.JobMaster) {
	w.log("sample %s: %d times, every %s, for request %d", w.r.taskNames(q.Attempts), q.Samples,
		q.Delay, q.Request)
}

// resources is the ResourceManager as the master sees it.
type resources struct{ r *rig }

func (rs resources) DeclareRequirements(_ id.Job, slots int, _ controlplane.JobMaster) {
	rs.r.slots = slots
	rs.r.log("  resource manager: %d slots required", slots)
}

// store keeps checkpoints in memory.
type store struct {
	r     *rig
	saved map[string]*checkpoint.Completed
	// broken makes writing fail.
	broken bool
}

var _ jobmaster.CheckpointStore = (*store)(nil)

func (s *store) Prepare(_ context.Context, p checkpoint.PrepareLocation) (string, error) {
	return fmt.Sprintf("mem:///chk-%d", p.Checkpoint), nil
}

func (s *store) WriteMetadata(_ context.Context, w checkpoint.WriteMetadata) (string, error) {
	if s.broken {
		return "", errors.New("the disk is full")
	}
	path := fmt.Sprintf("mem:///%s-%d", map[bool]string{true: "chk",
		false: "sp"}[w.Completed.Kind ==
		stream.NoSavepoint], w.Completed.Checkpoint)
	s.r.log("  storage: %s written", path)
	if s.saved == nil {
		s.saved = map[string]*checkpoint.Completed{}
	}
	s.saved[path] = w.Completed
	return path, nil
}

func (s *store) Discard(_ context.Context, d checkpoint.Discard) error {
	s.r.log("  storage: checkpoint %d discarded", d.Checkpoint)
	return nil
}

func (s *store) Load(_ context.Context, path string) (*checkpoint.Completed, error) {
	c := s.saved[path]
	if c == nil {
		return nil, fmt.Errorf("there is no checkpoint at %s", path)
	}
	return c, nil
}

// coordinator is an operator's coordinator that logs what it is told.
type coordinator struct {
	r    *rig
	name string
	ctx  operator.CoordinatorContext
	// fails is the name of a method that panics.
	fails string
}

func (c *coordinator) told(method, format string, args ...any) error {
	c.r.log("  coordinator %s: %s%s", c.name, method, fmt.Sprintf(format, args...))
	if method == c.fails {
		panic("a fault in the coordinator")
	}
	return nil
}

func (c *coordinator) Start() error { return c.told("start", "") }

func (c *coordinator) Restore(cp uint64, state []byte) error {
	return c.told("restore", " %d %q", cp, state)
}

func (c *coordinator) Snapshot(cp uint64) ([]byte, error) {
	return fmt.Appendf(nil, "as of %d", cp), c.told("snapshot", " %d", cp)
}

func (c *coordinator) Event(subtask, attempt int, event []byte) error {
	if err := c.told("event", " %q of %d#%d", event, subtask, attempt); err != nil {
		return err
	}
	return c.ctx.Send(subtask, []byte("answer"))
}

func (c *coordinator) SubtaskReady(subtask, attempt int) error {
	return c.told("ready", " %d#%d", subtask, attempt)
}

func (c *coordinator) SubtaskFailed(subtask, attempt int) error {
	return c.told("failed", " %d#%d", subtask, attempt)
}

func (c *coordinator) SubtaskReset(subtask int, cp uint64) error {
	return c.told("reset", " %d to %d", subtask, cp)
}

func (c *coordinator) CheckpointComplete(cp uint64) error { return c.told("complete", " %d", cp) }

func (c *coordinator) Close() error { return c.told("close", "") }
