package resourcemgr

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"goflink/core/id"
	"goflink/runtime/controlplane"
)

// Limits of what a Manager holds.
const (
	// MaxWorkers is the largest number of workers, whatever the settings allow.
	MaxWorkers = 1 << 16
	// MaxPending is the largest number of requests that wait for the driver at a time; what else
	// is needed is asked for as they are answered.
	MaxPending = 1 << 12
	// MaxEnded is the number of ended workers that are remembered by name, the latest ones. Others
	// are refused, too, when they come back: as unknown.
	MaxEnded = 1 << 14
	// MaxReason is the length of a text from outside, in bytes; what is longer is cut.
	MaxReason = 8 << 10
)

// machine decides about workers and slots. It is a state machine without clock, lock or goroutine:
// step takes the time and an event and returns what is to be done. One caller at a time owns it.
//
// A worker that a driver started goes through
//
//	workerStarting ──registers──▶ workerServing ──┐
//	      └───────────────────────────────────────┴──released──▶ workerReleasing ──ended──▶ gone
//
// and is gone from each of them when the driver says that it has ended. Without a driver a worker
// serves as long as it is connected.
type machine struct {
	s         Settings
	hasDriver bool
	// newAllocation makes the ids of grants.
	newAllocation func() id.Allocation

	now time.Time
	// begun is when the driver had started, zero before; over says why nothing is done any more.
	begun time.Time
	over  string
	// broken is why the driver cannot go on.
	broken error

	needs    map[id.Job]*need
	queue    []*need // those with an interest, in the order of their first declaration
	workers  map[id.Worker]*worker
	order    []*worker // as they came
	free     int       // slots of serving workers
	requests []*request
	last     RequestNumber
	ended    map[id.Worker]string // why, of the latest ended workers
	endedSeq []id.Worker          // their order

	starts   failureRate
	dirty    time.Time // when the driver is told of what has changed; zero: nothing has
	wake     time.Time // when time alone changes something
	timer    time.Time // what setTimer asked for; zero: nothing
	failures string    // the last failed start, until a worker registers

	out []effect
}

// need is what a job has declared and was given.
type need struct {
	job    id.Job
	asked  int
	got    int
	master controlplane.JobMaster
	since  time.Time // of the shortage; zero if there is none
}

func (n *need) missing() int { return max(0, n.asked-n.got) }

// request is a request that the driver has not answered.
type request struct {
	number RequestNumber
	since  time.Time
	reason string
}

// workerState is where a worker stands.
type workerState uint8

const (
	workerStarting workerState = iota
	workerServing
	workerReleasing
)

// worker is a worker that has not ended, as far as is known.
type worker struct {
	id        id.Worker
	state     workerState
	recovered bool
	since     time.Time // of the state
	idleSince time.Time // while no slot is granted
	reason    string    // why it is being released

	// Of a serving worker:
	handle Worker
	slots  []slot
	free   int
}

// slot is a slot of a serving worker; need is nil while it is free.
type slot struct {
	allocation id.Allocation
	need       *need
}

func newMachine(s Settings, hasDriver bool, newAllocation func() id.Allocation) *machine {
	return &machine{
		s: s, hasDriver: hasDriver, newAllocation: newAllocation, needs: map[id.Job]*need{},
		workers: map[id.Worker]*worker{}, ended: map[id.Worker]string{},
		starts: failureRate{limit: s.FailuresPerMinute, pause: s.RetryInterval},
	}
}

// step takes an event and returns what is to be done. An error says that the event does not fit, or
// why a worker is refused; the effects are to be carried out all the same.
func (m *machine) step(now time.Time, ev event) ([]effect, error) {
	m.now = now
	err := m.dispatch(ev)
	if _, timed := ev.(timerFired); !timed && m.dirty.IsZero() {
		m.dirty = now.Add(m.s.GatherDelay)
	}
	m.grant()
	m.reconcile()
	m.arm()
	out := m.out
	m.out = nil
	return out, err
}

func (m *machine) dispatch(ev event) error {
	switch ev := ev.(type) {
	case needDeclared:
		return m.declare(ev)
	case workerRegistered:
		return m.register(ev.worker)
	case connectionLost:
		m.disconnected(ev)
	case slotFreed:
		m.slotFreed(ev)
	case driverStarted:
		m.begun = m.now
		for _, w := range ev.recovered {
			m.recovered(w)
		}
	case workerRecovered:
		m.recovered(ev.worker)
	case workerAllocated:
		return m.allocated(ev)
	case startFailed:
		m.startFailed(ev)
	case requestPending:
		if r := m.request(ev.request); r != nil && r.reason != ev.reason {
			r.reason = clip(ev.reason)
			m.tell("request %d waits: %s", ev.request, r.reason)
		}
	case workerEnded:
		m.workerEnded(ev)
	case driverFailed:
		m.driverFailed(ev.cause)
	case clusterFinished:
		m.finish(ev.reason)
	case timerFired:
		m.timer = time.Time{}
	default:
		return fmt.Errorf("unknown event %T", ev)
	}
	return nil
}

