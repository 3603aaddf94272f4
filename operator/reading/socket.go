package reading

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"goflink/core/source"
	"goflink/core/stream"
)

// Socket is the source of the lines that a server sends. One subtask reads; it cannot be
// replayed: what was sent before a failure and not processed is lost (R97).
type Socket struct {
	Host string
	Port int
	// Delimiter ends a line; 0 means \n, before which a \r is removed.
	Delimiter byte
	// Retries is how often a lost connection is made again before the source ends: 0 never, -1
	// without limit. RetryWait lies between.
	Retries   int
	RetryWait time.Duration
}

const (
	// DefaultSocketRetryWait lies between two attempts to connect.
	DefaultSocketRetryWait = 500 * time.Millisecond
	// socketQueue and socketQueueBytes bound the lines that were received and not read.
	socketQueue      = 4096
	socketQueueBytes = 4 << 20
	// socketDialTimeout bounds one attempt to connect.
	socketDialTimeout = 10 * time.Second
)

var _ source.Source[string] = Socket{}

// Bounded is false.
func (Socket) Bounded() bool { return false }

// Replayable is false.
func (Socket) Replayable() bool { return false }

// NewEnumerator hands out the one split, the connection.
func (s Socket) NewEnumerator(ctx source.EnumeratorContext, restored []byte) (
	source.Enumerator, error) {
	return newPool(ctx, restored, func() []source.Split {
		return []source.Split{{ID: fmt.Sprintf("%s:%d", s.Host, s.Port)}}
	})
}

// NewReader makes the reader.
func (s Socket) NewReader(ctx source.ReaderContext) (source.Reader[string], error) {
	if s.RetryWait <= 0 {
		s.RetryWait = DefaultSocketRetryWait
	}
	if s.Delimiter == 0 {
		s.Delimiter = '\n'
	}
	return &socketReader{puller: puller{ctx: ctx}, s: s}, nil
}

// socketReader takes lines from a goroutine that reads the connection.
type socketReader struct {
	puller
	s     Socket
	split *source.Split

	mu   sync.Mutex
	room sync.Cond
	// lines are received and not read, bytes is their length; end says that no more will come, err
	// why.
	lines []string
	bytes int
	end   bool
	err   error
	over  bool
}

func (r *socketReader) AddSplits(splits []source.Split) error {
	if len(splits) != 1 || r.split != nil {
		return errors.New("a socket source has one split")
	}
	r.split = &splits[0]
	r.room.L = &r.mu
	r.ctx.Go("socket "+r.split.ID, r.receive)
	r.got()
	return nil
}

// receive reads the connection, and connects again as often as it may.
func (r *socketReader) receive(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.over = true
		r.room.Broadcast()
	})
	defer stop()
	var err error
	for try := 0; ; try++ {
		var received bool
		received, err = r.connection(ctx)
		if ctx.Err() != nil {
			return
		}
		if received {
			try = 0
		}
		if r.s.Retries >= 0 && try >= r.s.Retries {
			break
		}
		t := time.NewTimer(r.s.RetryWait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
	r.mu.Lock()
	r.end, r.err = true, err
	r.mu.Unlock()
	r.ctx.Wake()
}

// connection reads one connection to its end. A server that closes it in order is no error.
func (r *socketReader) connection(ctx context.Context) (received bool, err error) {
	addr := net.JoinHostPort(r.s.Host, fmt.Sprint(r.s.Port))
	d := net.Dialer{Timeout: socketDialTimeout}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false, fmt.Errorf("socket source: %w (is the server running? For a try: nc -lk %d)",
			err, r.s.Port)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	in := bufio.NewReaderSize(c, 64<<10)
	for {
		line, err := r.readLine(in)
		if len(line) > 0 || err == nil {
			received = true
			if !r.put(line, !r.buffersLine(in)) {
				return received, nil
			}
		}
		if err == io.EOF {
			return received, nil
		}
		if err != nil {
			return received, fmt.Errorf("socket source %s: %w", addr, err)
		}
	}
}

// buffersLine reports whether the next line can be read without waiting for the server.
func (r *socketReader) buffersLine(in *bufio.Reader) bool {
	b, err := in.Peek(in.Buffered())
	return err == nil && bytes.IndexByte(b, r.s.Delimiter) >= 0
}

// readLine reads the next line without its end; at the end of the input it may have none.
func (r *socketReader) readLine(in *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := in.ReadSlice(r.s.Delimiter)
		line = append(line, part...)
		if len(line) > DefaultMaxLineBytes {
			return "", fmt.Errorf("a line is longer than %d bytes", DefaultMaxLineBytes)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if n := len(line); n > 0 && line[n-1] == r.s.Delimiter {
			line = line[:n-1]
		}
		if r.s.Delimiter == '\n' {
			line = trimCR(line)
		}
		return string(line), err
	}
}

// put queues a line; it waits for room. flush says that nothing more has been received yet.
func (r *socketReader) put(line string, flush bool) bool {
	r.mu.Lock()
	for (len(r.lines) >= socketQueue || r.bytes >= socketQueueBytes) && !r.over {
		r.room.Wait()
	}
	over := r.over
	r.lines = append(r.lines, line)
	r.bytes += len(line)
	full := len(r.lines) >= socketQueue/2 || r.bytes >= socketQueueBytes/2
	r.mu.Unlock()
	if flush || full {
		r.ctx.Wake()
	}
	return !over
}

func (r *socketReader) Poll(b *stream.Batch[string], max int) (string, source.Status, error) {
	if r.split == nil {
		status, err := r.need()
		return "", status, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(max, len(r.lines))
	b.Values = append(b.Values, r.lines[:n]...)
	for _, line := range r.lines[:n] {
		r.bytes -= len(line)
	}
	r.lines = slices.Delete(r.lines, 0, n)
	if n > 0 {
		r.room.Broadcast()
		return r.split.ID, source.More, nil
	}
	if !r.end {
		return r.split.ID, source.Idle, nil
	}
	return r.split.ID, source.End, r.err
}

func (r *socketReader) Snapshot(uint64) ([]source.Split, error) {
	if r.split == nil {
		return nil, nil
	}
	return []source.Split{*r.split}, nil
}

func (r *socketReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	if r.room.L != nil {
		r.room.Broadcast()
	}
	return nil
}
