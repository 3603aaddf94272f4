// Package jobview shows a job to the REST interface: it makes a rest.Job of a JobMaster in this
// process.
//
// A JobMaster does not say when a task changed its state, so the times of vertices and subtasks are
// not known here; those of the job itself are.
package jobview

import (
	"context"
	"errors"
	"fmt"
	"time"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/graph"
	"goflink/runtime/jobmaster"
	"goflink/runtime/metric"
	"goflink/runtime/rest"
	"goflink/runtime/rest/message"
)

// Metrics is where metrics are looked up by their full names; *metric.Registry is one.
type Metrics interface {
	// Value is a metric; false if there is none of that name.
	Value(name string) (float64, bool)
	// Values are all metrics whose names begin with a prefix.
	Values(prefix string) []metric.Value
}

// Options describes a job.
type Options struct {
	Master *jobmaster.Master
	Graph  *graph.JobGraph
	// Config is what the job runs with: the cluster's configuration and its own.
	Config *config.Configuration
	// Metrics has those of the job, and of its tasks as far as they are in this process.
	Metrics Metrics
	// Started is when the job was submitted.
	Started time.Time
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	// Endpoint is where a worker is, for users; nil: its id.
	Endpoint func(id.Worker) string
}

// View is a job as the REST interface shows it. It is safe for concurrent use.
type View struct {
	o Options
	c jobmaster.Client
}

var _ rest.Job = (*View)(nil)

// New returns the view of a job.
func New(o Options) *View {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Endpoint == nil {
		o.Endpoint = func(w id.Worker) string { return string(w) }
	}
	return &View{o: o, c: o.Master.Client()}
}

// ID is the job's id.
func (v *View) ID() id.Job { return v.o.Graph.ID }

// Status is its state.
func (v *View) Status(ctx context.Context) (job.Status, error) { return v.c.Status(ctx) }

// ended reports whether the master has nothing more to do.
func (v *View) ended() bool {
	select {
	case <-v.o.Master.Done():
		return true
	default:
		return false
	}
}

// Result is how the job ended; false while it has not.
func (v *View) Result(ctx context.Context) (message.JobResult, bool, error) {
	if !v.ended() {
		return message.JobResult{}, false, nil
	}
	state, err := v.Status(ctx)
	if err != nil {
		return message.JobResult{}, false, err
	}
	result, failed := v.c.Wait(ctx)
	r := message.JobResult{ID: v.ID(), Name: v.o.Graph.Name, State: state,
		Application: application(state), Runtime: message.Lasting(result.Runtime),
		Restarts: result.Restarts}
	if r.Accumulators, err = shown(result.Accumulators); err != nil {
		return r, true, err
	}
	var cancelled *job.CancelledError
	if failed != nil && !errors.As(failed, &cancelled) {
		r.Failure = message.NewCause(failure.InfoOf(failed))
	}
	return r, true, nil
}

func application(s job.Status) string {
	switch s {
	case job.Finished:
		return message.Succeeded
	case job.Failed:
		return message.Failed
	case job.Canceled:
		return message.Canceled
	}
	return message.Unknown
}

func shown(values map[string]any) (map[string]message.Accumulator, error) {
	all := map[string]message.Accumulator{}
	for name, value := range values {
		a, err := message.NewAccumulator(value)
		if err != nil {
			return nil, fmt.Errorf("accumulator %q: %w", name, err)
		}
		all[name] = a
	}
	return all, nil
}

// Accumulators are those of a job that has ended; a JobMaster has no others.
func (v *View) Accumulators(ctx context.Context) (map[string]message.Accumulator, error) {
	r, _, err := v.Result(ctx)
	return r.Accumulators, err
}

// Metrics are the job's own metrics, without their scope. A job that has ended has none.
func (v *View) Metrics(context.Context) ([]metric.Value, error) {
	scope := "jobmanager." + v.ID().String() + "."
	values := v.o.Metrics.Values(scope)
	for i := range values {
		values[i].Name = values[i].Name[len(scope):]
	}
	return values, nil
}

// Cancel asks the job to end.
func (v *View) Cancel(ctx context.Context) error { return v.c.Cancel(ctx) }

// Savepoint takes a savepoint below target, or below the configured directory.
func (v *View) Savepoint(ctx context.Context, target string) (string, error) {
	return v.c.Savepoint(ctx, target)
}

// Stop takes a savepoint and ends the job with it.
func (v *View) Stop(ctx context.Context, target string, drain bool) (string, error) {
	return v.c.Stop(ctx, target, drain)
}

// Coordinate sends a request to the coordinator of an operator.
func (v *View) Coordinate(ctx context.Context, op id.Operator, request []byte) ([]byte, error) {
	for i := range v.o.Graph.Vertices {
		nodes := v.o.Graph.Vertices[i].Nodes
		for k := range nodes {
			if nodes[k].Operator == op && nodes[k].Coordinated {
				return v.c.Coordinate(ctx, op, request)
			}
		}
	}
	return nil, &rest.NotFoundError{What: "a coordinator of operator", ID: op.String(),
		In: "job " + v.ID().String()}
}
