package leader

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// leadership makes a term of a store, without signs of life.
func leadership(s *Store) *Leadership {
	l := &Leadership{t: s.t, store: s}
	l.ctx, l.lose = context.WithCancelCause(context.Background())
	l.beats, l.stop = context.WithCancel(l.ctx)
	return l
}

// ending is a store whose jobs have ended.
func ending(t testing.TB, w *truth, s *Store) *Leadership {
	t.Helper()
	for _, err := range []error{w.put(t.Context(), s, jobID(1)),
		w.checkpoint(t.Context(), s, jobID(1), pointer(1, 1)), w.result(t.Context(), s, jobID(1))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return leadership(s)
}

// TestCleanUp: R150. When all jobs have ended nothing is left; as long as one has not, all is.
func TestCleanUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMem()
		resign(t, campaign(t, fs))
		l := campaign(t, fs)
		if err := l.Store().PutJob(t.Context(), jobID(1), nil); err != nil {
			t.Fatal(err)
		}
		err := l.CleanUp(t.Context())
		if err == nil || !strings.Contains(err.Error(), jobID(1).String()) {
			t.Fatalf("with a job that runs: %v", err)
		}
		resign(t, l) // SUSPENDED
		l = campaign(t, fs)
		if jobs := mustJobs(t, l.Store()); len(jobs) != 1 || jobs[jobID(1)].Ended {
			t.Fatalf("a suspended job is gone: %v", jobs)
		}
		ended := make(chan error)
		go func() {
			_, err := NewElector(options(fs)).Campaign(t.Context())
			ended <- err
		}()
		time.Sleep(lease)
		if err := l.Store().PutResult(t.Context(), jobID(1), nil); err != nil {
			t.Fatal(err)
		}
		if err := l.CleanUp(t.Context()); err != nil {
			t.Error(err)
		}
		if !errors.Is(l.Err(), ErrDeposed) {
			t.Errorf("a leader that has cleaned up leads: %v", l.Err())
		}
		if err := <-ended; !errors.Is(err, ErrEnded) {
			t.Errorf("a standby of a cluster that has ended: %v", err)
		}
		if _, err := fs.Stat(t.Context(), clusterDir); err == nil || len(fs.Files()) > 0 {
			t.Errorf("left behind: %v", fs.Files())
		}
		if err := l.Store().PutJob(t.Context(), jobID(2), nil); !errors.Is(err, ErrEnded) {
			t.Errorf("a job after the end: %v", err)
		}
		// The id can be used again.
		l = campaign(t, fs)
		if l.Epoch() != 1 || len(mustJobs(t, l.Store())) != 0 {
			t.Errorf("a new cluster begins with epoch %d", l.Epoch())
		}
		resign(t, l)
	})
}

// TestCleanUpCrash: R150. The power fails before each operation of a clean-up: whoever comes next
// finishes it, or finds nothing; the job does not run again.
func TestCleanUpCrash(t *testing.T) {
	finished := false
	for at := 0; !finished; at++ {
		fs := newMem()
		n, armed := 0, false
		h := &hooked{fs: fs, before: func(string) error {
			if n++; armed && n > at {
				return errInjected
			}
			return nil
		}}
		s := mustLead(t, h)
		l := ending(t, newTruth(t), s)
		n, armed = 0, true
		err := l.CleanUp(t.Context())
		if finished = err == nil; !finished && !errors.Is(err, errInjected) {
			t.Fatalf("crash after %d operations: %v", at, err)
		}
		after := fs.Crash()
		synctest.Test(t, func(t *testing.T) {
			next, err := NewElector(options(after)).Campaign(t.Context())
			if next != nil {
				for _, j := range mustJobs(t, next.Store()) {
					if !j.Ended {
						t.Errorf("crash after %d operations: the job runs again", at)
					}
				}
				if err := next.CleanUp(t.Context()); err != nil {
					t.Errorf("crash after %d operations: clean up: %v", at, err)
				}
			} else if !errors.Is(err, ErrEnded) {
				t.Errorf("crash after %d operations: %v", at, err)
			}
		})
		if got := after.Files(); len(got) > 0 {
			t.Errorf("crash after %d operations: left behind: %v", at, got)
		}
	}
}