func (m *machine) do(e effect) { m.out = append(m.out, e) }

func (m *machine) tell(format string, args ...any) {
	m.do(tell{text: fmt.Sprintf(format, args...)})
}

func (m *machine) warn(format string, args ...any) {
	m.do(tell{text: fmt.Sprintf(format, args...), bad: true})
}

// arm asks for a timer at the next time at which something is to be done.
func (m *machine) arm() {
	at := m.dirty
	if !m.acts() {
		return
	}
	if !m.wake.IsZero() && (at.IsZero() || m.wake.Before(at)) {
		at = m.wake
	}
	if !at.IsZero() && (m.timer.IsZero() || at.Before(m.timer)) {
		m.timer = at
		m.do(setTimer{at})
	}
}

// acts tells whether there is a driver to be told anything.
func (m *machine) acts() bool {
	return m.hasDriver && !m.begun.IsZero() && m.over == "" && m.broken == nil
}

// declare notes what a job needs. A job without a need that still holds slots is remembered until
// they are back, but has lost its place in the queue.
func (m *machine) declare(ev needDeclared) error {
	if ev.slots < 0 {
		return fmt.Errorf("job %s declares a need of %d slots", ev.job, ev.slots)
	}
	n := m.needs[ev.job]
	if n == nil {
		if ev.slots == 0 {
			return nil
		}
		n = &need{job: ev.job}
		m.needs[ev.job] = n
	}
	switch {
	case n.asked == 0 && ev.slots > 0:
		m.queue = append(m.queue, n)
	case n.asked > 0 && ev.slots == 0:
		m.queue = slices.DeleteFunc(m.queue, func(o *need) bool { return o == n })
	}
	if n.asked != ev.slots {
		m.tell("job %s needs %d slots", ev.job, ev.slots)
	}
	n.asked, n.master = ev.slots, ev.master
	m.drop(n)
	return nil
}

// drop forgets a job that needs nothing and holds nothing.
func (m *machine) drop(n *need) {
	if n.asked == 0 && n.got == 0 {
		delete(m.needs, n.job)
	}
}

// slotFreed takes a slot back.
func (m *machine) slotFreed(ev slotFreed) {
	w := m.workers[ev.worker]
	if w == nil || w.state != workerServing || ev.allocation.IsZero() {
		return
	}
	for i := range w.slots {
		if s := &w.slots[i]; s.allocation == ev.allocation {
			m.tell("slot %d of worker %s came back from job %s", i, w.id, s.need.job)
			m.take(s)
			w.free++
			m.free++
			if w.free == len(w.slots) {
				w.idleSince = m.now
			}
			return
		}
	}
}

// take ends the grant of a slot.
func (m *machine) take(s *slot) {
	s.need.got--
	m.drop(s.need)
	*s = slot{}
}

// grant gives free slots to the jobs that miss some, first come, first served.
func (m *machine) grant() {
	for _, n := range m.queue {
		for n.missing() > 0 && m.free > 0 && m.over == "" {
			m.grantTo(n, m.pick())
		}
		switch {
		case n.missing() == 0:
			n.since = time.Time{}
		case n.since.IsZero():
			n.since = m.now
		}
	}
}

// pick is the worker whose slot is granted next; there is a free slot.
func (m *machine) pick() *worker {
	var best *worker
	for _, w := range m.order {
		switch {
		case w.free == 0:
		case !m.s.Spread:
			return w
		// used/slots is smaller, without a division
		case best == nil ||
			(len(w.slots)-w.free)*len(best.slots) < (len(best.slots)-best.free)*len(w.slots):
			best = w
		}
	}
	return best
}

// grantTo gives a job a slot of a worker that has a free one.
func (m *machine) grantTo(n *need, w *worker) {
	i := slices.IndexFunc(w.slots, func(s slot) bool { return s.need == nil })
	a := m.newAllocation()
	w.slots[i] = slot{allocation: a, need: n}
	w.free--
	m.free--
	n.got++
	m.tell("slot %d of worker %s goes to job %s as %s", i, w.id, n.job, a)
	m.do(grantSlot{worker: w.handle, index: i, allocation: a, job: n.job, master: n.master})
}

// clip bounds a text from outside.
func clip(text string) string {
	if len(text) > MaxReason {
		return strings.ToValidUTF8(text[:MaxReason], "") + "…"
	}
	return text
}
