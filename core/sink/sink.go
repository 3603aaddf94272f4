// Package sink is the contract of sinks: writers, and two-phase commit on top of checkpoints
// (R97–R102).
package sink

import (
	"time"

	"goflink/core/stream"
)

// Sink makes the writers of one sink. It is built with the program and captures immutable values
// only.
type Sink[T any] interface {
	// NewWriter makes the writer of one subtask and attempt.
	NewWriter(ctx Context) (Writer[T], error)
}

// Context is what a writer knows of its place.
type Context interface {
	// Subtask is the index of the subtask, Parallelism their number.
	Subtask() int
	// Parallelism is the number of subtasks.
	Parallelism() int
	// Attempt tells apart the attempts of a subtask; it grows.
	Attempt() int
	// Job is the job's id in text form, for names of files and transactions.
	Job() string
	// Now is the processing time in milliseconds.
	Now() int64
	// Sequence returns a number for the name of a transaction or file. It grows with each call
	// and is part of the sink's state: after a restore it goes on above all numbers that any
	// subtask had got before the checkpoint. Numbers got after that checkpoint come again.
	Sequence() uint64
}

// Writer writes records. The task's goroutine calls it.
type Writer[T any] interface {
	// Write takes a batch; it belongs to the caller again when Write returns.
	Write(b *stream.Batch[T]) error
	// Flush makes what was written visible or durable as far as the sink does it without commit. It
	// is called at each barrier and at the end.
	Flush(end bool) error
	// Close frees resources. It is called also after errors.
	Close() error
}

// TwoPhase is a sink whose writes become visible by transactions that commit when a checkpoint is
// complete (R98, R102). Transactions are identified by Txn, which is part of the sink's state as
// its encoding; a transaction that was pre-committed must survive the process.
//
// The order is: Begin, Write…, PreCommit at the barrier, then Commit once the checkpoint is
// complete, or Abort when it never will be. A subtask without records begins no transaction. When
// an attempt starts, Commit is called for the transactions of the restored checkpoint (again,
// perhaps: it must be repeatable), each in one of the subtasks, and then Abandon.
//
// One instance serves one subtask and attempt; its task's goroutine calls it. When a task fails
// or is cancelled, Abort is called for the open transaction, and then Close; both may be missing
// when its process dies.
type TwoPhase[T, Txn any] interface {
	// Open is called once, before everything else.
	Open(ctx Context) error
	// Begin opens the transaction that the next records go to.
	Begin() (Txn, error)
	// Write adds a batch to an open transaction.
	Write(txn Txn, b *stream.Batch[T]) error
	// PreCommit flushes the transaction so that Commit cannot fail any more, but by a passing
	// fault. It returns the transaction as it goes into state; ok is false if it was empty and is
	// over.
	PreCommit(txn Txn) (t Txn, ok bool, err error)
	// Commit makes the transaction visible. It may be called again for a committed transaction.
	Commit(txn Txn) error
	// Abort takes back what was written, before or after PreCommit; again is no error.
	Abort(txn Txn) error
	// Abandon is called once, as soon as the restored transactions that fall to this subtask are
	// committed: remove what earlier attempts of the job wrote and the checkpoint does not know
	// of. The restored transactions of all subtasks are given, since others may still have to
	// commit theirs; there are none if the job begins anew. What was left by a subtask s of
	// another parallelism falls to s modulo Context.Parallelism. Usually Abandon comes before the
	// first Begin; if a Commit had to be repeated, transactions of this instance may be open by
	// then, which are to be left alone.
	Abandon(restored []Txn) error
	// EncodeTxn and DecodeTxn carry a transaction through state.
	EncodeTxn(txn Txn) ([]byte, error)
	DecodeTxn(b []byte) (Txn, error)
	// Close frees resources.
	Close() error
}

// CommitRetry bounds the repetition of a Commit that fails.
var CommitRetry = struct {
	Attempts int
	Wait     time.Duration
}{Attempts: 5, Wait: 200 * time.Millisecond}
