package window

import (
	"fmt"
	"slices"
	"time"
)

// Sessions assigns each record a window from its time to the end of the gap after it; windows of a
// key that overlap or touch merge (R43). It is an Assigner and Merging.
type Sessions[T any] struct {
	gap     time.Duration
	dynamic func(T) time.Duration
	event   bool
}

func _[T any](v Sessions[T]) {
	var _ Assigner[T, Time] = v
	var _ Merging[Time] = v
	var _ Validator = v
}

// EventTimeSessions are sessions that end when no record came for gap by the records' timestamps.
func EventTimeSessions[T any](gap time.Duration) Sessions[T] {
	return Sessions[T]{gap: gap, event: true}
}

// ProcessingTimeSessions are sessions by the time of processing.
func ProcessingTimeSessions[T any](gap time.Duration) Sessions[T] { return Sessions[T]{gap: gap} }

// DynamicEventTimeSessions are event-time sessions whose gap follows from each record.
func DynamicEventTimeSessions[T any](gap func(T) time.Duration) Sessions[T] {
	return Sessions[T]{dynamic: gap, event: true}
}

// DynamicProcessingTimeSessions are processing-time sessions whose gap follows from each record.
func DynamicProcessingTimeSessions[T any](gap func(T) time.Duration) Sessions[T] {
	return Sessions[T]{dynamic: gap}
}

// Validate reports a gap that makes no session.
func (s Sessions[T]) Validate() error {
	if s.dynamic != nil {
		return nil
	}
	return checkDuration("session gap", s.gap)
}

// Assign appends the window of one record.
func (s Sessions[T]) Assign(dst []Time, v T, timestamp, now int64) ([]Time, error) {
	at := now
	if s.event {
		at = timestamp
		if err := CheckTimestamp(at); err != nil {
			return dst, err
		}
	}
	gap := s.gap
	if s.dynamic != nil {
		gap = s.dynamic(v)
		if gap < time.Millisecond {
			return dst, fmt.Errorf("a record has a session gap of %v; it must be at least 1ms", gap)
		}
	}
	return append(dst, Time{Start: at, End: at + gap.Milliseconds()}), nil
}

// EventTime reports whether windows end by watermark.
func (s Sessions[T]) EventTime() bool { return s.event }

// Parse reads a window's encoding.
func (s Sessions[T]) Parse(b []byte) (Time, error) { return ParseTime(b) }

// DefaultTrigger fires once when time passes the window's end.
func (s Sessions[T]) DefaultTrigger() Trigger[T, Time] { return defaultTimeTrigger[T](s.event) }

// Merge joins windows that overlap or touch.
func (s Sessions[T]) Merge(windows []Time, merged func(result Time, of []Time)) {
	MergeTimes(windows, merged)
}

// String describes the windows.
func (s Sessions[T]) String() string {
	kind := "processing-time"
	if s.event {
		kind = "event-time"
	}
	if s.dynamic != nil {
		return kind + " sessions of a dynamic gap"
	}
	return fmt.Sprintf("%s sessions of gap %v", kind, s.gap)
}

// MergeTimes sorts windows by their start and calls merged for each run of more than one that
// overlap or touch, with the window that covers them. It is what Merging assigners of time windows
// use. of is a part of windows.
func MergeTimes(windows []Time, merged func(result Time, of []Time)) {
	slices.SortFunc(windows, compareTime)
	for from := 0; from < len(windows); {
		cover, to := windows[from], from+1
		for to < len(windows) && windows[to].Intersects(cover) {
			cover = cover.Cover(windows[to])
			to++
		}
		if to-from > 1 {
			merged(cover, windows[from:to])
		}
		from = to
	}
}

// compareTime orders windows by start, then end.
func compareTime(a, b Time) int {
	switch {
	case a.Start < b.Start:
		return -1
	case a.Start > b.Start:
		return 1
	case a.End < b.End:
		return -1
	case a.End > b.End:
		return 1
	}
	return 0
}

// Globals assigns every record to the one global window, which never ends: it fires by a trigger of
// its own only.
type Globals[T any] struct{}

func _[T any](v Globals[T]) { var _ Assigner[T, Global] = v }

// GlobalWindows returns the assigner of the global window.
func GlobalWindows[T any]() Globals[T] { return Globals[T]{} }

// Assign appends the global window.
func (Globals[T]) Assign(dst []Global, _ T, _, _ int64) ([]Global, error) {
	return append(dst, Global{}), nil
}

// EventTime is false: the window never ends.
func (Globals[T]) EventTime() bool { return false }

// Parse accepts the empty encoding.
func (Globals[T]) Parse(b []byte) (Global, error) {
	if len(b) != 0 {
		return Global{}, fmt.Errorf("global window: want no bytes, got %d", len(b))
	}
	return Global{}, nil
}

// DefaultTrigger never fires.
func (Globals[T]) DefaultTrigger() Trigger[T, Global] { return NeverTrigger[T, Global]() }

// String describes the window.
func (Globals[T]) String() string { return "the global window" }
