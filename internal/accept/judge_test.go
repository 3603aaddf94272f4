package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// sample is a module with tests that end in every way.
var sample = map[string]string{
	"go.mod": "module sample\n\ngo 1.26\n",
	"a/a_test.go": `package a

import "testing"

func TestGood(t *testing.T)  { t.Run("sub", func(t *testing.T) {}) }
func TestAlso(t *testing.T)  {}
func TestBad(t *testing.T)   { t.Run("deep", func(t *testing.T) { t.Error("the reason") }) }
func TestNone(t *testing.T)  { t.Run("left", func(t *testing.T) { t.Skip("no server") }) }
`,
	"dies/dies_test.go": `package dies

import "testing"

func TestEnds(t *testing.T) {}
func TestDies(t *testing.T) { panic("the end") }
`,
	"outside/outside_test.go": `package outside

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) { m.Run(); os.Stdout.WriteString("left behind\n"); os.Exit(1) }
func TestFine(t *testing.T) {}
`,
	"broken/broken_test.go": `package broken

import "testing"

func TestX(t *testing.T) { undefined() }
`,
	"plain/plain.go": "package plain\n",
}

// writeSample puts the sample module into a temporary folder.
func writeSample(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range sample {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestJudge runs a table over the sample module, with one run per package: PASS only for what ran
// and passed, in the order of the table, and no test fails an entry that does not name it.
func TestJudge(t *testing.T) {
	checks := []struct {
		line string   // point, package and tests; R<n> is added in front, what it shows behind
		want []string // parts of the report, in order
	}{
		{"./a | TestGood TestAlso", []string{"PASS  R0     shows 0 ("}},
		{"./a | TestGood/sub", []string{"PASS"}},
		{"cmd: echo a; echo b | ^b$", []string{"PASS"}},
		{"./a | TestGood TestGone", []string{"FAIL  R3", "no test TestGone ran in ./a"}},
		{"./a | TestBad", []string{"FAIL", "TestBad/deep failed", "the reason"}},
		{"./a | TestNone", []string{"FAIL", "TestNone/left was skipped", "no server"}},
		{"./a | TestGood/gone", []string{"FAIL", "no test TestGood/gone ran"}},
		{"./dies | TestDies", []string{"FAIL", "TestDies failed", "panic: the end"}},
		{"./outside | TestFine", []string{"FAIL", "fails outside of its tests", "left behind"}},
		{"./broken | TestX", []string{"FAIL", "./broken does not build", "undefined"}},
		{"./plain | TestX", []string{"FAIL", "no test TestX ran in ./plain"}},
		{"./missing | TestX", []string{"FAIL", "missing"}},
		{"cmd: echo a | ^b$", []string{"FAIL", `does not match "(?m)^b$"`, "| a"}},
		{"cmd: echo why; exit 3 | ", []string{"FAIL", "exit status 3", "| why"}},
		{"cmd: test -f go.mod | ", []string{"PASS"}},
	}
	var table strings.Builder
	failures := 0
	for i, c := range checks {
		fmt.Fprintf(&table, "R%d | %s | shows %d\n", i, c.line, i)
		if c.want[0][:4] == "FAIL" {
			failures++
		}
	}
	report, status := judgeTable(t, writeSample(t), table.String())
	if status != exitFail {
		t.Errorf("status %d, want %d", status, exitFail)
	}
	if want := fmt.Sprintf("sample: %d checks, %d passed, %d failed\n", len(checks),
		len(checks)-failures, failures); !strings.HasSuffix(report, want) {
		t.Errorf("the report does not end in %q", want)
	}
	blocks := regexp.MustCompile(`(?m)^(PASS|FAIL|sample:)`).FindAllStringIndex(report, -1)
	if len(blocks) != len(checks)+1 {
		t.Fatalf("%d verdicts, want %d:\n%s", len(blocks)-1, len(checks), report)
	}
	for i, c := range checks {
		block := report[blocks[i][0]:blocks[i+1][0]]
		rest := block
		for _, part := range c.want {
			_, after, ok := strings.Cut(rest, part)
			if !ok || !strings.Contains(block, fmt.Sprintf("shows %d", i)) {
				t.Errorf("%s: the report lacks %q:\n%s", c.line, part, block)
				break
			}
			rest = after
		}
	}
}

// TestJudgePasses: only a table of which every entry holds ends with status 0.
func TestJudgePasses(t *testing.T) {
	table := "R1 | ./a | TestGood | one\nR2 | cmd: true | | two"
	report, status := judgeTable(t, writeSample(t), table)
	if status != exitPass || !strings.HasSuffix(report, "sample: 2 checks, 2 passed, 0 failed\n") {
		t.Errorf("status %d, report\n%s", status, report)
	}
}

func TestJudgeStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	entries, err := parseTable("R1 | ./a | TestGood | x\nR2 | cmd: true | | y")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	opts := options{root: writeSample(t), timeout: time.Minute}
	if status := judge(ctx, "sample", entries, opts, &out, io.Discard); status != exitFail {
		t.Errorf("a cancelled run ends with status %d:\n%s", status, &out)
	}
}

// judgeTable runs a table over a module and returns the report and the exit status.
func judgeTable(t *testing.T, root, table string) (string, int) {
	t.Helper()
	entries, err := parseTable(table)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	opts := options{root: root, timeout: time.Minute}
	status := judge(t.Context(), "sample", entries, opts, &out, io.Discard)
	return out.String(), status
}

func TestRunRefuses(t *testing.T) {
	for _, c := range []struct {
		args string
		want string
	}{
		{"", "want the name of one table: engine"},
		{"nonsense", `no table "nonsense": want one of engine`},
		{"engine more", "want the name of one table"},
		{"-points nobody engine", "no entry for these points"},
		{"-points ( engine", "-points:"},
		{"-nonsense engine", "flag provided but not defined"},
	} {
		var progress bytes.Buffer
		status := run(t.Context(), strings.Fields(c.args), io.Discard, &progress)
		if status != exitUsage || !strings.Contains(progress.String(), c.want) {
			t.Errorf("accept %s: status %d, said %q", c.args, status, progress.String())
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var end tail
	for range maxOutputLines {
		end.add("early\n")
	}
	end.add("late\nlast\n")
	if n := len(end.lines); n != maxOutputLines || end.lines[n-1] != "last" {
		t.Errorf("%d lines, the last %q", n, end.lines[n-1])
	}
}
