package writing_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"goflink/core/filesystem"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/internal/testkit"
	"goflink/operator/operatortest"
	"goflink/operator/recordfile"
	"goflink/operator/writing"
	"goflink/runtime/memfs"
)

// machine is a file system whose machine can crash: then another one takes its place.
type machine struct{ fs *memfs.FS }

func (m *machine) Create(ctx context.Context, p string) (filesystem.Writer, error) {
	return m.fs.Create(ctx, p)
}
func (m *machine) Open(ctx context.Context, p string) (filesystem.File, error) {
	return m.fs.Open(ctx, p)
}
func (m *machine) Rename(ctx context.Context, from, to string) error {
	return m.fs.Rename(ctx, from, to)
}
func (m *machine) Remove(ctx context.Context, p string) error    { return m.fs.Remove(ctx, p) }
func (m *machine) RemoveAll(ctx context.Context, p string) error { return m.fs.RemoveAll(ctx, p) }
func (m *machine) MkdirAll(ctx context.Context, p string) error  { return m.fs.MkdirAll(ctx, p) }
func (m *machine) Stat(ctx context.Context, p string) (filesystem.Info, error) {
	return m.fs.Stat(ctx, p)
}
func (m *machine) List(ctx context.Context, p string) iter.Seq2[filesystem.Info, error] {
	return m.fs.List(ctx, p)
}

// finished are the paths of the files that a reader sees: those in directories that are not hidden.
func finished(fs *memfs.FS) []string {
	return slices.DeleteFunc(fs.Files(), func(p string) bool { return strings.Contains(p, "/.") })
}

// hidden are the others.
func hidden(fs *memfs.FS) []string {
	return slices.DeleteFunc(fs.Files(), func(p string) bool { return !strings.Contains(p, "/.") })
}

func contents(t testing.TB, fs filesystem.FileSystem, p string) string {
	t.Helper()
	f, err := fs.Open(context.Background(), p)
	check(t, err)
	b, err := io.ReadAll(f)
	check(t, errors.Join(err, f.Close()))
	return string(b)
}

// lines are the lines of all finished files, in the order of their paths.
func lines(t testing.TB, fs *memfs.FS) []string {
	t.Helper()
	var all []string
	for _, p := range finished(fs) {
		for line := range strings.Lines(contents(t, fs, p)) {
			all = append(all, strings.TrimSuffix(line, "\n"))
		}
	}
	return all
}

// TestFileExactlyOnce: R96, R97, R166: whatever fails and whenever, also the machines, also with
// other parallelisms: a reader of finished files sees nothing of an interval before its checkpoint
// is complete, and each record once afterwards; nothing is left behind.
func TestFileExactlyOnce(t *testing.T) {
	testkit.EachSeed(t, testkit.Scaled(100), func(t *testing.T, seed uint64) {
		rnd := testkit.Source(seed)
		m := &machine{memfs.New(memfs.Options{})}
		files, err := filesystem.NewRegistry("mem:///")
		check(t, err)
		check(t, files.Register("mem", func(context.Context, string) (filesystem.FileSystem,
			error) {
			return m, nil
		}))
		f := writing.File[int]{Files: files, Path: "/out", Format: writing.Text[int](),
			RollBytes:    int64(1 + rnd.IntN(50)),
			RollInterval: time.Duration(1+rnd.IntN(300)) * time.Millisecond}
		if rnd.IntN(2) == 0 {
			f.Buckets = writing.BucketBy(func(v int) string { return fmt.Sprint("b", v%7) })
		}
		r := &exactlyOnce{t: t, rnd: rnd}
		r.failing = func(on bool) {
			m.fs.SetFault(func(op memfs.Op) error {
				if !on || rnd.IntN(40) > 0 {
					return nil
				}
				if op.Kind == memfs.OpWrite || op.Kind == memfs.OpSync {
					return filesystem.ErrNoSpace
				}
				return errors.New("the simulated disk fails")
			})
		}
		r.crash = func() {
			if rnd.IntN(2) == 0 {
				m.fs = m.fs.Crash()
			}
		}
		r.visible = func() []int {
			var vs []int
			for _, line := range lines(t, m.fs) {
				v, err := strconv.Atoi(line)
				check(t, err)
				vs = append(vs, v)
			}
			slices.Sort(vs)
			return vs
		}
		r.run(f.Factory())
		equal(t, "left behind", hidden(m.fs), nil)
	})
}

