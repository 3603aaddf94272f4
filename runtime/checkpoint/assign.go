package checkpoint

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/graph"
)

// Assignment is what a job begins with when it is restored.
type Assignment struct {
	// Checkpoint is the number of the checkpoint.
	Checkpoint uint64
	// Vertices holds a restore per subtask for every vertex of the job.
	Vertices map[id.Vertex][]SubtaskRestore
	// Coordinators holds the state of operator coordinators, where there is any.
	Coordinators map[id.Operator][]byte
	// Skipped names the operators whose state was left out (--allowNonRestoredState).
	Skipped []string
}

// SubtaskRestore is what one subtask begins with. It has the fields of runtime/task's Restore, so
// that one converts into the other.
type SubtaskRestore struct {
	Checkpoint uint64
	// Operators holds, per operator, what falls to this subtask. A new operator has no entry.
	Operators map[id.Operator]statebackend.OperatorSnapshot
	// Finished says that the subtask had come to its end, before which its operators' Finish was
	// called. There still is state to open if it waited for a last checkpoint to commit.
	Finished bool
}

// maxNamed bounds how many operators or tasks a message names.
const maxNamed = 8

// Assign deals the state of a checkpoint out to the subtasks of a job, which need not be the one
// that wrote it (R85–R89). Operators are matched by their ids, which follow from their UIDs; new
// operators begin empty. State without an operator is an error unless allowNonRestored. It is a
// pure function; the Assignment shares memory with m. Errors are the user's to mend.
func Assign(m *Metadata, job *graph.JobGraph, allowNonRestored bool) (*Assignment, error) {
	a := newAssigner(m, job, allowNonRestored)
	steps := []func() error{a.checkOperators, a.assignStates, a.assignCoordinators,
		a.assignFinished, a.assignChannels}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, failure.Wrap(err, failure.FailJob, failure.User, "restore job %q from "+
				"checkpoint %d of job %q (%s)", job.Name, m.Checkpoint, m.JobName, m.Job)
		}
	}
	slices.Sort(a.out.Skipped)
	a.out.Skipped = slices.Compact(a.out.Skipped)
	return a.out, nil
}

// assigner is the state of Assign.
type assigner struct {
	m     *Metadata
	job   *graph.JobGraph
	allow bool
	old   map[id.Operator]place
	now   map[id.Operator]place
	out   *Assignment
	// rescaled says that the job is not laid out as that of the checkpoint.
	rescaled bool
}

// place is where an operator is: its vertex, and its position in the chain.
type place struct{ vertex, op int }

func newAssigner(m *Metadata, job *graph.JobGraph, allow bool) *assigner {
	a := &assigner{m: m, job: job, allow: allow, old: map[id.Operator]place{},
		now: map[id.Operator]place{}, out: &Assignment{Checkpoint: m.Checkpoint,
			Vertices:     map[id.Vertex][]SubtaskRestore{},
			Coordinators: map[id.Operator][]byte{}}}
	for i := range m.Vertices {
		for j := range m.Vertices[i].Operators {
			a.old[m.Vertices[i].Operators[j].ID] = place{i, j}
		}
	}
	for i := range job.Vertices {
		v := &job.Vertices[i]
		for j := range v.Nodes {
			a.now[v.Nodes[j].Operator] = place{i, j}
		}
		subtasks := make([]SubtaskRestore, v.Parallelism)
		for j := range subtasks {
			subtasks[j] = SubtaskRestore{Checkpoint: m.Checkpoint,
				Operators: map[id.Operator]statebackend.OperatorSnapshot{}}
		}
		a.out.Vertices[v.ID] = subtasks
	}
	return a
}

