package statebackend

import (
	"context"

	"goflink/core/typeinfo"
)

// Operator is the operator state of one instance: kept in memory whatever the backend (R66). It
// is used by the task's goroutine only.
type Operator interface {
	// Open returns the part that spec describes, with the elements that were restored: what
	// spec.New made. Opening it again returns the same part; another mode or an incompatible type
	// is an error.
	Open(spec ListSpec) (OperatorPart, error)
	// Raw returns the bytes that the operator wrote into the snapshot it was restored from, one per
	// earlier subtask that is now handed to this one.
	Raw() [][]byte
	// SetRaw sets the bytes that the next snapshots take as raw operator state (R60); nil means
	// none. They must not be changed afterwards.
	SetRaw(b []byte)
}

// OperatorStore is an Operator as its task sees it.
type OperatorStore interface {
	Operator
	// Snapshot takes the state as of now; the pending snapshot may be written by another
	// goroutine while the state goes on changing.
	Snapshot(req SnapshotRequest) (PendingOperatorSnapshot, error)
}

// PendingOperatorSnapshot is operator state that is fixed but not written yet. Exactly one of its
// methods is called, once, from any goroutine.
type PendingOperatorSnapshot interface {
	// Write writes the snapshot; on error it has removed what it wrote.
	Write(ctx context.Context) (managed, raw []OperatorStateHandle, err error)
	// Abandon frees what the snapshot holds.
	Abandon()
}

// OperatorOptions says whose operator state is opened.
type OperatorOptions struct {
	// Operator and UID name the operator in errors.
	Operator string
	UID      string
	// Subtask is the index of the instance.
	Subtask int
	// Restore and RestoreRaw are what Redistribute dealt to this subtask.
	Restore    []OperatorStateHandle
	RestoreRaw []OperatorStateHandle
	Reader     BlobReader
	// CheckMutation makes the store verify that elements are not changed after they were handed
	// to it.
	CheckMutation bool
}

// ListSpec names and types an operator list, or a broadcast map, whose elements are its entries.
type ListSpec struct {
	Name   string
	Mode   Redistribution
	Schema typeinfo.Snapshot
	// KeySchema describes the keys of a broadcast map.
	KeySchema typeinfo.Snapshot
	// New makes the empty part; set by the constructor in core/state, where the types are known.
	New func() OperatorPart
}

// OperatorPart is a list or map of operator state whose element type the holder does not know.
type OperatorPart interface {
	// Restore reads elements that were written under the given schemas; they are added to the part.
	Restore(schema, keySchema typeinfo.Snapshot, elements [][]byte) error
	// Freeze fixes the elements as of now.
	Freeze() FrozenPart
	// Verify returns an error if an element was changed since it was handed over; only parts that
	// were told to by Watch know.
	Verify() error
	// Watch makes the part remember what Verify needs.
	Watch()
}

// FrozenPart is a snapshot of an OperatorPart; any one goroutine may use it.
type FrozenPart interface {
	// Each calls f with each encoded element, in a deterministic order; the bytes are valid until f
	// returns. It is called at most once.
	Each(f func(element []byte) error) error
	// Release ends the snapshot; it must be called.
	Release()
}
