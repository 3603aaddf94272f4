package joining

import (
	"errors"
	"fmt"
	"io"
	"time"

	"goflink/core/failure"
	"goflink/core/state"
	"goflink/core/stream"
	"goflink/operator"
	"goflink/operator/process"
)

// metricLate counts the records that were dropped because they came too late.
const metricLate = "numLateRecordsDropped"

// The names of the states of an interval join.
const (
	leftBuffer    = "left-buffer"
	rightBuffer   = "right-buffer"
	lateWatermark = "join-watermark"
)

// Interval describes an interval join: a left and a right record of one key are joined if
//
//	left + Lower <= right <= left + Upper
//
// in event time.
type Interval[K, L, R any] struct {
	Left  process.KeyBy[L, K]
	Right process.KeyBy[R, K]
	// Lower and Upper are whole milliseconds; they may be negative.
	Lower, Upper time.Duration
	// LowerExclusive and UpperExclusive take the bounds themselves out.
	LowerExclusive, UpperExclusive bool
	// LateLeftTag and LateRightTag are the side outputs of records that come too late, whose
	// timestamps lie before the watermark; with an empty tag they are dropped and counted.
	LateLeftTag, LateRightTag string
}

// bounds returns the interval in milliseconds, both ends included.
func (s *Interval[K, L, R]) bounds() (lower, upper int64, err error) {
	for _, b := range []struct {
		name string
		d    time.Duration
	}{{"lower", s.Lower}, {"upper", s.Upper}} {
		if b.d%time.Millisecond != 0 {
			return 0, 0, fmt.Errorf("the %s bound is %v; it must be whole milliseconds", b.name,
				b.d)
		}
	}
	lower, upper = s.Lower.Milliseconds(), s.Upper.Milliseconds()
	if s.LowerExclusive {
		lower++
	}
	if s.UpperExclusive {
		upper--
	}
	if lower > upper {
		return 0, 0, fmt.Errorf("no time lies between the lower bound %v and the upper bound %v",
			s.Lower, s.Upper)
	}
	return lower, upper, nil
}

// Context is what a join function knows of the pair at hand. It is valid during the call only; use
// process.Side for side outputs.
type Context[K any] struct {
	process.Outputs
	ctx         *process.KeyedContext[K]
	left, right int64
}

// CurrentKey is the key of the pair.
func (c *Context[K]) CurrentKey() K { return c.ctx.CurrentKey() }

// LeftTimestamp is that of the left record.
func (c *Context[K]) LeftTimestamp() int64 { return c.left }

// RightTimestamp is that of the right record.
func (c *Context[K]) RightTimestamp() int64 { return c.right }

// Timestamp is the greater of both, which is that of what is emitted.
func (c *Context[K]) Timestamp() int64 { return max(c.left, c.right) }

// Watermark is the current watermark.
func (c *Context[K]) Watermark() int64 { return c.ctx.Watermark() }

// ProcessJoinFunction makes results of pairs of records. Like other function objects it may
// implement process.Opener, io.Closer, operator.Snapshotter and operator.CheckpointListener.
type ProcessJoinFunction[K, L, R, Out any] interface {
	// ProcessElement may emit any number of records, which get the greater of both timestamps.
	ProcessElement(left L, right R, ctx *Context[K], out *operator.Emitter[Out]) error
}

// IntervalJoin returns the factory of an interval join; input 0 is the left stream. create makes
// the function, once per subtask and attempt.
func IntervalJoin[K, L, R, Out any](s Interval[K, L, R],
	create func() ProcessJoinFunction[K, L, R, Out],
) (operator.Factory, error) {
	lower, upper, err := s.bounds()
	if err != nil {
		return nil, failure.Wrap(err, failure.FailJob, failure.User, "interval join")
	}
	return operator.FactoryFunc(func() (operator.Operator, error) {
		user := create()
		if _, err := process.NewLifecycle(user); err != nil {
			return nil, err
		}
		j := &intervalJoin[K, L, R, Out]{user: user, lower: lower, upper: upper}
		j.left = buffer[L]{name: leftBuffer, keep: max(0, upper), lateTag: s.LateLeftTag}
		j.right = buffer[R]{name: rightBuffer, keep: max(0, -lower), lateTag: s.LateRightTag}
		j.visitLeft, j.visitRight = j.joinLeft, j.joinRight
		return process.KeyedCoProcess(s.Left, s.Right,
			func() process.KeyedCoProcessFunction[K, L, R, Out] { return j }).New()
	}), nil
}

