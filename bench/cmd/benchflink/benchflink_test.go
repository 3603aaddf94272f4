package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"goflink/bench/contract"
	"goflink/bench/measure"
	"goflink/bench/reference"
)

// sideEnv makes the test binary a command that obeys the contract, by the reference's means, or
// breaks it in the way that the variable's value names.
const sideEnv = "BENCHFLINK_TEST_SIDE"

func TestMain(m *testing.M) {
	if fault := os.Getenv(sideEnv); fault != "" {
		if err := obey(fault, os.Args[1:]); err != nil {
			fmt.Println(err)
			os.Exit(3)
		}
		return
	}
	os.Exit(m.Run())
}

func obey(fault string, args []string) error {
	options, err := contract.ParseOptions(args)
	if err != nil {
		return err
	}
	progress, err := contract.OpenProgress(options.Progress, options.Parallelism)
	if err != nil {
		return err
	}
	defer progress.Close()
	result, lines, err := reference.Compute(options)
	if err != nil {
		return err
	}
	records := options.Events
	if options.Program == contract.WordCount {
		records = result.Records
		if err := contract.WriteCheckpoints(options.Result, 1); err != nil {
			return err
		}
	}
	switch fault {
	case "exit":
		return errors.New("it broke down")
	case "hang":
		select {}
	case "checksum":
		result.Sum++
	case "record":
		if !options.Verify {
			break
		}
		lines[len(lines)/2] += "0"
	case "input":
		records--
	}
	if err := readInput(options, progress, records); err != nil {
		return err
	}
	return leaveResults(options, result, lines, records)
}

// cpu returns the CPU time this process has used.
func cpu() time.Duration {
	usage, err := measure.Processes(os.Getpid())
	if err != nil {
		panic(err)
	}
	return usage.CPU
}

// readInput uses CPU time and tells of a tenth of the input after another.
func readInput(options contract.Options, progress *contract.Progress, records int64) error {
	options.Verify = false
	for tenth := range int64(10) {
		for began, now := cpu(), cpu(); now-began < 20*time.Millisecond; now = cpu() {
			if _, _, err := reference.Compute(options); err != nil {
				return err
			}
		}
		progress.Set(1, records*(tenth+1)/10)
	}
	return nil
}

