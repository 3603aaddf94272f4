package minicluster

import (
	"context"
	"errors"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/runtime/jobmaster"
	"goflink/runtime/memstate"
	"goflink/runtime/taskmanager"
)

// services gives a job its state backend and checkpoint storage by its configuration.
func (c *Cluster) services(j *taskmanager.Job) (*jobmaster.CheckpointOptions, error) {
	var err error
	if j.CheckMutation, err = config.Get(j.Config, config.PipelineCheckMutation); err != nil {
		return nil, err
	}
	j.Backend = memstate.New()
	j.OperatorStates = func(ctx context.Context, o statebackend.OperatorOptions) (
		statebackend.OperatorStore, error) {
		return memstate.NewOperatorStore(ctx, o)
	}
	j.Storage = noStorage{}
	return nil, nil
}

// noStorage is the storage of jobs whose state is never saved.
type noStorage struct{}

var errNoStorage = errors.New("the job takes no checkpoints")

func (noStorage) Location(uint64, string, id.Attempt) (statebackend.Location, error) {
	return nil, errNoStorage
}

func (noStorage) Reader() statebackend.BlobReader { return nil }
