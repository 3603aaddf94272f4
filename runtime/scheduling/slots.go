package scheduling

import (
	"fmt"
	"slices"
	"time"

	"goflink/core/id"
	"goflink/runtime/execgraph"
)

// DefaultGroup is the slot sharing group of vertices that name none.
const DefaultGroup = "default"

// sharingGroup is a slot sharing group: its vertices, and its slots among all of the job.
type sharingGroup struct {
	name     string
	index    int
	vertices []*execgraph.ExecutionJobVertex
	first    int32 // index of its first slot
	count    int32 // its largest parallelism
}

// sharedSlot is one slot of a group, for the same subtask of all its vertices.
type sharedSlot struct {
	group    *sharingGroup
	slot     execgraph.Slot // zero: none
	previous execgraph.Slot // the one before
	request  id.SlotRequest // outstanding; 0: none
	users    int32          // tasks that hold the slot
	waiters  []*bulk        // what will be deployed when the slot is there
}

func (s *sharedSlot) has() bool { return !s.slot.Allocation.IsZero() }

// bulk is what a strategy schedules together: it is deployed when none of its slots is missing.
type bulk struct {
	vertices []execgraph.VertexIndex
	missing  int32
	since    time.Time
	dropped  bool // deployed, or given up
}

// slotTable is the slots that a job needs and has.
type slotTable struct {
	groups       []*sharingGroup // in the order of their first vertices
	groupOf      []*sharingGroup // by job vertex
	slots        []sharedSlot
	byRequest    map[id.SlotRequest]int32
	byAllocation map[id.Allocation]int32
	lastRequest  id.SlotRequest

	holds []bool // by subtask: whether it is counted in its slot's users
	// bulkOf is, by subtask, what its current attempt waits with to be deployed, or waited with
	// until it failed or was canceled; nil if it was deployed or never scheduled.
	bulkOf []*bulk
}

func newSlotTable(g *execgraph.ExecutionGraph) *slotTable {
	t := &slotTable{
		byRequest:    map[id.SlotRequest]int32{},
		byAllocation: map[id.Allocation]int32{},
		holds:        make([]bool, g.Len()),
		bulkOf:       make([]*bulk, g.Len()),
	}
	t.groups, t.groupOf = sharingGroups(g)
	last := t.groups[len(t.groups)-1]
	t.slots = make([]sharedSlot, 0, last.first+last.count)
	for _, group := range t.groups {
		for range group.count {
			t.slots = append(t.slots, sharedSlot{group: group})
		}
	}
	return t
}

// sharingGroups returns the groups of a job, and the group of each vertex.
func sharingGroups(g *execgraph.ExecutionGraph) (groups, of []*sharingGroup) {
	byName := map[string]*sharingGroup{}
	for _, jv := range g.JobVertices() {
		name := jv.Vertex().SlotSharingGroup
		if name == "" {
			name = DefaultGroup
		}
		group := byName[name]
		if group == nil {
			group = &sharingGroup{name: name, index: len(groups)}
			byName[name] = group
			groups = append(groups, group)
		}
		group.vertices = append(group.vertices, jv)
		group.count = max(group.count, int32(len(jv.Subtasks())))
		of = append(of, group)
	}
	first := int32(0)
	for _, group := range groups {
		group.first = first
		first += group.count
	}
	return groups, of
}

// RequiredSlots is the number of slots with which all tasks of a job run at the same time: the sum,
// over the slot sharing groups, of the largest parallelism (R123, R155).
func RequiredSlots(g *execgraph.ExecutionGraph) int {
	groups, _ := sharingGroups(g)
	total := 0
	for _, group := range groups {
		total += int(group.count)
	}
	return total
}

// indexOf returns the index of a subtask's slot.
func (t *slotTable) indexOf(v *execgraph.ExecutionVertex) int32 {
	return t.groupOf[v.JobVertex().Index()].first + v.Subtask()
}

