package process

import (
	"fmt"
	"io"
	"log/slog"
	"reflect"

	"goflink/core/accumulator"
	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/operator"
)

// Opener is implemented by function objects that prepare something before the first record.
type Opener interface {
	// Open is called once, by the task's goroutine, before any record: states are opened here. ctx
	// stays valid until Close.
	Open(ctx *FunctionContext) error
}

// FunctionContext is the runtime context of a function object (R64–R66): its place, its state and
// what it shares with other subtasks. Only the task's goroutine uses it, unless a method says
// otherwise.
//
// Function objects are made by a factory, once per subtask and attempt. Beside Opener they may
// implement io.Closer (called once if Open was, also after a failure), operator.Snapshotter (called
// at each barrier) and operator.CheckpointListener.
type FunctionContext struct {
	rt    operator.Runtime
	scope *scope
	hooks []func(cp operator.Checkpoint) error
}

// Info describes the function's place: job, operator, subtask, parallelism, attempt.
func (c *FunctionContext) Info() operator.Info { return c.rt.Info() }

// AttemptNumber counts the attempts to run this subtask, from 1.
func (c *FunctionContext) AttemptNumber() int { return int(c.rt.Info().Attempt.Number) }

// Config is the job's configuration; it must not be changed.
func (c *FunctionContext) Config() *config.Configuration { return c.rt.Config() }

// Logger carries job, task and operator. Any goroutine may use it.
func (c *FunctionContext) Logger() *slog.Logger { return c.rt.Logger() }

// Metrics registers metrics under the operator's scope.
func (c *FunctionContext) Metrics() operator.Metrics { return c.rt.Metrics() }

// Now is the processing time in milliseconds since the epoch. Any goroutine may call it.
func (c *FunctionContext) Now() int64 { return c.rt.Now() }

// Watermark is the operator's current watermark, or stream.MinWatermark. Functions without a
// context per record (maps, filters) see none.
func (c *FunctionContext) Watermark() int64 { return c.scope.watermark }

// Accumulators are this subtask's shares of values that the job's result holds. The names are those
// of the whole task: functions of one chain must not use the same.
func (c *FunctionContext) Accumulators() *accumulator.Registry { return c.rt.Accumulators() }

// Restored reports whether the job was restored from a checkpoint or savepoint, and which.
func (c *FunctionContext) Restored() (checkpoint uint64, ok bool) { return c.rt.Restored() }

// Keyed is where keyed state is kept, for core/state's Open functions; the error says that the
// stream is not keyed (R61). OpenValue and its like are the short way.
func (c *FunctionContext) Keyed() (statebackend.Keyed, error) { return c.rt.Keyed() }

// OperatorState is where the state of the subtask is kept (R62), for core/state's Open functions.
func (c *FunctionContext) OperatorState() statebackend.Operator { return c.rt.OperatorState() }

// OnSnapshot makes f be called at each barrier, before the state is taken. f may emit nothing.
func (c *FunctionContext) OnSnapshot(f func(cp operator.Checkpoint) error) {
	c.hooks = append(c.hooks, f)
}

// OpenValue opens a Value of the function's keyed state, which behaves the same on every backend
// (R66).
func OpenValue[V any](ctx *FunctionContext, d state.ValueDescriptor[V]) (state.Value[V], error) {
	k, err := ctx.rt.Keyed()
	if err != nil {
		return nil, err
	}
	return state.OpenValue(k, d)
}

// OpenList opens a List of the function's keyed state.
func OpenList[V any](ctx *FunctionContext, d state.ListDescriptor[V]) (state.List[V], error) {
	k, err := ctx.rt.Keyed()
	if err != nil {
		return nil, err
	}
	return state.OpenList(k, d)
}

// OpenReducing opens a Reducing of the function's keyed state.
func OpenReducing[V any](ctx *FunctionContext, d state.ReducingDescriptor[V]) (
	state.Reducing[V], error,
) {
	k, err := ctx.rt.Keyed()
	if err != nil {
		return nil, err
	}
	return state.OpenReducing(k, d)
}

// OpenAggregating opens an Aggregating of the function's keyed state.
func OpenAggregating[In, Acc, Out any](ctx *FunctionContext,
	d state.AggregatingDescriptor[In, Acc, Out],
) (state.Aggregating[In, Out], error) {
	k, err := ctx.rt.Keyed()
	if err != nil {
		return nil, err
	}
	return state.OpenAggregating(k, d)
}

// OpenMap opens a Map of the function's keyed state.
func OpenMap[K, V any](ctx *FunctionContext, d state.MapDescriptor[K, V]) (state.Map[K, V], error) {
	k, err := ctx.rt.Keyed()
	if err != nil {
		return nil, err
	}
	return state.OpenMap(k, d)
}

// ListCheckpointed is implemented by functions whose state is a list of the subtask, dealt out
// evenly when the parallelism changes (R62). KeepList keeps it.
type ListCheckpointed[S any] interface {
	// SnapshotState returns the elements as of now; they must not be changed afterwards.
	SnapshotState(cp operator.Checkpoint) ([]S, error)
	// RestoreState takes the elements that this subtask gets; it is called if the job was restored.
	RestoreState(elements []S) error
}

