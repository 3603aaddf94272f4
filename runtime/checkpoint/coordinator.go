package checkpoint

import (
	"errors"
	"fmt"
	"time"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/stream"
	"goflink/graph"
	"goflink/internal/invariant"
)

const (
	// MaxRequests is the largest number of requested savepoints and checkpoints that wait.
	MaxRequests = 100
	// MaxDiscards is how many Discards may be under way before no checkpoint begins any more.
	MaxDiscards = 64
	// MaxRemembered is the number of aborted checkpoints whose late parts are still cleaned up.
	MaxRemembered = 100
)

// wantPause is the time after a failed checkpoint before tasks that wait for one at their end get
// the next.
const wantPause = time.Second

// Options are what a Coordinator needs.
type Options struct {
	Job      *graph.JobGraph
	Settings config.CheckpointSettings
	// SavepointDirectory is where savepoints go whose request names no directory; may be empty.
	SavepointDirectory string
	// Epoch is that of the leader; the names of all files carry it.
	Epoch uint64
	// Retained are the job's own checkpoints that an earlier leader completed, oldest first.
	Retained []*Completed
	// Initial is the checkpoint of another job that this one started from, or nil.
	Initial *Completed
}

// Coordinator decides when checkpoints of one job are taken, when they count and when they go
// (R79–R81, R92). It is a state machine: it does nothing but in Step. One goroutine owns it.
type Coordinator struct {
	o    Options
	plan plan

	now time.Time
	out []Effect

	state coordinatorState
	end   JobEnd
	last  uint64 // the number of the newest checkpoint
	// pending are the checkpoints under way, oldest first.
	pending []*pending
	// aborted are the latest checkpoints that were given up, whose late parts are cleaned up.
	aborted []abortedCheckpoint
	// savepoints and manual are requests that wait.
	savepoints, manual []request

	nextPeriodic time.Time // zero until all tasks run
	lastEnd      time.Time // of the last checkpoint, no matter how
	lastFailed   time.Time // when the last one was given up
	backlog      bool
	// wants are the tasks that wait for a checkpoint, with the newest one that was begun before.
	wants map[int]uint64
	// failures counts checkpoints that failed in a row.
	failures int
	// full makes the next checkpoints full, until one is complete.
	full      bool
	restoring bool
	// stopped is the savepoint that stops the job, once it is complete and until the job has ended.
	stopped *pending

	files files
	timer time.Time
	stats statistics
}

// coordinatorState is where a Coordinator is in its life.
type coordinatorState uint8

const (
	stateActive coordinatorState = iota
	stateStopping
	stateTerminated
)

// New returns a coordinator for one job under one leader. Its checkpoints are numbered on from
// those that it is given.
func New(o Options) (*Coordinator, error) {
	s := &o.Settings
	if s.Unaligned || s.MinPause > 0 {
		// As in Flink: the records in flight, and the pause, are of one checkpoint.
		s.MaxConcurrent = 1
	}
	if s.MaxConcurrent < 1 || s.NumRetained < 1 || s.Timeout <= 0 || s.Enabled && s.Interval <= 0 {
		return nil, fmt.Errorf("job %q: settings of checkpoints are missing: %+v", o.Job.Name, *s)
	}
	c := &Coordinator{o: o, wants: map[int]uint64{}, files: newFiles()}
	if err := c.plan.init(o.Job); err != nil {
		return nil, err
	}
	if o.Initial != nil {
		c.last = o.Initial.Checkpoint
		// Nothing of this job may depend on what another one owns (Flink: claim mode NO_CLAIM).
		c.full = true
		c.files.keep(o.Initial)
		c.stats.restored(o.Initial, time.Time{})
	}
	previous := uint64(0)
	for _, r := range o.Retained {
		if r.Job != o.Job.ID {
			return nil, fmt.Errorf("checkpoint %d belongs to job %s, not to %s", r.Checkpoint,
				r.Job, o.Job.ID)
		}
		if r.Checkpoint <= previous {
			return nil, fmt.Errorf("the retained checkpoints are not in order: %d comes after %d",
				r.Checkpoint, previous)
		}
		previous = r.Checkpoint
		c.full = c.full && !r.owned() // the first own checkpoint was full
		c.files.retain(r)
	}
	c.last = max(c.last, previous)
	return c, nil
}

