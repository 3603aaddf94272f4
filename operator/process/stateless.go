// Package process holds the operators that handle one record at a time: map, filter, flat map,
// rolling aggregation, and process functions with state and timers (R38).
package process

import (
	"goflink/core/stream"
	"goflink/operator"
)

// oneInput is what operators with one input and one main output have in common: it hands on what
// is no record.
type oneInput[Out any] struct {
	operator.Forward
	rt  operator.Runtime
	out stream.Receiver[Out]
}

func (o *oneInput[Out]) open(rt operator.Runtime) (err error) {
	o.rt = rt
	o.out, err = operator.OutputOf[Out](rt, "")
	o.Outs = []stream.Control{o.out}
	return err
}

// Finish does nothing: no record is held back.
func (o *oneInput[Out]) Finish() error { return nil }

// Close does nothing.
func (o *oneInput[Out]) Close() error { return nil }

// Map returns the factory of an operator that hands on f of each record. f is pure.
func Map[In, Out any](f func(In) Out) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		return &mapOp[In, Out]{f: f}, nil
	})
}

type mapOp[In, Out any] struct {
	oneInput[Out]
	f func(In) Out
	b stream.Batch[Out]
}

func _[In, Out any](v *mapOp[In, Out]) { var _ operator.Operator = v }

func (m *mapOp[In, Out]) Open(rt operator.Runtime) error { return m.open(rt) }
func (m *mapOp[In, Out]) Input(int) any                  { return m }

// Batch keeps the records' timestamps.
func (m *mapOp[In, Out]) Batch(b *stream.Batch[In]) error {
	values := m.b.Values[:0]
	f := m.f
	for i := range b.Values {
		values = append(values, f(b.Values[i]))
	}
	m.b.Values, m.b.Times = values, b.Times
	err := m.out.Batch(&m.b)
	m.b.Times = nil
	return err
}

// Filter returns the factory of an operator that hands on the records for which f holds. f is pure.
func Filter[T any](f func(T) bool) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		return &filterOp[T]{f: f}, nil
	})
}

type filterOp[T any] struct {
	oneInput[T]
	f func(T) bool
	b stream.Batch[T]
}

func _[T any](v *filterOp[T]) { var _ operator.Operator = v }

func (o *filterOp[T]) Open(rt operator.Runtime) error { return o.open(rt) }
func (o *filterOp[T]) Input(int) any                  { return o }

// Batch hands on the whole batch if it holds for all records, else copies those for which it does.
func (o *filterOp[T]) Batch(b *stream.Batch[T]) error {
	n, f := 0, o.f
	for n < len(b.Values) && f(b.Values[n]) {
		n++
	}
	if n == len(b.Values) {
		return o.out.Batch(b)
	}
	o.b.Values = append(o.b.Values[:0], b.Values[:n]...)
	if len(b.Times) > 0 {
		o.b.Times = append(o.b.Times[:0], b.Times[:n]...)
		o.copyTimed(b, n+1)
	} else {
		o.b.Times = o.b.Times[:0]
		values := o.b.Values
		for i := n + 1; i < len(b.Values); i++ {
			if f(b.Values[i]) {
				values = append(values, b.Values[i])
			}
		}
		o.b.Values = values
	}
	if len(o.b.Values) == 0 {
		return nil
	}
	return o.out.Batch(&o.b)
}

func (o *filterOp[T]) copyTimed(b *stream.Batch[T], from int) {
	for i := from; i < len(b.Values); i++ {
		if o.f(b.Values[i]) {
			o.b.Values = append(o.b.Values, b.Values[i])
			o.b.Times = append(o.b.Times, b.Times[i])
		}
	}
}

// FlatMap returns the factory of an operator that hands on what f emits for each record, with the
// record's timestamp. f is pure.
func FlatMap[In, Out any](f func(v In, out *operator.Emitter[Out])) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		return &flatMapOp[In, Out]{f: f}, nil
	})
}

type flatMapOp[In, Out any] struct {
	oneInput[Out]
	f   func(v In, out *operator.Emitter[Out])
	out *operator.Emitter[Out]
}

func _[In, Out any](v *flatMapOp[In, Out]) { var _ operator.Operator = v }

func (o *flatMapOp[In, Out]) Open(rt operator.Runtime) (err error) {
	if err = o.open(rt); err != nil {
		return err
	}
	o.out, err = operator.NewEmitter[Out](rt, "")
	return err
}

func (o *flatMapOp[In, Out]) Input(int) any { return o }

func (o *flatMapOp[In, Out]) Batch(b *stream.Batch[In]) error {
	for i := range b.Values {
		o.out.SetTime(b.Time(i))
		o.f(b.Values[i], o.out)
	}
	return o.out.Flush()
}
