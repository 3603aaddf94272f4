package windowing

import (
	"bytes"
	"slices"
)

// slots gives each key a small number, to index columns by. Numbers that were given back are given
// out again.
type slots struct {
	// table is an open-addressing table of slotRef; its length is a power of two.
	table []slotRef
	keys  []slotKey // by slot
	arena []byte    // the bytes of keys
	dead  int       // bytes of the arena that no key uses
	free  []uint32
	live  int
}

// slotRef is a hash and, plus one, the slot of its key; 0 is an empty place.
type slotRef struct {
	hash uint64
	slot uint32
}

// slotKey is where the bytes of a key lie in the arena.
type slotKey struct {
	hash     uint64
	at       uint64
	length   uint32
	occupied bool
}

const (
	minSlotTable = 64
	// maxDeadBytes is from how many bytes of dead keys on the arena is rewritten.
	maxDeadBytes = 64 << 10
)

// find returns the slot of a key.
func (s *slots) find(hash uint64, key []byte) (slot uint32, ok bool) {
	if len(s.table) == 0 {
		return 0, false
	}
	mask := uint64(len(s.table) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		ref := &s.table[i]
		if ref.slot == 0 {
			return 0, false
		}
		if ref.hash == hash && bytes.Equal(s.key(ref.slot-1), key) {
			return ref.slot - 1, true
		}
	}
}

// key returns the key of a slot; it is valid until tidy.
func (s *slots) key(slot uint32) []byte {
	k := &s.keys[slot]
	return s.arena[k.at : k.at+uint64(k.length) : k.at+uint64(k.length)]
}

// add gives a key that has none a slot.
func (s *slots) add(hash uint64, key []byte) uint32 {
	if 4*(s.live+1) > 3*len(s.table) {
		s.grow()
	}
	k := slotKey{hash: hash, at: uint64(len(s.arena)), length: uint32(len(key)), occupied: true}
	s.arena = append(s.arena, key...)
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
	s.place(slotRef{hash, slot + 1})
	return slot
}

func (s *slots) place(ref slotRef) {
	mask := uint64(len(s.table) - 1)
	i := ref.hash & mask
	for s.table[i].slot != 0 {
		i = (i + 1) & mask
	}
	s.table[i] = ref
}

func (s *slots) grow() {
	old := s.table
	s.table = make([]slotRef, max(minSlotTable, 2*len(old)))
	for _, ref := range old {
		if ref.slot != 0 {
			s.place(ref)
		}
	}
}

// at returns the place of a slot's reference in the table.
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
		if home := s.table[i].hash & mask; (i-home)&mask >= (i-hole)&mask {
			s.table[hole] = s.table[i]
			hole = i
		}
	}
	s.table[hole] = slotRef{}
	s.dead += int(s.keys[slot].length)
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
		if k := &s.keys[i]; k.occupied {
			at := uint64(len(arena))
			arena = append(arena, s.key(uint32(i))...)
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
		s.table[s.at(uint32(from))].slot = to + 1
		s.keys[to], s.keys[from] = s.keys[from], slotKey{}
		moved(uint32(from), to)
	}
	s.keys = slices.Clip(s.keys[:s.live])
	s.free = nil
	s.table = nil
	for 4*s.live > 3*len(s.table) || len(s.table) == 0 {
		s.table = make([]slotRef, max(minSlotTable, 2*len(s.table)))
	}
	for i := range s.keys {
		s.place(slotRef{s.keys[i].hash, uint32(i) + 1})
	}
}

// bytes is the memory of the slots.
func (s *slots) bytes() int64 {
	return int64(cap(s.table))*16 + int64(cap(s.keys))*24 + int64(cap(s.arena)) +
		int64(cap(s.free))*4
}
