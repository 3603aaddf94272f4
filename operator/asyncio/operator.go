package asyncio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"goflink/core/failure"
	"goflink/core/state"
	"goflink/core/stream"
	"goflink/operator"
	"goflink/operator/process"
)

// heldState is the name of the operator state that holds the records under way.
const heldState = "async-elements"

// async makes asynchronous calls. Everything but what mu guards belongs to the task's goroutine.
type async[In, Out any] struct {
	operator.Forward
	process.Lifecycle
	o       Options[Out]
	ordered bool
	f       AsyncFunction[In, Out]
	rt      operator.Runtime
	out     *operator.Emitter[Out]
	state   state.OperatorList[Element[In]]

	queue queue[In, Out]
	// waiting are the entries without a call, in the order in which they get one; what ended
	// meanwhile is left out then.
	waiting []*entry[In, Out]
	calls   int // under way
	alarms  alarms[In, Out]
	// cancel withdraws the call of the clock that is asked for at time due; nil if none is.
	cancel func()
	due    int64

	mu struct {
		sync.Mutex
		ended []outcome[In, Out]
		// alive counts the calls whose goroutines have not ended; closed says that the last one
		// closes the function.
		alive  int
		closed bool
	}
}

// outcome is how a call ended.
type outcome[In, Out any] struct {
	entry   *entry[In, Out]
	results []Out
	err     error
}

func _[In, Out any](v *async[In, Out]) {
	var _ operator.Operator = v
	var _ stream.Receiver[In] = v
	var _ operator.Throttled = v
	var _ operator.Drainer = v
	var _ operator.Snapshotter = v
}

func newAsync[In, Out any](o Options[Out], ordered bool, life process.Lifecycle,
	f AsyncFunction[In, Out],
) *async[In, Out] {
	return &async[In, Out]{Lifecycle: life, o: o, ordered: ordered, f: f}
}

// Open opens the function and calls again for what was under way at the checkpoint.
func (a *async[In, Out]) Open(rt operator.Runtime) (err error) {
	a.rt = rt
	if a.out, err = operator.NewEmitter[Out](rt, ""); err != nil {
		return err
	}
	a.Outs = append(a.Outs, a.out.Out())
	if a.state, err = state.OpenOperatorList(rt.OperatorState(),
		state.ListOf[Element[In]](heldState)); err != nil {
		return err
	}
	if err := a.OpenFunction(rt, &a.Forward); err != nil {
		return err
	}
	for _, e := range a.state.Get() {
		a.enqueue(e)
	}
	a.issue()
	return nil
}

// Input returns the receiver of the records.
func (a *async[In, Out]) Input(int) any { return a }

// Ready is false while the operator holds all the records that it may.
func (a *async[In, Out]) Ready() bool { return a.queue.held < a.o.Capacity }

// Drained reports whether everything is handed on.
func (a *async[In, Out]) Drained() bool { return a.queue.empty() }

// Batch takes records over.
func (a *async[In, Out]) Batch(b *stream.Batch[In]) error {
	for i := range b.Values {
		a.enqueue(Element[In]{Value: b.Values[i], Time: b.Time(i)})
	}
	a.issue()
	return nil
}

func (a *async[In, Out]) enqueue(v Element[In]) {
	e := &entry[In, Out]{Element: v}
	a.queue.push(e)
	a.waiting = append(a.waiting, e)
}

// Watermark hands w on behind the results of the records before it.
func (a *async[In, Out]) Watermark(w int64) error {
	if a.queue.empty() {
		return a.Forward.Watermark(w)
	}
	e := a.queue.tailControl()
	if e.hasStatus { // a watermark that came after a status stays behind it
		e = &entry[In, Out]{phase: control}
		a.queue.push(e)
	}
	e.watermark, e.hasWatermark = w, true
	return nil
}

// Status hands s on behind the results of the records before it.
func (a *async[In, Out]) Status(s stream.Status) error {
	if a.queue.empty() {
		return a.Forward.Status(s)
	}
	e := a.queue.tailControl()
	e.status, e.hasStatus = s, true
	return nil
}

// Snapshot writes the records under way into operator state.
func (a *async[In, Out]) Snapshot(cp operator.Checkpoint) error {
	a.state.Put(a.queue.elements())
	return a.Lifecycle.Snapshot(cp)
}

// issue makes calls for waiting records as long as there may be more.
func (a *async[In, Out]) issue() {
	n := 0
	for ; n < len(a.waiting) && a.calls < a.o.Capacity; n++ {
		if e := a.waiting[n]; e.phase == waiting {
			a.call(e)
		}
	}
	a.waiting = slices.Delete(a.waiting, 0, n)
	a.arm()
}

// call makes the call for an entry in a goroutine.
func (a *async[In, Out]) call(e *entry[In, Out]) {
	e.phase = running
	e.attempts++
	a.calls++
	if e.attempts == 1 && a.o.Timeout > 0 {
		e.timeout = a.alarms.set(a.rt.Now()+a.o.Timeout.Milliseconds(), e, false)
	}
	a.mu.Lock()
	a.mu.alive++
	a.mu.Unlock()
	a.rt.Go("async call", func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		r := outcome[In, Out]{entry: e}
		if a.beginCall(e, cancel) {
			r.results, r.err = a.invoke(ctx, e.Value)
		}
		a.endCall(r)
	})
}

// beginCall lets the task cancel the call; it returns false if nobody waits for it any more.
func (a *async[In, Out]) beginCall(e *entry[In, Out], cancel context.CancelFunc) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	e.cancel = cancel
	return !e.givenUp
}

