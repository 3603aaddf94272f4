// Package operator is the contract between the runtime and what it runs. A task runs one chain of
// operators in one goroutine; the sub-packages implement operators.
//
//	exchange ──▶ Input(0) of the head ─▶ operator ─▶ … ─▶ tail ──▶ exchange
//
// Elements are handed on by function call: each operator gets, at Open, the receivers of its
// outputs and calls them. Between two steps of a task nothing is buffered inside a chain: an
// operator hands on all that it emits before its Batch, Watermark or timer call returns. So a
// barrier, which the task handles between steps, finds all records before it behind it.
//
// All methods of an operator are called by its task's goroutine. Work elsewhere (asynchronous
// calls, reading threads) comes back through Runtime.Mail.
package operator

import (
	"context"
	"log/slog"
	"time"

	"goflink/core/accumulator"
	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/core/stream"
)

// Factory makes the operator of one vertex node. It is built with the program and is called once
// per subtask and attempt; what it captures must therefore be immutable.
type Factory interface {
	// New makes the operator of one subtask and attempt.
	New() (Operator, error)
}

// FactoryFunc is a function as Factory.
type FactoryFunc func() (Operator, error)

// New calls f.
func (f FactoryFunc) New() (Operator, error) { return f() }

// Operator is one instance: of one subtask and one attempt.
type Operator interface {
	// Open prepares the operator; state is restored and timers are set when it is called, and Open
	// opens its state through rt. No record comes before it. rt stays valid until Close returns.
	Open(rt Runtime) error
	// Input returns input i as a stream.Receiver of the input's record type. Sources have none.
	Input(i int) any
	// Finish is called when all inputs have ended: emit what is still held back. The last
	// watermark has come before it, unless the job is being stopped without drain (then Finish is
	// not called).
	Finish() error
	// Close releases resources; it is called exactly once, also after errors and on cancel, and
	// also when Open failed.
	Close() error
}

// InputEnder is implemented by operators that want to know when one of several inputs ends.
type InputEnder interface {
	// EndInput is called when input i has come to its natural end.
	EndInput(i int) error
}

// Snapshotter is implemented by operators that write state before a snapshot is taken: the
// states that they opened are snapshotted by the task in any case.
type Snapshotter interface {
	// Snapshot brings the operator's state up to date. It is called at the barrier, in the order of
	// the chain; it may emit no records. A sink pre-commits here.
	Snapshot(cp Checkpoint) error
}

// CheckpointListener is implemented by operators that act once a checkpoint is durable.
type CheckpointListener interface {
	// CheckpointComplete is called after checkpoint id was completed. A call may be missed (the
	// next one covers it) or repeated after a restore.
	CheckpointComplete(checkpoint uint64) error
	// CheckpointAborted is called when the checkpoint did not become durable.
	CheckpointAborted(checkpoint uint64) error
}

// FinalCheckpointer is implemented by operators that must not end before a checkpoint that holds
// all of their work is complete: two-phase-commit sinks.
type FinalCheckpointer interface {
	// NeedsFinalCheckpoint is asked after Finish.
	NeedsFinalCheckpoint() bool
}

// Checkpoint describes the checkpoint that a Snapshot call belongs to.
type Checkpoint struct {
	ID        uint64
	Triggered time.Time
	Savepoint stream.SavepointKind
}

// Source is an operator without inputs; the task polls it.
type Source interface {
	Operator
	// Poll emits up to max records (or a single larger unit of its kind) and says how it goes on.
	Poll(max int) (PollStatus, error)
}

// PollStatus is a source's answer to Poll.
type PollStatus uint8

const (
	// PollMore says that there may be more records at once.
	PollMore PollStatus = iota
	// PollIdle says that there is nothing now; the source calls Runtime.Wake when there is.
	PollIdle
	// PollEnd says that there will never be more.
	PollEnd
)

