package reading

import (
	"encoding/binary"
	"fmt"
	"math"

	"goflink/core/source"
	"goflink/core/stream"
	"goflink/core/typeinfo"
)

// MaxCollectionBytes bounds an encoded collection: it is part of the program that every process
// gets.
const MaxCollectionBytes = 16 << 20

// collectionBlock is the number of values that are encoded and decoded together.
const collectionBlock = stream.MaxBatchRecords

// Collection is the source of a fixed list of values, which one subtask reads in their order. Its
// position is a split in the reader's operator state (R62). It holds the values encoded, so that
// nobody can change them; each attempt reads fresh ones.
type Collection[T any] struct {
	typ    *typeinfo.Type[T]
	n      int
	blocks [][]byte
}

func _[T any](v *Collection[T]) { var _ source.Source[T] = v }

// EncodeCollection encodes values for NewCollection: their number, then blocks of them, each with
// its length before it.
func EncodeCollection[T any](typ *typeinfo.Type[T], vs []T) ([]byte, error) {
	b := binary.AppendUvarint(nil, uint64(len(vs)))
	var block []byte
	for at := 0; at < len(vs); at += collectionBlock {
		end := min(at+collectionBlock, len(vs))
		var err error
		if block, err = typ.AppendAll(block[:0], vs[at:end]); err != nil {
			return nil, fmt.Errorf("a collection of %s, values %d to %d: %w", typ.Name(), at, end-1,
				err)
		}
		b = append(binary.AppendUvarint(b, uint64(len(block))), block...)
		if len(b) > MaxCollectionBytes {
			return nil, fmt.Errorf("a collection of %d values of %s takes more than %d bytes, "+
				"which is too much for a program; write it to a file and read that",
				len(vs), typ.Name(), MaxCollectionBytes)
		}
	}
	return b, nil
}

// NewCollection returns the source of values that EncodeCollection encoded; it keeps encoded.
func NewCollection[T any](typ *typeinfo.Type[T], encoded []byte) (*Collection[T], error) {
	c := &Collection[T]{typ: typ}
	n, k := binary.Uvarint(encoded)
	if k <= 0 || n > math.MaxInt32 {
		return nil, fmt.Errorf("a collection of %s: the encoding is damaged", typ.Name())
	}
	c.n = int(n)
	for rest := encoded[k:]; len(rest) > 0; {
		size, k := binary.Uvarint(rest)
		if k <= 0 || size > uint64(len(rest)-k) {
			return nil, fmt.Errorf("a collection of %s: the encoding is damaged", typ.Name())
		}
		c.blocks = append(c.blocks, rest[k:k+int(size)])
		rest = rest[k+int(size):]
	}
	if want := (c.n + collectionBlock - 1) / collectionBlock; len(c.blocks) != want {
		return nil, fmt.Errorf("a collection of %s: %d blocks for %d values, want %d", typ.Name(),
			len(c.blocks), c.n, want)
	}
	return c, nil
}

// Bounded is true.
func (*Collection[T]) Bounded() bool { return true }

// Replayable is true.
func (*Collection[T]) Replayable() bool { return true }

// NewEnumerator hands out the whole collection.
func (c *Collection[T]) NewEnumerator(ctx source.EnumeratorContext, restored []byte) (
	source.Enumerator, error) {
	return newPool(ctx, restored, func() []source.Split { return []source.Split{positionSplit(0)} })
}

func positionSplit(next int) source.Split {
	return source.Split{ID: "collection", State: binary.AppendUvarint(nil, uint64(next))}
}

// NewReader makes the reader.
func (c *Collection[T]) NewReader(ctx source.ReaderContext) (source.Reader[T], error) {
	return &collectionReader[T]{puller: puller{ctx: ctx}, c: c}, nil
}

type collectionReader[T any] struct {
	puller
	c    *Collection[T]
	open bool
	next int
	// block holds the values of the block that next is in, if loaded is its number plus one.
	block  []T
	loaded int
}

func (r *collectionReader[T]) AddSplits(splits []source.Split) error {
	for _, s := range splits {
		next, k := binary.Uvarint(s.State)
		if k != len(s.State) || r.open {
			return fmt.Errorf("split %q of a collection: there is one, whose state is a position",
				s.ID)
		}
		if next > uint64(r.c.n) {
			return fmt.Errorf("the restored position is %d, but the collection has %d values; a "+
				"collection must not become shorter before its job is restored", next, r.c.n)
		}
		r.open, r.next = true, int(next)
	}
	r.got()
	return nil
}

func (r *collectionReader[T]) Poll(b *stream.Batch[T], max int) (string, source.Status, error) {
	if !r.open {
		status, err := r.need()
		return "", status, err
	}
	const id = "collection"
	if r.next == r.c.n {
		r.open = false
		return id, source.SplitEnd, nil
	}
	if err := r.load(r.next / collectionBlock); err != nil {
		return id, source.End, err
	}
	vs := r.block[r.next%collectionBlock:]
	vs = vs[:min(max, len(vs))]
	b.Values = append(b.Values, vs...)
	r.next += len(vs)
	return id, source.More, nil
}

func (r *collectionReader[T]) load(block int) (err error) {
	if r.loaded == block+1 {
		return nil
	}
	n := min(collectionBlock, r.c.n-block*collectionBlock)
	// A new slice for each block: the values of the last one belong to who got them.
	r.block, _, err = r.c.typ.DecodeAll(r.c.blocks[block], n, nil)
	r.loaded = block + 1
	return err
}

func (r *collectionReader[T]) Snapshot(uint64) ([]source.Split, error) {
	if !r.open {
		return nil, nil
	}
	return []source.Split{positionSplit(r.next)}, nil
}

func (r *collectionReader[T]) Close() error { return nil }
