// Package resourcemgr is the ResourceManager: it knows what slots jobs need and what workers there
// are, has workers started and released by a Driver, and gives slots to JobMasters (R120, R139).
//
//	JobMasters ──declare──▶ Manager ──request, release──▶ Driver (local, YARN, Nomad)
//	workers ──register────▶         ◀──allocated, lost────
//
// The Manager never assumes that a request succeeded: it compares what is needed with what is there
// and under way, again after each event.
package resourcemgr

import (
	"context"

	"goflink/core/id"
)

// Driver starts and stops workers somewhere. Its methods are called by one goroutine, one at a
// time, and do not block for long: what becomes of a call is reported to Events. It never retries
// by itself and holds no opinion on how many workers there should be.
type Driver interface {
	// Start begins to deliver events and returns the workers that an earlier leader of the same
	// cluster has left running. ctx ends the call, not the driver.
	Start(ctx context.Context, e Events) (recovered []id.Worker, err error)
	// Request asks for one worker. It is answered by exactly one of Events.Allocated and
	// Events.Failed, unless it is cancelled before.
	Request(r Request)
	// Cancel withdraws a request; if it is answered nevertheless, its worker is released.
	Cancel(n RequestNumber)
	// Release ends a worker, gracefully if it is well. It is followed by Events.Lost. An unknown
	// worker is no error.
	Release(w id.Worker, reason string)
	// Finish says goodbye: the cluster has come to its end and nothing of it shall remain. Workers
	// that still run are released; Finish returns when they are gone or ctx ends.
	Finish(ctx context.Context, s FinalStatus, diagnostics string) error
	// Close ends the driver and leaves workers as they are: another leader takes over.
	Close() error
}

// RequestNumber numbers the requests of one Manager, from 1.
type RequestNumber int64

// Request asks for a worker.
type Request struct {
	Number RequestNumber
	Spec   WorkerSpec
}

// WorkerSpec is what a worker is given. All workers of a cluster are alike.
type WorkerSpec struct {
	// MemoryBytes is the size of the process (taskmanager.memory.process.size), VCores its share of
	// processors, Slots the number of its slots.
	MemoryBytes int64
	VCores      float64
	Slots       int
}

// Events hears what a driver has to say. Any goroutine may call it, also within a call of the
// driver; calls do not block.
type Events interface {
	// Allocated says that a worker was started for a request. It has not registered yet.
	Allocated(n RequestNumber, w id.Worker)
	// Failed says that there will be no worker for a request, and why.
	Failed(n RequestNumber, cause error)
	// Pending says why a request still waits, for the user; the request goes on.
	Pending(n RequestNumber, reason string)
	// Lost says that a worker has ended: also one that was released.
	Lost(w id.Worker, exit Exit)
	// Fatal says that the driver cannot go on: it was shut out, or another leader is at work.
	Fatal(cause error)
}

// Exit is how a worker ended.
type Exit struct {
	// Released says that the worker ended because it was told to.
	Released bool
	// Code is the exit code, or 128 + the signal; -1 if it is not known.
	Code int
	// Diagnostics say more: the reason of the scheduler, the last lines of the log.
	Diagnostics string
}

// FinalStatus is how a cluster ended.
type FinalStatus string

// The final statuses, by YARN's names.
const (
	Succeeded FinalStatus = "SUCCEEDED"
	Failed    FinalStatus = "FAILED"
	Killed    FinalStatus = "KILLED"
	Undefined FinalStatus = "UNDEFINED"
)
