// Package assembly puts together what a job needs, by its configuration: the state backend and the
// checkpoint storage, at the JobMaster and on the workers.
package assembly

import (
	"context"
	"fmt"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/graph"
	"goflink/runtime/checkpoint/storage"
	"goflink/runtime/jobmaster"
	"goflink/runtime/memstate"
	"goflink/runtime/task"
	"goflink/runtime/taskmanager"
)

// Options is what the services of a job stand on.
type Options struct {
	// Config is the configuration of cluster and job.
	Config *config.Configuration
	Files  *filesystem.Registry
	// Epoch is that of the leader: the names of files carry it.
	Epoch uint64
	// Random draws numbers for the names of files.
	Random func() uint64
}

func (o *Options) storage(j id.Job) (*storage.Storage, error) {
	so, err := storage.FromConfig(o.Config, o.Files, j, o.Epoch)
	if err != nil {
		return nil, err
	}
	so.Random = o.Random
	return storage.New(so)
}

// Checkpoints says how the JobMaster of a job saves its state.
func Checkpoints(j id.Job, o Options) (*jobmaster.CheckpointOptions, error) {
	settings, err := config.ResolveCheckpointing(o.Config)
	if err != nil {
		return nil, err
	}
	state, err := resolveState(o.Config)
	if err != nil {
		return nil, err
	}
	s, err := o.storage(j)
	if err != nil {
		return nil, err
	}
	return &jobmaster.CheckpointOptions{Settings: settings,
		SavepointDirectory: state.SavepointsDirectory, Epoch: o.Epoch, Store: s}, nil
}

// resolveState refuses state backends that are not there.
func resolveState(c *config.Configuration) (config.StateSettings, error) {
	state, err := config.ResolveState(c)
	if err == nil && state.Backend != config.HashMapBackend {
		err = fmt.Errorf("%s (%s): the state backend %q is not in this program; there is: %s",
			config.StateBackendType.Key, config.OriginOf(c, config.StateBackendType),
			state.Backend, config.HashMapBackend)
	}
	return state, err
}

// Tasks returns what the tasks of a job share on a worker.
func Tasks(g *graph.JobGraph, code *graph.Code, o Options) (*taskmanager.Job, error) {
	settings, err := config.ResolveCheckpointing(o.Config)
	if err != nil {
		return nil, err
	}
	if _, err := resolveState(o.Config); err != nil {
		return nil, err
	}
	j := &taskmanager.Job{Graph: g, Code: code, Config: o.Config, Shared: task.NewShared(),
		Backend: memstate.New(), FinalCheckpoint: settings.Enabled && settings.AfterTasksFinish}
	if j.CheckMutation, err = config.Get(o.Config, config.PipelineCheckMutation); err != nil {
		return nil, err
	}
	s, err := o.storage(g.ID)
	if err != nil {
		return nil, err
	}
	j.Storage = s
	j.OperatorStates = func(ctx context.Context, oo statebackend.OperatorOptions) (
		statebackend.OperatorStore, error) {
		return memstate.NewOperatorStore(ctx, oo)
	}
	return j, nil
}
