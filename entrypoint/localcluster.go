package entrypoint

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/runtime/controlplane"
	"goflink/runtime/identity"
	"goflink/runtime/rest/message"
	"goflink/runtime/rest/restclient"
)

// Deployment is a cluster to be started.
type Deployment struct {
	// Artifact is the path of the program's binary, Program chooses one of its programs, and Args
	// are its arguments.
	Artifact, Program string
	Args              []string
	Config            *config.Configuration
	Mode              Mode
	// Job is the job of a cluster for one job.
	Job *controlplane.JobDescription
	// Attached says that a client waits for the job's result.
	Attached bool
	// Progress hears what is waited for; it may be nil.
	Progress func(what string)
}

// LocalCluster is a cluster of processes on this machine, as its client sees it.
type LocalCluster struct {
	// ID is the cluster's id, Home its directory.
	ID, Home string
	// REST is the address of the REST interface, host:port, and Token what changes need.
	REST, Token string
	// PIDs are the JobManagers'.
	PIDs []int
	// exited is closed when all JobManagers have ended; exit is how the last one did.
	exited chan struct{}
	exit   error
	last   string // its directory
}

const (
	jobManagerDir = "jobmanager"
	outFile       = "jobmanager.out"
	errFile       = "jobmanager.err"
	artifactFile  = "program"
	// pollInterval is the time between two looks at a cluster that is starting.
	pollInterval = 20 * time.Millisecond
	// tailBytes is how much of a dead process's last words is shown.
	tailBytes = 4 << 10
)

// clustersDir is the directory of all local clusters of this user.
func clustersDir(c *config.Configuration) (string, error) {
	dir, err := config.Get(c, config.LocalClusterDirectory)
	if err != nil || dir != "" {
		return dir, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w; set %s", err, config.LocalClusterDirectory.Key)
	}
	return filepath.Join(cache, "flink", "clusters"), nil
}

// DeployLocal starts a cluster of processes on this machine and returns when its REST interface is
// open. The JobManager lives on without its client.
func DeployLocal(ctx context.Context, d Deployment) (c *LocalCluster, err error) {
	conf := clusterConfig(d.Config)
	base, err := clustersDir(conf)
	if err != nil {
		return nil, err
	}
	name, err := config.Get(conf, config.ClusterID)
	if err != nil {
		return nil, err
	}
	if name == "" {
		random := id.NewJob()
		name = "local-" + hex.EncodeToString(random[:6])
	}
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return nil, fmt.Errorf("%s is %q, which cannot be the name of a directory",
			config.ClusterID.Key, name)
	}
	preset(conf, config.HighAvailabilityClusterID, name, "the cluster's id")
	c = &LocalCluster{ID: name, Home: filepath.Join(base, name), exited: make(chan struct{})}
	auth, err := identity.Create(filepath.Join(c.Home, identityDir), c.ID)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("there is a cluster %q already, in %s; choose another %s, or "+
			"remove the directory if the cluster has ended", c.ID, c.Home, config.ClusterID.Key)
	}
	if err != nil {
		return nil, err
	}
	c.Token = auth.RESTToken()
	if d.Progress != nil {
		d.Progress("the JobManager to start")
	}
	number, err := config.Get(conf, config.LocalJobManagers)
	if err == nil {
		err = c.prepare(d, conf, number)
	}
	if err == nil {
		err = c.start(number)
	}
	if err != nil {
		return nil, errors.Join(err, leaveLocal(c.Home))
	}
	return c, c.awaitREST(ctx)
}

// clusterConfig adds what a cluster of processes on one machine has by default: it is not on the
// network, and any port does.
func clusterConfig(c *config.Configuration) *config.Configuration {
	c = c.Clone()
	const origin = "the default of local clusters"
	preset(c, config.JobManagerRPCPort, "0", origin)
	preset(c, config.JobManagerBindHost, "127.0.0.1", origin)
	preset(c, config.TaskManagerBindHost, "127.0.0.1", origin)
	if !config.IsSet(c, config.RestPort) {
		preset(c, config.RestBindPort, "0", origin)
	}
	return c
}

