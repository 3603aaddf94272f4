package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"goflink/core/id"
	"goflink/internal/host"
	"goflink/runtime/controlplane"
	"goflink/runtime/controlplane/controlpb"
)

// Executor is the TaskManager behind a Client.
type Executor interface {
	controlplane.TaskExecutor
	// Allocate gives a free slot to a job and has it offered to the job's master.
	Allocate(index int, a id.Allocation, j id.Job, master controlplane.JobMaster) error
	// LeaderLost takes all slots back from their jobs, cancels all tasks, of which nobody is told,
	// and returns when they have ended or ctx has.
	LeaderLost(ctx context.Context, cause error) error
}

// LeaderFinder finds the address of the JobManager that leads.
type LeaderFinder interface {
	// Leader returns the address, host:port, of the leader as it is known now.
	Leader(ctx context.Context) (address string, err error)
}

// Jobs are the jobs of one connection: what a worker must know of a job before its tasks start.
type Jobs interface {
	// Prepare makes a job ready; it may take long. d is what the leader says of it.
	Prepare(ctx context.Context, d *controlplane.JobDescription) error
	// Release forgets a job.
	Release(j id.Job)
}

// ClientOptions describe a Client.
type ClientOptions struct {
	// Registration is what the worker says of itself.
	Registration controlplane.Registration
	Cluster      string
	Executor     Executor
	Leaders      LeaderFinder
	// Connected is called with the epoch of each leader that takes the worker in, before anything
	// of it is handled, and returns what keeps its jobs.
	Connected func(epoch uint64) Jobs
	// Credentials of the connection.
	Credentials credentials.TransportCredentials
	// Timeout is taskmanager.registration.timeout: how long to look for a leader.
	Timeout time.Duration
	// CancelTimeout bounds the wait for tasks of a lost leader.
	CancelTimeout time.Duration
	Logger        *slog.Logger
}

// Errors that end a Client.
var (
	// ErrNoLeader says that no leader was found in time: the cluster is gone.
	ErrNoLeader = errors.New("no JobManager")
	// ErrShutdown says that the leader has told the worker to end.
	ErrShutdown = errors.New("the JobManager has told this worker to end")
)

// Client is a TaskManager's end of the connection with the leader.
type Client struct {
	o ClientOptions

	mu sync.Mutex
	// at is the connection, nil if there is none; epoch the highest that was seen.
	at    *connection
	epoch uint64
}

// NewClient returns a client; Run runs it.
func NewClient(o ClientOptions) *Client { return &Client{o: o} }

// Times between two attempts to reach a leader.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// Run connects to the leader, and to the next one when it is lost, until ctx ends or the worker is
// to end: the error says why.
func (c *Client) Run(ctx context.Context) error {
	deadline := time.Now().Add(c.o.Timeout)
	retry := firstRetry
	for {
		registered, err := c.session(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrShutdown):
			return err
		}
		var refused *RefusedError
		if errors.As(err, &refused) && refused.Final {
			return err
		}
		if registered {
			deadline, retry = time.Now().Add(c.o.Timeout), firstRetry
			c.o.Logger.Warn("the connection with the JobManager is lost; looking for a leader",
				"cause", err, "for", c.o.Timeout)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w for %s; the last attempt: %w", ErrNoLeader, c.o.Timeout, err)
		}
		c.o.Logger.Debug("no JobManager yet", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retry):
		}
		retry = min(2*retry, lastRetry)
	}
}

// session is the time with one leader. registered says that it took the worker in.
func (c *Client) session(ctx context.Context) (registered bool, err error) {
	address, err := c.o.Leaders.Leader(ctx)
	if err != nil {
		return false, err
	}
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(c.o.Credentials),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32),
			grpc.MaxCallSendMsgSize(MaxMessageBytes+1<<20)))
	if err != nil {
		return false, err
	}
	defer conn.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s := &connection{c: c, api: controlpb.NewClusterClient(conn), ctx: ctx,
		box: newOutbox[*controlpb.FromWorker](), endpoints: map[id.Job]*endpoint{}}
	st, err := s.api.Connect(ctx)
	if err != nil {
		return false, fmt.Errorf("JobManager at %s: %w", address, err)
	}
	beats, err := s.register(st)
	if err != nil {
		return false, fmt.Errorf("JobManager at %s: %w", address, err)
	}
	c.o.Logger.Info("registered at the JobManager", "address", address, "epoch", s.epoch)
	s.jobs = c.o.Connected(s.epoch)
	c.mu.Lock()
	c.at = s
	c.mu.Unlock()
	beat := func() *controlpb.FromWorker {
		return &controlpb.FromWorker{Kind: &controlpb.FromWorker_Heartbeat{
			Heartbeat: &controlpb.Heartbeat{}}}
	}
	cause := pump[*controlpb.FromWorker, *controlpb.ToWorker](st, s.box, beat, beats, stop,
		s.handle)
	c.mu.Lock()
	c.at = nil
	c.mu.Unlock()
	s.end()
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.o.CancelTimeout)
	defer cancel()
	if err := c.o.Executor.LeaderLost(late, cause); err != nil {
		return true, fmt.Errorf("%w: tasks of the lost leader have not ended: %w", ErrShutdown, err)
	}
	return true, cause
}

