package datastream

import (
	"fmt"
	"time"

	"goflink/core/typeinfo"
	"goflink/core/window"
	"goflink/operator"
	"goflink/operator/process"
	"goflink/operator/windowing"
)

// Windowed is a stream cut into windows of type W (R40), per key or, with K = NoKey, as a whole.
// Its methods return changed copies.
//
//	TimeWindow(k, 10*time.Second, 5*time.Second).AllowedLateness(time.Minute).Sum("count")
type Windowed[K, T any, W windowing.Window] struct {
	in     *Stream[T]
	schema []byte
	spec   windowing.Spec[T, K, W]
	// all says that the windows are of the whole stream, which one subtask handles.
	all bool
}

// NoKey is the key of windows over a whole stream.
type NoKey = struct{}

// Window cuts a keyed stream into the windows of an assigner (R44). This and its like are
// functions, not methods: the methods of a generic type are compiled for each of its instances,
// used or not, and windows are much code.
func Window[K, T any, W windowing.Window](
	k *Keyed[K, T], a window.Assigner[T, W],
) *Windowed[K, T, W] {
	return &Windowed[K, T, W]{in: k.s, schema: k.schema,
		spec: windowing.Spec[T, K, W]{Key: k.selector, KeyType: k.key, Assigner: a}}
}

// TimeWindow cuts the stream into windows of the given size, which follow one another or, with a
// slide, begin every slide (R42). They are windows of the environment's time characteristic (R51).
func TimeWindow[K, T any](k *Keyed[K, T], size time.Duration, slide ...time.Duration,
) *Windowed[K, T, window.Time] {
	return Window(k, timeGrid[T](k.s.env, "TimeWindow", size, slide))
}

// timeGrid is the assigner of TimeWindow.
func timeGrid[T any](e *Environment, call string, size time.Duration, slide []time.Duration,
) window.Grid[T] {
	if len(slide) > 1 {
		e.fail(fmt.Errorf("%s: it takes a size and a slide, not %d times", call, 1+len(slide)))
	}
	slide = append(slide, size)
	if e.eventTime() {
		return window.SlidingEventTime[T](size, slide[0])
	}
	return window.SlidingProcessingTime[T](size, slide[0])
}

// CountWindow cuts the stream of each key into windows of n records, or, with a slide, evaluates
// the last n records whenever slide further ones came (R42).
func CountWindow[K, T any](k *Keyed[K, T], n int, slide ...int) *Windowed[K, T, window.Global] {
	return countWindow(Window(k, window.GlobalWindows[T]()), "CountWindow", n, slide)
}

// countWindow gives windows of everything the triggers of CountWindow.
func countWindow[K, T any](w *Windowed[K, T, window.Global], call string, n int, slide []int,
) *Windowed[K, T, window.Global] {
	if len(slide) == 0 {
		return w.Trigger(window.PurgingTrigger(window.CountTrigger[T, window.Global](int64(n))))
	}
	if len(slide) > 1 {
		w.in.env.fail(fmt.Errorf("%s: it takes a size and a slide, not %d numbers", call,
			1+len(slide)))
	}
	return w.Evictor(window.CountEvictor[T, window.Global](n, window.BeforeFunction)).
		Trigger(window.CountTrigger[T, window.Global](int64(slide[0])))
}

// WindowAll cuts a whole stream into the windows of an assigner; one subtask handles them.
func WindowAll[T any, W windowing.Window](s *Stream[T], a window.Assigner[T, W],
) *Windowed[NoKey, T, W] {
	w := &Windowed[NoKey, T, W]{in: s, all: true, spec: windowing.Spec[T, NoKey, W]{Assigner: a}}
	key, err := typeinfo.KeyOf[NoKey]()
	if err == nil {
		w.schema, err = schemaOf(key)
	}
	s.env.fail(err)
	return w
}

// TimeWindowAll is TimeWindow over the whole stream.
func TimeWindowAll[T any](s *Stream[T], size time.Duration, slide ...time.Duration,
) *Windowed[NoKey, T, window.Time] {
	return WindowAll(s, timeGrid[T](s.env, "TimeWindowAll", size, slide))
}

// CountWindowAll is CountWindow over the whole stream.
func CountWindowAll[T any](s *Stream[T], n int, slide ...int) *Windowed[NoKey, T, window.Global] {
	return countWindow(WindowAll(s, window.GlobalWindows[T]()), "CountWindowAll", n, slide)
}

// Trigger makes t decide when windows fire, instead of the assigner's default (R46).
func (w *Windowed[K, T, W]) Trigger(t window.Trigger[T, W]) *Windowed[K, T, W] {
	c := *w
	c.spec.Trigger = t
	return &c
}