// preset sets an option that is not set.
func preset[T any](c *config.Configuration, o config.Option[T], value, origin string) {
	if !config.IsSet(c, o) {
		c.Set(o.Key, value, origin)
	}
}

// jobManagerHome is the directory of the n-th JobManager, from 0.
func (c *LocalCluster) jobManagerHome(n int) string {
	if n == 0 {
		return filepath.Join(c.Home, jobManagerDir)
	}
	return filepath.Join(c.Home, fmt.Sprint(jobManagerDir, "-", n+1))
}

// prepare puts into the cluster's directory the artifact and the instructions for the JobManagers.
func (c *LocalCluster) prepare(d Deployment, conf *config.Configuration, number int) error {
	ha, err := config.Get(conf, config.HighAvailabilityType)
	if err != nil {
		return err
	}
	if number > 1 && strings.EqualFold(ha, "none") {
		return fmt.Errorf("%s is %d, but %s is NONE: only one JobManager can lead; set it to "+
			"filesystem, with %s", config.LocalJobManagers.Key, number,
			config.HighAvailabilityType.Key, config.HighAvailabilityStorageDirectory.Key)
	}
	if err := copyFile(filepath.Join(c.Home, artifactFile), d.Artifact); err != nil {
		return err
	}
	cwd, err := os.Getwd()
	if err != nil {
		return err
	}
	// What is left of an earlier cluster of this id are log files.
	if err := os.RemoveAll(filepath.Join(c.Home, workersDir)); err != nil {
		return err
	}
	for n := range number {
		dir := c.jobManagerHome(n)
		if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
			return err
		}
		b, err := json.Marshal(Launch{Version: LaunchVersion, Role: RoleJobManager,
			Program: d.Program, Config: conf.Entries(), Cluster: &ClusterLaunch{ID: c.ID,
				Args: d.Args, Dir: cwd, Log: dir, Home: c.Home, Mode: d.Mode, Job: d.Job,
				Attached: d.Attached}})
		if err == nil {
			err = writeFile(filepath.Join(dir, launchFile), b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies a program. A hard link would do until somebody builds the program again.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// start starts the JobManagers, each of which is a session of its own.
func (c *LocalCluster) start(number int) error {
	var running sync.WaitGroup
	var mu sync.Mutex
	for n := range number {
		dir := c.jobManagerHome(n)
		cmd, err := c.command(dir)
		if err == nil {
			err = errors.Join(cmd.Start(), cmd.Stdout.(io.Closer).Close(),
				cmd.Stderr.(io.Closer).Close())
		}
		if err != nil {
			return fmt.Errorf("the JobManager cannot be started: %w", err)
		}
		c.PIDs = append(c.PIDs, cmd.Process.Pid)
		running.Go(func() {
			err := cmd.Wait()
			mu.Lock()
			defer mu.Unlock()
			c.exit, c.last = err, dir
		})
	}
	go func() { // ends with the JobManagers, or with this process
		running.Wait()
		close(c.exited)
	}()
	return nil
}

// command is a JobManager to be started in a directory.
func (c *LocalCluster) command(dir string) (*exec.Cmd, error) {
	cmd := exec.Command(filepath.Join(c.Home, artifactFile))
	const flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	out, err := os.OpenFile(filepath.Join(dir, outFile), flags, 0o600)
	if err != nil {
		return nil, err
	}
	errs, err := os.OpenFile(filepath.Join(dir, errFile), flags, 0o600)
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, errs
	cmd.Env = append(os.Environ(), LaunchFileEnv+"="+filepath.Join(dir, launchFile))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, nil
}

// awaitREST waits until the JobManager has published the address of its REST interface.
func (c *LocalCluster) awaitREST(ctx context.Context) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		b, err := os.ReadFile(filepath.Join(c.Home, restAddressFile))
		if err == nil {
			c.REST = strings.TrimSpace(string(b))
			return nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		select {
		case <-tick.C:
		case <-c.exited:
			return c.Died()
		case <-ctx.Done():
			return fmt.Errorf("the JobManager (processes %v, log files in %s) has not opened its "+
				"REST interface: %w", c.PIDs, c.Home, ctx.Err())
		}
	}
}

// leaveLocal removes from a cluster's directory what a cluster that has ended does not need: its
// secrets and its program. Log files stay.
func leaveLocal(home string) (err error) {
	files, err := filepath.Glob(filepath.Join(home, jobManagerDir+"*", launchFile))
	for _, name := range []string{restAddressFile, artifactFile, identityDir} {
		files = append(files, filepath.Join(home, name))
	}
	for _, f := range files {
		err = errors.Join(err, os.RemoveAll(f))
	}
	return err
}

// FindLocal finds a running cluster of this machine by its id in the configuration.
func FindLocal(c *config.Configuration) (*LocalCluster, error) {
	base, err := clustersDir(c)
	if err != nil {
		return nil, err
	}
	name, err := config.Get(c, config.ClusterID)
	if err != nil {
		return nil, err
	}
	running, err := runningClusters(base)
	if err != nil {
		return nil, err
	}
	known := "none runs"
	if len(running) > 0 {
		known = "there are: " + strings.Join(running, ", ")
	}
	if name == "" {
		return nil, fmt.Errorf("no cluster id was specified: say which cluster, with -D%s=ID (%s)",
			config.ClusterID.Key, known)
	}
	if !slices.Contains(running, name) {
		return nil, fmt.Errorf("there is no running cluster %q in %s (%s)", name, base, known)
	}
	lc := &LocalCluster{ID: name, Home: filepath.Join(base, name)}
	auth, err := identity.Load(filepath.Join(lc.Home, identityDir))
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(lc.Home, restAddressFile))
	lc.Token, lc.REST = auth.RESTToken(), strings.TrimSpace(string(b))
	return lc, err
}

// runningClusters are the ids of the clusters below a directory that have not ended.
func runningClusters(base string) (ids []string, err error) {
	entries, err := os.ReadDir(base)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(base, e.Name(), restAddressFile)); err == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, err
}

