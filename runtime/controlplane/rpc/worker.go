package rpc

import (
	"time"

	"goflink/core/id"
	"goflink/core/stream"
	"goflink/runtime/controlplane"
	"goflink/runtime/controlplane/controlpb"
)

// Worker is a connected TaskManager as the JobManager sees it. Its methods do not wait: what is to
// be told goes into a bounded queue, and nothing is told after the connection has ended, of which
// the Hub hears. It is safe for concurrent use.
type Worker struct {
	reg   controlplane.Registration
	box   *outbox[*controlpb.ToWorker]
	since time.Time
	lists producerLists
}

var _ controlplane.TaskExecutor = (*Worker)(nil)

// Worker is its id.
func (w *Worker) Worker() id.Worker { return w.reg.Worker }

// DataAddress is where others read the results of its tasks.
func (w *Worker) DataAddress() string { return w.reg.DataAddress }

// Registration is what the worker has said of itself.
func (w *Worker) Registration() controlplane.Registration { return w.reg }

// Since is when it registered.
func (w *Worker) Since() time.Time { return w.since }

// Disconnect cuts the worker off.
func (w *Worker) Disconnect(cause error) { w.box.close(cause) }

// Shutdown asks the worker to end.
func (w *Worker) Shutdown(reason string) {
	w.box.put(&controlpb.ToWorker{Kind: &controlpb.ToWorker_Shutdown{
		Shutdown: &controlpb.Shutdown{Reason: reason}}})
}

// Allocate gives a free slot to a job. The worker offers it to the job's master, or says that it is
// freed.
func (w *Worker) Allocate(index int, a id.Allocation, j id.Job) {
	w.box.put(&controlpb.ToWorker{Kind: &controlpb.ToWorker_AllocateSlot{
		AllocateSlot: &controlpb.AllocateSlot{Index: uint32(index), Allocation: a[:], Job: j[:]}}})
}

// Submit starts a task.
func (w *Worker) Submit(d *controlplane.TaskDeployment, _ controlplane.JobMaster) {
	w.lists.mu.Lock() // lists go into the queue in the order of their numbers
	defer w.lists.mu.Unlock()
	w.box.put(&controlpb.ToWorker{Kind: &controlpb.ToWorker_Submit{Submit: w.lists.encode(d)}})
}

// CancelTask ends a task soon.
func (w *Worker) CancelTask(a id.Attempt) {
	w.box.put(&controlpb.ToWorker{Kind: &controlpb.ToWorker_CancelTask{
		CancelTask: encodeAttempt(a)}})
}

// TriggerCheckpoint begins a checkpoint at a task.
func (w *Worker) TriggerCheckpoint(a id.Attempt, b *stream.Barrier) {
	w.box.put(&controlpb.ToWorker{Kind: &controlpb.ToWorker_TriggerCheckpoint{
		TriggerCheckpoint: encodeTrigger(a, b)}})
}

// CheckpointComplete tells tasks that a checkpoint is durable.
func (w *Worker) CheckpointComplete(as []id.Attempt, checkpoint uint64) {
	w.box.put(&controlpb.ToWorker{Kind: &controlpb.ToWorker_CheckpointComplete{
		CheckpointComplete: encodeNotify(as, checkpoint)}})
}

// CheckpointAborted tells tasks that a checkpoint will never be durable.
func (w *Worker) CheckpointAborted(as []id.Attempt, checkpoint uint64) {
	w.box.put(&controlpb.ToWorker{Kind: &controlpb.ToWorker_CheckpointAborted{
		CheckpointAborted: encodeNotify(as, checkpoint)}})
}

// CoordinatorEvent hands an event of its coordinator to an operator.
func (w *Worker) CoordinatorEvent(a id.Attempt, op id.Operator, event []byte) {
	w.box.put(&controlpb.ToWorker{Kind: &controlpb.ToWorker_CoordinatorEvent{
		CoordinatorEvent: encodeOperatorEvent(a, op, event)}})
}

// SampleBackpressure looks at tasks several times.
func (w *Worker) SampleBackpressure(r controlplane.BackpressureRequest, m controlplane.JobMaster) {
	j := m.ID()
	w.box.put(&controlpb.ToWorker{Kind: &controlpb.ToWorker_SampleBackpressure{
		SampleBackpressure: &controlpb.SampleBackpressure{Job: j[:], Request: int64(r.Request),
			Attempts: encodeAttempts(r.Attempts), Samples: int64(r.Samples),
			DelayNs: int64(r.Delay)}}})
}

// FreeSlot takes a slot back from the job.
func (w *Worker) FreeSlot(a id.Allocation, cause error) {
	w.box.put(&controlpb.ToWorker{Kind: &controlpb.ToWorker_FreeSlot{
		FreeSlot: &controlpb.FreeSlot{Allocation: a[:], Reason: cause.Error()}}})
}

// ReleaseJob forgets what is kept for a job.
func (w *Worker) ReleaseJob(j id.Job) {
	w.box.put(&controlpb.ToWorker{Kind: &controlpb.ToWorker_ReleaseJob{ReleaseJob: j[:]}})
}
