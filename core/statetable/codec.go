package statetable

import (
	"fmt"

	"goflink/core/statebackend"
	"goflink/core/typeinfo"
)

// Codec is what a table must know of its values. It is immutable; Append and what Reader returns
// are called from any goroutine.
type Codec[V any] interface {
	// Append appends the encoded *v.
	Append(dst []byte, v *V) ([]byte, error)
	// Reader returns a function that reads values written under h, whose Kind and Mapped are
	// those of the table; now is the time at which values expire. The error says what is
	// incompatible.
	Reader(h *statebackend.StateHeader, now int64) (func(src []byte, v *V) error, error)
	// Mutable tells whether values hold what could be changed in place; Clone copies it.
	Mutable() bool
	Clone(v V) V
	// MemSize estimates the bytes of *v with all that it refers to.
	MemSize(v *V) int
	// Expired tells whether *v need not be kept at time now.
	Expired(v *V, now int64) bool
}

// typeCodec is the Codec of a type.
type typeCodec[V any] struct{ *typeinfo.Type[V] }

func _[V any](v typeCodec[V]) { var _ Codec[V] = v }

// CodecOf returns the Codec of values that t describes.
func CodecOf[V any](t *typeinfo.Type[V]) Codec[V] { return typeCodec[V]{t} }

// Reader implements Codec.
func (c typeCodec[V]) Reader(h *statebackend.StateHeader, _ int64) (
	func(src []byte, v *V) error, error,
) {
	if h.Stamped {
		// The time to live was taken away: the stamps are of no use any more.
		return readerOf(c.Type, h, stampBytes)
	}
	return readerOf(c.Type, h, 0)
}

// stampBytes is the size of the stamp before a value.
const stampBytes = 8

func readerOf[V any](t *typeinfo.Type[V], h *statebackend.StateHeader, skip int) (
	func(src []byte, v *V) error, error,
) {
	dec, err := t.Migrate(h.Schema)
	if err != nil {
		return nil, err
	}
	return func(src []byte, v *V) error {
		if len(src) < skip {
			return fmt.Errorf("a value of %d bytes is shorter than its stamp", len(src))
		}
		rest, err := dec.Decode(src[skip:], v)
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("%d bytes are left after a value of %s", len(rest), t.Name())
		}
		return err
	}, nil
}

// Expired implements Codec: values without a stamp do not expire.
func (typeCodec[V]) Expired(*V, int64) bool { return false }