// tasksIn calls f with the subtasks that share a slot, whatever their state.
func (t *slotTable) tasksIn(slot int32, f func(v *execgraph.ExecutionVertex) error) error {
	group := t.slots[slot].group
	subtask := slot - group.first
	for _, jv := range group.vertices {
		if int(subtask) < len(jv.Subtasks()) {
			if err := f(&jv.Subtasks()[subtask]); err != nil {
				return err
			}
		}
	}
	return nil
}

// hold counts a task as a user of its slot.
func (t *slotTable) hold(v *execgraph.ExecutionVertex) {
	if !t.holds[v.Index()] {
		t.holds[v.Index()] = true
		t.slots[t.indexOf(v)].users++
	}
}

// drop ends a task's use of its slot. The last one gives the slot, or the request for it, back.
func (t *slotTable) drop(v *execgraph.ExecutionVertex, out *output) {
	if !t.holds[v.Index()] {
		return
	}
	t.holds[v.Index()] = false
	s := &t.slots[t.indexOf(v)]
	if s.users--; s.users > 0 {
		return
	}
	s.waiters = nil
	if s.has() {
		delete(t.byAllocation, s.slot.Allocation)
		out.released = append(out.released, s.slot.Allocation)
		s.previous, s.slot = s.slot, execgraph.Slot{}
	}
	if s.request != 0 {
		delete(t.byRequest, s.request)
		out.withdrawn = append(out.withdrawn, s.request)
		s.request = 0
	}
}

// await makes a bulk wait for a slot, and asks for the slot where nobody did. A bulk that waits as
// the last one already is not counted again; if it were, it would be so in both places, which is
// right as well.
func (t *slotTable) await(b *bulk, slot int32, out *output) {
	s := &t.slots[slot]
	if s.has() || len(s.waiters) > 0 && s.waiters[len(s.waiters)-1] == b {
		return
	}
	s.waiters = append(slices.DeleteFunc(s.waiters, isDropped), b)
	b.missing++
	if s.request == 0 {
		t.request(slot, out)
	}
}

func isDropped(b *bulk) bool { return b.dropped }
func isWaiting(b *bulk) bool { return !b.dropped }

// request asks for a slot under a new id.
func (t *slotTable) request(slot int32, out *output) {
	t.lastRequest++
	t.repeat(slot, t.lastRequest, out)
}

// repeat asks for a slot under an id.
func (t *slotTable) repeat(slot int32, request id.SlotRequest, out *output) {
	s := &t.slots[slot]
	s.request = request
	t.byRequest[request] = slot
	out.requests = append(out.requests, SlotRequest{
		ID: request, Group: s.group.name, Index: slot - s.group.first, Previous: s.previous,
	})
}

// assign takes an allocated slot. It returns the bulks that miss nothing any more.
func (t *slotTable) assign(a AllocatedSlot, out *output) ([]*bulk, error) {
	if a.Slot.Allocation.IsZero() {
		return nil, fmt.Errorf("slot request %d was answered with no allocation id", a.Request)
	}
	if other, taken := t.byAllocation[a.Slot.Allocation]; taken {
		s := &t.slots[other]
		return nil, fmt.Errorf("slot %s was allocated for request %d, but it serves slot %d of "+
			"the sharing group %q already", a.Slot.Allocation, a.Request, other-s.group.first,
			s.group.name)
	}
	slot, known := t.byRequest[a.Request]
	if !known {
		out.released = append(out.released, a.Slot.Allocation)
		return nil, nil
	}
	delete(t.byRequest, a.Request)
	s := &t.slots[slot]
	s.request, s.slot = 0, a.Slot
	t.byAllocation[a.Slot.Allocation] = slot
	var ready []*bulk
	for _, b := range s.waiters {
		if b.dropped {
			continue
		}
		if b.missing--; b.missing == 0 {
			ready = append(ready, b)
		}
	}
	s.waiters = nil
	return ready, nil
}

// lose forgets a slot that is gone, and returns its index.
func (t *slotTable) lose(a id.Allocation) (slot int32, known bool) {
	slot, known = t.byAllocation[a]
	if !known {
		return 0, false
	}
	delete(t.byAllocation, a)
	s := &t.slots[slot]
	s.previous, s.slot = s.slot, execgraph.Slot{}
	return slot, true
}
