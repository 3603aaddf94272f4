package state

import (
	"encoding/binary"
	"slices"

	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/core/typeinfo"
)

// stampedList is a list whose elements carry the time of their last access, side by side. Both
// slices are only appended to, as those of a list are, or replaced.
type stampedList[V any] struct {
	vs []V
	at []int64
}

// stampedListCodec encodes the number of stamps, the stamps and the list; see splitStamps.
type stampedListCodec[V any] struct {
	typ *typeinfo.Type[[]V]
	ttl TTL
}

func _[V any](v stampedListCodec[V]) { var _ statetable.Codec[stampedList[V]] = v }

// Append implements statetable.Codec.
func (c stampedListCodec[V]) Append(dst []byte, v *stampedList[V]) ([]byte, error) {
	dst = binary.AppendUvarint(dst, uint64(len(v.at)))
	for _, at := range v.at {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(at))
	}
	return c.typ.Append(dst, &v.vs)
}

// Reader implements statetable.Codec. Elements without a stamp count as accessed now.
func (c stampedListCodec[V]) Reader(h *statebackend.StateHeader, now int64) (
	func(src []byte, v *stampedList[V]) error, error,
) {
	dec, err := c.typ.Migrate(h.Schema)
	if err != nil {
		return nil, err
	}
	return func(src []byte, v *stampedList[V]) error {
		var stamps []byte
		if h.Stamped {
			if stamps, src, err = splitStamps(src); err != nil {
				return err
			}
		}
		if err := decodeWhole(dec, src, &v.vs); err != nil {
			return err
		}
		v.at = make([]int64, len(v.vs))
		for i := range v.at {
			v.at[i] = now
			if len(stamps) >= (i+1)*stampBytes {
				v.at[i] = int64(binary.LittleEndian.Uint64(stamps[i*stampBytes:]))
			}
		}
		return nil
	}, nil
}

// Mutable implements statetable.Codec.
func (c stampedListCodec[V]) Mutable() bool { return true }

// Clone implements statetable.Codec.
func (c stampedListCodec[V]) Clone(v stampedList[V]) stampedList[V] {
	return stampedList[V]{c.typ.Clone(v.vs), slices.Clone(v.at)}
}

// MemSize implements statetable.Codec.
func (c stampedListCodec[V]) MemSize(v *stampedList[V]) int {
	return c.typ.MemSize(&v.vs) + 24 + cap(v.at)*stampBytes
}

// Expired implements statetable.Codec: a list is expired when all its elements are.
func (c stampedListCodec[V]) Expired(v *stampedList[V], now int64) bool {
	for _, at := range v.at {
		if !c.ttl.expired(at, now) {
			return false
		}
	}
	return true
}

// ttlList is a List whose elements have a time to live.
type ttlList[V any] struct {
	base
	t     statebackend.Table[stampedList[V]]
	codec stampedListCodec[V]
	sweeping
}

func _[V any](v *ttlList[V]) { var _ InternalList[V] = v }

func openTTLList[V any](k statebackend.Keyed, d ListDescriptor[V]) (InternalList[V], error) {
	t, err := typeinfo.Of[[]V]()
	if err != nil {
		spec := failed(d.name, KindList, err)
		return nil, spec.HeapTable.(error)
	}
	codec := stampedListCodec[V]{t, d.ttl}
	spec := statetable.NewCodecSpec(d.name, KindList, t.Snapshot(), codec)
	spec.Stamped = true
	table, err := OpenTable[stampedList[V]](k, spec)
	if err != nil {
		return nil, err
	}
	return &ttlList[V]{base: base{k, spec}, t: table, codec: codec}, nil
}

// begin reads the clock and searches for expired lists now and then.
func (s *ttlList[V]) begin() (now int64, err error) {
	now = s.keyed.Now()
	if s.due() {
		err = sweep(s.t, func(v *stampedList[V]) bool { return s.codec.Expired(v, now) })
	}
	return now, err
}

