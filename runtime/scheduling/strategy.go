package scheduling

import (
	"fmt"

	"goflink/core/config"
	"goflink/graph"
	"goflink/runtime/execgraph"
)

// SchedulingStrategy says which tasks are scheduled together, and when (R147). The scheduler calls
// it within a step, and it answers by calling its [Operations], in the call or in a later one. An
// error ends the step and is returned by it.
type SchedulingStrategy interface {
	// StartScheduling is called once, when the job begins.
	StartScheduling() error
	// RestartTasks is called with tasks that are to run again, in ascending order. They are in
	// state Created, with new attempts.
	RestartTasks(vertices []execgraph.VertexIndex) error
	// OnExecutionStateChange is called after each change of a task's state.
	OnExecutionStateChange(v *execgraph.ExecutionVertex, state execgraph.ExecutionState) error
	// OnPartitionConsumable is called when a partition becomes readable.
	OnPartitionConsumable(p *execgraph.IntermediateResultPartition) error
}

// Operations is what a strategy can do.
type Operations interface {
	// AllocateSlotsAndDeploy requests the slots of tasks, which must be in state Created, and
	// deploys them all when all slots are there. The slice is kept and not changed.
	AllocateSlotsAndDeploy(vertices []execgraph.VertexIndex) error
}

// StrategyFactory makes a strategy for one job.
type StrategyFactory func(g *execgraph.ExecutionGraph, ops Operations) SchedulingStrategy

// StrategyOf returns the strategy of a name. The lazy strategies of older versions are refused with
// a word on what to use instead.
func StrategyOf(kind config.SchedulingStrategyKind) (StrategyFactory, error) {
	switch kind {
	case config.ScheduleEager:
		return newEager, nil
	case config.SchedulePipelinedRegion:
		return newPipelinedRegion, nil
	case config.ScheduleLazy, config.ScheduleLazyBatchSlots:
		return nil, fmt.Errorf("scheduling strategy %q is not offered: %q starts tasks as "+
			"soon as the results that they read are complete, with as many slots as there are; "+
			"set %s to it or leave it unset", kind, config.SchedulePipelinedRegion,
			config.SchedulingStrategy.Key)
	}
	return nil, fmt.Errorf("unknown scheduling strategy %q: set %s to %q or %q", kind,
		config.SchedulingStrategy.Key, config.SchedulePipelinedRegion, config.ScheduleEager)
}

// eager schedules all tasks at once (R148): none runs before all have slots.
type eager struct {
	graph *execgraph.ExecutionGraph
	ops   Operations
}

var _ SchedulingStrategy = (*eager)(nil)

func newEager(g *execgraph.ExecutionGraph, ops Operations) SchedulingStrategy {
	return &eager{graph: g, ops: ops}
}

// StartScheduling implements SchedulingStrategy.
func (e *eager) StartScheduling() error {
	all := make([]execgraph.VertexIndex, e.graph.Len())
	for i := range all {
		all[i] = execgraph.VertexIndex(i)
	}
	return e.ops.AllocateSlotsAndDeploy(all)
}

// RestartTasks implements SchedulingStrategy.
func (e *eager) RestartTasks(vertices []execgraph.VertexIndex) error {
	return e.ops.AllocateSlotsAndDeploy(vertices)
}

// OnExecutionStateChange implements SchedulingStrategy.
func (e *eager) OnExecutionStateChange(
	*execgraph.ExecutionVertex, execgraph.ExecutionState,
) error {
	return nil
}

// OnPartitionConsumable implements SchedulingStrategy.
func (e *eager) OnPartitionConsumable(*execgraph.IntermediateResultPartition) error { return nil }

// pipelinedRegion schedules one region at a time (R149): when the blocking results that it reads
// are complete, and without waiting for the slots of other regions.
type pipelinedRegion struct {
	graph *execgraph.ExecutionGraph
	ops   Operations
}

var _ SchedulingStrategy = (*pipelinedRegion)(nil)

func newPipelinedRegion(g *execgraph.ExecutionGraph, ops Operations) SchedulingStrategy {
	return &pipelinedRegion{graph: g, ops: ops}
}

// StartScheduling implements SchedulingStrategy.
func (p *pipelinedRegion) StartScheduling() error {
	regions := p.graph.Regions()
	for i := range regions {
		if err := p.schedule(&regions[i]); err != nil {
			return err
		}
	}
	return nil
}

// RestartTasks implements SchedulingStrategy.
func (p *pipelinedRegion) RestartTasks(vertices []execgraph.VertexIndex) error {
	for _, i := range vertices {
		if err := p.schedule(p.graph.Subtask(i).Region()); err != nil {
			return err
		}
	}
	return nil
}

// OnExecutionStateChange implements SchedulingStrategy: what a finished task means for others comes
// as its consumable partitions.
func (p *pipelinedRegion) OnExecutionStateChange(
	*execgraph.ExecutionVertex, execgraph.ExecutionState,
) error {
	return nil
}

// OnPartitionConsumable implements SchedulingStrategy.
func (p *pipelinedRegion) OnPartitionConsumable(part *execgraph.IntermediateResultPartition) error {
	for region := range part.ReadyRegions() {
		if err := p.schedule(region); err != nil {
			return err
		}
	}
	return nil
}

// schedule asks for a region that can run and does not. The tasks of a region are created,
// scheduled and reset together, so the first stands for all; asking each would make the restart of
// a large region quadratic.
func (p *pipelinedRegion) schedule(r *execgraph.PipelinedRegion) error {
	if !r.InputsReady() ||
		p.graph.Subtask(r.Vertices()[0]).Current().State() != execgraph.Created {
		return nil
	}
	return p.ops.AllocateSlotsAndDeploy(r.Vertices())
}

// checkResults refuses blocking results where they cannot be carried or would never be read.
func checkResults(g *execgraph.ExecutionGraph, opts Options) error {
	for _, jv := range g.JobVertices() {
		for _, r := range jv.Results() {
			if r.Type() != graph.Blocking {
				continue
			}
			edge := fmt.Sprintf("the result of %q that %q reads is %v",
				jv.Vertex().Name, r.Consumer().Vertex().Name, r.Type())
			if !opts.BlockingResults {
				return fmt.Errorf("%s, and no exchange of that type is built: run the job with "+
					"%s=%s", edge, config.ExecutionRuntimeMode.Key, config.Streaming)
			}
			if opts.Strategy == config.ScheduleEager {
				return fmt.Errorf("%s, and the scheduling strategy %q starts all tasks at once: "+
					"set %s to %q", edge, opts.Strategy, config.SchedulingStrategy.Key,
					config.SchedulePipelinedRegion)
			}
		}
	}
	return nil
}
