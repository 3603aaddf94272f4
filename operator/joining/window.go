package joining

import (
	"errors"
	"fmt"

	"goflink/core/failure"
	"goflink/core/tuple"
	"goflink/operator"
	"goflink/operator/process"
	"goflink/operator/windowing"
)

// TagLeft returns the factory of the operator through which the left stream goes before both are
// united.
func TagLeft[L, R any]() operator.Factory { return process.Map(tuple.Left[L, R]) }

// TagRight is TagLeft for the right stream.
func TagRight[L, R any]() operator.Factory { return process.Map(tuple.Right[L, R]) }

// UnionKey returns the key selector of the united stream.
func UnionKey[L, R, K any](left func(v L) K, right func(v R) K) func(v tuple.Either[L, R]) K {
	return func(v tuple.Either[L, R]) K {
		if v.IsRight {
			return right(v.Right)
		}
		return left(v.Left)
	}
}

// CoGroupFunction makes results of the records of both streams in one window of one key. It may
// implement windowing.Opener, windowing.Closer and windowing.Clearer.
type CoGroupFunction[K any, W windowing.Window, L, R, Out any] interface {
	// CoGroup may emit any number of records, which get the window's last timestamp. left and right
	// are the window's records in order of arrival; one of them may be empty. They are valid
	// during the call only.
	CoGroup(ctx *windowing.Context[K, W], left []L, right []R, out *operator.Emitter[Out]) error
}

// CoGroup returns the factory of the window operator that hands the records of both streams, which
// must be tagged and united, to a function (R48). create makes it, once per subtask and attempt.
func CoGroup[K any, W windowing.Window, L, R, Out any](
	s windowing.Spec[tuple.Either[L, R], K, W], create func() CoGroupFunction[K, W, L, R, Out],
) (operator.Factory, error) {
	return windowing.Apply(s, func() (
		windowing.Function[K, W, []tuple.Either[L, R], Out], error,
	) {
		user := create()
		if user == nil {
			return nil, failure.New(failure.FailJob, failure.User,
				"the factory of the co-group function returned nil")
		}
		f := &coGroup[K, W, L, R, Out]{user: user}
		if c, ok := user.(windowing.Clearer[K, W]); ok {
			return &clearingCoGroup[K, W, L, R, Out]{f, c}, nil
		}
		return f, nil
	})
}

// Join returns the factory of the window operator that emits join of each pair of a left and a
// right record in one window of one key (R38); the streams must be tagged and united. join is
// pure.
func Join[K any, W windowing.Window, L, R, Out any](
	s windowing.Spec[tuple.Either[L, R], K, W], join func(left L, right R) Out,
) (operator.Factory, error) {
	if join == nil {
		return nil, errors.New("window join: there is no join function")
	}
	return CoGroup(s, func() CoGroupFunction[K, W, L, R, Out] {
		return pairs[K, W, L, R, Out](join)
	})
}

// pairs is the co-group function that joins all pairs.
type pairs[K any, W windowing.Window, L, R, Out any] func(left L, right R) Out

// CoGroup emits the cross product, left records first.
func (f pairs[K, W, L, R, Out]) CoGroup(_ *windowing.Context[K, W], left []L, right []R,
	out *operator.Emitter[Out],
) error {
	for i := range left {
		for j := range right {
			out.Emit(f(left[i], right[j]))
		}
	}
	return nil
}

// coGroup parts the records of a window.
type coGroup[K any, W windowing.Window, L, R, Out any] struct {
	user  CoGroupFunction[K, W, L, R, Out]
	left  []L
	right []R
}

// clearingCoGroup is that of a function with per-window state.
type clearingCoGroup[K any, W windowing.Window, L, R, Out any] struct {
	*coGroup[K, W, L, R, Out]
	windowing.Clearer[K, W]
}

func _[K any, W windowing.Window, L, R, Out any](v *coGroup[K, W, L, R, Out]) {
	var _ windowing.Opener = v
	var _ windowing.Closer = v
}

// Open opens the user's function.
func (f *coGroup[K, W, L, R, Out]) Open(o *windowing.OpenContext) error {
	if opener, ok := f.user.(windowing.Opener); ok {
		return opener.Open(o)
	}
	return nil
}

// Close closes the user's function.
func (f *coGroup[K, W, L, R, Out]) Close() error {
	if c, ok := f.user.(windowing.Closer); ok {
		return c.Close()
	}
	return nil
}

// Process calls the user's function with the records of both sides.
func (f *coGroup[K, W, L, R, Out]) Process(ctx *windowing.Context[K, W], in []tuple.Either[L, R],
	out *operator.Emitter[Out],
) error {
	f.left, f.right = f.left[:0], f.right[:0]
	for i := range in {
		if in[i].IsRight {
			f.right = append(f.right, in[i].Right)
		} else {
			f.left = append(f.left, in[i].Left)
		}
	}
	err := f.user.CoGroup(ctx, f.left, f.right, out)
	clear(f.left)
	clear(f.right)
	if err != nil {
		return fmt.Errorf("co-group function %T: %w", f.user, err)
	}
	return nil
}
