package message

import (
	"strings"

	"goflink/core/id"
)

// taskStates are Flink's states of a task, with two that exist in Flink only.
var taskStates = [...]string{
	"CREATED", "SCHEDULED", "DEPLOYING", "RUNNING", "FINISHED", "CANCELING", "CANCELED", "FAILED",
	"RECONCILING", "INITIALIZING",
}

// StateCounts completes counts by state: every state is there, most with 0.
func StateCounts(counts map[string]int) map[string]int {
	all := map[string]int{}
	for _, s := range taskStates {
		all[s] = counts[s]
	}
	return all
}

// TaskCounts are counts as job summaries have them: by states in lower case, with their total.
func TaskCounts(counts map[string]int) map[string]int {
	all := map[string]int{"total": 0}
	for _, s := range taskStates {
		all[strings.ToLower(s)] = counts[s]
		all["total"] += counts[s]
	}
	return all
}

// Vertex is a vertex in the details of a job. Tasks counts subtasks by [StateCounts].
type Vertex struct {
	ID             id.Vertex      `json:"id"`
	SlotSharing    string         `json:"slotSharingGroupName"`
	Name           string         `json:"name"`
	MaxParallelism int            `json:"maxParallelism"`
	Parallelism    int            `json:"parallelism"`
	Status         string         `json:"status"`
	Start          Millis         `json:"start-time"`
	End            Millis         `json:"end-time"`
	Duration       Millis         `json:"duration"`
	Tasks          map[string]int `json:"tasks"`
	Metrics        IOMetrics      `json:"metrics"`
}

// IOMetrics is what went through tasks. The flags say whether the number counts all of them.
type IOMetrics struct {
	ReadBytes            int64   `json:"read-bytes"`
	ReadBytesComplete    bool    `json:"read-bytes-complete"`
	WriteBytes           int64   `json:"write-bytes"`
	WriteBytesComplete   bool    `json:"write-bytes-complete"`
	ReadRecords          int64   `json:"read-records"`
	ReadRecordsComplete  bool    `json:"read-records-complete"`
	WriteRecords         int64   `json:"write-records"`
	WriteRecordsComplete bool    `json:"write-records-complete"`
	BackPressured        Millis  `json:"accumulated-backpressured-time"`
	Idle                 Millis  `json:"accumulated-idle-time"`
	Busy                 float64 `json:"accumulated-busy-time"`
}

// Complete sets all flags.
func (m *IOMetrics) Complete(all bool) {
	m.ReadBytesComplete, m.WriteBytesComplete = all, all
	m.ReadRecordsComplete, m.WriteRecordsComplete = all, all
}

// VertexDetails is the body of /jobs/:j/vertices/:v.
type VertexDetails struct {
	ID             id.Vertex `json:"id"`
	Name           string    `json:"name"`
	Parallelism    int       `json:"parallelism"`
	MaxParallelism int       `json:"maxParallelism"`
	Now            Millis    `json:"now"`
	Subtasks       []Subtask `json:"subtasks"`
}

// Subtask is the current attempt of a subtask; Attempt counts from 0. Host and StartCompatible are
// what Endpoint and Start were called before.
type Subtask struct {
	Subtask         int       `json:"subtask"`
	Status          string    `json:"status"`
	Attempt         int       `json:"attempt"`
	Endpoint        string    `json:"endpoint"`
	Host            string    `json:"host"`
	Start           Millis    `json:"start-time"`
	End             Millis    `json:"end-time"`
	Duration        Millis    `json:"duration"`
	Metrics         IOMetrics `json:"metrics"`
	Worker          id.Worker `json:"taskmanager-id"`
	StartCompatible Millis    `json:"start_time"`
}

// Unassigned stands for the place of a subtask that has none.
const Unassigned = "(unassigned)"

// Backpressure is the body of /jobs/:j/vertices/:v/backpressure. Status is [BackpressureOK], or
// [BackpressureMissing] where nothing was measured; then there is nothing else.
type Backpressure struct {
	Status   string                `json:"status"`
	Level    string                `json:"backpressureLevel,omitempty"`
	LevelOld string                `json:"backpressure-level,omitempty"`
	End      Millis                `json:"end-timestamp,omitempty"`
	Subtasks []SubtaskBackpressure `json:"subtasks,omitempty"`
}

// The values of Backpressure.Status.
const (
	BackpressureOK      = "ok"
	BackpressureMissing = "deprecated"
)

// SubtaskBackpressure is the share of time in which a subtask was held up by those behind it, and
// the shares in which it had nothing to do and was busy.
type SubtaskBackpressure struct {
	Subtask  int     `json:"subtask"`
	Level    string  `json:"backpressureLevel"`
	LevelOld string  `json:"backpressure-level"`
	Ratio    float64 `json:"ratio"`
	Idle     float64 `json:"idleRatio"`
	Busy     float64 `json:"busyRatio"`
}
