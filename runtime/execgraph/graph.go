package execgraph

import (
	"fmt"
	"time"

	"goflink/core/id"
	"goflink/graph"
)

// Limits of what is taken for a job. A JobGraph may come from another process.
const (
	// MaxParallelism is the largest parallelism of a vertex.
	MaxParallelism = 1 << 15
	// MaxSubtasks is the largest number of subtasks of a job.
	MaxSubtasks = 1 << 20
)

// ExecutionGraph is a job with its parallelism spread out, and the state of all its tasks. See the
// package's comment for who may use it.
type ExecutionGraph struct {
	job      *graph.JobGraph
	vertices []*ExecutionJobVertex
	subtasks []ExecutionVertex
	regions  []PipelinedRegion
	byID     map[id.Vertex]*ExecutionJobVertex
	counts   StateCounts
	blocking bool // there is a blocking result

	status  JobStatus
	entered [jobStatuses]int64 // Unix milliseconds; 0: never
}

// ExecutionJobVertex is a vertex of the job with its subtasks (R144).
type ExecutionJobVertex struct {
	graph    *ExecutionGraph
	vertex   *graph.Vertex
	index    int
	subtasks []ExecutionVertex
	results  []*IntermediateResult
	inputs   []*IntermediateResult // the result that each input reads
	edges    []ExecutionEdge       // subtask by subtask, input by input
	counts   StateCounts
}

// New spreads a JobGraph out. It reads the graph and keeps it; nobody may change it. An
// inconsistent graph is an error that names the vertex.
func New(now time.Time, job *graph.JobGraph) (*ExecutionGraph, error) {
	total, err := check(job)
	if err != nil {
		return nil, fmt.Errorf("job %q (%s): %w", job.Name, job.ID, err)
	}
	g := &ExecutionGraph{
		job:      job,
		vertices: make([]*ExecutionJobVertex, len(job.Vertices)),
		subtasks: make([]ExecutionVertex, total),
		byID:     make(map[id.Vertex]*ExecutionJobVertex, len(job.Vertices)),
	}
	g.entered[JobCreated] = now.UnixMilli()
	g.counts[Created] = int32(total)
	first := 0
	for i := range job.Vertices {
		v := &job.Vertices[i]
		jv := &ExecutionJobVertex{
			graph: g, vertex: v, index: i,
			subtasks: g.subtasks[first : first+v.Parallelism : first+v.Parallelism],
		}
		jv.counts[Created] = int32(v.Parallelism)
		g.vertices[i], g.byID[v.ID] = jv, jv
		jv.makeSubtasks(now, VertexIndex(first))
		first += v.Parallelism
	}
	for _, jv := range g.vertices {
		jv.makeResults()
	}
	for _, jv := range g.vertices {
		jv.makeEdges()
	}
	g.makeRegions()
	if err := g.checkRegions(); err != nil {
		return nil, err
	}
	return g, nil
}

// makeSubtasks fills the subtasks in; the first attempt has the number 1.
func (jv *ExecutionJobVertex) makeSubtasks(now time.Time, first VertexIndex) {
	for s := range jv.subtasks {
		v := &jv.subtasks[s]
		v.job, v.subtask, v.index = jv, int32(s), first+VertexIndex(s)
		v.current.attempt = id.Attempt{
			Job: jv.graph.job.ID, Vertex: jv.vertex.ID, Subtask: int32(s), Number: 1,
		}
		v.current.enter(now, Created)
	}
}

// makeResults makes the results of the vertex with their partitions.
func (jv *ExecutionJobVertex) makeResults() {
	jv.results = make([]*IntermediateResult, len(jv.vertex.Results))
	for i, res := range jv.vertex.Results {
		r := &IntermediateResult{
			producer: jv, consumer: jv.graph.vertices[res.Consumer], input: res.ConsumerInput,
			index: i, kind: res.Type, pattern: res.Pattern,
			partitions: make([]IntermediateResultPartition, len(jv.subtasks)),
		}
		for s := range r.partitions {
			r.partitions[s] = IntermediateResultPartition{result: r, producer: int32(s)}
		}
		jv.results[i] = r
	}
}

