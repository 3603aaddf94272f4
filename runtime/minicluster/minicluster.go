// Package minicluster is a whole cluster in one process (R130, R131): a ResourceManager, a
// JobMaster per job and TaskManagers whose tasks are goroutines, or, on a simulated host, steps
// of one goroutine. Programs that are run without a cluster, and tests, run on it.
package minicluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/core/memory"
	"goflink/graph"
	"goflink/internal/host"
	"goflink/resourcemgr"
	"goflink/runtime/assembly"
	"goflink/runtime/controlplane"
	"goflink/runtime/dispatcher"
	"goflink/runtime/jobmaster"
	"goflink/runtime/metric"
	"goflink/runtime/taskmanager"
)

// Options describes a MiniCluster.
type Options struct {
	// Host runs everything; nil is the real one.
	Host host.Host
	// TaskManagers is the number of workers at the start.
	TaskManagers int
	// Slots is the number of slots of each worker.
	Slots  int
	Config *config.Configuration
	// Files are the file systems for checkpoints and savepoints.
	Files  *filesystem.Registry
	Logger *slog.Logger
	// Epoch numbers the cluster among those that run the same jobs one after the other.
	Epoch uint64
	// Trace hears the events of all jobs; nil if nobody listens.
	Trace func(j id.Job, event string)
}

// Cluster is a running MiniCluster. It is safe for concurrent use.
type Cluster struct {
	o       Options
	rm      *resourcemgr.Manager
	jobs    *dispatcher.Dispatcher
	metrics *metric.Registry
	memory  memory.TaskManagerMemory
	// shared connects the workers; forced says that they use exchanges of their own over the
	// network instead.
	shared *taskmanager.Exchange
	forced bool

	mu struct {
		sync.Mutex
		// tasks are what the tasks of each job share.
		tasks     map[id.Job]*taskmanager.Job
		exchanges []*taskmanager.Exchange
		// workers are those that are there, started counts all that ever were.
		workers []*taskmanager.TaskManager
		started int
	}
}

