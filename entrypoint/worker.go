package entrypoint

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"

	"google.golang.org/grpc/credentials"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/core/memory"
	"goflink/internal/host"
	"goflink/runtime/assembly"
	"goflink/runtime/controlplane"
	"goflink/runtime/controlplane/rpc"
	"goflink/runtime/identity"
	"goflink/runtime/metric"
	"goflink/runtime/taskmanager"
)

// ExitNoLeader is the exit code of a TaskManager whose cluster is gone: nothing failed.
const ExitNoLeader = ExitOK

// runWorker is role taskmanager: it offers slots to the leader and runs the program's tasks until
// the leader, a signal or the end of the cluster ends it.
func runWorker(l *launch, programs Programs) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logger, err := l.enter("taskmanager")
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return ExitUsage
	}
	w, err := newWorker(ctx, l, programs, logger)
	if err != nil {
		logger.Error("the TaskManager cannot start", "error", err)
		fmt.Fprintln(os.Stderr, "error:", err)
		return ExitFailed
	}
	err = w.client.Run(ctx)
	err = errors.Join(err, w.close())
	switch {
	case errors.Is(err, rpc.ErrShutdown), errors.Is(err, rpc.ErrNoLeader), ctx.Err() != nil:
		logger.Info("the TaskManager ends", "cause", err)
		return ExitNoLeader
	}
	logger.Error("the TaskManager ends", "error", err)
	fmt.Fprintln(os.Stderr, "error:", err)
	return ExitFailed
}

// worker is a TaskManager process.
type worker struct {
	tm       *taskmanager.TaskManager
	exchange *taskmanager.Exchange
	client   *rpc.Client
	jobs     *workerJobs
}

func newWorker(ctx context.Context, l *launch, programs Programs, logger *slog.Logger) (
	*worker, error) {
	c := l.Cluster
	program, err := programs.choose(l.Program)
	if err != nil {
		return nil, err
	}
	files, err := newFiles()
	if err != nil {
		return nil, err
	}
	mem, err := memory.TaskManager(l.config)
	if err != nil {
		return nil, err
	}
	debug.SetMemoryLimit(int64(mem.GoLimit))
	slots, err := config.Get(l.config, config.TaskManagerNumberOfTaskSlots)
	if err != nil {
		return nil, err
	}
	leaders, err := l.leaders(files, logger)
	if err != nil {
		return nil, err
	}
	member, err := joinCluster(ctx, l, leaders, logger)
	if err != nil {
		return nil, err
	}
	w := &worker{jobs: &workerJobs{program: program, args: c.Args, files: files}}
	if w.exchange, err = taskmanager.NewExchange(host.Real{}, l.config); err != nil {
		return nil, err
	}
	address, err := w.listen(l.config, mem, member, logger)
	if err != nil {
		return nil, err
	}
	var client *rpc.Client
	name := c.Member.Worker
	w.tm = taskmanager.New(taskmanager.Options{Host: host.Real{}, Worker: name, Slots: slots,
		ManagedBytes: int64(mem.Managed), Jobs: w.jobs, Exchange: w.exchange,
		SlotFreed: func(a id.Allocation) { client.SlotFreed(a) },
		Metrics:   metric.NewRegistry(), Logger: logger})
	registration, err := config.Get(l.config, config.TaskManagerRegistrationTimeout)
	if err != nil {
		return nil, err
	}
	cancellation, err := config.Get(l.config, config.TaskCancellationTimeout)
	if err != nil {
		return nil, err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	client = rpc.NewClient(rpc.ClientOptions{Cluster: c.ID, Executor: w.tm,
		Leaders: leaders, Connected: w.jobs.begin,
		Credentials: credentials.NewTLS(member.ControlClient()), Timeout: registration,
		CancelTimeout: cancellation, Logger: logger,
		Registration: controlplane.Registration{Worker: name, Slots: slots, DataAddress: address,
			ManagedBytes: int64(mem.Managed), NetworkBytes: int64(mem.Network),
			ProcessBytes: int64(mem.Process), Host: hostname, PID: os.Getpid()}})
	w.client = client
	return w, nil
}

// listen opens the data server and returns its address as others reach it.
func (w *worker) listen(conf *config.Configuration, mem memory.TaskManagerMemory,
	m *identity.Member, logger *slog.Logger) (string, error) {
	bind, err := config.Get(conf, config.TaskManagerBindHost)
	if err != nil {
		return "", err
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(bind, "0"))
	if err != nil {
		return "", fmt.Errorf("data server: %w (%s)", err, config.TaskManagerBindHost.Key)
	}
	address, err := advertised(conf, config.TaskManagerHost, bind, ln.Addr())
	if err != nil {
		return "", errors.Join(err, ln.Close())
	}
	dialer := &tls.Dialer{Config: m.DataClient()}
	return address, w.exchange.Listen(taskmanager.Network{
		Listener: tls.NewListener(ln, m.DataServer()), Address: address, Memory: mem,
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		}, Logger: logger})
}

func (w *worker) close() error {
	w.tm.Close()
	w.tm.Wait()
	return w.exchange.Close()
}

// workerJobs are the jobs that a worker has built from its program.
type workerJobs struct {
	program Program
	args    []string
	files   *filesystem.Registry

	mu    sync.Mutex
	epoch uint64
	jobs  map[id.Job]*taskmanager.Job
}

var (
	_ taskmanager.JobSource = (*workerJobs)(nil)
	_ rpc.Jobs              = (*workerJobs)(nil)
)

// begin forgets the jobs of earlier leaders: what they write carries the leader's epoch.
func (w *workerJobs) begin(epoch uint64) rpc.Jobs {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch, w.jobs = epoch, map[id.Job]*taskmanager.Job{}
	return w
}

// Prepare builds a job by running the program again.
func (w *workerJobs) Prepare(ctx context.Context, d *controlplane.JobDescription) error {
	g, code, err := rebuild(ctx, w.program, w.args, d, w.files)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	j, err := assembly.Tasks(g, code, assembly.Options{Config: config.FromEntries(d.Config),
		Files: w.files, Epoch: w.epoch, Random: host.Real{}.Random})
	if err == nil {
		w.jobs[g.ID] = j
	}
	return err
}

// Release forgets a job.
func (w *workerJobs) Release(j id.Job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.jobs, j)
}

// Job finds what the tasks of a job share.
func (w *workerJobs) Job(j id.Job) (*taskmanager.Job, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if found := w.jobs[j]; found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("job %s is not known here", j)
}
