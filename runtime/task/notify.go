package task

import (
	"errors"
	"fmt"

	"goflink/core/id"
	"goflink/core/stream"
	"goflink/operator"
)

// CheckpointComplete tells the task that a checkpoint is durable. Any goroutine may call it.
func (t *Task) CheckpointComplete(checkpoint uint64) {
	t.post(func() error {
		if t.chain == nil {
			return nil
		}
		for _, n := range t.chain.nodes {
			if n.rt.keyed != nil {
				n.rt.keyed.CheckpointComplete(checkpoint)
			}
			if l, ok := n.op.(operator.CheckpointListener); ok {
				if err := l.CheckpointComplete(checkpoint); err != nil {
					return fmt.Errorf("operator %q: checkpoint %d: %w", n.spec.Name, checkpoint,
						err)
				}
			}
		}
		if f := t.snapshot.finalFrom; f != 0 && f <= checkpoint {
			t.snapshot.final = false
		}
		if t.snapshot.stop == checkpoint && t.ending != nil {
			t.ending.cut(len(t.chain.nodes))
		}
		if t.snapshot.stop <= checkpoint {
			t.snapshot.stop = 0 // an older one has failed
		}
		if t.ending != nil {
			if err := t.goOnFinishing(); err != nil {
				return err
			}
		}
		return t.stopAfter(checkpoint)
	})
}

// stopAfter ends a source that waited for the savepoint that stops the job.
func (t *Task) stopAfter(checkpoint uint64) error {
	if t.suspended == nil || t.suspended.Checkpoint != checkpoint {
		return t.maybeEnd()
	}
	drained := t.suspended.Savepoint == stream.DrainSavepoint
	t.suspended = nil
	if drained || t.finished || t.ending != nil {
		return t.maybeEnd()
	}
	return t.finish(false, nil)
}

// CheckpointAborted tells the task that a checkpoint will never be durable. Any goroutine may
// call it.
func (t *Task) CheckpointAborted(checkpoint uint64) {
	t.post(func() error {
		if t.chain == nil {
			return nil
		}
		t.snapshot.aborted = max(t.snapshot.aborted, checkpoint)
		if s := t.snapshot.find(checkpoint); s != nil {
			t.dropSnapshot(s)
		}
		for _, n := range t.chain.nodes {
			if n.rt.keyed != nil {
				n.rt.keyed.CheckpointAborted(checkpoint)
			}
			if l, ok := n.op.(operator.CheckpointListener); ok {
				if err := l.CheckpointAborted(checkpoint); err != nil {
					return fmt.Errorf("operator %q: checkpoint %d: %w", n.spec.Name, checkpoint,
						err)
				}
			}
		}
		return t.resumeAfter(checkpoint)
	})
}

// resumeAfter lets a source go on whose savepoint failed.
func (t *Task) resumeAfter(checkpoint uint64) error {
	if t.snapshot.stop == checkpoint {
		t.snapshot.stop = 0
	}
	if t.suspended == nil || t.suspended.Checkpoint != checkpoint {
		return t.maybeEnd()
	}
	if t.suspended.Savepoint == stream.DrainSavepoint {
		return errors.New("the savepoint that should have drained and stopped the job failed " +
			"after event time had been brought to its end; the task restarts from the last " +
			"checkpoint")
	}
	t.suspended = nil
	return nil
}

// CoordinatorEvent hands an event of its coordinator to an operator. Any goroutine may call it; the
// order of calls is kept. It returns false if the task has ended.
func (t *Task) CoordinatorEvent(op id.Operator, event []byte) bool {
	return t.post(func() error {
		if t.chain == nil {
			return errors.New("an event of a coordinator came before the task was open")
		}
		for _, n := range t.chain.nodes {
			if n.spec.Operator != op {
				continue
			}
			c, ok := n.op.(operator.CoordinatorClient)
			if !ok {
				return fmt.Errorf("operator %q takes no events of a coordinator", n.spec.Name)
			}
			return c.CoordinatorEvent(event)
		}
		return fmt.Errorf("an event came for operator %s, which is not in this task", op)
	})
}
