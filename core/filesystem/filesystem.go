// Package filesystem is the contract (SPI) between the engine and the file systems that hold its
// checkpoints, artifacts and leader's files: what is needed of them and, where the engine's safety
// hangs on it, what exactly they promise.
//
//	URI ──▶ Registry ──▶ FileSystem (local, HDFS, …) + path
//
// A [FileSystem] knows paths only: absolute, separated by slashes, clean ("/a/b", never "/a//b/"
// or "/a/../b"; see [CheckPath]). A [Registry] finds the file system of a URI.
//
// Three promises carry the protocols above and are checked by the suite in filesystemtest:
//
//   - Create is exclusive: of any number of callers one makes the file;
//   - Rename is atomic and never overwrites: of any number of callers that rename to one name, one
//     succeeds, and nobody ever sees the target half-made;
//   - neither makes missing parents: who deletes or renames a directory keeps everyone out of it.
//
// An error is, by errors.Is, one of the sentinels of this package where one fits, keeps its cause,
// and names the operation and the path.
package filesystem

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"
	"time"
)

// The errors of file systems. The first three are those of io/fs.
var (
	// ErrNotExist says that the path, or a directory on the way to it, does not exist.
	ErrNotExist = fs.ErrNotExist
	// ErrExist says that there is something under a name that was to be made.
	ErrExist = fs.ErrExist
	// ErrPermission says that the file system refuses the user.
	ErrPermission = fs.ErrPermission
	// ErrNoSpace says that the disk or a quota is full.
	ErrNoSpace = errors.New("no space left")
	// ErrNotEmpty says that a directory to be removed has entries.
	ErrNotEmpty = errors.New("directory is not empty")
	// ErrInvalidPath says that a path is not absolute and clean.
	ErrInvalidPath = errors.New("not an absolute, clean path")
)

// FileSystem is one file system. All methods may be called concurrently. A context that ends makes
// a call return soon with its error; whether the call took effect is then open.
type FileSystem interface {
	// Create makes a new file and opens it for writing. It returns ErrExist if there is anything
	// under the name, and ErrNotExist if the parent directory is missing, which is never made.
	// The context governs the writer, too.
	Create(ctx context.Context, path string) (Writer, error)
	// Open opens a file for reading. The context governs the reads, too. Opening a directory is an
	// error.
	Open(ctx context.Context, path string) (File, error)
	// Rename gives a file or a directory another name. It is atomic: everybody sees either the old
	// name or the new one. If there is anything under the new name, even an empty directory, it
	// returns ErrExist and nothing changes; if the new name's parent is missing, ErrNotExist. A
	// rename that has returned without an error survives a crash; the contents of a file do as far
	// as they were synced.
	Rename(ctx context.Context, from, to string) error
	// Remove removes a file or an empty directory. ErrNotExist if there is none, ErrNotEmpty for a
	// directory with entries.
	Remove(ctx context.Context, path string) error
	// RemoveAll removes a file, or a directory with all below it. It is no error if there is none.
	// After an error a part may be gone. The root is refused.
	RemoveAll(ctx context.Context, path string) error
	// MkdirAll makes a directory and its parents where they are missing. It is no error if the
	// directory exists, so it cannot tell who made it; a file in the way is one.
	MkdirAll(ctx context.Context, path string) error
	// List yields the entries of a directory, in no particular order, without those below them. Of
	// entries that come or go meanwhile it may show any. After an error it ends; a missing
	// directory yields ErrNotExist.
	List(ctx context.Context, dir string) iter.Seq2[Info, error]
	// Stat describes a file or directory.
	Stat(ctx context.Context, path string) (Info, error)
}

// Writer writes a new file from its beginning to its end. One goroutine uses it.
type Writer interface {
	io.Writer
	// Sync returns when all that was written, and the file's name, survive a crash of this machine
	// (or of the servers of the file system).
	Sync() error
	// Close ends the writing; a second call does nothing and returns nil. Without Sync before it,
	// what was written is visible but may be lost in a crash. After a failed Write, Sync or Close
	// the contents are undefined: close and remove the file.
	Close() error
}

// File reads a file. Read and Close belong to one goroutine, ReadAt may be called by several.
type File interface {
	io.ReadCloser
	io.ReaderAt
	// Size is the file's length in bytes when it was opened.
	Size() int64
}

// Info describes a file or a directory.
type Info struct {
	// Name is the last element of the path.
	Name string
	// Size is the length of a file in bytes; 0 for a directory.
	Size int64
	// ModTime is when it was last changed, as exactly as the file system knows it.
	ModTime time.Time
	Dir     bool
}

// CheckPath returns an error that is ErrInvalidPath unless p is absolute and clean, without NUL.
// Implementations call it first.
func CheckPath(op, p string) error {
	if !strings.HasPrefix(p, "/") || path.Clean(p) != p || strings.IndexByte(p, 0) >= 0 {
		return &fs.PathError{Op: op, Path: p, Err: ErrInvalidPath}
	}
	return nil
}
