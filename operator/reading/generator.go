package reading

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"goflink/core/source"
	"goflink/core/stream"
)

// Endless is the Count of a generator without end.
const Endless = -1

// Generator is the source of records that a function makes of their numbers, 0, 1, 2 and so on.
// The numbers are dealt out to lanes, of which each reader has its own: which subtask makes which
// number follows from the parallelism alone, and every number comes once, also after a restore
// with another parallelism.
type Generator[T any] struct {
	// Value makes record n. It must be pure.
	Value func(n int64) T
	// Fill makes the records first, first+1, … for all of dst, at most stream.MaxBatchRecords. It
	// is used if Value is nil, and must be pure.
	Fill func(first int64, dst []T)
	// Count is the number of records, or Endless.
	Count int64
	// PerSecond is how many records all readers make together in a second, at most; 0 means no
	// limit.
	PerSecond float64
	// Lanes is the number of lanes, which bounds how many readers share the work after a restore
	// with a larger parallelism; 0 means as many as there are readers at first.
	Lanes int
}

// MaxGeneratorLanes bounds Generator.Lanes.
const MaxGeneratorLanes = 1 << 15

func _[T any](v Generator[T]) { var _ source.Source[T] = v }

// Check says what is wrong with the generator.
func (g Generator[T]) Check() error {
	switch {
	case (g.Value == nil) == (g.Fill == nil):
		return errors.New("generator: want a Value or a Fill function")
	case g.Count < Endless:
		return fmt.Errorf("generator: the count is %d; want a number of records, or %d for no end",
			g.Count, Endless)
	case g.PerSecond < 0 || math.IsNaN(g.PerSecond):
		return fmt.Errorf("generator: the rate is %v records per second; want more, or 0 for no "+
			"limit",
			g.PerSecond)
	case g.Lanes < 0 || g.Lanes > MaxGeneratorLanes:
		return fmt.Errorf("generator: %d lanes; want 0 to %d", g.Lanes, MaxGeneratorLanes)
	}
	return nil
}

// Bounded reports whether there is a Count.
func (g Generator[T]) Bounded() bool { return g.Count != Endless }

// Replayable is true.
func (Generator[T]) Replayable() bool { return true }

// block is the number of neighbouring numbers of a lane.
func (g Generator[T]) block() int64 {
	if g.Value == nil {
		return stream.MaxBatchRecords
	}
	return 1
}

// lane is one lane: of the blocks of numbers, those whose number is index modulo lanes.
type lane struct {
	id           string
	index, lanes int64
	// next counts the records that were made.
	next int64
}

func (l lane) split() source.Split {
	b := binary.AppendUvarint(nil, uint64(l.index))
	b = binary.AppendUvarint(b, uint64(l.lanes))
	return source.Split{ID: l.id, State: binary.AppendUvarint(b, uint64(l.next))}
}

func parseLane(s source.Split) (lane, error) {
	var fields [3]uint64
	rest := s.State
	for i := range fields {
		n, k := binary.Uvarint(rest)
		if k <= 0 || n > math.MaxInt64 {
			return lane{}, fmt.Errorf("split %q of a generator has no valid state", s.ID)
		}
		fields[i], rest = n, rest[k:]
	}
	l := lane{s.ID, int64(fields[0]), int64(fields[1]), int64(fields[2])}
	if len(rest) > 0 || l.lanes < 1 || l.index >= l.lanes {
		return lane{}, fmt.Errorf("split %q of a generator has no valid state", s.ID)
	}
	return l, nil
}

// size is how many of count numbers fall to the lane.
func (l *lane) size(count, block int64) int64 {
	if count == Endless {
		return math.MaxInt64
	}
	full, rest := count/block, count%block
	n := full / l.lanes * block
	switch last := full % l.lanes; {
	case l.index < last:
		n += block
	case l.index == last:
		n += rest
	}
	return n
}

// number returns the number of the lane's next record, and how many neighbours it has from there.
func (l *lane) number(block int64) (first, run int64) {
	in := l.next % block
	return (l.next/block*l.lanes+l.index)*block + in, block - in
}

// NewEnumerator makes the lanes.
func (g Generator[T]) NewEnumerator(ctx source.EnumeratorContext, restored []byte) (
	source.Enumerator, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	e := &laneEnumerator{ctx: ctx}
	if restored != nil {
		if err := json.Unmarshal(restored, &e.free); err != nil {
			return nil, fmt.Errorf("state of a generator: %w", err)
		}
		return e, nil
	}
	lanes := g.Lanes
	if lanes == 0 {
		lanes = ctx.Parallelism()
	}
	for i := range lanes {
		l := lane{id: fmt.Sprintf("lane %d of %d", i, lanes), index: int64(i), lanes: int64(lanes)}
		e.free = append(e.free, l.split())
	}
	return e, nil
}

// laneEnumerator gives each reader its lanes.
type laneEnumerator struct {
	ctx  source.EnumeratorContext
	free []source.Split
}

var _ source.Enumerator = (*laneEnumerator)(nil)

func (e *laneEnumerator) Start() error { return nil }

