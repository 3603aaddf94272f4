package state

import (
	"iter"

	"goflink/core/statebackend"
	"goflink/core/typeinfo"
)

// mapState is a Map.
type mapState[K, V any] struct {
	base
	t   statebackend.MapTable[V]
	key *typeinfo.Key[K]
	buf []byte
	err error
}

func _[K, V any](v *mapState[K, V]) { var _ InternalMap[K, V] = v }

// bytes returns the canonical bytes of k, valid until the next call.
func (s *mapState[K, V]) bytes(k *K) []byte {
	s.buf = s.key.Append(s.buf[:0], k)
	return s.buf
}

// Get implements Map.
func (s *mapState[K, V]) Get(k K) (v V, found bool, err error) {
	p, err := s.t.Find(s.keyed.Namespace(), s.bytes(&k))
	if p == nil {
		return v, false, err
	}
	return *p, true, nil
}

// Put implements Map.
func (s *mapState[K, V]) Put(k K, v V) error {
	p, _, err := s.t.Upsert(s.keyed.Namespace(), s.bytes(&k))
	if err != nil {
		return err
	}
	*p = v
	return nil
}

// Remove implements Map.
func (s *mapState[K, V]) Remove(k K) error {
	return s.t.Delete(s.keyed.Namespace(), s.bytes(&k))
}

// Contains implements Map.
func (s *mapState[K, V]) Contains(k K) (bool, error) {
	p, err := s.t.Find(s.keyed.Namespace(), s.bytes(&k))
	return p != nil, err
}

// All implements Map.
func (s *mapState[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		s.err = s.t.Range(s.keyed.Namespace(), func(mapKey []byte, v *V) (bool, error) {
			k, err := s.key.Decode(mapKey)
			if err != nil {
				return false, err
			}
			return yield(k, *v), nil
		})
	}
}

// Err implements Map.
func (s *mapState[K, V]) Err() error { return s.err }

// Len implements Map.
func (s *mapState[K, V]) Len() (int, error) { return s.t.Len(s.keyed.Namespace()) }

// Clear implements Map.
func (s *mapState[K, V]) Clear() error { return s.t.Clear(s.keyed.Namespace()) }
