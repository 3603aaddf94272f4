// Package job holds what a client knows of a job: its status and its result.
package job

import (
	"context"
	"time"

	"goflink/core/id"
)

// Status is the state of a job, by its Flink name (R150).
type Status string

// The nine states of a job, and Initializing, before it has a JobMaster.
const (
	Initializing Status = "INITIALIZING"
	Created      Status = "CREATED"
	Running      Status = "RUNNING"
	Failing      Status = "FAILING"
	Failed       Status = "FAILED"
	Cancelling   Status = "CANCELLING"
	Canceled     Status = "CANCELED"
	Finished     Status = "FINISHED"
	Restarting   Status = "RESTARTING"
	Suspended    Status = "SUSPENDED"
)

// Terminal reports whether the job will never change its state again.
func (s Status) Terminal() bool { return s == Finished || s == Canceled || s == Failed }

// Result is the outcome of a job that ended in Finished.
type Result struct {
	ID   id.Job
	Name string
	// Runtime is from the job's start to its end.
	Runtime time.Duration
	// Accumulators are the merged values by name: int64, float64, []string or map[int64]int64.
	Accumulators map[string]any
	// Restarts counts how often the job, or a part of it, was restarted.
	Restarts int
}

// Client follows one submitted job (R131). It is safe for concurrent use.
type Client interface {
	// ID is the job's id.
	ID() id.Job
	// Status is the job's state now.
	Status(ctx context.Context) (Status, error)
	// Wait waits for the job's end: an error says why it failed or that it was cancelled.
	Wait(ctx context.Context) (Result, error)
	// Cancel asks the job to end; Wait tells when it has.
	Cancel(ctx context.Context) error
	// Checkpoint takes a checkpoint now and returns its path.
	Checkpoint(ctx context.Context) (string, error)
	// Savepoint takes a savepoint below target (or below the configured directory if it is empty)
	// and returns its path.
	Savepoint(ctx context.Context, target string) (string, error)
	// Stop takes a savepoint and ends the job with it; with drain, event time is first brought to
	// its end, so that all windows fire.
	Stop(ctx context.Context, target string, drain bool) (string, error)
	// Coordinate sends a request to the coordinator of an operator and returns its answer.
	Coordinate(ctx context.Context, operator id.Operator, request []byte) ([]byte, error)
}

// CancelledError is the error of Wait for a job that was cancelled.
type CancelledError struct{ ID id.Job }

// Error says which job was cancelled.
func (e *CancelledError) Error() string { return "job " + e.ID.String() + " was cancelled" }
