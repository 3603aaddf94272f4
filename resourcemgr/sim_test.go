package resourcemgr

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"goflink/core/id"
	"goflink/internal/sim"
	"goflink/internal/testkit"
)

// simSettings are short, so that everything happens within a simulated minute.
var simSettings = Settings{
	Spec: WorkerSpec{Slots: 2}, MinSlots: 2, MaxSlots: 9, Redundant: 1,
	IdleTimeout: 5 * time.Second, RegistrationTimeout: 20 * time.Second,
	RecoveryTimeout: 4 * time.Second, GatherDelay: 100 * time.Millisecond,
	FailuresPerMinute: 10, RetryInterval: 3 * time.Second,
}

// simMaxWorkers is what simSettings.MaxSlots allows.
const simMaxWorkers = 4

// simTurns bounds each phase of a run: what does not come to its end by then never does.
const simTurns = 200_000

// TestSimManager runs a Manager on a simulated host with a driver, workers and jobs that do what
// they may: answers are late, starts fail, workers hang, die or lose their connection, jobs change
// their minds (R120, R139). At all times
//
//   - nothing is requested above the maximum,
//   - no worker that is well is released while a job holds a slot of it,
//   - no slot is given away twice, and none is free while a job misses one.
//
// When the faults end, each need within the maximum is met, nothing is asked for any more, and when
// the jobs have ended, all but the minimum of workers goes.
func TestSimManager(t *testing.T) {
	testkit.EachSeed(t, testkit.Scaled(60), func(t *testing.T, seed uint64) {
		c := newSimCluster(t, seed)
		c.start()
		c.chaos(time.Minute)
		c.calm()
		c.end()
	})
}

// simCluster is everything around the Manager. It is the driver.
type simCluster struct {
	t    *testing.T
	w    *sim.World
	r    *rand.Rand
	m    *Manager
	e    Events
	jobs []*simJob

	// open are requests that were not answered; gone ones were withdrawn.
	open    map[RequestNumber]bool
	gone    map[RequestNumber]bool
	workers map[id.Worker]*simWorker // that have not ended
	named   int
	calls   int // of the driver
	faults  bool
	log     []string
}

// simJob is a job with its master.
type simJob struct {
	id   id.Job
	need int
	held map[id.Allocation]*simWorker
}

// simWorker is a process with a TaskManager.
type simWorker struct {
	c         *simCluster
	id        id.Worker
	heard     bool // the Manager was told that it was started
	known     bool // and had waited for it
	connected bool
	slots     []id.Allocation
}

