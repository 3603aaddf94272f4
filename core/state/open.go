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
	spec := statetable.NewSpec(d.name, KindValue, d.typ)
	t, err := OpenTable[V](k, spec)
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
	spec := ListSpec[V](d.name)
	t, err := OpenTable[[]V](k, spec)
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
	spec := statetable.NewSpec(d.name, KindReducing, d.typ)
	t, err := OpenTable[V](k, spec)
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
	spec := statetable.NewSpec(d.name, KindAggregating, d.typ)
	t, err := OpenTable[Acc](k, spec)
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
	spec := MapSpec[K](d.name, d.typ)
	t, err := OpenMapTable[V](k, spec)
	if err != nil {
		return nil, err
	}
	return &mapState[K, V]{base: base{k, spec}, t: t, key: key}, nil
}

func _[V any](v listCodec[V]) { var _ statetable.Codec[[]V] = v }
