package windowing

import (
	"math/bits"
	"unsafe"
)

// ring keeps, for every slot (a key), what windows that slide need to fire with two merges at most:
// the "two stacks" of sliding-window aggregation, laid on a grid that all keys share.
//
//	panes     … 8 9 10 11 │ 12 13 14 15 │ 16 17 …        n = 4 panes make a window
//	                              ▲ head                  blocks of n panes begin at multiples of n
//	window ending at head = [11 │ 12 13 14]
//	                      = suffix of the previous block from 11 on, merged with the prefix of
//	                        the current block up to head
//
// Column i (of n) of a slot holds, up to the head's place in its block, the partial result of pane
// i of the current block; behind it the suffix of the previous block that begins at pane i. At the
// end of a block its partials become suffixes, by one merge each, from the last to the first. So a
// slide costs each key one merge for the prefix, one for the window and, spread over the block, one
// for the suffixes.
//
// See Tangwongsan, Hirzel, Schneider: Low-Latency Sliding-Window Aggregation in Worst-Case Constant
// Time (DEBS 2017), for the family of algorithms.
//
// Slots lie in chunks, column by column, so that adding to one pane and firing all keys both go
// through memory in order.
type ring[T, Acc, R any] struct {
	fold  fold[T, Acc, R]
	clone func(Acc) Acc // nil unless accumulators are changed in place
	n     int
	shift uint // log2 of the slots of a chunk
	// head is the pane that was added last, at the place j in its block.
	head   int64
	j      int
	chunks []*chunk[Acc]
	sink   int32 // keeps loads alive whose results do not count
}

// chunk is a run of slots.
type chunk[Acc any] struct {
	// cells are n columns; present says, for the columns of the current block, which slots have a
	// partial result: a bit each.
	cells   []Acc
	present []uint64
	tops    []top[Acc]
}

// top is what a slot has beside its cells.
type top[Acc any] struct {
	prefix Acc
	// before is the last place in the previous block, current the last one in the current block up
	// to the head, at which the slot has a partial result; −1 if there is none. A free slot
	// has −2 in before.
	before, current int32
}

// freeSlot marks a slot that no key has.
const freeSlot = -2

func newRing[T, Acc, R any](f fold[T, Acc, R], clone func(Acc) Acc, n int, shift uint,
) *ring[T, Acc, R] {
	return &ring[T, Acc, R]{fold: f, clone: clone, n: n, shift: shift}
}

const (
	// chunkTarget is about the size of a chunk in bytes, maxChunkShift log2 of its most slots.
	chunkTarget   = 64 << 10
	maxChunkShift = 8
)

// chunkShift returns log2 of the slots of a chunk for windows of n panes.
func chunkShift[Acc any](n int) uint {
	var acc Acc
	slots := chunkTarget / (n*int(unsafe.Sizeof(acc)) + 1)
	return uint(min(max(bits.Len(uint(slots))-1, 0), maxChunkShift))
}

// reset empties the ring and puts the head at a pane.
func (r *ring[T, Acc, R]) reset(head int64) {
	r.chunks = nil
	r.head, r.j = head, int(floorMod(head, int64(r.n)))
}

// place returns the chunk of a slot and its number there.
func (r *ring[T, Acc, R]) place(slot uint32) (c *chunk[Acc], i int) {
	return r.chunks[slot>>r.shift], int(slot & (1<<r.shift - 1))
}

// words is the number of words of a column's presence bits.
func (r *ring[T, Acc, R]) words() int { return (1<<r.shift + 63) / 64 }

// take makes a slot ready for a new key.
func (r *ring[T, Acc, R]) take(slot uint32) {
	size := 1 << r.shift
	for int(slot>>r.shift) >= len(r.chunks) {
		c := &chunk[Acc]{cells: make([]Acc, r.n*size), present: make([]uint64, r.n*r.words()),
			tops: make([]top[Acc], size)}
		for i := range c.tops {
			c.tops[i].before, c.tops[i].current = freeSlot, -1
		}
		r.chunks = append(r.chunks, c)
	}
	c, i := r.place(slot)
	c.tops[i].before, c.tops[i].current = -1, -1
}

// release frees a slot and forgets what it refers to.
func (r *ring[T, Acc, R]) release(slot uint32) {
	c, i := r.place(slot)
	c.tops[i] = top[Acc]{before: freeSlot, current: -1}
	var zero Acc
	words := r.words()
	for k := range r.n {
		c.cells[k<<r.shift+i] = zero
		c.present[k*words+i/64] &^= 1 << (i % 64)
	}
}

// next moves the head to the next pane, which is empty.
func (r *ring[T, Acc, R]) next() {
	r.head++
	if r.j++; r.j == r.n {
		r.j = 0
		for _, c := range r.chunks {
			r.roll(c)
		}
	}
	w := r.words()
	for _, c := range r.chunks {
		clear(c.present[r.j*w : (r.j+1)*w])
	}
}

