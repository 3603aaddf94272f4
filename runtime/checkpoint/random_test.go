package checkpoint

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/stream"
	"goflink/graph"
	"goflink/internal/testkit"
)

// chaos runs a coordinator among tasks, directories and files that do everything in random order:
// results come late, news get lost, tasks fail and restart. It checks, after every step:
//
//   - nobody is told that a checkpoint is complete before its metadata is durable;
//   - every file that a retained checkpoint or a complete savepoint names exists;
//   - the numbers of checkpoints grow;
//   - no more checkpoints are under way than may be, and no more than one is being written;
//   - barriers go out after all coordinators have given their state;
//   - a restore is from the newest durable checkpoint, and from no other one;
//   - what is written has a part of every task;
//   - after the end nothing is left but savepoints, and what tasks wrote that died before they
//     could say so.
type chaos struct {
	*world
	r *rand.Rand
	// queue are effects to be carried out, in random order.
	queue []Effect
	// files are those that exist, with the checkpoint that they were written for.
	files map[string]uint64
	dirs  map[string]bool
	// acks are parts on their way to the coordinator.
	acks []Event
	// base is the newest checkpoint that a task knows to be complete, with the shared file that it
	// names there.
	base map[id.Attempt]baseFile

	durable    map[uint64]*Completed // metadata exists
	savepoints []*Completed
	begun      uint64
	given      map[uint64]int // coordinators that gave their state
	restoring  bool
	terminated bool
	writing    int
	lost       map[string]bool // files of attempts that died before they acknowledged
	completed  int
	restores   int
}

type baseFile struct {
	checkpoint uint64
	file       string
}

func TestRandomOrders(t *testing.T) { // R79, R81, R90, R92
	testkit.EachSeed(t, 150, func(t *testing.T, seed uint64) {
		r := testkit.Source(seed)
		s := settings()
		s.Interval, s.IntervalDuringBacklog = 2*time.Second, 5*time.Second
		s.Timeout = time.Duration(2+r.IntN(30)) * time.Second
		s.MaxConcurrent = 1 + r.IntN(3)
		s.NumRetained = 1 + r.IntN(3)
		s.TolerableFailures = r.IntN(3)
		s.Unaligned = r.IntN(3) == 0
		if r.IntN(3) == 0 {
			s.MinPause = time.Second
		}
		job := testJob(t, `
			a p=2 coordinated
			b p=1 coordinated
			map p=3 <- a hash, b hash
			sink p=2 <- map`)
		c := newChaos(t, job, s, r)
		for range 600 {
			c.once()
			c.check()
		}
		c.finish()
	})
}

func newChaos(t *testing.T, job *graph.JobGraph, s config.CheckpointSettings,
	r *rand.Rand,
) *chaos {
	c := &chaos{world: newWorld(t, job, Options{Settings: s, Epoch: 3,
		SavepointDirectory: "mem:///sp"}), r: r, files: map[string]uint64{},
		dirs: map[string]bool{}, base: map[id.Attempt]baseFile{},
		durable: map[uint64]*Completed{}, given: map[uint64]int{}, lost: map[string]bool{}}
	c.event(TasksRunning{Attempts: c.tasks("all")})
	return c
}

// event takes an event in and queues what follows.
func (c *chaos) event(e Event) {
	c.t.Helper()
	for _, f := range c.step(e) {
		c.queue = append(c.queue, f)
		c.atOnce(f)
	}
	c.effects = nil
	for _, err := range c.errs {
		c.t.Fatalf("%T: %v", e, err)
	}
}

