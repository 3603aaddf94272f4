package datastream

import (
	"time"

	"goflink/core/tuple"
	"goflink/operator"
	"goflink/operator/joining"
	"goflink/operator/windowing"
)

// Both unites two streams that are keyed alike, for windows over both (R38):
//
//	both := datastream.Both(orders, payments)
//	pairs := datastream.Join(datastream.TimeWindow(both, 5*time.Second),
//		func(o Order, p Payment) Paid { … })
//
// Join and CoGroup take windows of it; a record of the left stream is the left side of an Either.
func Both[K, L, R any](left *Keyed[K, L], right *Keyed[K, R]) *Keyed[K, tuple.Either[L, R]] {
	env := left.in.env
	l := addOperator[tuple.Either[L, R]](env, "Left", joining.TagLeft[L, R](), left.in.t)
	r := addOperator[tuple.Either[L, R]](env, "Right", joining.TagRight[L, R](), right.in.t)
	l.t.Parallelism, r.t.Parallelism = left.in.t.Parallelism, right.in.t.Parallelism
	return keyed(l.Union(r), joining.UnionKey(left.selector, right.selector), left.key, nil, "Both")
}

// Join makes a stream of join of each pair of a left and a right record in one window of one key.
// join must be pure.
func Join[K any, W windowing.Window, L, R, Out any](w *Windowed[K, tuple.Either[L, R], W],
	join func(left L, right R) Out) *Stream[Out] {
	return addWindow[Out](w, "Join", func() (operator.Factory, error) {
		return joining.Join(w.spec, join)
	})
}

// CoGroup makes a stream of what a function emits for the left and the right records of each window
// of each key; one of both may be empty. create makes the function, once per subtask and attempt.
func CoGroup[K any, W windowing.Window, L, R, Out any, F CoGroupFunction[K, W, L, R, Out]](
	w *Windowed[K, tuple.Either[L, R], W], create func() F) *Stream[Out] {
	return addWindow[Out](w, "CoGroup", func() (operator.Factory, error) {
		return joining.CoGroup(w.spec, func() CoGroupFunction[K, W, L, R, Out] { return create() })
	})
}

// IntervalJoined are two keyed streams whose records are joined if their timestamps lie within
// bounds of each other. Its methods return changed copies.
type IntervalJoined[K, L, R any] struct {
	left  *Keyed[K, L]
	right *Keyed[K, R]
	spec  joining.Interval[K, L, R]
}

// IntervalJoin joins each left record with the right records of its key whose timestamps t lie in
// left + lower <= t <= left + upper, in event time; the bounds may be negative.
func IntervalJoin[K, L, R any](left *Keyed[K, L], right *Keyed[K, R], lower, upper time.Duration,
) *IntervalJoined[K, L, R] {
	return &IntervalJoined[K, L, R]{left, right, joining.Interval[K, L, R]{
		Left: left.by(), Right: right.by(), Lower: lower, Upper: upper}}
}

// LowerBoundExclusive takes the lower bound itself out.
func (j *IntervalJoined[K, L, R]) LowerBoundExclusive() *IntervalJoined[K, L, R] {
	c := *j
	c.spec.LowerExclusive = true
	return &c
}

// UpperBoundExclusive takes the upper bound itself out.
func (j *IntervalJoined[K, L, R]) UpperBoundExclusive() *IntervalJoined[K, L, R] {
	c := *j
	c.spec.UpperExclusive = true
	return &c
}

// SideOutputLeftLateData sends left records that come after the watermark has passed them to a side
// output instead of dropping them.
func (j *IntervalJoined[K, L, R]) SideOutputLeftLateData(
	tag OutputTag[L],
) *IntervalJoined[K, L, R] {
	j.left.s.env.failAt("Interval Join", tag.check())
	c := *j
	c.spec.LateLeftTag = tag.name
	return &c
}

// SideOutputRightLateData is SideOutputLeftLateData for right records.
func (j *IntervalJoined[K, L, R]) SideOutputRightLateData(tag OutputTag[R],
) *IntervalJoined[K, L, R] {
	j.left.s.env.failAt("Interval Join", tag.check())
	c := *j
	c.spec.LateRightTag = tag.name
	return &c
}

// ProcessJoin makes a stream of what a function emits for each pair. create makes the function,
// once per subtask and attempt.
func ProcessJoin[K, L, R, Out any, F ProcessJoinFunction[K, L, R, Out]](j *IntervalJoined[K, L, R],
	create func() F) *Stream[Out] {
	const name = "Interval Join"
	var f operator.Factory
	if j.left.usable() && j.right.usable() {
		var err error
		f, err = joining.IntervalJoin(j.spec, func() ProcessJoinFunction[K, L, R, Out] {
			return create()
		})
		j.left.s.env.failAt(name, err)
	}
	out := addOperator[Out](j.left.s.env, name, f, j.left.s.t, j.right.s.t)
	out.t.KeySchema = j.left.schema
	out.t.SideOutputs = map[string]operator.OutputType{}
	if tag := j.spec.LateLeftTag; tag != "" && j.left.s.typ != nil {
		out.t.SideOutputs[tag] = j.left.s.typ
	}
	if tag := j.spec.LateRightTag; tag != "" && j.right.s.typ != nil {
		out.t.SideOutputs[tag] = j.right.s.typ
	}
	return out
}

// JoinFunc is a pure function of pairs as a ProcessJoinFunction: it emits what the function
// returns.
type JoinFunc[K, L, R, Out any] func(left L, right R) Out

func _[K, L, R, Out any](v JoinFunc[K, L, R, Out]) { var _ ProcessJoinFunction[K, L, R, Out] = v }

// ProcessElement emits f of the pair.
func (f JoinFunc[K, L, R, Out]) ProcessElement(left L, right R, _ *JoinContext[K],
	out Collector[Out]) error {
	out.Emit(f(left, right))
	return nil
}
