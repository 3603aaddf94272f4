package dataplane

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// ClientOptions describes a client.
type ClientOptions struct {
	// SegmentBytes is the size of this process's segments (taskmanager.memory.segment-size); 32
	// KiB.
	SegmentBytes int
	// Dial opens a connection to a data address, with or without TLS; plain TCP if nil.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// ConnectTimeout is how long an attempt to connect may take, the greeting included; 30 s.
	ConnectTimeout time.Duration
	// Retries is how many further attempts there are (taskmanager.network.retries).
	Retries int
	// RetryPause is the time between attempts; 500 ms.
	RetryPause time.Duration
	// Logger gets what goes wrong with connections; slog.Default() if nil.
	Logger *slog.Logger
}

func (o *ClientOptions) ensureDefaults() {
	setDefault(&o.SegmentBytes, 32<<10)
	if o.Dial == nil {
		var d net.Dialer
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", address)
		}
	}
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = 30 * time.Second
	}
	if o.RetryPause <= 0 {
		o.RetryPause = 500 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

// Client reads partitions of other processes: the gates' channels to one process share a
// connection, which is open as long as there are any. It is safe for concurrent use.
type Client struct {
	opts ClientOptions
	wg   sync.WaitGroup
	// ctx is the client's own life.
	ctx  context.Context
	stop context.CancelFunc

	mu struct {
		sync.Mutex
		conns  map[string]*clientConn
		closed bool
	}
}

// NewClient returns a client without connections.
func NewClient(o ClientOptions) *Client {
	o.ensureDefaults()
	c := &Client{opts: o}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.mu.conns = map[string]*clientConn{}
	return c
}

// Connections is the number of connections that are open or being opened.
func (c *Client) Connections() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mu.conns)
}

// Close closes all connections, which fails the gates that read from them, and waits until their
// goroutines have ended.
func (c *Client) Close() {
	c.mu.Lock()
	c.mu.closed = true
	c.mu.Unlock()
	c.stop()
	c.wg.Wait()
}

// subscribe asks the process at address for the input's channel. What goes wrong is told to in.
func (c *Client) subscribe(address string, in *remoteInput) {
	for {
		conn, err := c.connection(address)
		if err != nil {
			in.fail(err)
			return
		}
		if conn.add(in) {
			return
		}
		c.forget(conn) // it ended meanwhile
	}
}

// connection returns the connection to address, opening it if there is none.
func (c *Client) connection(address string) (*clientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return nil, fmt.Errorf("data client: %w", ErrClosed)
	}
	conn := c.mu.conns[address]
	if conn == nil {
		conn = newClientConn(c, address)
		c.mu.conns[address] = conn
		c.wg.Go(conn.run)
	}
	return conn, nil
}

// forget removes a connection that has ended, so that the next use opens another.
func (c *Client) forget(conn *clientConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.conns[conn.address] == conn {
		delete(c.mu.conns, conn.address)
	}
}

// open connects and greets.
func (c *Client) open(address string) (net.Conn, error) {
	for attempt := 0; ; attempt++ {
		conn, err := c.tryOpen(address)
		if err == nil || attempt >= c.opts.Retries || c.ctx.Err() != nil {
			return conn, err
		}
		c.opts.Logger.Warn("data connection failed, trying again", "remote", address, "error", err)
		t := time.NewTimer(c.opts.RetryPause)
		select {
		case <-t.C:
		case <-c.ctx.Done():
			t.Stop()
		}
	}
}

func (c *Client) tryOpen(address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.opts.ConnectTimeout)
	defer cancel()
	conn, err := c.opts.Dial(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("%w: cannot connect to %s: %w", ErrConnectionLost, address, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = c.greet(conn)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %s: %w", ErrConnectionLost, address, err)
	}
	return conn, nil
}

func (c *Client) greet(conn net.Conn) error {
	g := greeting{version: ProtocolVersion, segmentBytes: uint32(c.opts.SegmentBytes)}
	if _, err := conn.Write(g.append(nil)); err != nil {
		return err
	}
	answer, err := readGreeting(conn)
	if err != nil {
		return err
	}
	if answer.status == greetingOK && answer.version == ProtocolVersion {
		return nil
	}
	return fmt.Errorf("the server refused the connection: %s (version %d there, %d here)",
		answer.status, answer.version, ProtocolVersion)
}