// atOnce checks and carries out what does not wait.
func (c *chaos) atOnce(f Effect) {
	switch f := f.(type) {
	case PrepareLocation:
		if f.Checkpoint <= c.begun {
			c.t.Fatalf("checkpoint %d begins after %d", f.Checkpoint, c.begun)
		}
		c.begun = f.Checkpoint
	case WriteMetadata:
		if c.writing++; c.writing > 1 {
			c.t.Fatal("two checkpoints are being written")
		}
	case TriggerTasks:
		if c.given[f.Barrier.Checkpoint] != 2 {
			c.t.Fatalf("checkpoint %d: barriers after the state of %d of 2 coordinators",
				f.Barrier.Checkpoint, c.given[f.Barrier.Checkpoint])
		}
	case NotifyComplete:
		if c.durable[f.Checkpoint] == nil {
			c.t.Fatalf("checkpoint %d is said to be complete and is not durable", f.Checkpoint)
		}
	case RequestDone:
		if f.Err == nil && c.durable[f.Checkpoint] == nil {
			c.t.Fatalf("savepoint %d is said to be complete and is not durable", f.Checkpoint)
		}
	case RestoreFrom:
		c.restored(f)
	case FailJob:
		c.fail(c.tasks("all"))
	case Terminated:
		if c.terminated {
			c.t.Fatal("terminated twice")
		}
		c.terminated = true
	}
}

// restored starts new attempts of all tasks that do not run.
func (c *chaos) restored(f RestoreFrom) {
	newest := uint64(0)
	for n, d := range c.durable {
		if d.Kind != stream.Savepoint {
			newest = max(newest, n)
		}
	}
	got := uint64(0)
	if f.Completed != nil {
		got = f.Completed.Checkpoint
	}
	if got != newest || c.writing > 0 {
		c.t.Fatalf("restored from %d, the newest durable checkpoint is %d (%d being written)", got,
			newest, c.writing)
	}
	c.restoring = false
	c.restores++
	var as []id.Attempt
	for i := range c.c.plan.tasks {
		if c.c.plan.tasks[i].status == taskRunning {
			continue
		}
		a := c.c.plan.tasks[i].attempt
		plain := c.name(id.Attempt{Vertex: a.Vertex, Subtask: a.Subtask})
		a.Number++
		c.attempt[plain] = a
		if f.Completed != nil {
			c.base[a] = c.baseOf(f.Completed, a)
		}
		as = append(as, a)
	}
	c.queue = append(c.queue, SetTimer{}) // as a place for the start of the tasks
	c.acks = append(c.acks, TasksRunning{Attempts: as})
}

// baseOf is the shared file of a checkpoint that a subtask named.
func (c *chaos) baseOf(cp *Completed, a id.Attempt) baseFile {
	s := cp.Vertices[c.c.plan.byID[a.Vertex]].Subtasks[a.Subtask]
	if s.Operators == nil {
		return baseFile{}
	}
	for _, h := range s.Operators[0].Operator {
		if strings.Contains(h.Contents.File, "/shared/") {
			return baseFile{cp.Checkpoint, h.Contents.File}
		}
	}
	return baseFile{}
}

// fail lets tasks fail; all of the job restart with them, or only they.
func (c *chaos) fail(as []id.Attempt) {
	if c.restoring {
		return
	}
	c.restoring = true
	// What was on its way from them is lost, now or never; the files stay.
	c.acks = slices.DeleteFunc(c.acks, func(e Event) bool {
		a, ok := e.(Acknowledged)
		gone := ok && slices.Contains(as, a.Attempt) && c.r.IntN(2) == 0
		if gone {
			c.lose(a)
		}
		return gone
	})
	c.acks = append(c.acks, TasksFailed{Attempts: as, Reason: "chaos"}, RestoreWanted{})
}

// lose notes that nobody knows of the files that a part names.
func (c *chaos) lose(a Acknowledged) {
	for _, h := range a.Snapshot.Operators[0].Operator {
		c.lost[h.Contents.File] = true
	}
}

// once does one random thing.
func (c *chaos) once() {
	switch n := c.r.IntN(1000); {
	case n < 350 && len(c.queue) > 0:
		c.carryOut()
	case n < 800 && len(c.acks) > 0:
		c.deliver()
	case n < 900:
		c.advanceTo(c.now.Add(time.Duration(c.r.IntN(1500)) * time.Millisecond))
	case n < 920:
		c.event(TriggerCheckpoint{Request: "c", Full: c.r.IntN(4) == 0})
	case n < 930:
		c.event(TriggerSavepoint{Request: "s", Kind: stream.Savepoint})
	case n < 933:
		c.event(TriggerSavepoint{Request: "stop", Kind: stream.StopSavepoint})
	case n < 940:
		names := slices.Sorted(maps.Keys(c.attempt))
		c.fail(c.tasks(names[c.r.IntN(len(names))]))
	case n < 943:
		c.fail(c.tasks("all"))
	case n < 950:
		c.event(BacklogChanged{Backlog: c.r.IntN(2) == 0})
	case n < 960:
		as := c.tasks("sink")
		c.event(WantsCheckpoint{Attempt: as[c.r.IntN(2)]})
	}
}

