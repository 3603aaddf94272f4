package leader

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"path"
	"sync"
	"testing"

	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/internal/testkit"
	"goflink/runtime/localfs"
)

var errKilled = errors.New("the process was killed")

// process is a JobManager that can be paused before each operation of its file system.
type process struct {
	next func() (struct{}, bool)
	kill func()
}

// world is a cluster of JobManagers that all believe in themselves, in an order that a seed
// decides.
type world struct {
	*truth
	r   *rand.Rand
	fs  filesystem.FileSystem
	dir string
	// faults is how many of 1000 operations fail.
	faults  int
	jobs    int
	led     int
	running []*process
}

// start starts a JobManager; it runs when next is called.
func (w *world) start() {
	next, kill := iter.Pull(func(yield func(struct{}) bool) {
		h := &hooked{fs: w.fs}
		h.before = func(string) error {
			if !yield(struct{}{}) {
				// It may not be called again; the process makes no step any more.
				h.before = func(string) error { return errKilled }
				return errKilled
			}
			return w.fault()
		}
		h.after = func(string) error { return w.fault() }
		w.live(w.t.Context(), newEpochs(h, w.dir))
	})
	w.running = append(w.running, &process{next, kill})
}

func (w *world) fault() error {
	if w.r.IntN(1000) < w.faults {
		return errInjected
	}
	return nil
}

// live takes over and does what leaders do, until that fails.
func (w *world) live(ctx context.Context, e *epochs) {
	s, err := lead(ctx, e)
	if err != nil {
		return
	}
	if err := w.readFrom(ctx, s); err != nil {
		return
	}
	w.led++
	var mine []id.Job
	next := uint64(1)
	for range 5 + w.r.IntN(20) {
		err := error(nil)
		choice := w.r.IntN(8)
		if len(mine) == 0 {
			choice = 0
		}
		switch choice {
		case 0, 1:
			w.jobs++
			j := jobID(w.jobs)
			if err = w.put(ctx, s, j); err == nil {
				mine = append(mine, j)
			}
		case 2, 3, 4:
			// Jobs that have ended refuse it.
			err = w.checkpoint(ctx, s, w.one(mine), pointer(next, 1+w.r.IntN(3)))
			next++
		case 5:
			err = w.result(ctx, s, w.one(mine))
		case 6:
			err = w.remove(ctx, s, w.one(mine))
		case 7:
			err = s.t.renew(ctx)
		}
		if errors.Is(err, ErrDeposed) || errors.Is(err, ErrUnsure) || errors.Is(err, errKilled) {
			return
		}
	}
	if w.r.IntN(2) == 0 {
		_ = s.t.resign(ctx) // the others see whether it did
	}
}

func (w *world) one(jobs []id.Job) id.Job { return jobs[w.r.IntN(len(jobs))] }

// run lets processes run, for a number of operations.
func (w *world) run(operations int) {
	for range operations {
		if len(w.running) < 1 || len(w.running) < 4 && w.r.IntN(100) == 0 {
			w.start()
		}
		i := w.r.IntN(len(w.running))
		if _, ok := w.running[i].next(); !ok {
			w.running = append(w.running[:i], w.running[i+1:]...)
		}
	}
}

func (w *world) killAll() {
	for _, p := range w.running {
		p.kill()
	}
	w.running = nil
}

// end lets a last leader look.
func (w *world) end() {
	w.killAll()
	w.faults = 0
	s, err := lead(w.t.Context(), newEpochs(w.fs, w.dir))
	if err == nil {
		err = w.readFrom(w.t.Context(), s)
	}
	if err != nil {
		w.t.Error(err)
	}
}

// TestRandomLeaders: R6, R153. JobManagers that take over from each other at any operation, on
// a file system that fails and loses power: an epoch has one leader, what is acknowledged is never
// lost, and what has ended never runs again.
func TestRandomLeaders(t *testing.T) {
	testkit.EachSeed(t, testkit.Scaled(300), func(t *testing.T, seed uint64) {
		mem := newMem()
		w := &world{truth: newTruth(t), r: testkit.Source(seed), fs: mem, dir: clusterDir}
		for range 4 {
			w.faults = w.r.IntN(2) * w.r.IntN(10)
			w.run(300 + w.r.IntN(600))
			if w.r.IntN(2) == 0 {
				mem = mem.Crash()
				w.killAll()
				w.fs = mem
			}
		}
		w.end()
		if w.led < 3 || len(w.facts) < 10 {
			t.Errorf("%d leaders recorded %d facts: the test shows nothing", w.led, len(w.facts))
		}
	})
}

// TestRandomLeadersOnDisk: R6, R153, the same on this machine's disk.
func TestRandomLeadersOnDisk(t *testing.T) {
	testkit.EachSeed(t, 3, func(t *testing.T, seed uint64) {
		w := &world{truth: newTruth(t), r: testkit.Source(seed), fs: localfs.FS{},
			dir: path.Join(t.TempDir(), "default")}
		w.run(600)
		w.end()
		if len(w.facts) == 0 {
			t.Error("nothing was recorded: the test shows nothing")
		}
	})
}

// TestRacingCandidates: R153. Of several JobManagers that take over at the same moment one gets
// each epoch, and in the end one leads.
func TestRacingCandidates(t *testing.T) {
	for name, fs := range map[string]filesystem.FileSystem{"memory": newMem(),
		"disk": localfs.FS{}} {
		t.Run(name, func(t *testing.T) {
			dir := path.Join(t.TempDir(), "default")
			var mu sync.Mutex
			var all sync.WaitGroup
			stores := map[uint64]*Store{}
			for range 8 {
				all.Go(func() {
					for range 5 {
						s, err := lead(t.Context(), newEpochs(fs, dir))
						if errors.Is(err, errLost) || errors.Is(err, ErrDeposed) {
							continue
						}
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						if stores[s.Epoch()] != nil {
							t.Errorf("epoch %d has two leaders", s.Epoch())
						}
						stores[s.Epoch()] = s
						mu.Unlock()
					}
				})
			}
			all.Wait()
			highest := uint64(0)
			for epoch := range stores {
				highest = max(highest, epoch)
			}
			for epoch, s := range stores {
				err := s.PutJob(t.Context(), jobID(int(epoch)), nil)
				if epoch != highest && !errors.Is(err, ErrDeposed) {
					t.Errorf("epoch %d records after epoch %d: %v", epoch, highest, err)
				}
			}
		})
	}
}
