package slotpool

import (
	"time"

	"goflink/core/failure"
	"goflink/core/id"
)

// Profile is the resources of a slot. The zero value, as a demand, is met by any slot. Demands with
// other profiles are refused; what a TaskManager offers may say what its slots have.
type Profile struct {
	CPUCores           float64
	TaskHeapBytes      int64
	TaskOffHeapBytes   int64
	ManagedMemoryBytes int64
	NetworkMemoryBytes int64
}

// Any tells whether every slot meets the profile.
func (p Profile) Any() bool { return p == Profile{} }

// Request asks for a slot.
type Request struct {
	ID      id.SlotRequest
	Profile Profile
	// Previous and PreviousWorker say where the same tasks ran before, if they did.
	Previous       id.Allocation
	PreviousWorker id.Worker
}

// Offer is a slot that a TaskManager holds for the job.
type Offer struct {
	Allocation id.Allocation
	Profile    Profile
}

// Event is something that happened, as the pool is told by [Pool.Step].
type Event interface{ event() }

// SlotsOffered is an offer of a TaskManager. It is answered with [AcceptSlots] and [RejectSlots].
type SlotsOffered struct {
	Worker id.Worker
	Offers []Offer
}

// SlotsRequested asks for slots; the answer is [SlotsAllocated], at once or later, or
// [RequestsTimedOut].
type SlotsRequested struct{ Requests []Request }

// RequestsCancelled withdraws requests. Those that are unknown or were met are ignored.
type RequestsCancelled struct{ Requests []id.SlotRequest }

// SlotsReleased gives slots back to the pool. Those that are unknown or free are ignored.
type SlotsReleased struct{ Allocations []id.Allocation }

// SlotsGone says that a TaskManager no longer has slots, while it goes on itself. Slots that it
// does not have in this pool are ignored.
type SlotsGone struct {
	Worker      id.Worker
	Allocations []id.Allocation
	Cause       failure.Info
}

// WorkerLost says that a TaskManager is gone with all its slots.
type WorkerLost struct {
	Worker id.Worker
	Cause  failure.Info
}

// ResourcesRefused is the ResourceManager's word that it cannot get what is needed now. Requests go
// on waiting; the reason is part of the failure when they time out.
type ResourcesRefused struct{ Reason string }

// TimerFired says that the time of a [SetTimer] has come. It may come early, late or without one.
type TimerFired struct{}

// Closed says that the job has ended: all slots go back to their TaskManagers.
type Closed struct{}

func (SlotsOffered) event()      {}
func (SlotsRequested) event()    {}
func (RequestsCancelled) event() {}
func (SlotsReleased) event()     {}
func (SlotsGone) event()         {}
func (WorkerLost) event()        {}
func (ResourcesRefused) event()  {}
func (TimerFired) event()        {}
func (Closed) event()            {}

// Effect is something that the owner of the pool is to do. The effects of one step come in the
// order [AcceptSlots], [RejectSlots], [FreeSlots], [RequirementsChanged], [SetTimer], [SlotsLost],
// [RequestsTimedOut], [SlotsAllocated]. What the scheduler is told comes last, because it may
// answer with further events: were the requirements declared after that, an older declaration would
// follow on a newer one.
type Effect interface{ effect() }

// AcceptSlots tells a TaskManager that the job takes slots which it offered. An offer may arrive
// after the slot was freed, when both were on their way at the same time: a TaskManager that is
// told of a slot which it does not have any more, or is to deploy into it, answers with
// [SlotsGone]. Otherwise the slot would be taken for one that exists.
type AcceptSlots struct {
	Worker      id.Worker
	Allocations []id.Allocation
}

// RejectSlots tells a TaskManager that the job does not take slots which it offered.
type RejectSlots struct {
	Worker      id.Worker
	Allocations []id.Allocation
	Reason      string
}

// FreeSlots gives slots back to a TaskManager. The pool does not know them any more.
type FreeSlots struct {
	Worker      id.Worker
	Allocations []id.Allocation
	Reason      string
}

// SlotsLost tells the scheduler that slots which it uses are gone.
type SlotsLost struct {
	Allocations []id.Allocation
	Cause       failure.Info
}

// RequestsTimedOut tells the scheduler that requests were not met in time and are forgotten.
type RequestsTimedOut struct {
	Requests []id.SlotRequest
	Since    time.Time // when the oldest of them came
	Cause    failure.Info
}

// Allocated is a request and the slot that meets it.
type Allocated struct {
	Request    id.SlotRequest
	Allocation id.Allocation
	Worker     id.Worker
}

// SlotsAllocated gives the scheduler slots that it requested, in the order of the requests.
type SlotsAllocated struct{ Slots []Allocated }

// Requirement is a number of slots of one profile.
type Requirement struct {
	Profile Profile
	Count   int
}

// RequirementsChanged declares to the ResourceManager what the job needs in all: the slots in use
// and those requested. Of several, only the last one need be sent.
type RequirementsChanged struct{ Requirements []Requirement }

// SetTimer asks for a [TimerFired] at a time, in the place of an earlier one.
type SetTimer struct{ At time.Time }

func (AcceptSlots) effect()         {}
func (RejectSlots) effect()         {}
func (FreeSlots) effect()           {}
func (SlotsLost) effect()           {}
func (RequestsTimedOut) effect()    {}
func (SlotsAllocated) effect()      {}
func (RequirementsChanged) effect() {}
func (SetTimer) effect()            {}
