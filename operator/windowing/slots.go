package windowing

import (
	"encoding/binary"
	"slices"
)

// slots gives each key a small number, to index columns by. Numbers that were given back are given
// out again.
type slots struct {
	// table is an open-addressing table; its length is a power of two.
	table []slotRef
	keys  []slotKey // by slot
	arena []byte    // keys of more than inlineKey bytes
	dead  int       // bytes of the arena that no key uses
	free  []uint32
	live  int
	sink  uint64 // keeps loads alive whose results do not count
}

// slotRef is a place of the table: the slot of a key, plus one; 0 is an empty place. Keys of at
// most inlineKey bytes lie in word; of longer ones it is the hash.
type slotRef struct {
	word   uint64
	slot   uint32
	length uint32
}

// slotKey is a key by its slot.
type slotKey struct {
	hash uint64
	// at is where the key lies in the arena, or the key itself, as in slotRef.word.
	at       uint64
	length   uint32
	occupied bool
}

const (
	minSlotTable = 64
	// inlineKey is how many bytes fit into slotRef.word.
	inlineKey = 8
	// maxDeadBytes is from how many bytes of dead keys on the arena is rewritten.
	maxDeadBytes = 64 << 10
)

// wordOf packs a key of at most inlineKey bytes.
func wordOf(key []byte) uint64 {
	if len(key) == inlineKey {
		return binary.LittleEndian.Uint64(key)
	}
	var w uint64
	for i, b := range key {
		w |= uint64(b) << (8 * i)
	}
	return w
}

// touch loads what find will need for keys with the given hashes, so that the cache misses of
// different keys overlap.
func (s *slots) touch(hashes []uint64) {
	if len(s.table) == 0 {
		return
	}
	mask, sink := uint64(len(s.table)-1), uint64(0)
	for _, h := range hashes {
		sink ^= s.table[h&mask].word
	}
	s.sink ^= sink
}

// find returns the slot of a key.
func (s *slots) find(hash uint64, key []byte) (slot uint32, ok bool) {
	if len(s.table) == 0 {
		return 0, false
	}
	word, long := hash, len(key) > inlineKey
	if !long {
		word = wordOf(key)
	}
	length, mask := uint32(len(key)), uint64(len(s.table)-1)
	for i := hash & mask; ; i = (i + 1) & mask {
		ref := &s.table[i]
		if ref.slot == 0 {
			return 0, false
		}
		if ref.word != word || ref.length != length {
			continue
		}
		if long {
			at := s.keys[ref.slot-1].at
			if string(s.arena[at:at+uint64(length)]) != string(key) {
				continue
			}
		}
		return ref.slot - 1, true
	}
}

// key returns the key of a slot; scratch is room for a short one. It is valid until tidy, or until
// scratch is used again.
func (s *slots) key(slot uint32, scratch *[inlineKey]byte) []byte {
	k := &s.keys[slot]
	if k.length > inlineKey {
		return s.arena[k.at : k.at+uint64(k.length) : k.at+uint64(k.length)]
	}
	binary.LittleEndian.PutUint64(scratch[:], k.at)
	return scratch[:k.length:k.length]
}

// add gives a key that has none a slot.
func (s *slots) add(hash uint64, key []byte) uint32 {
	if 4*(s.live+1) > 3*len(s.table) {
		s.setTable(max(minSlotTable, 2*len(s.table)))
	}
	k := slotKey{hash: hash, length: uint32(len(key)), occupied: true}
	if len(key) > inlineKey {
		k.at = uint64(len(s.arena))
		s.arena = append(s.arena, key...)
	} else {
		k.at = wordOf(key)
	}
	var slot uint32
	if last := len(s.free) - 1; last >= 0 {
		slot = s.free[last]
		s.free = s.free[:last]
		s.keys[slot] = k
	} else {
		slot = uint32(len(s.keys))
		s.keys = append(s.keys, k)
	}
	s.live++
	s.place(slot)
	return slot
}

// place enters a slot into the table.
func (s *slots) place(slot uint32) {
	k := &s.keys[slot]
	ref := slotRef{word: k.at, slot: slot + 1, length: k.length}
	if k.length > inlineKey {
		ref.word = k.hash
	}
	mask := uint64(len(s.table) - 1)
	i := k.hash & mask
	for s.table[i].slot != 0 {
		i = (i + 1) & mask
	}
	s.table[i] = ref
}

// setTable makes a table of n places and enters all slots.
func (s *slots) setTable(n int) {
	s.table = make([]slotRef, n)
	for i := range s.keys {
		if s.keys[i].occupied {
			s.place(uint32(i))
		}
	}
}

// at returns the place of a slot in the table.
func (s *slots) at(slot uint32) uint64 {
	mask := uint64(len(s.table) - 1)
	i := s.keys[slot].hash & mask
	for s.table[i].slot != slot+1 {
		i = (i + 1) & mask
	}
	return i
}

// remove frees a slot.
func (s *slots) remove(slot uint32) {
	mask := uint64(len(s.table) - 1)
	hole := s.at(slot)
	// What follows is shifted back (Knuth, The Art of Computer Programming, vol. 3, 6.4,
	// algorithm R).
	for i := (hole + 1) & mask; s.table[i].slot != 0; i = (i + 1) & mask {
		home := s.keys[s.table[i].slot-1].hash & mask
		if (i-home)&mask >= (i-hole)&mask {
			s.table[hole] = s.table[i]
			hole = i
		}
	}
	s.table[hole] = slotRef{}
	if n := s.keys[slot].length; n > inlineKey {
		s.dead += int(n)
	}
	s.keys[slot] = slotKey{}
	s.free = append(s.free, slot)
	s.live--
}

// tidy makes the numbers dense, if most are free, and forgets dead keys. moved is called for each
// slot that gets another number.
func (s *slots) tidy(moved func(from, to uint32)) {
	if len(s.keys) >= minSlotTable && s.live < len(s.keys)/4 {
		s.renumber(moved)
	}
	if s.dead < maxDeadBytes || s.dead < len(s.arena)/2 {
		return
	}
	arena := make([]byte, 0, len(s.arena)-s.dead)
	for i := range s.keys {
		if k := &s.keys[i]; k.length > inlineKey {
			at := uint64(len(arena))
			arena = append(arena, s.arena[k.at:k.at+uint64(k.length)]...)
			k.at = at
		}
	}
	s.arena, s.dead = arena, 0
}

// renumber moves the slots beyond the number of keys into free ones before it.
func (s *slots) renumber(moved func(from, to uint32)) {
	slices.Sort(s.free)
	next := 0
	for from := s.live; from < len(s.keys); from++ {
		if !s.keys[from].occupied {
			continue
		}
		to := s.free[next]
		next++
		s.keys[to], s.keys[from] = s.keys[from], slotKey{}
		moved(uint32(from), to)
	}
	s.keys = append(make([]slotKey, 0, 2*s.live), s.keys[:s.live]...)
	s.free = nil
	n := minSlotTable
	for 4*s.live > 3*n {
		n *= 2
	}
	s.setTable(n)
}

// bytes is the memory of the slots.
func (s *slots) bytes() int64 {
	return int64(cap(s.table))*16 + int64(cap(s.keys))*24 + int64(cap(s.arena)) +
		int64(cap(s.free))*4
}
