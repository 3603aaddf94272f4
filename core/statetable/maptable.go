package statetable

import (
	"bytes"
	"errors"
	"slices"
	"unsafe"

	"goflink/core/statebackend"
)

// mapTable is a MapTable whose type of values is known to rows and values only.
type mapTable struct {
	outer  table // of mapSlots
	lv     *level
	values *values
	count  int
	sweep  uint32 // the entry of the map at hand at which Sweep goes on
	checks *checker
}

// mapSlot is the map of one key. The space has an entry per map key.
type mapSlot struct {
	space *space
	// order is kept for maps of more than scanEntries entries that were iterated.
	order *order
}

func mapOf(r *row) *mapSlot { return (*mapSlot)(r.value()) }

// order lists the entries of a map by the bytes of their map keys. Only the task uses it.
type order struct {
	rows  []uint32
	valid bool
}

// eagerOrder is up to how many entries an order is kept up to date by insertion; a larger one
// is sorted again when it is needed.
const eagerOrder = 4096

// init makes t an empty map table.
func (t *mapTable) init(name string, key *statebackend.KeyContext, r rows, v *values) {
	t.outer.init(name, key, rowsOf[mapSlot](), nil)
	t.lv, t.values = newLevel(&t.outer.epochs, r), v
}

// view returns the map of the current key for reading, or nil.
func (t *mapTable) view(ns []byte) (*mapSlot, error) {
	p, err := t.outer.find(ns)
	return (*mapSlot)(p), err
}

// change returns the map of the current key for change: it is made if there is none.
func (t *mapTable) change(ns []byte) (*mapSlot, error) {
	m, err := t.view(ns)
	if err != nil || m != nil && !m.space.shared() {
		return m, err
	}
	p, found, err := t.outer.put(ns)
	if err != nil {
		return nil, err
	}
	m = (*mapSlot)(p)
	if found {
		m.space = m.space.fork()
	} else {
		m.space = newSpace(t.lv)
	}
	return m, nil
}

// find is Find of a MapTable.
func (t *mapTable) find(ns, mapKey []byte) (unsafe.Pointer, error) {
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return nil, err
		}
	}
	m, err := t.view(ns)
	if m == nil {
		return nil, err
	}
	e, ok := m.space.find(hashOf(mapKey), mapKey)
	if !ok {
		return nil, nil
	}
	p := m.space.at(e).value()
	if t.checks != nil {
		return p, t.checks.hand(t.checkName(ns), mapKey, p, false)
	}
	return p, nil
}

// checkName is what the checker takes for the namespace: namespace and key.
func (t *mapTable) checkName(ns []byte) []byte {
	return []byte(checkID(ns, t.outer.key.Key))
}

// upsert is Upsert of a MapTable.
func (t *mapTable) upsert(ns, mapKey []byte) (p unsafe.Pointer, found bool, err error) {
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return nil, false, err
		}
	}
	m, err := t.change(ns)
	if err != nil {
		return nil, false, err
	}
	r, found, err := t.put(m, mapKey)
	if err != nil {
		return nil, false, err
	}
	if t.checks != nil {
		return r.value(), found, t.checks.hand(t.checkName(ns), mapKey, r.value(), true)
	}
	return r.value(), found, nil
}

// put returns the entry of a map key, inserting it if there is none.
func (t *mapTable) put(m *mapSlot, mapKey []byte) (r *row, found bool, err error) {
	hash := hashOf(mapKey)
	e, found := m.space.find(hash, mapKey)
	if found {
		return m.space.own(e), true, nil
	}
	if e, r, err = m.space.insert(hash, mapKey); err != nil {
		return nil, false, t.outer.wrap(err)
	}
	t.count++
	m.insertOrder(e)
	return r, false, nil
}

// remove is Delete of a MapTable.
func (t *mapTable) remove(ns, mapKey []byte) error {
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return err
		}
	}
	m, err := t.view(ns)
	if m == nil {
		return err
	}
	e, ok := m.space.find(hashOf(mapKey), mapKey)
	if !ok {
		return nil
	}
	if t.checks != nil {
		t.checks.forget(t.checkName(ns), mapKey)
	}
	if m, err = t.change(ns); err != nil {
		return err
	}
	t.drop(m, e)
	return t.settle(ns, m)
}

// drop removes entry e of a map that is not shared.
func (t *mapTable) drop(m *mapSlot, e uint32) {
	m.removeOrder(e)
	m.space.remove(e)
	t.count--
}

// settle removes the map if it became empty and makes it dense if it became sparse.
func (t *mapTable) settle(ns []byte, m *mapSlot) error {
	if m.space.live == 0 {
		t.lv.drop(m.space)
		return t.outer.remove(ns)
	}
	if m.space.tidy() && m.order != nil {
		m.order.valid = false
	}
	return nil
}

