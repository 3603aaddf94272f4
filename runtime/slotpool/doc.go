// Package slotpool keeps the slots of one job (R139, steps 9 to 11): TaskManagers offer slots to
// the JobMaster, its scheduler requests them, and the ResourceManager is told how many are needed.
//
//	           SlotsRequested, RequestsCancelled, SlotsReleased
//	scheduler ────────────────────────────────────────────────▶ ┌──────┐ RequirementsChanged
//	          ◀──────────────────────────────────────────────── │ Pool │ ──▶ ResourceManager
//	           SlotsAllocated, RequestsTimedOut, SlotsLost      └──────┘
//	           SlotsOffered, SlotsGone, WorkerLost                ▲  │ AcceptSlots, RejectSlots,
//	TaskManagers ─────────────────────────────────────────────────┘  └──▶ FreeSlots
//
// The pool is a state machine without clock, lock, goroutine or chance: [Pool.Step] takes the time
// and an event and returns what is to be done. One goroutine owns it. With the same events at the
// same times the effects are the same.
//
// # Matching
//
// The oldest requests, those with the lowest ids, are served first, as many as there are free
// slots. Among those served, a request gets the slot that it names as its previous one if that is
// free, else a slot of the worker it ran on before, so that state kept there can be used. What
// remains goes, in the order of the requests, to the workers in the order in which they came, each
// being filled before the next; or, with [Options].Spread, to the worker of whose slots the
// smallest share is in use.
//
// A request of the same id as an earlier one keeps its place, whenever it comes.
//
// # Offers
//
// An offer is accepted when a request can use the slot now and rejected otherwise, so that the slot
// is free for other jobs at once: the ResourceManager has slots offered by declared need, and more
// than needed comes only when the need shrank meanwhile. A repeated offer is accepted again. A slot
// that the scheduler gives back stays in the pool until the idle timeout is over.
package slotpool