// invoke calls the function and turns its panic into an error.
func (a *async[In, Out]) invoke(ctx context.Context, v In) (results []Out, err error) {
	defer failure.Catch(&err, failure.User)
	return a.f.AsyncInvoke(ctx, v)
}

// endCall hands an outcome to the task, which takes all that are there at once.
func (a *async[In, Out]) endCall(r outcome[In, Out]) {
	a.mu.Lock()
	a.mu.ended = append(a.mu.ended, r)
	first := len(a.mu.ended) == 1
	a.mu.alive--
	last := a.mu.closed && a.mu.alive == 0
	a.mu.Unlock()
	if first {
		a.rt.Mail(a.collect)
	}
	if last {
		a.closeFunction()
	}
}

// collect takes the outcomes of calls.
func (a *async[In, Out]) collect() error {
	a.mu.Lock()
	ended := a.mu.ended
	a.mu.ended = nil
	a.mu.Unlock()
	for i := range ended {
		a.calls--
		r := &ended[i]
		if r.entry.phase != running {
			continue // it took too long
		}
		if delay, again := a.o.Retry.wants(r.entry.attempts, r.results, r.err); again {
			r.entry.phase = delayed
			r.entry.retry = a.alarms.set(a.rt.Now()+delay, r.entry, true)
			continue
		}
		if r.err != nil {
			return a.Failed(fmt.Errorf("asynchronous call, attempt %d: %w", r.entry.attempts,
				r.err))
		}
		a.finish(r.entry, r.results)
	}
	return a.proceed()
}

// finish keeps the results of an entry, or emits them if nothing is before them.
func (a *async[In, Out]) finish(e *entry[In, Out], results []Out) {
	a.alarms.drop(e.timeout)
	a.alarms.drop(e.retry)
	e.phase, e.results, e.timeout, e.retry = done, results, nil, nil
	if !a.ordered && e.segment == a.queue.first {
		a.emit(e)
	}
}

// emit emits the results of an entry, whose place in the queue stays until it is the head.
func (a *async[In, Out]) emit(e *entry[In, Out]) {
	a.out.SetTime(e.Time)
	for i := range e.results {
		a.out.Emit(e.results[i])
	}
	a.queue.held--
	e.phase, e.results = emitted, nil
}

// proceed emits what is at the head of the queue and makes calls for what waits.
func (a *async[In, Out]) proceed() error {
	for !a.queue.empty() {
		e := a.queue.entries[a.queue.head]
		if e.phase < done {
			break
		}
		a.queue.pop()
		switch e.phase {
		case done:
			a.emit(e)
		case control:
			if err := a.passControl(e); err != nil {
				return err
			}
		}
	}
	if err := a.out.Flush(); err != nil {
		return err
	}
	a.issue()
	return nil
}

// passControl hands on a control entry, and the results that it held back.
func (a *async[In, Out]) passControl(e *entry[In, Out]) error {
	if err := a.out.Flush(); err != nil {
		return err
	}
	if e.hasWatermark {
		if err := a.Forward.Watermark(e.watermark); err != nil {
			return err
		}
	}
	if e.hasStatus {
		if err := a.Forward.Status(e.status); err != nil {
			return err
		}
	}
	if a.ordered {
		return nil
	}
	for _, next := range a.queue.entries[a.queue.head:] {
		if next.phase == control {
			break
		}
		if next.phase == done {
			a.emit(next)
		}
	}
	return nil
}

// arm asks the clock for a call at the time of the first alarm.
func (a *async[In, Out]) arm() {
	if len(a.alarms) == 0 || a.cancel != nil && a.due <= a.alarms[0].at {
		return
	}
	if a.cancel != nil {
		a.cancel()
	}
	a.due = a.alarms[0].at
	a.cancel = a.rt.At(a.due, a.tick)
}

// tick handles timeouts and retries that are due.
func (a *async[In, Out]) tick() error {
	a.cancel = nil
	now := a.rt.Now()
	again := 0
	for n := a.alarms.due(now); n != nil; n = a.alarms.due(now) {
		if !n.retry {
			if err := a.expire(n.entry); err != nil {
				return err
			}
			continue
		}
		n.entry.phase, n.entry.retry = waiting, nil
		a.waiting = slices.Insert(a.waiting, again, n.entry)
		again++
	}
	return a.proceed()
}

// expire gives an entry up whose time is over.
func (a *async[In, Out]) expire(e *entry[In, Out]) error {
	a.mu.Lock()
	e.givenUp = true
	cancel := e.cancel
	a.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	t, ok := a.f.(TimeoutFunction[In, Out])
	if !ok {
		return a.Failed(fmt.Errorf("%w: no results after %v and %d attempts", ErrTimeout,
			a.o.Timeout,
			e.attempts))
	}
	results, err := t.Timeout(e.Value)
	if err != nil {
		return a.Failed(fmt.Errorf("timeout: %w", err))
	}
	a.finish(e, results)
	return nil
}

// ErrTimeout is in the chain of the error that fails the job when calls take too long.
var ErrTimeout = errors.New("the asynchronous call has timed out")

// Close closes the function once no call is under way.
func (a *async[In, Out]) Close() error {
	a.mu.Lock()
	a.mu.closed = true
	idle := a.mu.alive == 0
	a.mu.Unlock()
	if !idle {
		return nil
	}
	return a.Lifecycle.Close()
}

// closeFunction closes the function in the goroutine of the last call, which the task waits for.
func (a *async[In, Out]) closeFunction() {
	var err error
	defer func() {
		if err != nil {
			a.rt.Logger().Error("close of the asynchronous function", "error", err)
		}
	}()
	defer failure.Catch(&err, failure.User)
	err = a.Lifecycle.Close()
}
