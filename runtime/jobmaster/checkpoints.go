package jobmaster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/runtime/checkpoint"
	"goflink/runtime/controlplane"
	"goflink/runtime/execgraph"
	"goflink/runtime/scheduling"
)

// CheckpointOptions says how a job's state is saved.
type CheckpointOptions struct {
	Settings           config.CheckpointSettings
	SavepointDirectory string
	// Epoch is that of this master; it grows with each master of the job.
	Epoch uint64
	Store CheckpointStore
	// Retained are the paths of what earlier leaders have recorded of the job, oldest first: its
	// checkpoints, or as the newest the savepoint that was to stop it.
	Retained []string
}

func (o *CheckpointOptions) enabled() bool { return o.Settings.Enabled }

// CheckpointStore does what the coordinator decides. Its methods may take long and are called
// outside of the actor.
type CheckpointStore interface {
	// Prepare makes the directory of a checkpoint.
	Prepare(ctx context.Context, p checkpoint.PrepareLocation) (location string, err error)
	// WriteMetadata makes a checkpoint durable and returns the path by which users name it.
	WriteMetadata(ctx context.Context, w checkpoint.WriteMetadata) (path string, err error)
	// Discard deletes what a checkpoint left behind.
	Discard(ctx context.Context, d checkpoint.Discard) error
	// Load reads the metadata that path names: of a checkpoint or savepoint.
	Load(ctx context.Context, path string) (*checkpoint.Completed, error)
}

// metadataTimeout bounds the making durable of a checkpoint.
const metadataTimeout = 5 * time.Minute

// checkpoints is the job's checkpoint coordinator with what carries its effects out. All but the
// work that it starts elsewhere runs in the master's actor.
type checkpoints struct {
	m     *Master
	o     *CheckpointOptions
	c     *checkpoint.Coordinator
	timer func()
	// busy is set while an event is being handled; events that come meanwhile wait.
	busy   bool
	events []checkpoint.Event
	// waiting are those who wait for an answer, by request.
	waiting map[string]func(path string, err error)
	lastReq int
	// assigned is the state that the latest restore deals out.
	assigned *checkpoint.Assignment
	// onRestore are the restarts that wait to hear from which checkpoint: several regions may have
	// failed one after the other while it was being made durable.
	onRestore  []func(*checkpoint.Completed)
	terminated func()
}

func newCheckpoints(m *Master, o *CheckpointOptions) *checkpoints {
	return &checkpoints{m: m, o: o, waiting: map[string]func(string, error){}}
}

// start reads the checkpoint or savepoint that the job begins with, if any, and then calls ready in
// the actor.
func (c *checkpoints) start(ready func(error)) {
	path := c.m.o.Job.Restore.Path
	if path == "" && len(c.o.Retained) == 0 {
		ready(c.init(nil, nil))
		return
	}
	c.m.o.Host.Go("load the job's state", func() {
		initial, retained, err := c.load(path)
		c.m.actor.Post(func() {
			if err == nil {
				err = c.init(initial, retained)
			}
			ready(err)
		})
	})
}

// load reads what the job begins with: the checkpoints of earlier leaders, else what path names. Of
// the former the newest must be readable.
func (c *checkpoints) load(path string) (initial *checkpoint.Completed,
	retained []*checkpoint.Completed, err error) {
	ctx := context.Background()
	if len(c.o.Retained) == 0 {
		initial, err = c.o.Store.Load(ctx, path)
		return initial, nil, err
	}
	last := len(c.o.Retained) - 1
	for i, p := range c.o.Retained {
		one, err := c.o.Store.Load(ctx, p)
		switch {
		case err == nil && one.Kind == stream.NoSavepoint:
			retained = append(retained, one)
		case err == nil && i == last:
			return one, nil, nil // a savepoint is the user's: it is never deleted
		case i == last:
			return nil, nil, err
		case err != nil:
			c.m.o.Logger.Warn("an older checkpoint is lost", "path", p, "error", err)
		}
	}
	return nil, retained, nil
}

