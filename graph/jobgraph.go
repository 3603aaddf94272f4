package graph

import (
	"goflink/core/id"
	"goflink/operator"
)

// Version is the version of the JobGraph format; a graph of another version is refused.
const Version = 1

// Pattern says how the subtasks at both ends of an edge are connected (R143).
type Pattern uint8

const (
	// PointWise connects each producer with few consumers (forward, rescale).
	PointWise Pattern = iota
	// AllToAll connects each producer with each consumer.
	AllToAll
)

// String is Flink's name of the pattern.
func (p Pattern) String() string {
	return [...]string{"POINTWISE", "ALL_TO_ALL"}[p]
}

// ResultType says how a result is exchanged (R143).
type ResultType uint8

const (
	// Pipelined results are consumed while they are produced, within bounded buffers.
	Pipelined ResultType = iota
	// Blocking results are consumed after they are complete. It is known to the graph and its
	// regions; no runtime for it is built yet, and schedulers refuse it by name.
	Blocking
)

// String is Flink's name of the type.
func (r ResultType) String() string {
	return [...]string{"PIPELINED_BOUNDED", "BLOCKING"}[r]
}

// JobGraph is a job as it is submitted: vertices in topological order. It is immutable once built.
type JobGraph struct {
	Version  int
	ID       id.Job
	Name     string
	Vertices []Vertex
	// Config is the job's configuration: what the program and the command line set.
	Config map[string]string
	// Once holds the results of env.Once by name, encoded.
	Once map[string][]byte `json:",omitempty"`
	// Restore says what the job starts from.
	Restore RestoreSettings
	// Fingerprint covers all that must be equal where the program is built again: vertices, chains,
	// edges, record and key types, parallelisms; not ID, Config or Restore.
	Fingerprint string
}

// RestoreSettings says which checkpoint or savepoint a job starts from (R85, R88).
type RestoreSettings struct {
	Path             string `json:",omitempty"`
	AllowNonRestored bool   `json:",omitempty"`
}

// Vertex is a chain of operators that runs as one task per subtask (R143).
type Vertex struct {
	ID   id.Vertex
	Name string
	// Nodes are the operators of the chain; the head is first, and a node comes before those that
	// it feeds.
	Nodes          []Node
	Parallelism    int
	MaxParallelism int
	// MaxParallelismFixed says that the user set the maximum.
	MaxParallelismFixed bool
	SlotSharingGroup    string
	Inputs              []Edge
	// Results are the vertex's intermediate data sets: one per outgoing edge.
	Results []Result
	Bounded bool `json:",omitempty"`
}

// Node is one operator in a chain.
type Node struct {
	// Stream is the id of the StreamNode, by which Code is found.
	Stream   int
	Operator id.Operator
	UID      string `json:",omitempty"`
	Name     string
	// Inputs is the number of the operator's inputs.
	Inputs int
	// Source and Coordinated describe the operator.
	Source      bool   `json:",omitempty"`
	Sink        bool   `json:",omitempty"`
	Coordinated bool   `json:",omitempty"`
	KeySchema   []byte `json:",omitempty"`
	Outputs     []Output
}

// Output is one reader of one output of a node: a node of the same chain, or a result.
type Output struct {
	Tag string `json:",omitempty"`
	// Type names the record type, Schema is a digest of its encoding.
	Type   string
	Schema string
	// Node is the index in Vertex.Nodes of the chained reader, or -1; Input is the reader's input.
	Node, Input int
	// Result is the index in Vertex.Results, or -1.
	Result int
}

// Result is an intermediate data set: what one outgoing edge carries.
type Result struct {
	Type ResultType
	// StreamEdge is the id of the StreamEdge, by which Code is found.
	StreamEdge   int
	Partitioning Partitioning
	Pattern      Pattern
	// Consumer is the index in JobGraph.Vertices, and ConsumerInput in its Inputs.
	Consumer, ConsumerInput int
	// ConsumerMaxParallelism is the consumer's number of key groups.
	ConsumerMaxParallelism int
	// KeepAligned is Edge.KeepAligned of the consumer's input.
	KeepAligned bool `json:",omitempty"`
}

// Edge is an input of a vertex's head.
type Edge struct {
	// Input is the head operator's input.
	Input int
	// Producer is the index in JobGraph.Vertices, and Result in its Results.
	Producer, Result int
	Partitioning     Partitioning
	Pattern          Pattern
	Type             ResultType
	// StreamEdge is the id of the StreamEdge.
	StreamEdge int
	// KeepAligned says that unaligned checkpoints stay aligned on this edge: on point-wise,
	// broadcast and custom ones, whose channel state could not be redistributed, and on all others
	// into the same vertex.
	KeepAligned bool `json:",omitempty"`
}

// Code is the part of a program that cannot be serialised: found by the ids of stream nodes and
// edges, which are the same wherever the program is built.
type Code struct {
	Nodes map[int]NodeCode
	Edges map[int]EdgeCode
}

// NodeCode is the code of one operator.
type NodeCode struct {
	Factory     operator.Factory
	Coordinator operator.CoordinatorFactory
	// Outputs are the types of the outputs by tag ("" is the main one).
	Outputs map[string]operator.OutputType
}

// EdgeCode is the code of one edge between vertices.
type EdgeCode struct {
	Router operator.RouterFactory
	Type   operator.OutputType
}
