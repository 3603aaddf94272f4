package reading

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"goflink/core/filesystem"
	"goflink/core/source"
)

const (
	// DefaultTextSplitBytes is the length of the parts that a text file is read in.
	DefaultTextSplitBytes = 32 << 20
	// DefaultMaxLineBytes bounds a line where nothing else is said.
	DefaultMaxLineBytes = 64 << 20
)

// TextFile is the source of the lines of a text file, of all files in a directory (its hidden
// ones, beginning with "." or "_", apart), or of all that a pattern matches (*, ? and [...] in
// the last element of the path). Files are read in parallel in parts; files ending in .gz are
// unpacked and read as a whole. Lines end in \n or \r\n.
type TextFile struct {
	// Files finds the file system of Path.
	Files *filesystem.Registry
	// Path is a path or URI.
	Path string
	// SplitBytes is the length of parts; 0 means DefaultTextSplitBytes.
	SplitBytes int64
	// MaxLineBytes is the length of the longest line that is read; 0 means DefaultMaxLineBytes.
	MaxLineBytes int
}

var _ source.Source[string] = TextFile{}

// Bounded is true.
func (TextFile) Bounded() bool { return true }

// Replayable is true.
func (TextFile) Replayable() bool { return true }

// textSplit is a part of a file that is being read.
type textSplit struct {
	Path string
	// Next is the position of the next line, in unpacked bytes for a packed file. From 0 and above
	// Begin lines are read that begin before End.
	Next, End int64
	// Middle says that Next is in the middle of a line, which belongs to the part before.
	Middle bool `json:",omitempty"`
}

func (s textSplit) split(id string) (source.Split, error) {
	b, err := json.Marshal(s)
	return source.Split{ID: id, State: b}, err
}

// NewEnumerator lists the files and divides them into parts.
func (t TextFile) NewEnumerator(ctx source.EnumeratorContext, restored []byte) (
	source.Enumerator, error) {
	return newFindingPool(ctx, restored, t.discover)
}

// Check says what is wrong with the path, for errors before a job is submitted.
func (t TextFile) Check(ctx context.Context) error {
	_, err := findFiles(ctx, "text file", t.Files, t.Path)
	return err
}

func (t TextFile) discover(ctx context.Context) ([]source.Split, error) {
	files, err := findFiles(ctx, "text file", t.Files, t.Path)
	if err != nil {
		return nil, err
	}
	size := t.SplitBytes
	if size <= 0 {
		size = DefaultTextSplitBytes
	}
	var splits []source.Split
	for _, f := range files {
		for at := int64(0); at < max(f.Size, 1); at += size {
			s := textSplit{Path: f.Name, Next: at, End: min(at+size, f.Size), Middle: at > 0}
			if packed(f.Name) {
				s.End = wholeFile
			}
			sp, err := s.split(fmt.Sprintf("%s@%d", f.Name, at))
			if err != nil {
				return nil, err
			}
			splits = append(splits, sp)
			if packed(f.Name) {
				break
			}
		}
	}
	return splits, nil
}

func packed(name string) bool { return strings.HasSuffix(name, ".gz") }
