package reading

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"goflink/core/source"
	"goflink/operator"
)

// Coordinator returns the factory of a source's part on the JobMaster: it runs the enumerator, and
// gives back to it the splits that a failed reader had got since the checkpoint that it is reset to.
func Coordinator[T any](src source.Source[T]) operator.CoordinatorFactory {
	return func(ctx operator.CoordinatorContext) (operator.Coordinator, error) {
		return &coordinator[T]{src: src, ctx: ctx, assigned: map[int][]assignment{},
			ready: map[int]bool{}, noMore: map[int]bool{}}, nil
	}
}

type coordinator[T any] struct {
	src source.Source[T]
	ctx operator.CoordinatorContext
	e   source.Enumerator
	// assigned are the splits that readers got and that no completed checkpoint holds.
	assigned map[int][]assignment
	ready    map[int]bool
	noMore   map[int]bool
	// snapshot is the latest checkpoint of which Snapshot was called.
	snapshot uint64
	closed   bool
}

// assignment is splits that a reader got after the snapshot of checkpoint after: the reader's state
// of later checkpoints holds them, that of this one does not.
type assignment struct {
	after  uint64
	splits []source.Split
}

func (c *coordinator[T]) make(state []byte) (err error) {
	if c.e != nil {
		if err := c.e.Close(); err != nil {
			return err
		}
	}
	c.e, err = c.src.NewEnumerator(enumeratorContext[T]{c}, state)
	return err
}

func (c *coordinator[T]) Start() error {
	if c.e == nil {
		if err := c.make(nil); err != nil {
			return err
		}
	}
	return c.e.Start()
}

// Restore makes a new enumerator from a checkpoint. The readers are told anew.
func (c *coordinator[T]) Restore(checkpoint uint64, state []byte) error {
	started := c.e != nil
	clear(c.assigned)
	clear(c.ready)
	clear(c.noMore)
	c.snapshot = checkpoint
	if state != nil {
		n, k := binary.Uvarint(state)
		if k <= 0 || n != stateVersion {
			return fmt.Errorf("the enumerator's state has version %d, want %d", n, stateVersion)
		}
		state = state[k:]
	}
	if err := c.make(state); err != nil {
		return err
	}
	if started {
		return c.e.Start()
	}
	return nil
}

const stateVersion = 1

func (c *coordinator[T]) Snapshot(checkpoint uint64) ([]byte, error) {
	b, err := c.e.Snapshot(checkpoint)
	if err != nil {
		return nil, err
	}
	c.snapshot = checkpoint
	return append(binary.AppendUvarint(nil, stateVersion), b...), nil
}

func (c *coordinator[T]) CheckpointComplete(checkpoint uint64) error {
	for s, as := range c.assigned {
		c.assigned[s] = slices.DeleteFunc(as, func(a assignment) bool { return a.after < checkpoint })
	}
	return nil
}

func (c *coordinator[T]) SubtaskReady(subtask, _ int) error {
	c.ready[subtask] = true
	return c.e.ReaderAdded(subtask)
}

func (c *coordinator[T]) SubtaskFailed(subtask, _ int) error {
	c.ready[subtask] = false
	return nil
}

// SubtaskReset gives back what the reader got after the checkpoint that it begins with again.
func (c *coordinator[T]) SubtaskReset(subtask int, checkpoint uint64) error {
	var back []source.Split
	kept := c.assigned[subtask][:0]
	for _, a := range c.assigned[subtask] {
		if a.after >= checkpoint {
			back = append(back, a.splits...)
		} else {
			kept = append(kept, a)
		}
	}
	c.assigned[subtask] = kept
	c.noMore[subtask] = false
	if len(back) == 0 {
		return nil
	}
	return c.e.AddBack(subtask, back)
}

func (c *coordinator[T]) Event(subtask, _ int, event []byte) error {
	m, err := decode[toCoordinator](event)
	switch {
	case err != nil:
		return err
	case m.RequestSplit:
		return c.e.RequestSplit(subtask, m.Host)
	}
	return c.e.ReaderEvent(subtask, m.Event)
}

func (c *coordinator[T]) Close() error {
	c.closed = true
	if c.e == nil {
		return nil
	}
	return c.e.Close()
}

// Ready returns the subtasks that run, in order.
func (c *coordinator[T]) readySubtasks() []int {
	var ready []int
	for _, s := range slices.Sorted(maps.Keys(c.ready)) {
		if c.ready[s] {
			ready = append(ready, s)
		}
	}
	return ready
}

type enumeratorContext[T any] struct{ c *coordinator[T] }

var _ source.EnumeratorContext = enumeratorContext[int]{}

func (x enumeratorContext[T]) Parallelism() int { return x.c.ctx.Info().Parallelism }

func (x enumeratorContext[T]) Assign(subtask int, splits []source.Split) error {
	c := x.c
	if !c.ready[subtask] {
		return fmt.Errorf("splits assigned to reader %d, which does not run", subtask)
	}
	c.assigned[subtask] = append(c.assigned[subtask], assignment{c.snapshot, splits})
	for part := range slices.Chunk(splits, MaxSplitsPerEvent) {
		b, err := encode(toReader{Splits: part})
		if err != nil {
			return err
		}
		if err := c.ctx.Send(subtask, b); err != nil {
			return err
		}
	}
	return nil
}

func (x enumeratorContext[T]) NoMoreSplits(subtask int) error {
	if x.c.noMore[subtask] {
		return nil
	}
	x.c.noMore[subtask] = true
	b, err := encode(toReader{NoMore: true})
	if err != nil {
		return err
	}
	return x.c.ctx.Send(subtask, b)
}

func (x enumeratorContext[T]) SendEvent(subtask int, event []byte) error {
	b, err := encode(toReader{Event: event})
	if err != nil {
		return err
	}
	return x.c.ctx.Send(subtask, b)
}

func (x enumeratorContext[T]) Go(work func(ctx context.Context) error, done func(err error) error) {
	x.c.ctx.Go(func() error { return work(context.Background()) }, func(err error) error {
		if x.c.closed {
			return nil
		}
		return done(err)
	})
}

var errNoReader = errors.New("the source's reader is not open")
