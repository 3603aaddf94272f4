package datastream

import (
	"goflink/operator"
	"goflink/operator/process"
)

// FunctionContext is what a function with a life cycle sees of its place: see process.FunctionContext.
type FunctionContext = process.FunctionContext

// The functions that have state or resources of their own. They are made by factories, once per
// subtask and attempt; if they have a method Open(*FunctionContext) error it is called first, if
// they have Close() error last.
type (
	// MapFunction is a map function.
	MapFunction[In, Out any] = process.MapFunction[In, Out]
	// FlatMapFunction is a flat map function.
	FlatMapFunction[In, Out any] = process.FlatMapFunction[In, Out]
	// FilterFunction is a filter function.
	FilterFunction[T any] = process.FilterFunction[T]
)

// RichMap is Map with a function that create makes, once per subtask and attempt.
func RichMap[In, Out any](s *Stream[In], create func() MapFunction[In, Out]) *Stream[Out] {
	return addOperator[Out](s.env, "Map", process.RichMap(nil, create), s.t)
}

// RichFlatMap is FlatMap with a function that create makes, once per subtask and attempt.
func RichFlatMap[In, Out any](s *Stream[In], create func() FlatMapFunction[In, Out]) *Stream[Out] {
	return addOperator[Out](s.env, "Flat Map", process.RichFlatMap(nil, create), s.t)
}

// RichFilter is Filter with a function that create makes, once per subtask and attempt.
func (s *Stream[T]) RichFilter(create func() FilterFunction[T]) *Stream[T] {
	return addOperator[T](s.env, "Filter", process.RichFilter(nil, create), s.t)
}

// Transform adds an operator of the program's own with the stream as its input.
func Transform[Out, In any](s *Stream[In], name string, f operator.Factory) *Stream[Out] {
	return addOperator[Out](s.env, name, f, s.t)
}

// SinkTransform ends the stream in an operator of the program's own.
func (s *Stream[T]) SinkTransform(name string, f operator.Factory) *Sink {
	return addSink(s, name, f)
}
