package process

import (
	"goflink/core/stream"
	"goflink/operator"
)

// CoMapFunction maps the records of two connected streams (R38).
type CoMapFunction[In1, In2, Out any] interface {
	// Map1 returns what a record of the first stream becomes; it gets v's timestamp.
	Map1(v In1) (Out, error)
	// Map2 does so for the second stream.
	Map2(v In2) (Out, error)
}

// CoFlatMapFunction flat-maps the records of two connected streams.
type CoFlatMapFunction[In1, In2, Out any] interface {
	// FlatMap1 emits any number of records for one of the first stream; they get v's timestamp.
	FlatMap1(v In1, out *operator.Emitter[Out]) error
	// FlatMap2 does so for the second stream.
	FlatMap2(v In2, out *operator.Emitter[Out]) error
}

// CoProcessFunction handles the records of two connected streams that are not keyed, with access to
// time and side outputs.
type CoProcessFunction[In1, In2, Out any] interface {
	// ProcessElement1 handles a record of the first stream; what it emits gets v's timestamp.
	ProcessElement1(v In1, ctx *Context, out *operator.Emitter[Out]) error
	// ProcessElement2 does so for the second stream.
	ProcessElement2(v In2, ctx *Context, out *operator.Emitter[Out]) error
}

// coCalls are the calls of a function of two inputs, for the record whose key and time are set.
type coCalls[In1, In2, Out any] struct {
	first  func(v In1, ctx *Context, out *operator.Emitter[Out]) error
	second func(v In2, ctx *Context, out *operator.Emitter[Out]) error
}

// CoMap returns the factory of an operator that hands on what a function makes of each record of
// two streams; create makes the function, once per subtask and attempt. Either both inputs are
// keyed, by keys of one type, and share the keyed state, or both keyings are nil.
func CoMap[In1, In2, Out any](first Keying[In1], second Keying[In2],
	create func() CoMapFunction[In1, In2, Out],
) operator.Factory {
	return coFactory(first, second, func() (any, coCalls[In1, In2, Out]) {
		f := create()
		return f, coCalls[In1, In2, Out]{
			func(v In1, _ *Context, out *operator.Emitter[Out]) error {
				r, err := f.Map1(v)
				if err == nil {
					out.Emit(r)
				}
				return err
			},
			func(v In2, _ *Context, out *operator.Emitter[Out]) error {
				r, err := f.Map2(v)
				if err == nil {
					out.Emit(r)
				}
				return err
			}}
	})
}

// CoFlatMap returns the factory of an operator that hands on what a function emits for each record
// of two streams; see CoMap.
func CoFlatMap[In1, In2, Out any](first Keying[In1], second Keying[In2],
	create func() CoFlatMapFunction[In1, In2, Out],
) operator.Factory {
	return coFactory(first, second, func() (any, coCalls[In1, In2, Out]) {
		f := create()
		return f, coCalls[In1, In2, Out]{
			func(v In1, _ *Context, out *operator.Emitter[Out]) error { return f.FlatMap1(v, out) },
			func(v In2, _ *Context, out *operator.Emitter[Out]) error { return f.FlatMap2(v, out) },
		}
	})
}

// CoProcess returns the factory of an operator that runs a CoProcessFunction; create makes it, once
// per subtask and attempt.
func CoProcess[In1, In2, Out any](create func() CoProcessFunction[In1, In2, Out]) operator.Factory {
	return coFactory(nil, nil, func() (any, coCalls[In1, In2, Out]) {
		f := create()
		return f, coCalls[In1, In2, Out]{
			func(v In1, ctx *Context, out *operator.Emitter[Out]) error {
				return f.ProcessElement1(v, ctx, out)
			},
			func(v In2, ctx *Context, out *operator.Emitter[Out]) error {
				return f.ProcessElement2(v, ctx, out)
			}}
	})
}

// coFactory is the factory of a function of two inputs without timers; create makes the function
// object and its calls.
func coFactory[In1, In2, Out any](first Keying[In1], second Keying[In2],
	create func() (any, coCalls[In1, In2, Out]),
) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		user, calls := create()
		f, err := NewLifecycle(user)
		if err == nil {
			err = checkBoth(first, second)
		}
		return &coOp[In1, In2, Out]{Lifecycle: f, calls: calls, first: first, second: second}, err
	})
}

// checkBoth refuses two inputs of which one only is keyed.
func checkBoth[In1, In2 any](first Keying[In1], second Keying[In2]) error {
	switch {
	case first == nil && second == nil:
		return nil
	case first == nil || second == nil:
		return userError(errOneKeyed, "connected streams")
	}
	if err := first.check(); err != nil {
		return err
	}
	return second.check()
}

// coOp runs a function of two inputs without timers.
type coOp[In1, In2, Out any] struct {
	TwoInputs
	Lifecycle
	calls   coCalls[In1, In2, Out]
	first   Keying[In1]
	second  Keying[In2]
	keys1   keyContext[In1]
	keys2   keyContext[In2]
	port1   Port[In1]
	port2   Port[In2]
	out     *operator.Emitter[Out]
	context Context
}

func _[In1, In2, Out any](v *coOp[In1, In2, Out]) { var _ operator.Operator = v }

// Open opens the output, the keyed state and the function.
func (o *coOp[In1, In2, Out]) Open(rt operator.Runtime) (err error) {
	o.Join(o.advance)
	o.context = Context{&o.scope}
	if o.out, err = operator.NewEmitter[Out](rt, ""); err != nil {
		return err
	}
	o.Outs = append(o.Outs, o.out.Out())
	if err := o.keys1.open(rt, o.first); err != nil {
		return err
	}
	if err := o.keys2.open(rt, o.second); err != nil {
		return err
	}
	return o.OpenFunction(rt, &o.Forward)
}

// Input returns the receiver of input i.
func (o *coOp[In1, In2, Out]) Input(i int) any {
	if i == 0 {
		o.port1 = Port[In1]{&o.TwoInputs, 0, o.batch1}
		return &o.port1
	}
	o.port2 = Port[In2]{&o.TwoInputs, 1, o.batch2}
	return &o.port2
}

func (o *coOp[In1, In2, Out]) batch1(b *stream.Batch[In1]) error {
	return coBatch(&o.Lifecycle, b, &o.keys1, o.calls.first, &o.context, o.out)
}

func (o *coOp[In1, In2, Out]) batch2(b *stream.Batch[In2]) error {
	return coBatch(&o.Lifecycle, b, &o.keys2, o.calls.second, &o.context, o.out)
}

// coBatch calls the function for the records of one input.
func coBatch[In, Out any](f *Lifecycle, b *stream.Batch[In], keys *keyContext[In],
	call func(v In, ctx *Context, out *operator.Emitter[Out]) error,
	ctx *Context, out *operator.Emitter[Out],
) error {
	keys.begin(b)
	for i := range b.Values {
		keys.set(i)
		f.scope.timestamp = b.Time(i)
		out.SetTime(f.scope.timestamp)
		if err := call(b.Values[i], ctx, out); err != nil {
			return f.Failed(err)
		}
	}
	keys.end()
	if err := f.scope.flush(); err != nil {
		return f.Failed(err)
	}
	return out.Flush()
}

// advance is what the context shows from now on.
func (o *coOp[In1, In2, Out]) advance(w int64) error {
	o.scope.watermark = w
	return nil
}
