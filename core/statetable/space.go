package statetable

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unsafe"
)

const (
	// pageBytes is about the size of a page: what is copied at the first change after a snapshot.
	pageBytes = 8 << 10
	// Bounds of log2 of the entries of a page.
	minPageShift, maxPageShift = 3, 8
	// scanEntries is up to how many entries a space is searched without an index.
	scanEntries = 8
	// minIndexBits is log2 of the slots of the smallest index.
	minIndexBits = 5
	// compactEntries is from how many entries on a space that got sparse is made dense.
	compactEntries = 64
	// compactKeyBytes is from how many bytes of dead keys on they are cleared away.
	compactKeyBytes = 4 << 10
)

// page is a run of entries and the epoch in which it was made.
type page struct {
	rows  unsafe.Pointer
	len   uint32
	epoch uint32
}

// space is the persistent form of a map from keys to values: dense entries in pages, and an index
// of open addressing over them. What a snapshot holds of it is the struct as it was: whoever
// changes a space that a snapshot shares forks it first, and pages are copied before their first
// change.
//
// A slot of the index is 0, or tag << 32 | 1 + number of the entry. The tag is the upper half of
// the key's hash, and its upper bits are the slot's home, so that growing and removing need no
// entry: both find the home of a slot in the slot itself. Collisions go to the next slot; removal
// shifts back what follows (Knuth, The Art of Computer Programming, vol. 3, 6.4, algorithm R).
type space struct {
	lv    *level
	index []uint64
	pages []page
	keys  arena
	free  uint32 // 1 + the number of the first free entry
	size  uint32 // numbers given out
	live  uint32 // entries that hold something
	epoch uint32 // when this struct was made
	// dirShared says that pages, the slice, belongs to a snapshot too.
	dirShared bool
	home      uint8 // 32 - log2(len(index)): shifts a tag to its home
}

// newSpace returns an empty space.
func newSpace(lv *level) *space {
	last := len(lv.small) - 1
	if last < 0 {
		return &space{lv: lv, epoch: lv.now}
	}
	s := lv.small[last]
	lv.small[last] = nil
	lv.small = lv.small[:last]
	if s.pages[0].epoch <= lv.frozen {
		return &space{lv: lv, epoch: lv.now}
	}
	s.epoch = lv.now
	return s
}

// at returns entry e for reading.
func (s *space) at(e uint32) *row {
	lv := s.lv
	return lv.at(s.pages[e>>lv.shift].rows, int(e&lv.mask))
}

// own returns entry e for change: a page that a snapshot shares is copied first. The space itself
// must not be shared.
func (s *space) own(e uint32) *row {
	p := &s.pages[e>>s.lv.shift]
	if p.epoch <= s.lv.frozen {
		p = s.thaw(e >> s.lv.shift)
	}
	return s.lv.at(p.rows, int(e&s.lv.mask))
}

// thaw makes page i one that no snapshot shares.
func (s *space) thaw(i uint32) *page {
	s.lv.refresh()
	if s.pages[i].epoch > s.lv.frozen {
		return &s.pages[i]
	}
	if s.dirShared {
		s.pages = append(make([]page, 0, cap(s.pages)), s.pages...)
		s.dirShared = false
	}
	p := &s.pages[i]
	n := int(p.len)
	fresh := s.lv.takePage(n)
	s.lv.copy(fresh.rows, p.rows, n)
	*p = fresh
	s.lv.copied += int64(n) * int64(s.lv.size)
	return p
}

// shared reports whether a snapshot holds the struct, so that it must be forked before a change.
func (s *space) shared() bool {
	if s.epoch > s.lv.frozen {
		return false
	}
	s.lv.refresh()
	return s.epoch <= s.lv.frozen
}

// fork returns a space with the same content that may be changed; s stays as it is for snapshots.
// The index goes with the fork: snapshots never use it.
func (s *space) fork() *space {
	c := *s
	c.epoch, c.dirShared = s.lv.now, true
	return &c
}

// key returns the key of an entry. It is valid until the next call, or for as long as
// wanted if it is longer than inlineKey.
func (s *space) key(r *row, scratch *[inlineKey]byte) []byte {
	if r.klen > inlineKey {
		return s.keys.at(r.key, r.klen)
	}
	binary.LittleEndian.PutUint64(scratch[:], r.key)
	return scratch[:r.klen:r.klen]
}

