package resourcemgr

import (
	"fmt"
	"slices"
	"time"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/runtime/controlplane"
)

// register takes a worker in. With a driver it must be one that was started, and has not ended.
func (m *machine) register(handle Worker) error {
	r := handle.Registration()
	name := handle.Worker()
	w := m.workers[name]
	switch {
	case m.over != "":
		return refusedForGood("%s", m.over)
	case r.Slots < 1 || r.Slots > controlplane.MaxSlots:
		return refusedForGood("worker %q has %d slots; there must be 1 to %d", name, r.Slots,
			controlplane.MaxSlots)
	case m.hasDriver && m.begun.IsZero():
		return refused("the ResourceManager is starting")
	case w != nil && w.state == workerServing:
		return refused("worker %s is registered already: its earlier connection must end first",
			name)
	case w != nil && w.state == workerReleasing:
		return refusedForGood("worker %s was released: %s", name, w.reason)
	case w == nil && m.hasDriver:
		return m.refuseUnknown(name)
	case w == nil:
		if w = m.add(name); w == nil {
			return refused("there are %d workers, and no more can be taken in", MaxWorkers)
		}
	}
	w.state, w.since, w.idleSince, w.handle = workerServing, m.now, m.now, handle
	w.slots, w.free = make([]slot, r.Slots), r.Slots
	m.free += r.Slots
	m.failures = ""
	m.tell("worker %s has registered with %d slots", name, r.Slots)
	return nil
}

// refuseUnknown says why a worker that the driver has not named is refused. While it may yet be
// named, the refusal is not final: a worker may be quicker than the news of its start.
func (m *machine) refuseUnknown(name id.Worker) error {
	if why, ended := m.ended[name]; ended {
		return refusedForGood("worker %s has ended: %s", name, why)
	}
	if len(m.requests) > 0 || m.now.Before(m.begun.Add(m.s.RecoveryTimeout)) {
		return refused("worker %s is not known yet", name)
	}
	return refusedForGood("worker %s was not started by this cluster", name)
}

// add makes a starting worker; nil if there are too many.
func (m *machine) add(name id.Worker) *worker {
	if len(m.workers) >= MaxWorkers {
		return nil
	}
	w := &worker{id: name, since: m.now, idleSince: m.now}
	m.workers[name] = w
	m.order = append(m.order, w)
	return w
}

// recovered notes a worker of an earlier leader.
func (m *machine) recovered(name id.Worker) {
	if _, ended := m.ended[name]; ended || m.workers[name] != nil {
		return
	}
	w := m.add(name)
	if w == nil {
		return // it is refused when it comes
	}
	w.recovered = true
	m.tell("worker %s of an earlier leader was found", name)
}

// allocated notes a worker that was started for a request, or has it released if nobody waits.
func (m *machine) allocated(ev workerAllocated) error {
	if _, ended := m.ended[ev.worker]; ended || m.workers[ev.worker] != nil {
		m.answered(ev.request)
		return fmt.Errorf("the driver names worker %s twice, the second time for request %d",
			ev.worker, ev.request)
	}
	w := m.add(ev.worker)
	waited := m.answered(ev.request)
	if w == nil {
		m.discharge(ev.worker, "there are too many workers")
		return nil
	}
	m.tell("worker %s was started for request %d", ev.worker, ev.request)
	if !waited {
		m.release(w, "its request was withdrawn")
	}
	return nil
}

// request finds a request that waits.
func (m *machine) request(n RequestNumber) *request {
	for _, r := range m.requests {
		if r.number == n {
			return r
		}
	}
	return nil
}

// answered forgets a request, and tells whether it was waited for.
func (m *machine) answered(n RequestNumber) bool {
	before := len(m.requests)
	m.requests = slices.DeleteFunc(m.requests, func(r *request) bool { return r.number == n })
	return len(m.requests) < before
}

func (m *machine) startFailed(ev startFailed) {
	if m.answered(ev.request) {
		m.failed(fmt.Sprintf("no worker for request %d: %s", ev.request, clip(ev.cause)))
	}
}

// failed counts a failed start, after too many of which further ones are delayed.
func (m *machine) failed(what string) {
	m.failures = what
	m.warn("%s", what)
	if m.starts.failed(m.now) {
		m.tell("the next worker is asked for in %v: more than %g starts have failed within a "+
			"minute (%s)", m.s.RetryInterval, m.s.FailuresPerMinute,
			config.ResourceManagerMaxFailureRate.Key)
	}
}

