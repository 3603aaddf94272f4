package checkpoint

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/internal/invariant"
)

// stage is how far a checkpoint is. The stages follow each other in this order; from each but
// stageWriting a checkpoint can be aborted.
type stage uint8

const (
	// stagePreparing: its directory is being made.
	stagePreparing stage = iota
	// stageCoordinators: operator coordinators give their state.
	stageCoordinators
	// stageTasks: barriers are under way.
	stageTasks
	// stageAcknowledged: all parts are there; another checkpoint is being written.
	stageAcknowledged
	// stageWriting: it is being made durable; only the result of that decides now.
	stageWriting
)

// String names the stage.
func (s stage) String() string {
	return [...]string{"preparing", "coordinators", "tasks", "acknowledged", "writing"}[s]
}

// request is what somebody asked for; the zero value is a periodic checkpoint.
type request struct {
	id     string
	kind   stream.SavepointKind
	full   bool
	target string
}

// pending is a checkpoint under way.
type pending struct {
	request
	id       uint64
	began    time.Time
	stage    stage
	location string
	// coordinators are the states that have come, waiting the number of those that have not.
	coordinators map[id.Operator][]byte
	waiting      int
	// parts are those of the tasks, from stageTasks on; missing is the number of tasks to come.
	parts   []part
	missing int
	// files are those that its parts name.
	files     map[string]struct{}
	completed *Completed
	stats     *Stats
}

// part is what is known of one task.
type part struct {
	status  partStatus
	attempt id.Attempt
	state   SubtaskState
}

type partStatus uint8

const (
	// partNone: the task had finished before.
	partNone partStatus = iota
	partMissing
	partThere
)

func (p *pending) deadline(timeout time.Duration) time.Time { return p.began.Add(timeout) }

// waitsFor reports whether the checkpoint needs a part of the task that is not there.
func (p *pending) waitsFor(task int) bool {
	return p.stage == stageTasks && p.parts[task].status == partMissing
}

// find returns a checkpoint under way.
func (c *Coordinator) find(checkpoint uint64) *pending {
	for _, p := range c.pending {
		if p.id == checkpoint {
			return p
		}
	}
	return nil
}

// writing is the checkpoint that is being made durable, or nil.
func (c *Coordinator) writing() *pending {
	for _, p := range c.pending {
		if p.stage == stageWriting {
			return p
		}
	}
	return nil
}

// requestSavepoint queues or refuses a savepoint.
func (c *Coordinator) requestSavepoint(e TriggerSavepoint) {
	r := request{id: e.Request, kind: e.Kind, full: true, target: e.Target}
	if r.target == "" {
		r.target = c.o.SavepointDirectory
	}
	var err error
	switch {
	case e.Kind == stream.NoSavepoint || e.Kind > stream.DrainSavepoint:
		err = fmt.Errorf("there is no savepoint of kind %d", e.Kind)
	case r.target == "":
		err = fmt.Errorf("no directory for the savepoint: name one, or set %s",
			config.SavepointsDirectory.Key)
	case len(c.savepoints) >= MaxRequests:
		err = fmt.Errorf("%d savepoints are waiting already", MaxRequests)
	default:
		err = c.mayBegin()
	}
	if err != nil {
		c.emit(RequestDone{Request: e.Request, Err: err})
		return
	}
	c.savepoints = append(c.savepoints, r)
}

// requestCheckpoint queues or refuses a checkpoint.
func (c *Coordinator) requestCheckpoint(e TriggerCheckpoint) {
	err := c.mayBegin()
	if len(c.manual) >= MaxRequests {
		err = fmt.Errorf("%d checkpoints are waiting already", MaxRequests)
	}
	if err != nil {
		c.emit(RequestDone{Request: e.Request, Err: err})
		return
	}
	c.manual = append(c.manual, request{id: e.Request, full: e.Full})
}

// begin begins a checkpoint.
func (c *Coordinator) begin(r request) {
	r.full = r.full || c.full
	c.last++
	p := &pending{request: r, id: c.last, began: c.now}
	c.pending = append(c.pending, p)
	p.stats = c.stats.begin(c, p)
	if r.kind == stream.NoSavepoint && c.interval() > 0 {
		c.nextPeriodic = c.now.Add(c.interval())
	}
	c.emit(PrepareLocation{Checkpoint: p.id, Kind: r.kind, Target: r.target})
}

