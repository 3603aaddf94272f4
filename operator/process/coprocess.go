package process

import (
	"errors"

	"goflink/core/stream"
	"goflink/operator"
)

var errOneKeyed = errors.New("one of the two streams is keyed and the other is not; both or none " +
	"must be")

// KeyedCoProcessFunction handles the records of two streams that are keyed alike, with access to
// shared keyed state, timers and side outputs. If it sets timers it is a TimerFunction.
type KeyedCoProcessFunction[K, In1, In2, Out any] interface {
	// ProcessElement1 handles a record of the first stream; what it emits gets v's timestamp.
	ProcessElement1(v In1, ctx *KeyedContext[K], out *operator.Emitter[Out]) error
	// ProcessElement2 does so for the second stream.
	ProcessElement2(v In2, ctx *KeyedContext[K], out *operator.Emitter[Out]) error
}

// KeyedCoProcess returns the factory of an operator that runs a KeyedCoProcessFunction; create
// makes it, once per subtask and attempt.
func KeyedCoProcess[K, In1, In2, Out any](first KeyBy[In1, K], second KeyBy[In2, K],
	create func() KeyedCoProcessFunction[K, In1, In2, Out],
) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		f := create()
		core, err := newKeyedCore[K, Out](f)
		if err == nil {
			err = errors.Join(first.check(), second.check())
		}
		o := &keyedCoOp[K, In1, In2, Out]{keyedCore: core, f: f}
		o.first, o.second = keyedInput[K, In1]{by: first}, keyedInput[K, In2]{by: second}
		return o, err
	})
}

type keyedCoOp[K, In1, In2, Out any] struct {
	TwoInputs
	keyedCore[K, Out]
	f      KeyedCoProcessFunction[K, In1, In2, Out]
	first  keyedInput[K, In1]
	second keyedInput[K, In2]
	port1  Port[In1]
	port2  Port[In2]
	call1  func(v In1, timestamp int64) error
	call2  func(v In2, timestamp int64) error
}

func _[K, In1, In2, Out any](v *keyedCoOp[K, In1, In2, Out]) { var _ operator.Operator = v }

// Open opens state, timers and the function.
func (o *keyedCoOp[K, In1, In2, Out]) Open(rt operator.Runtime) error {
	o.Join(o.advance)
	o.first.open()
	o.second.open()
	o.key.codec = o.first.by.Key
	o.call1 = func(v In1, timestamp int64) error {
		o.out.SetTime(timestamp)
		return o.f.ProcessElement1(v, &o.context, o.out)
	}
	o.call2 = func(v In2, timestamp int64) error {
		o.out.SetTime(timestamp)
		return o.f.ProcessElement2(v, &o.context, o.out)
	}
	return o.openKeyed(rt, &o.Forward)
}

// Input returns the receiver of input i.
func (o *keyedCoOp[K, In1, In2, Out]) Input(i int) any {
	if i == 0 {
		o.port1 = Port[In1]{&o.TwoInputs, 0, func(b *stream.Batch[In1]) error {
			return keyedBatch(&o.keyedCore, &o.first, b, o.call1)
		}}
		return &o.port1
	}
	o.port2 = Port[In2]{&o.TwoInputs, 1, func(b *stream.Batch[In2]) error {
		return keyedBatch(&o.keyedCore, &o.second, b, o.call2)
	}}
	return &o.port2
}

// keyedBatch calls the function for the records of a keyed input and flushes.
func keyedBatch[K, In, Out any](o *keyedCore[K, Out], in *keyedInput[K, In], b *stream.Batch[In],
	call func(v In, timestamp int64) error,
) error {
	if err := in.each(b, o.keyed, &o.scope, &o.key, call); err != nil {
		return o.Failed(err)
	}
	return o.flush()
}
