package resourcemgr

import (
	"fmt"
	"time"

	"goflink/core/id"
	"goflink/runtime/controlplane"
)

// Overview is what a Manager knows, for the user.
type Overview struct {
	// Workers are in the order in which they came.
	Workers []WorkerInfo
	// Slots and FreeSlots count those of the workers that serve.
	Slots, FreeSlots int
	Pending          []PendingRequest
	// Shortages are the jobs that miss slots, in the order in which they are served.
	Shortages []Shortage
}

// WorkerStatus is where a worker stands.
type WorkerStatus string

// The statuses of a worker.
const (
	// Starting: it was started, or found, and has not registered.
	Starting WorkerStatus = "STARTING"
	// Serving: it is registered.
	Serving WorkerStatus = "SERVING"
	// Releasing: it was told to end and has not ended.
	Releasing WorkerStatus = "RELEASING"
)

// WorkerInfo is a worker that has not ended.
type WorkerInfo struct {
	Worker id.Worker
	Status WorkerStatus
	// Since is when the status began.
	Since time.Time
	// Recovered says that an earlier leader has started it.
	Recovered bool
	// Registration and FreeSlots are those of a serving worker.
	Registration controlplane.Registration
	FreeSlots    int
}

// PendingRequest is a request that the driver has not answered.
type PendingRequest struct {
	Number RequestNumber
	Since  time.Time
	// Reason is what the driver says about it; it may be empty.
	Reason string
}

// Shortage is a job that misses slots.
type Shortage struct {
	Job                 id.Job
	Asked, Got, Missing int
	Since               time.Time
	// Why is a sentence for the user.
	Why string
}

func (m *machine) overview(now time.Time) Overview {
	o := Overview{FreeSlots: m.free}
	statuses := [...]WorkerStatus{
		workerStarting: Starting, workerServing: Serving, workerReleasing: Releasing,
	}
	for _, w := range m.order {
		i := WorkerInfo{Worker: w.id, Status: statuses[w.state], Since: w.since,
			Recovered: w.recovered}
		if w.state == workerServing {
			i.Registration, i.FreeSlots = w.handle.Registration(), w.free
			o.Slots += len(w.slots)
		}
		o.Workers = append(o.Workers, i)
	}
	for _, r := range m.requests {
		o.Pending = append(o.Pending, PendingRequest{r.number, r.since, r.reason})
	}
	why := ""
	for _, n := range m.queue {
		if n.missing() == 0 {
			continue
		}
		if why == "" {
			why = m.why(now, o.Slots)
		}
		o.Shortages = append(o.Shortages, Shortage{Job: n.job, Asked: n.asked, Got: n.got,
			Missing: n.missing(), Since: n.since, Why: why})
	}
	return o
}

// why says in a sentence why slots are missing.
func (m *machine) why(now time.Time, slots int) string {
	last := ""
	if m.failures != "" {
		last = "; the last failure was: " + m.failures
	}
	starting := 0
	for _, w := range m.order {
		if w.state == workerStarting {
			starting++
		}
	}
	switch limit := m.limit(m.all()); {
	case m.over != "":
		return m.over
	case m.broken != nil:
		return fmt.Sprintf("no worker can be started: %v", m.broken)
	case !m.hasDriver && slots == 0:
		return "no TaskManager has registered, and this cluster starts none by itself: start one"
	case !m.hasDriver:
		return fmt.Sprintf("all %d slots are in use, and this cluster starts no TaskManager by "+
			"itself: start another one, or end a job", slots)
	case m.begun.IsZero():
		return "the ResourceManager is starting"
	case now.Before(m.starts.until):
		return fmt.Sprintf("workers fail to start; the next one is asked for in %v%s",
			m.starts.until.Sub(now).Round(time.Second), last)
	case len(m.requests) > 0:
		return m.whyPending(now) + last
	case starting > 0:
		return fmt.Sprintf("%s started, without a registration so far%s", were(starting), last)
	case limit != "":
		return fmt.Sprintf("all %d slots are in use, and %s: raise it, or end a job", slots, limit)
	}
	return "workers are about to be asked for" + last
}

// whyPending speaks of the oldest request about which the driver has said something.
func (m *machine) whyPending(now time.Time) string {
	oldest := m.requests[0]
	for _, r := range m.requests {
		if r.reason != "" {
			oldest = r
			break
		}
	}
	text := fmt.Sprintf("%s asked for %v ago", were(len(m.requests)),
		now.Sub(m.requests[0].since).Round(time.Second))
	if oldest.reason != "" {
		text += ": " + oldest.reason
	}
	return text
}

func were(workers int) string {
	if workers == 1 {
		return "1 worker was"
	}
	return fmt.Sprintf("%d workers were", workers)
}
