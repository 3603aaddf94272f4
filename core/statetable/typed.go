package statetable

import "goflink/core/statebackend"

// Table is a statebackend.Table on the heap.
//
// It has the memory of a table, as Space has that of a handle and MapTable that of a mapTable, but
// no method of theirs by embedding: the compiler would make each of them again for each V.
type Table[V any] table

func (t *Table[V]) raw() *table { return (*table)(t) }

func _[V any](v *Table[V]) {
	var _ statebackend.Table[V] = v
	var _ statebackend.Sweeper[V] = v
	var _ Any = v
}

// New returns an empty table whose current key is key's. The name is for errors. A nil codec
// gives a table that cannot be written, for values that are never changed in place.
func New[V any](name string, key *statebackend.KeyContext, codec Codec[V]) *Table[V] {
	t := &Table[V]{}
	t.raw().init(name, key, rowsOf[V](), valuesOf(codec))
	return t
}

// Find implements statebackend.Table.
func (t *Table[V]) Find(ns []byte) (*V, error) {
	p, err := t.raw().find(ns)
	return (*V)(p), err
}

// Upsert implements statebackend.Table.
func (t *Table[V]) Upsert(ns []byte) (*V, bool, error) {
	p, found, err := t.raw().put(ns)
	return (*V)(p), found, err
}

// Modify implements statebackend.Table.
func (t *Table[V]) Modify(ns []byte) (*V, bool, error) {
	p, found, err := t.raw().modify(ns)
	return (*V)(p), found, err
}

// Space implements statebackend.Table. The namespace takes memory, also without values, until
// the Space is dropped.
func (t *Table[V]) Space(ns []byte) (statebackend.Space[V], error) {
	h, err := t.raw().handle(ns)
	if err != nil {
		return nil, err
	}
	return (*Space[V])(h), nil
}

// Delete implements statebackend.Table.
func (t *Table[V]) Delete(ns []byte) error { return t.raw().remove(ns) }

// Namespaces implements statebackend.Table.
func (t *Table[V]) Namespaces(f func(ns []byte) error) error { return t.raw().namespaces(f) }

// NamespacesOfKey implements statebackend.Table.
func (t *Table[V]) NamespacesOfKey(f func(ns []byte, v *V) error) error {
	return t.raw().ofKey(untyped[nsVisitor](&f))
}

// Sweep implements statebackend.Sweeper.
func (t *Table[V]) Sweep(n int, expired func(v *V) bool) error {
	return t.raw().search(n, untyped[expirer](&expired))
}

// Freeze implements Any.
func (t *Table[V]) Freeze(now int64) Frozen { return t.raw().freezeAt(now) }

// Loader implements Any.
func (t *Table[V]) Loader(h *statebackend.StateHeader, now int64) (
	func(e *statebackend.Entry) error, error,
) {
	return t.raw().loader(h, now)
}

// CheckMutation makes the table verify from now on that values are not changed in place, other than
// by Modify. It costs time and memory and is meant for tests.
func (t *Table[V]) CheckMutation() { t.raw().checkMutation() }

// Verify returns an error if a value was changed in place, of a table that checks.
func (t *Table[V]) Verify() error { return t.raw().verify() }

// Entries implements Any: the number of entries in all namespaces.
func (t *Table[V]) Entries() int { return t.count }

// MemSize implements Any: it counts what the table allocated itself, and what values refer to by a
// sample of them.
func (t *Table[V]) MemSize() int64 { return t.raw().memSize() }

// Copied implements Any.
func (t *Table[V]) Copied() int64 { return t.raw().copiedBytes() }

// Space is the part of a Table in one namespace: a statebackend.Space.
type Space[V any] handle

func (h *Space[V]) raw() *handle { return (*handle)(h) }

func _[V any](v *Space[V]) { var _ statebackend.Space[V] = v }

// Upsert implements statebackend.Space.
func (h *Space[V]) Upsert(hash uint64, key []byte) (*V, bool, error) {
	p, found, err := h.raw().put(hash, key)
	return (*V)(p), found, err
}

// Modify implements statebackend.Space.
func (h *Space[V]) Modify(hash uint64, key []byte) (*V, bool, error) {
	p, found, err := h.raw().modify(hash, key)
	return (*V)(p), found, err
}

// Find implements statebackend.Space.
func (h *Space[V]) Find(hash uint64, key []byte) (*V, error) {
	p, err := h.raw().find(hash, key)
	return (*V)(p), err
}

// UpsertAll implements statebackend.Space.
func (h *Space[V]) UpsertAll(hashes []uint64, keys [][]byte,
	f func(i int, p *V, found bool) error,
) error {
	return h.raw().all(hashes, keys, untyped[visitor](&f), false)
}

