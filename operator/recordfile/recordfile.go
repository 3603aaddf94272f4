// Package recordfile is the format of binary files of records:
//
//	"goflink1" | 4-byte length | schema, a typeinfo.Snapshot as JSON | records …
//
// where a record is a 4-byte length and the value as typeinfo encodes it. Lengths are big endian.
// Files can be read into a type that has changed compatibly since they were written.
package recordfile

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"goflink/core/typeinfo"
)

const (
	// Magic begins each file.
	Magic = "goflink1"
	// MaxSchemaBytes bounds the schema, MaxRecordBytes a record.
	MaxSchemaBytes = 16 << 20
	MaxRecordBytes = 256 << 20

	lengthBytes = 4
)

// Header is what a file with records of a type begins with.
func Header[T any](typ *typeinfo.Type[T]) ([]byte, error) {
	schema, err := json.Marshal(typ.Snapshot())
	if err == nil && len(schema) > MaxSchemaBytes {
		err = fmt.Errorf("it takes %d bytes; at most %d are possible", len(schema), MaxSchemaBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", typ.Name(), err)
	}
	return append(binary.BigEndian.AppendUint32([]byte(Magic), uint32(len(schema))), schema...), nil
}

// Append appends a record to dst.
func Append[T any](typ *typeinfo.Type[T], dst []byte, v *T) ([]byte, error) {
	at := len(dst)
	dst, err := typ.Append(append(dst, make([]byte, lengthBytes)...), v)
	if err != nil {
		return dst, err
	}
	n := len(dst) - at - lengthBytes
	if n > MaxRecordBytes {
		return dst, fmt.Errorf("a record takes %d bytes; at most %d are possible", n,
			MaxRecordBytes)
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(n))
	return dst, nil
}

// Reader reads the records of a file. One goroutine uses it.
type Reader[T any] struct {
	r   *bufio.Reader
	dec typeinfo.Decoder[T]
	buf []byte
}

// readBytes is how much a Reader reads at once.
const readBytes = 64 << 10

// NewReader reads the header from r and returns a reader of the records behind it, and the length
// of the header.
func NewReader[T any](typ *typeinfo.Type[T], r io.Reader) (*Reader[T], int64, error) {
	in := bufio.NewReaderSize(r, readBytes)
	head := make([]byte, len(Magic)+lengthBytes)
	if _, err := io.ReadFull(in, head); err != nil && !cut(err) {
		return nil, 0, err
	}
	if string(head[:len(Magic)]) != Magic {
		return nil, 0, fmt.Errorf("it does not begin with %q: it is no binary file of records",
			Magic)
	}
	n := binary.BigEndian.Uint32(head[len(Magic):])
	if n > MaxSchemaBytes {
		return nil, 0, fmt.Errorf("damaged: a schema of %d bytes", n)
	}
	schema := make([]byte, n)
	if _, err := io.ReadFull(in, schema); err != nil {
		return nil, 0, fmt.Errorf("the schema is cut off: %w", err)
	}
	old, err := typeinfo.ParseSnapshot(schema)
	if err != nil {
		return nil, 0, err
	}
	dec, err := typ.Migrate(old)
	return &Reader[T]{r: in, dec: dec}, int64(len(head)) + int64(n), err
}

func cut(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// Continue makes r go on with what comes from other: a later position of the same file.
func (r *Reader[T]) Continue(other io.Reader) { r.r.Reset(other) }

// Next reads the next record into v and returns its length in the file; io.EOF at the end.
func (r *Reader[T]) Next(v *T) (int64, error) {
	head, err := r.r.Peek(lengthBytes)
	if err == io.EOF && len(head) == 0 {
		return 0, io.EOF
	}
	if err != nil {
		return 0, cutOff(err)
	}
	n := binary.BigEndian.Uint32(head)
	if n > MaxRecordBytes {
		return 0, fmt.Errorf("damaged: a record of %d bytes", n)
	}
	if _, err := r.r.Discard(lengthBytes); err != nil {
		return 0, err
	}
	// The length may lie: only what is there is allocated.
	if r.buf, err = readN(r.r, r.buf[:0], int(n)); err != nil {
		return 0, cutOff(err)
	}
	rest, err := r.dec.Decode(r.buf, v)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("damaged: %d bytes are left of a record of %d", len(rest), n)
	}
	return int64(lengthBytes) + int64(n), err
}

func readN(r io.Reader, buf []byte, n int) ([]byte, error) {
	for len(buf) < n {
		at := len(buf)
		step := min(n-at, 1<<20)
		buf = append(buf, make([]byte, step)...)
		if _, err := io.ReadFull(r, buf[at:]); err != nil {
			return buf, err
		}
	}
	return buf, nil
}

func cutOff(err error) error {
	if cut(err) {
		return fmt.Errorf("the file is cut off in a record: %w", io.ErrUnexpectedEOF)
	}
	return err
}