// checkOperators finds state that no operator of the job takes (R88).
func (a *assigner) checkOperators() error {
	var lost []string
	for i := range a.m.Vertices {
		v := &a.m.Vertices[i]
		for j := range v.Operators {
			o := &v.Operators[j]
			if _, found := a.now[o.ID]; !found && v.stateful(j) {
				lost = append(lost, o.describe())
			}
		}
	}
	if len(lost) == 0 || a.allow {
		a.out.Skipped = append(a.out.Skipped, lost...)
		return nil
	}
	return fmt.Errorf("there is state of %s, which the job does not have. If it was removed on "+
		"purpose, restore with --allowNonRestoredState (-n), which gives its state up. If not, "+
		"its UID is another one now, or it had none and the program around it was changed: give "+
		"it the UID it had, and set UIDs for all operators with state", nameSome("operator", lost))
}

// nameSome names the first few of what may be many.
func nameSome(what string, names []string) string {
	if len(names) > 1 {
		what += "s"
	}
	more := ""
	if len(names) > maxNamed {
		more = fmt.Sprintf(" and %d more", len(names)-maxNamed)
	}
	return what + " " + strings.Join(names[:min(len(names), maxNamed)], ", ") + more
}

// assignStates deals keyed and operator state out.
func (a *assigner) assignStates() error {
	for i := range a.job.Vertices {
		v := &a.job.Vertices[i]
		for j := range v.Nodes {
			p, found := a.old[v.Nodes[j].Operator]
			if !found {
				continue
			}
			if err := a.assignOperator(v, &a.m.Vertices[p.vertex], p.op); err != nil {
				n := &v.Nodes[j]
				return fmt.Errorf("operator %s: %w", describe(n.Name, n.UID, n.Operator), err)
			}
		}
	}
	return nil
}

// assignOperator deals out the state of operator op of the recorded vertex was.
func (a *assigner) assignOperator(v *graph.Vertex, was *VertexState, op int) error {
	snapshots := make([]statebackend.OperatorSnapshot, v.Parallelism)
	if err := assignKeyed(v, was, op, snapshots); err != nil {
		return err
	}
	operator := make([][]statebackend.OperatorStateHandle, len(was.Subtasks))
	raw := make([][]statebackend.OperatorStateHandle, len(was.Subtasks))
	for i := range was.Subtasks {
		if s := &was.Subtasks[i]; s.Operators != nil {
			operator[i], raw[i] = s.Operators[op].Operator, s.Operators[op].RawOperator
		}
	}
	dealt, err := statebackend.Redistribute(operator, v.Parallelism)
	if err != nil {
		return err
	}
	dealtRaw, err := statebackend.Redistribute(raw, v.Parallelism)
	if err != nil {
		return err
	}
	subtasks, o := a.out.Vertices[v.ID], was.Operators[op].ID
	for i := range snapshots {
		snapshots[i].Operator, snapshots[i].RawOperator = dealt[i], dealtRaw[i]
		if hasState(&snapshots[i]) {
			subtasks[i].Operators[o] = snapshots[i]
		}
	}
	return nil
}

// assignKeyed gives each new subtask the handles whose key groups meet its own.
func assignKeyed(v *graph.Vertex, was *VertexState, op int,
	into []statebackend.OperatorSnapshot,
) error {
	keyed := keyedStates(was, op)
	if len(keyed) == 0 {
		return nil
	}
	switch {
	case v.Parallelism > was.MaxParallelism:
		return fmt.Errorf("its keyed state has %d key groups, and the parallelism is %d: set one "+
			"of at most %d; the number of key groups is fixed with the first checkpoint",
			was.MaxParallelism, v.Parallelism, was.MaxParallelism)
	case v.MaxParallelism != was.MaxParallelism:
		return fmt.Errorf("its keyed state has %d key groups, and the job wants %d: set its "+
			"maximal parallelism to %d; it is fixed with the first checkpoint",
			was.MaxParallelism, v.MaxParallelism, was.MaxParallelism)
	}
	for i := range into {
		groups := keygroup.RangeOf(v.MaxParallelism, v.Parallelism, i)
		var err error
		if into[i].Keyed, err = handlesFor(groups, was, keyed, false); err != nil {
			return err
		}
		if into[i].RawKeyed, err = handlesFor(groups, was, keyed, true); err != nil {
			return err
		}
	}
	return nil
}

