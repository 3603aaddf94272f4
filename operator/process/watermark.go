package process

import (
	"slices"
	"time"

	"goflink/core/config"
	"goflink/core/eventtime"
	"goflink/core/failure"
	"goflink/core/stream"
	"goflink/operator"
)

// TimestampsAndWatermarks returns the factory of an operator that gives records the timestamps and
// the stream the watermarks of a strategy (R52–R58). Periodic watermarks come every
// pipeline.auto-watermark-interval. Watermarks and statuses from before it count no more, except
// the last watermark of a stream that ends.
func TimestampsAndWatermarks[T any](s eventtime.Strategy[T]) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		if s.New == nil {
			return nil, failure.New(failure.FailJob, failure.User,
				"the watermark strategy has no generator; make it by a constructor of "+
					"core/eventtime")
		}
		return &watermarkOp[T]{assign: s.Assign, gen: s.New(), idleAfter: s.IdleTimeout}, nil
	})
}

// IngestionTime returns the factory of an operator that gives records the time at which they come
// by, and the stream watermarks that follow the clock (R51). Times do not go back, even if the
// clock does.
func IngestionTime[T any]() operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		clock := &ingestion[T]{last: stream.MinWatermark}
		return &watermarkOp[T]{clock: clock, gen: clock}, nil
	})
}

// ingestion is the generator of ingestion time.
type ingestion[T any] struct {
	rt   operator.Runtime
	last int64
}

// now is the time of the records that come now.
func (g *ingestion[T]) now() int64 {
	g.last = max(g.last, g.rt.Now())
	return g.last
}

// OnEvent does nothing: the clock alone counts.
func (g *ingestion[T]) OnEvent(T, int64, eventtime.WatermarkOutput) {}

// OnPeriodic says that what comes from now on is not older than now.
func (g *ingestion[T]) OnPeriodic(out eventtime.WatermarkOutput) { out.EmitWatermark(g.now() - 1) }

// watermarkOp assigns timestamps and makes watermarks.
type watermarkOp[T any] struct {
	operator.Forward
	rt     operator.Runtime
	out    stream.Receiver[T]
	assign eventtime.TimestampAssigner[T]
	// clock is set for ingestion time.
	clock *ingestion[T]
	gen   eventtime.Generator[T]

	interval  int64
	idleAfter time.Duration
	// last is the watermark emitted last.
	last int64
	// wanted is a watermark that the generator asked for, if it is greater than last; wantIdle
	// says that it asked for idleness since.
	wanted   int64
	wantIdle bool
	idle     bool
	// active is when the last record came; watching says that the clock was asked for a call when
	// the idle timeout may be over.
	active   int64
	watching bool

	times []int64
	b     stream.Batch[T]
}

func _[T any](v *watermarkOp[T]) {
	var _ inOperator[T] = v
	var _ eventtime.WatermarkOutput = v
}

func (o *watermarkOp[T]) Input(int) any { return o }

// Open starts the clocks of periodic watermarks and of idleness.
func (o *watermarkOp[T]) Open(rt operator.Runtime) (err error) {
	o.rt, o.last, o.wanted = rt, stream.MinWatermark, stream.MinWatermark
	if o.clock != nil {
		o.clock.rt = rt
	}
	if o.out, err = operator.OutputOf[T](rt, ""); err != nil {
		return err
	}
	o.Outs = []stream.Control{o.out}
	interval, err := config.Get(rt.Config(), config.PipelineAutoWatermarkInterval)
	if err != nil {
		return err
	}
	if o.interval = interval.Milliseconds(); o.interval > 0 {
		o.rt.At(o.rt.Now()+o.interval, o.periodic)
	}
	o.watch(rt.Now())
	return nil
}

// watch makes sure that idleness is noticed; the stream was active at time now.
func (o *watermarkOp[T]) watch(now int64) {
	if o.idleAfter <= 0 {
		return
	}
	o.active = now
	if !o.watching {
		o.watching = true
		o.rt.At(now+o.idleMillis(), o.checkIdle)
	}
}

// idleMillis is the idle timeout in milliseconds, at least one.
func (o *watermarkOp[T]) idleMillis() int64 { return max(1, o.idleAfter.Milliseconds()) }

