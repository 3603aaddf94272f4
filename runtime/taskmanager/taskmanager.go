// Package taskmanager is a worker: it has slots, starts the tasks that JobMasters deploy into them
// and reports on them (R18, R121).
package taskmanager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/graph"
	"goflink/internal/host"
	"goflink/runtime/controlplane"
	"goflink/runtime/metric"
	"goflink/runtime/task"
)

// Options describes a TaskManager.
type Options struct {
	Host   host.Host
	Worker id.Worker
	// Slots is the number of slots, fixed for life (R153).
	Slots int
	// ManagedBytes is the managed memory of all slots together.
	ManagedBytes int64
	// Jobs finds what a job needs on this worker.
	Jobs JobSource
	// Exchange makes the ends of exchanges.
	Exchange *Exchange
	// SlotFreed is called when a slot comes back from a job; nil if nobody is told.
	SlotFreed func(a id.Allocation)
	Metrics   *metric.Registry
	Logger    *slog.Logger
}

// JobSource finds a job's graph, code and services; for a job that is not known it returns an
// error.
type JobSource interface {
	// Job returns what the tasks of the job share.
	Job(j id.Job) (*Job, error)
}

// Job is what the tasks of one job share on a worker.
type Job struct {
	Graph   *graph.JobGraph
	Code    *graph.Code
	Config  *config.Configuration
	Backend statebackend.Backend
	Storage task.Storage
	// OperatorStates opens operator state.
	OperatorStates task.OpenOperatorStates
	// FinalCheckpoint says that sinks with transactions wait for a last checkpoint at their end.
	FinalCheckpoint bool
	CheckMutation   bool
	Shared          *task.Shared
}

// TaskManager is a worker. It is safe for concurrent use.
type TaskManager struct {
	o  Options
	mu struct {
		sync.Mutex
		tasks  map[id.Attempt]*running
		slots  []*slot
		closed bool
	}
	done sync.WaitGroup
}

// running is a task and who is told about it.
type running struct {
	t       *task.Task
	master  controlplane.JobMaster
	alloc   id.Allocation
	metrics *metric.Group
	job     *Job
}

// slot is a slot and the job it is allocated to, if any.
type slot struct {
	alloc  id.Allocation
	job    id.Job
	master controlplane.JobMaster
}

var _ controlplane.TaskExecutor = (*TaskManager)(nil)

// New returns a TaskManager with all slots free.
func New(o Options) *TaskManager {
	tm := &TaskManager{o: o}
	tm.mu.tasks = map[id.Attempt]*running{}
	tm.mu.slots = make([]*slot, o.Slots)
	return tm
}

// Worker is the worker's id.
func (tm *TaskManager) Worker() id.Worker { return tm.o.Worker }

// DataAddress is where other workers read its results; empty if they are in its process.
func (tm *TaskManager) DataAddress() string { return tm.o.Exchange.Address() }

// Slots is the number of slots.
func (tm *TaskManager) Slots() int { return tm.o.Slots }

// FreeSlots returns the indices of the slots that no job holds.
func (tm *TaskManager) FreeSlots() []int {
	tm.mu.Lock()
	defer tm.mu.Unlock()
	var free []int
	for i, s := range tm.mu.slots {
		if s == nil {
			free = append(free, i)
		}
	}
	return free
}

// Allocate gives a free slot to a job and offers it to the job's master. The offer is made before
// Allocate returns.
func (tm *TaskManager) Allocate(index int, a id.Allocation, j id.Job,
	master controlplane.JobMaster) error {
	tm.mu.Lock()
	if tm.mu.closed || index < 0 || index >= len(tm.mu.slots) || tm.mu.slots[index] != nil {
		tm.mu.Unlock()
		return fmt.Errorf("worker %s: slot %d is not free", tm.o.Worker, index)
	}
	tm.mu.slots[index] = &slot{alloc: a, job: j, master: master}
	tm.mu.Unlock()
	master.OfferSlots(tm, []controlplane.SlotOffer{{Allocation: a, Index: index}})
	return nil
}

