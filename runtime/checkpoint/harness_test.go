package checkpoint

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/graph"
)

// testJob builds a job from lines such as
//
//	map p=2 max=128 keyed <- src hash, other rebalance
//
// Each vertex has the operators of its name; a vertex named "a+b" is a chain. Flags: coordinated,
// keyed, fixed. UIDs are the operators' names, unless they begin with a small "x", which have none.
func testJob(t testing.TB, text string) *graph.JobGraph {
	t.Helper()
	job := &graph.JobGraph{Version: graph.Version, Name: "test", ID: id.Job{0xab, 1}}
	index := map[string]int{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		left, right, _ := strings.Cut(line, "<-")
		words := strings.Fields(left)
		v := graph.Vertex{Name: words[0], Parallelism: 1, MaxParallelism: keygroup.MinMax}
		flags := map[string]bool{}
		for _, w := range words[1:] {
			name, value, _ := strings.Cut(w, "=")
			n, _ := strconv.Atoi(value)
			switch name {
			case "p":
				v.Parallelism = n
			case "max":
				v.MaxParallelism = n
			case "fixed":
				v.MaxParallelismFixed = true
			default:
				flags[name] = true
			}
		}
		for i, name := range strings.Split(words[0], "+") {
			n := graph.Node{Name: name, UID: name, Operator: id.OperatorFromUID(name), Inputs: 1,
				Coordinated: flags["coordinated"] && i == 0}
			if strings.HasPrefix(name, "x") {
				n.UID, n.Operator = "", id.OperatorFromHash([]byte(name))
			}
			if flags["keyed"] {
				n.KeySchema = []byte("{}")
			}
			v.Nodes = append(v.Nodes, n)
		}
		v.ID = id.Vertex(v.Nodes[0].Operator)
		at := len(job.Vertices)
		if right == "" {
			v.Nodes[0].Source, v.Nodes[0].Inputs = true, 0
		} else {
			connect(t, job, index, &v, at, right)
		}
		index[v.Name] = at
		job.Vertices = append(job.Vertices, v)
	}
	return job
}

func connect(t testing.TB, job *graph.JobGraph, index map[string]int, v *graph.Vertex, at int,
	producers string,
) {
	t.Helper()
	for i, p := range strings.Split(producers, ",") {
		words := append(strings.Fields(p), "rebalance", "T")
		from, ok := index[words[0]]
		if !ok {
			t.Fatalf("no vertex %q", words[0])
		}
		part := map[string]graph.Partitioning{"hash": graph.KeyGroup, "rebalance": graph.Rebalance,
			"forward": graph.Forward, "global": graph.Global, "custom": graph.Custom,
			"broadcast": graph.Broadcast, "shuffle": graph.Shuffle}[words[1]]
		pattern := graph.AllToAll
		if part == graph.Forward {
			pattern = graph.PointWise
		}
		pv := &job.Vertices[from]
		result := len(pv.Results)
		pv.Results = append(pv.Results, graph.Result{Partitioning: part, Pattern: pattern,
			Consumer: at, ConsumerInput: i, ConsumerMaxParallelism: v.MaxParallelism})
		tail := &pv.Nodes[len(pv.Nodes)-1]
		tail.Outputs = append(tail.Outputs, graph.Output{Type: words[2], Node: -1, Result: result})
		v.Inputs = append(v.Inputs, graph.Edge{Input: i, Producer: from, Result: result,
			Partitioning: part, Pattern: pattern})
	}
}

// start is when the time of tests begins.
var start = time.UnixMilli(1_000_000_000_000).UTC()

// world drives a Coordinator as a shell would, and keeps what it did.
type world struct {
	t     testing.TB
	job   *graph.JobGraph
	o     Options
	c     *Coordinator
	now   time.Time
	timer time.Time
	// effects are those of the latest steps; errs likewise.
	effects []Effect
	errs    []error
	attempt map[string]id.Attempt // by name
	// auto answers what is not the matter of the test: directories, coordinators, metadata,
	// discards.
	auto bool
	// open are the barriers of checkpoints by number.
	barriers map[uint64]*stream.Barrier
}

func settings() config.CheckpointSettings {
	return config.CheckpointSettings{Enabled: true, Interval: 10 * time.Second,
		IntervalDuringBacklog: 10 * time.Second, Mode: config.ExactlyOnce, Timeout: time.Minute,
		MaxConcurrent: 1, Retention: config.NoExternalizedCheckpoints, NumRetained: 1,
		AfterTasksFinish: true, TolerableFailures: 100}
}

