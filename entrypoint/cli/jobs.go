package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"goflink/core/id"
	"goflink/core/job"
	"goflink/entrypoint"
	"goflink/runtime/rest/message"
	"goflink/runtime/rest/restclient"
)

// clusterFlags are the options that say which cluster an action is about.
func clusterFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "target", Aliases: []string{"t"},
			Usage: "what kind of cluster: `TARGET` is local-application"},
		&cli.StringSliceFlag{Name: "D", Usage: "set the configuration option `KEY=VALUE`; " +
			"-Dcluster.id=ID says which cluster"},
	}, more...)
}

const jobHelp = `JOB is the job's id, as the action list shows it. The cluster is named by
   -Dcluster.id=ID.`

func (a *App) listCommand() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the jobs of a cluster",
		Description: "Without an option, the jobs that run and those that are being scheduled.",
		Flags: clusterFlags(
			&cli.BoolFlag{Name: "running", Aliases: []string{"r"}, Usage: "only jobs that run"},
			&cli.BoolFlag{Name: "scheduled", Aliases: []string{"s"},
				Usage: "only jobs that are being scheduled"},
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "also jobs that have ended"}),
		OnUsageError: onUsage,
		Action:       a.list,
	}
}

func (a *App) cancelCommand() *cli.Command {
	return &cli.Command{
		Name: "cancel", Usage: "cancel a job", ArgsUsage: "JOB", Description: jobHelp,
		Flags: clusterFlags(&cli.StringFlag{Name: "withSavepoint", Aliases: []string{"s"},
			Usage: "refused: the action stop takes a savepoint and ends the job with it"}),
		OnUsageError: onUsage,
		Action: func(c *cli.Context) error {
			if c.IsSet("withSavepoint") {
				return usagef("option -s: a job is ended with a savepoint by %s stop -p DIR JOB",
					a.Name)
			}
			return a.withJob(c, func(ctx context.Context, j job.Client) error {
				fmt.Fprintf(a.Out, "Cancelling job %s.\n", j.ID())
				if err := j.Cancel(ctx); err != nil {
					return err
				}
				fmt.Fprintf(a.Out, "Cancelled job %s.\n", j.ID())
				return nil
			})
		},
	}
}

// typeFlag is the format of savepoints: there is one.
func typeFlag() cli.Flag {
	return &cli.StringFlag{Name: "type", Value: "canonical",
		Usage: "`FORMAT` of the savepoint: canonical"}
}

func checkType(c *cli.Context) error {
	if t := c.String("type"); t != "canonical" {
		return usagef("option -type %s: savepoints are canonical here", t)
	}
	return nil
}

func (a *App) stopCommand() *cli.Command {
	return &cli.Command{
		Name: "stop", Usage: "end a job with a savepoint", ArgsUsage: "JOB", Description: jobHelp,
		Flags: clusterFlags(typeFlag(),
			&cli.StringFlag{Name: "savepointPath", Aliases: []string{"p"},
				Usage: "`DIR` for the savepoint (default: execution.checkpointing.savepoint-dir)"},
			&cli.BoolFlag{Name: "drain", Aliases: []string{"d"},
				Usage: "bring event time to its end first, so that all windows fire"}),
		OnUsageError: onUsage,
		Action: func(c *cli.Context) error {
			if err := checkType(c); err != nil {
				return err
			}
			return a.withJob(c, func(ctx context.Context, j job.Client) error {
				fmt.Fprintf(a.Out, "Suspending job %q with a CANONICAL savepoint.\n", j.ID())
				path, err := j.Stop(ctx, c.String("savepointPath"), c.Bool("drain"))
				if err != nil {
					return err
				}
				fmt.Fprintf(a.Out, "Savepoint completed. Path: %s\n", path)
				return nil
			})
		},
	}
}

