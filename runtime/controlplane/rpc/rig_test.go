package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/runtime/controlplane"
	"goflink/runtime/controlplane/rpc"
)

// journal notes calls; whoever waits for one is told.
type journal struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{}
}

func newJournal() *journal { return &journal{more: make(chan struct{}, 1)} }

func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
	select {
	case j.more <- struct{}{}:
	default:
	}
}

// expect waits until as many lines were noted as are wanted, and compares and forgets them.
func (j *journal) expect(t testing.TB, want ...string) {
	t.Helper()
	for {
		j.mu.Lock()
		if len(j.lines) >= len(want) {
			got := j.lines
			j.lines = nil
			j.mu.Unlock()
			if !slices.Equal(got, want) {
				t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			return
		}
		j.mu.Unlock()
		select {
		case <-j.more:
		case <-t.Context().Done():
			t.Fatal("the test has ended")
		}
	}
}

// await waits until a line with some text was noted.
func (j *journal) await(t testing.TB, text string) {
	t.Helper()
	for {
		j.mu.Lock()
		found := slices.ContainsFunc(j.lines, func(l string) bool {
			return strings.Contains(l, text)
		})
		j.mu.Unlock()
		if found {
			return
		}
		select {
		case <-j.more:
		case <-t.Context().Done():
			t.Fatal("the test has ended")
		}
	}
}

// hub is a JobManager that notes what it hears.
type hub struct {
	*journal
	// refuse is why workers are refused.
	refuse error
	// silent makes the job unknown.
	silent  bool
	workers chan *rpc.Worker
	desc    *controlplane.JobDescription
}

func newHub() *hub { return &hub{journal: newJournal(), workers: make(chan *rpc.Worker, 16)} }

func (h *hub) Register(w *rpc.Worker) error {
	if h.refuse != nil {
		return h.refuse
	}
	r := w.Registration()
	h.note("register %s: %d slots, data at %s", r.Worker, r.Slots, r.DataAddress)
	h.workers <- w
	return nil
}

func (h *hub) Lost(w *rpc.Worker, cause error) {
	if errors.Is(cause, rpc.ErrSilent) {
		h.note("lost %s: silent", w.Worker())
		return
	}
	h.note("lost %s", w.Worker())
}

func (h *hub) SlotFreed(w *rpc.Worker, a id.Allocation) {
	h.note("freed %d by %s", a[0], w.Worker())
}

func (h *hub) Master(j id.Job) controlplane.JobMaster {
	if h.silent || j != jobID {
		return nil
	}
	return master{h.journal}
}

func (h *hub) DescribeJob(context.Context, id.Job) (*controlplane.JobDescription, error) {
	if h.desc == nil {
		return nil, errors.New("no such job")
	}
	return h.desc, nil
}

var jobID = id.Job{7}

func attempt(vertex byte, subtask, number int32) id.Attempt {
	return id.Attempt{Job: jobID, Vertex: id.Vertex{vertex}, Subtask: subtask, Number: number}
}

func name(a id.Attempt) string { return fmt.Sprintf("%d.%d#%d", a.Vertex[0], a.Subtask, a.Number) }

func names(as []id.Attempt) string {
	var out []string
	for _, a := range as {
		out = append(out, name(a))
	}
	return strings.Join(out, " ")
}

// master notes what tasks report.
type master struct{ *journal }

func (master) ID() id.Job                     { return jobID }
func (m master) TaskRunning(a id.Attempt)     { m.note("running %s", name(a)) }
func (m master) WantsCheckpoint(a id.Attempt) { m.note("%s wants a checkpoint", name(a)) }

func (m master) TaskEnded(a id.Attempt, e controlplane.TaskEnd) {
	text := ""
	if e.Failure != nil {
		text = e.Failure.Message
	}
	m.note("ended %s cancelled=%t gone=%t failure=%q %v", name(a), e.Cancelled, e.SlotGone, text,
		e.Accumulators)
}

func (m master) AcknowledgeCheckpoint(a id.Attempt, cp uint64, s statebackend.TaskSnapshot,
	x statebackend.SnapshotMetrics) {
	m.note("ack %d by %s: %+v %+v", cp, name(a), s, x)
}

func (m master) DeclineCheckpoint(a id.Attempt, cp uint64, c controlplane.DeclineCause,
	r failure.Info) {
	m.note("decline %d by %s: %d %s", cp, name(a), c, r.Message)
}

func (m master) OperatorEvent(a id.Attempt, op id.Operator, event []byte) {
	m.note("event %q of %d in %s", event, op[0], name(a))
}

func (m master) BackpressureSampled(w id.Worker, s controlplane.BackpressureSamples) {
	m.note("samples %d of %s: %v", s.Request, w, s.Tasks[0].Share)
}

func (m master) OfferSlots(te controlplane.TaskExecutor, slots []controlplane.SlotOffer) {
	for _, s := range slots {
		m.note("offer of slot %d as %d by %s", s.Index, s.Allocation[0], te.Worker())
	}
}

func (m master) Disconnected(w id.Worker, cause failure.Info) {
	m.note("disconnected %s: %s", w, cause.Message)
}

// executor is a TaskManager that notes what it is told.
type executor struct {
	*journal
	// masters are those that it was given, by what for.
	masters chan controlplane.JobMaster
	full    bool
}

func newExecutor() *executor {
	return &executor{journal: newJournal(), masters: make(chan controlplane.JobMaster, 16)}
}

func (e *executor) Worker() id.Worker   { return "w1" }
func (e *executor) DataAddress() string { return "here:1" }

func (e *executor) Allocate(i int, a id.Allocation, j id.Job, m controlplane.JobMaster) error {
	if e.full {
		return errors.New("slot 0 is not free")
	}
	e.note("allocate slot %d as %d for %d", i, a[0], j[0])
	e.masters <- m
	return nil
}

func (e *executor) Submit(d *controlplane.TaskDeployment, m controlplane.JobMaster) {
	e.note("submit %s: %s", name(d.Attempt), describe(d))
	e.masters <- m
}

func describe(d *controlplane.TaskDeployment) string {
	text := fmt.Sprintf("vertex %d in %d outputs %v", d.Vertex, d.Allocation[0], d.Outputs)
	for _, in := range d.Inputs {
		text += fmt.Sprintf(" from %d %v:", in.Channel, in.Channels)
		for _, p := range in.Producers {
			text += fmt.Sprintf(" %s/%d@%s(%s)", name(p.Partition.Producer), p.Partition.Output,
				p.Worker, p.Address)
		}
	}
	if d.Restore != nil {
		text += fmt.Sprintf(" restore %+v", *d.Restore)
	}
	return text
}

func (e *executor) CancelTask(a id.Attempt) { e.note("cancel %s", name(a)) }

func (e *executor) TriggerCheckpoint(a id.Attempt, b *stream.Barrier) {
	e.note("trigger at %s: %+v", name(a), *b)
}

func (e *executor) CheckpointComplete(as []id.Attempt, cp uint64) {
	e.note("complete %d: %s", cp, names(as))
}

func (e *executor) CheckpointAborted(as []id.Attempt, cp uint64) {
	e.note("aborted %d: %s", cp, names(as))
}

func (e *executor) CoordinatorEvent(a id.Attempt, op id.Operator, event []byte) {
	e.note("event %q for %d in %s", event, op[0], name(a))
}

func (e *executor) SampleBackpressure(r controlplane.BackpressureRequest,
	m controlplane.JobMaster) {
	e.note("sample %d: %s %d times every %s", r.Request, names(r.Attempts), r.Samples, r.Delay)
	e.masters <- m
}

func (e *executor) FreeSlot(a id.Allocation, cause error) { e.note("free %d: %v", a[0], cause) }
func (e *executor) ReleaseJob(j id.Job)                   { e.note("release %d", j[0]) }

func (e *executor) LeaderLost(context.Context, error) error {
	e.note("leader lost")
	return nil
}

// Prepare and Release are of rpc.Jobs.
func (e *executor) Prepare(_ context.Context, d *controlplane.JobDescription) error {
	e.note("prepare %s: execute %d, %v, %v", d.Graph, d.Execute, d.Config, d.Earlier)
	return nil
}

func (e *executor) Release(j id.Job) { e.note("forget %d", j[0]) }

// fixed is the address of the leader.
type fixed string

func (f fixed) Leader(context.Context) (string, error) { return string(f), nil }

// cluster is a JobManager that listens.
type cluster struct {
	hub     *hub
	server  *rpc.Server
	address string
}

func startServer(t testing.TB, epoch uint64, h rpc.Heartbeats) *cluster {
	t.Helper()
	c := &cluster{hub: newHub()}
	c.hub.desc = &controlplane.JobDescription{Graph: []byte("graph"), Execute: 1,
		Config:  []config.Entry{{Key: "k", Value: "v", Origin: "o"}},
		Earlier: []controlplane.JobOutcome{{Result: job.Result{Name: "first"}}}}
	c.server = rpc.NewServer(rpc.ServerOptions{Hub: c.hub, Cluster: "c1", Epoch: epoch,
		Heartbeats: h, Logger: slog.New(slog.DiscardHandler)})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.address = l.Addr().String()
	g := c.server.NewGRPC(grpc.Creds(insecure.NewCredentials()))
	var served sync.WaitGroup
	served.Go(func() {
		if err := g.Serve(l); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		c.server.Close(errors.New("the test has ended"))
		g.Stop()
		served.Wait()
	})
	return c
}

var patient = rpc.Heartbeats{Interval: time.Minute, Timeout: time.Hour}

// client is a TaskManager that runs until the test ends, or it ends by itself.
type client struct {
	*rpc.Client
	x    *executor
	stop context.CancelFunc
	// err is why it ended, once ended is closed.
	err   error
	ended chan struct{}
}

func startClient(t testing.TB, leader rpc.LeaderFinder,
	change func(o *rpc.ClientOptions)) *client {
	t.Helper()
	c := &client{x: newExecutor(), ended: make(chan struct{})}
	o := rpc.ClientOptions{Cluster: "c1", Executor: c.x, Leaders: leader,
		Credentials: insecure.NewCredentials(), Timeout: time.Hour, CancelTimeout: time.Hour,
		Connected: func(uint64) rpc.Jobs { return c.x }, Logger: slog.New(slog.DiscardHandler),
		Registration: controlplane.Registration{Worker: "w1", Slots: 2, DataAddress: "here:1"}}
	if change != nil {
		change(&o)
	}
	c.Client = rpc.NewClient(o)
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go func() {
		c.err = c.Run(ctx)
		close(c.ended)
	}()
	t.Cleanup(func() {
		stop()
		<-c.ended
	})
	return c
}

// changing is the address of a leader that changes.
type changing struct {
	mu      sync.Mutex
	address string
}

func (c *changing) set(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.address = address
}

func (c *changing) Leader(context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.address, nil
}