// init makes the coordinator, and the state that the job begins with.
func (c *checkpoints) init(initial *checkpoint.Completed,
	retained []*checkpoint.Completed) (err error) {
	job := c.m.o.Job
	c.c, err = checkpoint.New(checkpoint.Options{Job: job, Settings: c.o.Settings,
		SavepointDirectory: c.o.SavepointDirectory, Epoch: c.o.Epoch, Initial: initial,
		Retained: retained})
	if n := len(retained); n > 0 {
		initial = retained[n-1]
	}
	if err != nil || initial == nil {
		return err
	}
	if err := c.assign(initial, job.Restore.AllowNonRestored); err != nil {
		return err
	}
	all := make([]execgraph.VertexIndex, c.m.graph.Len())
	for i := range all {
		all[i] = execgraph.VertexIndex(i)
	}
	c.use(all)
	c.m.coordinators.restore(initial.Checkpoint, c.assigned.Coordinators)
	return nil
}

func (c *checkpoints) assign(from *checkpoint.Completed, allowNonRestored bool) (err error) {
	c.assigned, err = checkpoint.Assign(&from.Metadata, c.m.o.Job, allowNonRestored)
	if err == nil && len(c.assigned.Skipped) > 0 {
		c.m.o.Logger.Warn("state was left out", "operators", c.assigned.Skipped)
	}
	return err
}

// use makes the assigned state that of the next attempts of some subtasks.
func (c *checkpoints) use(vertices []execgraph.VertexIndex) {
	for _, i := range vertices {
		if c.assigned == nil {
			delete(c.m.restores, i)
			continue
		}
		v := c.m.graph.Subtask(i)
		r := c.assigned.Vertices[v.JobVertex().Vertex().ID][v.Subtask()]
		c.m.restores[i] = &controlplane.TaskRestore{Checkpoint: r.Checkpoint,
			Operators: r.Operators, Finished: r.Finished}
	}
}

// step tells the coordinator of an event and carries out what it wants.
func (c *checkpoints) step(e checkpoint.Event) {
	if c.c == nil {
		return
	}
	c.events = append(c.events, e)
	if c.busy {
		return
	}
	c.busy = true
	for len(c.events) > 0 {
		e := c.events[0]
		c.events = c.events[1:]
		effects, err := c.c.Step(c.m.o.Host.Now(), e)
		for _, f := range effects {
			c.carryOut(f)
		}
		if err != nil {
			c.refused(e, err)
		}
	}
	c.busy = false
	c.m.metrics.checkpoints(c.c)
}

// refused deals with an event that the coordinator did not take. What tasks say may be wrong or
// late, which is no reason to end the job; all else comes from the master itself.
func (c *checkpoints) refused(e checkpoint.Event, err error) {
	switch e.(type) {
	case checkpoint.Acknowledged, checkpoint.Declined, checkpoint.WantsCheckpoint:
		c.m.o.Logger.Warn("a task's message about a checkpoint was refused", "error", err)
	default:
		c.m.broken(err)
	}
}

