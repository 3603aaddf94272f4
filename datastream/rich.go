package datastream

import (
	"goflink/operator"
	"goflink/operator/process"
)

// RichMap is Map with a function that create makes, once per subtask and attempt. On a keyed stream
// the function's state is that of the record's key.
func RichMap[In, Out any, F MapFunction[In, Out]](s DataStream[In], create func() F) *Stream[Out] {
	keying, _ := s.keyedBy()
	f := func() MapFunction[In, Out] { return create() }
	return from[Out](s, "Map", process.RichMap(keying, f))
}

// RichFlatMap is FlatMap with a function that create makes, once per subtask and attempt. On a
// keyed stream the function's state is that of the record's key.
func RichFlatMap[In, Out any, F FlatMapFunction[In, Out]](s DataStream[In], create func() F,
) *Stream[Out] {
	keying, _ := s.keyedBy()
	f := func() FlatMapFunction[In, Out] { return create() }
	return from[Out](s, "Flat Map", process.RichFlatMap(keying, f))
}

// from adds an operator with keyed state on a keyed stream, one without on another.
func from[Out, In any](s DataStream[In], name string, f operator.Factory) *Stream[Out] {
	in := s.stream()
	out := addOperator[Out](in.env, name, f, in.t)
	_, out.t.KeySchema = s.keyedBy()
	return out
}

// RichFilter is Filter with a function that create makes, once per subtask and attempt.
func (s *Stream[T]) RichFilter(create func() FilterFunction[T]) *Stream[T] {
	return addOperator[T](s.env, "Filter", process.RichFilter(nil, create), s.t)
}

// RichFilter is Filter with a function that create makes, once per subtask and attempt. Its state
// is that of the record's key.
func (k *Keyed[K, T]) RichFilter(create func() FilterFunction[T]) *Stream[T] {
	keying, _ := k.keyedBy()
	return from[T](k, "Filter", process.RichFilter(keying, create))
}

// Transform adds an operator of the program's own with the stream as its input.
func Transform[Out, In any](s *Stream[In], name string, f operator.Factory) *Stream[Out] {
	return addOperator[Out](s.env, name, f, s.t)
}

// SinkTransform ends the stream in an operator of the program's own.
func (s *Stream[T]) SinkTransform(name string, f operator.Factory) *Sink {
	return addSink(s, name, f)
}

// KeyedTransform adds an operator of the program's own, with keyed state, on a keyed stream.
func KeyedTransform[Out, K, T any](k *Keyed[K, T], name string, f operator.Factory) *Stream[Out] {
	return addKeyed[Out](k, name, f)
}
