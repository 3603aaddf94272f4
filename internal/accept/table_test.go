package main

import (
	"strings"
	"testing"
)

func TestParseTable(t *testing.T) {
	entries, err := parseTable(`
# point | package | tests | what it shows
R1 | ./core/state | TestA TestB/sub.* | it works
R2 | cmd: echo a | wc -l || true | ^1$ | counting
R3 | cmd: true || false | | the last column
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 {
		t.Fatalf("%d entries, want 3", len(entries))
	}
	a, b, c := entries[0], entries[1], entries[2]
	if a.point != "R1" || a.pkg != "./core/state" || len(a.tests) != 2 || a.shows != "it works" ||
		a.line != 3 {
		t.Errorf("got %+v", a)
	}
	if b.command != "echo a | wc -l || true" || b.output.String() != "(?m)^1$" || b.pkg != "" {
		t.Errorf("got %+v", b)
	}
	if c.command != "true || false" || c.output != nil {
		t.Errorf("got %+v", c)
	}
}

func TestParseTableRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"R1 | ./a | TestA":             "line 1: 3 columns",
		"R1 | ./a | TestA|TestB | x":   "separate tests by blanks",
		"R1 | ./a/... | TestA | x":     "want one folder",
		"R1 | a | TestA | x":           "want one folder",
		"R1 | ./a | | x":               "no test is named",
		"R1 | ./a | Test( | x":         `test "Test("`,
		" | ./a | TestA | x":           "must not be empty",
		"R1 | ./a | TestA | ":          "must not be empty",
		"R1 | cmd: | | x":              "without a command",
		"R1 | cmd: true | ( | x":       "the command's output",
		"\n\nR1 | ./a | TestA TestB x": "line 3",
	} {
		if _, err := parseTable(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want it to say %q", line, err, want)
		}
	}
}

func TestPatternMatches(t *testing.T) {
	patterns, err := parsePatterns("TestA TestB/sub.*/x")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]bool{
		"TestA":           {true, false},
		"TestAB":          {false, false},
		"TestA/sub":       {false, false},
		"TestB/sub_one/x": {false, true},
		"TestB/sub/x/y":   {false, false},
		"TestB/su/x":      {false, false},
	} {
		if got := [2]bool{patterns[0].matches(name), patterns[1].matches(name)}; got != want {
			t.Errorf("%s: got %t, want %t", name, got, want)
		}
	}
}

// TestTables reads the tables that are built in: a fault in them shows here, not at the release.
func TestTables(t *testing.T) {
	files, err := tables.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := tables.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if entries, err := parseTable(string(data)); err != nil || len(entries) == 0 {
			t.Errorf("%s: %d entries, error %v", f.Name(), len(entries), err)
		}
	}
}
