// Package drivertest is the conformance suite of resourcemgr.Driver: every driver runs it,
// unchanged, with the real scheduler behind it.
package drivertest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"goflink/core/id"
	"goflink/resourcemgr"
)

// Harness is one cluster for one test: it makes the drivers of its leaders, and can do to workers
// what no driver does.
type Harness interface {
	// Driver returns a driver for the next leader of the cluster, not started yet. The earlier one
	// was closed, or its process is gone.
	Driver(t *testing.T) resourcemgr.Driver
	// Refused returns a driver like Driver, all whose requests are bound to fail.
	Refused(t *testing.T) resourcemgr.Driver
	// Spec is what a worker is given.
	Spec() resourcemgr.WorkerSpec
	// Running looks which workers of the cluster run, without asking a driver.
	Running(t *testing.T) []id.Worker
	// Kill ends a running worker from outside as SIGKILL does.
	Kill(t *testing.T, w id.Worker)
	// Orphan has a leader in a process of its own start a worker, kills that process, and returns
	// the worker.
	Orphan(t *testing.T) id.Worker
}

// patience ends a test that waits for something that does not come. Nothing is measured by it.
const patience = 2 * time.Minute

// glance is the time between two looks at Harness.Running.
const glance = 5 * time.Millisecond

// answer is what was said of a request.
type answer struct {
	worker id.Worker
	failed error
}

// recorder is the Events of a test.
type recorder struct {
	mu        sync.Mutex
	answers   map[resourcemgr.RequestNumber][]answer
	recovered []id.Worker
	lost      map[id.Worker][]resourcemgr.Exit
	fatal     []error
	deaf      bool
	late      int // events after the driver was closed
	changed   chan struct{}
}

var _ resourcemgr.Events = (*recorder)(nil)

func newRecorder() *recorder {
	return &recorder{answers: map[resourcemgr.RequestNumber][]answer{},
		lost: map[id.Worker][]resourcemgr.Exit{}, changed: make(chan struct{})}
}

// note changes the record and wakes who waits.
func (r *recorder) note(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.deaf {
		r.late++
	}
	f()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) Allocated(n resourcemgr.RequestNumber, w id.Worker) {
	r.note(func() { r.answers[n] = append(r.answers[n], answer{worker: w}) })
}

func (r *recorder) Failed(n resourcemgr.RequestNumber, cause error) {
	r.note(func() { r.answers[n] = append(r.answers[n], answer{failed: cause}) })
}

func (r *recorder) Pending(resourcemgr.RequestNumber, string) {}

func (r *recorder) Recovered(w id.Worker) {
	r.note(func() { r.recovered = append(r.recovered, w) })
}

func (r *recorder) Lost(w id.Worker, exit resourcemgr.Exit) {
	r.note(func() { r.lost[w] = append(r.lost[w], exit) })
}

func (r *recorder) Fatal(cause error) {
	r.note(func() { r.fatal = append(r.fatal, cause) })
}

// leader is a driver with what it has said.
type leader struct {
	*suite
	resourcemgr.Driver
	r *recorder
}

// lead makes and starts a driver, which is closed at the end of the test at the latest.
func (s *suite) lead(d resourcemgr.Driver) *leader {
	s.Helper()
	l := &leader{s, d, newRecorder()}
	s.Cleanup(func() { l.close() })
	recovered, err := d.Start(s.Context(), l.r)
	if err != nil {
		s.Fatal(err)
	}
	l.r.note(func() { l.r.recovered = append(l.r.recovered, recovered...) })
	return l
}

// close closes the driver, which says nothing any more.
func (l *leader) close() {
	l.Helper()
	if err := l.Close(); err != nil {
		l.Errorf("close: %v", err)
	}
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	l.r.deaf = true
	if l.r.late > 0 {
		l.Errorf("%d events were delivered after Close had returned", l.r.late)
	}
	if len(l.r.fatal) > 0 {
		l.Errorf("the driver could not go on: %v", l.r.fatal)
	}
}

// until waits for a condition of the record.
func (l *leader) until(what string, holds func(r *recorder) bool) {
	l.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		l.r.mu.Lock()
		done, changed := holds(l.r), l.r.changed
		l.r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			l.Fatalf("waited for %v: %s", patience, what)
		}
	}
}

// request asks for a worker and waits for it.
func (l *leader) request(n resourcemgr.RequestNumber) id.Worker {
	l.Helper()
	l.Request(resourcemgr.Request{Number: n, Spec: l.h.Spec()})
	a := l.answer(n)
	if a.failed != nil || a.worker == "" {
		l.Fatalf("request %d was answered with %q, %v", n, a.worker, a.failed)
	}
	return a.worker
}

// answer waits for the answer to a request.
func (l *leader) answer(n resourcemgr.RequestNumber) (a answer) {
	l.Helper()
	l.until("the answer to a request", func(r *recorder) bool {
		if len(r.answers[n]) > 0 {
			a = r.answers[n][0]
		}
		return len(r.answers[n]) > 0
	})
	return a
}

// ended waits for the end of a worker.
func (l *leader) ended(w id.Worker) (exit resourcemgr.Exit) {
	l.Helper()
	l.until("the end of worker "+string(w), func(r *recorder) bool {
		if len(r.lost[w]) > 0 {
			exit = r.lost[w][0]
		}
		return len(r.lost[w]) > 0
	})
	return exit
}

// knows waits until a worker of an earlier leader was found.
func (l *leader) knows(w id.Worker) {
	l.Helper()
	l.until("recovery of worker "+string(w), func(r *recorder) bool {
		return slices.Contains(r.recovered, w)
	})
}

// quiet verifies that nothing was told twice, and that these workers, and no others, have ended.
func (l *leader) quiet(ended ...id.Worker) {
	l.Helper()
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	for n, all := range l.r.answers {
		if len(all) > 1 {
			l.Errorf("request %d was answered %d times: %+v", n, len(all), all)
		}
	}
	for w, exits := range l.r.lost {
		if len(exits) > 1 || !slices.Contains(ended, w) {
			l.Errorf("the end of worker %s was told: %+v", w, exits)
		}
	}
	for _, w := range ended {
		if len(l.r.lost[w]) == 0 {
			l.Errorf("the end of worker %s was not told", w)
		}
	}
}

// running waits until these workers run, and no others.
func (s *suite) running(want ...id.Worker) {
	s.Helper()
	slices.Sort(want)
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		got := s.h.Running(s.T)
		slices.Sort(got)
		if slices.Equal(got, want) {
			return
		}
		select {
		case <-time.After(glance):
		case <-limit.C:
			s.Fatalf("waited for %v: the workers %v run, want %v", patience, got, want)
		}
	}
}