func newWorld(t testing.TB, job *graph.JobGraph, o Options) *world {
	t.Helper()
	o.Job = job
	if o.Settings == (config.CheckpointSettings{}) {
		o.Settings = settings()
	}
	w := &world{t: t, job: job, o: o, now: start, barriers: map[uint64]*stream.Barrier{},
		attempt: map[string]id.Attempt{}}
	for i := range job.Vertices {
		v := &job.Vertices[i]
		for j := range v.Parallelism {
			w.attempt[fmt.Sprintf("%s/%d", v.Name, j)] = id.Attempt{Job: job.ID, Vertex: v.ID,
				Subtask: int32(j)}
		}
	}
	var err error
	if w.c, err = New(o); err != nil {
		t.Fatal(err)
	}
	return w
}

// name is the inverse of attempt.
func (w *world) name(a id.Attempt) string {
	for i := range w.job.Vertices {
		if v := &w.job.Vertices[i]; v.ID == a.Vertex {
			n := fmt.Sprintf("%s/%d", v.Name, a.Subtask)
			if a.Number > 0 {
				n += fmt.Sprintf("#%d", a.Number)
			}
			return n
		}
	}
	return a.String()
}

func (w *world) names(as []id.Attempt) string {
	var names []string
	for _, a := range as {
		names = append(names, w.name(a))
	}
	return strings.Join(names, " ")
}

// tasks finds attempts by name: "map/0", "map" for all of a vertex, "all".
func (w *world) tasks(names ...string) []id.Attempt {
	w.t.Helper()
	var as []id.Attempt
	for _, n := range names {
		found := false
		for i := range w.job.Vertices {
			v := &w.job.Vertices[i]
			for j := range v.Parallelism {
				full := fmt.Sprintf("%s/%d", v.Name, j)
				if n == "all" || n == v.Name || n == full {
					as = append(as, w.attempt[full])
					found = true
				}
			}
		}
		if !found {
			w.t.Fatalf("no task %q", n)
		}
	}
	return as
}

// step takes an event in, and in auto mode what follows from the effects.
func (w *world) step(e Event) (all []Effect) {
	w.t.Helper()
	for queue := []Event{e}; len(queue) > 0; queue = queue[1:] {
		out, err := w.c.Step(w.now, queue[0])
		if err != nil {
			w.errs = append(w.errs, err)
		}
		all = append(all, out...)
		for _, f := range out {
			switch f := f.(type) {
			case SetTimer:
				w.timer = f.At
			case TriggerTasks:
				w.barriers[f.Barrier.Checkpoint] = f.Barrier
			}
			if w.auto {
				queue = append(queue, answers(f)...)
			}
		}
	}
	w.effects = append(w.effects, all...)
	return all
}

// answers are the results of an effect where all goes well.
func answers(f Effect) (es []Event) {
	switch f := f.(type) {
	case PrepareLocation:
		es = append(es, LocationPrepared{Checkpoint: f.Checkpoint, Location: location(f)})
	case SnapshotCoordinators:
		for _, op := range f.Operators {
			es = append(es, CoordinatorSnapshot{Operator: op, Checkpoint: f.Checkpoint,
				State: []byte("state")})
		}
	case WriteMetadata:
		es = append(es, MetadataWritten{Checkpoint: f.Completed.Checkpoint,
			Path: f.Completed.Location})
	case Discard:
		es = append(es, Discarded{ID: f.ID})
	}
	return es
}

func location(p PrepareLocation) string {
	if p.Kind != stream.NoSavepoint {
		return fmt.Sprintf("%s/savepoint-%d", p.Target, p.Checkpoint)
	}
	return fmt.Sprintf("mem:///cp/chk-%d", p.Checkpoint)
}

// advance moves the time and fires the timer whenever it is due.
func (w *world) advance(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	for !w.timer.IsZero() && !w.timer.After(end) {
		if w.timer.After(w.now) {
			w.now = w.timer
		}
		w.timer = time.Time{}
		w.step(TimerFired{})
	}
	w.now = end
}

// stateFile is the URI of a state file of a checkpoint.
func (w *world) stateFile(a id.Attempt, checkpoint uint64, number int, shared bool) string {
	name := FileName{Attempt: a, Epoch: w.o.Epoch, Checkpoint: checkpoint, Number: uint64(number),
		Hint: "state"}
	if b := w.barriers[checkpoint]; b != nil && b.Target != "" {
		return b.Target + "/" + name.String()
	}
	if shared {
		return "mem:///cp/shared/" + name.String()
	}
	return fmt.Sprintf("mem:///cp/chk-%d/%s", checkpoint, name)
}

// snapshot is a task's part: one file of its own, and the given ones besides.
func (w *world) snapshot(a id.Attempt, checkpoint uint64, files ...string,
) statebackend.TaskSnapshot {
	v := &w.job.Vertices[w.c.plan.byID[a.Vertex]]
	op := statebackend.NamedSnapshot{ID: v.Nodes[0].Operator}
	for _, f := range append([]string{w.stateFile(a, checkpoint, 1, false)}, files...) {
		op.Operator = append(op.Operator, statebackend.OperatorStateHandle{Name: f,
			Offsets: []int64{0, 10}, Contents: statebackend.Blob{File: f, Length: 10}})
	}
	return statebackend.TaskSnapshot{Operators: []statebackend.NamedSnapshot{op}}
}

