// Package resourcemgr is the ResourceManager: it knows what slots jobs need and what workers there
// are, has workers started and released by a Driver, and gives slots to JobMasters (R120, R139).
//
//	JobMasters ──declare──▶ Manager ──request, cancel, release──▶ Driver (local, YARN, Nomad)
//	workers ──register────▶         ◀──allocated, failed, lost───
//	workers ◀─allocate, shut down──
//
// The Manager never assumes that a request succeeded: it compares what is needed with what is there
// and under way, again after each event. Without a Driver it hands out the slots of the workers
// that come by themselves (standalone).
//
// What it decides is decided by a state machine without clock, lock or goroutine (the files
// machine*.go); Manager is the shell around it.
package resourcemgr

import (
	"context"

	"goflink/core/id"
)

// Driver starts and stops workers somewhere. Its methods are called one at a time and do not block
// for long, Start and Finish excepted: what becomes of a call is reported to Events. It never
// retries by itself and holds no opinion on how many workers there should be.
//
// A worker's id is unique among all workers that any leader of the cluster has ever started.
type Driver interface {
	// Start begins to deliver events and returns the workers that an earlier leader of the same
	// cluster has left running. It is the first call. ctx ends the call, not the driver.
	Start(ctx context.Context, e Events) (recovered []id.Worker, err error)
	// Request asks for one worker. It is answered by exactly one of Events.Allocated and
	// Events.Failed, unless it is cancelled before.
	Request(r Request)
	// Cancel withdraws a request. An answer that is on its way may still come; the worker of such
	// an answer is released by the caller. Requests that are unknown or were answered are ignored.
	Cancel(n RequestNumber)
	// Release ends a worker, gracefully if it is well. It is followed by Events.Lost. An unknown
	// worker, or one that has ended, is no error, and nothing follows.
	Release(w id.Worker, reason string)
	// Finish says goodbye: the cluster has come to its end and nothing of it shall remain. Workers
	// that still run are released and open requests withdrawn; Finish returns when the workers are
	// gone, or with an error that names those that are not when ctx ends. Only Close may follow.
	Finish(ctx context.Context, s FinalStatus, diagnostics string) error
	// Close ends the driver and leaves workers as they are: another leader takes over. No event is
	// delivered once it has returned. A second call does nothing.
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
// driver; calls do not block. What is said of one worker comes in the order in which it happened:
// Allocated or Recovered, then Lost.
type Events interface {
	// Allocated says that a worker was started for a request, or is about to be. It has not
	// registered yet, as far as the driver knows: a quick worker may register before this is heard.
	Allocated(n RequestNumber, w id.Worker)
	// Failed says that there will be no worker for a request, and why.
	Failed(n RequestNumber, cause error)
	// Pending says why a request still waits, for the user; the request goes on. It replaces what
	// was said of the request before.
	Pending(n RequestNumber, reason string)
	// Recovered says that a worker of an earlier leader was found after Start had returned.
	Recovered(w id.Worker)
	// Lost says that a worker has ended, also one that was released: once for each worker.
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