func (c *checkpoints) carryOut(e checkpoint.Effect) {
	switch e := e.(type) {
	case checkpoint.SetTimer:
		c.setTimer(e.At)
	case checkpoint.PrepareLocation:
		c.work("prepare", func(ctx context.Context) checkpoint.Event {
			l, err := c.o.Store.Prepare(ctx, e)
			return checkpoint.LocationPrepared{Checkpoint: e.Checkpoint, Location: l, Err: err}
		})
	case checkpoint.SnapshotCoordinators:
		c.snapshotCoordinators(e)
	case checkpoint.TriggerTasks:
		c.m.trace("checkpoint %d triggered at %d tasks", e.Barrier.Checkpoint, len(e.Attempts))
		c.eachTask(e.Attempts, func(te controlplane.TaskExecutor, as []id.Attempt) {
			for _, a := range as {
				te.TriggerCheckpoint(a, e.Barrier)
			}
		})
	case checkpoint.WriteMetadata:
		c.work("metadata", func(ctx context.Context) checkpoint.Event {
			path, err := c.o.Store.WriteMetadata(ctx, e)
			return checkpoint.MetadataWritten{Checkpoint: e.Completed.Checkpoint, Path: path,
				Err: err}
		})
	case checkpoint.NotifyComplete:
		c.notifyComplete(e)
	case checkpoint.NotifyAborted:
		c.m.trace("checkpoint %d aborted", e.Checkpoint)
		c.eachTask(e.Attempts, func(te controlplane.TaskExecutor, as []id.Attempt) {
			te.CheckpointAborted(as, e.Checkpoint)
		})
	case checkpoint.Discard:
		c.work("discard", func(ctx context.Context) checkpoint.Event {
			return checkpoint.Discarded{ID: e.ID, Err: c.o.Store.Discard(ctx, e)}
		})
	case checkpoint.RequestDone:
		c.answer(e)
	case checkpoint.RestoreFrom:
		waiting := c.onRestore
		c.onRestore = nil
		for _, restore := range waiting {
			restore(e.Completed)
		}
	case checkpoint.FailJob:
		c.m.trace("checkpoints fail the job: %v", e.Err)
		c.m.fail(e.Err)
	case checkpoint.Terminated:
		if c.terminated != nil {
			c.terminated()
		}
	default:
		c.m.broken(fmt.Errorf("unknown effect %T of the checkpoint coordinator", e))
	}
}

// work does something elsewhere and tells the coordinator what came of it.
func (c *checkpoints) work(name string, f func(ctx context.Context) checkpoint.Event) {
	c.m.o.Host.Go("checkpoint "+name, func() {
		ctx, stop := context.WithTimeout(context.Background(), metadataTimeout)
		defer stop()
		e := f(ctx)
		c.m.actor.Post(func() { c.step(e) })
	})
}

func (c *checkpoints) setTimer(at time.Time) {
	if c.timer != nil {
		c.timer()
		c.timer = nil
	}
	if at.IsZero() {
		return
	}
	c.timer = c.m.o.Host.After(max(0, at.Sub(c.m.o.Host.Now())), func() {
		c.m.actor.Post(func() { c.step(checkpoint.TimerFired{}) })
	})
}

// eachTask calls f per TaskManager with the attempts that run there.
func (c *checkpoints) eachTask(as []id.Attempt,
	f func(te controlplane.TaskExecutor, as []id.Attempt)) {
	byWorker := map[id.Worker][]id.Attempt{}
	var order []id.Worker
	for _, a := range as {
		v, err := c.m.graph.Find(a)
		if err != nil || v.Current().Attempt() != a {
			continue
		}
		w := v.Current().Slot().Worker
		if byWorker[w] == nil {
			order = append(order, w)
		}
		byWorker[w] = append(byWorker[w], a)
	}
	for _, w := range order {
		if te := c.m.executors[w]; te != nil {
			f(te, byWorker[w])
		}
	}
}

// snapshotCoordinators takes the states of operator coordinators. They run in this actor, so
// nothing is sent between this and the barriers.
func (c *checkpoints) snapshotCoordinators(e checkpoint.SnapshotCoordinators) {
	for _, op := range e.Operators {
		r := checkpoint.CoordinatorSnapshot{Operator: op, Checkpoint: e.Checkpoint}
		if oc := c.m.coordinators.byOp[op]; oc != nil {
			r.State, r.Err = oc.snapshot(e.Checkpoint)
		} else {
			r.Err = fmt.Errorf("operator %s has no coordinator", op)
		}
		c.step(r)
	}
}

func (c *checkpoints) notifyComplete(e checkpoint.NotifyComplete) {
	c.m.trace("checkpoint %d complete", e.Checkpoint)
	c.eachTask(e.Attempts, func(te controlplane.TaskExecutor, as []id.Attempt) {
		te.CheckpointComplete(as, e.Checkpoint)
	})
	for _, op := range e.Operators {
		if oc := c.m.coordinators.byOp[op]; oc != nil {
			oc.guard("checkpoint complete", func() error {
				return oc.c.CheckpointComplete(e.Checkpoint)
			})
		}
	}
}

