package window

import (
	"errors"
	"fmt"
	"time"

	"goflink/core/stream"
)

// TimeLimit bounds the timestamps that are assigned to time windows, on both sides of 0 (about 146
// million years in milliseconds), so that the ends of windows cannot overflow.
const TimeLimit int64 = 1 << 62

// CheckTimestamp returns an error that says what is wrong with a timestamp that cannot be assigned
// to a window of event time, or nil.
func CheckTimestamp(timestamp int64) error {
	if timestamp == stream.NoTimestamp {
		return errors.New("a record has no timestamp, which an event-time window needs: assign " +
			"timestamps and watermarks before the window, or use processing time")
	}
	if timestamp > TimeLimit || timestamp < -TimeLimit {
		return fmt.Errorf("a record has the timestamp %d, which is out of range: timestamps are "+
			"milliseconds since the epoch", timestamp)
	}
	return nil
}

// Grid assigns records to windows of one size that begin at regular intervals: tumbling windows,
// where interval and size are equal, and sliding ones (R41, R42). It is an Assigner and Aligned.
type Grid[T any] struct {
	size, slide, offset time.Duration
	event               bool
}

func _[T any](v Grid[T]) {
	var _ Assigner[T, Time] = v
	var _ Aligned = v
	var _ Validator = v
}

// TumblingEventTime assigns records to windows of the given size by their timestamps.
func TumblingEventTime[T any](size time.Duration) Grid[T] {
	return Grid[T]{size: size, slide: size, event: true}
}

// TumblingProcessingTime assigns records to windows of the given size by the time of processing.
func TumblingProcessingTime[T any](size time.Duration) Grid[T] {
	return Grid[T]{size: size, slide: size}
}

// SlidingEventTime assigns records by their timestamps to windows of the given size that begin
// every slide. With a slide beyond the size, records between two windows belong to none.
func SlidingEventTime[T any](size, slide time.Duration) Grid[T] {
	return Grid[T]{size: size, slide: slide, event: true}
}

// SlidingProcessingTime is SlidingEventTime by the time of processing.
func SlidingProcessingTime[T any](size, slide time.Duration) Grid[T] {
	return Grid[T]{size: size, slide: slide}
}

// WithOffset shifts the windows against the epoch: days of UTC+8 begin at −8 h.
func (g Grid[T]) WithOffset(offset time.Duration) Grid[T] {
	g.offset = offset
	return g
}

// Validate reports sizes that make no windows.
func (g Grid[T]) Validate() error {
	if err := checkDuration("size", g.size); err != nil {
		return err
	}
	if err := checkDuration("slide", g.slide); err != nil {
		return err
	}
	if g.offset%time.Millisecond != 0 {
		return fmt.Errorf("the offset of windows is %v; it must be whole milliseconds", g.offset)
	}
	if g.offset <= -g.slide || g.offset >= g.slide {
		return fmt.Errorf("the offset of windows is %v; it must be smaller than their slide, %v",
			g.offset, g.slide)
	}
	return nil
}

// checkDuration reports a duration that is not at least one whole millisecond.
func checkDuration(what string, d time.Duration) error {
	if d < time.Millisecond || d%time.Millisecond != 0 {
		return fmt.Errorf("the %s of a window is %v; it must be whole milliseconds, at least one",
			what, d)
	}
	return nil
}

// Assign appends the windows that hold the timestamp (or now), the earliest first.
func (g Grid[T]) Assign(dst []Time, _ T, timestamp, now int64) ([]Time, error) {
	at := now
	if g.event {
		at = timestamp
		if err := CheckTimestamp(at); err != nil {
			return dst, err
		}
	}
	size, slide, offset := g.Aligned()
	first := Start(at-size, slide, offset) + slide // the first that ends after at
	for start := first; start <= at; start += slide {
		dst = append(dst, Time{Start: start, End: start + size})
	}
	return dst, nil
}

// EventTime reports whether windows end by watermark.
func (g Grid[T]) EventTime() bool { return g.event }

// Parse reads a window's encoding.
func (g Grid[T]) Parse(b []byte) (Time, error) { return ParseTime(b) }

// DefaultTrigger fires once when time passes the window's end.
func (g Grid[T]) DefaultTrigger() Trigger[T, Time] { return defaultTimeTrigger[T](g.event) }

// Aligned returns the grid in milliseconds.
func (g Grid[T]) Aligned() (size, slide, offset int64) {
	return g.size.Milliseconds(), g.slide.Milliseconds(), g.offset.Milliseconds()
}

// String describes the windows.
func (g Grid[T]) String() string {
	kind := "processing-time"
	if g.event {
		kind = "event-time"
	}
	if g.size == g.slide {
		return fmt.Sprintf("tumbling %s windows of %v", kind, g.size)
	}
	return fmt.Sprintf("sliding %s windows of %v every %v", kind, g.size, g.slide)
}

// Start returns the greatest start ≤ at of a grid of the given slide and offset, also for negative
// times.
func Start(at, slide, offset int64) int64 {
	r := (at - offset) % slide
	if r < 0 {
		r += slide
	}
	return at - r
}

func defaultTimeTrigger[T any](event bool) Trigger[T, Time] {
	if event {
		return EventTimeTrigger[T, Time]()
	}
	return ProcessingTimeTrigger[T, Time]()
}
