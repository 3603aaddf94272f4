package scheduling

import (
	"time"

	"goflink/core/failure"
	"goflink/core/id"
	"goflink/runtime/execgraph"
)

// Limits of the history of failures.
const (
	// DefaultHistory is the number of incidents that are kept where Options says nothing.
	DefaultHistory = 16
	// MaxConcurrent is the number of further failures that are kept of one incident, the first
	// ones.
	MaxConcurrent = 16
)

// Exception is a failure of a job: what happened, where and when.
type Exception struct {
	Time time.Time
	// Task is the failed task as users know it, and "" for a failure of the job as a whole.
	Task    string
	Attempt id.Attempt     // zero without Task
	Slot    execgraph.Slot // where the task ran; zero if nowhere
	Failure failure.Info
	// Concurrent are the failures that followed from the first before the restart, at most
	// [MaxConcurrent]; Omitted is the number of those beyond.
	Concurrent []Exception
	Omitted    int
}

// history keeps the latest incidents, oldest first.
type history struct {
	limit   int
	entries []*Exception
}

// add begins an incident and returns it.
func (h *history) add(e Exception) *Exception {
	if len(h.entries) == h.limit {
		copy(h.entries, h.entries[1:])
		h.entries = h.entries[:h.limit-1]
	}
	h.entries = append(h.entries, &e)
	return &e
}

// join adds a failure, with those that belong to it, to an incident.
func (e *Exception) join(other Exception) {
	nested := other.Concurrent
	e.Omitted += other.Omitted
	other.Concurrent, other.Omitted = nil, 0
	for i := -1; i < len(nested); i++ {
		if i >= 0 {
			other = nested[i]
		}
		if len(e.Concurrent) == MaxConcurrent {
			e.Omitted++
			continue
		}
		e.Concurrent = append(e.Concurrent, other)
	}
}
