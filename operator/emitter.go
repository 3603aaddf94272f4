package operator

import "goflink/core/stream"

// Emitter collects what an operator emits into batches and hands them on. Emit cannot fail; Flush
// returns the first error of the receiver, after which further records are dropped.
type Emitter[T any] struct {
	out  stream.Receiver[T]
	b    stream.Batch[T]
	time int64
	err  error
}

// NewEmitter returns an emitter into the output of rt with the given tag ("" is the main one).
func NewEmitter[T any](rt Runtime, tag string) (*Emitter[T], error) {
	out, err := OutputOf[T](rt, tag)
	return &Emitter[T]{out: out, time: stream.NoTimestamp}, err
}

// SetTime sets the timestamp of the records that Emit emits.
func (e *Emitter[T]) SetTime(time int64) { e.time = time }

// Emit emits v with the time of SetTime.
func (e *Emitter[T]) Emit(v T) { e.EmitAt(v, e.time) }

// EmitAt emits v with a timestamp.
func (e *Emitter[T]) EmitAt(v T, time int64) {
	e.b.Append(v, time)
	if len(e.b.Values) >= stream.MaxBatchRecords {
		e.flush()
	}
}

func (e *Emitter[T]) flush() {
	if len(e.b.Values) > 0 {
		if e.err == nil {
			e.err = e.out.Batch(&e.b)
		}
		e.b.Reset()
	}
}

// Flush hands on what was emitted. Operators call it before each return to their caller.
func (e *Emitter[T]) Flush() error {
	e.flush()
	return e.err
}

// Out is the receiver behind the emitter; Flush before using it.
func (e *Emitter[T]) Out() stream.Receiver[T] { return e.out }
