package operator

import (
	"fmt"

	"goflink/core/stream"
)

// OutputOf returns an output of rt as receiver of T.
func OutputOf[T any](rt Runtime, tag string) (stream.Receiver[T], error) {
	out := rt.Output(tag)
	if out == nil {
		return Discard[T]{}, nil
	}
	r, ok := out.(stream.Receiver[T])
	if !ok {
		return nil, fmt.Errorf("operator %s: output %q is a %T, which does not receive %T",
			rt.Info().OperatorName, tag, out, *new(T))
	}
	return r, nil
}

// Discard receives and forgets.
type Discard[T any] struct{}

// Batch does nothing.
func (Discard[T]) Batch(*stream.Batch[T]) error { return nil }

// Watermark does nothing.
func (Discard[T]) Watermark(int64) error { return nil }

// Status does nothing.
func (Discard[T]) Status(stream.Status) error { return nil }

// Latency does nothing.
func (Discard[T]) Latency(stream.LatencyMarker) error { return nil }

// Forward hands on what is no record to an operator's outputs; operators with one input embed it.
type Forward struct{ Outs []stream.Control }

// Watermark hands w on.
func (f *Forward) Watermark(w int64) error {
	for _, o := range f.Outs {
		if err := o.Watermark(w); err != nil {
			return err
		}
	}
	return nil
}

// Status hands s on.
func (f *Forward) Status(s stream.Status) error {
	for _, o := range f.Outs {
		if err := o.Status(s); err != nil {
			return err
		}
	}
	return nil
}

// Latency hands m on.
func (f *Forward) Latency(m stream.LatencyMarker) error {
	for _, o := range f.Outs {
		if err := o.Latency(m); err != nil {
			return err
		}
	}
	return nil
}
