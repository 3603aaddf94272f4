// Command accept shows, point by point, what the project demonstrably does.
//
//	go run ./internal/accept [flags] engine
//
// It reads a table of requirements (engine.txt beside this file), runs the tests or commands that
// stand for each, and prints one PASS or FAIL line per entry. A named test that does not exist, was
// skipped or did not come to its end is a FAIL. The exit status is 0 when every entry passes, 1
// when one fails and 2 when the table or the command line is wrong.
//
// A line of a table has four columns:
//
//	point | package | tests  | what it shows
//	point | cmd: shell command | output | what it shows
//
// The package is a folder of the module (./internal/lint). Tests are regular expressions separated
// by blanks; each stands for whole names, element by element as in go test -run (TestA/sub.* is one
// subtest level below TestA), and must find at least one test. A command runs in the module's root;
// it passes when it ends with status 0 and its output matches the expression in the third column,
// which may be empty and has \| for |; what matches is printed as its figures. # begins a comment
// line.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

//go:embed *.txt
var tables embed.FS

// The exit statuses.
const (
	exitPass  = 0
	exitFail  = 1
	exitUsage = 2
)

// options are what the command line sets.
type options struct {
	points  *regexp.Regexp // only entries whose point matches as a whole; nil for all
	tags    string         // build tags of the tests
	timeout time.Duration  // of one package's tests, or of one command
	root    string         // the module's root
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process around it.
func run(ctx context.Context, args []string, out, progress io.Writer) int {
	entries, opts, name, err := prepare(args, progress)
	if errors.Is(err, flag.ErrHelp) {
		return exitPass
	}
	if err == nil {
		opts.root, err = moduleRoot(ctx)
	}
	if err != nil {
		fmt.Fprintf(progress, "accept: %v\n", err)
		return exitUsage
	}
	return judge(ctx, name, entries, opts, out, progress)
}

// prepare reads the command line and the table it names.
func prepare(args []string, progress io.Writer) ([]entry, options, string, error) {
	var opts options
	flags := flag.NewFlagSet("accept", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.Usage = func() {
		fmt.Fprintf(progress, "usage: accept [flags] TABLE\ntables: %s\n", tableNames())
		flags.PrintDefaults()
	}
	points := flags.String("points", "", "run only the points that match this regular expression")
	flags.StringVar(&opts.tags, "tags", "invariants", "build tags of the tests")
	flags.DurationVar(&opts.timeout, "timeout", 30*time.Minute, "limit for one package or command")
	if err := flags.Parse(args); err != nil {
		return nil, opts, "", err
	}
	if flags.NArg() != 1 {
		return nil, opts, "", fmt.Errorf("want the name of one table: %s", tableNames())
	}
	if *points != "" {
		var err error
		if opts.points, err = regexp.Compile("^(?:" + *points + ")$"); err != nil {
			return nil, opts, "", fmt.Errorf("-points: %w", err)
		}
	}
	name := flags.Arg(0)
	data, err := tables.ReadFile(name + ".txt")
	if err != nil {
		return nil, opts, "", fmt.Errorf("no table %q: want one of %s", name, tableNames())
	}
	entries, err := parseTable(string(data))
	if err != nil {
		return nil, opts, "", fmt.Errorf("%s.txt: %w", name, err)
	}
	entries = selectPoints(entries, opts.points)
	if len(entries) == 0 {
		return nil, opts, "", fmt.Errorf("%s.txt has no entry for these points", name)
	}
	return entries, opts, name, nil
}

// tableNames lists the tables that are built in.
func tableNames() string {
	files, err := tables.ReadDir(".")
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".txt"))
	}
	return strings.Join(names, ", ")
}

// moduleRoot returns the root of the module around the working directory.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	file := strings.TrimSpace(string(out))
	if filepath.Base(file) != "go.mod" {
		return "", errors.New("no module around the working directory: run it in the repository")
	}
	return filepath.Dir(file), nil
}
