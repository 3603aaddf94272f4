package rpc

import (
	"encoding/json"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/runtime/controlplane"
	"goflink/runtime/controlplane/controlpb"
)

// remoteMaster is the master of a job at the other end of a connection. After the connection's end
// it hears nothing.
type remoteMaster struct {
	s   *connection
	job id.Job
}

var _ controlplane.JobMaster = (*remoteMaster)(nil)

func (m *remoteMaster) put(x *controlpb.FromWorker) { m.s.box.put(x) }

// ID is the job's id.
func (m *remoteMaster) ID() id.Job { return m.job }

// TaskRunning reports that all operators of a task are open.
func (m *remoteMaster) TaskRunning(a id.Attempt) {
	m.put(&controlpb.FromWorker{Kind: &controlpb.FromWorker_TaskRunning{
		TaskRunning: encodeAttempt(a)}})
}

// TaskEnded reports the end of a task.
func (m *remoteMaster) TaskEnded(a id.Attempt, end controlplane.TaskEnd) {
	x := &controlpb.TaskEnded{Attempt: encodeAttempt(a), Cancelled: end.Cancelled,
		SlotGone: end.SlotGone, Failure: encodeFailure(end.Failure)}
	if len(end.Accumulators) > 0 {
		x.Accumulators = encodeJSON(end.Accumulators)
	}
	m.put(&controlpb.FromWorker{Kind: &controlpb.FromWorker_TaskEnded{TaskEnded: x}})
}

// notStarted reports a task that was not started.
func (m *remoteMaster) notStarted(a id.Attempt, err error) {
	info := failure.InfoOf(err)
	m.TaskEnded(a, controlplane.TaskEnd{Failure: &info})
}

// AcknowledgeCheckpoint reports a task's part of a checkpoint.
func (m *remoteMaster) AcknowledgeCheckpoint(a id.Attempt, checkpoint uint64,
	s statebackend.TaskSnapshot, x statebackend.SnapshotMetrics) {
	m.put(&controlpb.FromWorker{Kind: &controlpb.FromWorker_Acknowledge{
		Acknowledge: &controlpb.Acknowledge{Attempt: encodeAttempt(a), Checkpoint: checkpoint,
			Snapshot: encodeJSON(s), Metrics: encodeJSON(x)}}})
}

// DeclineCheckpoint reports that there will be no such part.
func (m *remoteMaster) DeclineCheckpoint(a id.Attempt, checkpoint uint64,
	cause controlplane.DeclineCause, reason failure.Info) {
	m.put(&controlpb.FromWorker{Kind: &controlpb.FromWorker_Decline{
		Decline: &controlpb.Decline{Attempt: encodeAttempt(a), Checkpoint: checkpoint,
			Cause: uint32(cause), Reason: encodeFailure(&reason)}}})
}

// OperatorEvent carries an event of an operator to its coordinator.
func (m *remoteMaster) OperatorEvent(a id.Attempt, op id.Operator, event []byte) {
	m.put(&controlpb.FromWorker{Kind: &controlpb.FromWorker_OperatorEvent{
		OperatorEvent: encodeOperatorEvent(a, op, event)}})
}

// WantsCheckpoint says that a task at its end waits for a checkpoint.
func (m *remoteMaster) WantsCheckpoint(a id.Attempt) {
	m.put(&controlpb.FromWorker{Kind: &controlpb.FromWorker_WantsCheckpoint{
		WantsCheckpoint: encodeAttempt(a)}})
}

// BackpressureSampled answers SampleBackpressure.
func (m *remoteMaster) BackpressureSampled(_ id.Worker, b controlplane.BackpressureSamples) {
	x := &controlpb.BackpressureSamples{Job: m.job[:], Request: int64(b.Request)}
	for _, t := range b.Tasks {
		x.Tasks = append(x.Tasks, &controlpb.TaskBackpressure{Attempt: encodeAttempt(t.Attempt),
			Share: t.Share})
	}
	m.put(&controlpb.FromWorker{Kind: &controlpb.FromWorker_Backpressure{Backpressure: x}})
}

// OfferSlots offers slots that the ResourceManager assigned to the job.
func (m *remoteMaster) OfferSlots(_ controlplane.TaskExecutor, slots []controlplane.SlotOffer) {
	for _, s := range slots {
		m.put(&controlpb.FromWorker{Kind: &controlpb.FromWorker_OfferSlot{
			OfferSlot: &controlpb.OfferSlot{Job: m.job[:], Allocation: s.Allocation[:],
				Index: uint32(s.Index)}}})
	}
}

// Disconnected does nothing: the leader notices by the connection.
func (m *remoteMaster) Disconnected(id.Worker, failure.Info) {}

func encodeRegister(r *controlplane.Registration) *controlpb.Register {
	return &controlpb.Register{Protocol: controlplane.ProtocolVersion, Worker: string(r.Worker),
		Slots: uint32(r.Slots), DataAddress: r.DataAddress, ManagedBytes: r.ManagedBytes,
		NetworkBytes: r.NetworkBytes, ProcessBytes: r.ProcessBytes, Host: r.Host,
		Pid: int64(r.PID)}
}

func decodeRegister(m *controlpb.Register) controlplane.Registration {
	return controlplane.Registration{Worker: id.Worker(m.Worker), Slots: int(m.Slots),
		DataAddress: m.DataAddress, ManagedBytes: m.ManagedBytes, NetworkBytes: m.NetworkBytes,
		ProcessBytes: m.ProcessBytes, Host: m.Host, PID: int(m.Pid)}
}

func encodeDescription(d *controlplane.JobDescription) (*controlpb.JobDescription, error) {
	m := &controlpb.JobDescription{Graph: d.Graph, Execute: uint32(d.Execute)}
	for _, e := range d.Config {
		m.Config = append(m.Config, &controlpb.ConfigEntry{Key: e.Key, Value: e.Value,
			Origin: e.Origin})
	}
	for _, r := range d.Earlier {
		b, err := json.Marshal(r)
		if err != nil {
			return nil, status.Error(codes.Internal, err.Error())
		}
		m.Earlier = append(m.Earlier, b)
	}
	return m, nil
}

func decodeDescription(m *controlpb.JobDescription) (*controlplane.JobDescription, error) {
	d := &controlplane.JobDescription{Graph: m.Graph, Execute: int(m.Execute)}
	for _, e := range m.Config {
		d.Config = append(d.Config, config.Entry{Key: e.Key, Value: e.Value, Origin: e.Origin})
	}
	for _, b := range m.Earlier {
		r, err := decodeJSON[controlplane.JobOutcome](b)
		if err != nil {
			return nil, err
		}
		d.Earlier = append(d.Earlier, r)
	}
	return d, nil
}
