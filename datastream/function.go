package datastream

import (
	"goflink/core/state"
	"goflink/operator/asyncio"
	"goflink/operator/joining"
	"goflink/operator/process"
	"goflink/operator/windowing"
)

// The contexts of functions: what they see of the record, timer or window at hand. They are valid
// during one call only.
type (
	// FunctionContext is what a function with a life cycle sees of its place: see
	// process.FunctionContext.
	FunctionContext = process.FunctionContext
	// Context is that of a ProcessFunction or CoProcessFunction.
	Context = process.Context
	// KeyedContext is that of a KeyedProcessFunction or KeyedCoProcessFunction.
	KeyedContext[K any] = process.KeyedContext[K]
	// OnTimerContext is that of a timer.
	OnTimerContext[K any] = process.OnTimerContext[K]
	// ReadOnlyContext is that of a BroadcastProcessFunction for the data side.
	ReadOnlyContext = process.ReadOnlyContext
	// BroadcastContext is that of a BroadcastProcessFunction for the broadcast side.
	BroadcastContext = process.BroadcastContext
	// KeyedReadOnlyContext is that of a KeyedBroadcastProcessFunction for the data side.
	KeyedReadOnlyContext[K any] = process.KeyedReadOnlyContext[K]
	// KeyedBroadcastContext is that of a KeyedBroadcastProcessFunction for the broadcast side.
	KeyedBroadcastContext[K any] = process.KeyedBroadcastContext[K]
	// BroadcastTimerContext is that of a timer of a KeyedBroadcastProcessFunction.
	BroadcastTimerContext[K any] = process.BroadcastTimerContext[K]
	// WindowContext is that of a window function.
	WindowContext[K any, W windowing.Window] = windowing.Context[K, W]
	// JoinContext is that of a ProcessJoinFunction.
	JoinContext[K any] = joining.Context[K]
)

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
	// ReduceFunction is a reduce function.
	ReduceFunction[T any] = process.ReduceFunction[T]
	// CoMapFunction maps the records of two connected streams.
	CoMapFunction[In1, In2, Out any] = process.CoMapFunction[In1, In2, Out]
	// CoFlatMapFunction flat-maps the records of two connected streams.
	CoFlatMapFunction[In1, In2, Out any] = process.CoFlatMapFunction[In1, In2, Out]
)

// The functions with access to time and side outputs, and on keyed streams to timers: those that
// set timers have a method OnTimer, see TimerFunction.
type (
	// ProcessFunction handles the records of a stream that is not keyed.
	ProcessFunction[In, Out any] = process.ProcessFunction[In, Out]
	// KeyedProcessFunction handles the records of a keyed stream.
	KeyedProcessFunction[K, In, Out any] = process.KeyedProcessFunction[K, In, Out]
	// CoProcessFunction handles the records of two connected streams.
	CoProcessFunction[In1, In2, Out any] = process.CoProcessFunction[In1, In2, Out]
	// KeyedCoProcessFunction handles the records of two connected streams that are keyed alike.
	KeyedCoProcessFunction[K, In1, In2, Out any] = process.KeyedCoProcessFunction[K, In1, In2, Out]
	// TimerFunction is implemented by keyed functions that set timers.
	TimerFunction[K, Out any] = process.TimerFunction[K, Out]
	// BroadcastProcessFunction handles a stream with the help of a broadcast one.
	BroadcastProcessFunction[In, B, Out any] = process.BroadcastProcessFunction[In, B, Out]
	// KeyedBroadcastProcessFunction handles a keyed stream with the help of a broadcast one; with
	// timers it has the OnTimer of process.BroadcastTimerFunction.
	KeyedBroadcastProcessFunction[K, In, B, Out any] = process.KeyedBroadcastProcessFunction[
		K, In, B, Out]
	// ProcessJoinFunction handles the pairs of an interval join.
	ProcessJoinFunction[K, L, R, Out any] = joining.ProcessJoinFunction[K, L, R, Out]
	// CoGroupFunction handles the records of both streams in one window of one key.
	CoGroupFunction[K any, W windowing.Window, L, R, Out any] = joining.CoGroupFunction[K, W, L, R,
		Out]
	// ProcessWindowFunction handles all records of a window; see windowing.Function, of which it is
	// a kind, for what else it may implement.
	ProcessWindowFunction[K any, W windowing.Window, In, Out any] = windowing.Function[K, W, []In,
		Out]
	// WindowFunction handles the result of an incremental aggregation of a window.
	WindowFunction[K any, W windowing.Window, In, Out any] = windowing.Function[K, W, In, Out]
	// AggregateFunction adds records to an accumulator and takes results from it.
	AggregateFunction[In, Acc, Out any] = state.AggregateFunction[In, Acc, Out]
	// AsyncFunction calls a service for each record.
	AsyncFunction[In, Out any] = asyncio.AsyncFunction[In, Out]
)
