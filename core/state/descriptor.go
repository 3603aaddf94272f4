package state

import (
	"errors"
	"fmt"

	"goflink/core/statebackend"
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

// core is what all descriptors have. What is done with it are functions: methods of a descriptor
// are compiled for each V, also for states that never have a time to live.
type core[V any] struct {
	head
	typ *typeinfo.Type[V]
}

// head is the part of a descriptor that does not depend on types.
type head struct {
	name string
	ttl  TTL
}

func coreOf[V any](name string) core[V] { return core[V]{head: head{name: name}} }

// ValueOf describes a Value. The name must be unique in its operator.
func ValueOf[V any](name string) ValueDescriptor[V] {
	return ValueDescriptor[V]{coreOf[V](name)}
}

// ListOf describes a List.
func ListOf[V any](name string) ListDescriptor[V] { return ListDescriptor[V]{coreOf[V](name)} }

// ReducingOf describes a Reducing whose values are merged by reduce, which must be pure.
func ReducingOf[V any](name string, reduce func(a, b V) V) ReducingDescriptor[V] {
	return ReducingDescriptor[V]{coreOf[V](name), reduce}
}

// AggregatingOf describes an Aggregating.
func AggregatingOf[In, Acc, Out any](name string, f AggregateFunction[In, Acc, Out],
) AggregatingDescriptor[In, Acc, Out] {
	return AggregatingDescriptor[In, Acc, Out]{coreOf[Acc](name), f}
}

// MapOf describes a Map.
func MapOf[K, V any](name string) MapDescriptor[K, V] {
	return MapDescriptor[K, V]{coreOf[V](name)}
}

// Name is the state's name.
func (h head) Name() string { return h.name }

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

// failed is a spec that says why it is none when it is opened.
func failed(name, kind string, err error) statebackend.TableSpec {
	return statebackend.TableSpec{Name: name, Kind: kind, HeapTable: fmt.Errorf("state %q: %w",
		name, err)}
}

// check verifies what can be said before the state is opened.
func (h head) check() error {
	switch {
	case h.name == "":
		return errors.New("a state has no name; give each state of an operator a name of its own")
	case h.ttl.After < 0:
		return fmt.Errorf("state %q: the time to live is %v; it must not be negative", h.name,
			h.ttl.After)
	case h.ttl.Update > OnReadAndWrite || h.ttl.Visibility > ReturnExpiredIfNotCleanedUp:
		return fmt.Errorf("state %q: unknown update strategy or visibility of the time to live",
			h.name)
	}
	return nil
}
