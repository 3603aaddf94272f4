package jobview

import (
	"context"
	"math"
	"strings"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/stream"
	"goflink/runtime/checkpoint"
	"goflink/runtime/rest/message"
)

// Checkpoint takes a checkpoint. Its number is 0 if so many were taken meanwhile that it is
// forgotten.
func (v *View) Checkpoint(ctx context.Context) (number uint64, path string, err error) {
	if path, err = v.c.Checkpoint(ctx); err != nil {
		return 0, "", err
	}
	o, err := v.c.Checkpoints(ctx)
	for i := range o.History {
		if o.History[i].Path == path {
			number = o.History[i].ID
		}
	}
	return number, path, err
}

// Checkpoints is what is known of the job's checkpoints.
func (v *View) Checkpoints(ctx context.Context) (message.Checkpoints, error) {
	o, err := v.c.Checkpoints(ctx)
	if err != nil {
		return message.Checkpoints{}, err
	}
	m := message.Checkpoints{
		Counts: message.CheckpointCounts{Restored: o.Restored, InProgress: o.InProgress,
			Completed: o.Completed, Failed: o.Failed,
			Total: o.InProgress + o.Completed + o.Failed},
		Summary: message.CheckpointSummary{NewSize: statistics(&o.NewSizes),
			StateSize: statistics(&o.StateSizes), Duration: statistics(&o.Durations),
			Persisted: statistics(&o.ChannelSizes)},
		Latest: message.LatestCheckpoints{Completed: v.latest(o.LatestCompleted),
			Savepoint: v.latest(o.LatestSavepoint), Failed: v.latest(o.LatestFailed)},
		History: []message.Checkpoint{},
	}
	if r := o.LatestRestore; r != nil {
		m.Latest.Restored = &message.Restore{ID: r.Checkpoint, Time: message.At(r.Time),
			Savepoint: r.Kind != stream.NoSavepoint, Path: r.Path}
		if r.Time.IsZero() {
			m.Latest.Restored.Time = message.At(v.o.Started)
		}
	}
	for i := range o.History {
		m.History = append(m.History, v.stats(&o.History[i]))
	}
	return m, nil
}

func (v *View) latest(s *checkpoint.Stats) *message.Checkpoint {
	if s == nil {
		return nil
	}
	c := v.stats(s)
	return &c
}

func (v *View) stats(s *checkpoint.Stats) message.Checkpoint {
	c := message.Checkpoint{Class: strings.ToLower(s.Status.String()), ID: s.ID,
		Status: s.Status.String(), Savepoint: s.Kind != stream.NoSavepoint, Type: kind(s),
		Triggered: message.At(s.Triggered), LatestAck: message.At(s.LatestAck),
		NewSize: s.NewBytes, StateSize: s.StateBytes, Persisted: s.ChannelBytes,
		Duration: message.Lasting(s.Duration(v.o.Now())), Subtasks: s.Tasks,
		Acknowledged: s.Acknowledged, Tasks: map[id.Vertex]message.TaskCheckpoint{}}
	if c.Savepoint {
		c.Format = "CANONICAL"
	}
	switch s.Status {
	case checkpoint.CompletedStatus:
		discarded := s.Discarded
		c.Path, c.Discarded = s.Path, &discarded
	case checkpoint.Failed:
		c.FailedAt, c.Failure = message.At(s.Ended), s.Failure
	}
	return c
}

// kind is Flink's name of what a checkpoint was taken for.
func kind(s *checkpoint.Stats) string {
	switch {
	case s.Kind.Stops():
		return "SYNC_SAVEPOINT"
	case s.Kind == stream.Savepoint:
		return "SAVEPOINT"
	case s.Aligned == stream.Unaligned:
		return "UNALIGNED_CHECKPOINT"
	}
	return "CHECKPOINT"
}

func statistics(s *checkpoint.Summary) message.Statistics {
	at := func(q float64) float64 { return float64(s.Quantile(q)) }
	return message.Statistics{Min: s.Min, Max: s.Max, Avg: s.Average(), P50: at(0.5), P90: at(0.9),
		P95: at(0.95), P99: at(0.99), P999: at(0.999)}
}

// CheckpointConfig is how checkpoints are taken. The interval is as long as can be where none are
// taken by themselves, as in Flink.
func (v *View) CheckpointConfig(context.Context) (message.CheckpointConfig, error) {
	c, err := config.ResolveCheckpointing(v.o.Config)
	if err != nil {
		return message.CheckpointConfig{}, err
	}
	st, err := config.ResolveState(v.o.Config)
	m := message.CheckpointConfig{Mode: strings.ToLower(string(c.Mode)), Interval: math.MaxInt64,
		Timeout: message.Lasting(c.Timeout), MinPause: message.Lasting(c.MinPause),
		MaxConcurrent: c.MaxConcurrent, Backend: string(st.Backend), Storage: string(st.Storage),
		Externalization: message.Externalization{
			Enabled:              c.Retention != config.NoExternalizedCheckpoints,
			DeleteOnCancellation: c.Retention != config.RetainOnCancellation},
		Unaligned: c.Unaligned, Tolerable: c.TolerableFailures,
		AlignedTimeout: message.Lasting(c.AlignedTimeout), AfterTasksFinish: c.AfterTasksFinish}
	if c.Enabled {
		m.Interval = message.Lasting(c.Interval)
	}
	return m, err
}