// fileHarness runs a file sink with one subtask and checkpoints.
func fileHarness[T any](t testing.TB, f writing.File[T]) *operatortest.Harness {
	t.Helper()
	return operatortest.New(t, options(f.Factory(), 1, true))
}

func checkpoint(t testing.TB, h *operatortest.Harness) *operatortest.Checkpoint {
	t.Helper()
	c, err := h.Checkpoint()
	check(t, err)
	check(t, c.Write())
	return c
}

// TestFileStates: R166, Annex C: in progress, pending, finished; the names of part files.
func TestFileStates(t *testing.T) {
	fs, files := memory(t, memfs.Options{})
	h := fileHarness(t, writing.File[string]{Files: files, Path: "mem:///out",
		Format: writing.Text[string]()})
	h.Run(feed("a", "b")...)
	if f := finished(fs); len(f) > 0 || len(hidden(fs)) != 1 {
		t.Errorf("in progress: %q finished, %q hidden", f, hidden(fs))
	}
	c, err := h.Checkpoint()
	check(t, err)
	if f := finished(fs); len(f) > 0 || len(hidden(fs)) != 1 {
		t.Errorf("pending: %q finished, %q hidden", f, hidden(fs))
	}
	if got := contents(t, fs, hidden(fs)[0]); got != "a\nb\n" {
		t.Errorf("pending: %q", got)
	}
	check(t, c.Write())
	equal(t, "finished", finished(fs), []string{"/out/part-000000000000-0-0"})
	h.Run(feed("c")...)
	checkpoint(t, h)
	equal(t, "finished", finished(fs), []string{"/out/part-000000000000-0-0",
		"/out/part-000000000000-0-1"})
	equal(t, "lines", lines(t, fs), []string{"a", "b", "c"})
	h.Run(operatortest.End())
	check(t, h.Close())
	if _, err := fs.Stat(t.Context(),
		"/out/.goflink-00000000000000000000000000000000"); err == nil {
		t.Error("the directory of unfinished parts is left behind")
	}
}

// TestFileWithoutCheckpoints: R166: without checkpoints no file is finished before the end.
func TestFileWithoutCheckpoints(t *testing.T) {
	fs, files := memory(t, memfs.Options{})
	f := writing.File[string]{Files: files, Path: "/out", Format: writing.Text[string](),
		RollBytes: 1}
	h := operatortest.New(t, options(f.Factory(), 1, false))
	h.Run(feed("a", "b")...)
	equal(t, "finished", finished(fs), nil)
	check(t, h.Close())
	equal(t, "cancelled", fs.Files(), nil)

	h = operatortest.New(t, options(f.Factory(), 1, false))
	h.Run(feed("a", "b")...)
	h.Run(operatortest.End())
	equal(t, "lines", lines(t, fs), []string{"a", "b"})
	check(t, h.Close())

	// The job begins anew: it writes beside what was finished.
	h = operatortest.New(t, options(f.Factory(), 1, false))
	h.Run(feed("c")...)
	h.Run(operatortest.End())
	equal(t, "lines", lines(t, fs), []string{"a", "b", "c"})
}