// read is Range of a MapTable.
func (t *mapTable) read(ns []byte, f mapEacher) error {
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return err
		}
		name, look := t.checkName(ns), f
		f = func(mapKey []byte, v unsafe.Pointer) (bool, error) {
			if err := t.checks.hand(name, mapKey, v, false); err != nil {
				return false, err
			}
			more, err := look(mapKey, v)
			return more, errors.Join(err, t.checks.seal())
		}
	}
	m, err := t.view(ns)
	if m == nil {
		return err
	}
	var small [scanEntries]uint32
	s := m.space
	scratch := new([inlineKey]byte)
	for _, e := range m.sorted(&small) {
		r := s.at(e)
		if more, err := f(s.key(r, scratch), r.value()); err != nil || !more {
			return err
		}
	}
	return nil
}

// each is Each of a MapTable.
func (t *mapTable) each(ns []byte, f mapEacher) error {
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return err
		}
		name, each := t.checkName(ns), f
		f = func(mapKey []byte, p unsafe.Pointer) (bool, error) {
			return t.checks.watchRow(name, mapKey, p, func() (bool, error) {
				return each(mapKey, p)
			})
		}
	}
	m, err := t.view(ns)
	if m == nil {
		return err
	}
	if m, err = t.change(ns); err != nil {
		return err
	}
	var small [scanEntries]uint32
	var gone []uint32
	s := m.space
	scratch := new([inlineKey]byte)
	for _, e := range m.sorted(&small) {
		r := s.own(e)
		keep, ferr := f(s.key(r, scratch), r.value())
		if err = ferr; err != nil {
			break
		}
		if !keep {
			gone = append(gone, e)
		}
	}
	if len(gone) > scanEntries && m.order != nil {
		m.order.valid = false // sorting again is cheaper
	}
	for _, e := range gone {
		t.drop(m, e)
	}
	if serr := t.settle(ns, m); err == nil {
		err = serr
	}
	return err
}

// len is Len of a MapTable.
func (t *mapTable) len(ns []byte) (int, error) {
	m, err := t.view(ns)
	if m == nil {
		return 0, err
	}
	return int(m.space.live), nil
}

// removeAll is Clear of a MapTable.
func (t *mapTable) removeAll(ns []byte) error {
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return err
		}
	}
	m, err := t.view(ns)
	if m == nil {
		return err
	}
	if t.checks != nil {
		t.checks.forgetSpace(t.checkName(ns), m.space)
	}
	t.count -= int(m.space.live)
	t.lv.drop(m.space)
	return t.outer.remove(ns)
}

// dropNamespace is DropNamespace of a MapTable.
func (t *mapTable) dropNamespace(ns []byte) error {
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return err
		}
	}
	s := t.outer.enter(ns)
	if s == nil {
		return nil
	}
	for e := range s.size {
		r := s.at(e)
		if r.klen == freeEntry {
			continue
		}
		t.count -= int(mapOf(r).space.live)
		if t.checks != nil {
			key := s.key(r, new([inlineKey]byte))
			t.checks.forgetSpace([]byte(checkID(ns, key)), mapOf(r).space)
		}
	}
	t.outer.forgetSlot(t.outer.cur.slot)
	return nil
}

// mapKey returns the map key of entry e.
func (m *mapSlot) mapKey(e uint32, scratch *[inlineKey]byte) []byte {
	return m.space.key(m.space.at(e), scratch)
}

// compare orders entries by their map keys.
func (m *mapSlot) compare(a, b uint32) int {
	var sa, sb [inlineKey]byte
	return bytes.Compare(m.mapKey(a, &sa), m.mapKey(b, &sb))
}

// sorted returns the entries in order. small serves maps of few entries.
func (m *mapSlot) sorted(small *[scanEntries]uint32) []uint32 {
	rows := small[:0]
	if s := m.space; s.live > scanEntries {
		if m.order == nil {
			m.order = &order{}
		}
		if m.order.valid {
			return m.order.rows
		}
		rows = m.order.rows[:0]
	}
	for e := range m.space.size {
		if m.space.at(e).klen != freeEntry {
			rows = append(rows, e)
		}
	}
	slices.SortFunc(rows, m.compare)
	if m.space.live > scanEntries {
		m.order.rows, m.order.valid = rows, true
	}
	return rows
}

// insertOrder enters a new entry into the order.
func (m *mapSlot) insertOrder(e uint32) {
	if m.order == nil || !m.order.valid {
		return
	}
	if len(m.order.rows) >= eagerOrder {
		m.order.valid = false
		return
	}
	at, _ := slices.BinarySearchFunc(m.order.rows, e, m.compare)
	m.order.rows = slices.Insert(m.order.rows, at, e)
}

// removeOrder takes an entry that is still there out of the order.
func (m *mapSlot) removeOrder(e uint32) {
	if m.order == nil || !m.order.valid {
		return
	}
	if len(m.order.rows) >= eagerOrder || m.space.live <= scanEntries+1 {
		m.order.valid = false
		return
	}
	at, _ := slices.BinarySearchFunc(m.order.rows, e, m.compare)
	m.order.rows = slices.Delete(m.order.rows, at, at+1)
}
