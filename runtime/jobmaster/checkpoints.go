package jobmaster

import (
	"context"
	"errors"

	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/runtime/execgraph"
	"goflink/runtime/scheduling"
)

// CheckpointOptions says how a job's state is saved.
type CheckpointOptions struct{}

func (o *CheckpointOptions) enabled() bool { return o != nil }

// checkpoints is the job's checkpoint coordinator with what carries its effects out.
type checkpoints struct{ m *Master }

func newCheckpoints(m *Master, _ *CheckpointOptions) (*checkpoints, error) {
	return &checkpoints{m: m}, nil
}

func (c *checkpoints) restoreFirst() error {
	c.m.coordinators.startAll(c.m)
	return nil
}

func (c *checkpoints) tasksChanged([]scheduling.TaskChange)     {}
func (c *checkpoints) jobStateChanged(execgraph.JobStatus)      {}
func (c *checkpoints) close(_ execgraph.JobStatus, done func()) { done() }

// restoreTasks assigns the state that new attempts begin with.
func (m *Master) restoreTasks(e scheduling.TasksToRestore) {
	if e.Global {
		for _, c := range m.coordinators.list {
			c.guard("restore", func() error { return c.c.Restore(0, nil) })
		}
		return
	}
	m.coordinators.reset(m, e.Vertices, 0)
}

// AcknowledgeCheckpoint takes a task's part of a checkpoint.
func (m *Master) AcknowledgeCheckpoint(id.Attempt, uint64, statebackend.TaskSnapshot,
	statebackend.SnapshotMetrics) {
}

// DeclineCheckpoint takes the news that a task's part of a checkpoint will never come.
func (m *Master) DeclineCheckpoint(id.Attempt, uint64, failure.Info) {}

// WantsCheckpoint takes a task's wish for a checkpoint at its end.
func (m *Master) WantsCheckpoint(id.Attempt) {}

var errNotBuilt = errors.New("the job takes no checkpoints")

// Checkpoint takes a checkpoint now and returns its path.
func (c Client) Checkpoint(context.Context) (string, error) { return "", errNotBuilt }

// Savepoint takes a savepoint.
func (c Client) Savepoint(context.Context, string) (string, error) { return "", errNotBuilt }

// Stop takes a savepoint and ends the job with it.
func (c Client) Stop(context.Context, string, bool) (string, error) { return "", errNotBuilt }
