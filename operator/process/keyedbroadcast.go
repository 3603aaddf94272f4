package process

import (
	"reflect"

	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/operator"
)

// KeyedReadOnlyContext is what a keyed broadcast function knows when it handles a record of the
// data side: it may read broadcast state, and use the state and the timers of the current key.
type KeyedReadOnlyContext[K any] struct {
	*KeyedContext[K]
	states *broadcasts
}

func (c *KeyedReadOnlyContext[K]) readBroadcasts() *broadcasts { return c.states }

// KeyedBroadcastContext is what a keyed broadcast function knows when it handles a record of the
// broadcast side: it may change broadcast state. There is no current key; ApplyToValues and its
// like visit the state of all keys.
type KeyedBroadcastContext[K any] struct {
	BroadcastContext
	keyed statebackend.Keyed
	key   *keyScope[K]
}

// BroadcastTimerContext is what a keyed broadcast function knows of the timer that fires.
type BroadcastTimerContext[K any] struct {
	*OnTimerContext[K]
	states *broadcasts
}

func (c *BroadcastTimerContext[K]) readBroadcasts() *broadcasts { return c.states }

func _[K any](v *KeyedReadOnlyContext[K]) { var _ BroadcastReader = v }

func _[K any](v *KeyedBroadcastContext[K]) { var _ BroadcastWriter = v }

func _[K any](v *BroadcastTimerContext[K]) {
	var _ BroadcastReader = v
	var _ Outputs = v
}

// KeyedBroadcastProcessFunction handles a keyed stream with the help of a broadcast one (R63). If
// it sets timers it is a BroadcastTimerFunction.
type KeyedBroadcastProcessFunction[K, In, B, Out any] interface {
	// ProcessElement handles a record of the data side; what it emits gets v's timestamp.
	ProcessElement(v In, ctx *KeyedReadOnlyContext[K], out *operator.Emitter[Out]) error
	// ProcessBroadcastElement handles a record of the broadcast side, which all subtasks get.
	ProcessBroadcastElement(v B, ctx *KeyedBroadcastContext[K], out *operator.Emitter[Out]) error
}

// BroadcastTimerFunction is implemented by keyed broadcast functions that set timers.
type BroadcastTimerFunction[K, Out any] interface {
	// OnTimer is called when a timer fires; see TimerFunction.
	OnTimer(timestamp int64, ctx *BroadcastTimerContext[K], out *operator.Emitter[Out]) error
}

// KeyedBroadcastProcess returns the factory of an operator that runs a
// KeyedBroadcastProcessFunction with the given states; input 0 is keyed, input 1 is the broadcast
// side. create makes the function, once per subtask and attempt.
func KeyedBroadcastProcess[K, In, B, Out any](by KeyBy[In, K],
	create func() KeyedBroadcastProcessFunction[K, In, B, Out], states ...BroadcastState,
) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		f := create()
		base, err := NewLifecycle(f)
		if err == nil {
			err = by.check()
		}
		o := &keyedBroadcastOp[K, In, B, Out]{f: f, declared: states}
		o.Lifecycle = base
		o.input = keyedInput[K, In]{by: by}
		if err == nil {
			err = o.takeTimers(f)
		}
		return o, err
	})
}

type keyedBroadcastOp[K, In, B, Out any] struct {
	TwoInputs
	keyedCore[K, Out]
	f        KeyedBroadcastProcessFunction[K, In, B, Out]
	input    keyedInput[K, In]
	declared []BroadcastState
	states   broadcasts
	reading  KeyedReadOnlyContext[K]
	writing  KeyedBroadcastContext[K]
	firing   BroadcastTimerContext[K]
	data     Port[In]
	rules    Port[B]
	call     func(v In, timestamp int64) error
}

func _[K, In, B, Out any](v *keyedBroadcastOp[K, In, B, Out]) { var _ operator.Operator = v }

// takeTimers lets the function take timers if it wants to.
func (o *keyedBroadcastOp[K, In, B, Out]) takeTimers(user any) error {
	t, ok := user.(BroadcastTimerFunction[K, Out])
	if !ok {
		if m, has := reflect.TypeOf(user).MethodByName("OnTimer"); has {
			return misfit(m, reflect.TypeFor[BroadcastTimerFunction[K, Out]]())
		}
		return nil
	}
	o.timer = func(timestamp int64, _ *OnTimerContext[K], out *operator.Emitter[Out]) error {
		return t.OnTimer(timestamp, &o.firing, out)
	}
	return nil
}

// Open opens states, timers and the function.
func (o *keyedBroadcastOp[K, In, B, Out]) Open(rt operator.Runtime) error {
	o.Join(o.advance)
	o.input.open()
	o.key.codec = o.input.by.Key
	o.call = func(v In, timestamp int64) error {
		o.out.SetTime(timestamp)
		return o.f.ProcessElement(v, &o.reading, o.out)
	}
	if err := o.states.openAll(rt.OperatorState(), o.declared); err != nil {
		return err
	}
	if err := o.openKeyed(rt, &o.Forward); err != nil {
		return err
	}
	o.reading = KeyedReadOnlyContext[K]{&o.context, &o.states}
	o.writing = KeyedBroadcastContext[K]{BroadcastContext{&o.scope, &o.states}, o.keyed, &o.key}
	o.firing = BroadcastTimerContext[K]{&o.onTimer, &o.states}
	return nil
}

