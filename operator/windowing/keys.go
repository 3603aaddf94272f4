package windowing

import (
	"goflink/core/keygroup"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/operator"
)

// keyReader takes the keys of batches; without a selector all records have the empty key.
type keyReader[T, K any] struct {
	keyed  *operator.KeyReader[T, K] // nil without a selector
	hashes []uint64
	keys   [][]byte
}

func newKeyReader[T, K any](selector func(T) K, key *typeinfo.Key[K]) keyReader[T, K] {
	if selector == nil {
		return keyReader[T, K]{}
	}
	return keyReader[T, K]{keyed: operator.NewKeyReader(selector, key)}
}

// read returns the hashes and the canonical bytes of the keys, side by side with the records; they
// are valid until the next call.
func (r *keyReader[T, K]) read(b *stream.Batch[T]) (hashes []uint64, keys [][]byte) {
	if r.keyed != nil {
		return r.keyed.Read(b)
	}
	none := keygroup.Hash(nil)
	for len(r.hashes) < len(b.Values) {
		r.hashes, r.keys = append(r.hashes, none), append(r.keys, nil)
	}
	return r.hashes[:len(b.Values)], r.keys[:len(b.Values)]
}
