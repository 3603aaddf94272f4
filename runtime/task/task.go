package task

import (
	"context"
	"sync"
	"sync/atomic"

	"goflink/core/failure"
	"goflink/core/stream"
	"goflink/internal/host"
)

// phase is where a task is in its life. It only grows.
type phase uint8

const (
	// phaseCreated: the operators are not built yet.
	phaseCreated phase = iota
	// phaseRunning: records flow.
	phaseRunning
	// phaseClosing: operators are closed; asynchronous work is waited for.
	phaseClosing
	// phaseEnded: the end was reported.
	phaseEnded
)

// Task is one attempt to run one subtask.
type Task struct {
	o       Options
	chain   *chain
	inputs  []*input
	gates   []gateInput
	aligner *aligner
	phase   phase
	// keepAligned says that the task's inputs cannot take unaligned barriers.
	keepAligned bool

	mail mailbox
	wake func()

	// ctx ends with the task; async counts the goroutines and writes that it owns.
	ctx    context.Context
	stop   context.CancelFunc
	async  atomic.Int64
	cancel atomic.Bool

	step stepper
	next int
	cur  current
	// captured is the checkpoint that the gates capture channel state for, or 0.
	captured uint64
	err      error
	io       IO
	snapshot snapshots
	latency  latency
	// taken is set while mail is under way which says that a barrier has left an output.
	taken atomic.Bool
	// suspended is set while a source waits for the savepoint that stops the job.
	suspended *stream.Barrier
	// ending is set while the operators are being finished; finished says that they are, drained
	// that the end was natural.
	ending            *ending
	finished, drained bool
	// triggered is the latest checkpoint that was triggered here while channels were open.
	triggered *stream.Barrier
	// wasFinished says that the task had finished before the checkpoint that it begins with.
	wasFinished bool
}

// New returns a task that does nothing until Start.
func New(o Options) *Task {
	t := &Task{o: o, wake: func() {}}
	t.ctx, t.stop = context.WithCancel(context.Background())
	t.io.Watermark.Store(stream.MinWatermark)
	t.io.started = o.Host.Now()
	t.step.init()
	return t
}

// IO are the task's counts.
func (t *Task) IO() *IO { return &t.io }

// QueuedMail is the number of calls that wait to run in the task's goroutine. Any goroutine may
// call it.
func (t *Task) QueuedMail() int { return t.mail.size() }

// BackPressured reports whether the task waits, at this moment, for room in its outputs: between
// two steps or within one. Any goroutine may call it.
func (t *Task) BackPressured() bool {
	if t.io.Blocked() {
		return true
	}
	for _, p := range t.o.Partitions {
		if p.IsBackPressured() {
			return true
		}
	}
	return false
}

// Start begins to run the task on its host. It is called once.
func (t *Task) Start() {
	var mu sync.Mutex
	wake := func() {}
	t.wake = func() {
		mu.Lock()
		w := wake
		mu.Unlock()
		w()
	}
	t.mail.wake = t.wake
	drive := t.o.Host.Drive(t.o.Info.TaskName, t, func() {})
	mu.Lock()
	wake = drive
	mu.Unlock()
	drive()
}

// Cancel ends the task soon; it then reports ErrCancelled. Any goroutine may call it, repeatedly.
func (t *Task) Cancel() {
	if t.cancel.Swap(true) {
		return
	}
	t.stop()
	// Who is blocked in a step, putting a batch into a full channel, returns by this.
	for _, p := range t.o.Partitions {
		p.Fail(ErrCancelled)
	}
	t.wake()
}

// Fail ends the task with an error from outside, such as a lost connection.
func (t *Task) Fail(err error) {
	t.post(func() error { return err })
}

// post runs f in the task's goroutine; it returns false after the task's end.
func (t *Task) post(f func() error) bool { return t.mail.post(f) }

// Step runs one step. It is called by the host only.
func (t *Task) Step() (status host.Status) {
	t.endWait()
	switch {
	case t.phase == phaseEnded:
		return host.Done
	case t.phase == phaseClosing:
		return t.awaitAsync()
	}
	more, err := t.guarded()
	if err == nil && t.cancel.Load() {
		err = ErrCancelled
	}
	if err != nil || t.phase == phaseClosing {
		t.close(err)
		return host.Ready
	}
	if more {
		return host.Ready
	}
	return host.Blocked
}

