package datastream

import (
	"goflink/operator"
	"goflink/operator/process"
)

// Connected are two streams, of different types in general, that one operator reads (R38).
type Connected[A, B any] struct {
	a DataStream[A]
	b DataStream[B]
}

// Connection is a *Connected or a *KeyedConnected.
type Connection[A, B any] interface {
	connected() *Connected[A, B]
}

func (c *Connected[A, B]) connected() *Connected[A, B] { return c }

// Connect connects two streams.
func Connect[A, B any](a *Stream[A], b *Stream[B]) *Connected[A, B] {
	return &Connected[A, B]{a, b}
}

// KeyedConnected are two streams that are keyed alike and share the state of their keys.
type KeyedConnected[K, A, B any] struct {
	a *Keyed[K, A]
	b *Keyed[K, B]
}

func (c *KeyedConnected[K, A, B]) connected() *Connected[A, B] { return &Connected[A, B]{c.a, c.b} }

// ConnectKeyed connects two keyed streams: functions on both share the state of the key.
func ConnectKeyed[K, A, B any](a *Keyed[K, A], b *Keyed[K, B]) *KeyedConnected[K, A, B] {
	return &KeyedConnected[K, A, B]{a, b}
}

// fromBoth adds an operator with both streams as its inputs.
func fromBoth[Out, A, B any](c *Connected[A, B], name string, f operator.Factory) *Stream[Out] {
	a, b := c.a.stream(), c.b.stream()
	out := addOperator[Out](a.env, name, f, a.t, b.t)
	_, out.t.KeySchema = c.a.keyedBy()
	return out
}

// CoMap makes a stream of first of each record of one stream and second of each of the other. Both
// must be pure.
func CoMap[A, B, Out any](c Connection[A, B], first func(A) Out, second func(B) Out) *Stream[Out] {
	return RichCoMap(c, func() CoMapFunction[A, B, Out] {
		return coMapFunctions[A, B, Out]{first, second}
	})
}

type coMapFunctions[A, B, Out any] struct {
	first  func(A) Out
	second func(B) Out
}

// Map1 calls the first function.
func (f coMapFunctions[A, B, Out]) Map1(v A) (Out, error) { return f.first(v), nil }

// Map2 calls the second function.
func (f coMapFunctions[A, B, Out]) Map2(v B) (Out, error) { return f.second(v), nil }

// RichCoMap is CoMap with a function that create makes, once per subtask and attempt. On keyed
// streams the function's state is that of the record's key, for both streams.
func RichCoMap[A, B, Out any, F CoMapFunction[A, B, Out]](c Connection[A, B], create func() F,
) *Stream[Out] {
	both := c.connected()
	first, _ := both.a.keyedBy()
	second, _ := both.b.keyedBy()
	f := func() CoMapFunction[A, B, Out] { return create() }
	return fromBoth[Out](both, "Co-Map", process.CoMap(first, second, f))
}

// CoFlatMap makes a stream of what first emits for each record of one stream and second for each of
// the other. Both must be pure.
func CoFlatMap[A, B, Out any](c Connection[A, B], first func(v A, out Collector[Out]),
	second func(v B, out Collector[Out])) *Stream[Out] {
	return RichCoFlatMap(c, func() CoFlatMapFunction[A, B, Out] {
		return coFlatMapFunctions[A, B, Out]{first, second}
	})
}

type coFlatMapFunctions[A, B, Out any] struct {
	first  func(A, Collector[Out])
	second func(B, Collector[Out])
}

// FlatMap1 calls the first function.
func (f coFlatMapFunctions[A, B, Out]) FlatMap1(v A, out Collector[Out]) error {
	f.first(v, out)
	return nil
}

// FlatMap2 calls the second function.
func (f coFlatMapFunctions[A, B, Out]) FlatMap2(v B, out Collector[Out]) error {
	f.second(v, out)
	return nil
}

// RichCoFlatMap is CoFlatMap with a function that create makes, once per subtask and attempt. On
// keyed streams the function's state is that of the record's key, for both streams.
func RichCoFlatMap[A, B, Out any, F CoFlatMapFunction[A, B, Out]](c Connection[A, B],
	create func() F) *Stream[Out] {
	both := c.connected()
	first, _ := both.a.keyedBy()
	second, _ := both.b.keyedBy()
	f := func() CoFlatMapFunction[A, B, Out] { return create() }
	return fromBoth[Out](both, "Co-Flat Map", process.CoFlatMap(first, second, f))
}

// CoProcess makes a stream of what a function emits for the records of two streams that are not
// keyed; it sees timestamps and watermarks and can write to side outputs. create makes it, once per
// subtask and attempt.
func CoProcess[A, B, Out any, F CoProcessFunction[A, B, Out]](c *Connected[A, B], create func() F,
) *Stream[Out] {
	f := func() CoProcessFunction[A, B, Out] { return create() }
	return fromBoth[Out](c, "Co-Process", process.CoProcess(f))
}

// KeyedCoProcess makes a stream of what a function emits for the records of two keyed streams; it
// has state, timers and side outputs. create makes it, once per subtask and attempt.
func KeyedCoProcess[K, A, B, Out any, F KeyedCoProcessFunction[K, A, B, Out]](
	c *KeyedConnected[K, A, B], create func() F) *Stream[Out] {
	f := func() KeyedCoProcessFunction[K, A, B, Out] { return create() }
	return fromBoth[Out](c.connected(), "Keyed Co-Process",
		process.KeyedCoProcess(c.a.by(), c.b.by(), f))
}

// BroadcastStream is a stream that every subtask of a function gets, to keep what it says in
// broadcast state (R63).
type BroadcastStream[B any] struct {
	s      *Stream[B]
	states []process.BroadcastState
}

// BroadcastWith broadcasts the stream to the functions of BroadcastProcess and
// KeyedBroadcastProcess, which keep the states that process.BroadcastOf describes.
func (s *Stream[T]) BroadcastWith(states ...process.BroadcastState) *BroadcastStream[T] {
	return &BroadcastStream[T]{s.Broadcast(), states}
}

// BroadcastProcess makes a stream of what a function emits for the records of s with the help of a
// broadcast stream: it may read the broadcast states when it handles a record of s, and change them
// when it handles one of the broadcast stream (R63). create makes it, once per subtask and attempt.
func BroadcastProcess[In, B, Out any, F BroadcastProcessFunction[In, B, Out]](s *Stream[In],
	b *BroadcastStream[B], create func() F) *Stream[Out] {
	f := func() BroadcastProcessFunction[In, B, Out] { return create() }
	return addOperator[Out](s.env, "Co-Process-Broadcast", process.BroadcastProcess(f, b.states...),
		s.t, b.s.t)
}

// KeyedBroadcastProcess is BroadcastProcess on a keyed stream: the function has keyed state and
// timers as well.
func KeyedBroadcastProcess[K, In, B, Out any, F KeyedBroadcastProcessFunction[K, In, B, Out]](
	k *Keyed[K, In], b *BroadcastStream[B], create func() F) *Stream[Out] {
	f := func() KeyedBroadcastProcessFunction[K, In, B, Out] { return create() }
	out := addOperator[Out](k.s.env, "Co-Process-Broadcast-Keyed",
		process.KeyedBroadcastProcess(k.by(), f, b.states...), k.s.t, b.s.t)
	out.t.KeySchema = k.schema
	return out
}
