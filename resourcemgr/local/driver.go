// Package local is the driver whose workers are processes on this machine.
//
// Each worker has a directory of its own below a base directory, which is its working directory:
//
//	<base>/<worker>/process.json      which process it is, for later leaders
//	<base>/<worker>/taskmanager.out   its standard output, and taskmanager.err its standard error
//	<base>/<worker>/…                 the files of Options.Files
//
// A worker is the leader of a process group. It survives the process that started it; the driver of
// the next leader finds it by its record. It is watched by a file descriptor of the process, so
// that a process id which is used again is never mistaken for it.
//
// Between the start of a process and its record a leader that dies leaves a worker that nobody
// knows. It is refused by the next leader, and ends.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"goflink/core/id"
	"goflink/resourcemgr"
)

const (
	// DefaultGrace is how long a worker that was told to end may take before it is killed.
	DefaultGrace = 10 * time.Second
	// MaxKept is the number of directories of failed workers that are kept, the latest ones.
	MaxKept = 32
)

// Options describe a Driver.
type Options struct {
	// Binary is the program of a worker, an absolute path, and Args are its arguments.
	Binary string
	Args   []string
	// Env is the whole environment of a worker; nil is that of this process.
	Env []string
	// Base is the directory of the workers' directories, an absolute path. It is made if need be,
	// and may be used by one cluster only.
	Base string
	// Prefix and Epoch are part of the workers' ids: <prefix>-<epoch>-<n>. The epoch is the
	// leader's.
	Prefix string
	Epoch  uint64
	// Files makes the files that a worker finds in its directory, by name. They are readable by the
	// user only. May be nil.
	Files func(w id.Worker) (map[string][]byte, error)
	// KeepLogs leaves the log files (.log, .out, .err) of all ended workers where they are, also
	// after Finish: of the latest MaxKept ones.
	KeepLogs bool
	// Grace is how long a worker that was told to end may take before it is killed; 0 is
	// DefaultGrace.
	Grace time.Duration
	// Logger may be nil.
	Logger *slog.Logger
}

// Driver starts workers as processes. Its methods may be called by any goroutine, one at a time.
type Driver struct {
	o      Options
	events resourcemgr.Events
	// watches are the goroutines that wait for workers.
	watches sync.WaitGroup
	started int // the number of the latest worker

	mu struct {
		sync.Mutex
		workers map[id.Worker]*process
		kept    []string // directories of failed workers, the oldest first
		closed  bool
		// changed is closed, and made anew, when a worker is gone.
		changed chan struct{}
	}
}

var _ resourcemgr.Driver = (*Driver)(nil)

// New returns a driver.
func New(o Options) (*Driver, error) {
	switch {
	case o.Prefix == "" || strings.ContainsAny(o.Prefix, "/\x00"):
		return nil, fmt.Errorf("local driver: %q cannot begin the names of workers", o.Prefix)
	case !filepath.IsAbs(o.Base):
		return nil, fmt.Errorf("local driver: the directory %q of the workers must be an absolute "+
			"path", o.Base)
	case !filepath.IsAbs(o.Binary):
		return nil, fmt.Errorf("local driver: the program %q of the workers must be an absolute "+
			"path", o.Binary)
	}
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Driver{o: o}
	d.mu.workers, d.mu.changed = map[id.Worker]*process{}, make(chan struct{})
	return d, nil
}

// Start finds the workers of earlier leaders.
func (d *Driver) Start(ctx context.Context, e resourcemgr.Events) ([]id.Worker, error) {
	d.events = e
	if err := os.MkdirAll(d.o.Base, 0o700); err != nil {
		return nil, fmt.Errorf("local driver: %w", err)
	}
	if err := d.takeOver(); err != nil {
		return nil, fmt.Errorf("local driver: %w", err)
	}
	dirs, err := d.directories()
	if err != nil {
		return nil, err
	}
	var recovered []id.Worker
	for _, w := range dirs {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("local driver: %w", err)
		}
		found, err := d.find(w)
		if err != nil {
			return nil, fmt.Errorf("local driver: %w", err)
		}
		if found {
			recovered = append(recovered, w)
		}
	}
	return recovered, nil
}

// directories are the workers with a directory, the oldest first.
func (d *Driver) directories() ([]id.Worker, error) {
	entries, err := os.ReadDir(d.o.Base)
	if err != nil {
		return nil, fmt.Errorf("local driver: %w", err)
	}
	var all []id.Worker
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), d.o.Prefix+"-") {
			all = append(all, id.Worker(e.Name()))
		}
	}
	slices.SortFunc(all, func(a, b id.Worker) int { // numbers of equal length compare as text
		return strings.Compare(padded(a), padded(b))
	})
	return all, nil
}

// padded is the name with its numbers filled up, so that names sort by age.
func padded(w id.Worker) string {
	parts := strings.Split(string(w), "-")
	for i, p := range parts {
		parts[i] = fmt.Sprintf("%20s", p)
	}
	return strings.Join(parts, "-")
}

// find takes a worker over if it runs.
func (d *Driver) find(w id.Worker) (bool, error) {
	dir := d.dir(w)
	r, err := readRecord(dir, w)
	if err != nil {
		// Its leader, or the machine, died while it was being started. Should it run nevertheless,
		// it is refused when it registers, and ends.
		d.o.Logger.Warn("a worker cannot be taken over", "error", err)
		d.keep(dir)
		return false, nil
	}
	watch, runs, err := watchProcess(r)
	if err != nil {
		return false, err
	}
	if !runs {
		d.keep(dir)
		return false, nil
	}
	d.add(&process{record: r, dir: dir, watch: watch})
	return true, nil
}

