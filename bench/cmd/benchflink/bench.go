package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"goflink/bench/contract"
	"goflink/bench/measure"
	"goflink/bench/reference"
	"goflink/bench/textgen"
)

const (
	parallelism        = 2
	textParts          = 8
	checkpointInterval = 10 * time.Second
	// steadyWall is how long the measured part of a run of Flink should last.
	steadyWall = 30 * time.Second
	// othersMax is the share of the machine that others may take in a measurement to be trusted.
	othersMax = 0.05
)

// plan says how a program is run. Its numbers of records are chosen so that the measured part of a
// run takes Flink at least steadyWall on two cores.
type plan struct {
	program                            string
	network, checkpoints               bool
	flinkEvents, oursEvents, fewEvents int64
}

var plans = map[string]plan{
	contract.WordCount: {
		program:     contract.WordCount,
		checkpoints: true,
		flinkEvents: 300_000_000,
		oursEvents:  300_000_000,
		fewEvents:   10_000_000,
	},
	contract.Sliding: {
		program:     contract.Sliding,
		flinkEvents: 1_500_000,
		oursEvents:  20_000_000,
		fewEvents:   200_000,
	},
	contract.Tumbling: {
		program:     contract.Tumbling,
		network:     true,
		flinkEvents: 70_000_000,
		oursEvents:  200_000_000,
		fewEvents:   4_000_000,
	},
	contract.Chain: {
		program:     contract.Chain,
		flinkEvents: 2_500_000_000,
		oursEvents:  10_000_000_000,
		fewEvents:   1_000_000,
	},
}

// side is an engine that can run the programs.
type side interface {
	name() string
	// events returns how many records the side is measured with.
	events(plan) int64
	// run runs a program to its end. It measures the run if measured is set.
	run(ctx context.Context, job job) (outcome, error)
}

// job is one run of a program on one side.
type job struct {
	contract.Options
	// records is how many records the source reads, dir the directory of this run.
	records  int64
	dir      string
	measured bool
}

// outcome is what a run gave; window is zero if it was not measured, checkpoints if there were none
// to be made.
type outcome struct {
	window      measure.Window
	result      contract.Result
	checkpoints int64
	lines       []string
}

// bench measures and checks one program on the sides given.
func bench(ctx context.Context, s settings, sides []side, p plan) error {
	outcomes := make(map[string]outcome)
	for _, side := range sides {
		if !s.measure {
			break
		}
		o, err := runSide(ctx, s, side, p, side.events(p), true)
		if err != nil {
			return err
		}
		outcomes[side.name()] = o
		printSide(side.name(), p.program, o)
	}
	ours, haveOurs := outcomes["ours"]
	flink, haveFlink := outcomes["flink"]
	if haveOurs && haveFlink {
		fmt.Printf("BENCH %s ours=%.0f flink=%.0f ratio=%.2f wall_ours=%.1f wall_flink=%.1f\n",
			p.program, ours.window.PerCPUSecond(), flink.window.PerCPUSecond(),
			ours.window.PerCPUSecond()/flink.window.PerCPUSecond(),
			ours.window.Wall.Seconds(), flink.window.Wall.Seconds())
	}
	if !s.check {
		return nil
	}
	return checkRecords(ctx, s, sides, p)
}

func printSide(side, program string, o outcome) {
	w := o.window
	fmt.Printf("BENCH-SIDE side=%s name=%s records_per_cpu_s=%.0f records_per_s=%.0f cpu_s=%.2f "+
		"wall_s=%.2f rss_mb=%d records=%d others_cpu_s=%.2f checkpoints=%d results=%d sum=%016x\n",
		side, program, w.PerCPUSecond(), w.PerSecond(), w.CPU.Seconds(), w.Wall.Seconds(),
		w.PeakBytes>>20, w.Records, w.Others.Seconds(), o.checkpoints, o.result.Records,
		o.result.Sum)
	if side == "flink" && w.Wall < steadyWall {
		fmt.Fprintf(os.Stderr, "benchflink: %s: Flink's measured part lasted %.1f s, less than "+
			"%s: use more -events\n", program, w.Wall.Seconds(), steadyWall)
	}
	quiet := othersMax * w.Wall.Seconds() * float64(runtime.NumCPU())
	if w.Others.Seconds() > quiet {
		fmt.Fprintf(os.Stderr, "benchflink: %s: other processes took %.0f CPU-seconds meanwhile: "+
			"figures of a busy machine are not to be trusted, repeat the run on a quiet one\n",
			program, w.Others.Seconds())
	}
}

// runSide makes the input and a directory for the run, runs, and checks the result.
func runSide(ctx context.Context, s settings, side side, p plan, events int64,
	measured bool) (outcome, error) {
	job, err := newJob(s, side.name(), p, events, measured)
	if err != nil {
		return outcome{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout,
		fmt.Errorf("the run took longer than %s (-timeout)", s.timeout))
	defer cancel()
	o, err := side.run(ctx, job)
	if err == nil && s.check {
		err = checkResult(side.name(), job, o)
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, ctx.Err()) {
			err = cause
		}
		return outcome{}, fmt.Errorf("%s: %w (logs and results are in %s)", side.name(), err,
			job.dir)
	}
	if !s.keepRun {
		if err := os.RemoveAll(job.dir); err != nil {
			return outcome{}, err
		}
	}
	return o, nil
}

