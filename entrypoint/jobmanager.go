package entrypoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/core/memory"
	"goflink/datastream"
	"goflink/internal/host"
	"goflink/resourcemgr"
	"goflink/resourcemgr/local"
	"goflink/runtime/controlplane"
	"goflink/runtime/controlplane/rpc"
	"goflink/runtime/dispatcher"
	"goflink/runtime/identity"
	"goflink/runtime/leader"
	"goflink/runtime/metric"
	"goflink/runtime/rest"
)

const (
	// noHAEpoch is the epoch of the only leader of a cluster without high availability.
	noHAEpoch = 1
	// farewell bounds how long a JobManager that ends waits for its workers and its jobs.
	farewell = 30 * time.Second
	// restAddressFile is the file in a cluster's directory with the address of the REST interface.
	restAddressFile = "rest.address"
	identityDir     = "identity"
	workersDir      = "taskmanagers"
	launchFile      = "launch.json"
)

// runJobManager is role jobmanager: a cluster for one application, whose main function runs here.
func runJobManager(l *launch, programs Programs) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logger, err := l.enter("jobmanager")
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return ExitUsage
	}
	program, err := programs.choose(l.Program)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return ExitUsage
	}
	jm := newJobManager(l, logger)
	if err = jm.lead(ctx); err == nil {
		err = jm.start()
	}
	switch {
	case errors.Is(err, leader.ErrEnded) || err != nil && ctx.Err() != nil:
		logger.Info("the JobManager ends without having led", "cause", err)
		return ExitOK
	case err != nil:
		logger.Error("the JobManager cannot start", "error", err)
		fmt.Fprintln(os.Stderr, "error:", err)
		return ExitFailed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // ends with the program or the cluster, whichever is first
		select {
		case cause := <-jm.fatal:
			cancel(cause)
		case <-ctx.Done():
		}
	}()
	if l.Cluster.Mode == ModePerJob {
		err = jm.runJob(ctx, program)
	} else {
		err = jm.runApplication(ctx, program)
	}
	if jm.handsOver(ctx) {
		return jm.handOver(context.Cause(ctx))
	}
	status, code := resourcemgr.Succeeded, ExitOK
	var cancelled *job.CancelledError
	switch {
	case errors.As(err, &cancelled) || err != nil && ctx.Err() != nil:
		status, code = resourcemgr.Killed, ExitCancelled
	case err != nil:
		status, code = resourcemgr.Failed, ExitFailed
	}
	if err != nil {
		logger.Error("the application has failed", "error", err)
		report(err)
	}
	if err := jm.close(status, err); err != nil {
		logger.Error("the cluster has not ended cleanly", "error", err)
	}
	logger.Info("the cluster has ended", "status", status)
	return code
}

// jobManager is the JobManager process of a cluster.
type jobManager struct {
	l       *launch
	logger  *slog.Logger
	files   *filesystem.Registry
	jobs    *dispatcher.Dispatcher
	manager *resourcemgr.Manager
	metrics *metric.Registry
	// term is this leader's, nil without high availability, and epoch its epoch.
	term    *leader.Leadership
	epoch   uint64
	workers *rpc.Server
	control *grpc.Server
	rest    *rest.Server
	serving sync.WaitGroup
	// fatal has the reason for which the cluster must end.
	fatal chan error
	// fetched has an element once a client has fetched a job's result.
	fetched chan struct{}
}

func newJobManager(l *launch, logger *slog.Logger) *jobManager {
	return &jobManager{l: l, logger: logger, fatal: make(chan error, 1), epoch: noHAEpoch,
		fetched: make(chan struct{}, 1), metrics: metric.NewRegistry()}
}

// start starts all parts. On error nothing of them is left.
func (jm *jobManager) start() error {
	l, logger := jm.l, jm.logger
	auth, err := identity.Load(filepath.Join(l.Cluster.Home, identityDir))
	if err != nil {
		return err
	}
	member, err := auth.Issue(identity.JobManager, "jobmanager")
	if err != nil {
		return err
	}
	mem, err := memory.JobManager(l.config)
	if err != nil {
		return err
	}
	debug.SetMemoryLimit(int64(mem.GoLimit))
	control, err := listenControl(l.config)
	if err != nil {
		return err
	}
	address, err := advertised(l.config, config.JobManagerRPCAddress, bindHost(l.config),
		control.Addr())
	if err != nil {
		return errors.Join(err, control.Close())
	}
	if jm.manager, err = jm.newManager(auth, address); err != nil {
		return errors.Join(err, control.Close())
	}
	jm.jobs = dispatcher.New(dispatcher.Options{Host: host.Real{}, Config: l.config,
		Files: jm.files, Resources: jm.manager, Epoch: jm.epoch, Metrics: jm.metrics,
		Store: jm.store(), Logger: logger, Trace: func(j id.Job, event string) {
			logger.Info("event", "job", j, "event", event)
		}})
	if err := jm.serveWorkers(control, auth, member); err != nil {
		return errors.Join(err, control.Close())
	}
	err = jm.serveREST(auth)
	if err == nil {
		err = jm.manager.Start(context.Background())
	}
	if err == nil {
		err = jm.publish(address)
	}
	if err != nil {
		return errors.Join(err, jm.close(resourcemgr.Failed, err))
	}
	return nil
}

