package windowing

import (
	"errors"
	"fmt"

	"goflink/core/statebackend"
	"goflink/core/typeinfo"
	"goflink/core/window"
	"goflink/operator"
)

// Window is what the operator demands of a window type: windows are compared.
type Window interface {
	comparable
	window.Window
}

// Function computes the results of a window that fires (R48). In is the result of an incremental
// aggregation, or the list of the window's records. One function object serves all keys and windows
// of a subtask; it is called by the task's goroutine.
type Function[K any, W Window, In, Out any] interface {
	// Process emits the window's results, which get the window's last timestamp. It may use the
	// state that it opened; ctx is valid during the call only, in must not be changed.
	Process(ctx *Context[K, W], in In, out *operator.Emitter[Out]) error
}

// Functions makes the function of one subtask and attempt.
type Functions[K any, W Window, In, Out any] func() (Function[K, W, In, Out], error)

// Opener is implemented by functions that open states or side outputs.
type Opener interface {
	// Open is called before any record.
	Open(o *OpenContext) error
}

// Clearer is implemented by functions with per-window state.
type Clearer[K any, W Window] interface {
	// Clear removes what the function keeps for the key and window at hand. It is called when the
	// window is over and will not fire again.
	Clear(ctx *Context[K, W]) error
}

// Closer is implemented by functions that hold resources.
type Closer interface {
	// Close is called once, also after errors.
	Close() error
}

// OpenContext is what a function can open.
type OpenContext struct {
	rt      operator.Runtime
	keyed   statebackend.Keyed
	merging bool
	sides   []side
}

// side is a side output of a function.
type side interface {
	Flush() error
}

// Runtime is the operator's runtime.
func (o *OpenContext) Runtime() operator.Runtime { return o.rt }

// GlobalState is the place of states per key, whatever the window.
func (o *OpenContext) GlobalState() statebackend.Keyed { return globalKeyed{o.keyed} }

// WindowState is the place of states per key and window. Windows that merge have none.
func (o *OpenContext) WindowState() (statebackend.Keyed, error) {
	if o.merging {
		return nil, errors.New("per-window state cannot be used with windows that merge; use " +
			"global state")
	}
	return o.keyed, nil
}

// SideOutput opens the side output with the given tag. The emitter's time is not set.
func SideOutput[X any](o *OpenContext, tag string) (*operator.Emitter[X], error) {
	e, err := operator.NewEmitter[X](o.rt, tag)
	if err != nil {
		return nil, err
	}
	o.sides = append(o.sides, e)
	return e, nil
}

// globalKeyed is a Keyed whose namespace is always the empty one.
type globalKeyed struct{ statebackend.Keyed }

// Namespace is the empty one.
func (globalKeyed) Namespace() []byte { return nil }

// SetNamespace does nothing: the window operator sets the namespace.
func (globalKeyed) SetNamespace([]byte) {}

// Context is what a function knows of the window that fires.
type Context[K any, W Window] struct {
	rt     operator.Runtime
	codec  *typeinfo.Key[K]
	window W
	bytes  []byte // of the key
	// watermark is the current one.
	watermark int64
	key       K
	decoded   bool
	err       error
}

// Key is the key of the window's records; the zero value if the windows are not keyed.
func (c *Context[K, W]) Key() K {
	if !c.decoded && c.codec != nil {
		k, err := c.codec.Decode(c.bytes)
		if err != nil {
			c.err = fmt.Errorf("key of a window: %w", err)
		}
		c.key, c.decoded = k, true
	}
	return c.key
}

// Window is the window that fires.
func (c *Context[K, W]) Window() W { return c.window }

// Watermark is the current watermark, or stream.MinWatermark.
func (c *Context[K, W]) Watermark() int64 { return c.watermark }

// Now is the processing time in milliseconds since the epoch.
func (c *Context[K, W]) Now() int64 { return c.rt.Now() }

// set makes the context that of another key.
func (c *Context[K, W]) set(key []byte) {
	c.bytes, c.decoded = key, false
}

// Pure returns the Functions of a function without state.
func Pure[K any, W Window, In, Out any](
	f func(ctx *Context[K, W], in In, out *operator.Emitter[Out]) error,
) Functions[K, W, In, Out] {
	return func() (Function[K, W, In, Out], error) { return pure[K, W, In, Out](f), nil }
}

type pure[K any, W Window, In, Out any] func(*Context[K, W], In, *operator.Emitter[Out]) error

// Process calls the function.
func (f pure[K, W, In, Out]) Process(ctx *Context[K, W], in In, out *operator.Emitter[Out]) error {
	return f(ctx, in, out)
}
