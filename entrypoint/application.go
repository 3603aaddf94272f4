package entrypoint

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"

	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/graph"
	"goflink/runtime/controlplane"
	"goflink/runtime/dispatcher"
	"goflink/runtime/leader"
)

// applicationExecutor runs the jobs of a program whose main function runs in the JobManager (R136).
type applicationExecutor struct {
	jobs *dispatcher.Dispatcher
	// cluster is the cluster's id, and recorded are the jobs of earlier leaders; nil without high
	// availability.
	cluster  string
	recorded map[id.Job]*leader.Job
	// following makes the client that the program gets.
	following func(c job.Client) job.Client

	mu sync.Mutex
	// submitted are the jobs so far, in the order of the calls.
	submitted []job.Client
}

// Submit starts a job on the cluster.
func (x *applicationExecutor) Submit(ctx context.Context, j *graph.JobGraph, code *graph.Code) (
	job.Client, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := dispatcher.Submission{Graph: j, Code: code, Execute: len(x.submitted)}
	for i, c := range x.submitted {
		o, ended, err := dispatcher.Outcome(ctx, c)
		if err != nil {
			return nil, err
		}
		if !ended {
			info := failure.InfoOf(fmt.Errorf("job %d of the program had not ended when a later "+
				"one was submitted", i+1))
			o = controlplane.JobOutcome{Failure: &info}
		}
		s.Earlier = append(s.Earlier, o)
	}
	if x.recorded != nil {
		j.ID = applicationJob(x.cluster, s.Execute)
		if s.Recorded = x.recorded[j.ID]; s.Recorded != nil && s.Recorded.Ended {
			ended, err := replay(s.Recorded)
			if err == nil {
				x.submitted = append(x.submitted, ended)
			}
			return ended, err
		}
	}
	c, err := x.jobs.Submit(s)
	if err != nil {
		return nil, fmt.Errorf("job %q: %w", j.Name, err)
	}
	x.submitted = append(x.submitted, c)
	return x.following(c), nil
}

// applicationJob is the id of a program's n-th job: the same under each leader of the cluster,
// since the program is run again by each.
func applicationJob(cluster string, n int) (j id.Job) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", cluster, n))
	copy(j[:], sum[:])
	return j
}

// replay is the client of a job that has ended under an earlier leader.
func replay(r *leader.Job) (job.Client, error) {
	var o controlplane.JobOutcome
	if err := json.Unmarshal(r.Result, &o); err != nil {
		return nil, fmt.Errorf("the recorded result of job %s: %w", r.ID, err)
	}
	return replayed{o}, nil
}

// calls is the number of jobs that were submitted.
func (x *applicationExecutor) calls() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.submitted)
}