// Step takes an event in and returns what is to be done. An error is about the event, which was not
// taken in then; the effects count all the same. Times never go back.
func (c *Coordinator) Step(now time.Time, e Event) ([]Effect, error) {
	if now.Before(c.now) {
		now = c.now
	}
	c.now = now
	err := c.handle(e)
	if c.plan.ready() && c.nextPeriodic.IsZero() && c.state == stateActive {
		c.nextPeriodic = now.Add(c.interval())
	}
	c.expire()
	c.writeNext()
	c.settle()
	c.schedule()
	c.release()
	c.arm()
	out := c.out
	c.out = nil
	return out, err
}

func (c *Coordinator) emit(e Effect) { c.out = append(c.out, e) }

// handle takes an event in.
func (c *Coordinator) handle(e Event) error {
	if c.state == stateTerminated {
		c.refuseLate(e)
		return nil
	}
	switch e := e.(type) {
	case TasksRunning:
		return c.tasksRunning(e)
	case TaskFinished:
		return c.taskFinished(e)
	case TasksFailed:
		return c.tasksFailed(e)
	case TimerFired:
		c.timer = time.Time{}
	case TriggerSavepoint:
		c.requestSavepoint(e)
	case TriggerCheckpoint:
		c.requestCheckpoint(e)
	case LocationPrepared:
		c.locationPrepared(e)
	case CoordinatorSnapshot:
		return c.coordinatorSnapshot(e)
	case Acknowledged:
		return c.acknowledged(e)
	case Declined:
		return c.declined(e)
	case MetadataWritten:
		return c.metadataWritten(e)
	case WantsCheckpoint:
		return c.wantsCheckpoint(e)
	case BacklogChanged:
		c.backlogChanged(e)
	case RestoreWanted:
		c.restoreWanted()
	case Stop:
		return c.stop(e)
	case Discarded:
		return c.discarded(e)
	default:
		return invariant.Brokenf("unknown event %T", e)
	}
	return nil
}

// refuseLate answers requests that come after the end; nothing else matters any more.
func (c *Coordinator) refuseLate(e Event) {
	err := fmt.Errorf("the job is %v", c.end)
	switch e := e.(type) {
	case TriggerSavepoint:
		c.emit(RequestDone{Request: e.Request, Err: err})
	case TriggerCheckpoint:
		c.emit(RequestDone{Request: e.Request, Err: err})
	}
}

// tasksRunning notes attempts that run.
func (c *Coordinator) tasksRunning(e TasksRunning) error {
	var errs []error
	for _, a := range e.Attempts {
		i, err := c.plan.find(a)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		t := &c.plan.tasks[i]
		if a.Number <= t.attempt.Number {
			continue // known already, or of an earlier attempt
		}
		if t.status == taskRunning {
			c.abortCollecting("a new attempt of %s runs", c.plan.name(i))
		}
		c.plan.set(i, a, taskRunning)
		delete(c.wants, i)
	}
	return errors.Join(errs...)
}

// taskFinished notes an attempt that came to its end. A checkpoint that still waits for it will
// have no part of it.
func (c *Coordinator) taskFinished(e TaskFinished) error {
	i, err := c.plan.find(e.Attempt)
	if err != nil {
		return err
	}
	t := &c.plan.tasks[i]
	if e.Attempt.Number < t.attempt.Number || e.Attempt == t.attempt && t.status == taskAbsent {
		return nil // of an attempt that failed
	}
	c.plan.set(i, e.Attempt, taskFinished)
	delete(c.wants, i)
	for _, p := range c.collecting() {
		if p.waitsFor(i) {
			c.abort(p, false, fmt.Errorf("%s came to its end before it had its part",
				c.plan.name(i)))
		}
	}
	return nil
}

