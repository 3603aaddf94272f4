package contract

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options are the flags with which the runner starts one side.
type Options struct {
	// Program is one of Programs.
	Program string
	// Events is the number of events to generate; a multiple of Parallelism. Unused by wordcount.
	Events int64
	// Seed goes into every event.
	Seed int64
	// Input is the directory of text files that wordcount reads.
	Input string
	// Progress is the progress file (see Progress), made by the runner.
	Progress string
	// Result is an existing, empty directory for the result files (see Result).
	Result string
	// Parallelism is the number of subtasks of each operator.
	Parallelism int
	// Network asks for one worker process per subtask, so that keyed records cross processes.
	Network bool
	// MemoryBytes is what one worker process may take altogether.
	MemoryBytes int64
	// CheckpointDir, if not empty, asks for exactly-once checkpoints in that directory, one each
	// CheckpointInterval.
	CheckpointDir      string
	CheckpointInterval time.Duration
	// Verify asks for the records files beside the checksums.
	Verify bool
}

// Args returns the options as command-line arguments, in the form that ParseOptions reads.
func (o Options) Args() []string {
	args := []string{
		"--program", o.Program,
		"--events", strconv.FormatInt(o.Events, 10),
		"--seed", strconv.FormatInt(o.Seed, 10),
		"--progress", o.Progress,
		"--result", o.Result,
		"--parallelism", strconv.Itoa(o.Parallelism),
		"--memory-bytes", strconv.FormatInt(o.MemoryBytes, 10),
	}
	if o.Input != "" {
		args = append(args, "--input", o.Input)
	}
	if o.Network {
		args = append(args, "--network")
	}
	if o.CheckpointDir != "" {
		args = append(args, "--checkpoint-dir", o.CheckpointDir,
			"--checkpoint-interval", o.CheckpointInterval.String())
	}
	if o.Verify {
		args = append(args, "--verify")
	}
	return args
}

// ParseOptions reads the arguments of a side's command, without the command's name, and checks
// them. Its errors name the flag.
func ParseOptions(args []string) (Options, error) {
	var o Options
	flags := flag.NewFlagSet("bench side", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.Program, "program", "", "")
	flags.Int64Var(&o.Events, "events", 0, "")
	flags.Int64Var(&o.Seed, "seed", 1, "")
	flags.StringVar(&o.Input, "input", "", "")
	flags.StringVar(&o.Progress, "progress", "", "")
	flags.StringVar(&o.Result, "result", "", "")
	flags.IntVar(&o.Parallelism, "parallelism", 2, "")
	flags.BoolVar(&o.Network, "network", false, "")
	flags.Int64Var(&o.MemoryBytes, "memory-bytes", 4<<30, "")
	flags.StringVar(&o.CheckpointDir, "checkpoint-dir", "", "")
	flags.DurationVar(&o.CheckpointInterval, "checkpoint-interval", 10*time.Second, "")
	flags.BoolVar(&o.Verify, "verify", false, "")
	if err := flags.Parse(args); err != nil {
		return Options{}, fmt.Errorf("bench options: %w", err)
	}
	if flags.NArg() > 0 {
		return Options{}, fmt.Errorf("bench options: unexpected argument %q", flags.Arg(0))
	}
	if err := o.Check(); err != nil {
		return Options{}, err
	}
	return o, nil
}

// Check reports the first option that makes no sense, by its flag.
func (o Options) Check() error {
	switch {
	case !slices.Contains(Programs, o.Program):
		return fmt.Errorf("--program: unknown program %q, know %s", o.Program,
			strings.Join(Programs, ", "))
	case o.Parallelism < 1 || o.Parallelism > MaxParallelism:
		return fmt.Errorf("--parallelism: %d is not in 1..%d", o.Parallelism, MaxParallelism)
	case o.Progress == "":
		return errors.New("--progress: the progress file is missing")
	case o.Result == "":
		return errors.New("--result: the result directory is missing")
	case o.MemoryBytes <= 0:
		return fmt.Errorf("--memory-bytes: %d is not positive", o.MemoryBytes)
	case o.CheckpointDir != "" && o.CheckpointInterval <= 0:
		return fmt.Errorf("--checkpoint-interval: %s is not positive", o.CheckpointInterval)
	case o.Program == WordCount && o.Input == "":
		return errors.New("--input: wordcount needs a directory of text files")
	case o.Program != WordCount && (o.Events <= 0 || o.Events%int64(o.Parallelism) != 0):
		return fmt.Errorf("--events: %d is not a positive multiple of the parallelism %d",
			o.Events, o.Parallelism)
	}
	return nil
}
