package scheduling

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/runtime/execgraph"
)

// Options are the settings of a scheduler. The zero value schedules by pipelined regions, restarts
// regions and never restarts after a failure.
type Options struct {
	Strategy config.SchedulingStrategyKind // "": pipelined-region
	Failover config.FailoverStrategyKind   // "": region
	Restart  config.RestartStrategy        // zero: none
	// Seed decides the jitter of the exponential restart delay.
	Seed uint64
	// HistorySize is the number of incidents that are kept; 0: DefaultHistory.
	HistorySize int
	// BlockingResults says that the runtime can carry blocking results. Without it a job that has
	// one is refused.
	BlockingResults bool
	// NewStrategy replaces Strategy where it is set.
	NewStrategy StrategyFactory
}

// OptionsOf reads the settings from a job's configuration. Where no restart strategy is set, it
// depends on whether the job takes checkpoints (R84).
func OptionsOf(c *config.Configuration, checkpoints bool) (Options, error) {
	var o Options
	scheduler, err := config.Get(c, config.JobManagerScheduler)
	if err != nil {
		return o, err
	}
	if scheduler != config.JobManagerScheduler.Default {
		return o, fmt.Errorf("%s (%s): the scheduler %q is not offered; leave the key unset",
			config.JobManagerScheduler.Key, config.OriginOf(c, config.JobManagerScheduler),
			scheduler)
	}
	if o.Strategy, err = config.Get(c, config.SchedulingStrategy); err != nil {
		return o, err
	}
	if _, err = StrategyOf(o.Strategy); err != nil {
		return o, err
	}
	if o.Failover, err = config.Get(c, config.FailoverStrategy); err != nil {
		return o, err
	}
	if o.HistorySize, err = config.Get(c, config.WebExceptionHistorySize); err != nil {
		return o, err
	}
	o.Restart, err = config.ResolveRestartStrategy(c, checkpoints)
	return o, err
}

// Scheduler runs one job. See the package's comment.
type Scheduler struct {
	graph    *execgraph.ExecutionGraph
	strategy SchedulingStrategy
	full     bool // whether every failover is of the whole job
	restart  restartStrategy
	slots    *slotTable
	history  history

	now time.Time // of the current step
	out output    // of the current step

	owner        []*failover // by region: the pending failover that it belongs to
	pending      map[RestartID]*failover
	ready        []*failover // pending, due, and without a task that is not final
	whole        *failover   // the failover of the whole job, in FAILING and RESTARTING
	lastRestart  RestartID
	restarts     int
	failureCause failure.Info
	started      bool
}

var _ Operations = (*Scheduler)(nil)

// New returns the scheduler of a job, which it owns from now on. Nothing happens before
// [StartScheduling].
func New(g *execgraph.ExecutionGraph, opts Options) (*Scheduler, error) {
	s, err := newScheduler(g, opts)
	if err != nil {
		return nil, fmt.Errorf("job %q (%s): %w", g.Job().Name, g.Job().ID, err)
	}
	return s, nil
}

func newScheduler(g *execgraph.ExecutionGraph, opts Options) (*Scheduler, error) {
	if opts.Strategy == "" {
		opts.Strategy = config.SchedulePipelinedRegion
	}
	factory := opts.NewStrategy
	if factory == nil {
		var err error
		if factory, err = StrategyOf(opts.Strategy); err != nil {
			return nil, err
		}
	}
	if err := checkResults(g, opts); err != nil {
		return nil, err
	}
	switch opts.Failover {
	case "", config.FailoverRegion, config.FailoverFull:
	default:
		return nil, fmt.Errorf("unknown failover strategy %q: set %s to %q or %q", opts.Failover,
			config.FailoverStrategy.Key, config.FailoverRegion, config.FailoverFull)
	}
	restart, err := newRestartStrategy(opts.Restart, opts.Seed)
	if err != nil {
		return nil, err
	}
	if opts.HistorySize < 0 {
		return nil, fmt.Errorf("%s is %d: set it to at least 1",
			config.WebExceptionHistorySize.Key, opts.HistorySize)
	}
	if opts.HistorySize == 0 {
		opts.HistorySize = DefaultHistory
	}
	s := &Scheduler{
		graph: g, full: opts.Failover == config.FailoverFull, restart: restart,
		slots: newSlotTable(g), history: history{limit: opts.HistorySize},
		owner:   make([]*failover, len(g.Regions())),
		pending: map[RestartID]*failover{},
	}
	s.strategy = factory(g, s)
	return s, nil
}

// Graph is the job's graph. It is read by the goroutine that calls Step, between steps.
func (s *Scheduler) Graph() *execgraph.ExecutionGraph { return s.graph }

// Restarts is the number of restarts of the job or of some of its regions so far.
func (s *Scheduler) Restarts() int { return s.restarts }

