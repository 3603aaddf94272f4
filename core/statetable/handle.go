package statetable

import (
	"bytes"
	"errors"
	"slices"
	"unsafe"
)

// ErrDropped is in the chain of errors about a Space that was dropped.
var ErrDropped = errors.New("the namespace was dropped")

// handle is a Space.
type handle struct {
	table *table
	space *space // nil after Drop
	slot  uint32
}

// handle returns the handle of a namespace, which takes memory, also without values, until the
// handle is dropped.
func (t *table) handle(ns []byte) (*handle, error) {
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
	if h := slotOf(t.root.at(t.cur.slot)).handle; h != nil {
		return h, nil
	}
	at := slotOf(t.ownRoot().own(t.cur.slot))
	at.handle = &handle{table: t, space: at.space, slot: t.cur.slot}
	return at.handle, nil
}

// namespaces is Namespaces of a Table.
func (t *table) namespaces(f func(ns []byte) error) error {
	names := make([][]byte, 0, t.root.live)
	for e := range t.root.size {
		r := t.root.at(e)
		if r.klen != freeEntry && slotOf(r).space.live > 0 {
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

// ofKey is NamespacesOfKey of a Table.
func (t *table) ofKey(f nsVisitor) error {
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
		if _, ok := slotOf(r).space.find(hash, key); ok {
			var scratch [inlineKey]byte
			names = append(names, t.root.key(r, &scratch))
		}
	}
	slices.SortFunc(names, bytes.Compare)
	for _, ns := range names {
		p, err := t.find(ns)
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
func (h *handle) writable() (*space, error) {
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
func (h *handle) upsert(s *space, hash uint64, key []byte) (
	r *row, found bool, err error,
) {
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

// put is Upsert of a Space.
func (h *handle) put(hash uint64, key []byte) (p unsafe.Pointer, found bool, err error) {
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
	return r.value(), found, nil
}

// modify is Modify of a Space.
func (h *handle) modify(hash uint64, key []byte) (p unsafe.Pointer, found bool, err error) {
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
	return r.value(), found, nil
}

// find is Find of a Space.
func (h *handle) find(hash uint64, key []byte) (unsafe.Pointer, error) {
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
	p := h.space.at(e).value()
	if h.table.checks != nil {
		return p, h.table.checks.hand(h.table.nameOf(h.slot), key, p, false)
	}
	return p, nil
}

// all is UpsertAll of a Space, or with deep ModifyAll.
func (h *handle) all(hashes []uint64, keys [][]byte, f visitor, deep bool) error {
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
			var r *row
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
			if err := f(i, r.value(), found); err != nil {
				return err
			}
		}
	}
	return nil
}

// each is Each of a Space.
func (h *handle) each(f eacher) error {
	t := h.table
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return err
		}
		ns, each := t.nameOf(h.slot), f
		f = func(hash uint64, key []byte, p unsafe.Pointer) (bool, error) {
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
		if keep, err = f(r.hash, s.key(r, scratch), r.value()); err == nil && !keep {
			t.removeEntry(s, e)
		}
	}
	t.tidy(h.slot, s)
	return err
}

// read is Range of a Space: unlike each it copies nothing under a snapshot.
func (h *handle) read(f eacher) error {
	t, s := h.table, h.space
	if s == nil {
		return t.wrap(ErrDropped)
	}
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return err
		}
		ns, look := t.nameOf(h.slot), f
		f = func(hash uint64, key []byte, v unsafe.Pointer) (bool, error) {
			if err := t.checks.hand(ns, key, v, false); err != nil {
				return false, err
			}
			more, err := look(hash, key, v)
			return more, errors.Join(err, t.checks.seal())
		}
	}
	scratch := new([inlineKey]byte)
	for i := range s.pages {
		rows, n := s.pages[i].rows, min(s.pages[i].len, s.size-uint32(i)<<s.lv.shift)
		for j := range int(n) {
			r := s.lv.at(rows, j)
			if r.klen == freeEntry {
				continue
			}
			if more, err := f(r.hash, s.key(r, scratch), r.value()); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// len is Len of a Space.
func (h *handle) len() int {
	if h.space == nil {
		return 0
	}
	return int(h.space.live)
}

// drop is Drop of a Space: it takes constant time.
func (h *handle) drop() error {
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
