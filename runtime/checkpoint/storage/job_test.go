package storage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/graph"
	"goflink/runtime/checkpoint"
)

// shell is a job whose tasks write a text as their state: coordinator, storage and tasks together,
// all in one goroutine.
type shell struct {
	*env
	job   *graph.JobGraph
	c     *checkpoint.Coordinator
	now   time.Time
	timer time.Time
	// events are those that wait, the first of them being taken in.
	events []checkpoint.Event
	tasks  []id.Attempt
	// state is that of each task.
	state map[id.Attempt]string
	// seen are the effects that tests look at.
	barriers  []*stream.Barrier
	completed []uint64
	requests  []checkpoint.RequestDone
	failed    []error
	ended     bool
}

// pipeline is a source and a sink.
func pipeline(job id.Job, parallelism int) *graph.JobGraph {
	g := &graph.JobGraph{Version: graph.Version, ID: job, Name: "pipeline"}
	for i, name := range []string{"src", "sink"} {
		op := id.OperatorFromUID(name)
		g.Vertices = append(g.Vertices, graph.Vertex{ID: id.Vertex(op), Name: name,
			Parallelism: parallelism, MaxParallelism: keygroup.MinMax,
			Nodes: []graph.Node{{Operator: op, UID: name, Name: name, Source: i == 0}}})
	}
	g.Vertices[0].Results = []graph.Result{{Pattern: graph.AllToAll, Consumer: 1}}
	g.Vertices[1].Inputs = []graph.Edge{{Pattern: graph.AllToAll}}
	return g
}

// run starts a job on an environment, from a checkpoint or from the beginning.
func run(e *env, job *graph.JobGraph, s config.CheckpointSettings,
	from *checkpoint.Completed,
) *shell {
	e.t.Helper()
	sh := &shell{env: e, job: job, now: time.UnixMilli(1e12), state: map[id.Attempt]string{}}
	e.reopen(e.fs, func(o *Options) { o.Job = job.ID })
	var err error
	sh.c, err = checkpoint.New(checkpoint.Options{Job: job, Settings: s, Epoch: e.o.Epoch,
		SavepointDirectory: "mem:///sp", Initial: from})
	if err != nil {
		e.t.Fatal(err)
	}
	for i := range job.Vertices {
		v := &job.Vertices[i]
		for j := range v.Parallelism {
			a := id.Attempt{Job: job.ID, Vertex: v.ID, Subtask: int32(j)}
			sh.tasks = append(sh.tasks, a)
			sh.state[a] = fmt.Sprintf("%s %d: %s", v.Name, j, long)
		}
	}
	if from != nil {
		sh.restore(from)
	}
	sh.step(checkpoint.TasksRunning{Attempts: sh.tasks})
	return sh
}

// restore reads the state of a checkpoint.
func (s *shell) restore(from *checkpoint.Completed) {
	s.t.Helper()
	a, err := checkpoint.Assign(&from.Metadata, s.job, false)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, task := range s.tasks {
		var parts []string
		op := id.Operator(task.Vertex)
		for _, h := range a.Vertices[task.Vertex][task.Subtask].Operators[op].Operator {
			text, err := s.get(h.Contents)
			if err != nil {
				s.t.Fatal(err)
			}
			parts = append(parts, text)
		}
		s.state[task] = strings.Join(parts, "\n")
	}
}

// step takes an event in, and then those that follow from it.
func (s *shell) step(e checkpoint.Event) {
	s.t.Helper()
	s.events = append(s.events, e)
	if len(s.events) > 1 {
		return // whoever takes the first one in goes on
	}
	for ; len(s.events) > 0; s.events = s.events[1:] {
		effects, err := s.c.Step(s.now, s.events[0])
		if err != nil {
			s.t.Fatal(err)
		}
		for _, f := range effects {
			s.carryOut(f)
		}
	}
}

