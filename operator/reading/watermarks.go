package reading

import (
	"time"

	"goflink/core/config"
	"goflink/core/eventtime"
	"goflink/core/stream"
	"goflink/operator"
)

// splitWatermarks makes timestamps, and watermarks per split: the watermark of the subtask is the
// minimum over its splits that are not idle, so that one that is read ahead does not make the
// records of another late.
type splitWatermarks[T any] struct {
	rt       operator.Runtime
	out      stream.Receiver[T]
	strategy eventtime.Strategy[T]
	interval time.Duration
	splits   map[string]*splitMark[T]
	// order keeps the iteration over splits deterministic.
	order  []*splitMark[T]
	last   int64
	idle   bool
	cancel func()
}

// splitMark is the generator of one split; it is the generator's output, too.
type splitMark[T any] struct {
	id        string
	g         eventtime.Generator[T]
	watermark int64
	idle      bool
	active    int64
}

func (m *splitMark[T]) EmitWatermark(w int64) {
	m.watermark, m.idle = max(m.watermark, w), false
}

func (m *splitMark[T]) MarkIdle() { m.idle = true }

func newSplitWatermarks[T any](rt operator.Runtime, s eventtime.Strategy[T],
	out stream.Receiver[T]) (*splitWatermarks[T], error) {
	interval, err := config.Get(rt.Config(), config.PipelineAutoWatermarkInterval)
	if err != nil {
		return nil, err
	}
	w := &splitWatermarks[T]{rt: rt, out: out, strategy: s, interval: interval,
		splits: map[string]*splitMark[T]{}, last: stream.MinWatermark}
	if s.New == nil {
		w.strategy.New = eventtime.NoWatermarks[T]().New
	}
	w.schedule()
	return w, nil
}

func (w *splitWatermarks[T]) schedule() {
	if w.interval > 0 {
		w.cancel = w.rt.At(w.rt.Now()+w.interval.Milliseconds(), w.periodic)
	}
}

func (w *splitWatermarks[T]) mark(split string) *splitMark[T] {
	m := w.splits[split]
	if m == nil {
		m = &splitMark[T]{id: split, g: w.strategy.New(), watermark: stream.MinWatermark}
		w.splits[split] = m
		w.order = append(w.order, m)
	}
	return m
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
	if w.idle {
		w.idle = false
		if err := w.out.Status(stream.Active); err != nil {
			return err
		}
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

// periodic asks all generators for watermarks.
func (w *splitWatermarks[T]) periodic() error {
	now := w.rt.Now()
	for _, m := range w.order {
		m.g.OnPeriodic(m)
		if t := w.strategy.IdleTimeout; t > 0 && now-m.active >= t.Milliseconds() {
			m.idle = true
		}
	}
	w.schedule()
	return w.advance()
}

// advance emits the joint watermark, if it has grown, or that all splits are idle.
func (w *splitWatermarks[T]) advance() error {
	low, any := stream.MaxWatermark, false
	for _, m := range w.order {
		if !m.idle {
			low, any = min(low, m.watermark), true
		}
	}
	if !any && len(w.order) > 0 && !w.idle {
		w.idle = true
		return w.out.Status(stream.Idle)
	}
	if !any || low <= w.last {
		return nil
	}
	w.last = low
	return w.out.Watermark(low)
}

// splitEnded takes a finished split out of the minimum.
func (w *splitWatermarks[T]) splitEnded(split string) error {
	m := w.splits[split]
	if m == nil {
		return nil
	}
	m.g.OnPeriodic(m)
	if len(w.order) == 1 {
		// The last split keeps its watermark until another one comes or the source ends.
		return w.advance()
	}
	delete(w.splits, split)
	for i, o := range w.order {
		if o == m {
			w.order = append(w.order[:i], w.order[i+1:]...)
			break
		}
	}
	return w.advance()
}

func (w *splitWatermarks[T]) close() {
	if w.cancel != nil {
		w.cancel()
		w.cancel = nil
	}
}
