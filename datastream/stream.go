package datastream

import (
	"fmt"

	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/graph"
	"goflink/operator"
	"goflink/operator/process"
	"goflink/operator/routing"
)

// Collector takes what a function emits. Emit gives a record the timestamp of the one at hand.
type Collector[T any] = *operator.Emitter[T]

// Stream is a stream of records of type T: the output of a transformation (R24).
type Stream[T any] struct {
	env *Environment
	t   *graph.Transformation
	typ *routing.Type[T]
}

// DataStream is what transformations read: a *Stream, or a *Keyed, on which functions that are made
// by factories have state per key.
type DataStream[T any] interface {
	stream() *Stream[T]
	// keyedBy is how the stream is keyed, with the schema of the key; nil if it is not.
	keyedBy() (process.Keying[T], []byte)
}

func _[T any](v *Stream[T]) { var _ DataStream[T] = v }

func _[K, T any](v *Keyed[K, T]) { var _ DataStream[T] = v }

func (s *Stream[T]) stream() *Stream[T]                   { return s }
func (s *Stream[T]) keyedBy() (process.Keying[T], []byte) { return nil, nil }

// info is the serializer of the records; nil if the program has a mistake there.
func (s *Stream[T]) info() *typeinfo.Type[T] {
	if s.typ == nil {
		return nil
	}
	return s.typ.Info()
}

// Environment is the environment that the stream belongs to.
func (s *Stream[T]) Environment() *Environment { return s.env }

// Transformation is the step that makes the stream.
func (s *Stream[T]) Transformation() *graph.Transformation { return s.t }

// addOperator adds an operator with the given inputs and returns its output.
func addOperator[Out any](env *Environment, name string, f operator.Factory,
	inputs ...*graph.Transformation) *Stream[Out] {
	typ := typeOf[Out](env)
	t := &graph.Transformation{Kind: graph.KindOperator, Name: name, Factory: f, Inputs: inputs}
	if typ != nil {
		t.Output = typ
	}
	return &Stream[Out]{env: env, t: env.add(t), typ: typ}
}

// Map makes a stream of f of each record. f must be pure.
func Map[In, Out any](s DataStream[In], f func(In) Out) *Stream[Out] {
	in := s.stream()
	return addOperator[Out](in.env, "Map", process.Map(f), in.t)
}

// FlatMap makes a stream of what f emits for each record. f must be pure.
func FlatMap[In, Out any](s DataStream[In], f func(v In, out Collector[Out])) *Stream[Out] {
	in := s.stream()
	return addOperator[Out](in.env, "Flat Map", process.FlatMap(f), in.t)
}

// Filter makes a stream of the records for which f holds. f must be pure.
func (s *Stream[T]) Filter(f func(T) bool) *Stream[T] {
	return addOperator[T](s.env, "Filter", process.Filter(f), s.t)
}

// Project makes a stream of records of type Out whose fields are those of the records with the
// given names, in that order, or without names those of the same names (R38). Names are those of
// Sum.
func Project[Out, T any](s DataStream[T], names ...string) *Stream[Out] {
	in := s.stream()
	f, err := process.Project[T, Out](names...)
	in.env.failAt("Projection", err)
	return addOperator[Out](in.env, "Projection", f, in.t)
}

// Union makes one stream of several of one type. The order between them is not determined.
func (s *Stream[T]) Union(others ...*Stream[T]) *Stream[T] {
	t := &graph.Transformation{Kind: graph.KindUnion, Name: "Union",
		Inputs: []*graph.Transformation{s.t}}
	for _, o := range others {
		t.Inputs = append(t.Inputs, o.t)
	}
	return &Stream[T]{env: s.env, t: s.env.add(t), typ: s.typ}
}

// Name sets the name of the last operator.
func (s *Stream[T]) Name(name string) *Stream[T] { s.t.Name = name; return s }

// UID sets the id by which the operator finds its state in a savepoint; it must be unique in the
// job.
func (s *Stream[T]) UID(uid string) *Stream[T] { s.t.UID = uid; return s }

// SetParallelism sets the parallelism of the last operator (R22).
func (s *Stream[T]) SetParallelism(n int) *Stream[T] {
	setParallelism(s.env, s.t, n)
	return s
}

// SetMaxParallelism sets the maximal parallelism of the last operator: its number of key groups.
func (s *Stream[T]) SetMaxParallelism(n int) *Stream[T] { s.t.MaxParallelism = n; return s }

// SlotSharingGroup sets the group of operators with which the last one shares slots (R123).
func (s *Stream[T]) SlotSharingGroup(name string) *Stream[T] {
	s.t.SlotSharingGroup = name
	return s
}

// DisableChaining keeps the last operator in a task of its own.
func (s *Stream[T]) DisableChaining() *Stream[T] { s.t.Chaining = graph.ChainNever; return s }

// StartNewChain begins a new chain with the last operator.
func (s *Stream[T]) StartNewChain() *Stream[T] { s.t.Chaining = graph.ChainHead; return s }

// partition makes a stream with another distribution of its records.
func (s *Stream[T]) partition(p graph.Partitioning, r operator.RouterFactory) *Stream[T] {
	t := &graph.Transformation{Kind: graph.KindPartition, Name: p.String(), Partitioning: p,
		Router: r, Inputs: []*graph.Transformation{s.t}}
	return &Stream[T]{env: s.env, t: s.env.add(t), typ: s.typ}
}

// Global sends all records to the first subtask of the next operator (R25).
func (s *Stream[T]) Global() *Stream[T] { return s.partition(graph.Global, nil) }

// Forward sends records to the subtask of the same index; parallelisms must be equal (R26).
func (s *Stream[T]) Forward() *Stream[T] { return s.partition(graph.Forward, nil) }

// Shuffle sends each record to a random subtask (R27).
func (s *Stream[T]) Shuffle() *Stream[T] { return s.partition(graph.Shuffle, nil) }

// Rebalance deals records out to all subtasks in turn (R28).
func (s *Stream[T]) Rebalance() *Stream[T] { return s.partition(graph.Rebalance, nil) }

// Rescale deals records out in turn to a fixed group of subtasks (R29).
func (s *Stream[T]) Rescale() *Stream[T] { return s.partition(graph.Rescale, nil) }

// Broadcast sends each record to all subtasks (R30).
func (s *Stream[T]) Broadcast() *Stream[T] { return s.partition(graph.Broadcast, nil) }

// PartitionCustom sends each record to the subtask that partition returns for its key and the
// number of subtasks (R32). Both functions must be pure.
func PartitionCustom[T, K any](s DataStream[T], key func(T) K,
	partition func(key K, n int) int) *Stream[T] {
	in := s.stream()
	if in.typ == nil {
		return in.partition(graph.Custom, nil)
	}
	return in.partition(graph.Custom, routing.Custom(in.typ, key, partition))
}

// NoTimestamp is the timestamp of a record that has none.
const NoTimestamp = stream.NoTimestamp

func setParallelism(e *Environment, t *graph.Transformation, n int) {
	if n < 1 {
		e.fail(fmt.Errorf("operator %q: SetParallelism(%d): the parallelism must be at least 1",
			t.Name, n))
		return
	}
	t.Parallelism = n
}