// locationPrepared goes on with the operator coordinators.
func (c *Coordinator) locationPrepared(e LocationPrepared) {
	p := c.find(e.Checkpoint)
	switch {
	case p == nil || p.stage != stagePreparing:
		if e.Err == nil {
			c.discardLate(e.Checkpoint, e.Location, nil)
		}
		return
	case e.Err != nil:
		c.abort(p, true, fmt.Errorf("its directory cannot be made: %w", e.Err))
		return
	}
	p.location = e.Location
	p.stage = stageCoordinators
	p.coordinators = map[id.Operator][]byte{}
	if p.waiting = len(c.plan.coordinated); p.waiting == 0 {
		c.trigger(p)
		return
	}
	c.emit(SnapshotCoordinators{Checkpoint: p.id, Operators: c.operators()})
}

// coordinatorSnapshot takes the state of an operator coordinator.
func (c *Coordinator) coordinatorSnapshot(e CoordinatorSnapshot) error {
	p := c.find(e.Checkpoint)
	if p == nil || p.stage != stageCoordinators {
		return nil
	}
	if !slices.Contains(c.plan.coordinated, e.Operator) {
		return fmt.Errorf("checkpoint %d: state of a coordinator of operator %s, which has none",
			e.Checkpoint, e.Operator)
	}
	if e.Err != nil {
		c.abort(p, true, fmt.Errorf("the coordinator of operator %s: %w",
			c.plan.describe(e.Operator), e.Err))
		return nil
	}
	if _, again := p.coordinators[e.Operator]; again {
		return nil
	}
	if e.State == nil {
		e.State = []byte{}
	}
	p.coordinators[e.Operator] = e.State
	if p.waiting--; p.waiting == 0 {
		c.trigger(p)
	}
	return nil
}

// trigger sends the barriers on their way.
func (c *Coordinator) trigger(p *pending) {
	if !c.plan.ready() || c.plan.running == 0 {
		c.abort(p, false, errors.New("tasks ended before it could begin"))
		return
	}
	p.stage = stageTasks
	p.parts = make([]part, len(c.plan.tasks))
	p.files = map[string]struct{}{}
	for i := range p.parts {
		if t := &c.plan.tasks[i]; t.status == taskRunning {
			p.parts[i] = part{status: partMissing, attempt: t.attempt}
			p.missing++
		} else {
			p.parts[i].state.Finished = true
		}
	}
	p.stats.triggered(c, p)
	c.emit(TriggerTasks{Barrier: c.barrier(p), Attempts: c.plan.attempts(c.plan.heads())})
}

// barrier is the barrier of a checkpoint. Savepoints are never unaligned: they hold no records in
// flight, so that a changed program can read them.
func (c *Coordinator) barrier(p *pending) *stream.Barrier {
	b := &stream.Barrier{Checkpoint: p.id, Triggered: p.began.UnixMilli(), Savepoint: p.kind,
		Full: p.full, Alignment: stream.Aligned}
	s := &c.o.Settings
	switch {
	case s.Mode == config.AtLeastOnce:
		b.Alignment = stream.AtLeastOnce
	case p.kind != stream.NoSavepoint || !s.Unaligned:
	case s.AlignedTimeout > 0:
		b.AlignTimeout = max(1, s.AlignedTimeout.Milliseconds())
	default:
		b.Alignment = stream.Unaligned
	}
	if p.kind != stream.NoSavepoint {
		b.Target = p.location
	}
	return b
}

// acknowledged takes a task's part.
func (c *Coordinator) acknowledged(e Acknowledged) error {
	i, err := c.plan.find(e.Attempt)
	if err != nil {
		return err
	}
	p := c.find(e.Checkpoint)
	if p == nil {
		c.discardLate(e.Checkpoint, "", &e.Snapshot)
		return nil
	}
	if p.parts == nil {
		return fmt.Errorf("%s acknowledged checkpoint %d, which was not triggered yet",
			c.plan.name(i), p.id)
	}
	if part := &p.parts[i]; part.attempt != e.Attempt || part.status != partMissing {
		return nil // said twice, or by an attempt that is over
	}
	state, err := c.plan.subtaskState(i, &e.Snapshot)
	if err == nil {
		err = c.checkFiles(p, i, &state)
	}
	if err != nil {
		c.abort(p, true, fmt.Errorf("%s: %w", c.plan.name(i), err))
		return nil
	}
	for j := range state.Operators {
		eachBlob(&state.Operators[j], func(b *statebackend.Blob) {
			if b.File != "" {
				p.files[b.File] = struct{}{}
			}
		})
	}
	p.parts[i].status, p.parts[i].state = partThere, state
	p.stats.acknowledged(c, i, &state, &e)
	if p.missing--; p.missing == 0 {
		p.stage = stageAcknowledged
	}
	return nil
}