func (a *App) savepointCommand() *cli.Command {
	return &cli.Command{
		Name: "savepoint", Usage: "take a savepoint of a job", ArgsUsage: "JOB [DIR]",
		Description: jobHelp,
		Flags: clusterFlags(typeFlag(),
			&cli.StringFlag{Name: "dispose", Aliases: []string{"d"},
				Usage: "refused: remove the directory of a savepoint to be rid of it"}),
		OnUsageError: onUsage,
		Action: func(c *cli.Context) error {
			if c.IsSet("dispose") {
				return usagef("option -d: savepoints are not disposed of here; remove the " +
					"savepoint's directory")
			}
			if err := checkType(c); err != nil {
				return err
			}
			return a.withJob(c, func(ctx context.Context, j job.Client) error {
				fmt.Fprintf(a.Out, "Triggering savepoint for job %s.\n", j.ID())
				path, err := j.Savepoint(ctx, c.Args().Get(1))
				if err != nil {
					return err
				}
				fmt.Fprintf(a.Out, "Savepoint completed. Path: %s\n", path)
				fmt.Fprintf(a.Out, "A job starts from it with %s run-application -s %s …\n", a.Name,
					path)
				return nil
			})
		},
	}
}

func (a *App) checkpointCommand() *cli.Command {
	return &cli.Command{
		Name: "checkpoint", Usage: "take a checkpoint of a job", ArgsUsage: "JOB",
		Description: jobHelp, Flags: clusterFlags(), OnUsageError: onUsage,
		Action: func(c *cli.Context) error {
			return a.withJob(c, func(ctx context.Context, j job.Client) error {
				fmt.Fprintf(a.Out, "Triggering checkpoint for job %s.\n", j.ID())
				path, err := j.Checkpoint(ctx)
				if err != nil {
					return err
				}
				fmt.Fprintf(a.Out, "Checkpoint completed. Path: %s\n", path)
				return nil
			})
		},
	}
}

// withCluster calls f with a client of the cluster that the options name.
func (a *App) withCluster(c *cli.Context,
	f func(ctx context.Context, client *restclient.Client) error) error {
	conf, err := a.configure(c, "local-application")
	if err != nil {
		return err
	}
	cluster, err := entrypoint.FindLocal(conf)
	if err != nil {
		return err
	}
	client, err := cluster.Client(conf)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	return f(ctx, client)
}

// withJob is withCluster for the job that the first argument names.
func (a *App) withJob(c *cli.Context, f func(ctx context.Context, j job.Client) error) error {
	text := c.Args().First()
	if text == "" {
		return usagef("%s needs a JOB: the id of a job, as %s list shows it", c.Command.Name,
			a.Name)
	}
	j, err := id.ParseJob(text)
	if err != nil {
		return usagef("%q is not the id of a job: %w", text, err)
	}
	return a.withCluster(c, func(ctx context.Context, client *restclient.Client) error {
		return f(ctx, client.Job(j))
	})
}

func (a *App) list(c *cli.Context) error {
	return a.withCluster(c, func(ctx context.Context, client *restclient.Client) error {
		jobs, err := client.Jobs(ctx)
		if err != nil {
			return err
		}
		slices.SortStableFunc(jobs, func(x, y message.JobSummary) int {
			return int(x.Start - y.Start)
		})
		var running, scheduled, ended []message.JobSummary
		for _, j := range jobs {
			switch {
			case j.State.Terminal() || j.State == job.Suspended:
				ended = append(ended, j)
			case j.State == job.Created || j.State == job.Initializing:
				scheduled = append(scheduled, j)
			default:
				running = append(running, j)
			}
		}
		all := c.Bool("all")
		if all || c.Bool("running") || !c.Bool("scheduled") {
			a.section("Running/Restarting Jobs", "No running jobs.", running)
		}
		if all || c.Bool("scheduled") || !c.Bool("running") {
			a.section("Scheduled/Initializing Jobs", "No scheduled jobs.", scheduled)
		}
		if all {
			a.section("Terminated Jobs", "No terminated jobs.", ended)
		}
		return nil
	})
}

// section prints jobs under a heading.
func (a *App) section(heading, none string, jobs []message.JobSummary) {
	if len(jobs) == 0 {
		fmt.Fprintln(a.Out, none)
		return
	}
	const rule = "------------------"
	fmt.Fprintf(a.Out, "%s %s %s\n", rule, heading, rule)
	for _, j := range jobs {
		fmt.Fprintf(a.Out, "%s : %s : %s (%s)\n",
			time.UnixMilli(int64(j.Start)).Format("02.01.2006 15:04:05"), j.ID, j.Name, j.State)
	}
}
