package scheduling

import (
	"fmt"
	"slices"
	"time"

	"goflink/core/failure"
	"goflink/runtime/execgraph"
)

// failover is what follows from a failure: regions whose tasks are cancelled and, unless the job
// ends, restarted.
type failover struct {
	id       RestartID
	regions  []*execgraph.PipelinedRegion
	running  int        // tasks that are not final
	due      bool       // the delay is over
	final    bool       // no restart: the job ends
	global   bool       // coordinators are restored, too
	taken    bool       // another failover took it over
	incident *Exception // in the history
}

// ownerOf returns the pending failover that a task belongs to.
func (s *Scheduler) ownerOf(v *execgraph.ExecutionVertex) *failover {
	return s.owner[v.Region().Index()]
}

// noteReady queues a failover whose restart has nothing more to wait for.
func (s *Scheduler) noteReady(f *failover) {
	if f.running == 0 && f.due && !f.final && f != s.whole {
		s.ready = append(s.ready, f)
	}
}

func (s *Scheduler) timerFired(r RestartID) {
	if f := s.pending[r]; f != nil && !f.due {
		f.due = true
		s.noteReady(f)
	}
}

// failTasks fails tasks for one cause, which counts as one failure.
func (s *Scheduler) failTasks(tasks []*execgraph.ExecutionVertex, cause failure.Info) error {
	if len(tasks) == 0 {
		return nil
	}
	first := tasks[0]
	report := Exception{
		Time: s.now, Task: first.TaskName(), Attempt: first.Current().Attempt(),
		Slot: first.Current().Slot(), Failure: cause,
	}
	for i, v := range tasks {
		if i > 0 {
			report.join(Exception{
				Time: s.now, Task: v.TaskName(), Attempt: v.Current().Attempt(),
				Slot: v.Current().Slot(), Failure: cause,
			})
		}
		if err := s.move(v, execgraph.Failed, &cause); err != nil {
			return err
		}
	}
	if err := s.handleFailure(tasks, report, false); err != nil {
		return err
	}
	for _, v := range tasks {
		s.settle(v)
	}
	return nil
}

// globalFailure fails the job as a whole.
func (s *Scheduler) globalFailure(cause failure.Info) error {
	if cause.Message == "" {
		cause.Message = "the job failed; no cause was given"
	}
	return s.handleFailure(nil, Exception{Time: s.now, Failure: cause}, true)
}

// handleFailure decides what follows from a failure: of tasks, which have failed already, or of the
// whole job.
func (s *Scheduler) handleFailure(
	tasks []*execgraph.ExecutionVertex, report Exception, global bool,
) error {
	fatal := report.Failure.Class != failure.Retryable
	switch s.graph.Status() {
	case execgraph.JobCancelling:
		s.history.add(report)
		return nil
	case execgraph.JobFailing:
		s.whole.incident.join(report)
		s.whole.global = s.whole.global || global
		if fatal && !s.whole.final {
			s.giveUp(s.whole, report.Failure)
		}
		return nil
	case execgraph.JobRunning:
		if f := s.pendingOf(tasks); f != nil && !global && !fatal {
			f.incident.join(report)
			return nil
		}
	}
	return s.failover(tasks, s.history.add(report), global)
}

// pendingOf returns a pending failover of the tasks, if all of them belong to one, each to its own.
func (s *Scheduler) pendingOf(tasks []*execgraph.ExecutionVertex) *failover {
	var f *failover
	for _, v := range tasks {
		o := s.ownerOf(v)
		if o == nil {
			return nil
		}
		f = o
	}
	return f
}

// failover begins a failover: it asks the restart strategy, takes over what it meets, and cancels
// the tasks.
func (s *Scheduler) failover(
	tasks []*execgraph.ExecutionVertex, incident *Exception, global bool,
) error {
	s.failureCause = incident.Failure
	cause := incident.Failure
	var delay time.Duration
	restart := cause.Class == failure.Retryable
	if !restart {
		cause = unrecoverable(cause)
	} else if delay, restart = s.restart.next(s.now); !restart {
		cause.Message = fmt.Sprintf("no restart: %s: %s", s.restart.refusal(), cause.Message)
	}
	f := &failover{incident: incident, global: global, final: !restart}
	if restart && !s.full && !global {
		f.regions = s.affected(tasks)
	} else {
		f.regions = s.allRegions()
	}
	s.takeOver(f)
	if restart {
		s.lastRestart++
		f.id = s.lastRestart
		s.pending[f.id] = f
		s.out.job = append(s.out.job, ScheduleRestart{Restart: f.id, After: delay})
	}
	if len(f.regions) == len(s.owner) {
		if err := s.beginFailing(f, cause); err != nil {
			return err
		}
	}
	return s.cancelRegions(f.regions)
}