// tasksFailed notes attempts that do not run any more.
func (c *Coordinator) tasksFailed(e TasksFailed) error {
	var errs []error
	changed := false
	for _, a := range e.Attempts {
		i, err := c.plan.find(a)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		t := &c.plan.tasks[i]
		if a.Number < t.attempt.Number || a == t.attempt && t.status == taskAbsent {
			continue // of an attempt that is over anyway
		}
		c.plan.set(i, a, taskAbsent)
		delete(c.wants, i)
		changed = true
	}
	if !changed {
		return errors.Join(errs...)
	}
	c.nextPeriodic = time.Time{}
	c.abortCollecting("tasks failed: %s", e.Reason)
	c.refuseWaiting("tasks failed: %s", e.Reason)
	c.goOn(e.Reason)
	return errors.Join(errs...)
}

// goOn is called when tasks failed. If a savepoint has stopped sources already, all of the job must
// restart from it: a part alone would run on without the data of the rest. From one with which the
// job was drained it only ends again.
func (c *Coordinator) goOn(reason string) {
	if c.state != stateActive || c.stopped == nil || c.stopped.kind == stream.DrainSavepoint {
		return
	}
	err := failure.New(failure.Retryable, failure.Internal, "tasks failed after savepoint %d was "+
		"complete and before the job had stopped: %s", c.stopped.id, reason)
	c.answerStop(err)
	c.emit(FailJob{Err: err})
}

// answerStop answers the request for the savepoint that stops the job: err says why the job has not
// ended with it.
func (c *Coordinator) answerStop(err error) {
	p := c.stopped
	c.stopped = nil
	if p == nil || p.request.id == "" {
		return
	}
	done := RequestDone{Request: p.request.id, Checkpoint: p.id, Path: p.completed.Path}
	if err != nil {
		done.Path, done.Err = "", fmt.Errorf("savepoint %d of job %q is complete (%s), but has "+
			"not stopped the job: %w", p.id, c.o.Job.Name, p.completed.Path, err)
	}
	c.emit(done)
}

// abortCollecting gives up all checkpoints that are not being made durable. It counts as no
// failure.
func (c *Coordinator) abortCollecting(format string, args ...any) {
	for _, p := range c.collecting() {
		c.abort(p, false, fmt.Errorf(format, args...))
	}
}

// refuseWaiting answers all waiting requests with an error.
func (c *Coordinator) refuseWaiting(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	for _, queue := range [][]request{c.savepoints, c.manual} {
		for _, r := range queue {
			c.emit(RequestDone{Request: r.id, Err: err})
		}
	}
	c.savepoints, c.manual = nil, nil
}

// collecting are the checkpoints under way that are not being made durable.
func (c *Coordinator) collecting() []*pending {
	var ps []*pending
	for _, p := range c.pending {
		if p.stage != stageWriting {
			ps = append(ps, p)
		}
	}
	return ps
}

// wantsCheckpoint notes that a task waits.
func (c *Coordinator) wantsCheckpoint(e WantsCheckpoint) error {
	i, err := c.plan.find(e.Attempt)
	if err != nil {
		return err
	}
	if t := c.plan.tasks[i]; t.attempt == e.Attempt && t.status == taskRunning {
		c.wants[i] = c.last
	}
	return nil
}

func (c *Coordinator) backlogChanged(e BacklogChanged) {
	if c.backlog == e.Backlog {
		return
	}
	c.backlog = e.Backlog
	if !c.nextPeriodic.IsZero() {
		c.nextPeriodic = c.now.Add(c.interval())
	}
}

// restoreWanted begins to settle from where tasks restart.
func (c *Coordinator) restoreWanted() {
	c.restoring = true
	c.goOn("the job is restarting")
	c.abortCollecting("the job is restarting")
	c.refuseWaiting("the job is restarting")
}

