package datastream

import (
	"errors"
	"reflect"

	"goflink/operator"
	"goflink/operator/windowing"
)

// Aggregate makes a stream of the results of f over the records of each window that fired (R48).
// Only the accumulator is kept (R49). f must be associative and commutative.
func Aggregate[K, T any, W windowing.Window, Acc, Out any](w *Windowed[K, T, W],
	f AggregateFunction[T, Acc, Out]) *Stream[Out] {
	return addAggregate[Acc, Out, Out](w, f, nil)
}

// AggregateWith makes a stream of what a window function emits for the result of f over the records
// of each window that fired: only the accumulator is kept, and the function sees key and window.
// create makes it, once per subtask and attempt.
func AggregateWith[K, T any, W windowing.Window, Acc, R, Out any, F WindowFunction[K, W, R, Out]](
	w *Windowed[K, T, W], f AggregateFunction[T, Acc, R], create func() F) *Stream[Out] {
	return addAggregate[Acc, R, Out](w, f, functions[K, W, R, Out](create))
}

func addAggregate[Acc, R, Out, K, T any, W windowing.Window](w *Windowed[K, T, W],
	f AggregateFunction[T, Acc, R], fn windowing.Functions[K, W, R, Out]) *Stream[Out] {
	return addWindow[Out](w, "Aggregate", func() (operator.Factory, error) {
		acc := accumulatorOf[Acc](w.in.env, w.name("Aggregate"))
		if acc == nil {
			return nil, nil
		}
		return windowing.Aggregate(w.spec, f, acc, fn)
	})
}

// ReduceWith makes a stream of what a window function emits for the reduction of the records of
// each window that fired: only the result so far is kept, and the function sees key and window.
// create makes it, once per subtask and attempt.
func ReduceWith[K, T any, W windowing.Window, Out any, F WindowFunction[K, W, T, Out]](
	w *Windowed[K, T, W], reduce func(a, b T) T, create func() F) *Stream[Out] {
	return addWindow[Out](w, "Reduce", func() (operator.Factory, error) {
		return windowing.Reduce(w.spec, reduce, w.in.info(), functions[K, W, T, Out](create))
	})
}

// Apply makes a stream of what f emits for the records of each window that fired, in the order of
// their arrival (R48): all of them are kept until then. f must be pure, and in not be changed.
func Apply[K, T any, W windowing.Window, Out any](w *Windowed[K, T, W],
	f func(key K, w W, in []T, out Collector[Out])) *Stream[Out] {
	return addWindow[Out](w, "Apply", func() (operator.Factory, error) {
		return windowing.Apply(w.spec, windowing.Pure(
			func(ctx *WindowContext[K, W], in []T, out Collector[Out]) error {
				f(ctx.Key(), ctx.Window(), in, out)
				return nil
			}))
	})
}

// ProcessWindow makes a stream of what a window function emits for the records of each window that
// fired: all of them are kept until then. The function may have state and side outputs. create
// makes it, once per subtask and attempt.
func ProcessWindow[K, T any, W windowing.Window, Out any, F ProcessWindowFunction[K, W, T, Out]](
	w *Windowed[K, T, W], create func() F) *Stream[Out] {
	return addWindow[Out](w, "Process", func() (operator.Factory, error) {
		return windowing.Apply(w.spec, functions[K, W, []T, Out](create))
	})
}

// functions adapts the factory of a window function.
func functions[K any, W windowing.Window, In, Out any, F windowing.Function[K, W, In, Out]](
	create func() F) windowing.Functions[K, W, In, Out] {
	return func() (windowing.Function[K, W, In, Out], error) {
		f := create()
		if v := reflect.ValueOf(f); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
			return nil, errors.New("the factory of the window function returned nil; it must " +
				"make a new function for each call")
		}
		return f, nil
	}
}

// WindowFunc is a pure function as a window function of AggregateWith and ReduceWith.
type WindowFunc[K any, W windowing.Window, In, Out any] func(ctx *WindowContext[K, W], in In,
	out Collector[Out]) error

func _[K any, W windowing.Window, In, Out any](v WindowFunc[K, W, In, Out]) {
	var _ WindowFunction[K, W, In, Out] = v
}

// Process calls f.
func (f WindowFunc[K, W, In, Out]) Process(ctx *WindowContext[K, W], in In,
	out Collector[Out]) error {
	return f(ctx, in, out)
}