func newJob(s settings, side string, p plan, events int64, measured bool) (job, error) {
	purpose := "check"
	if measured {
		purpose = "measure"
	}
	dir := filepath.Join(s.build, "run",
		fmt.Sprintf("%s-%s-%s-%d", p.program, side, purpose, os.Getpid()))
	j := job{
		dir:      dir,
		measured: measured,
		Options: contract.Options{
			Program:     p.program,
			Seed:        s.seed,
			Progress:    filepath.Join(dir, "progress"),
			Result:      filepath.Join(dir, "result"),
			Parallelism: parallelism,
			Network:     p.network,
			MemoryBytes: s.memoryBytes,
			Verify:      !measured,
		},
	}
	if p.network {
		j.MemoryBytes /= parallelism
	}
	if p.checkpoints {
		j.CheckpointDir = filepath.Join(dir, "checkpoints")
		j.CheckpointInterval = checkpointInterval
	}
	if err := j.makeInput(s, events); err != nil {
		return job{}, err
	}
	for _, path := range []string{j.Result, j.CheckpointDir} {
		if path == "" {
			continue
		}
		if err := os.MkdirAll(path, 0o755); err != nil {
			return job{}, err
		}
	}
	return j, j.Check()
}

// makeInput sets the input of a run of this many records, rounded up to what is possible.
func (j *job) makeInput(s settings, events int64) error {
	if j.Program != contract.WordCount {
		j.Events = (events + parallelism - 1) / parallelism * parallelism
		j.records = j.Events
		return nil
	}
	text := textgen.Options{
		Lines: (events + contract.WordsPerLine - 1) / contract.WordsPerLine,
		Parts: textParts,
		Seed:  s.seed,
	}
	var err error
	j.Input, err = textgen.Ensure(filepath.Join(s.build, "text"), text)
	j.records = text.Words()
	return err
}

// checkResult compares the checksum of a run with the reference's.
func checkResult(side string, j job, o outcome) error {
	options := j.Options
	options.Verify = false
	want, _, err := reference.Compute(options)
	if err != nil {
		return err
	}
	if o.result != want {
		return fmt.Errorf("wrong result %s over %d records, the reference gives %s", o.result,
			j.records, want)
	}
	return nil
}

// checkRecords runs all sides on equal, small input and compares their records with the
// reference's one by one, and so with each other's.
func checkRecords(ctx context.Context, s settings, sides []side, p plan) error {
	events := p.fewEvents
	if s.checkEvents > 0 {
		events = s.checkEvents
	}
	for _, side := range sides {
		o, err := runSide(ctx, s, side, p, events, false)
		if err != nil {
			return err
		}
		job, err := newJob(s, "reference", p, events, false)
		if err != nil {
			return err
		}
		result, want, err := reference.Compute(job.Options)
		if err != nil {
			return err
		}
		if err := os.RemoveAll(job.dir); err != nil {
			return err
		}
		if err := compareLines(o.lines, want); err != nil {
			return fmt.Errorf("%s differs from the reference: %w", side.name(), err)
		}
		fmt.Printf("CHECK side=%s name=%s records=%d lines=%d results=%d sum=%016x equal=yes\n",
			side.name(), p.program, job.records, len(want), result.Records, result.Sum)
	}
	return nil
}

// compareLines reports the first difference of two sorted lists.
func compareLines(got, want []string) error {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Errorf("sorted record %d of %d is %q, want %q of %d", i, len(got), got[i],
				want[i], len(want))
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d records, want %d", len(got), len(want))
	}
	return nil
}

// collect reads what the sinks of a finished run left behind.
func (j job) collect(window measure.Window) (outcome, error) {
	result, err := contract.ReadResult(j.Result, j.Parallelism)
	if err != nil {
		return outcome{}, err
	}
	o := outcome{window: window, result: result}
	if j.CheckpointDir != "" {
		if o.checkpoints, err = contract.ReadCheckpoints(j.Result); err != nil {
			return outcome{}, err
		}
		if o.checkpoints == 0 && window.Wall > 2*j.CheckpointInterval {
			return outcome{}, fmt.Errorf("no checkpoint in %s, each %s there should be one",
				window.Wall, j.CheckpointInterval)
		}
	}
	if j.Verify {
		o.lines, err = contract.ReadRecords(j.Result, j.Parallelism)
	}
	return o, err
}

// watch follows a run until it has ended, and measures it if it shall be measured.
func (j job) watch(ctx context.Context, ended <-chan struct{}, progress *contract.Progress,
	workers func() (measure.Usage, error)) (measure.Window, error) {
	if j.measured {
		return measure.Run(ctx, ended, j.records, progress.Total, workers)
	}
	select {
	case <-ctx.Done():
		return measure.Window{}, ctx.Err()
	case <-ended:
		return measure.Window{}, nil
	}
}

// checkProgress tells a finished run that has not said that it read all its input.
func (j job) checkProgress(progress *contract.Progress) error {
	if total := progress.Total(); total != j.records {
		return fmt.Errorf("the run ended, but its sources report %d of %d records", total,
			j.records)
	}
	return nil
}

// newerThan says whether a file is there and newer than everything below the paths given.
func newerThan(file string, paths ...string) bool {
	info, err := os.Stat(file)
	if err != nil {
		return false
	}
	newer := true
	for _, path := range paths {
		err := filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			other, err := entry.Info()
			if err == nil && other.ModTime().After(info.ModTime()) {
				newer = false
			}
			return err
		})
		newer = newer && err == nil
	}
	return newer
}
