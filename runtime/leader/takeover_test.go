package leader

import (
	"context"
	"errors"
	"strings"
	"testing"

	"goflink/core/filesystem"
)

// script is the life of a leader in the tests that go through its operations. It ends with the
// first error.
func script(ctx context.Context, w *truth, e *epochs, base int) error {
	s, err := lead(ctx, e)
	if err != nil {
		return err
	}
	if err := w.readFrom(ctx, s); err != nil {
		return err
	}
	a, b, c := jobID(base), jobID(base+1), jobID(base+2)
	for _, step := range []func() error{
		func() error { return w.put(ctx, s, a) },
		func() error { return w.checkpoint(ctx, s, a, pointer(1, 2)) },
		func() error { return s.t.renew(ctx) },
		func() error { return w.checkpoint(ctx, s, a, pointer(2, 2)) },
		func() error { return w.checkpoint(ctx, s, a, pointer(3, 2)) },
		func() error { return w.put(ctx, s, b) },
		func() error { return w.checkpoint(ctx, s, b, pointer(1, 1)) },
		func() error { return w.result(ctx, s, b) },
		func() error { return s.TrimJob(ctx, b) },
		func() error { return w.put(ctx, s, c) },
		func() error { return w.checkpoint(ctx, s, c, pointer(1, 1)) },
		func() error { return w.remove(ctx, s, c) },
		func() error { return s.t.record(ctx, addressFile, []byte("host:1")) },
		func() error { return w.remove(ctx, s, b) },
		func() error { return s.t.renew(ctx) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// predecessors lets two leaders leave records behind.
func predecessors(t testing.TB, w *truth, fs filesystem.FileSystem) {
	t.Helper()
	for base := range 2 {
		if err := script(t.Context(), w, newEpochs(fs, clusterDir), 100+10*base); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPausedLeader: R6, R153. A leader is paused before each of its operations, as SIGSTOP would
// pause it; another one takes over, and the first goes on. Of what is acknowledged to the first
// nothing is unknown to the second, and what the second has is not changed any more.
func TestPausedLeader(t *testing.T) {
	for at := 0; ; at++ {
		w, fs := newTruth(t), newMem()
		predecessors(t, w, fs)
		var other *Store
		n, paused := 0, ""
		h := &hooked{fs: fs, before: func(op string) error {
			if n++; n == at+1 {
				paused = op
				other = mustLead(t, fs)
				w.read(other.Epoch(), mustJobs(t, other))
				if err := w.put(t.Context(), other, jobID(1)); err != nil {
					t.Fatal(err)
				}
			}
			return nil
		}}
		err := script(t.Context(), w, newEpochs(h, clusterDir), 10)
		if other == nil {
			if err != nil || at < 50 {
				t.Errorf("after %d operations: %v", at, err)
			}
			return
		}
		// Who has not looked at the epochs yet takes over from the other; all else learns that it
		// is late.
		if err == nil {
			if perr := w.put(t.Context(), other, jobID(2)); !errors.Is(perr, ErrDeposed) {
				t.Errorf("paused before %q: two lead, %v", paused, perr)
			}
		} else if !errors.Is(err, ErrDeposed) && !errors.Is(err, errLost) {
			t.Errorf("paused before %q: %v, want ErrDeposed", paused, err)
		} else if perr := w.checkpoint(t.Context(), other, jobID(1), pointer(1, 1)); perr != nil {
			t.Errorf("paused before %q: nobody leads: %v", paused, perr)
		}
		last := mustLead(t, fs)
		w.read(last.Epoch(), mustJobs(t, last))
		if t.Failed() {
			t.Fatalf("paused before operation %d: %s", at, paused)
		}
	}
}

// TestCrash: R6. The power fails before each operation of a leader; the next one knows all that was
// acknowledged, and no job that has ended runs again.
func TestCrash(t *testing.T) {
	for at := 0; ; at++ {
		w, fs := newTruth(t), newMem()
		predecessors(t, w, fs)
		n, last := 0, ""
		h := &hooked{fs: fs, before: func(op string) error {
			if n++; n > at {
				return errInjected
			}
			last = op
			return nil
		}}
		err := script(t.Context(), w, newEpochs(h, clusterDir), 10)
		after := fs.Crash()
		for range 2 {
			s := mustLead(t, after)
			w.read(s.Epoch(), mustJobs(t, s))
		}
		if t.Failed() {
			t.Fatalf("crash after operation %d: %s", at, last)
		}
		if err == nil {
			return
		}
		if !errors.Is(err, errInjected) {
			t.Fatalf("crash after operation %d, %s: %v", at, last, err)
		}
	}
}

// TestOperationFails: R6. Each operation fails once, without effect or after it, as when an answer
// is lost: what is acknowledged is there, what was refused for certain is not, and another leader
// can take over.
func TestOperationFails(t *testing.T) {
	for _, lost := range []bool{false, true} {
		for at := 0; ; at++ {
			w, fs := newTruth(t), newMem()
			predecessors(t, w, fs)
			n, failed := 0, ""
			fault := func(op string) error {
				if n++; n == at+1 {
					failed = op
					return errInjected
				}
				return nil
			}
			h := &hooked{fs: fs}
			if lost {
				h.after = fault
			} else {
				h.before = fault
			}
			err := script(t.Context(), w, newEpochs(h, clusterDir), 10)
			if err != nil && !errors.Is(err, errInjected) {
				t.Errorf("%q has failed: %v", failed, err)
			}
			s := mustLead(t, fs)
			w.read(s.Epoch(), mustJobs(t, s))
			if t.Failed() {
				t.Fatalf("operation %d, lost answer %t: %s", at, lost, failed)
			}
			if failed == "" {
				break
			}
		}
	}
}

// TestLostAnswerOfRecord: a record whose rename took effect counts although the answer was lost;
// where that cannot be found out, the leader must step down.
func TestLostAnswerOfRecord(t *testing.T) {
	fs := newMem()
	armed, broken := false, false
	h := &hooked{fs: fs, after: func(op string) error {
		if armed && strings.HasPrefix(op, "rename") {
			broken = true
			return errInjected
		}
		return nil
	}}
	s := mustLead(t, h)
	armed = true
	if err := s.PutJob(t.Context(), jobID(1), []byte("g")); err != nil || !broken {
		t.Errorf("the job is recorded, the error is %v", err)
	}
	h.before = func(op string) error {
		if strings.HasPrefix(op, "remove") {
			return errInjected
		}
		return nil
	}
	err := s.PutJob(t.Context(), jobID(2), []byte("g"))
	if !errors.Is(err, ErrUnsure) || errors.Is(err, ErrDeposed) {
		t.Errorf("nothing is known of the job: %v", err)
	}
	h.before, h.after = nil, nil
	if err := s.PutJob(t.Context(), jobID(3), []byte("g")); !errors.Is(err, ErrUnsure) {
		t.Errorf("a leader that is unsure goes on: %v", err)
	}
	jobs := mustJobs(t, mustLead(t, fs))
	if len(jobs) != 2 || jobs[jobID(3)].Graph != nil {
		t.Errorf("there are %v", jobs)
	}
}

// TestCancelled: a context that ends while something is being recorded leaves no doubt.
func TestCancelled(t *testing.T) {
	fs := newMem()
	ctx, cancel := context.WithCancel(t.Context())
	h := &hooked{fs: fs}
	s := mustLead(t, h)
	h.before = func(op string) error {
		if strings.HasPrefix(op, "rename") {
			cancel()
		}
		return nil
	}
	if err := s.PutJob(ctx, jobID(1), []byte("g")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	h.before = nil
	if err := s.PutJob(t.Context(), jobID(1), []byte("h")); err != nil {
		t.Errorf("again: %v", err)
	}
	if got := mustJobs(t, mustLead(t, fs))[jobID(1)].Graph; string(got) != "h" {
		t.Errorf("the graph is %q", got)
	}
	for _, f := range fs.Files() {
		if strings.Contains(f, temporaryPrefix) {
			t.Errorf("left behind: %s", f)
		}
	}
}

// TestSameEpoch: R153. Should a claim be gone that somebody has acted on, then a second one does
// not lead in the same epoch.
func TestSameEpoch(t *testing.T) {
	fs := newMem()
	e := newEpochs(fs, clusterDir)
	seen, err := e.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := mustLead(t, fs)
	if err := fs.Remove(t.Context(), e.path+"/"+claimName(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := leadAfter(t.Context(), e, seen, false); !errors.Is(err, errLost) {
		t.Errorf("a second leader of epoch 1: %v", err)
	}
	if err := s.PutJob(t.Context(), jobID(1), nil); err != nil {
		t.Errorf("the first one: %v", err)
	}
}
