package entrypoint

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/datastream"
	"goflink/graph"
	"goflink/runtime/controlplane"
)

// rebuild runs a program again, up to the call of Execute that made a job, and returns the job's
// code. It is how the code of a job comes into a process: no function is ever serialised. What the
// program then has built must be the same, by its fingerprint.
//
// The program is left at that call: its goroutine ends there, with its deferred calls.
func rebuild(ctx context.Context, program Program, args []string, d *controlplane.JobDescription,
	files *filesystem.Registry) (*graph.JobGraph, *graph.Code, error) {
	want, err := graph.Decode(d.Graph)
	if err != nil {
		return nil, nil, err
	}
	r := &rebuilder{execute: d.Execute, earlier: d.Earlier}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	env := datastream.New(ctx, datastream.Options{Executor: r, Files: files,
		Config: config.FromEntries(d.Config), Once: want.Once})
	ended := make(chan error, 1)
	go func() {
		// Without an error the program has left in Submit, or by itself.
		var err error
		defer func() { ended <- err }()
		err = callProgram(program, env, args)
	}()
	err = <-ended
	if r.job == nil {
		if err == nil {
			err = fmt.Errorf("the program has ended after %d calls of Execute", r.calls)
		}
		return nil, nil, fmt.Errorf("job %q cannot be built again from its program: %w; a program "+
			"must build the same job wherever it is run", want.Name, err)
	}
	if diff := graph.Differs(want, r.job); diff != "" {
		return nil, nil, fmt.Errorf("the program builds another job here than where %q was "+
			"submitted: %s; what a program builds must depend on nothing but its arguments, its "+
			"shipped files and its environment variables, and on values of Once", want.Name, diff)
	}
	return want, r.code, nil
}

// rebuilder is the executor of a program that is run again.
type rebuilder struct {
	execute int
	earlier []controlplane.JobOutcome
	calls   int
	job     *graph.JobGraph
	code    *graph.Code
}

// Submit replays the calls before the wanted one, at which the program is left.
func (r *rebuilder) Submit(_ context.Context, j *graph.JobGraph, code *graph.Code) (
	job.Client, error) {
	r.calls++
	if r.calls <= r.execute {
		if r.calls > len(r.earlier) {
			return nil, fmt.Errorf("what became of call %d of Execute is not known", r.calls)
		}
		return replayed{r.earlier[r.calls-1]}, nil
	}
	r.job, r.code = j, code
	runtime.Goexit()
	return nil, nil
}

// replayed is the client of a job that ran before, elsewhere.
type replayed struct{ o controlplane.JobOutcome }

var errReplayed = errors.New("the program is run again to build a later job; this one ran before " +
	"it, and only its result is known here")

func (r replayed) ID() id.Job { return r.o.Result.ID }

func (r replayed) Status(context.Context) (job.Status, error) {
	switch {
	case r.o.Failure != nil:
		return job.Failed, nil
	case r.o.Cancelled:
		return job.Canceled, nil
	}
	return job.Finished, nil
}

func (r replayed) Wait(context.Context) (job.Result, error) {
	switch {
	case r.o.Failure != nil:
		return r.o.Result, r.o.Failure.Err()
	case r.o.Cancelled:
		return r.o.Result, &job.CancelledError{ID: r.o.Result.ID}
	}
	return r.o.Result, nil
}

func (r replayed) Cancel(context.Context) error                      { return nil }
func (r replayed) Checkpoint(context.Context) (string, error)        { return "", errReplayed }
func (r replayed) Savepoint(context.Context, string) (string, error) { return "", errReplayed }
func (r replayed) Stop(context.Context, string, bool) (string, error) {
	return "", errReplayed
}
func (r replayed) Coordinate(context.Context, id.Operator, []byte) ([]byte, error) {
	return nil, errReplayed
}
