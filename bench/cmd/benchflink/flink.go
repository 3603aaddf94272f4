package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"goflink/bench/contract"
	"goflink/bench/measure"
)

// flinkSide runs Apache Flink from its published jars, a cluster of its own for each run.
type flinkSide struct {
	java      string
	lib, jar  string
	requested int64
}

var _ side = (*flinkSide)(nil)

// newFlinkSide builds bench/flink if its jar is older than its sources.
func newFlinkSide(ctx context.Context, s settings) (*flinkSide, error) {
	target := filepath.Join(s.build, "flink")
	f := &flinkSide{
		java:      s.java,
		lib:       filepath.Join(target, "lib"),
		jar:       filepath.Join(target, "bench-flink.jar"),
		requested: s.events,
	}
	if newerThan(f.jar, "bench/flink/src", "bench/flink/pom.xml") {
		return f, nil
	}
	_, err := runCommand(ctx, nil, s.maven, "-q", "-B", "-f", "bench/flink/pom.xml",
		"-Dbench.build="+target, "package")
	if err != nil {
		return nil, fmt.Errorf("build bench/flink (-maven): %w", err)
	}
	return f, nil
}

func (f *flinkSide) name() string { return "flink" }

func (f *flinkSide) events(p plan) int64 {
	if f.requested > 0 {
		return f.requested
	}
	return p.flinkEvents
}

// run starts a cluster, runs the job on it and ends the cluster; it measures the TaskManagers.
func (f *flinkSide) run(runCtx context.Context, j job) (outcome, error) {
	progress, err := contract.CreateProgress(j.Progress, j.Parallelism)
	if err != nil {
		return outcome{}, err
	}
	defer progress.Close()
	cluster, err := f.startCluster(runCtx, j)
	if err != nil {
		return outcome{}, err
	}
	defer cluster.stop()
	id, err := f.submit(runCtx, cluster, j)
	if err != nil {
		return outcome{}, err
	}
	ctx, cancel := context.WithCancelCause(runCtx)
	ended := make(chan struct{})
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		if err := cluster.follow(ctx, id); err != nil {
			cancel(err)
			return
		}
		close(ended)
	}()
	window, err := j.watch(ctx, ended, progress, cluster.taskManagerUsage)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	cancel(nil)
	<-followed
	if err != nil {
		return outcome{}, errors.Join(err, cluster.alive())
	}
	if err := j.checkProgress(progress); err != nil {
		return outcome{}, err
	}
	if j.CheckpointDir != "" {
		completed, err := cluster.rest.checkpoints(runCtx, id)
		if err != nil {
			return outcome{}, fmt.Errorf("checkpoints of job %s: %w", id, err)
		}
		if err := contract.WriteCheckpoints(j.Result, completed); err != nil {
			return outcome{}, err
		}
	}
	return j.collect(window)
}

var jobIDPattern = regexp.MustCompile(`JobID ([0-9a-f]{32})`)

// submit hands the job to the cluster as `flink run -d` does, and returns its id.
func (f *flinkSide) submit(ctx context.Context, c *cluster, j job) (string, error) {
	command := append([]string{f.java}, javaOptions...)
	command = append(command,
		"-Dlog4j.configurationFile=file:"+filepath.Join(c.conf, "log4j-cli.properties"),
		"-cp", f.lib+"/*", "org.apache.flink.client.cli.CliFrontend",
		"run", "-d", "-c", "goflink.bench.Main", f.jar)
	command = append(command, programArgs(j.Options)...)
	output, err := runCommand(ctx, []string{"FLINK_CONF_DIR=" + c.conf}, command...)
	if err != nil {
		return "", fmt.Errorf("submit the job: %w", err)
	}
	match := jobIDPattern.FindStringSubmatch(output)
	if match == nil {
		return "", fmt.Errorf("submit the job: no job id in %q", output)
	}
	return match[1], nil
}

// programArgs returns the flags of the Java programs; what else is in the options stands in the
// cluster's configuration.
func programArgs(o contract.Options) []string {
	args := []string{
		"--program", o.Program,
		"--events", strconv.FormatInt(o.Events, 10),
		"--seed", strconv.FormatInt(o.Seed, 10),
		"--progress", o.Progress,
		"--result", o.Result,
		"--parallelism", strconv.Itoa(o.Parallelism),
	}
	if o.Input != "" {
		args = append(args, "--input", o.Input)
	}
	if o.Verify {
		args = append(args, "--verify")
	}
	return args
}

// cluster is a JobManager and its TaskManagers, each a process, all on the loopback interface.
type cluster struct {
	conf, logs   string
	rest         *restClient
	jobManager   *process
	taskManagers []*process
}

const (
	startTimeout = 2 * time.Minute
	restInterval = 250 * time.Millisecond
	// restMaxFailures is how often in a row the JobManager may fail to say how a job is doing.
	restMaxFailures = 20
)

