package dataplane

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// readBytes is the size of a connection's read buffer.
const readBytes = 64 << 10

// clientConn is the connection to one producing process. One goroutine connects and then reads, one
// writes what the gates ask.
type clientConn struct {
	client  *Client
	address string
	// wake tells the writer that there is something to write, done that it shall end.
	wake chan struct{}
	done chan struct{}

	mu struct {
		sync.Mutex
		streams map[uint32]*remoteInput
		last    uint32
		// requests are frames to write; credited are the streams with credit to announce.
		requests []byte
		credited []*remoteInput
		ended    bool
	}
}

func newClientConn(c *Client, address string) *clientConn {
	conn := &clientConn{client: c, address: address,
		wake: make(chan struct{}, 1), done: make(chan struct{})}
	conn.mu.streams = map[uint32]*remoteInput{}
	return conn
}

// add subscribes an input; it returns false if the connection has ended.
func (c *clientConn) add(in *remoteInput) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.ended {
		return false
	}
	c.mu.last++
	credit, ok := in.bind(c, c.mu.last)
	if !ok {
		return true // the gate was closed
	}
	c.mu.streams[c.mu.last] = in
	f := frame{kind: frameSubscribe, length: subscribeBytes, stream: c.mu.last, number: credit}
	s := in.gate.sources[in.channel]
	c.mu.requests = appendSubscribe(f.append(c.mu.requests), s.Partition, s.Index)
	c.wakeWriter()
	return true
}

// cancel says that the consumer of a stream has left.
func (c *clientConn) cancel(stream uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.streams[stream] == nil {
		return
	}
	c.mu.requests = frame{kind: frameCancel, stream: stream}.append(c.mu.requests)
	c.wakeWriter()
}

// credit lets the writer announce the credit of an input.
func (c *clientConn) credit(in *remoteInput) {
	c.mu.Lock()
	c.mu.credited = append(c.mu.credited, in)
	c.mu.Unlock()
	c.wakeWriter()
}

func (c *clientConn) wakeWriter() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run is the life of the connection.
func (c *clientConn) run() {
	conn, err := c.client.open(c.address)
	if err == nil {
		err = c.serve(conn)
	}
	c.client.forget(c)
	c.mu.Lock()
	c.mu.ended = true
	streams := c.mu.streams
	c.mu.streams, c.mu.credited = nil, nil
	c.mu.Unlock()
	if len(streams) == 0 && (err == nil || c.client.ctx.Err() != nil) {
		return
	}
	if c.client.ctx.Err() != nil {
		err = fmt.Errorf("data client: %w", ErrClosed)
	} else {
		c.client.opts.Logger.Warn("data connection lost", "remote", c.address, "reason", err,
			"channels", len(streams))
	}
	for _, in := range streams {
		in.fail(err)
	}
}

// serve reads and writes until there are no streams any more, or an error.
func (c *clientConn) serve(conn net.Conn) error {
	var wg sync.WaitGroup
	var writeErr error
	wg.Go(func() {
		if writeErr = c.write(conn); writeErr != nil {
			conn.Close() // ends the reading
		}
	})
	// A closed client closes its connections.
	wg.Go(func() {
		select {
		case <-c.client.ctx.Done():
			conn.Close()
		case <-c.done:
		}
	})
	readErr := c.read(conn)
	conn.Close()
	close(c.done)
	wg.Wait()
	if readErr == nil {
		return nil
	}
	err := readErr
	if errors.Is(readErr, net.ErrClosed) && writeErr != nil {
		err = writeErr
	}
	return fmt.Errorf("%w: producer at %s: %w", ErrConnectionLost, c.address, err)
}

// write sends what the gates ask.
func (c *clientConn) write(conn net.Conn) error {
	var out []byte
	var credited []*remoteInput
	for {
		c.mu.Lock()
		out, c.mu.requests = c.mu.requests, out[:0]
		credited, c.mu.credited = c.mu.credited, credited[:0]
		c.mu.Unlock()
		for i, in := range credited {
			out = in.appendCredit(out)
			credited[i] = nil
		}
		if len(out) > 0 {
			if _, err := conn.Write(out); err != nil {
				return err
			}
			continue
		}
		select {
		case <-c.wake:
		case <-c.done:
			return nil
		}
	}
}

// read takes the server's frames until the last stream has ended.
func (c *clientConn) read(conn net.Conn) error {
	r := bufio.NewReaderSize(conn, readBytes)
	var header [frameHeader]byte
	message := make([]byte, maxMessageBytes)
	for {
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return err
		}
		f, err := parseFrame(&header, c.client.opts.SegmentBytes)
		if err != nil {
			return err
		}
		in, err := c.stream(f)
		if err != nil {
			return err
		}
		if f.kind == frameData {
			err = in.receive(f, r)
		} else if _, err = io.ReadFull(r, message[:f.length]); err == nil {
			err = c.message(in, f, message[:f.length])
		}
		if err != nil {
			return err
		}
		if f.kind >= frameEnd && c.remove(f.stream) {
			return nil
		}
	}
}

// stream finds the input that a frame is for.
func (c *clientConn) stream(f frame) (*remoteInput, error) {
	if f.kind < frameData {
		return nil, fmt.Errorf("%w: %s from a server", ErrCorrupt, f.kind)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	in := c.mu.streams[f.stream]
	if in == nil {
		return nil, fmt.Errorf("%w: %s for stream %d, which is not open", ErrCorrupt, f.kind,
			f.stream)
	}
	return in, nil
}

// remove forgets a stream. It returns true if it was the last: then the connection ends.
func (c *clientConn) remove(stream uint32) bool {
	// Whoever gets the connection from the client now must find that it has ended.
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.mu.streams, stream)
	c.mu.ended = len(c.mu.streams) == 0
	return c.mu.ended
}

// message takes a frame that is no data.
func (c *clientConn) message(in *remoteInput, f frame, payload []byte) error {
	if err := in.count(f); err != nil {
		return err
	}
	switch f.kind {
	case frameOvertake, frameAnnounce:
		b, err := decodeBarrier(payload)
		if err != nil {
			return err
		}
		in.barrier(b, f.kind == frameOvertake)
	case frameEnd:
		in.end()
	case frameCancelled:
		if !in.left() {
			return fmt.Errorf("%w: stream %d was not cancelled", ErrCorrupt, f.stream)
		}
	case frameFailed:
		in.fail(fmt.Errorf("producer at %s: %w", c.address, parseFailure(payload)))
	}
	return nil
}
