package reading

import (
	"encoding/binary"
	"fmt"
	"slices"

	"goflink/core/source"
	"goflink/core/stream"
)

// Sequence is the source of the numbers from First to Last, dealt out to the readers in ranges.
// Value makes the record of a number; it is pure.
type Sequence[T any] struct {
	First, Last int64
	Value       func(n int64) T
}

func _[T any](v Sequence[T]) { var _ source.Source[T] = v }

// Bounded is true.
func (Sequence[T]) Bounded() bool { return true }

// Replayable is true.
func (Sequence[T]) Replayable() bool { return true }

// sequenceSplits is the number of ranges per reader, so that readers of unequal speed end together.
const sequenceSplits = 4

// NewEnumerator divides the numbers into ranges.
func (s Sequence[T]) NewEnumerator(ctx source.EnumeratorContext, restored []byte) (
	source.Enumerator, error) {
	return newPool(ctx, restored, func() []source.Split { return s.splits(ctx.Parallelism()) })
}

func (s Sequence[T]) splits(readers int) []source.Split {
	if s.Last < s.First {
		return nil
	}
	// One less than the count, which may not fit.
	span := uint64(s.Last) - uint64(s.First)
	parts := uint64(readers * sequenceSplits)
	if span < parts {
		parts = span + 1
	}
	size, more := span/parts, span%parts+1
	if more == parts {
		size, more = size+1, 0
	}
	var splits []source.Split
	at := uint64(s.First)
	for i := range parts {
		n := size
		if i < more {
			n++
		}
		r := numbers{next: int64(at), left: n}
		splits = append(splits, r.split(fmt.Sprintf("%d-%d", r.next, int64(at+n-1))))
		at += n
	}
	return splits
}

// numbers is a range that is being read: left numbers from next on.
type numbers struct {
	id   string
	next int64
	left uint64
}

func (r numbers) split(id string) source.Split {
	b := binary.BigEndian.AppendUint64(nil, uint64(r.next))
	return source.Split{ID: id, State: binary.BigEndian.AppendUint64(b, r.left)}
}

func parseNumbers(s source.Split) (numbers, error) {
	if len(s.State) != 16 {
		return numbers{}, fmt.Errorf("split %q of a sequence: %d bytes, want 16", s.ID,
			len(s.State))
	}
	return numbers{s.ID, int64(binary.BigEndian.Uint64(s.State)),
		binary.BigEndian.Uint64(s.State[8:])}, nil
}

// NewReader makes a reader of ranges.
func (s Sequence[T]) NewReader(ctx source.ReaderContext) (source.Reader[T], error) {
	return &sequenceReader[T]{puller: puller{ctx: ctx}, s: s}, nil
}

type sequenceReader[T any] struct {
	puller
	s    Sequence[T]
	open []numbers
}

func (r *sequenceReader[T]) AddSplits(splits []source.Split) error {
	for _, sp := range splits {
		n, err := parseNumbers(sp)
		if err != nil {
			return err
		}
		r.open = append(r.open, n)
	}
	r.got()
	return nil
}

func (r *sequenceReader[T]) Poll(b *stream.Batch[T], max int) (string, source.Status, error) {
	if len(r.open) == 0 {
		status, err := r.need()
		return "", status, err
	}
	n := &r.open[0]
	k := int(min(n.left, uint64(max)))
	vs, value, next := grow(&b.Values, k), r.s.Value, n.next
	for i := range vs {
		vs[i] = value(next + int64(i))
	}
	n.next, n.left = next+int64(k), n.left-uint64(k)
	id := n.id
	if n.left == 0 {
		r.open = r.open[1:]
		return id, source.SplitEnd, nil
	}
	return id, source.More, nil
}

// grow makes vs longer by n and returns the new end.
func grow[T any](vs *[]T, n int) []T {
	have := len(*vs)
	*vs = slices.Grow(*vs, n)[:have+n]
	return (*vs)[have:]
}

func (r *sequenceReader[T]) Snapshot(uint64) ([]source.Split, error) {
	var splits []source.Split
	for _, n := range r.open {
		splits = append(splits, n.split(n.id))
	}
	return splits, nil
}

func (r *sequenceReader[T]) Close() error { return nil }
