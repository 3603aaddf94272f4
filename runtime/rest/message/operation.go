package message

import (
	"encoding/hex"
	"fmt"

	"goflink/core/id"
)

// QueueStatus says whether an operation is over.
type QueueStatus struct {
	ID string `json:"id"`
}

// The values of QueueStatus.ID.
const (
	InProgress = "IN_PROGRESS"
	Completed  = "COMPLETED"
)

// Trigger names an asynchronous operation. Its client may choose it, so that a repeated request is
// the same operation.
type Trigger [16]byte

// String is the id as 32 hexadecimal digits.
func (t Trigger) String() string { return hex.EncodeToString(t[:]) }

// MarshalText writes the id as 32 hexadecimal digits.
func (t Trigger) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, t[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (t *Trigger) UnmarshalText(text []byte) error {
	b, err := hex.AppendDecode(nil, text)
	if err != nil || len(b) != len(t) {
		return fmt.Errorf("trigger id %q: want %d hexadecimal digits", text, 2*len(t))
	}
	copy(t[:], b)
	return nil
}

// NewTrigger returns a random id.
func NewTrigger() Trigger { return Trigger(id.NewJob()) }

// Triggered answers the request for an asynchronous operation.
type Triggered struct {
	Request Trigger `json:"request-id"`
}

// Progress says how an asynchronous operation stands; Operation is there once it is over.
type Progress struct {
	Status    QueueStatus `json:"status"`
	Operation *Operation  `json:"operation,omitempty"`
}

// Operation is what came of an asynchronous operation: a cause, or the location of a savepoint, or
// the number of a checkpoint with its location (which is not Flink's), or nothing.
type Operation struct {
	Location   string  `json:"location,omitempty"`
	Checkpoint *uint64 `json:"checkpointId,omitempty"`
	Failure    *Cause  `json:"failure-cause,omitempty"`
}

// SavepointRequest is the body of POST /jobs/:j/savepoints.
type SavepointRequest struct {
	Target  string   `json:"target-directory,omitempty"`
	Cancel  bool     `json:"cancel-job,omitempty"`
	Format  string   `json:"formatType,omitempty"`
	Trigger *Trigger `json:"triggerId,omitempty"`
}

// StopRequest is the body of POST /jobs/:j/stop.
type StopRequest struct {
	Target  string   `json:"targetDirectory,omitempty"`
	Drain   bool     `json:"drain,omitempty"`
	Format  string   `json:"formatType,omitempty"`
	Trigger *Trigger `json:"triggerId,omitempty"`
}

// CheckpointRequest is the body of POST /jobs/:j/checkpoints.
type CheckpointRequest struct {
	Type    string   `json:"checkpointType,omitempty"`
	Trigger *Trigger `json:"triggerId,omitempty"`
}

// DisposalRequest is the body of POST /savepoint-disposal.
type DisposalRequest struct {
	Path string `json:"savepoint-path"`
}

// CoordinationRequest is the body of POST /jobs/:j/coordinators/:op, in base64.
type CoordinationRequest struct {
	Request []byte `json:"serializedCoordinationRequest"`
}

// CoordinationResponse answers it, in base64.
type CoordinationResponse struct {
	Result []byte `json:"serializedCoordinationResult"`
}
