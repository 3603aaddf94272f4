package reading

import (
	"encoding/binary"
	"fmt"

	"goflink/core/source"
	"goflink/core/stream"
)

// Sequence is the source of the numbers from First to Last, dealt out to the readers in ranges.
// Value makes the record of a number; it is pure.
type Sequence[T any] struct {
	First, Last int64
	Value       func(n int64) T
}

var _ source.Source[int64] = Sequence[int64]{}

// Bounded is true.
func (Sequence[T]) Bounded() bool { return true }

// Replayable is true.
func (Sequence[T]) Replayable() bool { return true }

// sequenceSplits is the number of ranges per reader, so that readers of unequal speed end together.
const sequenceSplits = 4

// NewEnumerator divides the numbers into ranges.
func (s Sequence[T]) NewEnumerator(ctx source.EnumeratorContext, restored []byte) (
	source.Enumerator, error) {
	return newPool(ctx, restored, func() ([]source.Split, error) { return s.splits(ctx), nil })
}

func (s Sequence[T]) splits(ctx source.EnumeratorContext) []source.Split {
	n := s.Last - s.First + 1
	if n <= 0 {
		return nil
	}
	parts := min(n, int64(ctx.Parallelism()*sequenceSplits))
	var splits []source.Split
	for i := range parts {
		r := numbers{next: s.First + n/parts*i + min(i, n%parts)}
		r.last = r.next + n/parts - 1
		if i < n%parts {
			r.last++
		}
		splits = append(splits, r.split(fmt.Sprintf("%d-%d", r.next, r.last)))
	}
	return splits
}

// numbers is a range that is being read.
type numbers struct {
	id         string
	next, last int64
}

func (r numbers) split(id string) source.Split {
	b := binary.BigEndian.AppendUint64(nil, uint64(r.next))
	return source.Split{ID: id, State: binary.BigEndian.AppendUint64(b, uint64(r.last))}
}

func parseNumbers(s source.Split) (numbers, error) {
	if len(s.State) != 16 {
		return numbers{}, fmt.Errorf("split %q of a sequence: %d bytes, want 16", s.ID, len(s.State))
	}
	return numbers{s.ID, int64(binary.BigEndian.Uint64(s.State)),
		int64(binary.BigEndian.Uint64(s.State[8:]))}, nil
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
	end := min(n.last, n.next+int64(max)-1)
	for v := n.next; v <= end; v++ {
		b.Values = append(b.Values, r.s.Value(v))
	}
	n.next = end + 1
	id := n.id
	if n.next > n.last {
		r.open = r.open[1:]
		return id, source.SplitEnd, nil
	}
	return id, source.More, nil
}

func (r *sequenceReader[T]) Snapshot(uint64) ([]source.Split, error) {
	var splits []source.Split
	for _, n := range r.open {
		splits = append(splits, n.split(n.id))
	}
	return splits, nil
}

func (r *sequenceReader[T]) Event([]byte) error { return nil }
func (r *sequenceReader[T]) Close() error       { return nil }
