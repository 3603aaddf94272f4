package reading

import (
	"slices"
	"time"

	"goflink/core/config"
	"goflink/core/eventtime"
	"goflink/core/stream"
	"goflink/operator"
)

// timing gives the records of a source their timestamps and makes its watermarks.
type timing[T any] interface {
	// splitAdded and splitEnded say which splits the reader has.
	splitAdded(split string)
	splitEnded(split string) error
	// batch stamps records of a split and hands them on.
	batch(split string, b *stream.Batch[T]) error
	// periodic is called every pipeline.auto-watermark-interval.
	periodic() error
	// finish is called before the last watermark.
	finish() error
}

// untimed keeps the source's own timestamps and makes no watermarks.
type untimed[T any] struct{ out stream.Receiver[T] }

func (untimed[T]) splitAdded(string)       {}
func (untimed[T]) splitEnded(string) error { return nil }
func (untimed[T]) periodic() error         { return nil }
func (untimed[T]) finish() error           { return nil }

func (u untimed[T]) batch(_ string, b *stream.Batch[T]) error { return u.out.Batch(b) }

// splitWatermarks makes timestamps, and watermarks per split: the watermark of the subtask is the
// minimum over its splits that are not idle, so that one that is read ahead does not make the
// records of another late. A split that has not been read yet counts, too, until it is idle.
type splitWatermarks[T any] struct {
	rt       operator.Runtime
	out      stream.Receiver[T]
	strategy eventtime.Strategy[T]
	splits   map[string]*splitMark[T]
	// order keeps the iteration over splits deterministic.
	order []*splitMark[T]
	last  int64
	idle  bool
	// since is when there was a split last.
	since int64
}

// splitMark is the generator of one split; it is the generator's output, too.
type splitMark[T any] struct {
	id        string
	g         eventtime.Generator[T]
	watermark int64
	idle      bool
	active    int64
	ended     bool
}

func (m *splitMark[T]) EmitWatermark(w int64) {
	m.watermark, m.idle = max(m.watermark, w), false
}

func (m *splitMark[T]) MarkIdle() { m.idle = true }

func newSplitWatermarks[T any](rt operator.Runtime, s eventtime.Strategy[T],
	out stream.Receiver[T]) *splitWatermarks[T] {
	w := &splitWatermarks[T]{rt: rt, out: out, strategy: s, splits: map[string]*splitMark[T]{},
		last: stream.MinWatermark, since: rt.Now()}
	if s.New == nil {
		w.strategy.New = eventtime.NoWatermarks[T]().New
	}
	return w
}

func (w *splitWatermarks[T]) splitAdded(split string) { w.mark(split) }

func (w *splitWatermarks[T]) mark(split string) *splitMark[T] {
	m := w.splits[split]
	if m == nil {
		w.drop(func(m *splitMark[T]) bool { return m.ended })
		m = &splitMark[T]{id: split, g: w.strategy.New(), watermark: stream.MinWatermark,
			active: w.rt.Now()}
		w.splits[split] = m
		w.order = append(w.order, m)
	}
	return m
}

// drop forgets splits.
func (w *splitWatermarks[T]) drop(which func(m *splitMark[T]) bool) {
	w.order = slices.DeleteFunc(w.order, func(m *splitMark[T]) bool {
		if which(m) {
			delete(w.splits, m.id)
			return true
		}
		return false
	})
}

// batch gives the records of a split their timestamps and hands them on, with the watermark behind.
func (w *splitWatermarks[T]) batch(split string, b *stream.Batch[T]) error {
	m := w.mark(split)
	if assign := w.strategy.Assign; assign != nil {
		for len(b.Times) < len(b.Values) {
			b.Times = append(b.Times, stream.NoTimestamp)
		}
		for i := range b.Values {
			b.Times[i] = assign(b.Values[i], b.Times[i])
		}
	}
	m.idle, m.active = false, w.rt.Now()
	if err := w.becomeActive(); err != nil {
		return err
	}
	// A watermark that a record brings must not overtake the records after it.
	from := 0
	for i := range b.Values {
		before := m.watermark
		m.g.OnEvent(b.Values[i], b.Time(i), m)
		if m.watermark == before {
			continue
		}
		if err := w.hand(b, from, i+1); err != nil {
			return err
		}
		from = i + 1
		if err := w.advance(); err != nil {
			return err
		}
	}
	return w.hand(b, from, len(b.Values))
}

func (w *splitWatermarks[T]) hand(b *stream.Batch[T], from, to int) error {
	if from == to {
		return nil
	}
	return b.Deliver(w.out, from, to)
}

// becomeActive ends the idleness of the source: a watermark of an idle stream does not count.
func (w *splitWatermarks[T]) becomeActive() error {
	if !w.idle {
		return nil
	}
	w.idle = false
	return w.out.Status(stream.Active)
}

// finish makes the last watermark count.
func (w *splitWatermarks[T]) finish() error { return w.becomeActive() }

// periodic asks all generators for watermarks.
func (w *splitWatermarks[T]) periodic() error {
	now, timeout := w.rt.Now(), w.strategy.IdleTimeout.Milliseconds()
	for _, m := range w.order {
		m.g.OnPeriodic(m)
		if timeout > 0 && now-m.active >= timeout {
			m.idle = true
		}
	}
	if len(w.order) > 0 {
		w.since = now
	} else if timeout > 0 && now-w.since >= timeout {
		return w.becomeIdle()
	}
	return w.advance()
}

func (w *splitWatermarks[T]) becomeIdle() error {
	if w.idle {
		return nil
	}
	w.idle = true
	return w.out.Status(stream.Idle)
}

// advance emits the joint watermark, if it has grown, or that all splits are idle.
func (w *splitWatermarks[T]) advance() error {
	low, some := stream.MaxWatermark, false
	for _, m := range w.order {
		if !m.idle {
			low, some = min(low, m.watermark), true
		}
	}
	switch {
	case !some && len(w.order) > 0:
		return w.becomeIdle()
	case !some || low <= w.last:
		return nil
	}
	if err := w.becomeActive(); err != nil {
		return err
	}
	w.last = low
	return w.out.Watermark(low)
}

// splitEnded takes a finished split out of the minimum. The last one keeps its watermark until
// another one comes or the source ends.
func (w *splitWatermarks[T]) splitEnded(split string) error {
	m := w.splits[split]
	if m == nil {
		return nil
	}
	m.g.OnPeriodic(m)
	m.ended = true
	if len(w.order) > 1 {
		w.drop(func(o *splitMark[T]) bool { return o == m })
	}
	return w.advance()
}

// autoWatermarkInterval is pipeline.auto-watermark-interval.
func autoWatermarkInterval(rt operator.Runtime) (time.Duration, error) {
	return config.Get(rt.Config(), config.PipelineAutoWatermarkInterval)
}