// FreeSlot takes a slot back from its job; tasks in it fail with cause.
func (tm *TaskManager) FreeSlot(a id.Allocation, cause error) {
	tm.mu.Lock()
	known := false
	for i, s := range tm.mu.slots {
		if s != nil && s.alloc == a {
			tm.mu.slots[i], known = nil, true
		}
	}
	var fail []*task.Task
	for _, t := range tm.sortedLocked() {
		if r := tm.mu.tasks[t]; r.alloc == a {
			fail = append(fail, r.t)
		}
	}
	tm.mu.Unlock()
	for _, t := range fail {
		t.Fail(cause)
	}
	if known && tm.o.SlotFreed != nil {
		tm.o.SlotFreed(a)
	}
}

func (tm *TaskManager) slotOfLocked(a id.Allocation) *slot {
	for _, s := range tm.mu.slots {
		if s != nil && s.alloc == a {
			return s
		}
	}
	return nil
}

// errSlotGone is in the chain of the error of a deployment whose slot does not belong to the job.
var errSlotGone = errors.New("the slot does not belong to the job any more")

// Submit starts a task. One that runs already goes on.
func (tm *TaskManager) Submit(d *controlplane.TaskDeployment, master controlplane.JobMaster) {
	err := tm.submit(d, master)
	if err == nil {
		return
	}
	info := failure.InfoOf(fmt.Errorf("deployment: %w", err))
	master.TaskEnded(d.Attempt, controlplane.TaskEnd{Failure: &info,
		SlotGone: errors.Is(err, errSlotGone)})
}

func (tm *TaskManager) submit(d *controlplane.TaskDeployment, master controlplane.JobMaster) error {
	job, err := tm.o.Jobs.Job(d.Attempt.Job)
	if err != nil {
		return fmt.Errorf("worker %s: %w", tm.o.Worker, err)
	}
	tm.mu.Lock()
	defer tm.mu.Unlock()
	switch {
	case tm.mu.closed:
		return fmt.Errorf("worker %s is shutting down", tm.o.Worker)
	case tm.slotOfLocked(d.Allocation) == nil:
		return fmt.Errorf("worker %s, slot %s: %w", tm.o.Worker, d.Allocation,
			errSlotGone)
	case tm.mu.tasks[d.Attempt] != nil:
		tm.o.Logger.Warn("a task was submitted twice", "attempt", d.Attempt)
		return nil
	case d.Vertex < 0 || d.Vertex >= len(job.Graph.Vertices):
		return fmt.Errorf("worker %s: the job has no vertex %d", tm.o.Worker, d.Vertex)
	}
	r := &running{master: master, alloc: d.Allocation, job: job}
	if r.t, err = tm.newTask(d, r); err != nil {
		return fmt.Errorf("worker %s: %w", tm.o.Worker, err)
	}
	tm.mu.tasks[d.Attempt] = r
	tm.done.Add(1)
	r.t.Start()
	return nil
}

func (tm *TaskManager) find(a id.Attempt) *running {
	tm.mu.Lock()
	defer tm.mu.Unlock()
	return tm.mu.tasks[a]
}

// CancelTask ends a task soon. For one that is not here nothing happens: its end was reported.
func (tm *TaskManager) CancelTask(a id.Attempt) {
	if r := tm.find(a); r != nil {
		r.t.Cancel()
	}
}

// TriggerCheckpoint begins a checkpoint at a task.
func (tm *TaskManager) TriggerCheckpoint(a id.Attempt, b *stream.Barrier) {
	if r := tm.find(a); r != nil {
		r.t.Trigger(b)
	}
}

// CheckpointComplete tells tasks that a checkpoint is durable.
func (tm *TaskManager) CheckpointComplete(as []id.Attempt, checkpoint uint64) {
	for _, a := range as {
		if r := tm.find(a); r != nil {
			r.t.CheckpointComplete(checkpoint)
		}
	}
}

// CheckpointAborted tells tasks that a checkpoint will never be durable.
func (tm *TaskManager) CheckpointAborted(as []id.Attempt, checkpoint uint64) {
	for _, a := range as {
		if r := tm.find(a); r != nil {
			r.t.CheckpointAborted(checkpoint)
		}
	}
}

