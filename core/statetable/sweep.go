package statetable

// sweeper is the place at which a search for expired values goes on.
type sweeper struct{ slot, entry uint32 }

// search is Sweep of a Table.
func (t *table) search(n int, expired expirer) error {
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return err
		}
	}
	for wrapped := false; n > 0 && t.root.size > 0; {
		if t.sweep.slot >= t.root.size {
			t.sweep = sweeper{}
			if wrapped {
				return nil // all were seen
			}
			wrapped = true
		}
		r := t.root.at(t.sweep.slot)
		if r.klen == freeEntry || t.sweep.entry >= slotOf(r).space.size {
			t.sweep = sweeper{slot: t.sweep.slot + 1}
			n--
			continue
		}
		t.sweepSlot(&n, expired)
	}
	return nil
}

// sweepSlot looks at up to *n entries of the namespace at hand.
func (t *table) sweepSlot(n *int, expired expirer) {
	slot, e := t.sweep.slot, t.sweep.entry
	s := slotOf(t.root.at(slot)).space
	removed := false
	for ; *n > 0 && e < s.size; e++ {
		*n--
		r := s.at(e)
		if r.klen == freeEntry || !expired(r.value()) {
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

// search is Sweep of a MapTable.
func (t *mapTable) search(n int, expired expirer) error {
	if t.checks != nil {
		if err := t.checks.seal(); err != nil {
			return err
		}
	}
	o := &t.outer
	for wrapped := false; n > 0 && o.root.size > 0; {
		at := &o.sweep
		if at.slot >= o.root.size {
			*at = sweeper{}
			if wrapped {
				return nil // all were seen
			}
			wrapped = true
		}
		r := o.root.at(at.slot)
		if r.klen == freeEntry || at.entry >= slotOf(r).space.size {
			*at = sweeper{slot: at.slot + 1}
			n--
			continue
		}
		row := slotOf(r).space.at(at.entry)
		if row.klen == freeEntry || t.sweep >= mapOf(row).space.size {
			at.entry++
			t.sweep = 0
			n--
			continue
		}
		t.sweepMap(&n, expired)
	}
	return nil
}

// sweepMap looks at up to *n entries of the map at hand.
func (t *mapTable) sweepMap(n *int, expired expirer) {
	o, at := &t.outer, t.outer.sweep
	keys := slotOf(o.root.at(at.slot)).space
	row := keys.at(at.entry)
	m, e := mapOf(row), t.sweep
	removed := false
	for ; *n > 0 && e < m.space.size; e++ {
		*n--
		r := m.space.at(e)
		if r.klen == freeEntry || !expired(r.value()) {
			continue
		}
		if t.checks != nil {
			key := keys.key(row, new([inlineKey]byte))
			name := []byte(checkID(o.nameOf(at.slot), key))
			t.checks.forget(name, m.space.key(r, new([inlineKey]byte)))
		}
		if keys.shared() {
			keys = o.thawSlot(at.slot)
		}
		row = keys.own(at.entry)
		if m = mapOf(row); m.space.shared() {
			m.space = m.space.fork()
		}
		t.drop(m, e)
		removed = true
	}
	t.sweep = e
	if !removed {
		return
	}
	if m.space.live == 0 {
		o.removeEntry(keys, at.entry)
		o.settle(at.slot)
		t.sweep = 0
	} else if m.space.tidy() {
		t.sweep = 0
		if m.order != nil {
			m.order.valid = false
		}
	}
}
