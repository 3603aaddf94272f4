package statetable

import (
	"unsafe"

	"goflink/core/statebackend"
)

// row is the part of an entry that does not depend on the type of its value, which lies behind it.
// All the work of a table is done on rows and the memory of values: that code is compiled once, not
// for each type of value. What must know the type is in rows and values.
type row struct {
	hash uint64
	// key holds the bytes of a key of at most inlineKey bytes, else where they lie in the arena
	// (chunk << 32 | offset). Of a free entry it is 1 + the number of the next free one.
	key uint64
	// klen is the length of the key, or freeEntry.
	klen uint32
	// epoch is when the value was made or last deep-copied; see level.
	epoch uint32
}

// entry is one key with its value. It holds no pointer unless V does, so that pages of entries of
// a V without pointers are not scanned by the garbage collector.
type entry[V any] struct {
	row
	value V
}

// value is the memory of an entry's value: no type needs more alignment than a row.
func (r *row) value() unsafe.Pointer { return unsafe.Add(unsafe.Pointer(r), unsafe.Sizeof(*r)) }

// rows is how entries of one type are made and moved. The garbage collector knows the type from
// make.
type rows struct {
	size uintptr // of an entry
	make func(n int) unsafe.Pointer
	copy func(dst, src unsafe.Pointer, n int)
	// clear makes entries those of zero values.
	clear func(p unsafe.Pointer, n int)
}

func rowsOf[V any]() rows {
	of := func(p unsafe.Pointer, n int) []entry[V] { return unsafe.Slice((*entry[V])(p), n) }
	return rows{
		size: unsafe.Sizeof(entry[V]{}),
		make: func(n int) unsafe.Pointer {
			return unsafe.Pointer(unsafe.SliceData(make([]entry[V], n)))
		},
		copy:  func(dst, src unsafe.Pointer, n int) { copy(of(dst, n), of(src, n)) },
		clear: func(p unsafe.Pointer, n int) { clear(of(p, n)) },
	}
}

// at is entry i of those at p.
func (r *rows) at(p unsafe.Pointer, i int) *row { return (*row)(unsafe.Add(p, uintptr(i)*r.size)) }

// values is a Codec as a table uses it, and what else it does with values: each pointer is that of
// a value.
type values struct {
	// deep says that values can be changed in place, so that Modify may have to copy them.
	deep   bool
	append func(dst []byte, p unsafe.Pointer) ([]byte, error)
	reader func(h *statebackend.StateHeader, now int64) (
		func(src []byte, p unsafe.Pointer) error, error)
	set func(dst, src unsafe.Pointer)
	// clone replaces a value by a deep copy.
	clone func(p unsafe.Pointer)
	// get returns a value, copied a deep copy.
	get, copied func(p unsafe.Pointer) any
	// refers is what a value refers to, in bytes.
	refers  func(p unsafe.Pointer) int64
	expired func(p unsafe.Pointer, now int64) bool
}

// valuesOf returns nil for a nil Codec.
func valuesOf[V any](c Codec[V]) *values {
	if c == nil {
		return nil
	}
	return &values{
		deep: c.Mutable(),
		append: func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			return c.Append(dst, (*V)(p))
		},
		reader: func(h *statebackend.StateHeader, now int64) (
			func(src []byte, p unsafe.Pointer) error, error,
		) {
			read, err := c.Reader(h, now)
			return func(src []byte, p unsafe.Pointer) error { return read(src, (*V)(p)) }, err
		},
		set:    func(dst, src unsafe.Pointer) { *(*V)(dst) = *(*V)(src) },
		clone:  func(p unsafe.Pointer) { *(*V)(p) = c.Clone(*(*V)(p)) },
		get:    func(p unsafe.Pointer) any { return *(*V)(p) },
		copied: func(p unsafe.Pointer) any { return c.Clone(*(*V)(p)) },
		refers: func(p unsafe.Pointer) int64 {
			return int64(c.MemSize((*V)(p))) - int64(unsafe.Sizeof(*(*V)(p)))
		},
		expired: func(p unsafe.Pointer, now int64) bool { return c.Expired((*V)(p), now) },
	}
}

// The functions that callers hand over take *V, those inside take the same pointer as an
// unsafe.Pointer. Which type a pointer points to is nothing that a call depends on: so one is
// called as the other, instead of through a closure that is made for each call.

type (
	visitor   = func(i int, p unsafe.Pointer, found bool) error
	eacher    = func(hash uint64, key []byte, p unsafe.Pointer) (bool, error)
	mapEacher = func(mapKey []byte, p unsafe.Pointer) (bool, error)
	expirer   = func(p unsafe.Pointer) bool
	nsVisitor = func(ns []byte, p unsafe.Pointer) error
)

// untyped returns the function f as one of type U, which differs only in what a pointer points to.
func untyped[U, T any](f *T) U { return *(*U)(unsafe.Pointer(f)) }
