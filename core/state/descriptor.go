package state

import (
	"errors"
	"fmt"

	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/core/typeinfo"
)

// The kinds of keyed state, as they are written in snapshots: a state is restored as the kind it
// was.
const (
	KindValue       = "value"
	KindList        = "list"
	KindReducing    = "reducing"
	KindAggregating = "aggregating"
	KindMap         = "map"
)

// ValueDescriptor names and types a Value. Descriptors are immutable; their methods return copies.
type ValueDescriptor[V any] struct{ core[V] }

// ListDescriptor names and types a List.
type ListDescriptor[V any] struct{ core[V] }

// ReducingDescriptor names and types a Reducing.
type ReducingDescriptor[V any] struct {
	core[V]
	reduce func(a, b V) V
}

// AggregatingDescriptor names and types an Aggregating with accumulators of type Acc.
type AggregatingDescriptor[In, Acc, Out any] struct {
	core[Acc]
	aggregate AggregateFunction[In, Acc, Out]
}

// MapDescriptor names and types a Map. K is what typeinfo.KeyOf takes.
type MapDescriptor[K, V any] struct{ core[V] }

// core is what all descriptors have.
type core[V any] struct {
	name string
	typ  *typeinfo.Type[V]
	ttl  TTL
}

// ValueOf describes a Value. The name must be unique in its operator.
func ValueOf[V any](name string) ValueDescriptor[V] {
	return ValueDescriptor[V]{core[V]{name: name}}
}

// ListOf describes a List.
func ListOf[V any](name string) ListDescriptor[V] { return ListDescriptor[V]{core[V]{name: name}} }

// ReducingOf describes a Reducing whose values are merged by reduce, which must be pure.
func ReducingOf[V any](name string, reduce func(a, b V) V) ReducingDescriptor[V] {
	return ReducingDescriptor[V]{core[V]{name: name}, reduce}
}

// AggregatingOf describes an Aggregating.
func AggregatingOf[In, Acc, Out any](name string, f AggregateFunction[In, Acc, Out],
) AggregatingDescriptor[In, Acc, Out] {
	return AggregatingDescriptor[In, Acc, Out]{core[Acc]{name: name}, f}
}

// MapOf describes a Map.
func MapOf[K, V any](name string) MapDescriptor[K, V] {
	return MapDescriptor[K, V]{core[V]{name: name}}
}

// Name is the state's name.
func (c core[V]) Name() string { return c.name }

// WithType uses t for values instead of typeinfo.Of.
func (d ValueDescriptor[V]) WithType(t *typeinfo.Type[V]) ValueDescriptor[V] {
	d.typ = t
	return d
}

// WithTTL gives the state a time to live.
func (d ValueDescriptor[V]) WithTTL(ttl TTL) ValueDescriptor[V] {
	d.ttl = ttl
	return d
}

// WithTTL gives each element of the list a time to live.
func (d ListDescriptor[V]) WithTTL(ttl TTL) ListDescriptor[V] {
	d.ttl = ttl
	return d
}

// WithType uses t for values instead of typeinfo.Of.
func (d ReducingDescriptor[V]) WithType(t *typeinfo.Type[V]) ReducingDescriptor[V] {
	d.typ = t
	return d
}

// WithTTL gives the state a time to live.
func (d ReducingDescriptor[V]) WithTTL(ttl TTL) ReducingDescriptor[V] {
	d.ttl = ttl
	return d
}

// WithType uses t for accumulators instead of typeinfo.Of.
func (d AggregatingDescriptor[In, Acc, Out]) WithType(t *typeinfo.Type[Acc],
) AggregatingDescriptor[In, Acc, Out] {
	d.typ = t
	return d
}

// WithTTL gives the state a time to live.
func (d AggregatingDescriptor[In, Acc, Out]) WithTTL(ttl TTL) AggregatingDescriptor[In, Acc, Out] {
	d.ttl = ttl
	return d
}

