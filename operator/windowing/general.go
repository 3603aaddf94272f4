package windowing

import (
	"fmt"

	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/core/window"
	"goflink/operator"
)

// The names of the timers that the general strategy keeps.
const (
	eventTimersName      = "window-event-timers"
	processingTimersName = "window-processing-timers"
)

// generalOp runs windows of any kind, record by record, as Flink's WindowOperator does: the trigger
// is asked about each record and each timer, and a timer per key and window drops what is over.
type generalOp[T, K any, W Window, Acc, R, Out any] struct {
	base[T, K, W, R, Out]
	plan       *plan[T, K, W, Acc, R, Out]
	trigger    window.Trigger[T, W]
	contents   contents[T, W, R]
	merger     *merger[T, K, W, Acc, R, Out] // nil unless windows merge
	events     statebackend.TimerQueue
	processing statebackend.TimerQueue
	tc         triggerContext[T, K, W, Acc, R, Out]
	timer      timer

	windows []W
	nsRoom  []byte
	// what fires: the window, its key.
	firing firing[W]
	hash   uint64
	key    []byte

	onResult                   func(r R) error
	onEventTimer, onClockTimer func(t statebackend.Timer) error
}

func _[T, K any, W Window, Acc, R, Out any](v *generalOp[T, K, W, Acc, R, Out]) {
	var _ operator.Snapshotter = v
}

func newGeneral[T, K any, W Window, Acc, R, Out any](p *plan[T, K, W, Acc, R, Out],
	fn Function[K, W, R, Out],
) operator.Operator {
	o := &generalOp[T, K, W, Acc, R, Out]{plan: p, trigger: p.spec.Trigger}
	if o.trigger == nil {
		o.trigger = p.spec.Assigner.DefaultTrigger()
	}
	o.base = newBase[T, K, W, R, Out](&p.spec, fn)
	o.tc.o = o
	o.onResult = func(r R) error { return o.emit(&o.firing, o.hash, o.key, r) }
	o.onEventTimer = func(t statebackend.Timer) error { return o.onTimer(t, true) }
	o.onClockTimer = func(t statebackend.Timer) error { return o.onTimer(t, false) }
	return o
}

// Open opens state and outputs.
func (o *generalOp[T, K, W, Acc, R, Out]) Open(rt operator.Runtime) (err error) {
	m, merging := o.spec.Assigner.(window.Merging[W])
	if err := o.open(rt, merging); err != nil {
		return err
	}
	if o.spec.Evictor != nil {
		o.contents, err = openEvicted(o.plan, o.keyed)
	} else {
		o.contents, err = openFolded(o.plan, o.keyed)
	}
	if err != nil {
		return err
	}
	if merging {
		if o.merger, err = openMerger(o, m); err != nil {
			return err
		}
	}
	if o.events, err = o.keyed.Timers(eventTimersName); err != nil {
		return err
	}
	if o.processing, err = o.keyed.Timers(processingTimersName); err != nil {
		return err
	}
	if err := o.tc.open(); err != nil {
		return err
	}
	return o.arm()
}

// Input is the operator itself.
func (o *generalOp[T, K, W, Acc, R, Out]) Input(int) any { return o }

// Batch handles records one by one.
func (o *generalOp[T, K, W, Acc, R, Out]) Batch(b *stream.Batch[T]) error {
	hashes, keys := o.keys.read(b)
	now := o.rt.Now()
	for i := range b.Values {
		o.hash, o.key = hashes[i], keys[i]
		o.keyed.SetKey(o.hash, o.key)
		if err := o.element(b.Values[i], b.Time(i), now); err != nil {
			return err
		}
	}
	return o.finishStep()
}

// finishStep ends what was done for a batch, a watermark or a timer.
func (o *generalOp[T, K, W, Acc, R, Out]) finishStep() error {
	o.key = nil
	if err := o.arm(); err != nil {
		return err
	}
	return o.flush()
}

// element handles one record of the current key.
func (o *generalOp[T, K, W, Acc, R, Out]) element(v T, timestamp, now int64) (err error) {
	o.windows, err = o.spec.Assigner.Assign(o.windows[:0], v, timestamp, now)
	if err != nil {
		return err
	}
	skipped := true
	for _, w := range o.windows {
		if o.merger != nil {
			var late bool
			if late, err = o.merger.element(v, timestamp, w); !late {
				skipped = false
			}
		} else if !o.windowLate(w) {
			skipped = false
			o.nsRoom = w.Append(o.nsRoom[:0])
			err = o.add(v, timestamp, w, o.nsRoom, o.nsRoom)
		}
		if err != nil {
			return err
		}
	}
	if skipped && o.event && plus(timestamp, o.lateness) <= o.progress.watermarkOf(o.hash) {
		o.tooLate(v, timestamp)
	}
	return nil
}

