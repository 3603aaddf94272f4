package message

import (
	"encoding/json"

	"goflink/core/id"
	"goflink/core/job"
)

// Jobs is the body of /jobs.
type Jobs struct {
	Jobs []JobState `json:"jobs"`
}

// JobState is a job with its state.
type JobState struct {
	ID     id.Job     `json:"id"`
	Status job.Status `json:"status"`
}

// JobsOverview is the body of /jobs/overview.
type JobsOverview struct {
	Jobs []JobSummary `json:"jobs"`
}

// JobSummary is a job in a list. Tasks counts subtasks by [TaskCounts].
type JobSummary struct {
	ID       id.Job         `json:"jid"`
	Name     string         `json:"name"`
	Start    Millis         `json:"start-time"`
	End      Millis         `json:"end-time"`
	Duration Millis         `json:"duration"`
	State    job.Status     `json:"state"`
	Modified Millis         `json:"last-modification"`
	Tasks    map[string]int `json:"tasks"`
}

// JobDetails is the body of /jobs/:j. Timestamps say when the job came into each state, 0 if never
// or not known; Counts count vertices by state.
type JobDetails struct {
	ID             id.Job                `json:"jid"`
	Name           string                `json:"name"`
	Stoppable      bool                  `json:"isStoppable"`
	State          job.Status            `json:"state"`
	Type           string                `json:"job-type"`
	Start          Millis                `json:"start-time"`
	End            Millis                `json:"end-time"`
	Duration       Millis                `json:"duration"`
	MaxParallelism int64                 `json:"maxParallelism"`
	Now            Millis                `json:"now"`
	Timestamps     map[job.Status]Millis `json:"timestamps"`
	Vertices       []Vertex              `json:"vertices"`
	Counts         map[string]int        `json:"status-counts"`
	Plan           Plan                  `json:"plan"`
	Pending        int                   `json:"pending-operators"`
}

// JobPlan is the body of /jobs/:j/plan.
type JobPlan struct {
	Plan Plan `json:"plan"`
}

// Plan is the JobGraph as it is drawn.
type Plan struct {
	ID    id.Job     `json:"jid"`
	Name  string     `json:"name"`
	Type  string     `json:"type"`
	Nodes []PlanNode `json:"nodes"`
}

// PlanNode is a vertex in a plan. Description is HTML.
type PlanNode struct {
	ID          id.Vertex      `json:"id"`
	Parallelism int            `json:"parallelism"`
	Operator    string         `json:"operator"`
	Strategy    string         `json:"operator_strategy"`
	Description string         `json:"description"`
	Inputs      []PlanInput    `json:"inputs,omitempty"`
	Optimizer   map[string]any `json:"optimizer_properties"`
}

// PlanInput is an edge in a plan; ID is the vertex that it comes from.
type PlanInput struct {
	Number   int       `json:"num"`
	ID       id.Vertex `json:"id"`
	Strategy string    `json:"ship_strategy"`
	Exchange string    `json:"exchange"`
}

// JobConfig is the body of /jobs/:j/config.
type JobConfig struct {
	ID        id.Job          `json:"jid"`
	Name      string          `json:"name"`
	Execution ExecutionConfig `json:"execution-config"`
}

// ExecutionConfig is what the job was started with. Secrets are masked by the server.
type ExecutionConfig struct {
	Mode            string            `json:"execution-mode"`
	RestartStrategy string            `json:"restart-strategy"`
	Parallelism     int               `json:"job-parallelism"`
	ObjectReuse     bool              `json:"object-reuse-mode"`
	User            map[string]string `json:"user-config"`
}

// JobStatus is the body of /jobs/:j/status.
type JobStatus struct {
	Status job.Status `json:"status"`
}

// Execution is the body of /jobs/:j/execution-result.
type Execution struct {
	Status QueueStatus `json:"status"`
	Result *JobResult  `json:"job-execution-result,omitempty"`
}

// JobResult is how a job ended. Name, State and Restarts are not Flink's, and accumulators are JSON
// where Flink's are serialised Java objects.
type JobResult struct {
	ID           id.Job                 `json:"id"`
	Application  string                 `json:"application-status"`
	Accumulators map[string]Accumulator `json:"accumulator-results"`
	Runtime      Millis                 `json:"net-runtime"`
	Failure      *Cause                 `json:"failure-cause,omitempty"`
	Name         string                 `json:"job-name,omitempty"`
	State        job.Status             `json:"job-state,omitempty"`
	Restarts     int                    `json:"restarts"`
}

// The values of JobResult.Application.
const (
	Succeeded = "SUCCEEDED"
	Failed    = "FAILED"
	Canceled  = "CANCELED"
	Unknown   = "UNKNOWN"
)

// JobAccumulators is the body of /jobs/:j/accumulators.
type JobAccumulators struct {
	Job        json.RawMessage        `json:"job-accumulators"`
	User       []UserAccumulator      `json:"user-task-accumulators"`
	Serialized map[string]Accumulator `json:"serialized-user-task-accumulators"`
}

// UserAccumulator is an accumulator as it is shown.
type UserAccumulator struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

// JobExceptions is the body of /jobs/:j/exceptions. The fields before History are those of old
// clients.
type JobExceptions struct {
	Root      *string          `json:"root-exception"`
	Time      *Millis          `json:"timestamp"`
	All       []TaskException  `json:"all-exceptions"`
	Truncated bool             `json:"truncated"`
	History   ExceptionHistory `json:"exceptionHistory"`
}

// TaskException is a failure of a task as old clients read it.
type TaskException struct {
	Exception string    `json:"exception"`
	Task      string    `json:"task"`
	Endpoint  string    `json:"endpoint"`
	Location  string    `json:"location"`
	Time      Millis    `json:"timestamp"`
	Worker    id.Worker `json:"taskManagerId"`
}

// ExceptionHistory are the latest failures, newest first.
type ExceptionHistory struct {
	Entries   []Exception `json:"entries"`
	Truncated bool        `json:"truncated"`
}

// Exception is a failure with those that followed from it; what followed has none itself. Task and
// Worker are missing where the job failed as a whole.
type Exception struct {
	Name       string            `json:"exceptionName"`
	StackTrace string            `json:"stacktrace"`
	Time       Millis            `json:"timestamp"`
	Labels     map[string]string `json:"failureLabels"`
	Task       string            `json:"taskName,omitempty"`
	Endpoint   string            `json:"endpoint,omitempty"`
	Worker     id.Worker         `json:"taskManagerId,omitempty"`
	Concurrent []Exception       `json:"concurrentExceptions,omitzero"`
}
