package resourcemgr

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"

	"goflink/core/id"
	"goflink/internal/host"
	"goflink/runtime/controlplane"
)

// Worker is a connected TaskManager as the Manager sees it. Its methods do not wait and may be
// called from any goroutine.
type Worker interface {
	// Worker is its id.
	Worker() id.Worker
	// Registration is what it has said of itself.
	Registration() controlplane.Registration
	// Allocate gives a free slot to a job. The worker offers it to the job's master, or has
	// Manager.SlotFreed called if it cannot.
	Allocate(index int, a id.Allocation, j id.Job, m controlplane.JobMaster)
	// Shutdown asks the worker to end.
	Shutdown(reason string)
}

// Disconnector is a Worker whose connection can be cut. It is, as soon as the driver says that the
// worker has ended, so that nobody waits for the silence to be noticed.
type Disconnector interface {
	// Disconnect cuts the connection; Manager.Lost may follow, or not.
	Disconnect(cause error)
}

// RefusedError is why a worker is not taken in.
type RefusedError struct {
	Reason string
	// Final says that another try would end in the same way.
	Final bool
}

// Error is the reason.
func (e *RefusedError) Error() string { return e.Reason }

func refused(format string, args ...any) error {
	return &RefusedError{Reason: fmt.Sprintf(format, args...)}
}

func refusedForGood(format string, args ...any) error {
	return &RefusedError{Reason: fmt.Sprintf(format, args...), Final: true}
}

// Options is what a Manager needs.
type Options struct {
	Host host.Host
	// Driver starts and stops workers; nil if they come by themselves. It belongs to the Manager.
	Driver   Driver
	Settings Settings
	// Logger may be nil.
	Logger *slog.Logger
	// Trace, if not nil, hears what happens, in its order, for event logs and tests. Calls do not
	// overlap.
	Trace func(event string)
	// Fatal, if not nil, hears that the driver cannot go on. The cluster should end, or hand over.
	Fatal func(cause error)
}

// Manager is the ResourceManager of a cluster. Its methods are safe for concurrent use.
//
// The machine decides under a lock, so that an answer is there at once; what follows from its
// decisions is carried out by an actor, in the order of the decisions.
type Manager struct {
	o     Options
	actor host.Actor

	mu struct {
		sync.Mutex
		machine *machine
		closed  bool
		stop    func() // of the timer
	}
}

var _ controlplane.ResourceManager = (*Manager)(nil)

