package main

import (
	"fmt"
	"regexp"
	"strings"
)

// commandMark begins the second column of an entry that is a command.
const commandMark = "cmd:"

// entry is one line of a table.
type entry struct {
	line    int
	point   string // the requirement
	shows   string // what passing shows
	pkg     string // "./folder", or "" for a command
	tests   []testPattern
	command string
	output  *regexp.Regexp // what the command's output must match, or nil
}

// testPattern is one expression for names of tests, element by element.
type testPattern struct {
	text     string
	elements []*regexp.Regexp
}

// parseTable reads a table. Errors name the line.
func parseTable(data string) ([]entry, error) {
	var entries []entry
	number := 0
	for line := range strings.Lines(data) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		e, err := parseEntry(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		e.line = number
		entries = append(entries, e)
	}
	return entries, nil
}

// parseEntry reads one line with its four columns.
func parseEntry(line string) (entry, error) {
	const bar = "\x00" // stands for \|, which divides nothing
	columns := strings.Split(strings.ReplaceAll(line, `\|`, bar), "|")
	last := len(columns) - 1
	if last < 3 {
		return entry{}, fmt.Errorf("%d columns, want: point | package | tests | what it shows",
			last+1)
	}
	second := strings.TrimSpace(columns[1])
	isCommand := strings.HasPrefix(second, commandMark)
	if !isCommand && last > 3 {
		return entry{}, fmt.Errorf("%d columns, want 4: separate tests by blanks, not by |", last+1)
	}
	e := entry{point: strings.TrimSpace(columns[0]), shows: strings.TrimSpace(columns[last])}
	if e.point == "" || e.shows == "" {
		return entry{}, fmt.Errorf("the point and what it shows must not be empty")
	}
	third := strings.ReplaceAll(strings.TrimSpace(columns[last-1]), bar, "|")
	if isCommand {
		// A command may hold | itself: what is between the first and the last two columns.
		text := strings.ReplaceAll(strings.Join(columns[1:last-1], "|"), bar, `\|`)
		_, command, _ := strings.Cut(text, commandMark)
		if e.command = strings.TrimSpace(command); e.command == "" {
			return entry{}, fmt.Errorf("%s without a command", commandMark)
		}
		if third == "" {
			return e, nil
		}
		var err error
		if e.output, err = regexp.Compile("(?m)" + third); err != nil {
			return entry{}, fmt.Errorf("the command's output: %w", err)
		}
		return e, nil
	}
	if !strings.HasPrefix(second, "./") || strings.Contains(second, "...") {
		return entry{}, fmt.Errorf("package %q: want one folder, such as ./core/state", second)
	}
	e.pkg = strings.TrimSuffix(second, "/")
	var err error
	e.tests, err = parsePatterns(third)
	return e, err
}

// parsePatterns reads the tests of an entry.
func parsePatterns(column string) ([]testPattern, error) {
	var patterns []testPattern
	for _, text := range strings.Fields(column) {
		p := testPattern{text: text}
		for element := range strings.SplitSeq(text, "/") {
			re, err := regexp.Compile("^(?:" + element + ")$")
			if err != nil {
				return nil, fmt.Errorf("test %q: %w", text, err)
			}
			p.elements = append(p.elements, re)
		}
		patterns = append(patterns, p)
	}
	if len(patterns) == 0 {
		return nil, fmt.Errorf("no test is named")
	}
	return patterns, nil
}

// matches says whether the pattern stands for the test of this name.
func (p testPattern) matches(name string) bool {
	elements := strings.Split(name, "/")
	if len(elements) != len(p.elements) {
		return false
	}
	for i, e := range elements {
		if !p.elements[i].MatchString(e) {
			return false
		}
	}
	return true
}

// top is the expression for the top-level tests that the pattern needs.
func (p testPattern) top() string {
	first, _, _ := strings.Cut(p.text, "/")
	return first
}

// selectPoints keeps the entries whose point matches; a nil expression keeps all.
func selectPoints(entries []entry, points *regexp.Regexp) []entry {
	if points == nil {
		return entries
	}
	var kept []entry
	for _, e := range entries {
		if points.MatchString(e.point) {
			kept = append(kept, e)
		}
	}
	return kept
}
