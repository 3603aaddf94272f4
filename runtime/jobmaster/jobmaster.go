// Package jobmaster runs one job: it is the shell around the state machines that decide (R17,
// R120).
//
//	                 ┌────────────── Master (one actor) ──────────────┐
//	TaskManagers ──▶ │ scheduling.Scheduler   slotpool.Pool           │ ──▶ TaskManagers
//	client       ──▶ │ checkpoint.Coordinator operator coordinators   │ ──▶ ResourceManager
//	                 └────────────────────────────────────────────────┘
//
// Whatever comes in is a call in the master's actor: an event for a state machine, whose effects
// are carried out before the next call. An effect of one machine may be an event of another.
package jobmaster

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"goflink/core/accumulator"
	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/graph"
	"goflink/internal/host"
	"goflink/runtime/controlplane"
	"goflink/runtime/execgraph"
	"goflink/runtime/scheduling"
	"goflink/runtime/slotpool"
)

// Options is what a master needs.
type Options struct {
	Host host.Host
	Job  *graph.JobGraph
	// Code has the operators' coordinators.
	Code   *graph.Code
	Config *config.Configuration
	// Resources is asked for slots.
	Resources controlplane.ResourceManager
	// Checkpoints says how the job's state is saved.
	Checkpoints *CheckpointOptions
	Logger      *slog.Logger
	// Trace, if not nil, hears what happens, for event logs and tests. It is called in the actor.
	Trace func(event string)
	// Ended is called once, in the actor, when the job has come to a terminal state.
	Ended func()
}

// Master runs one job. Its methods are safe for concurrent use unless they say otherwise.
type Master struct {
	o     Options
	actor host.Actor

	// All below is used in the actor only.
	graph     *execgraph.ExecutionGraph
	scheduler *scheduling.Scheduler
	pool      *slotpool.Pool
	executors map[id.Worker]controlplane.TaskExecutor
	// events wait for the scheduler, which is at work while scheduling is set.
	events       []scheduling.Event
	scheduling   bool
	poolTimer    func()
	coordinators coordinators
	checkpoints  *checkpoints
	restores     map[execgraph.VertexIndex]*controlplane.TaskRestore
	// held are deployments that wait until the state of their tasks is assigned: while holdDeploys
	// is not 0.
	held        []scheduling.Deployment
	holdDeploys int
	shares      map[id.Attempt][]accumulator.Share
	started     time.Time
	ended       time.Time
	waiters     []chan<- struct{}
	// over says that the job is in a terminal state, finished that everything is released.
	over, finished bool
	fatal          error
}

var _ controlplane.JobMaster = (*Master)(nil)

// New returns a master that does nothing until Start. An error says what is wrong with the job.
func New(o Options) (*Master, error) {
	m := &Master{o: o, executors: map[id.Worker]controlplane.TaskExecutor{},
		restores: map[execgraph.VertexIndex]*controlplane.TaskRestore{},
		shares:   map[id.Attempt][]accumulator.Share{}}
	now := o.Host.Now()
	var err error
	if m.graph, err = execgraph.New(now, o.Job); err != nil {
		return nil, err
	}
	so, err := scheduling.OptionsOf(o.Config, o.Checkpoints.enabled())
	if err != nil {
		return nil, err
	}
	if m.scheduler, err = scheduling.New(m.graph, so); err != nil {
		return nil, err
	}
	po, err := slotpool.OptionsOf(o.Config)
	if err != nil {
		return nil, err
	}
	if m.pool, err = slotpool.New(po); err != nil {
		return nil, err
	}
	m.checkpoints = newCheckpoints(m, o.Checkpoints)
	m.actor = o.Host.NewActor("jobmaster " + o.Job.Name)
	return m, nil
}

// ID is the job's id.
func (m *Master) ID() id.Job { return m.o.Job.ID }

// Start begins the job.
func (m *Master) Start() {
	m.actor.Post(func() {
		m.started = m.o.Host.Now()
		if err := m.startCoordinators(); err != nil {
			m.fail(fmt.Errorf("start of the operator coordinators: %w", err))
		}
		m.checkpoints.start(func(err error) {
			if err != nil {
				m.failForGood(err)
				return
			}
			m.coordinators.startAll()
			m.schedule(scheduling.StartScheduling{})
		})
	})
}

// fail fails the job as a whole; the restart strategy decides how it goes on.
func (m *Master) fail(err error) {
	m.schedule(scheduling.GlobalFailure{Cause: failure.InfoOf(err)})
}

// failForGood fails the job whatever the restart strategy.
func (m *Master) failForGood(err error) {
	m.fail(failure.Mark(err, failure.FailJob, failure.DomainOf(err)))
}

// broken ends a job whose state machines contradict themselves: a bug of the engine.
func (m *Master) broken(err error) {
	m.o.Logger.Error("the job's state is inconsistent", "error", err)
	if m.fatal == nil {
		m.fatal = err
		m.fail(failure.Mark(err, failure.FailJob, failure.Internal))
	}
}

func (m *Master) trace(format string, args ...any) {
	if m.o.Trace != nil {
		m.o.Trace(fmt.Sprintf(format, args...))
	}
}

