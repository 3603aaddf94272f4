package dataplane

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// serverConn is a connection from a consumer's process. One goroutine reads what the consumers ask,
// another encodes and writes what their producers put.
type serverConn struct {
	server *Server
	conn   net.Conn
	// segmentBytes is the size of the client's segments: the most that a data frame carries.
	segmentBytes int
	// wake tells the writer that ready is not empty, done that it shall end.
	wake chan struct{}
	done chan struct{}

	mu struct {
		sync.Mutex
		streams map[uint32]*outStream
		// last is the highest stream id that was asked for.
		last uint32
		// ready are the streams that the writer shall look at.
		ready  ring[*outStream]
		closed bool
	}
}

// outStream is one channel that a consumer on the other side reads. It is the reader of the queue.
type outStream struct {
	c       *serverConn
	id      uint32
	request *request
	// seq counts the frames and perRecord is the mean size of an encoded record; the writer's own.
	seq       uint32
	perRecord int

	// The rest is guarded by c.mu.
	q      *queue
	credit uint32
	// listed says that the stream is in ready, pending that the queue may have something.
	listed, pending bool
	cancelled       bool
	err             error
}

var _ consumer = (*outStream)(nil)

func newServerConn(s *Server, conn net.Conn, segmentBytes int) *serverConn {
	c := &serverConn{server: s, conn: conn, segmentBytes: segmentBytes,
		wake: make(chan struct{}, 1), done: make(chan struct{})}
	c.mu.streams = map[uint32]*outStream{}
	return c
}

// run serves the connection until it ends. A client that has left all its streams may close it.
func (c *serverConn) run() error {
	var wg sync.WaitGroup
	var writeErr error
	wg.Go(func() {
		if writeErr = c.write(); writeErr != nil {
			c.conn.Close() // ends the reading
		}
	})
	readErr := c.read()
	c.mu.Lock()
	c.mu.closed = true
	streams := c.mu.streams
	c.mu.streams = nil
	c.mu.Unlock()
	c.conn.Close()
	close(c.done)
	wg.Wait()
	err := readErr
	if errors.Is(readErr, net.ErrClosed) && writeErr != nil {
		err = writeErr
	}
	if len(streams) == 0 && errors.Is(err, io.EOF) {
		return nil
	}
	lost := fmt.Errorf("%w: consumer at %s: %w", ErrConnectionLost, c.conn.RemoteAddr(), err)
	for _, s := range streams {
		s.lose(lost)
	}
	return fmt.Errorf("with %d channels open: %w", len(streams), err)
}

// lose tells the producer that its consumer is gone.
func (s *outStream) lose(err error) {
	if s.request != nil {
		s.c.server.opts.Registry.withdraw(s.request)
	}
	s.c.mu.Lock()
	q, cancelled := s.q, s.cancelled
	s.c.mu.Unlock()
	if q != nil && !cancelled {
		q.p.Fail(err)
	}
}

// read takes the client's frames.
func (c *serverConn) read() error {
	r := bufio.NewReader(c.conn)
	var header [frameHeader]byte
	var payload [subscribeBytes]byte
	for {
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return err
		}
		f, err := parseFrame(&header, 0)
		if err != nil {
			return err
		}
		if f.length > subscribeBytes {
			return fmt.Errorf("%w: %s of %d bytes from a client", ErrCorrupt, f.kind, f.length)
		}
		if _, err := io.ReadFull(r, payload[:f.length]); err != nil {
			return err
		}
		if err := c.handle(f, payload[:f.length]); err != nil {
			return err
		}
	}
}

func (c *serverConn) handle(f frame, payload []byte) error {
	switch f.kind {
	case frameSubscribe:
		return c.subscribe(f, payload)
	case frameCredit, frameCancel:
		if f.length != 0 {
			return fmt.Errorf("%w: %s with a payload", ErrCorrupt, f.kind)
		}
		s, err := c.stream(f)
		if s == nil || err != nil {
			return err
		}
		if f.kind == frameCredit {
			return s.addCredit(f.number)
		}
		s.cancel()
		return nil
	}
	return fmt.Errorf("%w: %s from a client", ErrCorrupt, f.kind)
}

// stream finds the stream of a frame; nil if it has ended.
func (c *serverConn) stream(f frame) (*outStream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.stream > c.mu.last {
		return nil, fmt.Errorf("%w: %s for stream %d, which does not exist", ErrCorrupt, f.kind,
			f.stream)
	}
	return c.mu.streams[f.stream], nil
}

func (c *serverConn) subscribe(f frame, payload []byte) error {
	partition, channel, err := parseSubscribe(payload)
	if err != nil {
		return err
	}
	s := &outStream{c: c, id: f.stream, credit: f.number}
	c.mu.Lock()
	if f.stream <= c.mu.last {
		c.mu.Unlock()
		return fmt.Errorf("%w: stream %d after stream %d", ErrCorrupt, f.stream, c.mu.last)
	}
	c.mu.last = f.stream
	full := len(c.mu.streams) >= c.server.opts.MaxStreams
	c.mu.streams[f.stream] = s
	c.mu.Unlock()
	if full {
		s.failed(0, fmt.Errorf("the connection has %d channels, which is the limit",
			c.server.opts.MaxStreams))
		return nil
	}
	// Only this goroutine and, after it, run look at request.
	s.request = c.server.opts.Registry.connect(partition, channel, s, 0)
	return nil
}

// bind implements consumer.
func (s *outStream) bind(_ int, q *queue) bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.c.mu.closed || s.cancelled {
		return false
	}
	s.q = q
	return true
}

// readable implements reader.
func (s *outStream) readable(int) { s.enlist(func() { s.pending = true }) }

// urgent implements reader.
func (s *outStream) urgent(int) { s.enlist(func() {}) }

// failed implements reader.
func (s *outStream) failed(_ int, err error) {
	s.enlist(func() {
		if s.err == nil {
			s.err = err
		}
	})
}

// enlist changes the stream under the connection's lock and lets the writer look at it.
func (s *outStream) enlist(change func()) {
	s.c.mu.Lock()
	change()
	s.enlistLocked()
	s.c.mu.Unlock()
	s.c.wakeWriter()
}

func (s *outStream) enlistLocked() {
	if !s.listed && !s.c.mu.closed {
		s.listed = true
		s.c.mu.ready.push(s)
	}
}

func (c *serverConn) wakeWriter() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// maxCredit bounds a stream's credit: no gate has more segments.
const maxCredit = 1 << 24

func (s *outStream) addCredit(n uint32) error {
	s.c.mu.Lock()
	if n > maxCredit || s.credit+n > maxCredit {
		defer s.c.mu.Unlock()
		return fmt.Errorf("%w: credit of %d and %d more for stream %d", ErrCorrupt, s.credit, n,
			s.id)
	}
	s.credit += n
	wake := s.pending
	if wake {
		s.enlistLocked()
	}
	s.c.mu.Unlock()
	if wake {
		s.c.wakeWriter()
	}
	return nil
}

// cancel ends a stream because its consumer left.
func (s *outStream) cancel() {
	if s.request != nil {
		s.c.server.opts.Registry.withdraw(s.request)
	}
	s.c.mu.Lock()
	s.cancelled = true
	q := s.q
	s.c.mu.Unlock()
	if q != nil {
		q.detach()
	}
	s.enlist(func() {})
}