// makeEdges makes the edges of the vertex's subtasks.
func (jv *ExecutionJobVertex) makeEdges() {
	jv.inputs = make([]*IntermediateResult, len(jv.vertex.Inputs))
	for i, e := range jv.vertex.Inputs {
		jv.inputs[i] = jv.graph.vertices[e.Producer].results[e.Result]
	}
	jv.edges = make([]ExecutionEdge, len(jv.inputs)*len(jv.subtasks))
	for s := range jv.subtasks {
		for i, r := range jv.inputs {
			e := &jv.edges[s*len(jv.inputs)+i]
			*e = ExecutionEdge{
				result: r, consumer: int32(s), producers: r.ProducersOf(int32(s)),
			}
			if r.kind == graph.Blocking {
				e.missing = 1
				if r.pattern == graph.PointWise {
					e.missing = e.producers.Count
				}
			}
		}
	}
}

// Job is the JobGraph that was spread out.
func (g *ExecutionGraph) Job() *graph.JobGraph { return g.job }

// Len is the number of all subtasks.
func (g *ExecutionGraph) Len() int { return len(g.subtasks) }

// JobVertices are the vertices in topological order.
func (g *ExecutionGraph) JobVertices() []*ExecutionJobVertex { return g.vertices }

// Subtask returns a subtask by its position.
func (g *ExecutionGraph) Subtask(i VertexIndex) *ExecutionVertex { return &g.subtasks[i] }

// Counts are the numbers of subtasks per state, in the whole job.
func (g *ExecutionGraph) Counts() *StateCounts { return &g.counts }

// JobVertex returns a vertex by its id.
func (g *ExecutionGraph) JobVertex(v id.Vertex) (*ExecutionJobVertex, bool) {
	jv, ok := g.byID[v]
	return jv, ok
}

// Find returns the subtask that an attempt belongs to, whatever the attempt's number. The error
// says what of the id is unknown here.
func (g *ExecutionGraph) Find(a id.Attempt) (*ExecutionVertex, error) {
	if a.Job != g.job.ID {
		return nil, fmt.Errorf("attempt %s belongs to another job than %s", a, g.job.ID)
	}
	jv, ok := g.byID[a.Vertex]
	if !ok {
		return nil, fmt.Errorf("attempt %s: job %q has no such vertex", a, g.job.Name)
	}
	if a.Subtask < 0 || int(a.Subtask) >= len(jv.subtasks) {
		return nil, fmt.Errorf("attempt %s: vertex %q has the parallelism %d",
			a, jv.vertex.Name, len(jv.subtasks))
	}
	return &jv.subtasks[a.Subtask], nil
}

// Status is the state of the job.
func (g *ExecutionGraph) Status() JobStatus { return g.status }

// Entered is when the job came into a state for the last time, in Unix milliseconds; 0 if never.
func (g *ExecutionGraph) Entered(s JobStatus) int64 { return g.entered[s] }

// Transition moves the job into another state. A change that the table does not know is a
// [*TransitionError] and changes nothing.
func (g *ExecutionGraph) Transition(now time.Time, to JobStatus) error {
	if !g.status.CanBecome(to) {
		return &TransitionError{
			What: fmt.Sprintf("job %q", g.job.Name), From: g.status.String(), To: to.String(),
		}
	}
	g.status = to
	g.entered[to] = now.UnixMilli()
	return nil
}

// Vertex is the vertex of the JobGraph.
func (jv *ExecutionJobVertex) Vertex() *graph.Vertex { return jv.vertex }

// Index is the vertex's position in the JobGraph.
func (jv *ExecutionJobVertex) Index() int { return jv.index }

// Subtasks are the parallel instances.
func (jv *ExecutionJobVertex) Subtasks() []ExecutionVertex { return jv.subtasks }

// Results are what the vertex produces: one per outgoing edge.
func (jv *ExecutionJobVertex) Results() []*IntermediateResult { return jv.results }

// Inputs are the results that the vertex reads, by input.
func (jv *ExecutionJobVertex) Inputs() []*IntermediateResult { return jv.inputs }

// Edges are the inputs of all subtasks: subtask by subtask, and input by input.
func (jv *ExecutionJobVertex) Edges() []ExecutionEdge { return jv.edges }

// Counts are the numbers of the vertex's subtasks per state.
func (jv *ExecutionJobVertex) Counts() *StateCounts { return &jv.counts }
