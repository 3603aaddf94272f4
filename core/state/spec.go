package state

import (
	"fmt"

	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/core/typeinfo"
)

// ListSpec describes the table of a list, a statebackend.Table[[]V], for operators that work on it
// directly: lists may be extended by append through the pointer that Upsert returns, but not
// otherwise changed in place. The tables of the other kinds are those of statetable.NewSpec.
func ListSpec[V any](name string) statebackend.TableSpec {
	t, err := typeinfo.Of[[]V]()
	if err != nil {
		return failed(name, KindList, err)
	}
	return statetable.NewCodecSpec(name, KindList, t.Snapshot(), listCodec[V]{t})
}

// MapSpec describes the table of a map, a statebackend.MapTable[V]; map keys are the canonical
// bytes of a typeinfo.Key[K]. A nil typ is typeinfo.Of.
func MapSpec[K, V any](name string, typ *typeinfo.Type[V]) statebackend.TableSpec {
	return mapSpec[K](name, typ, statetable.CodecOf)
}

// mapSpec is the spec of a map whose values, of type W, have a codec made from the type of V.
func mapSpec[K, V, W any](name string, typ *typeinfo.Type[V],
	codec func(t *typeinfo.Type[V]) statetable.Codec[W],
) statebackend.TableSpec {
	key, err := typeinfo.KeyOf[K]()
	if err != nil {
		return failed(name, KindMap, err)
	}
	if typ, err = orOf(typ); err != nil {
		return failed(name, KindMap, err)
	}
	return statetable.NewMapSpec(name, KindMap, key.Snapshot(), typ.Snapshot(), codec(typ))
}

// orOf is a type that was given, or that of V.
func orOf[V any](t *typeinfo.Type[V]) (*typeinfo.Type[V], error) {
	if t != nil {
		return t, nil
	}
	return typeinfo.Of[V]()
}

// stampedSpec is the spec of values with a time to live.
func stampedSpec[V any](c core[V], kind string) statebackend.TableSpec {
	t, err := orOf(c.typ)
	if err != nil {
		return failed(c.name, kind, err)
	}
	spec := statetable.NewCodecSpec(c.name, kind, t.Snapshot(), stampedCodec[V]{t, c.ttl})
	spec.Stamped = true
	return spec
}

// OpenTable opens the table of a spec, whose values are of type V.
func OpenTable[V any](k statebackend.Keyed, spec statebackend.TableSpec) (
	statebackend.Table[V], error,
) {
	opened, err := k.Open(spec)
	if err != nil {
		return nil, err
	}
	t, ok := opened.(statebackend.Table[V])
	if !ok {
		return nil, otherType(spec.Name, opened, new(V))
	}
	return t, nil
}

// OpenMapTable opens the map table of a spec, whose values are of type V.
func OpenMapTable[V any](k statebackend.Keyed, spec statebackend.TableSpec) (
	statebackend.MapTable[V], error,
) {
	opened, err := k.Open(spec)
	if err != nil {
		return nil, err
	}
	t, ok := opened.(statebackend.MapTable[V])
	if !ok {
		return nil, otherType(spec.Name, opened, new(V))
	}
	return t, nil
}

func otherType(name string, opened, value any) error {
	return fmt.Errorf("state %q is open already as a %T, and cannot be one of %T; give one "+
		"of the two states another name", name, opened, value)
}
