package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"goflink/core/accumulator"
	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/runtime/controlplane"
	"goflink/runtime/controlplane/controlpb"
)

// Hub is the JobManager behind a Server. Its methods do not block for long.
type Hub interface {
	// Register takes a worker in. The error says why it is refused; it is final if a
	// *RefusedError says so.
	Register(w *Worker) error
	// Lost says that a worker's connection has ended; it comes after all else that was received.
	Lost(w *Worker, cause error)
	// SlotFreed says that a slot has come back from its job.
	SlotFreed(w *Worker, a id.Allocation)
	// Master finds a job's master; nil if there is none.
	Master(j id.Job) controlplane.JobMaster
	// DescribeJob says what is needed to run tasks of a job.
	DescribeJob(ctx context.Context, j id.Job) (*controlplane.JobDescription, error)
}

// Authority makes certificates for workers; package identity has it.
type Authority interface {
	// Join checks the secret and signs the request for the worker.
	Join(secret []byte, worker id.Worker, request []byte) (certificate, authority []byte, err error)
	// Verify checks that the peer with this authentication may speak for the worker.
	Verify(info credentials.AuthInfo, worker id.Worker) error
	// Known checks that the peer is one of the cluster.
	Known(info credentials.AuthInfo) error
}

// RefusedError is why a worker is not taken in.
type RefusedError struct {
	Reason string
	// Final says that another try would end in the same way.
	Final bool
}

// Error is the reason.
func (e *RefusedError) Error() string { return e.Reason }

// ServerOptions describe a Server.
type ServerOptions struct {
	Hub Hub
	// Authority is nil where nobody checks who speaks: between the parts of a test.
	Authority Authority
	// Cluster is the cluster's id and Epoch that of this leader.
	Cluster    string
	Epoch      uint64
	Heartbeats Heartbeats
	Logger     *slog.Logger
}

// Server is the JobManager's end of the connections with workers.
type Server struct {
	controlpb.UnimplementedClusterServer
	o ServerOptions

	mu sync.Mutex
	// workers are those that are connected.
	workers map[id.Worker]*Worker
	closed  error
}

// registerTimeout is how long a new connection may take to say who it is.
const registerTimeout = 10 * time.Second

// NewServer returns a server that serves what Register adds it to.
func NewServer(o ServerOptions) *Server {
	return &Server{o: o, workers: map[id.Worker]*Worker{}}
}

// GRPCOptions are the limits that a gRPC server or client of this package needs.
func serverOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.MaxRecvMsgSize(MaxMessageBytes + 1<<20),
		grpc.MaxSendMsgSize(math.MaxInt32)}
}

// NewGRPC returns a gRPC server that serves s.
func (s *Server) NewGRPC(extra ...grpc.ServerOption) *grpc.Server {
	g := grpc.NewServer(append(serverOptions(), extra...)...)
	controlpb.RegisterClusterServer(g, s)
	return g
}

// Close cuts all workers off and takes no more.
func (s *Server) Close(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = cause
	for _, w := range s.workers {
		w.box.close(cause)
	}
}

// Join gives a certificate to a process that knows the join secret.
func (s *Server) Join(_ context.Context, r *controlpb.JoinRequest) (*controlpb.JoinResponse,
	error) {
	if s.o.Authority == nil {
		return nil, status.Error(codes.Unimplemented, "this cluster has no certificates")
	}
	cert, ca, err := s.o.Authority.Join(r.Secret, id.Worker(r.Worker), r.Request)
	if err != nil {
		s.o.Logger.Warn("a process was refused a certificate", "worker", r.Worker, "error", err)
		return nil, status.Error(codes.PermissionDenied, err.Error())
	}
	return &controlpb.JoinResponse{Certificate: cert, Authority: ca}, nil
}

