package statetable

import (
	"fmt"

	"goflink/core/statebackend"
	"goflink/core/typeinfo"
)

// Maker makes the table of a spec; it is what TableSpec.HeapTable holds.
type Maker func(key *statebackend.KeyContext) Any

// NewSpec describes a table of values of type V. The kind tells what the state is used as
// ("value", "list" …): a state that is restored must be of the same kind. A nil t is
// typeinfo.Of[V], whose error, if V is no type for state, Make returns.
func NewSpec[V any](name, kind string, t *typeinfo.Type[V]) statebackend.TableSpec {
	if t == nil {
		var err error
		if t, err = typeinfo.Of[V](); err != nil {
			err = fmt.Errorf("state %q: %w", name, err)
			return statebackend.TableSpec{Name: name, Kind: kind, HeapTable: err}
		}
	}
	return NewCodecSpec(name, kind, t.Snapshot(), CodecOf(t))
}

// NewCodecSpec describes a table whose values are encoded by a codec of their own, under schema.
func NewCodecSpec[V any](name, kind string, schema typeinfo.Snapshot, c Codec[V],
) statebackend.TableSpec {
	var make Maker = func(key *statebackend.KeyContext) Any { return New(name, key, c) }
	return statebackend.TableSpec{Name: name, Kind: kind, Schema: schema, HeapTable: make}
}

// NewMapSpec describes a map table with values of a codec, under schema; mapKey describes map keys.
func NewMapSpec[V any](name, kind string, mapKey, schema typeinfo.Snapshot, c Codec[V],
) statebackend.TableSpec {
	var make Maker = func(key *statebackend.KeyContext) Any { return NewMap(name, key, c) }
	return statebackend.TableSpec{Name: name, Kind: kind, Schema: schema, Mapped: true,
		MapKey: mapKey, HeapTable: make}
}

// Make makes the table of a spec, which is a *Table[V] or *MapTable[V].
func Make(spec *statebackend.TableSpec, key *statebackend.KeyContext) (Any, error) {
	switch m := spec.HeapTable.(type) {
	case Maker:
		return m(key), nil
	case error:
		return nil, m
	default:
		return nil, fmt.Errorf("state %q: its TableSpec was not made by a constructor", spec.Name)
	}
}
