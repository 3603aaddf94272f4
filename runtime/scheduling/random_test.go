package scheduling_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/internal/testkit"
	"goflink/runtime/execgraph"
	"goflink/runtime/execgraph/graphtest"
	"goflink/runtime/scheduling"
	"goflink/runtime/slotpool"
)

// TestRandomRuns runs random jobs on a simulated cluster in which everything happens that can: slow
// and lost TaskManagers, failing tasks, coordinators that fail, cancels, slots that do not come.
// What is verified stands at type cluster. After a while nothing fails any more and there are slots
// for all: then the job must end (R5, R18, R146, R150).
func TestRandomRuns(t *testing.T) {
	testkit.EachSeed(t, testkit.Scaled(300), func(t *testing.T, seed uint64) {
		var first, second strings.Builder
		c := randomRun(t, seed, &first)
		if err := c.err(); err != nil {
			t.Fatalf("%s\n%v\n%s", tail(first.String()), err,
				(&script{graph: c.graph, sched: c.sched, now: c.now}).state())
		}
		if c.pool.Used() != 0 || c.pool.Pending() != 0 { // (8)
			t.Errorf("after the end %d slots are used and %d requested", c.pool.Used(),
				c.pool.Pending())
		}
		randomRun(t, seed, &second)
		if first.String() != second.String() {
			t.Errorf("the same events had different effects")
		}
	})
}

// tail is the end of a log.
func tail(log string) string { return log[max(0, len(log)-6000):] }

// randomJob makes a job of up to six vertices.
func randomJob(r *rand.Rand, blocking bool) string {
	var b strings.Builder
	n := 1 + r.IntN(6)
	for i := range n {
		fmt.Fprintf(&b, "vertex v%d p=%d %s %s\n", i, 1+r.IntN(5),
			[]string{"", "", "group=other"}[r.IntN(3)], []string{"", "bounded"}[r.IntN(2)])
	}
	for to := 1; to < n; to++ {
		for range r.IntN(3) {
			kind := ""
			if blocking && r.IntN(2) == 0 {
				kind = "blocking"
			}
			fmt.Fprintf(&b, "edge v%d v%d %s %s\n", r.IntN(to), to,
				[]string{"alltoall", "pointwise"}[r.IntN(2)], kind)
		}
	}
	return b.String()
}

func randomOptions(r *rand.Rand, blocking bool) scheduling.Options {
	o := scheduling.Options{Seed: r.Uint64(), BlockingResults: blocking}
	if !blocking && r.IntN(2) == 0 {
		o.Strategy = config.ScheduleEager
	}
	if r.IntN(3) == 0 {
		o.Failover = config.FailoverFull
	}
	switch r.IntN(5) {
	case 0:
		o.Restart = config.RestartStrategy{Kind: config.NoRestart}
	case 1:
		o.Restart = config.RestartStrategy{Kind: config.FailureRate, MaxFailures: 3,
			Interval: time.Minute, Delay: time.Second}
	case 2:
		o.Restart = config.RestartStrategy{Kind: config.ExponentialDelay, Attempts: 1 << 30,
			InitialBackoff: time.Second, MaxBackoff: time.Minute, Multiplier: 1.5, Jitter: 0.1,
			ResetThreshold: time.Hour}
	default:
		o.Restart = config.RestartStrategy{Kind: config.FixedDelay, Attempts: 1 << 30,
			Delay: time.Duration(r.IntN(3)) * time.Second}
	}
	return o
}

// randomRun runs one job to its end, or until nothing moves.
func randomRun(t *testing.T, seed uint64, log *strings.Builder) *cluster {
	t.Helper()
	r := testkit.Source(seed)
	blocking := r.IntN(2) == 0
	var graph *execgraph.ExecutionGraph
	for graph == nil {
		job, err := graphtest.Parse(randomJob(r, blocking))
		if err != nil {
			t.Fatal(err)
		}
		graph, err = execgraph.New(epoch, job)
		if err != nil && !strings.Contains(err.Error(), "waits for a blocking result") {
			t.Fatal(err)
		}
	}
	c, err := newCluster(graph, randomOptions(r, blocking), slotpool.Options{
		RequestTimeout: 5 * time.Minute, IdleTimeout: 50 * time.Second, Spread: r.IntN(2) == 0,
	}, r)
	if err != nil {
		t.Fatal(err)
	}
	c.log = log
	c.addWorker(1 + r.IntN(4))
	if r.IntN(10) == 0 {
		c.schedule(scheduling.GlobalFailure{Cause: failure.Info{Message: "before the start"}})
	}
	c.schedule(scheduling.StartScheduling{})
	calm := 200 + r.IntN(600)
	for i := range calm {
		if c.ended && i > 10 {
			break
		}
		c.randomStep()
	}
	for range 20 {
		c.addWorker(4)
	}
	for range 100000 {
		if c.ended || !c.calmStep() {
			break
		}
	}
	if !c.ended {
		c.fail("the job did not end: it is %v, %v", c.status, *c.graph.Counts())
		return c
	}
	c.feedPool(slotpool.Closed{})
	return c
}

// someTask returns a random task that runs somewhere; nil if there is none.
func (c *cluster) someTask() (*taskManager, *tmSlot, *tmTask) {
	if len(c.workers) == 0 {
		return nil, nil, nil
	}
	w := c.workers[c.rng.IntN(len(c.workers))]
	if len(w.slots) == 0 {
		return nil, nil, nil
	}
	s := w.slots[c.rng.IntN(len(w.slots))]
	if len(s.tasks) == 0 {
		return nil, nil, nil
	}
	return w, s, s.tasks[c.rng.IntN(len(s.tasks))]
}

