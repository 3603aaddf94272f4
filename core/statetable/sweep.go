package statetable

import "unsafe"

// sweeper is the place at which a search for expired values goes on.
type sweeper struct{ slot, entry uint32 }

// Sweep implements statebackend.Sweeper.
func (t *Table[V]) Sweep(n int, expired func(v *V) bool) error {
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return err
		}
	}
	for start := t.sweep; n > 0 && t.root.size > 0; {
		if t.sweep.slot >= t.root.size {
			t.sweep = sweeper{}
			if start == t.sweep {
				return nil // all were seen
			}
			start = t.sweep
		}
		r := t.root.at(t.sweep.slot)
		if r.klen == freeEntry || t.sweep.entry >= r.value.space.size {
			t.sweep = sweeper{slot: t.sweep.slot + 1}
			n--
			continue
		}
		t.sweepSlot(&n, expired)
	}
	return nil
}

// sweepSlot looks at up to *n entries of the namespace at hand.
func (t *Table[V]) sweepSlot(n *int, expired func(v *V) bool) {
	slot, e := t.sweep.slot, t.sweep.entry
	s := t.root.at(slot).value.space
	removed := false
	for ; *n > 0 && e < s.size; e++ {
		*n--
		r := s.at(e)
		if r.klen == freeEntry || !expired(&r.value) {
			continue
		}
		if t.checks != nil {
			t.checks.forget(t.nameOf(slot), s.key(r, new([inlineKey]byte)))
		}
		if s.shared() {
			s = t.thawSlot(slot)
		}
		t.removeEntry(s, e)
		removed = true
	}
	t.sweep = sweeper{slot, e}
	if removed {
		t.settle(slot) // starts from the front if numbers changed
	}
}

// memSamples is how many values MemSize looks at, at most.
const memSamples = 1024

// MemSize estimates the bytes of memory of the table: exactly what it allocated itself, and what
// values refer to by a sample of them.
func (t *Table[V]) MemSize() int64 {
	n := t.root.memSize() + int64(len(t.lv.spareIndex))*8
	for i := range t.lv.spare {
		n += int64(len(t.lv.spare[i].rows)) * int64(unsafe.Sizeof(entry[V]{}))
	}
	for e := range t.root.size {
		if r := t.root.at(e); r.klen != freeEntry {
			n += r.value.space.memSize()
		}
	}
	return n + t.valueSize()
}

// valueSize estimates what values refer to.
func (t *Table[V]) valueSize() int64 {
	if t.codec == nil || t.count == 0 {
		return 0
	}
	step := uint32(t.count/memSamples) + 1
	seen, sum, skip := 0, int64(0), uint32(0)
	for slot := range t.root.size {
		r := t.root.at(slot)
		if r.klen == freeEntry {
			continue
		}
		s := r.value.space
		for ; skip < s.size; skip += step {
			if row := s.at(skip); row.klen != freeEntry {
				sum += int64(t.codec.MemSize(&row.value)) - int64(unsafe.Sizeof(row.value))
				seen++
			}
		}
		skip -= s.size
	}
	return sum * int64(t.count) / int64(max(seen, 1))
}
