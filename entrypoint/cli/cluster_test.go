package cli_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// words is a server that sends the same line again and again to each client, until the test ends.
func words(t *testing.T) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				defer c.Close()
				for {
					if _, err := fmt.Fprintln(c, "to be or not to be"); err != nil {
						return
					}
				}
			}()
		}
	}()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// in runs the command with the clusters' directory in front of the arguments of an action.
func in(t *testing.T, dir, action string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	all := append([]string{action, "-Dlocal.cluster.directory=" + dir, "-Dcluster.id=c1"}, args...)
	return flink(t, all...)
}

var jobID = regexp.MustCompile(`[0-9a-f]{32}`)

// TestClusterActions: R80, R85, R124, R132: the life of an application on a cluster of processes,
// by the command line alone: it is listed, checkpointed, stopped with a savepoint, started from it,
// and cancelled.
func TestClusterActions(t *testing.T) {
	dir, savepoints, port := t.TempDir(), t.TempDir(), words(t)
	start := []string{"-t", "local-application", "-p", "2", binaries.wordcount, "--host",
		"127.0.0.1", "--port", port}
	expect := func(code, want int, stdout, stderr string, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if code != want || !strings.Contains(stdout+stderr, text) {
				t.Fatalf("exit code %d, want %d; %q is not in %s%s", code, want, text, stdout,
					stderr)
			}
		}
	}
	out, errs, code := in(t, dir, "run-application", start...)
	expect(code, 0, out, errs, "is RUNNING", "Cluster c1: REST interface http://127.0.0.1:")
	job := jobID.FindString(out)
	out, errs, code = in(t, dir, "list")
	expect(code, 0, out, errs, "Running/Restarting Jobs", job+" : word count (RUNNING)",
		"No scheduled jobs.")
	out, errs, code = in(t, dir, "run-application", start...)
	expect(code, 1, out, errs, `there is a cluster "c1" already`)
	out, errs, code = in(t, dir, "checkpoint", job)
	expect(code, 0, out, errs, "Checkpoint completed. Path: ")
	out, errs, code = in(t, dir, "savepoint", job, savepoints)
	expect(code, 0, out, errs, "Savepoint completed. Path: file://"+savepoints)
	other := strings.Repeat("0", 32)
	out, errs, code = in(t, dir, "cancel", other)
	expect(code, 1, out, errs, other)
	out, errs, code = in(t, dir, "stop", "-p", savepoints, job)
	expect(code, 0, out, errs, "Suspending job", "Savepoint completed. Path: ")
	path := out[strings.Index(out, "Path: ")+6 : len(out)-1]
	for { // the cluster ends with its program
		if out, errs, code = in(t, dir, "list"); code != 0 {
			break
		}
	}
	expect(code, 1, out, errs, `there is no running cluster "c1"`)
	out, errs, code = in(t, dir, "run-application", append([]string{"-s", path}, start...)...)
	expect(code, 0, out, errs, "is RUNNING")
	job = jobID.FindString(out)
	out, errs, code = in(t, dir, "cancel", job)
	expect(code, 0, out, errs, "Cancelled job "+job)
	firstCount(t, dir)
}

// firstCount verifies that the job began with the counts of the savepoint.
func firstCount(t *testing.T, dir string) {
	t.Helper()
	outs, err := filepath.Glob(filepath.Join(dir, "c1", "taskmanagers", "*", "taskmanager.out"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range outs {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if s := bufio.NewScanner(f); s.Scan() && strings.HasSuffix(s.Text(), "count=1}") {
			t.Errorf("%s begins with %q", name, s.Text())
		}
	}
}

// TestPerJob: R119, R135, R140: a job in a cluster of its own: attached, its end is that of the
// command, and its failure the command's; detached, the command returns at once.
func TestPerJob(t *testing.T) {
	input := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(input, []byte("to be or not to be"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := "-Dlocal.cluster.directory=" + t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-p", "2", binaries.wordcount, "--input", input}, 0, "has been submitted"},
		{[]string{"-d", binaries.wordcount, "--input", input}, 0, "has been submitted"},
		{[]string{binaries.wordcount, "--input", "/no/such/input"}, 1, "/no/such/input"},
		{[]string{"-c", "panics", binaries.broken}, 1, "integer divide by zero"},
		{[]string{"-c", "fails", binaries.broken}, 1, "the program's own error"},
		{[]string{"-Dtaskmanager.memory.process.size=10m", binaries.wordcount, "--input", input},
			1, "taskmanager.memory.process.size"},
		{[]string{"-Dlocal.jobmanagers=2", binaries.wordcount, "--input", input}, 1,
			"high-availability.type"},
		{[]string{"-Dcluster.id=a/b", binaries.wordcount, "--input", input}, 1, "cluster.id"},
	} {
		out, errs, code := flink(t, append([]string{"run", "-t", "local-per-job", dir},
			c.args...)...)
		text := errs
		if code == 0 {
			text = out
		}
		if code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%q: exit code %d, want %d; %q does not have %q", c.args, code, c.code, text,
				c.want)
		}
	}
}
