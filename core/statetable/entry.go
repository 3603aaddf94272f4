package statetable

import (
	"encoding/binary"
	"math"
)

const (
	// inlineKey is the length of the longest key that lies in its entry.
	inlineKey = 8
	// freeEntry is the klen of an entry that holds nothing.
	freeEntry = math.MaxUint32
	// MaxKeyBytes bounds a key or a namespace (R72).
	MaxKeyBytes = math.MaxInt32
	// MaxEntries bounds the entries of one namespace.
	MaxEntries = math.MaxUint32 - 1
)

// word packs a key of at most inlineKey bytes into a number, first byte lowest.
func word(b []byte) uint64 {
	n := len(b)
	switch {
	case n == 8:
		return binary.LittleEndian.Uint64(b)
	case n >= 4:
		lo := uint64(binary.LittleEndian.Uint32(b))
		hi := uint64(binary.LittleEndian.Uint32(b[n-4:]))
		return lo | hi<<(uint(n-4)*8)
	case n >= 2:
		lo := uint64(binary.LittleEndian.Uint16(b))
		hi := uint64(binary.LittleEndian.Uint16(b[n-2:]))
		return lo | hi<<(uint(n-2)*8)
	case n == 1:
		return uint64(b[0])
	}
	return 0
}

// arena is where keys lie that are too long for their entry. Bytes once written never change and
// are never written again, so that snapshots, and callers that were handed a key, may go on
// reading them without a lock.
type arena struct {
	chunks [][]byte
	tail   uint32 // bytes used of the last chunk
	used   uint64 // bytes of all keys in it
	dead   uint64 // bytes of keys that are gone
}

// maxChunk is the size of the largest chunk that is made for more than one key.
const maxChunk = 64 << 10

// add stores a key and returns where it lies.
func (a *arena) add(key []byte) uint64 {
	last := len(a.chunks) - 1
	if last < 0 || len(a.chunks[last])-int(a.tail) < len(key) {
		// Chunks double the arena, so that a space with one key holds the bytes of one key.
		a.chunks = append(a.chunks, make([]byte, max(len(key), int(min(a.used, maxChunk)))))
		last++
		a.tail = 0
	}
	at := uint64(last)<<32 | uint64(a.tail)
	a.tail += uint32(copy(a.chunks[last][a.tail:], key))
	a.used += uint64(len(key))
	return at
}

// at returns the key of n bytes that lies at p.
func (a *arena) at(p uint64, n uint32) []byte {
	off := uint32(p)
	end := off + n
	return a.chunks[p>>32][off:end:end]
}

// bytes is the memory of the arena.
func (a *arena) bytes() int64 {
	n := int64(cap(a.chunks)) * 24
	for _, c := range a.chunks {
		n += int64(len(c))
	}
	return n
}