// schedule tells the scheduler of an event and carries out what it wants. What comes about
// meanwhile is told to it afterwards.
func (m *Master) schedule(e scheduling.Event) {
	m.events = append(m.events, e)
	if m.scheduling {
		return
	}
	m.scheduling = true
	for len(m.events) > 0 && !m.over {
		e := m.events[0]
		m.events = m.events[1:]
		effects, err := m.scheduler.Step(m.o.Host.Now(), e)
		for _, f := range effects {
			m.carryOut(f)
		}
		if err != nil {
			m.broken(err)
		}
	}
	m.events, m.scheduling = nil, false
}

// carryOut carries out an effect of the scheduler.
func (m *Master) carryOut(e scheduling.Effect) {
	switch e := e.(type) {
	case scheduling.TasksChanged:
		m.tasksChanged(e.Changes)
	case scheduling.CancelTasks:
		m.cancelTasks(e.Tasks)
	case scheduling.CancelSlotRequests:
		m.slots(slotpool.RequestsCancelled{Requests: e.Requests})
	case scheduling.ReleaseSlots:
		m.slots(slotpool.SlotsReleased{Allocations: e.Allocations})
	case scheduling.JobStateChanged:
		m.jobStateChanged(e)
	case scheduling.ScheduleRestart:
		m.trace("restart in %s", e.After)
		m.o.Host.After(e.After, func() {
			m.actor.Post(func() {
				m.schedule(scheduling.RestartTimerFired{Restart: e.Restart})
			})
		})
	case scheduling.TasksToRestore:
		m.restoreTasks(e)
	case scheduling.RequestSlots:
		m.requestSlots(e.Requests)
	case scheduling.DeployTasks:
		m.deploy(e.Tasks)
	default:
		m.broken(fmt.Errorf("unknown effect %T of the scheduler", e))
	}
}

func (m *Master) tasksChanged(changes []scheduling.TaskChange) {
	for _, c := range changes {
		v := m.graph.Subtask(c.Vertex)
		if f := v.Current().Failure(); c.To == execgraph.Failed && f != nil {
			m.trace("task %s -> %s: %s", v.TaskName(), c.To, f.Message)
		} else {
			m.trace("task %s -> %s", v.TaskName(), c.To)
		}
		m.coordinators.taskChanged(m, c)
	}
	m.checkpoints.tasksChanged(changes)
}

func (m *Master) cancelTasks(tasks []scheduling.Cancellation) {
	for _, c := range tasks {
		te := m.executors[c.Slot.Worker]
		if te == nil {
			a := c.Attempt
			m.actor.Post(func() {
				m.schedule(scheduling.TaskStateChanged{Attempt: a, State: execgraph.Canceled})
			})
			continue
		}
		te.CancelTask(c.Attempt)
	}
}

func (m *Master) jobStateChanged(e scheduling.JobStateChanged) {
	m.trace("job %s -> %s", e.From, e.To)
	m.o.Logger.Info("job state", "from", e.From, "to", e.To, "cause", e.Cause.Message)
	if !e.To.Terminal() {
		return
	}
	m.ended = m.o.Host.Now()
	m.over = true
	m.coordinators.close()
	m.slots(slotpool.Closed{})
	m.checkpoints.close(e.To, func() { m.actor.Post(m.finish) })
}

// finish tells who waits that the job is over, and closes the actor.
func (m *Master) finish() {
	for _, w := range slices.Sorted(maps.Keys(m.executors)) {
		m.executors[w].ReleaseJob(m.o.Job.ID)
	}
	for _, w := range m.waiters {
		close(w)
	}
	m.waiters = nil
	if m.o.Ended != nil {
		m.o.Ended()
	}
	m.finished = true
	m.actor.Close()
}

// Suspend gives the job up without ending it.
func (m *Master) Suspend(cause error) {
	m.actor.Post(func() { m.schedule(scheduling.Suspend{Cause: failure.InfoOf(cause)}) })
}

// Done is closed when the master has ended.
func (m *Master) Done() <-chan struct{} { return m.actor.Done() }

// result is the job's outcome; it may be called after Done, too.
func (m *Master) result() (job.Result, error) {
	r := job.Result{ID: m.o.Job.ID, Name: m.o.Job.Name, Runtime: m.ended.Sub(m.started),
		Restarts: m.scheduler.Restarts()}
	var all []accumulator.Share
	for i := range m.graph.Len() {
		a := m.graph.Subtask(execgraph.VertexIndex(i)).Current().Attempt()
		all = append(all, m.shares[a]...)
	}
	var err error
	if r.Accumulators, err = accumulator.Merge(all); err != nil {
		return r, err
	}
	switch m.graph.Status() {
	case execgraph.JobFinished:
		return r, nil
	case execgraph.JobCanceled:
		return r, &job.CancelledError{ID: r.ID}
	}
	cause := m.scheduler.FailureCause()
	return r, fmt.Errorf("job %q (%s) ended in %s: %w", r.Name, r.ID, m.graph.Status(), cause.Err())
}

// call runs f in the actor; after the master's end it runs it at once, nobody else being there.
func call[T any](ctx context.Context, m *Master, f func() (T, error)) (T, error) {
	v, err := host.Call(ctx, m.actor, f)
	if err == host.ErrClosed {
		<-m.actor.Done()
		return f()
	}
	return v, err
}