// KeepList keeps the state of f as operator state with the given name. It is called in Open, in
// which it calls RestoreState.
func KeepList[S any](ctx *FunctionContext, name string, f ListCheckpointed[S]) error {
	list, err := state.OpenOperatorList(ctx.rt.OperatorState(), state.ListOf[S](name))
	if err != nil {
		return err
	}
	if _, restored := ctx.rt.Restored(); restored {
		if err := f.RestoreState(list.Get()); err != nil {
			return fmt.Errorf("restore state %q: %w", name, err)
		}
	}
	ctx.OnSnapshot(func(cp operator.Checkpoint) error {
		elements, err := f.SnapshotState(cp)
		if err != nil {
			return fmt.Errorf("snapshot of state %q: %w", name, err)
		}
		list.Put(elements)
		return nil
	})
	return nil
}

// BroadcastVariable returns the read-only value that all subtasks of one process share under a
// name (R103): the first that asks loads it, and one copy stays in memory. It must not be changed,
// and should not be large.
func BroadcastVariable[T any](ctx *FunctionContext, name string, load func() (T, error)) (
	T, error,
) {
	v, err := ctx.rt.BroadcastVariable(name, func() (any, error) { return load() })
	if err != nil {
		var none T
		return none, fmt.Errorf("broadcast variable %q: %w", name, err)
	}
	typed, ok := v.(T)
	if !ok {
		return typed, fmt.Errorf("broadcast variable %q holds a %T, not a %v; give one of the two "+
			"another name", name, v, reflect.TypeFor[T]())
	}
	return typed, nil
}

// inOperator is an operator that is its own input.
type inOperator[In any] interface {
	operator.Operator
	stream.Receiver[In]
}

// Lifecycle is what operators around a function object have in common, for operators to embed: it
// opens and closes the object and tells it of checkpoints. The task's goroutine uses it.
type Lifecycle struct {
	scope  scope
	user   any
	ctx    FunctionContext
	opened bool
}

// NewLifecycle takes a function object that a factory made. The error says that there is none, or
// that a method of it is not what its name promises.
func NewLifecycle(user any) (Lifecycle, error) {
	if v := reflect.ValueOf(user); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return Lifecycle{}, failure.New(failure.FailJob, failure.User,
			"the factory of the function returned nil; it must make a new function for each call")
	}
	return Lifecycle{user: user}, checkMethods(user)
}

// checkMethods refuses methods that look like optional ones but would never be called.
func checkMethods(user any) error {
	t := reflect.TypeOf(user)
	if m, has := t.MethodByName("Open"); has {
		if _, ok := user.(Opener); !ok {
			return misfit(m, reflect.TypeFor[Opener]())
		}
	}
	if m, has := t.MethodByName("Close"); has {
		if _, ok := user.(io.Closer); !ok {
			return misfit(m, reflect.TypeFor[io.Closer]())
		}
	}
	if m, has := t.MethodByName("Snapshot"); has {
		if _, ok := user.(operator.Snapshotter); !ok {
			return misfit(m, reflect.TypeFor[operator.Snapshotter]())
		}
	}
	return nil
}

// misfit says that m does not belong to the interface that it seems to implement.
func misfit(m reflect.Method, want reflect.Type) error {
	return failure.New(failure.FailJob, failure.User, "function %v: its method %s is a %v and is "+
		"never called; %v wants %v: change its signature or its name", m.Type.In(0), m.Name, m.Type,
		want, want.Method(0).Type)
}

// OpenFunction opens the function object. Elements that are no records go to outs: the main output,
// which is there already, and the side outputs.
func (o *Lifecycle) OpenFunction(rt operator.Runtime, outs *operator.Forward) error {
	o.ctx.rt, o.ctx.scope = rt, &o.scope
	o.scope.init(rt)
	for _, tag := range rt.OutputTags() {
		c, ok := rt.Output(tag).(stream.Control)
		if !ok {
			return fmt.Errorf("operator %s: side output %q is a %T, which receives nothing",
				rt.Info().OperatorName, tag, rt.Output(tag))
		}
		outs.Outs = append(outs.Outs, c)
	}
	o.opened = true
	if opener, ok := o.user.(Opener); ok {
		return userError(opener.Open(&o.ctx), "open of function %T", o.user)
	}
	return nil
}

// Snapshot calls what the function wants called at a barrier.
func (o *Lifecycle) Snapshot(cp operator.Checkpoint) error {
	for _, hook := range o.ctx.hooks {
		if err := hook(cp); err != nil {
			return userError(err, "snapshot of function %T", o.user)
		}
	}
	if s, ok := o.user.(operator.Snapshotter); ok {
		return userError(s.Snapshot(cp), "snapshot of function %T", o.user)
	}
	return nil
}

// CheckpointComplete tells the function.
func (o *Lifecycle) CheckpointComplete(checkpoint uint64) error {
	if l, ok := o.user.(operator.CheckpointListener); ok {
		return userError(l.CheckpointComplete(checkpoint), "function %T", o.user)
	}
	return nil
}

// CheckpointAborted tells the function.
func (o *Lifecycle) CheckpointAborted(checkpoint uint64) error {
	if l, ok := o.user.(operator.CheckpointListener); ok {
		return userError(l.CheckpointAborted(checkpoint), "function %T", o.user)
	}
	return nil
}

// Finish does nothing: no record is held back.
func (o *Lifecycle) Finish() error { return nil }

// Close closes the function object if it was opened.
func (o *Lifecycle) Close() error {
	c, ok := o.user.(io.Closer)
	if !ok || !o.opened {
		return nil
	}
	o.opened = false
	return userError(c.Close(), "close of function %T", o.user)
}

// Failed marks an error that the function returned; a nil one stays nil.
func (o *Lifecycle) Failed(err error) error { return userError(err, "function %T", o.user) }

// userError marks an error as the program's; a nil one stays nil.
func userError(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return failure.Wrap(err, failure.Retryable, failure.User, format, args...)
}
