package operator

import (
	"unsafe"

	"goflink/core/keygroup"
	"goflink/core/stream"
	"goflink/core/typeinfo"
)

// KeyReader takes the keys of batches: their canonical bytes and hashes, side by side with the
// records. What it returns is valid until its next call. One goroutine uses it.
type KeyReader[T, K any] struct {
	selector func(T) K
	key      *typeinfo.Key[K]
	str      bool
	bytes    []byte
	ends     []int
	keys     [][]byte
	hashes   []uint64
}

// NewKeyReader returns a reader of the keys that selector takes from records.
func NewKeyReader[T, K any](selector func(T) K, key *typeinfo.Key[K]) *KeyReader[T, K] {
	return &KeyReader[T, K]{selector: selector, key: key, str: key.IsString()}
}

// Read returns the keys of b's records and their hashes. The keys of strings share their memory.
func (r *KeyReader[T, K]) Read(b *stream.Batch[T]) (hashes []uint64, keys [][]byte) {
	if r.str {
		r.readStrings(b)
	} else {
		r.readBytes(b)
	}
	if len(b.Hashes) == len(b.Values) {
		return b.Hashes, r.keys
	}
	r.hashes = r.hashes[:0]
	for _, k := range r.keys {
		r.hashes = append(r.hashes, keygroup.Hash(k))
	}
	return r.hashes, r.keys
}

func (r *KeyReader[T, K]) readStrings(b *stream.Batch[T]) {
	r.keys = r.keys[:0]
	for i := range b.Values {
		k := r.selector(b.Values[i])
		s := *(*string)(unsafe.Pointer(&k)) // K's kind is string
		r.keys = append(r.keys, unsafe.Slice(unsafe.StringData(s), len(s)))
	}
}

func (r *KeyReader[T, K]) readBytes(b *stream.Batch[T]) {
	r.bytes, r.ends, r.keys = r.bytes[:0], r.ends[:0], r.keys[:0]
	for i := range b.Values {
		k := r.selector(b.Values[i])
		r.bytes = r.key.Append(r.bytes, &k)
		r.ends = append(r.ends, len(r.bytes))
	}
	from := 0
	for _, to := range r.ends {
		r.keys = append(r.keys, r.bytes[from:to:to])
		from = to
	}
}

// Key decodes a key that Read returned.
func (r *KeyReader[T, K]) Key(b []byte) (K, error) { return r.key.Decode(b) }

// One returns the key of one record; its bytes are valid until the next call of any method.
func (r *KeyReader[T, K]) One(v T) (k K, hash uint64, key []byte) {
	k = r.selector(v)
	if r.str {
		s := *(*string)(unsafe.Pointer(&k)) // K's kind is string
		key = unsafe.Slice(unsafe.StringData(s), len(s))
	} else {
		r.bytes = r.key.Append(r.bytes[:0], &k)
		key = r.bytes
	}
	return k, keygroup.Hash(key), key
}
