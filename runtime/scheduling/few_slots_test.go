package scheduling_test

import (
	"strings"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/internal/testkit"
	"goflink/runtime/execgraph"
	"goflink/runtime/scheduling"
	"goflink/runtime/slotpool"
)

// fewSlots runs a job of parallelism 4 on a cluster with two slots and slow tasks: each step takes
// longer than slot.request.timeout.
func fewSlots(t *testing.T, text string, strategy config.SchedulingStrategyKind) *cluster {
	t.Helper()
	c, err := newCluster(newGraph(t, text), scheduling.Options{Strategy: strategy},
		slotpool.Options{RequestTimeout: 5 * time.Minute, IdleTimeout: 50 * time.Second},
		testkit.Source(1))
	if err != nil {
		t.Fatal(err)
	}
	c.addWorker(2)
	c.schedule(scheduling.StartScheduling{})
	for range 50 {
		c.settleWide()
		c.advance(c.now.Add(6 * time.Minute))
		for _, w := range c.workers {
			for _, s := range w.slots {
				if len(s.tasks) > 0 {
					c.endNow(w, s)
				}
			}
		}
	}
	if err := c.err(); err != nil {
		t.Fatal(err)
	}
	return c
}

// endNow finishes the first task of a slot.
func (c *cluster) endNow(w *taskManager, s *tmSlot) {
	c.report(w, s.tasks[0].attempt, execgraph.Finished, failure.Info{})
	s.tasks = s.tasks[1:]
}

// R148: 2 slots, parallelism 4. Eager fails after slot.request.timeout, even though its tasks would
// end by themselves; by pipelined regions, which is what the lazy batch modes were for, the job
// completes. An unbounded one, whose tasks never free their slots, does not.
func TestTwoSlotsForParallelismFour(t *testing.T) {
	const bounded, unbounded = "vertex v p=4 bounded", "vertex v p=4"
	c := fewSlots(t, bounded, config.ScheduleEager)
	if m := c.sched.FailureCause().Message; c.status != execgraph.JobFailed ||
		!strings.Contains(m, "asked for 4, got 2, missing 2 since 2024-01-01T00:00:00Z") {
		t.Errorf("eager: %v: %s", c.status, m)
	}
	if c = fewSlots(t, bounded, config.SchedulePipelinedRegion); c.status !=
		execgraph.JobFinished || c.sched.Restarts() != 0 {
		t.Errorf("bounded: %v after %d restarts, %v", c.status, c.sched.Restarts(),
			c.sched.FailureCause())
	}
	c = fewSlots(t, unbounded, config.SchedulePipelinedRegion)
	if m := c.sched.FailureCause().Message; c.status != execgraph.JobFailed ||
		!strings.Contains(m, "not enough slots: asked for 2, got 0") {
		t.Errorf("unbounded: %v: %s", c.status, m)
	}
}
