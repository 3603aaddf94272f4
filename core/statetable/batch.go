package statetable

// lookahead is how many keys of a batch are looked up together: enough that the memory accesses of
// different keys overlap, few enough that what was fetched is still in the first caches.
const lookahead = 64

// cachedKeys is up to how many bytes of long keys are taken to lie in the caches.
const cachedKeys = 512 << 10

// ahead is what is known of a few keys before each is handled: 1 + the number of its entry, or 0
// if it was not found at first sight.
type ahead [lookahead]uint32

// resolve looks up to lookahead keys up. Each step goes over all keys before the next step
// begins, and in a step the loads for different keys do not depend on each other: so their cache
// misses overlap (as in hash joins: Chen et al., Improving Hash Join Performance through
// Prefetching, 2004).
func (s *space) resolve(hashes []uint64, keys [][]byte, found *ahead) {
	if s.index == nil || len(hashes) > lookahead || len(keys) != len(hashes) {
		clear(found[:])
		return
	}
	var slots [lookahead]uint64
	index, home := s.index, s.home
	mask := uint32(len(index) - 1)
	for i, h := range hashes {
		tag := uint32(h >> 32)
		at := tag >> home
		slot, next := index[at&mask], index[(at+1)&mask]
		// Without a branch: half of the keys lie at their home, which no predictor can guess.
		miss := uint64(int64(uint64(uint32(slot>>32)^tag)-1)>>63) ^ ^uint64(0)
		slots[i&(lookahead-1)] = slot ^ (slot^next)&miss
	}
	for i, h := range hashes {
		slot, tag := slots[i&(lookahead-1)], uint32(h>>32)
		if uint32(slot>>32) != tag {
			slot = s.walk(tag)
		}
		found[i&(lookahead-1)] = uint32(slot)
	}
	if s.keys.used > cachedKeys {
		s.fetchKeys(found, len(hashes))
	}
	shift, rows := s.lv.shift, s.lv.mask
	for i, key := range keys {
		e := found[i&(lookahead-1)] - 1
		if e == ^uint32(0) {
			continue
		}
		r := s.lv.at(s.pages[e>>shift].rows, int(e&rows))
		n := uint32(len(key))
		if n <= inlineKey {
			if r.key != word(key) || r.klen != n {
				found[i&(lookahead-1)] = 0
			}
		} else if r.hash != hashes[i] || r.klen != n || string(s.keys.at(r.key, n)) != string(key) {
			found[i&(lookahead-1)] = 0
		}
	}
}

// walk returns the first slot with a tag, or 0.
func (s *space) walk(tag uint32) uint64 {
	mask := uint32(len(s.index) - 1)
	for at := tag >> s.home; ; at++ {
		if slot := s.index[at&mask]; slot == 0 || uint32(slot>>32) == tag {
			return slot
		}
	}
}

// fetchKeys loads the first bytes of the long keys of entries.
func (s *space) fetchKeys(found *ahead, n int) {
	sink := byte(0)
	for _, e := range found[:n] {
		if e == 0 {
			continue
		}
		if r := s.at(e - 1); r.klen > inlineKey && r.klen != freeEntry {
			sink ^= s.keys.chunks[r.key>>32][uint32(r.key)]
		}
	}
	s.lv.sink ^= sink
}
