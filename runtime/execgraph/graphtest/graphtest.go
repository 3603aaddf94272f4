// Package graphtest makes JobGraphs for tests of the packages that run them, from a few lines of
// text:
//
//	vertex source p=2 bounded
//	vertex map p=4 group=heavy
//	edge source map alltoall
//	edge source map pointwise blocking
//
// Vertices stand in topological order. Ids follow from the names, so they are the same in every
// run.
package graphtest

import (
	"fmt"
	"strconv"
	"strings"

	"goflink/core/id"
	"goflink/graph"
)

// VertexID is the id that a vertex of this name has.
func VertexID(name string) id.Vertex { return id.Vertex(id.OperatorFromUID(name)) }

// JobID is the id of every job that this package makes.
var JobID = id.Job{0xab, 15: 1}

// Parse makes a JobGraph from its text. It checks the text, not the graph: an inconsistent one is
// for tests of what must refuse it.
func Parse(text string) (*graph.JobGraph, error) {
	job := &graph.JobGraph{Version: graph.Version, ID: JobID, Name: "test"}
	for i, line := range strings.Split(text, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		var err error
		switch fields[0] {
		case "vertex":
			err = addVertex(job, fields[1:])
		case "edge":
			err = addEdge(job, fields[1:])
		default:
			err = fmt.Errorf("want vertex or edge")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d, %q: %w", i+1, line, err)
		}
	}
	return job, nil
}

func addVertex(job *graph.JobGraph, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("want a name")
	}
	v := graph.Vertex{ID: VertexID(args[0]), Name: args[0], Parallelism: 1}
	for _, a := range args[1:] {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "p":
			p, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			v.Parallelism = p
		case "group":
			v.SlotSharingGroup = value
		case "bounded":
			v.Bounded = true
		default:
			return fmt.Errorf("unknown argument %q", a)
		}
	}
	v.MaxParallelism = max(128, v.Parallelism)
	job.Vertices = append(job.Vertices, v)
	return nil
}

func addEdge(job *graph.JobGraph, args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("want two vertices and a pattern")
	}
	from, err := find(job, args[0])
	if err != nil {
		return err
	}
	to, err := find(job, args[1])
	if err != nil {
		return err
	}
	r := graph.Result{
		Type: graph.Pipelined, Partitioning: graph.Rescale, Pattern: graph.PointWise,
		Consumer: to, ConsumerInput: len(job.Vertices[to].Inputs),
	}
	switch args[2] {
	case "pointwise":
	case "alltoall":
		r.Pattern, r.Partitioning = graph.AllToAll, graph.Rebalance
	default:
		return fmt.Errorf("unknown pattern %q", args[2])
	}
	for _, a := range args[3:] {
		if a != "blocking" {
			return fmt.Errorf("unknown argument %q", a)
		}
		r.Type = graph.Blocking
	}
	producer, consumer := &job.Vertices[from], &job.Vertices[to]
	consumer.Inputs = append(consumer.Inputs, graph.Edge{
		Input: len(consumer.Inputs), Producer: from, Result: len(producer.Results),
		Partitioning: r.Partitioning, Pattern: r.Pattern, Type: r.Type,
	})
	producer.Results = append(producer.Results, r)
	return nil
}

func find(job *graph.JobGraph, name string) (int, error) {
	for i := range job.Vertices {
		if job.Vertices[i].Name == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("unknown vertex %q", name)
}
