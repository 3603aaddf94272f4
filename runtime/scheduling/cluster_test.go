package scheduling_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"goflink/core/failure"
	"goflink/core/id"
	"goflink/runtime/execgraph"
	"goflink/runtime/scheduling"
	"goflink/runtime/slotpool"
)

// cluster is a simulated cluster around a scheduler and a slot pool: a ResourceManager,
// TaskManagers that work through their commands at their own speed and send messages that arrive in
// order per TaskManager, and timers. Nothing happens but by a call, so that a seed decides a whole
// run.
//
// It verifies, in words:
//
//  1. a task is deployed only into a slot that the scheduler was given, did not give back and has
//     not lost;
//  2. a slot never holds tasks of two sharing groups, nor two subtasks of one vertex;
//  3. attempts of a subtask grow strictly, and none is deployed while an earlier one may still run;
//  4. an attempt after the first is deployed only after TasksToRestore named its subtask;
//  5. the job's states form a chain of legal changes, each beginning where the last one ended;
//  6. the changes of tasks that are told are the changes of the graph;
//  7. what is declared to the ResourceManager is what is used and requested;
//  8. when the job has ended, no slot is used and no request waits.
type cluster struct {
	graph *execgraph.ExecutionGraph
	sched *scheduling.Scheduler
	pool  *slotpool.Pool
	rng   *rand.Rand
	now   time.Time
	log   *strings.Builder // nil: nothing is kept
	errs  []error

	workers   []*taskManager
	joined    int
	lastAlloc int
	declared  int
	queue     []func() // what follows from effects, in order
	restarts  []timer
	poolTimer time.Time

	status   execgraph.JobStatus
	held     map[id.Allocation]id.Worker
	deployed map[execgraph.VertexIndex]int32 // latest attempt
	restored map[execgraph.VertexIndex]int32 // attempt that was named in TasksToRestore
	states   []execgraph.ExecutionState
	ended    bool
}

type timer struct {
	at      time.Time
	restart scheduling.RestartID
}

// taskManager is a simulated TaskManager.
type taskManager struct {
	id       id.Worker
	slots    []*tmSlot
	commands []func()
	messages []func()
}

type tmSlot struct {
	allocation id.Allocation // zero: free
	tasks      []*tmTask
}

type tmTask struct {
	attempt id.Attempt
	vertex  *execgraph.ExecutionVertex
	running bool
}

func newCluster(
	graph *execgraph.ExecutionGraph, opts scheduling.Options, pool slotpool.Options, rng *rand.Rand,
) (*cluster, error) {
	sched, err := scheduling.New(graph, opts)
	if err != nil {
		return nil, err
	}
	p, err := slotpool.New(pool)
	if err != nil {
		return nil, err
	}
	return &cluster{
		graph: graph, sched: sched, pool: p, rng: rng, now: epoch,
		held:     map[id.Allocation]id.Worker{},
		deployed: map[execgraph.VertexIndex]int32{}, restored: map[execgraph.VertexIndex]int32{},
		states: make([]execgraph.ExecutionState, graph.Len()),
	}, nil
}

func (c *cluster) fail(format string, args ...any) {
	if len(c.errs) < 10 {
		c.errs = append(c.errs, fmt.Errorf(format, args...))
	}
}

// err returns what was found wrong.
func (c *cluster) err() error { return errors.Join(c.errs...) }

// schedule feeds the scheduler and carries out what follows, to the end.
func (c *cluster) schedule(ev scheduling.Event) {
	c.queue = append(c.queue, func() { c.stepScheduler(ev) })
	c.drain()
}

// feedPool feeds the slot pool and carries out what follows, to the end.
func (c *cluster) feedPool(ev slotpool.Event) {
	c.queue = append(c.queue, func() { c.stepPool(ev) })
	c.drain()
}

// drain carries out events in order. All effects of a step are carried out before the next event.
func (c *cluster) drain() {
	if len(c.queue) > 1 {
		return // called from within
	}
	for len(c.queue) > 0 {
		c.queue[0]()
		c.queue = c.queue[1:]
	}
	if c.declared != c.pool.Used()+c.pool.Pending() {
		c.fail("declared are %d slots, used %d and requested %d",
			c.declared, c.pool.Used(), c.pool.Pending())
	}
	if c.pool.Used() != len(c.held) {
		c.fail("the pool says that %d slots are used, the scheduler has %d",
			c.pool.Used(), len(c.held))
	}
}

