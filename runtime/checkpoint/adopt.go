package checkpoint

import (
	"slices"

	"goflink/graph"
)

// AdoptMaxParallelism returns the job with the numbers of key groups that the checkpoint has, where
// the user has not fixed another one: the number that was derived from a parallelism must not keep
// a job from being restored at another parallelism. The job itself is not changed; what does not
// differ is shared with it.
func AdoptMaxParallelism(m *Metadata, job *graph.JobGraph) *graph.JobGraph {
	a := newAssigner(m, job, false)
	adopted := *job
	adopted.Vertices = slices.Clone(job.Vertices)
	changed := false
	for i := range adopted.Vertices {
		v := &adopted.Vertices[i]
		want := a.keyGroups(v)
		if want == 0 || v.MaxParallelismFixed || v.Parallelism > want || v.MaxParallelism == want {
			continue
		}
		changed = true
		v.MaxParallelism = want
		for _, in := range v.Inputs {
			p := &adopted.Vertices[in.Producer]
			p.Results = slices.Clone(p.Results)
			p.Results[in.Result].ConsumerMaxParallelism = want
		}
	}
	if !changed {
		return job
	}
	return &adopted
}

// keyGroups is the number of key groups of the keyed state of a vertex's operators; 0 if there is
// none.
func (a *assigner) keyGroups(v *graph.Vertex) int {
	for j := range v.Nodes {
		p, found := a.old[v.Nodes[j].Operator]
		if found && keyedStates(&a.m.Vertices[p.vertex], p.op) != nil {
			return a.m.Vertices[p.vertex].MaxParallelism
		}
	}
	return 0
}
