package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"goflink/core/config"
	"goflink/entrypoint"
)

const artifactHelp = `ARTIFACT is a program that calls entrypoint.Main: a binary, or the path of a Go package, which is
   built first (./examples/wordcount). What follows it are the program's own arguments.`

func (a *App) runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "run a program and wait for its jobs",
		ArgsUsage: "ARTIFACT [arguments…]",
		Description: artifactHelp + `

   With the target local the job runs in this process, until it ends; Ctrl-C cancels it. With
   local-per-job each job runs in a cluster of processes of its own; after Ctrl-C it goes on, unless
   -sae was given.

   Example: ` + a.Name + ` run -t local -p 2 ./examples/wordcount --input README.md`,
		Flags: append(jobFlags("local", entrypoint.TargetPerJob),
			&cli.BoolFlag{Name: "detached", Aliases: []string{"d"},
				Usage: "return once the job runs (not with the target local)"},
			&cli.BoolFlag{Name: "shutdownOnAttachedExit", Aliases: []string{"sae"},
				Usage: "cancel the job when this command is interrupted"}),
		OnUsageError: onUsage,
		Action:       a.run,
	}
}

func (a *App) infoCommand() *cli.Command {
	return &cli.Command{
		Name: "info", Usage: "show the plan of a program; nothing is run",
		ArgsUsage:   "ARTIFACT [arguments…]",
		Description: artifactHelp,
		Flags: append(jobFlags("local"), &cli.StringFlag{Name: "format", Value: "json",
			Usage: "`FORMAT` of the plan: json or text"}),
		OnUsageError: onUsage,
		Action:       a.info,
	}
}

func (a *App) run(c *cli.Context) error {
	conf, err := a.configure(c, "local", entrypoint.TargetPerJob)
	if err != nil {
		return err
	}
	target, err := config.Get(conf, config.ExecutionTarget)
	if err != nil {
		return err
	}
	role := entrypoint.RoleLocal
	if target == entrypoint.TargetPerJob {
		role = entrypoint.RoleClient
	} else if c.Bool("detached") {
		return usagef("option -d: a job with the target local lives in this process and cannot " +
			"be detached from it")
	}
	conf.Set(config.ExecutionAttached.Key, fmt.Sprint(!c.Bool("detached")), "option -d")
	if c.Bool("shutdownOnAttachedExit") {
		conf.Set(config.ExecutionShutdownOnAttachedExit.Key, "true", "option -sae")
	}
	art, err := a.artifact(c)
	if err != nil {
		return err
	}
	defer art.close()
	r, err := art.start(a, entrypoint.Launch{Role: role, Program: c.String("class"),
		Config: conf.Entries()}, c.Args().Tail())
	if err != nil {
		return err
	}
	if r.code == 0 && len(r.report) == 0 {
		return fmt.Errorf("%s ended without running a job: it must call entrypoint.Main, and its "+
			"program Execute", art.name)
	}
	if r.code != 0 {
		return &exitError{r.code}
	}
	return nil
}

func (a *App) info(c *cli.Context) error {
	conf, err := a.configure(c, "local")
	if err != nil {
		return err
	}
	format := c.String("format")
	if format != "json" && format != "text" {
		return usagef("option --format %s: known formats are json and text", format)
	}
	art, err := a.artifact(c)
	if err != nil {
		return err
	}
	defer art.close()
	r, err := art.start(a, entrypoint.Launch{Role: entrypoint.RolePlan, Program: c.String("class"),
		Config: conf.Entries(), Format: format}, c.Args().Tail())
	if err != nil {
		return err
	}
	if r.code != 0 {
		return &exitError{r.code}
	}
	if len(r.report) == 0 {
		return fmt.Errorf("%s ended before its program called Execute, so there is no plan; it "+
			"must call entrypoint.Main and must not exit by itself", art.name)
	}
	_, err = fmt.Fprintf(a.Out, "%s\n", r.report)
	return err
}
