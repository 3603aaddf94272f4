package reading

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"goflink/core/source"
	"goflink/operator"
)

// MaxHeldMessages bounds the messages that wait for one reader to run.
const MaxHeldMessages = 10_000

// Coordinator returns the factory of a source's part on the JobMaster: it runs the enumerator,
// and gives back to it the splits that a failed reader had got since the checkpoint that it is
// reset to.
func Coordinator[T any](src source.Source[T]) operator.CoordinatorFactory {
	return func(ctx operator.CoordinatorContext) (operator.Coordinator, error) {
		return &coordinator[T]{src: src, ctx: ctx, readers: map[int]*readerState{}}, nil
	}
}

// coordinator runs one enumerator after the other: each Restore makes a new one.
type coordinator[T any] struct {
	src     source.Source[T]
	ctx     operator.CoordinatorContext
	e       source.Enumerator
	x       *enumeratorContext[T]
	started bool
	readers map[int]*readerState
	// snapshot is the latest checkpoint of which Snapshot was called.
	snapshot uint64
}

// readerState is what is known of the reader of one subtask.
type readerState struct {
	running bool
	noMore  bool
	// assigned are the splits that the reader got and that no completed checkpoint holds.
	assigned []assignment
	// out and in are the messages to and from a reader that is not known to run.
	out, in [][]byte
}

// assignment is splits that a reader got after the snapshot of checkpoint after: the reader's state
// of later checkpoints holds them, that of this one does not.
type assignment struct {
	after  uint64
	splits []source.Split
}

func _[T any](v *coordinator[T]) { var _ operator.Coordinator = v }

func (c *coordinator[T]) reader(subtask int) *readerState {
	r := c.readers[subtask]
	if r == nil {
		r = &readerState{}
		c.readers[subtask] = r
	}
	return r
}

// make replaces the enumerator; nothing that the old one began has an effect any more.
func (c *coordinator[T]) make(state []byte) (err error) {
	if err := c.Close(); err != nil {
		return err
	}
	x := &enumeratorContext[T]{c: c}
	x.ctx, x.cancel = context.WithCancel(context.Background())
	if c.e, err = c.src.NewEnumerator(x, state); err != nil {
		x.cancel()
		c.e = nil
		return err
	}
	c.x = x
	return nil
}

// Start starts the enumerator.
func (c *coordinator[T]) Start() error {
	c.started = true
	if c.e == nil {
		if err := c.make(nil); err != nil {
			return err
		}
	}
	return c.e.Start()
}

// Restore makes a new enumerator from a checkpoint. The readers are told anew.
func (c *coordinator[T]) Restore(checkpoint uint64, state []byte) error {
	clear(c.readers)
	c.snapshot = checkpoint
	if state != nil {
		n, k := binary.Uvarint(state)
		if k <= 0 || n != stateVersion {
			return fmt.Errorf("the enumerator's state has version %d, want %d", n, stateVersion)
		}
		// Not nil, even if empty: nil would begin anew.
		state = state[k:len(state):len(state)]
	}
	if err := c.make(state); err != nil {
		return err
	}
	if c.started {
		return c.e.Start()
	}
	return nil
}

const stateVersion = 1

// Snapshot returns the enumerator's state.
func (c *coordinator[T]) Snapshot(checkpoint uint64) ([]byte, error) {
	if c.e == nil {
		return nil, errors.New("the source's enumerator is not running")
	}
	b, err := c.e.Snapshot(checkpoint)
	if err != nil {
		return nil, err
	}
	c.snapshot = checkpoint
	return append(binary.AppendUvarint(nil, stateVersion), b...), nil
}

// CheckpointComplete forgets the splits that the readers' state holds.
func (c *coordinator[T]) CheckpointComplete(checkpoint uint64) error {
	for _, r := range c.readers {
		r.assigned = slices.DeleteFunc(r.assigned,
			func(a assignment) bool { return a.after < checkpoint })
	}
	return nil
}

// SubtaskReady hands over what was held for the reader.
func (c *coordinator[T]) SubtaskReady(subtask, attempt int) error {
	r := c.reader(subtask)
	r.running = true
	if c.e == nil {
		return nil // a restore failed, and with it the job
	}
	out, in := r.out, r.in
	r.out, r.in = nil, nil
	for _, m := range out {
		if err := c.ctx.Send(subtask, m); err != nil {
			return err
		}
	}
	if err := c.e.ReaderAdded(subtask); err != nil {
		return err
	}
	for _, m := range in {
		if err := c.Event(subtask, attempt, m); err != nil {
			return err
		}
	}
	return nil
}