// roll makes the partial results of a block that is complete the suffixes of the previous block.
func (r *ring[T, Acc, R]) roll(c *chunk[Acc]) {
	size, words := 1<<r.shift, r.words()
	for k := r.n - 2; k >= 0; k-- {
		col := c.cells[k*size : (k+1)*size]
		behind := c.cells[(k+1)*size : (k+2)*size]
		present := c.present[k*words : (k+1)*words]
		for i := range c.tops {
			if int(c.tops[i].current) <= k {
				continue // its suffixes end at or before k
			}
			switch {
			case present[i/64]>>(i%64)&1 == 0:
				col[i] = behind[i]
			case r.clone == nil:
				col[i] = r.fold.merge(col[i], behind[i])
			default:
				col[i] = r.fold.merge(col[i], r.clone(behind[i]))
			}
		}
	}
	for i := range c.tops {
		t := &c.tops[i]
		if t.before != freeSlot {
			t.before = t.current
		}
		t.current = -1
	}
	clear(c.present)
}

// put sets the partial result of a slot for the pane at the head. The ring owns acc.
func (r *ring[T, Acc, R]) put(slot uint32, acc Acc) {
	c, i := r.place(slot)
	c.cells[r.j<<r.shift+i] = acc
	c.present[r.j*r.words()+i/64] |= 1 << (i % 64)
	if r.clone != nil {
		acc = r.clone(acc)
	}
	t := &c.tops[i]
	if t.current >= 0 {
		t.prefix = r.fold.merge(t.prefix, acc)
	} else {
		t.prefix = acc
	}
	t.current = int32(r.j)
}

// touch loads what put will need, so that the cache misses of different slots overlap.
func (r *ring[T, Acc, R]) touch(slots []uint32) {
	sink := int32(0)
	for _, slot := range slots {
		c, i := r.place(slot)
		sink ^= c.tops[i].current
	}
	r.sink ^= sink
}

// value returns what the window that ends at the head has for slot i of a chunk; ok is false if it
// has nothing. The caller owns the result.
func (r *ring[T, Acc, R]) value(c *chunk[Acc], i int) (acc Acc, ok bool) {
	t := &c.tops[i]
	older, newer := int(t.before) > r.j, t.current >= 0
	switch {
	case !older && !newer:
		return acc, false
	case !older:
		acc = t.prefix
	case !newer:
		acc = c.cells[(r.j+1)<<r.shift+i]
	case r.clone == nil:
		return r.fold.merge(c.cells[(r.j+1)<<r.shift+i], t.prefix), true
	default:
		return r.fold.merge(r.clone(c.cells[(r.j+1)<<r.shift+i]), r.clone(t.prefix)), true
	}
	if r.clone != nil {
		acc = r.clone(acc)
	}
	return acc, true
}

// add adds a record to a pane at or before the head, if windows that end after the head include it.
func (r *ring[T, Acc, R]) add(slot uint32, pane int64, v T) {
	c, i := r.place(slot)
	back := r.head - pane // how far before the head
	at := r.j - int(min(back, int64(2*r.n)))
	switch {
	case at >= 0:
		r.addCurrent(c, i, at, v)
	case at+r.n > r.j:
		r.addBefore(c, i, at+r.n, v)
	}
}

// addCurrent adds to a pane of the current block.
func (r *ring[T, Acc, R]) addCurrent(c *chunk[Acc], i, at int, v T) {
	cell, present := &c.cells[at<<r.shift+i], &c.present[at*r.words()+i/64]
	if *present>>(i%64)&1 != 0 {
		*cell = r.fold.add(v, *cell)
	} else {
		*cell = r.fold.first(v)
		*present |= 1 << (i % 64)
	}
	t := &c.tops[i]
	if t.current >= 0 {
		t.prefix = r.fold.add(v, t.prefix)
	} else {
		t.prefix = r.fold.first(v)
	}
	t.current = max(t.current, int32(at))
}

// addBefore adds to a pane of the previous block: to all suffixes that include it and are needed.
func (r *ring[T, Acc, R]) addBefore(c *chunk[Acc], i, at int, v T) {
	for k := r.j + 1; k <= at; k++ {
		cell := &c.cells[k<<r.shift+i]
		switch {
		case int(c.tops[i].before) < k:
			*cell = r.fold.first(v)
		case r.clone == nil:
			*cell = r.fold.add(v, *cell)
		default:
			// Suffixes that begin at an empty pane share the next one's accumulator.
			*cell = r.fold.add(v, r.clone(*cell))
		}
	}
	c.tops[i].before = max(c.tops[i].before, int32(at))
}

// move moves a slot to a free place.
func (r *ring[T, Acc, R]) move(from, to uint32) {
	r.take(to)
	a, i := r.place(from)
	b, k := r.place(to)
	words := r.words()
	for col := range r.n {
		b.cells[col<<r.shift+k] = a.cells[col<<r.shift+i]
		bit := a.present[col*words+i/64] >> (i % 64) & 1
		w := &b.present[col*words+k/64]
		*w = *w&^(1<<(k%64)) | bit<<(k%64)
	}
	b.tops[k] = a.tops[i]
	r.release(from)
}

// chunkBytes is the memory of a chunk without what accumulators refer to.
func (r *ring[T, Acc, R]) chunkBytes() int64 {
	var acc Acc
	size := int64(1) << r.shift
	return (int64(unsafe.Sizeof(acc))*int64(r.n+1)+8)*size + int64(8*r.n*r.words())
}

// shrink gives up the chunks behind those that n slots need.
func (r *ring[T, Acc, R]) shrink(n int) {
	keep := (n + 1<<r.shift - 1) >> r.shift
	if keep < len(r.chunks) {
		clear(r.chunks[keep:])
		r.chunks = r.chunks[:keep]
	}
}
