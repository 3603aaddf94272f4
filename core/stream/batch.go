// Package stream holds what flows along the edges of a job: batches of records and, between them,
// watermarks, barriers, status changes, latency markers and the end of the input.
//
// What moves is a Batch: records of one Go type with their timestamps side by side. A batch is
// whatever is there, up to a limit. The order of records against each other and against the other
// elements of a stream is exact.
//
// Ownership. The receiver of a batch in a chain may read it until its Batch method returns and must
// copy what it keeps; it must not change it. The values themselves are immutable once emitted: they
// may be kept without a copy. A batch put into an exchange changes owner; who takes it out calls
// Release.
package stream

import (
	"fmt"
	"math"
)

const (
	// NoTimestamp is the timestamp of a record that has none.
	NoTimestamp int64 = math.MinInt64
	// MaxBatchRecords bounds the records of one batch: what one exchange element or one step can
	// be.
	MaxBatchRecords = 1024
	// MaxBatchBytes bounds the estimated memory of one batch (a batch of one record may be larger).
	MaxBatchBytes = 64 << 10
)

// Batch is a run of records of type T.
type Batch[T any] struct {
	// Values are the records.
	Values []T
	// Times are the records' timestamps in milliseconds since the epoch; empty if no record of
	// the batch has one, else as long as Values (NoTimestamp where one is missing).
	Times []int64
	// Hashes are the hashes of the records' keys (keygroup.Hash), side by side with Values, if the
	// exchange that carried the batch was keyed and did not leave the process; else empty.
	Hashes []uint64

	typ *Type[T]
}

// Len is the number of records.
func (b *Batch[T]) Len() int { return len(b.Values) }

// Time is the timestamp of record i, or NoTimestamp.
func (b *Batch[T]) Time(i int) int64 {
	if len(b.Times) == 0 {
		return NoTimestamp
	}
	return b.Times[i]
}

// Append adds one record with its timestamp (or NoTimestamp).
func (b *Batch[T]) Append(v T, time int64) {
	b.Values = append(b.Values, v)
	if time != NoTimestamp || len(b.Times) > 0 {
		b.appendTime(time)
	}
}

// appendTime adds a timestamp for the last value, filling up for earlier ones that had none.
func (b *Batch[T]) appendTime(time int64) {
	for len(b.Times) < len(b.Values)-1 {
		b.Times = append(b.Times, NoTimestamp)
	}
	b.Times = append(b.Times, time)
}

// AppendRange adds records [from, to) of o with their timestamps.
func (b *Batch[T]) AppendRange(o *Batch[T], from, to int) {
	if len(o.Times) > 0 || len(b.Times) > 0 {
		for i := from; i < to; i++ {
			b.Append(o.Values[i], o.Time(i))
		}
		return
	}
	b.Values = append(b.Values, o.Values[from:to]...)
}

// Slice makes b a view of records [from, to) of o, sharing their memory.
func (b *Batch[T]) Slice(o *Batch[T], from, to int) {
	b.Values = o.Values[from:to]
	b.Times, b.Hashes = nil, nil
	if len(o.Times) > 0 {
		b.Times = o.Times[from:to]
	}
	if len(o.Hashes) > 0 {
		b.Hashes = o.Hashes[from:to]
	}
}

// Reset empties the batch and keeps its memory. Values are cleared, so that what they point to
// can be collected.
func (b *Batch[T]) Reset() {
	if b.typ == nil || b.typ.pointers {
		clear(b.Values)
	}
	b.Values, b.Times, b.Hashes = b.Values[:0], b.Times[:0], b.Hashes[:0]
}

// Release gives a batch that came from Type.NewBatch back for reuse. The caller must not touch it
// afterwards.
func (b *Batch[T]) Release() {
	if b.typ != nil {
		b.Reset()
		b.typ.pool.Put(b)
	}
}

// MemSize estimates the memory that the batch's records hold, in bytes.
func (b *Batch[T]) MemSize() int {
	n := 8 * (len(b.Times) + len(b.Hashes))
	if b.typ != nil {
		return n + b.typ.info.MemSizeAll(b.Values)
	}
	return n
}

// Deliver hands records [from, to) to receiver, which must be a Receiver[T].
func (b *Batch[T]) Deliver(receiver any, from, to int) error {
	r, ok := receiver.(Receiver[T])
	if !ok {
		return fmt.Errorf("batch of %T delivered to a %T", b, receiver)
	}
	if from == 0 && to == len(b.Values) {
		return r.Batch(b)
	}
	var view *Batch[T]
	if b.typ != nil {
		view = b.typ.view()
		defer b.typ.putView(view)
	} else {
		view = new(Batch[T])
	}
	view.Slice(b, from, to)
	return r.Batch(view)
}

// Carrier is a *Batch[T] whose T the holder does not know: what exchanges and mailboxes move.
type Carrier interface {
	// Len is the number of records.
	Len() int
	// MemSize estimates the memory of the records in bytes.
	MemSize() int
	// Deliver hands records [from, to) to receiver, a Receiver of the batch's type.
	Deliver(receiver any, from, to int) error
	// Encode appends records [from, to) with their timestamps; Type.Decode reads them.
	Encode(dst []byte, from, to int) ([]byte, error)
	// Release gives the batch back for reuse; the caller must own it.
	Release()
}

func _[T any](v *Batch[T]) { var _ Carrier = v }

// Receiver takes the elements of one stream of T in order. Its methods are called by one goroutine
// at a time, the task's. An error fails the task.
type Receiver[T any] interface {
	// Batch takes records. The batch belongs to the caller again when Batch returns.
	Batch(b *Batch[T]) error
	Control
}

// Control takes the elements of a stream that are no records.
type Control interface {
	// Watermark says that no record with a timestamp at or before w will follow, late ones apart.
	// Watermarks grow strictly.
	Watermark(w int64) error
	// Status says that the stream becomes idle, so that it holds back no watermark, or active
	// again.
	Status(s Status) error
	// Latency takes a latency marker.
	Latency(m LatencyMarker) error
}
