package entrypoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"goflink/internal/testkit"
)

// leaderOf is the JobManager that the cluster's REST interface belongs to, and of those that were
// not met before.
func (c *LocalCluster) leaderOf(t *testing.T, known map[int]bool) (pid int) {
	t.Helper()
	t.Helper()
	for n, pid := range c.PIDs {
		log, err := os.ReadFile(filepath.Join(c.jobManagerHome(n), "jobmanager.log"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if !known[pid] && strings.Contains(string(log), "the REST interface is open") {
			return pid
		}
	}
	return 0
}

// TestLostJobManagers: R6, R150, R153: of several JobManagers one leads; when it is killed, or
// stopped for so long that another takes over, the job goes on from its last checkpoint on the same
// TaskManagers, without being submitted again; a leader that wakes up late does no harm, and each
// result is written once.
func TestLostJobManagers(t *testing.T) {
	out, records := t.TempDir(), int64(testkit.Scaled(60_000))
	c := deployed(t, "sums", []string{out, fmt.Sprint(records)}, append(slices.Clone(quick),
		"local.jobmanagers", "4", "high-availability.type", "filesystem",
		"high-availability.storageDir", "file://"+t.TempDir(),
		"high-availability.filesystem.lease", "1 s",
		"execution.checkpointing.dir", "file://"+t.TempDir())...)
	known := map[int]bool{}
	var stopped []int
	workers := map[int]bool{}
	for i, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGKILL} {
		var victim int
		eventually(t, "no JobManager leads, or the job makes no progress", func() bool {
			victim = c.leaderOf(t, known)
			return ended(c) || victim != 0 && len(written(t, out)) >= (i+1)*int(records)/10
		})
		if ended(c) {
			t.Fatalf("the cluster has ended before loss %d: %v", i, c.Died())
		}
		for _, pid := range c.workersOf(t) {
			workers[pid] = true
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
	eventually(t, "the last JobManager does not lead", func() bool {
		return c.leaderOf(t, known) != 0
	})
	for _, pid := range stopped {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}
	if err := c.ends(t); err != nil && !strings.Contains(err.Error(), strconv.Itoa(ExitDeposed)) {
		t.Fatal(err)
	}
	if got, want := written(t, out), wantSums(records); !slices.Equal(got, want) {
		t.Errorf("%d results, want %d", len(got), len(want))
	}
	if len(workers) != 2 {
		t.Errorf("%d TaskManagers were used, want the 2 of the beginning", len(workers))
	}
	if ps := c.processes(t); len(ps) > 0 {
		t.Errorf("these processes are left: %v", ps)
	}
	if _, err := os.Stat(filepath.Join(c.Home, identityDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the identity is left: %v", err)
	}
}
