package task

import (
	"sync"
	"sync/atomic"
	"time"
)

// IO counts what a task did. Any goroutine may read it.
type IO struct {
	RecordsIn, RecordsOut atomic.Int64
	// Watermark is the task's current input watermark.
	Watermark atomic.Int64
	// Alignment and StartDelay are those of the latest checkpoint, in nanoseconds, as in
	// statebackend.SnapshotMetrics.
	Alignment, StartDelay atomic.Int64

	started time.Time
	// waiting is written by the task's goroutine under mu.
	waiting waiting
	mu      struct {
		sync.Mutex
		since               time.Time
		idle, backpressured time.Duration
	}
}

// waiting says what a blocked task waits for.
type waiting uint8

const (
	notWaiting waiting = iota
	waitingForInput
	waitingForOutput
)

// begin notes that the task begins to wait.
func (c *IO) begin(w waiting, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting, c.mu.since = w, now
}

// end notes that the task goes on.
func (c *IO) end(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.idle, c.mu.backpressured = c.timesLocked(now)
	c.waiting = notWaiting
}

func (c *IO) timesLocked(now time.Time) (idle, backpressured time.Duration) {
	idle, backpressured = c.mu.idle, c.mu.backpressured
	switch c.waiting {
	case waitingForInput:
		idle += max(0, now.Sub(c.mu.since))
	case waitingForOutput:
		backpressured += max(0, now.Sub(c.mu.since))
	}
	return idle, backpressured
}

// Times is how long the task has existed, and how long of it, up to now, it has waited for input
// and for room in its outputs. It does not count what Put has blocked within a step (see
// dataplane.Partition.BackPressured).
func (c *IO) Times(now time.Time) (all, idle, backpressured time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	idle, backpressured = c.timesLocked(now)
	return now.Sub(c.started), idle, backpressured
}

// Blocked reports whether the task waits for room in its outputs (R107).
func (c *IO) Blocked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting == waitingForOutput
}
