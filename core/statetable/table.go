package statetable

import (
	"fmt"

	"goflink/core/statebackend"
)

// Table is a statebackend.Table on the heap.
type Table[V any] struct {
	epochs
	name  string
	key   *statebackend.KeyContext
	codec Codec[V]
	// deep says that values can be changed in place, so that Modify may have to copy them.
	deep bool
	// root maps namespaces; lv is what the spaces of all namespaces have in common.
	root  *space[slot[V]]
	roots *level[slot[V]]
	lv    *level[V]
	count int // keys in all namespaces
	// cur is the namespace used last, and the entry found last in it.
	cur struct {
		space *space[V] // nil if there is none
		ns    []byte
		slot  uint32
		entry uint32 // of the key that had the number seq; no entry if seq is 0
		seq   uint64
	}
	sweep  sweeper
	checks *checker[V]
}

// slot is a namespace in the root.
type slot[V any] struct {
	space  *space[V]
	handle *Space[V] // nil if nobody asked for one
}

var _ statebackend.Table[int] = (*Table[int])(nil)
var _ statebackend.Sweeper[int] = (*Table[int])(nil)

// New returns an empty table whose current key is key's. The name is for errors. A nil codec
// gives a table that cannot be written, for values that are never changed in place.
func New[V any](name string, key *statebackend.KeyContext, codec Codec[V]) *Table[V] {
	t := &Table[V]{name: name, key: key, codec: codec}
	t.now = 1
	t.deep = codec != nil && codec.Mutable()
	t.lv = newLevel[V](&t.epochs)
	t.roots = newLevel[slot[V]](&t.epochs)
	t.roots.moved = func(_, to uint32, r *entry[slot[V]]) {
		if h := r.value.handle; h != nil {
			h.slot = to
		}
	}
	t.root = newSpace(t.roots)
	return t
}

// Find implements statebackend.Table.
func (t *Table[V]) Find(ns []byte) (*V, error) {
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
		return &s.at(t.cur.entry).value, nil
	}
	e, ok := s.find(t.key.Hash, t.key.Key)
	if !ok {
		return nil, nil
	}
	t.cur.entry, t.cur.seq = e, t.key.Seq
	return &s.at(e).value, nil
}

// Upsert implements statebackend.Table.
func (t *Table[V]) Upsert(ns []byte) (p *V, found bool, err error) {
	if t.checks != nil {
		return t.checkedUpsert(ns, false)
	}
	r, found, err := t.upsert(ns)
	if err != nil {
		return nil, false, err
	}
	return &r.value, found, nil
}

// Modify implements statebackend.Table.
func (t *Table[V]) Modify(ns []byte) (p *V, found bool, err error) {
	if t.checks != nil {
		return t.checkedUpsert(ns, true)
	}
	r, found, err := t.upsert(ns)
	if err != nil {
		return nil, false, err
	}
	t.detach(r)
	return &r.value, found, nil
}

// detach deep-copies the value of an entry if a snapshot may share what it refers to.
func (t *Table[V]) detach(r *entry[V]) {
	if !t.deep || r.epoch > t.frozen {
		return
	}
	t.refresh()
	if r.epoch <= t.frozen {
		r.value = t.codec.Clone(r.value)
	}
	r.epoch = t.now
}

func (t *Table[V]) upsert(ns []byte) (r *entry[V], found bool, err error) {
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
func (t *Table[V]) row(ns []byte, hash uint64, key []byte) (r *entry[V], found bool, err error) {
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
func (t *Table[V]) writable(ns []byte) (s *space[V], err error) {
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

// Delete implements statebackend.Table.
func (t *Table[V]) Delete(ns []byte) error {
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
func (t *Table[V]) removeEntry(s *space[V], e uint32) {
	s.remove(e)
	t.count--
	t.cur.seq = 0
}

// settle makes the space in a slot dense after removals and removes it when it is empty. The empty
// namespace stays, and spaces that somebody holds.
func (t *Table[V]) settle(slot uint32) {
	r := t.root.at(slot)
	s := r.value.space
	if s.live == 0 && r.value.handle == nil && r.klen > 0 {
		t.forgetSlot(slot)
		return
	}
	t.tidy(slot, s)
}

// tidy makes the space in a slot dense if it is worth it.
func (t *Table[V]) tidy(slot uint32, s *space[V]) {
	if s.tidy() {
		t.cur.seq = 0
		if t.sweep.slot == slot {
			t.sweep.entry = 0
		}
	}
}

// enter makes ns the current namespace and returns its space, or nil if there is none.
func (t *Table[V]) enter(ns []byte) *space[V] {
	e, ok := t.root.find(hashOf(ns), ns)
	if !ok {
		return nil
	}
	t.visit(e, ns)
	return t.cur.space
}

// nameOf returns the namespace in a slot.
func (t *Table[V]) nameOf(slot uint32) []byte {
	return t.root.key(t.root.at(slot), new([inlineKey]byte))
}

func (t *Table[V]) visit(slot uint32, ns []byte) {
	t.cur.space = t.root.at(slot).value.space
	t.cur.slot, t.cur.seq = slot, 0
	t.cur.ns = append(t.cur.ns[:0], ns...)
}

// create makes the space of a namespace that has none and makes it current.
func (t *Table[V]) create(ns []byte) (*space[V], error) {
	root := t.ownRoot()
	e, r, err := root.insert(hashOf(ns), ns)
	if err != nil {
		return nil, t.wrap(err)
	}
	r.value.space = newSpace(t.lv)
	t.visit(e, ns)
	return t.cur.space, nil
}

func (t *Table[V]) ownRoot() *space[slot[V]] {
	if t.root.shared() {
		t.root = t.root.fork()
	}
	return t.root
}

// thawSlot forks the space in a slot, which a snapshot shares.
func (t *Table[V]) thawSlot(e uint32) *space[V] {
	r := t.ownRoot().own(e)
	s := r.value.space.fork()
	if t.cur.space == r.value.space {
		t.cur.space = s
	}
	r.value.space = s
	if h := r.value.handle; h != nil {
		h.space = s
	}
	return s
}

// forgetSlot removes a namespace with all that is in it.
func (t *Table[V]) forgetSlot(e uint32) {
	root := t.ownRoot()
	v := root.at(e).value
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

// Entries implements Any: the number of keys in all namespaces.
func (t *Table[V]) Entries() int { return t.count }

func (t *Table[V]) noKey() error {
	return fmt.Errorf("state %q: %w", t.name, statebackend.ErrNoKey)
}

func (t *Table[V]) wrap(err error) error { return fmt.Errorf("state %q: %w", t.name, err) }
