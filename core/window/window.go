// Package window holds the contracts of windows (R40–R49): what a window is, who assigns records to
// windows, who decides when a window is evaluated, and who removes elements before that.
package window

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Window identifies a window; it does not hold elements (R45).
type Window interface {
	// MaxTime is the largest timestamp that belongs to the window.
	MaxTime() int64
	// Append appends the canonical encoding, which is the window's namespace in state.
	Append(dst []byte) []byte
}

// Time is the window of timestamps in [Start, End), milliseconds since the epoch.
type Time struct{ Start, End int64 }

// MaxTime is End − 1.
func (w Time) MaxTime() int64 { return w.End - 1 }

// Append appends end and start, big endian with the sign flipped: windows sort by their end.
func (w Time) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(w.End)^1<<63)
	return binary.BigEndian.AppendUint64(dst, uint64(w.Start)^1<<63)
}

// ParseTime reads what Append wrote.
func ParseTime(b []byte) (Time, error) {
	if len(b) != 16 {
		return Time{}, fmt.Errorf("time window: want 16 bytes, got %d", len(b))
	}
	end := int64(binary.BigEndian.Uint64(b) ^ 1<<63)
	return Time{Start: int64(binary.BigEndian.Uint64(b[8:]) ^ 1<<63), End: end}, nil
}

// Intersects reports whether the windows overlap or touch (session windows then merge, R43).
func (w Time) Intersects(o Time) bool { return w.Start <= o.End && o.Start <= w.End }

// Cover is the smallest window that holds both.
func (w Time) Cover(o Time) Time {
	return Time{Start: min(w.Start, o.Start), End: max(w.End, o.End)}
}

// String is the window as "[start,end)".
func (w Time) String() string { return fmt.Sprintf("[%d,%d)", w.Start, w.End) }

// Global is the one window of everything; it never ends.
type Global struct{}

// MaxTime is the largest time there is.
func (Global) MaxTime() int64 { return math.MaxInt64 }

// Append appends nothing: the global window is the empty namespace.
func (Global) Append(dst []byte) []byte { return dst }

// String is "global".
func (Global) String() string { return "global" }

// Assigner assigns records to windows of type W (R44). It is immutable.
type Assigner[T any, W Window] interface {
	// Assign appends the windows of a record with the given timestamp to dst. now is the
	// processing time.
	Assign(dst []W, v T, timestamp, now int64) ([]W, error)
	// EventTime reports whether windows end by watermark (else by processing time).
	EventTime() bool
	// Parse reads a window that Window.Append wrote.
	Parse(b []byte) (W, error)
	// DefaultTrigger makes the trigger that is used if none is given.
	DefaultTrigger() Trigger[T, W]
}

// Merging is implemented by assigners whose windows merge (sessions).
type Merging[W Window] interface {
	// Merge groups windows of one key that belong together: it calls merged for each result that is
	// made of more than one window. It may reorder windows; of is valid during the call only.
	Merge(windows []W, merged func(result W, of []W))
}

// Aligned is implemented by assigners of time windows that lie alike for all keys, so that they can
// be computed by panes: windows of Size that begin every Slide, shifted by Offset (milliseconds).
type Aligned interface {
	Aligned() (size, slide, offset int64)
}

// Result is a trigger's decision (R46).
type Result uint8

// The decisions of a trigger: do nothing, evaluate the window, drop it, or both.
const (
	Continue     Result = 0
	Fire         Result = 1
	Purge        Result = 2
	FireAndPurge Result = Fire | Purge
)

// Fires reports whether the window is to be evaluated.
func (r Result) Fires() bool { return r&Fire != 0 }

// Purges reports whether the window's contents are to be dropped.
func (r Result) Purges() bool { return r&Purge != 0 }

// Trigger decides when a window is evaluated (R46). One trigger object serves all windows of an
// operator; what it must remember for a window is kept in TriggerContext state.
type Trigger[T any, W Window] interface {
	// OnElement is called for each element that was added to w.
	OnElement(v T, timestamp int64, w W, ctx TriggerContext) (Result, error)
	// OnEventTime is called for each timer of event time that is due, also for the one at which the
	// contents of w are dropped, and for timers that were set by other parts of the same trigger.
	OnEventTime(time int64, w W, ctx TriggerContext) (Result, error)
	// OnProcessingTime is OnEventTime for timers of processing time.
	OnProcessingTime(time int64, w W, ctx TriggerContext) (Result, error)
	// Clear removes the state and timers that the trigger has for w.
	Clear(w W, ctx TriggerContext) error
}

// MergingTrigger is implemented by triggers that work with merging windows; a trigger that is not
// is refused there.
type MergingTrigger[W Window] interface {
	// OnMerge is called when windows of a key were merged into w; state of the merged windows can
	// be joined by TriggerContext.MergeCounts.
	OnMerge(w W, ctx TriggerContext) error
}

// TriggerContext is a trigger's view of the window at hand.
type TriggerContext interface {
	// Watermark is the current watermark.
	Watermark() int64
	// Now is the processing time.
	Now() int64
	// SetEventTimer asks for OnEventTime once the watermark reaches time; setting a timer again
	// changes nothing.
	SetEventTimer(time int64) error
	// SetProcessingTimer asks for OnProcessingTime once the clock has passed time.
	SetProcessingTimer(time int64) error
	// DeleteEventTimer takes a timer back; it is no error if there is none.
	DeleteEventTimer(time int64) error
	// DeleteProcessingTimer takes a timer back; it is no error if there is none.
	DeleteProcessingTimer(time int64) error
	// Count and SetCount read and write a named number of this key and window; 0 if never set.
	Count(name string) (int64, error)
	SetCount(name string, n int64) error
	// MergeCounts joins the named numbers of the windows that were merged into the one at hand.
	MergeCounts(name string, join func(a, b int64) int64) error
	// State and SetState read and write named bytes of this key and window; nil if never set. The
	// bytes must not be changed after SetState, and those of State not at all.
	State(name string) ([]byte, error)
	SetState(name string, b []byte) error
}

// Validator is implemented by assigners, triggers and evictors that can be given parameters which
// make no sense; who builds a window operator asks them.
type Validator interface {
	// Validate says what makes no sense and what would, or returns nil.
	Validate() error
}

// Evictor removes elements before (or after) the window function sees them (R47).
type Evictor[T any, W Window] interface {
	// EvictBefore returns the elements that the function sees. elements are in the order of
	// arrival and must not be changed; the result may be a part of it.
	EvictBefore(elements []Element[T], w W, ctx EvictorContext) []Element[T]
	// EvictAfter returns the elements that are kept after the function.
	EvictAfter(elements []Element[T], w W, ctx EvictorContext) []Element[T]
}

// EvictorContext is what an evictor knows.
type EvictorContext struct{ Watermark, Now int64 }

// Element is an element of a window with its timestamp.
type Element[T any] struct {
	Value     T
	Timestamp int64
}
