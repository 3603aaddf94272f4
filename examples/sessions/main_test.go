package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"goflink/entrypoint"
	"goflink/internal/testkit"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

// run runs the program over a file with the given lines and returns what it printed, sorted.
func run(t *testing.T, lines []string, args ...string) ([]string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "clicks.txt")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stdout
	os.Stdout = w
	printed := make(chan []byte, 1)
	go func() {
		defer r.Close()
		b, _ := io.ReadAll(r)
		printed <- b
	}()
	err = entrypoint.Run(t.Context(), Sessions, append([]string{"--input", file}, args...), nil)
	os.Stdout = before
	w.Close()
	got := strings.Split(strings.TrimSpace(string(<-printed)), "\n")
	slices.Sort(got)
	return got, err
}

// TestSessions: R43, R57: sessions with a gap of 5 s; a click that is out of order by less than the
// delay joins two of them, one that comes too late goes to the side output.
func TestSessions(t *testing.T) {
	lines := []string{"anna,0", "anna,2000", "ben,3000", "anna,4000", "ben,11000", "ben,7000",
		"anna,20000", "anna,21000", "anna,40000", "anna,1000"}
	got, err := run(t, lines, "--gap", "5s", "--delay", "5s", "--late")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Session{user='anna', start=0, end=9000, clicks=3}",
		"Session{user='anna', start=20000, end=26000, clicks=2}",
		"Session{user='anna', start=40000, end=45000, clicks=1}",
		"Session{user='ben', start=3000, end=16000, clicks=3}",
		"late> Click{user='anna', time=1000}",
	}
	if !slices.Equal(got, want) {
		t.Errorf("printed:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestBadInput: a line that is no click, and arguments that are missing or wrong, are named.
func TestBadInput(t *testing.T) {
	_, err := run(t, []string{"anna,0", "anna;2000"})
	if err == nil || !strings.Contains(err.Error(), `"anna;2000" is not USER,MILLISECONDS`) {
		t.Errorf("a line that is no click: %v", err)
	}
	for args, want := range map[string]string{"": "--input is required",
		"--input x --gap long": `--gap is "long"`, "--input x --delay 5": `--delay is "5"`} {
		err := entrypoint.Run(t.Context(), Sessions, strings.Fields(args), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}