// FailureCause is the latest failure that was followed by a restart or by the end of the job; the
// zero value if there was none.
func (s *Scheduler) FailureCause() failure.Info { return s.failureCause }

// History returns the latest incidents, oldest first.
func (s *Scheduler) History() []Exception {
	all := make([]Exception, len(s.history.entries))
	for i, e := range s.history.entries {
		all[i] = *e
		all[i].Concurrent = append([]Exception(nil), e.Concurrent...)
	}
	return all
}

// Step takes an event and returns what is to be done. An error says that the event does not fit
// what is known, for instance a task that runs without having been deployed; the effects that come
// with it are to be carried out all the same. A shell answers an error with a [GlobalFailure]. Once
// the job is in a terminal state, events have no effect but to give slots back that arrive late.
func (s *Scheduler) Step(now time.Time, ev Event) ([]Effect, error) {
	s.now = now
	err := s.dispatch(ev)
	if err == nil {
		err = s.advance()
	}
	if err != nil {
		err = fmt.Errorf("job %q (%s): %w", s.graph.Job().Name, s.graph.Job().ID, err)
	}
	return s.out.take(), err
}

func (s *Scheduler) dispatch(ev Event) error {
	if s.graph.Status().Terminal() {
		if ev, ok := ev.(SlotsAllocated); ok {
			for _, a := range ev.Slots {
				s.out.released = append(s.out.released, a.Slot.Allocation)
			}
		}
		return nil
	}
	switch ev := ev.(type) {
	case StartScheduling:
		return s.start()
	case TaskStateChanged:
		return s.taskReported(ev)
	case SlotsAllocated:
		return s.slotsAllocated(ev)
	case SlotAllocationFailed:
		return s.allocationFailed(ev)
	case SlotsLost:
		return s.slotsLost(ev)
	case PartitionConsumable:
		return s.partitionReported(ev)
	case CancelJob:
		return s.cancelJob()
	case Suspend:
		return s.suspend(ev.Cause)
	case GlobalFailure:
		return s.globalFailure(ev.Cause)
	case RestartTimerFired:
		s.timerFired(ev.Restart)
		return nil
	}
	return fmt.Errorf("unknown event %T", ev)
}

// start begins the job. Between a failure before the start and its restart there is nothing to
// begin.
func (s *Scheduler) start() error {
	if s.started {
		return fmt.Errorf("scheduling was started twice")
	}
	s.started = true
	if s.graph.Status() != execgraph.JobCreated {
		return nil
	}
	if err := s.become(execgraph.JobRunning, failure.Info{}); err != nil {
		return err
	}
	return s.strategy.StartScheduling()
}

// become moves the job into another state.
func (s *Scheduler) become(to execgraph.JobStatus, cause failure.Info) error {
	from := s.graph.Status()
	if err := s.graph.Transition(s.now, to); err != nil {
		return err
	}
	s.out.job = append(s.out.job, JobStateChanged{From: from, To: to, Cause: cause})
	return nil
}

// move moves a task into another state and tells whoever has to know.
func (s *Scheduler) move(
	v *execgraph.ExecutionVertex, to execgraph.ExecutionState, cause *failure.Info,
) error {
	from := v.Current().State()
	if err := v.Transition(s.now, to, cause); err != nil {
		return err
	}
	s.out.changes = append(s.out.changes, TaskChange{
		Vertex: v.Index(), Attempt: v.Current().Attempt(), From: from, To: to,
	})
	if to.Final() {
		s.dropBulk(v)
		if f := s.ownerOf(v); f != nil {
			f.running--
			s.noteReady(f)
		}
	}
	return s.strategy.OnExecutionStateChange(v, to)
}

// settle gives up the slot of a task that has ended and will not be restarted.
func (s *Scheduler) settle(v *execgraph.ExecutionVertex) {
	if f := s.ownerOf(v); v.Current().State().Final() && (f == nil || f.final) {
		s.slots.drop(v, &s.out)
	}
}

// AllocateSlotsAndDeploy implements [Operations] for the scheduling strategy; nobody else calls it.
func (s *Scheduler) AllocateSlotsAndDeploy(vertices []execgraph.VertexIndex) error {
	if s.graph.Status() != execgraph.JobRunning {
		return fmt.Errorf("tasks were scheduled while the job is %s", s.graph.Status())
	}
	b := &bulk{vertices: vertices, since: s.now}
	s.out.changes = slices.Grow(s.out.changes, len(vertices))
	for _, i := range vertices {
		v := s.graph.Subtask(i)
		if err := s.move(v, execgraph.Scheduled, nil); err != nil {
			return err
		}
		s.slots.hold(v)
		s.slots.bulkOf[i] = b
		s.slots.await(b, s.slots.indexOf(v), &s.out)
	}
	if b.missing == 0 {
		return s.deploy(b)
	}
	return nil
}

