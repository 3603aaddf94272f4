// Package statebackend is the contract (SPI) between operators and the places where state lives.
//
// Keyed state is a set of named tables; a table maps (key, namespace) to a Go value. The key is a
// record's key as canonical bytes; the namespace, bytes too, tells apart the values that one key
// has in one table: a window operator uses the window, everything else the empty one (R45, R65).
// On top of the tables, core/state's five kinds of state are thin wrappers, equal for all
// backends.
//
// A backend serves one operator of one subtask and attempt and is used by the task's goroutine
// only, apart from the asynchronous part of a snapshot.
package statebackend

import (
	"context"
	"errors"

	"goflink/core/keygroup"
	"goflink/core/typeinfo"
)

// ErrNoKey is in the chain of errors about keyed state that is used outside a keyed context: in
// Open or Close, or for a record of a stream that is not keyed (R61).
var ErrNoKey = errors.New("no current key: keyed state can be used while a record or timer of a " +
	"keyed stream is processed, not in Open, Finish or Close")

// KeyContext is the current key of an operator instance; all its tables and timers look at one.
// Only Set changes it. The task's goroutine owns it.
type KeyContext struct {
	// Hash is keygroup.Hash of Key; Key are the canonical bytes, owned by who called SetKey.
	Hash uint64
	Key  []byte
	// Seq grows with each Set, so that what was found for a key can be found again. It is 0 as
	// long as no key was set.
	Seq uint64
	// Valid says that there is a current key.
	Valid bool
}

// Set makes key the current key.
func (c *KeyContext) Set(hash uint64, key []byte) {
	c.Hash, c.Key, c.Valid = hash, key, true
	c.Seq++
}

// Unset leaves the keyed context.
func (c *KeyContext) Unset() {
	c.Key, c.Valid = nil, false
	c.Seq++
}

// Keyed is the keyed state of one operator instance.
type Keyed interface {
	// SetKey makes key, whose keygroup.Hash is hash, the current key. The bytes must stay unchanged
	// until the next SetKey.
	SetKey(hash uint64, key []byte)
	// UnsetKey leaves the keyed context: state that is used then gives ErrNoKey.
	UnsetKey()
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
	// Now is the clock by which state expires (R77), in milliseconds since the epoch.
	Now() int64

	// Open returns the table that spec describes as a Table[V] (or MapTable[V] if spec.Mapped) of
	// the spec's V, with the values that were restored. A table of that name but another kind or
	// an incompatible type is an error that names state, field and both types. Opening it again
	// returns the same table.
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

// PendingSnapshot is a snapshot whose state is fixed but not written yet. Exactly one of its
// methods is called, once, from any goroutine.
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
	// NamespacesOfKey calls f with each namespace in which the current key has a value, in order
	// of its bytes. It may cost a look at every namespace.
	NamespacesOfKey(f func(ns []byte, v *V) error) error
}

// Sweeper is implemented by tables that can be searched for expired values bit by bit (R77).
type Sweeper[V any] interface {
	// Sweep calls expired with up to n values, going on where the last call ended, and removes
	// those for which it returns true. expired must not use the table.
	Sweep(n int, expired func(v *V) bool) error
}

// Space is the part of a table in one namespace.
type Space[V any] interface {
	// Upsert is Table.Upsert for a key with its hash, without making it the current one.
	Upsert(hash uint64, key []byte) (p *V, found bool, err error)
	// Find is Table.Find for a key.
	Find(hash uint64, key []byte) (*V, error)
	// Modify is Table.Modify for a key.
	Modify(hash uint64, key []byte) (p *V, found bool, err error)
	// UpsertAll does Upsert for keys side by side with their hashes and calls f(i, p, found) for
	// each in order; memory accesses of different keys overlap. Equal keys are seen one after the
	// other. f must not use the table.
	UpsertAll(hashes []uint64, keys [][]byte, f func(i int, p *V, found bool) error) error
	// ModifyAll is UpsertAll for callers that change what the values point to, as Modify is.
	ModifyAll(hashes []uint64, keys [][]byte, f func(i int, p *V, found bool) error) error
	// Each calls f for each key in the space, in no particular but a deterministic order; f may
	// replace the value through p, and returns whether the entry stays. key is valid until f
	// returns (and, if f makes it the current key, until the next one is). f must not use the
	// table.
	Each(f func(hash uint64, key []byte, p *V) (keep bool, err error)) error
	// Range calls f with each key in the space, in the order of Each, until more is false. The
	// values must not be changed; f must not change the table.
	Range(f func(hash uint64, key []byte, v *V) (more bool, err error)) error
	// Len is the number of keys.
	Len() int
	// Drop removes all values of the space; the Space must not be used afterwards.
	Drop() error
}

// MapTable maps the keys of one operator instance, per namespace, to maps from map keys to values.
// A map key is canonical bytes. What Table says about namespaces and pointers holds here, too.
type MapTable[V any] interface {
	// Find returns the value under mapKey of the current key in ns, or nil.
	Find(ns, mapKey []byte) (*V, error)
	// Upsert returns the value under mapKey for change, inserting the zero value if there is none.
	Upsert(ns, mapKey []byte) (p *V, found bool, err error)
	// Delete removes mapKey from the map of the current key in ns.
	Delete(ns, mapKey []byte) error
	// Range calls f with the entries of the map of the current key in ns, in the order of the bytes
	// of the map keys, until more is false. f may look for other entries, but change nothing.
	Range(ns []byte, f func(mapKey []byte, v *V) (more bool, err error)) error
	// Each is Range for callers that change the map: f may replace the value through p, and returns
	// whether the entry stays; it must not use the table otherwise. After an error what f said
	// about earlier entries holds.
	Each(ns []byte, f func(mapKey []byte, p *V) (keep bool, err error)) error
	// Len is the number of entries of the map of the current key in ns.
	Len(ns []byte) (int, error)
	// Clear removes the map of the current key in ns.
	Clear(ns []byte) error
	// DropNamespace removes the maps of all keys in ns.
	DropNamespace(ns []byte) error
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

// TableSpec names and types a table. NewSpec and NewMapSpec of core/statetable make it, where the
// type V of the values is known.
type TableSpec struct {
	// Name is the state's name, unique in its operator.
	Name string
	// Kind tells what the state was declared as ("value", "list", "reducing", …); a change is
	// refused.
	Kind string
	// Schema describes the encoding of values (of the elements of a list).
	Schema typeinfo.Snapshot
	// Mapped says that it is a MapTable, and MapKey describes its map keys; a change is refused.
	Mapped bool
	MapKey typeinfo.Snapshot
	// Stamped says that values carry the time of their last access (R77).
	Stamped bool
	// HeapTable makes the table that lives on the heap: a statetable.Maker.
	HeapTable any
}
