package cli

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"goflink/entrypoint"
	"goflink/entrypoint/progress"
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
	p := progress.Start(a.Err)
	defer p.End()
	cluster, err := entrypoint.DeployLocal(ctx, entrypoint.Deployment{Artifact: art.path,
		Program: c.String("class"), Args: c.Args().Tail(), Config: conf,
		Mode: entrypoint.ModeApplication, Progress: p.Wait})
	if err != nil {
		return err
	}
	first, err := cluster.AwaitJob(ctx, p.Wait)
	p.End()
	if err != nil {
		return err
	}
	if first == nil {
		fmt.Fprintf(a.Out, "The application has finished. Log files: %s\n", cluster.Home)
		return nil
	}
	fmt.Fprintf(a.Out, "Job %s (%s) is %s.\n", first.ID, first.Name, first.State)
	fmt.Fprintf(a.Out, "Cluster %s: REST interface http://%s, log files in %s\n", cluster.ID,
		cluster.REST, cluster.Home)
	fmt.Fprintf(a.Out, "Cancel the job: %s cancel -Dcluster.id=%s %s\n", a.Name, cluster.ID,
		first.ID)
	return nil
}
