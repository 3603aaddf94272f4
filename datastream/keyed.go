package datastream

import (
	"encoding/json"
	"fmt"
	"reflect"

	"goflink/core/typeinfo"
	"goflink/graph"
	"goflink/operator"
	"goflink/operator/process"
	"goflink/operator/routing"
)

// Keyed is a stream partitioned by a key of type K: all records of a key go to one subtask, and
// functions on it have state per key (R61).
type Keyed[K, T any] struct {
	s        *Stream[T]
	selector func(T) K
	key      *typeinfo.Key[K]
	schema   []byte
}

// KeyBy partitions a stream by the key that selector takes from each record; selector must be pure.
// A key is what its canonical encoding says (core/typeinfo): equality and order go by it.
func KeyBy[T, K any](s *Stream[T], selector func(T) K) *Keyed[K, T] {
	k := &Keyed[K, T]{selector: selector, s: s}
	key, err := typeinfo.KeyOf[K]()
	if err != nil {
		s.env.fail(fmt.Errorf("KeyBy after %q: %w", s.t.Name, err))
		return k
	}
	k.key = key
	if k.schema, err = json.Marshal(key.Snapshot()); err != nil {
		s.env.fail(fmt.Errorf("KeyBy after %q: schema of %s: %w", s.t.Name,
			reflect.TypeFor[K](), err))
		return k
	}
	var router operator.RouterFactory
	if s.typ != nil {
		router = routing.KeyGroup(s.typ, selector, key)
	}
	k.s = s.partition(graph.KeyGroup, router)
	return k
}

// Stream is the keyed stream as a plain one, still partitioned by the key.
func (k *Keyed[K, T]) Stream() *Stream[T] { return k.s }

func (k *Keyed[K, T]) by() process.KeyBy[T, K] {
	return process.KeyBy[T, K]{Selector: k.selector, Key: k.key}
}

// addKeyed adds an operator with keyed state on the stream.
func addKeyed[Out, K, T any](k *Keyed[K, T], name string, f operator.Factory) *Stream[Out] {
	out := addOperator[Out](k.s.env, name, f, k.s.t)
	out.t.KeySchema = k.schema
	return out
}

// Reduce makes a stream that has, for each record, what reduce made of all records of its key so far
// (R38). reduce must be pure.
func (k *Keyed[K, T]) Reduce(reduce func(a, b T) T) *Stream[T] {
	return addKeyed[T](k, "Keyed Reduce", process.Reduce(k.by(), k.info(), reduce))
}

// info is the serializer of the records; nil if the program has a mistake there.
func (k *Keyed[K, T]) info() *typeinfo.Type[T] {
	if k.s.typ == nil {
		return nil
	}
	return k.s.typ.Info()
}

// rolling adds a rolling aggregation of a field.
func (k *Keyed[K, T]) rolling(name, field string, make func(by process.KeyBy[T, K],
	info *typeinfo.Type[T], field string) (operator.Factory, error)) *Stream[T] {
	var f operator.Factory
	if info := k.info(); info != nil && k.key != nil {
		var err error
		if f, err = make(k.by(), info, field); err != nil {
			k.s.env.fail(fmt.Errorf("%s(%q): %w", name, field, err))
		}
	}
	return addKeyed[T](k, "Keyed Aggregation", f)
}

// Sum makes a stream that has, for each record, the first record of its key with the sum of a field
// over all records so far. The field is named as in Go or by its tag; "" is the record itself.
func (k *Keyed[K, T]) Sum(field string) *Stream[T] { return k.rolling("Sum", field, process.Sum) }

// Min is like Sum with the smallest value of the field.
func (k *Keyed[K, T]) Min(field string) *Stream[T] { return k.rolling("Min", field, process.Min) }

// Max is like Sum with the largest value of the field.
func (k *Keyed[K, T]) Max(field string) *Stream[T] { return k.rolling("Max", field, process.Max) }
