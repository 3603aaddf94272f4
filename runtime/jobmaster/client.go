package jobmaster

import (
	"context"

	"goflink/core/id"
	"goflink/core/job"
	"goflink/runtime/execgraph"
	"goflink/runtime/scheduling"
)

// Client is the client of a job whose master is in this process.
type Client struct{ m *Master }

var _ job.Client = Client{}

// Client returns a client of the job.
func (m *Master) Client() Client { return Client{m} }

// ID is the job's id.
func (c Client) ID() id.Job { return c.m.o.Job.ID }

// Status is the job's state.
func (c Client) Status(ctx context.Context) (job.Status, error) {
	return call(ctx, c.m, func() (job.Status, error) {
		return job.Status(c.m.graph.Status().String()), nil
	})
}

// Wait waits for the job's end.
func (c Client) Wait(ctx context.Context) (job.Result, error) {
	done := make(chan struct{})
	c.m.actor.Post(func() {
		if c.m.finished {
			close(done)
			return
		}
		c.m.waiters = append(c.m.waiters, done)
	})
	select {
	case <-done:
	case <-c.m.actor.Done():
	case <-ctx.Done():
		return job.Result{}, ctx.Err()
	}
	return call(context.WithoutCancel(ctx), c.m, c.m.result)
}

// Cancel asks the job to end.
func (c Client) Cancel(context.Context) error {
	c.m.actor.Post(func() { c.m.schedule(scheduling.CancelJob{}) })
	return nil
}

// Coordinate asks the coordinator of an operator.
func (c Client) Coordinate(ctx context.Context, op id.Operator, request []byte) ([]byte, error) {
	return c.m.Coordinate(ctx, op, request)
}

// Task describes the current attempt of a subtask.
type Task struct {
	Vertex  int
	Subtask int
	Name    string
	State   execgraph.ExecutionState
	Attempt id.Attempt
	Worker  id.Worker
	// Prior counts earlier attempts, and Causes are why they failed, oldest first.
	Prior  int
	Causes []string
}

// Tasks describes the subtasks of the job, in order.
func (c Client) Tasks(ctx context.Context) ([]Task, error) {
	return call(ctx, c.m, func() ([]Task, error) {
		var ts []Task
		for i := range c.m.graph.Len() {
			v := c.m.graph.Subtask(execgraph.VertexIndex(i))
			e := v.Current()
			t := Task{Vertex: v.JobVertex().Index(), Subtask: int(v.Subtask()), Name: v.TaskName(),
				State: e.State(), Attempt: e.Attempt(), Worker: e.Slot().Worker,
				Prior: len(v.Prior())}
			for _, p := range v.Prior() {
				if f := p.Failure(); f != nil {
					t.Causes = append(t.Causes, f.Message)
				}
			}
			ts = append(ts, t)
		}
		return ts, nil
	})
}

// Exceptions are the job's latest failures.
func (c Client) Exceptions(ctx context.Context) ([]scheduling.Exception, error) {
	return call(ctx, c.m, func() ([]scheduling.Exception, error) {
		return c.m.scheduler.History(), nil
	})
}
