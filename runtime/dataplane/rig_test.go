package dataplane

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"goflink/core/id"
	"goflink/core/stream"
)

// rig is two processes in one: partitions behind a server, gates behind a client.
type rig struct {
	registry *Registry
	server   *Server
	client   *Client
	pool     *SegmentPool
	log      *logBuffer
}

// logBuffer collects what is logged; it is safe for concurrent use.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

type rigOptions struct {
	segmentBytes int
	segments     int
	timeout      time.Duration
	writeBytes   int
	dial         func(ctx context.Context, address string) (net.Conn, error)
	listen       func(l net.Listener) net.Listener
}

var slogDiscard = slog.New(slog.DiscardHandler)

func newRig(t testing.TB, o rigOptions) *rig {
	t.Helper()
	setDefault(&o.segmentBytes, 32<<10)
	setDefault(&o.segments, 2048)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if o.listen != nil {
		l = o.listen(l)
	}
	r := &rig{registry: NewRegistry(RegistryOptions{PartitionTimeout: o.timeout}),
		log: &logBuffer{}}
	logger := slog.New(slog.NewTextHandler(r.log, nil))
	r.server, err = NewServer(ServerOptions{Listener: l, Registry: r.registry, Logger: logger,
		WriteBytes: o.writeBytes})
	if err != nil {
		t.Fatal(err)
	}
	r.client = NewClient(ClientOptions{SegmentBytes: o.segmentBytes, Logger: logger, Dial: o.dial})
	if r.pool, err = NewSegmentPool(int64(o.segments*o.segmentBytes), o.segmentBytes); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.client.Close()
		r.server.Close()
		if n := r.pool.Reserved(); n != 0 {
			t.Errorf("%d segments are still reserved", n)
		}
		if t.Failed() {
			t.Logf("log:\n%s", r.log)
		}
	})
	return r
}

func (r *rig) address() string { return r.server.Addr().String() }

// partition adds a partition.
func (r *rig) partition(t testing.TB, o PartitionOptions) *Partition {
	t.Helper()
	p := newPartition(t, o)
	if err := r.registry.Add(p); err != nil {
		t.Fatal(err)
	}
	return p
}

// netGate is a remote gate with a way to wait for it.
type netGate struct {
	*Gate
	wake chan struct{}
}

// gate connects to channel index of each partition, over the network.
func (r *rig) gate(t testing.TB, typ stream.AnyType, index int, ps ...id.Partition) *netGate {
	t.Helper()
	var sources []ChannelSource
	for _, p := range ps {
		sources = append(sources, ChannelSource{Partition: p, Index: index, Address: r.address()})
	}
	g := r.newGate(t, typ, sources)
	g.Connect()
	return g
}

func (r *rig) newGate(t testing.TB, typ stream.AnyType, sources []ChannelSource) *netGate {
	t.Helper()
	g, err := NewGate(GateOptions{Name: "remote", Sources: sources, Type: typ, Pool: r.pool,
		Registry: r.registry, Client: r.client,
		Buffers: Buffers{SegmentBytes: r.pool.SegmentBytes()}})
	if err != nil {
		t.Fatal(err)
	}
	n := wakeable(g)
	t.Cleanup(g.Close)
	return n
}

func wakeable(g *Gate) *netGate {
	n := &netGate{Gate: g, wake: make(chan struct{}, 1)}
	g.OnReadable(func() {
		select {
		case n.wake <- struct{}{}:
		default:
		}
	})
	return n
}

const patience = 20 * time.Second

// next waits for an element.
func (g *netGate) next(t testing.TB) (int, stream.Element) {
	t.Helper()
	c, e, err := g.await(t)
	if err != nil {
		t.Fatal(err)
	}
	return c, e
}

// await waits for an element or an error.
func (g *netGate) await(t testing.TB) (int, stream.Element, error) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		c, e, ok, err := g.Poll()
		if ok || err != nil {
			return c, e, err
		}
		select {
		case <-g.wake:
		case <-deadline.C:
			t.Fatalf("nothing to poll within %s", patience)
		}
	}
}

// take waits for n items of a one-channel gate.
func (g *netGate) take(t testing.TB, n int) (list []item) {
	t.Helper()
	for len(list) < n {
		_, e := g.next(t)
		list = append(list, items(t, e)...)
	}
	return list
}

// eventually waits for a condition that another goroutine makes true.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	tick := time.NewTicker(time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}
