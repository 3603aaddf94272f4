package reading_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"goflink/core/filesystem"
	"goflink/internal/testkit"
	"goflink/operator/reading"
	"goflink/runtime/memfs"
)

// memory returns a file system in memory with some files.
func memory(t testing.TB, contents map[string]string) (*memfs.FS, *filesystem.Registry) {
	t.Helper()
	fs := memfs.New(memfs.Options{})
	files, err := filesystem.NewRegistry("mem:///")
	if err != nil {
		t.Fatal(err)
	}
	err = files.Register("mem", func(context.Context, string) (filesystem.FileSystem, error) {
		return fs, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for p, c := range contents {
		put(t, fs, p, c)
	}
	return fs, files
}

func put(t testing.TB, fs *memfs.FS, p, contents string) {
	t.Helper()
	if err := fs.MkdirAll(t.Context(), path.Dir(p)); err != nil {
		t.Fatal(err)
	}
	w, err := fs.Create(t.Context(), p)
	if err == nil {
		_, err = w.Write([]byte(contents))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func zipped(t testing.TB, contents string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(contents))
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// linesOf is the reference: what lines a text has.
func linesOf(text string) []string {
	if text == "" {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	return lines
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s:\ngot  %q\nwant %q", what, got, want)
	}
}

var texts = []string{
	"", "\n", "\n\n\n", "a", "a\n", "a\nb", "a\r\nb\r\n", "\r\n\r\n", "a\n\n\nbcd\n", "\na", "\r",
	"a\r",
	"one\r\ntwo\n\nfour, longer than the parts\nfive\r\n\r\nno end", "é\nü\n",
}

// TestTextParts: R37: wherever a file is cut into parts, each line comes once, in order.
func TestTextParts(t *testing.T) {
	for _, text := range texts {
		_, files := memory(t, map[string]string{"/in": text})
		for size := 1; size <= len(text)+1; size++ {
			src := reading.TextFile{Files: files, Path: "/in", SplitBytes: int64(size)}
			r := newRig(t, src, 1, nil)
			r.read(3)
			equal(t, fmt.Sprintf("%q in parts of %d", text, size), r.values(), linesOf(text))
			if !r.ended() {
				t.Fatal("the reader did not end")
			}
			if got := r.readers[0].control; len(got) > 0 {
				t.Fatalf("without a strategy there came %q", got)
			}
			r.close()
		}
	}
}

// TestTextRestore: R37, R62: taken up again at any point, with another parallelism, each line comes
// once.
func TestTextRestore(t *testing.T) {
	for _, text := range texts {
		for _, name := range []string{"/in", "/in.gz"} {
			contents := text
			if name == "/in.gz" {
				contents = zipped(t, text)
			}
			_, files := memory(t, map[string]string{name: contents})
			src := reading.TextFile{Files: files, Path: name, SplitBytes: 5}
			testTextRestore(t, src, text)
		}
	}
}

func testTextRestore(t *testing.T, src reading.TextFile, text string) {
	t.Helper()
	want := slices.Sorted(slices.Values(linesOf(text)))
	for steps := 0; ; steps++ {
		r := newRig(t, src, 2, nil)
		more := true
		for i := 0; i < steps && more; i++ {
			var err error
			more, err = r.step(func(n int) int { return i % n }, 1)
			r.check(err)
		}
		cp := r.checkpoint()
		r.restore(cp, 3)
		r.read(2)
		r.restore(cp, 1)
		r.read(1)
		equal(t, fmt.Sprintf("%q restored after %d steps", text, steps),
			slices.Sorted(slices.Values(r.values())), want)
		r.close()
		if !more {
			return
		}
	}
}

// TestTextBuffer: lines that cross the ends of the buffer and of chunks, of all lengths around
// them.
func TestTextBuffer(t *testing.T) {
	rnd := testkit.Rand(t)
	var text strings.Builder
	for text.Len() < 3<<20 {
		n := []int{0, 1, 50, 254, 255, 256, 257, 1000, 70_000}[rnd.IntN(9)] + rnd.IntN(3)
		text.WriteString(strings.Repeat(string(rune('a'+rnd.IntN(26))), n))
		text.WriteString([]string{"\n", "\r\n"}[rnd.IntN(2)])
	}
	text.WriteString(strings.Repeat("z", 300<<10))
	_, files := memory(t, map[string]string{"/in": text.String(),
		"/in.gz": zipped(t, text.String())})
	want := linesOf(text.String())
	for _, p := range []string{"/in", "/in.gz"} {
		r := newRig(t, reading.TextFile{Files: files, Path: p, SplitBytes: 100_001}, 1, nil)
		r.read(1 + rnd.IntN(1000))
		got := r.values()
		for i := range want {
			if i >= len(got) || got[i] != want[i] {
				t.Fatalf("%s: line %d of %d differs", p, i, len(want))
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %d lines, want %d", p, len(got), len(want))
		}
	}
}

// TestTextPaths: R37: a directory, hidden files, patterns.
func TestTextPaths(t *testing.T) {
	_, files := memory(t, map[string]string{
		"/d/b.txt": "b", "/d/a.txt": "a1\na2", "/d/.hidden": "no", "/d/_SUCCESS": "no",
		"/d/sub/c.txt": "no", "/d/c.gz": zipped(t, "c1\nc2\n"), "/d/empty": "",
	})
	for path, want := range map[string][]string{
		"/d":                 {"a1", "a2", "b", "c1", "c2"},
		"mem:///d/":          {"a1", "a2", "b", "c1", "c2"},
		"/d/*.txt":           {"a1", "a2", "b"},
		"/d/[bc].*":          {"b", "c1", "c2"},
		"/d/?.txt":           {"a1", "a2", "b"},
		"/d/c.gz":            {"c1", "c2"},
		"d/a.txt":            {"a1", "a2"},
		"/d/sub/../b.txt":    {"b"},
		"/d/empty":           nil,
		"mem:///d/sub/c.txt": {"no"},
	} {
		r := newRig(t, reading.TextFile{Files: files, Path: path}, 1, nil)
		r.read(10)
		equal(t, path, r.values(), want)
		r.close()
	}
}

// TestTextErrors: what is wrong is said with the path, before the job and while it runs.
func TestTextErrors(t *testing.T) {
	fs, files := memory(t, map[string]string{"/d/a.txt": "a\n", "/bad.gz": "this is no gzip file",
		"/cut.gz": zipped(t, strings.Repeat("line\n", 1000))[:40], "/long": strings.Repeat("x",
			101)})
	if err := fs.MkdirAll(t.Context(), "/closed"); err != nil {
		t.Fatal(err)
	}
	fs.SetFault(func(op memfs.Op) error {
		if op.Path == "/closed" && op.Kind == memfs.OpList ||
			op.Path == "/d/a.txt" && op.Kind == memfs.OpRead {
			return filesystem.ErrPermission
		}
		return nil
	})
	for _, c := range []struct {
		path string
		err  string
		is   error
		// late says that the error is found by reading only.
		late bool
	}{
		{"/none", "/none", filesystem.ErrNotExist, false},
		{"/none/*", "/none", filesystem.ErrNotExist, false},
		{"/d/*.csv", "no file matches /d/*.csv", nil, false},
		{"/d/[", "pattern", nil, false},
		{"/closed", "/closed", filesystem.ErrPermission, false},
		{"s3://x/y", `no file system for the scheme "s3"`, nil, false},
		{"", "empty path", nil, false},
		{"/d/a.txt", "text file /d/a.txt, byte 0", filesystem.ErrPermission, true},
		{"/bad.gz", "/bad.gz", gzip.ErrHeader, true},
		{"/cut.gz", "text file /cut.gz, byte", nil, true},
		{"/long", "text file /long, byte 0: the line is longer than 100 bytes", nil, true},
	} {
		src := reading.TextFile{Files: files, Path: c.path, MaxLineBytes: 100}
		err := src.Check(t.Context())
		if c.late {
			if err != nil {
				t.Errorf("%s: %v", c.path, err)
			}
		} else {
			expectError(t, err, c.is, c.err)
		}
		r := newRig(t, src, 1, nil)
		expectError(t, r.settle(10), c.is, c.err)
		r.close()
	}
	expectError(t, reading.TextFile{Path: "/x"}.Check(t.Context()), nil, "no file systems")
}

// TestTextLineLimit: a line of exactly the limit is read.
func TestTextLineLimit(t *testing.T) {
	for _, end := range []string{"", "\n"} {
		line := strings.Repeat("x", 100)
		_, files := memory(t, map[string]string{"/long": line + end})
		r := newRig(t, reading.TextFile{Files: files, Path: "/long", MaxLineBytes: 100}, 1, nil)
		r.read(1)
		equal(t, "line", r.values(), []string{line})
	}
}

// expectError demands an error that is another one and says something.
func expectError(t *testing.T, err, is error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one with %q", parts)
		return
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("the error is not %q: %v", is, err)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("the error lacks %q: %v", p, err)
		}
	}
}
