// Package state is what functions see of state: five kinds of keyed state, each bound to the key of
// the record at hand (R61), and operator state, bound to the subtask (R62, R63). It holds the
// operation interfaces for users (R64, R65) and the descriptors by which state is named and typed;
// the backends behind them are in core/statebackend.
//
// Values handed to state, and values got from it, are immutable: to change one, put a new one.
// Handles are used by the task's goroutine only. Errors come from the backend (a disk, a remote
// file); a function returns them, and the task fails.
package state

import "iter"

// Value is one value per key.
type Value[V any] interface {
	// Get returns the value; found is false, and the value zero, if there is none.
	Get() (v V, found bool, err error)
	// Put sets the value.
	Put(v V) error
	// Clear removes the value.
	Clear() error
}

// List is a list of values per key.
type List[V any] interface {
	// Get returns the elements in the order in which they were added; the slice must not be
	// changed.
	Get() ([]V, error)
	// Add appends one element.
	Add(v V) error
	// AddAll appends elements.
	AddAll(vs []V) error
	// Put replaces the list; an empty one clears it.
	Put(vs []V) error
	// Clear removes the list.
	Clear() error
}

// Reducing is one value per key into which added values are merged by a reduce function.
type Reducing[V any] interface {
	// Get returns the merged value; found is false if nothing was added.
	Get() (v V, found bool, err error)
	// Add merges v.
	Add(v V) error
	// Clear removes the value.
	Clear() error
}

// Aggregating is an accumulator per key into which values are added by an aggregate function.
type Aggregating[In, Out any] interface {
	// Get returns the result; found is false if nothing was added.
	Get() (v Out, found bool, err error)
	// Add adds v.
	Add(v In) error
	// Clear removes the accumulator.
	Clear() error
}

// Map is a map per key.
type Map[K, V any] interface {
	// Get returns the value under k.
	Get(k K) (v V, found bool, err error)
	// Put sets the value under k.
	Put(k K, v V) error
	// Remove removes k, if it is there.
	Remove(k K) error
	// Contains reports whether k is there.
	Contains(k K) (bool, error)
	// All calls with each entry, in the order of the canonical bytes of the keys. The map must not
	// be changed during the iteration. A backend error ends it and is returned by Err.
	All() iter.Seq2[K, V]
	// Err is the error that ended the last All, if any.
	Err() error
	// Len is the number of entries.
	Len() (int, error)
	// Clear removes all entries.
	Clear() error
}

// ReadOnlyMap is what the data side of a broadcast function sees of broadcast state (R63).
type ReadOnlyMap[K, V any] interface {
	// Get returns the value under k.
	Get(k K) (v V, found bool, err error)
	// Contains reports whether k is there.
	Contains(k K) (bool, error)
	// All calls with each entry; see Map.
	All() iter.Seq2[K, V]
	// Err is the error that ended the last All, if any.
	Err() error
	// Len is the number of entries.
	Len() (int, error)
}

// OperatorList is a list of the subtask: one part of a list that spans all subtasks.
type OperatorList[V any] interface {
	// Get returns the elements; the slice must not be changed.
	Get() []V
	// Add appends one element.
	Add(v V)
	// Put replaces the elements.
	Put(vs []V)
}

// AggregateFunction adds inputs to an accumulator and takes results from it. Its methods must be
// pure but for the accumulator: Add and Merge may change and return acc.
type AggregateFunction[In, Acc, Out any] interface {
	// Create makes an empty accumulator.
	// Create returns an empty accumulator.
	Create() Acc
	// Add adds v.
	Add(v In, acc Acc) Acc
	// Result takes the result; acc may be added to afterwards.
	Result(acc Acc) Out
	// Merge joins two accumulators.
	Merge(a, b Acc) Acc
}