// TestPausedCleanUp: R150. A leader is paused before each operation of its clean-up while another
// one finishes it and a new cluster of the same id begins: the new one does not notice anything.
func TestPausedCleanUp(t *testing.T) {
	for at := 0; ; at++ {
		w, fs := newTruth(t), newMem()
		n, armed := 0, false
		var fresh *Store
		h := &hooked{fs: fs}
		h.before = func(op string) error {
			if n++; !armed || n != at+1 {
				return nil
			}
			next, err := lead(t.Context(), newEpochs(fs, clusterDir))
			if err == nil { // paused before the end was recorded, or after all was gone
				if end := leadership(next).CleanUp(t.Context()); end != nil {
					t.Fatalf("paused before %s: %v", op, end)
				}
			} else {
				t.Fatalf("paused before %s: %v", op, err)
			}
			fresh = mustLead(t, fs)
			if err := w.put(t.Context(), fresh, jobID(5)); err != nil {
				t.Fatal(err)
			}
			return nil
		}
		l := ending(t, newTruth(t), mustLead(t, h))
		n, armed = 0, true
		err := l.CleanUp(t.Context())
		if fresh == nil {
			if err != nil || at < 8 {
				t.Errorf("after %d operations: %v", at, err)
			}
			return
		}
		if perr := w.put(t.Context(), fresh, jobID(6)); perr != nil {
			t.Errorf("paused before operation %d: the new leader: %v", at, perr)
		}
		last := mustLead(t, fs)
		if jobs := mustJobs(t, last); len(jobs) != 2 || last.Epoch() != fresh.Epoch()+1 {
			t.Errorf("paused before operation %d: epoch %d has %v", at, last.Epoch(), jobs)
		}
	}
}

// TestCandidateOfEndedCluster: R150. A standby that is paused before each operation of its takeover
// while the cluster ends does not bring it back: it finds out, or it finds the record of the end.
func TestCandidateOfEndedCluster(t *testing.T) {
	ended, refused := 0, 0
	for at := 0; ; at++ {
		fs := newMem()
		l := ending(t, newTruth(t), mustLead(t, fs))
		seen, err := newEpochs(fs, clusterDir).list(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n, cleaned := 0, error(nil)
		h := &hooked{fs: fs, before: func(string) error {
			if n++; n == at+1 {
				cleaned = l.CleanUp(t.Context())
			}
			return nil
		}}
		s, err := leadAfter(t.Context(), newEpochs(h, clusterDir), seen, true)
		switch {
		case n <= at:
			if ended < 4 || refused < 4 {
				t.Errorf("%d clean-ups succeeded, %d were refused", ended, refused)
			}
			return
		case cleaned == nil:
			ended++
			// If the folder is gone before it has begun, it looks again, and gives up then.
			told := errors.Is(err, ErrEnded) || errors.Is(err, errLost) && at == 0
			if got := fs.Files(); !told || len(got) > 0 {
				t.Errorf("paused before operation %d: %v, want ErrEnded; left are %v", at, err, got)
			}
		case err != nil || !errors.Is(cleaned, ErrDeposed):
			t.Errorf("paused before operation %d: %v; clean up: %v", at, err, cleaned)
		default:
			refused++
			if jobs := mustJobs(t, s); !jobs[jobID(1)].Ended {
				t.Errorf("paused before operation %d: the job runs again", at)
			}
		}
	}
}

// TestTwoCandidatesOfEndedCluster: R150. The cluster ends while one candidate is paused anywhere in
// its takeover, and a second one finds only what the first has made: neither brings it back.
func TestTwoCandidatesOfEndedCluster(t *testing.T) {
	for at := 1; ; at++ {
		fs := newMem()
		l := ending(t, newTruth(t), mustLead(t, fs))
		seen, err := newEpochs(fs, clusterDir).list(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n, cleaned := 0, error(nil)
		var second error
		h := &hooked{fs: fs, before: func(string) error {
			if n++; n != at+1 {
				return nil
			}
			if cleaned = l.CleanUp(t.Context()); cleaned == nil {
				e := newEpochs(fs, clusterDir)
				v, err := e.list(t.Context())
				if err != nil {
					return err
				}
				_, second = leadAfter(t.Context(), e, v, true)
			}
			return nil
		}}
		_, err = leadAfter(t.Context(), newEpochs(h, clusterDir), seen, true)
		if n <= at || cleaned != nil {
			if at < 5 {
				t.Errorf("the clean-up was refused after %d operations: %v", at, cleaned)
			}
			return
		}
		if !errors.Is(second, ErrEnded) || err == nil {
			t.Errorf("paused before operation %d: the second: %v; the first: %v", at, second, err)
		}
	}
}
