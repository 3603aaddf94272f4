package windowing

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/core/typeinfo"
	"goflink/core/window"
	"goflink/operator"
)

// DefaultDerivedBytes is the default of Spec.DerivedBytes.
const DefaultDerivedBytes = 128 << 20

// Spec describes the windows of records of type T with keys of type K. Aggregate, Reduce and Apply
// make the operator. A Spec must not be changed after that.
type Spec[T, K any, W Window] struct {
	// Key returns a record's key; nil means that all records have one key (a stream that is not
	// keyed; the operator's parallelism must then be 1).
	Key func(v T) K
	// KeyType encodes keys; it is needed with Key.
	KeyType *typeinfo.Key[K]
	// Assigner assigns records to windows.
	Assigner window.Assigner[T, W]
	// Trigger decides when windows fire; nil is the assigner's default.
	Trigger window.Trigger[T, W]
	// Evictor, if there is one, chooses the records that the function sees. All records of a window
	// are then kept (R49).
	Evictor window.Evictor[T, W]
	// AllowedLateness is for how long after its end, in event time, a window takes late records
	// (R57). It has no effect on windows of processing time.
	AllowedLateness time.Duration
	// LateTag is the side output of records that come too late for all their windows; empty means
	// that they are dropped and counted.
	LateTag string
	// DerivedBytes bounds the memory in which windows that slide keep what they can compute again
	// from state; beyond it firing takes longer. 0 means DefaultDerivedBytes.
	DerivedBytes int64

	// force overrides the choice of the strategy.
	force strategy
}

// strategy is a way to run windows.
type strategy uint8

const (
	automatic strategy = iota
	general
	aligned
	panes
	sessions
)

// String is the strategy's name.
func (s strategy) String() string {
	return [...]string{"automatic", "general", "aligned", "panes", "sessions"}[s]
}

// Aggregate returns the factory of an operator whose windows keep the accumulator of an aggregate
// function (R49): fn gets its result; without fn (then Out must be R) the result is emitted. The
// function must be associative and commutative, as Flink demands of those that merge: accumulators
// of parts of a window are merged. acc describes accumulators; nil means typeinfo.Of.
func Aggregate[T, K any, W Window, Acc, R, Out any](s Spec[T, K, W],
	f state.AggregateFunction[T, Acc, R], acc *typeinfo.Type[Acc], fn Functions[K, W, R, Out],
) (operator.Factory, error) {
	if f == nil {
		return nil, errors.New("window: an aggregation needs an aggregate function")
	}
	var err error
	if acc == nil {
		if acc, err = typeinfo.Of[Acc](); err != nil {
			return nil, fmt.Errorf("window: accumulator: %w", err)
		}
	}
	p := &plan[T, K, W, Acc, R, Out]{spec: s, fold: aggregateFold[T, Acc, R]{f}, functions: fn,
		mergeable: true}
	p.table = func(name string) statebackend.TableSpec {
		return statetable.NewSpec(name, state.KindAggregating, acc)
	}
	if acc.Mutable() {
		p.clone = acc.Clone
	}
	p.ofList = func(vs []window.Element[T]) R {
		a := f.Create()
		for i := range vs {
			a = f.Add(vs[i].Value, a)
		}
		return f.Result(a)
	}
	return p.factory()
}

// Reduce returns the factory of an operator whose windows keep one record, into which reduce merges
// the others: fn gets it; without fn (then Out must be T) it is emitted. Reduce must be associative
// and commutative. info describes records; nil means typeinfo.Of.
func Reduce[T, K any, W Window, Out any](s Spec[T, K, W], reduce func(a, b T) T,
	info *typeinfo.Type[T], fn Functions[K, W, T, Out],
) (operator.Factory, error) {
	if reduce == nil {
		return nil, errors.New("window: a reduction needs a reduce function")
	}
	p := &plan[T, K, W, T, T, Out]{spec: s, fold: reduceFold[T]{reduce}, functions: fn,
		mergeable: true}
	p.table = func(name string) statebackend.TableSpec {
		return statetable.NewSpec(name, state.KindReducing, info)
	}
	p.ofList = func(vs []window.Element[T]) T {
		v := vs[0].Value
		for i := 1; i < len(vs); i++ {
			v = reduce(v, vs[i].Value)
		}
		return v
	}
	return p.factory()
}

// Apply returns the factory of an operator whose windows keep all records, in order of arrival; fn
// gets them.
func Apply[T, K any, W Window, Out any](s Spec[T, K, W], fn Functions[K, W, []T, Out],
) (operator.Factory, error) {
	if fn == nil {
		return nil, errors.New("window: a window that keeps its records needs a function")
	}
	p := &plan[T, K, W, []T, []T, Out]{spec: s, fold: listFold[T]{}, functions: fn}
	p.table = state.ListSpec[T]
	p.ofList = func(vs []window.Element[T]) []T {
		list := make([]T, len(vs))
		for i := range vs {
			list[i] = vs[i].Value
		}
		return list
	}
	return p.factory()
}