// WithType uses t for values instead of typeinfo.Of.
func (d MapDescriptor[K, V]) WithType(t *typeinfo.Type[V]) MapDescriptor[K, V] {
	d.typ = t
	return d
}

// WithTTL gives each entry of the map a time to live.
func (d MapDescriptor[K, V]) WithTTL(ttl TTL) MapDescriptor[K, V] {
	d.ttl = ttl
	return d
}

// Spec describes the table of the state for operators that work on it directly, as a
// statebackend.Table[V]. It does not know a time to live.
func (d ValueDescriptor[V]) Spec() statebackend.TableSpec {
	return statetable.NewSpec(d.name, KindValue, d.typ)
}

// Spec describes the table of the state, a statebackend.Table[[]V]: lists may be extended by append
// through the pointer that Upsert returns, but not otherwise changed in place.
func (d ListDescriptor[V]) Spec() statebackend.TableSpec {
	t, err := typeinfo.Of[[]V]()
	if err != nil {
		return failed(d.name, KindList, err)
	}
	return statetable.NewCodecSpec(d.name, KindList, t.Snapshot(), listCodec[V]{t})
}

// Spec describes the table of the state, a statebackend.Table[V].
func (d ReducingDescriptor[V]) Spec() statebackend.TableSpec {
	return statetable.NewSpec(d.name, KindReducing, d.typ)
}

// Spec describes the table of the state, a statebackend.Table[Acc].
func (d AggregatingDescriptor[In, Acc, Out]) Spec() statebackend.TableSpec {
	return statetable.NewSpec(d.name, KindAggregating, d.typ)
}

// Spec describes the table of the state, a statebackend.MapTable[V]; map keys are the canonical
// bytes of a typeinfo.Key[K].
func (d MapDescriptor[K, V]) Spec() statebackend.TableSpec {
	return d.mapSpec(func(t *typeinfo.Type[V], keys typeinfo.Snapshot) statebackend.TableSpec {
		return statetable.NewMapSpec(d.name, KindMap, keys, t.Snapshot(), statetable.CodecOf(t))
	})
}

// mapSpec calls f with the types of a map, or returns a spec that carries the error.
func (d MapDescriptor[K, V]) mapSpec(
	f func(t *typeinfo.Type[V], keys typeinfo.Snapshot) statebackend.TableSpec,
) statebackend.TableSpec {
	key, err := typeinfo.KeyOf[K]()
	if err != nil {
		return failed(d.name, KindMap, err)
	}
	t, err := d.valueType()
	if err != nil {
		return failed(d.name, KindMap, err)
	}
	return f(t, key.Snapshot())
}

// valueType is the type of values: the given one, or that of V.
func (c core[V]) valueType() (*typeinfo.Type[V], error) {
	if c.typ != nil {
		return c.typ, nil
	}
	return typeinfo.Of[V]()
}

// failed is a spec that says why it is none when it is opened.
func failed(name, kind string, err error) statebackend.TableSpec {
	return statebackend.TableSpec{Name: name, Kind: kind, HeapTable: fmt.Errorf("state %q: %w",
		name, err)}
}

// stampedSpec is the spec of values with a time to live.
func (c core[V]) stampedSpec(kind string) statebackend.TableSpec {
	t, err := c.valueType()
	if err != nil {
		return failed(c.name, kind, err)
	}
	spec := statetable.NewCodecSpec(c.name, kind, t.Snapshot(), stampedCodec[V]{t, c.ttl})
	spec.Stamped = true
	return spec
}

// check verifies what can be said before the state is opened.
func (c core[V]) check() error {
	switch {
	case c.name == "":
		return errors.New("a state has no name; give each state of an operator a name of its own")
	case c.ttl.After < 0:
		return fmt.Errorf("state %q: the time to live is %v; it must not be negative", c.name,
			c.ttl.After)
	case c.ttl.Update > OnReadAndWrite || c.ttl.Visibility > ReturnExpiredIfNotCleanedUp:
		return fmt.Errorf("state %q: unknown update strategy or visibility of the time to live",
			c.name)
	}
	return nil
}