// deploy sends the tasks of a bulk to their slots.
func (s *Scheduler) deploy(b *bulk) error {
	b.dropped = true
	s.out.changes = slices.Grow(s.out.changes, len(b.vertices))
	s.out.deploys = slices.Grow(s.out.deploys, len(b.vertices))
	for _, i := range b.vertices {
		v := s.graph.Subtask(i)
		slot := s.slots.slots[s.slots.indexOf(v)].slot
		if err := v.AssignSlot(slot); err != nil {
			return err
		}
		s.slots.bulkOf[i] = nil
		if err := s.move(v, execgraph.Deploying, nil); err != nil {
			return err
		}
		s.out.deploys = append(s.out.deploys, Deployment{
			Vertex: i, Attempt: v.Current().Attempt(), Slot: slot,
		})
	}
	return nil
}

// dropBulk gives up what a task waits with: the tasks of a bulk run together or not at all.
func (s *Scheduler) dropBulk(v *execgraph.ExecutionVertex) {
	if b := s.slots.bulkOf[v.Index()]; b != nil {
		b.dropped = true
	}
}

func (s *Scheduler) slotsAllocated(ev SlotsAllocated) error {
	var errs []error
	for _, a := range ev.Slots {
		ready, err := s.slots.assign(a, &s.out)
		errs = append(errs, err)
		for _, b := range ready {
			errs = append(errs, s.deploy(b))
		}
	}
	return errors.Join(errs...)
}

// taskReported takes what a TaskManager says of a task.
func (s *Scheduler) taskReported(ev TaskStateChanged) error {
	v, err := s.graph.Find(ev.Attempt)
	if err != nil {
		return err
	}
	current := v.Current()
	if ev.Attempt.Number > current.Attempt().Number {
		return fmt.Errorf("%s was reported as %s, but the latest attempt of %s is %d",
			ev.Attempt, ev.State, v.TaskName(), current.Attempt().Number)
	}
	state := current.State()
	if ev.Attempt.Number < current.Attempt().Number || state.Final() || state == ev.State {
		return nil
	}
	switch ev.State {
	case execgraph.Running:
		if state == execgraph.Canceling {
			return nil // it began to run before it was told to end
		}
		return s.move(v, execgraph.Running, nil)
	case execgraph.Finished:
		if state == execgraph.Canceling {
			return s.taskCanceled(v) // it ended by itself before it was told to
		}
		return s.taskFinished(v)
	case execgraph.Canceled:
		return s.taskCanceled(v)
	case execgraph.Failed:
		if !state.OnWorker() {
			return &execgraph.TransitionError{
				What: v.AttemptName(), From: state.String(), To: ev.State.String(),
			}
		}
		return s.failTasks([]*execgraph.ExecutionVertex{v}, taskFailure(v, ev.Failure))
	}
	return fmt.Errorf("%s was reported as %s; a TaskManager says RUNNING, FINISHED, CANCELED or "+
		"FAILED only", v.AttemptName(), ev.State)
}

// taskFailure fills in what a TaskManager did not say.
func taskFailure(v *execgraph.ExecutionVertex, i failure.Info) failure.Info {
	if i.Message == "" {
		i.Message = "the task failed; its TaskManager did not say why"
	}
	if i.TaskName == "" {
		i.TaskName = v.AttemptName()
	}
	return i
}

func (s *Scheduler) taskFinished(v *execgraph.ExecutionVertex) error {
	if err := s.move(v, execgraph.Finished, nil); err != nil {
		return err
	}
	s.settle(v)
	for i := range v.JobVertex().Results() {
		if err := s.consumable(v.Partition(i)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Scheduler) taskCanceled(v *execgraph.ExecutionVertex) error {
	if err := s.move(v, execgraph.Canceled, nil); err != nil {
		return err
	}
	s.settle(v)
	return nil
}

func (s *Scheduler) consumable(p *execgraph.IntermediateResultPartition) error {
	if !p.MarkConsumable() {
		return nil
	}
	return s.strategy.OnPartitionConsumable(p)
}

// partitionReported takes a report on a partition.
func (s *Scheduler) partitionReported(ev PartitionConsumable) error {
	v, err := s.graph.Find(ev.Partition.Producer)
	if err != nil {
		return err
	}
	if o := ev.Partition.Output; o < 0 || int(o) >= len(v.JobVertex().Results()) {
		return fmt.Errorf("partition %s: vertex %q has %d results", ev.Partition,
			v.JobVertex().Vertex().Name, len(v.JobVertex().Results()))
	}
	if v.Current().Attempt() != ev.Partition.Producer ||
		s.graph.Status() != execgraph.JobRunning || s.ownerOf(v) != nil {
		return nil
	}
	return s.consumable(v.Partition(int(ev.Partition.Output)))
}
