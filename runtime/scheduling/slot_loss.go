package scheduling

import (
	"slices"

	"goflink/core/id"
	"goflink/runtime/execgraph"
)

// slotsLost fails what ran in slots that are gone. What only waited in them waits for others.
func (s *Scheduler) slotsLost(ev SlotsLost) error {
	var lost []int32
	var failed []*execgraph.ExecutionVertex
	for _, a := range ev.Allocations {
		slot, known := s.slots.lose(a)
		if !known {
			continue
		}
		lost = append(lost, slot)
		err := s.slots.tasksIn(slot, func(v *execgraph.ExecutionVertex) error {
			switch v.Current().State() {
			case execgraph.Deploying, execgraph.Running:
				failed = append(failed, v)
			case execgraph.Canceling:
				return s.taskCanceled(v)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	cause := ev.Cause
	if cause.Message == "" {
		cause.Message = "the slot is gone; no cause was given"
	}
	if err := s.failTasks(failed, cause); err != nil {
		return err
	}
	return s.replace(lost)
}

// replace asks for slots in the place of lost ones that somebody still holds: a task that waits to
// be deployed, or one that waits for its restart. The latter would ask for it later anyway; asking
// now lets the new slot come up during the delay of the restart.
func (s *Scheduler) replace(lost []int32) error {
	for _, slot := range lost {
		if s.slots.slots[slot].users == 0 {
			continue
		}
		err := s.slots.tasksIn(slot, func(v *execgraph.ExecutionVertex) error {
			if b := s.slots.bulkOf[v.Index()]; b != nil && !b.dropped {
				s.slots.await(b, slot, &s.out)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if sl := &s.slots.slots[slot]; sl.request == 0 {
			s.slots.request(slot, &s.out)
		}
	}
	return nil
}

// allocationFailed fails the tasks that wait for slots which did not come.
func (s *Scheduler) allocationFailed(ev SlotAllocationFailed) error {
	type miss struct {
		slot    int32
		request id.SlotRequest
	}
	var missed []miss
	for _, r := range ev.Requests {
		if slot, known := s.slots.byRequest[r]; known {
			delete(s.slots.byRequest, r)
			s.slots.slots[slot].request = 0
			missed = append(missed, miss{slot, r})
		}
	}
	patience := s.newPatience()
	var failed []*execgraph.ExecutionVertex
	var short shortage
	for _, m := range missed {
		err := s.slots.tasksIn(m.slot, func(v *execgraph.ExecutionVertex) error {
			switch b := s.slots.bulkOf[v.Index()]; {
			case b == nil || b.dropped:
			case patience.canWait(b):
			default:
				short.add(s, b)
				failed = append(failed, v)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := s.failTasks(failed, short.cause(s, ev.Cause)); err != nil {
		return err
	}
	// Only now is it known who goes on waiting: a request must not be made and withdrawn in one
	// step.
	for _, m := range missed {
		if sl := &s.slots.slots[m.slot]; slices.ContainsFunc(sl.waiters, isWaiting) {
			s.slots.repeat(m.slot, m.request, &s.out)
		}
	}
	return nil
}
