package windowing

import (
	"errors"
	"fmt"

	"goflink/core/failure"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/operator"
)

// metricLate counts the records that were dropped because they came too late (R56).
const metricLate = "numLateRecordsDropped"

// base is what all window operators have in common: keys, outputs, the user's function, the
// watermark.
type base[T, K any, W Window, R, Out any] struct {
	operator.Forward
	spec  *Spec[T, K, W]
	rt    operator.Runtime
	keyed statebackend.Keyed
	keys  keyReader[T, K]

	// fn is nil if results are emitted as they are; then direct is the output, else out is.
	fn      Function[K, W, R, Out]
	clearer Clearer[K, W]
	ctx     Context[K, W]
	out     *operator.Emitter[Out]
	direct  *operator.Emitter[R]
	// late is nil if late records are dropped.
	late    *operator.Emitter[T]
	dropped operator.Counter
	sides   []side

	watermark int64 // the last one
	event     bool  // windows of event time
	lateness  int64 // 0 for windows of processing time
	progress  progress
}

// firing is a window that fires: its name in state and its last timestamp.
type firing[W Window] struct {
	window  W
	ns      []byte
	maxTime int64
}

func newBase[T, K any, W Window, R, Out any](s *Spec[T, K, W], fn Function[K, W, R, Out],
) base[T, K, W, R, Out] {
	b := base[T, K, W, R, Out]{spec: s, fn: fn, event: s.Assigner.EventTime(),
		keys: newKeyReader(s.Key, s.KeyType)}
	if b.event {
		b.lateness = s.AllowedLateness.Milliseconds()
	}
	b.clearer, _ = any(fn).(Clearer[K, W])
	b.progress.now, b.watermark = stream.MinWatermark, stream.MinWatermark
	return b
}

// open opens outputs, the keyed state and the user's function.
func (o *base[T, K, W, R, Out]) open(rt operator.Runtime, merging bool) (err error) {
	o.rt = rt
	if o.keyed, err = rt.Keyed(); err != nil {
		return err
	}
	if err := o.openOutputs(); err != nil {
		return err
	}
	o.ctx = Context[K, W]{rt: rt, codec: o.spec.KeyType, watermark: stream.MinWatermark}
	if err := o.progress.open(rt, o.keyed); err != nil {
		return err
	}
	opener, ok := any(o.fn).(Opener)
	if !ok {
		return nil
	}
	oc := &OpenContext{rt: rt, keyed: o.keyed, merging: merging}
	if err := opener.Open(oc); err != nil {
		return userError(err, "open of window function %T", o.fn)
	}
	o.sides = oc.sides
	return nil
}

func (o *base[T, K, W, R, Out]) openOutputs() (err error) {
	if o.fn == nil {
		if o.direct, err = operator.NewEmitter[R](o.rt, ""); err != nil {
			return err
		}
		o.Outs = append(o.Outs, o.direct.Out())
	} else {
		if o.out, err = operator.NewEmitter[Out](o.rt, ""); err != nil {
			return err
		}
		o.Outs = append(o.Outs, o.out.Out())
	}
	for _, tag := range o.rt.OutputTags() {
		c, ok := o.rt.Output(tag).(stream.Control)
		if !ok {
			return fmt.Errorf("side output %q is a %T, which receives nothing", tag,
				o.rt.Output(tag))
		}
		o.Outs = append(o.Outs, c)
	}
	o.dropped = o.rt.Metrics().Counter(metricLate)
	if o.spec.LateTag == "" {
		return nil
	}
	o.late, err = operator.NewEmitter[T](o.rt, o.spec.LateTag)
	return err
}

// userError marks an error as the program's; a nil one stays nil.
func userError(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return failure.Wrap(err, failure.Retryable, failure.User, format, args...)
}

// Finish does nothing: the last watermark has fired what there was.
func (o *base[T, K, W, R, Out]) Finish() error { return nil }

// Close closes the user's function.
func (o *base[T, K, W, R, Out]) Close() error {
	if c, ok := any(o.fn).(Closer); ok {
		return userError(c.Close(), "close of window function %T", o.fn)
	}
	return nil
}

// Snapshot writes the watermark into operator state.
func (o *base[T, K, W, R, Out]) Snapshot(operator.Checkpoint) error {
	o.progress.save()
	return nil
}

// emit hands the contents of a window of one key to the user's function or to the output.
func (o *base[T, K, W, R, Out]) emit(f *firing[W], hash uint64, key []byte, r R) error {
	if o.fn == nil {
		o.direct.EmitAt(r, f.maxTime)
		return nil
	}
	o.enter(f, hash, key)
	if err := o.fn.Process(&o.ctx, r, o.out); err != nil {
		return userError(err, "window function %T", o.fn)
	}
	return o.ctx.err
}

// enter makes key and window current, in state and for the user's function.
func (o *base[T, K, W, R, Out]) enter(f *firing[W], hash uint64, key []byte) {
	o.keyed.SetKey(hash, key)
	o.keyed.SetNamespace(f.ns)
	o.ctx.window, o.ctx.watermark = f.window, o.watermark
	if o.event {
		o.ctx.watermark = o.progress.watermarkOf(hash)
	}
	o.ctx.set(key)
	o.out.SetTime(f.maxTime)
}

// clear lets the user's function clear its per-window state.
func (o *base[T, K, W, R, Out]) clear(f *firing[W], hash uint64, key []byte) error {
	o.enter(f, hash, key)
	if err := o.clearer.Clear(&o.ctx); err != nil {
		return userError(err, "clear of window function %T", o.fn)
	}
	return o.ctx.err
}

// tooLate takes a record that belongs to no window any more.
func (o *base[T, K, W, R, Out]) tooLate(v T, timestamp int64) {
	if o.late != nil {
		o.late.EmitAt(v, timestamp)
		return
	}
	o.dropped.Add(1)
}

// flush hands on all that was emitted, and leaves the keyed context.
func (o *base[T, K, W, R, Out]) flush() error {
	var errs error
	if o.direct != nil {
		errs = o.direct.Flush()
	} else {
		errs = o.out.Flush()
	}
	if o.late != nil {
		errs = errors.Join(errs, o.late.Flush())
	}
	for _, s := range o.sides {
		errs = errors.Join(errs, s.Flush())
	}
	o.keyed.UnsetKey()
	return errs
}