// intervalJoin keeps the records of both sides, by key and timestamp, for as long as records can
// come that join with them. A timer per key and side, at the time when the side's first record is
// of no more use, removes those that are.
type intervalJoin[K, L, R, Out any] struct {
	user         ProcessJoinFunction[K, L, R, Out]
	lower, upper int64
	left         buffer[L]
	right        buffer[R]
	ctx          *process.FunctionContext
	dropped      operator.Counter
	// progress holds the watermark at a checkpoint, so that what was late before a failure is late
	// after it; restored is the least of those that were restored.
	progress state.OperatorList[int64]
	restored int64

	visitLeft  func(mapKey []byte, b *bucket[L]) (bool, error)
	visitRight func(mapKey []byte, b *bucket[R]) (bool, error)
	// The record at hand and the timestamps of those that join with it.
	leftRecord  L
	rightRecord R
	from, to    int64
	pair        Context[K]
	out         *operator.Emitter[Out]
}

func _[K, L, R, Out any](v *intervalJoin[K, L, R, Out]) {
	var _ process.KeyedCoProcessFunction[K, L, R, Out] = v
	var _ process.TimerFunction[K, Out] = v
	var _ process.Opener = v
	var _ io.Closer = v
	var _ operator.Snapshotter = v
	var _ operator.CheckpointListener = v
}

// Open opens the buffers and the user's function.
func (j *intervalJoin[K, L, R, Out]) Open(ctx *process.FunctionContext) error {
	j.ctx, j.restored = ctx, stream.MinWatermark
	j.dropped = ctx.Metrics().Counter(metricLate)
	keyed, err := ctx.Keyed()
	if err != nil {
		return err
	}
	if err := errors.Join(j.left.open(keyed), j.right.open(keyed)); err != nil {
		return err
	}
	j.progress, err = state.OpenUnionList(ctx.OperatorState(), state.ListOf[int64](lateWatermark))
	if err != nil {
		return err
	}
	if all := j.progress.Get(); len(all) > 0 {
		j.restored = all[0]
		for _, w := range all {
			j.restored = min(j.restored, w)
		}
	}
	if o, ok := j.user.(process.Opener); ok {
		return o.Open(ctx)
	}
	return nil
}

