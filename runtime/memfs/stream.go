package memfs

import (
	"context"
	"io"
	"io/fs"

	"goflink/core/filesystem"
)

// writer is a filesystem.Writer.
type writer struct {
	fs     *FS
	ctx    context.Context
	n      *node
	path   string
	closed bool
}

// begin checks what every call checks. The caller holds mu.
func (w *writer) begin(op Op) error {
	if w.closed {
		return op.failed(fs.ErrClosed)
	}
	return w.fs.begin(w.ctx, op)
}

// Write appends; at a full disk it writes what fits, like a real one.
func (w *writer) Write(b []byte) (int, error) {
	w.fs.mu.Lock()
	defer w.fs.mu.Unlock()
	op := Op{Kind: OpWrite, Path: w.path, Bytes: len(b)}
	if err := w.begin(op); err != nil {
		return 0, err
	}
	n := len(b)
	if limit := w.fs.o.CapacityBytes; limit > 0 {
		n = int(max(0, min(int64(n), limit-w.fs.used)))
	}
	w.n.data = append(w.n.data, b[:n]...)
	w.n.mod = w.fs.o.Now()
	if !w.n.removed {
		w.fs.used += int64(n)
	}
	if n < len(b) {
		return n, op.failed(filesystem.ErrNoSpace)
	}
	return n, nil
}

func (w *writer) Sync() error {
	w.fs.mu.Lock()
	defer w.fs.mu.Unlock()
	if err := w.begin(Op{Kind: OpSync, Path: w.path}); err != nil {
		return err
	}
	w.n.synced, w.n.named = len(w.n.data), true
	return nil
}

func (w *writer) Close() error {
	w.fs.mu.Lock()
	defer w.fs.mu.Unlock()
	if w.closed {
		return nil
	}
	err := w.begin(Op{Kind: OpClose, Path: w.path})
	w.closed = true
	return err
}

// file is a filesystem.File: it sees the file as it was when it was opened.
type file struct {
	fs     *FS
	ctx    context.Context
	path   string
	data   []byte
	pos    int64
	closed bool
}

func (f *file) Read(b []byte) (int, error) {
	n, err := f.ReadAt(b, f.pos)
	f.pos += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	op := Op{Kind: OpRead, Path: f.path, Bytes: len(b)}
	if f.closed {
		return 0, op.failed(fs.ErrClosed)
	}
	if err := f.fs.begin(f.ctx, op); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, op.failed(fs.ErrInvalid)
	}
	if off >= int64(len(f.data)) {
		if len(b) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	n := copy(b, f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) Size() int64 { return int64(len(f.data)) }

func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.closed = true
	return nil
}
