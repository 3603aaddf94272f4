package minicluster_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/core/stream"
	"goflink/datastream"
	"goflink/graph"
	"goflink/internal/host"
	"goflink/internal/sim"
	"goflink/runtime/checkpoint"
	"goflink/runtime/jobmaster"
	"goflink/runtime/memfs"
	"goflink/runtime/minicluster"
)

// stepsMax bounds the turns of one simulated job.
const stepsMax = 3_000_000

// simMachine runs everything in one goroutine, in an order that the seed decides; a beat is a turn.
type simMachine struct{ *sim.World }

func (m simMachine) host() host.Host       { return m.World }
func (m simMachine) rand() *rand.Rand      { return m.Rand() }
func (m simMachine) note(event string)     { m.Note(event) }
func (m simMachine) spend(d time.Duration) { m.Spend(d) }
func (m simMachine) touched()              {}
func (m simMachine) poke()                 {}
func (m simMachine) beats(turns int) int   { return turns }

func (m simMachine) run(_ <-chan struct{}, done func() bool) error { return m.Run(done, stepsMax) }

// machine is what a rig runs on: the simulated world, or the real host.
type machine interface {
	host() host.Host
	// rand is the source of chance. Any goroutine of the machine may use it.
	rand() *rand.Rand
	// note makes an event part of what identifies the run.
	note(event string)
	// spend lets time pass where it is called.
	spend(d time.Duration)
	// touched is called by the functions of jobs for each record, poke when something has happened.
	touched()
	poke()
	// run runs the machine until done holds, which it does once over is closed. It calls done again
	// and again, in the goroutine of the caller: how often is the machine's measure of time.
	run(over <-chan struct{}, done func() bool) error
	// beats converts turns of the simulated world to calls of done.
	beats(turns int) int
}

// rig is a cluster that runs random jobs, with faults.
type rig struct {
	machine
	t     *testing.T
	rnd   *rand.Rand
	seed  uint64
	fs    *memfs.FS
	files *filesystem.Registry
	conf  *config.Configuration
	c     *minicluster.Cluster
	log   eventLog
	store *store

	// bombs are the panics that functions may still have, each with a chance of one in bombOdds per
	// record; kills are the workers that may still be lost.
	bombs           atomic.Int32
	bombOdds, kills int
	// slow is a node that takes a while for each record.
	slow     int
	slowness time.Duration
	// storms are the times of trouble with storage that are still to come; storm counts the beats
	// of the one at hand.
	storms, storm int
	// started says that the latest job has begun to run.
	started atomic.Bool
	// missing workers come back.
	missing int
}

