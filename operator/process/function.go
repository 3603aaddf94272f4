package process

import (
	"goflink/core/stream"
	"goflink/operator"
)

// Context is what a function of a stream that is not keyed knows of the record at hand. It is valid
// during the call only; use Side for side outputs.
type Context struct{ *scope }

var _ Outputs = (*Context)(nil)

// ProcessFunction handles the records of a stream that is not keyed, with access to time and side
// outputs.
type ProcessFunction[In, Out any] interface {
	// ProcessElement may emit any number of records, which get v's timestamp.
	ProcessElement(v In, ctx *Context, out *operator.Emitter[Out]) error
}

// Process returns the factory of an operator that runs a ProcessFunction; create makes it, once per
// subtask and attempt.
func Process[In, Out any](create func() ProcessFunction[In, Out]) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		f := create()
		rich, err := newRich[In, Out](f, nil)
		return &processOp[In, Out]{richOp: rich, f: f}, err
	})
}

type processOp[In, Out any] struct {
	richOp[In, Out]
	f       ProcessFunction[In, Out]
	context Context
}

func _[In, Out any](v *processOp[In, Out]) { var _ inOperator[In] = v }

func (o *processOp[In, Out]) Input(int) any { return o }

// Open prepares the function's context.
func (o *processOp[In, Out]) Open(rt operator.Runtime) error {
	o.context = Context{&o.scope}
	return o.richOp.Open(rt)
}

func (o *processOp[In, Out]) Batch(b *stream.Batch[In]) error {
	for i := range b.Values {
		o.scope.timestamp = b.Time(i)
		o.out.SetTime(o.scope.timestamp)
		if err := o.f.ProcessElement(b.Values[i], &o.context, o.out); err != nil {
			return o.Failed(err)
		}
	}
	if err := o.scope.flush(); err != nil {
		return o.Failed(err)
	}
	return o.out.Flush()
}

// Watermark is what the context shows from now on.
func (o *processOp[In, Out]) Watermark(w int64) error {
	o.scope.watermark = w
	return o.Forward.Watermark(w)
}
