package process

import (
	"errors"
	"reflect"

	"goflink/core/failure"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/operator"
)

// KeyedContext is what a function of a keyed stream knows of the record at hand. It is valid during
// the call only; use Side for side outputs.
type KeyedContext[K any] struct {
	*scope
	*keyScope[K]
	service *TimerService
}

func _[K any](v *KeyedContext[K]) { var _ Outputs = v }

// TimerService sets timers for the current key.
func (c *KeyedContext[K]) TimerService() *TimerService { return c.service }

// OnTimerContext is what a function knows of the timer that fires; Timestamp is the timer's.
type OnTimerContext[K any] struct {
	*KeyedContext[K]
	domain TimeDomain
}

// TimeDomain is that of the timer.
func (c *OnTimerContext[K]) TimeDomain() TimeDomain { return c.domain }

// KeyedProcessFunction handles the records of a keyed stream, with access to keyed state, timers
// and side outputs. If it sets timers it is a TimerFunction.
type KeyedProcessFunction[K, In, Out any] interface {
	// ProcessElement may emit any number of records, which get v's timestamp.
	ProcessElement(v In, ctx *KeyedContext[K], out *operator.Emitter[Out]) error
}

// TimerFunction is implemented by keyed functions that set timers.
type TimerFunction[K, Out any] interface {
	// OnTimer is called when a timer fires, with the timer's key as the current one. What it emits
	// for an event-time timer gets the timer's time as timestamp; for a processing-time timer none.
	OnTimer(timestamp int64, ctx *OnTimerContext[K], out *operator.Emitter[Out]) error
}

// KeyedProcess returns the factory of an operator that runs a KeyedProcessFunction; create makes
// it, once per subtask and attempt.
func KeyedProcess[K, In, Out any](by KeyBy[In, K],
	create func() KeyedProcessFunction[K, In, Out],
) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		f := create()
		core, err := newKeyedCore[K, Out](f)
		if err == nil {
			err = by.check()
		}
		o := &keyedProcessOp[K, In, Out]{keyedCore: core, f: f}
		o.input = keyedInput[K, In]{by: by}
		return o, err
	})
}

// keyedCore is what operators with keyed state, timers and an output of type Out have in common.
type keyedCore[K, Out any] struct {
	Lifecycle
	keyed   statebackend.Keyed
	key     keyScope[K]
	timers  Timers
	service TimerService
	context KeyedContext[K]
	onTimer OnTimerContext[K]
	out     *operator.Emitter[Out]
	// timer is nil if the function takes no timers.
	timer func(timestamp int64, ctx *OnTimerContext[K], out *operator.Emitter[Out]) error
}

func newKeyedCore[K, Out any](user any) (keyedCore[K, Out], error) {
	f, err := NewLifecycle(user)
	if err != nil {
		return keyedCore[K, Out]{}, err
	}
	c := keyedCore[K, Out]{Lifecycle: f}
	if t, ok := user.(TimerFunction[K, Out]); ok {
		c.timer = t.OnTimer
	} else if m, has := reflect.TypeOf(user).MethodByName("OnTimer"); has {
		return c, misfit(m, reflect.TypeFor[TimerFunction[K, Out]]())
	}
	return c, nil
}

// openKeyed opens output, keyed state, timers and the function. The outputs are added to outs.
func (o *keyedCore[K, Out]) openKeyed(rt operator.Runtime, outs *operator.Forward) (err error) {
	if o.out, err = operator.NewEmitter[Out](rt, ""); err != nil {
		return err
	}
	outs.Outs = append(outs.Outs, o.out.Out())
	if o.keyed, err = rt.Keyed(); err != nil {
		return err
	}
	o.key.scope, o.key.keyed = &o.scope, o.keyed
	o.service.timers = &o.timers
	if o.timer == nil {
		o.service.refuse = failure.New(failure.FailJob, failure.User,
			"function %T sets a timer, but has no method OnTimer to take it", o.user)
	}
	o.context = KeyedContext[K]{scope: &o.scope, keyScope: &o.key, service: &o.service}
	o.onTimer = OnTimerContext[K]{KeyedContext: &o.context}
	if err := o.OpenFunction(rt, outs); err != nil {
		return err
	}
	return o.timers.Open(rt, o.keyed, o.fire, o.flush)
}