// Client returns a client of the cluster's REST interface.
func (c *LocalCluster) Client(conf *config.Configuration) (*restclient.Client, error) {
	return restclient.New(restclient.Options{Address: c.REST, Token: c.Token,
		TokenFrom: filepath.Join(c.Home, identityDir, identity.TokenFile), Config: conf})
}

// AwaitJob waits until the first job of a cluster runs, or has ended: it returns nil if the cluster
// has ended by then, well. When ctx ends, the cluster is told to end. progress is told what is
// waited for.
func (c *LocalCluster) AwaitJob(ctx context.Context, progress func(what string)) (
	*message.JobSummary, error) {
	if c.REST == "" { // it ended before that was known
		<-c.exited
		return nil, c.Died()
	}
	client, err := c.Client(nil)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		jobs, err := client.Jobs(ctx)
		if err == nil && len(jobs) > 0 {
			j := &jobs[0]
			run, all := j.Tasks["running"]+j.Tasks["finished"], j.Tasks["total"]
			if j.State.Terminal() || j.State == job.Running && run == all {
				return j, nil
			}
			progress(fmt.Sprintf("the job %q, which is %s: %d of %d tasks run", j.Name, j.State,
				run, all))
		}
		select {
		case <-tick.C:
		case <-c.exited:
			return nil, c.Died()
		case <-ctx.Done():
			err := client.ShutDown(context.WithoutCancel(ctx))
			return nil, errors.Join(fmt.Errorf("interrupted before the job ran; the cluster %s "+
				"was told to end", c.ID), err)
		}
	}
}

// Exited is closed when the JobManager has ended.
func (c *LocalCluster) Exited() <-chan struct{} { return c.exited }

// Died says why the JobManager has ended, with its last words; nil if its application has finished.
// Exited must be closed.
func (c *LocalCluster) Died() error {
	if c.exit == nil {
		return nil
	}
	return fmt.Errorf("the JobManager has ended (%w); its log files are in %s; it said:\n%s",
		c.exit, c.last, tailOf(filepath.Join(c.last, errFile)))
}

// tailOf is the end of a file, or what is wrong with it.
func tailOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err.Error()
	}
	b, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-tailBytes), tailBytes))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b))
}