// checkIdle makes the stream idle if the timeout is over. It emits first what the records so far
// allow, because an idle stream's watermark counts no more.
func (o *watermarkOp[T]) checkIdle() error {
	if o.last == stream.MaxWatermark {
		return nil
	}
	if due := o.active + o.idleMillis(); o.rt.Now() < due {
		o.rt.At(due, o.checkIdle)
		return nil
	}
	o.watching = false
	if o.idle {
		return nil
	}
	if o.interval > 0 {
		o.gen.OnPeriodic(o)
	}
	o.wantIdle = true
	return o.obey()
}

// periodic asks the generator for a watermark.
func (o *watermarkOp[T]) periodic() error {
	if o.last == stream.MaxWatermark {
		return nil
	}
	o.rt.At(o.rt.Now()+o.interval, o.periodic)
	o.gen.OnPeriodic(o)
	return o.obey()
}

// EmitWatermark implements eventtime.WatermarkOutput for the generator.
func (o *watermarkOp[T]) EmitWatermark(w int64) {
	if w > o.last && w > o.wanted {
		o.wanted, o.wantIdle = w, false
	}
}

// MarkIdle implements eventtime.WatermarkOutput for the generator.
func (o *watermarkOp[T]) MarkIdle() { o.wantIdle = true }

// obey emits what the generator asked for.
func (o *watermarkOp[T]) obey() error {
	if o.wanted > o.last {
		if err := o.setIdle(false); err != nil {
			return err
		}
		o.last = o.wanted
		if err := o.Forward.Watermark(o.last); err != nil {
			return err
		}
	}
	if !o.wantIdle {
		return nil
	}
	o.wantIdle = false
	return o.setIdle(true)
}

// setIdle changes the status of the stream.
func (o *watermarkOp[T]) setIdle(idle bool) error {
	if o.idle == idle {
		return nil
	}
	o.idle = idle
	if idle {
		return o.Forward.Status(stream.Idle)
	}
	return o.Forward.Status(stream.Active)
}

// Batch hands on the records with their timestamps, cut where a watermark follows a record.
func (o *watermarkOp[T]) Batch(b *stream.Batch[T]) error {
	if len(b.Values) == 0 {
		return nil
	}
	if o.idleAfter > 0 {
		o.watch(o.rt.Now())
	}
	if err := o.setIdle(false); err != nil {
		return err
	}
	o.stamp(b)
	from := 0
	if o.clock == nil {
		for i, t := range o.times {
			o.gen.OnEvent(b.Values[i], t, o)
			if o.wanted <= o.last && !o.wantIdle {
				continue
			}
			if err := o.hand(b, from, i+1); err != nil {
				return err
			}
			from = i + 1
			if err := o.obey(); err != nil {
				return err
			}
			// A record that follows ends the idleness that was asked for.
			if from < len(b.Values) {
				if err := o.setIdle(false); err != nil {
					return err
				}
			}
		}
	}
	return o.hand(b, from, len(b.Values))
}

// stamp fills times with the timestamps of a batch.
func (o *watermarkOp[T]) stamp(b *stream.Batch[T]) {
	n := len(b.Values)
	o.times = slices.Grow(o.times[:0], n)[:n]
	switch {
	case o.clock != nil:
		now := o.clock.now()
		for i := range o.times {
			o.times[i] = now
		}
	case o.assign != nil:
		for i := range o.times {
			o.times[i] = o.assign(b.Values[i], b.Time(i))
		}
	default:
		for i := range o.times {
			o.times[i] = b.Time(i)
		}
	}
}

// hand hands on records [from, to) of a batch.
func (o *watermarkOp[T]) hand(b *stream.Batch[T], from, to int) error {
	if from == to {
		return nil
	}
	o.b.Values, o.b.Times = b.Values[from:to], o.times[from:to]
	err := o.out.Batch(&o.b)
	o.b.Values, o.b.Times = nil, nil
	return err
}

// Watermark ignores all but the last watermark of a stream that ends.
func (o *watermarkOp[T]) Watermark(w int64) error {
	if w != stream.MaxWatermark {
		return nil
	}
	o.EmitWatermark(w)
	return o.obey()
}

// Status ignores the statuses of the stream before.
func (o *watermarkOp[T]) Status(stream.Status) error { return nil }

// Finish does nothing: the last watermark has come.
func (o *watermarkOp[T]) Finish() error { return nil }

// Close does nothing.
func (o *watermarkOp[T]) Close() error { return nil }