// randomStep does one thing that can happen in a cluster.
func (c *cluster) randomStep() {
	c.assignSlots()
	n := c.rng.IntN(1000)
	switch {
	case n < 400:
		c.deliver()
	case n < 600:
		c.work()
	case n < 800:
		if w, _, t := c.someTask(); t != nil && !t.running {
			c.runTask(w, t)
		}
	case n < 830:
		if w, s, t := c.someTask(); t != nil && t.running {
			c.endTask(w, s, t, execgraph.Finished, failure.Info{})
		}
	case n < 850:
		if w, s, t := c.someTask(); t != nil {
			i := failure.Info{Message: "boom"}
			if c.rng.IntN(20) == 0 {
				i.Class = failure.FailJob
			}
			c.endTask(w, s, t, execgraph.Failed, i)
		}
	case n < 860:
		if len(c.workers) < 10 {
			c.addWorker(1 + c.rng.IntN(4))
		}
	case n < 866:
		if len(c.workers) > 0 {
			c.loseWorker(c.workers[c.rng.IntN(len(c.workers))])
		}
	case n < 870:
		c.loseSlot()
	case n < 874:
		c.schedule(scheduling.GlobalFailure{Cause: failure.Info{Message: "coordinator"}})
	case n < 875:
		if c.rng.IntN(3) == 0 {
			c.schedule(scheduling.CancelJob{})
		} else if c.rng.IntN(3) == 0 {
			c.schedule(scheduling.Suspend{Cause: failure.Info{Message: "leadership lost"}})
		}
	case n < 890:
		c.repeatOffer()
	case n < 900:
		c.lateReport()
	case n < 990:
		c.advance(c.now.Add(time.Duration(c.rng.IntN(2000)) * time.Millisecond))
	default:
		if at := c.nextTimer(); !at.IsZero() {
			c.advance(at)
		}
	}
}

// deliver brings the next message of some TaskManager to the JobMaster.
func (c *cluster) deliver() {
	if len(c.workers) == 0 {
		return
	}
	w := c.workers[c.rng.IntN(len(c.workers))]
	if len(w.messages) > 0 {
		m := w.messages[0]
		w.messages = w.messages[1:]
		m()
	}
}

// work has some TaskManager carry out its next command.
func (c *cluster) work() {
	if len(c.workers) == 0 {
		return
	}
	w := c.workers[c.rng.IntN(len(c.workers))]
	if len(w.commands) > 0 {
		command := w.commands[0]
		w.commands = w.commands[1:]
		command()
	}
}

// loseSlot is a TaskManager that loses one slot and goes on.
func (c *cluster) loseSlot() {
	if len(c.workers) == 0 {
		return
	}
	w := c.workers[c.rng.IntN(len(c.workers))]
	s := w.slots[c.rng.IntN(len(w.slots))]
	if s.allocation.IsZero() {
		return
	}
	gone := slotpool.SlotsGone{Worker: w.id, Cause: failure.Info{Message: "slot gone"}}
	gone.Allocations = append(gone.Allocations, s.allocation)
	*s = tmSlot{}
	w.messages = append(w.messages, func() { c.feedPool(gone) })
}

// repeatOffer is a TaskManager that offers all its slots again, as after a lost connection.
func (c *cluster) repeatOffer() {
	if len(c.workers) == 0 {
		return
	}
	w := c.workers[c.rng.IntN(len(c.workers))]
	ev := slotpool.SlotsOffered{Worker: w.id}
	for _, s := range w.slots {
		if !s.allocation.IsZero() {
			ev.Offers = append(ev.Offers, slotpool.Offer{Allocation: s.allocation})
		}
	}
	w.messages = append(w.messages, func() { c.feedPool(ev) })
}

// lateReport is a message about an attempt of the past.
func (c *cluster) lateReport() {
	v := c.graph.Subtask(execgraph.VertexIndex(c.rng.IntN(c.graph.Len())))
	if len(v.Prior()) == 0 {
		return
	}
	a := v.Prior()[c.rng.IntN(len(v.Prior()))].Attempt()
	states := execgraph.ExecutionStates()
	c.schedule(scheduling.TaskStateChanged{
		Attempt: a, State: states[c.rng.IntN(len(states))],
		Failure: failure.Info{Message: "late", Class: failure.FailJob},
	})
}

// calmStep does the next thing in a cluster where nothing fails; false if nothing is left to do.
func (c *cluster) calmStep() bool {
	c.assignSlots()
	first := c.rng.IntN(len(c.workers)) // so that none keeps the others from being served
	for i := range c.workers {
		w := c.workers[(first+i)%len(c.workers)]
		switch {
		case len(w.commands) > 0:
			command := w.commands[0]
			w.commands = w.commands[1:]
			command()
			return true
		case len(w.messages) > 0:
			m := w.messages[0]
			w.messages = w.messages[1:]
			m()
			return true
		}
	}
	for _, w := range c.workers {
		for _, s := range w.slots {
			if len(s.tasks) == 0 {
				continue
			}
			if t := s.tasks[0]; t.running {
				c.endTask(w, s, t, execgraph.Finished, failure.Info{})
			} else {
				c.runTask(w, t)
			}
			return true
		}
	}
	if at := c.nextTimer(); !at.IsZero() {
		c.advance(at)
		return true
	}
	return false
}