func newSimCluster(t *testing.T, seed uint64) *simCluster {
	w := sim.New(seed)
	c := &simCluster{t: t, w: w, r: w.Rand(), open: map[RequestNumber]bool{},
		gone: map[RequestNumber]bool{}, workers: map[id.Worker]*simWorker{}, faults: true}
	var err error
	c.m, err = New(Options{Host: w, Driver: c, Settings: simSettings,
		Trace: func(text string) { c.note("%s", text) }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		c.jobs = append(c.jobs, &simJob{id: id.Job{byte(i + 1)},
			held: map[id.Allocation]*simWorker{}})
	}
	return c
}

func (c *simCluster) note(format string, args ...any) {
	c.log = append(c.log, fmt.Sprintf("%8.3f ", float64(c.w.Now().UnixMilli()%1e7)/1e3)+
		fmt.Sprintf(format, args...))
}

func (c *simCluster) fail(format string, args ...any) {
	c.t.Helper()
	for _, line := range c.log[max(0, len(c.log)-80):] {
		c.t.Log(line)
	}
	c.t.Fatalf(format, args...)
}

// chance says yes in one of n cases, and only while there are faults.
func (c *simCluster) chance(n int) bool { return c.faults && c.r.IntN(n) == 0 }

// later does something within a second.
func (c *simCluster) later(f func()) {
	c.w.After(time.Duration(c.r.Int64N(int64(time.Second))), f)
}

// start has a leader take over what an earlier one has left.
func (c *simCluster) start() {
	for range c.r.IntN(3) {
		w := c.newWorker()
		w.heard, w.known = true, true
	}
	if err := c.m.Start(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	for _, w := range c.sorted() {
		if !c.chance(4) { // else it hangs
			c.later(w.connect)
		}
	}
}

// chaos lets jobs and workers do what they like.
func (c *simCluster) chaos(d time.Duration) {
	for until := c.w.Now().Add(d); c.w.Now().Before(until); {
		c.pass(time.Duration(c.r.Int64N(int64(2 * time.Second))))
		switch c.r.IntN(5) {
		case 0:
			if all := c.sorted(); len(all) > 0 {
				all[c.r.IntN(len(all))].die(Exit{Code: 137})
			}
		case 1:
			if all := c.sorted(); len(all) > 0 {
				all[c.r.IntN(len(all))].disconnect()
			}
		default:
			c.declare(c.jobs[c.r.IntN(len(c.jobs))], c.r.IntN(6))
		}
	}
}

// calm ends the faults: needs that fit are met, and then nothing happens any more.
func (c *simCluster) calm() {
	c.faults = false
	left := simMaxWorkers * simSettings.Spec.Slots
	for _, j := range c.jobs {
		n := c.r.IntN(left + 1)
		left -= n
		c.declare(j, n)
	}
	c.run("all needs are met", func() bool {
		return !slices.ContainsFunc(c.jobs, func(j *simJob) bool { return len(j.held) != j.need })
	})
	c.pass(2 * time.Minute) // hung workers are found out, surplus ones released
	before := c.calls
	c.pass(10 * time.Minute)
	if c.calls != before {
		c.fail("the driver was called %d times although nothing has changed", c.calls-before)
	}
	for _, j := range c.jobs {
		if len(j.held) != j.need {
			c.fail("job %s needs %d slots and has %d", j.id, j.need, len(j.held))
		}
	}
}

// end ends the jobs, and then the cluster.
func (c *simCluster) end() {
	for _, j := range c.jobs {
		c.declare(j, 0)
	}
	c.pass(time.Minute)
	o := c.m.Overview()
	// MinSlots and Redundant are one worker each, and the same one.
	if len(c.workers) != 1 || len(c.open) != 0 || o.Slots != 2 || o.FreeSlots != 2 {
		c.fail("%d workers and %d requests are left; the Manager knows %+v", len(c.workers),
			len(c.open), o)
	}
	c.m.report(clusterFinished{"the test has ended"})
	c.pass(time.Minute)
	if len(c.workers) != 0 {
		c.fail("%d workers have survived their cluster", len(c.workers))
	}
	c.m.stop()
	c.run("the Manager has ended", func() bool {
		select {
		case <-c.m.actor.Done():
			return true
		default:
			return false
		}
	})
	if err := c.m.Close(); err != nil {
		c.t.Error(err)
	}
}

func (c *simCluster) pass(d time.Duration) {
	c.t.Helper()
	if err := c.w.Pass(d, simTurns); err != nil {
		c.fail("%v", err)
	}
	o := c.m.Overview()
	if o.FreeSlots > 0 && len(o.Shortages) > 0 {
		c.fail("%d slots are free while jobs miss some: %+v", o.FreeSlots, o.Shortages)
	}
}

func (c *simCluster) run(what string, done func() bool) {
	c.t.Helper()
	if err := c.w.Run(done, simTurns); err != nil {
		c.fail("%s: %v; the Manager knows %+v", what, err, c.m.Overview())
	}
}

// declare changes the need of a job, which gives back what it does not need.
func (c *simCluster) declare(j *simJob, need int) {
	j.need = need
	c.m.DeclareRequirements(j.id, need, nil)
	c.later(func() { j.giveBack(c) })
}

func (j *simJob) giveBack(c *simCluster) {
	held := slices.SortedFunc(maps.Keys(j.held), func(a, b id.Allocation) int {
		return slices.Compare(a[:], b[:])
	})
	for _, a := range held[min(j.need, len(held)):] {
		w := j.held[a]
		delete(j.held, a)
		w.free(a)
	}
}

// sorted are the workers in the order of their names, so that a seed decides a run.
func (c *simCluster) sorted() []*simWorker {
	return slices.SortedFunc(maps.Values(c.workers), func(a, b *simWorker) int {
		return strings.Compare(string(a.id), string(b.id))
	})
}
