package taskmanager

import (
	"fmt"
	"strconv"

	"goflink/core/accumulator"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/graph"
	"goflink/operator"
	"goflink/runtime/controlplane"
	"goflink/runtime/task"
)

// newTask makes a task with its exchanges. On error nothing of it is left.
func (tm *TaskManager) newTask(d *controlplane.TaskDeployment, r *running) (*task.Task, error) {
	v := &r.job.Graph.Vertices[d.Vertex]
	info := operator.Info{
		Job: d.Attempt.Job, JobName: r.job.Graph.Name, Attempt: d.Attempt,
		Subtask: int(d.Attempt.Subtask), Parallelism: v.Parallelism,
		MaxParallelism: v.MaxParallelism, Worker: tm.o.Worker,
		TaskName: fmt.Sprintf("%s (%d/%d)", v.Name, d.Attempt.Subtask+1, v.Parallelism),
	}
	r.metrics = tm.o.Metrics.Group(string(tm.o.Worker), "taskmanager", d.Attempt.Job.String(),
		v.ID.String(), strconv.Itoa(info.Subtask))
	o := task.Options{Host: tm.o.Host, Info: info, Vertex: v, Code: r.job.Code,
		Config: r.job.Config, Backend: r.job.Backend, OperatorStates: r.job.OperatorStates,
		Storage: r.job.Storage, Listener: &listener{tm: tm, r: r}, Metrics: r.metrics,
		Logger:          tm.o.Logger.With("task", info.TaskName, "attempt", d.Attempt.Number),
		ManagedBytes:    tm.o.ManagedBytes / int64(tm.o.Slots),
		FinalCheckpoint: r.job.FinalCheckpoint, CheckMutation: r.job.CheckMutation,
		Shared: r.job.Shared}
	if d.Restore != nil {
		o.Restore = &task.Restore{Checkpoint: d.Restore.Checkpoint,
			Operators: d.Restore.Operators, Finished: d.Restore.Finished}
	}
	if err := tm.connect(&o, d, r.job.Code); err != nil {
		for _, p := range o.Partitions {
			p.Fail(err)
		}
		for _, g := range o.Gates {
			g.Close()
		}
		return nil, err
	}
	t := task.New(o)
	registerTask(r.metrics, &o, t)
	return t, nil
}

// connect makes the ends of the task's exchanges.
func (tm *TaskManager) connect(o *task.Options, d *controlplane.TaskDeployment,
	code *graph.Code) error {
	v := o.Vertex
	if len(d.Inputs) != len(v.Inputs) || len(d.Outputs) != len(v.Results) {
		return fmt.Errorf("the deployment of %s has %d inputs and %d outputs, the vertex %d and %d",
			o.Info.TaskName, len(d.Inputs), len(d.Outputs), len(v.Inputs), len(v.Results))
	}
	for i, res := range v.Results {
		ec, ok := code.Edges[res.StreamEdge]
		if !ok {
			return fmt.Errorf("the program has no code for edge %d", res.StreamEdge)
		}
		p, err := tm.o.Exchange.Partition(id.Partition{Producer: d.Attempt, Output: int32(i)},
			d.Outputs[i], ec.Type)
		if err != nil {
			return err
		}
		o.Partitions = append(o.Partitions, p)
	}
	for i := range d.Inputs {
		ec, ok := code.Edges[v.Inputs[i].StreamEdge]
		if !ok {
			return fmt.Errorf("the program has no code for edge %d", v.Inputs[i].StreamEdge)
		}
		g, err := tm.o.Exchange.Gate(o.Info.TaskName, &d.Inputs[i], ec.Type)
		if err != nil {
			return err
		}
		o.Gates = append(o.Gates, g)
	}
	return nil
}

// listener passes a task's reports on to its master.
type listener struct {
	tm *TaskManager
	r  *running
}

var _ task.Listener = (*listener)(nil)

func (l *listener) master() controlplane.JobMaster {
	l.tm.mu.Lock()
	defer l.tm.mu.Unlock()
	return l.r.master
}

func (l *listener) Running(a id.Attempt) { l.master().TaskRunning(a) }

func (l *listener) Ended(a id.Attempt, err error, shares []accumulator.Share) {
	m := l.master()
	l.tm.mu.Lock()
	delete(l.tm.mu.tasks, a)
	l.tm.mu.Unlock()
	l.r.metrics.Close()
	end := controlplane.TaskEnd{Accumulators: shares}
	switch {
	case err == task.ErrCancelled: // not one of a producer that was cancelled
		end.Cancelled = true
	case err != nil:
		f := failure.InfoOf(err)
		end.Failure = &f
	}
	m.TaskEnded(a, end)
	l.tm.done.Done()
}

func (l *listener) Acknowledge(a id.Attempt, cp uint64, s statebackend.TaskSnapshot,
	m statebackend.SnapshotMetrics) {
	l.master().AcknowledgeCheckpoint(a, cp, s, m)
}

var declineCauses = map[task.DeclineCause]controlplane.DeclineCause{
	task.Failed: controlplane.DeclineFailed, task.NotReady: controlplane.DeclineNotReady,
	task.Ended: controlplane.DeclineEnded, task.Superseded: controlplane.DeclineSuperseded,
}

func (l *listener) Decline(a id.Attempt, cp uint64, cause task.DeclineCause, reason error) {
	l.master().DeclineCheckpoint(a, cp, declineCauses[cause], failure.InfoOf(reason))
}

func (l *listener) CoordinatorEvent(a id.Attempt, op id.Operator, event []byte) {
	l.master().OperatorEvent(a, op, event)
}

func (l *listener) WantsCheckpoint(a id.Attempt) { l.master().WantsCheckpoint(a) }

// deaf is the master of tasks whose worker was killed: nobody hears them.
type deaf struct{}

func (deaf) ID() id.Job                                 { return id.Job{} }
func (deaf) TaskRunning(id.Attempt)                     {}
func (deaf) TaskEnded(id.Attempt, controlplane.TaskEnd) {}
func (deaf) AcknowledgeCheckpoint(id.Attempt, uint64, statebackend.TaskSnapshot,
	statebackend.SnapshotMetrics) {
}
func (deaf) DeclineCheckpoint(id.Attempt, uint64, controlplane.DeclineCause, failure.Info) {
}
func (deaf) OperatorEvent(id.Attempt, id.Operator, []byte)                   {}
func (deaf) WantsCheckpoint(id.Attempt)                                      {}
func (deaf) BackpressureSampled(id.Worker, controlplane.BackpressureSamples) {}
func (deaf) OfferSlots(controlplane.TaskExecutor, []controlplane.SlotOffer)  {}
func (deaf) Disconnected(id.Worker, failure.Info)                            {}
