// Package controlplane is what the processes of a cluster say to each other: messages, and the
// interfaces of who takes them. Inside one process the interfaces are implemented by the components
// themselves; between processes by a client of a wire protocol.
//
// A call returns once the message is taken; what comes of it is another message. Calls may come
// from any goroutine. The order of calls from one caller to one receiver is kept.
package controlplane

import (
	"time"

	"goflink/core/accumulator"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/core/stream"
)

// TaskExecutor is a TaskManager as a JobMaster sees it.
type TaskExecutor interface {
	// Worker is its id.
	Worker() id.Worker
	// DataAddress is where others read the results of its tasks.
	DataAddress() string
	// Submit starts a task. Its fate is reported by JobMaster.TaskRunning and TaskEnded, also if it
	// cannot be started.
	Submit(d *TaskDeployment, master JobMaster)
	// CancelTask ends a task soon. For an unknown attempt nothing happens: its end was reported.
	CancelTask(a id.Attempt)
	// TriggerCheckpoint begins a checkpoint at a task.
	TriggerCheckpoint(a id.Attempt, b *stream.Barrier)
	// CheckpointComplete and CheckpointAborted tell tasks the fate of a checkpoint.
	CheckpointComplete(as []id.Attempt, checkpoint uint64)
	CheckpointAborted(as []id.Attempt, checkpoint uint64)
	// CoordinatorEvent hands an event of its coordinator to an operator. It is dropped if the task
	// is not there, whose end is then reported.
	CoordinatorEvent(a id.Attempt, op id.Operator, event []byte)
	// SampleBackpressure looks at tasks several times and reports to master how often each was
	// found waiting for room in its outputs; tasks that are not there are left out (R107).
	SampleBackpressure(r BackpressureRequest, master JobMaster)
	// FreeSlot takes a slot back from the job; tasks in it are failed.
	FreeSlot(a id.Allocation, cause error)
	// ReleaseJob forgets what is kept for a job; none of its tasks may run any more.
	ReleaseJob(j id.Job)
}

// JobMaster is a job's master as TaskManagers see it.
type JobMaster interface {
	// ID is the job's id.
	ID() id.Job
	// TaskRunning reports that all operators of a task are open.
	TaskRunning(a id.Attempt)
	// TaskEnded reports the end of a task: state Finished, Canceled or Failed, with the cause.
	TaskEnded(a id.Attempt, end TaskEnd)
	// AcknowledgeCheckpoint reports a task's part of a checkpoint.
	AcknowledgeCheckpoint(a id.Attempt, checkpoint uint64, s statebackend.TaskSnapshot,
		m statebackend.SnapshotMetrics)
	// DeclineCheckpoint reports that there will be no such part.
	DeclineCheckpoint(a id.Attempt, checkpoint uint64, cause DeclineCause, reason failure.Info)
	// OperatorEvent carries an event of an operator to its coordinator.
	OperatorEvent(a id.Attempt, op id.Operator, event []byte)
	// WantsCheckpoint says that a task at its end waits for a checkpoint.
	WantsCheckpoint(a id.Attempt)
	// BackpressureSampled answers SampleBackpressure.
	BackpressureSampled(w id.Worker, s BackpressureSamples)
	// OfferSlots offers slots that the ResourceManager assigned to the job.
	OfferSlots(te TaskExecutor, slots []SlotOffer)
	// Disconnected says that a TaskManager is lost, with all its slots.
	Disconnected(w id.Worker, cause failure.Info)
}

// ResourceManager is the ResourceManager as a JobMaster sees it.
type ResourceManager interface {
	// DeclareRequirements says how many slots the job needs in all; 0 ends its interest.
	DeclareRequirements(j id.Job, slots int, master JobMaster)
}

// DeclineCause says why a task has no part in a checkpoint. Only DeclineFailed is a failure.
type DeclineCause uint8

const (
	// DeclineFailed: the task could not take or write its part.
	DeclineFailed DeclineCause = iota
	// DeclineNotReady: the task was not running yet.
	DeclineNotReady
	// DeclineEnded: the task had ended.
	DeclineEnded
	// DeclineSuperseded: another checkpoint came first, or a task before declined this one.
	DeclineSuperseded
)

// BackpressureRequest says which tasks to look at, and how often.
type BackpressureRequest struct {
	// Request is the answer's number.
	Request  int
	Attempts []id.Attempt
	// Samples are taken Delay apart.
	Samples int
	Delay   time.Duration
}

// BackpressureSamples is the answer to a BackpressureRequest.
type BackpressureSamples struct {
	Request int
	Tasks   []TaskBackpressure
}

// TaskBackpressure says in what share of the samples a task waited for room in its outputs.
type TaskBackpressure struct {
	Attempt id.Attempt
	Share   float64
}

// SlotOffer is a slot on its way to a JobMaster.
type SlotOffer struct {
	Allocation id.Allocation
	// Index is the slot's number in its TaskManager.
	Index int
}

// TaskEnd is how a task ended.
type TaskEnd struct {
	Cancelled bool
	// Failure is set if the task failed.
	Failure *failure.Info
	// SlotGone says that the task was not started because the slot does not belong to the job any
	// more.
	SlotGone     bool
	Accumulators []accumulator.Share
}

// TaskDeployment is all that a TaskManager needs to start a task, besides the job's graph and code.
type TaskDeployment struct {
	Attempt    id.Attempt
	Allocation id.Allocation
	// Vertex is the index of the vertex in the JobGraph.
	Vertex int
	Inputs []InputDeployment
	// Outputs are the numbers of channels of the vertex's results: the consumers of this subtask.
	Outputs []int
	Restore *TaskRestore
}

// InputDeployment says where one input of a task reads: one channel per producer. Producers may be
// shared between deployments and must not be changed.
type InputDeployment struct {
	Producers []Producer
	// Channel is the index in each producer's partition that this task reads, if Channels is nil;
	// it is the same for all producers of an all-to-all edge.
	Channel  int
	Channels []int
}

// ChannelOf is the channel that the task reads of producer i.
func (d *InputDeployment) ChannelOf(i int) int {
	if d.Channels != nil {
		return d.Channels[i]
	}
	return d.Channel
}

// Producer is a partition and where it is made.
type Producer struct {
	Partition id.Partition
	Worker    id.Worker
	// Address is where the worker's data server listens.
	Address string
}

// TaskRestore is the state that a task begins with.
type TaskRestore struct {
	Checkpoint uint64
	Operators  map[id.Operator]statebackend.OperatorSnapshot
	// Finished says that the task had ended before the checkpoint.
	Finished bool
}
