// Command benchflink measures the benchmark programs of bench/README.md on Apache Flink, on this
// project's engine, or on both, and compares what they give. It is run at the project's root:
//
//	go run ./bench/cmd/benchflink -side flink -program wordcount
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"goflink/bench/contract"
)

// Child processes die with the thread that started them (see startProcess), so that nothing is left
// behind if the runner is killed. All are started from main, which keeps the first thread.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchflink:", err)
		os.Exit(1)
	}
}

// settings are the runner's flags.
type settings struct {
	side, program           string
	events, oursEvents      int64
	checkEvents             int64
	seed                    int64
	memoryBytes             int64
	build                   string
	maven, java             string
	oursBuild, oursCommand  string
	measure, check, keepRun bool
	timeout                 time.Duration
}

func parseSettings(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("benchflink", flag.ContinueOnError)
	flags.StringVar(&s.side, "side", "both", "flink, ours or both")
	flags.StringVar(&s.program, "program", "all", strings.Join(contract.Programs, ", ")+" or all")
	flags.Int64Var(&s.events, "events", 0, "records read by Flink (0: the program's own number)")
	flags.Int64Var(&s.oursEvents, "events-ours", 0, "the same for this project's engine")
	flags.Int64Var(&s.checkEvents, "events-check", 0, "the same for the comparison of records")
	flags.Int64Var(&s.seed, "seed", 1, "seed of the input")
	memory := flags.Int64("memory-mb", 4096, "memory of all worker processes together, in MiB")
	flags.StringVar(&s.build, "build", "bench/build", "directory for all that is made")
	flags.StringVar(&s.maven, "maven", "mvn", "Maven's command")
	flags.StringVar(&s.java, "java", "java", "Java's command, version 17")
	flags.StringVar(&s.oursBuild, "ours-build",
		"go build -o bench/build/oursbench ./bench/cmd/oursbench",
		"how this project's side is built; words divided by white space, or empty")
	flags.StringVar(&s.oursCommand, "ours-command", "bench/build/oursbench",
		"this project's side")
	flags.BoolVar(&s.measure, "measure", true, "take the measurement")
	flags.BoolVar(&s.check, "check", true, "compare results with the reference and each other")
	flags.BoolVar(&s.keepRun, "keep", false, "keep logs and results of runs that went well")
	flags.DurationVar(&s.timeout, "timeout", 10*time.Minute, "limit of one run")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	s.memoryBytes = *memory << 20
	switch {
	case flags.NArg() > 0:
		return settings{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case !slices.Contains([]string{"flink", "ours", "both"}, s.side):
		return settings{}, fmt.Errorf("-side: %q is not flink, ours or both", s.side)
	case s.program != "all" && !slices.Contains(contract.Programs, s.program):
		return settings{}, fmt.Errorf("-program: unknown program %q, know %s, all", s.program,
			strings.Join(contract.Programs, ", "))
	case s.memoryBytes < 1<<30:
		return settings{}, fmt.Errorf("-memory-mb: %d is less than Flink's least, 1024", *memory)
	case s.events < 0 || s.oursEvents < 0 || s.checkEvents < 0:
		return settings{}, errors.New("-events, -events-ours, -events-check: must not be negative")
	}
	return s, nil
}

func run(ctx context.Context, args []string) error {
	s, err := parseSettings(args)
	if err != nil {
		return err
	}
	if _, err := os.Stat("bench/flink/pom.xml"); err != nil {
		return fmt.Errorf("bench/flink/pom.xml is not here: run benchflink at the project's "+
			"root: %w", err)
	}
	if s.build, err = filepath.Abs(s.build); err != nil {
		return err
	}
	var sides []side
	if s.side != "ours" {
		flink, err := newFlinkSide(ctx, s)
		if err != nil {
			return err
		}
		sides = append(sides, flink)
	}
	if s.side != "flink" {
		ours, err := newOursSide(ctx, s)
		if err != nil {
			return err
		}
		sides = append(sides, ours)
	}
	programs := contract.Programs
	if s.program != "all" {
		programs = []string{s.program}
	}
	for _, program := range programs {
		if err := bench(ctx, s, sides, plans[program]); err != nil {
			return fmt.Errorf("%s: %w", program, err)
		}
	}
	return nil
}
