package storage

import (
	"context"
	"fmt"
	"hash/crc32"
	"io"

	"goflink/core/filesystem"
	"goflink/core/statebackend"
)

// reader opens blobs.
type reader struct{ files *filesystem.Registry }

var _ statebackend.BlobReader = reader{}

// Open implements statebackend.BlobReader.
func (r reader) Open(ctx context.Context, b statebackend.Blob) (io.ReadCloser, error) {
	rc, err := r.OpenAt(ctx, b, 0, b.Length)
	if err != nil {
		return nil, err
	}
	return &verifier{ReadCloser: rc, b: b}, nil
}

// OpenAt implements statebackend.BlobReader.
func (r reader) OpenAt(ctx context.Context, b statebackend.Blob, offset, length int64) (
	io.ReadCloser, error,
) {
	if offset < 0 || length < 0 || offset > b.Length-length {
		return nil, fmt.Errorf("read %d bytes from %d of %s, which has %d",
			length, offset, name(&b), b.Length)
	}
	if b.File == "" {
		if int64(len(b.Inline)) != b.Length {
			return nil, fmt.Errorf("%s has %d bytes instead of %d",
				name(&b), len(b.Inline), b.Length)
		}
		return &memoryReader{b: b.Inline[offset : offset+length]}, nil
	}
	fs, path, err := r.files.Find(ctx, b.File)
	if err != nil {
		return nil, fmt.Errorf("state file: %w", err)
	}
	f, err := fs.Open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("state file: %w", err)
	}
	if end := b.Offset + b.Length; end > f.Size() {
		_ = f.Close()
		return nil, fmt.Errorf("state file %s is truncated: it has %d bytes, and the state ends "+
			"at %d: restore from another checkpoint", b.File, f.Size(), end)
	}
	at := b.Offset + offset
	if at == 0 {
		return &fileReader{Reader: io.LimitReader(f, length), Closer: f}, nil
	}
	return &fileReader{Reader: io.NewSectionReader(f, at, length), Closer: f}, nil
}

func name(b *statebackend.Blob) string {
	if b.File == "" {
		return "a state in the checkpoint's metadata"
	}
	return "state file " + b.File
}

type fileReader struct {
	io.Reader
	io.Closer
}

// memoryReader reads inline contents.
type memoryReader struct{ b []byte }

func (r *memoryReader) Read(b []byte) (int, error) {
	if len(r.b) == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	n := copy(b, r.b)
	r.b = r.b[n:]
	return n, nil
}

func (r *memoryReader) Close() error { return nil }

// verifier compares length and checksum at the end.
type verifier struct {
	io.ReadCloser
	b   statebackend.Blob
	n   int64
	crc uint32
}

func (v *verifier) Read(b []byte) (int, error) {
	n, err := v.ReadCloser.Read(b)
	v.crc = crc32.Update(v.crc, castagnoli, b[:n])
	v.n += int64(n)
	if err == io.EOF && (v.n != v.b.Length || v.crc != v.b.CRC) {
		return n, fmt.Errorf("%s is corrupt: %d of %d bytes have the checksum %08x instead of "+
			"%08x: restore from another checkpoint", name(&v.b), v.n, v.b.Length, v.crc, v.b.CRC)
	}
	return n, err
}
