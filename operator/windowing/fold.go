package windowing

import "goflink/core/state"

// fold is how the records of a window become its contents and these its result. add and merge may
// change what their accumulators refer to.
type fold[T, Acc, R any] interface {
	first(v T) Acc
	add(v T, acc Acc) Acc
	merge(a, b Acc) Acc
	result(acc Acc) R
}

// aggregateFold is an AggregateFunction.
type aggregateFold[T, Acc, R any] struct {
	f state.AggregateFunction[T, Acc, R]
}

func (f aggregateFold[T, Acc, R]) first(v T) Acc        { return f.f.Add(v, f.f.Create()) }
func (f aggregateFold[T, Acc, R]) add(v T, acc Acc) Acc { return f.f.Add(v, acc) }
func (f aggregateFold[T, Acc, R]) merge(a, b Acc) Acc   { return f.f.Merge(a, b) }
func (f aggregateFold[T, Acc, R]) result(acc Acc) R     { return f.f.Result(acc) }

// reduceFold is a reduce function.
type reduceFold[T any] struct{ f func(a, b T) T }

func (f reduceFold[T]) first(v T) T      { return v }
func (f reduceFold[T]) add(v T, acc T) T { return f.f(acc, v) }
func (f reduceFold[T]) merge(a, b T) T   { return f.f(a, b) }
func (f reduceFold[T]) result(acc T) T   { return acc }

// listFold keeps all records. It only ever appends, so that whoever holds an earlier, shorter list
// does not see a change.
type listFold[T any] struct{}

func (listFold[T]) first(v T) []T        { return []T{v} }
func (listFold[T]) add(v T, acc []T) []T { return append(acc, v) }
func (listFold[T]) merge(a, b []T) []T   { return append(a, b...) }
func (listFold[T]) result(acc []T) []T   { return acc }
