package cli_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binaries are built once: the command, the word count, and programs that go wrong.
var binaries struct{ flink, wordcount, broken string }

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cli")
	if err != nil {
		panic(err)
	}
	for _, b := range []struct {
		path *string
		pkg  string
	}{{&binaries.flink, "goflink/cmd/flink-yarn"},
		{&binaries.wordcount, "goflink/examples/wordcount"},
		{&binaries.broken, "goflink/entrypoint/cli/testdata/broken"}} {
		*b.path = filepath.Join(dir, filepath.Base(b.pkg))
		cmd := exec.Command("go", "build", "-o", *b.path, b.pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", b.pkg, err, out)
			os.Exit(1)
		}
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// flink runs the command and returns what it printed and its exit code.
func flink(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(binaries.flink, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// TestRunWordCount: R1, R33, R128, R130: the word count of a real file, with the last count of each
// word right, at two parallelisms.
func TestRunWordCount(t *testing.T) {
	input := filepath.Join(t.TempDir(), "input.txt")
	text := strings.Repeat("to be or not to be\nthat is the question\n", 50)
	if err := os.WriteFile(input, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for _, w := range strings.Fields(text) {
		want[w]++
	}
	for _, p := range []string{"1", "3"} {
		out, errs, code := flink(t, "run", "-t", "local", "-p", p, binaries.wordcount, "--input",
			input)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, errs)
		}
		got := map[string]int{}
		for _, m := range regexp.MustCompile(`(?m)^(?:\d> )?Count\{word='(\w+)', count=(\d+)\}$`).
			FindAllStringSubmatch(out, -1) {
			got[m[1]]++
			if m[2] != fmt.Sprint(got[m[1]]) {
				t.Errorf("parallelism %s: count %s of %q, want %d", p, m[2], m[1], got[m[1]])
			}
		}
		for w, n := range want {
			if got[w] != n {
				t.Errorf("parallelism %s: %q counted %d times, want %d", p, w, got[w], n)
			}
		}
		if hasPrefix := strings.Contains(out, "> "); hasPrefix != (p != "1") {
			t.Errorf("parallelism %s: prefixes of subtasks: %t", p, hasPrefix)
		}
	}
}

// TestInterrupt: R3: a socket is counted without end; Ctrl-C cancels the job, which is said, with
// exit code 130.
func TestInterrupt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	cmd := exec.Command(binaries.flink, "run", binaries.wordcount, "--host", "127.0.0.1", "--port",
		fmt.Sprint(port))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	lines := bufio.NewScanner(out)
	for i, word := range []string{"hello", "flink", "hello"} {
		// R8: a lone record comes through an idle pipeline at once.
		if _, err := fmt.Fprintln(c, word); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || !strings.Contains(lines.Text(), word) {
			t.Fatalf("line %d: %q, want a count of %q", i, lines.Text(), word)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		t.Errorf("after the interrupt: %q", lines.Text())
	}
	_ = cmd.Wait() // its exit code is looked at
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	if !strings.Contains(errs.String(), "the job was cancelled") {
		t.Errorf("stderr: %q", errs.String())
	}
}

// TestInfo: R10, R125: the plan is shown and nothing runs.
func TestInfo(t *testing.T) {
	input := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(input, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	out, errs, code := flink(t, "info", "-p", "2", binaries.wordcount, "--input", input)
	if code != 0 || !strings.Contains(out, `"ship_strategy": "HASH"`) {
		t.Errorf("json: exit code %d: %s %s", code, out, errs)
	}
	out, errs, code = flink(t, "info", "--format", "text", binaries.wordcount, "--input", input)
	if code != 0 || !strings.Contains(out, "Keyed Sum") {
		t.Errorf("text: exit code %d: %s %s", code, out, errs)
	}
}

// TestTwoJobs: several Execute calls in one program run one job each (R136).
func TestTwoJobs(t *testing.T) {
	out, errs, code := flink(t, "run", "-c", "once", binaries.broken)
	if want := "first> 1\nsecond> 1\n"; code != 0 || out != want {
		t.Errorf("exit code %d: %q, want %q; %s", code, out, want, errs)
	}
}

// TestBadInput: each mistake has its exit code and a message that says what to do.
func TestBadInput(t *testing.T) {
	notProgram := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(notProgram, []byte("#!/bin/sh\ncat <&3 >/dev/null\n"),
		0o755); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	wc, br := binaries.wordcount, binaries.broken
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"frobnicate", 2, `unknown action "frobnicate"`},
		{"run", 2, "needs an ARTIFACT"},
		{"run /no/such/file", 2, "/no/such/file"},
		{"run " + plain, 2, "cannot be executed"},
		{"run hdfs://nn/x", 2, "hdfs://"},
		{"run -t yarn-session " + wc, 2, "known targets: local"},
		{"run -d " + wc, 2, "cannot be detached"},
		{"run -p 0 " + wc, 2, "at least 1"},
		{"run -Dparallelism.defualt=2 " + wc, 1, "parallelism.default"},
		{"run -Dparallelism.default=x " + wc, 1, "parallelism.default"},
		{"run -Dstate.backend.type=pebble " + wc + " --input " + plain, 1, "state.backend.type"},
		{"run --no-such-option 1 " + wc, 2, "no-such-option"},
		{"run " + wc, 1, "--input FILE"},
		{"run " + wc + " --input /no/such/input", 1, "/no/such/input"},
		{"run " + notProgram, 1, "must call entrypoint.Main"},
		{"run " + br, 2, "choose one with -c"},
		{"run -c nope " + br, 2, `no program "nope"`},
		{"run -c exits " + br, 1, "without running a job"},
		{"run -c silent " + br, 1, "without running a job"},
		{"run -c fails " + br, 1, "the program's own error"},
		{"run -c panics " + br, 1, "integer divide by zero"},
		{"run -c panics " + br, 1, "main.divide"},
		{"run -c crashes " + br, 2, "concurrent map writes"},
		{"info -c exits " + br, 1, "before its program called Execute"},
		{"info --format xml " + wc, 2, "json and text"},
	} {
		_, errs, code := flink(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("flink-yarn %s: exit code %d, want %d; %q does not have %q", c.args, code,
				c.code,
				errs, c.want)
		}
	}
}

// TestLauncherDies: the program ends with the command line that started it.
func TestLauncherDies(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := exec.Command(binaries.flink, "run", binaries.wordcount, "--host", "127.0.0.1", "--port",
		fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the program still holds its connection: %v", err)
	}
}
