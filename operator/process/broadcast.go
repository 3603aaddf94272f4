package process

import (
	"fmt"
	"strings"

	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/operator"
)

// BroadcastState is a state that the elements of a broadcast stream fill, alike in all subtasks
// (R63); BroadcastOf makes it.
type BroadcastState struct {
	name string
	open func(o statebackend.Operator) (writable, readable any, err error)
}

// BroadcastOf declares the broadcast state that d describes.
func BroadcastOf[K, V any](d state.MapDescriptor[K, V]) BroadcastState {
	return BroadcastState{name: d.Name(), open: func(o statebackend.Operator) (any, any, error) {
		m, err := state.OpenBroadcast(o, d)
		if err != nil {
			return nil, nil, err
		}
		return m, state.ReadOnly(m), nil
	}}
}

// broadcasts are the broadcast states of one operator.
type broadcasts struct {
	open []openBroadcast
}

// openBroadcast holds a state.Map and the same as state.ReadOnlyMap.
type openBroadcast struct {
	name               string
	writable, readable any
}

func (b *broadcasts) openAll(o statebackend.Operator, declared []BroadcastState) error {
	for _, d := range declared {
		w, r, err := d.open(o)
		if err != nil {
			return err
		}
		b.open = append(b.open, openBroadcast{d.name, w, r})
	}
	return nil
}

// find returns the open state of a name.
func (b *broadcasts) find(name string) (*openBroadcast, error) {
	for i := range b.open {
		if b.open[i].name == name {
			return &b.open[i], nil
		}
	}
	names := make([]string, len(b.open))
	for i := range b.open {
		names[i] = b.open[i].name
	}
	return nil, fmt.Errorf("broadcast state %q was not declared where the streams are connected; "+
		"declared are: %s", name, strings.Join(names, ", "))
}

// BroadcastReader is a context that may read broadcast state.
type BroadcastReader interface{ readBroadcasts() *broadcasts }

// BroadcastWriter is a context that may change broadcast state.
type BroadcastWriter interface{ writeBroadcasts() *broadcasts }

// ReadBroadcast returns the broadcast state that d describes, for reading.
func ReadBroadcast[K, V any](ctx BroadcastReader, d state.MapDescriptor[K, V]) (
	state.ReadOnlyMap[K, V], error,
) {
	b, err := ctx.readBroadcasts().find(d.Name())
	if err != nil {
		return nil, err
	}
	m, ok := b.readable.(state.ReadOnlyMap[K, V])
	if !ok {
		return nil, fmt.Errorf("broadcast state %q was declared as a %T and is read as a %T",
			d.Name(), b.writable, &m)
	}
	return m, nil
}

// WriteBroadcast returns the broadcast state that d describes, for changes. These must follow from
// the broadcast elements alone: every subtask gets the same elements and must come to the same
// state, though not in the same order if several subtasks send them.
func WriteBroadcast[K, V any](ctx BroadcastWriter, d state.MapDescriptor[K, V]) (
	state.Map[K, V], error,
) {
	b, err := ctx.writeBroadcasts().find(d.Name())
	if err != nil {
		return nil, err
	}
	m, ok := b.writable.(state.Map[K, V])
	if !ok {
		return nil, fmt.Errorf("broadcast state %q was declared as a %T and is changed as a %T",
			d.Name(), b.writable, &m)
	}
	return m, nil
}

// ReadOnlyContext is what a broadcast function knows when it handles a record of the data side: it
// may read broadcast state.
type ReadOnlyContext struct {
	*scope
	states *broadcasts
}

func (c *ReadOnlyContext) readBroadcasts() *broadcasts { return c.states }

// BroadcastContext is what a broadcast function knows when it handles a record of the broadcast
// side: it may change broadcast state.
type BroadcastContext struct {
	*scope
	states *broadcasts
}

func (c *BroadcastContext) readBroadcasts() *broadcasts  { return c.states }
func (c *BroadcastContext) writeBroadcasts() *broadcasts { return c.states }

