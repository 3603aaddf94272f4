package datastream

import (
	"goflink/core/state"
	"goflink/operator/process"
)

// OpenValue opens a Value of a function's keyed state, in its method Open (R61).
func OpenValue[V any](ctx *FunctionContext, d state.ValueDescriptor[V]) (state.Value[V], error) {
	return process.OpenValue(ctx, d)
}

// OpenList opens a List of a function's keyed state.
func OpenList[V any](ctx *FunctionContext, d state.ListDescriptor[V]) (state.List[V], error) {
	return process.OpenList(ctx, d)
}

// OpenMap opens a Map of a function's keyed state.
func OpenMap[K, V any](ctx *FunctionContext, d state.MapDescriptor[K, V]) (state.Map[K, V], error) {
	return process.OpenMap(ctx, d)
}

// OpenReducing opens a Reducing of a function's keyed state.
func OpenReducing[V any](ctx *FunctionContext, d state.ReducingDescriptor[V]) (
	state.Reducing[V], error) {
	return process.OpenReducing(ctx, d)
}

// OpenAggregating opens an Aggregating of a function's keyed state.
func OpenAggregating[In, Acc, Out any](ctx *FunctionContext,
	d state.AggregatingDescriptor[In, Acc, Out]) (state.Aggregating[In, Out], error) {
	return process.OpenAggregating(ctx, d)
}

// ListCheckpointed is implemented by functions whose state is a list of the subtask; see KeepList.
type ListCheckpointed[S any] = process.ListCheckpointed[S]

// KeepList keeps the state of a function as operator state with the given name (R62). It is called
// in Open.
func KeepList[S any](ctx *FunctionContext, name string, f ListCheckpointed[S]) error {
	return process.KeepList(ctx, name, f)
}

// BroadcastState declares the broadcast state that d describes, for BroadcastWith (R63).
func BroadcastState[K, V any](d state.MapDescriptor[K, V]) process.BroadcastState {
	return process.BroadcastOf(d)
}

// ReadBroadcast is the broadcast state that d describes, for reading.
func ReadBroadcast[K, V any](ctx process.BroadcastReader, d state.MapDescriptor[K, V]) (
	state.ReadOnlyMap[K, V], error) {
	return process.ReadBroadcast(ctx, d)
}

// WriteBroadcast is the broadcast state that d describes, for changes, which must follow from the
// broadcast records alone.
func WriteBroadcast[K, V any](ctx process.BroadcastWriter, d state.MapDescriptor[K, V]) (
	state.Map[K, V], error) {
	return process.WriteBroadcast(ctx, d)
}

// BroadcastVariable is the read-only value that all subtasks of one process share under a name
// (R103): the first that asks loads it, and one copy stays in memory. It must not be changed, and
// should not be large.
func BroadcastVariable[T any](ctx *FunctionContext, name string, load func() (T, error)) (
	T, error,
) {
	return process.BroadcastVariable(ctx, name, load)
}