// bindHost is where the JobManager listens; its errors come up where the option is read next.
func bindHost(c *config.Configuration) string {
	host, _ := config.Get(c, config.JobManagerBindHost)
	return host
}

// listenControl opens the control port.
func listenControl(c *config.Configuration) (net.Listener, error) {
	bind, err := config.Get(c, config.JobManagerBindHost)
	if err != nil {
		return nil, err
	}
	port, err := config.Get(c, config.JobManagerRPCPort)
	if err != nil {
		return nil, err
	}
	key := config.JobManagerRPCPort.Key
	if config.IsSet(c, config.JobManagerRPCBindPort) {
		key = config.JobManagerRPCBindPort.Key
		if port, err = config.Get(c, config.JobManagerRPCBindPort); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("tcp", net.JoinHostPort(bind, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("the JobManager cannot listen for its TaskManagers: %w; look at %s",
			err, key)
	}
	return l, nil
}

// newManager makes the ResourceManager, whose workers are processes with the same binary.
func (jm *jobManager) newManager(auth *identity.Authority, leader string) (
	*resourcemgr.Manager, error) {
	l := jm.l
	mem, err := memory.TaskManager(l.config)
	if err != nil {
		return nil, err
	}
	frozen, err := mem.Freeze()
	if err != nil {
		return nil, err
	}
	conf := l.config.Clone()
	conf.Merge(frozen)
	settings, err := resourcemgr.SettingsOf(conf, resourcemgr.WorkerSpec{
		MemoryBytes: int64(mem.Process), VCores: float64(mem.Slots), Slots: mem.Slots})
	if err != nil {
		return nil, err
	}
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	base := filepath.Join(l.Cluster.Home, workersDir)
	driver, err := local.New(local.Options{Binary: binary, Base: base, Prefix: "taskmanager",
		Epoch: jm.epoch, Logger: jm.logger, KeepLogs: true,
		Env: append(os.Environ(), LaunchFileEnv+"="+launchFile),
		Files: func(w id.Worker) (map[string][]byte, error) {
			member := auth.Launch(w)
			b, err := json.Marshal(Launch{Version: LaunchVersion, Role: RoleTaskManager,
				Program: l.Program, Config: conf.Entries(), Cluster: &ClusterLaunch{
					ID: l.Cluster.ID, Args: l.Cluster.Args, Dir: l.Cluster.Dir,
					Log: filepath.Join(base, string(w)), Leader: leader, Member: &member}})
			return map[string][]byte{launchFile: b}, err
		}})
	if err != nil {
		return nil, err
	}
	return resourcemgr.New(resourcemgr.Options{Host: host.Real{}, Driver: driver,
		Settings: settings, Logger: jm.logger, Fatal: jm.fail,
		Trace: func(e string) { jm.logger.Info("resources", "event", e) }})
}

// fail ends the cluster.
func (jm *jobManager) fail(cause error) {
	select {
	case jm.fatal <- cause:
	default: // it ends already
	}
}

// serveWorkers takes the connections of TaskManagers.
func (jm *jobManager) serveWorkers(l net.Listener, auth *identity.Authority,
	member *identity.Member) error {
	beats, err := heartbeats(jm.l.config)
	if err != nil {
		return err
	}
	jm.workers = rpc.NewServer(rpc.ServerOptions{Hub: hub{jm}, Authority: auth,
		Cluster: jm.l.Cluster.ID, Epoch: jm.epoch, Heartbeats: beats, Logger: jm.logger})
	jm.control = jm.workers.NewGRPC(grpc.Creds(credentials.NewTLS(member.ControlServer())))
	jm.serving.Go(func() {
		if err := jm.control.Serve(l); err != nil {
			jm.fail(fmt.Errorf("control port: %w", err))
		}
	})
	jm.logger.Info("the JobManager waits for TaskManagers", "address", l.Addr())
	return nil
}

// serveREST opens the REST interface and publishes its address in the cluster's directory.
func (jm *jobManager) serveREST(auth *identity.Authority) error {
	l, err := rest.Listen(jm.l.config)
	if err != nil {
		return err
	}
	jm.rest, err = rest.New(rest.Options{Gateway: gateway{jm}, Config: jm.l.config,
		Token: auth.RESTToken(), FlinkVersion: FlinkVersion, Version: Version,
		Logger: jm.logger})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	jm.serving.Go(func() {
		if err := jm.rest.Serve(l); err != nil {
			jm.fail(fmt.Errorf("REST interface: %w", err))
		}
	})
	jm.logger.Info("the REST interface is open", "address", l.Addr())
	return writeFile(filepath.Join(jm.l.Cluster.Home, restAddressFile),
		[]byte(l.Addr().String()+"\n"))
}

// writeFile writes a file that is complete as soon as it is there.
func writeFile(path string, b []byte) error {
	temp := path + ".tmp"
	if err := os.WriteFile(temp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// runApplication runs the program's main function.
func (jm *jobManager) runApplication(ctx context.Context, program Program) error {
	x := &applicationExecutor{jobs: jm.jobs, cluster: jm.l.Cluster.ID,
		following: jm.following}
	var err error
	if x.recorded, err = jm.recorded(ctx); err != nil {
		return err
	}
	env := datastream.New(ctx, datastream.Options{Executor: x, Config: jm.l.config,
		Files: jm.files})
	err = callProgram(program, env, jm.l.Cluster.Args)
	if err == nil && x.calls() == 0 {
		err = errors.New("the program has ended without running a job")
	}
	return err
}

// runJob runs the job that was shipped, with the program's code.
func (jm *jobManager) runJob(ctx context.Context, program Program) error {
	c := jm.l.Cluster
	g, code, err := rebuild(ctx, program, c.Args, c.Job, jm.files)
	if err != nil {
		return err
	}
	earlier, err := jm.recorded(ctx)
	if err != nil {
		return err
	}
	s := dispatcher.Submission{Graph: g, Code: code, Execute: c.Job.Execute,
		Earlier: c.Job.Earlier, Recorded: earlier[g.ID]}
	if s.Recorded != nil && s.Recorded.Ended {
		ended, err := replay(s.Recorded)
		if err == nil {
			_, err = ended.Wait(ctx)
		}
		return err
	}
	client, err := jm.jobs.Submit(s)
	if err != nil {
		return fmt.Errorf("job %q: %w", g.Name, err)
	}
	_, err = jm.following(client).Wait(ctx)
	if c.Attached && ctx.Err() == nil {
		late := time.NewTimer(resultTimeout)
		defer late.Stop()
		select {
		case <-jm.fetched:
		case <-late.C:
			jm.logger.Warn("nobody has fetched the job's result")
		case <-ctx.Done():
		}
	}
	return err
}

// resultTimeout is how long the cluster of a job waits for its attached client to fetch the result.
const resultTimeout = 10 * time.Second

// resultFetched notes that a client has seen how the job ended.
func (jm *jobManager) resultFetched() {
	select {
	case jm.fetched <- struct{}{}:
	default:
	}
}

// close ends the cluster: jobs are cancelled, workers released, ports closed.
func (jm *jobManager) close(status resourcemgr.FinalStatus, cause error) error {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	diagnostics := ""
	if cause != nil {
		diagnostics = cause.Error()
	}
	err := errors.Join(jm.jobs.Close(ctx), jm.manager.Finish(ctx, status, diagnostics),
		jm.manager.Close())
	jm.workers.Close(dispatcher.ErrClosed)
	jm.control.Stop()
	if jm.rest != nil {
		err = errors.Join(err, jm.rest.Close(ctx))
	}
	if jm.term != nil {
		if cerr := jm.term.CleanUp(ctx); cerr != nil {
			err = errors.Join(err, cerr, jm.term.Resign(ctx))
		}
	}
	jm.serving.Wait()
	return errors.Join(err, leaveLocal(jm.l.Cluster.Home))
}

// hub is the JobManager as its workers' connections see it.
type hub struct{ jm *jobManager }

var _ rpc.Hub = hub{}

// connected is a connected worker as the ResourceManager sees it.
type connected struct{ w *rpc.Worker }

var (
	_ resourcemgr.Worker       = connected{}
	_ resourcemgr.Disconnector = connected{}
)

func (c connected) Worker() id.Worker                       { return c.w.Worker() }
func (c connected) Registration() controlplane.Registration { return c.w.Registration() }
func (c connected) Shutdown(reason string)                  { c.w.Shutdown(reason) }
func (c connected) Disconnect(cause error)                  { c.w.Disconnect(cause) }

// Allocate gives a slot to a job. The worker offers it to the job's master over its connection.
func (c connected) Allocate(index int, a id.Allocation, j id.Job, _ controlplane.JobMaster) {
	c.w.Allocate(index, a, j)
}

// Register takes a worker in.
func (h hub) Register(w *rpc.Worker) error {
	err := h.jm.manager.Register(connected{w})
	var refused *resourcemgr.RefusedError
	if errors.As(err, &refused) {
		return &rpc.RefusedError{Reason: refused.Reason, Final: refused.Final}
	}
	return err
}

// Lost says that a worker's connection has ended.
func (h hub) Lost(w *rpc.Worker, cause error) {
	h.jm.jobs.WorkerLost(w.Worker(), fmt.Errorf("TaskManager %s is lost: %w", w.Worker(), cause))
	h.jm.manager.Lost(w.Worker(), cause)
}

// SlotFreed says that a slot has come back.
func (h hub) SlotFreed(w *rpc.Worker, a id.Allocation) { h.jm.manager.SlotFreed(w.Worker(), a) }

// Master finds a job's master.
func (h hub) Master(j id.Job) controlplane.JobMaster {
	if m := h.jm.jobs.Master(j); m != nil {
		return m
	}
	return nil
}

// DescribeJob says what is needed to run tasks of a job.
func (h hub) DescribeJob(_ context.Context, j id.Job) (*controlplane.JobDescription, error) {
	return h.jm.jobs.Describe(j)
}
