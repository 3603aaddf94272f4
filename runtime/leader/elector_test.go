package leader

import (
	"context"
	"errors"
	"log/slog"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"goflink/core/filesystem"
	"goflink/runtime/controlplane/rpc"
	"goflink/runtime/localfs"
)

// Workers look for the leader with these.
var _, _ rpc.LeaderFinder = (*Finder)(nil), Fixed("")

const lease = 10 * time.Second

func options(fs filesystem.FileSystem) Options {
	return Options{Files: fs, Directory: clusterDir, Lease: lease,
		Logger: slog.New(slog.DiscardHandler)}
}

// campaign waits until a JobManager leads.
func campaign(t testing.TB, fs filesystem.FileSystem) *Leadership {
	t.Helper()
	l, err := NewElector(options(fs)).Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func resign(t testing.TB, l *Leadership) {
	t.Helper()
	if err := l.Resign(t.Context()); err != nil {
		t.Errorf("resign: %v", err)
	}
}

// TestStandbyDecides: R6, the decision of a standby, with its own clock.
func TestStandbyDecides(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	leads := func(n uint64) sign {
		return sign{highest: 3, folder: "epoch-3", alive: n, lives: true}
	}
	other := sign{highest: 4, folder: "epoch-3", alive: 1}
	type step struct {
		at   int
		seen sign
		want verdict
	}
	for name, steps := range map[string][]step{
		"first":           {{0, sign{vacant: true}, takeOver}},
		"late candidate":  {{0, sign{highest: 1}, wait}, {1, sign{vacant: true}, takeOver}},
		"resigned":        {{0, leads(1), wait}, {1, sign{highest: 3, vacant: true}, takeOver}},
		"vacant at first": {{0, sign{highest: 3, vacant: true}, takeOver}},
		"ended":           {{0, leads(1), wait}, {1, sign{vacant: true}, giveUp}},
		"alive":           {{0, leads(1), wait}, {9, leads(2), wait}, {18, leads(3), wait}},
		"silent":          {{0, leads(1), wait}, {9, leads(1), wait}, {10, leads(1), takeOver}},
		"silent later":    {{9, leads(2), wait}, {18, leads(2), wait}, {19, leads(2), takeOver}},
		"candidate":       {{0, leads(1), wait}, {9, other, wait}, {19, other, takeOver}},
	} {
		s := standby{lease: lease}
		for i, c := range steps {
			if got := s.step(at(c.at), c.seen); got != c.want {
				t.Errorf("%s, step %d: %v, want %v", name, i, got, c.want)
			}
		}
	}
	s := standby{lease: lease}
	s.step(at(0), leads(1))
	s.failed(at(10))
	if got := s.step(at(19), leads(1)); got != wait {
		t.Errorf("after a takeover that failed: %v", got)
	}
}

// TestThreeJobManagers: R153. Of three one leads; when it resigns another one does at once, when
// that is paused the third after the lease, and the paused one learns it.
func TestThreeJobManagers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMem()
		paused := make(chan struct{})
		var all sync.WaitGroup
		led := make(chan *Leadership, 3)
		var stopped atomic.Pointer[hooked]
		for range 3 {
			h := &hooked{fs: fs}
			h.before = func(string) error {
				if stopped.Load() == h {
					<-paused
				}
				return nil
			}
			all.Go(func() { led <- campaign(t, h) })
		}
		first := <-led
		time.Sleep(10 * lease)
		synctest.Wait()
		if len(led) != 0 {
			t.Fatal("two lead")
		}
		start := time.Now()
		resign(t, first)
		second := <-led
		if waited := time.Since(start); waited > lease/beatsPerLease {
			t.Errorf("a standby took over %v after the leader had resigned", waited)
		}
		time.Sleep(5 * lease)
		stopped.Store(second.t.e.fs.(*hooked))
		start = time.Now()
		third := <-led
		if waited := time.Since(start); waited < lease-lease/beatsPerLease ||
			waited > lease+2*lease/beatsPerLease {
			t.Errorf("a standby took over %v after the last sign of life", waited)
		}
		if second.Err() != nil {
			t.Error("the paused leader knows already")
		}
		close(paused)
		<-second.Done()
		if !errors.Is(second.Err(), ErrDeposed) {
			t.Errorf("the paused leader ends with %v", second.Err())
		}
		if first.Epoch() != 1 || second.Epoch() != 2 || third.Epoch() != 3 || third.Err() != nil {
			t.Errorf("epochs %d, %d, %d, %v", first.Epoch(), second.Epoch(), third.Epoch(),
				third.Err())
		}
		resign(t, second)
		resign(t, third)
		all.Wait()
	})
}

// TestLongTakeover: a takeover that takes longer than the lease is not taken for dead.
func TestLongTakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMem()
		s := mustLead(t, fs)
		for i := range 20 {
			if err := s.PutJob(t.Context(), jobID(i), nil); err != nil {
				t.Fatal(err)
			}
		}
		slow := &hooked{fs: fs, before: func(op string) error {
			if strings.HasPrefix(op, "rename") && strings.Contains(op, jobPrefix) {
				time.Sleep(lease)
			}
			return nil
		}}
		var all sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		defer all.Wait()
		defer stop()
		all.Go(func() {
			time.Sleep(2 * lease)
			if l, err := NewElector(options(fs)).Campaign(ctx); err == nil {
				t.Error("a standby took over while another one was at it")
				resign(t, l)
			}
		})
		l := campaign(t, slow)
		if n := len(mustJobs(t, l.Store())); n != 20 {
			t.Errorf("%d jobs were taken over", n)
		}
		stop()
		resign(t, l)
	})
}

