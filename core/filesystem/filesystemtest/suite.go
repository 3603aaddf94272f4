// Package filesystemtest is the conformance suite of core/filesystem: every implementation runs it.
package filesystemtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"goflink/core/filesystem"
)

// Maker returns a file system and an existing, empty directory in it for one test.
type Maker func(t *testing.T) (fs filesystem.FileSystem, dir string)

// Run runs the suite.
func Run(t *testing.T, make Maker) {
	tests := []struct {
		name string
		f    func(*suite)
	}{
		{"CreateIsExclusive", (*suite).createIsExclusive},
		{"CreateNeedsParent", (*suite).createNeedsParent},
		{"OneOfManyCreates", (*suite).oneOfManyCreates},
		{"ReadBack", (*suite).readBack},
		{"ReadAt", (*suite).readAt},
		{"OpenMissing", (*suite).openMissing},
		{"WriterCloses", (*suite).writerCloses},
		{"RenameMoves", (*suite).renameMoves},
		{"RenameNeverOverwrites", (*suite).renameNeverOverwrites},
		{"RenameNeedsParent", (*suite).renameNeedsParent},
		{"RenameDirectory", (*suite).renameDirectory},
		{"OneOfManyRenames", (*suite).oneOfManyRenames},
		{"Remove", (*suite).remove},
		{"RemoveAll", (*suite).removeAll},
		{"MkdirAll", (*suite).mkdirAll},
		{"List", (*suite).list},
		{"ListMany", (*suite).listMany},
		{"Stat", (*suite).stat},
		{"Names", (*suite).names},
		{"InvalidPaths", (*suite).invalidPaths},
		{"CancelledContext", (*suite).cancelledContext},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fs, dir := make(t)
			test.f(&suite{T: t, fs: fs, dir: dir, ctx: t.Context(), make: make})
		})
	}
}

// suite is one test with its file system.
type suite struct {
	*testing.T
	fs   filesystem.FileSystem
	dir  string
	ctx  context.Context
	make Maker
}

func (s *suite) path(elem ...string) string {
	return path.Join(append([]string{s.dir}, elem...)...)
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// is checks that err is want, and says what it is about.
func (s *suite) is(err, want error, about string) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("got error %v, want one that is %v", err, want)
	}
	if !strings.Contains(err.Error(), about) {
		s.Errorf("error %q does not name %q", err, about)
	}
}

func (s *suite) write(p string, contents []byte) {
	s.Helper()
	s.must(write(s.ctx, s.fs, p, contents))
}

func write(ctx context.Context, fs filesystem.FileSystem, p string, contents []byte) error {
	w, err := fs.Create(ctx, p)
	if err != nil {
		return err
	}
	if _, err := w.Write(contents); err != nil {
		return errors.Join(err, w.Close())
	}
	return errors.Join(w.Sync(), w.Close())
}

func (s *suite) read(p string) []byte {
	s.Helper()
	f, err := s.fs.Open(s.ctx, p)
	s.must(err)
	b, err := io.ReadAll(f)
	s.must(err)
	if int64(len(b)) != f.Size() {
		s.Errorf("%s: read %d bytes, Size is %d", p, len(b), f.Size())
	}
	s.must(f.Close())
	return b
}

func (s *suite) wantContents(p, want string) {
	s.Helper()
	if got := s.read(p); string(got) != want {
		s.Errorf("%s contains %q, want %q", p, got, want)
	}
}

func (s *suite) wantAbsent(p string) {
	s.Helper()
	_, err := s.fs.Stat(s.ctx, p)
	s.is(err, filesystem.ErrNotExist, p)
}

func (s *suite) entries(dir string) []string {
	s.Helper()
	var names []string
	for i, err := range s.fs.List(s.ctx, dir) {
		s.must(err)
		names = append(names, i.Name)
	}
	slices.Sort(names)
	return names
}

