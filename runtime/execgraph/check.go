package execgraph

import (
	"fmt"

	"goflink/core/id"
	"goflink/graph"
)

// check verifies that a JobGraph can be spread out: that its two views of each edge agree, that it
// is in topological order and within limits. It returns the number of subtasks.
func check(job *graph.JobGraph) (subtasks int, err error) {
	if job.Version != graph.Version {
		return 0, fmt.Errorf("the JobGraph has the format version %d, this program reads %d: "+
			"submit it with a client of the cluster's version", job.Version, graph.Version)
	}
	if len(job.Vertices) == 0 {
		return 0, fmt.Errorf("the JobGraph has no vertex: add a source and a sink to the program")
	}
	seen := make(map[id.Vertex]string, len(job.Vertices))
	for i := range job.Vertices {
		v := &job.Vertices[i]
		if other, taken := seen[v.ID]; taken {
			return 0, fmt.Errorf("vertices %q and %q have the same id %s", other, v.Name, v.ID)
		}
		seen[v.ID] = v.Name
		if v.Parallelism < 1 || v.Parallelism > MaxParallelism {
			return 0, fmt.Errorf("vertex %q has the parallelism %d: set one from 1 to %d",
				v.Name, v.Parallelism, MaxParallelism)
		}
		if subtasks += v.Parallelism; subtasks > MaxSubtasks {
			return 0, fmt.Errorf("the job has more than %d subtasks: lower its parallelism",
				MaxSubtasks)
		}
	}
	for i := range job.Vertices {
		if err := checkInputs(job, i); err != nil {
			return 0, err
		}
	}
	for i := range job.Vertices {
		if err := checkResults(job, i); err != nil {
			return 0, err
		}
	}
	return subtasks, nil
}

// checkInputs verifies that each input of a vertex reads a result that is meant for it.
func checkInputs(job *graph.JobGraph, index int) error {
	v := &job.Vertices[index]
	for i, e := range v.Inputs {
		if e.Producer < 0 || e.Producer >= index {
			return fmt.Errorf("input %d of vertex %q reads vertex number %d, which does not stand "+
				"before it", i, v.Name, e.Producer)
		}
		producer := &job.Vertices[e.Producer]
		if e.Result < 0 || e.Result >= len(producer.Results) {
			return fmt.Errorf("input %d of vertex %q reads result %d of vertex %q, which has %d",
				i, v.Name, e.Result, producer.Name, len(producer.Results))
		}
		r := producer.Results[e.Result]
		if r.Consumer != index || r.ConsumerInput != i {
			return fmt.Errorf("input %d of vertex %q reads result %d of vertex %q, which is meant "+
				"for input %d of vertex number %d", i, v.Name, e.Result, producer.Name,
				r.ConsumerInput, r.Consumer)
		}
		if max(e.Pattern, r.Pattern) > graph.AllToAll || max(e.Type, r.Type) > graph.Blocking {
			return fmt.Errorf("input %d of vertex %q has an unknown pattern (%d) or type (%d)",
				i, v.Name, uint8(max(e.Pattern, r.Pattern)), uint8(max(e.Type, r.Type)))
		}
		if r.Pattern != e.Pattern || r.Type != e.Type {
			return fmt.Errorf("input %d of vertex %q is %v %v, but result %d of vertex %q is %v %v",
				i, v.Name, e.Pattern, e.Type, e.Result, producer.Name, r.Pattern, r.Type)
		}
	}
	return nil
}

// checkResults verifies that each result of a vertex is read by the input that it is meant for.
func checkResults(job *graph.JobGraph, index int) error {
	v := &job.Vertices[index]
	for i, r := range v.Results {
		if r.Consumer <= index || r.Consumer >= len(job.Vertices) {
			return fmt.Errorf("result %d of vertex %q is meant for vertex number %d, which does "+
				"not stand behind it", i, v.Name, r.Consumer)
		}
		consumer := &job.Vertices[r.Consumer]
		if r.ConsumerInput < 0 || r.ConsumerInput >= len(consumer.Inputs) {
			return fmt.Errorf("result %d of vertex %q is meant for input %d of vertex %q, which "+
				"has %d", i, v.Name, r.ConsumerInput, consumer.Name, len(consumer.Inputs))
		}
		if e := consumer.Inputs[r.ConsumerInput]; e.Producer != index || e.Result != i {
			return fmt.Errorf("result %d of vertex %q is meant for input %d of vertex %q, which "+
				"reads result %d of vertex number %d", i, v.Name, r.ConsumerInput, consumer.Name,
				e.Result, e.Producer)
		}
	}
	return nil
}
