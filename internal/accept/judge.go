package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// judge runs all entries, each package once, and prints the verdicts in the order of the table.
func judge(ctx context.Context, name string, entries []entry, opts options,
	out, progress io.Writer) int {
	verdicts := make([]verdict, len(entries))
	for i, e := range entries {
		switch {
		case e.command != "":
			fmt.Fprintf(progress, "accept: %s\n", e.command)
			verdicts[i] = runCommand(ctx, opts, e)
		case firstOfPackage(entries, i):
			judgePackage(ctx, entries, i, opts, verdicts, progress)
		}
	}
	failed := 0
	for i, e := range entries {
		failed += report(out, e, verdicts[i])
	}
	fmt.Fprintf(out, "%s: %d checks, %d passed, %d failed\n",
		name, len(entries), len(entries)-failed, failed)
	if failed > 0 {
		return exitFail
	}
	return exitPass
}

// firstOfPackage says whether entry i is the first of its package.
func firstOfPackage(entries []entry, i int) bool {
	for _, e := range entries[:i] {
		if e.pkg == entries[i].pkg {
			return false
		}
	}
	return true
}

// judgePackage runs the tests of all entries of one package together; first is the first of them.
func judgePackage(ctx context.Context, entries []entry, first int, opts options,
	verdicts []verdict, progress io.Writer) {
	pkg := entries[first].pkg
	var patterns []testPattern
	for _, e := range entries[first:] {
		if e.pkg == pkg {
			patterns = append(patterns, e.tests...)
		}
	}
	fmt.Fprintf(progress, "accept: tests of %s\n", pkg)
	run := runPackage(ctx, opts, pkg, patterns)
	for i, e := range entries {
		if e.pkg == pkg {
			verdicts[i] = judgeTests(e, run)
		}
	}
}

// runCommand runs the command of an entry.
func runCommand(ctx context.Context, opts options, e entry) verdict {
	ctx, cancel := context.WithTimeout(ctx, opts.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", e.command)
	cmd.Dir = opts.root
	cmd.WaitDelay = 10 * time.Second
	start := time.Now()
	text, err := cmd.CombinedOutput()
	v := verdict{err: err, elapsed: time.Since(start)}
	if e.output != nil {
		v.figures = strings.Join(strings.Fields(string(e.output.Find(text))), " ")
	}
	switch {
	case ctx.Err() != nil:
		v.err = fmt.Errorf("%s: %w", e.command, ctx.Err())
	case err != nil:
		v.err = fmt.Errorf("%s: %w", e.command, err)
	case e.output != nil && !e.output.Match(text):
		v.err = fmt.Errorf("%s: its output does not match %q", e.command, e.output)
	}
	if v.err != nil {
		var end tail
		end.add(string(text))
		v.output = end.lines
	}
	return v
}

// report prints the verdict on one entry and returns 1 when it fails.
func report(out io.Writer, e entry, v verdict) int {
	if v.err == nil {
		figures := ""
		if v.figures != "" {
			figures = ": " + v.figures
		}
		fmt.Fprintf(out, "PASS  %-6s %s%s (%.2fs)\n", e.point, e.shows, figures,
			v.elapsed.Seconds())
		return 0
	}
	fmt.Fprintf(out, "FAIL  %-6s %s: %v (line %d)\n", e.point, e.shows, v.err, e.line)
	if len(v.output) > 0 {
		fmt.Fprintf(out, "      | %s\n", strings.Join(v.output, "\n      | "))
	}
	return 1
}
