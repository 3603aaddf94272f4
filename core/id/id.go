// Package id holds the typed identities of the engine: jobs, vertices, operators, execution
// attempts, slot allocations, workers and result partitions. They are plain comparable values.
package id

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Job names one submission of a program. Every submission gets a new one (R85).
type Job [16]byte

// Vertex names a vertex of a JobGraph; it is the id of the head operator of its chain.
type Vertex [16]byte

// Operator names an operator across submissions: from its UID, or from a stable hash of the graph.
type Operator [16]byte

// Allocation names one grant of a slot to a job.
type Allocation [16]byte

// SlotRequest names one request of a job for a slot. The numbers grow within a job, so that the
// order of requests is the order of their ids; 0 is none.
type SlotRequest int64

// Worker names a TaskManager: its resource id, unique among the workers of a cluster.
type Worker string

// NewJob returns a random job id.
func NewJob() Job { return Job(random()) }

// NewAllocation returns a random allocation id.
func NewAllocation() Allocation { return Allocation(random()) }

func random() (b [16]byte) {
	if _, err := rand.Read(b[:]); err != nil {
		// crypto/rand.Read never returns an error (its documentation); kept for the type checker.
		return sum16([]byte(err.Error()))
	}
	return b
}

func sum16(b []byte) (out [16]byte) {
	h := sha256.Sum256(b)
	copy(out[:], h[:16])
	return out
}

// OperatorFromUID derives an operator's id from the UID that the user gave it.
func OperatorFromUID(uid string) Operator { return Operator(sum16([]byte("uid:" + uid))) }

// OperatorFromHash derives an operator's id from bytes that describe its place in the graph.
func OperatorFromHash(description []byte) Operator { return Operator(sum16(description)) }

// String is the id as 32 hexadecimal digits.
func (j Job) String() string { return hex.EncodeToString(j[:]) }

// IsZero reports whether the id was never set.
func (j Job) IsZero() bool { return j == Job{} }

// String is the id as 32 hexadecimal digits.
func (v Vertex) String() string { return hex.EncodeToString(v[:]) }

// String is the id as 32 hexadecimal digits.
func (o Operator) String() string { return hex.EncodeToString(o[:]) }

// String is the id as 32 hexadecimal digits.
func (a Allocation) String() string { return hex.EncodeToString(a[:]) }

// IsZero reports whether the id was never set.
func (a Allocation) IsZero() bool { return a == Allocation{} }

// MarshalText writes the id as 32 hexadecimal digits.
func (j Job) MarshalText() ([]byte, error) { return hexText(j[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (j *Job) UnmarshalText(b []byte) error { return parse("job id", b, j[:]) }

// MarshalText writes the id as 32 hexadecimal digits.
func (v Vertex) MarshalText() ([]byte, error) { return hexText(v[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (v *Vertex) UnmarshalText(b []byte) error { return parse("vertex id", b, v[:]) }

// MarshalText writes the id as 32 hexadecimal digits.
func (o Operator) MarshalText() ([]byte, error) { return hexText(o[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (o *Operator) UnmarshalText(b []byte) error { return parse("operator id", b, o[:]) }

// MarshalText writes the id as 32 hexadecimal digits.
func (a Allocation) MarshalText() ([]byte, error) { return hexText(a[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (a *Allocation) UnmarshalText(b []byte) error { return parse("allocation id", b, a[:]) }

// ParseJob reads a job id as the user writes it: 32 hexadecimal digits.
func ParseJob(s string) (Job, error) {
	var j Job
	return j, parse("job id", []byte(strings.TrimSpace(s)), j[:])
}

func hexText(b []byte) []byte { return hex.AppendEncode(nil, b) }

func parse(what string, text, into []byte) error {
	b, err := hex.AppendDecode(nil, text)
	if err != nil || len(b) != len(into) {
		return fmt.Errorf("%s %q: want %d hexadecimal digits", what, text, 2*len(into))
	}
	copy(into, b)
	return nil
}

// Attempt is one attempt to run one subtask of a vertex: Flink's ExecutionAttemptID (R145). Number
// grows with each attempt of the subtask, so a message of an earlier attempt is recognised.
type Attempt struct {
	Job     Job
	Vertex  Vertex
	Subtask int32
	Number  int32
}

// String is job, vertex, subtask and attempt number joined by underscores.
func (a Attempt) String() string {
	return fmt.Sprintf("%s_%s_%d_%d", a.Job, a.Vertex, a.Subtask, a.Number)
}

// Partition is the result of one attempt on one of its vertex's outputs.
type Partition struct {
	Producer Attempt
	Output   int32
}

// String is the producing attempt and the index of the output.
func (p Partition) String() string { return fmt.Sprintf("%s#%d", p.Producer, p.Output) }

// Compare orders attempts by job, vertex, subtask and number: -1, 0 or 1.
func (a Attempt) Compare(b Attempt) int {
	return cmp.Or(
		bytes.Compare(a.Job[:], b.Job[:]),
		bytes.Compare(a.Vertex[:], b.Vertex[:]),
		cmp.Compare(a.Subtask, b.Subtask),
		cmp.Compare(a.Number, b.Number),
	)
}