func (c *cluster) stepScheduler(ev scheduling.Event) {
	effects, err := c.sched.Step(c.now, ev)
	c.note("%v %+v", c.now.Sub(epoch), ev)
	if err != nil {
		c.fail("event %T %+v: %w", ev, ev, err)
	}
	for i, e := range effects {
		c.note("  %+v", e)
		if c.ended {
			c.fail("effect %T after the end of the job", e)
		}
		c.carryOut(e)
		if c.ended && i != len(effects)-1 {
			c.fail("the end of the job is not the last effect")
		}
	}
	c.checkStates()
}

func (c *cluster) note(format string, args ...any) {
	if c.log != nil {
		fmt.Fprintf(c.log, format+"\n", args...)
	}
}

// checkStates compares what was told of tasks with the graph. (6)
func (c *cluster) checkStates() {
	if c.log == nil {
		return // it costs time in the number of tasks
	}
	for i := range c.states {
		v := c.graph.Subtask(execgraph.VertexIndex(i))
		if got := v.Current().State(); got != c.states[i] {
			c.fail("%s is %v, told was %v", v.AttemptName(), got, c.states[i])
		}
	}
}

func (c *cluster) carryOut(e scheduling.Effect) {
	switch e := e.(type) {
	case scheduling.TasksChanged:
		for _, ch := range e.Changes {
			if ch.From != c.states[ch.Vertex] && !(ch.From == ch.To && ch.To == execgraph.Created) {
				c.fail("task %v changed from %v, told was %v", ch.Attempt, ch.From,
					c.states[ch.Vertex])
			}
			c.states[ch.Vertex] = ch.To
		}
	case scheduling.CancelTasks:
		for _, t := range e.Tasks {
			if w := c.worker(t.Slot.Worker); w != nil {
				w.commands = append(w.commands, func() { c.cancelTask(w, t.Attempt) })
			}
		}
	case scheduling.CancelSlotRequests:
		c.queue = append(c.queue, func() {
			c.stepPool(slotpool.RequestsCancelled{Requests: e.Requests})
		})
	case scheduling.ReleaseSlots:
		for _, a := range e.Allocations {
			delete(c.held, a)
		}
		c.queue = append(c.queue, func() {
			c.stepPool(slotpool.SlotsReleased{Allocations: e.Allocations})
		})
	case scheduling.JobStateChanged:
		if e.From != c.status || !e.From.CanBecome(e.To) { // (5)
			c.fail("the job went from %v to %v, it was %v", e.From, e.To, c.status)
		}
		c.status, c.ended = e.To, e.To.Terminal()
	case scheduling.ScheduleRestart:
		c.restarts = append(c.restarts, timer{at: c.now.Add(e.After), restart: e.Restart})
	case scheduling.TasksToRestore:
		for _, i := range e.Vertices {
			c.restored[i] = c.graph.Subtask(i).Current().Attempt().Number
		}
	case scheduling.RequestSlots:
		ev := slotpool.SlotsRequested{}
		for _, r := range e.Requests {
			ev.Requests = append(ev.Requests, slotpool.Request{
				ID: r.ID, Previous: r.Previous.Allocation, PreviousWorker: r.Previous.Worker,
			})
		}
		c.queue = append(c.queue, func() { c.stepPool(ev) })
	case scheduling.DeployTasks:
		for _, d := range e.Tasks {
			c.deploy(d)
		}
	}
}

// deploy verifies a deployment and sends it to its TaskManager.
func (c *cluster) deploy(d scheduling.Deployment) {
	v := c.graph.Subtask(d.Vertex)
	if at, has := c.held[d.Slot.Allocation]; !has || at != d.Slot.Worker { // (1)
		c.fail("%s is deployed into slot %s of %s, which the scheduler does not have",
			v.AttemptName(), slotName(d.Slot.Allocation), d.Slot.Worker)
	}
	if last := c.deployed[d.Vertex]; d.Attempt.Number <= last { // (3)
		c.fail("%s is deployed after attempt %d", v.AttemptName(), last)
	}
	if c.deployed[d.Vertex] > 0 { // (4)
		if c.restored[d.Vertex] != d.Attempt.Number {
			c.fail("%s is deployed without having been restored", v.AttemptName())
		}
		if c.log != nil {
			c.checkGone(v)
		}
	}
	c.deployed[d.Vertex] = d.Attempt.Number
	if w := c.worker(d.Slot.Worker); w != nil {
		w.commands = append(w.commands, func() { c.startTask(w, v, d) })
	}
}

