package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/internal/testkit"
	"goflink/runtime/checkpoint"
	"goflink/runtime/localfs"
	"goflink/runtime/memfs"
	"goflink/runtime/task"
)

var _ task.Storage = (*Storage)(nil)

var (
	testJob     = id.Job{0xab, 0xcd, 0xef}
	testAttempt = id.Attempt{Job: testJob, Vertex: id.Vertex{1}, Subtask: 2, Number: 3}
)

// env is a storage on a file system in memory.
type env struct {
	t     *testing.T
	fs    *memfs.FS
	files *filesystem.Registry
	o     Options
	*Storage
}

// registry knows the file systems "mem" (fs, may be replaced) and "file".
func registry(t testing.TB, fs filesystem.FileSystem) *filesystem.Registry {
	t.Helper()
	r, err := filesystem.NewRegistry("mem:///base")
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(r.Register(localfs.Scheme, localfs.Open),
		r.Register("mem", func(context.Context, string) (filesystem.FileSystem, error) {
			return fs, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newEnv(t *testing.T, change ...func(*Options)) *env {
	t.Helper()
	e := &env{t: t, fs: memfs.New(memfs.Options{})}
	e.reopen(e.fs, change...)
	return e
}

// reopen makes a new storage on a file system: that of a new leader, or after a crash.
func (e *env) reopen(fs *memfs.FS, change ...func(*Options)) {
	e.t.Helper()
	e.fs = fs
	r := testkit.Source(5)
	if e.o.Job.IsZero() {
		e.o = Options{Kind: config.FileSystemStorage, Directory: "mem:///cp", Job: testJob,
			Epoch: 2, InlineBytes: 20, BufferBytes: 64, MaxStateBytes: 5 << 20,
			Random: r.Uint64}
	}
	e.files = registry(e.t, fs)
	e.o.Files = e.files
	for _, f := range change {
		f(&e.o)
	}
	var err error
	if e.Storage, err = New(e.o); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) prepare(checkpoint_ uint64) string {
	e.t.Helper()
	dir, err := e.Prepare(e.t.Context(), checkpoint.PrepareLocation{Checkpoint: checkpoint_})
	if err != nil {
		e.t.Fatal(err)
	}
	return dir
}

func (e *env) location(checkpoint uint64, target string) statebackend.Location {
	e.t.Helper()
	l, err := e.Location(checkpoint, target, testAttempt)
	if err != nil {
		e.t.Fatal(err)
	}
	return l
}

// put writes a blob.
func put(ctx context.Context, l statebackend.Location, shared bool, contents string) (
	statebackend.Blob, error,
) {
	create := l.Create
	if shared {
		create = l.(statebackend.SharedLocation).CreateShared
	}
	w, err := create(ctx, "hint")
	if err != nil {
		return statebackend.Blob{}, err
	}
	for part := range slices.Chunk([]byte(contents), 7) {
		if _, err := w.Write(part); err != nil {
			w.Discard()
			return statebackend.Blob{}, err
		}
	}
	return w.Commit()
}

func (e *env) put(l statebackend.Location, shared bool, contents string) statebackend.Blob {
	e.t.Helper()
	b, err := put(e.t.Context(), l, shared, contents)
	if err != nil {
		e.t.Fatal(err)
	}
	return b
}

func (e *env) get(b statebackend.Blob) (string, error) {
	r, err := e.Reader().Open(e.t.Context(), b)
	if err != nil {
		return "", err
	}
	got, err := io.ReadAll(r)
	return string(got), errors.Join(err, r.Close())
}

func (e *env) want(b statebackend.Blob, contents string) {
	e.t.Helper()
	if got, err := e.get(b); err != nil || got != contents {
		e.t.Errorf("blob reads as %.60q, %v; want %.60q", got, err, contents)
	}
}

// paths are those of all files, without the job's directory, and with short names of state files.
func paths(fs *memfs.FS) string {
	var short []string
	for _, p := range fs.Files() {
		dir, base := filepath.Split(strings.TrimPrefix(p, "/cp/"+testJob.String()+"/"))
		if f, ok := checkpoint.ParseFileName(base); ok {
			base = fmt.Sprintf("%s@%d.%d", f.Hint, f.Epoch, f.Checkpoint)
		}
		short = append(short, dir+base)
	}
	slices.Sort(short)
	return strings.Join(short, " ")
}

func (e *env) wantPaths(want string) {
	e.t.Helper()
	if got := paths(e.fs); got != want {
		e.t.Errorf("files are\n%s\nwant\n%s", got, want)
	}
}

const long = "this is longer than what is kept inline"

func TestBlobs(t *testing.T) { // R69
	e := newEnv(t)
	dir := e.prepare(7)
	if want := "mem:///cp/" + testJob.String() + "/chk-7"; dir != want {
		t.Fatalf("the directory is %s, want %s", dir, want)
	}
	l := e.location(7, "")
	small, large := e.put(l, false, "twenty bytes exactly"), e.put(l, false, long)
	shared, empty := e.put(l, true, "x"), e.put(l, false, "")
	none := e.put(l, true, "")
	if small.File != "" || !small.Exclusive || empty.File != "" {
		t.Errorf("small state is not inline: %+v, %+v", small, empty)
	}
	if !checkpoint.Inside(large.File, dir) || !large.Exclusive || large.Inline != nil {
		t.Errorf("large state is %+v", large)
	}
	wantShared := "mem:///cp/" + testJob.String() + "/shared"
	if !checkpoint.Inside(shared.File, wantShared) || shared.Exclusive || none.File == "" {
		t.Errorf("shared state is %+v, %+v", shared, none)
	}
	if f, ok := checkpoint.ParseFileName(large.File); !ok || f.Attempt != testAttempt ||
		f.Epoch != 2 || f.Checkpoint != 7 {
		t.Errorf("the name %s says %+v", large.File, f)
	}
	for b, want := range map[*statebackend.Blob]string{&small: "twenty bytes exactly",
		&large: long, &shared: "x", &empty: "", &none: ""} {
		e.want(*b, want)
	}
	r, err := e.Reader().OpenAt(t.Context(), large, 5, 2)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "is" {
		t.Errorf("a part reads as %q, %v", got, err)
	}
	if _, err := e.Reader().OpenAt(t.Context(), large, 5, large.Length); err == nil {
		t.Error("more than the blob was opened")
	}
	e.wantPaths("chk-7/hint@2.7 shared/hint@2.7 shared/hint@2.7")
	// A part of a file, as merged files have them.
	part := statebackend.Blob{File: large.File, Offset: 5, Length: 2,
		CRC: inlineBlob([]byte("is")).CRC}
	e.want(part, "is")
	// What is discarded is gone.
	w, err := l.Create(t.Context(), "gone")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(long)); err != nil {
		t.Fatal(err)
	}
	w.Discard()
	w.Discard()
	if _, err := w.Commit(); err == nil {
		t.Error("a discarded blob was committed")
	}
	e.wantPaths("chk-7/hint@2.7 shared/hint@2.7 shared/hint@2.7")
}

// TestLateWriter: when a checkpoint is given up and its directory removed, who still writes must
// not make it again.
func TestLateWriter(t *testing.T) {
	e := newEnv(t)
	dir := e.prepare(1)
	l := e.location(1, "")
	d := checkpoint.Discard{Checkpoint: 1, Location: dir}
	if err := e.Discard(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	_, err := put(t.Context(), l, false, long)
	if !errors.Is(err, filesystem.ErrNotExist) || !strings.Contains(err.Error(), "checkpoint 1") {
		t.Errorf("a late writer gets %v", err)
	}
	e.wantPaths("")
}

// TestMemoryLimit: R68.
func TestMemoryLimit(t *testing.T) {
	memory := func(o *Options) { o.Kind, o.Directory = config.JobManagerStorage, "" }
	e := newEnv(t, memory)
	if dir := e.prepare(1); dir != "" {
		t.Errorf("a checkpoint in memory has the directory %q", dir)
	}
	state := strings.Repeat("x", 6<<20)
	_, err := put(t.Context(), e.location(1, ""), false, state)
	if !errors.Is(err, ErrStateTooLarge) || failure.ClassOf(err) != failure.Retryable {
		t.Fatalf("6 MB of state: %v, want ErrStateTooLarge", err)
	}
	for _, word := range []string{"5mb", "state.storage.jobmanager.max-state-size",
		"execution.checkpointing.storage", `"hint"`} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not contain %q", err, word)
		}
	}
	e = newEnv(t, memory, func(o *Options) { o.MaxStateBytes = 8 << 20 })
	e.want(e.put(e.location(1, ""), false, state), state)
	// Committing in spite of the error does not make half a state of it.
	w, _ := e.location(1, "").Create(t.Context(), "h")
	if _, err := w.Write(make([]byte, 8<<20+1)); err == nil {
		t.Fatal("too much was taken")
	}
	if _, err := w.Commit(); !errors.Is(err, ErrStateTooLarge) {
		t.Errorf("Commit after an error: %v", err)
	}
	if c, err := e.WriteMetadata(t.Context(), write(1, "")); err != nil || c != NotExternal {
		t.Errorf("the checkpoint is called %q, %v", c, err)
	}
	e.wantPaths("")
	// With a directory the metadata goes there, with the state in it.
	e = newEnv(t, func(o *Options) { o.Kind = config.JobManagerStorage })
	dir := e.prepare(1)
	b := e.put(e.location(1, ""), false, long)
	if _, err := e.WriteMetadata(t.Context(), write(1, dir, b)); err != nil {
		t.Fatal(err)
	}
	e.wantPaths("chk-1/_metadata")
	c, err := e.Load(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	e.want(c.Vertices[0].Subtasks[0].Operators[0].Operator[0].Contents, long)
}

// write is a checkpoint that names blobs.
func write(n uint64, location string, blobs ...statebackend.Blob) checkpoint.WriteMetadata {
	var s statebackend.OperatorSnapshot
	for i, b := range blobs {
		s.Operator = append(s.Operator, statebackend.OperatorStateHandle{Name: fmt.Sprint(i),
			Offsets: []int64{0, b.Length}, Contents: b})
	}
	c := &checkpoint.Completed{Location: location, Metadata: checkpoint.Metadata{Checkpoint: n,
		Epoch: 2, Job: testJob, JobName: "job", Vertices: []checkpoint.VertexState{{Name: "v",
			MaxParallelism: 1, Operators: []checkpoint.OperatorInfo{{Name: "op"}},
			Subtasks: []checkpoint.SubtaskState{{
				Operators: []statebackend.OperatorSnapshot{s}}}}}}}
	return checkpoint.WriteMetadata{Completed: c}
}

// complete takes a whole checkpoint with one own and one shared file.
func (e *env) complete(n uint64) *checkpoint.Completed {
	e.t.Helper()
	dir := e.prepare(n)
	l := e.location(n, "")
	w := write(n, dir, e.put(l, false, long), e.put(l, true, long))
	w.Completed.Epoch = e.o.Epoch
	path, err := e.WriteMetadata(e.t.Context(), w)
	if err != nil {
		e.t.Fatal(err)
	}
	if path != dir {
		e.t.Errorf("the checkpoint is called %s, want %s", path, dir)
	}
	return w.Completed
}

func (e *env) load(name string) *checkpoint.Completed {
	e.t.Helper()
	c, err := e.Load(e.t.Context(), name)
	if err != nil {
		e.t.Fatal(err)
	}
	return c
}

// check reads all state of a checkpoint.
func (e *env) check(c *checkpoint.Completed) {
	e.t.Helper()
	n := 0
	c.Blobs(func(_ *checkpoint.VertexState, _ int, b *statebackend.Blob) {
		e.want(*b, long)
		n++
	})
	if n == 0 {
		e.t.Error("the checkpoint has no state")
	}
}

func TestDurable(t *testing.T) { // R69, R79
	e := newEnv(t)
	c := e.complete(3)
	e.wantPaths("chk-3/_metadata chk-3/hint@2.3 shared/hint@2.3")
	// Everything of it survives a crash right afterwards.
	e.reopen(e.fs.Crash())
	got := e.load(c.Location)
	if got.Checkpoint != 3 || !got.Foreign || got.Path != c.Location {
		t.Errorf("loaded is %+v", got)
	}
	e.check(got)
	// The job's directory can be moved: paths are relative.
	if err := e.fs.Rename(t.Context(), "/cp/"+testJob.String(), "/moved"); err != nil {
		t.Fatal(err)
	}
	e.check(e.load("mem:///moved/chk-3"))
}

func TestSavepointIsSelfContained(t *testing.T) { // R80
	e := newEnv(t)
	dir, err := e.Prepare(t.Context(), checkpoint.PrepareLocation{Checkpoint: 4,
		Kind: stream.Savepoint, Target: "mem:///sp/daily"})
	if err != nil {
		t.Fatal(err)
	}
	const prefix = "mem:///sp/daily/savepoint-abcdef-"
	if !strings.HasPrefix(dir, prefix) || len(dir) != len(prefix)+12 {
		t.Errorf("the savepoint's directory is %s", dir)
	}
	l := e.location(4, dir)
	if _, ok := l.(statebackend.SharedLocation); ok {
		t.Error("a savepoint can share files")
	}
	w := write(4, dir, e.put(l, false, long))
	w.Completed.Kind = stream.Savepoint
	if _, err := e.WriteMetadata(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if err := e.fs.Rename(t.Context(), dir[6:], "/elsewhere"); err != nil {
		t.Fatal(err)
	}
	e.check(e.load("mem:///elsewhere"))

	other := e.complete(5)
	b := other.Vertices[0].Subtasks[0].Operators[0].Operator[0].Contents
	dir = e.prepareSavepointIn("mem:///sp")
	w = write(6, dir, b)
	w.Completed.Kind = stream.Savepoint
	_, err = e.WriteMetadata(t.Context(), w)
	if err == nil || !strings.Contains(err.Error(), `operator "op" names the file`) {
		t.Errorf("a savepoint with a file of a checkpoint: %v", err)
	}
	// Names that are taken are passed over.
	numbers := []uint64{1, 1, 2}
	e.reopen(e.fs, func(o *Options) {
		o.Random = func() uint64 { n := numbers[0]; numbers = numbers[1:]; return n }
	})
	first, second := e.prepareSavepointIn("mem:///x"), e.prepareSavepointIn("mem:///x")
	if !strings.HasSuffix(first, "-000000000001") || !strings.HasSuffix(second, "-000000000002") {
		t.Errorf("the savepoints are %s and %s", first, second)
	}
}

func (e *env) prepareSavepointIn(target string) string {
	e.t.Helper()
	dir, err := e.Prepare(e.t.Context(), checkpoint.PrepareLocation{Checkpoint: 6,
		Kind: stream.Savepoint, Target: target})
	if err != nil {
		e.t.Fatal(err)
	}
	return dir
}

// TestLocalLayout looks at real files: R69.
func TestLocalLayout(t *testing.T) {
	root := t.TempDir()
	e := newEnv(t, func(o *Options) { o.Directory = "file://" + root })
	c := e.complete(1)
	name := filepath.Join(root, testJob.String(), "chk-1", "_metadata")
	if _, err := os.Stat(name); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"shared", "taskowned"} {
		if i, err := os.Stat(filepath.Join(root, testJob.String(), dir)); err != nil || !i.IsDir() {
			t.Errorf("%s: %v", dir, err)
		}
	}
	for _, path := range []string{"file://" + name, "file://" + filepath.Dir(name),
		"file:" + filepath.Dir(name) + "/"} { // R85
		e.check(e.load(path))
	}
	d := checkpoint.Discard{Checkpoint: 1, Location: c.Location, Last: true}
	c.Blobs(func(_ *checkpoint.VertexState, _ int, b *statebackend.Blob) {
		if !b.Exclusive {
			d.Files = append(d.Files, b.File)
		}
	})
	if err := e.Discard(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(root); err != nil || len(left) != 0 {
		t.Errorf("left behind are %v, %v", left, err)
	}
}

func TestFromConfig(t *testing.T) {
	c := config.FromMap(map[string]string{"state.checkpoints.dir": "mem:///cp",
		"state.storage.fs.memory-threshold": "3 kb", "state.checkpoints.create-subdir": "false",
	}, "test")
	o, err := FromConfig(c, registry(t, memfs.New(memfs.Options{})), testJob, 9)
	if err != nil {
		t.Fatal(err)
	}
	if o.Kind != config.FileSystemStorage || o.InlineBytes != 3<<10 || !o.FlatDirectory ||
		o.MaxStateBytes != 5<<20 || o.Epoch != 9 || o.BufferBytes != 4<<10 {
		t.Errorf("options are %+v", o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := s.Prepare(t.Context(), checkpoint.PrepareLocation{Checkpoint: 1})
	if err != nil || dir != "mem:///cp/chk-1" {
		t.Errorf("the directory is %s, %v", dir, err)
	}
	// R101: without configuration, memory.
	o, err = FromConfig(config.New(), o.Files, testJob, 0)
	if err != nil || o.Kind != config.JobManagerStorage || o.Directory != "" {
		t.Errorf("without configuration: %+v, %v", o, err)
	}
	for _, bad := range []Options{{Kind: config.FileSystemStorage},
		{Kind: config.FileSystemStorage, Directory: "mem:x", Files: o.Files}} {
		if _, err := New(bad); err == nil ||
			!strings.Contains(err.Error(), config.CheckpointsDirectory.Key) {
			t.Errorf("New(%+v): %v", bad, err)
		}
	}
	if _, err := s.Location(1, "", id.Attempt{}); err == nil {
		t.Error("an attempt of another job may write")
	}
}
