// Package localfs is the file system of this machine ("file://") behind the contract of
// core/filesystem.
//
// What the contract calls synced is: the contents by fsync of the file, its name by fsync of the
// directory. Rename without overwriting is one system call on Linux (renameat2 with
// RENAME_NOREPLACE, man 2 rename), where the file system of the disk knows it; elsewhere a file
// gets its new name by link, which fails if the name is taken, and then loses the old one.
package localfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"goflink/core/filesystem"
)

// Scheme is the scheme of this machine's files.
const Scheme = "file"

// Permissions of what is made; the process's umask takes from them.
const (
	filePermissions = 0o644
	dirPermissions  = 0o755
)

// listBatch is the number of entries that are read of a directory at a time.
const listBatch = 256

// FS is the local file system. It has no state.
type FS struct{}

var _ filesystem.FileSystem = FS{}

// Open is the filesystem.Opener of the scheme "file".
func Open(_ context.Context, authority string) (filesystem.FileSystem, error) {
	if authority != "" && authority != "localhost" {
		return nil, fmt.Errorf("file URIs name files of this machine, not of %q: write three "+
			"slashes, as in file:///dir", authority)
	}
	return FS{}, nil
}

// begin checks what every call checks.
func begin(ctx context.Context, op, path string) error {
	if err := ctx.Err(); err != nil {
		return &fs.PathError{Op: op, Path: path, Err: err}
	}
	return filesystem.CheckPath(op, path)
}

// Create implements filesystem.FileSystem.
func (FS) Create(ctx context.Context, path string) (filesystem.Writer, error) {
	if err := begin(ctx, "create", path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePermissions)
	if err != nil {
		return nil, classify(err)
	}
	return &writer{ctx: ctx, f: f, dir: filepath.Dir(path)}, nil
}

// Open implements filesystem.FileSystem.
func (FS) Open(ctx context.Context, path string) (filesystem.File, error) {
	if err := begin(ctx, "open", path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, classify(err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("is a directory")}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &file{ctx: ctx, File: f, size: info.Size()}, nil
}

// Rename implements filesystem.FileSystem.
func (FS) Rename(ctx context.Context, from, to string) error {
	if err := errors.Join(begin(ctx, "rename", from), begin(ctx, "rename", to)); err != nil {
		return err
	}
	if err := renameExclusive(from, to); err != nil {
		return fmt.Errorf("rename %s to %s: %w", from, to, classify(err))
	}
	err := syncDir(filepath.Dir(to))
	if dir := filepath.Dir(from); err == nil && dir != filepath.Dir(to) {
		err = syncDir(dir)
	}
	return err
}

// Remove implements filesystem.FileSystem.
func (FS) Remove(ctx context.Context, path string) error {
	if err := begin(ctx, "remove", path); err != nil {
		return err
	}
	return classify(os.Remove(path))
}

// RemoveAll implements filesystem.FileSystem.
func (FS) RemoveAll(ctx context.Context, path string) error {
	if err := begin(ctx, "remove", path); err != nil {
		return err
	}
	if path == "/" {
		return &fs.PathError{Op: "remove", Path: path, Err: filesystem.ErrPermission}
	}
	return classify(os.RemoveAll(path))
}

// MkdirAll implements filesystem.FileSystem.
func (FS) MkdirAll(ctx context.Context, path string) error {
	if err := begin(ctx, "mkdir", path); err != nil {
		return err
	}
	err := os.MkdirAll(path, dirPermissions)
	if errors.Is(err, syscall.ENOTDIR) {
		return err // a file is in the way
	}
	return classify(err)
}

// List implements filesystem.FileSystem.
func (FS) List(ctx context.Context, dir string) iter.Seq2[filesystem.Info, error] {
	return func(yield func(filesystem.Info, error) bool) {
		if err := begin(ctx, "list", dir); err != nil {
			yield(filesystem.Info{}, err)
			return
		}
		d, err := os.Open(dir)
		if err != nil {
			yield(filesystem.Info{}, classify(err))
			return
		}
		defer d.Close()
		for {
			if err := ctx.Err(); err != nil {
				yield(filesystem.Info{}, &fs.PathError{Op: "list", Path: dir, Err: err})
				return
			}
			entries, err := d.ReadDir(listBatch)
			for _, e := range entries {
				info, err := e.Info()
				if errors.Is(err, fs.ErrNotExist) {
					continue // removed meanwhile
				}
				if !yield(describe(info), classify(err)) || err != nil {
					return
				}
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(filesystem.Info{}, classify(err))
				return
			}
		}
	}
}

// Stat implements filesystem.FileSystem.
func (FS) Stat(ctx context.Context, path string) (filesystem.Info, error) {
	if err := begin(ctx, "stat", path); err != nil {
		return filesystem.Info{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return filesystem.Info{}, classify(err)
	}
	return describe(info), nil
}

// describe translates what the operating system says; info is nil after an error.
func describe(info fs.FileInfo) filesystem.Info {
	if info == nil {
		return filesystem.Info{}
	}
	i := filesystem.Info{Name: info.Name(), ModTime: info.ModTime(), Dir: info.IsDir()}
	if !i.Dir {
		i.Size = info.Size()
	}
	return i
}

// classify makes errors of the operating system those of the contract; the cause stays.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &sorted{err, filesystem.ErrNoSpace}
	case errors.Is(err, syscall.ENOTEMPTY):
		// ENOTEMPTY is ErrExist for io/fs; here it has a name of its own.
		return &sorted{err, filesystem.ErrNotEmpty}
	case errors.Is(err, syscall.ENOTDIR):
		return &sorted{err, filesystem.ErrNotExist}
	}
	return err
}

// sorted is an error of the operating system with the sentinel that it is.
type sorted struct {
	err, sentinel error
}

func (e *sorted) Error() string   { return e.err.Error() }
func (e *sorted) Unwrap() []error { return []error{e.sentinel, e.err} }

// syncDir makes the names in a directory survive a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return classify(err)
	}
	defer d.Close()
	return classify(d.Sync())
}

// writer is a filesystem.Writer.
type writer struct {
	ctx    context.Context
	f      *os.File
	dir    string
	named  bool // the name is synced
	closed bool
}

func (w *writer) Write(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, &fs.PathError{Op: "write", Path: w.f.Name(), Err: err}
	}
	n, err := w.f.Write(b)
	return n, classify(err)
}

func (w *writer) Sync() error {
	if err := w.ctx.Err(); err != nil {
		return &fs.PathError{Op: "sync", Path: w.f.Name(), Err: err}
	}
	if err := w.f.Sync(); err != nil {
		return classify(err)
	}
	if w.named {
		return nil
	}
	if err := syncDir(w.dir); err != nil {
		return err
	}
	w.named = true
	return nil
}

func (w *writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	return classify(w.f.Close())
}

// file is a filesystem.File.
type file struct {
	ctx context.Context
	*os.File
	size   int64
	closed sync.Once
}

func (f *file) Read(b []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, &fs.PathError{Op: "read", Path: f.Name(), Err: err}
	}
	return f.File.Read(b)
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, &fs.PathError{Op: "read", Path: f.Name(), Err: err}
	}
	return f.File.ReadAt(b, off)
}

func (f *file) Size() int64 { return f.size }

func (f *file) Close() (err error) {
	f.closed.Do(func() { err = f.File.Close() })
	return err
}