// checkGone verifies that no TaskManager runs an attempt of a subtask. (3)
func (c *cluster) checkGone(v *execgraph.ExecutionVertex) {
	for _, w := range c.workers {
		for _, s := range w.slots {
			for _, t := range s.tasks {
				if t.vertex == v {
					c.fail("%s is deployed while attempt %d runs on %s",
						v.AttemptName(), t.attempt.Number, w.id)
				}
			}
		}
	}
}

func (c *cluster) stepPool(ev slotpool.Event) {
	effects, err := c.pool.Step(c.now, ev)
	if err != nil {
		c.fail("pool: %w", err)
	}
	for _, e := range effects {
		switch e := e.(type) {
		case slotpool.SlotsAllocated:
			out := scheduling.SlotsAllocated{}
			for _, a := range e.Slots {
				c.held[a.Allocation] = a.Worker
				out.Slots = append(out.Slots, scheduling.AllocatedSlot{
					Request: a.Request,
					Slot:    execgraph.Slot{Allocation: a.Allocation, Worker: a.Worker},
				})
			}
			c.queue = append(c.queue, func() { c.stepScheduler(out) })
		case slotpool.RequestsTimedOut:
			c.queue = append(c.queue, func() {
				c.stepScheduler(scheduling.SlotAllocationFailed{
					Requests: e.Requests, Cause: e.Cause,
				})
			})
		case slotpool.SlotsLost:
			for _, a := range e.Allocations {
				delete(c.held, a)
			}
			c.queue = append(c.queue, func() {
				c.stepScheduler(scheduling.SlotsLost{Allocations: e.Allocations, Cause: e.Cause})
			})
		case slotpool.AcceptSlots:
			c.confirmSlots(e.Worker, e.Allocations)
		case slotpool.RejectSlots:
			c.freeSlots(e.Worker, e.Allocations)
		case slotpool.FreeSlots:
			c.freeSlots(e.Worker, e.Allocations)
		case slotpool.RequirementsChanged:
			c.declared = 0
			for _, r := range e.Requirements {
				c.declared += r.Count
			}
		case slotpool.SetTimer:
			c.poolTimer = e.At
		}
	}
}

// freeSlots frees slots of a TaskManager, with what may still run there.
func (c *cluster) freeSlots(worker id.Worker, allocations []id.Allocation) {
	w := c.worker(worker)
	if w == nil {
		return
	}
	for _, s := range w.slots {
		if slices.Contains(allocations, s.allocation) {
			*s = tmSlot{}
		}
	}
}

// confirmSlots is a TaskManager that learns which slots the job takes: it says which of them it has
// not got any more.
func (c *cluster) confirmSlots(worker id.Worker, allocations []id.Allocation) {
	w := c.worker(worker)
	if w == nil {
		return
	}
	gone := slotpool.SlotsGone{Worker: worker, Cause: failure.Info{Message: "freed before"}}
	for _, a := range allocations {
		if !slices.ContainsFunc(w.slots, func(s *tmSlot) bool { return s.allocation == a }) {
			gone.Allocations = append(gone.Allocations, a)
		}
	}
	if len(gone.Allocations) > 0 {
		w.messages = append(w.messages, func() { c.feedPool(gone) })
	}
}

func (c *cluster) worker(name id.Worker) *taskManager {
	for _, w := range c.workers {
		if w.id == name {
			return w
		}
	}
	return nil
}

// addWorker starts a TaskManager.
func (c *cluster) addWorker(slots int) {
	c.joined++
	w := &taskManager{id: id.Worker(fmt.Sprintf("w%d", c.joined))}
	for range slots {
		w.slots = append(w.slots, &tmSlot{})
	}
	c.workers = append(c.workers, w)
}

// loseWorker ends a TaskManager: its commands and messages are lost, and what ran there.
func (c *cluster) loseWorker(w *taskManager) {
	c.workers = slices.DeleteFunc(c.workers, func(o *taskManager) bool { return o == w })
	c.feedPool(slotpool.WorkerLost{Worker: w.id})
}

