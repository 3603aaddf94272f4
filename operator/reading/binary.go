package reading

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"goflink/core/filesystem"
	"goflink/core/source"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/operator/recordfile"
)

// BinaryFile is the source of the records of binary files (operator/recordfile): of one file, of
// all files in a directory, or of all that a pattern matches, as for TextFile. Each file is read as
// a whole by one reader.
type BinaryFile[T any] struct {
	// Files finds the file system of Path.
	Files *filesystem.Registry
	// Path is a path or URI.
	Path string
	// Type is that of the records; the files may hold an older form of it.
	Type *typeinfo.Type[T]
}

func _[T any](v BinaryFile[T]) { var _ source.Source[T] = v }

// Bounded is true.
func (BinaryFile[T]) Bounded() bool { return true }

// Replayable is true.
func (BinaryFile[T]) Replayable() bool { return true }

// Check says what is wrong with the path, for errors before a job is submitted.
func (s BinaryFile[T]) Check(ctx context.Context) error {
	_, err := findFiles(ctx, "binary file", s.Files, s.Path)
	return err
}

// binarySplit is a file that is being read: Next is the position of the next record, 0 before the
// header.
type binarySplit struct {
	Path string
	Next int64 `json:",omitempty"`
}

// NewEnumerator lists the files.
func (s BinaryFile[T]) NewEnumerator(ctx source.EnumeratorContext, restored []byte) (
	source.Enumerator, error) {
	return newFindingPool(ctx, restored, func(ctx context.Context) ([]source.Split, error) {
		files, err := findFiles(ctx, "binary file", s.Files, s.Path)
		if err != nil {
			return nil, err
		}
		splits := make([]source.Split, len(files))
		for i, f := range files {
			if splits[i], err = (binarySplit{Path: f.Name}).split(); err != nil {
				return nil, err
			}
		}
		return splits, nil
	})
}

func (s binarySplit) split() (source.Split, error) {
	b, err := json.Marshal(s)
	return source.Split{ID: s.Path, State: b}, err
}

// NewReader makes a reader of files.
func (s BinaryFile[T]) NewReader(ctx source.ReaderContext) (source.Reader[T], error) {
	return &binaryReader[T]{puller: puller{ctx: ctx}, s: s}, nil
}

// binaryReader reads one file after the other.
type binaryReader[T any] struct {
	puller
	s    BinaryFile[T]
	open []binarySplit
	f    filesystem.File
	in   *recordfile.Reader[T]
}

func (r *binaryReader[T]) AddSplits(splits []source.Split) error {
	for _, s := range splits {
		var b binarySplit
		if err := json.Unmarshal(s.State, &b); err != nil {
			return fmt.Errorf("split %q of a binary file: %w", s.ID, err)
		}
		r.open = append(r.open, b)
	}
	r.got()
	return nil
}

func (r *binaryReader[T]) Poll(b *stream.Batch[T], max int) (string, source.Status, error) {
	if len(r.open) == 0 {
		status, err := r.need()
		return "", status, err
	}
	s := &r.open[0]
	if r.f == nil {
		if err := r.begin(s); err != nil {
			return s.Path, source.End, fmt.Errorf("binary file %s: %w", s.Path, err)
		}
	}
	for range max {
		var v T
		n, err := r.in.Next(&v)
		if err == io.EOF {
			id := s.Path
			r.open = r.open[1:]
			return id, source.SplitEnd, r.Close()
		}
		if err != nil {
			return s.Path, source.End, fmt.Errorf("binary file %s, byte %d: %w", s.Path, s.Next,
				err)
		}
		s.Next += n
		b.Values = append(b.Values, v)
	}
	return s.Path, source.More, nil
}

// begin opens the file, reads its header and goes to the position.
func (r *binaryReader[T]) begin(s *binarySplit) (err error) {
	if r.f, err = openFile(r.s.Files, r.s.Path, s.Path); err != nil {
		return err
	}
	in, header, err := recordfile.NewReader(r.s.Type, io.NewSectionReader(r.f, 0, r.f.Size()))
	if err != nil {
		return err
	}
	r.in = in
	if s.Next == 0 {
		s.Next = header
		return nil
	}
	in.Continue(io.NewSectionReader(r.f, s.Next, r.f.Size()-s.Next))
	return nil
}

func (r *binaryReader[T]) Snapshot(uint64) ([]source.Split, error) {
	var splits []source.Split
	for _, b := range r.open {
		s, err := b.split()
		if err != nil {
			return nil, err
		}
		splits = append(splits, s)
	}
	return splits, nil
}

func (r *binaryReader[T]) Close() error {
	if r.f == nil {
		return nil
	}
	f := r.f
	r.f, r.in = nil, nil
	return f.Close()
}