// tasksChanged tells the coordinator which tasks run and which do not any more.
func (c *checkpoints) tasksChanged(changes []scheduling.TaskChange) {
	var running, failed []id.Attempt
	reason := "they were cancelled"
	for _, ch := range changes {
		switch {
		case ch.To == execgraph.Running:
			running = append(running, ch.Attempt)
		case ch.To == execgraph.Finished:
			c.step(checkpoint.TaskFinished{Attempt: ch.Attempt})
		case ch.To == execgraph.Failed, ch.To == execgraph.Canceled, ch.To == execgraph.Canceling:
			failed = append(failed, ch.Attempt)
			v := c.m.graph.Subtask(ch.Vertex)
			if f := v.Current().Failure(); f != nil && ch.To == execgraph.Failed {
				reason = v.TaskName() + ": " + f.Message
			}
		}
	}
	if len(failed) > 0 {
		c.step(checkpoint.TasksFailed{Attempts: failed, Reason: reason})
	}
	if len(running) > 0 {
		c.step(checkpoint.TasksRunning{Attempts: running})
	}
}

// close ends the work on checkpoints and then calls done in the actor.
func (c *checkpoints) close(end execgraph.JobStatus, done func()) {
	if c.c == nil {
		done()
		return
	}
	c.terminated = done
	c.step(checkpoint.Stop{End: map[execgraph.JobStatus]checkpoint.JobEnd{
		execgraph.JobFinished: checkpoint.JobFinished,
		execgraph.JobCanceled: checkpoint.JobCanceled,
		execgraph.JobFailed:   checkpoint.JobFailed}[end]})
}

// restoreTasks assigns the state that new attempts begin with. They are not deployed before.
func (m *Master) restoreTasks(e scheduling.TasksToRestore) {
	c := m.checkpoints
	if c.c == nil {
		return // the first checkpoint could not be read, and the job fails
	}
	m.holdDeploys++
	c.onRestore = append(c.onRestore, func(from *checkpoint.Completed) {
		m.restored(e, from)
		m.holdDeploys--
		m.deployHeld()
	})
	c.step(checkpoint.RestoreWanted{})
}

func (m *Master) restored(e scheduling.TasksToRestore, from *checkpoint.Completed) {
	c := m.checkpoints
	number := uint64(0)
	var states map[id.Operator][]byte
	c.assigned = nil
	if from != nil {
		number = from.Checkpoint
		if err := c.assign(from, true); err != nil {
			m.failForGood(err)
			return
		}
		states = c.assigned.Coordinators
	}
	m.trace("restore %d tasks from checkpoint %d", len(e.Vertices), number)
	c.use(e.Vertices)
	if e.Global {
		m.coordinators.restore(number, states)
		return
	}
	m.coordinators.reset(m, e.Vertices, number)
}

// AcknowledgeCheckpoint takes a task's part of a checkpoint.
func (m *Master) AcknowledgeCheckpoint(a id.Attempt, cp uint64, s statebackend.TaskSnapshot,
	metrics statebackend.SnapshotMetrics) {
	m.actor.Post(func() {
		m.checkpoints.step(checkpoint.Acknowledged{Attempt: a, Checkpoint: cp, Snapshot: s,
			Metrics: metrics})
	})
}

var declineCauses = map[controlplane.DeclineCause]checkpoint.DeclineCause{
	controlplane.DeclineFailed:     checkpoint.DeclineFailed,
	controlplane.DeclineNotReady:   checkpoint.DeclineNotReady,
	controlplane.DeclineEnded:      checkpoint.DeclineEnded,
	controlplane.DeclineSuperseded: checkpoint.DeclineSuperseded,
}

// DeclineCheckpoint takes the news that a task's part of a checkpoint will never come.
func (m *Master) DeclineCheckpoint(a id.Attempt, cp uint64, cause controlplane.DeclineCause,
	reason failure.Info) {
	m.actor.Post(func() {
		m.checkpoints.step(checkpoint.Declined{Attempt: a, Checkpoint: cp,
			Cause: declineCauses[cause], Reason: reason.Err()})
	})
}

