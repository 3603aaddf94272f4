package operator

import "goflink/core/stream"

// OutputType is what the runtime needs to know of the records of an output; operator/routing
// makes it where the record type is known.
type OutputType interface {
	stream.AnyType
	// FanOut returns a stream.Receiver of the type that hands each element to all receivers.
	// Values with pointers are copied for all but the last.
	FanOut(receivers []any) (any, error)
	// Routers are the ways to distribute records that do not depend on their contents.
	Routers() Routers
	// Checked returns a receiver that hands on to next and verifies that what was handed on is not
	// changed afterwards (pipeline.check-mutation); owner names the operator that emits.
	Checked(owner string, next any) (any, error)
}

// Routers makes the routers that work for every type.
type Routers struct {
	// Single sends everything to channel 0 (forward, global), RoundRobin deals records out in turn
	// (rebalance, rescale), Shuffle at random; Broadcast sends everything everywhere.
	Single, RoundRobin, Shuffle, Broadcast RouterFactory
}

// RouterFactory makes the router of one outgoing edge of one subtask. It is built with the program.
type RouterFactory func(w ChannelWriter, opts RouterOptions) (Router, error)

// RouterOptions describes the edge's ends.
type RouterOptions struct {
	// Subtask is the producer's index.
	Subtask int
	// MaxParallelism is the consumer's.
	MaxParallelism int
}

// Router distributes the records of one output to the channels of its partition (R25–R32). It is a
// stream.Receiver of the output's record type; watermarks, statuses and latency markers go to all
// channels. It collects records per channel in open batches.
type Router interface {
	stream.Control
	// Flush hands on open batches: those whose receiver waits, or with all set, every one.
	Flush(all bool) error
}

// ChannelWriter is the producing end of an exchange. One goroutine uses it.
type ChannelWriter interface {
	// Channels is the number of channels: one per consuming subtask that this producer feeds.
	Channels() int
	// Put appends a batch to a channel and takes it over. It may block while the channel's hard
	// limit is reached, and fails when the task is cancelled.
	Put(channel int, b stream.Carrier) error
	// Broadcast appends an element that is no batch to each channel.
	Broadcast(e stream.Element) error
	// Hungry reports whether the channel's receiver has nothing queued, so that waiting for a
	// fuller batch would only cost time.
	Hungry(channel int) bool
}

// Coordinator runs on the JobMaster's side for one operator: a source's enumerator. One goroutine
// calls it.
type Coordinator interface {
	// Start is called once, after a restore.
	Start() error
	// Restore sets the state of a checkpoint; nil resets to the beginning.
	Restore(checkpoint uint64, state []byte) error
	// Snapshot returns the state; events sent after it belong to the next checkpoint.
	Snapshot(checkpoint uint64) ([]byte, error)
	// Event takes an event of a subtask.
	Event(subtask, attempt int, event []byte) error
	// SubtaskReady is called when a subtask runs; SubtaskFailed when it does not any more, and
	// SubtaskReset when it will be restored to a checkpoint (0: to the beginning).
	SubtaskReady(subtask, attempt int) error
	SubtaskFailed(subtask, attempt int) error
	SubtaskReset(subtask int, checkpoint uint64) error
	// CheckpointComplete is called once a checkpoint is durable.
	CheckpointComplete(checkpoint uint64) error
	// Close frees resources.
	Close() error
}

// CoordinatorFactory makes a coordinator. It is built with the program.
type CoordinatorFactory func(ctx CoordinatorContext) (Coordinator, error)

// CoordinatorContext is what a coordinator can do.
type CoordinatorContext interface {
	// Info describes the operator; its subtask means nothing.
	Info() Info
	// Send sends an event to a subtask's operator.
	Send(subtask int, event []byte) error
	// Go runs work elsewhere and then done in the coordinator's goroutine.
	Go(work func() error, done func(err error) error)
	// Fail fails the job.
	Fail(err error)
	// Now is the processing time in milliseconds.
	Now() int64
}
