package entrypoint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/filesystem"
	"goflink/core/job"
	"goflink/datastream"
	"goflink/entrypoint/progress"
	"goflink/graph"
	"goflink/runtime/controlplane"
)

// TargetPerJob is the target whose jobs each run in a cluster of processes of this machine.
const TargetPerJob = "local-per-job"

// runClient is role client: the program's main function runs here, its jobs run on clusters.
func runClient(l *launch, program Program, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	x, err := newPerJobExecutor(l, args)
	if err == nil {
		env := datastream.New(ctx, datastream.Options{Executor: x, Config: l.config,
			Files: x.files})
		err = callProgram(program, env, args)
	}
	var cancelled *job.CancelledError
	switch {
	case err == nil:
		return ExitOK
	case ctx.Err() != nil && (errors.As(err, &cancelled) || errors.Is(err, context.Canceled)):
		return ExitCancelled
	}
	report(err)
	return ExitFailed
}

// perJobExecutor runs each job in a cluster of its own.
type perJobExecutor struct {
	l        *launch
	files    *filesystem.Registry
	args     []string
	artifact string
	// attached says that Execute waits for the job; cancel that its end cancels the job.
	attached, cancel bool

	mu       sync.Mutex
	outcomes []*controlplane.JobOutcome // nil while not known
}

func newPerJobExecutor(l *launch, args []string) (*perJobExecutor, error) {
	x := &perJobExecutor{l: l, args: args}
	var err error
	if x.files, err = newFiles(); err != nil {
		return nil, err
	}
	if x.attached, err = config.Get(l.config, config.ExecutionAttached); err != nil {
		return nil, err
	}
	x.cancel, err = config.Get(l.config, config.ExecutionShutdownOnAttachedExit)
	if err != nil {
		return nil, err
	}
	x.artifact, err = os.Executable()
	return x, err
}

// Submit starts a cluster for the job and returns once the job runs.
func (x *perJobExecutor) Submit(ctx context.Context, j *graph.JobGraph, _ *graph.Code) (
	job.Client, error) {
	d, err := x.describe(j)
	if err != nil {
		return nil, err
	}
	p := progress.Start(os.Stderr)
	defer p.End()
	c, err := DeployLocal(ctx, Deployment{Artifact: x.artifact, Program: x.l.Program, Args: x.args,
		Config: x.l.config, Mode: ModePerJob, Job: d, Attached: x.attached, Progress: p.Wait})
	if err != nil {
		return nil, fmt.Errorf("job %q: %w", j.Name, err)
	}
	if _, err = c.AwaitJob(ctx, p.Wait); err != nil {
		return nil, fmt.Errorf("job %q: %w", j.Name, err)
	}
	p.End()
	x.l.executed()
	// Scripts look for the job's id in this line, which is Flink's.
	fmt.Printf("Job has been submitted with JobID %s\n", j.ID)
	fmt.Fprintf(os.Stderr, "Cluster %s: REST interface http://%s, log files in %s\n", c.ID, c.REST,
		c.Home)
	remote, err := c.Client(x.l.config)
	if err != nil {
		return nil, err
	}
	client := &perJobClient{Client: remote.Job(j.ID), x: x, index: d.Execute, cluster: c,
		name: j.Name}
	return client, nil
}

// describe is what the JobManager must know of a job. It takes the job's number.
func (x *perJobExecutor) describe(j *graph.JobGraph) (*controlplane.JobDescription, error) {
	b, err := j.Encode()
	if err != nil {
		return nil, err
	}
	conf := x.l.config.Clone()
	conf.Merge(config.FromMap(j.Config, "the job"))
	x.mu.Lock()
	defer x.mu.Unlock()
	d := &controlplane.JobDescription{Graph: b, Config: conf.Entries(), Execute: len(x.outcomes)}
	for i, o := range x.outcomes {
		if o == nil {
			info := failure.InfoOf(fmt.Errorf("the result of job %d of the program was not known "+
				"when a later one was submitted", i+1))
			o = &controlplane.JobOutcome{Failure: &info}
		}
		d.Earlier = append(d.Earlier, *o)
	}
	x.outcomes = append(x.outcomes, nil)
	return d, nil
}

// perJobClient is the client of a job in a cluster of its own.
type perJobClient struct {
	job.Client
	x       *perJobExecutor
	index   int
	cluster *LocalCluster
	name    string
}

// Wait waits for the job's end, if the client is attached.
func (c *perJobClient) Wait(ctx context.Context) (job.Result, error) {
	if !c.x.attached {
		return job.Result{ID: c.ID(), Name: c.name}, nil
	}
	r, err := c.Client.Wait(ctx)
	if ctx.Err() != nil {
		return c.interrupted(ctx)
	}
	o := &controlplane.JobOutcome{Result: r}
	var cancelled *job.CancelledError
	switch {
	case errors.As(err, &cancelled):
		o.Cancelled = true
	case err != nil:
		info := failure.InfoOf(err)
		o.Failure = &info
	}
	c.x.mu.Lock()
	c.x.outcomes[c.index] = o
	c.x.mu.Unlock()
	return r, err
}

// interrupted is what happens when the user ends the client: the job goes on, unless it was to end
// with the client.
func (c *perJobClient) interrupted(ctx context.Context) (r job.Result, err error) {
	r = job.Result{ID: c.ID(), Name: c.name}
	if !c.x.cancel {
		fmt.Fprintf(os.Stderr, "The job goes on; cancel it with: cancel -D%s=%s %s\n",
			config.ClusterID.Key, c.cluster.ID, c.ID())
		return r, ctx.Err()
	}
	fmt.Fprintf(os.Stderr, "Cancelling job %s.\n", c.ID())
	rest := context.WithoutCancel(ctx)
	if err := c.Cancel(rest); err != nil {
		return r, err
	}
	return c.Client.Wait(rest)
}