// CoordinatorEvent hands an event of its coordinator to an operator.
func (tm *TaskManager) CoordinatorEvent(a id.Attempt, op id.Operator, event []byte) {
	if r := tm.find(a); r != nil {
		r.t.CoordinatorEvent(op, event)
	}
}

// ReleaseJob takes back the slots that a job still holds.
func (tm *TaskManager) ReleaseJob(j id.Job) {
	tm.mu.Lock()
	var as []id.Allocation
	for _, s := range tm.mu.slots {
		if s != nil && s.job == j {
			as = append(as, s.alloc)
		}
	}
	tm.mu.Unlock()
	for _, a := range as {
		tm.FreeSlot(a, errors.New("the job has ended"))
	}
}

// Tasks returns the attempts that run here.
func (tm *TaskManager) Tasks() []id.Attempt {
	tm.mu.Lock()
	defer tm.mu.Unlock()
	return slices.Collect(maps.Keys(tm.mu.tasks))
}

// IO returns the counts of a task that runs here, or nil.
func (tm *TaskManager) IO(a id.Attempt) *task.IO {
	if r := tm.find(a); r != nil {
		return r.t.IO()
	}
	return nil
}

// Kill ends the worker as a crash would: its tasks end, nobody is told by them, and the JobMasters
// hear that the worker is lost.
func (tm *TaskManager) Kill(cause error) {
	tm.mu.Lock()
	tm.mu.closed = true
	masters := map[controlplane.JobMaster]bool{}
	var order []controlplane.JobMaster
	for _, s := range tm.mu.slots {
		if s != nil && !masters[s.master] {
			masters[s.master] = true
			order = append(order, s.master)
		}
	}
	tasks := tm.silenceLocked()
	tm.mu.Unlock()
	for _, t := range tasks {
		t.Cancel()
	}
	for _, m := range order {
		m.Disconnected(tm.o.Worker, failure.InfoOf(cause))
	}
}

// silenceLocked makes all tasks report to nobody from now on.
func (tm *TaskManager) silenceLocked() (tasks []*task.Task) {
	for _, a := range tm.sortedLocked() {
		r := tm.mu.tasks[a]
		r.master = deaf{}
		tasks = append(tasks, r.t)
	}
	return tasks
}

// LeaderLost takes all slots back from their jobs and cancels all tasks, of which nobody is told:
// the worker is as new for the next leader. It returns when the tasks have ended, or ctx has. It
// must not be called under simulation.
func (tm *TaskManager) LeaderLost(ctx context.Context, cause error) error {
	tm.mu.Lock()
	tasks := tm.silenceLocked()
	clear(tm.mu.slots)
	tm.mu.Unlock()
	if len(tasks) > 0 {
		tm.o.Logger.Warn("tasks are cancelled, their JobManager is lost", "tasks", len(tasks),
			"cause", cause)
	}
	for _, t := range tasks {
		t.Cancel()
	}
	ended := make(chan struct{})
	go func() {
		tm.done.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d tasks of worker %s do not end: %w", len(tm.Tasks()), tm.o.Worker,
			ctx.Err())
	}
}

func (tm *TaskManager) sortedLocked() []id.Attempt {
	return slices.SortedFunc(maps.Keys(tm.mu.tasks), id.Attempt.Compare)
}

// ErrClosed is why the tasks of a TaskManager that is closed end.
var ErrClosed = errors.New("the TaskManager is shut down")

// Close cancels all tasks; Wait waits for their end.
func (tm *TaskManager) Close() {
	tm.mu.Lock()
	tm.mu.closed = true
	var tasks []*task.Task
	for _, a := range tm.sortedLocked() {
		tasks = append(tasks, tm.mu.tasks[a].t)
	}
	tm.mu.Unlock()
	for _, t := range tasks {
		t.Cancel()
	}
}

// Wait waits until no task runs. It must not be called under simulation.
func (tm *TaskManager) Wait() { tm.done.Wait() }