// find returns the number of the entry of key.
func (s *space) find(hash uint64, key []byte) (e uint32, ok bool) {
	if len(key) > inlineKey {
		return s.findLong(hash, key)
	}
	w, n := word(key), uint32(len(key))
	if s.index == nil {
		return s.scan(hash, w, n, nil)
	}
	tag := uint32(hash >> 32)
	mask := uint32(len(s.index) - 1)
	for i := tag >> s.home; ; i++ {
		slot := s.index[i&mask]
		if slot == 0 {
			return 0, false
		}
		if uint32(slot>>32) != tag {
			continue
		}
		e = uint32(slot) - 1
		if r := s.at(e); r.key == w && r.klen == n {
			return e, true
		}
	}
}

func (s *space) findLong(hash uint64, key []byte) (e uint32, ok bool) {
	n := uint32(len(key))
	if s.index == nil {
		return s.scan(hash, 0, n, key)
	}
	tag := uint32(hash >> 32)
	mask := uint32(len(s.index) - 1)
	for i := tag >> s.home; ; i++ {
		slot := s.index[i&mask]
		if slot == 0 {
			return 0, false
		}
		if uint32(slot>>32) != tag {
			continue
		}
		e = uint32(slot) - 1
		r := s.at(e)
		if r.hash == hash && r.klen == n && string(s.keys.at(r.key, n)) == string(key) {
			return e, true
		}
	}
}

// scan is find for spaces without an index: all entries lie in the first page.
func (s *space) scan(hash, w uint64, n uint32, long []byte) (e uint32, ok bool) {
	if s.size == 0 {
		return 0, false
	}
	rows := s.pages[0].rows
	for i := range int(s.size) {
		r := s.lv.at(rows, i)
		if r.hash != hash || r.klen != n {
			continue
		}
		if long == nil && r.key == w || long != nil && string(s.keys.at(r.key, n)) == string(long) {
			return uint32(i), true
		}
	}
	return 0, false
}

// insert adds an entry with the zero value for a key that is not there.
func (s *space) insert(hash uint64, key []byte) (e uint32, r *row, err error) {
	if len(key) > MaxKeyBytes {
		return 0, nil, fmt.Errorf("a key of %d bytes; at most %d are possible", len(key),
			MaxKeyBytes)
	}
	if s.free != 0 {
		e = s.free - 1
		r = s.own(e)
		s.free = uint32(r.key)
	} else {
		if s.size == MaxEntries {
			return 0, nil, fmt.Errorf("more than %d keys in one namespace", uint32(MaxEntries))
		}
		e = s.size
		r = s.extend()
	}
	r.hash, r.klen, r.epoch = hash, uint32(len(key)), s.lv.now
	if len(key) <= inlineKey {
		r.key = word(key)
	} else {
		r.key = s.keys.add(key)
	}
	s.live++
	s.link(hash, e)
	return e, r, nil
}

// extend makes room for one more entry and returns it.
func (s *space) extend() *row {
	i, at := s.size>>s.lv.shift, s.size&s.lv.mask
	switch {
	case int(i) == len(s.pages):
		n := int(s.lv.mask) + 1
		if i == 0 {
			n = min(n, 2)
		}
		s.pages = append(s.pages, s.lv.takePage(n))
	case at == s.pages[i].len:
		s.widen(i)
	}
	r := s.own(s.size)
	s.size++
	return r
}

// widen makes the first page of a small space larger.
func (s *space) widen(i uint32) {
	if s.dirShared {
		s.pages = append(make([]page, 0, cap(s.pages)), s.pages...)
		s.dirShared = false
	}
	old := s.pages[i]
	s.pages[i] = s.lv.takePage(min(4*int(old.len), int(s.lv.mask)+1))
	s.lv.copy(s.pages[i].rows, old.rows, int(old.len))
}

// link enters entry e into the index, which grows at a load of 3/4.
func (s *space) link(hash uint64, e uint32) {
	if s.index == nil {
		if s.size > scanEntries {
			s.reindex(minIndexBits)
		}
		return
	}
	if uint64(s.live)*4 > uint64(len(s.index))*3 {
		s.growIndex()
	}
	s.place(uint64(uint32(hash>>32))<<32 | uint64(e+1))
}

