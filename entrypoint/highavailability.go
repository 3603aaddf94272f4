package entrypoint

import (
	"context"
	"errors"
	"fmt"

	"goflink/core/id"
	"goflink/core/job"
	"goflink/runtime/leader"
)

// ExitDeposed is the exit code of a JobManager that has handed its jobs over to the next leader.
const ExitDeposed = 3

// errHandOver is why the jobs of a JobManager that ends are suspended.
var errHandOver = errors.New("the JobManager hands over to the next leader")

// lead waits until this JobManager leads. Without high availability it does at once.
func (jm *jobManager) lead(ctx context.Context) (err error) {
	if jm.files, err = newFiles(); err != nil {
		return err
	}
	o, on, err := leader.FromConfig(ctx, jm.l.config, jm.files, jm.logger)
	if err != nil || !on {
		return err
	}
	jm.logger.Info("the JobManager stands by", "directory", o.Directory)
	if jm.term, err = leader.NewElector(o).Campaign(ctx); err != nil {
		return err
	}
	jm.epoch = jm.term.Epoch()
	jm.logger.Info("the JobManager leads", "epoch", jm.epoch)
	return nil
}

// store keeps what outlives this leader; nil without high availability.
func (jm *jobManager) store() *leader.Store {
	if jm.term == nil {
		return nil
	}
	return jm.term.Store()
}

// publish tells workers and standbys where the leader is, and ends the cluster's process when the
// term ends.
func (jm *jobManager) publish(address string) error {
	if jm.term == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if err := jm.term.Publish(ctx, address); err != nil {
		return fmt.Errorf("the leader's address cannot be published: %w", err)
	}
	jm.serving.Go(func() { // ends with the term, which every leader ends
		<-jm.term.Done()
		if err := jm.term.Err(); err != nil {
			jm.fail(err)
		}
	})
	return nil
}

// recorded are the jobs of earlier leaders by their ids; nil without high availability.
func (jm *jobManager) recorded(ctx context.Context) (map[id.Job]*leader.Job, error) {
	if jm.term == nil {
		return nil, nil
	}
	jobs, err := jm.term.Store().Jobs(ctx)
	if err != nil {
		return nil, fmt.Errorf("the records of earlier leaders cannot be read: %w", err)
	}
	found := map[id.Job]*leader.Job{}
	for i := range jobs {
		found[jobs[i].ID] = &jobs[i]
	}
	return found, nil
}

// following is a client for the program of this process: under high availability the end of the
// process is not that of the job.
func (jm *jobManager) following(c job.Client) job.Client {
	if jm.term != nil {
		return c
	}
	return cancelling{c}
}

// handsOver reports whether a JobManager that was interrupted leaves its jobs to the next leader:
// it does, unless it was told to shut the cluster down.
func (jm *jobManager) handsOver(ctx context.Context) bool {
	return jm.term != nil && ctx.Err() != nil && !errors.Is(context.Cause(ctx), errShutDown)
}

// handOver ends the JobManager and leaves jobs and workers as they are.
func (jm *jobManager) handOver(cause error) int {
	jm.logger.Warn("the JobManager hands over", "cause", cause)
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	// The ResourceManager goes first, since it would release workers whose connections end; then
	// the connections, since workers must not hear any more of a leader whose term is over.
	err := jm.manager.Close()
	jm.workers.Close(errHandOver)
	jm.control.Stop()
	err = errors.Join(err, jm.jobs.Suspend(ctx, errHandOver), jm.rest.Close(ctx),
		jm.term.Resign(ctx))
	jm.serving.Wait()
	if err != nil {
		jm.logger.Error("the JobManager has not handed over cleanly", "error", err)
	}
	return ExitDeposed
}
