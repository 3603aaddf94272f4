package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"goflink/bench/contract"
	"goflink/bench/measure"
)

// oursSide runs this project's engine: a command that obeys the contract of bench/README.md.
type oursSide struct {
	command   string
	requested int64
}

var _ side = (*oursSide)(nil)

func newOursSide(ctx context.Context, s settings) (*oursSide, error) {
	if build := strings.Fields(s.oursBuild); len(build) > 0 {
		if _, err := runCommand(ctx, nil, build...); err != nil {
			return nil, fmt.Errorf("build this project's side (-ours-build): %w", err)
		}
	}
	if _, err := os.Stat(s.oursCommand); err != nil {
		return nil, fmt.Errorf("-ours-command: %w", err)
	}
	return &oursSide{command: s.oursCommand, requested: s.oursEvents}, nil
}

func (o *oursSide) name() string { return "ours" }

func (o *oursSide) events(p plan) int64 {
	if o.requested > 0 {
		return o.requested
	}
	return p.oursEvents
}

// run measures the command together with all that it starts.
func (o *oursSide) run(ctx context.Context, j job) (outcome, error) {
	progress, err := contract.CreateProgress(j.Progress, j.Parallelism)
	if err != nil {
		return outcome{}, err
	}
	defer progress.Close()
	command := append([]string{o.command}, j.Args()...)
	p, err := startProcess(j.dir, "ours", nil, command...)
	if err != nil {
		return outcome{}, err
	}
	defer p.stop()
	window, err := j.watch(ctx, p.ended, progress, func() (measure.Usage, error) {
		return measure.Tree(p.pid())
	})
	select {
	case <-p.ended:
		if p.err != nil {
			return outcome{}, fmt.Errorf("%s: %w%s", o.command, p.err, logTail(j.dir, "ours"))
		}
	default:
	}
	if err != nil {
		return outcome{}, err
	}
	if err := j.checkProgress(progress); err != nil {
		return outcome{}, err
	}
	return j.collect(window)
}
