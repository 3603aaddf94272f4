// Package cli is the command line behind flink-yarn and flink-nomad: actions and options are
// those of Flink's own command line where it has them.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"goflink/core/config"
	"goflink/entrypoint"
)

// App describes one of the commands.
type App struct {
	// Name is the command's name, Usage what it is for.
	Name, Usage string
	Out, Err    io.Writer
}

// Main runs the command line with the arguments of the process and exits.
func Main(name, usage string) {
	a := App{Name: name, Usage: usage, Out: os.Stdout, Err: os.Stderr}
	os.Exit(a.Run(os.Args))
}

// exitError carries the exit code of a program that was run.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// usageError is a wrong use of the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// Run runs the command line and returns the exit code: that of the program that was run, 1 after a
// failure, 2 after a wrong use.
func (a *App) Run(args []string) int {
	app := &cli.App{
		Name: a.Name, Usage: a.Usage, Writer: a.Out, ErrWriter: a.Err,
		HideVersion: true, UseShortOptionHandling: false,
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   onUsage,
		Commands: []*cli.Command{a.runCommand(), a.runApplicationCommand(), a.infoCommand(),
			a.listCommand(), a.cancelCommand(), a.stopCommand(), a.savepointCommand(),
			a.checkpointCommand()},
		CommandNotFound: func(*cli.Context, string) {
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				var known []string
				for _, command := range c.App.VisibleCommands() {
					known = append(known, command.Name)
				}
				return usagef("unknown action %q; there are: %s (%s --help)", c.Args().First(),
					strings.Join(known, ", "), a.Name)
			}
			return cli.ShowAppHelp(c)
		},
	}
	err := app.Run(splitDynamic(args))
	var exit *exitError
	var usage *usageError
	switch {
	case err == nil:
		return entrypoint.ExitOK
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &usage):
		fmt.Fprintf(a.Err, "%s: %s\n", a.Name, err)
		return entrypoint.ExitUsage
	}
	fmt.Fprintf(a.Err, "%s: %s\n", a.Name, err)
	return entrypoint.ExitFailed
}

func onUsage(c *cli.Context, err error, _ bool) error {
	return usagef("%w (see %s --help)", err, c.Command.FullName())
}

// switches are the options without a value, by action: the same letter means what it means in Flink
// for that action.
func switches(action string) []string {
	s := []string{"h", "help"}
	switch action {
	case "run", "run-application", "info":
		s = append(s, "d", "detached", "n", "allowNonRestoredState", "sae",
			"shutdownOnAttachedExit")
	case "list":
		s = append(s, "r", "running", "s", "scheduled", "a", "all")
	case "stop":
		s = append(s, "d", "drain")
	}
	return s
}

// splitDynamic turns -Dkey=value into -D key=value, as far as the options of the action go: what
// follows the artifact belongs to the program.
func splitDynamic(args []string) []string {
	out := make([]string, 0, len(args)+4)
	action := ""
	if len(args) > 1 {
		action = args[1]
	}
	plain := switches(action)
	for i := 0; i < len(args); i++ {
		a := args[i]
		if i < 2 {
			out = append(out, a)
			continue
		}
		name := strings.TrimLeft(a, "-")
		switch {
		case !strings.HasPrefix(a, "-") || a == "--" || a == "-":
			return append(out, args[i:]...)
		case strings.HasPrefix(a, "-D") && len(a) > 2:
			out = append(out, "-D", a[2:])
		case slices.Contains(plain, name) || strings.Contains(name, "="):
			out = append(out, a)
		default:
			out = append(out, a)
			if i+1 < len(args) {
				i++
				out = append(out, args[i])
			}
		}
	}
	return out
}

// jobFlags are the options of actions that start a program on one of some targets.
func jobFlags(targets ...string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "target", Aliases: []string{"t"},
			Usage: "where the job runs: `TARGET` is " + strings.Join(targets, " or ") +
				" (default: execution.target)"},
		&cli.StringFlag{Name: "class", Aliases: []string{"c"},
			Usage: "`NAME` of the program, of a binary with several"},
		&cli.IntFlag{Name: "parallelism", Aliases: []string{"p"},
			Usage: "parallelism `N` of operators that are given none"},
		&cli.StringSliceFlag{Name: "D",
			Usage: "set the configuration option `KEY=VALUE`; may be repeated"},
		&cli.StringFlag{Name: "fromSavepoint", Aliases: []string{"s"},
			Usage: "`PATH` of the savepoint or checkpoint that the job starts from"},
		&cli.BoolFlag{Name: "allowNonRestoredState", Aliases: []string{"n"},
			Usage: "skip state of the savepoint that no operator of the job takes"},
	}
}

// configure makes the configuration from the configuration file and the options. targets are those
// that the action knows.
func (a *App) configure(c *cli.Context, targets ...string) (*config.Configuration, error) {
	conf, err := entrypoint.LoadConfig()
	if err != nil {
		return nil, err
	}
	dynamic, err := config.ParseDynamic(c.StringSlice("D"))
	if err != nil {
		return nil, &usageError{err}
	}
	conf.Merge(dynamic)
	set := func(flag string, key string, value string) {
		if c.IsSet(flag) {
			conf.Set(key, value, "-"+flag)
		}
	}
	if c.IsSet("parallelism") && c.Int("parallelism") < 1 {
		return nil, usagef("option -p %d: the parallelism must be at least 1", c.Int("parallelism"))
	}
	set("target", config.ExecutionTarget.Key, c.String("target"))
	set("parallelism", config.ParallelismDefault.Key, fmt.Sprint(c.Int("parallelism")))
	set("fromSavepoint", config.ExecutionSavepointPath.Key, c.String("fromSavepoint"))
	set("allowNonRestoredState", config.ExecutionSavepointIgnoreUnclaimedState.Key, "true")
	if err := conf.Validate(); err != nil {
		return nil, err
	}
	for _, n := range conf.Notices() {
		fmt.Fprintln(a.Err, "note:", n)
	}
	return conf, checkTarget(conf, targets)
}

// checkTarget refuses targets that are not there, by name (R129).
func checkTarget(conf *config.Configuration, known []string) error {
	target, err := config.Get(conf, config.ExecutionTarget)
	if err != nil || target == "" || slices.Contains(known, target) {
		return err
	}
	return usagef("%s=%s (%s): this action has no such target; known targets: %s",
		config.ExecutionTarget.Key, target, config.OriginOf(conf, config.ExecutionTarget),
		strings.Join(known, ", "))
}
