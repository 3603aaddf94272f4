package checkpoint

import (
	"fmt"

	"goflink/core/id"
	"goflink/graph"
	"goflink/runtime/execgraph"
)

// plan is the job's subtasks, numbered through vertex by vertex, and what is known of them.
type plan struct {
	job   *graph.JobGraph
	first []int // the number of each vertex's first subtask
	byID  map[id.Vertex]int
	// operators are the positions of operators in their chains, by vertex.
	operators   []map[id.Operator]int
	coordinated []id.Operator
	tasks       []task
	running     int
	finished    int
}

// task is one subtask.
type task struct {
	vertex  int
	attempt id.Attempt
	status  taskStatus
}

type taskStatus uint8

const (
	taskAbsent taskStatus = iota
	taskRunning
	taskFinished
)

func (p *plan) init(job *graph.JobGraph) error {
	p.job, p.byID = job, map[id.Vertex]int{}
	seen := map[id.Operator]bool{}
	for i := range job.Vertices {
		v := &job.Vertices[i]
		if len(v.Nodes) == 0 || v.Parallelism < 1 || v.Parallelism > maxParallelism {
			return fmt.Errorf("job %q: vertex %q has %d operators and the parallelism %d", job.Name,
				v.Name, len(v.Nodes), v.Parallelism)
		}
		p.byID[v.ID] = i
		p.first = append(p.first, len(p.tasks))
		ops := map[id.Operator]int{}
		for j := range v.Nodes {
			n := &v.Nodes[j]
			if seen[n.Operator] {
				return fmt.Errorf("job %q: operator %s is there twice: give each its own UID",
					job.Name, describe(n.Name, n.UID, n.Operator))
			}
			seen[n.Operator] = true
			ops[n.Operator] = j
			if n.Coordinated {
				p.coordinated = append(p.coordinated, n.Operator)
			}
		}
		p.operators = append(p.operators, ops)
		for j := range v.Parallelism {
			p.tasks = append(p.tasks, task{vertex: i, attempt: id.Attempt{Job: job.ID,
				Vertex: v.ID, Subtask: int32(j), Number: -1}})
		}
	}
	return nil
}

// find returns the number of the subtask that an attempt is of.
func (p *plan) find(a id.Attempt) (int, error) {
	v, ok := p.byID[a.Vertex]
	if !ok || a.Job != p.job.ID || a.Subtask < 0 ||
		int(a.Subtask) >= p.job.Vertices[v].Parallelism {
		return 0, fmt.Errorf("attempt %s is of no task of job %q (%s)", a, p.job.Name, p.job.ID)
	}
	return p.first[v] + int(a.Subtask), nil
}

func (p *plan) set(i int, a id.Attempt, s taskStatus) {
	t := &p.tasks[i]
	count := func(s taskStatus, n int) {
		switch s {
		case taskRunning:
			p.running += n
		case taskFinished:
			p.finished += n
		}
	}
	count(t.status, -1)
	t.attempt, t.status = a, s
	count(s, 1)
}

// ready reports whether all subtasks run or have finished.
func (p *plan) ready() bool { return p.running+p.finished == len(p.tasks) }

// whyNotReady names the subtasks that are missing.
func (p *plan) whyNotReady() error {
	var names []string
	for i := range p.tasks {
		if p.tasks[i].status == taskAbsent {
			names = append(names, p.name(i))
		}
	}
	return fmt.Errorf("%d of %d tasks are not running: %s", len(names), len(p.tasks),
		nameSome("task", names))
}

// name is the subtask as users know it: "Map (2/4)".
func (p *plan) name(i int) string {
	t := &p.tasks[i]
	v := &p.job.Vertices[t.vertex]
	return fmt.Sprintf("%s (%d/%d)", v.Name, t.attempt.Subtask+1, v.Parallelism)
}

// attempts are the current attempts of the given subtasks that run.
func (p *plan) attempts(tasks []int) []id.Attempt {
	var as []id.Attempt
	for _, i := range tasks {
		if p.tasks[i].status == taskRunning {
			as = append(as, p.tasks[i].attempt)
		}
	}
	return as
}

// heads are the running subtasks that no barrier can reach from another one: sources, and those all
// of whose producers have finished.
func (p *plan) heads() []int {
	// open[v][i] is how many of the first i subtasks of vertex v run.
	open := make([][]int, len(p.job.Vertices))
	for v := range open {
		n := p.job.Vertices[v].Parallelism
		open[v] = make([]int, n+1)
		for i := range n {
			open[v][i+1] = open[v][i]
			if p.tasks[p.first[v]+i].status == taskRunning {
				open[v][i+1]++
			}
		}
	}
	var is []int
	for i := range p.tasks {
		if p.tasks[i].status == taskRunning && !p.fed(i, open) {
			is = append(is, i)
		}
	}
	return is
}

// fed reports whether a running subtask feeds subtask i.
func (p *plan) fed(i int, open [][]int) bool {
	v := &p.job.Vertices[p.tasks[i].vertex]
	for j := range v.Inputs {
		e := &v.Inputs[j]
		from, to := 0, p.job.Vertices[e.Producer].Parallelism
		if e.Pattern == graph.PointWise {
			r := execgraph.PointWiseProducers(to, v.Parallelism, int(p.tasks[i].attempt.Subtask))
			from, to = int(r.First), int(r.End())
		}
		if open[e.Producer][to] > open[e.Producer][from] {
			return true
		}
	}
	return false
}