func (c *chaos) advanceTo(t time.Time) {
	for !c.timer.IsZero() && !c.timer.After(t) {
		c.now = c.timer
		if c.timer.Before(start) {
			c.t.Fatalf("timer at %v", c.timer)
		}
		c.timer = time.Time{}
		c.event(TimerFired{})
	}
	c.now = t
}

// deliver hands an event over; those of failures stay in order.
func (c *chaos) deliver() {
	i := c.r.IntN(len(c.acks))
	switch c.acks[i].(type) {
	case Acknowledged, Declined:
	default:
		for j, e := range c.acks {
			switch e.(type) {
			case TasksFailed, RestoreWanted, TasksRunning:
				i = min(i, j)
			}
		}
	}
	e := c.acks[i]
	c.acks = slices.Delete(c.acks, i, i+1)
	if a, ok := e.(Acknowledged); ok && c.terminated {
		c.lose(a) // nobody is left to delete them
	}
	c.event(e)
}

// carryOut does one of the queued effects.
func (c *chaos) carryOut() {
	i := c.r.IntN(len(c.queue))
	f := c.queue[i]
	c.queue = slices.Delete(c.queue, i, i+1)
	switch f := f.(type) {
	case PrepareLocation:
		e := LocationPrepared{Checkpoint: f.Checkpoint}
		if c.r.IntN(20) == 0 {
			e.Err = errors.New("no directory")
		} else {
			e.Location = location(f)
			c.dirs[e.Location] = true
		}
		c.event(e)
	case SnapshotCoordinators:
		for _, op := range f.Operators {
			c.given[f.Checkpoint]++
			c.event(CoordinatorSnapshot{Checkpoint: f.Checkpoint, Operator: op})
		}
	case TriggerTasks:
		for _, a := range c.tasks("all") {
			c.take(a, f.Barrier)
		}
	case NotifyComplete:
		for _, a := range f.Attempts {
			if c.r.IntN(10) > 0 && c.base[a].checkpoint < f.Checkpoint { // else it is lost
				c.base[a] = c.baseOf(c.durable[f.Checkpoint], a)
			}
		}
	case WriteMetadata:
		c.write(f)
	case Discard:
		c.delete(f)
		c.event(Discarded{ID: f.ID})
	}
}

// take lets a task take its part of a checkpoint.
func (c *chaos) take(a id.Attempt, b *stream.Barrier) {
	if c.r.IntN(100) == 0 {
		c.acks = append(c.acks, Declined{Attempt: a, Checkpoint: b.Checkpoint,
			Reason: errors.New("no"), Cause: DeclineCause(c.r.IntN(4))})
		return
	}
	dir := b.Target
	if dir == "" {
		dir = fmt.Sprintf("mem:///cp/chk-%d", b.Checkpoint)
	}
	if !c.dirs[dir] {
		c.acks = append(c.acks, Declined{Attempt: a, Checkpoint: b.Checkpoint,
			Reason: errors.New("the directory is gone")})
		return
	}
	var files []string
	if b.Savepoint == stream.NoSavepoint {
		if base := c.base[a]; base.file != "" && !b.Full && c.r.IntN(3) > 0 {
			files = append(files, base.file)
		} else {
			files = append(files, c.stateFile(a, b.Checkpoint, 2, true))
		}
	}
	s := c.snapshot(a, b.Checkpoint, files...)
	for _, h := range s.Operators[0].Operator {
		if n, _ := ParseFileName(h.Contents.File); n.Checkpoint == b.Checkpoint {
			c.files[h.Contents.File] = b.Checkpoint
		}
	}
	c.acks = append(c.acks, Acknowledged{Attempt: a, Checkpoint: b.Checkpoint, Snapshot: s})
}