func (f *flinkSide) startCluster(ctx context.Context, j job) (c *cluster, err error) {
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	c = &cluster{
		conf: filepath.Join(j.dir, "conf"),
		logs: j.dir,
		rest: newRESTClient(ports[1]),
	}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	if err := writeConf(c.conf, j, ports[0], ports[1]); err != nil {
		return nil, err
	}
	jobManager, err := f.javaCommand(ctx, c, "jobmanager", "GET_JM_RESOURCE_PARAMS",
		"org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint")
	if err != nil {
		return nil, err
	}
	taskManager, err := f.javaCommand(ctx, c, "taskmanager", "GET_TM_RESOURCE_PARAMS",
		"org.apache.flink.runtime.taskexecutor.TaskManagerRunner")
	if err != nil {
		return nil, err
	}
	c.jobManager, err = startProcess(c.logs, "jobmanager", nil, jobManager...)
	if err != nil {
		return nil, err
	}
	for i := range taskManagerCount(j) {
		p, err := startProcess(c.logs, fmt.Sprintf("taskmanager-%d", i), nil, taskManager...)
		if err != nil {
			return nil, err
		}
		c.taskManagers = append(c.taskManagers, p)
	}
	return c, c.waitForSlots(ctx, j.Parallelism)
}

// javaCommand returns the command of a role, with the memory flags that Flink's own scripts derive
// from the configuration.
func (f *flinkSide) javaCommand(ctx context.Context, c *cluster, role, resources,
	class string) ([]string, error) {
	output, err := runCommand(ctx, nil, f.java, "-cp", f.lib+"/*",
		"org.apache.flink.runtime.util.bash.BashJavaUtils", resources, "--configDir", c.conf)
	if err != nil {
		return nil, fmt.Errorf("memory of the %s: %w", role, err)
	}
	const prefix = "BASH_JAVA_UTILS_EXEC_RESULT:"
	var results []string
	for line := range strings.Lines(output) {
		if result, found := strings.CutPrefix(line, prefix); found {
			results = append(results, strings.TrimSpace(result))
		}
	}
	if len(results) != 2 {
		return nil, fmt.Errorf("memory of the %s: BashJavaUtils printed %q", role, output)
	}
	command := append([]string{f.java}, strings.Fields(results[0])...)
	command = append(command, javaOptions...)
	command = append(command,
		"-Dlog4j.configurationFile=file:"+filepath.Join(c.conf, "log4j.properties"),
		"-cp", f.lib+"/*", class, "--configDir", c.conf)
	return append(command, strings.Fields(results[1])...), nil
}

func (c *cluster) processes() []*process {
	if c.jobManager == nil {
		return nil
	}
	return append([]*process{c.jobManager}, c.taskManagers...)
}

// stop ends all processes of the cluster.
func (c *cluster) stop() { stopAll(c.processes()) }

// alive reports a process that has ended.
func (c *cluster) alive() error {
	for _, p := range c.processes() {
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended: %w%s", p.name, errOrEarly(p.err), logTail(c.logs, p.name))
		default:
		}
	}
	return nil
}

func errOrEarly(err error) error {
	if err == nil {
		return errors.New("exit status 0 before its time")
	}
	return err
}

// logTail returns the end of a log, on lines of its own.
func logTail(logs, name string) string {
	text, err := os.ReadFile(filepath.Join(logs, name+".log"))
	if err != nil {
		return ""
	}
	const tail = 3000
	return "\n" + string(text[max(0, len(text)-tail):])
}

// waitForSlots returns when all slots are registered.
func (c *cluster) waitForSlots(ctx context.Context, slots int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout,
		fmt.Errorf("the cluster had no %d slots after %s", slots, startTimeout))
	defer cancel()
	return c.poll(ctx, func() (bool, error) {
		total, err := c.rest.slots(ctx)
		return err == nil && total == slots, nil // Refused connections are expected at first.
	})
}

// follow returns nil when a job has finished, and an error when it ends otherwise.
func (c *cluster) follow(ctx context.Context, id string) error {
	failures := 0
	return c.poll(ctx, func() (bool, error) {
		state, err := c.rest.jobState(ctx, id)
		if err != nil {
			failures++
			if failures > restMaxFailures {
				return false, fmt.Errorf("state of job %s: %w", id, err)
			}
			return false, nil
		}
		failures = 0
		switch state {
		case "FINISHED":
			return true, nil
		case "FAILED", "CANCELED", "SUSPENDED":
			return false, fmt.Errorf("job %s is %s: %s", id, state, c.rest.rootException(ctx, id))
		}
		return false, nil
	})
}

// poll calls done until it says true or fails, a process of the cluster ends, or ctx does.
func (c *cluster) poll(ctx context.Context, done func() (bool, error)) error {
	ticker := time.NewTicker(restInterval)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if err := c.alive(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

func (c *cluster) taskManagerUsage() (measure.Usage, error) {
	var pids []int
	for _, p := range c.taskManagers {
		pids = append(pids, p.pid())
	}
	return measure.Processes(pids...)
}