// add adds a record to a window whose contents are in the namespace held; ns is the window's own.
func (o *generalOp[T, K, W, Acc, R, Out]) add(v T, timestamp int64, w W, ns, held []byte) error {
	found, err := o.contents.add(held, v, timestamp)
	if err != nil {
		return err
	}
	o.tc.window, o.tc.ns = w, ns
	r, err := o.trigger.OnElement(v, timestamp, w, &o.tc)
	if err != nil {
		return userError(err, "trigger %T", o.trigger)
	}
	if err := o.act(r, w, ns, held); err != nil {
		return err
	}
	if found && o.merger == nil {
		return nil // the timer of its end was set with the first record
	}
	return o.setEnd(w, ns)
}

// act does what a trigger decided.
func (o *generalOp[T, K, W, Acc, R, Out]) act(r window.Result, w W, ns, held []byte) error {
	if r.Fires() {
		o.firing = firing[W]{window: w, ns: ns, maxTime: w.MaxTime()}
		ctx := window.EvictorContext{Watermark: o.tc.Watermark(), Now: o.rt.Now()}
		if err := o.contents.fire(held, w, ctx, o.onResult); err != nil {
			return err
		}
	}
	if r.Purges() {
		return o.contents.clear(held)
	}
	return nil
}

// end is the time at which a window is over.
func (o *generalOp[T, K, W, Acc, R, Out]) end(w W) int64 { return plus(w.MaxTime(), o.lateness) }

// windowLate reports whether a window is over.
func (o *generalOp[T, K, W, Acc, R, Out]) windowLate(w W) bool {
	return o.event && o.end(w) <= o.progress.watermarkOf(o.hash)
}

// setEnd sets the timer at which a window is over; one that never ends has none.
func (o *generalOp[T, K, W, Acc, R, Out]) setEnd(w W, ns []byte) error {
	switch end := o.end(w); {
	case end == stream.MaxWatermark:
		return nil
	case o.event:
		return o.events.Add(end, ns)
	default:
		return o.processing.Add(end, ns)
	}
}

// removeEnd removes the timer of setEnd.
func (o *generalOp[T, K, W, Acc, R, Out]) removeEnd(w W, ns []byte) error {
	switch end := o.end(w); {
	case end == stream.MaxWatermark:
		return nil
	case o.event:
		return o.events.Remove(end, ns)
	default:
		return o.processing.Remove(end, ns)
	}
}

// onTimer handles a timer of a key and window that is due.
func (o *generalOp[T, K, W, Acc, R, Out]) onTimer(t statebackend.Timer, event bool) error {
	o.hash, o.key = t.Hash, t.Key
	o.keyed.SetKey(t.Hash, t.Key)
	ns := t.Namespace
	w, err := o.spec.Assigner.Parse(ns)
	if err != nil {
		return fmt.Errorf("window of a timer: %w", err)
	}
	held := ns
	if o.merger != nil {
		var ok bool
		if held, ok, err = o.merger.held(w); err != nil || !ok {
			return err // a timer that the trigger left behind when windows were merged
		}
	}
	o.tc.window, o.tc.ns = w, ns
	var r window.Result
	if event {
		r, err = o.trigger.OnEventTime(t.Time, w, &o.tc)
	} else {
		r, err = o.trigger.OnProcessingTime(t.Time, w, &o.tc)
	}
	if err != nil {
		return userError(err, "trigger %T", o.trigger)
	}
	if err := o.act(r, w, ns, held); err != nil {
		return err
	}
	if event == o.event && t.Time == o.end(w) {
		return o.drop(w, ns, held)
	}
	return nil
}

// drop removes all that is kept for a window that is over.
func (o *generalOp[T, K, W, Acc, R, Out]) drop(w W, ns, held []byte) error {
	if err := o.contents.clear(held); err != nil {
		return err
	}
	o.tc.window, o.tc.ns = w, ns
	if err := o.trigger.Clear(w, &o.tc); err != nil {
		return userError(err, "trigger %T", o.trigger)
	}
	if o.clearer != nil {
		f := firing[W]{window: w, ns: ns, maxTime: w.MaxTime()}
		if err := o.clear(&f, o.hash, o.key); err != nil {
			return err
		}
	}
	if o.merger != nil {
		return o.merger.retire(w)
	}
	return nil
}

// Watermark handles the timers that are due.
func (o *generalOp[T, K, W, Acc, R, Out]) Watermark(w int64) error {
	o.watermark = w
	if o.event {
		o.progress.advance(w)
	}
	if err := o.events.PopUntil(w, o.onEventTimer); err != nil {
		return err
	}
	if err := o.finishStep(); err != nil {
		return err
	}
	return o.Forward.Watermark(w)
}

// arm sets the timer of the clock for the earliest timer of processing time. A timer is due when
// the clock has passed its time, so that a window's last millisecond belongs to it.
func (o *generalOp[T, K, W, Acc, R, Out]) arm() error {
	next, ok, err := o.processing.Next()
	if err != nil || !ok {
		return err
	}
	o.timer.set(o.rt, plus(next, 1), o.onClock)
	return nil
}

// onClock handles the timers of processing time that are due.
func (o *generalOp[T, K, W, Acc, R, Out]) onClock() error {
	o.timer.done()
	if err := o.processing.PopUntil(o.rt.Now()-1, o.onClockTimer); err != nil {
		return err
	}
	return o.finishStep()
}