func (s *shell) carryOut(f checkpoint.Effect) {
	s.t.Helper()
	ctx := s.t.Context()
	switch f := f.(type) {
	case checkpoint.SetTimer:
		s.timer = f.At
	case checkpoint.PrepareLocation:
		l, err := s.Prepare(ctx, f)
		s.step(checkpoint.LocationPrepared{Checkpoint: f.Checkpoint, Location: l, Err: err})
	case checkpoint.TriggerTasks:
		s.barriers = append(s.barriers, f.Barrier)
		for _, a := range s.tasks {
			s.snapshot(a, f.Barrier)
		}
	case checkpoint.WriteMetadata:
		path, err := s.WriteMetadata(ctx, f)
		s.step(checkpoint.MetadataWritten{Checkpoint: f.Completed.Checkpoint, Path: path,
			Err: err})
	case checkpoint.NotifyComplete:
		s.completed = append(s.completed, f.Checkpoint)
	case checkpoint.Discard:
		s.step(checkpoint.Discarded{ID: f.ID, Err: s.Discard(ctx, f)})
	case checkpoint.RequestDone:
		s.requests = append(s.requests, f)
	case checkpoint.FailJob:
		s.failed = append(s.failed, f.Err)
	case checkpoint.Terminated:
		s.ended = true
	}
}

// snapshot is a task's part.
func (s *shell) snapshot(a id.Attempt, b *stream.Barrier) {
	l, err := s.Location(b.Checkpoint, b.Target, a)
	var blob statebackend.Blob
	if err == nil {
		blob, err = put(s.t.Context(), l, false, s.state[a])
	}
	if err != nil {
		s.step(checkpoint.Declined{Attempt: a, Checkpoint: b.Checkpoint, Reason: err})
		return
	}
	var snap statebackend.NamedSnapshot
	snap.ID = id.Operator(a.Vertex)
	snap.Operator = []statebackend.OperatorStateHandle{{Name: "text", Contents: blob,
		Offsets: []int64{0, blob.Length}}}
	s.step(checkpoint.Acknowledged{Attempt: a, Checkpoint: b.Checkpoint,
		Snapshot: statebackend.TaskSnapshot{Operators: []statebackend.NamedSnapshot{snap}}})
}

// advance lets time pass.
func (s *shell) advance(d time.Duration) {
	end := s.now.Add(d)
	for !s.timer.IsZero() && !s.timer.After(end) {
		s.now, s.timer = s.timer, time.Time{}
		s.step(checkpoint.TimerFired{})
	}
	s.now = end
}

func everySecond() config.CheckpointSettings {
	return config.CheckpointSettings{Enabled: true, Interval: time.Second, Timeout: time.Minute,
		Mode: config.ExactlyOnce, MaxConcurrent: 1, NumRetained: 1, AfterTasksFinish: true,
		Retention: config.RetainOnCancellation, TolerableFailures: 3}
}

// TestJobRestarts: R79 and R85 with real files: checkpoints 1, 2, 3; the newest is kept when the
// job is cancelled; another job starts from it and leaves it alone.
func TestJobRestarts(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.InlineBytes = 0 })
	first := run(e, pipeline(id.Job{1}, 2), everySecond(), nil)
	first.advance(3 * time.Second)
	if got := fmt.Sprint(first.completed); got != "[1 2 3]" {
		t.Fatalf("completed are %s", got)
	}
	first.step(checkpoint.Stop{End: checkpoint.JobCanceled})
	if !first.ended {
		t.Fatal("the coordinator does not end")
	}
	chk3 := "mem:///cp/" + first.job.ID.String() + "/chk-3"
	if got := len(e.fs.Files()); got != 5 {
		t.Errorf("%d files are left, want the metadata and 4 states: %v", got, e.fs.Files())
	}

	from := e.load(chk3 + "/_metadata")
	second := run(e, pipeline(id.Job{2}, 2), everySecond(), from)
	for i, a := range second.tasks {
		if want := first.state[first.tasks[i]]; second.state[a] != want {
			t.Errorf("task %d begins with %q, want %q", i, second.state[a], want)
		}
	}
	second.advance(3 * time.Second)
	if got := fmt.Sprint(second.completed); got != "[4 5 6]" {
		t.Errorf("the second job completes %s", got)
	}
	if !second.barriers[0].Full || second.barriers[1].Full {
		t.Errorf("the first checkpoint must depend on nothing, the second need not")
	}
	second.step(checkpoint.Stop{End: checkpoint.JobFinished})
	third := run(e, pipeline(id.Job{3}, 1), everySecond(), e.load(chk3))
	if got := third.state[third.tasks[0]]; strings.Count(got, "src") != 2 {
		t.Errorf("at another parallelism the source begins with %q", got)
	}
	for _, p := range e.fs.Files() {
		if !strings.Contains(p, first.job.ID.String()) {
			t.Errorf("the job that finished left %s", p)
		}
	}
}

