package windowing

import (
	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/core/window"
)

// triggerContext is a trigger's view of the window at hand and the current key.
type triggerContext[T, K any, W Window, Acc, R, Out any] struct {
	o      *generalOp[T, K, W, Acc, R, Out]
	window W
	ns     []byte
	// merged are the namespaces of the windows that were merged into the one at hand.
	merged [][]byte
	counts statebackend.Table[int64]
	states statebackend.Table[[]byte]
	name   []byte
}

func _[T, K any, W Window, Acc, R, Out any](v *triggerContext[T, K, W, Acc, R, Out]) {
	var _ window.TriggerContext = v
}

// The names of the states that triggers have.
const (
	triggerCountsName = "window-trigger-counts"
	triggerStatesName = "window-trigger-states"
)

func (c *triggerContext[T, K, W, Acc, R, Out]) open() (err error) {
	c.counts, err = state.OpenTable[int64](c.o.keyed,
		statetable.NewSpec[int64](triggerCountsName, state.KindValue, nil))
	if err != nil {
		return err
	}
	c.states, err = state.OpenTable[[]byte](c.o.keyed,
		statetable.NewSpec[[]byte](triggerStatesName, state.KindValue, nil))
	return err
}

// Watermark is the watermark of the current key.
func (c *triggerContext[T, K, W, Acc, R, Out]) Watermark() int64 {
	if c.o.event {
		return c.o.progress.watermarkOf(c.o.hash)
	}
	return c.o.watermark
}

// Now is the processing time.
func (c *triggerContext[T, K, W, Acc, R, Out]) Now() int64 { return c.o.rt.Now() }

// SetEventTimer sets a timer of event time.
func (c *triggerContext[T, K, W, Acc, R, Out]) SetEventTimer(time int64) error {
	return c.o.events.Add(time, c.ns)
}

// SetProcessingTimer sets a timer of processing time.
func (c *triggerContext[T, K, W, Acc, R, Out]) SetProcessingTimer(time int64) error {
	return c.o.processing.Add(time, c.ns)
}

// DeleteEventTimer removes a timer of event time.
func (c *triggerContext[T, K, W, Acc, R, Out]) DeleteEventTimer(time int64) error {
	return c.o.events.Remove(time, c.ns)
}

// DeleteProcessingTimer removes a timer of processing time.
func (c *triggerContext[T, K, W, Acc, R, Out]) DeleteProcessingTimer(time int64) error {
	return c.o.processing.Remove(time, c.ns)
}

// named is the namespace of a named number or state of a window.
func (c *triggerContext[T, K, W, Acc, R, Out]) named(name string, ns []byte) []byte {
	c.name = append(append(append(c.name[:0], name...), 0), ns...)
	return c.name
}

// Count reads a named number.
func (c *triggerContext[T, K, W, Acc, R, Out]) Count(name string) (int64, error) {
	p, err := c.counts.Find(c.named(name, c.ns))
	if err != nil || p == nil {
		return 0, err
	}
	return *p, nil
}

// SetCount writes a named number.
func (c *triggerContext[T, K, W, Acc, R, Out]) SetCount(name string, n int64) error {
	ns := c.named(name, c.ns)
	if n == 0 {
		return c.counts.Delete(ns)
	}
	p, _, err := c.counts.Upsert(ns)
	if err != nil {
		return err
	}
	*p = n
	return nil
}

// MergeCounts joins the named numbers of the merged windows.
func (c *triggerContext[T, K, W, Acc, R, Out]) MergeCounts(name string,
	join func(a, b int64) int64,
) error {
	total, err := c.Count(name)
	if err != nil {
		return err
	}
	for _, from := range c.merged {
		if string(from) == string(c.ns) {
			continue
		}
		ns := c.named(name, from)
		p, err := c.counts.Find(ns)
		if err != nil {
			return err
		}
		switch {
		case p == nil:
			continue
		case total == 0:
			total = *p
		default:
			total = join(total, *p)
		}
		// The count is left for the trigger's Clear of that window, which may need it to find its
		// timers.
	}
	return c.SetCount(name, total)
}

// State reads named bytes.
func (c *triggerContext[T, K, W, Acc, R, Out]) State(name string) ([]byte, error) {
	p, err := c.states.Find(c.named(name, c.ns))
	if err != nil || p == nil {
		return nil, err
	}
	return *p, nil
}

// SetState writes named bytes.
func (c *triggerContext[T, K, W, Acc, R, Out]) SetState(name string, b []byte) error {
	ns := c.named(name, c.ns)
	if b == nil {
		return c.states.Delete(ns)
	}
	p, _, err := c.states.Upsert(ns)
	if err != nil {
		return err
	}
	*p = b
	return nil
}
