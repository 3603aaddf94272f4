package statetable

// lookahead is how many keys of a batch are looked up together: enough that the memory accesses of
// different keys overlap, few enough that what was fetched is still in the first caches.
const lookahead = 64

// prefetch reads the index slots, the entries and the long keys of a few keys, so that the cache
// misses of different keys overlap: the loads of one pass do not depend on each other, and a
// processor runs far ahead through them.
func (s *space[V]) prefetch(hashes []uint64, keys [][]byte) {
	if s.index == nil {
		return
	}
	var found [lookahead]uint32
	mask, home := uint32(len(s.index)-1), s.home
	hashes = hashes[:min(len(hashes), lookahead)]
	for i, h := range hashes {
		tag := uint32(h >> 32)
		at := tag >> home
		slot := s.index[at&mask]
		if uint32(slot>>32) != tag {
			slot = s.index[(at+1)&mask]
		}
		found[i] = uint32(slot)
	}
	sink := uint64(0)
	for i := range hashes {
		if e := found[i]; e != 0 {
			sink ^= s.at(e - 1).hash
		}
	}
	if len(s.keys.chunks) > 0 {
		for i := range hashes {
			if len(keys[i]) > inlineKey && found[i] != 0 {
				if r := s.at(found[i] - 1); r.klen > inlineKey && r.klen != freeEntry {
					sink ^= uint64(s.keys.chunks[r.key>>32][uint32(r.key)])
				}
			}
		}
	}
	s.lv.sink ^= sink
}
