package statetable

import "goflink/core/statebackend"

// Table is a statebackend.Table on the heap.
type Table[V any] struct{ table }

var _ statebackend.Table[int] = (*Table[int])(nil)
var _ statebackend.Sweeper[int] = (*Table[int])(nil)
var _ Any = (*Table[int])(nil)

// New returns an empty table whose current key is key's. The name is for errors. A nil codec
// gives a table that cannot be written, for values that are never changed in place.
func New[V any](name string, key *statebackend.KeyContext, codec Codec[V]) *Table[V] {
	t := &Table[V]{}
	t.init(name, key, rowsOf[V](), valuesOf(codec))
	return t
}

// Find implements statebackend.Table.
func (t *Table[V]) Find(ns []byte) (*V, error) {
	p, err := t.find(ns)
	return (*V)(p), err
}

// Upsert implements statebackend.Table.
func (t *Table[V]) Upsert(ns []byte) (*V, bool, error) {
	p, found, err := t.put(ns)
	return (*V)(p), found, err
}

// Modify implements statebackend.Table.
func (t *Table[V]) Modify(ns []byte) (*V, bool, error) {
	p, found, err := t.modify(ns)
	return (*V)(p), found, err
}

// Space implements statebackend.Table. The namespace takes memory, also without values, until
// the Space is dropped.
func (t *Table[V]) Space(ns []byte) (statebackend.Space[V], error) {
	h, err := t.handle(ns)
	if err != nil {
		return nil, err
	}
	return (*Space[V])(h), nil
}

// NamespacesOfKey implements statebackend.Table.
func (t *Table[V]) NamespacesOfKey(f func(ns []byte, v *V) error) error {
	return t.ofKey(untyped[nsVisitor](&f))
}

// Sweep implements statebackend.Sweeper.
func (t *Table[V]) Sweep(n int, expired func(v *V) bool) error {
	return t.search(n, untyped[expirer](&expired))
}

// Space is the part of a Table in one namespace: a statebackend.Space.
type Space[V any] handle

var _ statebackend.Space[int] = (*Space[int])(nil)

// Upsert implements statebackend.Space.
func (h *Space[V]) Upsert(hash uint64, key []byte) (*V, bool, error) {
	p, found, err := (*handle)(h).put(hash, key)
	return (*V)(p), found, err
}

// Modify implements statebackend.Space.
func (h *Space[V]) Modify(hash uint64, key []byte) (*V, bool, error) {
	p, found, err := (*handle)(h).modify(hash, key)
	return (*V)(p), found, err
}

// Find implements statebackend.Space.
func (h *Space[V]) Find(hash uint64, key []byte) (*V, error) {
	p, err := (*handle)(h).find(hash, key)
	return (*V)(p), err
}

// UpsertAll implements statebackend.Space.
func (h *Space[V]) UpsertAll(hashes []uint64, keys [][]byte,
	f func(i int, p *V, found bool) error,
) error {
	return (*handle)(h).all(hashes, keys, untyped[visitor](&f), false)
}

// ModifyAll implements statebackend.Space.
func (h *Space[V]) ModifyAll(hashes []uint64, keys [][]byte,
	f func(i int, p *V, found bool) error,
) error {
	return (*handle)(h).all(hashes, keys, untyped[visitor](&f), true)
}

// Each implements statebackend.Space.
func (h *Space[V]) Each(f func(hash uint64, key []byte, p *V) (keep bool, err error)) error {
	return (*handle)(h).each(untyped[eacher](&f))
}

// Range implements statebackend.Space: unlike Each it copies nothing under a snapshot.
func (h *Space[V]) Range(f func(hash uint64, key []byte, v *V) (more bool, err error)) error {
	return (*handle)(h).read(untyped[eacher](&f))
}

// Len implements statebackend.Space.
func (h *Space[V]) Len() int { return (*handle)(h).len() }

// Drop implements statebackend.Space: it takes constant time.
func (h *Space[V]) Drop() error { return (*handle)(h).drop() }

// MapTable is a statebackend.MapTable on the heap: a Table whose values are spaces themselves.
type MapTable[V any] struct{ mapTable }

var _ statebackend.MapTable[int] = (*MapTable[int])(nil)
var _ statebackend.Sweeper[int] = (*MapTable[int])(nil)
var _ Any = (*MapTable[int])(nil)

// NewMap returns an empty map table; see New.
func NewMap[V any](name string, key *statebackend.KeyContext, codec Codec[V]) *MapTable[V] {
	t := &MapTable[V]{}
	t.init(name, key, rowsOf[V](), valuesOf(codec))
	return t
}

// Find implements statebackend.MapTable.
func (t *MapTable[V]) Find(ns, mapKey []byte) (*V, error) {
	p, err := t.find(ns, mapKey)
	return (*V)(p), err
}

// Upsert implements statebackend.MapTable.
func (t *MapTable[V]) Upsert(ns, mapKey []byte) (*V, bool, error) {
	p, found, err := t.upsert(ns, mapKey)
	return (*V)(p), found, err
}

// Range implements statebackend.MapTable.
func (t *MapTable[V]) Range(ns []byte, f func(mapKey []byte, v *V) (more bool, err error)) error {
	return t.read(ns, untyped[mapEacher](&f))
}

// Each implements statebackend.MapTable.
func (t *MapTable[V]) Each(ns []byte, f func(mapKey []byte, p *V) (keep bool, err error)) error {
	return t.each(ns, untyped[mapEacher](&f))
}

// Sweep implements statebackend.Sweeper.
func (t *MapTable[V]) Sweep(n int, expired func(v *V) bool) error {
	return t.search(n, untyped[expirer](&expired))
}