// fire calls the function with a timer whose key is current.
func (o *keyedCore[K, Out]) fire(domain TimeDomain, t statebackend.Timer) error {
	if o.timer == nil {
		return failure.New(failure.FailJob, failure.User, "the state holds a %v timer for %d, but "+
			"function %T has no method OnTimer to take it", domain, t.Time, o.user)
	}
	o.key.take, o.key.known = nil, false
	o.onTimer.domain = domain
	o.scope.timestamp = t.Time
	if domain == EventTime {
		o.out.SetTime(t.Time)
	} else {
		o.out.SetTime(stream.NoTimestamp)
	}
	return o.Failed(o.timer(t.Time, &o.onTimer, o.out))
}

// flush leaves the keyed context and hands on what was emitted.
func (o *keyedCore[K, Out]) flush() error {
	o.keyed.UnsetKey()
	o.key.take, o.key.known = nil, false
	err := o.scope.flush()
	return errors.Join(o.Failed(err), o.out.Flush())
}

// advance fires the timers that a watermark makes due.
func (o *keyedCore[K, Out]) advance(w int64) error {
	o.scope.watermark = w
	if err := o.timers.Advance(w); err != nil {
		return err
	}
	return o.flush()
}

// keyedInput is the keyed input of a keyed operator.
type keyedInput[K, In any] struct {
	by     KeyBy[In, K]
	reader *operator.KeyReader[In, K]
	take   func() K
	// values is the batch at hand, at the record in it.
	values []In
	at     int
}

// open prepares the reading of keys.
func (in *keyedInput[K, In]) open() {
	in.reader = operator.NewKeyReader(in.by.Selector, in.by.Key)
	in.take = func() K { return in.by.Selector(in.values[in.at]) }
}

// each calls f for the records of a batch, each with its key as the current one.
func (in *keyedInput[K, In]) each(b *stream.Batch[In], keyed statebackend.Keyed, s *scope,
	key *keyScope[K], f func(v In, timestamp int64) error,
) error {
	hashes, keys := in.reader.Read(b)
	in.values = b.Values
	key.take = in.take
	for i := range b.Values {
		keyed.SetKey(hashes[i], keys[i])
		in.at, key.known = i, false
		s.timestamp = b.Time(i)
		if err := f(b.Values[i], s.timestamp); err != nil {
			return err
		}
	}
	in.values = nil
	return nil
}

type keyedProcessOp[K, In, Out any] struct {
	operator.Forward
	keyedCore[K, Out]
	input keyedInput[K, In]
	f     KeyedProcessFunction[K, In, Out]
	call  func(v In, timestamp int64) error
}

func _[K, In, Out any](v *keyedProcessOp[K, In, Out]) { var _ inOperator[In] = v }

func (o *keyedProcessOp[K, In, Out]) Input(int) any { return o }

// Open opens state, timers and the function.
func (o *keyedProcessOp[K, In, Out]) Open(rt operator.Runtime) error {
	o.input.open()
	o.key.codec = o.input.by.Key
	o.call = o.one
	return o.openKeyed(rt, &o.Forward)
}

// Watermark fires timers before it hands the watermark on.
func (o *keyedProcessOp[K, In, Out]) Watermark(w int64) error {
	if err := o.advance(w); err != nil {
		return err
	}
	return o.Forward.Watermark(w)
}

func (o *keyedProcessOp[K, In, Out]) one(v In, timestamp int64) error {
	o.out.SetTime(timestamp)
	return o.f.ProcessElement(v, &o.context, o.out)
}

func (o *keyedProcessOp[K, In, Out]) Batch(b *stream.Batch[In]) error {
	return keyedBatch(&o.keyedCore, &o.input, b, o.call)
}
