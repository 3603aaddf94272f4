package statetable

import (
	"bytes"
	"errors"
	"slices"

	"goflink/core/statebackend"
)

// ErrDropped is in the chain of errors about a Space that was dropped.
var ErrDropped = errors.New("the namespace was dropped")

// Space is the part of a Table in one namespace: a statebackend.Space.
type Space[V any] struct {
	table *Table[V]
	space *space[V] // nil after Drop
	slot  uint32
}

var _ statebackend.Space[int] = (*Space[int])(nil)

// Space implements statebackend.Table. The namespace takes memory, also without values, until
// the Space is dropped.
func (t *Table[V]) Space(ns []byte) (statebackend.Space[V], error) {
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return nil, err
		}
	}
	s := t.cur.space
	if s == nil || string(t.cur.ns) != string(ns) {
		if t.enter(ns) == nil {
			if _, err := t.create(ns); err != nil {
				return nil, err
			}
		}
	}
	if h := t.root.at(t.cur.slot).value.handle; h != nil {
		return h, nil
	}
	r := t.ownRoot().own(t.cur.slot)
	h := &Space[V]{table: t, space: r.value.space, slot: t.cur.slot}
	r.value.handle = h
	return h, nil
}

// Namespaces implements statebackend.Table.
func (t *Table[V]) Namespaces(f func(ns []byte) error) error {
	names := make([][]byte, 0, t.root.live)
	for e := range t.root.size {
		r := t.root.at(e)
		if r.klen != freeEntry && r.value.space.live > 0 {
			var scratch [inlineKey]byte
			names = append(names, t.root.key(r, &scratch))
		}
	}
	slices.SortFunc(names, bytes.Compare)
	for _, ns := range names {
		if err := f(ns); err != nil {
			return err
		}
	}
	return nil
}

// NamespacesOfKey implements statebackend.Table.
func (t *Table[V]) NamespacesOfKey(f func(ns []byte, v *V) error) error {
	if !t.key.Valid {
		return t.noKey()
	}
	hash, key := t.key.Hash, t.key.Key
	var names [][]byte
	for e := range t.root.size {
		r := t.root.at(e)
		if r.klen == freeEntry {
			continue
		}
		if _, ok := r.value.space.find(hash, key); ok {
			var scratch [inlineKey]byte
			names = append(names, t.root.key(r, &scratch))
		}
	}
	slices.SortFunc(names, bytes.Compare)
	for _, ns := range names {
		p, err := t.Find(ns)
		if err != nil {
			return err
		}
		if p == nil {
			continue // removed by an earlier call of f
		}
		if err := f(ns, p); err != nil {
			return err
		}
	}
	return nil
}

// writable returns the space for a change.
func (h *Space[V]) writable() (*space[V], error) {
	s := h.space
	if s == nil {
		return nil, h.table.wrap(ErrDropped)
	}
	if s.shared() {
		s = h.table.thawSlot(h.slot)
	}
	return s, nil
}

// upsert is Upsert in a space that is not shared.
func (h *Space[V]) upsert(s *space[V], hash uint64, key []byte) (r *entry[V], found bool,
	err error) {
	if e, ok := s.find(hash, key); ok {
		return s.own(e), true, nil
	}
	_, r, err = s.insert(hash, key)
	if err != nil {
		return nil, false, h.table.wrap(err)
	}
	h.table.count++
	return r, false, nil
}

// Upsert implements statebackend.Space.
func (h *Space[V]) Upsert(hash uint64, key []byte) (p *V, found bool, err error) {
	if h.table.checks != nil {
		return h.checkedUpsert(hash, key, false)
	}
	s, err := h.writable()
	if err != nil {
		return nil, false, err
	}
	r, found, err := h.upsert(s, hash, key)
	if err != nil {
		return nil, false, err
	}
	return &r.value, found, nil
}

// Modify implements statebackend.Space.
func (h *Space[V]) Modify(hash uint64, key []byte) (p *V, found bool, err error) {
	if h.table.checks != nil {
		return h.checkedUpsert(hash, key, true)
	}
	s, err := h.writable()
	if err != nil {
		return nil, false, err
	}
	r, found, err := h.upsert(s, hash, key)
	if err != nil {
		return nil, false, err
	}
	h.table.detach(r)
	return &r.value, found, nil
}

