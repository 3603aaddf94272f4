package writing

import (
	"fmt"

	"goflink/core/sink"
	"goflink/core/stream"
	"goflink/operator"
)

// Sink returns the factory of an operator that writes to s. What is written takes effect at least
// once: after a failure, what came after the last checkpoint is written again (R97: an idempotent
// sink makes that exactly once).
func Sink[T any](s sink.Sink[T]) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		return &sinkOp[T]{s: s}, nil
	})
}

type sinkOp[T any] struct {
	operator.Forward
	s   sink.Sink[T]
	rt  operator.Runtime
	ctx *sinkContext
	w   sink.Writer[T]
}

func _[T any](v *sinkOp[T]) {
	var _ operator.Operator = v
	var _ operator.Snapshotter = v
}

func (o *sinkOp[T]) Open(rt operator.Runtime) (err error) {
	o.rt = rt
	if o.ctx, err = newSinkContext(rt); err != nil {
		return err
	}
	o.w, err = o.s.NewWriter(o.ctx)
	return err
}

func (o *sinkOp[T]) Input(int) any                  { return o }
func (o *sinkOp[T]) Batch(b *stream.Batch[T]) error { return o.w.Write(b) }

// Snapshot flushes the writer: what a checkpoint covers is written.
func (o *sinkOp[T]) Snapshot(cp operator.Checkpoint) error {
	if err := o.w.Flush(false); err != nil {
		return failTask(o.rt, fmt.Errorf("flush at checkpoint %d: %w", cp.ID, err))
	}
	o.ctx.save()
	return nil
}

func (o *sinkOp[T]) Finish() error { return o.w.Flush(true) }

func (o *sinkOp[T]) Close() error {
	if o.w == nil {
		return nil
	}
	return o.w.Close()
}

// Discard returns the factory of a sink that forgets what it gets.
func Discard[T any]() operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) { return discardOp[T]{}, nil })
}

type discardOp[T any] struct{ operator.Discard[T] }

func _[T any](v discardOp[T]) { var _ operator.Operator = v }

func (discardOp[T]) Open(operator.Runtime) error { return nil }
func (o discardOp[T]) Input(int) any             { return o }
func (discardOp[T]) Finish() error               { return nil }
func (discardOp[T]) Close() error                { return nil }
