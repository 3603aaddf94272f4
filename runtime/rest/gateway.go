package rest

import (
	"context"
	"fmt"
	"io"

	"goflink/core/id"
	"goflink/core/job"
	"goflink/runtime/metric"
	"goflink/runtime/rest/message"
)

// Gateway is what a server answers from: a cluster. Its methods are called by many goroutines.
// A [*NotFoundError] in the chain of an error is a 404, a [*RefusedError] a 400; all else is a 500.
type Gateway interface {
	// Jobs are the jobs that are known, running or ended, in the order of their submission.
	Jobs(ctx context.Context) ([]Job, error)
	// Job finds a job.
	Job(ctx context.Context, j id.Job) (Job, error)
	// TaskManagers are the workers that are there.
	TaskManagers(ctx context.Context) ([]message.TaskManager, error)
	// TaskManager describes a worker.
	TaskManager(ctx context.Context, w id.Worker) (message.TaskManagerDetails, error)
	// Logs are the log files of a worker, or, where w is "", of the JobManager.
	Logs(ctx context.Context, w id.Worker) ([]message.Log, error)
	// OpenLog opens one of them; the name "" is the one that is being written. The server closes
	// it.
	OpenLog(ctx context.Context, w id.Worker, name string) (io.ReadCloser, error)
	// DisposeSavepoint deletes a savepoint.
	DisposeSavepoint(ctx context.Context, path string) error
	// ShutDown begins the end of the cluster. It does not wait for it.
	ShutDown(ctx context.Context) error
}

// Job is one job of a Gateway, running or ended.
type Job interface {
	JobView
	JobControl
	// ID is the job's id.
	ID() id.Job
}

// JobView is what can be seen of a job.
type JobView interface {
	// Status is its state.
	Status(ctx context.Context) (job.Status, error)
	// Summary is the job in a list, Details is all of it.
	Summary(ctx context.Context) (message.JobSummary, error)
	Details(ctx context.Context) (message.JobDetails, error)
	// Config is what the job was started with; the server masks secrets.
	Config(ctx context.Context) (message.JobConfig, error)
	// Vertex describes a vertex with its subtasks.
	Vertex(ctx context.Context, v id.Vertex) (message.VertexDetails, error)
	// Backpressure measures the backpressure of a vertex. It may take seconds.
	Backpressure(ctx context.Context, v id.Vertex) (message.Backpressure, error)
	// Exceptions are the latest failures, oldest first; truncated says that there were more.
	Exceptions(ctx context.Context) (all []message.Exception, truncated bool, err error)
	// Checkpoints is what is known of the job's checkpoints.
	Checkpoints(ctx context.Context) (message.Checkpoints, error)
	// CheckpointConfig is how checkpoints are taken.
	CheckpointConfig(ctx context.Context) (message.CheckpointConfig, error)
	// Accumulators are the merged values so far, as far as they are known, by name.
	Accumulators(ctx context.Context) (map[string]message.Accumulator, error)
	// Result is how the job ended; false while it has not.
	Result(ctx context.Context) (message.JobResult, bool, error)
	// Metrics are the job's own metrics, without their scope.
	Metrics(ctx context.Context) ([]metric.Value, error)
}

// JobControl is what can be done with a job. Only Cancel returns before it is done.
type JobControl interface {
	// Cancel asks the job to end.
	Cancel(ctx context.Context) error
	// Checkpoint takes a checkpoint.
	Checkpoint(ctx context.Context) (number uint64, path string, err error)
	// Savepoint takes a savepoint below target, or below the configured directory.
	Savepoint(ctx context.Context, target string) (path string, err error)
	// Stop takes a savepoint and ends the job with it.
	Stop(ctx context.Context, target string, drain bool) (path string, err error)
	// Coordinate sends a request to the coordinator of an operator.
	Coordinate(ctx context.Context, op id.Operator, request []byte) ([]byte, error)
}

// NotFoundError says that there is nothing of an id.
type NotFoundError struct {
	// What and ID are the kind of the thing and its id; In, if not empty, is where it was looked
	// for.
	What, ID, In string
}

// Error names the id.
func (e *NotFoundError) Error() string {
	if e.In != "" {
		return fmt.Sprintf("%s %s was not found in %s", e.What, e.ID, e.In)
	}
	return fmt.Sprintf("%s %s was not found", e.What, e.ID)
}

// RefusedError says that a request cannot be fulfilled as it was made.
type RefusedError struct{ Reason string }

// Error is the reason.
func (e *RefusedError) Error() string { return e.Reason }
