package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The name of a program may hold blanks and parentheses.
func TestStartTicks(t *testing.T) {
	rest := " S 1 2 3 0 -1 4194304 257 141 0 1 0 0 0 0 20 0 4 0 2612740 1256689664 596 0"
	for _, name := range []string{"pf", "a b", "a) S 1 2 (b", ")"} {
		if n, err := startTicks([]byte("17 (" + name + ")" + rest)); n != 2612740 || err != nil {
			t.Errorf("%q: %d, %v", name, n, err)
		}
	}
	words := "17 (pf)" + strings.Repeat(" x", 30)
	for _, bad := range []string{"", "17 pf S", "17 (pf) S 1 2", words} {
		if n, err := startTicks([]byte(bad)); err == nil {
			t.Errorf("%q: %d", bad, n)
		}
	}
}

// The tail of a file is bounded in lines and bytes, and a missing file has none.
func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "err")
	if got := tail(path); got != "" {
		t.Errorf("a missing file ends with %q", got)
	}
	long := strings.Repeat("x", MaxTailBytes)
	for contents, want := range map[string]string{
		"": "", "one\n": "one", "one\ntwo\n\n": "one\ntwo", "gone\n" + long: long,
		strings.Repeat("line\n", 100): strings.TrimSpace(strings.Repeat("line\n", MaxTailLines)),
	} {
		if err := os.WriteFile(path, []byte(contents), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := tail(path); got != want {
			t.Errorf("%d bytes end with %q", len(contents), got)
		}
	}
}