// New returns a Manager. Close must be called.
func New(o Options) (*Manager, error) {
	if o.Driver != nil {
		if err := o.Settings.check(); err != nil {
			return nil, fmt.Errorf("resource manager: %w", err)
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Manager{o: o, actor: o.Host.NewActor("resource manager")}
	m.mu.machine = newMachine(o.Settings, o.Driver != nil, func() (a id.Allocation) {
		binary.LittleEndian.PutUint64(a[:8], o.Host.Random())
		binary.LittleEndian.PutUint64(a[8:], o.Host.Random())
		return a
	})
	m.mu.stop = func() {}
	return m, nil
}

// Start starts the driver and takes over the workers of earlier leaders. Needs that are declared
// and workers that register before are remembered, or told to try again. ctx ends the call only.
func (m *Manager) Start(ctx context.Context) error {
	var recovered []id.Worker
	if m.o.Driver != nil {
		var err error
		if recovered, err = m.o.Driver.Start(ctx, events{m}); err != nil {
			return fmt.Errorf("resource manager: start of the driver: %w", err)
		}
	}
	return m.step(driverStarted{recovered})
}

// DeclareRequirements says how many slots a job needs in all; 0 ends its interest. Slots are
// granted in the order in which jobs began to need some. A smaller number takes nothing away: the
// job frees its slots at the workers.
func (m *Manager) DeclareRequirements(j id.Job, slots int, master controlplane.JobMaster) {
	m.report(needDeclared{j, slots, master})
}

// Register takes a worker in. The error, a *RefusedError, says why it is refused: its driver
// does not know it, or has reported its end.
func (m *Manager) Register(w Worker) error { return m.step(workerRegistered{w}) }

// Lost says that a worker's connection has ended. Its slots are lost; with a driver the worker is
// released, too. Who cuts connections in order to hand over to another leader closes the Manager
// before.
func (m *Manager) Lost(w id.Worker, cause error) {
	text := "its connection has ended"
	if cause != nil {
		text = cause.Error()
	}
	m.report(connectionLost{w, text})
}

// SlotFreed says that a slot of a worker has come back from its job. Unknown ones are ignored.
func (m *Manager) SlotFreed(w id.Worker, a id.Allocation) { m.report(slotFreed{w, a}) }

// Overview says what there is and what is missing.
func (m *Manager) Overview() Overview {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.machine.overview(m.o.Host.Now())
}

// Finish ends the cluster: workers are told to end, no worker is taken in or started any more, and
// the driver says goodbye. It returns when all workers of the driver are gone, or with an error
// when ctx ends. Close is still to be called.
func (m *Manager) Finish(ctx context.Context, s FinalStatus, diagnostics string) error {
	m.report(clusterFinished{fmt.Sprintf("the cluster has ended (%s)", s)})
	// What was decided before is carried out first: the driver is called by one at a time.
	_, err := host.Call(ctx, m.actor, func() (struct{}, error) { return struct{}{}, nil })
	if err != nil {
		return fmt.Errorf("resource manager: finish: %w", err)
	}
	if m.o.Driver == nil {
		return nil
	}
	if err := m.o.Driver.Finish(ctx, s, diagnostics); err != nil {
		return fmt.Errorf("resource manager: %w", err)
	}
	return nil
}

// Close ends the Manager and its driver and leaves workers as they are.
func (m *Manager) Close() error {
	m.stop()
	<-m.actor.Done()
	if m.o.Driver == nil {
		return nil
	}
	return m.o.Driver.Close()
}

// stop makes the Manager deaf; what was decided before is still carried out.
func (m *Manager) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.closed = true
	m.mu.stop()
	m.actor.Close()
}

// report is step for events that nobody waits for.
func (m *Manager) report(ev event) {
	if err := m.step(ev); err != nil {
		m.o.Logger.Warn("resource manager", "error", err)
	}
}

// step hands an event to the machine and has the effects carried out.
func (m *Manager) step(ev event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.closed {
		return refused("the ResourceManager is closed")
	}
	effects, err := m.mu.machine.step(m.o.Host.Now(), ev)
	rest := effects[:0]
	for _, e := range effects {
		if t, ok := e.(setTimer); ok {
			m.mu.stop()
			m.mu.stop = m.o.Host.After(t.at.Sub(m.o.Host.Now()), func() { m.report(timerFired{}) })
			continue
		}
		rest = append(rest, e)
	}
	if len(rest) > 0 {
		m.actor.Post(func() {
			for _, e := range rest {
				m.carryOut(e)
			}
		})
	}
	return err
}

// carryOut does what the machine has decided. It runs in the actor, without the lock.
func (m *Manager) carryOut(e effect) {
	switch e := e.(type) {
	case grantSlot:
		e.worker.Allocate(e.index, e.allocation, e.job, e.master)
	case shutDown:
		e.worker.Shutdown(e.reason)
	case cutOff:
		if d, ok := e.worker.(Disconnector); ok {
			d.Disconnect(fmt.Errorf("the worker has ended: %s", e.cause))
		}
	case requestWorker:
		m.o.Driver.Request(e.request)
	case cancelRequest:
		m.o.Driver.Cancel(e.request)
	case releaseWorker:
		m.o.Driver.Release(e.worker, e.reason)
	case tell:
		level := slog.LevelDebug
		if e.bad {
			level = slog.LevelWarn
		}
		m.o.Logger.Log(context.Background(), level, e.text)
		if m.o.Trace != nil {
			m.o.Trace(e.text)
		}
	case giveUp:
		if m.o.Fatal != nil {
			m.o.Fatal(e.cause)
		}
	}
}

// events is the Manager as its driver sees it.
type events struct{ m *Manager }

var _ Events = events{}

func (e events) Allocated(n RequestNumber, w id.Worker) { e.m.report(workerAllocated{n, w}) }

func (e events) Failed(n RequestNumber, cause error) { e.m.report(startFailed{n, cause.Error()}) }

func (e events) Pending(n RequestNumber, reason string) { e.m.report(requestPending{n, reason}) }

func (e events) Recovered(w id.Worker) { e.m.report(workerRecovered{w}) }

func (e events) Lost(w id.Worker, exit Exit) { e.m.report(workerEnded{w, exit}) }

func (e events) Fatal(cause error) { e.m.report(driverFailed{cause}) }
