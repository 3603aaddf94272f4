package process

import (
	"fmt"
	"reflect"

	"goflink/core/failure"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/operator"
)

// KeyBy says how the records of an input are keyed. Selector is pure.
type KeyBy[T, K any] struct {
	Selector func(v T) K
	Key      *typeinfo.Key[K]
}

// Keying is a KeyBy whose key type the holder does not know; nil stands for an input that is not
// keyed.
type Keying[T any] interface {
	check() error
	reader() batchKeys[T]
}

// batchKeys takes the keys of batches.
type batchKeys[T any] interface {
	Read(b *stream.Batch[T]) (hashes []uint64, keys [][]byte)
}

func _[T, K any](v KeyBy[T, K]) { var _ Keying[T] = v }

// check reports what is missing.
func (k KeyBy[T, K]) check() error {
	missing := ""
	switch {
	case k.Selector == nil:
		missing = "selector"
	case k.Key == nil:
		missing = "key type"
	default:
		return nil
	}
	return failure.New(failure.FailJob, failure.User, "the input of %v is keyed without a %s",
		reflect.TypeFor[T](), missing)
}

func (k KeyBy[T, K]) reader() batchKeys[T] { return operator.NewKeyReader(k.Selector, k.Key) }

// keyContext makes the keys of an input's records current one by one; without keys it does nothing.
type keyContext[T any] struct {
	keys   batchKeys[T]
	keyed  statebackend.Keyed
	hashes []uint64
	bytes  [][]byte
}

// open opens the keyed state if the input is keyed.
func (c *keyContext[T]) open(rt operator.Runtime, keying Keying[T]) (err error) {
	if keying == nil {
		return nil
	}
	c.keys = keying.reader()
	c.keyed, err = rt.Keyed()
	return err
}

// begin takes the keys of a batch.
func (c *keyContext[T]) begin(b *stream.Batch[T]) {
	if c.keyed != nil {
		c.hashes, c.bytes = c.keys.Read(b)
	}
}

// set makes the key of record i current.
func (c *keyContext[T]) set(i int) {
	if c.keyed != nil {
		c.keyed.SetKey(c.hashes[i], c.bytes[i])
	}
}

// end leaves the keyed context: the keys belong to the batch.
func (c *keyContext[T]) end() {
	if c.keyed != nil {
		c.keyed.UnsetKey()
	}
}

// keyScope is what keyed contexts know of the current key.
type keyScope[K any] struct {
	scope *scope
	keyed statebackend.Keyed
	codec *typeinfo.Key[K]
	// take takes the key from the record at hand; nil while a timer is.
	take  func() K
	key   K
	known bool
}

// CurrentKey is the key of the record or timer at hand.
func (s *keyScope[K]) CurrentKey() K {
	if s.known {
		return s.key
	}
	if s.take != nil {
		s.key, s.known = s.take(), true
		return s.key
	}
	_, b, ok := s.keyed.Key()
	if !ok {
		s.scope.fail(fmt.Errorf("CurrentKey: %w", statebackend.ErrNoKey))
		return s.key
	}
	k, err := s.codec.Decode(b)
	if err != nil {
		s.scope.fail(err)
	}
	s.key, s.known = k, true
	return k
}
