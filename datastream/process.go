package datastream

import (
	"errors"
	"fmt"

	"goflink/graph"
	"goflink/operator"
	"goflink/operator/process"
	"goflink/operator/windowing"
)

// Process makes a stream of what a function emits that sees timestamps and watermarks and can write
// to side outputs. create makes it, once per subtask and attempt. On a keyed stream use
// KeyedProcess, which gives the function state and timers.
func Process[In, Out any, F ProcessFunction[In, Out]](s DataStream[In],
	create func() F) *Stream[Out] {
	in := s.stream()
	f := func() ProcessFunction[In, Out] { return create() }
	return addOperator[Out](in.env, "Process", process.Process(f), in.t)
}

// KeyedProcess makes a stream of what a function emits that has state, timers and side outputs.
// create makes it, once per subtask and attempt.
func KeyedProcess[K, In, Out any, F KeyedProcessFunction[K, In, Out]](k *Keyed[K, In],
	create func() F) *Stream[Out] {
	f := func() KeyedProcessFunction[K, In, Out] { return create() }
	return from[Out](k, "KeyedProcess", process.KeyedProcess(k.by(), f))
}

// OutputTag names a side output with records of type T. Two tags of one name are the same output.
type OutputTag[T any] struct{ name string }

// NewOutputTag returns the tag with a name, which must not be empty.
func NewOutputTag[T any](name string) OutputTag[T] { return OutputTag[T]{name} }

// Name is the tag's name.
func (t OutputTag[T]) Name() string { return t.name }

// check says what is wrong with the tag.
func (t OutputTag[T]) check() error {
	if t.name == "" {
		return errors.New("the tag of a side output has no name; make it by NewOutputTag")
	}
	return nil
}

// Output emits v to a side output of the function whose context ctx is, with the timestamp of the
// record or timer at hand. Who reads the output calls SideOutput; what nobody reads is forgotten.
func Output[T any](ctx process.Outputs, tag OutputTag[T], v T) {
	process.Side[T](ctx, tag.name).Emit(v)
}

// WindowOutput opens a side output of a window function, in its method Open. The emitter emits with
// the timestamp that was set by its SetTime or is given to its EmitAt.
func WindowOutput[T any](o *windowing.OpenContext, tag OutputTag[T]) (*operator.Emitter[T], error) {
	if err := tag.check(); err != nil {
		return nil, err
	}
	return windowing.SideOutput[T](o, tag.name)
}

// SideOutput is the stream of what the operator that makes s emits with the tag (Flink's
// getSideOutput). Call it on the stream as the operator returned it, before any partitioning.
func SideOutput[X, T any](s *Stream[T], tag OutputTag[X]) *Stream[X] {
	typ := typeOf[X](s.env)
	t := &graph.Transformation{Kind: graph.KindSideOutput, Name: "Side Output " + tag.name,
		Tag: tag.name, Inputs: []*graph.Transformation{s.t}}
	out := &Stream[X]{env: s.env, t: s.env.add(t), typ: typ}
	switch s.t.Kind {
	case graph.KindOperator, graph.KindSource:
		s.env.failAt(s.t.Name, declareSideOutput(s, tag, typ))
	default:
		s.env.failAt(s.t.Name, fmt.Errorf("it has no side output %q: ask the stream that the "+
			"operator returned, before it is partitioned or united", tag.name))
	}
	return out
}

// declareSideOutput makes a side output known to the operator that makes s.
func declareSideOutput[X, T any](s *Stream[T], tag OutputTag[X], typ operator.OutputType) error {
	if err := tag.check(); err != nil {
		return err
	}
	have, known := s.t.SideOutputs[tag.name]
	if known && have != typ {
		return fmt.Errorf("its side output %q has records of type %s, not %T", tag.name,
			have.Name(),
			*new(X))
	}
	if s.t.SideOutputs == nil {
		s.t.SideOutputs = map[string]operator.OutputType{}
	}
	s.t.SideOutputs[tag.name] = typ
	return nil
}
