package state

import (
	"encoding/binary"
	"fmt"

	"goflink/core/statebackend"
	"goflink/core/typeinfo"
)

const (
	// sweepInterval is after how many accesses a state with a time to live looks for expired
	// values.
	sweepInterval = 64
	// sweepEntries is at how many it looks then: two per access, so that the search always comes
	// around (R77).
	sweepEntries = 128
)

// stamped is a value with the time of its last access in milliseconds since the epoch.
type stamped[V any] struct {
	v  V
	at int64
}

// stampedCodec encodes a stamped value as its stamp, 8 bytes little endian, and the value.
type stampedCodec[V any] struct {
	typ *typeinfo.Type[V]
	ttl TTL
}

// Append implements statetable.Codec.
func (c stampedCodec[V]) Append(dst []byte, v *stamped[V]) ([]byte, error) {
	return c.typ.Append(binary.LittleEndian.AppendUint64(dst, uint64(v.at)), &v.v)
}

// Reader implements statetable.Codec. Values without a stamp count as accessed now.
func (c stampedCodec[V]) Reader(h *statebackend.StateHeader, now int64) (
	func(src []byte, v *stamped[V]) error, error,
) {
	dec, err := c.typ.Migrate(h.Schema)
	if err != nil {
		return nil, err
	}
	return func(src []byte, v *stamped[V]) error {
		v.at = now
		if h.Stamped {
			if len(src) < stampBytes {
				return fmt.Errorf("the stamp of a value: %w", typeinfo.ErrTruncated)
			}
			v.at = int64(binary.LittleEndian.Uint64(src))
			src = src[stampBytes:]
		}
		return decodeWhole(dec, src, &v.v)
	}, nil
}

// Mutable implements statetable.Codec.
func (c stampedCodec[V]) Mutable() bool { return c.typ.Mutable() }

// Clone implements statetable.Codec.
func (c stampedCodec[V]) Clone(v stamped[V]) stamped[V] {
	v.v = c.typ.Clone(v.v)
	return v
}

// MemSize implements statetable.Codec.
func (c stampedCodec[V]) MemSize(v *stamped[V]) int { return c.typ.MemSize(&v.v) + stampBytes }

// Expired implements statetable.Codec.
func (c stampedCodec[V]) Expired(v *stamped[V], now int64) bool { return c.ttl.expired(v.at, now) }

// expired reports whether what was accessed at time at is expired now.
func (t TTL) expired(at, now int64) bool {
	after := t.After.Milliseconds()
	// The first condition keeps at + after from overflowing.
	return at < now && now-at >= after
}

// expiring is a table of stamped values with their rules.
type expiring[V any] struct {
	base
	t   statebackend.Table[stamped[V]]
	ttl TTL
	sweeping
}

// sweeping counts accesses until the next search for expired values.
type sweeping struct{ accesses int }

// due counts an access and reports whether a search is due.
func (s *sweeping) due() bool {
	if s.accesses++; s.accesses < sweepInterval {
		return false
	}
	s.accesses = 0
	return true
}

// openExpiring opens the table of a state with a time to live.
func openExpiring[V any](k statebackend.Keyed, c core[V], kind string) (expiring[V], error) {
	spec := stampedSpec(c, kind)
	t, err := OpenTable[stamped[V]](k, spec)
	return expiring[V]{base: base{k, spec}, t: t, ttl: c.ttl}, err
}

// get returns the value of the current key in ns under the rules of the time to live: an expired
// one is removed, and returned for the last time if it may be seen.
func (s *expiring[V]) get(ns []byte) (v V, found bool, err error) {
	now := s.keyed.Now()
	if s.due() {
		if err := s.sweep(now); err != nil {
			return v, false, err
		}
	}
	p, err := s.t.Find(ns)
	if p == nil {
		return v, false, err
	}
	if s.ttl.expired(p.at, now) {
		old := p.v
		if err := s.t.Delete(ns); err != nil {
			return v, false, err
		}
		if s.ttl.Visibility == NeverReturnExpired {
			return v, false, nil
		}
		return old, true, nil
	}
	if s.ttl.Update == OnReadAndWrite && p.at != now {
		if p, _, err = s.t.Upsert(ns); err != nil {
			return v, false, err
		}
		p.at = now
	}
	return p.v, true, nil
}

