package writing

import (
	"errors"
	"fmt"
	"time"

	"goflink/core/filesystem"
	"goflink/core/sink"
	"goflink/core/typeinfo"
	"goflink/operator"
	"goflink/operator/recordfile"
)

const (
	// DefaultRollBytes is the size at which a part file is closed and another one begun.
	DefaultRollBytes = 128 << 20
	// DefaultRollInterval is the age at which it is.
	DefaultRollInterval = 30 * time.Minute
	// MaxOpenParts bounds the part files that a subtask writes at the same time, one per bucket;
	// the one that was not written to for the longest time is closed.
	MaxOpenParts = 128
	// MaxRecordBytes bounds an encoded record.
	MaxRecordBytes = recordfile.MaxRecordBytes
)

// File describes an exactly-once sink of files (R166). A subtask writes part files; a part goes
// through three states:
//
//	in progress ─▶ pending: closed and synced, at the latest at the next barrier
//	            ─▶ finished: renamed to where readers look for it, once the checkpoint is complete
//
// Parts that are not finished lie in a hidden directory below Path, ".goflink-" and the id of the
// job. A finished part is called PREFIX-JOB-SUBTASK-NUMBER.SUFFIX, lies in the directory of its
// bucket, and is never written again or replaced. Part files are closed at each barrier, so the
// interval of checkpoints bounds their size; without checkpoints they become finished when the
// input ends.
type File[T any] struct {
	// Files finds the file system of Path, a path or URI of a directory, which is made.
	Files *filesystem.Registry
	Path  string
	// Format says how records are written.
	Format FileFormat[T]
	// Buckets says which directory below Path a record goes to; the zero value means Path itself.
	Buckets Buckets[T]
	// RollBytes and RollInterval close a part file early; 0 means the defaults.
	RollBytes    int64
	RollInterval time.Duration
	// Prefix begins the names of files; empty means "part".
	Prefix string
}

// FileFormat says how records become a file.
type FileFormat[T any] struct {
	// Header is what each file begins with.
	Header []byte
	// Append appends an encoded record to dst. It must be pure.
	Append func(dst []byte, v *T) ([]byte, error)
	// Suffix ends the names of files, such as ".txt".
	Suffix string
}

// Text writes each record as a line, in Flink's text form.
func Text[T any]() FileFormat[T] {
	f := FileFormat[T]{Append: func(dst []byte, v *T) ([]byte, error) {
		return append(typeinfo.AppendText(dst, *v), '\n'), nil
	}}
	// A string is not boxed.
	if s, ok := any(func(dst []byte, v *string) ([]byte, error) {
		return append(append(dst, *v...), '\n'), nil
	}).(func(dst []byte, v *T) ([]byte, error)); ok {
		f.Append = s
	}
	return f
}

// Binary writes records as typ encodes them, with their schema (operator/recordfile), so that
// reading.BinaryFile can read them, also into a type that has changed compatibly.
func Binary[T any](typ *typeinfo.Type[T]) (FileFormat[T], error) {
	header, err := recordfile.Header(typ)
	return FileFormat[T]{Header: header, Suffix: ".bin",
		Append: func(dst []byte, v *T) ([]byte, error) {
			return recordfile.Append(typ, dst, v)
		}}, err
}

// Check says what is wrong with the description.
func (f File[T]) Check() error {
	switch {
	case f.Files == nil:
		return errors.New("file sink: there are no file systems to write to")
	case f.Format.Append == nil:
		return errors.New("file sink: there is no format")
	case f.RollBytes < 0 || f.RollInterval < 0:
		return fmt.Errorf("file sink: part files roll at %d bytes and after %v; want no negative "+
			"numbers", f.RollBytes, f.RollInterval)
	}
	if err := checkName(f.Prefix + "x" + f.Format.Suffix); err != nil {
		return fmt.Errorf("file sink: prefix %q and suffix %q: %w", f.Prefix, f.Format.Suffix, err)
	}
	if _, err := f.Files.Resolve(f.Path); err != nil {
		return fmt.Errorf("file sink: %w", err)
	}
	return nil
}

// Factory returns the factory of the sink's operator.
func (f File[T]) Factory() operator.Factory {
	if f.RollBytes == 0 {
		f.RollBytes = DefaultRollBytes
	}
	if f.RollInterval == 0 {
		f.RollInterval = DefaultRollInterval
	}
	if f.Prefix == "" {
		f.Prefix = "part"
	}
	return TwoPhase(func() (sink.TwoPhase[T, *Parts], error) {
		if err := f.Check(); err != nil {
			return nil, err
		}
		return &fileSink[T]{f: f}, nil
	})
}

// Parts is a transaction of a file sink: part files that are closed. It is part of the state of
// checkpoints, as JSON.
type Parts struct {
	Files []Part
}

// Part is a part file: the URI under which it is pending, that of the finished file, and its
// length.
type Part struct {
	Pending, Finished string
	Bytes             int64
}
