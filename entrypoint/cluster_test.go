package entrypoint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/datastream"
	"goflink/internal/testkit"
)

// TestMain makes the test binary a program, too: what is started with a launch file is a process of
// a cluster.
func TestMain(m *testing.M) {
	if os.Getenv(LaunchFileEnv) != "" {
		Main(Programs{"sums": sums, "twice": twice, "fails": fails})
	}
	os.Exit(m.Run())
}

const (
	sumKeys = 50
	sumRate = 4000
)

// sums writes the rolling sums of args[1] numbers, by key, to files in args[0].
func sums(env *datastream.Environment, args []string) error {
	n, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	numbers := datastream.Generate(env, n, sumRate, func(n int64) int64 { return n })
	rolling := datastream.KeyBy(numbers, func(n int64) int64 { return n % sumKeys }).
		Reduce(func(a, b int64) int64 { return a + b })
	datastream.WriteText(rolling, args[0])
	_, err = env.Execute("sums")
	return err
}

// wantSums are the sorted lines that sums writes.
func wantSums(n int64) (lines []string) {
	last := map[int64]int64{}
	for i := range n {
		last[i%sumKeys] += i
		lines = append(lines, fmt.Sprint(last[i%sumKeys]))
	}
	slices.Sort(lines)
	return lines
}

// twice runs two jobs, of which the second depends on the first.
func twice(env *datastream.Environment, args []string) error {
	for i := range 2 {
		datastream.FromSequence(env, 1, 10).Rebalance().Filter(func(int64) bool { return true }).
			PrintAs(fmt.Sprint("job ", i))
		r, err := env.Execute(fmt.Sprint("job ", i))
		if err != nil {
			return err
		}
		fmt.Println("main:", r.Name, "ended")
	}
	return nil
}

func fails(env *datastream.Environment, _ []string) error {
	datastream.FromSequence(env, 1, 10).ForEach(func(int64) { panic("no luck") })
	_, err := env.Execute("fails")
	return err
}

// deployed starts a cluster with this binary.
func deployed(t *testing.T, program string, args []string, settings ...string) *LocalCluster {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	conf := config.New()
	conf.Set("local.cluster.directory", t.TempDir(), "test")
	for i := 0; i < len(settings); i += 2 {
		conf.Set(settings[i], settings[i+1], "test")
	}
	c, err := DeployLocal(t.Context(), Deployment{Artifact: exe, Program: program, Args: args,
		Config: conf, Mode: ModeApplication})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			c.show(t)
		}
		for pid := range c.processes(t) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		<-c.exited
	})
	return c
}

// show prints the log files of a cluster.
func (c *LocalCluster) show(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(c.Home, "*", "*"))
	if err != nil {
		t.Error(err)
	}
	more, err := filepath.Glob(filepath.Join(c.Home, "*", "*", "*"))
	if err != nil {
		t.Error(err)
	}
	for _, f := range append(files, more...) {
		if e := filepath.Ext(f); e == ".log" || e == ".err" {
			t.Logf("%s:\n%s", f, tailOf(f))
		}
	}
}

// processes are the processes of the cluster by their ids, with the directories they were started
// in.
func (c *LocalCluster) processes(t *testing.T) map[int]string {
	t.Helper()
	found := map[int]string{}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		exe, err := os.Readlink(filepath.Join(d, "exe"))
		if err != nil || !strings.HasPrefix(exe, c.Home+"/") {
			continue // not ours, or gone
		}
		pid, err := strconv.Atoi(filepath.Base(d))
		if err != nil {
			t.Fatal(err)
		}
		found[pid] = exe
	}
	return found
}

// ends waits for the cluster's end.
func (c *LocalCluster) ends(t *testing.T) error {
	t.Helper()
	select {
	case <-c.exited:
		return c.Died()
	case <-time.After(5 * time.Minute):
		t.Fatal("the cluster has not ended")
		return nil
	}
}

// read reads a file of the cluster.
func (c *LocalCluster) read(t *testing.T, parts ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{c.Home}, parts...)...))
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("after a minute: %s", what)
		}
	}
}