// Evictor makes e choose the records that the function sees; windows then keep all their records
// (R47, R49).
func (w *Windowed[K, T, W]) Evictor(e window.Evictor[T, W]) *Windowed[K, T, W] {
	c := *w
	c.spec.Evictor = e
	return &c
}

// AllowedLateness keeps windows of event time for d after their end: records that come so late are
// still counted, and the window fires again (R57).
func (w *Windowed[K, T, W]) AllowedLateness(d time.Duration) *Windowed[K, T, W] {
	c := *w
	c.spec.AllowedLateness = d
	return &c
}

// SideOutputLateData sends records that come too late for all their windows to a side output
// instead of dropping them (R57); SideOutput of the result reads it.
func (w *Windowed[K, T, W]) SideOutputLateData(tag OutputTag[T]) *Windowed[K, T, W] {
	w.in.env.failAt("Window", tag.check())
	c := *w
	c.spec.LateTag = tag.name
	return &c
}

// name is the operator's name.
func (w *Windowed[K, T, W]) name(what string) string {
	kind := "Window"
	if w.all {
		kind = "WindowAll"
	}
	return fmt.Sprintf("%s(%v, %s)", kind, w.spec.Assigner, what)
}

// usable reports whether operators can be made on the windows: the program has no mistake so far.
func (w *Windowed[K, T, W]) usable() bool {
	return w.in.typ != nil && (w.all || w.spec.KeyType != nil)
}

// addWindow adds the operator that make makes; what says in words what becomes of the windows.
func addWindow[Out, K, T any, W windowing.Window](w *Windowed[K, T, W], what string,
	make func() (operator.Factory, error)) *Stream[Out] {
	var f operator.Factory
	name := w.name(what)
	if w.usable() {
		var err error
		f, err = make()
		w.in.env.failAt(name, err)
	}
	out := addOperator[Out](w.in.env, name, f, w.in.t)
	out.t.KeySchema, out.t.SingleParallelism = w.schema, w.all
	if w.spec.LateTag != "" && w.in.typ != nil {
		out.t.SideOutputs = map[string]operator.OutputType{w.spec.LateTag: w.in.typ}
	}
	return out
}

// Reduce makes a stream of what reduce made of the records of each window that fired (R48). Only
// the result so far is kept (R49). reduce must be pure, associative and commutative.
func (w *Windowed[K, T, W]) Reduce(reduce func(a, b T) T) *Stream[T] {
	return w.reduced("Reduce", func() (func(a, b T) T, error) { return reduce, nil })
}

// reduced adds the reduction by the function that make makes.
func (w *Windowed[K, T, W]) reduced(what string, make func() (func(a, b T) T, error)) *Stream[T] {
	return addWindow[T](w, what, func() (operator.Factory, error) {
		reduce, err := make()
		if err != nil {
			return nil, err
		}
		return windowing.Reduce[T, K, W, T](w.spec, reduce, w.in.info(), nil)
	})
}

// Sum makes a stream that has, for each window that fired, one of its records with the sum of a
// field over all of them. The field is named as in Go or by its tag, a tuple's also by its
// position; "" is the record itself.
func (w *Windowed[K, T, W]) Sum(field string) *Stream[T] {
	return w.reduced("Sum", func() (func(a, b T) T, error) {
		return process.SumField(w.in.info(), field)
	})
}

// Min is like Sum with the smallest value of the field.
func (w *Windowed[K, T, W]) Min(field string) *Stream[T] {
	return w.reduced("Min", func() (func(a, b T) T, error) {
		return process.MinField(w.in.info(), field)
	})
}

// Max is like Sum with the largest value of the field.
func (w *Windowed[K, T, W]) Max(field string) *Stream[T] {
	return w.reduced("Max", func() (func(a, b T) T, error) {
		return process.MaxField(w.in.info(), field)
	})
}

// MinBy makes a stream of the records of each window that fired whose field is smallest; ties says
// which one of several.
func (w *Windowed[K, T, W]) MinBy(field string, ties Ties) *Stream[T] {
	return w.reduced("MinBy", func() (func(a, b T) T, error) {
		return process.MinByField(w.in.info(), field, ties)
	})
}

// MaxBy is MinBy with the largest value.
func (w *Windowed[K, T, W]) MaxBy(field string, ties Ties) *Stream[T] {
	return w.reduced("MaxBy", func() (func(a, b T) T, error) {
		return process.MaxByField(w.in.info(), field, ties)
	})
}
