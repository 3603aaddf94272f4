package entrypoint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/job"
	"goflink/datastream"
)

// Program builds streams in env and executes them. args are the program's arguments.
type Program func(env *datastream.Environment, args []string) error

// Programs are the programs of one binary by name; flag -c of run chooses one.
type Programs map[string]Program

// Exit codes of a program that runs jobs.
const (
	// ExitOK: all jobs finished.
	ExitOK = 0
	// ExitFailed: a job failed, or the program returned an error.
	ExitFailed = 1
	// ExitUsage: the program was started in a wrong way.
	ExitUsage = 2
	// ExitCancelled: the user interrupted the program, and its job was cancelled (128 + SIGINT).
	ExitCancelled = 130
)

// Main runs the program in the role in which the process was started, and exits. Package
// initialisation before it must have no effect outside of the process.
func Main(programs Programs) {
	os.Exit(run(programs, os.Args[1:]))
}

func run(programs Programs, args []string) int {
	l, err := readLaunch()
	if err == nil {
		err = l.prepare()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return ExitUsage
	}
	switch l.Role {
	case RoleJobManager:
		return runJobManager(l, programs)
	case RoleTaskManager:
		return runWorker(l, programs)
	}
	program, err := programs.choose(l.Program)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return ExitUsage
	}
	switch l.Role {
	case RolePlan:
		return runPlan(l, program, args)
	case RoleLocal:
		return runLocal(l, program, args)
	case RoleClient:
		return runClient(l, program, args)
	}
	fmt.Fprintf(os.Stderr, "error: the launcher wants the role %q, which this program does not "+
		"have: build it with the release of the launcher\n", l.Role)
	return ExitUsage
}

// choose returns the program called name; without a name there must be only one.
func (p Programs) choose(name string) (Program, error) {
	if name == "" && len(p) == 1 {
		for _, only := range p {
			return only, nil
		}
	}
	if f, ok := p[name]; ok {
		return f, nil
	}
	known := strings.Join(sortedNames(p), ", ")
	if name == "" {
		return nil, fmt.Errorf("the binary holds several programs; choose one with -c: %s", known)
	}
	return nil, fmt.Errorf("the binary has no program %q; it has: %s", name, known)
}

// runLocal runs the program on a MiniCluster of this process until it ends or is interrupted.
func runLocal(l *launch, program Program, args []string) int {
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		s, ok := <-signals
		if !ok {
			return
		}
		fmt.Fprintf(os.Stderr, "%s: cancelling the job\n", s)
		stop(errInterrupted)
		if _, ok := <-signals; ok {
			fmt.Fprintln(os.Stderr, "interrupted again: ending at once")
			os.Exit(ExitCancelled)
		}
	}()
	defer close(signals)
	err := runOn(ctx, program, args, l.config, l.executed)
	var cancelled *job.CancelledError
	switch {
	case err == nil:
		return ExitOK
	case context.Cause(ctx) == errInterrupted && (errors.As(err, &cancelled) ||
		errors.Is(err, context.Canceled)):
		fmt.Fprintln(os.Stderr, "the job was cancelled")
		return ExitCancelled
	}
	report(err)
	return ExitFailed
}

var errInterrupted = errors.New("interrupted")

// report prints an error for the user; the stack of a panic in the user's code goes with it.
func report(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	var p *failure.Panic
	if errors.As(err, &p) {
		fmt.Fprintln(os.Stderr, p.Stack)
		return
	}
	var r *failure.Remote
	if errors.As(err, &r) && r.Info().Stack != "" {
		fmt.Fprintln(os.Stderr, r.Info().Stack)
	}
}

// Run runs a program on a MiniCluster of its own, made when the first job is executed, and waits
// for it. It is what tests of user programs call. conf may be nil. When ctx ends, running jobs
// are cancelled.
func Run(ctx context.Context, program Program, args []string, conf *config.Configuration) error {
	if conf == nil {
		conf = config.New()
	}
	return runOn(ctx, program, args, conf, func() {})
}

// runOn is Run with a function that hears of each job that is executed.
func runOn(ctx context.Context, program Program, args []string, conf *config.Configuration,
	executed func()) error {
	files, err := newFiles()
	if err != nil {
		return err
	}
	x := &localExecutor{conf: conf, files: files, executed: executed}
	env := datastream.New(ctx, datastream.Options{Executor: x, Config: conf, Files: files})
	return errors.Join(callProgram(program, env, args), x.close())
}

func callProgram(program Program, env *datastream.Environment, args []string) (err error) {
	defer failure.Catch(&err, failure.User)
	return program(env, args)
}
