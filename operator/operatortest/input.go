package operatortest

import (
	"fmt"

	"goflink/core/stream"
)

// Step is one step of a script. Steps may be run by several harnesses, one after the other.
type Step struct {
	name   string
	record bool
	do     func(h *Harness) error
}

// String says what the step does.
func (s Step) String() string { return s.name }

// Input describes an input of the operator under test; its methods make the steps that feed it.
type Input[T any] struct {
	// Index is the number of the operator's input.
	Index int
	// Hash returns the keygroup.Hash of a record's key; each record goes to the subtask that owns
	// its key. Without it records are dealt out in turn.
	Hash func(v T) uint64
	// Hashes hands the hashes on with the batches, as keyed exchanges inside a process do.
	Hashes bool
	// All hands each record to all subtasks, as a broadcast edge does.
	All bool
}

// Record feeds a record with its timestamp (or stream.NoTimestamp).
func (in Input[T]) Record(v T, timestamp int64) Step {
	return Step{name: fmt.Sprintf("record %v@%d", v, timestamp), record: true,
		do: func(h *Harness) error {
			f, err := in.feed(h)
			if err != nil {
				return err
			}
			return f.add(h, v, timestamp)
		}}
}

// Watermark hands a watermark to all subtasks.
func (in Input[T]) Watermark(w int64) Step {
	return in.control(fmt.Sprintf("watermark %d", w), func(c stream.Control) error {
		return c.Watermark(w)
	})
}

// WatermarkTo hands a watermark to one subtask only, as happens between the watermarks of channels
// that do not wait for each other. The subtask is taken modulo their number.
func (in Input[T]) WatermarkTo(subtask int, w int64) Step {
	return Step{name: fmt.Sprintf("watermark %d to subtask %d", w, subtask),
		do: func(h *Harness) error {
			if _, err := in.feed(h); err != nil {
				return err
			}
			return h.subs[subtask%len(h.subs)].control(in.Index).Watermark(w)
		}}
}

// Status hands a status to all subtasks.
func (in Input[T]) Status(s stream.Status) Step {
	return in.control(s.String(), func(c stream.Control) error { return c.Status(s) })
}

// Latency hands a latency marker to all subtasks.
func (in Input[T]) Latency(m stream.LatencyMarker) Step {
	return in.control("latency marker", func(c stream.Control) error { return c.Latency(m) })
}

func (in Input[T]) control(name string, f func(c stream.Control) error) Step {
	return Step{name: name, do: func(h *Harness) error {
		if _, err := in.feed(h); err != nil {
			return err
		}
		for _, s := range h.subs {
			if err := f(s.control(in.Index)); err != nil {
				return err
			}
		}
		return nil
	}}
}

// AdvanceTo moves the clock to now (milliseconds) and runs the timers that become due, each at its
// time.
func AdvanceTo(now int64) Step {
	return Step{name: fmt.Sprintf("advance to %d", now),
		do: func(h *Harness) error { return h.advance(now, false) }}
}

// JumpTo moves the clock to now and then runs the timers that have become due, all of them late.
func JumpTo(now int64) Step {
	return Step{name: fmt.Sprintf("jump to %d", now),
		do: func(h *Harness) error { return h.advance(now, true) }}
}

// End brings all inputs that the script has used to their natural end: the last watermark, then
// EndInput, then Finish.
func End() Step { return Step{name: "end", do: (*Harness).end} }

// Await runs what operators mail until cond holds.
func Await(name string, cond func(h *Harness) bool) Step {
	return Step{name: "await " + name, do: func(h *Harness) error {
		return h.await(func() bool { return cond(h) })
	}}
}

// Check runs f between two steps.
func Check(name string, f func(h *Harness) error) Step { return Step{name: "check " + name, do: f} }

// feeder collects the records of one input.
type feeder interface {
	flush(h *Harness) error
}

// feed collects records of type T into one batch per subtask.
type feed[T any] struct {
	in   Input[T]
	open []*stream.Batch[T]
	next int
}

// feed returns the input's feeder and makes sure that the operator receives T.
func (in Input[T]) feed(h *Harness) (*feed[T], error) {
	if f, ok := h.feeds[in.Index]; ok {
		typed, ok := f.(*feed[T])
		if !ok {
			return nil, fmt.Errorf("input %d was fed with another type than %T before", in.Index,
				*new(T))
		}
		typed.in = in
		return typed, nil
	}
	if _, ok := h.subs[0].op.Input(in.Index).(stream.Receiver[T]); !ok {
		return nil, fmt.Errorf("input %d is a %T, which does not receive %T", in.Index,
			h.subs[0].op.Input(in.Index), *new(T))
	}
	f := &feed[T]{in: in, open: make([]*stream.Batch[T], len(h.subs))}
	for i := range f.open {
		f.open[i] = &stream.Batch[T]{}
	}
	h.feeds[in.Index], h.inputs[in.Index] = f, true
	return f, nil
}

func (f *feed[T]) add(h *Harness, v T, timestamp int64) error {
	if err := h.flushOthers(f.in.Index); err != nil {
		return err
	}
	if f.in.All {
		for i := range f.open {
			if err := f.put(h, i, v, timestamp, 0); err != nil {
				return err
			}
		}
		return nil
	}
	if f.in.Hash != nil {
		hash := f.in.Hash(v)
		return f.put(h, h.owner(hash), v, timestamp, hash)
	}
	f.next = (f.next + 1) % len(f.open)
	return f.put(h, f.next, v, timestamp, 0)
}

func (f *feed[T]) put(h *Harness, subtask int, v T, timestamp int64, hash uint64) error {
	b := f.open[subtask]
	b.Append(v, timestamp)
	if f.in.Hashes && f.in.Hash != nil {
		b.Hashes = append(b.Hashes, hash)
	}
	if b.Len() < stream.MaxBatchRecords {
		return nil
	}
	return f.hand(h, subtask)
}

func (f *feed[T]) flush(h *Harness) error {
	for i := range f.open {
		if err := f.hand(h, i); err != nil {
			return err
		}
	}
	return nil
}

// hand gives an open batch to its subtask and overwrites it afterwards.
func (f *feed[T]) hand(h *Harness, subtask int) error {
	b := f.open[subtask]
	if b.Len() == 0 {
		return nil
	}
	s := h.subs[subtask]
	if err := s.ready(); err != nil {
		return err
	}
	f.open[subtask] = &stream.Batch[T]{}
	err := s.op.Input(f.in.Index).(stream.Receiver[T]).Batch(b)
	clear(b.Values[:cap(b.Values)])
	for i := range b.Times {
		b.Times[i] = poison
	}
	for i := range b.Hashes {
		b.Hashes[i] = poison
	}
	return err
}

// poison overwrites what an operator must not keep.
const poison = 0x5a5a5a5a5a5a5a
