package minicluster

import (
	"context"
	"fmt"

	"goflink/core/config"
	"goflink/core/statebackend"
	"goflink/runtime/checkpoint/storage"
	"goflink/runtime/jobmaster"
	"goflink/runtime/memstate"
	"goflink/runtime/taskmanager"
)

// services gives a job its state backend and checkpoint storage by its configuration.
func (c *Cluster) services(j *taskmanager.Job) (*jobmaster.CheckpointOptions, error) {
	settings, err := config.ResolveCheckpointing(j.Config)
	if err != nil {
		return nil, err
	}
	state, err := config.ResolveState(j.Config)
	if err != nil {
		return nil, err
	}
	if state.Backend != config.HashMapBackend {
		return nil, fmt.Errorf("%s (%s): the state backend %q is not in this program; there is: %s",
			config.StateBackendType.Key, config.OriginOf(j.Config, config.StateBackendType),
			state.Backend, config.HashMapBackend)
	}
	if j.CheckMutation, err = config.Get(j.Config, config.PipelineCheckMutation); err != nil {
		return nil, err
	}
	so, err := storage.FromConfig(j.Config, c.o.Files, j.Graph.ID, c.o.Epoch)
	if err != nil {
		return nil, err
	}
	so.Random = c.o.Host.Random
	s, err := storage.New(so)
	if err != nil {
		return nil, err
	}
	j.Backend, j.Storage = memstate.New(), s
	j.OperatorStates = func(ctx context.Context, o statebackend.OperatorOptions) (
		statebackend.OperatorStore, error) {
		return memstate.NewOperatorStore(ctx, o)
	}
	j.FinalCheckpoint = settings.Enabled && settings.AfterTasksFinish
	return &jobmaster.CheckpointOptions{Settings: settings,
		SavepointDirectory: state.SavepointsDirectory, Epoch: c.o.Epoch, Store: s}, nil
}
