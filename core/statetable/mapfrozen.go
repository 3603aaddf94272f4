package statetable

import (
	"goflink/core/keygroup"
	"goflink/core/statebackend"
)

// frozenMap is the Frozen of a map table.
type frozenMap struct {
	frozen
	values *values
	mapKey [inlineKey]byte
}

// freezeAt is Freeze of a MapTable.
func (t *mapTable) freezeAt(now int64) Frozen {
	f := &frozenMap{values: t.values}
	f.hold, f.root, f.now, f.write = t.outer.freeze(), t.outer.root, now, f.writeMap
	return f
}

// writeMap hands on the entries of one key's map.
func (f *frozenMap) writeMap(of *frozen, at ref,
	g func(e *statebackend.Entry) error,
) (err error) {
	outer := of.spaces[at.space]
	key := outer.at(at.entry)
	of.entry.Namespace, of.entry.Key = of.names[at.space], outer.key(key, &of.inline)
	s := mapOf(key).space
	for e := range s.size {
		r := s.at(e)
		if r.klen == freeEntry || f.values.expired(r.value(), of.now) {
			continue
		}
		if of.buf, err = f.values.append(of.buf[:0], r.value()); err != nil {
			return err
		}
		of.entry.MapKey, of.entry.Value = s.key(r, &f.mapKey), of.buf
		if err := g(&of.entry); err != nil {
			return err
		}
	}
	return nil
}

// loader is Loader of a MapTable.
func (t *mapTable) loader(h *statebackend.StateHeader, now int64) (
	func(e *statebackend.Entry) error, error,
) {
	read, err := t.values.reader(h, now)
	if err != nil {
		return nil, err
	}
	v := newScratch(t.lv)
	return func(e *statebackend.Entry) error {
		p := v.take()
		if err := read(e.Value, p); err != nil {
			return t.outer.wrap(err)
		}
		if t.values.expired(p, now) {
			return nil
		}
		row, found, err := t.outer.row(e.Namespace, keygroup.Hash(e.Key), e.Key)
		if err != nil {
			return err
		}
		m := mapOf(row)
		switch {
		case !found:
			m.space = newSpace(t.lv)
		case m.space.shared():
			m.space = m.space.fork()
		}
		r, found, err := t.put(m, e.MapKey)
		if found {
			err = t.outer.wrap(errTwice)
		}
		if err != nil {
			return err
		}
		t.values.set(r.value(), p)
		return nil
	}, nil
}

// checkMutation is CheckMutation of a MapTable.
func (t *mapTable) checkMutation() {
	if t.checks == nil {
		t.checks = newChecker(t.values, t.outer.wrap)
	}
}

// verify is Verify of a MapTable.
func (t *mapTable) verify() error {
	if t.checks == nil {
		return nil
	}
	if err := t.checks.seal(); err != nil {
		return err
	}
	return t.eachMap(func(ns, key []byte, s *space) error {
		return t.checks.verifySpace([]byte(checkID(ns, key)), s)
	})
}

// eachMap calls f with each map.
func (t *mapTable) eachMap(f func(ns, key []byte, s *space) error) error {
	root := t.outer.root
	for slot := range root.size {
		r := root.at(slot)
		if r.klen == freeEntry {
			continue
		}
		ns, keys := t.outer.nameOf(slot), slotOf(r).space
		for e := range keys.size {
			row := keys.at(e)
			if row.klen == freeEntry {
				continue
			}
			if err := f(ns, keys.key(row, new([inlineKey]byte)), mapOf(row).space); err != nil {
				return err
			}
		}
	}
	return nil
}

// copiedBytes is Copied of a MapTable.
func (t *mapTable) copiedBytes() int64 { return t.outer.copied }
