package process

import (
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/operator"
)

// TimeDomain tells timers apart.
type TimeDomain uint8

const (
	// EventTime timers fire when the watermark reaches them.
	EventTime TimeDomain = iota
	// ProcessingTime timers fire by the clock.
	ProcessingTime
)

// String is the domain's name.
func (d TimeDomain) String() string {
	return [...]string{"event-time", "processing-time"}[d]
}

// The names of the timer queues in an operator's state.
const (
	eventTimers      = "event-timers"
	processingTimers = "processing-timers"
)

// Timers are the timers of one operator in both time domains, for operators to build on: a timer
// is a time, a key and a namespace, and part of the keyed state. A timer that is set at or before
// the watermark fires at the next advance, or in the same one if it is set by a timer. The task's
// goroutine uses it.
type Timers struct {
	rt    operator.Runtime
	keyed statebackend.Keyed
	fire  func(domain TimeDomain, t statebackend.Timer) error
	done  func() error

	event, processing statebackend.TimerQueue
	watermark         int64
	// cancel withdraws the one call of the clock that is asked for, at time due; nil if none is.
	cancel func()
	due    int64
	firing bool
}

// Open opens the timers with what was restored. fire is called with each timer that is due, with
// its key as the current one; done after the processing-time timers of one moment, when the
// operator must flush its outputs. Event-time timers fire in Advance, whose caller flushes.
func (t *Timers) Open(rt operator.Runtime, keyed statebackend.Keyed,
	fire func(domain TimeDomain, t statebackend.Timer) error, done func() error,
) (err error) {
	*t = Timers{rt: rt, keyed: keyed, fire: fire, done: done, watermark: stream.MinWatermark}
	if t.event, err = keyed.Timers(eventTimers); err != nil {
		return err
	}
	if t.processing, err = keyed.Timers(processingTimers); err != nil {
		return err
	}
	return t.schedule()
}

// Watermark is that of the last Advance, or stream.MinWatermark.
func (t *Timers) Watermark() int64 { return t.watermark }

// Advance sets the watermark and fires the event-time timers at or before it, in order of time. It
// leaves the keyed context.
func (t *Timers) Advance(watermark int64) error {
	t.watermark = watermark
	err := t.event.PopUntil(watermark, func(tm statebackend.Timer) error {
		t.keyed.SetKey(tm.Hash, tm.Key)
		return t.fire(EventTime, tm)
	})
	t.keyed.UnsetKey()
	return err
}

// Register sets a timer for the current key; setting it again changes nothing.
func (t *Timers) Register(domain TimeDomain, time int64, ns []byte) error {
	if domain == EventTime {
		return t.event.Add(time, ns)
	}
	if err := t.processing.Add(time, ns); err != nil {
		return err
	}
	if t.firing || t.cancel != nil && t.due <= time {
		return nil
	}
	t.at(time)
	return nil
}

// Delete removes a timer of the current key; it is no error if there is none.
func (t *Timers) Delete(domain TimeDomain, time int64, ns []byte) error {
	if domain == EventTime {
		return t.event.Remove(time, ns)
	}
	return t.processing.Remove(time, ns)
}

// at asks the clock for a call at the given time in the place of an earlier request.
func (t *Timers) at(time int64) {
	if t.cancel != nil {
		t.cancel()
	}
	t.due = time
	t.cancel = t.rt.At(time, t.tick)
}

// schedule asks the clock for a call at the time of the first processing-time timer.
func (t *Timers) schedule() error {
	time, ok, err := t.processing.Next()
	if err == nil && ok {
		t.at(time)
	}
	return err
}

// tick fires the processing-time timers that are due.
func (t *Timers) tick() error {
	t.cancel, t.firing = nil, true
	err := t.processing.PopUntil(t.rt.Now(), func(tm statebackend.Timer) error {
		t.keyed.SetKey(tm.Hash, tm.Key)
		return t.fire(ProcessingTime, tm)
	})
	t.firing = false
	t.keyed.UnsetKey()
	if err != nil {
		return err
	}
	if err := t.done(); err != nil {
		return err
	}
	return t.schedule()
}

// TimerService is how keyed functions set timers for the current key (R46). Times are milliseconds
// since the epoch. A timer is set once per key and time, however often it is registered. Errors
// come from the state backend, or say that there is no current key.
type TimerService struct {
	timers *Timers
	// refuse is why no timer can be set, or nil.
	refuse error
}

// CurrentWatermark is the current watermark, or stream.MinWatermark.
func (s *TimerService) CurrentWatermark() int64 { return s.timers.watermark }

// CurrentProcessingTime is the clock's time.
func (s *TimerService) CurrentProcessingTime() int64 { return s.timers.rt.Now() }

// RegisterEventTimeTimer makes OnTimer be called when the watermark reaches time.
func (s *TimerService) RegisterEventTimeTimer(time int64) error {
	if s.refuse != nil {
		return s.refuse
	}
	return s.timers.Register(EventTime, time, nil)
}

// RegisterProcessingTimeTimer makes OnTimer be called when the clock reaches time.
func (s *TimerService) RegisterProcessingTimeTimer(time int64) error {
	if s.refuse != nil {
		return s.refuse
	}
	return s.timers.Register(ProcessingTime, time, nil)
}

// DeleteEventTimeTimer removes the timer; it is no error if there is none.
func (s *TimerService) DeleteEventTimeTimer(time int64) error {
	return s.timers.Delete(EventTime, time, nil)
}

// DeleteProcessingTimeTimer removes the timer; it is no error if there is none.
func (s *TimerService) DeleteProcessingTimeTimer(time int64) error {
	return s.timers.Delete(ProcessingTime, time, nil)
}
