package dataplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// ServerOptions describes a server.
type ServerOptions struct {
	// Listener accepts the connections of consumers' processes, with or without TLS. The server
	// closes it.
	Listener net.Listener
	// Registry knows the partitions that are served.
	Registry *Registry
	// Logger gets what goes wrong with connections; slog.Default() if nil.
	Logger *slog.Logger
	// HandshakeTimeout is how long a connection may take to greet, TLS included; 10 s.
	HandshakeTimeout time.Duration
	// MaxConnections bounds the connections at one time; 4096.
	MaxConnections int
	// MaxStreams bounds the channels of one connection; 65536.
	MaxStreams int
	// WriteBytes is about how much is written at once, and so what a connection needs to encode; it
	// is not part of the network memory; 256 KiB.
	WriteBytes int
}

func (o *ServerOptions) ensureDefaults() error {
	if o.Listener == nil || o.Registry == nil {
		return errors.New("data server: a listener and a registry are needed")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = 10 * time.Second
	}
	setDefault(&o.MaxConnections, 4096)
	setDefault(&o.MaxStreams, maxChannels)
	setDefault(&o.WriteBytes, 256<<10)
	return nil
}

// Server lets consumers in other processes read the partitions of this one.
type Server struct {
	opts ServerOptions
	wg   sync.WaitGroup
	// ctx is the server's own life.
	ctx  context.Context
	stop context.CancelFunc

	mu struct {
		sync.Mutex
		conns  map[net.Conn]struct{}
		closed bool
	}
}

// NewServer starts to accept connections.
func NewServer(o ServerOptions) (*Server, error) {
	if err := o.ensureDefaults(); err != nil {
		return nil, err
	}
	s := &Server{opts: o}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.mu.conns = map[net.Conn]struct{}{}
	s.wg.Go(s.accept)
	return s, nil
}

// Addr is the address that the server listens at.
func (s *Server) Addr() net.Addr { return s.opts.Listener.Addr() }

// Connections is the number of open connections.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.conns)
}

// Close closes the listener and all connections, and waits until their goroutines have ended. The
// partitions that were being read fail.
func (s *Server) Close() error {
	s.mu.Lock()
	s.mu.closed = true
	for c := range s.mu.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.stop()
	err := s.opts.Listener.Close()
	s.wg.Wait()
	return err
}

const (
	acceptPauseMin = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

func (s *Server) accept() {
	pause := acceptPauseMin
	for {
		conn, err := s.opts.Listener.Accept()
		switch {
		case s.ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return
		case err == nil:
			pause = acceptPauseMin
			s.wg.Go(func() { s.serve(conn) })
		case errors.Is(err, net.ErrClosed):
			s.opts.Logger.Error("the data port was closed", "error", err)
			return
		default: // such as too many open files: it may pass
			s.opts.Logger.Warn("cannot accept a data connection", "error", err, "pause", pause)
			t := time.NewTimer(pause)
			select {
			case <-t.C:
			case <-s.ctx.Done():
				t.Stop()
			}
			pause = min(2*pause, acceptPauseMax)
		}
	}
}

// add notes a connection; full says that there are too many, ok that the server is not closed.
func (s *Server) add(conn net.Conn) (full, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return false, false
	}
	full = len(s.mu.conns) >= s.opts.MaxConnections
	s.mu.conns[conn] = struct{}{}
	return full, true
}

func (s *Server) serve(conn net.Conn) {
	defer conn.Close()
	full, ok := s.add(conn)
	if !ok {
		return
	}
	defer func() {
		s.mu.Lock()
		delete(s.mu.conns, conn)
		s.mu.Unlock()
	}()
	log := s.opts.Logger.With("remote", conn.RemoteAddr())
	segmentBytes, err := s.greet(conn, full)
	if err != nil {
		log.Warn("data connection refused", "reason", err)
		return
	}
	c := newServerConn(s, conn, segmentBytes)
	if err := c.run(); err != nil && s.ctx.Err() == nil {
		log.Warn("data connection closed", "reason", err)
	}
}

// greet reads the client's greeting and answers it.
func (s *Server) greet(conn net.Conn, full bool) (segmentBytes int, err error) {
	if err := conn.SetDeadline(time.Now().Add(s.opts.HandshakeTimeout)); err != nil {
		return 0, err
	}
	g, err := readGreeting(conn)
	if err != nil {
		return 0, err
	}
	answer := greeting{version: ProtocolVersion}
	switch {
	case g.version != ProtocolVersion:
		answer.status = greetingVersion
		err = fmt.Errorf("it speaks version %d of the exchange protocol, this process speaks %d",
			g.version, ProtocolVersion)
	case g.segmentBytes < minSegmentBytes || g.segmentBytes > maxSegmentBytes:
		answer.status = greetingSegments
		err = fmt.Errorf("its segments of %d bytes are not within %d and %d",
			g.segmentBytes, minSegmentBytes, maxSegmentBytes)
	case full:
		answer.status = greetingFull
		err = fmt.Errorf("there are %d connections, which is the limit", s.opts.MaxConnections)
	}
	if _, werr := conn.Write(answer.append(nil)); err == nil {
		err = werr
	}
	if err != nil {
		return 0, err
	}
	return int(g.segmentBytes), conn.SetDeadline(time.Time{})
}