// SlotFreed tells the leader that a slot has come back from its job.
func (c *Client) SlotFreed(a id.Allocation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at != nil {
		c.at.slotFreed(a)
	}
}

// connection is the time with one leader.
type connection struct {
	c     *Client
	api   controlpb.ClusterClient
	ctx   context.Context
	epoch uint64
	box   *outbox[*controlpb.FromWorker]
	jobs  Jobs
	lists listMemory
	// endpoints take the messages of a job, so that one that must be prepared delays no other. The
	// goroutine that receives owns the map.
	endpoints map[id.Job]*endpoint
	// released are the actors of endpoints that are no longer there and may still be at work.
	released []host.Actor
}

// register says who the worker is and waits for the answer.
func (s *connection) register(st controlpb.Cluster_ConnectClient) (h Heartbeats, err error) {
	o := &s.c.o
	reg := encodeRegister(&o.Registration)
	reg.Cluster = o.Cluster
	s.c.mu.Lock()
	reg.Epoch = s.c.epoch
	s.c.mu.Unlock()
	err = st.Send(&controlpb.FromWorker{Kind: &controlpb.FromWorker_Register{Register: reg}})
	if err != nil {
		return h, err
	}
	m, err := st.Recv()
	if err != nil {
		return h, err
	}
	if r := m.GetRejected(); r != nil {
		return h, &RefusedError{Reason: "the worker was refused: " + r.Reason, Final: r.Final}
	}
	r := m.GetRegistered()
	if r == nil || r.HeartbeatIntervalMs <= 0 || r.HeartbeatTimeoutMs <= r.HeartbeatIntervalMs {
		return h, fmt.Errorf("%w: the answer to Register is %v", ErrCorrupt, m.Kind)
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if r.Epoch < s.c.epoch {
		return h, fmt.Errorf("it has epoch %d, a leader of epoch %d is known", r.Epoch, s.c.epoch)
	}
	s.epoch, s.c.epoch = r.Epoch, r.Epoch
	return Heartbeats{Interval: time.Duration(r.HeartbeatIntervalMs) * time.Millisecond,
		Timeout: time.Duration(r.HeartbeatTimeoutMs) * time.Millisecond}, nil
}

// end waits until no message is handled any more.
func (s *connection) end() {
	for _, e := range s.endpoints {
		e.actor.Close()
		s.released = append(s.released, e.actor)
	}
	for _, a := range s.released {
		<-a.Done()
	}
}

func (s *connection) slotFreed(a id.Allocation) {
	s.box.put(&controlpb.FromWorker{Kind: &controlpb.FromWorker_SlotFreed{SlotFreed: a[:]}})
}

// endpoint takes the messages of one job, in order.
type endpoint struct {
	s      *connection
	job    id.Job
	actor  host.Actor
	master *remoteMaster
	// prepared says that the job was asked for; err why it cannot run here.
	prepared bool
	err      error
}

func (s *connection) endpoint(j id.Job) *endpoint {
	e := s.endpoints[j]
	if e == nil {
		e = &endpoint{s: s, job: j, actor: host.Real{}.NewActor("job " + j.String()),
			master: &remoteMaster{s: s, job: j}}
		s.endpoints[j] = e
	}
	return e
}

// prepare makes the job ready, once. It is called in the actor.
func (e *endpoint) prepare() error {
	if e.prepared {
		return e.err
	}
	e.prepared = true
	m, err := e.s.api.DescribeJob(e.s.ctx, &controlpb.JobRequest{Job: e.job[:]})
	if err != nil {
		e.err = fmt.Errorf("job %s: %w", e.job, err)
		return e.err
	}
	d, err := decodeDescription(m)
	if err == nil {
		err = e.s.jobs.Prepare(e.s.ctx, d)
	}
	e.err = err
	return err
}

// handle takes one message of the leader. An error ends the connection.
func (s *connection) handle(m *controlpb.ToWorker) error {
	x := s.c.o.Executor
	switch k := m.Kind.(type) {
	case *controlpb.ToWorker_Heartbeat:
	case *controlpb.ToWorker_Shutdown:
		return fmt.Errorf("%w: %s", ErrShutdown, k.Shutdown.Reason)
	case *controlpb.ToWorker_AllocateSlot:
		return s.allocate(k.AllocateSlot)
	case *controlpb.ToWorker_FreeSlot:
		a, err := decodeID[id.Allocation](k.FreeSlot.Allocation)
		if err != nil {
			return err
		}
		x.FreeSlot(a, errors.New(k.FreeSlot.Reason))
	case *controlpb.ToWorker_Submit:
		return s.submit(k.Submit)
	case *controlpb.ToWorker_CancelTask:
		return s.toTask(k.CancelTask, func(a id.Attempt, _ *endpoint) { x.CancelTask(a) })
	case *controlpb.ToWorker_TriggerCheckpoint:
		as, b, err := decodeTrigger(k.TriggerCheckpoint)
		for _, a := range as {
			s.endpoint(a.Job).actor.Post(func() { x.TriggerCheckpoint(a, b) })
		}
		return err
	case *controlpb.ToWorker_CheckpointComplete:
		return s.notify(k.CheckpointComplete, x.CheckpointComplete)
	case *controlpb.ToWorker_CheckpointAborted:
		return s.notify(k.CheckpointAborted, x.CheckpointAborted)
	case *controlpb.ToWorker_CoordinatorEvent:
		a, op, err := decodeOperatorEvent(k.CoordinatorEvent)
		if err == nil {
			s.endpoint(a.Job).actor.Post(func() {
				x.CoordinatorEvent(a, op, k.CoordinatorEvent.Event)
			})
		}
		return err
	case *controlpb.ToWorker_SampleBackpressure:
		return s.sample(k.SampleBackpressure)
	case *controlpb.ToWorker_ReleaseJob:
		return s.release(k.ReleaseJob)
	default:
		return fmt.Errorf("%w: unexpected %T", ErrCorrupt, m.Kind)
	}
	return nil
}

func (s *connection) allocate(m *controlpb.AllocateSlot) error {
	a, err := decodeID[id.Allocation](m.Allocation)
	if err != nil {
		return err
	}
	j, err := decodeID[id.Job](m.Job)
	if err != nil {
		return err
	}
	e := s.endpoint(j)
	if err := s.c.o.Executor.Allocate(int(m.Index), a, j, e.master); err != nil {
		s.c.o.Logger.Warn("a slot cannot be allocated", "error", err)
		s.slotFreed(a)
		return nil
	}
	// The job's tasks are on their way: what they need can be made ready meanwhile.
	e.actor.Post(func() { _ = e.prepare() }) // Submit reports the error
	return nil
}

func (s *connection) submit(m *controlpb.Submit) error {
	d, err := s.lists.decode(m)
	if err != nil {
		return err
	}
	e := s.endpoint(d.Attempt.Job)
	e.actor.Post(func() {
		if err := e.prepare(); err != nil {
			e.master.notStarted(d.Attempt, err)
			return
		}
		s.c.o.Executor.Submit(d, e.master)
	})
	return nil
}

// toTask posts a call about a task to the endpoint of its job.
func (s *connection) toTask(attempt []byte, f func(a id.Attempt, e *endpoint)) error {
	a, err := decodeAttempt(attempt)
	if err != nil {
		return err
	}
	e := s.endpoint(a.Job)
	e.actor.Post(func() { f(a, e) })
	return nil
}

func (s *connection) notify(m *controlpb.Notify, f func([]id.Attempt, uint64)) error {
	as, err := decodeAttempts(m.Attempts)
	if err != nil || len(as) == 0 {
		return err
	}
	s.endpoint(as[0].Job).actor.Post(func() { f(as, m.Checkpoint) })
	return nil
}

func (s *connection) sample(m *controlpb.SampleBackpressure) error {
	j, err := decodeID[id.Job](m.Job)
	if err != nil {
		return err
	}
	r, err := decodeSample(m)
	if err != nil {
		return err
	}
	e := s.endpoint(j)
	e.actor.Post(func() { s.c.o.Executor.SampleBackpressure(r, e.master) })
	return nil
}

func (s *connection) release(b []byte) error {
	j, err := decodeID[id.Job](b)
	if err != nil {
		return err
	}
	e := s.endpoint(j)
	delete(s.endpoints, j)
	e.actor.Post(func() {
		s.c.o.Executor.ReleaseJob(j)
		s.jobs.Release(j)
	})
	e.actor.Close()
	s.released = append(slices.DeleteFunc(s.released, func(a host.Actor) bool {
		select {
		case <-a.Done():
			return true
		default:
			return false
		}
	}), e.actor)
	return nil
}