// TestFileRolls: part files are closed by their size, their age, and when too many are open.
func TestFileRolls(t *testing.T) {
	fs, files := memory(t, memfs.Options{})
	h := fileHarness(t, writing.File[string]{Files: files, Path: "/size", RollBytes: 4,
		Format: writing.FileFormat[string]{Append: writing.Text[string]().Append, Suffix: ".txt"},
		Prefix: "p"})
	h.Run(feed("abc", "", "d", "efg")...)
	checkpoint(t, h)
	equal(t, "by size", finished(fs), []string{"/size/p-000000000000-0-0.txt",
		"/size/p-000000000000-0-1.txt"})
	equal(t, "lines", lines(t, fs), []string{"abc", "", "d", "efg"})

	fs, files = memory(t, memfs.Options{})
	h = fileHarness(t, writing.File[string]{Files: files, Path: "/age",
		Format:       writing.Text[string](),
		RollInterval: time.Minute})
	for i := range 5 {
		h.Run(feed(fmt.Sprint(i))...)
		h.Run(operatortest.AdvanceTo(h.Now() + 25_000))
	}
	checkpoint(t, h)
	var parts []string
	for _, p := range finished(fs) {
		parts = append(parts, strings.ReplaceAll(contents(t, fs, p), "\n", ""))
	}
	equal(t, "by age", parts, []string{"0123", "4"})

	fs, files = memory(t, memfs.Options{})
	h = fileHarness(t, writing.File[string]{Files: files, Path: "/many",
		Format:  writing.Text[string](),
		Buckets: writing.BucketBy(func(v string) string { return v })})
	var want []string
	open, most := 0, 0
	fs.SetFault(func(op memfs.Op) error {
		switch op.Kind {
		case memfs.OpCreate:
			open++
			most = max(most, open)
		case memfs.OpClose:
			open--
		}
		return nil
	})
	for range 2 {
		for i := range writing.MaxOpenParts + 10 {
			h.Run(feed(fmt.Sprintf("%03d", i))...)
			want = append(want, fmt.Sprintf("%03d", i))
		}
	}
	checkpoint(t, h)
	if most != writing.MaxOpenParts || open != 0 {
		t.Errorf("%d parts were open at the same time, %d at the end", most, open)
	}
	slices.Sort(want)
	equal(t, "lines", lines(t, fs), want)
}

// TestFileBuckets: records go to the directory of their bucket, which exists only with finished
// files.
func TestFileBuckets(t *testing.T) {
	fs, files := memory(t, memfs.Options{})
	in := operatortest.Input[string]{}
	at := func(s string) int64 {
		ts, err := time.Parse(time.RFC3339, s)
		check(t, err)
		return ts.UnixMilli()
	}
	berlin := time.FixedZone("UTC+2", 2*3600)
	h := fileHarness(t, writing.File[string]{Files: files, Path: "/out",
		Format:  writing.Text[string](),
		Buckets: writing.BucketByTimestamp[string]("dt=2006-01-02/hr=15", berlin)})
	h.Run(in.Record("a", at("2024-05-17T21:59:59Z")), in.Record("b", at("2024-05-17T22:00:00Z")),
		in.Record("c", at("1969-12-31T21:59:59Z")), in.Record("d", at("1969-12-31T22:00:00Z")),
		in.Record("e", stream.NoTimestamp))
	if _, err := fs.Stat(t.Context(), "/out/dt=2024-05-18"); err == nil {
		t.Error("the directory of a bucket is there before its first finished file")
	}
	checkpoint(t, h)
	got := map[string]string{}
	for _, p := range finished(fs) {
		dir, _, _ := strings.Cut(strings.TrimPrefix(p, "/out/"), "/part")
		got[dir] += contents(t, fs, p)
	}
	want := map[string]string{"dt=2024-05-17/hr=23": "a\n", "dt=2024-05-18/hr=00": "b\n",
		"dt=1969-12-31/hr=23": "c\n", "dt=1970-01-01/hr=00": "d\n", "dt=2023-11-15/hr=00": "e\n"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("buckets\n%v, want\n%v", got, want)
	}

	fs, files = memory(t, memfs.Options{})
	h = fileHarness(t, writing.File[string]{Files: files, Path: "/out",
		Format:  writing.Text[string](),
		Buckets: writing.BucketByTime[string]("15h04.000", time.UTC)})
	h.Run(feed("a")...)
	h.Run(operatortest.AdvanceTo(h.Now() + 1))
	h.Run(feed("b")...)
	checkpoint(t, h)
	if f := finished(fs); len(f) != 2 || !strings.HasPrefix(f[0], "/out/22h13.000/") {
		t.Errorf("by milliseconds: %q", f)
	}

	for _, bad := range []string{"/abs", "a//b", "..", "a/../b", "x/"} {
		_, files := memory(t, memfs.Options{})
		h := fileHarness(t, writing.File[string]{Files: files, Path: "/out",
			Format:  writing.Text[string](),
			Buckets: writing.BucketBy(func(v string) string { return v })})
		check(t, h.Do(feed(bad)[0]))
		expectError(t, h.Flush(), nil, "file sink /out", strconv.Quote(bad), "relative path")
	}
}

