package scheduling_test

import (
	"fmt"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/runtime/execgraph"
	"goflink/runtime/execgraph/graphtest"
	"goflink/runtime/scheduling"
	"goflink/runtime/slotpool"
)

// Two vertices of 4,000 subtasks each, connected all to all: 16 million connections.
const (
	wide      = 4000
	wideGraph = "vertex a p=4000\nvertex b p=4000\nedge a b alltoall"
	// separateGraph is 4,000 pipelines, each a region of its own.
	separateGraph = "vertex a p=4000\nvertex b p=4000\nedge a b pointwise"
)

// startWide expands a job and brings it to RUNNING on TaskManagers of four slots each.
func startWide(tb testing.TB, text string, strategy config.SchedulingStrategyKind) *cluster {
	job, err := graphtest.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	graph, err := execgraph.New(epoch, job)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := newCluster(graph, scheduling.Options{
		Strategy: strategy,
		Restart: config.RestartStrategy{Kind: config.FixedDelay,
			Attempts: config.UnlimitedAttempts, Delay: time.Second},
	}, slotpool.Options{RequestTimeout: time.Minute, IdleTimeout: time.Minute}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	for range wide / 4 {
		c.addWorker(4)
	}
	c.schedule(scheduling.StartScheduling{})
	c.settleWide()
	if n := int(graph.Counts()[execgraph.Running]); n != graph.Len() || c.err() != nil {
		tb.Fatalf("%d of %d tasks run: %v", n, graph.Len(), c.err())
	}
	return c
}

// settleWide has every TaskManager do all that it has to, until nothing is left.
func (c *cluster) settleWide() {
	for moved := true; moved; {
		moved = false
		c.assignSlots()
		for _, w := range c.workers {
			for _, command := range w.commands {
				command()
				moved = true
			}
			w.commands = nil
			for _, s := range w.slots {
				for _, t := range s.tasks {
					if !t.running {
						c.runTask(w, t)
					}
				}
			}
			messages := w.messages
			w.messages = nil
			for _, m := range messages {
				m()
				moved = true
			}
		}
	}
}

// BenchmarkScheduleWide expands and schedules a job until all its tasks run, with the slot pool and
// simulated TaskManagers, whose messages come one by one.
func BenchmarkScheduleWide(b *testing.B) {
	for name, text := range map[string]string{"alltoall": wideGraph, "pipelines": separateGraph} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				startWide(b, text, config.SchedulePipelinedRegion)
			}
		})
	}
}

// BenchmarkScheduleOnly is the same without pool and TaskManagers: what expanding and scheduling
// cost by themselves, with all slots in one event and each task's report in one of its own.
func BenchmarkScheduleOnly(b *testing.B) {
	job, err := graphtest.Parse(wideGraph)
	if err != nil {
		b.Fatal(err)
	}
	slots := scheduling.SlotsAllocated{}
	for i := range wide {
		slots.Slots = append(slots.Slots, scheduling.AllocatedSlot{
			Request: id.SlotRequest(i + 1), Slot: execgraph.Slot{
				Allocation: id.Allocation{byte(i >> 8), byte(i), 1}, Worker: "w",
			},
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		graph, err := execgraph.New(epoch, job)
		if err != nil {
			b.Fatal(err)
		}
		s, err := scheduling.New(graph, scheduling.Options{})
		if err != nil {
			b.Fatal(err)
		}
		step(b, s, scheduling.StartScheduling{})
		step(b, s, slots)
		for i := range graph.Len() {
			step(b, s, scheduling.TaskStateChanged{
				Attempt: graph.Subtask(execgraph.VertexIndex(i)).Current().Attempt(),
				State:   execgraph.Running,
			})
		}
		if n := int(graph.Counts()[execgraph.Running]); n != graph.Len() {
			b.Fatalf("%d tasks run", n)
		}
	}
}

// BenchmarkFailover loses a TaskManager of a wide job and restarts what is needed.
func BenchmarkFailover(b *testing.B) {
	for name, text := range map[string]string{"alltoall": wideGraph, "pipelines": separateGraph} {
		b.Run(name, func(b *testing.B) {
			c := startWide(b, text, config.SchedulePipelinedRegion)
			b.ReportAllocs()
			for b.Loop() {
				c.failOver(b)
			}
		})
	}
}

// failOver loses one TaskManager, starts another one, and waits until all tasks run again.
func (c *cluster) failOver(tb testing.TB) {
	before := c.sched.Restarts()
	c.loseWorker(c.workers[0])
	c.addWorker(4)
	c.settleWide()
	c.advance(c.now.Add(time.Second))
	c.settleWide()
	if n := int(c.graph.Counts()[execgraph.Running]); n != c.graph.Len() || c.err() != nil ||
		c.sched.Restarts() != before+1 {
		tb.Fatalf("%d of %d tasks run after %d restarts: %v", n, c.graph.Len(),
			c.sched.Restarts()-before, c.err())
	}
}

// A wide job is scheduled, fails over and runs again, in every strategy; the loss of a TaskManager
// with four slots is one failure.
func TestWideJob(t *testing.T) {
	for _, text := range []string{wideGraph, separateGraph} {
		for _, strategy := range []config.SchedulingStrategyKind{
			config.ScheduleEager, config.SchedulePipelinedRegion,
		} {
			c := startWide(t, text, strategy)
			c.failOver(t)
			if h := c.sched.History(); len(h) != 1 {
				t.Errorf("%s: the loss of a TaskManager is %d incidents", strategy, len(h))
			}
		}
	}
}

// Every pipeline of a wide job fails on its own, each in a message of its own: 4,000 failovers are
// pending at the same time, and all take place.
func TestManyFailures(t *testing.T) {
	c := startWide(t, separateGraph, config.SchedulePipelinedRegion)
	c.now = c.now.Add(time.Second)
	for _, w := range c.workers {
		for _, s := range w.slots {
			task := s.tasks[0]
			c.endTask(w, s, task, execgraph.Failed, failure.Info{
				Message: fmt.Sprint("failure of ", task.vertex.TaskName()),
			})
		}
	}
	c.settleWide()
	if got := c.graph.Status(); got != execgraph.JobRunning {
		t.Fatalf("the job is %v", got)
	}
	c.advance(c.now.Add(time.Second))
	c.settleWide()
	if n := int(c.graph.Counts()[execgraph.Running]); n != c.graph.Len() || c.err() != nil ||
		c.sched.Restarts() != wide {
		t.Errorf("%d of %d tasks run after %d restarts: %v", n, c.graph.Len(),
			c.sched.Restarts(), c.err())
	}
}
