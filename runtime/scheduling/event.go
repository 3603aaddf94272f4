package scheduling

import (
	"time"

	"goflink/core/failure"
	"goflink/core/id"
	"goflink/runtime/execgraph"
)

// Event is something that happened, as the scheduler is told by [Scheduler.Step].
type Event interface{ event() }

// StartScheduling begins the job. It comes once.
type StartScheduling struct{}

// TaskStateChanged is what a TaskManager says of an attempt: that it is Running, Finished, Canceled
// or Failed. It is ignored for an attempt that is no longer the current one or has ended (R145). A
// shell that cannot deploy or cancel a task reports it as Failed or Canceled.
type TaskStateChanged struct {
	Attempt id.Attempt
	State   execgraph.ExecutionState
	Failure failure.Info // set with Failed
}

// AllocatedSlot is the answer to a [SlotRequest].
type AllocatedSlot struct {
	Request id.SlotRequest
	Slot    execgraph.Slot
}

// SlotsAllocated hands over slots that were requested. A slot for a request that was cancelled is
// given back with [ReleaseSlots].
type SlotsAllocated struct{ Slots []AllocatedSlot }

// SlotAllocationFailed says that requests were not met, in time or at all, and are forgotten.
// Requests that are unknown are ignored.
type SlotAllocationFailed struct {
	Requests []id.SlotRequest
	Cause    failure.Info
}

// SlotsLost says that slots are gone, with all that ran in them. Slots of one lost TaskManager come
// in one event, so that they count as one failure. Slots that the scheduler does not hold are
// ignored.
type SlotsLost struct {
	Allocations []id.Allocation
	Cause       failure.Info
}

// PartitionConsumable says that a partition can be read. It is ignored when its producer is no
// longer the current attempt. The partitions of finished tasks need not be reported.
type PartitionConsumable struct{ Partition id.Partition }

// CancelJob ends the job for its user.
type CancelJob struct{}

// Suspend gives the job up, so that another JobMaster may recover it.
type Suspend struct{ Cause failure.Info }

// GlobalFailure is a failure that belongs to no task: that of a coordinator, of a restore, of a
// checkpoint that could not be afforded. All tasks are restarted from the latest checkpoint.
type GlobalFailure struct{ Cause failure.Info }

// RestartTimerFired says that the delay of a [ScheduleRestart] is over. It is ignored for a restart
// that was taken over by another one or is no longer wanted, so timers need not be stopped.
type RestartTimerFired struct{ Restart RestartID }

func (StartScheduling) event()      {}
func (TaskStateChanged) event()     {}
func (SlotsAllocated) event()       {}
func (SlotAllocationFailed) event() {}
func (SlotsLost) event()            {}
func (PartitionConsumable) event()  {}
func (CancelJob) event()            {}
func (Suspend) event()              {}
func (GlobalFailure) event()        {}
func (RestartTimerFired) event()    {}

// RestartID names a planned restart. The numbers grow within a job, from 1.
type RestartID int64

// Effect is something that the shell is to do. The effects of one step come in a fixed order:
// [TasksChanged], [CancelTasks], [CancelSlotRequests], [ReleaseSlots]; then [JobStateChanged],
// [ScheduleRestart] and [TasksToRestore] as they came about; then [RequestSlots] and [DeployTasks].
// The last step of a job ends with the JobStateChanged to its terminal state.
type Effect interface{ effect() }

// TaskChange is one change of one task's state. From and To are of the same attempt, except that
// From is Created, too, for the first change of an attempt, To being Created.
type TaskChange struct {
	Vertex   execgraph.VertexIndex
	Attempt  id.Attempt
	From, To execgraph.ExecutionState
}

// TasksChanged says which tasks changed their states in this step, in order: whatever the cause, so
// that coordinators, metrics and checkpoints need to look nowhere else. An attempt's change from
// Created to Created is its beginning.
type TasksChanged struct{ Changes []TaskChange }

// Cancellation is a task to cancel, and where it runs.
type Cancellation struct {
	Attempt id.Attempt
	Slot    execgraph.Slot
}

// CancelTasks asks the TaskManagers to end tasks; they answer with [TaskStateChanged].
type CancelTasks struct{ Tasks []Cancellation }

// CancelSlotRequests withdraws requests.
type CancelSlotRequests struct{ Requests []id.SlotRequest }

// ReleaseSlots gives slots back.
type ReleaseSlots struct{ Allocations []id.Allocation }

// JobStateChanged says that the job came into another state.
type JobStateChanged struct {
	From, To execgraph.JobStatus
	// Cause is set with Failing and Failed, and may be with Suspended.
	Cause failure.Info
}

// ScheduleRestart asks for a [RestartTimerFired] after a time, which may be 0.
type ScheduleRestart struct {
	Restart RestartID
	After   time.Duration
}

// TasksToRestore says that these subtasks have new attempts, which will be deployed: from the
// latest checkpoint, if there is one. The state must be assigned before a [DeployTasks] of these
// subtasks is carried out. If it cannot be, the shell reports a [GlobalFailure].
type TasksToRestore struct {
	Vertices []execgraph.VertexIndex // ascending
	// Global says that the restart follows a [GlobalFailure]: coordinators are restored, too.
	// Otherwise they are told which of their subtasks are reset.
	Global bool
}

// SlotRequest asks for one slot.
type SlotRequest struct {
	ID id.SlotRequest
	// Group is the slot sharing group and Index the number of the slot in it.
	Group string
	Index int32
	// Previous is the slot that served for the same tasks before; the zero value if none did.
	Previous execgraph.Slot
}

// RequestSlots asks for slots; the answer is [SlotsAllocated] or [SlotAllocationFailed]. A request
// that comes again under the id that it had keeps its place among the others.
type RequestSlots struct{ Requests []SlotRequest }

// Deployment is a task to start, and where.
type Deployment struct {
	Vertex  execgraph.VertexIndex
	Attempt id.Attempt
	Slot    execgraph.Slot
}

// DeployTasks starts tasks. The slots of all producers that they read are known to the graph.
type DeployTasks struct{ Tasks []Deployment }

func (TasksChanged) effect()       {}
func (CancelTasks) effect()        {}
func (CancelSlotRequests) effect() {}
func (ReleaseSlots) effect()       {}
func (JobStateChanged) effect()    {}
func (ScheduleRestart) effect()    {}
func (TasksToRestore) effect()     {}
func (RequestSlots) effect()       {}
func (DeployTasks) effect()        {}

// output collects the effects of one step.
type output struct {
	changes   []TaskChange
	cancels   []Cancellation
	withdrawn []id.SlotRequest
	released  []id.Allocation
	job       []Effect // JobStateChanged, ScheduleRestart, TasksToRestore
	requests  []SlotRequest
	deploys   []Deployment
}

// take returns the effects in their order and empties the output.
func (o *output) take() []Effect {
	var all []Effect
	if len(o.changes) > 0 {
		all = append(all, TasksChanged{o.changes})
	}
	if len(o.cancels) > 0 {
		all = append(all, CancelTasks{o.cancels})
	}
	if len(o.withdrawn) > 0 {
		all = append(all, CancelSlotRequests{o.withdrawn})
	}
	if len(o.released) > 0 {
		all = append(all, ReleaseSlots{o.released})
	}
	all = append(all, o.job...)
	if len(o.requests) > 0 {
		all = append(all, RequestSlots{o.requests})
	}
	if len(o.deploys) > 0 {
		all = append(all, DeployTasks{o.deploys})
	}
	*o = output{}
	return all
}