// TestJobOutlivesFullDisk: the checkpoint fails, what it wrote is removed, the job goes on.
func TestJobOutlivesFullDisk(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.InlineBytes = 0 })
	s := run(e, pipeline(id.Job{1}, 2), everySecond(), nil)
	s.advance(time.Second)
	used := e.fs.UsedBytes()
	e.fs.SetCapacity(used + 60)
	s.advance(2 * time.Second)
	if got := fmt.Sprint(s.completed); got != "[1]" || len(s.failed) != 0 {
		t.Errorf("completed are %s, the job failed with %v", got, s.failed)
	}
	if e.fs.UsedBytes() != used {
		t.Errorf("%d bytes are used, %d before the checkpoints that failed: %v",
			e.fs.UsedBytes(), used, e.fs.Files())
	}
	o := s.c.Overview()
	if o.Failed != 2 || !strings.Contains(o.LatestFailed.Failure, "no space left") {
		t.Errorf("%d checkpoints failed, the last with %q", o.Failed, o.LatestFailed.Failure)
	}
	e.fs.SetCapacity(0)
	s.advance(time.Second)
	if got := fmt.Sprint(s.completed); got != "[1 4]" {
		t.Errorf("completed are %s, want 4 when there is room", got)
	}
	// Four in a row are too many.
	e.fs.SetCapacity(e.fs.UsedBytes() + 1)
	s.advance(4 * time.Second)
	if len(s.failed) != 1 || !strings.Contains(s.failed[0].Error(), "no space left") {
		t.Errorf("the job failed with %v, want once for want of space", s.failed)
	}
}

// TestJobStateTooLarge: R68, with the size error where the user sees it.
func TestJobStateTooLarge(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.Kind, o.Directory = config.JobManagerStorage, "" })
	s := run(e, pipeline(id.Job{1}, 1), everySecond(), nil)
	s.state[s.tasks[1]] = strings.Repeat("x", 6<<20)
	s.advance(time.Second)
	o := s.c.Overview()
	if o.Failed != 1 || !strings.Contains(o.LatestFailed.Failure,
		"state.storage.jobmanager.max-state-size") {
		t.Errorf("failed are %d, the last with %q", o.Failed, o.LatestFailed.Failure)
	}
	s.state[s.tasks[1]] = strings.Repeat("x", 5<<20)
	s.advance(time.Second)
	if got := fmt.Sprint(s.completed); got != "[2]" {
		t.Errorf("completed are %s", got)
	}
	s.restore(s.c.Latest())
	if got := len(s.state[s.tasks[1]]); got != 5<<20 {
		t.Errorf("%d bytes come back", got)
	}
	// A savepoint goes to files all the same, and a job with files reads it.
	s.step(checkpoint.TriggerSavepoint{Request: "s", Kind: stream.Savepoint})
	if len(s.requests) != 1 || s.requests[0].Err != nil {
		t.Fatalf("the savepoint: %+v", s.requests)
	}
	path := s.requests[0].Path
	e.reopen(e.fs, func(o *Options) {
		o.Kind, o.Directory = config.FileSystemStorage, "mem:///cp"
	})
	next := run(e, pipeline(id.Job{2}, 1), everySecond(), e.load(path))
	if got := len(next.state[next.tasks[1]]); got != 5<<20 {
		t.Errorf("%d bytes come back from the savepoint", got)
	}
}
