package checkpoint

import (
	"fmt"
	"slices"

	"goflink/core/statebackend"
	"goflink/graph"
	"goflink/runtime/execgraph"
)

// assignFinished finds the subtasks that need not run again, because they had come to their end.
//
// At the parallelism of the checkpoint each subtask is judged by itself; at another one, only a
// vertex of which all subtasks had finished has. A subtask can only have finished if all that feed
// it have: in at-least-once mode a subtask may say that it has although one before it had not, and
// then runs again.
func (a *assigner) assignFinished() error {
	for i := range a.job.Vertices {
		v := &a.job.Vertices[i]
		if err := a.finishVertex(v); err != nil {
			return fmt.Errorf("vertex %q: %w", v.Name, err)
		}
		for j := range v.Inputs {
			if err := a.checkProducers(v, &v.Inputs[j]); err != nil {
				return fmt.Errorf("vertex %q: %w", v.Name, err)
			}
		}
	}
	return nil
}

// finishVertex marks the subtasks that had finished.
func (a *assigner) finishVertex(v *graph.Vertex) error {
	subtasks := a.out.Vertices[v.ID]
	first := true
	for j := range v.Nodes {
		n := &v.Nodes[j]
		p, found := a.old[n.Operator]
		if !found {
			continue
		}
		was := &a.m.Vertices[p.vertex]
		fin := finishedAt(was, v.Parallelism)
		if fin == nil {
			if err := checkUnion(was, p.op); err != nil {
				return err
			}
			fin = make([]bool, v.Parallelism)
		}
		for i := range fin {
			if !first && fin[i] != subtasks[i].Finished {
				return fmt.Errorf("operator %s and one before it in its chain are now one task, "+
					"but only one of them had come to its end: disable chaining between them",
					was.Operators[p.op].describe())
			}
			subtasks[i].Finished = fin[i]
		}
		if first && j > 0 && v.Nodes[0].Source && anyFinished(subtasks) {
			return fmt.Errorf("operator %s had come to its end, but its source %q is new: give "+
				"the source the UID that the source had, or the operator a new one",
				was.Operators[p.op].describe(), v.Nodes[0].Name)
		}
		first = false
	}
	return nil
}

// finishedAt says which of parallelism subtasks had finished; nil if some had, but which those are
// cannot be said at this parallelism.
func finishedAt(was *VertexState, parallelism int) []bool {
	fin := make([]bool, parallelism)
	if len(was.Subtasks) == parallelism {
		for i := range fin {
			fin[i] = was.Subtasks[i].Finished
		}
		return fin
	}
	n := 0
	for i := range was.Subtasks {
		if was.Subtasks[i].Finished {
			n++
		}
	}
	switch n {
	case 0:
		return fin
	case len(was.Subtasks):
		for i := range fin {
			fin[i] = true
		}
		return fin
	}
	return nil
}

// checkUnion refuses to run a partly finished operator again at another parallelism if it has union
// state: the parts of the subtasks that are gone would be missing for everybody.
func checkUnion(was *VertexState, op int) error {
	gone, union := -1, ""
	for i := range was.Subtasks {
		s := &was.Subtasks[i]
		if s.Operators == nil {
			gone = i
			continue
		}
		for _, h := range s.Operators[op].Operator {
			if h.Mode == statebackend.Union {
				union = h.Name
			}
		}
	}
	if gone >= 0 && union != "" {
		return fmt.Errorf("operator %s: subtask %d had come to its end, and its part of the union "+
			"state %q is gone: restore at the parallelism of the checkpoint, %d",
			was.Operators[op].describe(), gone, union, len(was.Subtasks))
	}
	return nil
}

func anyFinished(subtasks []SubtaskRestore) bool {
	for i := range subtasks {
		if subtasks[i].Finished {
			return true
		}
	}
	return false
}

// checkProducers lets subtasks run again that are fed by some that do.
func (a *assigner) checkProducers(v *graph.Vertex, e *graph.Edge) error {
	subtasks := a.out.Vertices[v.ID]
	if !anyFinished(subtasks) {
		return nil
	}
	pv := &a.job.Vertices[e.Producer]
	producers := a.out.Vertices[pv.ID]
	running := make([]int, len(producers)+1) // how many of the first i run
	for i := range producers {
		running[i+1] = running[i]
		if !producers[i].Finished {
			running[i+1]++
		}
	}
	for i := range subtasks {
		from, to := 0, len(producers)
		if e.Pattern == graph.PointWise {
			r := execgraph.PointWiseProducers(len(producers), len(subtasks), i)
			from, to = int(r.First), int(r.End())
		}
		if !subtasks[i].Finished || running[to] == running[from] {
			continue
		}
		if a.hadEnded(v, i) {
			return fmt.Errorf("it had come to its end, but is now fed by %q, which has not: an "+
				"operator whose inputs have all ended cannot get another one; give it a new UID",
				pv.Name)
		}
		subtasks[i].Finished = false
	}
	return nil
}

// hadEnded reports whether a subtask was gone, so that there is no state to run it again from. At
// another parallelism its state comes from all that there were.
func (a *assigner) hadEnded(v *graph.Vertex, subtask int) bool {
	for j := range v.Nodes {
		p, found := a.old[v.Nodes[j].Operator]
		if !found {
			continue
		}
		was := a.m.Vertices[p.vertex].Subtasks
		if len(was) == v.Parallelism {
			was = was[subtask : subtask+1]
		}
		return slices.ContainsFunc(was, func(s SubtaskState) bool { return s.Operators == nil })
	}
	return false
}