// Input returns the receiver of input i.
func (o *keyedBroadcastOp[K, In, B, Out]) Input(i int) any {
	if i == 0 {
		o.data = Port[In]{&o.TwoInputs, 0, func(b *stream.Batch[In]) error {
			return keyedBatch(&o.keyedCore, &o.input, b, o.call)
		}}
		return &o.data
	}
	o.rules = Port[B]{&o.TwoInputs, 1, o.broadcastElements}
	return &o.rules
}

func (o *keyedBroadcastOp[K, In, B, Out]) broadcastElements(b *stream.Batch[B]) error {
	for i := range b.Values {
		o.scope.timestamp = b.Time(i)
		o.out.SetTime(o.scope.timestamp)
		if err := o.f.ProcessBroadcastElement(b.Values[i], &o.writing, o.out); err != nil {
			return o.Failed(err)
		}
	}
	return o.flush()
}

// ApplyToValues calls f for each key of this subtask that has a value in the state that d
// describes, with that key as the current one (Flink's applyToKeyedState). f may change or clear
// the value. The keys are copied first: it takes memory for all of them. States with a time to
// live are refused.
func ApplyToValues[K, V any](ctx *KeyedBroadcastContext[K], d state.ValueDescriptor[V],
	f func(key K, s state.Value[V]) error,
) error {
	return applyTo[K, V](ctx, func(k statebackend.Keyed) (state.Internal, func(K) error, error) {
		s, err := state.OpenValue(k, d)
		return s, func(key K) error { return f(key, s) }, err
	})
}

// ApplyToLists is ApplyToValues for lists.
func ApplyToLists[K, V any](ctx *KeyedBroadcastContext[K], d state.ListDescriptor[V],
	f func(key K, s state.List[V]) error,
) error {
	return applyTo[K, []V](ctx, func(k statebackend.Keyed) (state.Internal, func(K) error, error) {
		s, err := state.OpenList(k, d)
		return s, func(key K) error { return f(key, s) }, err
	})
}

// ApplyToReducing is ApplyToValues for reducing states.
func ApplyToReducing[K, V any](ctx *KeyedBroadcastContext[K], d state.ReducingDescriptor[V],
	f func(key K, s state.Reducing[V]) error,
) error {
	return applyTo[K, V](ctx, func(k statebackend.Keyed) (state.Internal, func(K) error, error) {
		s, err := state.OpenReducing(k, d)
		return s, func(key K) error { return f(key, s) }, err
	})
}

// ApplyToAggregating is ApplyToValues for aggregating states.
func ApplyToAggregating[K, In, Acc, Out any](ctx *KeyedBroadcastContext[K],
	d state.AggregatingDescriptor[In, Acc, Out], f func(key K, s state.Aggregating[In, Out]) error,
) error {
	return applyTo[K, Acc](ctx, func(k statebackend.Keyed) (state.Internal, func(K) error, error) {
		s, err := state.OpenAggregating(k, d)
		return s, func(key K) error { return f(key, s) }, err
	})
}

// applyTo visits the keys in a table whose values are V.
func applyTo[K, V any](ctx *KeyedBroadcastContext[K],
	open func(k statebackend.Keyed) (s state.Internal, visit func(key K) error, err error),
) error {
	s, visit, err := open(ctx.keyed)
	if err != nil {
		return err
	}
	table, err := state.OpenTable[V](ctx.keyed, s.Spec())
	if err != nil {
		return err
	}
	hashes, keys, err := keysOf(table)
	if err != nil {
		return err
	}
	defer func() {
		ctx.keyed.UnsetKey()
		ctx.key.known = false
	}()
	for i, b := range keys {
		ctx.keyed.SetKey(hashes[i], b)
		ctx.key.take, ctx.key.known = nil, false
		key := ctx.key.CurrentKey()
		if ctx.err != nil {
			return ctx.err
		}
		if err := visit(key); err != nil {
			return err
		}
	}
	return nil
}

// keysOf copies the keys of a table.
func keysOf[V any](table statebackend.Table[V]) (hashes []uint64, keys [][]byte, err error) {
	space, err := table.Space(nil)
	if err != nil {
		return nil, nil, err
	}
	var room []byte
	hashes, keys = make([]uint64, 0, space.Len()), make([][]byte, 0, space.Len())
	err = space.Each(func(hash uint64, key []byte, _ *V) (bool, error) {
		from := len(room)
		room = append(room, key...)
		hashes, keys = append(hashes, hash), append(keys, room[from:len(room):len(room)])
		return true, nil
	})
	return hashes, keys, err
}
