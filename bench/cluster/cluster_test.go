// Package cluster holds the measurements of clusters of processes: how long they take to start and
// to come back after a loss, and what they take while they do nothing. They are benchmarks, run by
// make bench-cluster; none asserts a time.
package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/datastream"
	"goflink/entrypoint"
	"goflink/operator/reading"
)

// TestMain makes this binary a program, too.
func TestMain(m *testing.M) {
	if os.Getenv(entrypoint.LaunchFileEnv) != "" {
		entrypoint.Main(entrypoint.Programs{"ticks": ticks})
	}
	os.Exit(m.Run())
}

// perSecond is the rate of the program.
const perSecond = 1000

// ticks appends the time at which each record is processed to a file.
func ticks(env *datastream.Environment, args []string) error {
	numbers := datastream.Generate(env, reading.Endless, perSecond,
		func(n int64) int64 { return n })
	var file = sync.OnceValues(func() (*os.File, error) {
		return os.OpenFile(args[0], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	})
	datastream.KeyBy(numbers, func(n int64) int64 { return n % 10 }).
		Reduce(func(a, b int64) int64 { return a + b }).ForEach(func(int64) {
		f, err := file()
		if err == nil {
			_, err = fmt.Fprintln(f, time.Now().UnixNano())
		}
		if err != nil {
			panic(err)
		}
	})
	_, err := env.Execute("ticks")
	return err
}

// cluster is a running one.
type cluster struct {
	*entrypoint.LocalCluster
	ticks string
	began time.Time
}

// start starts the program as a user does, up to its first record.
func start(b *testing.B, settings ...string) *cluster {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	conf := config.New()
	conf.Set("local.cluster.directory", dir, "the benchmark")
	for i := 0; i < len(settings); i += 2 {
		conf.Set(settings[i], settings[i+1], "the benchmark")
	}
	c := &cluster{ticks: filepath.Join(dir, "ticks"), began: time.Now()}
	c.LocalCluster, err = entrypoint.DeployLocal(b.Context(), entrypoint.Deployment{Artifact: exe,
		Program: "ticks", Args: []string{c.ticks}, Config: conf,
		Mode: entrypoint.ModeApplication})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		client, err := c.Client(nil)
		if err == nil {
			err = client.ShutDown(context.Background())
		}
		if err != nil {
			b.Error(err)
		}
		<-c.Exited()
	})
	return c
}

// await waits until the program has processed records, and returns when.
func (c *cluster) await(b *testing.B, n int) []int64 {
	b.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(c.ticks)
		if err != nil && !os.IsNotExist(err) {
			b.Fatal(err)
		}
		if lines := strings.Fields(string(text)); len(lines) >= n {
			times := make([]int64, len(lines)-1) // the last one may be half written
			for i := range times {
				if times[i], err = strconv.ParseInt(lines[i], 10, 64); err != nil {
					b.Fatal(err)
				}
			}
			return times
		}
		select {
		case <-tick.C:
		case <-c.Exited():
			b.Fatal(c.Died())
		}
	}
}

// processes are the processes of the cluster: its JobManager first.
func (c *cluster) processes(b *testing.B) []int {
	b.Helper()
	pids := slices.Clone(c.PIDs)
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		b.Fatal(err)
	}
	for _, d := range dirs {
		exe, err := os.Readlink(d + "/exe")
		pid, perr := strconv.Atoi(filepath.Base(d))
		if err == nil && perr == nil && strings.HasPrefix(exe, c.Home+"/") &&
			!slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// rss is the resident size of a process in MB.
func rss(b *testing.B, pid int) float64 {
	b.Helper()
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		b.Fatal(err)
	}
	kb, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kb / 1024
}

// BenchmarkApplication: from the start of a cluster for an application, a JobManager and a
// TaskManager, to the first record of its job.
func BenchmarkApplication(b *testing.B) {
	var sum time.Duration
	for b.Loop() {
		c := start(b)
		sum += time.Unix(0, c.await(b, 2)[0]).Sub(c.began)
	}
	b.ReportMetric(float64(sum.Milliseconds())/float64(b.N), "ms-to-first-record")
}

// BenchmarkIdle: the resident sizes of a JobManager and of a TaskManager of one slot.
func BenchmarkIdle(b *testing.B) {
	for b.Loop() {
		c := start(b)
		c.await(b, perSecond)
		pids := c.processes(b)
		if len(pids) != 2 {
			b.Fatalf("%d processes", len(pids))
		}
		b.ReportMetric(rss(b, pids[0]), "jobmanager-rss-MB")
		b.ReportMetric(rss(b, pids[1]), "taskmanager-rss-MB")
	}
}

// BenchmarkKilledTaskManager: the time without a record after a TaskManager is killed: its loss is
// noticed, a new one started, and the job restored from its last checkpoint.
func BenchmarkKilledTaskManager(b *testing.B) {
	var sum time.Duration
	for b.Loop() {
		c := start(b, "parallelism.default", "2", "restart-strategy", "fixed-delay",
			"restart-strategy.fixed-delay.attempts", "100",
			"restart-strategy.fixed-delay.delay", "0 s", "execution.checkpointing.interval",
			"500 ms")
		c.await(b, perSecond)
		pids := c.processes(b)
		if err := syscall.Kill(pids[len(pids)-1], syscall.SIGKILL); err != nil {
			b.Fatal(err)
		}
		times := c.await(b, 6*perSecond)
		slices.Sort(times)
		gap := int64(0)
		for i := 1; i < len(times); i++ {
			gap = max(gap, times[i]-times[i-1])
		}
		sum += time.Duration(gap)
	}
	b.ReportMetric(float64(sum.Milliseconds())/float64(b.N), "ms-without-records")
}
