package process

import (
	"fmt"
	"reflect"
	"slices"

	"goflink/core/failure"
	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/operator"
)

// rollingState is the name of the state that a rolling aggregation keeps.
const rollingState = "rolling"

// Reduce returns the factory of the rolling reduction of a keyed stream (R38): for each record it
// emits, with the record's timestamp, what reduce made of all records of the key so far. reduce is
// pure. info describes records; nil means typeinfo.Of.
func Reduce[T, K any](by KeyBy[T, K], info *typeinfo.Type[T], reduce func(a, b T) T,
) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		if reduce == nil {
			return nil, failure.New(failure.FailJob, failure.User, "reduce has no function")
		}
		o := &rollingOp[T, K, T, T]{by: by}
		o.spec = statetable.NewSpec(rollingState, state.KindReducing, info)
		o.update = func(i int, p *T, found bool) error {
			if found {
				*p = reduce(*p, o.values[i])
			} else {
				*p = o.values[i]
			}
			o.b.Values[i] = *p
			return nil
		}
		return o, by.check()
	})
}

// ReduceFunction merges records; it is a reduce function with state or resources of its own.
type ReduceFunction[T any] interface {
	// Reduce returns what a, the value so far, and the record b become.
	Reduce(a, b T) (T, error)
}

// RichReduce is Reduce with a function that create makes, once per subtask and attempt. The
// function must not use keyed state.
func RichReduce[T, K any](by KeyBy[T, K], info *typeinfo.Type[T],
	create func() ReduceFunction[T],
) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		f := create()
		base, err := NewLifecycle(f)
		if err == nil {
			err = by.check()
		}
		o := &rollingOp[T, K, T, T]{Lifecycle: base, by: by}
		o.spec = statetable.NewSpec(rollingState, state.KindReducing, info)
		o.update = func(i int, p *T, found bool) error {
			v := o.values[i]
			if found {
				var err error
				if v, err = f.Reduce(*p, v); err != nil {
					return o.Failed(err)
				}
			}
			*p, o.b.Values[i] = v, v
			return nil
		}
		return o, err
	})
}

// Aggregate returns the factory of a rolling aggregation: for each record it emits the result of
// the key's accumulator. A result must not share memory with the accumulator that Add changes. acc
// describes accumulators; nil means typeinfo.Of.
func Aggregate[In, K, Acc, Out any](by KeyBy[In, K], acc *typeinfo.Type[Acc],
	f state.AggregateFunction[In, Acc, Out],
) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		if f == nil {
			return nil, failure.New(failure.FailJob, failure.User, "aggregate has no function")
		}
		o := &rollingOp[In, K, Acc, Out]{by: by, modify: true}
		o.spec = statetable.NewSpec(rollingState, state.KindAggregating, acc)
		o.update = func(i int, p *Acc, found bool) error {
			if !found {
				*p = f.Create()
			}
			*p = f.Add(o.values[i], *p)
			o.b.Values[i] = f.Result(*p)
			return nil
		}
		return o, by.check()
	})
}

// rollingOp keeps one value of type S per key, updates it by each record and emits what it then is.
// A batch costs one call of the state table, a record one probe.
type rollingOp[In, K, S, Out any] struct {
	operator.Forward
	Lifecycle
	by     KeyBy[In, K]
	spec   statebackend.TableSpec
	update func(i int, p *S, found bool) error
	// modify says that update changes what values refer to.
	modify bool

	reader *operator.KeyReader[In, K]
	keyed  statebackend.Keyed
	space  statebackend.Space[S]
	out    stream.Receiver[Out]
	// values is the batch at hand, b what comes of it.
	values []In
	b      stream.Batch[Out]
}

func _[In, K, S, Out any](v *rollingOp[In, K, S, Out]) { var _ inOperator[In] = v }

// Open opens the state.
func (o *rollingOp[In, K, S, Out]) Open(rt operator.Runtime) (err error) {
	if o.out, err = operator.OutputOf[Out](rt, ""); err != nil {
		return err
	}
	o.Outs = append(o.Outs, o.out)
	o.reader = operator.NewKeyReader(o.by.Selector, o.by.Key)
	if o.keyed, err = rt.Keyed(); err != nil {
		return err
	}
	opened, err := o.keyed.Open(o.spec)
	if err != nil {
		return err
	}
	table, ok := opened.(statebackend.Table[S])
	if !ok {
		return fmt.Errorf("state %q is a %T, not a table of %v", o.spec.Name, opened,
			reflect.TypeFor[S]())
	}
	if o.space, err = table.Space(nil); err != nil {
		return err
	}
	if o.user == nil {
		return nil
	}
	return o.OpenFunction(rt, &o.Forward)
}

func (o *rollingOp[In, K, S, Out]) Input(int) any { return o }

// Batch emits one record for each.
func (o *rollingOp[In, K, S, Out]) Batch(b *stream.Batch[In]) error {
	n := len(b.Values)
	hashes, keys := o.reader.Read(b)
	o.values = b.Values
	o.b.Values = slices.Grow(o.b.Values[:0], n)[:n]
	var err error
	if o.modify {
		err = o.space.ModifyAll(hashes, keys, o.update)
	} else {
		err = o.space.UpsertAll(hashes, keys, o.update)
	}
	o.values = nil
	if err != nil {
		return err
	}
	o.b.Times = b.Times
	err = o.out.Batch(&o.b)
	o.b.Times = nil
	return err
}

// Close closes the user's function, if there is one, and drops what the output refers to.
func (o *rollingOp[In, K, S, Out]) Close() error {
	o.b.Reset()
	if o.user == nil {
		return nil
	}
	return o.Lifecycle.Close()
}
