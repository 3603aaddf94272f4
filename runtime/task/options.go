// Package task runs one subtask of a vertex: a chain of operators behind a mailbox.
//
//	gates ─▶ [ step: mail, barriers, a slice of a batch ─▶ head ─▶ … ─▶ tail ] ─▶ partitions
//
// A Task is a host.Stepper: each step runs the mail that has come (timers, checkpoint triggers,
// results of asynchronous work) and then feeds the chain a slice of at most a few milliseconds of
// work. So a slow function keeps no barrier, timer or cancel waiting for longer than one record.
// All operator code runs within Step, so it needs no locks; everything else comes in through
// Mail.
//
// What a step did not read of a batch stays with the task; together with what is queued in its
// gates and partitions it is the channel state of an unaligned checkpoint.
package task

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"goflink/core/accumulator"
	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/graph"
	"goflink/internal/host"
	"goflink/operator"
	"goflink/runtime/dataplane"
	"goflink/runtime/metric"
)

// Options is all that a task needs.
type Options struct {
	Host host.Host
	// Info is the task's place; the operators' Infos derive from it.
	Info   operator.Info
	Vertex *graph.Vertex
	Code   *graph.Code
	Config *config.Configuration
	// Gates are the inputs in the order of Vertex.Inputs, Partitions the outputs in that of
	// Vertex.Results. The task closes them.
	Gates      []Gate
	Partitions []Partition

	Backend statebackend.Backend
	// OperatorStates opens the operator state of one operator.
	OperatorStates OpenOperatorStates
	Storage        Storage
	Restore        *Restore

	Listener Listener
	Logger   *slog.Logger
	Metrics  *metric.Group
	// ManagedBytes is the task's share of managed memory.
	ManagedBytes int64
	// CheckMutation makes outputs and state find values that are changed after they were handed on.
	CheckMutation bool
	// FinalCheckpoint says that checkpoints are taken, so that sinks with transactions wait for a
	// last one at their end.
	FinalCheckpoint bool
	// Shared holds the process-wide broadcast variables of the job.
	Shared *Shared
}

// Gate is the consuming end of one input (runtime/dataplane implements it). The task's goroutine
// calls it; the function of OnReadable may be called by any.
type Gate interface {
	// Channels is the number of channels.
	Channels() int
	// OnReadable sets the function that is called when Poll or PollPriority may have something.
	OnReadable(f func())
	// Connect asks for the partitions to read.
	Connect()
	// Poll takes the next element, if there is one in a channel that is not blocked; barriers that
	// overtook come first.
	Poll() (channel int, e stream.Element, ok bool, err error)
	// PollPriority takes a barrier that overtook what is queued in its channel.
	PollPriority() (channel int, e stream.Element, ok bool, err error)
	// Announced returns, once, an aligned barrier with a timeout that is queued somewhere.
	Announced() *stream.Barrier
	// Block keeps Poll from returning elements of the channel, Unblock ends that.
	Block(channel int)
	Unblock(channel int)
	// NumEnded counts the channels that are Ended: no element will come from them any more.
	NumEnded() int
	Ended(channel int) bool
	// StartCapture hands to sink the encoded elements that precede the checkpoint's barrier in
	// their channel and have not been polled; StopCapture ends that.
	StartCapture(checkpoint uint64, sink dataplane.CaptureFunc) error
	StopCapture()
	// ConvertToUnaligned makes queued aligned barriers of the checkpoint overtake.
	ConvertToUnaligned(checkpoint uint64) (found int, err error)
	// Restore gives a channel encoded elements that come before all others.
	Restore(channel int, state []byte)
	// Close leaves all channels.
	Close()
}

// Partition is the producing end of one result (runtime/dataplane implements it).
type Partition interface {
	operator.ChannelWriter
	// Available reports whether all channels have room.
	Available() bool
	// OnAvailable sets the function that is called when Available may have become true.
	OnAvailable(f func())
	// BroadcastBarrierUnaligned puts the barrier before all that is queued and returns that,
	// encoded, per channel.
	BroadcastBarrierUnaligned(b *stream.Barrier) ([][]byte, error)
	// HoldsBarrier reports whether an aligned barrier of the checkpoint is queued in a channel;
	// OnBarrierTaken sets the function that is called when that may have changed.
	HoldsBarrier(checkpoint uint64) bool
	OnBarrierTaken(f func())
	// ConvertToUnaligned puts such a barrier before all else that is queued and returns that,
	// encoded, per channel, and the number of channels in which the barrier was found.
	ConvertToUnaligned(checkpoint uint64) (states [][]byte, found int, err error)
	// IsBackPressured reports whether the producer is without room; any goroutine may call it.
	IsBackPressured() bool
	// Close ends the writing after the last element; Fail ends it with an error that readers see.
	Close()
	Fail(err error)
}

// OpenOperatorStates opens the operator state of one operator instance.
type OpenOperatorStates func(ctx context.Context, o statebackend.OperatorOptions) (
	statebackend.OperatorStore, error)

// Storage is where snapshots go and come from.
type Storage interface {
	// Location is where the task writes its part of a checkpoint; target is Barrier.Target.
	Location(checkpoint uint64, target string, attempt id.Attempt) (statebackend.Location, error)
	// Reader opens blobs of any checkpoint.
	Reader() statebackend.BlobReader
}

// Restore is the state that a task begins with.
type Restore struct {
	Checkpoint uint64
	// Operators holds, per operator, what falls to this subtask.
	Operators map[id.Operator]statebackend.OperatorSnapshot
	// Finished says that the task had come to its end: it only says so again.
	Finished bool
}

// Listener hears what the JobMaster must know. Its methods return at once; any goroutine calls
// them.
type Listener interface {
	// Running is called when all operators are open.
	Running(a id.Attempt)
	// Ended is called once, when all resources are released: err is nil if the task finished,
	// ErrCancelled if it was cancelled.
	Ended(a id.Attempt, err error, accumulators []accumulator.Share)
	// Acknowledge reports the task's part of a checkpoint, Decline that there will be none.
	Acknowledge(a id.Attempt, checkpoint uint64, s statebackend.TaskSnapshot,
		m statebackend.SnapshotMetrics)
	Decline(a id.Attempt, checkpoint uint64, cause DeclineCause, reason error)
	// CoordinatorEvent carries an operator's event to its coordinator.
	CoordinatorEvent(a id.Attempt, op id.Operator, event []byte)
	// WantsCheckpoint says that the task has come to its end and waits for a checkpoint.
	WantsCheckpoint(a id.Attempt)
}

// DeclineCause says why a task has no part in a checkpoint.
type DeclineCause uint8

// The causes of a decline: the part could not be written, the task is not open yet, it has ended,
// or another checkpoint came first.
const (
	Failed DeclineCause = iota
	NotReady
	Ended
	Superseded
)

// ErrCancelled is the end of a task that was cancelled. Compare with ==: the failure of a task
// whose producer was cancelled, because its worker is lost, wraps it.
var ErrCancelled = errors.New("the task was cancelled")

// Shared holds values that exist once per process and job (R103). It is safe for concurrent use.
type Shared struct {
	mu     sync.Mutex
	values map[string]any
}

// NewShared returns an empty set.
func NewShared() *Shared { return &Shared{values: map[string]any{}} }

// Load returns the value under name, which the first caller makes.
func (s *Shared) Load(name string, load func() (any, error)) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.values[name]; ok {
		return v, nil
	}
	v, err := load()
	if err == nil {
		s.values[name] = v
	}
	return v, err
}

var (
	_ Gate      = (*dataplane.Gate)(nil)
	_ Partition = (*dataplane.Partition)(nil)
)
