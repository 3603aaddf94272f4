package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"goflink/core/job"
	"goflink/entrypoint"
	"goflink/runtime/rest/message"
)

func (a *App) runApplicationCommand() *cli.Command {
	return &cli.Command{
		Name: "run-application", Usage: "run a program in a cluster of its own",
		ArgsUsage: "ARTIFACT [arguments…]",
		Description: artifactHelp + `

   The cluster is made for the program, whose main function runs in the JobManager, and ends with
   it. The command returns once the first job runs; Ctrl-C before that ends the cluster.

   Example: ` + a.Name + ` run-application -t local-application ./examples/wordcount --input README.md`,
		Flags:        jobFlags("local-application"),
		OnUsageError: onUsage,
		Action:       a.runApplication,
	}
}

func (a *App) runApplication(c *cli.Context) error {
	conf, err := a.configure(c, "local-application")
	if err != nil {
		return err
	}
	art, err := a.artifact(c)
	if err != nil {
		return err
	}
	defer art.close()
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := a.progress()
	defer p.end()
	cluster, err := entrypoint.DeployLocal(ctx, entrypoint.Deployment{Artifact: art.path,
		Program: c.String("class"), Args: c.Args().Tail(), Config: conf,
		Mode: entrypoint.ModeApplication, Progress: p.wait})
	if err != nil {
		return err
	}
	first, err := a.awaitJob(ctx, cluster, p)
	p.end()
	if errors.Is(err, errFinished) {
		fmt.Fprintf(a.Out, "The application has finished. Log files: %s\n", cluster.Home)
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "Job %s (%s) is %s.\n", first.ID, first.Name, first.State)
	fmt.Fprintf(a.Out, "Cluster %s: REST interface http://%s, log files in %s\n", cluster.ID,
		cluster.REST, cluster.Home)
	fmt.Fprintf(a.Out, "Cancel the job: %s cancel -Dcluster.id=%s %s\n", a.Name, cluster.ID,
		first.ID)
	return nil
}

// jobPoll is the time between two looks at a job that is starting.
const jobPoll = 20 * time.Millisecond

// errFinished says that the application ended well before its job was seen running.
var errFinished = errors.New("the application has finished")

// awaitJob waits until the first job of a program runs, or has ended. When the user interrupts, the
// cluster is told to end.
func (a *App) awaitJob(ctx context.Context, cluster *entrypoint.LocalCluster, p *progress) (
	j message.JobSummary, err error) {
	client, err := cluster.Client(nil)
	if err != nil {
		return j, err
	}
	defer client.Close()
	tick := time.NewTicker(jobPoll)
	defer tick.Stop()
	for {
		jobs, err := client.Jobs(ctx)
		if err == nil && len(jobs) > 0 {
			switch j = jobs[0]; {
			case j.State == job.Running && j.Tasks["running"]+j.Tasks["finished"] == j.Tasks["total"],
				j.State.Terminal():
				return j, nil
			}
			p.wait(fmt.Sprintf("job %s, which is %s: %d of %d tasks run", j.Name, j.State,
				j.Tasks["running"], j.Tasks["total"]))
		}
		select {
		case <-tick.C:
		case <-cluster.Exited():
			if err := cluster.Died(); err != nil {
				return j, err
			}
			return j, errFinished
		case <-ctx.Done():
			err := client.ShutDown(context.WithoutCancel(ctx))
			return j, errors.Join(errors.New("interrupted before the job ran; the cluster "+
				cluster.ID+" was told to end"), err)
		}
	}
}