// Close closes the user's function.
func (j *intervalJoin[K, L, R, Out]) Close() error {
	if c, ok := j.user.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Snapshot writes the watermark into operator state.
func (j *intervalJoin[K, L, R, Out]) Snapshot(cp operator.Checkpoint) error {
	j.progress.Put([]int64{max(j.restored, j.ctx.Watermark())})
	if s, ok := j.user.(operator.Snapshotter); ok {
		return s.Snapshot(cp)
	}
	return nil
}

// CheckpointComplete tells the user's function.
func (j *intervalJoin[K, L, R, Out]) CheckpointComplete(checkpoint uint64) error {
	if l, ok := j.user.(operator.CheckpointListener); ok {
		return l.CheckpointComplete(checkpoint)
	}
	return nil
}

// CheckpointAborted tells the user's function.
func (j *intervalJoin[K, L, R, Out]) CheckpointAborted(checkpoint uint64) error {
	if l, ok := j.user.(operator.CheckpointListener); ok {
		return l.CheckpointAborted(checkpoint)
	}
	return nil
}

// ProcessElement1 joins a left record with the right ones that came before it.
func (j *intervalJoin[K, L, R, Out]) ProcessElement1(v L, ctx *process.KeyedContext[K],
	out *operator.Emitter[Out],
) error {
	time := ctx.Timestamp()
	if late, err := j.late(time); late || err != nil {
		if err == nil {
			tooLate(j.left.lateTag, v, ctx, j.dropped)
		}
		return err
	}
	if err := j.left.add(v, time, ctx.TimerService()); err != nil {
		return err
	}
	j.leftRecord = v
	j.from, j.to = plus(time, j.lower), plus(time, j.upper)
	j.begin(ctx, out)
	j.pair.left = time
	return j.right.table.Range(nil, j.visitRight)
}

// ProcessElement2 joins a right record with the left ones that came before it.
func (j *intervalJoin[K, L, R, Out]) ProcessElement2(v R, ctx *process.KeyedContext[K],
	out *operator.Emitter[Out],
) error {
	time := ctx.Timestamp()
	if late, err := j.late(time); late || err != nil {
		if err == nil {
			tooLate(j.right.lateTag, v, ctx, j.dropped)
		}
		return err
	}
	if err := j.right.add(v, time, ctx.TimerService()); err != nil {
		return err
	}
	j.rightRecord = v
	j.from, j.to = plus(time, -j.upper), plus(time, -j.lower)
	j.begin(ctx, out)
	j.pair.right = time
	return j.left.table.Range(nil, j.visitLeft)
}

// late reports whether a record's partners may be gone already.
func (j *intervalJoin[K, L, R, Out]) late(time int64) (bool, error) {
	if time == stream.NoTimestamp {
		return false, errors.New("interval join: a record has no timestamp; assign timestamps " +
			"and watermarks before the join")
	}
	return time < max(j.restored, j.ctx.Watermark()), nil
}

// tooLate hands a late record to its side output, or counts it.
func tooLate[K, T any](tag string, v T, ctx *process.KeyedContext[K], dropped operator.Counter) {
	if tag == "" {
		dropped.Add(1)
		return
	}
	process.Side[T](ctx, tag).Emit(v)
}

func (j *intervalJoin[K, L, R, Out]) begin(ctx *process.KeyedContext[K],
	out *operator.Emitter[Out]) {
	j.out = out
	j.pair.Outputs, j.pair.ctx = ctx, ctx
}

// joinRight joins the left record at hand with the right ones of one timestamp.
func (j *intervalJoin[K, L, R, Out]) joinRight(mapKey []byte, b *bucket[R]) (bool, error) {
	time := parse(mapKey)
	if time < j.from || time > j.to {
		return time <= j.to, nil
	}
	j.pair.right = time
	j.out.SetTime(j.pair.Timestamp())
	j.pair.ctx.SetTimestamp(j.pair.Timestamp())
	err := j.user.ProcessElement(j.leftRecord, b.First, &j.pair, j.out)
	for i := 0; i < len(b.More) && err == nil; i++ {
		err = j.user.ProcessElement(j.leftRecord, b.More[i], &j.pair, j.out)
	}
	return true, j.failed(err)
}

// joinLeft joins the right record at hand with the left ones of one timestamp.
func (j *intervalJoin[K, L, R, Out]) joinLeft(mapKey []byte, b *bucket[L]) (bool, error) {
	time := parse(mapKey)
	if time < j.from || time > j.to {
		return time <= j.to, nil
	}
	j.pair.left = time
	j.out.SetTime(j.pair.Timestamp())
	j.pair.ctx.SetTimestamp(j.pair.Timestamp())
	err := j.user.ProcessElement(b.First, j.rightRecord, &j.pair, j.out)
	for i := 0; i < len(b.More) && err == nil; i++ {
		err = j.user.ProcessElement(b.More[i], j.rightRecord, &j.pair, j.out)
	}
	return true, j.failed(err)
}

// failed says whose error it is.
func (j *intervalJoin[K, L, R, Out]) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("join function %T: %w", j.user, err)
}

// OnTimer removes the records of a key that no record to come can join with.
func (j *intervalJoin[K, L, R, Out]) OnTimer(_ int64, ctx *process.OnTimerContext[K],
	_ *operator.Emitter[Out],
) error {
	w, timers := ctx.Watermark(), ctx.TimerService()
	return errors.Join(j.left.expire(w, timers), j.right.expire(w, timers))
}

// plus is a + b; it stays at the ends of the range.
func plus(a, b int64) int64 {
	sum := a + b
	switch {
	case b > 0 && sum < a:
		return stream.MaxWatermark
	case b < 0 && sum > a:
		return stream.MinWatermark
	}
	return sum
}