func (s *suite) createIsExclusive() {
	s.write(s.path("a"), []byte("first"))
	_, err := s.fs.Create(s.ctx, s.path("a"))
	s.is(err, filesystem.ErrExist, s.path("a"))
	s.wantContents(s.path("a"), "first")
	s.must(s.fs.MkdirAll(s.ctx, s.path("d")))
	_, err = s.fs.Create(s.ctx, s.path("d"))
	s.is(err, filesystem.ErrExist, s.path("d"))
}

func (s *suite) createNeedsParent() {
	_, err := s.fs.Create(s.ctx, s.path("missing", "a"))
	s.is(err, filesystem.ErrNotExist, s.path("missing"))
	s.wantAbsent(s.path("missing"))
}

// race runs n calls of f at the same time as parallel subtests and then calls after.
func (s *suite) race(n int, f func(i int) error, after func(winners int)) {
	var winners atomic.Int32
	s.Run("all", func(t *testing.T) {
		for i := range n {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				err := f(i)
				if err == nil {
					winners.Add(1)
				} else if !errors.Is(err, filesystem.ErrExist) {
					t.Errorf("got error %v, want one that is %v", err, filesystem.ErrExist)
				}
			})
		}
	})
	after(int(winners.Load()))
}

func (s *suite) oneOfManyCreates() {
	s.race(8, func(i int) error {
		return write(s.ctx, s.fs, s.path("a"), []byte{byte(i)})
	}, func(winners int) {
		if winners != 1 {
			s.Errorf("%d of 8 creates succeeded", winners)
		}
		if n := len(s.read(s.path("a"))); n != 1 {
			s.Errorf("the file has %d bytes, want 1", n)
		}
	})
}

func (s *suite) oneOfManyRenames() {
	for i := range 8 {
		s.write(s.path(fmt.Sprint("tmp", i)), []byte{byte(i)})
	}
	s.race(8, func(i int) error {
		return s.fs.Rename(s.ctx, s.path(fmt.Sprint("tmp", i)), s.path("final"))
	}, func(winners int) {
		if winners != 1 {
			s.Errorf("%d of 8 renames succeeded", winners)
		}
		if n := len(s.entries(s.dir)); n != 8 {
			s.Errorf("there are %d files afterwards, want the winner and 7 losers", n)
		}
	})
}

