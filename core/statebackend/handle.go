package statebackend

import (
	"context"
	"io"

	"goflink/core/id"
	"goflink/core/keygroup"
)

// Blob is a run of bytes that a checkpoint holds: inline, or in a file of the checkpoint storage.
type Blob struct {
	// Inline holds small contents; then File is empty.
	Inline []byte `json:",omitempty"`
	// File is a path of the checkpoint file system; Offset and Length lie in it.
	File   string `json:",omitempty"`
	Offset int64  `json:",omitempty"`
	Length int64
	// CRC is the CRC-32C of the contents.
	CRC uint32
	// Exclusive says that the file belongs to this checkpoint alone.
	Exclusive bool `json:",omitempty"`
}

// KeyedHandle is the keyed state of one operator instance in a checkpoint.
type KeyedHandle struct {
	Range keygroup.Range
	// Format names how Contents are read: FormatCanonical, or a backend's own.
	Format   string
	Contents Blob
	// Offsets are the positions in Contents at which the key groups of Range begin (canonical
	// format).
	Offsets []int64 `json:",omitempty"`
	// Private is a backend's own description (FormatCanonical has none).
	Private []byte `json:",omitempty"`
}

// FormatCanonical names the format that every backend reads and writes in savepoints.
const FormatCanonical = "canonical-1"

// Redistribution says how operator state is handed out when a job is restored (R62).
type Redistribution uint8

const (
	// Split deals the elements of all subtasks out evenly.
	Split Redistribution = iota
	// Union gives each subtask all elements.
	Union
	// Broadcast gives each subtask the whole of one subtask's state, which all have alike.
	Broadcast
)

// String is the name of the redistribution.
func (r Redistribution) String() string { return [...]string{"split", "union", "broadcast"}[r] }

// OperatorStateHandle is one named operator state of one subtask in a checkpoint. Element i lies in
// Contents from Offsets[i] to Offsets[i+1], so that there is one offset more than elements; a part
// of a state is a part of the offsets.
type OperatorStateHandle struct {
	Name string
	Mode Redistribution
	// Schema is the typeinfo.Snapshot of the elements as JSON.
	Schema []byte `json:",omitempty"`
	// KeySchema is, for Broadcast, that of the keys of the map; Schema then describes its values.
	KeySchema []byte `json:",omitempty"`
	Offsets   []int64
	Contents  Blob
}

// ChannelHandle is the content of one channel that an unaligned checkpoint caught in flight (R106).
type ChannelHandle struct {
	// Edge is the index of the input (or output) of the vertex, Channel the channel in it, From the
	// subtask on the other side.
	Edge, Channel int
	Contents      Blob
	// Filter says, of a restore at another parallelism, that there may be records of other subtasks
	// in it: the task keeps those that the edge's router would send to it.
	Filter bool `json:",omitempty"`
	// RecordsOnly says, of a restore into a job that is not laid out as before, that watermarks and
	// statuses in it do not count: their channel may now be that of another producer.
	RecordsOnly bool `json:",omitempty"`
}

// OperatorSnapshot is what one operator instance contributes to a checkpoint.
type OperatorSnapshot struct {
	Keyed    []KeyedHandle         `json:",omitempty"`
	Operator []OperatorStateHandle `json:",omitempty"`
	// RawKeyed and RawOperator are bytes that only the operator understands (R60).
	RawKeyed    []KeyedHandle         `json:",omitempty"`
	RawOperator []OperatorStateHandle `json:",omitempty"`
	// InputChannels belong to the head of a chain, OutputChannels to its tail.
	InputChannels  []ChannelHandle `json:",omitempty"`
	OutputChannels []ChannelHandle `json:",omitempty"`
}

// Bytes is the size of all contents.
func (s *OperatorSnapshot) Bytes() (n int64) {
	for _, hs := range [][]KeyedHandle{s.Keyed, s.RawKeyed} {
		for i := range hs {
			n += hs[i].Contents.Length
		}
	}
	for _, hs := range [][]OperatorStateHandle{s.Operator, s.RawOperator} {
		for i := range hs {
			n += hs[i].Contents.Length
		}
	}
	for _, hs := range [][]ChannelHandle{s.InputChannels, s.OutputChannels} {
		for i := range hs {
			n += hs[i].Contents.Length
		}
	}
	return n
}

// TaskSnapshot is what one task contributes to a checkpoint: the snapshots of its operators.
type TaskSnapshot struct {
	Operators []NamedSnapshot
	// Finished says that the task had come to its natural end before the checkpoint.
	Finished bool `json:",omitempty"`
}

// NamedSnapshot is the snapshot of one operator.
type NamedSnapshot struct {
	ID id.Operator
	OperatorSnapshot
}

// SnapshotMetrics says what one task's part of a checkpoint cost. Times are in nanoseconds.
type SnapshotMetrics struct {
	// StartDelay is from the checkpoint's trigger to its first barrier here; Alignment from there
	// to the snapshot; Sync is the part in the task's goroutine, Async the rest.
	StartDelay, Alignment, Sync, Async int64
	// StateBytes counts what was written, ChannelBytes the share of it that was in flight.
	StateBytes, ChannelBytes int64
	Unaligned                bool
}

// Location is where one subtask writes the files of one checkpoint. It is safe for concurrent use.
type Location interface {
	// Create opens a new file (or buffer). The name hint appears in the file's name.
	Create(ctx context.Context, hint string) (BlobWriter, error)
}

// SharedLocation is implemented by Locations that take files which later checkpoints may hold, too
// (R76).
type SharedLocation interface {
	Location
	// CreateShared is Create for such a file: it is kept as long as any checkpoint names it. Its
	// blob comes back without Exclusive, and always in a file.
	CreateShared(ctx context.Context, hint string) (BlobWriter, error)
}

// BlobWriter writes one blob.
type BlobWriter interface {
	io.Writer
	// Commit makes the contents durable and returns where they are; small contents come back
	// inline.
	Commit() (Blob, error)
	// Discard removes what was written; after Commit it does nothing.
	Discard()
}

// BlobReader opens blobs of a checkpoint.
type BlobReader interface {
	// Open reads a blob from its beginning; the reader verifies the blob's CRC at its end and
	// returns an error that names the file when it does not match.
	Open(ctx context.Context, b Blob) (io.ReadCloser, error)
	// OpenAt reads length bytes from offset in the blob, without verification.
	OpenAt(ctx context.Context, b Blob, offset, length int64) (io.ReadCloser, error)
}

// Backend makes the keyed state of operator instances.
type Backend interface {
	// Name is the value of state.backend.type that selects the backend.
	Name() string
	// NewKeyed opens the state of one operator instance, restored from handles of earlier instances
	// whose key groups meet opts.Groups. It returns when the state can be used.
	NewKeyed(ctx context.Context, opts KeyedOptions) (Keyed, error)
}

// KeyedOptions says whose state a backend opens.
type KeyedOptions struct {
	// Operator and UID name the operator in errors.
	Operator string
	UID      string
	Groups   keygroup.Range
	// MaxParallelism is the number of all key groups.
	MaxParallelism int
	// KeySchema describes the key type; a change of it is refused at restore.
	KeySchema []byte
	Restore   []KeyedHandle
	Reader    BlobReader
	// ManagedBytes is the operator's share of the slot's managed memory.
	ManagedBytes int64
	// Now is the clock by which state expires, in milliseconds since the epoch; nil stands for
	// the processing time.
	Now func() int64
	// CheckMutation makes the backend verify that values handed to it are not changed afterwards.
	CheckMutation bool
}