// The names of the states that hold the contents of windows. Each strategy has its own, so that
// none takes what another wrote for its own.
const (
	contentsName = "window-contents"
	alignedName  = "aligned-window-contents"
	panesName    = "window-panes"
)

// plan is all that is known of an operator before it is made.
type plan[T, K any, W Window, Acc, R, Out any] struct {
	spec      Spec[T, K, W]
	fold      fold[T, Acc, R]
	functions Functions[K, W, R, Out]
	// table describes the state of contents by its name.
	table func(name string) statebackend.TableSpec
	// clone copies accumulators that are changed in place; nil if there is nothing to copy.
	clone func(Acc) Acc
	// mergeable says that contents of parts of a window make those of the whole.
	mergeable bool
	// ofList computes what the function gets from elements that an evictor left, at least one.
	ofList func([]window.Element[T]) R
}

// factory validates the plan and returns what makes its operators.
func (p *plan[T, K, W, Acc, R, Out]) factory() (operator.Factory, error) {
	if err := p.validate(); err != nil {
		return nil, fmt.Errorf("window: %w", err)
	}
	return operator.FactoryFunc(p.make), nil
}

func (p *plan[T, K, W, Acc, R, Out]) validate() error {
	s := &p.spec
	switch {
	case s.Assigner == nil:
		return errors.New("there is no assigner; choose one, for example " +
			"window.TumblingEventTime")
	case s.Key != nil && s.KeyType == nil:
		return errors.New("there is no key type; it is needed with a key selector")
	case s.AllowedLateness < 0:
		return fmt.Errorf("the allowed lateness is %v; it must not be negative", s.AllowedLateness)
	case s.DerivedBytes < 0:
		return fmt.Errorf("DerivedBytes is %d; it must not be negative", s.DerivedBytes)
	case p.functions == nil && reflect.TypeFor[R]() != reflect.TypeFor[Out]():
		return fmt.Errorf("the aggregation gives %v, the output takes %v, and there is no "+
			"function between", reflect.TypeFor[R](), reflect.TypeFor[Out]())
	}
	for _, part := range []any{s.Assigner, s.Trigger, s.Evictor} {
		if v, ok := part.(window.Validator); ok {
			if err := v.Validate(); err != nil {
				return err
			}
		}
	}
	if _, merging := s.Assigner.(window.Merging[W]); merging && s.Trigger != nil {
		if _, ok := s.Trigger.(window.MergingTrigger[W]); !ok {
			return fmt.Errorf("the trigger %T does not work with windows that merge", s.Trigger)
		}
	}
	// A state that cannot be encoded is found now, not when the job runs.
	spec := p.table(contentsName)
	_, err := statetable.Make(&spec, new(statebackend.KeyContext))
	return err
}

// make makes the operator of one subtask.
func (p *plan[T, K, W, Acc, R, Out]) make() (operator.Operator, error) {
	var fn Function[K, W, R, Out]
	if p.functions != nil {
		var err error
		if fn, err = p.functions(); err != nil {
			return nil, userError(err, "make window function")
		}
	}
	switch p.strategy(fn) {
	case panes:
		return newPanes(p, fn), nil
	case aligned:
		return newAligned(p, fn), nil
	case sessions:
		return newSessions(p, fn), nil
	default:
		return newGeneral(p, fn), nil
	}
}

// strategy chooses how the windows are run.
func (p *plan[T, K, W, Acc, R, Out]) strategy(fn Function[K, W, R, Out]) strategy {
	s := &p.spec
	if s.force != automatic {
		return s.force
	}
	_, times := any(s.Assigner).(window.Assigner[T, window.Time])
	if !times || s.Trigger != nil || s.Evictor != nil {
		return general
	}
	if _, ok := any(s.Assigner).(window.Sessions[T]); ok {
		return sessions
	}
	grid, ok := s.Assigner.(window.Aligned)
	if !ok {
		return general
	}
	size, slide, _ := grid.Aligned()
	if size <= slide || !p.mergeable {
		return aligned
	}
	if _, ok := any(fn).(Clearer[K, W]); ok && s.AllowedLateness > 0 {
		// The keys of a window that is over are only known if windows are kept one by one.
		return aligned
	}
	// Panes that are much shorter than the slide make more work than they save.
	if overlap := (size + slide - 1) / slide; size/gcd(size, slide) > 2*overlap {
		return aligned
	}
	return panes
}
