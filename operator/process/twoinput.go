package process

import (
	"goflink/core/stream"
	"goflink/operator"
)

// TwoInputs is what operators with two inputs have in common, for operators to build on: it joins
// the watermarks and statuses of both inputs and hands on what is no record. Its Outs are set by
// who embeds it.
type TwoInputs struct {
	operator.Forward
	valve  *operator.Valve
	before func(watermark int64) error
}

// Join prepares t. before is called with each watermark of both inputs together, before it is
// handed on: it fires timers and flushes outputs.
func (t *TwoInputs) Join(before func(watermark int64) error) {
	t.valve, t.before = operator.NewValve(2), before
}

// Port is one of two inputs: a receiver of T that hands batches to Take.
type Port[T any] struct {
	Inputs *TwoInputs
	Index  int
	Take   func(b *stream.Batch[T]) error
}

func _[T any](v *Port[T]) { var _ stream.Receiver[T] = v }

// Batch hands b to Take.
func (p *Port[T]) Batch(b *stream.Batch[T]) error { return p.Take(b) }

// Watermark takes a watermark of this input.
func (p *Port[T]) Watermark(w int64) error {
	joint, grown := p.Inputs.valve.Watermark(p.Index, w)
	if !grown {
		return nil
	}
	return p.Inputs.pass(joint)
}

// Status takes the status of this input.
func (p *Port[T]) Status(s stream.Status) error {
	status, changed, joint, grown := p.Inputs.valve.Status(p.Index, s)
	if grown {
		if err := p.Inputs.pass(joint); err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	return p.Inputs.Forward.Status(status)
}

// Latency hands m on.
func (p *Port[T]) Latency(m stream.LatencyMarker) error { return p.Inputs.Forward.Latency(m) }

func (t *TwoInputs) pass(w int64) error {
	if err := t.before(w); err != nil {
		return err
	}
	return t.Forward.Watermark(w)
}