// newRig returns a rig without a cluster yet.
func newRig(t *testing.T, seed uint64, m machine) *rig {
	r := &rig{machine: m, t: t, seed: seed, store: newStore(), slow: -1, rnd: m.rand()}
	r.fs = memfs.New(memfs.Options{Now: m.host().Now})
	var err error
	if r.files, err = filesystem.NewRegistry("mem:///"); err != nil {
		t.Fatal(err)
	}
	err = r.files.Register("mem", func(context.Context, string) (filesystem.FileSystem, error) {
		return r.fs, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.conf = config.New()
	r.set("execution.checkpointing.dir", "mem:///cp")
	r.set("restart-strategy.type", "fixed-delay")
	r.set("restart-strategy.fixed-delay.delay", "1 ms")
	r.set("taskmanager.memory.segment-size", "4kb")
	r.set("pipeline.auto-watermark-interval", "2 ms")
	r.set("pipeline.max-parallelism", "16")
	r.set("execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION")
	return r
}

func (r *rig) set(key, value string) { r.conf.Set(key, value, "test") }

// start makes the cluster.
func (r *rig) start(workers, slots int) {
	var err error
	r.c, err = minicluster.New(minicluster.Options{Host: r.host(), TaskManagers: workers,
		Slots:  slots,
		Config: r.conf, Files: r.files, Epoch: 1,
		Trace: func(_ id.Job, e string) {
			r.note(e)
			r.log.Add(r.host().Now(), e)
			if e == "job CREATED -> RUNNING" {
				r.started.Store(true)
			}
			r.poke()
		}})
	if err != nil {
		r.t.Fatal(err)
	}
}

// touch is called by the functions of the job for each record.
func (r *rig) touch(node int) {
	if node == r.slow {
		r.spend(r.slowness)
	}
	if r.bombs.Load() > 0 && r.rnd.IntN(r.bombOdds) == 0 && r.bombs.Add(-1) >= 0 {
		panic(fmt.Sprintf("a fault of the simulation in node %d", node))
	}
	r.touched()
}

// once reports, at each beat, whether something happens that does so once in so many turns.
func (r *rig) once(turns int) bool { return r.rnd.IntN(r.beats(turns)) == 0 }

// chaos has a chance to do harm at each beat.
func (r *rig) chaos() {
	if r.kills > 0 && r.once(4000) {
		r.kills--
		r.kill()
	}
	if r.missing > 0 && r.once(500) {
		r.missing--
		r.addWorker()
	}
	switch {
	case r.storm > 0:
		if r.storm--; r.storm == 0 {
			r.fs.SetFault(nil)
		}
	case r.storms > 0 && r.once(2000):
		r.storms--
		r.storm = 1 + r.rnd.IntN(r.beats(2000))
		r.fs.SetFault(r.fault())
	}
}

func (r *rig) kill() {
	tms := r.c.TaskManagers()
	if len(tms) == 0 {
		return
	}
	r.c.KillTaskManager(tms[r.rnd.IntN(len(tms))], errors.New("killed by the simulation"))
	if r.rnd.IntN(2) == 0 {
		r.missing++
		return
	}
	r.addWorker()
}

func (r *rig) addWorker() {
	if _, err := r.c.AddTaskManager(); err != nil {
		r.t.Fatal(err)
	}
}

// calm ends all trouble.
func (r *rig) calm() {
	r.fs.SetFault(nil)
	r.bombs.Store(0)
	r.kills, r.storms, r.storm = 0, 0, 0
	for ; r.missing > 0; r.missing-- {
		r.addWorker()
	}
}

// fault is a kind of trouble with storage.
func (r *rig) fault() func(memfs.Op) error {
	full := fmt.Errorf("no space on the simulated disk: %w", syscall.ENOSPC)
	broken := errors.New("a fault of the simulated disk")
	odds := 1 + r.rnd.IntN(4)
	kinds := [][]memfs.OpKind{{memfs.OpWrite, memfs.OpCreate}, {memfs.OpRename},
		{memfs.OpSync, memfs.OpClose}, {memfs.OpOpen, memfs.OpRead},
		{memfs.OpRemove, memfs.OpMkdir, memfs.OpStat, memfs.OpList}}[r.rnd.IntN(5)]
	slow := r.rnd.IntN(3) == 0
	return func(op memfs.Op) error {
		for _, k := range kinds {
			if k != op.Kind || r.rnd.IntN(odds) != 0 {
				continue
			}
			if slow {
				r.spend(time.Duration(r.rnd.IntN(3)) * time.Millisecond)
				return nil
			}
			if k == memfs.OpWrite {
				return full
			}
			return broken
		}
		return nil
	}
}

// submission is a job that the rig runs.
type submission struct {
	r      *rig
	master *jobmaster.Master
}

// submit builds a program and submits it as the n-th job of the rig.
func (r *rig) submit(n int, restore string,
	program func(env *datastream.Environment) error) *submission {
	r.t.Helper()
	j, code := compile(r.t, r.conf, r.files, func(env *datastream.Environment) {
		if err := program(env); err != nil {
			r.t.Fatal(err)
		}
	})
	j.ID = id.Job{}
	binary.BigEndian.PutUint64(j.ID[:], r.seed)
	j.ID[15] = byte(n)
	j.Restore.Path = restore
	r.started.Store(false)
	if _, err := r.c.Submit(r.t.Context(), j, code); err != nil {
		r.t.Fatal(err)
	}
	return &submission{r, r.c.Master(j.ID)}
}

// over reports whether the job has ended.
func (s *submission) over() bool {
	select {
	case <-s.master.Done():
		return true
	default:
		return false
	}
}

// run runs the machine, with its chaos, until the job is over or until holds.
func (s *submission) run(until func() bool) {
	s.r.t.Helper()
	err := s.r.run(s.master.Done(), func() bool {
		if s.over() || until() {
			return true
		}
		s.r.chaos()
		return false
	})
	if err != nil {
		s.r.t.Fatalf("%v; the latest events:\n%s", err, s.r.log.Tail(tailLines))
	}
}

// after returns a condition that holds after as many beats as make so many turns.
func (r *rig) after(turns int) func() bool {
	n := r.beats(turns)
	return func() bool { n--; return n < 0 }
}

func never() bool { return false }

// result is the job's result once it is over.
func (s *submission) result() (job.Result, error) { return s.master.Client().Wait(s.r.t.Context()) }

// overview is what is known of the checkpoints of a job that is over.
func (s *submission) overview() checkpoint.Overview {
	s.r.t.Helper()
	o, err := s.master.Client().Checkpoints(s.r.t.Context())
	if err != nil {
		s.r.t.Fatal(err)
	}
	return o
}

// savepoint asks for a savepoint and runs until the answer is there.
func (s *submission) savepoint(kind stream.SavepointKind) (path string, err error) {
	s.r.t.Helper()
	type answer struct {
		path string
		err  error
	}
	answers := make(chan answer, 1)
	s.master.TriggerSavepoint(kind, "mem:///sp", func(p string, e error) {
		select {
		case answers <- answer{p, e}:
			s.r.poke()
		default:
			s.r.t.Error("a savepoint was answered twice")
		}
	})
	s.run(func() bool { return len(answers) > 0 })
	if len(answers) == 0 {
		s.r.t.Fatalf("the job is over, but the savepoint was not answered; the latest events:\n%s",
			s.r.log.Tail(40))
	}
	a := <-answers
	return a.path, a.err
}

// cancel cancels the job and waits for its end.
func (s *submission) cancel() {
	s.r.t.Helper()
	if err := s.master.Client().Cancel(s.r.t.Context()); err != nil {
		s.r.t.Fatal(err)
	}
	s.run(never)
	if _, err := s.result(); err != nil {
		var cancelled *job.CancelledError
		if !errors.As(err, &cancelled) {
			s.r.t.Fatalf("cancelled, but: %v", err)
		}
	}
}

// eventLog keeps what happened, for the message of a failure. It is safe for concurrent use.
type eventLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *eventLog) Add(at time.Time, event string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, at.Format("05.000000 ")+event)
}

func (l *eventLog) Tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines[max(0, len(l.lines)-n):], "\n")
}

// collector takes the job of a program instead of running it.
type collector struct {
	job  *graph.JobGraph
	code *graph.Code
}

var errTaken = errors.New("taken")

func (c *collector) Submit(_ context.Context, j *graph.JobGraph, code *graph.Code) (
	job.Client, error,
) {
	c.job, c.code = j, code
	return nil, errTaken
}

// compile builds the program's job.
func compile(t *testing.T, conf *config.Configuration, files *filesystem.Registry,
	program func(env *datastream.Environment)) (*graph.JobGraph, *graph.Code) {
	t.Helper()
	c := &collector{}
	env := datastream.New(t.Context(), datastream.Options{Executor: c, Config: conf, Files: files})
	program(env)
	if _, err := env.Execute("simulated"); !errors.Is(err, errTaken) {
		t.Fatal(err)
	}
	return c.job, c.code
}

// tailLines is how much of the log is shown.
const tailLines = 100
