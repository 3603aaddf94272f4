package statetable

import (
	"math/bits"
	"sync/atomic"
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
type level struct {
	*epochs
	rows
	mask  uint32 // entries per page - 1
	shift uint8  // log2 of the entries per page
	// hintBits is log2 of the slots of the largest index that was dropped.
	hintBits int
	// spare and spareIndex come from a large space that was dropped; unused counts the smaller
	// ones dropped since spare was used. small are small ones that are ready to be used again.
	spare      []page
	spareIndex []uint64
	unused     int
	small      []*space
	// moved is told of each entry that changes its number, if it is set.
	moved func(from, to uint32, r *row)
	sink  byte // keeps loads alive whose results do not count
}

func newLevel(e *epochs, r rows) *level {
	shift := min(max(bits.Len(uint(pageBytes/r.size))-1, minPageShift), maxPageShift)
	return &level{epochs: e, rows: r, shift: uint8(shift), mask: 1<<shift - 1}
}

// takePage returns a page of n empty entries.
func (lv *level) takePage(n int) page {
	if last := len(lv.spare) - 1; last >= 0 && n > int(lv.mask) {
		p := lv.spare[last]
		lv.spare, lv.unused = lv.spare[:last], 0
		if p.epoch > lv.frozen && int(p.len) == n {
			lv.clear(p.rows, n)
			p.epoch = lv.now
			return p
		}
	}
	return page{rows: lv.make(n), len: uint32(n), epoch: lv.now}
}

// takeIndex returns n empty slots.
func (lv *level) takeIndex(n int) []uint64 {
	if len(lv.spareIndex) >= n && len(lv.spareIndex) <= 2*n {
		index := lv.spareIndex[:n:n]
		lv.spareIndex = nil
		clear(index)
		return index
	}
	return make([]uint64, n)
}

const (
	// maxUnused is after how many smaller spaces the memory of a large one is given up.
	maxUnused = 8
	// maxSmall is how many small spaces are kept.
	maxSmall = 256
)

// drop keeps the memory of a space that is no longer needed for the next one, in constant time.
// Keys are not part of it: callers may still hold them.
func (lv *level) drop(s *space) {
	switch n := len(s.pages); {
	case n > 1 && n >= len(lv.spare) || n > 1 && lv.unused >= maxUnused:
		lv.spare, lv.unused = s.pages, 0
	case n > 1:
		lv.unused++
	case n == 1 && s.index == nil && len(lv.small) < maxSmall && !s.shared() && !s.dirShared &&
		s.pages[0].epoch > lv.frozen:
		lv.clear(s.pages[0].rows, int(s.size))
		s.keys, s.free, s.size, s.live = arena{}, 0, 0, 0
		lv.small = append(lv.small, s)
	}
	if len(s.index) > 1<<minIndexBits {
		lv.hintBits = bits.Len(uint(len(s.index))) - 1
		lv.spareIndex = s.index
	}
}