// Find implements statebackend.Space.
func (h *Space[V]) Find(hash uint64, key []byte) (*V, error) {
	if h.space == nil {
		return nil, h.table.wrap(ErrDropped)
	}
	if h.table.checks != nil {
		if err := h.table.checks.seal(); err != nil {
			return nil, err
		}
	}
	e, ok := h.space.find(hash, key)
	if !ok {
		return nil, nil
	}
	p := &h.space.at(e).value
	if h.table.checks != nil {
		return p, h.table.checks.hand(h.table.nameOf(h.slot), key, p, false)
	}
	return p, nil
}

// UpsertAll implements statebackend.Space.
func (h *Space[V]) UpsertAll(hashes []uint64, keys [][]byte,
	f func(i int, p *V, found bool) error,
) error {
	return h.all(hashes, keys, f, false)
}

// ModifyAll implements statebackend.Space.
func (h *Space[V]) ModifyAll(hashes []uint64, keys [][]byte,
	f func(i int, p *V, found bool) error,
) error {
	return h.all(hashes, keys, f, h.table.deep)
}

func (h *Space[V]) all(hashes []uint64, keys [][]byte,
	f func(i int, p *V, found bool) error, deep bool,
) error {
	if h.table.checks != nil {
		return h.checkedAll(hashes, keys, f, deep)
	}
	s, err := h.writable()
	if err != nil {
		return err
	}
	var ahead ahead
	for from := 0; from < len(keys); from += lookahead {
		to := min(from+lookahead, len(keys))
		s.resolve(hashes[from:to], keys[from:to], &ahead)
		for i := from; i < to; i++ {
			var r *entry[V]
			e := ahead[(i-from)&(lookahead-1)]
			found := e != 0
			if found {
				r = s.own(e - 1)
			} else if r, found, err = h.upsert(s, hashes[i], keys[i]); err != nil {
				return err
			}
			if deep {
				h.table.detach(r)
			}
			if err := f(i, &r.value, found); err != nil {
				return err
			}
		}
	}
	return nil
}

// Each implements statebackend.Space.
func (h *Space[V]) Each(f func(hash uint64, key []byte, p *V) (keep bool, err error)) error {
	t := h.table
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return err
		}
		ns, each := t.nameOf(h.slot), f
		f = func(hash uint64, key []byte, p *V) (bool, error) {
			return t.checks.watchRow(ns, key, p, func() (bool, error) { return each(hash, key, p) })
		}
	}
	s, err := h.writable()
	if err != nil {
		return err
	}
	// It escapes to f and stays valid if f makes it the current key, so it is made once per call.
	scratch := new([inlineKey]byte)
	for e := uint32(0); e < s.size && err == nil; e++ {
		r := s.own(e)
		if r.klen == freeEntry {
			continue
		}
		var keep bool
		if keep, err = f(r.hash, s.key(r, scratch), &r.value); err == nil && !keep {
			t.removeEntry(s, e)
		}
	}
	t.tidy(h.slot, s)
	return err
}

// Range implements statebackend.Space: unlike Each it copies nothing under a snapshot.
func (h *Space[V]) Range(f func(hash uint64, key []byte, v *V) (more bool, err error)) error {
	t, s := h.table, h.space
	if s == nil {
		return t.wrap(ErrDropped)
	}
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return err
		}
		ns, look := t.nameOf(h.slot), f
		f = func(hash uint64, key []byte, v *V) (bool, error) {
			if err := t.checks.hand(ns, key, v, false); err != nil {
				return false, err
			}
			more, err := look(hash, key, v)
			return more, errors.Join(err, t.checks.seal())
		}
	}
	scratch := new([inlineKey]byte)
	for i := range s.pages {
		rows := s.pages[i].rows
		if rest := s.size - uint32(i)<<s.lv.shift; rest < uint32(len(rows)) {
			rows = rows[:rest]
		}
		for j := range rows {
			r := &rows[j]
			if r.klen == freeEntry {
				continue
			}
			if more, err := f(r.hash, s.key(r, scratch), &r.value); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// Len implements statebackend.Space.
func (h *Space[V]) Len() int {
	if h.space == nil {
		return 0
	}
	return int(h.space.live)
}

// Drop implements statebackend.Space: it takes constant time.
func (h *Space[V]) Drop() error {
	if h.space == nil {
		return h.table.wrap(ErrDropped)
	}
	if h.table.checks != nil {
		if err := h.table.checks.seal(); err != nil {
			return err
		}
	}
	h.table.forgetSlot(h.slot)
	return nil
}
