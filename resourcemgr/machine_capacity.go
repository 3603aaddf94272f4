package resourcemgr

import (
	"fmt"
	"time"

	"goflink/core/config"
)

// reconcile compares what is needed with what is there and under way, once the time to gather
// changes is over, and tells the driver. What is there comes first: serving workers, then those
// that start, then requests, oldest first. What nobody needs of these is given up from the other
// end: requests at once, workers after the idle timeout, and never one with a granted slot.
func (m *machine) reconcile() {
	due := !m.dirty.IsZero() && !m.now.Before(m.dirty) ||
		!m.wake.IsZero() && !m.now.Before(m.wake)
	if !due || !m.acts() {
		return
	}
	m.dirty, m.wake = time.Time{}, time.Time{}
	m.expire()
	p := m.plan()
	for _, w := range m.order {
		if w.state == workerServing && w.free == len(w.slots) {
			m.keep(&p, w)
		}
	}
	for _, w := range m.order {
		if w.state == workerStarting && m.counted(w) {
			m.keep(&p, w)
		}
	}
	m.keepRequests(&p)
	m.ask(&p)
}

// plan is what remains to be covered while workers are counted.
type plan struct {
	demand int // slots beyond those of the workers counted so far
	kept   sums
	all    sums
}

// sums are the slots, cores and bytes of some workers, in the order of Settings.bounds.
type sums [3]float64

func (s *sums) add(m *machine, slots int) {
	s[0] += float64(slots)
	s[1] += m.s.Spec.VCores
	s[2] += float64(m.s.Spec.MemoryBytes)
}

// plan begins with the workers that are in use: they are kept whatever is needed.
func (m *machine) plan() plan {
	p := plan{demand: m.s.Redundant * m.s.Spec.Slots, all: m.all()}
	for _, n := range m.queue {
		p.demand += n.missing()
	}
	for _, w := range m.order {
		if w.state == workerServing && w.free < len(w.slots) {
			p.demand -= w.free
			p.kept.add(m, len(w.slots))
		}
	}
	return p
}

// all is what all workers that have not ended have, also those that are being released, together
// with what was requested.
func (m *machine) all() sums {
	var s sums
	for _, w := range m.order {
		s.add(m, m.slotsOf(w))
	}
	for range m.requests {
		s.add(m, m.s.Spec.Slots)
	}
	return s
}

// slotsOf is the number of slots of a worker, as far as it is known.
func (m *machine) slotsOf(w *worker) int {
	if w.state == workerServing {
		return len(w.slots)
	}
	return m.s.Spec.Slots
}

// cover counts an idle worker as one that is kept.
func (p *plan) cover(m *machine, slots int) {
	p.demand -= slots
	p.kept.add(m, slots)
}

// tolerance keeps sums of fractions of a core from missing a bound by their rounding.
const tolerance = 1e-9

// wanted tells whether one more worker is needed.
func (p *plan) wanted(m *machine) bool {
	if p.demand > 0 {
		return true
	}
	for i, b := range m.s.bounds() {
		if p.kept[i] < b.min-tolerance {
			return true
		}
	}
	return false
}

// keep counts an idle worker if it is needed, and releases it otherwise when its time is over.
func (m *machine) keep(p *plan, w *worker) {
	if p.wanted(m) {
		p.cover(m, m.slotsOf(w))
		return
	}
	if at := w.idleSince.Add(m.s.IdleTimeout); m.now.Before(at) {
		m.wakeAt(at)
		return
	}
	m.release(w, fmt.Sprintf("nobody has needed it for %v (%s)", m.s.IdleTimeout,
		config.ResourceManagerWorkerTimeout.Key))
}

// counted tells whether a starting worker is counted upon. One of an earlier leader is for a
// while only: nobody knows whether it will find the way.
func (m *machine) counted(w *worker) bool {
	if !w.recovered {
		return true
	}
	until := w.since.Add(m.s.RecoveryTimeout)
	if m.now.Before(until) {
		m.wakeAt(until)
		return true
	}
	return false
}

// keepRequests withdraws the requests that are not needed, the latest ones.
func (m *machine) keepRequests(p *plan) {
	kept := 0
	for _, r := range m.requests {
		if p.wanted(m) {
			p.cover(m, m.s.Spec.Slots)
			kept++
			continue
		}
		m.tell("request %d is withdrawn: it is not needed any more", r.number)
		m.do(cancelRequest{r.number})
	}
	m.requests = m.requests[:kept]
}

// ask requests the workers that are missing, as far as the limits allow.
func (m *machine) ask(p *plan) {
	for p.wanted(m) && len(m.requests) < MaxPending && m.limit(p.all) == "" {
		if m.now.Before(m.starts.until) {
			m.wakeAt(m.starts.until)
			return
		}
		m.last++
		r := Request{Number: m.last, Spec: m.s.Spec}
		m.requests = append(m.requests, &request{number: r.Number, since: m.now})
		p.cover(m, r.Spec.Slots)
		p.all.add(m, r.Spec.Slots)
		m.tell("request %d asks for a worker with %d slots", r.Number, r.Spec.Slots)
		m.do(requestWorker{r})
	}
}

// limit is the limit that allows no worker beyond all; "" if there is none.
func (m *machine) limit(all sums) string {
	if len(m.order)+len(m.requests) >= MaxWorkers {
		return fmt.Sprintf("the limit of %d workers allows no further one", MaxWorkers)
	}
	all.add(m, m.s.Spec.Slots)
	for i, b := range m.s.bounds() {
		if b.max > 0 && all[i] > b.max+tolerance {
			return fmt.Sprintf("%s = %s allows no further worker", b.maxKey, b.show(b.max))
		}
	}
	return ""
}

// expire releases the workers that have not registered in time.
func (m *machine) expire() {
	for _, w := range m.order {
		if w.state != workerStarting {
			continue
		}
		at := w.since.Add(m.s.RegistrationTimeout)
		if m.now.Before(at) {
			m.wakeAt(at)
			continue
		}
		why := fmt.Sprintf("it has not registered within %v (%s)", m.s.RegistrationTimeout,
			config.ResourceManagerRegistrationTimeout.Key)
		m.failed(fmt.Sprintf("worker %s is given up: %s", w.id, why))
		m.release(w, why)
	}
}

// wakeAt notes a time at which reconcile has something to do.
func (m *machine) wakeAt(at time.Time) {
	if m.wake.IsZero() || at.Before(m.wake) {
		m.wake = at
	}
}
