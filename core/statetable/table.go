package statetable

import (
	"fmt"
	"unsafe"

	"goflink/core/statebackend"
)

// table is a Table whose type of values is known to rows and values only.
type table struct {
	epochs
	name string
	key  *statebackend.KeyContext
	// values is nil if they are never written and never changed in place.
	values *values
	// root maps namespaces; lv is what the spaces of all namespaces have in common.
	root  *space
	roots *level
	lv    *level
	count int // keys in all namespaces
	// cur is the namespace used last, and the entry found last in it.
	cur struct {
		space *space // nil if there is none
		ns    []byte
		slot  uint32
		entry uint32 // of the key that had the number seq; no entry if seq is 0
		seq   uint64
	}
	sweep  sweeper
	checks *checker
}

// slot is a namespace in the root.
type slot struct {
	space  *space
	handle *handle // nil if nobody asked for one
}

func slotOf(r *row) *slot { return (*slot)(r.value()) }

// init makes t an empty table.
func (t *table) init(name string, key *statebackend.KeyContext, r rows, v *values) {
	t.name, t.key, t.values, t.now = name, key, v, 1
	t.lv = newLevel(&t.epochs, r)
	t.roots = newLevel(&t.epochs, rowsOf[slot]())
	t.roots.moved = func(_, to uint32, r *row) {
		if h := slotOf(r).handle; h != nil {
			h.slot = to
		}
	}
	t.root = newSpace(t.roots)
}

// find is Find of a Table.
func (t *table) find(ns []byte) (unsafe.Pointer, error) {
	if !t.key.Valid {
		return nil, t.noKey()
	}
	if t.checks != nil {
		return t.checkedFind(ns)
	}
	s := t.cur.space
	if s == nil || string(t.cur.ns) != string(ns) {
		if s = t.enter(ns); s == nil {
			return nil, nil
		}
	}
	if t.cur.seq == t.key.Seq {
		return s.at(t.cur.entry).value(), nil
	}
	e, ok := s.find(t.key.Hash, t.key.Key)
	if !ok {
		return nil, nil
	}
	t.cur.entry, t.cur.seq = e, t.key.Seq
	return s.at(e).value(), nil
}

// put is Upsert of a Table.
func (t *table) put(ns []byte) (p unsafe.Pointer, found bool, err error) {
	if t.checks != nil {
		return t.checkedUpsert(ns, false)
	}
	r, found, err := t.upsert(ns)
	if err != nil {
		return nil, false, err
	}
	return r.value(), found, nil
}

// modify is Modify of a Table.
func (t *table) modify(ns []byte) (p unsafe.Pointer, found bool, err error) {
	if t.checks != nil {
		return t.checkedUpsert(ns, true)
	}
	r, found, err := t.upsert(ns)
	if err != nil {
		return nil, false, err
	}
	t.detach(r)
	return r.value(), found, nil
}

// detach deep-copies the value of an entry if a snapshot may share what it refers to.
func (t *table) detach(r *row) {
	if t.values == nil || !t.values.deep || r.epoch > t.frozen {
		return
	}
	t.refresh()
	if r.epoch <= t.frozen {
		t.values.clone(r.value())
	}
	r.epoch = t.now
}

func (t *table) upsert(ns []byte) (r *row, found bool, err error) {
	if !t.key.Valid {
		return nil, false, t.noKey()
	}
	s, err := t.writable(ns)
	if err != nil {
		return nil, false, err
	}
	if t.cur.seq == t.key.Seq {
		return s.own(t.cur.entry), true, nil
	}
	e, found := s.find(t.key.Hash, t.key.Key)
	if found {
		r = s.own(e)
	} else if e, r, err = s.insert(t.key.Hash, t.key.Key); err != nil {
		return nil, false, t.wrap(err)
	} else {
		t.count++
	}
	t.cur.entry, t.cur.seq = e, t.key.Seq
	return r, found, nil
}

// row returns the entry of any key for change, inserting it if there is none.
func (t *table) row(ns []byte, hash uint64, key []byte) (r *row, found bool, err error) {
	s, err := t.writable(ns)
	if err != nil {
		return nil, false, err
	}
	if e, ok := s.find(hash, key); ok {
		return s.own(e), true, nil
	}
	if _, r, err = s.insert(hash, key); err != nil {
		return nil, false, t.wrap(err)
	}
	t.count++
	return r, false, nil
}