// place puts a slot at its home or behind it.
func (s *space) place(slot uint64) {
	mask := uint32(len(s.index) - 1)
	i := uint32(slot>>32) >> s.home
	for s.index[i&mask] != 0 {
		i++
	}
	s.index[i&mask] = slot
}

// growIndex doubles the index, or makes it as large as the last one that was dropped if this space
// seems to become as large. Entries are not touched, and both indexes are walked in order.
func (s *space) growIndex() {
	old := s.index
	n := bits.Len(uint(len(old)))
	if hint := s.lv.hintBits; hint > n && hint <= n+3 {
		n = hint
	}
	s.setIndex(n)
	for _, slot := range old {
		if slot != 0 {
			s.place(slot)
		}
	}
}

// setIndex makes an empty index of 2^n slots.
func (s *space) setIndex(n int) {
	s.index = s.lv.takeIndex(1 << n)
	s.home = uint8(32 - n)
}

// reindex builds the index of at least 2^n slots from the entries.
func (s *space) reindex(n int) {
	for uint64(s.live)*4 > uint64(3)<<n {
		n++
	}
	s.setIndex(n)
	for e := range s.size {
		if r := s.at(e); r.klen != freeEntry {
			s.place(uint64(uint32(r.hash>>32))<<32 | uint64(e+1))
		}
	}
}

// remove deletes entry e.
func (s *space) remove(e uint32) {
	r := s.own(e)
	if s.index != nil {
		s.unlink(uint32(r.hash>>32), e)
	}
	if r.klen > inlineKey {
		s.keys.dead += uint64(r.klen)
	}
	s.lv.clear(unsafe.Pointer(r), 1)
	r.key, r.klen = uint64(s.free), freeEntry
	s.free = e + 1
	s.live--
}

// unlink takes entry e out of the index and shifts back what follows it.
func (s *space) unlink(tag, e uint32) {
	mask := uint32(len(s.index) - 1)
	i := tag >> s.home
	for uint32(s.index[i&mask]) != e+1 {
		i++
	}
	hole := i & mask
	for {
		i++
		slot := s.index[i&mask]
		if slot == 0 {
			break
		}
		// The slot may fill the hole unless its home lies behind the hole.
		if want := uint32(slot>>32) >> s.home; (i-want)&mask >= (i-hole)&mask {
			s.index[hole] = slot
			hole = i & mask
		}
	}
	s.index[hole] = 0
}

// tidy makes the space dense if too many entries or key bytes are dead; numbers of entries change
// then. It reports whether it did.
func (s *space) tidy() bool {
	sparse := s.size >= compactEntries && s.live < s.size/4
	if !sparse && (s.keys.dead < compactKeyBytes || s.keys.dead < s.keys.used/2) {
		return false
	}
	s.compact()
	return true
}

// compact moves the entries into new pages and a new arena, in order.
func (s *space) compact() {
	old := *s
	s.pages, s.keys, s.index = nil, arena{}, nil
	s.free, s.size, s.live, s.dirShared = 0, 0, 0, false
	for e := range old.size {
		from := old.at(e)
		if from.klen == freeEntry {
			continue
		}
		to := s.extend()
		s.lv.copy(unsafe.Pointer(to), unsafe.Pointer(from), 1)
		if from.klen > inlineKey {
			to.key = s.keys.add(old.keys.at(from.key, from.klen))
		}
		s.live++
		if s.lv.moved != nil {
			s.lv.moved(e, s.size-1, to)
		}
	}
	if s.live > scanEntries {
		s.reindex(minIndexBits)
	}
	if s.live == 0 {
		s.lv.drop(&old)
	}
}

// memSize is the memory of the space without what values refer to.
func (s *space) memSize() int64 {
	n := int64(unsafe.Sizeof(*s)) + int64(len(s.index))*8 + s.keys.bytes()
	n += int64(cap(s.pages)) * int64(unsafe.Sizeof(page{}))
	for i := range s.pages {
		n += int64(s.pages[i].len) * int64(s.lv.size)
	}
	return n
}