// subtaskState brings a task's part into the order of its chain.
func (p *plan) subtaskState(task int, s *statebackend.TaskSnapshot) (SubtaskState, error) {
	ops := p.operators[p.tasks[task].vertex]
	state := SubtaskState{Finished: s.Finished,
		Operators: make([]statebackend.OperatorSnapshot, len(ops))}
	for i := range s.Operators {
		at, ok := ops[s.Operators[i].ID]
		if !ok {
			return state, fmt.Errorf("its part has state of operator %s, which is not in it",
				s.Operators[i].ID)
		}
		state.Operators[at] = s.Operators[i].OperatorSnapshot
	}
	return state, nil
}

// describe names an operator of the job.
func (p *plan) describe(op id.Operator) string {
	for i, ops := range p.operators {
		if j, ok := ops[op]; ok {
			n := &p.job.Vertices[i].Nodes[j]
			return describe(n.Name, n.UID, op)
		}
	}
	return op.String()
}

// declined gives a checkpoint up because a task has no part in it.
func (c *Coordinator) declined(e Declined) error {
	i, err := c.plan.find(e.Attempt)
	if err != nil {
		return err
	}
	p := c.find(e.Checkpoint)
	if p == nil || p.stage == stageWriting {
		return nil
	}
	if p.parts == nil || p.parts[i].attempt != e.Attempt || p.parts[i].status != partMissing {
		return nil
	}
	reason := e.Reason
	if reason == nil {
		reason = errors.New("no reason was given")
	}
	c.abort(p, e.Cause == DeclineFailed, fmt.Errorf("%s declined: %w", c.plan.name(i), reason))
	return nil
}

// missing says what a checkpoint waits for.
func (c *Coordinator) missing(p *pending) string {
	var names []string
	switch p.stage {
	case stagePreparing:
		return "its directory was not made"
	case stageCoordinators:
		for _, op := range c.plan.coordinated {
			if _, there := p.coordinators[op]; !there {
				names = append(names, c.plan.describe(op))
			}
		}
		return "no state came from the coordinators of " + nameSome("operator", names)
	}
	for i := range p.parts {
		if p.parts[i].status == partMissing {
			names = append(names, c.plan.name(i))
		}
	}
	return fmt.Sprintf("%d of %d tasks have not acknowledged it: %s", len(names), len(p.parts),
		strings.TrimPrefix(nameSome("task", names), "tasks "))
}

// writeNext begins to make the oldest checkpoint durable that has all its parts, one at a time.
func (c *Coordinator) writeNext() {
	if c.writing() != nil {
		return
	}
	for _, p := range c.pending {
		if p.stage == stageAcknowledged {
			p.stage = stageWriting
			p.completed = &Completed{Metadata: c.metadata(p), Location: p.location}
			c.emit(WriteMetadata{Completed: p.completed,
				RestorePoint: p.kind == stream.NoSavepoint || p.kind.Stops()})
			return
		}
	}
}

// metadata puts a checkpoint together.
func (c *Coordinator) metadata(p *pending) Metadata {
	job := c.o.Job
	m := Metadata{Checkpoint: p.id, Epoch: c.o.Epoch, Job: job.ID, JobName: job.Name,
		Triggered: p.began.UnixMilli(), Completed: c.now.UnixMilli(), Kind: p.kind, Full: p.full,
		Edges: edgesOf(job)}
	m.Vertices = make([]VertexState, len(job.Vertices))
	for i := range job.Vertices {
		v := &job.Vertices[i]
		vs := VertexState{ID: v.ID, Name: v.Name, MaxParallelism: v.MaxParallelism,
			Operators: make([]OperatorInfo, len(v.Nodes)),
			Subtasks:  make([]SubtaskState, v.Parallelism)}
		for j := range v.Nodes {
			n := &v.Nodes[j]
			vs.Operators[j] = OperatorInfo{ID: n.Operator, UID: n.UID, Name: n.Name,
				Coordinated: n.Coordinated, Coordinator: p.coordinators[n.Operator]}
		}
		for j := range vs.Subtasks {
			vs.Subtasks[j] = p.parts[c.plan.first[i]+j].state
		}
		m.Vertices[i] = vs
	}
	return m
}

