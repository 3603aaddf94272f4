package stream

import (
	"math"

	"goflink/core/id"
)

const (
	// MaxWatermark is the watermark that says that event time has come to its end.
	MaxWatermark int64 = math.MaxInt64
	// MinWatermark is the watermark before the first one.
	MinWatermark int64 = math.MinInt64
)

// Status says whether a stream takes part in the watermark of its receivers.
type Status uint8

const (
	// Active streams hold back the watermark of a receiver with several inputs.
	Active Status = iota
	// Idle streams do not.
	Idle
)

// String is "active" or "idle".
func (s Status) String() string {
	if s == Idle {
		return "idle"
	}
	return "active"
}

// LatencyMarker travels with the records from a source to measure their way
// (metrics.latency.interval).
type LatencyMarker struct {
	// Emitted is the time of its emission in milliseconds since the epoch.
	Emitted int64
	Source  id.Operator
	Subtask int32
}

// Alignment says how a task treats the barriers of a checkpoint (R94, R95, R106).
type Alignment uint8

const (
	// AtLeastOnce does not hold back channels whose barrier came early.
	AtLeastOnce Alignment = iota
	// Aligned holds back each channel from its barrier until the barriers of all are there.
	Aligned
	// Unaligned lets the first barrier overtake what is queued; that becomes channel state.
	Unaligned
)

// String is the mode's name.
func (a Alignment) String() string {
	return [...]string{"at-least-once", "aligned", "unaligned"}[a]
}

// SavepointKind says what a checkpoint is taken for.
type SavepointKind uint8

const (
	// NoSavepoint marks an ordinary checkpoint.
	NoSavepoint SavepointKind = iota
	// Savepoint is taken on request and owned by the user; the job goes on.
	Savepoint
	// StopSavepoint stops the job once it is complete; timers and windows stay in the state.
	StopSavepoint
	// DrainSavepoint stops the job and first lets event time come to its end.
	DrainSavepoint
)

// Stops reports whether the job ends with this savepoint.
func (k SavepointKind) Stops() bool { return k >= StopSavepoint }

// Barrier cuts a stream into what belongs to a checkpoint and what comes after it (R90).
type Barrier struct {
	// Checkpoint numbers the checkpoints of a job from 1.
	Checkpoint uint64
	// Triggered is the time at which the coordinator began it, milliseconds since the epoch.
	Triggered int64
	Alignment Alignment
	// AlignTimeout is how many milliseconds after Triggered an Aligned barrier turns Unaligned;
	// 0 means never.
	AlignTimeout int64
	Savepoint    SavepointKind
	// Full asks for a checkpoint that depends on no earlier one.
	Full bool
	// Target is the directory that a savepoint goes to; empty for checkpoints.
	Target string
}

// Kind tells the elements of an exchange apart.
type Kind uint8

// The kinds of elements that an exchange carries.
const (
	KindBatch Kind = iota
	KindWatermark
	KindStatus
	KindLatency
	KindBarrier
	KindCancelBarrier
	// KindEndOfInput ends the data of a channel; barriers may still follow.
	KindEndOfInput
)

// String is the kind's name.
func (k Kind) String() string {
	return [...]string{"batch", "watermark", "status", "latency", "barrier", "cancel-barrier",
		"end-of-input"}[k]
}

// Element is one element of an exchange. Which field counts follows from Kind.
type Element struct {
	Kind Kind
	// Status counts for KindStatus.
	Status Status
	// Drained, of KindEndOfInput, says that the stream came to its natural end (or was drained), so
	// that event time ends too; otherwise the job was stopped with a savepoint.
	Drained bool
	// Watermark counts for KindWatermark; for KindCancelBarrier it is the checkpoint's number.
	Watermark int64
	Batch     Carrier
	Barrier   *Barrier
	Latency   *LatencyMarker
}

// ElementOverhead is what an element other than its batch counts for in bounds, in bytes.
const ElementOverhead = 64

// MemSize estimates the element's memory in bytes.
func (e *Element) MemSize() int {
	if e.Kind == KindBatch {
		return ElementOverhead + e.Batch.MemSize()
	}
	return ElementOverhead
}
