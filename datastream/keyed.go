package datastream

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"goflink/core/typeinfo"
	"goflink/graph"
	"goflink/operator"
	"goflink/operator/process"
	"goflink/operator/routing"
)

// Keyed is a stream partitioned by a key of type K: all records of a key go to one subtask, and
// functions on it have state per key (R61).
type Keyed[K, T any] struct {
	// in is the stream before, s the stream after it was partitioned.
	in, s    *Stream[T]
	selector func(T) K
	// key and schema are nil if the program has a mistake there.
	key    *typeinfo.Key[K]
	schema []byte
}

// KeyBy partitions a stream by the key that selector takes from each record; selector must be pure.
// A key is what its canonical encoding says (core/typeinfo): equality and order go by it.
func KeyBy[T, K any](s DataStream[T], selector func(T) K) *Keyed[K, T] {
	in := s.stream()
	key, err := typeinfo.KeyOf[K]()
	return keyed(in, selector, key, err, "KeyBy")
}

// KeyByField partitions a stream by fields of its records: of a struct by their names (as in Go, by
// their tags, or with a lower first letter; with dots into inner structs), of a tuple also by their
// positions ("0"). The current key of functions is a record of which only these fields have a
// meaning; streams that are to be connected must be keyed by KeyBy.
func KeyByField[T any](s DataStream[T], names ...string) *Keyed[T, T] {
	in := s.stream()
	self := func(v T) T { return v }
	if in.typ == nil {
		return keyed(in, self, nil, nil, "")
	}
	if len(names) == 0 {
		return keyed(in, self, nil, errors.New("no field is named"), "KeyByField")
	}
	fields := make([]string, len(names))
	for i, n := range names {
		fields[i] = fieldName(reflect.TypeFor[T](), n)
	}
	key, err := in.typ.Info().FieldKey(fields...)
	return keyed(in, self, key, err, fmt.Sprintf("KeyByField(%q)", names))
}

// fieldName translates the position of a tuple's field into its name.
func fieldName(t reflect.Type, name string) string {
	if _, err := strconv.ParseUint(name, 10, 8); err != nil || t.Kind() != reflect.Struct {
		return name
	}
	if s, ok := reflect.Zero(t).Interface().(typeinfo.Shaped); ok && s.TypeShape() == "tuple" {
		return "f" + name
	}
	return name
}

// keyed partitions a stream by a key; err says what is wrong with it, and call where.
func keyed[T, K any](in *Stream[T], selector func(T) K, key *typeinfo.Key[K], err error,
	call string) *Keyed[K, T] {
	k := &Keyed[K, T]{in: in, selector: selector}
	if err == nil && selector == nil {
		err = errors.New("there is no key selector")
	}
	if err == nil && key != nil {
		k.schema, err = schemaOf(key)
	}
	var router operator.RouterFactory
	switch {
	case err != nil:
		in.env.fail(fmt.Errorf("%s after operator %q: %w", call, in.t.Name, err))
	case key != nil:
		k.key = key
		if in.typ != nil {
			router = routing.KeyGroup(in.typ, selector, key)
		}
	}
	k.s = in.partition(graph.KeyGroup, router)
	return k
}

// schemaOf describes a key type, as it is kept with keyed state.
func schemaOf[K any](key *typeinfo.Key[K]) ([]byte, error) { return json.Marshal(key.Snapshot()) }

// Stream is the keyed stream as a plain one, still partitioned by the key.
func (k *Keyed[K, T]) Stream() *Stream[T] { return k.s }

func (k *Keyed[K, T]) stream() *Stream[T] { return k.s }

func (k *Keyed[K, T]) keyedBy() (process.Keying[T], []byte) { return k.by(), k.schema }

func (k *Keyed[K, T]) by() process.KeyBy[T, K] {
	return process.KeyBy[T, K]{Selector: k.selector, Key: k.key}
}

// usable reports whether operators can be made on the stream: the program has no mistake so far.
func (k *Keyed[K, T]) usable() bool { return k.key != nil && k.s.typ != nil }

