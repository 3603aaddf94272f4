package drivertest

import (
	"slices"
	"testing"

	"goflink/core/id"
	"goflink/resourcemgr"
)

// Run runs the suite. make returns a harness with a cluster of its own; at the end of its test
// nothing of the cluster may be left, which the harness verifies.
func Run(t *testing.T, make func(t *testing.T) Harness) {
	tests := []struct {
		name string
		f    func(*suite)
	}{
		{"RequestAndRelease", (*suite).requestAndRelease},
		{"Several", (*suite).several},
		{"Killed", (*suite).killed},
		{"Refused", (*suite).refused},
		{"CancelPending", (*suite).cancelPending},
		{"CancelTooLate", (*suite).cancelTooLate},
		{"Unknown", (*suite).unknown},
		{"ReleaseTwice", (*suite).releaseTwice},
		{"Recovered", (*suite).recovered},
		{"RecoveredKilled", (*suite).recoveredKilled},
		{"EndedBetweenLeaders", (*suite).endedBetweenLeaders},
		{"NamesAreNotUsedAgain", (*suite).namesAreNotUsedAgain},
		{"LeaderGone", (*suite).leaderGone},
		{"FinishEndsAll", (*suite).finishEndsAll},
		{"FinishEndsRecovered", (*suite).finishEndsRecovered},
		{"CloseTwice", (*suite).closeTwice},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.f(&suite{T: t, h: make(t)}) })
	}
}

// suite is one test with its cluster.
type suite struct {
	*testing.T
	h Harness
}

// start starts a driver of the cluster's next leader.
func (s *suite) start() *leader {
	s.Helper()
	return s.lead(s.h.Driver(s.T))
}

// finish ends the cluster; nothing of it runs then.
func (l *leader) finish() {
	l.Helper()
	if err := l.Finish(l.Context(), resourcemgr.Succeeded, "the test has ended"); err != nil {
		l.Fatalf("finish: %v", err)
	}
	if left := l.h.Running(l.T); len(left) > 0 {
		l.Errorf("the workers %v run after the end of the cluster", left)
	}
	l.close()
}

// A request is answered by a worker, which runs until it is released.
func (s *suite) requestAndRelease() {
	l := s.start()
	if len(l.r.recovered) > 0 {
		s.Errorf("a new cluster has the workers %v", l.r.recovered)
	}
	w := l.request(1)
	s.running(w)
	l.Release(w, "the test does not need it")
	if exit := l.ended(w); !exit.Released {
		s.Errorf("a released worker has ended with %+v", exit)
	}
	s.running()
	l.quiet(w)
	l.finish()
}

// Workers have names and fates of their own.
func (s *suite) several() {
	l := s.start()
	for n := range resourcemgr.RequestNumber(3) {
		l.Request(resourcemgr.Request{Number: n + 1, Spec: s.h.Spec()})
	}
	var all []id.Worker
	for n := range resourcemgr.RequestNumber(3) {
		a := l.answer(n + 1)
		if a.failed != nil || slices.Contains(all, a.worker) {
			s.Fatalf("request %d was answered with %q, %v after %v", n+1, a.worker, a.failed, all)
		}
		all = append(all, a.worker)
	}
	s.running(all...)
	l.Release(all[1], "the test does not need it")
	l.ended(all[1])
	s.running(all[0], all[2])
	l.quiet(all[1])
	l.finish()
}

// A worker that is killed is lost, with the code of a process that was killed.
func (s *suite) killed() {
	l := s.start()
	w := l.request(1)
	s.running(w)
	s.h.Kill(s.T, w)
	exit := l.ended(w)
	if exit.Released || exit.Code != 128+9 {
		s.Errorf("a killed worker has ended with %+v", exit)
	}
	l.Release(w, "it has ended")
	l.quiet(w)
	l.finish()
}

// A request that cannot be met is answered, and leaves nothing.
func (s *suite) refused() {
	l := s.lead(s.h.Refused(s.T))
	for n := range resourcemgr.RequestNumber(2) {
		l.Request(resourcemgr.Request{Number: n + 1, Spec: s.h.Spec()})
		if a := l.answer(n + 1); a.failed == nil || a.failed.Error() == "" {
			s.Errorf("request %d was answered with %q, %v", n+1, a.worker, a.failed)
		}
	}
	l.quiet()
	s.running()
	l.finish()
}

// A withdrawn request is not answered, or its answer was on its way. The driver goes on.
func (s *suite) cancelPending() {
	l := s.start()
	l.Request(resourcemgr.Request{Number: 1, Spec: s.h.Spec()})
	l.Cancel(1)
	w := l.request(2)
	var ended []id.Worker
	l.r.mu.Lock()
	late := slices.Clone(l.r.answers[1])
	l.r.mu.Unlock()
	for _, a := range late {
		if a.failed != nil {
			s.Errorf("the withdrawn request has failed: %v", a.failed)
			continue
		}
		l.Release(a.worker, "its request was withdrawn")
		l.ended(a.worker)
		ended = append(ended, a.worker)
	}
	s.running(w)
	l.quiet(ended...)
	l.finish()
}

