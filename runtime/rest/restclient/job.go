package restclient

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"goflink/core/id"
	"goflink/core/job"
	"goflink/runtime/rest/message"
)

// Job is the client of a job of a cluster. It is safe for concurrent use.
type Job struct {
	c  *Client
	id id.Job
}

var _ job.Client = (*Job)(nil)

// Job returns the client of a job. Whether there is such a job turns out with the first call.
func (c *Client) Job(j id.Job) *Job { return &Job{c: c, id: j} }

func jobPath(j id.Job) string { return "/jobs/" + j.String() }

// ID is the job's id.
func (j *Job) ID() id.Job { return j.id }

// Status is the job's state now.
func (j *Job) Status(ctx context.Context) (job.Status, error) {
	var s message.JobStatus
	err := j.c.call(ctx, http.MethodGet, jobPath(j.id)+"/status", nil, &s)
	return s.Status, err
}

// Wait waits for the job's end. An error that is no [*UnreachableError] and no [*StatusError] says
// why the job failed, or that it was cancelled.
func (j *Job) Wait(ctx context.Context) (job.Result, error) {
	e, err := poll(ctx, j.c, jobPath(j.id)+"/execution-result",
		func(e *message.Execution) bool { return e.Status.ID == message.Completed })
	if err != nil {
		return job.Result{}, err
	}
	if e.Result == nil {
		return job.Result{}, fmt.Errorf("job %s has ended, but its JobManager says not how", j.id)
	}
	return outcome(e.Result)
}

// outcome is a result as job.Client has it.
func outcome(r *message.JobResult) (job.Result, error) {
	result := job.Result{ID: r.ID, Name: r.Name, Runtime: r.Runtime.Duration(),
		Restarts: r.Restarts, Accumulators: map[string]any{}}
	for name, a := range r.Accumulators {
		v, err := a.Get()
		if err != nil {
			return result, fmt.Errorf("accumulator %q of job %s: %w", name, r.ID, err)
		}
		result.Accumulators[name] = v
	}
	if err := r.Failure.Err(); err != nil {
		return result, err
	}
	switch r.Application {
	case message.Succeeded:
		return result, nil
	case message.Canceled:
		return result, &job.CancelledError{ID: r.ID}
	}
	return result, fmt.Errorf("job %s ended as %s", r.ID, r.Application)
}

// Cancel asks the job to end; Wait tells when it has.
func (j *Job) Cancel(ctx context.Context) error { return j.c.Cancel(ctx, j.id) }

// Checkpoint takes a checkpoint now and returns its path.
func (j *Job) Checkpoint(ctx context.Context) (string, error) {
	t := message.NewTrigger()
	return j.operate(ctx, "/checkpoints", "/checkpoints", t, message.CheckpointRequest{Trigger: &t})
}

// Savepoint takes a savepoint below target and returns its path.
func (j *Job) Savepoint(ctx context.Context, target string) (string, error) {
	t := message.NewTrigger()
	return j.operate(ctx, "/savepoints", "/savepoints", t,
		message.SavepointRequest{Target: target, Trigger: &t})
}

// Stop takes a savepoint and ends the job with it; it returns once the job has ended.
func (j *Job) Stop(ctx context.Context, target string, drain bool) (string, error) {
	t := message.NewTrigger()
	return j.operate(ctx, "/stop", "/savepoints", t,
		message.StopRequest{Target: target, Drain: drain, Trigger: &t})
}

// operate begins an operation and waits for what comes of it.
func (j *Job) operate(ctx context.Context, begin, find string, t message.Trigger, body any) (
	string, error) {
	path := jobPath(j.id)
	if err := j.c.call(ctx, http.MethodPost, path+begin, body, nil); err != nil {
		return "", err
	}
	o, err := j.c.await(ctx, path+find+"/"+t.String())
	return o.Location, err
}

// Coordinate sends a request to the coordinator of an operator and returns its answer.
func (j *Job) Coordinate(ctx context.Context, op id.Operator, request []byte) ([]byte, error) {
	var answer message.CoordinationResponse
	err := j.c.call(ctx, http.MethodPost, jobPath(j.id)+"/coordinators/"+op.String(),
		message.CoordinationRequest{Request: request}, &answer)
	return answer.Result, err
}

// await waits for the end of an operation.
func (c *Client) await(ctx context.Context, path string) (message.Operation, error) {
	p, err := poll(ctx, c, path,
		func(p *message.Progress) bool { return p.Status.ID == message.Completed })
	switch {
	case ctx.Err() != nil && err != nil:
		return message.Operation{}, fmt.Errorf("%w; the operation goes on as %s", err, path)
	case err != nil:
		return message.Operation{}, err
	case p.Operation == nil:
		return message.Operation{}, nil
	}
	return *p.Operation, p.Operation.Failure.Err()
}

// poll asks for something, again and again, until it is ready. It bears a JobManager that is away
// for a while.
func poll[T any](ctx context.Context, c *Client, path string, ready func(*T) bool) (T, error) {
	wait, failures := c.o.FirstPoll, 0
	for {
		var v T
		err := c.call(ctx, http.MethodGet, path, nil, &v)
		pause := wait
		switch {
		case err == nil && ready(&v):
			return v, nil
		case err == nil:
			failures = 0
			wait = min(2*wait, c.o.LongestPoll)
		default:
			failures++
			if !transient(err) || failures >= c.attempts {
				return v, err
			}
			pause = c.delay
		}
		if err := sleep(ctx, pause); err != nil {
			return v, err
		}
	}
}

// sleep waits, or returns the error of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