// Runtime is what the task offers to one operator. Unless a method says otherwise, it may be called
// by the task's goroutine only.
type Runtime interface {
	// Info describes the operator's place.
	Info() Info
	// Config is the job's configuration.
	Config() *config.Configuration
	// Logger carries job, task and operator.
	Logger() *slog.Logger
	// Metrics registers the operator's own metrics.
	Metrics() Metrics

	// Output returns the receiver of an output as stream.Receiver of the output's record type:
	// of the main output ("") or a side output by its tag. Outputs that nobody reads discard.
	Output(tag string) any
	// OutputTags are the tags of the side outputs that somebody reads, sorted.
	OutputTags() []string

	// Keyed returns the keyed state of this operator, or an error that says that the stream is not
	// keyed (R61).
	Keyed() (statebackend.Keyed, error)
	// OperatorState returns the operator's list and broadcast states.
	OperatorState() statebackend.Operator
	// Restored reports whether the job was restored from a checkpoint or savepoint, and which.
	Restored() (checkpoint uint64, ok bool)

	// Now is the processing time in milliseconds since the epoch. Any goroutine may call it.
	Now() int64
	// At calls f in the task's goroutine at processing time t (milliseconds) or soon after. The
	// returned function cancels it. Not part of any state.
	At(t int64, f func() error) (cancel func())
	// Mail calls f in the task's goroutine, between two steps, soon. Any goroutine may call it.
	// After the task ended it returns false and f is never called.
	Mail(f func() error) bool
	// Go runs f in a goroutine that the task owns: it is waited for before the task ends, and ctx
	// is cancelled when it should end. In simulations f runs by the seeded scheduler.
	Go(name string, f func(ctx context.Context))
	// Wake tells the task that a source which answered PollIdle has records, or that an operator
	// which was not Ready is. Any goroutine may call it.
	Wake()

	// SendToCoordinator sends an event to the operator's coordinator on the JobMaster, in order.
	SendToCoordinator(event []byte) error
	// Accumulators are this subtask's shares of job-wide values that the job's result holds.
	Accumulators() *accumulator.Registry
	// BroadcastVariable returns the process-wide read-only value registered under name (R103).
	BroadcastVariable(name string, load func() (any, error)) (any, error)
}

// CoordinatorClient is implemented by operators that take events of their coordinator.
type CoordinatorClient interface {
	// CoordinatorEvent takes an event; events come in the order in which they were sent.
	CoordinatorEvent(event []byte) error
}

// Throttled is implemented by operators with a bounded buffer of their own (async I/O): while
// Ready is false the task feeds no record, and looks again after Runtime.Wake.
type Throttled interface {
	Ready() bool
}

// Drainer is implemented by operators with work under way that only time ends (async I/O): the
// task does not call Finish while Drained is false. It asks after the operator's inputs have ended
// and all operators before it in the chain were finished, looks again after each mail, timer and
// Runtime.Wake, and goes on taking checkpoints in between.
type Drainer interface {
	Drained() bool
}

// Lingerer is implemented by operators that may have work left after Finish, such as a commit
// that is to be repeated: the task does not end while Lingers is true, and the operator's timers
// go on until then. The task asks after each timer, mail that a checkpoint brings, and at the end
// of its inputs.
type Lingerer interface {
	Lingers() bool
}

// Info describes the place of an operator instance.
type Info struct {
	Job             id.Job
	JobName         string
	Operator        id.Operator
	OperatorName    string
	TaskName        string
	Attempt         id.Attempt
	Subtask         int
	Parallelism     int
	MaxParallelism  int
	Worker          id.Worker
	OperatorInChain int
}

// Metrics registers metrics under the operator's scope. Names are Flink's.
type Metrics interface {
	// Counter returns a counter that the caller's goroutine may add to and any may read.
	Counter(name string) Counter
	// Gauge registers a function that any goroutine may call.
	Gauge(name string, value func() float64)
}

// Counter counts up.
type Counter interface {
	// Add adds n.
	Add(n int64)
}
