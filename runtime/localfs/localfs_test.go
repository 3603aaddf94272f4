package localfs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"goflink/core/filesystem"
	"goflink/core/filesystem/filesystemtest"
)

func TestConformance(t *testing.T) {
	filesystemtest.Run(t, func(t *testing.T) (filesystem.FileSystem, string) {
		return FS{}, t.TempDir()
	})
}

// TestRenameByLink checks the way without renameat2: it must not overwrite either.
func TestRenameByLink(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, p := range []string{a, b} {
		if err := os.WriteFile(p, []byte(p), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := renameByLink(a, b); !errors.Is(err, filesystem.ErrExist) {
		t.Errorf("rename onto a file: %v, want ErrExist", err)
	}
	if got, err := os.ReadFile(b); err != nil || string(got) != b {
		t.Errorf("the target was overwritten: %q, %v", got, err)
	}
	c := filepath.Join(dir, "c")
	if err := renameByLink(a, c); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(a); !errors.Is(err, filesystem.ErrNotExist) {
		t.Errorf("the old name is still there: %v", err)
	}
	if err := renameByLink(dir, dir+"2"); err == nil || !strings.Contains(err.Error(), "director") {
		t.Errorf("rename of a directory: %v, want a refusal", err)
	}
}

// TestFullDisk writes to the device that is always full: the cause stays in the error.
func TestFullDisk(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{ctx: t.Context(), f: f, dir: "/dev"}
	_, err = w.Write([]byte("x"))
	if !errors.Is(err, filesystem.ErrNoSpace) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ErrNoSpace with ENOSPC as its cause", err)
	}
	if !strings.Contains(err.Error(), "/dev/full") {
		t.Errorf("error %q does not name the file", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// TestPermission is refused by the operating system itself, also where tests run as root.
func TestPermission(t *testing.T) {
	dir := t.TempDir()
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o700); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		// The thread that loses its rights ends with this goroutine, which stays locked to it.
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			if err := syscall.Setfsuid(65534); err != nil {
				done <- err
				return
			}
		} else if err := os.Chmod(locked, 0); err != nil {
			done <- err
			return
		}
		_, err := FS{}.Create(context.Background(), filepath.Join(locked, "a"))
		done <- err
	}()
	err := <-done
	if !errors.Is(err, filesystem.ErrPermission) || !strings.Contains(err.Error(), locked) {
		t.Errorf("got %v, want ErrPermission that names %s", err, locked)
	}
	if err := os.Chmod(locked, 0o700); err != nil {
		t.Error(err)
	}
}

func TestOpen(t *testing.T) {
	r, err := filesystem.NewRegistry("file:///")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Register(Scheme, Open); err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{"file:///a/b", "file:/a/b", "/a/b", "a/b",
		"file://localhost/a/b"} {
		if _, p, err := r.Find(t.Context(), uri); err != nil || p != "/a/b" {
			t.Errorf("Find(%q): %q, %v", uri, p, err)
		}
	}
	_, _, err = r.Find(t.Context(), "file://a/b")
	if err == nil || !strings.Contains(err.Error(), "three slashes") {
		t.Errorf("a file URI with a host: %v", err)
	}
}