// random returns bytes that are the same in each run.
func random(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func (s *suite) readBack() {
	for _, n := range []int{0, 1, 4096, 1<<20 + 17} {
		p, want := s.path(fmt.Sprint("f", n)), random(n)
		w, err := s.fs.Create(s.ctx, p)
		s.must(err)
		for rest := want; len(rest) > 0; {
			k := min(len(rest), 100_000)
			m, err := w.Write(rest[:k])
			if m != k || err != nil {
				s.Fatalf("write of %d bytes: %d, %v", k, m, err)
			}
			rest = rest[k:]
		}
		s.must(w.Sync())
		s.must(w.Close())
		if !bytes.Equal(s.read(p), want) {
			s.Errorf("a file of %d bytes comes back changed", n)
		}
	}
}

func (s *suite) readAt() {
	want := random(10_000)
	s.write(s.path("f"), want)
	f, err := s.fs.Open(s.ctx, s.path("f"))
	s.must(err)
	b := make([]byte, 100)
	for _, off := range []int64{0, 9_900, 5_000, 1} {
		n, err := f.ReadAt(b, off)
		if n != len(b) || err != nil && err != io.EOF {
			s.Fatalf("ReadAt %d: %d, %v", off, n, err)
		}
		if !bytes.Equal(b, want[off:off+100]) {
			s.Errorf("ReadAt %d reads other bytes", off)
		}
	}
	if n, err := f.ReadAt(b, 9_950); n != 50 || err != io.EOF {
		s.Errorf("ReadAt over the end: %d, %v, want 50, EOF", n, err)
	}
	if n, err := f.ReadAt(b, 10_000); n != 0 || err != io.EOF {
		s.Errorf("ReadAt at the end: %d, %v, want 0, EOF", n, err)
	}
	// Positional reads leave the position of sequential ones alone.
	rest, err := io.ReadAll(f)
	s.must(err)
	if !bytes.Equal(rest, want) {
		s.Error("Read after ReadAt reads other bytes")
	}
	s.must(f.Close())
}

func (s *suite) openMissing() {
	_, err := s.fs.Open(s.ctx, s.path("missing"))
	s.is(err, filesystem.ErrNotExist, s.path("missing"))
	_, err = s.fs.Open(s.ctx, s.path("missing", "a"))
	s.is(err, filesystem.ErrNotExist, s.path("missing", "a"))
	if _, err = s.fs.Open(s.ctx, s.dir); err == nil {
		s.Error("a directory was opened as a file")
	}
}

func (s *suite) writerCloses() {
	w, err := s.fs.Create(s.ctx, s.path("a"))
	s.must(err)
	_, err = w.Write([]byte("abc"))
	s.must(err)
	s.must(w.Close())
	s.must(w.Close())
	if _, err := w.Write([]byte("d")); err == nil {
		s.Error("a closed writer takes bytes")
	}
	if err := w.Sync(); err == nil {
		s.Error("a closed writer syncs")
	}
	s.wantContents(s.path("a"), "abc")
}

func (s *suite) renameMoves() {
	s.write(s.path("a"), []byte("x"))
	s.must(s.fs.MkdirAll(s.ctx, s.path("d")))
	s.must(s.fs.Rename(s.ctx, s.path("a"), s.path("d", "b")))
	s.wantAbsent(s.path("a"))
	s.wantContents(s.path("d", "b"), "x")
	err := s.fs.Rename(s.ctx, s.path("a"), s.path("c"))
	s.is(err, filesystem.ErrNotExist, s.path("a"))
}

func (s *suite) renameNeverOverwrites() {
	s.write(s.path("a"), []byte("a"))
	s.write(s.path("b"), []byte("b"))
	s.must(s.fs.MkdirAll(s.ctx, s.path("empty")))
	s.must(s.fs.MkdirAll(s.ctx, s.path("d")))
	for _, from := range []string{"a", "d"} {
		for _, to := range []string{"b", "empty"} {
			err := s.fs.Rename(s.ctx, s.path(from), s.path(to))
			s.is(err, filesystem.ErrExist, s.path(to))
		}
	}
	s.wantContents(s.path("a"), "a")
	s.wantContents(s.path("b"), "b")
	if got := s.entries(s.path("empty")); len(got) != 0 {
		s.Errorf("the rename moved into the directory: %v", got)
	}
}

func (s *suite) renameNeedsParent() {
	s.write(s.path("a"), []byte("a"))
	err := s.fs.Rename(s.ctx, s.path("a"), s.path("missing", "a"))
	s.is(err, filesystem.ErrNotExist, s.path("missing"))
	s.wantContents(s.path("a"), "a")
	s.wantAbsent(s.path("missing"))
}

func (s *suite) renameDirectory() {
	s.must(s.fs.MkdirAll(s.ctx, s.path("epoch-1")))
	s.write(s.path("epoch-1", "tmp"), []byte("x"))
	s.must(s.fs.Rename(s.ctx, s.path("epoch-1"), s.path("epoch-1.sealed")))
	s.wantContents(s.path("epoch-1.sealed", "tmp"), "x")
	// Who still thinks of the old name is kept out of it.
	err := s.fs.Rename(s.ctx, s.path("epoch-1.sealed", "tmp"), s.path("epoch-1", "pointer"))
	s.is(err, filesystem.ErrNotExist, s.path("epoch-1"))
	_, err = s.fs.Create(s.ctx, s.path("epoch-1", "pointer"))
	s.is(err, filesystem.ErrNotExist, s.path("epoch-1"))
}

func (s *suite) remove() {
	s.is(s.fs.Remove(s.ctx, s.path("a")), filesystem.ErrNotExist, s.path("a"))
	s.write(s.path("a"), nil)
	s.must(s.fs.Remove(s.ctx, s.path("a")))
	s.wantAbsent(s.path("a"))
	s.must(s.fs.MkdirAll(s.ctx, s.path("d")))
	s.write(s.path("d", "a"), nil)
	s.is(s.fs.Remove(s.ctx, s.path("d")), filesystem.ErrNotEmpty, s.path("d"))
	s.must(s.fs.Remove(s.ctx, s.path("d", "a")))
	s.must(s.fs.Remove(s.ctx, s.path("d")))
	s.wantAbsent(s.path("d"))
}

func (s *suite) removeAll() {
	s.must(s.fs.RemoveAll(s.ctx, s.path("missing")))
	s.must(s.fs.RemoveAll(s.ctx, s.path("missing", "too")))
	s.must(s.fs.MkdirAll(s.ctx, s.path("d", "e")))
	s.write(s.path("d", "e", "a"), []byte("x"))
	s.write(s.path("dd"), []byte("x"))
	s.must(s.fs.RemoveAll(s.ctx, s.path("d")))
	if got := s.entries(s.dir); !slices.Equal(got, []string{"dd"}) {
		s.Errorf("left are %v, want dd", got)
	}
	s.must(s.fs.RemoveAll(s.ctx, s.path("dd")))
	if err := s.fs.RemoveAll(s.ctx, "/"); err == nil {
		s.Fatal("the root was removed")
	}
}

func (s *suite) mkdirAll() {
	s.must(s.fs.MkdirAll(s.ctx, s.path("a", "b", "c")))
	s.must(s.fs.MkdirAll(s.ctx, s.path("a", "b", "c")))
	s.must(s.fs.MkdirAll(s.ctx, s.path("a")))
	if i, err := s.fs.Stat(s.ctx, s.path("a", "b", "c")); err != nil || !i.Dir {
		s.Errorf("Stat: %+v, %v, want a directory", i, err)
	}
	s.write(s.path("f"), nil)
	for _, p := range []string{s.path("f"), s.path("f", "d")} {
		if err := s.fs.MkdirAll(s.ctx, p); err == nil {
			s.Errorf("MkdirAll %s made a directory where a file is in the way", p)
		}
	}
}

func (s *suite) list() {
	if got := s.entries(s.dir); len(got) != 0 {
		s.Errorf("an empty directory lists %v", got)
	}
	s.must(s.fs.MkdirAll(s.ctx, s.path("d", "deep")))
	s.write(s.path("a"), []byte("four"))
	n := 0
	for i, err := range s.fs.List(s.ctx, s.dir) {
		s.must(err)
		n++
		switch {
		case i.Name == "d" && i.Dir && i.Size == 0:
		case i.Name == "a" && !i.Dir && i.Size == 4:
		default:
			s.Errorf("List yields %+v", i)
		}
	}
	if n != 2 {
		s.Errorf("List yields %d entries, want 2", n)
	}
	n = 0
	for _, err := range s.fs.List(s.ctx, s.path("missing")) {
		s.is(err, filesystem.ErrNotExist, s.path("missing"))
		n++
	}
	if n != 1 {
		s.Errorf("listing a missing directory yields %d times, want the error once", n)
	}
}

func (s *suite) listMany() {
	const n = 700
	for i := range n {
		w, err := s.fs.Create(s.ctx, s.path(fmt.Sprintf("f%04d", i)))
		s.must(err)
		s.must(w.Close())
	}
	got := s.entries(s.dir)
	if len(got) != n || len(slices.Compact(got)) != n {
		s.Errorf("List yields %d entries, want %d different ones", len(got), n)
	}
	seen := 0
	for range s.fs.List(s.ctx, s.dir) {
		if seen++; seen == 3 {
			break // must be possible
		}
	}
}

func (s *suite) stat() {
	s.wantAbsent(s.path("a"))
	s.write(s.path("a"), []byte("abc"))
	i, err := s.fs.Stat(s.ctx, s.path("a"))
	s.must(err)
	if i.Name != "a" || i.Size != 3 || i.Dir {
		s.Errorf("Stat of a file: %+v", i)
	}
	i, err = s.fs.Stat(s.ctx, s.dir)
	s.must(err)
	if i.Name != path.Base(s.dir) || i.Size != 0 || !i.Dir {
		s.Errorf("Stat of a directory: %+v", i)
	}
	s.wantAbsent(s.path("a", "below a file"))
}

// names checks that a path is taken as it stands.
func (s *suite) names() {
	for _, name := range []string{"with space", "100%25", "ünïcödé", "a+b&c=d?e#f", "_metadata",
		".hidden", "back`tick'quote\"", strings.Repeat("long", 60)} {
		s.write(s.path(name), []byte(name))
		s.wantContents(s.path(name), name)
	}
	if n := len(s.entries(s.dir)); n != 8 {
		s.Errorf("%d files are there, want 8", n)
	}
}

func (s *suite) invalidPaths() {
	for _, p := range []string{"", "a", "a/b", s.dir + "/", s.dir + "//a", s.dir + "/../a",
		s.dir + "/./a", s.dir + "/a\x00b"} {
		_, err := s.fs.Create(s.ctx, p)
		s.is(err, filesystem.ErrInvalidPath, "")
		_, err = s.fs.Open(s.ctx, p)
		s.is(err, filesystem.ErrInvalidPath, "")
		_, err = s.fs.Stat(s.ctx, p)
		s.is(err, filesystem.ErrInvalidPath, "")
		s.is(s.fs.MkdirAll(s.ctx, p), filesystem.ErrInvalidPath, "")
		s.is(s.fs.Remove(s.ctx, p), filesystem.ErrInvalidPath, "")
		s.is(s.fs.RemoveAll(s.ctx, p), filesystem.ErrInvalidPath, "")
		s.is(s.fs.Rename(s.ctx, p, s.path("x")), filesystem.ErrInvalidPath, "")
		for _, err := range s.fs.List(s.ctx, p) {
			s.is(err, filesystem.ErrInvalidPath, "")
		}
	}
	s.write(s.path("a"), nil)
	s.is(s.fs.Rename(s.ctx, s.path("a"), "b"), filesystem.ErrInvalidPath, "")
}

func (s *suite) cancelledContext() {
	s.write(s.path("a"), []byte("abc"))
	ctx, cancel := context.WithCancel(s.ctx)
	w, err := s.fs.Create(ctx, s.path("b"))
	s.must(err)
	f, err := s.fs.Open(ctx, s.path("a"))
	s.must(err)
	cancel()
	_, err = w.Write([]byte("x"))
	s.is(err, context.Canceled, "")
	s.is(w.Sync(), context.Canceled, "")
	_, err = f.Read(make([]byte, 1))
	s.is(err, context.Canceled, "")
	_, err = f.ReadAt(make([]byte, 1), 0)
	s.is(err, context.Canceled, "")
	_ = w.Close() // whatever it returns, it must return
	s.must(f.Close())
	_, err = s.fs.Create(ctx, s.path("c"))
	s.is(err, context.Canceled, "")
	s.is(s.fs.Rename(ctx, s.path("a"), s.path("c")), context.Canceled, "")
	s.is(s.fs.Remove(ctx, s.path("a")), context.Canceled, "")
	s.is(s.fs.RemoveAll(ctx, s.path("a")), context.Canceled, "")
	s.is(s.fs.MkdirAll(ctx, s.path("d")), context.Canceled, "")
	for _, err := range s.fs.List(ctx, s.dir) {
		s.is(err, context.Canceled, "")
	}
	s.wantContents(s.path("a"), "abc")
}
