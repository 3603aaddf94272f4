package entrypoint

import (
	"context"
	"errors"
	"fmt"
	"os"

	"goflink/core/job"
	"goflink/datastream"
	"goflink/graph"
)

// errPlanned is what Execute returns in role plan: the program ends there.
var errPlanned = errors.New("the program was started to show its plan; nothing is executed")

// planner is the executor of role plan: it takes the first job's plan.
type planner struct {
	env    *datastream.Environment
	format string
	plan   []byte
}

// Submit is not reached: the plan is taken before the job is compiled.
func (p *planner) Submit(context.Context, *graph.JobGraph, *graph.Code) (job.Client, error) {
	return nil, errPlanned
}

// Plan is called by Execute with the program as a graph of operators.
func (p *planner) Plan(g *graph.StreamGraph) error {
	var err error
	if p.plan != nil {
		return errPlanned
	}
	switch p.format {
	case "", "json":
		p.plan, err = g.PlanJSON()
	case "text":
		p.plan = []byte(g.PlanText())
	default:
		err = fmt.Errorf("unknown format %q of a plan; known: json, text", p.format)
	}
	if err != nil {
		return err
	}
	return errPlanned
}

// runPlan runs the program up to its first Execute and writes the plan to the launcher.
func runPlan(l *launch, program Program, args []string) int {
	p := &planner{format: l.Format}
	files, err := newFiles()
	if err != nil {
		report(err)
		return ExitFailed
	}
	p.env = datastream.New(context.Background(), datastream.Options{Executor: p, Config: l.config,
		Files: files, Out: os.Stderr})
	err = callProgram(program, p.env, args)
	if p.plan == nil {
		if err == nil {
			err = errors.New("the program ended without a call of Execute, so it has no plan")
		}
		report(err)
		return ExitFailed
	}
	if l.report == nil {
		fmt.Println(string(p.plan))
		return ExitOK
	}
	defer l.report.Close()
	if _, err := l.report.Write(p.plan); err != nil {
		fmt.Fprintln(os.Stderr, "error: the plan cannot be handed to the launcher:", err)
		return ExitFailed
	}
	return ExitOK
}
