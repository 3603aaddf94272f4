package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// maxOutputLines is how much of a failed test's or command's output is kept: its end.
const maxOutputLines = 60

// Actions of `go test -json` (go doc test2json, go help buildjson).
const (
	actionRun         = "run"
	actionPass        = "pass"
	actionFail        = "fail"
	actionSkip        = "skip"
	actionOutput      = "output"
	actionBuildOutput = "build-output"
)

// event is one line of `go test -json`.
type event struct {
	Action      string
	Test        string
	Output      string
	Elapsed     float64 // seconds
	FailedBuild string
}

// tail keeps the last lines of an output.
type tail struct{ lines []string }

func (t *tail) add(text string) {
	for line := range strings.Lines(text) {
		if len(t.lines) == maxOutputLines {
			t.lines = slices.Delete(t.lines, 0, 1)
		}
		t.lines = append(t.lines, strings.TrimRight(line, "\r\n"))
	}
}

// testRun is what became of one test.
type testRun struct {
	action  string // pass, fail, skip; "" for a test that did not end
	elapsed time.Duration
	output  tail
}

// packageRun is what became of the tests of one package.
type packageRun struct {
	tests   map[string]*testRun
	order   []string // names in the order in which they began
	outside tail     // output of the build and of the package, not of a test
	noBuild bool
	err     error // of the go command as a whole, nil when all is well
}

// runPackage runs the tests of one package that the patterns need.
func runPackage(ctx context.Context, opts options, pkg string, patterns []testPattern) *packageRun {
	var tops []string
	for _, p := range patterns {
		if !slices.Contains(tops, p.top()) {
			tops = append(tops, p.top())
		}
	}
	args := []string{"test", "-json", "-count=1", "-timeout=" + opts.timeout.String()}
	if opts.tags != "" {
		args = append(args, "-tags="+opts.tags)
	}
	args = append(args, "-run=^(?:"+strings.Join(tops, "|")+")$", pkg)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = opts.root
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	run := readEvents(stdout.Bytes())
	run.outside.add(stderr.String())
	if run.err = err; ctx.Err() != nil {
		run.err = ctx.Err()
	}
	return run
}

// readEvents collects what `go test -json` printed. Lines that are no event are output of the
// package.
func readEvents(data []byte) *packageRun {
	run := &packageRun{tests: map[string]*testRun{}}
	for line := range bytes.Lines(data) {
		var ev event
		if json.Unmarshal(line, &ev) != nil {
			run.outside.add(string(line))
			continue
		}
		if ev.Test == "" {
			run.noBuild = run.noBuild || ev.FailedBuild != ""
			if ev.Action == actionOutput || ev.Action == actionBuildOutput {
				run.outside.add(ev.Output)
			}
			continue
		}
		test := run.tests[ev.Test]
		if test == nil {
			test = &testRun{}
			run.tests[ev.Test] = test
			run.order = append(run.order, ev.Test)
		}
		switch ev.Action {
		case actionOutput:
			test.output.add(ev.Output)
		case actionPass, actionFail, actionSkip:
			test.action = ev.Action
			test.elapsed = time.Duration(ev.Elapsed * float64(time.Second))
		case actionRun:
			test.action = ""
		}
	}
	return run
}

// verdict is the outcome of one entry.
type verdict struct {
	err     error // why it fails; nil when it passes
	elapsed time.Duration
	figures string   // what was measured: the matched output of a command, or the number of seeds
	output  []string // of what failed
}

// judgeTests decides on an entry by the run of its package.
func judgeTests(e entry, run *packageRun) verdict {
	if run.noBuild {
		return verdict{err: fmt.Errorf("%s does not build", e.pkg), output: run.outside.lines}
	}
	var v verdict
	seeds := 0
	for _, p := range e.tests {
		found := 0
		for _, name := range run.order {
			if !p.matches(name) {
				continue
			}
			found++
			v.elapsed += run.tests[name].elapsed
			seeds += run.seeds(name)
			if v.output, v.err = run.whole(name); v.err != nil {
				return v
			}
		}
		if found == 0 {
			v.err, v.output = fmt.Errorf("no test %s ran in %s", p.text, e.pkg), run.outside.lines
			return v
		}
	}
	if seeds > 0 {
		v.figures = fmt.Sprintf("%d seeds", seeds)
	}
	if run.err != nil && !run.testFailed() {
		v.err = fmt.Errorf("%s fails outside of its tests: %w", e.pkg, run.err)
		v.output = run.outside.lines
	}
	return v
}

// seeds counts the seeds that a test ran with (testkit.EachSeed).
func (run *packageRun) seeds(name string) int {
	n := 0
	for _, sub := range run.order {
		if strings.HasPrefix(sub, name+"/seed=") &&
			strings.Count(sub, "/") == strings.Count(name, "/")+1 {
			n++
		}
	}
	return n
}

// whole says why a test, with all its subtests, did not pass, and what it printed.
func (run *packageRun) whole(name string) (output []string, err error) {
	for _, sub := range run.order {
		if sub != name && !strings.HasPrefix(sub, name+"/") {
			continue
		}
		test := run.tests[sub]
		switch test.action {
		case actionPass:
			continue
		case actionSkip:
			return test.output.lines, fmt.Errorf("%s was skipped", sub)
		case actionFail:
			if deeper := run.failedBelow(sub); deeper != "" {
				return run.tests[deeper].output.lines, fmt.Errorf("%s failed", deeper)
			}
			return test.output.lines, fmt.Errorf("%s failed", sub)
		default:
			output := slices.Concat(test.output.lines, run.outside.lines)
			return output, fmt.Errorf("%s did not end", sub)
		}
	}
	return nil, nil
}

// failedBelow returns the innermost failed subtest, whose output says most, or "".
func (run *packageRun) failedBelow(name string) string {
	deepest := ""
	for _, sub := range run.order {
		if strings.HasPrefix(sub, name+"/") && run.tests[sub].action == actionFail &&
			(deepest == "" || strings.HasPrefix(sub, deepest+"/")) {
			deepest = sub
		}
	}
	return deepest
}

// testFailed says whether a test explains why the go command failed.
func (run *packageRun) testFailed() bool {
	for _, test := range run.tests {
		if test.action != actionPass && test.action != actionSkip {
			return true
		}
	}
	return false
}
