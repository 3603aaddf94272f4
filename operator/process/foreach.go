package process

import (
	"goflink/core/stream"
	"goflink/operator"
)

// ForEach returns the factory of a sink that calls f with each record. f is pure as far as the
// engine is concerned: it may be called by several subtasks at once, and again after a restart.
func ForEach[T any](f func(T)) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		return &forEachOp[T]{f: f}, nil
	})
}

type forEachOp[T any] struct {
	operator.Forward
	f func(T)
}

func _[T any](v *forEachOp[T]) { var _ operator.Operator = v }

func (o *forEachOp[T]) Open(operator.Runtime) error { return nil }
func (o *forEachOp[T]) Input(int) any               { return o }

func (o *forEachOp[T]) Batch(b *stream.Batch[T]) error {
	for i := range b.Values {
		o.f(b.Values[i])
	}
	return nil
}

func (o *forEachOp[T]) Finish() error { return nil }
func (o *forEachOp[T]) Close() error  { return nil }
