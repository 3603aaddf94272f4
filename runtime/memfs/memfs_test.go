package memfs

import (
	"errors"
	"slices"
	"testing"

	"goflink/core/filesystem"
	"goflink/core/filesystem/filesystemtest"
)

func TestConformance(t *testing.T) {
	filesystemtest.Run(t, func(t *testing.T) (filesystem.FileSystem, string) {
		fs := New(Options{})
		if err := fs.MkdirAll(t.Context(), "/some/dir"); err != nil {
			t.Fatal(err)
		}
		return fs, "/some/dir"
	})
}

// create makes a file with contents, of which the first part is synced.
func create(t *testing.T, fs *FS, path, synced, rest string) {
	t.Helper()
	w, err := fs.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(s string) {
		if _, err := w.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	if synced != "" {
		write(synced)
		if err := w.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	write(rest)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func size(t *testing.T, fs *FS, path string) int64 {
	t.Helper()
	i, err := fs.Stat(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return i.Size
}

// TestCrash checks that exactly what the contract calls synced survives.
func TestCrash(t *testing.T) {
	fs := New(Options{})
	create(t, fs, "/synced", "abc", "")
	create(t, fs, "/half", "abc", "def")
	create(t, fs, "/lost", "", "abc")
	create(t, fs, "/tmp", "", "abc")
	if err := fs.Rename(t.Context(), "/tmp", "/renamed"); err != nil {
		t.Fatal(err)
	}
	create(t, fs, "/removed", "abc", "")
	if err := fs.Remove(t.Context(), "/removed"); err != nil {
		t.Fatal(err)
	}
	after := fs.Crash()
	want := []string{"/half", "/renamed", "/synced"}
	if got := after.Files(); !slices.Equal(got, want) {
		t.Fatalf("after the crash there are %v, want %v", got, want)
	}
	for path, want := range map[string]int64{"/synced": 3, "/half": 3, "/renamed": 0} {
		if got := size(t, after, path); got != want {
			t.Errorf("%s has %d bytes after the crash, want %d", path, got, want)
		}
	}
	if after.UsedBytes() != 6 {
		t.Errorf("%d bytes are used after the crash, want 6", after.UsedBytes())
	}
	if _, err := fs.Stat(t.Context(), "/synced"); !errors.Is(err, ErrCrashed) {
		t.Errorf("the crashed file system answers %v", err)
	}
}

// TestFullDisk checks that a full disk takes what fits, and that removing files makes room.
func TestFullDisk(t *testing.T) {
	fs := New(Options{CapacityBytes: 10})
	create(t, fs, "/a", "12345", "")
	w, err := fs.Create(t.Context(), "/b")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write([]byte("123456")); n != 5 || !errors.Is(err, filesystem.ErrNoSpace) {
		t.Errorf("write on a full disk: %d, %v; want 5, ErrNoSpace", n, err)
	}
	if err := fs.Remove(t.Context(), "/a"); err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write([]byte("67890")); n != 5 || err != nil {
		t.Errorf("write after a file was removed: %d, %v", n, err)
	}
	if err := fs.Rename(t.Context(), "/b", "/c"); err != nil {
		t.Fatal(err)
	}
	if err := fs.RemoveAll(t.Context(), "/c"); err != nil {
		t.Fatal(err)
	}
	if fs.UsedBytes() != 0 {
		t.Errorf("%d bytes are used by no file", fs.UsedBytes())
	}
	if _, err := w.Write(make([]byte, 3)); err != nil {
		t.Errorf("write to a removed file: %v", err)
	}
	if fs.UsedBytes() != 0 {
		t.Errorf("a removed file uses %d bytes", fs.UsedBytes())
	}
}

// TestFault checks that each operation asks the fault, and fails with its error.
func TestFault(t *testing.T) {
	fs := New(Options{})
	broken := errors.New("broken")
	var seen []OpKind
	fs.SetFault(func(op Op) error {
		seen = append(seen, op.Kind)
		return nil
	})
	create(t, fs, "/a", "x", "y")
	f, err := fs.Open(t.Context(), "/a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	want := []OpKind{OpCreate, OpWrite, OpSync, OpWrite, OpClose, OpOpen, OpRead}
	if !slices.Equal(seen, want) {
		t.Errorf("operations were %v, want %v", seen, want)
	}
	fs.SetFault(func(op Op) error {
		if op.Kind == OpRename && op.To == "/b" {
			return broken
		}
		return nil
	})
	if err := fs.Rename(t.Context(), "/a", "/b"); !errors.Is(err, broken) {
		t.Errorf("rename: %v, want the injected error", err)
	}
	if err := fs.Rename(t.Context(), "/a", "/c"); err != nil {
		t.Errorf("rename to another name: %v", err)
	}
	fs.SetFault(nil)
	if err := fs.Rename(t.Context(), "/c", "/b"); err != nil {
		t.Errorf("rename without faults: %v", err)
	}
}
