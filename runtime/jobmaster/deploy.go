package jobmaster

import (
	"fmt"

	"goflink/core/failure"
	"goflink/core/id"
	"goflink/graph"
	"goflink/runtime/controlplane"
	"goflink/runtime/execgraph"
	"goflink/runtime/scheduling"
	"goflink/runtime/slotpool"
)

// deploy starts tasks, once their state is assigned.
func (m *Master) deploy(tasks []scheduling.Deployment) {
	m.held = append(m.held, tasks...)
	m.deployHeld()
}

// deployHeld starts the tasks that waited for their state. Those that were cancelled meanwhile are
// left out.
func (m *Master) deployHeld() {
	if m.holdDeploys > 0 {
		return
	}
	tasks := m.held
	m.held = nil
	m.start(tasks)
}

// start starts tasks.
func (m *Master) start(tasks []scheduling.Deployment) {
	d := deployer{m: m, all: map[*execgraph.IntermediateResult][]controlplane.Producer{}}
	for _, t := range tasks {
		if e := m.graph.Subtask(t.Vertex).Current(); e.Attempt() != t.Attempt ||
			e.State() != execgraph.Deploying {
			m.reportCancelled(t.Attempt)
			continue
		}
		te := m.executors[t.Slot.Worker]
		if te == nil {
			lost := failure.InfoOf(fmt.Errorf("the worker %s is lost", t.Slot.Worker))
			m.TaskEnded(t.Attempt, controlplane.TaskEnd{Failure: &lost})
			continue
		}
		m.trace("deploy %s", m.graph.Subtask(t.Vertex).TaskName())
		te.Submit(d.deployment(t), m)
	}
}

// reportCancelled tells the scheduler that a task which was cancelled before it was deployed is
// gone.
func (m *Master) reportCancelled(a id.Attempt) {
	m.actor.Post(func() {
		m.schedule(scheduling.TaskStateChanged{Attempt: a, State: execgraph.Canceled})
	})
}

// deployer makes the deployments of one effect. The producers of an all-to-all edge are the same
// for all its consumers, so they are listed once.
type deployer struct {
	m   *Master
	all map[*execgraph.IntermediateResult][]controlplane.Producer
}

func (d *deployer) deployment(t scheduling.Deployment) *controlplane.TaskDeployment {
	v := d.m.graph.Subtask(t.Vertex)
	jv := v.JobVertex()
	out := &controlplane.TaskDeployment{Attempt: t.Attempt, Allocation: t.Slot.Allocation,
		Vertex: jv.Index(), Restore: d.m.restores[t.Vertex]}
	for _, r := range jv.Inputs() {
		out.Inputs = append(out.Inputs, d.input(r, v.Subtask()))
	}
	for _, r := range jv.Results() {
		out.Outputs = append(out.Outputs, int(r.ConsumersOf(v.Subtask()).Count))
	}
	return out
}

func (d *deployer) input(r *execgraph.IntermediateResult, consumer int32) (
	in controlplane.InputDeployment) {
	if r.Pattern() == graph.AllToAll {
		ps, ok := d.all[r]
		if !ok {
			for i := range r.Partitions() {
				ps = append(ps, d.producer(r, int32(i)))
			}
			d.all[r] = ps
		}
		in.Producers, in.Channel = ps, int(consumer)
		return in
	}
	rg := r.ProducersOf(consumer)
	for p := rg.First; p < rg.End(); p++ {
		in.Producers = append(in.Producers, d.producer(r, p))
		in.Channels = append(in.Channels, int(consumer-r.ConsumersOf(p).First))
	}
	return in
}

func (d *deployer) producer(r *execgraph.IntermediateResult, subtask int32) controlplane.Producer {
	e := r.Producer().Subtasks()[subtask].Current()
	p := controlplane.Producer{
		Partition: id.Partition{Producer: e.Attempt(), Output: int32(r.Index())},
		Worker:    e.Slot().Worker,
	}
	if te := d.m.executors[p.Worker]; te != nil {
		p.Address = te.DataAddress()
	}
	return p
}

// TaskRunning takes the news that a task runs.
func (m *Master) TaskRunning(a id.Attempt) {
	m.actor.Post(func() {
		m.schedule(scheduling.TaskStateChanged{Attempt: a, State: execgraph.Running})
	})
}

// TaskEnded takes the news that a task has ended.
func (m *Master) TaskEnded(a id.Attempt, end controlplane.TaskEnd) {
	m.actor.Post(func() {
		e := scheduling.TaskStateChanged{Attempt: a, State: execgraph.Finished}
		switch {
		case end.Cancelled:
			e.State = execgraph.Canceled
		case end.Failure != nil:
			e.State, e.Failure = execgraph.Failed, *end.Failure
		default:
			m.shares[a] = end.Accumulators
		}
		slot := m.slotOf(a)
		m.schedule(e)
		if end.SlotGone && slot.Worker != "" {
			m.slots(slotpool.SlotsGone{Worker: slot.Worker,
				Allocations: []id.Allocation{slot.Allocation}, Cause: e.Failure})
		}
	})
}

// slotOf is the slot of an attempt; none if it is not the current attempt of its subtask.
func (m *Master) slotOf(a id.Attempt) (s execgraph.Slot) {
	if v, err := m.graph.Find(a); err == nil && v.Current().Attempt() == a {
		return v.Current().Slot()
	}
	return s
}