func (s *Server) authenticate(ctx context.Context, verify func(credentials.AuthInfo) error) error {
	if s.o.Authority == nil {
		return nil
	}
	p, ok := peer.FromContext(ctx)
	if !ok || p.AuthInfo == nil {
		return status.Error(codes.Unauthenticated, "no certificate")
	}
	if err := verify(p.AuthInfo); err != nil {
		return status.Error(codes.PermissionDenied, err.Error())
	}
	return nil
}

// DescribeJob says what is needed to run tasks of a job.
func (s *Server) DescribeJob(ctx context.Context, r *controlpb.JobRequest) (
	*controlpb.JobDescription, error) {
	if s.o.Authority != nil {
		if err := s.authenticate(ctx, s.o.Authority.Known); err != nil {
			return nil, err
		}
	}
	j, err := decodeID[id.Job](r.Job)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	d, err := s.o.Hub.DescribeJob(ctx, j)
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	return encodeDescription(d)
}

// Connect serves the connection of a worker.
func (s *Server) Connect(st controlpb.Cluster_ConnectServer) error {
	first, err := firstMessage(st)
	if err != nil {
		return err
	}
	reg := first.GetRegister()
	if reg == nil {
		return status.Error(codes.InvalidArgument, "the first message is not Register")
	}
	w := &Worker{reg: decodeRegister(reg), box: newOutbox[*controlpb.ToWorker](), since: time.Now()}
	if s.o.Authority != nil {
		err := s.authenticate(st.Context(), func(info credentials.AuthInfo) error {
			return s.o.Authority.Verify(info, w.reg.Worker)
		})
		if err != nil {
			return err
		}
	}
	if err := s.admit(w, reg); err != nil {
		s.o.Logger.Warn("worker refused", "worker", w.reg.Worker, "reason", err)
		refused := &controlpb.Rejected{Reason: err.Error()}
		var r *RefusedError
		refused.Final = errors.As(err, &r) && r.Final
		return st.Send(&controlpb.ToWorker{Kind: &controlpb.ToWorker_Rejected{Rejected: refused}})
	}
	defer s.forget(w)
	cause := s.serve(st, w)
	s.o.Hub.Lost(w, cause)
	return status.Error(codes.Unavailable, cause.Error())
}

// firstMessage waits for the first message, but not for ever.
func firstMessage(st controlpb.Cluster_ConnectServer) (*controlpb.FromWorker, error) {
	type first struct {
		m   *controlpb.FromWorker
		err error
	}
	c := make(chan first, 1)
	go func() { // ends with the stream, at the latest when Connect returns
		m, err := st.Recv()
		c <- first{m, err}
	}()
	late := time.NewTimer(registerTimeout)
	defer late.Stop()
	select {
	case f := <-c:
		return f.m, f.err
	case <-late.C:
		return nil, status.Error(codes.DeadlineExceeded, "no Register within "+
			registerTimeout.String())
	}
}

// admit checks a worker and takes it in.
func (s *Server) admit(w *Worker, reg *controlpb.Register) error {
	switch {
	case reg.Protocol != controlplane.ProtocolVersion:
		return &RefusedError{Final: true, Reason: fmt.Sprintf("the worker speaks version %d of "+
			"the control protocol, this JobManager version %d: both must be of one release",
			reg.Protocol, controlplane.ProtocolVersion)}
	case reg.Cluster != s.o.Cluster:
		return &RefusedError{Final: true, Reason: fmt.Sprintf("the worker belongs to the cluster "+
			"%q, this JobManager to %q", reg.Cluster, s.o.Cluster)}
	case reg.Epoch > s.o.Epoch:
		return &RefusedError{Reason: fmt.Sprintf("the worker knows a leader of epoch %d, this one "+
			"has epoch %d", reg.Epoch, s.o.Epoch)}
	case reg.Slots < 1 || reg.Slots > controlplane.MaxSlots || reg.Worker == "":
		return &RefusedError{Final: true, Reason: fmt.Sprintf("worker %q with %d slots", reg.Worker,
			reg.Slots)}
	}
	s.mu.Lock()
	if s.closed != nil {
		s.mu.Unlock()
		return &RefusedError{Reason: s.closed.Error()}
	}
	if old := s.workers[w.reg.Worker]; old != nil {
		s.mu.Unlock()
		// Its old connection is broken, which this side has not noticed yet.
		old.box.close(errors.New("the worker has connected again"))
		return &RefusedError{Reason: "an earlier connection of the worker is being closed"}
	}
	s.workers[w.reg.Worker] = w
	s.mu.Unlock()
	// The answer is first in the queue, before anything that the hub has to say.
	w.box.put(&controlpb.ToWorker{Kind: &controlpb.ToWorker_Registered{
		Registered: &controlpb.Registered{Epoch: s.o.Epoch,
			HeartbeatIntervalMs: s.o.Heartbeats.Interval.Milliseconds(),
			HeartbeatTimeoutMs:  s.o.Heartbeats.Timeout.Milliseconds()}}})
	if err := s.o.Hub.Register(w); err != nil {
		s.forget(w)
		return err
	}
	return nil
}

