package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"goflink/core/id"
	"goflink/resourcemgr"
	"goflink/resourcemgr/local"
)

// news are the events of a driver.
type news struct {
	allocated chan id.Worker
	failed    chan error
	lost      chan resourcemgr.Exit
}

func (n *news) Allocated(_ resourcemgr.RequestNumber, w id.Worker) { n.allocated <- w }
func (n *news) Failed(_ resourcemgr.RequestNumber, cause error)    { n.failed <- cause }
func (n *news) Pending(resourcemgr.RequestNumber, string)          {}
func (n *news) Recovered(id.Worker)                                {}
func (n *news) Lost(_ id.Worker, exit resourcemgr.Exit)            { n.lost <- exit }
func (n *news) Fatal(error)                                        {}

// started starts a driver whose workers have a role. It is closed at the end of the test.
func started(t *testing.T, role string, change func(o *local.Options)) (*local.Driver, *news,
	*harness) {
	t.Helper()
	h := &harness{base: filepath.Join(t.TempDir(), "workers")}
	o := h.options(t)
	o.Env = workerEnv(role)
	if change != nil {
		change(&o)
	}
	d := h.newDriver(t, o)
	n := &news{make(chan id.Worker, 100), make(chan error, 100), make(chan resourcemgr.Exit, 100)}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := d.Start(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return d, n, h
}

// runs waits until a file of a worker is locked by a process, and returns that.
func runs(t *testing.T, path string) (pid int) {
	t.Helper()
	for {
		if pid, ok := alive(t, path); ok {
			return pid
		}
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("the worker does not run")
		}
	}
}

func finish(t *testing.T, d *local.Driver) {
	t.Helper()
	if err := d.Finish(t.Context(), resourcemgr.Succeeded, ""); err != nil {
		t.Error(err)
	}
}

// A worker finds its files in a directory of its own; only the user can read them.
func TestFiles(t *testing.T) {
	d, n, h := started(t, roleServe, func(o *local.Options) {
		o.Files = func(w id.Worker) (map[string][]byte, error) {
			return map[string][]byte{"launch.json": []byte("of " + w)}, nil
		}
	})
	d.Request(resourcemgr.Request{Number: 1})
	w := <-n.allocated
	dir := filepath.Join(h.base, string(w))
	runs(t, filepath.Join(dir, aliveFile))
	modes := map[string]fs.FileMode{".": 0o700, "launch.json": 0o600, "taskmanager.out": 0o600,
		"taskmanager.err": 0o600, "process.json": 0o600}
	for name, mode := range modes {
		i, err := os.Stat(filepath.Join(dir, name))
		if err != nil || i.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", name, i.Mode(), err, mode)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "launch.json"))
	if err != nil || string(b) != "of "+string(w) {
		t.Errorf("launch.json holds %q, %v", b, err)
	}
	d.Release(w, "the test")
	if exit := <-n.lost; !exit.Released {
		t.Errorf("the worker has ended with %+v", exit)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory of a worker that has ended well is there: %v", err)
	}
	finish(t, d)
}

// A worker that cannot be given its files fails, and leaves nothing.
func TestFilesFail(t *testing.T) {
	for name, files := range map[string]map[string][]byte{
		"no certificate": nil, "taskmanager.out": {"taskmanager.out": nil},
		"../escape": {"../escape": nil},
	} {
		d, n, h := started(t, roleServe, func(o *local.Options) {
			o.Files = func(id.Worker) (map[string][]byte, error) {
				if files == nil {
					return nil, errors.New(name)
				}
				return files, nil
			}
		})
		d.Request(resourcemgr.Request{Number: 1})
		err := <-n.failed
		if !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "w-1-1") {
			t.Errorf("the error does not name %s and the worker: %v", name, err)
		}
		h.verifyNothingLeft(t)
	}
}

// The end of a failed worker is told with its code and the last lines of its standard error. Its
// directory stays until the end of the cluster.
func TestFailedWorker(t *testing.T) {
	d, n, h := started(t, roleFail, nil)
	d.Request(resourcemgr.Request{Number: 1})
	dir := filepath.Join(h.base, string(<-n.allocated))
	exit := <-n.lost
	lines := strings.Split(exit.Diagnostics, "\n")
	if exit.Released || exit.Code != 3 || len(lines) != local.MaxTailLines ||
		lines[len(lines)-1] != "line 999" || len(exit.Diagnostics) > local.MaxTailBytes {
		t.Errorf("the worker has ended with %+v", exit)
	}
	if _, err := os.Stat(filepath.Join(dir, "taskmanager.err")); err != nil {
		t.Error(err)
	}
	finish(t, d)
	h.verifyNothingLeft(t)
}

