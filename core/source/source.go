// Package source is the contract of sources (R37): a source is split into parts that readers read
// in the tasks, and that an enumerator on the JobMaster's side finds and hands out.
package source

import (
	"context"

	"goflink/core/stream"
)

// Split is a part of a source's input. Its state (position) is the source's own, encoded.
type Split struct {
	// ID is unique within the source.
	ID string
	// State is the split's description and position. It is immutable.
	State []byte
}

// Source makes the parts of one source. It is built with the program and captures immutable values
// only. Its methods may be called by several goroutines.
type Source[T any] interface {
	// Bounded reports whether the source comes to an end by itself (R3).
	Bounded() bool
	// Replayable reports whether splits can be read again from a position; a source that cannot
	// gives at-most-once at best, which is reported (R97).
	Replayable() bool
	// NewEnumerator makes the enumerator; restored is what its Snapshot returned, or nil.
	NewEnumerator(ctx EnumeratorContext, restored []byte) (Enumerator, error)
	// NewReader makes the reader of one subtask.
	NewReader(ctx ReaderContext) (Reader[T], error)
}

// Enumerator hands out splits. One goroutine calls it. It must not block for long: work that does
// goes through EnumeratorContext.Go.
type Enumerator interface {
	// Start is called once, before everything else.
	Start() error
	// RequestSplit is called when a reader asks for a split; host is where it runs.
	RequestSplit(subtask int, host string) error
	// AddBack takes back splits of a failed reader that no completed checkpoint of it holds.
	AddBack(subtask int, splits []Split) error
	// ReaderAdded is called when a reader is there (again).
	ReaderAdded(subtask int) error
	// ReaderEvent takes an event that a reader sent.
	ReaderEvent(subtask int, event []byte) error
	// Snapshot returns the enumerator's state: what was not handed out.
	Snapshot(checkpoint uint64) ([]byte, error)
	// Close frees resources.
	Close() error
}

// EnumeratorContext is what an enumerator can do.
type EnumeratorContext interface {
	// Parallelism is the number of readers.
	Parallelism() int
	// Assign hands splits to a reader; it must have been added, and not told that there are no
	// more.
	Assign(subtask int, splits []Split) error
	// NoMoreSplits tells a reader that it will get no further split.
	NoMoreSplits(subtask int) error
	// SendEvent sends an event to a reader.
	SendEvent(subtask int, event []byte) error
	// Go runs work elsewhere and then done in the enumerator's goroutine.
	Go(work func(ctx context.Context) error, done func(err error) error)
}

// ReaderContext is what a reader can do.
type ReaderContext interface {
	// Subtask is the index of the subtask.
	Subtask() int
	// Parallelism is the number of readers.
	Parallelism() int
	// RequestSplit asks the enumerator for a split.
	RequestSplit() error
	// SendEvent sends an event to the enumerator.
	SendEvent(event []byte) error
	// Wake tells the task that Poll has something; any goroutine may call it.
	Wake()
	// Go runs f in a goroutine of the task; ctx ends with it.
	Go(name string, f func(ctx context.Context))
	// Now is the processing time in milliseconds.
	Now() int64
	// At calls f in the task's goroutine at processing time t; cancel withdraws it.
	At(t int64, f func() error) (cancel func())
}

// Reader reads the splits of one subtask. The task's goroutine calls it.
type Reader[T any] interface {
	// AddSplits adds splits to read; at restore those that Snapshot returned.
	AddSplits(splits []Split) error
	// NoMoreSplits says that AddSplits will not be called again.
	NoMoreSplits() error
	// Poll appends up to max records of one split to b and returns the split's id. It does not
	// block. With timestamps of the source's own it sets them, else stream.NoTimestamp.
	Poll(b *stream.Batch[T], max int) (split string, status Status, err error)
	// Snapshot returns the unfinished splits with their positions as of the last Poll.
	Snapshot(checkpoint uint64) ([]Split, error)
	// Event takes an event of the enumerator.
	Event(event []byte) error
	// Close frees resources.
	Close() error
}

// CheckpointListener is implemented by readers that act on completed checkpoints (such as
// acknowledging to the outside).
type CheckpointListener interface {
	// CheckpointComplete is called after a checkpoint was completed; calls may be missed.
	CheckpointComplete(checkpoint uint64) error
}

// Status is a reader's answer to Poll.
type Status uint8

const (
	// More says that there may be more at once.
	More Status = iota
	// Idle says that there is nothing now; the reader calls Wake when there is.
	Idle
	// SplitEnd says that the split just polled is finished; poll on.
	SplitEnd
	// End says that all splits are finished and no more will come.
	End
)