// TestApplication: R124, R136, R139: a program's main function runs in the JobManager of a cluster
// of its own; its jobs run one after the other, each on slots that the ResourceManager has obtained
// for it, in the order of R139; the cluster ends with the program, and leaves nothing but log
// files.
func TestApplication(t *testing.T) {
	c := deployed(t, "twice", nil, "parallelism.default", "2")
	if err := c.ends(t); err != nil {
		t.Fatal(err)
	}
	if ps := c.processes(t); len(ps) > 0 {
		t.Errorf("these processes are left: %v", ps)
	}
	if out := c.read(t, "jobmanager", "jobmanager.out"); out !=
		"main: job 0 ended\nmain: job 1 ended\n" {
		t.Errorf("output of main: %q", out)
	}
	outs, err := filepath.Glob(filepath.Join(c.Home, workersDir, "*", "taskmanager.out"))
	if err != nil || len(outs) != 2 {
		t.Fatalf("outputs of workers: %v, %v", outs, err)
	}
	printed := c.read(t, outs[0][len(c.Home):]) + c.read(t, outs[1][len(c.Home):])
	for i := range 2 {
		if n := strings.Count(printed, fmt.Sprintf("job %d:", i)); n != 10 {
			t.Errorf("job %d printed %d lines of 10:\n%s", i, n, printed)
		}
	}
	for _, secret := range []string{identityDir, artifactFile, "jobmanager/" + launchFile,
		restAddressFile} {
		if _, err := os.Stat(filepath.Join(c.Home, secret)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left (%v)", secret, err)
		}
	}
	steps := regexp.MustCompile(`needs 2 slots|asks for a worker|was started|has registered|` +
		`goes to job|slots offered|slots accepted|deploy |-> RUNNING`)
	var order []string
	for _, s := range steps.FindAllString(c.read(t, "jobmanager", "jobmanager.log"), -1) {
		if !slices.Contains(order, s) {
			order = append(order, s)
		}
	}
	want := []string{"-> RUNNING", "needs 2 slots", "asks for a worker", "was started",
		"has registered", "goes to job", "slots offered", "slots accepted", "deploy "}
	if !slices.Equal(order, want) {
		t.Errorf("steps %q, want %q", order, want)
	}
}

