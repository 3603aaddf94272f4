package resourcemgr

import (
	"context"
	"errors"
	"strings"
	"testing"

	"goflink/core/id"
	"goflink/internal/host"
	"goflink/runtime/controlplane"
)

// quiet is a driver that does nothing by itself.
type quiet struct {
	e        Events
	startErr error
	requests chan Request
	finished chan string
	closed   bool
}

func (q *quiet) Start(_ context.Context, e Events) ([]id.Worker, error) {
	q.e = e
	return nil, q.startErr
}
func (q *quiet) Request(r Request)         { q.requests <- r }
func (q *quiet) Cancel(RequestNumber)      {}
func (q *quiet) Release(id.Worker, string) {}
func (q *quiet) Close() error              { q.closed = true; return nil }
func (q *quiet) Finish(_ context.Context, s FinalStatus, diagnostics string) error {
	q.finished <- string(s) + ": " + diagnostics
	return nil
}

// cutter is a worker whose connection can be cut.
type cutter struct {
	stub
	cut, shut chan string
}

func (c cutter) Disconnect(cause error) { c.cut <- cause.Error() }

func (c cutter) Shutdown(reason string) { c.shut <- reason }

func newCutter(w id.Worker) cutter {
	return cutter{stub{controlplane.Registration{Worker: w, Slots: 1}}, make(chan string, 1),
		make(chan string, 1)}
}

// managed is a Manager on the real host with a driver that does nothing by itself.
func managed(t *testing.T, o Options) (*Manager, *quiet) {
	t.Helper()
	q := &quiet{requests: make(chan Request, 1), finished: make(chan string, 1)}
	o.Host, o.Driver, o.Settings = host.Real{}, q, roomy
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil || !q.closed {
			t.Errorf("close: %v; the driver is closed: %v", err, q.closed)
		}
	})
	return m, q
}

// A worker whose driver says that it has ended is cut off, and replaced (R120). At the end workers
// are told, and the driver says goodbye after all that was decided before.
func TestManager(t *testing.T) {
	m, q := managed(t, Options{})
	m.DeclareRequirements(id.Job{1}, 1, nil)
	r := <-q.requests
	if r != (Request{Number: 1, Spec: roomy.Spec}) {
		t.Errorf("request %+v", r)
	}
	q.e.Allocated(1, "w1")
	first := newCutter("w1")
	if err := m.Register(first); err != nil {
		t.Fatal(err)
	}
	q.e.Lost("w1", Exit{Code: 1, Diagnostics: "out of memory"})
	if cause := <-first.cut; cause != "the worker has ended: exit code 1: out of memory" {
		t.Errorf("the worker was cut off with %q", cause)
	}
	<-q.requests
	q.e.Recovered("w0")
	last := newCutter("w0")
	if err := m.Register(last); err != nil {
		t.Fatal(err)
	}
	if err := m.Finish(t.Context(), Killed, "by the user"); err != nil {
		t.Fatal(err)
	}
	if got := <-q.finished; got != "KILLED: by the user" {
		t.Errorf("the driver has finished with %q", got)
	}
	if reason := <-last.shut; reason != "the cluster has ended (KILLED)" {
		t.Errorf("the worker was told %q", reason)
	}
	var refusal *RefusedError
	if err := m.Register(newCutter("w2")); !errors.As(err, &refusal) || !refusal.Final {
		t.Errorf("register after the end: %v", err)
	}
}

// The owner hears once that the driver cannot go on.
func TestFatal(t *testing.T) {
	fatal := make(chan error, 2)
	m, q := managed(t, Options{Fatal: func(cause error) { fatal <- cause }})
	cause := errors.New("another leader is at work")
	q.e.Fatal(cause)
	q.e.Fatal(errors.New("again"))
	if err := <-fatal; err != cause {
		t.Errorf("the owner heard %v", err)
	}
	if err := m.Finish(t.Context(), Failed, ""); err != nil {
		t.Error(err)
	}
	if len(fatal) > 0 {
		t.Errorf("the owner heard %v, too", <-fatal)
	}
}

// A closed Manager has workers look for the next leader.
func TestClosed(t *testing.T) {
	m, _ := managed(t, Options{})
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	var refusal *RefusedError
	if err := m.Register(newCutter("w1")); !errors.As(err, &refusal) || refusal.Final {
		t.Errorf("register: %v", err)
	}
	if err := m.Finish(t.Context(), Failed, ""); !errors.Is(err, host.ErrClosed) {
		t.Errorf("finish: %v", err)
	}
}

// Settings and drivers that cannot work are reported at once.
func TestNew(t *testing.T) {
	bad := roomy
	bad.Spec.Slots, bad.MaxSlots = 4, 3
	_, err := New(Options{Host: host.Real{}, Driver: &quiet{}, Settings: bad})
	if err == nil || !strings.Contains(err.Error(), "slotmanager.number-of-slots.max is 3") {
		t.Errorf("error %v", err)
	}
	m, err := New(Options{Host: host.Real{}, Settings: roomy,
		Driver: &quiet{startErr: errors.New("no route to host")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "no route") {
		t.Errorf("start: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	// Without a driver the bounds have no meaning.
	if m, err = New(Options{Host: host.Real{}, Settings: bad}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Start(t.Context()), m.Register(newCutter("w1")),
		m.Finish(t.Context(), Succeeded, ""), m.Close()); err != nil {
		t.Error(err)
	}
}