// stop begins the end.
func (c *Coordinator) stop(e Stop) error {
	if c.state != stateActive {
		return fmt.Errorf("the checkpoint coordinator was stopped before (%v), now again (%v)",
			c.end, e.End)
	}
	c.state, c.end = stateStopping, e.End
	c.nextPeriodic = time.Time{}
	for i := range c.plan.tasks {
		if t := &c.plan.tasks[i]; t.status == taskRunning {
			c.plan.set(i, t.attempt, taskAbsent)
		}
	}
	c.abortCollecting("the job is %v", e.End)
	c.refuseWaiting("the job is %v", e.End)
	c.answerStop(c.endError())
	return nil
}

// endError is nil if the job has ended as a savepoint ends it.
func (c *Coordinator) endError() error {
	if c.end == JobFinished {
		return nil
	}
	return fmt.Errorf("the job is %v", c.end)
}

// settle answers what had to wait for a checkpoint's fate: a restore, and the end.
func (c *Coordinator) settle() {
	if c.writing() != nil {
		return
	}
	if c.restoring && c.state == stateActive {
		c.restoring = false
		from := c.Latest()
		if from != nil {
			c.stats.restored(from, c.now)
		}
		c.emit(RestoreFrom{Completed: from})
	}
	if c.state == stateStopping && !c.files.ended {
		c.files.ended = true
		if c.end != JobSuspended {
			c.discardRetained()
		}
	}
}

// Latest is the checkpoint that the job would be restored from now, or nil.
func (c *Coordinator) Latest() *Completed {
	if r := c.files.latest(); r != nil {
		return r
	}
	return c.o.Initial
}

// Retained are the checkpoints that are kept to restore from, oldest first.
func (c *Coordinator) Retained() []*Completed { return c.files.completed() }

// discardRetained deletes the job's checkpoints at its end, as the retention says.
func (c *Coordinator) discardRetained() {
	switch c.o.Settings.Retention {
	case config.RetainOnCancellation:
		if c.end != JobFinished {
			return
		}
	case config.DeleteOnCancellation:
		if c.end == JobFailed {
			return
		}
	}
	c.files.dropAll(c.last)
}

// interval is the time between two periodic checkpoints; 0 for none.
func (c *Coordinator) interval() time.Duration {
	if c.backlog {
		return c.o.Settings.IntervalDuringBacklog
	}
	return c.o.Settings.Interval
}

// stopping is the savepoint under way that will stop the job, or nil.
func (c *Coordinator) stopping() *pending {
	for _, p := range c.pending {
		if p.kind.Stops() {
			return p
		}
	}
	return nil
}

// mayBegin says why no checkpoint can begin now; nil if one can.
func (c *Coordinator) mayBegin() error {
	switch {
	case c.state != stateActive:
		return fmt.Errorf("the job is %v", c.end)
	case c.restoring:
		return errors.New("the job is restarting")
	case c.stopped != nil:
		return fmt.Errorf("savepoint %d is complete and stops the job", c.stopped.id)
	case c.stopping() != nil:
		return fmt.Errorf("savepoint %d, which stops the job, is being taken", c.stopping().id)
	case !c.plan.ready():
		return c.plan.whyNotReady()
	case c.plan.running == 0:
		return errors.New("all tasks have finished")
	case c.plan.finished > 0 && !c.o.Settings.AfterTasksFinish:
		return fmt.Errorf("%d of %d tasks have finished, and %s is false", c.plan.finished,
			len(c.plan.tasks), config.CheckpointsAfterTasksFinish.Key)
	}
	return nil
}

// schedule begins the checkpoints that are due.
func (c *Coordinator) schedule() {
	for c.plan.ready() && c.mayBegin() == nil && !c.triggering() &&
		len(c.files.discards) < MaxDiscards {
		switch {
		case len(c.savepoints) > 0 && !c.savepointPending():
			// As in Flink a savepoint does not wait for checkpoints under way.
			r := c.savepoints[0]
			c.savepoints = c.savepoints[1:]
			c.begin(r)
		case len(c.pending) >= c.o.Settings.MaxConcurrent:
			return
		case len(c.manual) > 0:
			r := c.manual[0]
			c.manual = c.manual[1:]
			c.begin(r)
		case c.due():
			c.begin(request{})
		default:
			return
		}
	}
}

