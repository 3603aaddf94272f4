package invariant

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// outcome is what one broken invariant did: it returned err, or it panicked with it.
type outcome struct {
	err      error
	panicked bool
}

// provoke runs f and catches its panic.
func provoke(f func() error) (got outcome) {
	defer func() {
		if r := recover(); r != nil {
			got.err, _ = r.(error)
			got.panicked = true
		}
	}()
	got.err = f()
	return got
}

// TestBroken runs in both builds: the error is the same, and only under the tag it is a panic.
func TestBroken(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func() error
		want string
	}{
		{"check", func() error { return Check(1 > 2, "one is %d", 1) }, "one is 1"},
		{"brokenf", func() error { return Brokenf("lost %q", "x") }, `lost "x"`},
		{"wrapped", func() error { return Brokenf("reading: %w", io.EOF) }, "reading: EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := provoke(c.run)
			if got.err == nil {
				t.Fatal("a broken invariant went unnoticed")
			}
			if got.panicked != Enabled {
				t.Errorf("panicked: %t, want %t", got.panicked, Enabled)
			}
			if !errors.Is(got.err, ErrBroken) {
				t.Errorf("%v is not marked as a broken invariant", got.err)
			}
			text := got.err.Error()
			if !strings.HasPrefix(text, "broken invariant at invariant/invariant_test.go:") ||
				!strings.HasSuffix(text, ": "+c.want) {
				t.Errorf("got %q, want the place of the check and %q", text, c.want)
			}
			if c.name == "wrapped" && !errors.Is(got.err, io.EOF) {
				t.Error("the wrapped error is hidden")
			}
		})
	}
}

func TestHolds(t *testing.T) {
	if got := provoke(func() error { return Check(2 > 1, "unused %d", 1) }); got != (outcome{}) {
		t.Errorf("an invariant that holds gave %+v", got)
	}
}

func TestShortPath(t *testing.T) {
	for in, want := range map[string]string{
		"goflink/runtime/slotpool/pool.go": "slotpool/pool.go",
		"/a/pool.go":                       "a/pool.go",
		"a/pool.go":                        "a/pool.go",
		"pool.go":                          "pool.go",
	} {
		if got := shortPath(in); got != want {
			t.Errorf("shortPath(%q) = %q, want %q", in, got, want)
		}
	}
}

// BenchmarkCheck shows what a check that holds costs: compare with the written-out condition.
func BenchmarkCheck(b *testing.B) {
	last, seq := 1, 2
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			seq++
			if err := Check(seq > last, "sequence went from %d back to %d", last, seq); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("written-out", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			seq++
			if seq <= last {
				b.Fatal(Brokenf("sequence went from %d back to %d", last, seq))
			}
		}
	})
}