// WantsCheckpoint takes a task's wish for a checkpoint at its end.
func (m *Master) WantsCheckpoint(a id.Attempt) {
	m.actor.Post(func() { m.checkpoints.step(checkpoint.WantsCheckpoint{Attempt: a}) })
}

// refuseAll answers who still waits when the job has ended.
func (c *checkpoints) refuseAll() {
	for _, name := range slices.Sorted(maps.Keys(c.waiting)) {
		c.answer(checkpoint.RequestDone{Request: name, Err: c.m.endedErr()})
	}
}

func (c *checkpoints) answer(e checkpoint.RequestDone) {
	if done := c.waiting[e.Request]; done != nil {
		delete(c.waiting, e.Request)
		done(e.Path, e.Err)
	}
}

// ask asks the coordinator for something. done is called once, in the actor or, if the job has
// ended, at once.
func (m *Master) ask(event func(request string) checkpoint.Event,
	done func(path string, err error)) {
	c := m.checkpoints
	ok := m.actor.Post(func() {
		switch {
		case m.finished:
			done("", m.endedErr())
			return
		case c.c == nil:
			done("", fmt.Errorf("job %s is not running", m.ID()))
			return
		}
		c.lastReq++
		name := fmt.Sprint(c.lastReq)
		c.waiting[name] = done
		c.step(event(name))
	})
	if !ok {
		done("", m.endedErr())
	}
}

// TriggerCheckpoint begins a checkpoint now. done gets its path, or why there is none; it is called
// once, by any goroutine, and must not block.
func (m *Master) TriggerCheckpoint(done func(path string, err error)) {
	m.ask(func(r string) checkpoint.Event { return checkpoint.TriggerCheckpoint{Request: r} }, done)
}

// TriggerSavepoint begins a savepoint below target, with which the job goes on, stops or drains by
// its kind. done is as for TriggerCheckpoint.
func (m *Master) TriggerSavepoint(kind stream.SavepointKind, target string,
	done func(path string, err error)) {
	m.ask(func(r string) checkpoint.Event {
		return checkpoint.TriggerSavepoint{Request: r, Kind: kind, Target: target}
	}, done)
}

// await calls begin and waits for the answer, which always comes: with the job's end at the latest.
func await[T any](ctx context.Context, begin func(done func(T, error))) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	begin(func(v T, err error) { answers <- answer{v, err} })
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		return *new(T), ctx.Err()
	}
}

// Checkpoint takes a checkpoint now and returns its path.
func (c Client) Checkpoint(ctx context.Context) (string, error) {
	return await(ctx, c.m.TriggerCheckpoint)
}

// Savepoint takes a savepoint below target and returns its path.
func (c Client) Savepoint(ctx context.Context, target string) (string, error) {
	return c.savepoint(ctx, target, stream.Savepoint)
}

// Stop takes a savepoint and ends the job with it; it returns once the job has ended. The error of
// one that has failed before, and goes on, names the savepoint if it is complete.
func (c Client) Stop(ctx context.Context, target string, drain bool) (string, error) {
	if drain {
		return c.savepoint(ctx, target, stream.DrainSavepoint)
	}
	return c.savepoint(ctx, target, stream.StopSavepoint)
}

func (c Client) savepoint(ctx context.Context, target string, kind stream.SavepointKind) (
	string, error) {
	return await(ctx, func(done func(string, error)) { c.m.TriggerSavepoint(kind, target, done) })
}

// Checkpoints is what is known of the job's checkpoints.
func (c Client) Checkpoints(ctx context.Context) (checkpoint.Overview, error) {
	return call(ctx, c.m, func() (checkpoint.Overview, error) {
		if c.m.checkpoints.c == nil {
			return checkpoint.Overview{}, nil
		}
		return c.m.checkpoints.c.Overview(), nil
	})
}
