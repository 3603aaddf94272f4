package state

import (
	"errors"
	"iter"

	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/core/typeinfo"
)

// ttlMap is a Map whose entries have a time to live.
type ttlMap[K, V any] struct {
	base
	t   statebackend.MapTable[stamped[V]]
	key *typeinfo.Key[K]
	ttl TTL
	buf []byte
	err error
	sweeping
}

func _[K, V any](v *ttlMap[K, V]) { var _ InternalMap[K, V] = v }

func openTTLMap[K, V any](k statebackend.Keyed, d MapDescriptor[K, V], key *typeinfo.Key[K]) (
	InternalMap[K, V], error,
) {
	spec := mapSpec[K](d.name, d.typ, func(t *typeinfo.Type[V]) statetable.Codec[stamped[V]] {
		return stampedCodec[V]{t, d.ttl}
	})
	spec.Stamped = true
	t, err := OpenMapTable[stamped[V]](k, spec)
	if err != nil {
		return nil, err
	}
	return &ttlMap[K, V]{base: base{k, spec}, t: t, key: key, ttl: d.ttl}, nil
}

// begin reads the clock and searches for expired entries now and then.
func (s *ttlMap[K, V]) begin() (now int64, err error) {
	now = s.keyed.Now()
	if s.due() {
		err = sweep(s.t, func(v *stamped[V]) bool { return s.ttl.expired(v.at, now) })
	}
	return now, err
}

// find returns the entry under k as it may be seen: an expired one is removed, and returned for
// the last time if it may be seen.
func (s *ttlMap[K, V]) find(k *K) (v V, found bool, err error) {
	now, err := s.begin()
	if err != nil {
		return v, false, err
	}
	ns := s.keyed.Namespace()
	s.buf = s.key.Append(s.buf[:0], k)
	p, err := s.t.Find(ns, s.buf)
	if p == nil {
		return v, false, err
	}
	if s.ttl.expired(p.at, now) {
		old := p.v
		if err := s.t.Delete(ns, s.buf); err != nil {
			return v, false, err
		}
		if s.ttl.Visibility == NeverReturnExpired {
			return v, false, nil
		}
		return old, true, nil
	}
	if s.ttl.Update == OnReadAndWrite && p.at != now {
		if p, _, err = s.t.Upsert(ns, s.buf); err != nil {
			return v, false, err
		}
		p.at = now
	}
	return p.v, true, nil
}

// Get implements Map.
func (s *ttlMap[K, V]) Get(k K) (v V, found bool, err error) { return s.find(&k) }

// Contains implements Map; it counts as reading.
func (s *ttlMap[K, V]) Contains(k K) (bool, error) {
	_, found, err := s.find(&k)
	return found, err
}

// Put implements Map.
func (s *ttlMap[K, V]) Put(k K, v V) error {
	now, err := s.begin()
	if err != nil {
		return err
	}
	s.buf = s.key.Append(s.buf[:0], &k)
	p, _, err := s.t.Upsert(s.keyed.Namespace(), s.buf)
	if err != nil {
		return err
	}
	*p = stamped[V]{v, now}
	return nil
}

// Remove implements Map.
func (s *ttlMap[K, V]) Remove(k K) error {
	s.buf = s.key.Append(s.buf[:0], &k)
	return s.t.Delete(s.keyed.Namespace(), s.buf)
}

// errStop ends an iteration that the caller left.
var errStop = errors.New("the iteration was left")

// All implements Map. Expired entries are removed, and returned for the last time if they may be
// seen.
func (s *ttlMap[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		now, err := s.begin()
		if err == nil {
			err = s.t.Each(s.keyed.Namespace(), func(mapKey []byte, p *stamped[V]) (bool, error) {
				expired := s.ttl.expired(p.at, now)
				if expired && s.ttl.Visibility == NeverReturnExpired {
					return false, nil
				}
				k, err := s.key.Decode(mapKey)
				if err != nil {
					return true, err
				}
				if !expired && s.ttl.Update == OnReadAndWrite {
					p.at = now
				}
				if !yield(k, p.v) {
					return !expired, errStop
				}
				return !expired, nil
			})
		}
		if errors.Is(err, errStop) {
			err = nil
		}
		s.err = err
	}
}

// Err implements Map.
func (s *ttlMap[K, V]) Err() error { return s.err }

// Len implements Map: entries that may be seen.
func (s *ttlMap[K, V]) Len() (int, error) {
	now, ns := s.keyed.Now(), s.keyed.Namespace()
	if s.ttl.Visibility == ReturnExpiredIfNotCleanedUp {
		return s.t.Len(ns)
	}
	n := 0
	err := s.t.Range(ns, func(_ []byte, v *stamped[V]) (bool, error) {
		if !s.ttl.expired(v.at, now) {
			n++
		}
		return true, nil
	})
	return n, err
}

// Clear implements Map.
func (s *ttlMap[K, V]) Clear() error { return s.t.Clear(s.keyed.Namespace()) }
