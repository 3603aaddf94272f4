package state

import (
	"fmt"

	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/core/typeinfo"
)

// OpenValue opens a Value with what was restored of it. States are opened in an operator's Open.
func OpenValue[V any](k statebackend.Keyed, d ValueDescriptor[V]) (InternalValue[V], error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	if d.ttl.After > 0 {
		t, err := openExpiring(k, d.core, KindValue)
		if err != nil {
			return nil, err
		}
		return &ttlValue[V]{t}, nil
	}
	spec := d.Spec()
	t, err := openTable[V](k, spec)
	if err != nil {
		return nil, err
	}
	return &value[V]{base{k, spec}, t}, nil
}

// OpenList opens a List.
func OpenList[V any](k statebackend.Keyed, d ListDescriptor[V]) (InternalList[V], error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	if d.ttl.After > 0 {
		return openTTLList(k, d)
	}
	spec := d.Spec()
	t, err := openTable[[]V](k, spec)
	if err != nil {
		return nil, err
	}
	return &list[V]{base{k, spec}, t}, nil
}

// OpenReducing opens a Reducing.
func OpenReducing[V any](k statebackend.Keyed, d ReducingDescriptor[V]) (
	InternalReducing[V], error,
) {
	if err := d.check(); err != nil {
		return nil, err
	}
	if d.reduce == nil {
		return nil, fmt.Errorf("state %q: it has no reduce function", d.name)
	}
	if d.ttl.After > 0 {
		t, err := openExpiring(k, d.core, KindReducing)
		if err != nil {
			return nil, err
		}
		return &ttlReducing[V]{t, d.reduce}, nil
	}
	spec := d.Spec()
	t, err := openTable[V](k, spec)
	if err != nil {
		return nil, err
	}
	return &reducing[V]{base{k, spec}, t, d.reduce}, nil
}

// OpenAggregating opens an Aggregating.
func OpenAggregating[In, Acc, Out any](k statebackend.Keyed,
	d AggregatingDescriptor[In, Acc, Out],
) (InternalAggregating[In, Out], error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	if d.aggregate == nil {
		return nil, fmt.Errorf("state %q: it has no aggregate function", d.name)
	}
	if d.ttl.After > 0 {
		t, err := openExpiring(k, d.core, KindAggregating)
		if err != nil {
			return nil, err
		}
		return &ttlAggregating[In, Acc, Out]{t, d.aggregate}, nil
	}
	spec := d.Spec()
	t, err := openTable[Acc](k, spec)
	if err != nil {
		return nil, err
	}
	return &aggregating[In, Acc, Out]{base{k, spec}, t, d.aggregate}, nil
}

// OpenMap opens a Map.
func OpenMap[K, V any](k statebackend.Keyed, d MapDescriptor[K, V]) (InternalMap[K, V], error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	key, err := typeinfo.KeyOf[K]()
	if err != nil {
		return nil, fmt.Errorf("state %q: %w", d.name, err)
	}
	if d.ttl.After > 0 {
		return openTTLMap(k, d, key)
	}
	spec := d.Spec()
	t, err := openMapTable[V](k, spec)
	if err != nil {
		return nil, err
	}
	return &mapState[K, V]{base: base{k, spec}, t: t, key: key}, nil
}

// openTable opens a table of values of type V.
func openTable[V any](k statebackend.Keyed, spec statebackend.TableSpec) (
	statebackend.Table[V], error,
) {
	opened, err := k.Open(spec)
	if err != nil {
		return nil, err
	}
	t, ok := opened.(statebackend.Table[V])
	if !ok {
		return nil, otherType[V](spec.Name, opened)
	}
	return t, nil
}

func openMapTable[V any](k statebackend.Keyed, spec statebackend.TableSpec) (
	statebackend.MapTable[V], error,
) {
	opened, err := k.Open(spec)
	if err != nil {
		return nil, err
	}
	t, ok := opened.(statebackend.MapTable[V])
	if !ok {
		return nil, otherType[V](spec.Name, opened)
	}
	return t, nil
}

func otherType[V any](name string, opened any) error {
	var v *V
	return fmt.Errorf("state %q is open already as a %T, and cannot be one of %T; give one "+
		"of the two states another name", name, opened, v)
}

func _[V any](v listCodec[V]) { var _ statetable.Codec[[]V] = v }
