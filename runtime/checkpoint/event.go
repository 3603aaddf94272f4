package checkpoint

import (
	"time"

	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/core/stream"
)

// Event is something that a Coordinator must know.
type Event interface{ event() }

// TasksRunning says that attempts have begun to run: all their operators are open. Checkpoints
// begin once every subtask of the job runs or has finished. An attempt of a higher number takes the
// place of an earlier one.
type TasksRunning struct{ Attempts []id.Attempt }

// TaskFinished says that an attempt came to its natural end.
type TaskFinished struct{ Attempt id.Attempt }

// TasksFailed says that attempts failed, or were cancelled to be restarted. It aborts the
// checkpoints that are under way. Reason says why, for people.
type TasksFailed struct {
	Attempts []id.Attempt
	Reason   string
}

// TimerFired says that the time of the last SetTimer has come.
type TimerFired struct{}

// TriggerSavepoint asks for a savepoint (R80). The answer is a RequestDone.
type TriggerSavepoint struct {
	Request string
	// Kind is Savepoint, StopSavepoint or DrainSavepoint.
	Kind stream.SavepointKind
	// Target is the directory below which the savepoint's own is made; empty stands for the
	// configured one.
	Target string
}

// TriggerCheckpoint asks for a checkpoint beyond the periodic ones. The answer is a RequestDone.
type TriggerCheckpoint struct {
	Request string
	// Full asks for one that depends on no earlier one.
	Full bool
}

// LocationPrepared is the result of PrepareLocation. Location is the URI of the directory; empty if
// the checkpoint lies in memory.
type LocationPrepared struct {
	Checkpoint uint64
	Location   string
	Err        error
}

// CoordinatorSnapshot is the state of one operator coordinator: the result of SnapshotCoordinators.
type CoordinatorSnapshot struct {
	Operator   id.Operator
	Checkpoint uint64
	State      []byte
	Err        error
}

// Acknowledged is one task's part of a checkpoint. The Coordinator keeps it.
type Acknowledged struct {
	Attempt    id.Attempt
	Checkpoint uint64
	Snapshot   statebackend.TaskSnapshot
	Metrics    statebackend.SnapshotMetrics
}

// DeclineCause says what a decline means. Only DeclineFailed counts as a failure of the checkpoint
// (execution.checkpointing.tolerable-failed-checkpoints).
type DeclineCause uint8

const (
	// DeclineFailed: the task could not write its part.
	DeclineFailed DeclineCause = iota
	// DeclineNotReady: the task was not running yet.
	DeclineNotReady
	// DeclineEnded: the task had ended.
	DeclineEnded
	// DeclineSuperseded: a newer checkpoint came first.
	DeclineSuperseded
)

// String names the cause.
func (d DeclineCause) String() string {
	names := [...]string{"failed", "not-ready", "ended", "superseded"}
	if int(d) < len(names) {
		return names[d]
	}
	return "unknown"
}

// Declined says that there will be no part of one task.
type Declined struct {
	Attempt    id.Attempt
	Checkpoint uint64
	Cause      DeclineCause
	Reason     error
}

// MetadataWritten is the result of WriteMetadata. Path is how the user names the checkpoint. With
// an error, the checkpoint must not be found by a later leader either.
type MetadataWritten struct {
	Checkpoint uint64
	Path       string
	Err        error
}

// WantsCheckpoint says that a task has come to its end and waits for a checkpoint to commit.
type WantsCheckpoint struct{ Attempt id.Attempt }

// BacklogChanged says whether a source works through a backlog, during which
// execution.checkpointing.interval-during-backlog counts.
type BacklogChanged struct{ Backlog bool }

// RestoreWanted asks from which checkpoint tasks shall be restarted. The answer is a RestoreFrom,
// at once or, if a checkpoint is just being made durable, when its fate is known. No checkpoint
// begins before the answer. TasksFailed comes before it for all tasks that will be restarted.
type RestoreWanted struct{}

// JobEnd says how a job ends.
type JobEnd uint8

const (
	// JobSuspended: this JobManager gives the job up; another may continue it. Nothing is deleted.
	JobSuspended JobEnd = iota
	// JobFinished: all tasks finished.
	JobFinished
	// JobCanceled: the user cancelled it.
	JobCanceled
	// JobFailed: it failed for good.
	JobFailed
)

// String is Flink's name of the job's status.
func (e JobEnd) String() string {
	return [...]string{"SUSPENDED", "FINISHED", "CANCELED", "FAILED"}[e]
}