// assignSlots is the ResourceManager: it has as many slots offered as are declared, where there are
// free ones.
func (c *cluster) assignSlots() {
	missing := c.declared
	for _, w := range c.workers {
		for _, s := range w.slots {
			if !s.allocation.IsZero() {
				missing--
			}
		}
	}
	for _, w := range c.workers {
		var offers []slotpool.Offer
		for _, s := range w.slots {
			if missing > 0 && s.allocation.IsZero() {
				missing--
				c.lastAlloc++
				s.allocation = id.Allocation{0: byte(c.lastAlloc >> 8), 1: byte(c.lastAlloc),
					2: byte(c.lastAlloc >> 16), 15: 1}
				offers = append(offers, slotpool.Offer{Allocation: s.allocation})
			}
		}
		if len(offers) > 0 {
			w.messages = append(w.messages, func() {
				c.feedPool(slotpool.SlotsOffered{Worker: w.id, Offers: offers})
			})
		}
	}
}

// report queues a message of a TaskManager about a task.
func (c *cluster) report(
	w *taskManager, a id.Attempt, state execgraph.ExecutionState, i failure.Info,
) {
	w.messages = append(w.messages, func() {
		c.schedule(scheduling.TaskStateChanged{Attempt: a, State: state, Failure: i})
	})
}

// startTask is a TaskManager that is told to start a task.
func (c *cluster) startTask(
	w *taskManager, v *execgraph.ExecutionVertex, d scheduling.Deployment,
) {
	at := slices.IndexFunc(w.slots, func(s *tmSlot) bool {
		return s.allocation == d.Slot.Allocation
	})
	if at < 0 {
		c.report(w, d.Attempt, execgraph.Failed, failure.Info{Message: "no such slot"})
		return
	}
	s := w.slots[at]
	for _, t := range s.tasks { // (2)
		if t.vertex.JobVertex() == v.JobVertex() {
			c.fail("%s and %s are in one slot", t.vertex.TaskName(), v.TaskName())
		}
		if group(t.vertex) != group(v) {
			c.fail("%s and %s of different sharing groups are in one slot",
				t.vertex.TaskName(), v.TaskName())
		}
	}
	s.tasks = append(s.tasks, &tmTask{attempt: d.Attempt, vertex: v})
}

func group(v *execgraph.ExecutionVertex) string { return v.JobVertex().Vertex().SlotSharingGroup }

// cancelTask is a TaskManager that is told to end a task.
func (c *cluster) cancelTask(w *taskManager, a id.Attempt) {
	for _, s := range w.slots {
		for _, t := range s.tasks {
			if t.attempt == a {
				c.endTask(w, s, t, execgraph.Canceled, failure.Info{})
				return
			}
		}
	}
	c.report(w, a, execgraph.Canceled, failure.Info{}) // it has ended before
}

// endTask is a task that ends.
func (c *cluster) endTask(
	w *taskManager, s *tmSlot, t *tmTask, state execgraph.ExecutionState, i failure.Info,
) {
	s.tasks = slices.DeleteFunc(s.tasks, func(o *tmTask) bool { return o == t })
	c.report(w, t.attempt, state, i)
}

// runTask is a task that begins to run.
func (c *cluster) runTask(w *taskManager, t *tmTask) {
	t.running = true
	c.report(w, t.attempt, execgraph.Running, failure.Info{})
}

// nextTimer is the earliest of all timers; the zero time if there is none.
func (c *cluster) nextTimer() time.Time {
	at := c.poolTimer
	for _, r := range c.restarts {
		if at.IsZero() || r.at.Before(at) {
			at = r.at
		}
	}
	return at
}

// advance moves the time on and fires what is due.
func (c *cluster) advance(to time.Time) {
	if to.After(c.now) {
		c.now = to
	}
	for {
		i := slices.IndexFunc(c.restarts, func(t timer) bool { return !t.at.After(c.now) })
		if i < 0 {
			break
		}
		r := c.restarts[i].restart
		c.restarts = slices.Delete(c.restarts, i, i+1)
		c.schedule(scheduling.RestartTimerFired{Restart: r})
	}
	if !c.poolTimer.IsZero() && !c.poolTimer.After(c.now) {
		c.poolTimer = time.Time{}
		c.feedPool(slotpool.TimerFired{})
	}
}