// addKeyed adds an operator with keyed state on the stream.
func addKeyed[Out, K, T any](k *Keyed[K, T], name string, f operator.Factory) *Stream[Out] {
	return from[Out](k, name, f)
}

// Reduce makes a stream that has, for each record, what reduce made of all records of its key so
// far (R38). reduce must be pure.
func (k *Keyed[K, T]) Reduce(reduce func(a, b T) T) *Stream[T] {
	return addKeyed[T](k, "Keyed Reduce", process.Reduce(k.by(), k.s.info(), reduce))
}

// RichReduce is Reduce with a function that create makes, once per subtask and attempt.
func RichReduce[K, T any, F ReduceFunction[T]](k *Keyed[K, T], create func() F) *Stream[T] {
	f := func() ReduceFunction[T] { return create() }
	return addKeyed[T](k, "Keyed Reduce", process.RichReduce(k.by(), k.s.info(), f))
}

// RollingAggregate makes a stream that has, for each record, the result of f over all records of
// its key so far.
func RollingAggregate[K, T, Acc, Out any](k *Keyed[K, T], f AggregateFunction[T, Acc, Out],
) *Stream[Out] {
	const name = "Keyed Aggregation"
	acc := accumulatorOf[Acc](k.s.env, name)
	return addKeyed[Out](k, name, process.Aggregate(k.by(), acc, f))
}

// accumulatorOf is the serializer of the accumulators of an operator; nil if there is a mistake.
func accumulatorOf[Acc any](e *Environment, name string) *typeinfo.Type[Acc] {
	t := typeOf[Acc](e)
	if e.badType != nil {
		e.failAt(name, fmt.Errorf("accumulator: %w", e.badType))
		e.badType = nil
	}
	if t == nil {
		return nil
	}
	return t.Info()
}

// rolling adds a rolling aggregation of a field.
func (k *Keyed[K, T]) rolling(name, field string, make func(by process.KeyBy[T, K],
	info *typeinfo.Type[T], field string) (operator.Factory, error)) *Stream[T] {
	var f operator.Factory
	if k.usable() {
		var err error
		f, err = make(k.by(), k.s.info(), field)
		k.s.env.failAt(name, err)
	}
	return addKeyed[T](k, name, f)
}

// Sum makes a stream that has, for each record, the first record of its key with the sum of a field
// over all records so far. The field is named as in Go or by its tag, a tuple's also by its
// position; "" is the record itself.
func (k *Keyed[K, T]) Sum(field string) *Stream[T] {
	return k.rolling("Keyed Sum", field, process.Sum)
}

// Min is like Sum with the smallest value of the field.
func (k *Keyed[K, T]) Min(field string) *Stream[T] {
	return k.rolling("Keyed Min", field, process.Min)
}

// Max is like Sum with the largest value of the field.
func (k *Keyed[K, T]) Max(field string) *Stream[T] {
	return k.rolling("Keyed Max", field, process.Max)
}

// MinBy makes a stream that has, for each record, that of the records of its key so far whose field
// is smallest; ties says which one of several.
func (k *Keyed[K, T]) MinBy(field string, ties Ties) *Stream[T] {
	return k.rolling("Keyed MinBy", field, func(by process.KeyBy[T, K], info *typeinfo.Type[T],
		field string) (operator.Factory, error) {
		return process.MinBy(by, info, field, ties)
	})
}

// MaxBy is MinBy with the largest value.
func (k *Keyed[K, T]) MaxBy(field string, ties Ties) *Stream[T] {
	return k.rolling("Keyed MaxBy", field, func(by process.KeyBy[T, K], info *typeinfo.Type[T],
		field string) (operator.Factory, error) {
		return process.MaxBy(by, info, field, ties)
	})
}

// Ties says which of several records with an equal extreme MinBy and MaxBy keep.
type Ties = process.Ties

const (
	// KeepFirst keeps the record that came first.
	KeepFirst = process.KeepFirst
	// KeepLast keeps the record that came last.
	KeepLast = process.KeepLast
)