// Stop ends the coordinator's work. When all is done that follows from it, a Terminated comes.
type Stop struct{ End JobEnd }

// Discarded is the result of a Discard.
type Discarded struct {
	ID  uint64
	Err error
}

func (TasksRunning) event()        {}
func (TaskFinished) event()        {}
func (TasksFailed) event()         {}
func (TimerFired) event()          {}
func (TriggerSavepoint) event()    {}
func (TriggerCheckpoint) event()   {}
func (LocationPrepared) event()    {}
func (CoordinatorSnapshot) event() {}
func (Acknowledged) event()        {}
func (Declined) event()            {}
func (MetadataWritten) event()     {}
func (WantsCheckpoint) event()     {}
func (BacklogChanged) event()      {}
func (RestoreWanted) event()       {}
func (Stop) event()                {}
func (Discarded) event()           {}

// Effect is something that the shell of a Coordinator must do. Effects of one Step are begun in
// their order.
type Effect interface{ effect() }

// SetTimer asks for a TimerFired at a time; it replaces the one before. The zero time asks for
// none.
type SetTimer struct{ At time.Time }

// PrepareLocation asks for the directory of a checkpoint: chk-N, or below Target a new one for a
// savepoint. The answer is LocationPrepared.
type PrepareLocation struct {
	Checkpoint uint64
	Kind       stream.SavepointKind
	Target     string
}

// SnapshotCoordinators asks for the state of operator coordinators; each answers with a
// CoordinatorSnapshot. What a coordinator sends to its subtasks after its snapshot belongs behind
// the barrier: the shell holds it back until TriggerTasks is on its way, or NotifyAborted.
type SnapshotCoordinators struct {
	Checkpoint uint64
	Operators  []id.Operator
}

// TriggerTasks asks for barriers: the attempts are those of sources, and of tasks that are fed by
// none that runs.
type TriggerTasks struct {
	Barrier  *stream.Barrier
	Attempts []id.Attempt
}

// WriteMetadata asks to make a checkpoint durable; the answer is MetadataWritten. There is never
// more than one under way, and nothing is restored before the answer: the shell limits its time,
// and finds out what has happened before it answers.
type WriteMetadata struct {
	Completed *Completed
	// RestorePoint says that a later leader must find it, so that the leader's own record belongs
	// to making it durable: so for checkpoints and for savepoints that stop the job.
	RestorePoint bool
}

// NotifyComplete tells tasks and coordinators that a checkpoint is durable. As in Flink there is
// none for a savepoint that lets the job go on: nothing may be committed for it, since the job
// would not be restored from it.
type NotifyComplete struct {
	Checkpoint uint64
	Attempts   []id.Attempt
	Operators  []id.Operator
}

// NotifyAborted tells tasks and coordinators that a checkpoint will never be durable.
type NotifyAborted struct {
	Checkpoint uint64
	Attempts   []id.Attempt
	Operators  []id.Operator
}

// Discard asks to delete what a checkpoint left behind; the answer is Discarded. Storage.Discard
// says how.
type Discard struct {
	ID         uint64
	Checkpoint uint64
	// Location is the checkpoint's directory; empty if it lies in memory. All files of this and
	// earlier epochs in it go, but those in Keep, and then the directory, if it is empty.
	Location string
	// Keep are files that a retained checkpoint names.
	Keep []string
	// Files are further files that nothing names any more.
	Files []string
	// Last says that nothing of the job is left: its directories go, too.
	Last bool
}

// RequestDone answers TriggerSavepoint and TriggerCheckpoint. One that is to stop the job is
// answered once the job has ended, or goes on although the savepoint is complete.
type RequestDone struct {
	Request    string
	Checkpoint uint64 // 0 if none was begun
	Path       string
	Err        error
}

// RestoreFrom answers RestoreWanted; nil stands for a start from the beginning.
type RestoreFrom struct{ Completed *Completed }

// FailJob asks to fail the job, because too many checkpoints in a row have failed, or tasks failed
// after a savepoint had begun to stop the job.
type FailJob struct{ Err error }

// Terminated says that nothing is left to do after Stop.
type Terminated struct{}

func (SetTimer) effect()             {}
func (PrepareLocation) effect()      {}
func (SnapshotCoordinators) effect() {}
func (TriggerTasks) effect()         {}
func (WriteMetadata) effect()        {}
func (NotifyComplete) effect()       {}
func (NotifyAborted) effect()        {}
func (Discard) effect()              {}
func (RequestDone) effect()          {}
func (RestoreFrom) effect()          {}
func (FailJob) effect()              {}
func (Terminated) effect()           {}