// unrecoverable says in the message why there is no restart.
func unrecoverable(cause failure.Info) failure.Info {
	cause.Message = fmt.Sprintf("no restart: the failure is of the class %s: %s",
		cause.Class, cause.Message)
	return cause
}

// beginFailing brings the job into FAILING.
func (s *Scheduler) beginFailing(f *failover, cause failure.Info) error {
	s.failureCause = cause
	s.whole = f
	if s.graph.Status() == execgraph.JobRestarting {
		// Nothing runs. A restart that is still to come begins anew; a job that is given up goes
		// the way of the table, over the state that it would have begun from.
		if !f.final {
			return nil
		}
		if err := s.become(execgraph.JobCreated, failure.Info{}); err != nil {
			return err
		}
	}
	return s.become(execgraph.JobFailing, cause)
}

// giveUp turns a failover of the whole job into the end of the job.
func (s *Scheduler) giveUp(f *failover, cause failure.Info) {
	f.final = true
	delete(s.pending, f.id)
	s.failureCause = unrecoverable(cause)
	s.settleAll()
}

// affected returns the regions to restart after the failure of tasks: theirs, those that read from
// them, those of pending failovers that this one meets, and those that wait to be deployed together
// with one of them. Without the latter, tasks that an eager strategy scheduled together with a task
// that failed before the deployment would wait for ever.
func (s *Scheduler) affected(tasks []*execgraph.ExecutionVertex) []*execgraph.PipelinedRegion {
	regions := make([]*execgraph.PipelinedRegion, 0, len(tasks))
	for _, v := range tasks {
		regions = append(regions, v.Region())
	}
	met := map[*failover]bool{}
	waiting := map[*bulk]bool{}
	for {
		regions = s.graph.WithDownstream(regions)
		grown := regions
		for _, r := range regions {
			if f := s.owner[r.Index()]; f != nil && !met[f] {
				met[f] = true
				grown = append(grown, f.regions...)
			}
			for _, i := range r.Vertices() {
				if b := s.slots.bulkOf[i]; b != nil && !waiting[b] {
					waiting[b] = true
					for _, v := range b.vertices {
						grown = append(grown, s.graph.Subtask(v).Region())
					}
				}
			}
		}
		if len(grown) == len(regions) {
			return regions
		}
		regions = grown
	}
}

func (s *Scheduler) allRegions() []*execgraph.PipelinedRegion {
	all := s.graph.Regions()
	regions := make([]*execgraph.PipelinedRegion, len(all))
	for i := range all {
		regions[i] = &all[i]
	}
	return regions
}

// takeOver makes f the owner of its regions, in the place of failovers that it meets.
func (s *Scheduler) takeOver(f *failover) {
	for _, r := range f.regions {
		if old := s.owner[r.Index()]; old != nil && !old.taken {
			old.taken = true
			delete(s.pending, old.id)
		}
		s.owner[r.Index()] = f
		for _, i := range r.Vertices() {
			if !s.graph.Subtask(i).Current().State().Final() {
				f.running++
			}
		}
	}
	if len(s.ready) > 0 { // left over from a step that ended with an error
		s.ready = slices.DeleteFunc(s.ready, func(r *failover) bool { return r.taken })
	}
}

