// Package eventtime holds the contracts of event time: how timestamps are taken from records and
// how watermarks are made from timestamps (R50–R58). Times are milliseconds since the epoch.
package eventtime

import (
	"time"

	"goflink/core/stream"
)

// Characteristic is the notion of time that a program's time windows use by default (R50, R51).
type Characteristic uint8

const (
	// ProcessingTime is the clock of the machine that runs the operator; the default.
	ProcessingTime Characteristic = iota
	// IngestionTime is the clock of the machine at the source, taken once.
	IngestionTime
	// EventTime is when the event happened, carried by the record.
	EventTime
)

// String is the characteristic's Flink name.
func (c Characteristic) String() string {
	return [...]string{"ProcessingTime", "IngestionTime", "EventTime"}[c]
}

// TimestampAssigner returns the event time of record v; previous is the timestamp it had so far, or
// stream.NoTimestamp.
type TimestampAssigner[T any] func(v T, previous int64) int64

// Generator makes watermarks. One instance serves one subtask (or one split of a source) and is
// called by one goroutine. It is made anew for each attempt; watermarks are not part of state.
type Generator[T any] interface {
	// OnEvent sees each record with its timestamp and may emit a watermark at once.
	OnEvent(v T, timestamp int64, out WatermarkOutput)
	// OnPeriodic is called every pipeline.auto-watermark-interval.
	OnPeriodic(out WatermarkOutput)
}

// WatermarkOutput takes watermarks. A watermark that does not grow is ignored.
type WatermarkOutput interface {
	// EmitWatermark says that no record at or before w is expected any more; it also ends idleness.
	EmitWatermark(w int64)
	// MarkIdle takes the stream out of its receivers' minimum until the next record or watermark.
	MarkIdle()
}

// Strategy says how a stream gets timestamps and watermarks.
type Strategy[T any] struct {
	// Assign extracts timestamps; nil keeps those that the records have.
	Assign TimestampAssigner[T]
	// New makes the generator of one subtask or split.
	New func() Generator[T]
	// IdleTimeout marks a stream idle that brought no record for so long; 0 means never.
	IdleTimeout time.Duration
}

// WithTimestamps returns the strategy with another timestamp assigner.
func (s Strategy[T]) WithTimestamps(assign func(v T) int64) Strategy[T] {
	s.Assign = func(v T, _ int64) int64 { return assign(v) }
	return s
}

// WithIdleness returns the strategy with an idle timeout.
func (s Strategy[T]) WithIdleness(timeout time.Duration) Strategy[T] {
	s.IdleTimeout = timeout
	return s
}

// BoundedOutOfOrderness makes periodic watermarks that lag the highest timestamp seen by delay:
// watermark = timestamp − delay − 1 ms, which says that a record at timestamp − delay may still
// come (R53, R54: a window ending at e fires when the highest timestamp − delay ≥ e).
func BoundedOutOfOrderness[T any](delay time.Duration) Strategy[T] {
	return Strategy[T]{New: func() Generator[T] {
		return &bounded[T]{delay: delay.Milliseconds(), highest: stream.MinWatermark}
	}}
}

// Monotonous is BoundedOutOfOrderness without delay.
func Monotonous[T any]() Strategy[T] { return BoundedOutOfOrderness[T](0) }

// NoWatermarks assigns no watermark: event time does not advance until the stream ends.
func NoWatermarks[T any]() Strategy[T] {
	return Strategy[T]{New: func() Generator[T] { return silent[T]{} }}
}

// Punctuated makes a watermark at each record for which watermark returns one (R55).
func Punctuated[T any](watermark func(v T, timestamp int64) (w int64, ok bool)) Strategy[T] {
	return Strategy[T]{New: func() Generator[T] { return punctuated[T](watermark) }}
}

type bounded[T any] struct{ delay, highest int64 }

func (g *bounded[T]) OnEvent(_ T, timestamp int64, _ WatermarkOutput) {
	g.highest = max(g.highest, timestamp)
}

func (g *bounded[T]) OnPeriodic(out WatermarkOutput) {
	if g.highest != stream.MinWatermark {
		out.EmitWatermark(g.highest - g.delay - 1)
	}
}

type silent[T any] struct{}

func (silent[T]) OnEvent(T, int64, WatermarkOutput) {}
func (silent[T]) OnPeriodic(WatermarkOutput)        {}

type punctuated[T any] func(v T, timestamp int64) (int64, bool)

func (g punctuated[T]) OnEvent(v T, timestamp int64, out WatermarkOutput) {
	if w, ok := g(v, timestamp); ok {
		out.EmitWatermark(w)
	}
}

func (punctuated[T]) OnPeriodic(WatermarkOutput) {}
