package statetable

import "unsafe"

// memSamples is how many values MemSize looks at, at most.
const memSamples = 1024

// bytes is the memory that the level keeps for the next space.
func (lv *level) bytes() int64 {
	n := int64(len(lv.spareIndex)) * 8
	for _, s := range lv.small {
		n += s.memSize()
	}
	for i := range lv.spare {
		n += int64(lv.spare[i].len) * int64(lv.size)
	}
	return n
}

// memSize is MemSize of a Table.
func (t *table) memSize() int64 {
	if t.values == nil {
		return t.sizeWith(nil)
	}
	return t.sizeWith(t.values.refers)
}

// sizeWith is memSize with size telling what a value refers to; nil stands for nothing.
func (t *table) sizeWith(size func(p unsafe.Pointer) int64) int64 {
	n := t.root.memSize() + t.lv.bytes() + t.roots.bytes()
	step := uint32(t.count/memSamples) + 1
	seen, sum, skip := 0, int64(0), uint32(0)
	for slot := range t.root.size {
		r := t.root.at(slot)
		if r.klen == freeEntry {
			continue
		}
		s := slotOf(r).space
		n += s.memSize()
		if size == nil {
			continue
		}
		for ; skip < s.size; skip += step {
			if row := s.at(skip); row.klen != freeEntry {
				sum += size(row.value())
				seen++
			}
		}
		skip -= s.size
	}
	return n + int64(float64(sum)*float64(t.count)/float64(max(seen, 1)))
}

// memSize is MemSize of a MapTable: maps are sampled.
func (t *mapTable) memSize() int64 {
	n := t.lv.bytes()
	return n + t.outer.sizeWith(func(p unsafe.Pointer) int64 {
		m := (*mapSlot)(p)
		bytes := m.space.memSize()
		if m.order != nil {
			bytes += int64(cap(m.order.rows)) * 4
		}
		step := m.space.size/memSamples + 1
		for e := uint32(0); e < m.space.size; e += step {
			if r := m.space.at(e); r.klen != freeEntry {
				bytes += t.values.refers(r.value()) * int64(step)
			}
		}
		return bytes
	})
}
