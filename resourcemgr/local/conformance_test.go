package local_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"goflink/core/id"
	"goflink/resourcemgr"
	"goflink/resourcemgr/drivertest"
	"goflink/resourcemgr/local"
)

// TestConformance runs the suite of all drivers (R120) with processes.
func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Harness {
		h := &harness{base: filepath.Join(t.TempDir(), "workers")}
		t.Cleanup(func() { h.verifyNothingLeft(t) })
		return h
	})
}

// harness is a cluster below a directory.
type harness struct {
	base  string
	epoch uint64
}

func (h *harness) options(t *testing.T) local.Options {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h.epoch++
	return local.Options{Binary: binary, Env: workerEnv(roleServe), Base: h.base,
		Prefix: "w", Epoch: h.epoch}
}

func (h *harness) newDriver(t *testing.T, o local.Options) *local.Driver {
	t.Helper()
	d, err := local.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (h *harness) Driver(t *testing.T) resourcemgr.Driver { return h.newDriver(t, h.options(t)) }

func (h *harness) Refused(t *testing.T) resourcemgr.Driver {
	o := h.options(t)
	o.Binary = filepath.Join(t.TempDir(), "missing")
	return h.newDriver(t, o)
}

func (h *harness) Spec() resourcemgr.WorkerSpec { return resourcemgr.WorkerSpec{Slots: 1} }

func (h *harness) Running(t *testing.T) (all []id.Worker) {
	for _, name := range workersIn(t, h.base) {
		all = append(all, id.Worker(name))
	}
	return all
}

func (h *harness) Kill(t *testing.T, w id.Worker) {
	pid, ok := alive(t, filepath.Join(h.base, string(w), aliveFile))
	if !ok {
		t.Fatalf("worker %s does not run", w)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// Orphan runs the test binary as a leader, which writes the name of its worker.
func (h *harness) Orphan(t *testing.T) id.Worker {
	o := h.options(t)
	spec, err := json.Marshal(leaderOptions{o.Binary, o.Base, o.Prefix, o.Epoch})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(o.Binary, string(spec))
	c.Env = []string{envRole + "=" + roleLeader}
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Errorf("the leader has not started a worker: %v", err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = c.Wait() // it was killed
	return id.Worker(strings.TrimSpace(line))
}

func (h *harness) verifyNothingLeft(t *testing.T) {
	entries, err := os.ReadDir(h.base)
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	for _, e := range entries {
		if e.IsDir() { // the file with the leader's epoch stays until Finish
			t.Errorf("%s is left in %s", e.Name(), h.base)
		}
	}
}

// leaderOptions are what a leader in a process of its own is told.
type leaderOptions struct {
	Binary, Base, Prefix string
	Epoch                uint64
}

// leaderMain is a leader: it starts a worker, writes its name and waits to be killed.
func leaderMain() {
	var o leaderOptions
	if err := json.Unmarshal([]byte(os.Args[1]), &o); err != nil {
		panic(err)
	}
	d, err := local.New(local.Options{Binary: o.Binary, Env: workerEnv(roleServe),
		Base: o.Base, Prefix: o.Prefix, Epoch: o.Epoch})
	if err != nil {
		panic(err)
	}
	if _, err := d.Start(context.Background(), printer{}); err != nil {
		panic(err)
	}
	d.Request(resourcemgr.Request{Number: 1})
	select {} // the driver's goroutine waits for the worker, so this is no deadlock
}

// printer writes the name of a worker.
type printer struct{}

func (printer) Allocated(_ resourcemgr.RequestNumber, w id.Worker) { fmt.Println(w) }
func (printer) Failed(_ resourcemgr.RequestNumber, cause error)    { panic(cause) }
func (printer) Pending(_ resourcemgr.RequestNumber, _ string)      {}
func (printer) Recovered(id.Worker)                                {}
func (printer) Lost(id.Worker, resourcemgr.Exit)                   {}
func (printer) Fatal(cause error)                                  { panic(cause) }

// TestSuperseded: R150: a leader that wakes up after another one has taken over neither starts nor
// ends a worker, and hears that it is over.
func TestSuperseded(t *testing.T) {
	base := t.TempDir()
	driver := func(epoch uint64) (*local.Driver, *recorder) {
		d, err := local.New(local.Options{Binary: "/bin/true", Base: base, Prefix: "w",
			Epoch: epoch})
		if err != nil {
			t.Fatal(err)
		}
		e := &recorder{}
		if _, err := d.Start(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		return d, e
	}
	old, events := driver(1)
	next, _ := driver(2)
	old.Request(resourcemgr.Request{Number: 1})
	old.Release("w-1-1", "not needed")
	if !errors.Is(events.failed, local.ErrSuperseded) || len(events.fatal) != 2 ||
		!errors.Is(events.fatal[1], local.ErrSuperseded) {
		t.Errorf("the old leader heard %v and %v", events.failed, events.fatal)
	}
	again, err := local.New(local.Options{Binary: "/bin/true", Base: base, Prefix: "w", Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Start(t.Context(), &recorder{}); !errors.Is(err, local.ErrSuperseded) {
		t.Errorf("an old leader that starts again: %v", err)
	}
	if err := errors.Join(old.Close(), next.Close()); err != nil {
		t.Error(err)
	}
}

// recorder hears events of which none comes from another goroutine.
type recorder struct {
	failed error
	fatal  []error
}

func (r *recorder) Allocated(resourcemgr.RequestNumber, id.Worker) {}
func (r *recorder) Failed(_ resourcemgr.RequestNumber, err error)  { r.failed = err }
func (r *recorder) Pending(resourcemgr.RequestNumber, string)      {}
func (r *recorder) Recovered(id.Worker)                            {}
func (r *recorder) Lost(id.Worker, resourcemgr.Exit)               {}

func (r *recorder) Fatal(err error) { r.fatal = append(r.fatal, err) }
