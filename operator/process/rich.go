package process

import (
	"goflink/core/stream"
	"goflink/operator"
)

// MapFunction is a map with state or resources of its own (R38). On a keyed stream its state is
// that of the record's key.
type MapFunction[In, Out any] interface {
	// Map returns what v becomes; it gets v's timestamp.
	Map(v In) (Out, error)
}

// FlatMapFunction is a flat map with state or resources of its own.
type FlatMapFunction[In, Out any] interface {
	// FlatMap emits any number of records, which get v's timestamp.
	FlatMap(v In, out *operator.Emitter[Out]) error
}

// FilterFunction is a filter with state or resources of its own.
type FilterFunction[T any] interface {
	// Filter reports whether v stays.
	Filter(v T) (bool, error)
}

// richOp is what the operators of one function and one input have in common.
type richOp[In, Out any] struct {
	operator.Forward
	Lifecycle
	keying Keying[In]
	keys   keyContext[In]
	out    *operator.Emitter[Out]
}

func newRich[In, Out any](user any, keying Keying[In]) (richOp[In, Out], error) {
	f, err := NewLifecycle(user)
	if err == nil && keying != nil {
		err = keying.check()
	}
	return richOp[In, Out]{Lifecycle: f, keying: keying}, err
}

// Open opens the output, the keyed state and the function.
func (o *richOp[In, Out]) Open(rt operator.Runtime) (err error) {
	if o.out, err = operator.NewEmitter[Out](rt, ""); err != nil {
		return err
	}
	o.Outs = append(o.Outs, o.out.Out())
	if err := o.keys.open(rt, o.keying); err != nil {
		return err
	}
	return o.OpenFunction(rt, &o.Forward)
}

// RichMap returns the factory of an operator that hands on what a function makes of each record.
// create makes the function, once per subtask and attempt. keying is nil if the stream is not
// keyed.
func RichMap[In, Out any](keying Keying[In], create func() MapFunction[In, Out]) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		f := create()
		rich, err := newRich[In, Out](f, keying)
		return &richMapOp[In, Out]{richOp: rich, f: f}, err
	})
}

type richMapOp[In, Out any] struct {
	richOp[In, Out]
	f MapFunction[In, Out]
	b stream.Batch[Out]
}

func _[In, Out any](v *richMapOp[In, Out]) { var _ inOperator[In] = v }

func (o *richMapOp[In, Out]) Input(int) any { return o }

// Batch keeps the records' timestamps.
func (o *richMapOp[In, Out]) Batch(b *stream.Batch[In]) error {
	values := o.b.Values[:0]
	o.keys.begin(b)
	for i := range b.Values {
		o.keys.set(i)
		v, err := o.f.Map(b.Values[i])
		if err != nil {
			return o.Failed(err)
		}
		values = append(values, v)
	}
	o.keys.end()
	o.b.Values, o.b.Times = values, b.Times
	err := o.out.Out().Batch(&o.b)
	o.b.Times = nil
	return err
}

// RichFlatMap returns the factory of an operator that hands on what a function emits for each
// record; see RichMap.
func RichFlatMap[In, Out any](keying Keying[In], create func() FlatMapFunction[In, Out],
) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		f := create()
		rich, err := newRich[In, Out](f, keying)
		return &richFlatMapOp[In, Out]{richOp: rich, f: f}, err
	})
}

type richFlatMapOp[In, Out any] struct {
	richOp[In, Out]
	f FlatMapFunction[In, Out]
}

func _[In, Out any](v *richFlatMapOp[In, Out]) { var _ inOperator[In] = v }

func (o *richFlatMapOp[In, Out]) Input(int) any { return o }

func (o *richFlatMapOp[In, Out]) Batch(b *stream.Batch[In]) error {
	o.keys.begin(b)
	for i := range b.Values {
		o.keys.set(i)
		o.out.SetTime(b.Time(i))
		if err := o.f.FlatMap(b.Values[i], o.out); err != nil {
			return o.Failed(err)
		}
	}
	o.keys.end()
	return o.out.Flush()
}

// RichFilter returns the factory of an operator that hands on the records that a function keeps;
// see RichMap.
func RichFilter[T any](keying Keying[T], create func() FilterFunction[T]) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		f := create()
		rich, err := newRich[T, T](f, keying)
		return &richFilterOp[T]{richOp: rich, f: f}, err
	})
}

type richFilterOp[T any] struct {
	richOp[T, T]
	f FilterFunction[T]
}

func _[T any](v *richFilterOp[T]) { var _ inOperator[T] = v }

func (o *richFilterOp[T]) Input(int) any { return o }

func (o *richFilterOp[T]) Batch(b *stream.Batch[T]) error {
	o.keys.begin(b)
	for i := range b.Values {
		o.keys.set(i)
		keep, err := o.f.Filter(b.Values[i])
		if err != nil {
			return o.Failed(err)
		}
		if keep {
			o.out.EmitAt(b.Values[i], b.Time(i))
		}
	}
	o.keys.end()
	return o.out.Flush()
}
