package state

import (
	"encoding/binary"
	"fmt"
	"iter"

	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/core/typeinfo"
)

// OpenBroadcast opens a map that all subtasks have alike, because all change it by the same
// elements in the same way (R63). When the job is restored each subtask gets the whole of it. The
// side that may only read gets it through ReadOnly.
func OpenBroadcast[K, V any](o statebackend.Operator, d MapDescriptor[K, V]) (Map[K, V], error) {
	if err := d.checkOperator(); err != nil {
		return nil, err
	}
	key, err := typeinfo.KeyOf[K]()
	if err != nil {
		return nil, fmt.Errorf("broadcast state %q: %w", d.name, err)
	}
	t, err := orOf(d.typ)
	if err != nil {
		return nil, fmt.Errorf("broadcast state %q: %w", d.name, err)
	}
	part, err := o.Open(statebackend.ListSpec{Name: d.name, Mode: statebackend.Broadcast,
		Schema: t.Snapshot(), KeySchema: key.Snapshot(),
		New: func() statebackend.OperatorPart { return newBroadcast(d.name, key, t) }})
	if err != nil {
		return nil, err
	}
	m, ok := part.(*broadcast[K, V])
	if !ok {
		return nil,
			fmt.Errorf("broadcast state %q is open already as a %T, and cannot be a map to %s",
				d.name, part, t.Name())
	}
	return m, nil
}

// broadcast is a Map of operator state: the map of the one key of a map table.
type broadcast[K, V any] struct {
	name string
	key  *typeinfo.Key[K]
	typ  *typeinfo.Type[V]
	t    *statetable.MapTable[V]
	buf  []byte
	err  error
}

func _[K, V any](v *broadcast[K, V]) {
	var _ Map[K, V] = v
	var _ statebackend.OperatorPart = v
}

func newBroadcast[K, V any](name string, key *typeinfo.Key[K], t *typeinfo.Type[V],
) *broadcast[K, V] {
	one := new(statebackend.KeyContext)
	one.Set(keygroup.Hash(nil), nil)
	return &broadcast[K, V]{name: name, key: key, typ: t,
		t: statetable.NewMap(name, one, statetable.CodecOf(t))}
}

func (s *broadcast[K, V]) bytes(k *K) []byte {
	s.buf = s.key.Append(s.buf[:0], k)
	return s.buf
}

// Get implements Map.
func (s *broadcast[K, V]) Get(k K) (v V, found bool, err error) {
	p, err := s.t.Find(nil, s.bytes(&k))
	if p == nil {
		return v, false, err
	}
	return *p, true, nil
}

// Put implements Map.
func (s *broadcast[K, V]) Put(k K, v V) error {
	p, _, err := s.t.Upsert(nil, s.bytes(&k))
	if err != nil {
		return err
	}
	*p = v
	return nil
}

// Remove implements Map.
func (s *broadcast[K, V]) Remove(k K) error { return s.t.Delete(nil, s.bytes(&k)) }

// Contains implements Map.
func (s *broadcast[K, V]) Contains(k K) (bool, error) {
	p, err := s.t.Find(nil, s.bytes(&k))
	return p != nil, err
}

// All implements Map.
func (s *broadcast[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		s.err = s.t.Range(nil, func(mapKey []byte, v *V) (bool, error) {
			k, err := s.key.Decode(mapKey)
			if err != nil {
				return false, err
			}
			return yield(k, *v), nil
		})
	}
}

// Err implements Map.
func (s *broadcast[K, V]) Err() error { return s.err }

// Len implements Map.
func (s *broadcast[K, V]) Len() (int, error) { return s.t.Len(nil) }

// Clear implements Map.
func (s *broadcast[K, V]) Clear() error { return s.t.Clear(nil) }

// Watch implements statebackend.OperatorPart.
func (s *broadcast[K, V]) Watch() { s.t.CheckMutation() }

// Verify implements statebackend.OperatorPart.
func (s *broadcast[K, V]) Verify() error { return s.t.Verify() }

// Freeze implements statebackend.OperatorPart. An element is the length of a key as uvarint, the
// key and the value.
func (s *broadcast[K, V]) Freeze() statebackend.FrozenPart { return frozenMap{s.t.Freeze(0)} }

// frozenMap is a snapshot of a broadcast map.
type frozenMap struct{ statetable.Frozen }

// Each implements statebackend.FrozenPart.
func (m frozenMap) Each(f func(element []byte) error) error {
	if err := m.Sort(1, keygroup.Range{First: 0, Last: 0}); err != nil {
		return err
	}
	var buf []byte
	return m.Frozen.Each(0, func(e *statebackend.Entry) error {
		buf = binary.AppendUvarint(buf[:0], uint64(len(e.MapKey)))
		buf = append(append(buf, e.MapKey...), e.Value...)
		return f(buf)
	})
}

// Restore implements statebackend.OperatorPart.
func (s *broadcast[K, V]) Restore(schema, keySchema typeinfo.Snapshot, elements [][]byte) error {
	if !keySchema.Equal(s.key.Snapshot()) {
		return fmt.Errorf("its keys were %v and are now %v: %w; the type of keys cannot be changed",
			keySchema, s.key.Snapshot(), typeinfo.ErrIncompatible)
	}
	dec, err := s.typ.Migrate(schema)
	if err != nil {
		return err
	}
	for i, e := range elements {
		n, k := binary.Uvarint(e)
		if k <= 0 || n > uint64(len(e)-k) {
			return fmt.Errorf("entry %d: %w", i, typeinfo.ErrTruncated)
		}
		p, _, err := s.t.Upsert(nil, e[k:k+int(n)])
		if err == nil {
			err = decodeWhole(dec, e[k+int(n):], p)
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return nil
}

// readOnly hides what changes a map.
type readOnly[K, V any] struct{ m Map[K, V] }

// ReadOnly returns m without the methods that change it (R63).
func ReadOnly[K, V any](m Map[K, V]) ReadOnlyMap[K, V] { return readOnly[K, V]{m} }

func (r readOnly[K, V]) Get(k K) (v V, found bool, err error) { return r.m.Get(k) }
func (r readOnly[K, V]) Contains(k K) (bool, error)           { return r.m.Contains(k) }
func (r readOnly[K, V]) All() iter.Seq2[K, V]                 { return r.m.All() }
func (r readOnly[K, V]) Err() error                           { return r.m.Err() }
func (r readOnly[K, V]) Len() (int, error)                    { return r.m.Len() }
