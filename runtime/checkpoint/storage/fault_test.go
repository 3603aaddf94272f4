package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"goflink/core/failure"
	"goflink/core/filesystem"
	"goflink/core/statebackend"
	"goflink/internal/testkit"
	"goflink/runtime/checkpoint"
	"goflink/runtime/memfs"
)

var errInjected = errors.New("injected")

// TestEveryOperationFails lets each operation of a whole checkpoint fail, one after the other.
// After the failure nothing of the checkpoint is left once it is discarded, none can be loaded, and
// the next checkpoint succeeds.
func TestEveryOperationFails(t *testing.T) {
	for at := 0; ; at++ {
		e := newEnv(t)
		n, failed := 0, memfs.Op{}
		e.fs.SetFault(func(op memfs.Op) error {
			if n++; n == at+1 {
				failed = op
				return errInjected
			}
			return nil
		})
		err := e.tryComplete(1)
		e.fs.SetFault(nil)
		if n <= at {
			if err != nil {
				t.Fatalf("without a fault: %v", err)
			}
			if at < 16 {
				t.Errorf("a checkpoint takes %d operations; are there faults at all?", at)
			}
			return
		}
		ctx := fmt.Sprintf("operation %d (%v %s)", at, failed.Kind, failed.Path)
		if err == nil {
			// A failure to look at what is not there need not matter.
			continue
		}
		if !errors.Is(err, errInjected) || !strings.Contains(err.Error(), failed.Path) {
			t.Errorf("%s: error %v does not name it", ctx, err)
		}
		dir := "mem:///cp/" + testJob.String() + "/chk-1"
		if c, err := e.Load(t.Context(), dir); err == nil {
			t.Errorf("%s: checkpoint %d can be loaded", ctx, c.Checkpoint)
		}
		if err := e.Discard(t.Context(), checkpoint.Discard{Location: dir}); err != nil {
			t.Errorf("%s: discard: %v", ctx, err)
		}
		if got := strings.ReplaceAll(paths(e.fs), "shared/hint@2.1", ""); got != "" {
			t.Errorf("%s: left behind are %s", ctx, got)
		}
		e.check(e.load(e.complete(2).Location))
	}
}

// tryComplete is complete with an error.
func (e *env) tryComplete(n uint64) error {
	ctx := e.t.Context()
	dir, err := e.Prepare(ctx, checkpoint.PrepareLocation{Checkpoint: n})
	if err != nil {
		return err
	}
	l := e.location(n, "")
	own, err := put(ctx, l, false, long)
	if err != nil {
		return err
	}
	shared, err := put(ctx, l, true, long)
	if err != nil {
		return err
	}
	_, err = e.WriteMetadata(ctx, write(n, dir, own, shared))
	return err
}

// TestFullDisk: a full disk fails the checkpoint, leaves no part of a file, and the next one works
// when there is room.
func TestFullDisk(t *testing.T) {
	for room := int64(0); room < 500; room += 9 {
		e := newEnv(t)
		e.fs.SetCapacity(max(1, room))
		err := e.tryComplete(1)
		if err == nil {
			if room < 200 {
				t.Fatalf("a checkpoint fits into %d bytes", room)
			}
			return
		}
		if !errors.Is(err, filesystem.ErrNoSpace) || failure.DomainOf(err) != failure.External ||
			failure.ClassOf(err) != failure.Retryable {
			t.Fatalf("%d bytes of room: %v, want ErrNoSpace", room, err)
		}
		for _, p := range e.fs.Files() {
			if i, err := e.fs.Stat(t.Context(), p); err != nil || i.Size != int64(len(long)) {
				t.Errorf("%d bytes of room: %s has %d bytes, %v", room, p, i.Size, err)
			}
		}
		e.fs.SetCapacity(0)
		e.check(e.load(e.complete(2).Location))
	}
	t.Error("the disk never had enough room")
}

func TestPermission(t *testing.T) {
	e := newEnv(t)
	e.fs.SetFault(func(op memfs.Op) error {
		if op.Kind == memfs.OpMkdir {
			return filesystem.ErrPermission
		}
		return nil
	})
	_, err := e.Prepare(t.Context(), checkpoint.PrepareLocation{Checkpoint: 1})
	if !errors.Is(err, filesystem.ErrPermission) ||
		!strings.Contains(err.Error(), "execution.checkpointing.dir") ||
		!strings.Contains(err.Error(), "/chk-1") {
		t.Errorf("got %v, want ErrPermission that names key and directory", err)
	}
}

// deceptive renames and then says that it failed, like a file system whose answer is lost.
type deceptive struct {
	*memfs.FS
	err error
}

func (d deceptive) Rename(ctx context.Context, from, to string) error {
	if err := d.FS.Rename(ctx, from, to); err != nil {
		return err
	}
	return d.err
}