func (w *world) ack(checkpoint uint64, as []id.Attempt, files ...string) {
	w.t.Helper()
	for _, a := range as {
		w.step(Acknowledged{Attempt: a, Checkpoint: checkpoint,
			Snapshot: w.snapshot(a, checkpoint, files...),
			Metrics:  statebackend.SnapshotMetrics{Sync: 1e6, Async: 2e6, StateBytes: 10}})
	}
}

// take returns the effects and errors since the last call, as text.
func (w *world) take() string {
	var b strings.Builder
	for _, e := range w.effects {
		fmt.Fprintln(&b, w.format(e))
	}
	for _, err := range w.errs {
		fmt.Fprintf(&b, "error: %v\n", err)
	}
	w.effects, w.errs = nil, nil
	if b.Len() == 0 {
		return "-\n"
	}
	return b.String()
}

// format writes an effect as one line.
func (w *world) format(e Effect) string {
	switch e := e.(type) {
	case SetTimer:
		if e.At.IsZero() {
			return "timer: none"
		}
		return fmt.Sprintf("timer: %v", e.At.Sub(start))
	case PrepareLocation:
		s := fmt.Sprintf("prepare %d", e.Checkpoint)
		if e.Kind != stream.NoSavepoint {
			s += " below " + e.Target
		}
		return s
	case SnapshotCoordinators:
		return fmt.Sprintf("snapshot coordinators of %d: %s",
			e.Checkpoint, w.operators(e.Operators))
	case TriggerTasks:
		s := fmt.Sprintf("trigger %d %v", e.Barrier.Checkpoint, e.Barrier.Alignment)
		if e.Barrier.Savepoint != stream.NoSavepoint {
			s += fmt.Sprintf(" savepoint(%d) at %s", e.Barrier.Savepoint, e.Barrier.Target)
		}
		if e.Barrier.AlignTimeout > 0 {
			s += fmt.Sprintf(" timeout %dms", e.Barrier.AlignTimeout)
		}
		if e.Barrier.Full {
			s += " full"
		}
		return s + ": " + w.names(e.Attempts)
	case WriteMetadata:
		s := fmt.Sprintf("write %d", e.Completed.Checkpoint)
		if !e.RestorePoint {
			s += " (no restore point)"
		}
		return s
	case NotifyComplete:
		return fmt.Sprintf("notify complete %d: %s", e.Checkpoint,
			strings.TrimSpace(w.names(e.Attempts)+" "+w.operators(e.Operators)))
	case NotifyAborted:
		return fmt.Sprintf("notify aborted %d: %s", e.Checkpoint,
			strings.TrimSpace(w.names(e.Attempts)+" "+w.operators(e.Operators)))
	case Discard:
		return w.formatDiscard(e)
	case RequestDone:
		s := fmt.Sprintf("done %s: checkpoint %d", e.Request, e.Checkpoint)
		if e.Err != nil {
			return s + ": " + e.Err.Error()
		}
		return s + " " + e.Path
	case RestoreFrom:
		if e.Completed == nil {
			return "restore from the beginning"
		}
		return fmt.Sprintf("restore from %d", e.Completed.Checkpoint)
	case FailJob:
		return "fail job: " + e.Err.Error()
	case Terminated:
		return "terminated"
	}
	return fmt.Sprintf("%T", e)
}

func (w *world) operators(ops []id.Operator) string {
	var names []string
	for _, op := range ops {
		for _, v := range w.job.Vertices {
			for _, n := range v.Nodes {
				if n.Operator == op {
					names = append(names, n.Name+"*")
				}
			}
		}
	}
	return strings.Join(names, " ")
}

func (w *world) formatDiscard(d Discard) string {
	short := func(files []string) string {
		var names []string
		for _, f := range files {
			n, _ := ParseFileName(f)
			dir := strings.TrimPrefix(f[:strings.LastIndexByte(f, '/')], "mem:///cp/")
			names = append(names, fmt.Sprintf("%s/%s@%d", dir, w.name(n.Attempt), n.Checkpoint))
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	s := fmt.Sprintf("discard %d", d.Checkpoint)
	if d.Location != "" {
		s += " in " + strings.TrimPrefix(d.Location, "mem:///cp/")
	}
	if len(d.Keep) > 0 {
		s += " but " + short(d.Keep)
	}
	if len(d.Files) > 0 {
		s += " and " + short(d.Files)
	}
	if d.Last {
		s += " and the job's directories"
	}
	return s
}

// errOf returns an error for a text, nil for none.
func errOf(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}