// RequestSplit gives the reader all that falls to it, and nothing later.
func (e *laneEnumerator) RequestSplit(subtask int, _ string) error {
	var its, others []source.Split
	for _, s := range e.free {
		l, err := parseLane(s)
		if err != nil {
			return err
		}
		if int(l.index)%e.ctx.Parallelism() == subtask {
			its = append(its, s)
		} else {
			others = append(others, s)
		}
	}
	e.free = others
	if len(its) > 0 {
		if err := e.ctx.Assign(subtask, its); err != nil {
			return err
		}
	}
	return e.ctx.NoMoreSplits(subtask)
}

func (e *laneEnumerator) AddBack(_ int, splits []source.Split) error {
	e.free = append(e.free, splits...)
	return nil
}

func (e *laneEnumerator) ReaderAdded(int) error         { return nil }
func (e *laneEnumerator) ReaderEvent(int, []byte) error { return nil }
func (e *laneEnumerator) Close() error                  { return nil }

func (e *laneEnumerator) Snapshot(uint64) ([]byte, error) { return json.Marshal(e.free) }

// NewReader makes the reader of some lanes.
func (g Generator[T]) NewReader(ctx source.ReaderContext) (source.Reader[T], error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	return &generatorReader[T]{puller: puller{ctx: ctx}, g: g, block: g.block()}, nil
}

type generatorReader[T any] struct {
	puller
	g     Generator[T]
	block int64
	lanes []lane
	turn  int
	limit limiter
	// cancel withdraws the timer that wakes the task when it may go on.
	cancel func()
}

func (r *generatorReader[T]) AddSplits(splits []source.Split) error {
	for _, s := range splits {
		l, err := parseLane(s)
		if err != nil {
			return err
		}
		r.lanes = append(r.lanes, l)
	}
	r.share()
	r.got()
	return nil
}

// share sets the reader's part of the rate, by its part of the lanes.
func (r *generatorReader[T]) share() {
	rate := 0.0
	for i := range r.lanes {
		rate += r.g.PerSecond / float64(r.lanes[i].lanes)
	}
	r.limit.set(rate, r.ctx.Now())
}

// Poll makes up to max records of one lane.
func (r *generatorReader[T]) Poll(b *stream.Batch[T], max int) (string, source.Status, error) {
	if len(r.lanes) == 0 {
		status, err := r.need()
		return "", status, err
	}
	l := &r.lanes[r.turn%len(r.lanes)]
	n := min(int64(max), l.size(r.g.Count, r.block)-l.next)
	if n <= 0 {
		return r.end(l), source.SplitEnd, nil
	}
	first, run := l.number(r.block)
	if r.g.Value == nil {
		n = min(n, run)
	}
	if r.g.PerSecond > 0 {
		if n = r.limit.take(r.ctx.Now(), n); n == 0 {
			r.sleep()
			return l.id, source.Idle, nil
		}
	}
	if value := r.g.Value; value != nil {
		vs, step := grow(&b.Values, int(n)), l.lanes
		for i := range vs {
			vs[i] = value(first)
			first += step
		}
	} else {
		r.g.Fill(first, grow(&b.Values, int(n)))
	}
	l.next += n
	r.turn++
	return l.id, source.More, nil
}

// end removes a lane.
func (r *generatorReader[T]) end(l *lane) (id string) {
	id = l.id
	r.lanes = slices.DeleteFunc(r.lanes, func(o lane) bool { return o.id == id })
	r.share()
	return id
}

// sleep wakes the task when the rate lets it go on.
func (r *generatorReader[T]) sleep() {
	if r.cancel != nil {
		return
	}
	r.cancel = r.ctx.At(r.limit.next(r.ctx.Now()), func() error {
		r.cancel = nil
		r.ctx.Wake()
		return nil
	})
}

func (r *generatorReader[T]) Snapshot(uint64) ([]source.Split, error) {
	var splits []source.Split
	for _, l := range r.lanes {
		splits = append(splits, l.split())
	}
	return splits, nil
}

func (r *generatorReader[T]) Close() error {
	if r.cancel != nil {
		r.cancel()
	}
	return nil
}

// limiter is a token bucket: tokens come at a rate, and burst of them are kept at most. One
// goroutine uses it.
type limiter struct {
	// perMilli is the rate.
	perMilli, tokens, burst float64
	last                    int64
}

// limiterBurst is for how many milliseconds tokens are kept that nobody took.
const limiterBurst = 100

// set changes the rate.
func (l *limiter) set(perSecond float64, now int64) {
	l.fill(now)
	if l.burst == 0 {
		l.tokens = 1 // the first record comes at once
	}
	l.perMilli = perSecond / 1000
	l.burst = max(1, l.perMilli*limiterBurst)
}

func (l *limiter) fill(now int64) {
	if passed := now - l.last; passed > 0 {
		l.tokens = min(l.burst, l.tokens+float64(passed)*l.perMilli)
	}
	l.last = now
}

// take returns how many of n may go at once.
func (l *limiter) take(now, n int64) int64 {
	l.fill(now)
	n = min(n, int64(l.tokens))
	l.tokens -= float64(n)
	return n
}

// next is the time at which take will return something.
func (l *limiter) next(now int64) int64 {
	wait := math.Ceil((1 - l.tokens) / l.perMilli)
	return now + int64(max(1, min(wait, float64(math.MaxInt32))))
}
