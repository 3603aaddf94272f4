// Package statebackend is the contract (SPI) between operators and the places where state lives.
//
// Keyed state is a set of named tables; a table maps (key, namespace) to a Go value. The key is a
// record's key as canonical bytes; the namespace, bytes too, tells apart the values that one
// key has in one table: a window operator uses the window, everything else the empty one (R45, R65).
// On top of the tables, core/state's five kinds of state are thin wrappers, equal for all backends.
//
// A backend serves one operator of one subtask and attempt and is used by the task's goroutine only,
// apart from the asynchronous part of a snapshot.
package statebackend

import (
	"context"

	"goflink/core/keygroup"
	"goflink/core/typeinfo"
)

// Keyed is the keyed state of one operator instance.
type Keyed interface {
	// SetKey makes key, whose keygroup.Hash is hash, the current key. The bytes must stay unchanged
	// until the next SetKey.
	SetKey(hash uint64, key []byte)
	// Key returns the current key; ok is false outside a keyed context (R61).
	Key() (hash uint64, key []byte, ok bool)
	// SetNamespace makes ns current for tables that are used through wrappers; it must stay
	// unchanged until the next SetNamespace.
	SetNamespace(ns []byte)
	// Namespace returns the current namespace.
	Namespace() []byte
	// Groups are the key groups that this instance owns, and MaxParallelism their overall number.
	Groups() keygroup.Range
	MaxParallelism() int

	// Open returns the table that spec describes as a Table[V] of the spec's V, with the values
	// that were restored. A table of that name but another kind or an incompatible type is an error
	// that names state, field and both types. Opening it again returns the same table.
	Open(spec TableSpec) (any, error)
	// Timers returns the named timer queue with the timers that were restored.
	Timers(name string) (TimerQueue, error)

	// Snapshot takes the state as of now. It returns at once; the returned function writes the
	// snapshot, may run in another goroutine while the state goes on changing, and must be
	// called or released by Abandon.
	Snapshot(req SnapshotRequest) (PendingSnapshot, error)
	// CheckpointComplete and CheckpointAborted tell the fate of an earlier snapshot.
	CheckpointComplete(checkpoint uint64)
	CheckpointAborted(checkpoint uint64)
	// Close frees all resources.
	Close() error
}

// SnapshotRequest says what a snapshot is for and where it goes.
type SnapshotRequest struct {
	Checkpoint uint64
	// Canonical asks for the format that every backend reads (savepoints).
	Canonical bool
	// Full asks for a snapshot that depends on no earlier one.
	Full bool
	// Location is where the snapshot's files go.
	Location Location
}

// PendingSnapshot is a snapshot whose state is fixed but not written yet. Exactly one of its methods
// is called, once, from any goroutine.
type PendingSnapshot interface {
	// Write writes the snapshot; on error it has removed what it wrote.
	Write(ctx context.Context) (KeyedHandle, error)
	// Abandon frees what the snapshot holds.
	Abandon()
}

// Table maps the keys of one operator instance, per namespace, to values. A nil namespace is the
// empty one. Pointers to values are valid until the next call of any method of the table; the
// pointee may be replaced through them (*p = v), and that is how updates cost one probe. Containers
// inside a value (slices, maps, pointees) must not be changed in place, except by Modify.
type Table[V any] interface {
	// Find returns the value of the current key in ns, or nil. The pointee must not be changed.
	Find(ns []byte) (*V, error)
	// Upsert returns the value of the current key in ns for change, inserting the zero value if
	// there is none (then found is false).
	Upsert(ns []byte) (p *V, found bool, err error)
	// Modify is Upsert for callers that change what the value points to: if an open snapshot shares
	// the value, it is deep-copied first.
	Modify(ns []byte) (p *V, found bool, err error)
	// Delete removes the value of the current key in ns.
	Delete(ns []byte) error

	// Space returns the part of the table in ns, for operators that work on one namespace for
	// many keys at once. Space(ns) of a namespace without values is empty. A Space is valid until
	// it is dropped.
	Space(ns []byte) (Space[V], error)
	// Namespaces calls f with each namespace that has values, in order of its bytes.
	Namespaces(f func(ns []byte) error) error
	// NamespacesOfKey calls f with each namespace in which the current key has a value.
	NamespacesOfKey(f func(ns []byte, v *V) error) error
}

// Space is the part of a table in one namespace.
type Space[V any] interface {
	// Upsert is Table.Upsert for a key with its hash, without making it the current one.
	Upsert(hash uint64, key []byte) (p *V, found bool, err error)
	// Find is Table.Find for a key.
	Find(hash uint64, key []byte) (*V, error)
	// UpsertAll does Upsert for keys side by side with their hashes and calls f(i, p, found) for
	// each in order; memory accesses of different keys overlap. Equal keys are seen one after the
	// other. f must not use the table.
	UpsertAll(hashes []uint64, keys [][]byte, f func(i int, p *V, found bool) error) error
	// Each calls f for each key in the space, in no particular but a deterministic order; f may
	// replace the value through p, and returns whether the entry stays.
	Each(f func(hash uint64, key []byte, p *V) (keep bool, err error)) error
	// Len is the number of keys.
	Len() int
	// Drop removes all values of the space; the Space must not be used afterwards.
	Drop() error
}

// TimerQueue is the set of timers of one operator instance and one time domain (R46). A timer is a
// time, a key and a namespace; setting it again changes nothing.
type TimerQueue interface {
	// Add sets a timer for the current key.
	Add(time int64, ns []byte) error
	// Remove removes a timer of the current key; it is no error if there is none.
	Remove(time int64, ns []byte) error
	// Next returns the earliest time; ok is false if there is no timer.
	Next() (time int64, ok bool, err error)
	// PopUntil takes out the timers at or before limit in order of time (then of key and
	// namespace) and calls f with each; f may add timers, also such that are due at once.
	PopUntil(limit int64, f func(t Timer) error) error
	// Each calls f with each timer.
	Each(f func(t Timer) error) error
	// Len is the number of timers.
	Len() int
}

// Timer is one timer.
type Timer struct {
	Time      int64
	Hash      uint64
	Key       []byte
	Namespace []byte
}

// TableSpec names and types a table. NewSpec makes it.
type TableSpec struct {
	// Name is the state's name, unique in its operator.
	Name string
	// Kind tells what the state was declared as ("value", "list", "reducing", …); a change is refused.
	Kind string
	// Schema describes the encoding of values.
	Schema typeinfo.Snapshot
	// HeapTable makes the table that lives on the heap; set by NewSpec, where V is known.
	HeapTable any
}