// workerEnded is the driver's word that a worker is gone.
func (m *machine) workerEnded(ev workerEnded) {
	why := describeExit(ev.exit)
	w := m.workers[ev.worker]
	if w == nil {
		m.remember(ev.worker, why)
		return
	}
	if w.reason != "" {
		why = w.reason
	}
	switch {
	case w.state == workerStarting && !ev.exit.Released:
		m.failed(fmt.Sprintf("worker %s ended before it had registered: %s", w.id, why))
	case w.state == workerServing:
		m.warn("worker %s ended: %s", w.id, why)
		m.do(cutOff{w.handle, why})
	default:
		m.tell("worker %s is gone: %s", w.id, describeExit(ev.exit))
	}
	m.forget(w)
	m.remember(w.id, why)
}

// disconnected is the end of a connection. A worker that a driver started is not waited for: its
// tasks are cancelled, and what was the matter with it may come again.
func (m *machine) disconnected(ev connectionLost) {
	w := m.workers[ev.worker]
	if w == nil || w.state != workerServing {
		return
	}
	m.warn("worker %s is lost: %s", w.id, clip(ev.cause))
	if !m.hasDriver {
		m.forget(w)
		return
	}
	m.release(w, "its connection was lost: "+clip(ev.cause))
}

// release has a worker ended. It is counted until the driver says that it is gone.
func (m *machine) release(w *worker, reason string) {
	if w.handle != nil {
		m.do(shutDown{w.handle, reason})
	}
	m.empty(w)
	w.state, w.since, w.reason = workerReleasing, m.now, reason
	m.tell("worker %s is released: %s", w.id, reason)
	m.discharge(w.id, reason)
}

// discharge has the driver end a worker, unless the driver is not to be called any more.
func (m *machine) discharge(name id.Worker, reason string) {
	if m.broken == nil && m.over == "" {
		m.do(releaseWorker{name, reason})
	}
}

// empty ends all grants of a worker, which serves no more.
func (m *machine) empty(w *worker) {
	for i := range w.slots {
		if s := &w.slots[i]; s.need != nil {
			m.take(s)
		}
	}
	m.free -= w.free
	w.handle, w.slots, w.free = nil, nil, 0
}

// forget drops a worker.
func (m *machine) forget(w *worker) {
	m.empty(w)
	delete(m.workers, w.id)
	m.order = slices.DeleteFunc(m.order, func(o *worker) bool { return o == w })
}

// remember keeps the name of an ended worker, so that it is refused should it come back.
func (m *machine) remember(name id.Worker, why string) {
	if _, known := m.ended[name]; known {
		return
	}
	if len(m.endedSeq) >= MaxEnded {
		delete(m.ended, m.endedSeq[0])
		m.endedSeq = m.endedSeq[1:]
	}
	m.ended[name] = why
	m.endedSeq = append(m.endedSeq, name)
}

func (m *machine) driverFailed(cause error) {
	if m.broken != nil || m.over != "" {
		return
	}
	m.broken = cause
	m.warn("the driver cannot go on: %v", cause)
	m.do(giveUp{cause})
}

// finish ends all: workers are told, and the driver is asked for nothing more.
func (m *machine) finish(reason string) {
	if m.over != "" {
		return
	}
	m.over = reason
	for _, w := range m.order {
		if w.state == workerServing {
			m.do(shutDown{w.handle, reason})
		}
	}
	m.tell("%s", reason)
}

// describeExit says how a worker ended.
func describeExit(e Exit) string {
	text := "it was told to end"
	switch {
	case e.Released:
	case e.Code < 0:
		text = "the exit code is not known"
	case e.Code > 128:
		text = fmt.Sprintf("exit code %d (signal %d)", e.Code, e.Code-128)
	default:
		text = fmt.Sprintf("exit code %d", e.Code)
	}
	if e.Diagnostics != "" {
		text += ": " + clip(e.Diagnostics)
	}
	return text
}

// failureRate counts failures within a minute and says when the next attempt may be made.
type failureRate struct {
	limit float64
	pause time.Duration
	times []time.Time // the latest failures, at most limit + 1
	until time.Time   // when attempts go on; zero: at once
}

// failed counts a failure, and tells whether attempts pause.
func (f *failureRate) failed(now time.Time) bool {
	f.times = slices.DeleteFunc(f.times, func(t time.Time) bool {
		return !t.After(now.Add(-time.Minute))
	})
	f.times = append(f.times, now)
	if float64(len(f.times)) <= f.limit {
		return false
	}
	f.times = f.times[1:]
	f.until = now.Add(f.pause)
	return true
}