// TestFullDisk: a full disk fails the task with a clear message and leaves nothing half-made; after
// it was cleaned up, the job goes on from its checkpoint.
func TestFullDisk(t *testing.T) {
	fs, files := memory(t, memfs.Options{})
	h := fileHarness(t, writing.File[string]{Files: files, Path: "/out",
		Format: writing.Text[string]()})
	h.Run(feed("a")...)
	c := checkpoint(t, h)
	fs.SetCapacity(fs.UsedBytes() + 10)
	h.Run(feed(strings.Repeat("x", 100))...)
	_, err := h.Checkpoint()
	expectError(t, err, filesystem.ErrNoSpace, "file sink /out: free some space", "checkpoint 2")
	check(t, h.Close())
	equal(t, "files", fs.Files(), []string{"/out/part-000000000000-0-0"})

	fs.SetCapacity(0)
	check(t, h.Restore(c, 1))
	h.Run(feed("b")...)
	checkpoint(t, h)
	equal(t, "lines", lines(t, fs), []string{"a", "b"})

	big := strings.Repeat("x", 100_000) // more than the buffer
	fs.SetCapacity(fs.UsedBytes() + 10)
	check(t, h.Do(feed(big)[0]))
	expectError(t, h.Flush(), filesystem.ErrNoSpace, "file sink /out: free some space")
}

// TestFileConflicts: what a commit finds in its way, or does not find.
func TestFileConflicts(t *testing.T) {
	prepare := func() (*memfs.FS, *operatortest.Harness, *operatortest.Checkpoint, string) {
		fs, files := memory(t, memfs.Options{})
		h := fileHarness(t, writing.File[string]{Files: files, Path: "/out",
			Format: writing.Text[string]()})
		h.Run(feed("a")...)
		c, err := h.Checkpoint()
		check(t, err)
		return fs, h, c, hidden(fs)[0]
	}
	const target = "/out/part-000000000000-0-0"
	write := func(fs *memfs.FS, text string) {
		t.Helper()
		w, err := fs.Create(t.Context(), target)
		check(t, err)
		_, err = w.Write([]byte(text))
		check(t, errors.Join(err, w.Close()))
	}
	// fail runs the repetitions of a commit to their end.
	fail := func(h *operatortest.Harness, c *operatortest.Checkpoint, parts ...string) {
		t.Helper()
		check(t, c.Write())
		expectError(t, h.Do(operatortest.AdvanceTo(h.Now()+10_000)), nil, parts...)
	}

	fs, h, c, pending := prepare()
	check(t, fs.Remove(t.Context(), pending))
	fail(h, c, "file sink /out", target, "somebody has removed or moved it")

	fs, h, c, _ = prepare()
	write(fs, "from somewhere else")
	fail(h, c, target)
	if got := contents(t, fs, target); got != "from somewhere else" {
		t.Errorf("a file was overwritten: %q", got)
	}

	fs, h, c, pending = prepare()
	check(t, fs.Remove(t.Context(), pending))
	write(fs, "cut")
	fail(h, c, target, "it has 3 bytes, but 2 were written")

	// The parent directory disappears between two commits.
	fs, h, c, _ = prepare()
	check(t, c.Write())
	check(t, fs.RemoveAll(t.Context(), "/out"))
	h.Run(feed("b")...)
	checkpoint(t, h)
	equal(t, "lines", lines(t, fs), []string{"b"})
}

