// Package routing distributes records over the channels of an exchange (R25–R32). It is the
// place where the engine, which does not know record types, meets them: Type makes the typed parts
// that the runtime needs for an output.
package routing

import (
	"bytes"
	"fmt"

	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/operator"
)

// Type is the operator.OutputType of records of type T.
type Type[T any] struct{ *stream.Type[T] }

func _[T any](v *Type[T]) { var _ operator.OutputType = v }

// NewType returns the output type of records that info describes.
func NewType[T any](info *typeinfo.Type[T]) *Type[T] {
	return &Type[T]{Type: stream.NewType(info)}
}

// Routers are the routers for every type.
func (t *Type[T]) Routers() operator.Routers {
	return operator.Routers{Single: Single(t), RoundRobin: RoundRobin(t), Shuffle: Shuffle(t),
		Broadcast: Broadcast(t)}
}

// FanOut returns a receiver that hands each element to all receivers, in their order.
func (t *Type[T]) FanOut(receivers []any) (any, error) {
	f := &fanOut[T]{t: t}
	for _, r := range receivers {
		typed, ok := r.(stream.Receiver[T])
		if !ok {
			return nil, fmt.Errorf("a %T does not receive %s", r, t.Name())
		}
		f.outs = append(f.outs, typed)
		f.Outs = append(f.Outs, typed)
	}
	return f, nil
}

type fanOut[T any] struct {
	operator.Forward
	t    *Type[T]
	outs []stream.Receiver[T]
}

// Batch hands b to all receivers; with values that others could change, all but the last get
// copies.
func (f *fanOut[T]) Batch(b *stream.Batch[T]) error {
	last := len(f.outs) - 1
	for _, out := range f.outs[:last] {
		if err := f.handCopy(out, b); err != nil {
			return err
		}
	}
	return f.outs[last].Batch(b)
}

func (f *fanOut[T]) handCopy(out stream.Receiver[T], b *stream.Batch[T]) error {
	info := f.t.Info()
	if !info.Mutable() {
		return out.Batch(b)
	}
	c := f.t.NewBatch()
	defer c.Release()
	for i := range b.Values {
		c.Append(info.Clone(b.Values[i]), b.Time(i))
	}
	return out.Batch(c)
}

// checkedValues bounds how many values a Checked receiver remembers.
const checkedValues = 256

// Checked returns a receiver that hands on to next and finds values that are changed afterwards.
func (t *Type[T]) Checked(owner string, next any) (any, error) {
	typed, ok := next.(stream.Receiver[T])
	if !ok {
		return nil, fmt.Errorf("a %T does not receive %s", next, t.Name())
	}
	if !t.Info().Mutable() {
		return next, nil
	}
	return &checked[T]{t: t, owner: owner, next: typed}, nil
}

// checked remembers the encoding of the values that it handed on and compares it later.
type checked[T any] struct {
	t       *Type[T]
	owner   string
	next    stream.Receiver[T]
	values  []T
	encoded [][]byte
	scratch []byte
}

func (c *checked[T]) Batch(b *stream.Batch[T]) error {
	if err := c.verify("after it had been handed on"); err != nil {
		return err
	}
	n := min(len(b.Values), checkedValues)
	c.values = append(c.values[:0], b.Values[:n]...)
	for i := range c.values {
		if i == len(c.encoded) {
			c.encoded = append(c.encoded, nil)
		}
		enc, err := c.t.Info().Append(c.encoded[i][:0], &c.values[i])
		if err != nil {
			return err
		}
		c.encoded[i] = enc
	}
	if err := c.next.Batch(b); err != nil {
		return err
	}
	return c.verify("by an operator chained behind it")
}

func (c *checked[T]) verify(how string) error {
	for i := range c.values {
		enc, err := c.t.Info().Append(c.scratch[:0], &c.values[i])
		if err != nil {
			return err
		}
		if c.scratch = enc; !bytes.Equal(enc, c.encoded[i]) {
			return fmt.Errorf("operator %q: a %s that it emitted was changed %s; records are "+
				"immutable once emitted: emit a copy (pipeline.check-mutation found this)",
				c.owner, c.t.Name(), how)
		}
	}
	return nil
}

func (c *checked[T]) Watermark(w int64) error {
	if err := c.verify("after it had been handed on"); err != nil {
		return err
	}
	return c.next.Watermark(w)
}

func (c *checked[T]) Status(s stream.Status) error         { return c.next.Status(s) }
func (c *checked[T]) Latency(m stream.LatencyMarker) error { return c.next.Latency(m) }
