package reading_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"goflink/operator"
	"goflink/operator/reading"
)

// server is a TCP server that the test's goroutine speaks for.
type server struct {
	t testing.TB
	l net.Listener
}

func newServer(t testing.TB) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &server{t, l}
}

func (s *server) port() int { return s.l.Addr().(*net.TCPAddr).Port }

func (s *server) accept() net.Conn {
	s.t.Helper()
	c, err := s.l.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

func (s *server) send(c net.Conn, text string) {
	s.t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) close(c net.Conn) {
	s.t.Helper()
	if err := c.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// awaitValues waits until a reader has given so many values.
func awaitValues(r *rig[string], n int) {
	r.t.Helper()
	r.await(0, func() bool { return len(r.values()) >= n })
}

// TestSocket: R34, R37: the lines that a server sends, at once; when it closes the connection the
// source ends.
func TestSocket(t *testing.T) {
	s := newServer(t)
	src := reading.Socket{Host: "127.0.0.1", Port: s.port()}
	if src.Bounded() || src.Replayable() {
		t.Error("a socket is neither bounded nor replayable")
	}
	r := newRig(t, src, 1, nil)
	r.read(10)
	c := s.accept()
	s.send(c, "hello\r\n\nwor")
	awaitValues(r, 2) // a line is not held back by the beginning of the next
	s.send(c, "ld\nlast without end")
	awaitValues(r, 3)
	s.close(c)
	r.await(0, r.ended)
	equal(t, "lines", r.values(), []string{"hello", "", "world", "last without end"})
}

// TestSocketDelimiter: another delimiter than the end of a line, before which a \r is kept.
func TestSocketDelimiter(t *testing.T) {
	s := newServer(t)
	r := newRig(t, reading.Socket{Host: "127.0.0.1", Port: s.port(), Delimiter: ';'}, 1, nil)
	r.read(10)
	c := s.accept()
	s.send(c, "a\r;b\nc;;d")
	s.close(c)
	r.await(0, r.ended)
	equal(t, "parts", r.values(), []string{"a\r", "b\nc", "", "d"})
}

// TestSocketFlood: a server that is faster than the job is held back, and nothing is lost.
func TestSocketFlood(t *testing.T) {
	const n = 20_000
	s := newServer(t)
	r := newRig(t, reading.Socket{Host: "127.0.0.1", Port: s.port()}, 1, nil)
	r.read(10)
	c := s.accept()
	sent := make(chan error, 1)
	go func() {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "line %d %s\n", i, strings.Repeat("x", i%700))
		}
		_, err := c.Write([]byte(b.String()))
		sent <- err
		c.Close()
	}()
	r.await(0, r.ended)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	got := r.values()
	for i, line := range got {
		if want := fmt.Sprintf("line %d %s", i, strings.Repeat("x", i%700)); line != want {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if len(got) != n {
		t.Fatalf("%d lines, want %d", len(got), n)
	}
}

// TestSocketReconnects: a lost connection is made again as often as was said, counted anew after
// each one that brought something.
func TestSocketReconnects(t *testing.T) {
	s := newServer(t)
	r := newRig(t, reading.Socket{Host: "127.0.0.1", Port: s.port(), Retries: 2,
		RetryWait: time.Millisecond}, 1, nil)
	r.read(10)
	s.close(s.accept())
	c := s.accept() // the first retry
	s.send(c, "a\n")
	s.close(c)
	s.close(s.accept()) // the first retry since there came something
	s.close(s.accept()) // the second
	r.await(0, r.ended)
	equal(t, "lines", r.values(), []string{"a"})
}

// TestSocketRefused: without a server the source fails and says what to do.
func TestSocketRefused(t *testing.T) {
	s := newServer(t)
	port := s.port()
	s.l.Close()
	r := newRig(t, reading.Socket{Host: "127.0.0.1", Port: port, Retries: 1,
		RetryWait: time.Millisecond}, 1, nil)
	var err error
	for err == nil && !r.ended() {
		if err = r.settle(10); err == nil {
			<-r.readers[0].wait
			r.readers[0].Wake()
		}
	}
	expectError(t, err, nil, "socket source", fmt.Sprint(port), "is the server running")
}

// TestSocketCancel: the reader lets go of the connection, and of its goroutine, also while it waits
// for room or for the next attempt.
func TestSocketCancel(t *testing.T) {
	s := newServer(t)
	r := newRig(t, reading.Socket{Host: "127.0.0.1", Port: s.port(), Retries: -1,
		RetryWait: time.Hour}, 1, nil)
	r.read(10)
	c := s.accept()
	s.send(c, strings.Repeat("x\n", 5000)) // more than the queue takes
	awaitValues(r, 1)
	r.crash(0)
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}

	r = newRig(t, reading.Socket{Host: "127.0.0.1", Port: s.port(), Retries: -1,
		RetryWait: time.Hour}, 1, nil)
	r.read(10)
	s.close(s.accept())
	r.crash(0)
}

// TestSocketRestore: after a failure the connection is made anew; what was sent before is not
// there.
func TestSocketRestore(t *testing.T) {
	s := newServer(t)
	r := newRig(t, reading.Socket{Host: "127.0.0.1", Port: s.port()}, 1, nil)
	r.read(10)
	c := s.accept()
	s.send(c, "a\n")
	awaitValues(r, 1)
	cp := r.checkpoint()
	s.send(c, "b\n")
	awaitValues(r, 2)
	r.restart(0, cp)
	r.read(10)
	c = s.accept()
	s.send(c, "c\n")
	s.close(c)
	r.await(0, func() bool { return r.readers[0].status == operator.PollEnd })
	equal(t, "lines", r.values(), []string{"a", "c"})
}