// Withdrawing a request that was answered does nothing to its worker.
func (s *suite) cancelTooLate() {
	l := s.start()
	w := l.request(1)
	l.Cancel(1)
	other := l.request(2)
	s.running(w, other)
	l.quiet()
	l.Release(w, "it is not needed")
	if exit := l.ended(w); !exit.Released {
		s.Errorf("a released worker has ended with %+v", exit)
	}
	s.running(other)
	l.finish()
}

// What is not known is ignored.
func (s *suite) unknown() {
	l := s.start()
	l.Release("no-such-worker", "the test")
	l.Cancel(77)
	w := l.request(1)
	s.running(w)
	l.quiet()
	l.finish()
}

// A second release changes nothing.
func (s *suite) releaseTwice() {
	l := s.start()
	w := l.request(1)
	s.running(w)
	l.Release(w, "first")
	l.Release(w, "second")
	if exit := l.ended(w); !exit.Released {
		s.Errorf("a released worker has ended with %+v", exit)
	}
	l.Release(w, "third")
	other := l.request(2)
	s.running(other)
	l.quiet(w)
	l.finish()
}

// Workers outlive a leader that closes its driver. The next one finds them and can release them.
func (s *suite) recovered() {
	first := s.start()
	a, b := first.request(1), first.request(2)
	s.running(a, b)
	first.close()
	second := s.start()
	second.knows(a)
	second.knows(b)
	s.running(a, b)
	second.Release(a, "the test does not need it")
	if exit := second.ended(a); !exit.Released {
		s.Errorf("a released worker has ended with %+v", exit)
	}
	s.running(b)
	second.quiet(a)
	first.quiet()
	second.finish()
}

// A worker of an earlier leader is watched like an own one.
func (s *suite) recoveredKilled() {
	first := s.start()
	w := first.request(1)
	s.running(w)
	first.close()
	second := s.start()
	second.knows(w)
	s.h.Kill(s.T, w)
	if exit := second.ended(w); exit.Released || exit.Code != 128+9 && exit.Code != -1 {
		s.Errorf("a killed worker has ended with %+v", exit)
	}
	second.quiet(w)
	second.finish()
}

// A worker that ends while there is no leader is not there for the next one, or lost at once.
func (s *suite) endedBetweenLeaders() {
	first := s.start()
	w, other := first.request(1), first.request(2)
	s.running(w, other)
	first.close()
	s.h.Kill(s.T, w)
	s.running(other)
	second := s.start()
	second.knows(other)
	second.r.mu.Lock()
	found := slices.Contains(second.r.recovered, w)
	second.r.mu.Unlock()
	if found {
		second.ended(w)
	}
	s.running(other)
	second.finish()
}

// No two workers of a cluster have the same name, whichever leader has started them.
func (s *suite) namesAreNotUsedAgain() {
	var names []id.Worker
	for n := range resourcemgr.RequestNumber(3) {
		l := s.start()
		w := l.request(1)
		if slices.Contains(names, w) {
			s.Errorf("leader %d calls a worker %s, which had that name before: %v", n, w, names)
		}
		names = append(names, w)
		s.running(w)
		l.Release(w, "the test does not need it")
		l.ended(w)
		l.close()
	}
	s.start().finish()
}

// A worker survives the death of the process that has started it.
func (s *suite) leaderGone() {
	w := s.h.Orphan(s.T)
	s.running(w)
	l := s.start()
	l.knows(w)
	other := l.request(1)
	if other == w {
		s.Fatalf("a new worker has the name %s of one that runs", w)
	}
	s.running(w, other)
	l.Release(w, "the test does not need it")
	if exit := l.ended(w); !exit.Released {
		s.Errorf("a released worker has ended with %+v", exit)
	}
	s.running(other)
	l.quiet(w)
	l.finish()
}

// Finish ends workers that run, workers that are about to end, and open requests.
func (s *suite) finishEndsAll() {
	l := s.start()
	a, b := l.request(1), l.request(2)
	s.running(a, b)
	l.Release(b, "the test does not need it")
	l.Request(resourcemgr.Request{Number: 3, Spec: s.h.Spec()})
	l.finish()
	s.running()
}

// Finish ends workers of earlier leaders, too.
func (s *suite) finishEndsRecovered() {
	first := s.start()
	w := first.request(1)
	s.running(w)
	first.close()
	second := s.start()
	second.knows(w)
	second.finish()
	s.running()
}

// A second Close does nothing, also without a start.
func (s *suite) closeTwice() {
	l := s.start()
	w := l.request(1)
	s.running(w)
	l.close()
	l.close()
	if err := s.h.Driver(s.T).Close(); err != nil {
		s.Errorf("close of a driver that was not started: %v", err)
	}
	s.running(w)
	s.start().finish()
}
