package leader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"testing"

	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/internal/testkit"
	"goflink/runtime/memfs"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

var errInjected = errors.New("injected")

const clusterDir = "/ha/default"

// hooked is a file system as one process sees it: before and after each operation something may
// happen. An error of before keeps the operation from taking effect, one of after does not.
type hooked struct {
	fs            filesystem.FileSystem
	before, after func(op string) error
}

func (h *hooked) do(op string, f func() error) error {
	if h.before != nil {
		if err := h.before(op); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	err := f()
	if err == nil && h.after != nil {
		if err := h.after(op); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	return err
}

func (h *hooked) Create(ctx context.Context, p string) (w filesystem.Writer, err error) {
	err = h.do("create "+p, func() error {
		w, err = h.fs.Create(ctx, p)
		return err
	})
	return &hookedWriter{w, h, p}, err
}

func (h *hooked) Open(ctx context.Context, p string) (f filesystem.File, err error) {
	err = h.do("open "+p, func() error {
		f, err = h.fs.Open(ctx, p)
		return err
	})
	return f, err
}

func (h *hooked) Rename(ctx context.Context, from, to string) error {
	return h.do("rename "+from+" to "+to, func() error { return h.fs.Rename(ctx, from, to) })
}

func (h *hooked) Remove(ctx context.Context, p string) error {
	return h.do("remove "+p, func() error { return h.fs.Remove(ctx, p) })
}

func (h *hooked) RemoveAll(ctx context.Context, p string) error {
	return h.do("removeall "+p, func() error { return h.fs.RemoveAll(ctx, p) })
}

func (h *hooked) MkdirAll(ctx context.Context, p string) error {
	return h.do("mkdir "+p, func() error { return h.fs.MkdirAll(ctx, p) })
}

func (h *hooked) Stat(ctx context.Context, p string) (i filesystem.Info, err error) {
	err = h.do("stat "+p, func() error {
		i, err = h.fs.Stat(ctx, p)
		return err
	})
	return i, err
}

func (h *hooked) List(ctx context.Context, p string) iter.Seq2[filesystem.Info, error] {
	return func(yield func(filesystem.Info, error) bool) {
		if err := h.do("list "+p, func() error { return nil }); err != nil {
			yield(filesystem.Info{}, err)
			return
		}
		for i, err := range h.fs.List(ctx, p) {
			if !yield(i, err) {
				return
			}
		}
	}
}

type hookedWriter struct {
	filesystem.Writer
	h    *hooked
	path string
}

func (w *hookedWriter) Write(b []byte) (n int, err error) {
	err = w.h.do("write "+w.path, func() error {
		n, err = w.Writer.Write(b)
		return err
	})
	return n, err
}

func (w *hookedWriter) Sync() error { return w.h.do("sync "+w.path, w.Writer.Sync) }

func (w *hookedWriter) Close() error { return w.h.do("close "+w.path, w.Writer.Close) }

// newEpochs is what one JobManager has of the cluster.
func newEpochs(fs filesystem.FileSystem, dir string) *epochs {
	o := Options{Files: fs, Directory: dir, Logger: slog.New(slog.DiscardHandler)}
	o.ensureDefaults()
	return o.epochs()
}

// lead takes over at once, without goroutines.
func lead(ctx context.Context, e *epochs) (*Store, error) {
	seen, err := e.list(ctx)
	if err != nil {
		return nil, err
	}
	return leadAfter(ctx, e, seen, false)
}

// leadAfter takes over after what was seen.
func leadAfter(ctx context.Context, e *epochs, seen *view, met bool) (*Store, error) {
	t, err := e.enter(ctx, seen)
	if err != nil {
		return nil, err
	}
	if err := t.renew(ctx); err != nil {
		return nil, err
	}
	if err := e.succeed(ctx, t, met); errors.Is(err, ErrEnded) {
		return nil, errors.Join(err, e.retract(ctx, t))
	} else if err != nil {
		return nil, err
	}
	return openStore(ctx, t, func(error) {})
}

func mustLead(t testing.TB, fs filesystem.FileSystem) *Store {
	t.Helper()
	s, err := lead(t.Context(), newEpochs(fs, clusterDir))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newMem() *memfs.FS { return memfs.New(memfs.Options{}) }

func jobID(n int) (j id.Job) {
	j[0], j[1], j[15] = byte(n>>8), byte(n), 7
	return j
}

func graphOf(j id.Job) []byte { return []byte("graph of " + j.String()) }

func pointer(n uint64, retained int) Checkpoint {
	return Checkpoint{Number: n, Pointer: fmt.Appendf(nil, "chk-%d", n), Retained: retained}
}

// mustJobs reads what a leader has.
func mustJobs(t testing.TB, s *Store) map[id.Job]Job {
	t.Helper()
	jobs, err := readJobs(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

func readJobs(ctx context.Context, s *Store) (map[id.Job]Job, error) {
	jobs, err := s.Jobs(ctx)
	byID := map[id.Job]Job{}
	for _, j := range jobs {
		byID[j.ID] = j
	}
	return byID, err
}

// fact is something that a leader was told to be recorded.
type fact struct {
	epoch uint64
	op    string
	// of a job; about its checkpoint if number is not 0, about its end if ended is set.
	job    id.Job
	number uint64
	ended  bool
	// gone says that the job's records were to be deleted: then they may be missing.
	gone bool
}

// holds says whether a leader that reads these jobs knows of the fact.
func (f *fact) holds(jobs map[id.Job]Job) bool {
	j, ok := jobs[f.job]
	runs := ok && !j.Ended
	if f.gone || f.ended {
		return !runs && (ok || f.gone)
	}
	if !ok {
		return false
	}
	if j.Ended {
		return true
	}
	last := len(j.Checkpoints) - 1
	return bytes.Equal(j.Graph, graphOf(f.job)) &&
		(f.number == 0 || last >= 0 && j.Checkpoints[last].Number >= f.number)
}

// truth is what was acknowledged in a test, and what leaders have read at their start.
type truth struct {
	t     testing.TB
	facts []fact
	reads map[uint64]map[id.Job]Job
	// leaving are the jobs that somebody has begun to remove.
	leaving map[id.Job]bool
}

func newTruth(t testing.TB) *truth {
	return &truth{t: t, reads: map[uint64]map[id.Job]Job{}, leaving: map[id.Job]bool{}}
}

// acknowledged notes a fact: every later leader must know of it, also those that have read already.
func (w *truth) acknowledged(f fact) {
	w.facts = append(w.facts, f)
	for epoch, jobs := range w.reads {
		if epoch > f.epoch && !w.met(&f, jobs) {
			w.t.Errorf("%s was acknowledged to the leader of epoch %d; epoch %d has read %v",
				f.op, f.epoch, epoch, jobs)
		}
	}
}

// met says whether a fact holds, or does not need to any more.
func (w *truth) met(f *fact, jobs map[id.Job]Job) bool {
	if f.holds(jobs) {
		return true
	}
	_, there := jobs[f.job]
	return w.leaving[f.job] && !there
}

// read notes what a leader finds at its start.
func (w *truth) read(epoch uint64, jobs map[id.Job]Job) {
	if w.reads[epoch] != nil {
		w.t.Errorf("two leaders have epoch %d", epoch)
	}
	w.reads[epoch] = jobs
	for _, f := range w.facts {
		if f.epoch < epoch && !w.met(&f, jobs) {
			w.t.Errorf("epoch %d does not know of %q, acknowledged to epoch %d: %v", epoch, f.op,
				f.epoch, jobs[f.job])
		}
	}
}

func (w *truth) readFrom(ctx context.Context, s *Store) error {
	jobs, err := readJobs(ctx, s)
	if err == nil {
		w.read(s.Epoch(), jobs)
	}
	return err
}

// the operations on a Store; they tell the truth what was acknowledged.

func (w *truth) put(ctx context.Context, s *Store, j id.Job) error {
	err := s.PutJob(ctx, j, graphOf(j))
	if err == nil {
		w.acknowledged(fact{epoch: s.Epoch(), op: "job " + j.String(), job: j})
	}
	return err
}

func (w *truth) checkpoint(ctx context.Context, s *Store, j id.Job, c Checkpoint) error {
	err := s.PutCheckpoint(ctx, j, c)
	if err == nil {
		w.acknowledged(fact{epoch: s.Epoch(), job: j, number: c.Number,
			op: fmt.Sprintf("checkpoint %d of %s", c.Number, j)})
	}
	return err
}

func (w *truth) result(ctx context.Context, s *Store, j id.Job) error {
	err := s.PutResult(ctx, j, []byte("FINISHED"))
	if err == nil {
		w.acknowledged(fact{epoch: s.Epoch(), op: "result of " + j.String(), job: j, ended: true})
	}
	return err
}

func (w *truth) remove(ctx context.Context, s *Store, j id.Job) error {
	w.leaving[j] = true
	err := s.RemoveJob(ctx, j)
	if err == nil {
		w.acknowledged(fact{epoch: s.Epoch(), op: "removal of " + j.String(), job: j, gone: true})
	}
	return err
}
