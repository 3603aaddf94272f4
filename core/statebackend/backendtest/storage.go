package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"goflink/core/statebackend"
)

// inlineBytes is up to which size Storage hands contents back inline.
const inlineBytes = 256

// ErrStorage is the error that Storage fails with.
var ErrStorage = errors.New("the storage fails")

// Storage is a checkpoint storage in memory: a Location and BlobReader. It is safe for concurrent
// use; its fields are set before it is used.
type Storage struct {
	// OnWrite, if set, is called before each write with the bytes written by that writer so far.
	OnWrite func(written int)
	// FailAfter is the number of bytes after which writing fails with ErrStorage; 0 means never.
	FailAfter int

	mu struct {
		sync.Mutex
		files   map[string][]byte
		created int
		open    int // writers neither committed nor discarded
		fetched int64
	}
}

var _ statebackend.Location = (*Storage)(nil)
var _ statebackend.BlobReader = (*Storage)(nil)

// Files is the number of files in the storage.
func (s *Storage) Files() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.files)
}

// Open counts the writers that were neither committed nor discarded.
func (s *Storage) Unfinished() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.open
}

// Fetched is the number of bytes that were read.
func (s *Storage) Fetched() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.fetched
}

// Create implements statebackend.Location.
func (s *Storage) Create(ctx context.Context, hint string) (statebackend.BlobWriter, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.created++
	s.mu.open++
	return &writer{storage: s, name: fmt.Sprintf("%s-%d", hint, s.mu.created)}, nil
}

// writer is a BlobWriter of Storage.
type writer struct {
	storage *Storage
	name    string
	buf     bytes.Buffer
	done    bool
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, errors.New("written after Commit or Discard")
	}
	if f := w.storage.OnWrite; f != nil {
		f(w.buf.Len())
	}
	if n := w.storage.FailAfter; n > 0 && w.buf.Len()+len(p) > n {
		return 0, ErrStorage
	}
	return w.buf.Write(p)
}

// Commit implements statebackend.BlobWriter.
func (w *writer) Commit() (statebackend.Blob, error) {
	if w.done {
		return statebackend.Blob{}, errors.New("committed twice")
	}
	w.finish()
	b := w.buf.Bytes()
	blob := statebackend.Blob{Length: int64(len(b)), CRC: statebackend.CRC(0, b), Exclusive: true}
	if len(b) <= inlineBytes {
		blob.Inline = b
		return blob, nil
	}
	w.storage.mu.Lock()
	defer w.storage.mu.Unlock()
	if w.storage.mu.files == nil {
		w.storage.mu.files = map[string][]byte{}
	}
	w.storage.mu.files[w.name] = b
	blob.File = w.name
	return blob, nil
}

// Discard implements statebackend.BlobWriter.
func (w *writer) Discard() {
	if !w.done {
		w.finish()
	}
}

func (w *writer) finish() {
	w.done = true
	w.storage.mu.Lock()
	w.storage.mu.open--
	w.storage.mu.Unlock()
}

// contents returns the bytes of a blob.
func (s *Storage) contents(ctx context.Context, b statebackend.Blob) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data := b.Inline
	if b.File != "" {
		s.mu.Lock()
		file, ok := s.mu.files[b.File]
		s.mu.Unlock()
		if !ok {
			return nil, fmt.Errorf("file %q does not exist", b.File)
		}
		data = file[b.Offset:]
	}
	if int64(len(data)) < b.Length {
		return nil, fmt.Errorf("a blob of %d bytes has %d", b.Length, len(data))
	}
	return data[:b.Length], nil
}

// Open implements statebackend.BlobReader.
func (s *Storage) Open(ctx context.Context, b statebackend.Blob) (io.ReadCloser, error) {
	data, err := s.contents(ctx, b)
	if err == nil && statebackend.CRC(0, data) != b.CRC {
		err = fmt.Errorf("the checksum of %q does not match", b.File)
	}
	if err != nil {
		return nil, err
	}
	return s.reader(data), nil
}

// OpenAt implements statebackend.BlobReader.
func (s *Storage) OpenAt(ctx context.Context, b statebackend.Blob, offset, length int64) (
	io.ReadCloser, error,
) {
	data, err := s.contents(ctx, b)
	if err != nil {
		return nil, err
	}
	if offset < 0 || length < 0 || offset+length > int64(len(data)) {
		return nil, fmt.Errorf("%d bytes from %d of a blob of %d", length, offset, len(data))
	}
	return s.reader(data[offset : offset+length]), nil
}

func (s *Storage) reader(data []byte) io.ReadCloser {
	s.mu.Lock()
	s.mu.fetched += int64(len(data))
	s.mu.Unlock()
	return io.NopCloser(bytes.NewReader(data))
}