// TestFileFork: a second job that begins with the savepoint of a first one finishes its parts, too,
// and touches no others of it.
func TestFileFork(t *testing.T) {
	fs, files := memory(t, memfs.Options{})
	f := writing.File[string]{Files: files, Path: "/out", Format: writing.Text[string]()}
	h := fileHarness(t, f)
	h.Run(feed("a")...)
	s, err := h.Savepoint()
	check(t, err)
	h.Run(feed("in progress, of another attempt")...)
	before := hidden(fs)
	check(t, fs.MkdirAll(t.Context(), "/out/.goflink-00000000000000000000000000000000/dir"))
	for _, name := range []string{"foreign", "1-5.old-0", "x-1.old-0", "0-x.old-0", "0-7.old-0"} {
		w, err := fs.Create(t.Context(), "/out/.goflink-00000000000000000000000000000000/"+name)
		check(t, err)
		check(t, w.Close())
	}
	fs.SetFault(func(op memfs.Op) error {
		if op.Kind == memfs.OpRemove && op.Path == before[1] {
			return errors.New("the machine has died")
		}
		return nil
	})
	_ = h.Close()
	fs.SetFault(nil)
	check(t, s.Write())
	check(t, h.Restore(s, 1))
	equal(t, "lines", lines(t, fs), []string{"a"})
	// 1-5 falls to subtask 0 of 1, too.
	equal(t, "left alone", hidden(fs), []string{
		"/out/.goflink-00000000000000000000000000000000/0-x.old-0",
		"/out/.goflink-00000000000000000000000000000000/foreign",
		"/out/.goflink-00000000000000000000000000000000/x-1.old-0"})
}

type point struct{ X, Y int32 }

// TestBinaryFile: R97: binary files hold their schema and what was written.
func TestBinaryFile(t *testing.T) {
	fs, files := memory(t, memfs.Options{})
	typ := typeinfo.MustOf[point]()
	format, err := writing.Binary(typ)
	check(t, err)
	h := fileHarness(t, writing.File[point]{Files: files, Path: "/out", Format: format})
	want := []point{{1, 2}, {}, {-3, 1 << 30}}
	h.Run(feed(want...)...)
	checkpoint(t, h)
	equal(t, "files", finished(fs), []string{"/out/part-000000000000-0-0.bin"})
	file, err := fs.Open(t.Context(), finished(fs)[0])
	check(t, err)
	r, _, err := recordfile.NewReader(typ, file)
	check(t, err)
	var got []point
	for {
		var p point
		if _, err := r.Next(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		got = append(got, p)
	}
	check(t, file.Close())
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestFileText: records are written in Flink's text form.
func TestFileText(t *testing.T) {
	fs, files := memory(t, memfs.Options{})
	h := fileHarness(t, writing.File[point]{Files: files, Path: "/out",
		Format: writing.Text[point]()})
	h.Run(feed(point{1, 2})...)
	checkpoint(t, h)
	equal(t, "lines", lines(t, fs), []string{"point{x=1, y=2}"})
}

// TestFileChecks: descriptions that make no sense.
func TestFileChecks(t *testing.T) {
	_, files := memory(t, memfs.Options{})
	text := writing.Text[string]()
	for want, f := range map[string]writing.File[string]{
		"no file systems":     {Path: "/x", Format: text},
		"no format":           {Files: files, Path: "/x"},
		"roll at -1 bytes":    {Files: files, Path: "/x", Format: text, RollBytes: -1},
		"empty path":          {Files: files, Format: text},
		`prefix "a/b"`:        {Files: files, Path: "/x", Format: text, Prefix: "a/b"},
		"absolute path":       {Files: files, Path: "mem:x", Format: text},
		`for the scheme "s3"`: {Files: files, Path: "s3://x/y", Format: text},
	} {
		_, err := operatortest.Start(t, options(f.Factory(), 1, true))
		expectError(t, err, nil, want)
	}
}