// metadataWritten completes a checkpoint, or gives it up.
func (c *Coordinator) metadataWritten(e MetadataWritten) error {
	p := c.find(e.Checkpoint)
	if p == nil || p.stage != stageWriting {
		return fmt.Errorf("metadata of checkpoint %d, which is not being written, was written",
			e.Checkpoint)
	}
	if e.Err != nil {
		p.stage = stageAcknowledged
		c.abort(p, true, fmt.Errorf("it could not be made durable: %w", e.Err))
		return nil
	}
	return c.complete(p, e.Path)
}

// complete is called when a checkpoint is durable. Only here may anybody hear of it.
func (c *Coordinator) complete(p *pending, path string) error {
	if err := invariant.Check(p.missing == 0 && p.waiting == 0, "checkpoint %d is complete "+
		"without %d tasks and %d coordinators", p.id, p.missing, p.waiting); err != nil {
		return err
	}
	c.remove(p)
	p.completed.Path = path
	c.stats.completed(c, p)
	if p.request.id != "" && !p.kind.Stops() {
		c.emit(RequestDone{Request: p.request.id, Checkpoint: p.id, Path: path})
	}
	if p.kind == stream.Savepoint {
		// As in Flink: no point to restart from, so nothing is committed.
		return nil
	}
	for _, older := range c.collecting() {
		if older.id < p.id && older.kind == stream.NoSavepoint {
			c.abort(older, false, fmt.Errorf("checkpoint %d was complete first", p.id))
		}
	}
	if p.kind.Stops() {
		c.stopped = p
		if c.state != stateActive {
			c.answerStop(c.endError())
		}
		c.refuseWaiting("savepoint %d is complete and stops the job", p.id)
	} else {
		c.failures = 0
		c.full = c.full && !p.full
	}
	for i, since := range c.wants {
		if p.id > since {
			delete(c.wants, i)
		}
	}
	c.files.retain(p.completed)
	if c.state == stateActive {
		c.emit(NotifyComplete{Checkpoint: p.id, Attempts: c.participants(p),
			Operators: c.operators()})
	}
	c.files.subsume(c.o.Settings.NumRetained, c.last)
	return nil
}

// participants are the tasks of a checkpoint that still run, as the attempts that took part.
func (c *Coordinator) participants(p *pending) []id.Attempt {
	var as []id.Attempt
	for i := range p.parts {
		t := &c.plan.tasks[i]
		if p.parts[i].status != partNone && t.attempt == p.parts[i].attempt &&
			t.status == taskRunning {
			as = append(as, t.attempt)
		}
	}
	return as
}

// remove takes a checkpoint from those under way.
func (c *Coordinator) remove(p *pending) {
	c.pending = slices.DeleteFunc(c.pending, func(o *pending) bool { return o == p })
	if p.kind == stream.NoSavepoint {
		c.lastEnd = c.now
	}
}

// abort gives a checkpoint up. counts says that it failed by itself.
func (c *Coordinator) abort(p *pending, counts bool, err error) {
	if p.stage == stageWriting || c.find(p.id) != p {
		return
	}
	c.remove(p)
	c.lastFailed = c.now
	c.stats.failed(c, p, err)
	if p.stage >= stageCoordinators && c.state == stateActive {
		c.emit(NotifyAborted{Checkpoint: p.id, Attempts: c.participants(p),
			Operators: c.operators()})
	}
	if p.request.id != "" {
		kind := "checkpoint"
		if p.kind != stream.NoSavepoint {
			kind = "savepoint"
		}
		c.emit(RequestDone{Request: p.request.id, Checkpoint: p.id,
			Err: fmt.Errorf("%s %d of job %q: %w", kind, p.id, c.o.Job.Name, err)})
	}
	c.discardAborted(p)
	if counts && p.kind == stream.NoSavepoint {
		c.failed(p, err)
	}
}
