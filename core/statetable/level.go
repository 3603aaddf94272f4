package statetable

import (
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// epochs counts the snapshots of one table. The epoch grows with each of them; what carries an
// epoch at or before that of an open snapshot is shared with it.
type epochs struct {
	// now is the epoch that new things carry.
	now uint32
	// frozen is at least the epoch of the latest open snapshot, 0 if there is none: what is newer
	// may be changed in place. It is brought up to date by refresh, when something older is met.
	frozen uint32
	// open are the snapshots that were not seen released, the latest last.
	open []*share
	// copied counts the bytes of pages that were copied because a snapshot shared them.
	copied int64
}

// share is the hold of one snapshot on a table.
type share struct {
	epoch uint32
	// released is set, last of all, by the goroutine that has read the snapshot; from then on the
	// table may change in place what only this snapshot shared.
	released atomic.Bool
}

// freeze begins a new epoch and shares with the caller all that is older.
func (e *epochs) freeze() *share {
	e.refresh()
	h := &share{epoch: e.now}
	e.open = append(e.open, h)
	e.frozen = e.now
	e.now++
	return h
}

// refresh forgets released snapshots.
func (e *epochs) refresh() {
	if len(e.open) == 0 {
		return
	}
	kept := e.open[:0]
	for _, h := range e.open {
		if !h.released.Load() {
			kept = append(kept, h)
		}
	}
	clear(e.open[len(kept):])
	e.open = kept
	e.frozen = 0
	if n := len(kept); n > 0 {
		e.frozen = kept[n-1].epoch
	}
}

// level is what the spaces of one level of a table have in common: namespaces, keys or map keys.
type level[V any] struct {
	*epochs
	mask  uint32 // entries per page - 1
	shift uint8  // log2 of the entries per page
	// hintBits is log2 of the slots of the largest index that was dropped.
	hintBits int
	// spare and spareIndex come from the last large space that was dropped.
	spare      []page[V]
	spareIndex []uint64
	// moved is told of each entry that changes its number, if it is set.
	moved func(from, to uint32, r *entry[V])
	sink  byte // keeps loads alive whose results do not count
}

func newLevel[V any](e *epochs) *level[V] {
	size := int(unsafe.Sizeof(entry[V]{}))
	shift := min(max(bits.Len(uint(pageBytes/size))-1, minPageShift), maxPageShift)
	return &level[V]{epochs: e, shift: uint8(shift), mask: 1<<shift - 1}
}

// takePage returns n empty entries.
func (lv *level[V]) takePage(n int) []entry[V] {
	if last := len(lv.spare) - 1; last >= 0 && n > int(lv.mask) {
		p := lv.spare[last]
		lv.spare = lv.spare[:last]
		if p.epoch > lv.frozen && len(p.rows) == n {
			clear(p.rows)
			return p.rows
		}
	}
	return make([]entry[V], n)
}

// takeIndex returns n empty slots.
func (lv *level[V]) takeIndex(n int) []uint64 {
	if len(lv.spareIndex) >= n && len(lv.spareIndex) <= 2*n {
		index := lv.spareIndex[:n:n]
		lv.spareIndex = nil
		clear(index)
		return index
	}
	return make([]uint64, n)
}

// drop keeps the memory of a space that is no longer needed for the next one, in constant time. The
// spare pages of an earlier one are given up if there are fewer of them.
func (lv *level[V]) drop(s *space[V]) {
	if len(s.pages) > max(len(lv.spare), 1) {
		lv.spare = s.pages
	}
	if len(s.index) > 1<<minIndexBits {
		lv.hintBits = bits.Len(uint(len(s.index))) - 1
		lv.spareIndex = s.index
	}
}