// SubtaskFailed notes that the reader does not run.
func (c *coordinator[T]) SubtaskFailed(subtask, _ int) error {
	r := c.reader(subtask)
	r.running, r.in = false, nil
	return nil
}

// SubtaskReset gives back what the reader got after the checkpoint that it begins with again.
func (c *coordinator[T]) SubtaskReset(subtask int, checkpoint uint64) error {
	r := c.reader(subtask)
	var back []source.Split
	kept := r.assigned[:0]
	for _, a := range r.assigned {
		if a.after >= checkpoint {
			back = append(back, a.splits...)
		} else {
			kept = append(kept, a)
		}
	}
	*r = readerState{assigned: kept}
	if len(back) == 0 || c.e == nil {
		return nil
	}
	return c.e.AddBack(subtask, back)
}

// Event takes a request or an event of a reader.
func (c *coordinator[T]) Event(subtask, _ int, event []byte) error {
	if r := c.reader(subtask); !r.running {
		if len(r.in) >= MaxHeldMessages {
			return fmt.Errorf("reader %d sent %d events before it ran", subtask, len(r.in))
		}
		r.in = append(r.in, event)
		return nil
	}
	m, err := decode[toCoordinator](event)
	switch {
	case err != nil || c.e == nil:
		return err
	case m.RequestSplit:
		return c.e.RequestSplit(subtask, m.Host)
	}
	return c.e.ReaderEvent(subtask, m.Event)
}

// Close closes the enumerator.
func (c *coordinator[T]) Close() error {
	if c.e == nil {
		return nil
	}
	e := c.e
	c.e = nil
	c.x.over = true
	c.x.cancel()
	return e.Close()
}

// send sends a message to a reader, or keeps it until the reader runs.
func (c *coordinator[T]) send(subtask int, m toReader) error {
	b, err := encode(m)
	if err != nil {
		return err
	}
	r := c.reader(subtask)
	if r.running {
		return c.ctx.Send(subtask, b)
	}
	if len(r.out) >= MaxHeldMessages {
		return fmt.Errorf("%d messages wait for reader %d, which does not run", len(r.out), subtask)
	}
	r.out = append(r.out, b)
	return nil
}

// enumeratorContext belongs to one enumerator.
type enumeratorContext[T any] struct {
	c      *coordinator[T]
	ctx    context.Context
	cancel context.CancelFunc
	over   bool
}

func _[T any](v *enumeratorContext[T]) { var _ source.EnumeratorContext = v }

var errOver = errors.New("the enumerator has been closed")

// check refuses subtasks that there are not, and calls of an enumerator that was replaced.
func (x *enumeratorContext[T]) check(subtask int) error {
	if x.over {
		return errOver
	}
	if n := x.Parallelism(); subtask < 0 || subtask >= n {
		return fmt.Errorf("there is no reader %d: the source's parallelism is %d", subtask, n)
	}
	return nil
}

// Parallelism is the number of readers.
func (x *enumeratorContext[T]) Parallelism() int { return x.c.ctx.Info().Parallelism }

// Assign hands splits to a reader. One that has just failed gets them when it is back, or they are
// given back by AddBack.
func (x *enumeratorContext[T]) Assign(subtask int, splits []source.Split) error {
	if err := x.check(subtask); err != nil {
		return err
	}
	r := x.c.reader(subtask)
	if r.noMore {
		return fmt.Errorf("the enumerator assigns splits to reader %d, which it has told that "+
			"there are no more: the reader may have ended, and would not read them", subtask)
	}
	r.assigned = append(r.assigned, assignment{x.c.snapshot, splits})
	for part := range slices.Chunk(splits, MaxSplitsPerEvent) {
		if err := x.c.send(subtask, toReader{Splits: part}); err != nil {
			return err
		}
	}
	return nil
}

// NoMoreSplits tells a reader, once, that it will get no further split.
func (x *enumeratorContext[T]) NoMoreSplits(subtask int) error {
	if err := x.check(subtask); err != nil {
		return err
	}
	r := x.c.reader(subtask)
	if r.noMore {
		return nil
	}
	r.noMore = true
	return x.c.send(subtask, toReader{NoMore: true})
}

// SendEvent sends an event to a reader.
func (x *enumeratorContext[T]) SendEvent(subtask int, event []byte) error {
	if err := x.check(subtask); err != nil {
		return err
	}
	return x.c.send(subtask, toReader{Event: event})
}

// Go runs work elsewhere and then done in the enumerator's goroutine.
func (x *enumeratorContext[T]) Go(work func(ctx context.Context) error,
	done func(err error) error) {
	x.c.ctx.Go(func() error { return work(x.ctx) }, func(err error) error {
		if x.over {
			return nil
		}
		return done(err)
	})
}

var errNoReader = errors.New("the source's reader is not open")