// ModifyAll implements statebackend.Space.
func (h *Space[V]) ModifyAll(hashes []uint64, keys [][]byte,
	f func(i int, p *V, found bool) error,
) error {
	return h.raw().all(hashes, keys, untyped[visitor](&f), true)
}

// Each implements statebackend.Space.
func (h *Space[V]) Each(f func(hash uint64, key []byte, p *V) (keep bool, err error)) error {
	return h.raw().each(untyped[eacher](&f))
}

// Range implements statebackend.Space: unlike Each it copies nothing under a snapshot.
func (h *Space[V]) Range(f func(hash uint64, key []byte, v *V) (more bool, err error)) error {
	return h.raw().read(untyped[eacher](&f))
}

// Len implements statebackend.Space.
func (h *Space[V]) Len() int { return h.raw().len() }

// Drop implements statebackend.Space: it takes constant time.
func (h *Space[V]) Drop() error { return h.raw().drop() }

// MapTable is a statebackend.MapTable on the heap: a Table whose values are spaces themselves.
type MapTable[V any] mapTable

func (t *MapTable[V]) raw() *mapTable { return (*mapTable)(t) }

func _[V any](v *MapTable[V]) {
	var _ statebackend.MapTable[V] = v
	var _ statebackend.Sweeper[V] = v
	var _ Any = v
}

// NewMap returns an empty map table; see New.
func NewMap[V any](name string, key *statebackend.KeyContext, codec Codec[V]) *MapTable[V] {
	t := &MapTable[V]{}
	t.raw().init(name, key, rowsOf[V](), valuesOf(codec))
	return t
}

// Find implements statebackend.MapTable.
func (t *MapTable[V]) Find(ns, mapKey []byte) (*V, error) {
	p, err := t.raw().find(ns, mapKey)
	return (*V)(p), err
}

// Upsert implements statebackend.MapTable.
func (t *MapTable[V]) Upsert(ns, mapKey []byte) (*V, bool, error) {
	p, found, err := t.raw().upsert(ns, mapKey)
	return (*V)(p), found, err
}

// Delete implements statebackend.MapTable.
func (t *MapTable[V]) Delete(ns, mapKey []byte) error { return t.raw().remove(ns, mapKey) }

// Len implements statebackend.MapTable.
func (t *MapTable[V]) Len(ns []byte) (int, error) { return t.raw().len(ns) }

// Clear implements statebackend.MapTable.
func (t *MapTable[V]) Clear(ns []byte) error { return t.raw().removeAll(ns) }

// DropNamespace implements statebackend.MapTable. It takes a look at each key in ns.
func (t *MapTable[V]) DropNamespace(ns []byte) error { return t.raw().dropNamespace(ns) }

// Range implements statebackend.MapTable.
func (t *MapTable[V]) Range(ns []byte, f func(mapKey []byte, v *V) (more bool, err error)) error {
	return t.raw().read(ns, untyped[mapEacher](&f))
}

// Each implements statebackend.MapTable.
func (t *MapTable[V]) Each(ns []byte, f func(mapKey []byte, p *V) (keep bool, err error)) error {
	return t.raw().each(ns, untyped[mapEacher](&f))
}

// Sweep implements statebackend.Sweeper.
func (t *MapTable[V]) Sweep(n int, expired func(v *V) bool) error {
	return t.raw().search(n, untyped[expirer](&expired))
}

// Freeze implements Any.
func (t *MapTable[V]) Freeze(now int64) Frozen { return t.raw().freezeAt(now) }

// Loader implements Any.
func (t *MapTable[V]) Loader(h *statebackend.StateHeader, now int64) (
	func(e *statebackend.Entry) error, error,
) {
	return t.raw().loader(h, now)
}

// CheckMutation makes the table verify from now on that values are not changed in place, other than
// by Modify. It costs time and memory and is meant for tests.
func (t *MapTable[V]) CheckMutation() { t.raw().checkMutation() }

// Verify returns an error if a value was changed in place, of a table that checks.
func (t *MapTable[V]) Verify() error { return t.raw().verify() }

// Entries implements Any: the number of entries in all namespaces.
func (t *MapTable[V]) Entries() int { return t.count }

// MemSize implements Any: it counts what the table allocated itself, and what values refer to by a
// sample of them.
func (t *MapTable[V]) MemSize() int64 { return t.raw().memSize() }

// Copied implements Any.
func (t *MapTable[V]) Copied() int64 { return t.raw().copiedBytes() }