// write makes metadata durable, or fails.
func (c *chaos) write(f WriteMetadata) {
	e := MetadataWritten{Checkpoint: f.Completed.Checkpoint, Path: f.Completed.Location}
	for i := range f.Completed.Vertices {
		for j, s := range f.Completed.Vertices[i].Subtasks {
			if s.Operators == nil && !s.Finished {
				c.t.Fatalf("checkpoint %d has no part of subtask %d of %s", e.Checkpoint, j,
					f.Completed.Vertices[i].Name)
			}
		}
	}
	if c.r.IntN(8) == 0 {
		e.Err = errors.New("no metadata")
	} else {
		c.durable[e.Checkpoint] = f.Completed
		c.completed++
		if f.Completed.Kind != stream.NoSavepoint {
			c.savepoints = append(c.savepoints, f.Completed)
		}
	}
	c.writing--
	c.event(e)
}

// delete does what Discard asks for, like a storage.
func (c *chaos) delete(d Discard) {
	for file := range c.files {
		if Inside(file, d.Location) && !slices.Contains(d.Keep, file) {
			delete(c.files, file)
		}
	}
	if d.Location != "" && len(d.Keep) == 0 {
		delete(c.dirs, d.Location)
	}
	for _, file := range d.Files {
		delete(c.files, file)
	}
}

// check verifies what must hold between any two steps.
func (c *chaos) check() {
	c.t.Helper()
	for _, r := range append(c.c.Retained(), c.savepoints...) {
		for _, file := range filesOf(&r.Metadata) {
			if _, exists := c.files[file]; !exists {
				c.t.Fatalf("checkpoint %d is retained, and its file %s is gone", r.Checkpoint, file)
			}
		}
	}
	n := 0
	for _, p := range c.c.pending {
		if p.kind == stream.NoSavepoint {
			n++
		}
	}
	if n > c.c.o.Settings.MaxConcurrent {
		c.t.Fatalf("%d checkpoints are under way, at most %d may be", n,
			c.c.o.Settings.MaxConcurrent)
	}
	owned := 0
	for _, r := range c.c.Retained() {
		if r.owned() {
			owned++
		}
	}
	if owned > c.c.o.Settings.NumRetained {
		c.t.Fatalf("%d checkpoints are retained, at most %d may be", owned,
			c.c.o.Settings.NumRetained)
	}
}

// finish ends the job and lets everything come to rest.
func (c *chaos) finish() {
	c.event(Stop{End: JobFinished})
	for len(c.queue)+len(c.acks) > 0 {
		if len(c.queue) > 0 {
			c.carryOut()
		}
		if len(c.acks) > 0 {
			c.deliver()
		}
	}
	if !c.terminated {
		c.t.Fatalf("it does not terminate: %d pending, %d discards", len(c.c.pending),
			len(c.c.files.discards))
	}
	for file, cp := range c.files {
		kept := slices.ContainsFunc(c.savepoints, func(s *Completed) bool {
			return s.Checkpoint == cp
		})
		if !kept && !c.lost[file] {
			c.t.Errorf("file %s is left behind", file)
		}
	}
}

// TestRandomOrdersDoSomething guards the test above: it must complete checkpoints and restore.
func TestRandomOrdersDoSomething(t *testing.T) {
	r := testkit.Source(1)
	s := settings()
	s.Interval, s.MaxConcurrent = time.Second, 2
	job := testJob(t, "a p=2 coordinated\nb coordinated\nsink p=2 <- a, b")
	c := newChaos(t, job, s, r)
	for range 3000 {
		c.once()
		c.check()
	}
	c.finish()
	if c.completed < 20 || c.restores < 5 || len(c.savepoints) == 0 {
		t.Errorf("%d checkpoints were completed (%d savepoints), and the job was restored %d times",
			c.completed, len(c.savepoints), c.restores)
	}
}
