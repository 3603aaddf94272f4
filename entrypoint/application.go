package entrypoint

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"goflink/core/failure"
	"goflink/core/job"
	"goflink/graph"
	"goflink/runtime/controlplane"
	"goflink/runtime/dispatcher"
	"goflink/runtime/jobmaster"
)

// applicationExecutor runs the jobs of a program whose main function runs in the JobManager (R136).
type applicationExecutor struct {
	jobs *dispatcher.Dispatcher

	mu sync.Mutex
	// submitted are the jobs so far, in the order of the calls.
	submitted []jobmaster.Client
}

// Submit starts a job on the cluster.
func (x *applicationExecutor) Submit(ctx context.Context, j *graph.JobGraph, code *graph.Code) (
	job.Client, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := dispatcher.Submission{Graph: j, Code: code, Execute: len(x.submitted)}
	for _, c := range x.submitted {
		o, err := outcome(ctx, c)
		if err != nil {
			return nil, err
		}
		s.Earlier = append(s.Earlier, o)
	}
	c, err := x.jobs.Submit(s)
	if err != nil {
		return nil, fmt.Errorf("job %q: %w", j.Name, err)
	}
	x.submitted = append(x.submitted, c)
	return cancelling{c}, nil
}

// calls is the number of jobs that were submitted.
func (x *applicationExecutor) calls() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.submitted)
}

// outcome is what became of a job, for processes that run the program again.
func outcome(ctx context.Context, c jobmaster.Client) (o controlplane.JobOutcome, err error) {
	status, err := c.Status(ctx)
	if err != nil {
		return o, err
	}
	if !status.Terminal() {
		info := failure.InfoOf(fmt.Errorf("job %s had not ended when a later one was submitted",
			c.ID()))
		return controlplane.JobOutcome{Result: job.Result{ID: c.ID()}, Failure: &info}, nil
	}
	o.Result, err = c.Wait(ctx)
	var cancelled *job.CancelledError
	switch {
	case errors.As(err, &cancelled):
		o.Cancelled = true
	case err != nil:
		info := failure.InfoOf(err)
		o.Failure = &info
	}
	return o, nil
}
