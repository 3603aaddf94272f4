package execgraph

import (
	"fmt"
	"time"

	"goflink/core/failure"
	"goflink/core/id"
)

// MaxPriorExecutions is the number of earlier attempts that are kept per subtask, the latest ones
// (Flink's jobmanager.execution.attempts-history-size).
const MaxPriorExecutions = 16

// Slot is where an attempt runs.
type Slot struct {
	Allocation id.Allocation
	Worker     id.Worker
}

// Execution is one attempt to run a subtask (R144, R151). It is read-only outside of the package.
type Execution struct {
	attempt id.Attempt
	state   ExecutionState
	slot    Slot
	failure *failure.Info
	entered [executionStates]int64 // Unix milliseconds; 0: never
}

// Attempt is the identity of the attempt (R145).
func (e *Execution) Attempt() id.Attempt { return e.attempt }

// State is the state of the attempt.
func (e *Execution) State() ExecutionState { return e.state }

// Slot is the slot that the attempt was given; the zero value before.
func (e *Execution) Slot() Slot { return e.slot }

// Failure is why the attempt failed; nil unless its state is Failed.
func (e *Execution) Failure() *failure.Info { return e.failure }

// Entered is when the attempt came into a state, in Unix milliseconds; 0 if it never did.
func (e *Execution) Entered(s ExecutionState) int64 { return e.entered[s] }

// enter makes a change of state that was checked before.
func (e *Execution) enter(now time.Time, to ExecutionState) {
	e.state = to
	e.entered[to] = now.UnixMilli()
}

// VertexIndex is the position of a subtask among all of its job: vertex by vertex in topological
// order, so it may index a slice of [ExecutionGraph.Len] elements.
type VertexIndex int32

// ExecutionVertex is one parallel instance of a vertex: a subtask (R144).
type ExecutionVertex struct {
	job     *ExecutionJobVertex
	index   VertexIndex
	subtask int32
	region  int32
	current Execution
	prior   []Execution
}

// JobVertex is the vertex that the subtask belongs to.
func (v *ExecutionVertex) JobVertex() *ExecutionJobVertex { return v.job }

// Index is the subtask's position in the graph.
func (v *ExecutionVertex) Index() VertexIndex { return v.index }

// Subtask is the subtask's index in its vertex, from 0.
func (v *ExecutionVertex) Subtask() int32 { return v.subtask }

// Region is the pipelined region that the subtask belongs to.
func (v *ExecutionVertex) Region() *PipelinedRegion { return &v.job.graph.regions[v.region] }

// Current is the current attempt. The pointer stays valid and shows the next attempt after a
// [ExecutionVertex.Reset]; copy the value to keep it.
func (v *ExecutionVertex) Current() *Execution { return &v.current }

// Prior are the earlier attempts, oldest first, at most [MaxPriorExecutions].
func (v *ExecutionVertex) Prior() []Execution { return v.prior }

// TaskName is the subtask as users know it: "Map (2/4)".
func (v *ExecutionVertex) TaskName() string {
	return fmt.Sprintf("%s (%d/%d)", v.job.vertex.Name, v.subtask+1, len(v.job.subtasks))
}

// AttemptName is the current attempt as users know it: "Map (2/4) - execution attempt 3".
func (v *ExecutionVertex) AttemptName() string {
	return fmt.Sprintf("%s - execution attempt %d", v.TaskName(), v.current.attempt.Number)
}

// Input returns the edge of one of the vertex's inputs.
func (v *ExecutionVertex) Input(i int) *ExecutionEdge {
	return &v.job.edges[int(v.subtask)*len(v.job.inputs)+i]
}

// Partition returns what the subtask produces for one of the vertex's results.
func (v *ExecutionVertex) Partition(result int) *IntermediateResultPartition {
	return &v.job.results[result].partitions[v.subtask]
}

// Transition moves the current attempt into another state. A change that the table does not know is
// a [*TransitionError] and changes nothing. A cause is kept with the state Failed only.
func (v *ExecutionVertex) Transition(
	now time.Time, to ExecutionState, cause *failure.Info,
) error {
	from := v.current.state
	if !from.CanBecome(to) {
		return &TransitionError{What: v.AttemptName(), From: from.String(), To: to.String()}
	}
	v.current.enter(now, to)
	if to == Failed {
		v.current.failure = cause
	}
	v.count(from, to)
	return nil
}

// AssignSlot says where the current attempt will run. It is given before the attempt is deployed.
func (v *ExecutionVertex) AssignSlot(s Slot) error {
	if st := v.current.state; st != Scheduled {
		return fmt.Errorf("%s: a slot was assigned in state %s, not in SCHEDULED",
			v.AttemptName(), st)
	}
	v.current.slot = s
	return nil
}

// Reset puts the current attempt, which must be final, among the prior ones and makes the next, in
// state Created and with a new [id.Attempt].
func (v *ExecutionVertex) Reset(now time.Time) error {
	from := v.current.state
	if !from.Final() {
		return &TransitionError{
			What: v.AttemptName(), From: from.String(), To: Created.String() + " of a new attempt",
		}
	}
	if len(v.prior) == MaxPriorExecutions {
		copy(v.prior, v.prior[1:])
		v.prior = v.prior[:MaxPriorExecutions-1]
	}
	v.prior = append(v.prior, v.current)
	next := v.current.attempt
	next.Number++
	v.current = Execution{attempt: next}
	v.current.enter(now, Created)
	v.count(from, Created)
	for _, r := range v.job.results {
		r.reset(int(v.subtask))
	}
	return nil
}

// PreviousSlot is where the latest earlier attempt that had a slot ran; the zero value if none did.
func (v *ExecutionVertex) PreviousSlot() Slot {
	for i := len(v.prior) - 1; i >= 0; i-- {
		if s := v.prior[i].slot; !s.Allocation.IsZero() {
			return s
		}
	}
	return Slot{}
}

// count keeps the numbers of subtasks per state.
func (v *ExecutionVertex) count(from, to ExecutionState) {
	v.job.counts.move(from, to)
	v.job.graph.counts.move(from, to)
}

// StateCounts are numbers of subtasks by the state of their current attempt.
type StateCounts [executionStates]int32

func (c *StateCounts) move(from, to ExecutionState) {
	c[from]--
	c[to]++
}

// Final is the number of subtasks that have ended.
func (c *StateCounts) Final() int { return int(c[Finished] + c[Canceled] + c[Failed]) }

// aggregateOrder says which state is shown for a vertex: the first that one of its subtasks has.
// A failure shows before all, and what still moves before what has ended.
var aggregateOrder = [...]ExecutionState{
	Failed, Canceling, Canceled, Running, Deploying, Scheduled, Created, Finished,
}

// Aggregate is the state that stands for all subtasks. A vertex of which some subtasks have
// finished and others were not started is Running.
func (c *StateCounts) Aggregate() ExecutionState {
	for _, s := range aggregateOrder {
		if c[s] == 0 {
			continue
		}
		if c[Finished] > 0 && (s == Deploying || s == Scheduled || s == Created) {
			return Running
		}
		return s
	}
	return Created
}
