package writing

import (
	"goflink/core/sink"
	"goflink/core/state"
	"goflink/operator"
)

// sinkContext is what a sink knows of its place. Its sequence is operator state that every subtask
// gets of all, so that numbers are not given twice when subtasks come and go.
type sinkContext struct {
	rt    operator.Runtime
	next  uint64
	state state.OperatorList[uint64]
}

var _ sink.Context = (*sinkContext)(nil)

var sequenceState = state.ListOf[uint64]("sequence")

func newSinkContext(rt operator.Runtime) (*sinkContext, error) {
	l, err := state.OpenUnionList(rt.OperatorState(), sequenceState)
	if err != nil {
		return nil, err
	}
	c := &sinkContext{rt: rt, state: l}
	for _, n := range l.Get() {
		c.next = max(c.next, n)
	}
	return c, nil
}

func (c *sinkContext) Subtask() int     { return c.rt.Info().Subtask }
func (c *sinkContext) Parallelism() int { return c.rt.Info().Parallelism }
func (c *sinkContext) Attempt() int     { return int(c.rt.Info().Attempt.Number) }
func (c *sinkContext) Job() string      { return c.rt.Info().Job.String() }
func (c *sinkContext) Now() int64       { return c.rt.Now() }

func (c *sinkContext) Sequence() uint64 {
	c.next++
	return c.next - 1
}

// save brings the state up to date.
func (c *sinkContext) save() { c.state.Put([]uint64{c.next}) }

// failTask fails the task with an error of a snapshot, which by itself only declines the
// checkpoint: what was written is in doubt, and no later checkpoint may be built on it.
func failTask(rt operator.Runtime, err error) error {
	rt.Mail(func() error { return err })
	return err
}
