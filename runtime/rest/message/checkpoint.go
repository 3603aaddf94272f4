package message

import "goflink/core/id"

// Checkpoints is the body of /jobs/:j/checkpoints. History is newest first.
type Checkpoints struct {
	Counts  CheckpointCounts  `json:"counts"`
	Summary CheckpointSummary `json:"summary"`
	Latest  LatestCheckpoints `json:"latest"`
	History []Checkpoint      `json:"history"`
}

// CheckpointCounts counts the checkpoints of a job.
type CheckpointCounts struct {
	Restored   int `json:"restored"`
	Total      int `json:"total"`
	InProgress int `json:"in_progress"`
	Completed  int `json:"completed"`
	Failed     int `json:"failed"`
}

// CheckpointSummary describes the completed checkpoints: sizes in bytes, durations in milliseconds.
type CheckpointSummary struct {
	NewSize   Statistics `json:"checkpointed_size"`
	StateSize Statistics `json:"state_size"`
	Duration  Statistics `json:"end_to_end_duration"`
	Buffered  Statistics `json:"alignment_buffered"`
	Processed Statistics `json:"processed_data"`
	Persisted Statistics `json:"persisted_data"`
}

// Statistics describes numbers.
type Statistics struct {
	Min  int64   `json:"min"`
	Max  int64   `json:"max"`
	Avg  int64   `json:"avg"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
}

// LatestCheckpoints are the latest checkpoints of each kind, null where there is none.
type LatestCheckpoints struct {
	Completed *Checkpoint `json:"completed"`
	Savepoint *Checkpoint `json:"savepoint"`
	Failed    *Checkpoint `json:"failed"`
	Restored  *Restore    `json:"restored"`
}

// Checkpoint says how a checkpoint stands and what it cost. Class is Status in lower case. What
// does not belong to the status is missing.
type Checkpoint struct {
	Class        string `json:"className"`
	ID           uint64 `json:"id"`
	Status       string `json:"status"`
	Savepoint    bool   `json:"is_savepoint"`
	Format       string `json:"savepointFormat"`
	Triggered    Millis `json:"trigger_timestamp"`
	LatestAck    Millis `json:"latest_ack_timestamp"`
	NewSize      int64  `json:"checkpointed_size"`
	StateSize    int64  `json:"state_size"`
	Duration     Millis `json:"end_to_end_duration"`
	Buffered     int64  `json:"alignment_buffered"`
	Processed    int64  `json:"processed_data"`
	Persisted    int64  `json:"persisted_data"`
	Subtasks     int    `json:"num_subtasks"`
	Acknowledged int    `json:"num_acknowledged_subtasks"`
	Type         string `json:"checkpoint_type"`
	// Tasks are only there in the details of a checkpoint.
	Tasks map[id.Vertex]TaskCheckpoint `json:"tasks"`

	Path      string `json:"external_path,omitempty"`
	Discarded *bool  `json:"discarded,omitempty"`

	FailedAt Millis `json:"failure_timestamp,omitempty"`
	Failure  string `json:"failure_message,omitempty"`
}

// TaskCheckpoint is the part of one vertex in a checkpoint.
type TaskCheckpoint struct {
	ID           uint64 `json:"id"`
	Status       string `json:"status"`
	LatestAck    Millis `json:"latest_ack_timestamp"`
	NewSize      int64  `json:"checkpointed_size"`
	StateSize    int64  `json:"state_size"`
	Duration     Millis `json:"end_to_end_duration"`
	Buffered     int64  `json:"alignment_buffered"`
	Processed    int64  `json:"processed_data"`
	Persisted    int64  `json:"persisted_data"`
	Subtasks     int    `json:"num_subtasks"`
	Acknowledged int    `json:"num_acknowledged_subtasks"`
}

// Restore says what a job was restored from.
type Restore struct {
	ID        uint64 `json:"id"`
	Time      Millis `json:"restore_timestamp"`
	Savepoint bool   `json:"is_savepoint"`
	Path      string `json:"external_path"`
}

// CheckpointConfig is the body of /jobs/:j/checkpoints/config. Mode is in lower case.
type CheckpointConfig struct {
	Mode             string          `json:"mode"`
	Interval         Millis          `json:"interval"`
	Timeout          Millis          `json:"timeout"`
	MinPause         Millis          `json:"min_pause"`
	MaxConcurrent    int             `json:"max_concurrent"`
	Externalization  Externalization `json:"externalization"`
	Backend          string          `json:"state_backend"`
	Storage          string          `json:"checkpoint_storage"`
	Unaligned        bool            `json:"unaligned_checkpoints"`
	Tolerable        int             `json:"tolerable_failed_checkpoints"`
	AlignedTimeout   Millis          `json:"aligned_checkpoint_timeout"`
	AfterTasksFinish bool            `json:"checkpoints_after_tasks_finish"`
	Changelog        bool            `json:"state_changelog_enabled"`
	ChangelogPeriod  Millis          `json:"changelog_periodic_materialization_interval"`
	ChangelogStorage string          `json:"changelog_storage"`
}

// Externalization says whether the latest checkpoints outlive the job.
type Externalization struct {
	Enabled              bool `json:"enabled"`
	DeleteOnCancellation bool `json:"delete_on_cancellation"`
}