// guarded runs one step of work and turns a panic of user code into an error.
func (t *Task) guarded() (more bool, err error) {
	defer failure.Catch(&err, failure.User)
	if t.cancel.Load() {
		return false, ErrCancelled
	}
	if t.phase == phaseCreated {
		if err := t.open(); err != nil {
			return false, err
		}
		t.phase = phaseRunning
		t.o.Listener.Running(t.o.Info.Attempt)
		t.startMarkers()
		if t.wasFinished && t.chain.source != nil {
			return true, t.replayEnd()
		}
		return true, nil
	}
	if err := t.mail.run(); err != nil {
		return false, err
	}
	return t.work()
}

// work feeds the chain; more is false if there is nothing to do until wake.
func (t *Task) work() (more bool, err error) {
	if t.ending != nil {
		if err := t.goOnFinishing(); err != nil {
			return false, err
		}
	}
	switch {
	case t.phase != phaseRunning:
		return false, nil
	case t.chain.source != nil && (t.suspended != nil || t.finished || t.ending != nil):
		return false, t.idle()
	}
	// Barriers that overtake wait neither for room in the outputs nor for an operator.
	if read, err := t.pollPriority(); read || err != nil {
		return true, err
	}
	if !t.outputsAvailable() {
		if err := t.chain.flush(true); err != nil {
			return false, err
		}
		t.beginWait(waitingForOutput)
		return false, nil
	}
	if !t.chain.ready() {
		return false, t.idle()
	}
	if t.chain.source != nil {
		more, err = t.pollSource()
	} else {
		more, err = t.pollInput()
	}
	if err != nil || t.phase != phaseRunning {
		return true, err
	}
	if more {
		return true, t.chain.flush(false)
	}
	return false, t.idle()
}

// idle hands on everything before the task waits for input.
func (t *Task) idle() error {
	err := t.chain.flush(true)
	t.beginWait(waitingForInput)
	return err
}

func (t *Task) outputsAvailable() bool {
	for _, p := range t.o.Partitions {
		if !p.Available() {
			return false
		}
	}
	return true
}

func (t *Task) beginWait(w waiting) { t.io.begin(w, t.o.Host.Now()) }

func (t *Task) endWait() {
	if t.io.waiting != notWaiting {
		t.io.end(t.o.Host.Now())
	}
}

// close releases everything; err is why the task ends.
func (t *Task) close(err error) {
	if err != nil && t.cancel.Load() {
		err = ErrCancelled
	}
	t.phase, t.err = phaseClosing, err
	t.stop()
	t.mail.close()
	t.snapshot.abandonAll(t)
	if t.chain != nil {
		if cerr := t.chain.close(); cerr != nil && t.err == nil {
			t.err = cerr
		}
	}
	for _, p := range t.o.Partitions {
		if t.err != nil {
			p.Fail(t.err)
		} else {
			p.Close()
		}
	}
	for _, g := range t.o.Gates {
		g.Close()
	}
	t.cur.release()
}

// awaitAsync waits for the goroutines of the task and then reports its end.
func (t *Task) awaitAsync() host.Status {
	if t.async.Load() > 0 {
		return host.Blocked
	}
	t.phase = phaseEnded
	var shares, err = t.chain.accumulatorShares()
	if t.err == nil {
		t.err = err
	}
	// The end of a producer that was cancelled is a failure here: its error wraps ErrCancelled.
	if t.err != nil && t.err != ErrCancelled {
		t.err = failure.InTask(t.err, t.o.Info.TaskName)
	}
	t.o.Listener.Ended(t.o.Info.Attempt, t.err, shares)
	return host.Done
}

// spawn runs f elsewhere; the task does not end before f has returned.
func (t *Task) spawn(name string, f func(ctx context.Context)) {
	t.async.Add(1)
	t.o.Host.Go(name, func() {
		defer t.finishAsync()
		f(t.ctx)
	})
}

func (t *Task) finishAsync() {
	t.async.Add(-1)
	t.wake()
}
