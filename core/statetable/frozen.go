package statetable

import (
	"slices"
	"unsafe"

	"goflink/core/keygroup"
	"goflink/core/statebackend"
)

// Any is a table, map table or timer queue whose types the holder does not know.
type Any interface {
	// Freeze takes a snapshot in constant time. now is the time at which values expire.
	Freeze(now int64) Frozen
	// Loader returns a function that adds entries which were written under h; they must not be
	// there yet. now is the time at which values expire.
	Loader(h *statebackend.StateHeader, now int64) (func(e *statebackend.Entry) error, error)
	// CheckMutation and Verify are those of Table.
	CheckMutation()
	Verify() error
	// Entries is the number of entries, MemSize an estimate of their memory in bytes.
	Entries() int
	MemSize() int64
	// Copied counts the bytes that were copied because a snapshot shared them.
	Copied() int64
}

// Frozen is a snapshot of a table. It is used by one goroutine at a time, which may be another than
// the table's.
type Frozen interface {
	// Sort arranges the entries by key group, of maxParallelism groups; it is called once, before
	// Each. It fails if a key lies outside groups.
	Sort(maxParallelism int, groups keygroup.Range) error
	// Each calls f with each entry of a key group in a deterministic order. The entry is valid
	// until f returns.
	Each(group int, f func(e *statebackend.Entry) error) error
	// Release ends the snapshot; the Frozen must not be used afterwards.
	Release()
}

// frozen is the Frozen of a table.
type frozen struct {
	grouped
	hold   *share
	root   *space
	spaces []*space
	names  [][]byte
	write  func(f *frozen, at ref, g func(e *statebackend.Entry) error) error
	values *values
	now    int64
	buf    []byte
	entry  statebackend.Entry
	inline [inlineKey]byte
}

// ref is an entry: the space's place in frozen.spaces and its number in it.
type ref struct{ space, entry uint32 }

var _ Frozen = (*frozen)(nil)

// freezeAt is Freeze of a Table.
func (t *table) freezeAt(now int64) Frozen {
	return &frozen{hold: t.freeze(), root: t.root, write: writeValue, values: t.values, now: now}
}

// copiedBytes is Copied of a Table.
func (t *table) copiedBytes() int64 { return t.copied }

// grouped are entries in the order of their key groups.
type grouped struct {
	first int   // the first key group
	ends  []int // where the refs of each key group end
	refs  []ref
}

// sort arranges what walk visits by key group, by counting: walk is called twice.
func (b *grouped) sort(maxParallelism int, groups keygroup.Range,
	walk func(visit func(hash uint64, at ref)),
) error {
	b.first = groups.First
	b.ends = make([]int, groups.Len()+1)
	var err error
	walk(func(hash uint64, _ ref) {
		if g := keygroup.Of(hash, maxParallelism); groups.Contains(g) {
			b.ends[g-b.first+1]++
		} else if err == nil {
			err = outside(g, groups)
		}
	})
	if err != nil {
		return err
	}
	for i := 1; i < len(b.ends); i++ {
		b.ends[i] += b.ends[i-1]
	}
	b.refs = make([]ref, b.ends[len(b.ends)-1])
	next := slices.Clone(b.ends)
	walk(func(hash uint64, at ref) {
		g := keygroup.Of(hash, maxParallelism) - b.first
		b.refs[next[g]] = at
		next[g]++
	})
	return nil
}

// of returns the refs of a key group.
func (b *grouped) of(group int) []ref {
	i := group - b.first
	return b.refs[b.ends[i]:b.ends[i+1]]
}

// Sort implements Frozen.
func (f *frozen) Sort(maxParallelism int, groups keygroup.Range) error {
	f.collect()
	return f.sort(maxParallelism, groups, func(visit func(hash uint64, at ref)) {
		for i, s := range f.spaces {
			for e := range s.size {
				if r := s.at(e); r.klen != freeEntry {
					visit(r.hash, ref{uint32(i), e})
				}
			}
		}
	})
}

// collect lists the spaces that have entries.
func (f *frozen) collect() {
	for e := range f.root.size {
		r := f.root.at(e)
		if r.klen == freeEntry || slotOf(r).space.live == 0 {
			continue
		}
		f.spaces = append(f.spaces, slotOf(r).space)
		f.names = append(f.names, f.root.key(r, new([inlineKey]byte)))
	}
}

// Each implements Frozen.
func (f *frozen) Each(group int, g func(e *statebackend.Entry) error) error {
	for _, at := range f.of(group) {
		if err := f.write(f, at, g); err != nil {
			return err
		}
	}
	return nil
}

// Release implements Frozen.
func (f *frozen) Release() {
	f.root, f.spaces, f.names, f.refs = nil, nil, nil, nil
	f.hold.released.Store(true)
}

// writeValue hands on the entry at a ref.
func writeValue(f *frozen, at ref, g func(e *statebackend.Entry) error) (err error) {
	s := f.spaces[at.space]
	r := s.at(at.entry)
	if f.values.expired(r.value(), f.now) {
		return nil
	}
	if f.buf, err = f.values.append(f.buf[:0], r.value()); err != nil {
		return err
	}
	f.entry.Namespace, f.entry.Key = f.names[at.space], s.key(r, &f.inline)
	f.entry.Value = f.buf
	return g(&f.entry)
}

// loader is Loader of a Table.
func (t *table) loader(h *statebackend.StateHeader, now int64) (
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
			return t.wrap(err)
		}
		if t.values.expired(p, now) {
			return nil
		}
		r, found, err := t.row(e.Namespace, keygroup.Hash(e.Key), e.Key)
		if found {
			err = t.wrap(errTwice)
		}
		if err != nil {
			return err
		}
		t.values.set(r.value(), p)
		return nil
	}, nil
}

// scratch is room for one value.
type scratch struct {
	lv *level
	r  *row
}

func newScratch(lv *level) scratch { return scratch{lv, lv.at(lv.make(1), 0)} }

// take returns the room with the zero value in it.
func (s scratch) take() unsafe.Pointer {
	s.lv.clear(unsafe.Pointer(s.r), 1)
	return s.r.value()
}
