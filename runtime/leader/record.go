package leader

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"goflink/core/filesystem"
)

// MaxRecordBytes bounds one record: the graph of a job is the largest.
const MaxRecordBytes = 128 << 20

// A record's file: magic, length and checksum (little endian), contents.
const (
	recordMagic  = "GFR1"
	recordHeader = len(recordMagic) + 8 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// writeRecord makes a file that survives a crash.
func writeRecord(ctx context.Context, fs filesystem.FileSystem, path string, b []byte) error {
	if len(b) > MaxRecordBytes {
		return fmt.Errorf("%s: the record has %d bytes, the limit is %d", path, len(b),
			MaxRecordBytes)
	}
	w, err := fs.Create(ctx, path)
	if err != nil {
		return err
	}
	header := binary.LittleEndian.AppendUint64([]byte(recordMagic), uint64(len(b)))
	header = binary.LittleEndian.AppendUint32(header, crc32.Checksum(b, castagnoli))
	for _, part := range [][]byte{header, b} {
		if _, err := w.Write(part); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	return errors.Join(w.Sync(), w.Close())
}

// readRecord reads what writeRecord wrote.
func readRecord(ctx context.Context, fs filesystem.FileSystem, path string) ([]byte, error) {
	f, err := fs.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	n := f.Size() - int64(recordHeader)
	if n < 0 || n > MaxRecordBytes {
		return nil, damaged(path, fmt.Sprintf("it has %d bytes", f.Size()))
	}
	all := make([]byte, f.Size())
	if _, err := io.ReadFull(f, all); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	magic, rest, b := all[:len(recordMagic)], all[len(recordMagic):recordHeader], all[recordHeader:]
	switch {
	case !bytes.Equal(magic, []byte(recordMagic)):
		return nil, damaged(path, "it does not begin with "+recordMagic)
	case binary.LittleEndian.Uint64(rest) != uint64(n):
		return nil, damaged(path, fmt.Sprintf("it has %d bytes", f.Size()))
	case binary.LittleEndian.Uint32(rest[8:]) != crc32.Checksum(b, castagnoli):
		return nil, damaged(path, "its checksum is wrong")
	}
	return b, nil
}

func damaged(path, how string) error {
	return fmt.Errorf("%s is damaged: %s; to go on without this record, remove the file", path, how)
}
