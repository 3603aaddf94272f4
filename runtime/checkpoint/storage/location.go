package storage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/core/statebackend"
	"goflink/runtime/checkpoint"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrStateTooLarge says that a state does not fit into the JobManager's memory (R68).
var ErrStateTooLarge = errors.New("the state is too large for the JobManager's memory")

// memoryLocation keeps everything inline: it travels to the JobManager with the acknowledgement.
type memoryLocation struct {
	max        int64
	checkpoint uint64
}

// Create implements statebackend.Location.
func (l *memoryLocation) Create(_ context.Context, hint string) (statebackend.BlobWriter, error) {
	return &memoryWriter{l: l, hint: hint}, nil
}

type memoryWriter struct {
	l    *memoryLocation
	hint string
	buf  []byte
	err  error
}

// Write refuses what is beyond the limit at once, so that no more memory than that is taken.
func (w *memoryWriter) Write(b []byte) (int, error) {
	if w.err == nil && int64(len(w.buf))+int64(len(b)) > w.l.max {
		w.buf = nil
		w.err = failure.Wrap(ErrStateTooLarge, failure.Retryable, failure.User, "state %q has "+
			"more than %v, the limit of %s: raise it, or set %s to %s and %s to a directory",
			w.hint, config.Memory(w.l.max), config.CheckpointJobManagerMaxStateSize.Key,
			config.CheckpointingStorage.Key, config.FileSystemStorage,
			config.CheckpointsDirectory.Key)
	}
	if w.err != nil {
		return 0, w.err
	}
	w.buf = append(w.buf, b...)
	return len(b), nil
}

func (w *memoryWriter) Commit() (statebackend.Blob, error) {
	if w.err != nil {
		return statebackend.Blob{}, w.err
	}
	return inlineBlob(w.buf), nil
}

func (w *memoryWriter) Discard() {}

func inlineBlob(b []byte) statebackend.Blob {
	return statebackend.Blob{Inline: b, Length: int64(len(b)), CRC: crc32.Checksum(b, castagnoli),
		Exclusive: true}
}

// fileLocation writes files into the directory of one checkpoint. That directory is never made
// here: when the checkpoint is given up and its directory removed, late writers must not bring it
// back.
type fileLocation struct {
	s           *Storage
	dir, shared filesystem.URI
	checkpoint  uint64
	attempt     id.Attempt
}

var _ statebackend.Location = (*fileLocation)(nil)

// Create implements statebackend.Location.
func (l *fileLocation) Create(ctx context.Context, hint string) (statebackend.BlobWriter, error) {
	return &fileWriter{l: l, ctx: ctx, hint: hint, dir: l.dir, exclusive: true,
		inline: l.s.o.InlineBytes}, nil
}

// checkpointLocation is a fileLocation of a checkpoint, which may share files with others; a
// savepoint may not.
type checkpointLocation struct{ *fileLocation }

var _ statebackend.SharedLocation = checkpointLocation{}

// CreateShared implements statebackend.SharedLocation.
func (l checkpointLocation) CreateShared(ctx context.Context, hint string) (
	statebackend.BlobWriter, error,
) {
	return &fileWriter{l: l.fileLocation, ctx: ctx, hint: hint, dir: l.shared, inline: -1}, nil
}

// fileWriter writes one blob: up to inline bytes into memory, then into a file.
type fileWriter struct {
	l         *fileLocation
	ctx       context.Context
	hint      string
	dir       filesystem.URI
	exclusive bool
	inline    int64

	buf  []byte // what is in memory, while there is no file
	n    int64
	crc  uint32
	fs   filesystem.FileSystem
	file filesystem.URI
	w    filesystem.Writer
	out  *bufio.Writer
	// err is the first error; committed says that the file is not the writer's any more.
	err       error
	committed bool
}

// Write implements io.Writer.
func (w *fileWriter) Write(b []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.w == nil {
		if w.n+int64(len(b)) <= w.inline {
			w.add(b)
			w.buf = append(w.buf, b...)
			return len(b), nil
		}
		if w.err = w.open(); w.err != nil {
			return 0, w.err
		}
	}
	n, err := w.out.Write(b)
	w.add(b[:n])
	if err != nil {
		w.err = w.failed(err)
	}
	return n, w.err
}

func (w *fileWriter) add(b []byte) {
	w.crc = crc32.Update(w.crc, castagnoli, b)
	w.n += int64(len(b))
}

// open makes the file and moves what is in memory there.
func (w *fileWriter) open() (err error) {
	s := w.l.s
	name := checkpoint.FileName{Attempt: w.l.attempt, Epoch: s.o.Epoch,
		Checkpoint: w.l.checkpoint, Number: s.files.Add(1), Hint: w.hint}
	w.file = w.dir.Join(name.String())
	if w.fs, err = s.find(w.ctx, w.file); err != nil {
		return w.failed(err)
	}
	f, err := w.fs.Create(w.ctx, w.file.Path)
	if errors.Is(err, filesystem.ErrNotExist) {
		return w.failed(fmt.Errorf("%w (its directory is removed when the checkpoint is given up)",
			err))
	}
	if err != nil {
		return w.failed(err)
	}
	w.w = f
	w.out = bufio.NewWriterSize(f, max(w.l.s.o.BufferBytes, 16))
	if _, err := w.out.Write(w.buf); err != nil {
		return w.failed(err)
	}
	w.buf = nil
	return nil
}

func (w *fileWriter) failed(err error) error {
	return failure.Wrap(err, failure.Retryable, failure.External, "checkpoint %d: write state %q",
		w.l.checkpoint, w.hint)
}

// Commit implements statebackend.BlobWriter.
func (w *fileWriter) Commit() (statebackend.Blob, error) {
	if w.err == nil && w.w == nil && w.n > w.inline {
		w.err = w.open() // nothing was written, and nothing may be inline
	}
	if w.err != nil {
		w.Discard()
		return statebackend.Blob{}, w.err
	}
	if w.w == nil {
		w.committed = true
		return inlineBlob(w.buf), nil
	}
	err := w.out.Flush()
	if err == nil {
		err = w.w.Sync()
	}
	if err = errors.Join(err, w.w.Close()); err != nil {
		w.err = w.failed(err)
		w.Discard()
		return statebackend.Blob{}, w.err
	}
	w.committed = true
	return statebackend.Blob{File: w.file.String(), Length: w.n, CRC: w.crc,
		Exclusive: w.exclusive}, nil
}

// Discard implements statebackend.BlobWriter. It removes the file also when the context has ended.
func (w *fileWriter) Discard() {
	if w.committed {
		return
	}
	if w.err == nil {
		w.err = w.failed(errors.New("it was discarded"))
	}
	w.buf = nil
	if w.w == nil {
		return
	}
	w.committed = true // there is nothing to discard twice
	// What fails here is left to the removal of the checkpoint.
	_ = w.w.Close()
	_ = w.fs.Remove(context.WithoutCancel(w.ctx), w.file.Path)
}