// Of failed workers only the latest directories are kept, also over leaders.
func TestKeptDirectories(t *testing.T) {
	d, n, h := started(t, roleFail, nil)
	for i := range local.MaxKept + 2 {
		d.Request(resourcemgr.Request{Number: resourcemgr.RequestNumber(i)})
		<-n.lost
	}
	check := func(oldest string) {
		t.Helper()
		entries, err := os.ReadDir(h.base)
		if n := len(entries) - 1; err != nil || n != local.MaxKept { // beside the leader's epoch
			t.Errorf("%d directories are kept, %v; want %d", n, err, local.MaxKept)
		}
		if _, err := os.Stat(filepath.Join(h.base, oldest)); err != nil {
			t.Error(err)
		}
	}
	check("w-1-3")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	o := h.options(t)
	o.Env = workerEnv(roleFail)
	d = h.newDriver(t, o)
	if _, err := d.Start(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	d.Request(resourcemgr.Request{Number: 1})
	<-n.lost
	check("w-1-4")
	finish(t, d)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// A worker that does not listen is killed after the grace period.
func TestStubbornWorker(t *testing.T) {
	d, n, h := started(t, roleStubborn, func(o *local.Options) { o.Grace = time.Millisecond })
	d.Request(resourcemgr.Request{Number: 1})
	w := <-n.allocated
	runs(t, filepath.Join(h.base, string(w), aliveFile))
	d.Release(w, "the test")
	if exit := <-n.lost; !exit.Released || exit.Code != 128+9 {
		t.Errorf("the worker has ended with %+v", exit)
	}
	finish(t, d)
}

// Finish names the workers that have not ended when its time is over. Close leaves them.
func TestFinishInTime(t *testing.T) {
	d, n, h := started(t, roleStubborn, func(o *local.Options) { o.Grace = time.Hour })
	d.Request(resourcemgr.Request{Number: 1})
	w := <-n.allocated
	runs(t, filepath.Join(h.base, string(w), aliveFile))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := d.Finish(ctx, resourcemgr.Succeeded, "")
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), string(w)) {
		t.Errorf("finish: %v", err)
	}
	h.Kill(t, w)
	<-n.lost
	finish(t, d)
}

// What a worker has started goes with it.
func TestProcessGroup(t *testing.T) {
	d, n, h := started(t, roleParent, nil)
	d.Request(resourcemgr.Request{Number: 1})
	w := <-n.allocated
	dir := filepath.Join(h.base, string(w))
	child := filepath.Join(dir, "alive-child")
	runs(t, child)
	h.Kill(t, w)
	if exit := <-n.lost; exit.Code != 128+9 {
		t.Errorf("the worker has ended with %+v", exit)
	}
	for {
		if _, ok := alive(t, child); !ok {
			break
		}
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("the child of a worker that has ended goes on")
		}
	}
	finish(t, d)
}

// A process that has the id of a worker of old is not taken for it.
func TestReusedProcessID(t *testing.T) {
	d, n, h := started(t, roleServe, nil)
	d.Request(resourcemgr.Request{Number: 1})
	w := <-n.allocated
	dir := filepath.Join(h.base, string(w))
	pid := runs(t, filepath.Join(dir, aliveFile))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "process.json")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	record := map[string]any{}
	if err := json.Unmarshal(good, &record); err != nil {
		t.Fatal(err)
	}
	recovered := func() []id.Worker {
		t.Helper()
		d := h.newDriver(t, h.options(t))
		all, err := d.Start(t.Context(), n)
		if err := errors.Join(err, d.Close()); err != nil {
			t.Error(err)
		}
		return all
	}
	if all := recovered(); !slices.Equal(all, []id.Worker{w}) {
		t.Errorf("the workers %v were found; want %s", all, w)
	}
	for key, value := range map[string]any{"StartTicks": 1, "Boot": "another", "PID": 1,
		"Worker": "x"} {
		bad := maps.Clone(record)
		bad[key] = value
		b, err := json.Marshal(bad)
		if err := errors.Join(err, os.WriteFile(path, b, 0o600)); err != nil {
			t.Fatal(err)
		}
		if all := recovered(); len(all) > 0 {
			t.Errorf("with another %s the workers %v were found", key, all)
		}
	}
	if now := runs(t, filepath.Join(dir, aliveFile)); now != pid {
		t.Errorf("process %d was the worker, now %d is", pid, now)
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	last := h.newDriver(t, h.options(t))
	if _, err := last.Start(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	finish(t, last)
	if err := last.Close(); err != nil {
		t.Error(err)
	}
}

// Without high availability the epoch is always the same; names are not used again nevertheless.
func TestSameEpoch(t *testing.T) {
	d, n, h := started(t, roleFail, nil)
	d.Request(resourcemgr.Request{Number: 1})
	first := <-n.allocated
	<-n.lost
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	h.epoch = 0
	d = h.newDriver(t, h.options(t))
	if _, err := d.Start(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	d.Request(resourcemgr.Request{Number: 1})
	if second := <-n.allocated; first != "w-1-1" || second != "w-1-2" {
		t.Errorf("the workers are %s and %s", first, second)
	}
	finish(t, d)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// Options that cannot work are refused.
func TestOptions(t *testing.T) {
	good := local.Options{Binary: "/bin/true", Base: t.TempDir(), Prefix: "w"}
	if _, err := local.New(good); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(o *local.Options){
		`the program "true"`:   func(o *local.Options) { o.Binary = "true" },
		`the directory "base"`: func(o *local.Options) { o.Base = "base" },
		`"a/b" cannot begin`:   func(o *local.Options) { o.Prefix = "a/b" },
	} {
		o := good
		change(&o)
		if _, err := local.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, fmt.Sprint(err))
		}
	}
}
