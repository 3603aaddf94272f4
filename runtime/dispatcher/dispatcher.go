// Package dispatcher keeps the jobs of a cluster: it takes them in, gives each a JobMaster, and
// finds them again (R120, R138).
package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/graph"
	"goflink/internal/host"
	"goflink/runtime/assembly"
	"goflink/runtime/controlplane"
	"goflink/runtime/jobmaster"
	"goflink/runtime/leader"
	"goflink/runtime/metric"
)

// Options describes a Dispatcher.
type Options struct {
	Host host.Host
	// Config is the configuration of the cluster; that of a job goes on top.
	Config *config.Configuration
	// Files are the file systems for checkpoints and savepoints.
	Files *filesystem.Registry
	// Resources gives slots to jobs.
	Resources controlplane.ResourceManager
	// Epoch is that of this leader.
	Epoch   uint64
	Metrics *metric.Registry
	Logger  *slog.Logger
	// Trace hears the events of all jobs; nil if nobody listens.
	Trace func(j id.Job, event string)
	// Store keeps what outlives this leader; nil without high availability.
	Store *leader.Store
}

// Submission is a job on its way in.
type Submission struct {
	Graph *graph.JobGraph
	// Code has the operators' coordinators.
	Code *graph.Code
	// Execute is which call of Execute made the job, and Earlier what became of those before it.
	Execute int
	Earlier []controlplane.JobOutcome
	// Recorded is what earlier leaders have recorded of the job; nil if there is nothing.
	Recorded *leader.Job
}

// Dispatcher keeps the jobs of a cluster. It is safe for concurrent use.
type Dispatcher struct {
	o Options
	// recording are the results that are being recorded.
	recording sync.WaitGroup
	mu        struct {
		sync.Mutex
		jobs map[id.Job]*Job
		// order has the jobs as they came.
		order  []*Job
		closed error
	}
}

// Job is a job that was taken in. It is immutable.
type Job struct {
	Submission
	// Config is what the job runs with: the cluster's configuration and its own.
	Config *config.Configuration
	Master *jobmaster.Master
	// Submitted is when it came.
	Submitted time.Time
}

// ErrClosed is in the chain of the errors of submissions that come after Close.
var ErrClosed = errors.New("the cluster is shut down")

// New returns a Dispatcher without jobs.
func New(o Options) *Dispatcher {
	d := &Dispatcher{o: o}
	d.mu.jobs = map[id.Job]*Job{}
	return d
}

// Config is the configuration that a job runs with.
func (d *Dispatcher) config(j *graph.JobGraph) *config.Configuration {
	conf := d.o.Config.Clone()
	conf.Merge(config.FromMap(j.Config, "the job"))
	return conf
}

// Assembly says what the services of a job on this cluster stand on.
func (d *Dispatcher) Assembly(j *graph.JobGraph) assembly.Options {
	return assembly.Options{Config: d.config(j), Files: d.o.Files, Epoch: d.o.Epoch,
		Random: d.o.Host.Random}
}

// Submit starts a job. It returns when the job is accepted; an error says what is wrong with it.
func (d *Dispatcher) Submit(s Submission) (jobmaster.Client, error) {
	a := d.Assembly(s.Graph)
	checkpoints, err := assembly.Checkpoints(s.Graph.ID, a)
	if err != nil {
		return jobmaster.Client{}, err
	}
	if err := d.record(&s, checkpoints); err != nil {
		return jobmaster.Client{}, err
	}
	o := jobmaster.Options{Host: d.o.Host, Job: s.Graph, Code: s.Code, Config: a.Config,
		Resources: d.o.Resources, Checkpoints: checkpoints,
		Metrics: d.o.Metrics.Group("jobmanager", s.Graph.ID.String()),
		Logger:  d.o.Logger.With("job", s.Graph.Name)}
	if d.o.Trace != nil {
		o.Trace = func(event string) { d.o.Trace(s.Graph.ID, event) }
	}
	var master *jobmaster.Master
	o.Ended = func() { d.ended(master) }
	if master, err = jobmaster.New(o); err != nil {
		return jobmaster.Client{}, err
	}
	if err := d.add(&Job{Submission: s, Config: a.Config, Master: master,
		Submitted: d.o.Host.Now()}); err != nil {
		return jobmaster.Client{}, err
	}
	master.Start()
	return master.Client(), nil
}

func (d *Dispatcher) add(j *Job) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.closed != nil {
		return d.mu.closed
	}
	if d.mu.jobs[j.Graph.ID] != nil {
		return fmt.Errorf("job %s was submitted already", j.Graph.ID)
	}
	d.mu.jobs[j.Graph.ID] = j
	d.mu.order = append(d.mu.order, j)
	return nil
}

// Job finds a job; nil if there is none.
func (d *Dispatcher) Job(j id.Job) *Job {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.jobs[j]
}

// Jobs returns all jobs, in the order of their submission.
func (d *Dispatcher) Jobs() []*Job {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.mu.order)
}

// Master returns the JobMaster of a job, or nil.
func (d *Dispatcher) Master(j id.Job) *jobmaster.Master {
	if found := d.Job(j); found != nil {
		return found.Master
	}
	return nil
}

// Describe says what a worker must know of a job.
func (d *Dispatcher) Describe(j id.Job) (*controlplane.JobDescription, error) {
	found := d.Job(j)
	if found == nil {
		return nil, fmt.Errorf("job %s is not known", j)
	}
	b, err := found.Graph.Encode()
	return &controlplane.JobDescription{Graph: b, Config: found.Config.Entries(),
		Execute: found.Execute, Earlier: found.Earlier}, err
}

// WorkerLost tells all jobs that a TaskManager is lost.
func (d *Dispatcher) WorkerLost(w id.Worker, cause error) {
	info := failure.InfoOf(cause)
	for _, j := range d.Jobs() {
		j.Master.Disconnected(w, info)
	}
}

// Close accepts no more jobs, cancels those that run and waits for their end, or for that of ctx.
// It must not be called under simulation.
func (d *Dispatcher) Close(ctx context.Context) error {
	d.mu.Lock()
	d.mu.closed = ErrClosed
	d.mu.Unlock()
	jobs := d.Jobs()
	for _, j := range jobs {
		if err := j.Master.Client().Cancel(ctx); err != nil {
			return err
		}
	}
	for _, j := range jobs {
		select {
		case <-j.Master.Done():
		case <-ctx.Done():
			return fmt.Errorf("job %s has not ended: %w", j.Graph.ID, ctx.Err())
		}
	}
	d.recording.Wait()
	return nil
}

// Suspend accepts no more jobs and gives those that run up to the next leader: they are not
// cancelled, and their checkpoints stay (R150). It returns when nothing is done for them any more,
// or ctx has ended. It must not be called under simulation.
func (d *Dispatcher) Suspend(ctx context.Context, cause error) error {
	d.mu.Lock()
	d.mu.closed = ErrClosed
	d.mu.Unlock()
	jobs := d.Jobs()
	for _, j := range jobs {
		j.Master.Suspend(cause)
	}
	for _, j := range jobs {
		select {
		case <-j.Master.Done():
		case <-ctx.Done():
			return fmt.Errorf("job %s is not suspended: %w", j.Graph.ID, ctx.Err())
		}
	}
	d.recording.Wait()
	return nil
}