// keyedStates are the snapshots of an operator by subtask, nil if there is no keyed state in them.
func keyedStates(was *VertexState, op int) []*statebackend.OperatorSnapshot {
	all := make([]*statebackend.OperatorSnapshot, len(was.Subtasks))
	any := false
	for i := range was.Subtasks {
		if s := &was.Subtasks[i]; s.Operators != nil {
			all[i] = &s.Operators[op]
			any = any || len(all[i].Keyed)+len(all[i].RawKeyed) > 0
		}
	}
	if !any {
		return nil
	}
	return all
}

// handlesFor collects the handles that hold state of groups. What counts of a handle is what its
// subtask owned: a subtask that never opened its state has carried the handles of an earlier
// restore on, and after a rescale they hold key groups of its neighbours, too.
func handlesFor(groups keygroup.Range, was *VertexState, keyed []*statebackend.OperatorSnapshot,
	raw bool,
) ([]statebackend.KeyedHandle, error) {
	var found []statebackend.KeyedHandle
	carried := false
	p, most := len(was.Subtasks), was.MaxParallelism
	first, last := keygroup.Subtask(groups.First, most, p), keygroup.Subtask(groups.Last, most, p)
	for i := first; i <= last; i++ {
		if keyed[i] == nil {
			continue
		}
		handles := keyed[i].Keyed
		if raw {
			handles = keyed[i].RawKeyed
		}
		own := keygroup.RangeOf(most, p, i)
		for _, h := range handles {
			if h.Range.Intersect(own).Intersect(groups).Len() == 0 {
				continue
			}
			carried = carried || h.Range.Intersect(own) != h.Range
			if !slices.ContainsFunc(found, func(f statebackend.KeyedHandle) bool {
				return sameContents(&f.Contents, &h.Contents) && f.Range == h.Range
			}) {
				found = append(found, h)
			}
		}
	}
	if carried && overlap(found, groups) {
		return nil, errors.New("some of its subtasks opened their keyed state since the last " +
			"change of its parallelism and others did not; restore it at the parallelism that it " +
			"had then")
	}
	return found, nil
}

func sameContents(a, b *statebackend.Blob) bool {
	return a.File == b.File && a.Offset == b.Offset && a.Length == b.Length && a.CRC == b.CRC &&
		(a.File != "" || string(a.Inline) == string(b.Inline))
}

// overlap reports whether two handles hold the same key group of groups.
func overlap(hs []statebackend.KeyedHandle, groups keygroup.Range) bool {
	for i := range hs {
		for j := range i {
			if hs[i].Range.Intersect(hs[j].Range).Intersect(groups).Len() > 0 {
				return true
			}
		}
	}
	return false
}

// assignCoordinators hands the state of operator coordinators over.
func (a *assigner) assignCoordinators() error {
	for i := range a.m.Vertices {
		for j := range a.m.Vertices[i].Operators {
			o := &a.m.Vertices[i].Operators[j]
			p, found := a.now[o.ID]
			if o.Coordinator == nil || !found {
				continue
			}
			n := &a.job.Vertices[p.vertex].Nodes[p.op]
			switch {
			case n.Coordinated:
				a.out.Coordinators[o.ID] = o.Coordinator
			case a.allow:
				a.out.Skipped = append(a.out.Skipped, o.describe()+" (its coordinator)")
			default:
				return fmt.Errorf("there is state of the coordinator of operator %s, which is now "+
					"%q without a coordinator: give the new operator another UID, and restore "+
					"with --allowNonRestoredState (-n) to give the old one's state up",
					o.describe(), n.Name)
			}
		}
	}
	return nil
}
