package operatortest

import (
	"fmt"

	"goflink/core/stream"
)

// EventKind tells the elements of an output apart.
type EventKind uint8

// The kinds of elements that an output gets.
const (
	RecordEvent EventKind = iota
	WatermarkEvent
	StatusEvent
	LatencyEvent
)

// Event is one element that an output got.
type Event struct {
	Kind    EventKind
	Tag     string
	Subtask int
	// Value and Time count for records, Status for changes of status.
	Value  any
	Time   int64
	Status stream.Status
	// Watermark is, for a watermark, itself, else the last one before on this output and subtask.
	Watermark int64
	text      string
}

// String is a record as "[tag: ]value@time" and a watermark as "watermark w".
func (e *Event) String() string {
	prefix := ""
	if e.Tag != "" {
		prefix = e.Tag + ": "
	}
	switch e.Kind {
	case WatermarkEvent:
		if e.Watermark == stream.MaxWatermark {
			return prefix + "watermark max"
		}
		return fmt.Sprintf("%swatermark %d", prefix, e.Watermark)
	case StatusEvent:
		return prefix + e.Status.String()
	case LatencyEvent:
		return prefix + "latency marker"
	}
	if e.Time == stream.NoTimestamp {
		return prefix + e.text
	}
	return fmt.Sprintf("%s%s@%d", prefix, e.text, e.Time)
}

// AnyOutput is an Output of a record type.
type AnyOutput interface {
	tag() string
	receiver(h *Harness, subtask int) any
}

// Output describes an output of the operator under test.
type Output[T any] struct {
	// Tag is the side output's tag; empty for the main output.
	Tag string
	// Format describes a record for comparison; nil means fmt.Sprint.
	Format func(v T) string
}

func _[T any](v Output[T]) { var _ AnyOutput = v }

func (o Output[T]) tag() string { return o.Tag }

func (o Output[T]) receiver(h *Harness, subtask int) any {
	return &collector[T]{o: o, h: h, subtask: subtask, watermark: h.carry(o.Tag)}
}

// carry is the highest watermark that an output got before a restore: outputs of restored subtasks
// begin there.
func (h *Harness) carry(tag string) int64 {
	w := stream.MinWatermark
	for i := range h.log {
		if e := &h.log[i]; e.Kind == WatermarkEvent && e.Tag == tag {
			w = max(w, e.Watermark)
		}
	}
	return w
}

// collector is a receiver that logs what it gets.
type collector[T any] struct {
	o         Output[T]
	h         *Harness
	subtask   int
	watermark int64
	// sent is the watermark that came last since the subtask was opened.
	sent int64
	any  bool
}

func _[T any](v *collector[T]) { var _ stream.Receiver[T] = v }

func (c *collector[T]) event(kind EventKind) Event {
	return Event{Kind: kind, Tag: c.o.Tag, Subtask: c.subtask, Watermark: c.watermark}
}

// Batch logs records.
func (c *collector[T]) Batch(b *stream.Batch[T]) error {
	if len(b.Times) != 0 && len(b.Times) != len(b.Values) {
		c.h.tb.Errorf("output %q: a batch of %d records has %d timestamps", c.o.Tag,
			len(b.Values), len(b.Times))
	}
	for i, v := range b.Values {
		e := c.event(RecordEvent)
		e.Value, e.Time = v, b.Time(i)
		if c.o.Format != nil {
			e.text = c.o.Format(v)
		} else {
			e.text = fmt.Sprint(v)
		}
		c.h.log = append(c.h.log, e)
	}
	return nil
}

// Watermark logs a watermark.
func (c *collector[T]) Watermark(w int64) error {
	if c.any && w <= c.sent {
		c.h.tb.Errorf("output %q: watermark %d after %d; watermarks must grow", c.o.Tag, w, c.sent)
	}
	c.sent, c.any = w, true
	c.watermark = max(c.watermark, w)
	e := c.event(WatermarkEvent)
	e.Watermark = w
	c.h.log = append(c.h.log, e)
	return nil
}

// Status logs a change of status.
func (c *collector[T]) Status(s stream.Status) error {
	e := c.event(StatusEvent)
	e.Status = s
	c.h.log = append(c.h.log, e)
	return nil
}

// Latency logs a marker.
func (c *collector[T]) Latency(stream.LatencyMarker) error {
	c.h.log = append(c.h.log, c.event(LatencyEvent))
	return nil
}

// Events are all elements that the outputs got, in order per subtask.
func (h *Harness) Events() []Event { return h.log }

// Forget empties the log of events.
func (h *Harness) Forget() { h.log = nil }

// Values are the records that the output with the given tag got, which are of type T.
func Values[T any](h *Harness, tag string) []T {
	var values []T
	for i := range h.log {
		if e := &h.log[i]; e.Kind == RecordEvent && e.Tag == tag {
			values = append(values, e.Value.(T))
		}
	}
	return values
}
