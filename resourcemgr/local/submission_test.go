package local_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goflink/core/id"
	"goflink/internal/host"
	"goflink/resourcemgr"
	"goflink/resourcemgr/local"
	"goflink/runtime/controlplane"
)

// diary is the event log of a Manager.
type diary struct {
	mu      sync.Mutex
	lines   []string
	changed chan struct{}
}

func (d *diary) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
	close(d.changed)
	d.changed = make(chan struct{})
}

// wait waits until n lines contain a text.
func (d *diary) wait(text string, n int) {
	for {
		d.mu.Lock()
		found := 0
		for _, l := range d.lines {
			if strings.Contains(l, text) {
				found++
			}
		}
		changed := d.changed
		d.mu.Unlock()
		if found >= n {
			return
		}
		<-changed
	}
}

// order verifies that the first lines with these texts come in this order.
func (d *diary) order(t *testing.T, texts ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	last := -1
	for _, text := range texts {
		at := slices.IndexFunc(d.lines, func(l string) bool { return strings.Contains(l, text) })
		if at <= last {
			t.Errorf("%q does not come where it should:\n%s", text, strings.Join(d.lines, "\n"))
			return
		}
		last = at
	}
}

// member is a worker that is connected within this process, while its process runs.
type member struct {
	reg     controlplane.Registration
	grants  chan<- id.Worker
	freed   func(id.Worker, id.Allocation)
	mu      sync.Mutex
	granted []id.Allocation
}

func (m *member) Worker() id.Worker                       { return m.reg.Worker }
func (m *member) Registration() controlplane.Registration { return m.reg }
func (m *member) Shutdown(string)                         {}

func (m *member) Allocate(_ int, a id.Allocation, _ id.Job, _ controlplane.JobMaster) {
	m.mu.Lock()
	m.granted = append(m.granted, a)
	m.mu.Unlock()
	m.grants <- m.reg.Worker
}

// free gives all slots back.
func (m *member) free() {
	m.mu.Lock()
	all := m.granted
	m.granted = nil
	m.mu.Unlock()
	for _, a := range all {
		m.freed(m.reg.Worker, a)
	}
}

// TestSubmission is R139, (5) to (9), with processes: a job asks for slots, workers are asked for,
// start, register, and give their slots to the job. When it has ended they are released, and at the
// end nothing is left.
func TestSubmission(t *testing.T) {
	launched := make(chan id.Worker, 10)
	h := &harness{base: t.TempDir()}
	o := h.options(t)
	o.Files = func(w id.Worker) (map[string][]byte, error) {
		launched <- w
		return nil, nil
	}
	log := &diary{changed: make(chan struct{})}
	m := manager(t, h.newDriver(t, o), log)
	job := id.Job{7}
	m.DeclareRequirements(job, 3, nil)
	grants := make(chan id.Worker, 10)
	var members []*member
	for range 2 {
		w := &member{grants: grants, freed: m.SlotFreed,
			reg: controlplane.Registration{Worker: <-launched, Slots: 2}}
		members = append(members, w)
		register(t, m, w, log)
	}
	for range 3 {
		<-grants
	}
	if o := m.Overview(); o.Slots != 4 || o.FreeSlots != 1 || len(o.Shortages) > 0 {
		t.Errorf("the Manager knows %+v", o)
	}
	m.DeclareRequirements(job, 0, nil)
	for _, w := range members {
		w.free()
	}
	log.wait("is gone", 2)
	if all := h.Running(t); len(all) > 0 {
		t.Errorf("the workers %v run", all)
	}
	if err := m.Finish(t.Context(), resourcemgr.Succeeded, ""); err != nil {
		t.Error(err)
	}
	h.verifyNothingLeft(t)
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	log.order(t, "job "+job.String()+" needs 3 slots", "asks for a worker", "was started",
		"has registered", "goes to job", "needs 0 slots", "came back", "is released", "is gone")
	for _, w := range members {
		name := "worker " + string(w.reg.Worker)
		log.order(t, name+" was started", name+" has registered", name+" goes to job",
			name+" came back", name+" is released", name+" is gone")
	}
}

// manager starts a Manager whose workers have two slots.
func manager(t *testing.T, d *local.Driver, log *diary) *resourcemgr.Manager {
	t.Helper()
	m, err := resourcemgr.New(resourcemgr.Options{Host: host.Real{}, Driver: d, Trace: log.add,
		Settings: resourcemgr.Settings{Spec: resourcemgr.WorkerSpec{Slots: 2},
			RegistrationTimeout: time.Hour, IdleTimeout: time.Millisecond, FailuresPerMinute: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

// register registers a worker, which may be quicker than the news of its start.
func register(t *testing.T, m *resourcemgr.Manager, w *member, log *diary) {
	t.Helper()
	for {
		log.mu.Lock()
		changed := log.changed
		log.mu.Unlock()
		err := m.Register(w)
		var r *resourcemgr.RefusedError
		switch {
		case err == nil:
			return
		case !errors.As(err, &r) || r.Final:
			t.Fatal(err)
		}
		<-changed
	}
}