var (
	_ Outputs         = (*ReadOnlyContext)(nil)
	_ BroadcastReader = (*ReadOnlyContext)(nil)
	_ Outputs         = (*BroadcastContext)(nil)
	_ BroadcastReader = (*BroadcastContext)(nil)
	_ BroadcastWriter = (*BroadcastContext)(nil)
)

// BroadcastProcessFunction handles a stream with the help of a broadcast one (R63).
type BroadcastProcessFunction[In, B, Out any] interface {
	// ProcessElement handles a record of the data side; what it emits gets v's timestamp.
	ProcessElement(v In, ctx *ReadOnlyContext, out *operator.Emitter[Out]) error
	// ProcessBroadcastElement handles a record of the broadcast side, which all subtasks get.
	ProcessBroadcastElement(v B, ctx *BroadcastContext, out *operator.Emitter[Out]) error
}

// BroadcastProcess returns the factory of an operator that runs a BroadcastProcessFunction with the
// given states; input 1 is the broadcast side. create makes the function, once per subtask and
// attempt.
func BroadcastProcess[In, B, Out any](create func() BroadcastProcessFunction[In, B, Out],
	states ...BroadcastState,
) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		f := create()
		base, err := NewLifecycle(f)
		return &broadcastOp[In, B, Out]{Lifecycle: base, f: f, declared: states}, err
	})
}

type broadcastOp[In, B, Out any] struct {
	TwoInputs
	Lifecycle
	f        BroadcastProcessFunction[In, B, Out]
	declared []BroadcastState
	states   broadcasts
	reading  ReadOnlyContext
	writing  BroadcastContext
	data     Port[In]
	rules    Port[B]
	out      *operator.Emitter[Out]
}

func _[In, B, Out any](v *broadcastOp[In, B, Out]) { var _ operator.Operator = v }

// Open opens the output, the broadcast states and the function.
func (o *broadcastOp[In, B, Out]) Open(rt operator.Runtime) (err error) {
	o.Join(o.advance)
	o.reading = ReadOnlyContext{&o.scope, &o.states}
	o.writing = BroadcastContext{&o.scope, &o.states}
	if o.out, err = operator.NewEmitter[Out](rt, ""); err != nil {
		return err
	}
	o.Outs = append(o.Outs, o.out.Out())
	if err := o.states.openAll(rt.OperatorState(), o.declared); err != nil {
		return err
	}
	return o.OpenFunction(rt, &o.Forward)
}

// Input returns the receiver of input i.
func (o *broadcastOp[In, B, Out]) Input(i int) any {
	if i == 0 {
		o.data = Port[In]{&o.TwoInputs, 0, o.elements}
		return &o.data
	}
	o.rules = Port[B]{&o.TwoInputs, 1, o.broadcastElements}
	return &o.rules
}

func (o *broadcastOp[In, B, Out]) elements(b *stream.Batch[In]) error {
	for i := range b.Values {
		o.scope.timestamp = b.Time(i)
		o.out.SetTime(o.scope.timestamp)
		if err := o.f.ProcessElement(b.Values[i], &o.reading, o.out); err != nil {
			return o.Failed(err)
		}
	}
	return o.handOn()
}

func (o *broadcastOp[In, B, Out]) broadcastElements(b *stream.Batch[B]) error {
	for i := range b.Values {
		o.scope.timestamp = b.Time(i)
		o.out.SetTime(o.scope.timestamp)
		if err := o.f.ProcessBroadcastElement(b.Values[i], &o.writing, o.out); err != nil {
			return o.Failed(err)
		}
	}
	return o.handOn()
}

func (o *broadcastOp[In, B, Out]) handOn() error {
	if err := o.scope.flush(); err != nil {
		return o.Failed(err)
	}
	return o.out.Flush()
}

// advance is what the contexts show from now on.
func (o *broadcastOp[In, B, Out]) advance(w int64) error {
	o.scope.watermark = w
	return nil
}
