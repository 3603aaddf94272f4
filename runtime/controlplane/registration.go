package controlplane

import (
	"errors"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/job"
)

const (
	// ProtocolVersion is the version of what JobManagers and TaskManagers say to each other; those
	// of different versions refuse each other.
	ProtocolVersion = 1
	// MaxSlots bounds the slots of one TaskManager.
	MaxSlots = 1 << 16
)

// ErrGoodbye is in the chain of the loss of a worker that said that it ends.
var ErrGoodbye = errors.New("the TaskManager has ended")

// Registration is what a TaskManager says of itself.
type Registration struct {
	Worker id.Worker
	Slots  int
	// DataAddress is where other workers read the results of its tasks, host:port.
	DataAddress string
	// The sizes of its memory: managed and network memory, and the process as a whole.
	ManagedBytes, NetworkBytes, ProcessBytes int64
	Host                                     string
	PID                                      int
}

// JobDescription is what a worker must know of a job to run its tasks.
type JobDescription struct {
	// Graph is the JobGraph, encoded.
	Graph []byte
	// Config is the configuration of the cluster and the job.
	Config []config.Entry
	// Execute is which call of Execute in the program made the job, from 0, and Earlier what became
	// of the calls before it.
	Execute int
	Earlier []JobOutcome
}

// JobOutcome is what a call of Execute has returned.
type JobOutcome struct {
	Result job.Result
	// Failure is set if the job failed, Cancelled if it was cancelled.
	Failure   *failure.Info `json:",omitempty"`
	Cancelled bool          `json:",omitempty"`
}
