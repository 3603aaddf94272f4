package state

import "goflink/core/statebackend"

// Internal is what the framework sees of a state beside its operations (R65).
type Internal interface {
	// Spec describes the table behind the state: its serializer's schema, among others.
	Spec() statebackend.TableSpec
	// SetNamespace makes ns the current namespace of all states of the operator instance; it must
	// stay unchanged until the next SetNamespace.
	SetNamespace(ns []byte)
	// Namespace is the current namespace.
	Namespace() []byte
}

// Merging is implemented by states whose namespaces can be merged.
type Merging interface {
	Internal
	// MergeNamespaces joins what the current key has in sources with what it has in target, in this
	// order, and leaves the sources empty. The target may be one of the sources.
	MergeNamespaces(target []byte, sources [][]byte) error
}

// InternalValue is a Value for the framework.
type InternalValue[V any] interface {
	Value[V]
	Internal
}

// InternalList is a List for the framework.
type InternalList[V any] interface {
	List[V]
	Merging
}

// InternalReducing is a Reducing for the framework.
type InternalReducing[V any] interface {
	Reducing[V]
	Merging
}

// InternalAggregating is an Aggregating for the framework.
type InternalAggregating[In, Out any] interface {
	Aggregating[In, Out]
	Merging
}

// InternalMap is a Map for the framework.
type InternalMap[K, V any] interface {
	Map[K, V]
	Internal
}

// base is what all keyed states have.
type base struct {
	keyed statebackend.Keyed
	spec  statebackend.TableSpec
}

func (b *base) Spec() statebackend.TableSpec { return b.spec }
func (b *base) SetNamespace(ns []byte)       { b.keyed.SetNamespace(ns) }
func (b *base) Namespace() []byte            { return b.keyed.Namespace() }

// isTarget reports whether ns is the target itself.
func isTarget(target, ns []byte) bool { return string(target) == string(ns) }
