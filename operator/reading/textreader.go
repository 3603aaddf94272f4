package reading

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"goflink/core/filesystem"
	"goflink/core/source"
	"goflink/core/stream"
)

const (
	// MaxLineBytes bounds a line.
	MaxLineBytes = 64 << 20
	// textBufferBytes is how much is read at once.
	textBufferBytes = 256 << 10
	// wholeFile is the end of a part that reaches to the end of its file.
	wholeFile = math.MaxInt64
)

// NewReader makes a reader of parts of files.
func (t TextFile) NewReader(ctx source.ReaderContext) (source.Reader[string], error) {
	return &textReader{puller: puller{ctx: ctx}, t: t}, nil
}

// textReader reads one part after the other.
type textReader struct {
	puller
	t    TextFile
	open []textTask
	in   lines
}

type textTask struct {
	id string
	textSplit
}

func (r *textReader) AddSplits(splits []source.Split) error {
	for _, s := range splits {
		task := textTask{id: s.ID}
		if err := json.Unmarshal(s.State, &task.textSplit); err != nil {
			return fmt.Errorf("split %q of a text file: %w", s.ID, err)
		}
		r.open = append(r.open, task)
	}
	r.got()
	return nil
}

// Poll reads up to max lines of the first open part.
func (r *textReader) Poll(b *stream.Batch[string], max int) (string, source.Status, error) {
	if len(r.open) == 0 {
		status, err := r.need()
		return "", status, err
	}
	s := &r.open[0]
	if !r.in.isOpen() {
		if err := r.begin(s); err != nil {
			return s.id, source.End, fmt.Errorf("text file %s: %w", s.Path, err)
		}
	}
	for range max {
		line, ok, err := r.in.next(s)
		if err != nil {
			return s.id, source.End, fmt.Errorf("text file %s, byte %d: %w", s.Path, s.Next, err)
		}
		if !ok {
			id := s.id
			r.open = r.open[1:]
			return id, source.SplitEnd, r.in.close()
		}
		b.Values = append(b.Values, string(line))
	}
	return s.id, source.More, nil
}

// begin opens the file at the part's position; in the middle of a line it skips the rest of it.
func (r *textReader) begin(s *textTask) error {
	fs, p, err := r.t.Files.Find(context.Background(), r.uri(s.Path))
	if err != nil {
		return err
	}
	f, err := fs.Open(context.Background(), p)
	if err != nil {
		return err
	}
	if err := r.in.open(f, packed(s.Path), s.Next); err != nil {
		return errors.Join(err, f.Close())
	}
	if !s.Middle {
		return nil
	}
	// The byte before decides: if it ends a line, this part begins with a whole one.
	if err := r.in.rewindOne(s); err != nil {
		return err
	}
	s.Middle = false
	_, _, err = r.in.line(s)
	return err
}

// uri is the path in the file system of the source's path.
func (r *textReader) uri(p string) string {
	u, err := r.t.Files.Resolve(r.t.Path)
	if err != nil {
		return p
	}
	u.Path = p
	return u.String()
}

func (r *textReader) Snapshot(uint64) ([]source.Split, error) {
	var splits []source.Split
	for i := range r.open {
		s, err := r.open[i].split(r.open[i].id)
		if err != nil {
			return nil, err
		}
		splits = append(splits, s)
	}
	return splits, nil
}

func (r *textReader) Event([]byte) error { return nil }
func (r *textReader) Close() error       { return r.in.close() }

// lines reads the lines of a file.
type lines struct {
	f   filesystem.File
	zip *gzip.Reader
	src io.Reader
	at  int64 // position in f of the next read, of a file that is not packed
	buf []byte
	// buf[from:to] is read and not used.
	from, to int
	eof      bool
}

func (l *lines) isOpen() bool { return l.f != nil }

func (l *lines) open(f filesystem.File, packed bool, at int64) error {
	buf := l.buf
	if buf == nil {
		buf = make([]byte, textBufferBytes)
	}
	*l = lines{f: f, buf: buf, at: at}
	if !packed {
		return nil
	}
	zip, err := gzip.NewReader(io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		return err
	}
	l.zip = zip
	if _, err = io.CopyN(io.Discard, zip, at); err != nil {
		return fmt.Errorf("skip the first %d bytes: %w", at, err)
	}
	return nil
}

func (l *lines) close() error {
	if l.f == nil {
		return nil
	}
	f := l.f
	l.f, l.zip = nil, nil
	return f.Close()
}

// rewindOne makes the byte before the position the next one.
func (l *lines) rewindOne(s *textTask) error {
	l.at--
	s.Next--
	return nil
}

// next returns the next line that begins in the part; ok is false at its end.
func (l *lines) next(s *textTask) (line []byte, ok bool, err error) {
	if s.Next >= s.End {
		return nil, false, nil
	}
	return l.line(s)
}

// line returns the next line without its end; it is valid until the next call.
func (l *lines) line(s *textTask) (line []byte, ok bool, err error) {
	searched := l.from
	for {
		if i := bytes.IndexByte(l.buf[searched:l.to], '\n'); i >= 0 {
			end := searched + i
			line = l.buf[l.from:end]
			s.Next += int64(end + 1 - l.from)
			l.from = end + 1
			return trimCR(line), true, nil
		}
		if l.eof {
			line = l.buf[l.from:l.to]
			s.Next += int64(len(line))
			l.from = l.to
			return trimCR(line), len(line) > 0, nil
		}
		have := l.to - l.from
		if err := l.fill(); err != nil {
			return nil, false, err
		}
		searched = l.from + have
	}
}

func trimCR(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

// fill reads more behind what is not used yet.
func (l *lines) fill() error {
	if l.from > 0 {
		l.to = copy(l.buf, l.buf[l.from:l.to])
		l.from = 0
	}
	if l.to == len(l.buf) {
		if len(l.buf) >= MaxLineBytes {
			return fmt.Errorf("a line is longer than %d bytes", MaxLineBytes)
		}
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	}
	var n int
	var err error
	if l.zip != nil {
		n, err = l.zip.Read(l.buf[l.to:])
	} else {
		n, err = l.f.ReadAt(l.buf[l.to:], l.at)
		l.at += int64(n)
	}
	l.to += n
	if err == io.EOF {
		l.eof, err = true, nil
	}
	return err
}
