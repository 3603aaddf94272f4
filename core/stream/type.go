package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"goflink/core/typeinfo"
)

// Type is what exchanges need to know of records of type T: their serializer, and a pool of
// batches. It is safe for concurrent use; one Type serves all streams of T in a process.
type Type[T any] struct {
	info     *typeinfo.Type[T]
	pointers bool
	pool     sync.Pool
	views    sync.Pool
}

// AnyType is a *Type[T] whose T the holder does not know.
type AnyType interface {
	// Name is the Go name of the record type.
	Name() string
	// Schema describes how records are encoded.
	Schema() typeinfo.Snapshot
	// Decode reads one batch that Carrier.Encode wrote and returns the rest of src. The batch does
	// not alias src. Truncated or garbled input is an error.
	Decode(src []byte) (Carrier, []byte, error)
}

func _[T any](v *Type[T]) { var _ AnyType = v }

// NewType returns the stream type of records that info describes.
func NewType[T any](info *typeinfo.Type[T]) *Type[T] {
	t := &Type[T]{info: info}
	_, fixed := info.FixedSize()
	t.pointers = !fixed || info.Mutable()
	t.pool.New = func() any { return &Batch[T]{typ: t} }
	t.views.New = func() any { return &Batch[T]{typ: t} }
	return t
}

// Info is the record type's serializer.
func (t *Type[T]) Info() *typeinfo.Type[T] { return t.info }

// Name is the Go name of the record type.
func (t *Type[T]) Name() string { return t.info.Name() }

// Schema describes how records are encoded.
func (t *Type[T]) Schema() typeinfo.Snapshot { return t.info.Snapshot() }

// NewBatch returns an empty batch whose Release gives it back to this type's pool.
func (t *Type[T]) NewBatch() *Batch[T] { return t.pool.Get().(*Batch[T]) }

func (t *Type[T]) view() *Batch[T] { return t.views.Get().(*Batch[T]) }

func (t *Type[T]) putView(b *Batch[T]) {
	b.Values, b.Times, b.Hashes = nil, nil, nil
	t.views.Put(b)
}

// Encoding of a batch: uvarint number of records, one byte of flags (flagTimes), 8 bytes little
// endian per timestamp if flagTimes is set, then the values.
const flagTimes = 1

// Encode appends records [from, to) to dst.
func (b *Batch[T]) Encode(dst []byte, from, to int) ([]byte, error) {
	if b.typ == nil {
		return dst, errors.New("encode: the batch has no type")
	}
	dst = binary.AppendUvarint(dst, uint64(to-from))
	if len(b.Times) == 0 {
		dst = append(dst, 0)
	} else {
		dst = append(dst, flagTimes)
		for _, t := range b.Times[from:to] {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(t))
		}
	}
	return b.typ.info.AppendAll(dst, b.Values[from:to])
}

// Decode reads one batch and returns the rest of src.
func (t *Type[T]) Decode(src []byte) (Carrier, []byte, error) {
	n, k := binary.Uvarint(src)
	if k <= 0 || len(src) == k {
		return nil, src, fmt.Errorf("batch of %s: truncated header", t.Name())
	}
	if n > MaxBatchRecords {
		return nil, src, fmt.Errorf("batch of %s: %d records, at most %d are allowed",
			t.Name(), n, MaxBatchRecords)
	}
	flags, rest := src[k], src[k+1:]
	b := t.NewBatch()
	if flags&flagTimes != 0 {
		if uint64(len(rest)) < 8*n {
			b.Release()
			return nil, src, fmt.Errorf("batch of %s: truncated timestamps", t.Name())
		}
		for i := range int(n) {
			b.Times = append(b.Times, int64(binary.LittleEndian.Uint64(rest[8*i:])))
		}
		rest = rest[8*n:]
	}
	var err error
	if b.Values, rest, err = t.info.DecodeAll(rest, int(n), b.Values); err != nil {
		b.Release()
		return nil, src, fmt.Errorf("batch of %s: %w", t.Name(), err)
	}
	return b, rest, nil
}
