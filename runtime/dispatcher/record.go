package dispatcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/runtime/checkpoint"
	"goflink/runtime/controlplane"
	"goflink/runtime/jobmaster"
	"goflink/runtime/leader"
)

// recordTimeout bounds the recording of a job or a result.
const recordTimeout = time.Minute

// record makes a job outlive this leader, and its checkpoints count only when they do, too.
func (d *Dispatcher) record(s *Submission, o *jobmaster.CheckpointOptions) error {
	if d.o.Store == nil {
		return nil
	}
	if o.Settings.Enabled && !d.external(s) {
		return fmt.Errorf("%s is on, but checkpoints are kept in the JobManager: set %s to a "+
			"directory that every JobManager can reach", config.HighAvailabilityType.Key,
			config.CheckpointsDirectory.Key)
	}
	if s.Recorded == nil {
		b, err := s.Graph.Encode()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
		defer cancel()
		if err := d.o.Store.PutJob(ctx, s.Graph.ID, b); err != nil {
			return fmt.Errorf("job %q cannot be recorded: %w", s.Graph.Name, err)
		}
	} else {
		for _, c := range s.Recorded.Checkpoints {
			o.Retained = append(o.Retained, string(c.Pointer))
		}
	}
	o.Store = recorded{o.Store, d.o.Store, s.Graph.ID, o.Settings.NumRetained}
	return nil
}

// external reports whether the checkpoints of a job are kept outside of the JobManager.
func (d *Dispatcher) external(s *Submission) bool {
	state, err := config.ResolveState(d.config(s.Graph))
	return err == nil && state.Storage == config.FileSystemStorage
}

// recorded is the storage of a job's checkpoints, each of which is complete only once the leader
// has recorded it: a leader that was deposed meanwhile completes none.
type recorded struct {
	jobmaster.CheckpointStore
	store    *leader.Store
	job      id.Job
	retained int
}

// WriteMetadata makes a checkpoint durable, and then known to later leaders.
func (r recorded) WriteMetadata(ctx context.Context, w checkpoint.WriteMetadata) (string, error) {
	path, err := r.CheckpointStore.WriteMetadata(ctx, w)
	if err != nil || !w.RestorePoint {
		return path, err
	}
	err = r.store.PutCheckpoint(ctx, r.job, leader.Checkpoint{Number: w.Completed.Checkpoint,
		Pointer: []byte(path), Retained: r.retained})
	if err != nil {
		return "", fmt.Errorf("checkpoint %d cannot be recorded: %w", w.Completed.Checkpoint, err)
	}
	return path, nil
}

// ended records how a job has ended, so that no later leader runs it. It is called in the master's
// actor.
func (d *Dispatcher) ended(m *jobmaster.Master) {
	if d.o.Store == nil {
		return
	}
	d.recording.Add(1)
	d.o.Host.Go("record the result of "+m.ID().String(), func() {
		defer d.recording.Done()
		ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
		defer cancel()
		o, terminal, err := Outcome(ctx, m.Client())
		if err == nil && !terminal {
			return // suspended
		}
		var b []byte
		if err == nil {
			b, err = json.Marshal(o)
		}
		if err == nil {
			err = d.o.Store.PutResult(ctx, m.ID(), b)
		}
		if err != nil && !errors.Is(err, leader.ErrDeposed) {
			d.o.Logger.Error("the result of a job cannot be recorded", "job", m.ID(), "error", err)
		}
	})
}

// Outcome is what became of a job; terminal is false while it has not ended for good.
func Outcome(ctx context.Context, c job.Client) (o controlplane.JobOutcome, terminal bool,
	err error) {
	status, err := c.Status(ctx)
	if err != nil || !status.Terminal() {
		return o, false, err
	}
	o.Result, err = c.Wait(ctx)
	var cancelled *job.CancelledError
	switch {
	case errors.As(err, &cancelled):
		o.Cancelled = true
	case err != nil:
		info := failure.InfoOf(err)
		o.Failure = &info
	}
	return o, true, nil
}