func (s *Server) forget(w *Worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.workers, w.reg.Worker)
}

func (s *Server) serve(st controlpb.Cluster_ConnectServer, w *Worker) error {
	p := &serverStream{Cluster_ConnectServer: st}
	p.ctx, p.stop = context.WithCancel(st.Context())
	beat := func() *controlpb.ToWorker {
		return &controlpb.ToWorker{Kind: &controlpb.ToWorker_Heartbeat{
			Heartbeat: &controlpb.Heartbeat{}}}
	}
	return pump[*controlpb.ToWorker, *controlpb.FromWorker](p, w.box, beat, s.o.Heartbeats, p.stop,
		func(m *controlpb.FromWorker) error { return s.handle(w, m) })
}

// serverStream makes Recv end with a context of its own: a server's stream ends when its handler
// returns, and not before.
type serverStream struct {
	controlpb.Cluster_ConnectServer
	ctx  context.Context
	stop context.CancelFunc
	next chan received
}

type received struct {
	m   *controlpb.FromWorker
	err error
}

// Recv is called by one goroutine.
func (s *serverStream) Recv() (*controlpb.FromWorker, error) {
	if s.next == nil {
		s.next = make(chan received)
		go func() { // ends when the handler has returned, since the stream's context ends then
			for {
				m, err := s.Cluster_ConnectServer.Recv()
				select {
				case s.next <- received{m, err}:
				case <-s.ctx.Done():
					return
				}
				if err != nil {
					return
				}
			}
		}()
	}
	select {
	case r := <-s.next:
		return r.m, r.err
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

// handle takes one message of a worker. An error ends the connection.
func (s *Server) handle(w *Worker, m *controlpb.FromWorker) error {
	switch k := m.Kind.(type) {
	case *controlpb.FromWorker_Heartbeat:
		return nil
	case *controlpb.FromWorker_Goodbye:
		return fmt.Errorf("%w: %s", controlplane.ErrGoodbye, k.Goodbye.Reason)
	case *controlpb.FromWorker_OfferSlot:
		return s.offer(w, k.OfferSlot)
	case *controlpb.FromWorker_SlotFreed:
		a, err := decodeID[id.Allocation](k.SlotFreed)
		if err == nil {
			s.o.Hub.SlotFreed(w, a)
		}
		return err
	case *controlpb.FromWorker_Backpressure:
		return s.backpressure(w, k.Backpressure)
	}
	return s.handleTask(m)
}

func (s *Server) offer(w *Worker, m *controlpb.OfferSlot) error {
	j, err := decodeID[id.Job](m.Job)
	if err != nil {
		return err
	}
	a, err := decodeID[id.Allocation](m.Allocation)
	if err != nil {
		return err
	}
	master := s.o.Hub.Master(j)
	if master == nil {
		w.FreeSlot(a, fmt.Errorf("job %s is not known", j))
		return nil
	}
	master.OfferSlots(w, []controlplane.SlotOffer{{Allocation: a, Index: int(m.Index)}})
	return nil
}

func (s *Server) backpressure(w *Worker, m *controlpb.BackpressureSamples) error {
	j, err := decodeID[id.Job](m.Job)
	if err != nil {
		return err
	}
	samples := controlplane.BackpressureSamples{Request: int(m.Request)}
	for _, t := range m.Tasks {
		a, err := decodeAttempt(t.Attempt)
		if err != nil {
			return err
		}
		samples.Tasks = append(samples.Tasks, controlplane.TaskBackpressure{Attempt: a,
			Share: t.Share})
	}
	if master := s.o.Hub.Master(j); master != nil {
		master.BackpressureSampled(w.reg.Worker, samples)
	}
	return nil
}

// handleTask takes what a task reports. Reports for jobs that are gone are dropped.
func (s *Server) handleTask(m *controlpb.FromWorker) error {
	var attempt []byte
	var report func(jm controlplane.JobMaster, a id.Attempt) error
	switch k := m.Kind.(type) {
	case *controlpb.FromWorker_TaskRunning:
		attempt, report = k.TaskRunning, func(jm controlplane.JobMaster, a id.Attempt) error {
			jm.TaskRunning(a)
			return nil
		}
	case *controlpb.FromWorker_WantsCheckpoint:
		attempt, report = k.WantsCheckpoint, func(jm controlplane.JobMaster, a id.Attempt) error {
			jm.WantsCheckpoint(a)
			return nil
		}
	case *controlpb.FromWorker_TaskEnded:
		attempt = k.TaskEnded.Attempt
		report = func(jm controlplane.JobMaster, a id.Attempt) error {
			return taskEnded(jm, a, k.TaskEnded)
		}
	case *controlpb.FromWorker_Acknowledge:
		attempt = k.Acknowledge.Attempt
		report = func(jm controlplane.JobMaster, a id.Attempt) error {
			return acknowledge(jm, a, k.Acknowledge)
		}
	case *controlpb.FromWorker_Decline:
		attempt = k.Decline.Attempt
		report = func(jm controlplane.JobMaster, a id.Attempt) error {
			reason, err := decodeJSON[failure.Info](k.Decline.Reason)
			jm.DeclineCheckpoint(a, k.Decline.Checkpoint,
				controlplane.DeclineCause(k.Decline.Cause), reason)
			return err
		}
	case *controlpb.FromWorker_OperatorEvent:
		attempt = k.OperatorEvent.Attempt
		report = func(jm controlplane.JobMaster, a id.Attempt) error {
			_, op, err := decodeOperatorEvent(k.OperatorEvent)
			if err == nil {
				jm.OperatorEvent(a, op, k.OperatorEvent.Event)
			}
			return err
		}
	default:
		return fmt.Errorf("%w: unexpected %T", ErrCorrupt, m.Kind)
	}
	a, err := decodeAttempt(attempt)
	if err != nil {
		return err
	}
	if jm := s.o.Hub.Master(a.Job); jm != nil {
		return report(jm, a)
	}
	return nil
}

func taskEnded(jm controlplane.JobMaster, a id.Attempt, m *controlpb.TaskEnded) (err error) {
	end := controlplane.TaskEnd{Cancelled: m.Cancelled, SlotGone: m.SlotGone}
	if len(m.Failure) > 0 {
		if end.Failure, err = decodeJSON[*failure.Info](m.Failure); err != nil {
			return err
		}
	}
	if end.Accumulators, err = decodeJSON[[]accumulator.Share](m.Accumulators); err != nil {
		return err
	}
	jm.TaskEnded(a, end)
	return nil
}

func acknowledge(jm controlplane.JobMaster, a id.Attempt, m *controlpb.Acknowledge) error {
	snapshot, err := decodeJSON[statebackend.TaskSnapshot](m.Snapshot)
	if err != nil {
		return err
	}
	metrics, err := decodeJSON[statebackend.SnapshotMetrics](m.Metrics)
	if err != nil {
		return err
	}
	jm.AcknowledgeCheckpoint(a, m.Checkpoint, snapshot, metrics)
	return nil
}