// TestLostAnswer: after an error there is no checkpoint, even if the rename had happened.
func TestLostAnswer(t *testing.T) {
	e := newEnv(t)
	e.o.Files = registry(t, deceptive{e.fs, errInjected})
	s, err := New(e.o)
	if err != nil {
		t.Fatal(err)
	}
	e.Storage = s
	if err := e.tryComplete(1); !errors.Is(err, errInjected) {
		t.Fatalf("got %v", err)
	}
	e.wantPaths("chk-1/hint@2.1 shared/hint@2.1")
}

// TestCancelled: what is half written goes also when the task's context has ended.
func TestCancelled(t *testing.T) {
	e := newEnv(t)
	e.prepare(1)
	ctx, cancel := context.WithCancel(t.Context())
	w, err := e.location(1, "").Create(ctx, "h")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(long)); err != nil {
		t.Fatal(err)
	}
	e.wantPaths("chk-1/h@2.1")
	cancel()
	if _, err := w.Commit(); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit: %v", err)
	}
	e.wantPaths("")
}

// TestDamagedState: a damaged file is an error that names it, never other state.
func TestDamagedState(t *testing.T) {
	e := newEnv(t)
	c := e.complete(1)
	b := c.Vertices[0].Subtasks[0].Operators[0].Operator[0].Contents
	path := strings.TrimPrefix(b.File, "mem://")
	replace := func(contents string) {
		t.Helper()
		if err := e.fs.Remove(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		w, err := e.fs.Create(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(contents)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range long {
		damaged := []byte(long)
		damaged[i] ^= 1
		replace(string(damaged))
		if _, err := e.get(b); err == nil || !strings.Contains(err.Error(), b.File) ||
			!strings.Contains(err.Error(), "corrupt") {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	replace(long[:10])
	if _, err := e.get(b); err == nil || !strings.Contains(err.Error(), b.File) ||
		!strings.Contains(err.Error(), "truncated") {
		t.Errorf("a short file: %v", err)
	}
	if err := e.fs.Remove(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if _, err := e.get(b); !errors.Is(err, filesystem.ErrNotExist) ||
		!strings.Contains(err.Error(), path) {
		t.Errorf("a missing file: %v", err)
	}
	inline := statebackend.Blob{Inline: []byte("abc"), Length: 3, CRC: 1}
	if _, err := e.get(inline); err == nil || !strings.Contains(err.Error(), "corrupt") {
		t.Errorf("inline state with another checksum: %v", err)
	}
	inline.Length = 4
	if _, err := e.get(inline); err == nil {
		t.Error("inline state with another length was read")
	}
}

// metadataFile replaces the metadata of a checkpoint.
func (e *env) metadataFile(t testing.TB, dir string, contents []byte) {
	t.Helper()
	ctx := context.Background()
	path := strings.TrimPrefix(dir, "mem://") + "/_metadata"
	if err := e.fs.RemoveAll(ctx, path); err != nil {
		t.Fatal(err)
	}
	w, err := e.fs.Create(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(contents); err != nil {
		t.Fatal(err)
	}
}

func TestLoadRefuses(t *testing.T) { // R85
	e := newEnv(t)
	c := e.complete(1)
	e.complete(12)
	job := "mem:///cp/" + testJob.String()
	var whole bytes.Buffer
	if err := checkpoint.Encode(&whole, &c.Metadata, nil); err != nil {
		t.Fatal(err)
	}
	version := bytes.Clone(whole.Bytes())
	version[8] = 77
	corrupt := bytes.Clone(whole.Bytes())
	corrupt[30] ^= 1
	damaged := e.prepare(20)
	begun := e.prepare(21)
	e.metadataFile(t, begun, nil)
	err := e.fs.Rename(t.Context(), strings.TrimPrefix(begun, "mem://")+"/_metadata",
		strings.TrimPrefix(begun, "mem://")+"/_metadata.inprogress.2.77")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name     string
		path     string
		contents []byte
		is       error
		words    []string
	}{
		{"missing", job + "/chk-9", nil, filesystem.ErrNotExist, []string{"chk-9",
			"_metadata file"}},
		{"missing file", job + "/chk-9/_metadata", nil, filesystem.ErrNotExist, nil},
		{"job", job, nil, nil, []string{"name one of them, such as chk-1, chk-12"}},
		{"shared", job + "/shared", nil, nil, []string{"it is no checkpoint"}},
		{"begun", begun, nil, nil, []string{"not completed"}},
		{"state file", c.Vertices[0].Subtasks[0].Operators[0].Operator[0].Contents.File, nil,
			checkpoint.ErrNotMetadata, []string{"name the directory of a checkpoint"}},
		{"empty", damaged, []byte{}, checkpoint.ErrTruncated, []string{"chk-20/_metadata",
			"damaged"}},
		{"truncated", damaged, whole.Bytes()[:whole.Len()-5], checkpoint.ErrTruncated,
			[]string{"chk-20/_metadata", "restore from another"}},
		{"corrupt", damaged, corrupt, checkpoint.ErrCorrupt,
			[]string{"chk-20/_metadata", "restore from another"}},
		{"version", damaged, version, checkpoint.ErrVersion, []string{"version 77",
			"reads version 1"}},
		{"scheme", "s3://bucket/chk-1", nil, nil, []string{`scheme "s3"`, "file, mem"}},
		{"nothing", "", nil, nil, []string{"empty path"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.contents != nil {
				e.metadataFile(t, test.path, test.contents)
			}
			_, err := Load(t.Context(), e.files, test.path)
			if err == nil {
				t.Fatal("it was loaded")
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v is not %v", err, test.is)
			}
			for _, w := range append(test.words, fmt.Sprintf("checkpoint %q", test.path)) {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not contain %q", err, w)
				}
			}
			if failure.ClassOf(err) != failure.FailJob || failure.DomainOf(err) != failure.User {
				t.Errorf("error is %v of %v", failure.ClassOf(err), failure.DomainOf(err))
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Load(ctx, e.files, c.Location); failure.ClassOf(err) != failure.Retryable {
		t.Errorf("a load that was cancelled: %v of class %v", err, failure.ClassOf(err))
	}
}

// TestLoadPaths: R85, the forms in which a user names a checkpoint.
func TestLoadPaths(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.Directory = "mem:///base/flink/checkpoints" })
	e.complete(50)
	dir := "flink/checkpoints/" + testJob.String() + "/chk-50"
	for _, path := range []string{"mem:///base/" + dir, "mem:///base/" + dir + "/_metadata",
		"/base/" + dir, dir, dir + "/_metadata", "mem:/base/" + dir + "/"} {
		e.check(e.load(path))
	}
}

// FuzzLoad puts any bytes in the place of metadata: an error or sound metadata, never a panic.
func FuzzLoad(f *testing.F) {
	var b bytes.Buffer
	if err := checkpoint.Encode(&b, &write(1, "").Completed.Metadata, nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes(), "mem:///d")
	f.Add([]byte{}, "d/_metadata")
	fs := memfs.New(memfs.Options{})
	files := registry(f, fs)
	if err := fs.MkdirAll(context.Background(), "/d"); err != nil {
		f.Fatal(err)
	}
	e := &env{fs: fs, files: files}
	f.Fuzz(func(t *testing.T, contents []byte, path string) {
		e.metadataFile(t, "mem:///d", contents)
		for _, p := range []string{"mem:///d", path} {
			c, err := Load(t.Context(), files, p)
			if (c == nil) == (err == nil) {
				t.Fatalf("Load(%q) = %v, %v", p, c, err)
			}
		}
	})
}

// TestRandomCrashes runs checkpoints on a disk that may lose power at any operation: what was said
// to be durable can be read afterwards, and the sweep of the next leader leaves only that.
func TestRandomCrashes(t *testing.T) {
	testkit.EachSeed(t, 60, func(t *testing.T, seed uint64) {
		r := testkit.Source(seed)
		e := newEnv(t)
		var durable []*checkpoint.Completed
		number := uint64(1)
		for range 5 {
			ops := r.IntN(120)
			e.fs.SetFault(func(memfs.Op) error {
				if ops--; ops < 0 {
					return errInjected
				}
				return nil
			})
			for {
				c, err := e.random(number)
				if err != nil {
					break
				}
				durable = append(durable, c)
				number++
			}
			e.reopen(e.fs.Crash(), func(o *Options) { o.Epoch++ })
			var retained []*checkpoint.Completed
			for _, c := range durable {
				got := e.load(c.Location)
				got.Foreign = false
				e.check(got)
				retained = append(retained, got)
			}
			if err := e.Sweep(t.Context(), retained); err != nil {
				t.Fatal(err)
			}
			if got, want := len(e.fs.Files()), 3*len(durable); got != want {
				t.Fatalf("%d files are left of %d checkpoints: %s", got, len(durable), paths(e.fs))
			}
		}
	})
}

// random is complete with an error, for any number and epoch.
func (e *env) random(n uint64) (*checkpoint.Completed, error) {
	ctx := e.t.Context()
	dir, err := e.Prepare(ctx, checkpoint.PrepareLocation{Checkpoint: n})
	if err != nil {
		return nil, err
	}
	l := e.location(n, "")
	own, err := put(ctx, l, false, long)
	if err != nil {
		return nil, err
	}
	shared, err := put(ctx, l, true, long)
	if err != nil {
		return nil, err
	}
	w := write(n, dir, own, shared)
	w.Completed.Epoch = e.o.Epoch
	_, err = e.WriteMetadata(ctx, w)
	return w.Completed, err
}