// writable makes ns the current namespace and returns its space for change; it is made if there
// is none.
func (t *table) writable(ns []byte) (s *space, err error) {
	s = t.cur.space
	if s == nil || string(t.cur.ns) != string(ns) {
		if s = t.enter(ns); s == nil {
			return t.create(ns)
		}
	}
	if s.shared() {
		return t.thawSlot(t.cur.slot), nil
	}
	return s, nil
}

// remove is Delete of a Table.
func (t *table) remove(ns []byte) error {
	if !t.key.Valid {
		return t.noKey()
	}
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return err
		}
		t.checks.forget(ns, t.key.Key)
	}
	s := t.cur.space
	if s == nil || string(t.cur.ns) != string(ns) {
		if s = t.enter(ns); s == nil {
			return nil
		}
	}
	e, ok := t.cur.entry, t.cur.seq == t.key.Seq
	if !ok {
		e, ok = s.find(t.key.Hash, t.key.Key)
	}
	if !ok {
		return nil
	}
	if s.shared() {
		s = t.thawSlot(t.cur.slot)
	}
	t.removeEntry(s, e)
	t.settle(t.cur.slot)
	return nil
}

// removeEntry removes entry e of s, which is not shared.
func (t *table) removeEntry(s *space, e uint32) {
	s.remove(e)
	t.count--
	t.cur.seq = 0
}

// settle makes the space in a slot dense after removals and removes it when it is empty. The empty
// namespace stays, and spaces that somebody holds.
func (t *table) settle(slot uint32) {
	r := t.root.at(slot)
	s := slotOf(r).space
	if s.live == 0 && slotOf(r).handle == nil && r.klen > 0 {
		t.forgetSlot(slot)
		return
	}
	t.tidy(slot, s)
}

// tidy makes the space in a slot dense if it is worth it.
func (t *table) tidy(slot uint32, s *space) {
	if s.tidy() {
		t.cur.seq = 0
		if t.sweep.slot == slot {
			t.sweep.entry = 0
		}
	}
}

// enter makes ns the current namespace and returns its space, or nil if there is none.
func (t *table) enter(ns []byte) *space {
	e, ok := t.root.find(hashOf(ns), ns)
	if !ok {
		return nil
	}
	t.visit(e, ns)
	return t.cur.space
}

// nameOf returns the namespace in a slot.
func (t *table) nameOf(slot uint32) []byte {
	return t.root.key(t.root.at(slot), new([inlineKey]byte))
}

func (t *table) visit(slot uint32, ns []byte) {
	t.cur.space = slotOf(t.root.at(slot)).space
	t.cur.slot, t.cur.seq = slot, 0
	t.cur.ns = append(t.cur.ns[:0], ns...)
}

// create makes the space of a namespace that has none and makes it current.
func (t *table) create(ns []byte) (*space, error) {
	root := t.ownRoot()
	e, r, err := root.insert(hashOf(ns), ns)
	if err != nil {
		return nil, t.wrap(err)
	}
	slotOf(r).space = newSpace(t.lv)
	t.visit(e, ns)
	return t.cur.space, nil
}

func (t *table) ownRoot() *space {
	if t.root.shared() {
		t.root = t.root.fork()
	}
	return t.root
}

// thawSlot forks the space in a slot, which a snapshot shares.
func (t *table) thawSlot(e uint32) *space {
	at := slotOf(t.ownRoot().own(e))
	s := at.space.fork()
	if t.cur.space == at.space {
		t.cur.space = s
	}
	at.space = s
	if at.handle != nil {
		at.handle.space = s
	}
	return s
}

// forgetSlot removes a namespace with all that is in it.
func (t *table) forgetSlot(e uint32) {
	root := t.ownRoot()
	v := *slotOf(root.at(e))
	t.count -= int(v.space.live)
	if t.checks != nil {
		t.checks.forgetSpace(t.nameOf(e), v.space)
	}
	if v.handle != nil {
		v.handle.space = nil
	}
	t.lv.drop(v.space)
	root.remove(e)
	if t.sweep.slot == e {
		t.sweep.entry = 0
	}
	if root.tidy() {
		t.sweep = sweeper{}
		t.cur.space = nil
	}
	if t.cur.slot == e {
		t.cur.space = nil
	}
	t.cur.seq = 0
}

func (t *table) noKey() error {
	return fmt.Errorf("state %q: %w", t.name, statebackend.ErrNoKey)
}

func (t *table) wrap(err error) error { return fmt.Errorf("state %q: %w", t.name, err) }
