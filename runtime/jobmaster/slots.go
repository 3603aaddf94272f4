package jobmaster

import (
	"errors"
	"fmt"

	"goflink/core/failure"
	"goflink/core/id"
	"goflink/runtime/controlplane"
	"goflink/runtime/execgraph"
	"goflink/runtime/scheduling"
	"goflink/runtime/slotpool"
)

// slots tells the pool of an event and carries out what it wants.
func (m *Master) slots(e slotpool.Event) {
	effects, err := m.pool.Step(m.o.Host.Now(), e)
	for _, f := range effects {
		m.carryOutSlots(f)
	}
	if err != nil {
		m.broken(err)
	}
}

func (m *Master) carryOutSlots(e slotpool.Effect) {
	switch e := e.(type) {
	case slotpool.AcceptSlots:
		m.trace("slots accepted: %d of %s", len(e.Allocations), e.Worker)
	case slotpool.RejectSlots:
		m.freeSlots(e.Worker, e.Allocations, e.Reason)
	case slotpool.FreeSlots:
		m.freeSlots(e.Worker, e.Allocations, e.Reason)
	case slotpool.SlotsLost:
		m.schedule(scheduling.SlotsLost{Allocations: e.Allocations, Cause: e.Cause})
	case slotpool.RequestsTimedOut:
		m.schedule(scheduling.SlotAllocationFailed{Requests: e.Requests, Cause: e.Cause})
	case slotpool.SlotsAllocated:
		var slots []scheduling.AllocatedSlot
		for _, s := range e.Slots {
			slots = append(slots, scheduling.AllocatedSlot{Request: s.Request,
				Slot: execgraph.Slot{Allocation: s.Allocation, Worker: s.Worker}})
		}
		m.schedule(scheduling.SlotsAllocated{Slots: slots})
	case slotpool.RequirementsChanged:
		n := 0
		for _, r := range e.Requirements {
			n += r.Count
		}
		m.trace("slots required: %d", n)
		m.o.Resources.DeclareRequirements(m.o.Job.ID, n, m)
	case slotpool.SetTimer:
		if m.poolTimer != nil {
			m.poolTimer()
		}
		m.poolTimer = m.o.Host.After(max(0, e.At.Sub(m.o.Host.Now())), func() {
			m.actor.Post(func() { m.slots(slotpool.TimerFired{}) })
		})
	default:
		m.broken(fmt.Errorf("unknown effect %T of the slot pool", e))
	}
}

func (m *Master) freeSlots(w id.Worker, as []id.Allocation, reason string) {
	te := m.executors[w]
	if te == nil {
		return
	}
	for _, a := range as {
		te.FreeSlot(a, errors.New(reason))
	}
}

// requestSlots passes the scheduler's requests to the pool.
func (m *Master) requestSlots(rs []scheduling.SlotRequest) {
	var out []slotpool.Request
	for _, r := range rs {
		out = append(out, slotpool.Request{ID: r.ID, Previous: r.Previous.Allocation,
			PreviousWorker: r.Previous.Worker})
	}
	m.slots(slotpool.SlotsRequested{Requests: out})
}

// OfferSlots takes an offer of a TaskManager.
func (m *Master) OfferSlots(te controlplane.TaskExecutor, offers []controlplane.SlotOffer) {
	ok := m.actor.Post(func() {
		m.executors[te.Worker()] = te
		e := slotpool.SlotsOffered{Worker: te.Worker()}
		for _, o := range offers {
			e.Offers = append(e.Offers, slotpool.Offer{Allocation: o.Allocation})
		}
		m.trace("slots offered: %d of %s", len(offers), te.Worker())
		m.slots(e)
	})
	if !ok {
		for _, o := range offers {
			te.FreeSlot(o.Allocation, errors.New("the job has ended"))
		}
	}
}

// Disconnected takes the news that a TaskManager is lost.
func (m *Master) Disconnected(w id.Worker, cause failure.Info) {
	m.actor.Post(func() {
		delete(m.executors, w)
		m.pressure.lost(w)
		m.slots(slotpool.WorkerLost{Worker: w, Cause: cause})
	})
}
