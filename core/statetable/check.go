package statetable

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"goflink/core/keygroup"
)

// ErrMutated is in the chain of errors about values that were changed after they had been handed
// to state.
var ErrMutated = errors.New("a value was changed after it had been handed to state: values in " +
	"state are immutable, put a changed copy instead")

// checker finds values that were changed behind the table's back (pipeline.check-mutation). It
// remembers each value's encoding and a deep copy, and compares when the value is asked for again
// and at snapshots. A value counts as changed if both differ: the encoding of a Go map has no
// order.
type checker struct {
	*values
	wrap  func(error) error
	known map[string]record
	// What was handed out last; it is looked at when the table is used again.
	handed struct {
		p      unsafe.Pointer // nil: nothing
		id     string
		mayPut bool
	}
}

// record is what a value looked like.
type record struct {
	encoded []byte
	copy    any
}

func newChecker(v *values, wrap func(error) error) *checker {
	return &checker{values: v, wrap: wrap, known: map[string]record{}}
}

// checkMutation is CheckMutation of a Table.
func (t *table) checkMutation() {
	if t.values != nil && t.checks == nil {
		t.checks = newChecker(t.values, t.wrap)
	}
}

// verify is Verify of a Table.
func (t *table) verify() error {
	if t.checks == nil {
		return nil
	}
	if err := t.checks.seal(); err != nil {
		return err
	}
	for slot := range t.root.size {
		if r := t.root.at(slot); r.klen != freeEntry {
			if err := t.checks.verifySpace(t.nameOf(slot), slotOf(r).space); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkID(ns, key []byte) string {
	id := binary.AppendUvarint(nil, uint64(len(ns)))
	return string(append(append(id, ns...), key...))
}

// hand notes that p was handed out, for reading or for change, after comparing it.
func (c *checker) hand(ns, key []byte, p unsafe.Pointer, mayPut bool) error {
	id := checkID(ns, key)
	if err := c.verify(id, p); err != nil {
		return err
	}
	c.handed.p, c.handed.id, c.handed.mayPut = p, id, mayPut
	return nil
}

// seal looks at what was handed out last: what its holder put there is remembered.
func (c *checker) seal() error {
	p, id := c.handed.p, c.handed.id
	c.handed.p = nil
	if p == nil {
		return nil
	}
	if !c.handed.mayPut {
		return c.verify(id, p)
	}
	encoded, err := c.append(nil, p)
	if err != nil {
		return c.wrap(err)
	}
	c.known[id] = record{encoded: encoded, copy: c.copied(p)}
	return nil
}

// verify compares a value with what is remembered of it.
func (c *checker) verify(id string, p unsafe.Pointer) error {
	was, ok := c.known[id]
	if !ok {
		return nil
	}
	encoded, err := c.append(nil, p)
	if err != nil {
		return c.wrap(err)
	}
	if bytes.Equal(encoded, was.encoded) || reflect.DeepEqual(c.get(p), was.copy) {
		return nil
	}
	return c.wrap(fmt.Errorf("%w: it was %+v and is %+v", ErrMutated, was.copy, c.get(p)))
}

func (c *checker) forget(ns, key []byte) { delete(c.known, checkID(ns, key)) }

func (c *checker) forgetSpace(ns []byte, s *space) {
	for e := range s.size {
		if r := s.at(e); r.klen != freeEntry {
			var scratch [inlineKey]byte
			c.forget(ns, s.key(r, &scratch))
		}
	}
}

// verifySpace verifies all values of a space.
func (c *checker) verifySpace(ns []byte, s *space) error {
	for e := range s.size {
		r := s.at(e)
		if r.klen == freeEntry {
			continue
		}
		var scratch [inlineKey]byte
		if err := c.verify(checkID(ns, s.key(r, &scratch)), r.value()); err != nil {
			return err
		}
	}
	return nil
}

// watchRow calls f, which changes what it is handed and says whether it stays.
func (c *checker) watchRow(ns, key []byte, p unsafe.Pointer, f func() (keep bool, err error)) (
	bool, error,
) {
	if err := c.hand(ns, key, p, true); err != nil {
		return false, err
	}
	keep, err := f()
	if err == nil && keep {
		return true, c.seal()
	}
	c.handed.p = nil
	if err == nil {
		c.forget(ns, key)
	}
	return keep, err
}

func (t *table) checkedFind(ns []byte) (unsafe.Pointer, error) {
	if err := t.checks.seal(); err != nil {
		return nil, err
	}
	s := t.enter(ns)
	if s == nil {
		return nil, nil
	}
	e, ok := s.find(t.key.Hash, t.key.Key)
	if !ok {
		return nil, nil
	}
	p := s.at(e).value()
	return p, t.checks.hand(ns, t.key.Key, p, false)
}

func (t *table) checkedUpsert(ns []byte, deep bool) (unsafe.Pointer, bool, error) {
	if err := t.checks.seal(); err != nil {
		return nil, false, err
	}
	r, found, err := t.upsert(ns)
	if err != nil {
		return nil, false, err
	}
	if err := t.checks.hand(ns, t.key.Key, r.value(), true); err != nil {
		return nil, false, err
	}
	if deep {
		t.detach(r)
	}
	return r.value(), found, nil
}

func (h *handle) checkedUpsert(hash uint64, key []byte, deep bool) (unsafe.Pointer, bool, error) {
	t := h.table
	if err := t.checks.seal(); err != nil {
		return nil, false, err
	}
	s, err := h.writable()
	if err != nil {
		return nil, false, err
	}
	r, found, err := h.upsert(s, hash, key)
	if err != nil {
		return nil, false, err
	}
	if err := t.checks.hand(t.nameOf(h.slot), key, r.value(), true); err != nil {
		return nil, false, err
	}
	if deep {
		t.detach(r)
	}
	return r.value(), found, nil
}

func (h *handle) checkedAll(hashes []uint64, keys [][]byte,
	f visitor, deep bool,
) error {
	for i := range keys {
		p, found, err := h.checkedUpsert(hashes[i], keys[i], deep)
		if err != nil {
			return err
		}
		if err := f(i, p, found); err != nil {
			return err
		}
	}
	return h.table.checks.seal()
}

// hashOf is the hash of namespaces and map keys.
func hashOf(b []byte) uint64 { return keygroup.Hash(b) }
