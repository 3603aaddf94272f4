package checkpoint

import (
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/graph"
)

// Metadata is one checkpoint or savepoint of a job: where all its state is, and what a restore must
// know of the job's graph (R80). It is immutable once built.
type Metadata struct {
	Checkpoint uint64
	// Epoch is that of the leader who completed it; 0 where there is no leader election.
	Epoch   uint64
	Job     id.Job
	JobName string
	// Triggered and Completed are milliseconds since the epoch of Unix.
	Triggered, Completed int64
	Kind                 stream.SavepointKind
	// Full says that it depends on no earlier checkpoint.
	Full     bool
	Vertices []VertexState
	// Edges are the edges between the vertices.
	Edges []Edge
}

// VertexState is the state of the subtasks of one vertex.
type VertexState struct {
	ID             id.Vertex
	Name           string
	MaxParallelism int
	// Operators are those of the chain, head first, stateless ones too.
	Operators []OperatorInfo
	// Subtasks are as many as the vertex's parallelism.
	Subtasks []SubtaskState
}

// OperatorInfo names an operator.
type OperatorInfo struct {
	ID   id.Operator
	UID  string // empty if the user gave none
	Name string
	// Coordinator is the state of its coordinator; Coordinated says that there is one.
	Coordinator []byte
	Coordinated bool
}

// SubtaskState is the state of one subtask.
type SubtaskState struct {
	// Finished says that the subtask had come to its natural end before the checkpoint.
	Finished bool
	// Operators are the snapshots in the order of VertexState.Operators; nil if the subtask had
	// ended before the checkpoint.
	Operators []statebackend.OperatorSnapshot
}

// Edge is an edge between two vertices, so that what was in flight on it can be found and dealt out
// again (R106).
type Edge struct {
	// Producer and Consumer are indices in Metadata.Vertices. Result is the producer's output that
	// ChannelHandle.Edge of its OutputChannels names; Input is the consumer's input, likewise.
	Producer, Result int
	Consumer, Input  int
	// From and Tag are the operator and its output that feed the edge; To and ToInput are the
	// consumer's head operator and its input.
	From    id.Operator
	Tag     string
	To      id.Operator
	ToInput int
	// Type names the record type.
	Type         string
	Partitioning graph.Partitioning
	Pattern      graph.Pattern
}

// Completed is a checkpoint that is durable.
type Completed struct {
	Metadata
	// Location is the URI of its directory; empty if it lies in the JobManager's memory.
	Location string
	// Path is how the user names it: what `run -s` takes.
	Path string
	// Foreign says that another job wrote it: its files are never deleted by this one.
	Foreign bool
}

// owned reports whether the engine may delete it.
func (c *Completed) owned() bool { return !c.Foreign && c.Kind == stream.NoSavepoint }

// Parallelism is the number of subtasks.
func (v *VertexState) Parallelism() int { return len(v.Subtasks) }

// stateful reports whether operator op of the vertex has any state.
func (v *VertexState) stateful(op int) bool {
	if v.Operators[op].Coordinator != nil {
		return true
	}
	for i := range v.Subtasks {
		if s := &v.Subtasks[i]; s.Operators != nil && hasState(&s.Operators[op]) {
			return true
		}
	}
	return false
}

func hasState(s *statebackend.OperatorSnapshot) bool {
	return len(s.Keyed)+len(s.Operator)+len(s.RawKeyed)+len(s.RawOperator)+
		len(s.InputChannels)+len(s.OutputChannels) > 0
}

// Blobs calls f with every blob of the checkpoint. While the Metadata is being built, f may change
// it.
func (m *Metadata) Blobs(f func(v *VertexState, op int, b *statebackend.Blob)) {
	for i := range m.Vertices {
		v := &m.Vertices[i]
		for j := range v.Subtasks {
			for k := range v.Subtasks[j].Operators {
				eachBlob(&v.Subtasks[j].Operators[k], func(b *statebackend.Blob) { f(v, k, b) })
			}
		}
	}
}

// eachBlob calls f with every blob of a snapshot.
func eachBlob(s *statebackend.OperatorSnapshot, f func(*statebackend.Blob)) {
	for _, hs := range [][]statebackend.KeyedHandle{s.Keyed, s.RawKeyed} {
		for i := range hs {
			f(&hs[i].Contents)
		}
	}
	for _, hs := range [][]statebackend.OperatorStateHandle{s.Operator, s.RawOperator} {
		for i := range hs {
			f(&hs[i].Contents)
		}
	}
	for _, hs := range [][]statebackend.ChannelHandle{s.InputChannels, s.OutputChannels} {
		for i := range hs {
			f(&hs[i].Contents)
		}
	}
}

// StateBytes is the size of all state, coordinators' too.
func (m *Metadata) StateBytes() (n int64) {
	for i := range m.Vertices {
		for j := range m.Vertices[i].Operators {
			n += int64(len(m.Vertices[i].Operators[j].Coordinator))
		}
	}
	m.Blobs(func(_ *VertexState, _ int, b *statebackend.Blob) { n += b.Length })
	return n
}

// describe names an operator as a user can find it.
func (o *OperatorInfo) describe() string { return describe(o.Name, o.UID, o.ID) }

func describe(name, uid string, op id.Operator) string {
	if uid != "" {
		return `"` + name + `" (UID ` + uid + `)`
	}
	return `"` + name + `" (no UID, id ` + op.String() + `)`
}
