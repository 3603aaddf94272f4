package reading

import (
	"bytes"
	"compress/gzip"
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
	// textBufferBytes is how much is read at once.
	textBufferBytes = 256 << 10
	// textChunkBytes is how much text of neighbouring lines is allocated together. Who keeps a
	// part of a line keeps the whole allocation, so it must be small.
	textChunkBytes = 256
	// wholeFile is the end of a part that reaches to the end of its file.
	wholeFile = math.MaxInt64
)

// NewReader makes a reader of parts of files.
func (t TextFile) NewReader(ctx source.ReaderContext) (source.Reader[string], error) {
	limit := t.MaxLineBytes
	if limit <= 0 {
		limit = DefaultMaxLineBytes
	}
	// One byte more for the end of the line.
	in := lines{max: limit + 1, buf: make([]byte, min(limit+1, textBufferBytes))}
	return &textReader{puller: puller{ctx: ctx}, t: t, in: in}, nil
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
	var ended bool
	var err error
	b.Values, ended, err = r.in.read(b.Values, s, max)
	if err != nil {
		return s.id, source.End, fmt.Errorf("text file %s, byte %d: %w", s.Path, s.Next, err)
	}
	if !ended {
		return s.id, source.More, nil
	}
	id := s.id
	r.open = r.open[1:]
	return id, source.SplitEnd, r.in.close()
}

// begin opens the file at the part's position; in the middle of a line it skips the rest of it.
func (r *textReader) begin(s *textTask) error {
	f, err := openFile(r.t.Files, r.t.Path, s.Path)
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
	r.in.at--
	s.Next--
	s.Middle = false
	_, _, err = r.in.line(s)
	return err
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

func (r *textReader) Close() error { return r.in.close() }

// lines reads the lines of a file.
type lines struct {
	f   filesystem.File
	zip *gzip.Reader
	at  int64 // position in f of the next read, of a file that is not packed
	buf []byte
	// ends are the lengths of the lines of a chunk.
	ends []int
	// max is the largest size of buf: of a line with its end.
	max int
	// buf[from:to] is read and not used.
	from, to int
	eof      bool
}

func (l *lines) isOpen() bool { return l.f != nil }

func (l *lines) open(f filesystem.File, packed bool, at int64) error {
	*l = lines{f: f, buf: l.buf, ends: l.ends, max: l.max, at: at}
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

// read appends up to max lines that begin in the part to dst; ended says that there are no more.
func (l *lines) read(dst []string, s *textTask, max int) (out []string, ended bool, err error) {
	for s.Next < s.End {
		if max <= 0 {
			return dst, false, nil
		}
		had := len(dst)
		if dst = l.chunk(dst, s, max); len(dst) == had {
			line, ok, err := l.line(s)
			if err != nil {
				return dst, false, err
			}
			if !ok {
				return dst, true, nil
			}
			dst = append(dst, string(line))
		}
		max -= len(dst) - had
	}
	return dst, true, nil
}

// chunk appends whole lines of the buffer: one, or several that lie in textChunkBytes and share one
// allocation.
func (l *lines) chunk(dst []string, s *textTask, max int) []string {
	begin, at, next := l.from, l.from, s.Next
	l.ends = l.ends[:0]
	for len(l.ends) < max && next < s.End {
		i := bytes.IndexByte(l.buf[at:l.to], '\n')
		if i < 0 || at+i-begin >= textChunkBytes && len(l.ends) > 0 {
			break
		}
		at, next = at+i+1, next+int64(i+1)
		l.ends = append(l.ends, i)
	}
	if len(l.ends) == 0 {
		return dst
	}
	rest := string(l.buf[begin : at-1])
	for k, i := range l.ends {
		line := rest[:i]
		if i > 0 && line[i-1] == '\r' {
			line = line[:i-1]
		}
		dst = append(dst, line)
		if k < len(l.ends)-1 {
			rest = rest[i+1:]
		}
	}
	l.from, s.Next = at, next
	return dst
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
		if len(l.buf) >= l.max {
			return fmt.Errorf("the line is longer than %d bytes, the limit of this source", l.max-1)
		}
		l.buf = append(l.buf, make([]byte, min(len(l.buf), l.max-len(l.buf)))...)
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