func (d *Driver) dir(w id.Worker) string { return filepath.Join(d.o.Base, string(w)) }

// Request starts a worker at once.
func (d *Driver) Request(r resourcemgr.Request) {
	if err := d.superseded(); err != nil {
		d.events.Failed(r.Number, err)
		d.events.Fatal(fmt.Errorf("local driver: %w", err))
		return
	}
	w, err := d.start()
	if err != nil {
		d.events.Failed(r.Number, err)
		return
	}
	d.events.Allocated(r.Number, w.Worker)
	d.add(w)
}

// add begins to watch a worker.
func (d *Driver) add(p *process) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.workers[p.Worker] = p
	d.watches.Go(func() { d.watch(p) })
}

// watch waits for the end of a worker and tells it.
func (d *Driver) watch(p *process) {
	code, ok := p.watch.wait()
	d.mu.Lock()
	if !ok || d.mu.closed {
		closed := d.mu.closed
		d.mu.Unlock()
		if !closed {
			d.events.Fatal(fmt.Errorf("local driver: worker %s, process %d, cannot be watched any "+
				"more", p.Worker, p.PID))
		}
		return
	}
	if p.grace != nil {
		p.grace.Stop()
	}
	exit := resourcemgr.Exit{Released: p.released, Code: code}
	clean := code == 0 || p.released && !p.killed
	d.mu.Unlock()
	if !clean {
		exit.Diagnostics = tail(filepath.Join(p.dir, errFile))
	}
	if d.o.KeepLogs {
		d.strip(p.dir)
	}
	if !clean || d.o.KeepLogs {
		d.keep(p.dir)
	} else if err := os.RemoveAll(p.dir); err != nil {
		d.o.Logger.Warn("the directory of a worker stays", "worker", p.Worker, "error", err)
	}
	d.events.Lost(p.Worker, exit)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.mu.workers, p.Worker)
	close(d.mu.changed)
	d.mu.changed = make(chan struct{})
}

// keep keeps the directory of a failed worker for the user, and removes the oldest one when there
// are too many.
func (d *Driver) keep(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.kept = append(d.mu.kept, dir)
	if len(d.mu.kept) <= MaxKept {
		return
	}
	if err := os.RemoveAll(d.mu.kept[0]); err != nil {
		d.o.Logger.Warn("the directory of a failed worker stays", "error", err)
	}
	d.mu.kept = d.mu.kept[1:]
}

// strip removes all but the log files from a worker's directory: files may be secret.
func (d *Driver) strip(dir string) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case ".log", ".out", ".err":
			continue
		}
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	if err != nil {
		d.o.Logger.Warn("files of a worker stay", "error", err)
	}
}

// Cancel does nothing: a request is answered before Request returns.
func (d *Driver) Cancel(resourcemgr.RequestNumber) {}

// Release tells a worker to end, and kills it if it does not.
func (d *Driver) Release(w id.Worker, reason string) {
	if err := d.superseded(); err != nil {
		d.events.Fatal(fmt.Errorf("local driver: %w", err))
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.mu.workers[w]
	if p == nil || p.released || d.mu.closed {
		return
	}
	d.o.Logger.Debug("worker is released", "worker", w, "reason", reason)
	p.released = true
	if err := p.watch.terminate(); err != nil {
		d.o.Logger.Warn("worker cannot be told to end", "worker", w, "error", err)
	}
	p.grace = time.AfterFunc(d.o.Grace, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.mu.closed || d.superseded() != nil {
			return
		}
		p.killed = true
		if err := p.watch.kill(); err != nil && !errors.Is(err, os.ErrClosed) {
			d.o.Logger.Warn("worker cannot be killed", "worker", w, "error", err)
		}
	})
}

// Finish releases all workers, waits for them and removes their directories, unless log files are
// kept.
func (d *Driver) Finish(ctx context.Context, s resourcemgr.FinalStatus, _ string) error {
	if err := d.superseded(); err != nil {
		return fmt.Errorf("local driver: %w", err)
	}
	for {
		d.mu.Lock()
		var left []id.Worker
		for w := range d.mu.workers {
			left = append(left, w)
		}
		changed, closed := d.mu.changed, d.mu.closed
		d.mu.Unlock()
		if len(left) == 0 || closed {
			break
		}
		slices.Sort(left)
		for _, w := range left {
			d.Release(w, fmt.Sprintf("the cluster has ended (%s)", s))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("local driver: these workers have not ended: %v: %w", left,
				ctx.Err())
		}
	}
	dirs, err := d.directories()
	for _, w := range dirs {
		if d.o.KeepLogs {
			break
		}
		err = errors.Join(err, os.RemoveAll(d.dir(w)))
	}
	if err = errors.Join(err, os.RemoveAll(filepath.Join(d.o.Base, leaderFile))); err != nil {
		return fmt.Errorf("local driver: %w", err)
	}
	return nil
}

// Close ends the driver; workers go on.
func (d *Driver) Close() error {
	d.mu.Lock()
	var err error
	if !d.mu.closed {
		d.mu.closed = true
		for _, p := range d.mu.workers {
			if p.grace != nil {
				p.grace.Stop()
			}
			if e := p.watch.close(); e != nil && !errors.Is(e, os.ErrClosed) {
				err = errors.Join(err, e)
			}
		}
	}
	d.mu.Unlock()
	d.watches.Wait()
	return err
}
