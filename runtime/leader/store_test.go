package leader

import (
	"errors"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"goflink/core/filesystem"
)

// TestRecords: R6, R73. What is recorded of jobs goes on from leader to leader: graphs, the newest
// checkpoints as num-retained says, results.
func TestRecords(t *testing.T) {
	fs := newMem()
	s := mustLead(t, fs)
	for i := range 3 {
		if err := s.PutJob(t.Context(), jobID(i), graphOf(jobID(i))); err != nil {
			t.Fatal(err)
		}
	}
	for n := range uint64(5) {
		if err := s.PutCheckpoint(t.Context(), jobID(0), pointer(n+1, 3)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutResult(t.Context(), jobID(1), []byte("FINISHED")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s = mustLead(t, fs)
		jobs, err := s.Jobs(t.Context())
		if err != nil || len(jobs) != 3 {
			t.Fatalf("there are %v, %v", jobs, err)
		}
		want := Job{ID: jobID(0), Graph: graphOf(jobID(0)),
			Checkpoints: []Checkpoint{pointer(3, 3), pointer(4, 3), pointer(5, 3)}}
		if !reflect.DeepEqual(jobs[0], want) {
			t.Errorf("the first job is %+v, want %+v", jobs[0], want)
		}
		if j := jobs[1]; !j.Ended || string(j.Result) != "FINISHED" || j.Graph == nil {
			t.Errorf("the second job is %+v", j)
		}
		if j := jobs[2]; j.Ended || j.ID != jobID(2) || len(j.Checkpoints) > 0 {
			t.Errorf("the third job is %+v", j)
		}
	}
	// With fewer retained ones the others are dropped.
	if err := s.PutCheckpoint(t.Context(), jobID(0), pointer(9, 1)); err != nil {
		t.Fatal(err)
	}
	if got := records(fs.Files()); !slices.Equal(got, []string{checkpointName(jobID(0), 9),
		jobName(jobID(0)), jobName(jobID(1)), jobName(jobID(2)), resultName(jobID(1))}) {
		t.Errorf("the records are %v", got)
	}
}

// records are the names of the records among files, sorted.
func records(files []string) (names []string) {
	for _, f := range files {
		name := path.Base(f)
		if inherited(name) && name != clusterFile && !strings.HasPrefix(name, claimPrefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestOldPointerStays: R73, a pointer that could not be dropped does not count, and goes later.
func TestOldPointerStays(t *testing.T) {
	fs := newMem()
	h := &hooked{fs: fs}
	s := mustLead(t, h)
	if err := s.PutJob(t.Context(), jobID(1), nil); err != nil {
		t.Fatal(err)
	}
	h.before = func(op string) error {
		if strings.HasPrefix(op, "remove") {
			return errInjected
		}
		return nil
	}
	for n := range uint64(3) {
		if err := s.PutCheckpoint(t.Context(), jobID(1), pointer(n+1, 1)); err != nil {
			t.Fatal(err)
		}
	}
	s = mustLead(t, fs)
	if got := mustJobs(t, s)[jobID(1)].Checkpoints; len(got) != 1 || got[0].Number != 3 {
		t.Errorf("the checkpoints are %v", got)
	}
	if err := s.PutCheckpoint(t.Context(), jobID(1), pointer(4, 1)); err != nil {
		t.Fatal(err)
	}
	if got := records(fs.Files()); len(got) != 2 {
		t.Errorf("the records are %v", got)
	}
}

// TestRemoveJob: R150. Nothing is left of a job that is removed; removed half it counts as ended,
// and can be removed again.
func TestRemoveJob(t *testing.T) {
	for _, ended := range []bool{false, true} {
		for at := 0; ; at++ {
			fs := newMem()
			n, armed := 0, false
			s := mustLead(t, &hooked{fs: fs, before: func(string) error {
				if n++; armed && n > at {
					return errInjected
				}
				return nil
			}})
			w := newTruth(t)
			err := errors.Join(w.put(t.Context(), s, jobID(1)),
				w.checkpoint(t.Context(), s, jobID(1), pointer(1, 2)),
				w.checkpoint(t.Context(), s, jobID(1), pointer(2, 2)))
			if ended {
				err = errors.Join(err, w.result(t.Context(), s, jobID(1)))
			}
			if err != nil {
				t.Fatal(err)
			}
			n, armed = 0, true
			err = s.RemoveJob(t.Context(), jobID(1))
			after := fs.Crash()
			s = mustLead(t, after)
			left := records(after.Files())
			if slices.Contains(left, resultName(jobID(1))) != mustJobs(t, s)[jobID(1)].Ended ||
				!slices.Contains(left, resultName(jobID(1))) && len(left) != 0 && len(left) != 3 {
				t.Errorf("after %d operations: left are %v", at, left)
			}
			for range 2 { // the second time there is nothing to do
				if err := s.RemoveJob(t.Context(), jobID(1)); err != nil {
					t.Errorf("after %d operations: %v", at, err)
				}
			}
			if got := records(after.Files()); len(got) > 0 || len(s.mu.jobs) > 0 {
				t.Errorf("after %d operations: left are %v", at, got)
			}
			if err == nil {
				break
			}
		}
	}
}

// TestStoreRefuses: R150. What makes no sense is refused and changes nothing.
func TestStoreRefuses(t *testing.T) {
	fs := newMem()
	s := mustLead(t, fs)
	ctx := t.Context()
	put := func(n int) {
		t.Helper()
		if err := s.PutJob(ctx, jobID(n), nil); err != nil {
			t.Fatal(err)
		}
	}
	put(1)
	put(2)
	if err := errors.Join(s.PutCheckpoint(ctx, jobID(1), pointer(5, 1)),
		s.PutResult(ctx, jobID(2), nil)); err != nil {
		t.Fatal(err)
	}
	before := fs.Files()
	for _, c := range []struct {
		name string
		err  error
		is   error
		want string
	}{
		{"a job twice", s.PutJob(ctx, jobID(1), nil), filesystem.ErrExist, "already"},
		{"a job that has ended", s.PutJob(ctx, jobID(2), nil), filesystem.ErrExist, "already"},
		{"a checkpoint twice", s.PutCheckpoint(ctx, jobID(1), pointer(5, 1)), filesystem.ErrExist,
			"checkpoint 5"},
		{"an older checkpoint", s.PutCheckpoint(ctx, jobID(1), pointer(4, 1)),
			filesystem.ErrExist, "checkpoint 5"},
		{"none retained", s.PutCheckpoint(ctx, jobID(1), pointer(6, 0)), nil, "want 1"},
		{"of an ended job", s.PutCheckpoint(ctx, jobID(2), pointer(1, 1)), nil, "has ended"},
		{"of no job", s.PutCheckpoint(ctx, jobID(3), pointer(1, 1)), nil, "not recorded"},
		{"a result twice", s.PutResult(ctx, jobID(2), nil), filesystem.ErrExist, "already"},
		{"trim a job that runs", s.TrimJob(ctx, jobID(1)), nil, "has not ended"},
		{"too large", s.PutJob(ctx, jobID(4), make([]byte, MaxRecordBytes+1)), nil, "the limit"},
	} {
		if c.err == nil || c.is != nil && !errors.Is(c.err, c.is) ||
			!strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.name, c.err, c.want)
		}
	}
	if after := fs.Files(); !slices.Equal(before, after) {
		t.Errorf("there are %v, there were %v", after, before)
	}
}

// TestConcurrentRecords: jobs record at the same time.
func TestConcurrentRecords(t *testing.T) {
	fs := newMem()
	s := mustLead(t, fs)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			j := jobID(i)
			err := s.PutJob(t.Context(), j, graphOf(j))
			for n := range uint64(20) {
				err = errors.Join(err, s.PutCheckpoint(t.Context(), j, pointer(n+1, 2)))
			}
			if i%2 == 1 {
				err = errors.Join(err, s.RemoveJob(t.Context(), j))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for j, job := range mustJobs(t, mustLead(t, fs)) {
		if j[1]%2 == 1 || len(job.Checkpoints) != 2 || job.Checkpoints[1].Number != 20 {
			t.Errorf("there is %v", job)
		}
	}
}

// TestDamagedRecords: a damaged record is an error that names its file, never other contents.
func TestDamagedRecords(t *testing.T) {
	fs := newMem()
	s := mustLead(t, fs)
	if err := s.PutJob(t.Context(), jobID(1), []byte("graph")); err != nil {
		t.Fatal(err)
	}
	file := s.t.file(jobName(jobID(1)))
	f, err := fs.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	good := make([]byte, f.Size())
	if _, err := f.ReadAt(good, 0); err != nil {
		t.Fatal(err)
	}
	replace := func(b []byte) {
		t.Helper()
		if err := fs.Remove(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		w, err := fs.Create(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	for i := range good {
		for _, b := range [][]byte{good[:i], append(slices.Clone(good[:i]), good[i]^4)} {
			if len(b) > i {
				b = append(b, good[i+1:]...)
			}
			replace(b)
			_, err := s.Jobs(t.Context())
			if err == nil || !strings.Contains(err.Error(), file) ||
				!strings.Contains(err.Error(), "damaged") {
				t.Errorf("%q: %v", b, err)
			}
		}
	}
	replace(good)
	if got := mustJobs(t, s)[jobID(1)]; string(got.Graph) != "graph" {
		t.Errorf("the graph is %q", got.Graph)
	}
}

// TestForeignFiles: what is not of this package is left alone, and carried on.
func TestForeignFiles(t *testing.T) {
	fs := newMem()
	s := mustLead(t, fs)
	dir := path.Join(clusterDir, epochsDir)
	foreign := []string{path.Join(dir, "claim-x"), path.Join(dir, "claim-01"),
		path.Join(dir, "epoch-7"), path.Join(dir, "epoch-9-a"), s.t.file("job-x"),
		s.t.file("checkpoint-1"), s.t.file("later-version")}
	for _, f := range foreign {
		w, err := fs.Create(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Sync(), w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	s = mustLead(t, fs)
	if s.Epoch() != 2 || len(mustJobs(t, s)) != 0 {
		t.Errorf("epoch %d has %v", s.Epoch(), mustJobs(t, s))
	}
	have := strings.Join(fs.Files(), " ")
	for _, f := range foreign {
		if !strings.Contains(have, path.Base(f)) {
			t.Errorf("%s is gone: %s", f, have)
		}
	}
}

// TestLastEpoch: there is no epoch after the highest number, and that is said.
func TestLastEpoch(t *testing.T) {
	fs := newMem()
	mustLead(t, fs)
	if err := newEpochs(fs, clusterDir).claim(t.Context(), ^uint64(0)); err != nil {
		t.Fatal(err)
	}
	if _, err := lead(t.Context(), newEpochs(fs, clusterDir)); err == nil ||
		!strings.Contains(err.Error(), "no epoch after") {
		t.Errorf("got %v", err)
	}
}

// TestClaimsArePruned: R6, a cluster whose leaders change often does not fill its folder.
func TestClaimsArePruned(t *testing.T) {
	fs := newMem()
	for range 3 * keptClaims {
		s := mustLead(t, fs)
		if err := s.PutJob(t.Context(), jobID(int(s.Epoch())), nil); err != nil {
			t.Fatal(err)
		}
	}
	// The jobs, a claim of each kept epoch and of this one, a sign of life, the cluster.
	if got, want := len(fs.Files()), 3*keptClaims+keptClaims+1+2; got != want {
		t.Errorf("there are %d files, want %d: %v", got, want, fs.Files())
	}
}