// upsert returns the stamped value of the current key in ns for writing; an expired one counts as
// not found.
func (s *expiring[V]) upsert(ns []byte, inPlace bool) (p *stamped[V], found bool, err error) {
	now := s.keyed.Now()
	if s.due() {
		if err := s.sweep(now); err != nil {
			return nil, false, err
		}
	}
	if inPlace {
		p, found, err = s.t.Modify(ns)
	} else {
		p, found, err = s.t.Upsert(ns)
	}
	if err != nil {
		return nil, false, err
	}
	if found && s.ttl.expired(p.at, now) {
		found = false
	}
	p.at = now
	return p, found, nil
}

// sweep searches a few values for expired ones.
func (s *expiring[V]) sweep(now int64) error {
	return sweep(s.t, func(v *stamped[V]) bool { return s.ttl.expired(v.at, now) })
}

// sweep searches a few values of a table, if it can be searched.
func sweep[V any](table any, expired func(v *V) bool) error {
	if t, ok := table.(statebackend.Sweeper[V]); ok {
		return t.Sweep(sweepEntries, expired)
	}
	return nil
}

// ttlValue is a Value with a time to live.
type ttlValue[V any] struct{ expiring[V] }

// Get implements Value.
func (s *ttlValue[V]) Get() (v V, found bool, err error) { return s.get(s.keyed.Namespace()) }

// Put implements Value.
func (s *ttlValue[V]) Put(v V) error {
	p, _, err := s.upsert(s.keyed.Namespace(), false)
	if err != nil {
		return err
	}
	p.v = v
	return nil
}

// Clear implements Value.
func (s *ttlValue[V]) Clear() error { return s.t.Delete(s.keyed.Namespace()) }

// ttlReducing is a Reducing with a time to live.
type ttlReducing[V any] struct {
	expiring[V]
	reduce func(a, b V) V
}

// Get implements Reducing.
func (s *ttlReducing[V]) Get() (v V, found bool, err error) { return s.get(s.keyed.Namespace()) }

// Add implements Reducing.
func (s *ttlReducing[V]) Add(v V) error { return s.addIn(s.keyed.Namespace(), v) }

func (s *ttlReducing[V]) addIn(ns []byte, v V) error {
	p, found, err := s.upsert(ns, false)
	if err != nil {
		return err
	}
	if found {
		v = s.reduce(p.v, v)
	}
	p.v = v
	return nil
}

// Clear implements Reducing.
func (s *ttlReducing[V]) Clear() error { return s.t.Delete(s.keyed.Namespace()) }

// MergeNamespaces implements Merging; the result counts as written now.
func (s *ttlReducing[V]) MergeNamespaces(target []byte, sources [][]byte) error {
	for _, ns := range sources {
		if isTarget(target, ns) {
			continue
		}
		v, found, err := s.get(ns)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if err := s.t.Delete(ns); err != nil {
			return err
		}
		if err := s.addIn(target, v); err != nil {
			return err
		}
	}
	return nil
}

// ttlAggregating is an Aggregating with a time to live.
type ttlAggregating[In, Acc, Out any] struct {
	expiring[Acc]
	f AggregateFunction[In, Acc, Out]
}

// Get implements Aggregating.
func (s *ttlAggregating[In, Acc, Out]) Get() (v Out, found bool, err error) {
	acc, found, err := s.get(s.keyed.Namespace())
	if !found {
		return v, false, err
	}
	return s.f.Result(acc), true, nil
}

// Add implements Aggregating.
func (s *ttlAggregating[In, Acc, Out]) Add(v In) error {
	p, found, err := s.upsert(s.keyed.Namespace(), true)
	if err != nil {
		return err
	}
	if !found {
		p.v = s.f.Create()
	}
	p.v = s.f.Add(v, p.v)
	return nil
}

// Clear implements Aggregating.
func (s *ttlAggregating[In, Acc, Out]) Clear() error { return s.t.Delete(s.keyed.Namespace()) }

// MergeNamespaces implements Merging; the result counts as written now.
func (s *ttlAggregating[In, Acc, Out]) MergeNamespaces(target []byte, sources [][]byte) error {
	for _, ns := range sources {
		if isTarget(target, ns) {
			continue
		}
		if err := s.mergeOne(target, ns); err != nil {
			return err
		}
	}
	return nil
}

func (s *ttlAggregating[In, Acc, Out]) mergeOne(target, ns []byte) error {
	if p, err := s.t.Find(ns); p == nil {
		return err
	}
	// Merge may change both accumulators: the source must be detached from snapshots, too.
	p, found, err := s.upsert(ns, true)
	if err != nil {
		return err
	}
	acc := p.v
	if err := s.t.Delete(ns); err != nil || !found {
		return err
	}
	if p, found, err = s.upsert(target, true); err != nil {
		return err
	}
	if found {
		acc = s.f.Merge(p.v, acc)
	}
	p.v = acc
	return nil
}
