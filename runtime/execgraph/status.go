package execgraph

import "fmt"

// JobStatus is the state of a job as a whole (R150).
type JobStatus uint8

// The nine states of a job. The zero value is JobCreated.
const (
	// JobCreated is a job of which nothing was scheduled since it was made or reset.
	JobCreated JobStatus = iota
	// JobRunning is a job whose tasks are being scheduled or run. It includes the restart of some
	// of its regions while others run on.
	JobRunning
	// JobFailing is a job whose tasks are all being cancelled after a failure.
	JobFailing
	// JobFailed is a job that ended by a failure.
	JobFailed
	// JobCancelling is a job whose tasks are all being cancelled for its user.
	JobCancelling
	// JobCanceled is a job that its user ended.
	JobCanceled
	// JobFinished is a job whose tasks have all finished.
	JobFinished
	// JobRestarting is a failed job whose tasks are all final and that waits for its restart.
	JobRestarting
	// JobSuspended is a job that this JobMaster gave up and another one may recover.
	JobSuspended

	jobStatuses = iota
)

// jobNames are Flink's names.
var jobNames = [jobStatuses]string{
	JobCreated: "CREATED", JobRunning: "RUNNING", JobFailing: "FAILING", JobFailed: "FAILED",
	JobCancelling: "CANCELLING", JobCanceled: "CANCELED", JobFinished: "FINISHED",
	JobRestarting: "RESTARTING", JobSuspended: "SUSPENDED",
}

// jobTransitions is the table of a job's states: from → to. There is no way from JobRunning to
// JobRestarting: a job is in JobRestarting only while none of its tasks is left, and a restart of
// some regions does not change the state of the job.
var jobTransitions = [jobStatuses][]JobStatus{
	JobCreated:    {JobRunning, JobFailing, JobCancelling, JobSuspended},
	JobRunning:    {JobFinished, JobFailing, JobCancelling, JobSuspended},
	JobFailing:    {JobRestarting, JobFailed, JobCancelling, JobSuspended},
	JobRestarting: {JobCreated, JobCancelling, JobSuspended},
	JobCancelling: {JobCanceled, JobSuspended},
}

// JobStatuses returns all states of a job.
func JobStatuses() []JobStatus {
	all := make([]JobStatus, jobStatuses)
	for i := range all {
		all[i] = JobStatus(i)
	}
	return all
}

// String is Flink's name of the state.
func (s JobStatus) String() string {
	if int(s) < len(jobNames) {
		return jobNames[s]
	}
	return fmt.Sprintf("JobStatus(%d)", uint8(s))
}

// ParseJobStatus reads what String writes.
func ParseJobStatus(name string) (JobStatus, error) {
	for i, n := range jobNames {
		if n == name {
			return JobStatus(i), nil
		}
	}
	return 0, fmt.Errorf("unknown job status %q; known are %v", name, jobNames)
}

// MarshalText writes Flink's name of the state.
func (s JobStatus) MarshalText() ([]byte, error) {
	if int(s) >= len(jobNames) {
		return nil, fmt.Errorf("no job status has the number %d", uint8(s))
	}
	return []byte(jobNames[s]), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *JobStatus) UnmarshalText(text []byte) (err error) {
	*s, err = ParseJobStatus(string(text))
	return err
}

// GloballyTerminal tells whether the job ended for good: what is kept for its recovery can go.
func (s JobStatus) GloballyTerminal() bool {
	return s == JobFinished || s == JobCanceled || s == JobFailed
}

// Terminal tells whether this JobMaster has nothing more to do for the job: it ended for good, or
// it was given up here (JobSuspended) and what is kept for its recovery must stay.
func (s JobStatus) Terminal() bool { return s.GloballyTerminal() || s == JobSuspended }

// CanBecome tells whether the table knows the change from s to another state.
func (s JobStatus) CanBecome(to JobStatus) bool {
	if int(s) >= len(jobTransitions) {
		return false
	}
	for _, t := range jobTransitions[s] {
		if t == to {
			return true
		}
	}
	return false
}

// ExecutionState is the state of one attempt to run a task (R151).
type ExecutionState uint8

// The eight states of an attempt, in the order in which a task that succeeds goes through the
// first five.
const (
	// Created attempts wait to be scheduled.
	Created ExecutionState = iota
	// Scheduled attempts wait for their slot and for those they are deployed with.
	Scheduled
	// Deploying attempts were sent to a TaskManager.
	Deploying
	// Running attempts were reported to run.
	Running
	// Finished attempts ended with their input.
	Finished
	// Canceling attempts were told to end.
	Canceling
	// Canceled attempts ended because they were told to.
	Canceled
	// Failed attempts ended with an error, or with the TaskManager that ran them.
	Failed

	executionStates = iota
)

// executionNames are Flink's names.
var executionNames = [executionStates]string{
	Created: "CREATED", Scheduled: "SCHEDULED", Deploying: "DEPLOYING", Running: "RUNNING",
	Finished: "FINISHED", Canceling: "CANCELING", Canceled: "CANCELED", Failed: "FAILED",
}

// executionTransitions is the table of an attempt's states: from → to.
var executionTransitions = [executionStates][]ExecutionState{
	Created:   {Scheduled, Canceled, Failed},
	Scheduled: {Deploying, Canceled, Failed},
	Deploying: {Running, Canceling, Failed},
	Running:   {Finished, Canceling, Failed},
	Canceling: {Canceled, Failed},
}

// ExecutionStates returns all states of an attempt.
func ExecutionStates() []ExecutionState {
	all := make([]ExecutionState, executionStates)
	for i := range all {
		all[i] = ExecutionState(i)
	}
	return all
}

// String is Flink's name of the state.
func (s ExecutionState) String() string {
	if int(s) < len(executionNames) {
		return executionNames[s]
	}
	return fmt.Sprintf("ExecutionState(%d)", uint8(s))
}

// ParseExecutionState reads what String writes.
func ParseExecutionState(name string) (ExecutionState, error) {
	for i, n := range executionNames {
		if n == name {
			return ExecutionState(i), nil
		}
	}
	return 0, fmt.Errorf("unknown execution state %q; known are %v", name, executionNames)
}

// MarshalText writes Flink's name of the state.
func (s ExecutionState) MarshalText() ([]byte, error) {
	if int(s) >= len(executionNames) {
		return nil, fmt.Errorf("no execution state has the number %d", uint8(s))
	}
	return []byte(executionNames[s]), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *ExecutionState) UnmarshalText(text []byte) (err error) {
	*s, err = ParseExecutionState(string(text))
	return err
}

// Final tells whether the attempt has ended.
func (s ExecutionState) Final() bool { return s == Finished || s == Canceled || s == Failed }

// OnWorker tells whether a TaskManager may hold the task.
func (s ExecutionState) OnWorker() bool {
	return s == Deploying || s == Running || s == Canceling
}

// CanBecome tells whether the table knows the change from s to another state.
func (s ExecutionState) CanBecome(to ExecutionState) bool {
	if int(s) >= len(executionTransitions) {
		return false
	}
	for _, t := range executionTransitions[s] {
		if t == to {
			return true
		}
	}
	return false
}

// TransitionError reports a change of state that the tables do not know.
type TransitionError struct {
	What     string // "job NAME" or the task and attempt
	From, To string // the names of the states
}

// Error implements error.
func (e *TransitionError) Error() string {
	return fmt.Sprintf("%s cannot go from %s to %s", e.What, e.From, e.To)
}