// TestApplicationFails: the JobManager of a program that fails ends with an exit code that says so,
// and the user's panic is in what it says.
func TestApplicationFails(t *testing.T) {
	c := deployed(t, "fails", nil)
	err := c.ends(t)
	for _, want := range []string{"exit status 1", "no luck", "entrypoint.fails"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if ps := c.processes(t); len(ps) > 0 {
		t.Errorf("these processes are left: %v", ps)
	}
}

// quick are settings under which a cluster notices losses soon.
var quick = []string{"heartbeat.interval", "300 ms", "heartbeat.timeout", "3 s",
	"execution.checkpointing.interval", "100 ms", "restart-strategy", "fixed-delay",
	"restart-strategy.fixed-delay.attempts", "1000", "restart-strategy.fixed-delay.delay", "0 s",
	"parallelism.default", "2", "taskmanager.registration.timeout", "10 s"}

// written are the sorted lines of all finished files in a directory.
func written(t *testing.T, dir string) (lines []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		switch {
		case errors.Is(err, os.ErrNotExist):
			return nil // what is not finished comes and goes
		case err != nil:
			return err
		case strings.HasPrefix(e.Name(), ".") && e.IsDir():
			return filepath.SkipDir
		case strings.HasPrefix(e.Name(), ".") || e.IsDir():
			return nil
		}
		b, err := os.ReadFile(path)
		lines = append(lines, strings.Fields(string(b))...)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	slices.Sort(lines)
	return lines
}

// workersOf are the processes of a cluster besides its JobManager.
func (c *LocalCluster) workersOf(t *testing.T) (pids []int) {
	t.Helper()
	for pid := range c.processes(t) {
		if !slices.Contains(c.PIDs, pid) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// TestLostTaskManagers: R5, R7, R95, R133: TaskManagers are killed, and stopped for longer than the
// heartbeat time-out, again and again; each is replaced, and in the end each result was written
// once.
func TestLostTaskManagers(t *testing.T) {
	out, records := t.TempDir(), int64(testkit.Scaled(60_000))
	c := deployed(t, "sums", []string{out, fmt.Sprint(records)}, append(slices.Clone(quick),
		"execution.checkpointing.dir", "file://"+t.TempDir())...)
	var stopped []int
	known := map[int]bool{}
	for i, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGSTOP,
		syscall.SIGKILL, syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGKILL} {
		var victim int
		eventually(t, "there are not two new workers, and the cluster has not ended", func() bool {
			ps := slices.DeleteFunc(c.workersOf(t), func(pid int) bool { return known[pid] })
			if len(ps) > 0 {
				victim = ps[len(ps)-1]
			}
			return len(ps) > 0 && len(written(t, out)) >= (i+1)*int(records)/20 || ended(c)
		})
		if ended(c) {
			t.Fatalf("the cluster has ended before loss %d: %v", i, c.Died())
		}
		known[victim] = true
		if err := syscall.Kill(victim, signal); err != nil {
			t.Fatal(err)
		}
		if signal == syscall.SIGSTOP {
			stopped = append(stopped, victim)
		}
		t.Logf("%s to %d after %d results", signal, victim, len(written(t, out)))
	}
	for _, pid := range stopped {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Error(err)
		}
	}
	if err := c.ends(t); err != nil {
		t.Fatal(err)
	}
	if got, want := written(t, out), wantSums(records); !slices.Equal(got, want) {
		t.Errorf("%d results, want %d", len(got), len(want))
	}
	if ps := c.processes(t); len(ps) > 0 {
		t.Errorf("these processes are left: %v", ps)
	}
}

func ended(c *LocalCluster) bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

// TestLostJobManager: a JobManager without high availability takes its cluster with it: its
// TaskManagers find no leader and end, with exit code 0, as what they say shows.
func TestLostJobManager(t *testing.T) {
	out := t.TempDir()
	c := deployed(t, "sums", []string{out, "100000000"}, append(slices.Clone(quick),
		"taskmanager.registration.timeout", "500 ms")...)
	eventually(t, "there are not two workers", func() bool { return len(c.workersOf(t)) == 2 })
	if err := syscall.Kill(c.PIDs[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "workers of a dead cluster go on", func() bool {
		return len(c.processes(t)) == 0
	})
	if err := c.ends(t); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the JobManager ended with %v", err)
	}
	logs, err := filepath.Glob(filepath.Join(c.Home, workersDir, "*", "taskmanager.log"))
	if err != nil || len(logs) != 2 {
		t.Fatalf("logs: %v, %v", logs, err)
	}
	for _, f := range logs {
		if b := c.read(t, f[len(c.Home):]); !strings.Contains(b, "no JobManager for 500ms") {
			t.Errorf("%s:\n%s", f, b)
		}
	}
}

// TestSecrets: no secret of a cluster is in the arguments or the environment of a process, in what
// it logs, or in a file that others can read.
func TestSecrets(t *testing.T) {
	c := deployed(t, "sums", []string{t.TempDir(), "100000000"}, quick...)
	eventually(t, "there are not two workers", func() bool { return len(c.workersOf(t)) == 2 })
	secrets := []string{c.Token, strings.TrimSpace(c.read(t, identityDir, "join.secret")),
		c.read(t, identityDir, "ca.key")}
	var texts []string
	for pid := range c.processes(t) {
		for _, f := range []string{"cmdline", "environ"} {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, f))
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(b))
		}
	}
	err := filepath.WalkDir(c.Home, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %s", path, info.Mode())
		}
		if ext := filepath.Ext(path); ext == ".log" || ext == ".err" || ext == ".out" {
			texts = append(texts, c.read(t, path[len(c.Home):]))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets {
		if len(s) < 16 {
			t.Fatalf("a secret of %d bytes", len(s))
		}
		for _, text := range texts {
			if strings.Contains(text, s) {
				t.Errorf("a secret is in %.60q…", text)
			}
		}
	}
	client, err := c.Client(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ShutDown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := c.ends(t); err == nil || !strings.Contains(err.Error(), "exit status 130") {
		t.Errorf("the cluster ended with %v", err)
	}
}