// cancelRegions ends all tasks of some regions.
func (s *Scheduler) cancelRegions(regions []*execgraph.PipelinedRegion) error {
	for _, r := range regions {
		for _, i := range r.Vertices() {
			if err := s.cancelTask(s.graph.Subtask(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// cancelTask ends a task: at once where no TaskManager has it.
func (s *Scheduler) cancelTask(v *execgraph.ExecutionVertex) error {
	switch state := v.Current().State(); state {
	case execgraph.Created, execgraph.Scheduled:
		if err := s.move(v, execgraph.Canceled, nil); err != nil {
			return err
		}
	case execgraph.Deploying, execgraph.Running:
		s.out.cancels = append(s.out.cancels, Cancellation{
			Attempt: v.Current().Attempt(), Slot: v.Current().Slot(),
		})
		return s.move(v, execgraph.Canceling, nil)
	}
	s.settle(v)
	return nil
}

// cancelAll ends all tasks and forgets pending restarts.
func (s *Scheduler) cancelAll() error {
	clear(s.pending)
	clear(s.owner)
	s.ready, s.whole = nil, nil
	return s.cancelRegions(s.allRegions())
}

func (s *Scheduler) settleAll() {
	for i := range s.graph.Len() {
		s.settle(s.graph.Subtask(execgraph.VertexIndex(i)))
	}
}

// cancelJob ends the job for its user. While it is being cancelled, more of the same changes
// nothing.
func (s *Scheduler) cancelJob() error {
	if s.graph.Status() == execgraph.JobCancelling {
		return nil
	}
	if err := s.become(execgraph.JobCancelling, failure.Info{}); err != nil {
		return err
	}
	return s.cancelAll()
}

// suspend gives the job up in one step: tasks are told to end, and nobody waits for them.
func (s *Scheduler) suspend(cause failure.Info) error {
	if err := s.cancelAll(); err != nil {
		return err
	}
	for i := range s.graph.Len() {
		v := s.graph.Subtask(execgraph.VertexIndex(i))
		if v.Current().State() == execgraph.Canceling {
			if err := s.taskCanceled(v); err != nil {
				return err
			}
		}
	}
	return s.become(execgraph.JobSuspended, cause)
}

// advance carries on what waits for tasks to end or for a delay to be over.
func (s *Scheduler) advance() error {
	for {
		var err error
		switch s.graph.Status() {
		case execgraph.JobRunning:
			if int(s.graph.Counts()[execgraph.Finished]) == s.graph.Len() {
				return s.become(execgraph.JobFinished, failure.Info{})
			}
			if len(s.ready) == 0 {
				return nil
			}
			f := s.ready[0]
			s.ready = s.ready[1:]
			err = s.restartTasks(f)
		case execgraph.JobFailing:
			switch {
			case s.graph.Counts().Final() < s.graph.Len():
				return nil
			case s.whole.final:
				return s.become(execgraph.JobFailed, s.failureCause)
			}
			err = s.become(execgraph.JobRestarting, failure.Info{})
		case execgraph.JobRestarting:
			if !s.whole.due {
				return nil
			}
			f := s.whole
			s.whole = nil
			if err = s.become(execgraph.JobCreated, failure.Info{}); err == nil {
				err = s.restartTasks(f)
			}
		case execgraph.JobCancelling:
			if s.graph.Counts().Final() < s.graph.Len() {
				return nil
			}
			return s.become(execgraph.JobCanceled, failure.Info{})
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// restartTasks gives the tasks of a failover new attempts and has them scheduled.
func (s *Scheduler) restartTasks(f *failover) error {
	delete(s.pending, f.id)
	var vertices []execgraph.VertexIndex
	for _, r := range f.regions {
		s.owner[r.Index()] = nil
		vertices = append(vertices, r.Vertices()...)
	}
	slices.Sort(vertices)
	for _, i := range vertices {
		v := s.graph.Subtask(i)
		if err := v.Reset(s.now); err != nil {
			return err
		}
		s.slots.bulkOf[i] = nil
		s.out.changes = append(s.out.changes, TaskChange{
			Vertex: i, Attempt: v.Current().Attempt(),
			From: execgraph.Created, To: execgraph.Created,
		})
	}
	s.restarts++
	s.out.job = append(s.out.job, TasksToRestore{Vertices: vertices, Global: f.global})
	if s.graph.Status() == execgraph.JobCreated {
		if err := s.become(execgraph.JobRunning, failure.Info{}); err != nil {
			return err
		}
	}
	if err := s.strategy.RestartTasks(vertices); err != nil {
		return err
	}
	for _, i := range vertices {
		if v := s.graph.Subtask(i); v.Current().State() == execgraph.Created {
			s.slots.drop(v, &s.out) // it will be scheduled later, with a request of its own
		}
	}
	return nil
}
