package resourcemgr

import (
	"time"

	"goflink/core/id"
	"goflink/runtime/controlplane"
)

// event is something that happened, as the machine is told.
type event interface{ event() }

type (
	// needDeclared is what a job needs in all.
	needDeclared struct {
		job    id.Job
		slots  int
		master controlplane.JobMaster
	}
	// workerRegistered is a worker that wants to serve; an error of the step refuses it.
	workerRegistered struct{ worker Worker }
	// connectionLost is the end of a worker's connection.
	connectionLost struct {
		worker id.Worker
		cause  string
	}
	// slotFreed is a slot that came back from its job.
	slotFreed struct {
		worker     id.Worker
		allocation id.Allocation
	}
	// driverStarted is the end of Driver.Start; without a driver it is the beginning of all.
	driverStarted struct{ recovered []id.Worker }
	// workerAllocated, startFailed, requestPending, workerRecovered, workerEnded and driverFailed
	// are what Events hears.
	workerAllocated struct {
		request RequestNumber
		worker  id.Worker
	}
	startFailed struct {
		request RequestNumber
		cause   string
	}
	requestPending struct {
		request RequestNumber
		reason  string
	}
	workerRecovered struct{ worker id.Worker }
	workerEnded     struct {
		worker id.Worker
		exit   Exit
	}
	driverFailed struct{ cause error }
	// timerFired is the time of a setTimer, or any other.
	timerFired struct{}
	// clusterFinished is the end: the driver is not asked for anything any more.
	clusterFinished struct{ reason string }
)

func (needDeclared) event()     {}
func (workerRegistered) event() {}
func (connectionLost) event()   {}
func (slotFreed) event()        {}
func (driverStarted) event()    {}
func (workerAllocated) event()  {}
func (startFailed) event()      {}
func (requestPending) event()   {}
func (workerRecovered) event()  {}
func (workerEnded) event()      {}
func (driverFailed) event()     {}
func (timerFired) event()       {}
func (clusterFinished) event()  {}

// effect is something that the shell is to do, in the order of the effects.
type effect interface{ effect() }

type (
	// grantSlot gives a slot to a job.
	grantSlot struct {
		worker     Worker
		index      int
		allocation id.Allocation
		job        id.Job
		master     controlplane.JobMaster
	}
	// shutDown asks a registered worker to end.
	shutDown struct {
		worker Worker
		reason string
	}
	// cutOff says that a worker has ended whose connection may not know it yet.
	cutOff struct {
		worker Worker
		cause  string
	}
	// requestWorker, cancelRequest and releaseWorker are calls of the driver.
	requestWorker struct{ request Request }
	cancelRequest struct{ request RequestNumber }
	releaseWorker struct {
		worker id.Worker
		reason string
	}
	// setTimer asks for timerFired at a time, in the place of an earlier one.
	setTimer struct{ at time.Time }
	// tell is a line of the event log; a bad one is a failure.
	tell struct {
		text string
		bad  bool
	}
	// giveUp tells the owner that the driver has failed.
	giveUp struct{ cause error }
)

func (grantSlot) effect()     {}
func (shutDown) effect()      {}
func (cutOff) effect()        {}
func (requestWorker) effect() {}
func (cancelRequest) effect() {}
func (releaseWorker) effect() {}
func (setTimer) effect()      {}
func (tell) effect()          {}
func (giveUp) effect()        {}