// TestRenewalGoesOn: a file system that fails for a while, or loses answers, does not depose a
// leader whom nobody has followed.
func TestRenewalGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMem()
		broken := func(op string) error {
			if strings.Contains(op, alivePrefix) || strings.HasPrefix(op, "list") {
				return errInjected
			}
			return nil
		}
		var mu sync.Mutex
		var before, after func(string) error
		h := &hooked{fs: fs, before: func(op string) error {
			mu.Lock()
			defer mu.Unlock()
			if before != nil {
				return before(op)
			}
			return nil
		}, after: func(op string) error {
			mu.Lock()
			defer mu.Unlock()
			if after != nil {
				return after(op)
			}
			return nil
		}}
		l := campaign(t, h)
		for range 3 {
			for _, faults := range []*func(string) error{&before, &after} {
				mu.Lock()
				*faults = broken
				mu.Unlock()
				time.Sleep(3 * lease)
				mu.Lock()
				*faults = nil
				mu.Unlock()
				time.Sleep(lease)
				if l.Err() != nil {
					t.Fatal(l.Err())
				}
			}
		}
		standby := make(chan *Leadership)
		go func() { standby <- campaign(t, fs) }()
		time.Sleep(5 * lease)
		select {
		case <-standby:
			t.Fatal("a standby took over from a leader that lives")
		default:
		}
		resign(t, l)
		resign(t, <-standby)
	})
}

// TestCampaignKeepsTrying: while the file system cannot be reached a JobManager waits, until it
// can or is told to end.
func TestCampaignKeepsTrying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMem()
		start := time.Now()
		h := &hooked{fs: fs, before: func(string) error {
			if time.Since(start) < time.Minute {
				return errInjected
			}
			return nil
		}}
		ctx, stop := context.WithTimeout(t.Context(), time.Second*30)
		defer stop()
		_, err := NewElector(options(h)).Campaign(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		resign(t, campaign(t, h))
	})
}

// TestFinder: workers and clients find who leads, and only who does.
func TestFinder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := newMem()
		f := NewFinder(options(fs))
		if _, err := f.Leader(t.Context()); !errors.Is(err, ErrNoLeader) ||
			!strings.Contains(err.Error(), clusterDir) {
			t.Errorf("without a leader: %v", err)
		}
		l := campaign(t, fs)
		if _, err := f.Find(t.Context()); !errors.Is(err, ErrNoLeader) {
			t.Errorf("before it has published its address: %v", err)
		}
		found := make(chan string)
		go func() {
			a, err := f.Leader(t.Context())
			if err != nil {
				t.Error(err)
			}
			found <- a
		}()
		time.Sleep(time.Second)
		if err := l.Publish(t.Context(), "host:6123"); err != nil {
			t.Fatal(err)
		}
		if a := <-found; a != "host:6123" {
			t.Errorf("the leader is at %q", a)
		}
		resign(t, l)
		if _, err := f.Find(t.Context()); !errors.Is(err, ErrNoLeader) {
			t.Errorf("after it has resigned: %v", err)
		}
		l = campaign(t, fs)
		if err := l.Publish(t.Context(), "other:6123"); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Find(t.Context()); err != nil || got != (Leader{2, "other:6123"}) {
			t.Errorf("the second leader is %v, %v", got, err)
		}
		resign(t, l)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if _, err := f.Leader(ctx); err == nil {
			t.Error("a leader was found in no time")
		}
	})
	if a, err := Fixed("host:1").Leader(t.Context()); a != "host:1" || err != nil {
		t.Errorf("a fixed address is %q, %v", a, err)
	}
}

// TestElectionOnDisk: R6, on this machine's disk and clock: jobs, checkpoints and results go on to
// the next leader.
func TestElectionOnDisk(t *testing.T) {
	o := options(localfs.FS{})
	o.Directory = path.Join(t.TempDir(), "a", "b")
	o.Lease = minLease
	for term := range 3 {
		l, err := NewElector(o).Campaign(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := len(mustJobs(t, l.Store())); n != term || l.Epoch() != uint64(term+1) {
			t.Errorf("epoch %d has %d jobs", l.Epoch(), n)
		}
		j := jobID(term)
		err = errors.Join(l.Store().PutJob(t.Context(), j, graphOf(j)),
			l.Store().PutCheckpoint(t.Context(), j, pointer(1, 1)),
			l.Store().PutResult(t.Context(), j, nil))
		if err != nil {
			t.Fatal(err)
		}
		if term < 2 {
			resign(t, l)
		} else if err := l.CleanUp(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := o.Files.Stat(t.Context(), o.Directory); !errors.Is(err, filesystem.ErrNotExist) {
		t.Errorf("the folder of the cluster: %v", err)
	}
}