// fresh returns the part of a list that is not expired; it is the list itself if all is.
func (s *ttlList[V]) fresh(v *stampedList[V], now int64) (stampedList[V], bool) {
	kept := 0
	for _, at := range v.at {
		if !s.codec.ttl.expired(at, now) {
			kept++
		}
	}
	if kept == len(v.at) {
		return *v, true
	}
	out := stampedList[V]{make([]V, 0, kept), make([]int64, 0, kept)}
	for i, at := range v.at {
		if !s.codec.ttl.expired(at, now) {
			out.vs, out.at = append(out.vs, v.vs[i]), append(out.at, at)
		}
	}
	return out, false
}

// Get implements List. Expired elements are removed, and returned for the last time if they may be
// seen.
func (s *ttlList[V]) Get() ([]V, error) {
	now, err := s.begin()
	if err != nil {
		return nil, err
	}
	return s.get(s.keyed.Namespace(), now)
}

func (s *ttlList[V]) get(ns []byte, now int64) ([]V, error) {
	p, err := s.t.Find(ns)
	if p == nil {
		return nil, err
	}
	seen := p.vs
	kept, all := s.fresh(p, now)
	if s.codec.ttl.Visibility == NeverReturnExpired {
		seen = kept.vs
	}
	touch := s.codec.ttl.Update == OnReadAndWrite && len(kept.vs) > 0
	switch {
	case len(kept.vs) == 0:
		err = s.t.Delete(ns)
	case touch || !all:
		if p, _, err = s.t.Upsert(ns); err == nil {
			*p = kept
			if touch {
				p.at = stamps(len(kept.vs), now)
			}
		}
	}
	return slices.Clip(seen), err
}

// stamps returns n stamps.
func stamps(n int, now int64) []int64 {
	at := make([]int64, n)
	for i := range at {
		at[i] = now
	}
	return at
}

// Add implements List.
func (s *ttlList[V]) Add(v V) error {
	now, err := s.begin()
	if err != nil {
		return err
	}
	p, err := s.room(s.keyed.Namespace(), now)
	if err != nil {
		return err
	}
	p.vs, p.at = append(p.vs, v), append(p.at, now)
	return nil
}

// room returns the list in ns for appending. When it is full, expired elements are removed first,
// so that a list that is only added to does not grow for ever.
func (s *ttlList[V]) room(ns []byte, now int64) (*stampedList[V], error) {
	p, _, err := s.t.Upsert(ns)
	if err == nil && len(p.vs) == cap(p.vs) {
		*p, _ = s.fresh(p, now)
	}
	return p, err
}

// AddAll implements List.
func (s *ttlList[V]) AddAll(vs []V) error {
	now, err := s.begin()
	if err != nil || len(vs) == 0 {
		return err
	}
	p, err := s.room(s.keyed.Namespace(), now)
	if err != nil {
		return err
	}
	p.vs, p.at = append(p.vs, vs...), append(p.at, stamps(len(vs), now)...)
	return nil
}

// Put implements List.
func (s *ttlList[V]) Put(vs []V) error {
	now, err := s.begin()
	if err != nil {
		return err
	}
	if len(vs) == 0 {
		return s.Clear()
	}
	p, _, err := s.t.Upsert(s.keyed.Namespace())
	if err != nil {
		return err
	}
	*p = stampedList[V]{slices.Clone(vs), stamps(len(vs), now)}
	return nil
}

// Clear implements List.
func (s *ttlList[V]) Clear() error { return s.t.Delete(s.keyed.Namespace()) }

// MergeNamespaces implements Merging; elements keep the time of their last access.
func (s *ttlList[V]) MergeNamespaces(target []byte, sources [][]byte) error {
	now, err := s.begin()
	if err != nil {
		return err
	}
	for _, ns := range sources {
		if isTarget(target, ns) {
			continue
		}
		p, err := s.t.Find(ns)
		if err != nil {
			return err
		}
		if p == nil {
			continue
		}
		kept, _ := s.fresh(p, now)
		if err := s.t.Delete(ns); err != nil {
			return err
		}
		if len(kept.vs) == 0 {
			continue
		}
		if p, err = s.room(target, now); err != nil {
			return err
		}
		p.vs, p.at = append(p.vs, kept.vs...), append(p.at, kept.at...)
	}
	return nil
}
