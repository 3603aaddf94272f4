package entrypoint

import (
	"context"
	"fmt"
	"sync"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/job"
	"goflink/graph"
	"goflink/runtime/minicluster"
)

// localExecutor runs jobs on a MiniCluster that the first job starts and close ends (R131).
type localExecutor struct {
	conf  *config.Configuration
	files *filesystem.Registry
	// executed is called for each job that is accepted.
	executed func()

	mu sync.Mutex
	c  *minicluster.Cluster
}

// Submit starts the job on a cluster with as many slots as the job needs.
func (x *localExecutor) Submit(ctx context.Context, j *graph.JobGraph, code *graph.Code) (
	job.Client, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.c == nil {
		c, err := startLocal(x.conf, x.files, j)
		if err != nil {
			return nil, err
		}
		x.c = c
	}
	client, err := x.c.Submit(ctx, j, code)
	if err != nil {
		return nil, fmt.Errorf("job %q: %w", j.Name, err)
	}
	x.executed()
	return cancelling{client}, nil
}

// cancelling is a client whose Wait cancels the job when its context ends, and waits for that.
type cancelling struct{ job.Client }

// Wait waits for the job's end.
func (c cancelling) Wait(ctx context.Context) (job.Result, error) {
	r, err := c.Client.Wait(ctx)
	if ctx.Err() == nil {
		return r, err
	}
	rest := context.WithoutCancel(ctx)
	if err := c.Cancel(rest); err != nil {
		return r, err
	}
	return c.Client.Wait(rest)
}

// startLocal starts a MiniCluster: TaskManagers with the configured number of slots, or with as
// many as the job needs.
func startLocal(conf *config.Configuration, files *filesystem.Registry,
	j *graph.JobGraph) (*minicluster.Cluster, error) {
	slots, set, err := config.Lookup(conf, config.TaskManagerNumberOfTaskSlots)
	if err != nil {
		return nil, err
	}
	if !set {
		groups := map[string]int{}
		for i := range j.Vertices {
			v := &j.Vertices[i]
			groups[v.SlotSharingGroup] = max(groups[v.SlotSharingGroup], v.Parallelism)
		}
		slots = 0
		for _, n := range groups {
			slots += n
		}
	}
	tms, err := config.Get(conf, config.MiniClusterNumberOfTaskManagers)
	if err != nil {
		return nil, err
	}
	if !set {
		slots = max(1, (slots+tms-1)/tms)
	}
	return minicluster.New(minicluster.Options{TaskManagers: tms, Slots: slots, Config: conf,
		Files: files, Epoch: 1})
}

// close ends the cluster with all that still runs on it.
func (x *localExecutor) close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.c == nil {
		return nil
	}
	return x.c.Close()
}