func leaveResults(options contract.Options, result contract.Result, lines []string,
	records int64) error {
	parts := []contract.Result{result, {}}
	for subtask, part := range parts {
		if err := contract.WriteResult(options.Result, subtask, part); err != nil {
			return err
		}
		if !options.Verify {
			continue
		}
		share := lines[subtask*len(lines)/2 : (subtask+1)*len(lines)/2]
		err := contract.WriteRecords(options.Result, subtask, func(out io.Writer) error {
			for _, line := range share {
				if _, err := fmt.Fprintln(out, line); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// oursSettings are those of a run of the test binary with a fault.
func oursSettings(t *testing.T, fault string) settings {
	t.Helper()
	t.Setenv(sideEnv, fault)
	return settings{
		build:       t.TempDir(),
		oursCommand: os.Args[0],
		oursEvents:  300_000,
		checkEvents: 6_000,
		seed:        1,
		memoryBytes: 1 << 30,
		measure:     true,
		check:       true,
		timeout:     time.Minute,
	}
}

func benchOurs(t *testing.T, s settings, program string) error {
	t.Helper()
	ours, err := newOursSide(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return bench(t.Context(), s, []side{ours}, plans[program])
}

func TestObedientSideIsMeasuredAndChecked(t *testing.T) {
	s := oursSettings(t, "none")
	for _, program := range []string{contract.WordCount, contract.Chain} {
		if err := benchOurs(t, s, program); err != nil {
			t.Errorf("%s: %v", program, err)
		}
	}
	runs, err := os.ReadDir(filepath.Join(s.build, "run"))
	if err != nil || len(runs) > 0 {
		t.Errorf("runs that went well left %v, %v", runs, err)
	}
}

func TestFaultsOfASideAreFound(t *testing.T) {
	for fault, want := range map[string]string{
		"exit":     "it broke down",
		"checksum": "the reference gives",
		"record":   "differs from the reference: sorted record",
		"input":    "report 299999 of 300000 records",
	} {
		err := benchOurs(t, oursSettings(t, fault), contract.Chain)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("fault %q: error %v, want %q", fault, err, want)
		}
	}
}

func TestHangingSideIsEnded(t *testing.T) {
	s := oursSettings(t, "hang")
	s.timeout = 200 * time.Millisecond
	err := benchOurs(t, s, contract.Chain)
	if err == nil || !strings.Contains(err.Error(), "-timeout") {
		t.Errorf("error %v", err)
	}
}

func TestProcessesEndWhenStopped(t *testing.T) {
	t.Setenv(sideEnv, "hang")
	options := contract.Options{Program: contract.Chain, Events: 2, Parallelism: 2, Seed: 1,
		Progress: filepath.Join(t.TempDir(), "progress"), Result: t.TempDir(), MemoryBytes: 1}
	progress, err := contract.CreateProgress(options.Progress, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer progress.Close()
	command := append([]string{os.Args[0]}, options.Args()...)
	p, err := startProcess(t.TempDir(), "hanging", nil, command...)
	if err != nil {
		t.Fatal(err)
	}
	stopAll([]*process{p})
	if err := syscall.Kill(p.pid(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", p.pid(), err)
	}
	stopAll([]*process{p}) // A second time is harmless.
}

func TestSettingsErrorsNameTheFlag(t *testing.T) {
	for want, args := range map[string][]string{
		"-side":      {"-side", "storm"},
		"-program":   {"-program", "cep"},
		"-memory-mb": {"-memory-mb", "100"},
		"-events":    {"-events", "-1"},
		"stray":      {"stray"},
	} {
		if _, err := parseSettings(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v", args, err)
		}
	}
	if _, err := parseSettings([]string{"-help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-help: %v", err)
	}
}

func TestRunnerWantsTheProjectsRoot(t *testing.T) {
	t.Chdir(t.TempDir())
	err := run(context.Background(), nil)
	if err == nil || !strings.Contains(err.Error(), "project's root") {
		t.Errorf("error %v", err)
	}
}

func TestConfigurationFollowsTheProgram(t *testing.T) {
	read := func(j job) string {
		t.Helper()
		j.dir = t.TempDir()
		if err := writeConf(filepath.Join(j.dir, "conf"), j, 1, 2); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(j.dir, "conf", "config.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	one := read(job{Options: contract.Options{Parallelism: 2, MemoryBytes: 4 << 30,
		CheckpointDir: "/c", CheckpointInterval: 10 * time.Second}})
	two := read(job{Options: contract.Options{Parallelism: 2, Network: true, MemoryBytes: 2 << 30}})
	for text, wants := range map[string][]string{
		one: {"numberOfTaskSlots: 2\n", "process.size: 4294967296b\n",
			"execution.checkpointing.interval: 10000 ms\n",
			"execution.checkpointing.dir: file:///c\n"},
		two: {"numberOfTaskSlots: 1\n", "process.size: 2147483648b\n"},
	} {
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
	}
	if strings.Contains(two, "checkpointing") {
		t.Error("checkpoints without being asked for")
	}
}

func TestNewerThanLooksIntoDirectories(t *testing.T) {
	dir := t.TempDir()
	jar, source := filepath.Join(dir, "jar"), filepath.Join(dir, "src", "A.java")
	if err := os.Mkdir(filepath.Dir(source), 0o755); err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)
	for path, at := range map[string]time.Time{source: noon, jar: noon.Add(time.Minute)} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(filepath.Dir(source), noon, noon); err != nil {
		t.Fatal(err)
	}
	if !newerThan(jar, filepath.Dir(source)) {
		t.Error("the jar is newer")
	}
	if err := os.Chtimes(source, noon, noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if newerThan(jar, filepath.Dir(source)) || newerThan(filepath.Join(dir, "none")) {
		t.Error("the jar is older, or not there")
	}
}