// New starts a cluster.
func New(o Options) (*Cluster, error) {
	if o.Host == nil {
		o.Host = host.Real{}
	}
	if o.Config == nil {
		o.Config = config.New()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Slots < 1 || o.TaskManagers < 0 {
		return nil, fmt.Errorf("a MiniCluster of %d TaskManagers with %d slots", o.TaskManagers,
			o.Slots)
	}
	mem, err := memory.TaskManager(o.Config)
	if err != nil {
		return nil, err
	}
	c := &Cluster{o: o, metrics: metric.NewRegistry(), memory: mem}
	c.rm, err = resourcemgr.New(resourcemgr.Options{Host: o.Host, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	if c.forced, err = config.Get(o.Config, config.NetworkForceRemoteExchange); err != nil {
		return nil, err
	}
	if c.shared, err = taskmanager.NewExchange(o.Host, o.Config); err != nil {
		return nil, err
	}
	c.mu.tasks = map[id.Job]*taskmanager.Job{}
	c.jobs = dispatcher.New(dispatcher.Options{Host: o.Host, Config: o.Config, Files: o.Files,
		Resources: c.rm, Epoch: o.Epoch, Metrics: c.metrics, Logger: o.Logger, Trace: o.Trace})
	for range o.TaskManagers {
		if _, err := c.AddTaskManager(); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// newExchange returns the exchange of a worker: all workers share one, unless tasks are forced to
// talk over the network; then each has its own.
func (c *Cluster) newExchange(name id.Worker) (*taskmanager.Exchange, error) {
	if !c.forced {
		return c.shared, nil
	}
	x, err := taskmanager.NewExchange(c.o.Host, c.o.Config)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("network exchange of %s: %w", name, err)
	}
	c.mu.Lock()
	c.mu.exchanges = append(c.mu.exchanges, x)
	c.mu.Unlock()
	return x, x.Listen(taskmanager.Network{Listener: l, Memory: c.memory, Forced: true,
		Logger: c.o.Logger.With("worker", name)})
}

// AddTaskManager starts a further worker.
func (c *Cluster) AddTaskManager() (*taskmanager.TaskManager, error) {
	c.mu.Lock()
	c.mu.started++
	name := id.Worker(fmt.Sprintf("taskmanager-%d", c.mu.started))
	c.mu.Unlock()
	x, err := c.newExchange(name)
	if err != nil {
		return nil, err
	}
	tm := taskmanager.New(taskmanager.Options{Host: c.o.Host, Worker: name, Slots: c.o.Slots,
		ManagedBytes: int64(c.memory.Managed), Jobs: c, Exchange: x,
		SlotFreed: func(a id.Allocation) { c.rm.SlotFreed(name, a) },
		Metrics:   c.metrics, Logger: c.o.Logger.With("worker", name)})
	c.mu.Lock()
	c.mu.workers = append(c.mu.workers, tm)
	c.mu.Unlock()
	return tm, c.rm.Register(inProcess{tm, c.rm})
}

// TaskManagers are the workers that are there.
func (c *Cluster) TaskManagers() []*taskmanager.TaskManager {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.mu.workers)
}

// KillTaskManager ends a worker as a crash would.
func (c *Cluster) KillTaskManager(tm *taskmanager.TaskManager, cause error) {
	c.mu.Lock()
	c.mu.workers = slices.DeleteFunc(c.mu.workers, func(w *taskmanager.TaskManager) bool {
		return w == tm
	})
	c.mu.Unlock()
	c.rm.Lost(tm.Worker(), cause)
	tm.Kill(cause)
}

// Metrics are the numbers of all components.
func (c *Cluster) Metrics() *metric.Registry { return c.metrics }

// Job finds what the tasks of a job share.
func (c *Cluster) Job(j id.Job) (*taskmanager.Job, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.mu.tasks[j]
	if t == nil {
		return nil, fmt.Errorf("job %s is not known", j)
	}
	return t, nil
}

// Master returns the JobMaster of a job, or nil.
func (c *Cluster) Master(j id.Job) *jobmaster.Master { return c.jobs.Master(j) }

// ErrClosed is in the chain of the error for jobs that come after Close.
var ErrClosed = dispatcher.ErrClosed

// Submit starts a job. It returns when the job is accepted; an error says what is wrong with it.
func (c *Cluster) Submit(_ context.Context, j *graph.JobGraph, code *graph.Code) (
	jobmaster.Client, error) {
	tasks, err := assembly.Tasks(j, code, c.jobs.Assembly(j))
	if err != nil {
		return jobmaster.Client{}, err
	}
	c.mu.Lock()
	if c.mu.tasks[j.ID] == nil {
		c.mu.tasks[j.ID] = tasks
	}
	c.mu.Unlock()
	return c.jobs.Submit(dispatcher.Submission{Graph: j, Code: code})
}

// Close cancels all jobs and waits until nothing of the cluster runs. Not under simulation.
func (c *Cluster) Close() error {
	if err := c.jobs.Close(context.Background()); err != nil {
		return err
	}
	for _, tm := range c.TaskManagers() {
		tm.Close()
		tm.Wait()
	}
	if err := c.rm.Close(); err != nil {
		return err
	}
	c.mu.Lock()
	exchanges := append(c.mu.exchanges, c.shared)
	c.mu.Unlock()
	var errs []error
	for _, x := range exchanges {
		errs = append(errs, x.Close())
	}
	return errors.Join(errs...)
}

// inProcess is a worker of this process as the ResourceManager sees it. No driver has started it,
// so there is nothing to be told to end.
type inProcess struct {
	*taskmanager.TaskManager
	rm *resourcemgr.Manager
}

// Registration says what the worker has.
func (w inProcess) Registration() controlplane.Registration {
	return controlplane.Registration{Worker: w.Worker(), Slots: w.Slots(),
		DataAddress: w.DataAddress()}
}

// Allocate gives a slot to a job, to whose master it is offered.
func (w inProcess) Allocate(index int, a id.Allocation, j id.Job, m controlplane.JobMaster) {
	if err := w.TaskManager.Allocate(index, a, j, m); err != nil {
		w.rm.SlotFreed(w.Worker(), a)
	}
}

// Shutdown does nothing: Close ends the workers.
func (w inProcess) Shutdown(string) {}