// triggering reports whether a checkpoint has begun whose barriers are not on their way. No other
// one begins meanwhile: tasks take checkpoints in the order of their numbers, and pass over those
// that come behind a newer one.
func (c *Coordinator) triggering() bool {
	for _, p := range c.pending {
		if p.stage < stageTasks {
			return true
		}
	}
	return false
}

func (c *Coordinator) savepointPending() bool {
	for _, p := range c.pending {
		if p.kind != stream.NoSavepoint {
			return true
		}
	}
	return false
}

// nextBegin is when the next checkpoint is due that nobody asked for; ok is false if none is.
func (c *Coordinator) nextBegin() (at time.Time, ok bool) {
	if !c.o.Settings.Enabled || c.nextPeriodic.IsZero() {
		return at, false
	}
	switch {
	case c.waitsOnlyForCheckpoint():
		at = c.now
		if again := c.lastFailed.Add(wantPause); again.After(at) && !c.lastFailed.IsZero() {
			at = again
		}
	case c.interval() == 0:
		return at, false
	default:
		at = c.nextPeriodic
	}
	if pause := c.o.Settings.MinPause; pause > 0 && !c.lastEnd.IsZero() &&
		at.Before(c.lastEnd.Add(pause)) {
		at = c.lastEnd.Add(pause)
	}
	return at, true
}

// waitsOnlyForCheckpoint reports whether all tasks that run have come to their end and wait for a
// checkpoint, and none is under way that will do.
func (c *Coordinator) waitsOnlyForCheckpoint() bool {
	if len(c.wants) == 0 || len(c.wants) < c.plan.running {
		return false
	}
	newest := uint64(0)
	for _, since := range c.wants {
		newest = max(newest, since)
	}
	for _, p := range c.pending {
		if p.kind == stream.NoSavepoint && p.id > newest {
			return false
		}
	}
	return true
}

func (c *Coordinator) due() bool {
	at, ok := c.nextBegin()
	return ok && !at.After(c.now)
}

// arm asks for the timer at the next time that something is due.
func (c *Coordinator) arm() {
	var at time.Time
	earlier := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	for _, p := range c.collecting() {
		if p.stage != stageAcknowledged {
			earlier(p.deadline(c.o.Settings.Timeout))
		}
	}
	if next, ok := c.nextBegin(); ok && c.plan.ready() && c.mayBegin() == nil && !c.triggering() &&
		len(c.pending) < c.o.Settings.MaxConcurrent && len(c.files.discards) < MaxDiscards {
		earlier(next)
	}
	if !at.Equal(c.timer) {
		c.timer = at
		c.emit(SetTimer{At: at})
	}
}

// expire gives up checkpoints whose time is over.
func (c *Coordinator) expire() {
	for _, p := range c.collecting() {
		if p.stage == stageAcknowledged || c.now.Before(p.deadline(c.o.Settings.Timeout)) {
			continue
		}
		c.abort(p, true, fmt.Errorf("it expired after %s (%s): %s",
			config.FormatDuration(c.o.Settings.Timeout), config.CheckpointingTimeout.Key,
			c.missing(p)))
	}
}

// failed counts a failure and fails the job if there were too many in a row.
func (c *Coordinator) failed(p *pending, err error) {
	if c.failures++; c.failures <= c.o.Settings.TolerableFailures {
		return
	}
	n := c.failures
	c.failures = 0
	if c.state == stateActive && !c.restoring {
		c.emit(FailJob{Err: failure.Wrap(err, failure.Retryable, failure.DomainOf(err),
			"%d checkpoints in a row failed (%s is %d); checkpoint %d", n,
			config.CheckpointingTolerableFailures.Key, c.o.Settings.TolerableFailures, p.id)})
	}
}

// operators are the operators with a coordinator.
func (c *Coordinator) operators() []id.Operator { return c.plan.coordinated }
