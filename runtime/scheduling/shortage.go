package scheduling

import (
	"fmt"
	"strings"
	"time"

	"goflink/core/config"
	"goflink/core/failure"
)

// shortage gathers what was asked for and did not come, for the message that a user reads.
type shortage struct {
	bulks     map[*bulk]bool
	slots     map[int32]bool
	since     time.Time
	asked     []int // by group
	got       []int // by group
	tasks     int
	firstTask string
}

// add counts the slots of a bulk; those that several bulks wait for count once.
func (m *shortage) add(s *Scheduler, b *bulk) {
	if m.bulks == nil {
		m.bulks, m.slots = map[*bulk]bool{}, map[int32]bool{}
		m.asked, m.got = make([]int, len(s.slots.groups)), make([]int, len(s.slots.groups))
		m.since = b.since
		m.firstTask = s.graph.Subtask(b.vertices[0]).TaskName()
	}
	if m.bulks[b] {
		return
	}
	m.bulks[b] = true
	m.tasks += len(b.vertices)
	if b.since.Before(m.since) {
		m.since = b.since
	}
	for _, i := range b.vertices {
		slot := s.slots.indexOf(s.graph.Subtask(i))
		if m.slots[slot] {
			continue
		}
		m.slots[slot] = true
		group := s.slots.slots[slot].group.index
		m.asked[group]++
		if s.slots.slots[slot].has() {
			m.got[group]++
		}
	}
}

// cause is the failure that the shortage is.
func (m *shortage) cause(s *Scheduler, reason failure.Info) failure.Info {
	if m.bulks == nil {
		return failure.Info{}
	}
	var asked, got int
	var groups []string
	for g := range m.asked {
		asked, got = asked+m.asked[g], got+m.got[g]
		if m.asked[g] > 0 {
			groups = append(groups, fmt.Sprintf("%q asked for %d, got %d",
				s.slots.groups[g].name, m.asked[g], m.got[g]))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "not enough slots: asked for %d, got %d, missing %d since %s (%v); tasks that "+
		"wait: %d, the first one is %s", asked, got, asked-got, m.since.UTC().Format(time.RFC3339),
		s.now.Sub(m.since).Round(time.Millisecond), m.tasks, m.firstTask)
	if len(groups) > 1 {
		fmt.Fprintf(&b, "; slot sharing groups: %s", strings.Join(groups, "; "))
	}
	if reason.Message != "" {
		fmt.Fprintf(&b, "; %s", reason.Message)
	}
	fmt.Fprintf(&b, ". Add TaskManagers or slots (%s), lower the parallelism, or raise %s",
		config.TaskManagerNumberOfTaskSlots.Key, config.SlotRequestTimeout.Key)
	return failure.Info{
		Message: b.String(), Class: max(reason.Class, failure.Retryable), Domain: failure.External,
		Kind: "scheduling.SlotShortage",
	}
}

// patience tells which bulks may go on waiting for slots after their requests timed out: those for
// which running tasks of the same job, all of which will finish, free enough slots (R148: a batch
// that is larger than the cluster completes piece by piece). Requests keep their places in the
// queue, so the bulk that waited longest gets the next slots, and none waits for another one that
// waits.
type patience struct {
	s       *Scheduler
	freeing []bool // by slot: whether its tasks will finish
	total   int
	known   map[*bulk]bool // what canWait answered before
}

func (s *Scheduler) newPatience() *patience {
	return &patience{s: s, known: map[*bulk]bool{}}
}

// look counts the slots that will be freed; once per event, since it costs time in their number.
func (p *patience) look() {
	slots := p.s.slots
	p.freeing = make([]bool, len(slots.slots))
	for i := range slots.slots {
		if slots.slots[i].has() && p.willFree(int32(i)) {
			p.freeing[i] = true
			p.total++
		}
	}
}

// willFree tells whether all that holds a slot runs and ends by itself.
func (p *patience) willFree(slot int32) bool {
	running, endless := false, false
	group := p.s.slots.slots[slot].group
	subtask := int(slot - group.first)
	for _, jv := range group.vertices {
		if subtask >= len(jv.Subtasks()) {
			continue
		}
		v := &jv.Subtasks()[subtask]
		if !p.s.slots.holds[v.Index()] {
			continue
		}
		running = running || v.Current().State().OnWorker()
		endless = endless || !jv.Vertex().Bounded
	}
	return running && !endless
}

// canWait tells whether a bulk can be deployed with the slots that it has and those that will be
// freed.
func (p *patience) canWait(b *bulk) bool {
	if can, known := p.known[b]; known {
		return can
	}
	if p.freeing == nil {
		p.look()
	}
	need, own := 0, 0
	counted := map[int32]bool{}
	for _, i := range b.vertices {
		slot := p.s.slots.indexOf(p.s.graph.Subtask(i))
		if counted[slot] {
			continue
		}
		counted[slot] = true
		need++
		if p.s.slots.slots[slot].has() && !p.freeing[slot] {
			own++
		}
	}
	p.known[b] = own+p.total >= need
	return p.known[b]
}

// MissingSlots is the number of slots that the job waits for, and since when it has waited for the
// first of them; the zero time if none of its tasks waits to be deployed. It costs time in the
// number of slots.
func (s *Scheduler) MissingSlots() (missing int, since time.Time) {
	seen := map[*bulk]bool{}
	for i := range s.slots.slots {
		sl := &s.slots.slots[i]
		if sl.has() || sl.users == 0 {
			continue
		}
		missing++
		for _, b := range sl.waiters {
			if !b.dropped && !seen[b] {
				seen[b] = true
				if since.IsZero() || b.since.Before(since) {
					since = b.since
				}
			}
		}
	}
	return missing, since
}
