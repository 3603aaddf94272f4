package measure

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestStatIsReadBehindAnyCommandName(t *testing.T) {
	const line = "42 (a) b ( c) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 1 0 99 1 1\n"
	got, err := parseStat([]byte(line))
	want := stat{parent: 7, own: 2 * time.Second, reaped: 500 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "42 (a) S 7", "42 (a) S x 42 42 0 -1 4 1 2 3 4 1 5 3 2 2"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// burnEnv makes the test binary a process that uses CPU time, directly or in a child it waits for.
const burnEnv = "MEASURE_TEST_BURN"

func TestMain(m *testing.M) {
	switch os.Getenv(burnEnv) {
	case "":
		os.Exit(m.Run())
	case "parent":
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), burnEnv+"=child")
		if err := child.Run(); err != nil {
			os.Exit(1)
		}
		os.Stdout.WriteString("burnt\n")
		os.Stdin.Read(make([]byte, 1)) // Until the test closes the pipe.
	case "child":
		for used := time.Duration(0); used < 200*time.Millisecond; {
			for i := range 10_000_000 {
				sink += i
			}
			if usage, err := Processes(os.Getpid()); err == nil {
				used = usage.CPU
			}
		}
	}
}

var sink int

func TestTreeCountsReapedChildren(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), burnEnv+"=parent")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	tree, err := Tree(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if tree.CPU < 200*time.Millisecond || tree.PeakBytes < 1<<20 {
		t.Errorf("the tree has used %s and %d bytes", tree.CPU, tree.PeakBytes)
	}
	own, err := Tree(os.Getpid())
	if err != nil || own.CPU < tree.CPU || own.PeakBytes <= tree.PeakBytes {
		t.Errorf("the test's own tree has used %+v, %v: less than its part %+v", own, err, tree)
	}
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := Tree(cmd.Process.Pid); err == nil {
		t.Error("a process that has ended has a tree")
	}
	if _, err := Processes(cmd.Process.Pid); err == nil {
		t.Error("a process that has ended has a usage")
	}
}

// script is a run in fake time: 1000 of 10,000 records per second, two CPU-seconds per second.
type script struct{ start time.Time }

func (s script) progress() int64 { return time.Since(s.start).Milliseconds() }

func (s script) workers() (Usage, error) {
	return Usage{CPU: 2 * time.Since(s.start), PeakBytes: s.progress()}, nil
}

func TestRunMeasuresTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := script{start: time.Now()}
		ended := make(chan struct{})
		time.AfterFunc(10*time.Second, func() { close(ended) })
		window, err := Run(t.Context(), ended, 10_000, run.progress, run.workers)
		if err != nil {
			t.Fatal(err)
		}
		if window.Records != 6000 || window.Wall != 6*time.Second ||
			window.CPU != 12*time.Second || window.PeakBytes != 8000 {
			t.Errorf("window %+v", window)
		}
		if window.PerCPUSecond() != 500 || window.PerSecond() != 1000 {
			t.Errorf("%v per CPU-second, %v per second", window.PerCPUSecond(),
				window.PerSecond())
		}
		if total := time.Since(run.start); total != 10*time.Second {
			t.Errorf("returned after %s, not at the end", total)
		}
	})
}

func TestRunThatEndsEarlyIsNoMeasurement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := script{start: time.Now()}
		ended := make(chan struct{})
		time.AfterFunc(7*time.Second, func() { close(ended) })
		_, err := Run(t.Context(), ended, 10_000, run.progress, run.workers)
		if !errors.Is(err, ErrTooShort) {
			t.Errorf("error %v", err)
		}
	})
}

func TestRunWithoutCPUTimeIsNoMeasurement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := script{start: time.Now()}
		idle := func() (Usage, error) { return Usage{}, nil }
		_, err := Run(t.Context(), nil, 10_000, run.progress, idle)
		if err == nil || !strings.Contains(err.Error(), "more events") {
			t.Errorf("error %v", err)
		}
	})
}

func TestRunStopsOnLostWorkersAndContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := script{start: time.Now()}
		lost := errors.New("lost")
		_, err := Run(t.Context(), nil, 10_000, run.progress,
			func() (Usage, error) { return Usage{}, lost })
		if !errors.Is(err, lost) {
			t.Errorf("error %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		run = script{start: time.Now()}
		if _, err := Run(ctx, nil, 10_000, run.progress, run.workers); !errors.Is(err,
			context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}
