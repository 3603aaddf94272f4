package dataplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goflink/core/id"
	"goflink/core/stream"
	"goflink/internal/testkit"
)

// R21: elements of a channel arrive in order over the network too, and the end ends the connection.
func TestNetworkOrder(t *testing.T) {
	r := newRig(t, rigOptions{})
	p := r.partition(t, PartitionOptions{Channels: 2})
	g := r.gate(t, recType, 1, p.ID())
	other := r.gate(t, recType, 0, p.ID())
	put(t, p, 1, recs(1, 0, 3))
	broadcast(t, p, watermark(7))
	put(t, p, 1, recs(1, 3, 900))
	broadcast(t, p, aligned(1, 0))
	broadcast(t, p, stream.Element{Kind: stream.KindStatus, Status: stream.Idle})
	broadcast(t, p, stream.Element{Kind: stream.KindCancelBarrier, Watermark: 2})
	if err := p.Finish(false); err != nil {
		t.Fatal(err)
	}
	p.Close()
	want := join(records(0, 3), wm(7), records(3, 900), bar(1, stream.Aligned),
		[]item{{kind: stream.KindStatus, value: "idle"}, {kind: stream.KindCancelBarrier, n: 2},
			{kind: stream.KindEndOfInput}})
	if got := g.take(t, len(want)); !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	other.take(t, 5)
	eventually(t, "the partition is released", p.Released)
	eventually(t, "the gates have ended", func() bool {
		poll(t, g.Gate)
		poll(t, other.Gate)
		return g.AllEnded() && other.AllEnded()
	})
	eventually(t, "the connection is closed", func() bool {
		return r.client.Connections() == 0 && r.server.Connections() == 0
	})
	if log := r.log.String(); log != "" {
		t.Errorf("logged: %s", log)
	}
	if local, remote := g.Traffic(); local.Batches != 0 || remote.Batches < 2 ||
		remote.Bytes < 903*24 {
		t.Errorf("traffic is %+v and %+v", local, remote)
	}
	if out := p.Traffic(); out.Batches != 2 || out.Bytes < 903*24 {
		t.Errorf("traffic out is %+v", out)
	}
}

// R112: a record of 100 KB spans four segments of 32 KiB, and one that is larger than all the
// segments of its channel arrives too.
func TestRecordSpansSegments(t *testing.T) {
	r := newRig(t, rigOptions{})
	p := r.partition(t, PartitionOptions{})
	big := strings.Repeat("0123456789", 10_000)
	put(t, p, 0, texts(big))
	conn, err := net.Dial("tcp", r.address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	greet(t, conn, ProtocolVersion)
	subscribe(t, conn, 1, p.ID(), 0, 10)
	var data []byte
	for frames := 1; ; frames++ {
		f, payload := readFrame(t, conn)
		if f.kind != frameData || f.number != uint32(frames-1) {
			t.Fatalf("frame %d is %+v", frames, f)
		}
		data = append(data, payload...)
		if size, err := elementSize(data); err == nil && size == len(data) {
			if frames != 4 {
				t.Errorf("a record of %d bytes took %d segments, want 4", len(big), frames)
			}
			break
		}
	}
	e, rest, err := DecodeElement(textType, data)
	if err != nil || len(rest) > 0 || items(t, e)[0].value != big {
		t.Errorf("decoding it: %v, %d bytes left", err, len(rest))
	}
	conn.Close()
	eventually(t, "the producer has noticed", func() bool { return p.Err() != nil })

	p = r.partition(t, PartitionOptions{ID: partitionID(1)})
	g := r.gate(t, textType, 0, p.ID())
	huge := strings.Repeat(big, 30) // 3 MB; the channel has 10 segments
	put(t, p, 0, texts("a", huge, "b"))
	put(t, p, 0, texts("c"))
	var got []string
	for _, i := range g.take(t, 4) {
		got = append(got, i.value)
	}
	if !slices.Equal(got, []string{"a", huge, "b", "c"}) {
		t.Errorf("got %d values", len(got))
	}
}

// R104: without credit nothing is sent; the producer runs full and stops; with credit all arrives,
// and neither side ever holds more than its bounds.
func TestCreditExhausted(t *testing.T) {
	r := newRig(t, rigOptions{})
	p := r.partition(t, PartitionOptions{})
	available := make(chan struct{}, 1)
	p.OnAvailable(func() {
		select {
		case available <- struct{}{}:
		default:
		}
	})
	n := 0
	// The consumer does not poll: the queue fills for good once the segments are full.
	fill := func() {
		for p.Available() {
			put(t, p, 0, recs(0, n, 512))
			n += 512
		}
	}
	fill()
	g := r.gate(t, recType, 0, p.ID())
	full := int64(10 * 32 << 10)
	for g.QueuedBytes(0) < full*9/10 || p.Available() {
		fill()
		select {
		case <-available:
		case <-time.After(50 * time.Millisecond):
		}
	}
	if got := g.QueuedBytes(0); got > full {
		t.Errorf("%d bytes received, the segments hold %d", got, full)
	}
	if p.Hungry(0) || g.PoolUsage() != 1 || p.PoolUsage() < 0.5 {
		t.Errorf("hungry %v, usage %v and %v", p.Hungry(0), g.PoolUsage(), p.PoolUsage())
	}
	if got := g.take(t, n); !slices.Equal(got, records(0, n)) {
		t.Errorf("%d records arrived, want %d in order", len(got), n)
	}
	eventually(t, "hungry", func() bool { return p.Hungry(0) })
	if p.total.Load() != 0 || g.QueuedBytes(0) != 0 || g.reserved.Used() != 0 {
		t.Errorf("left: %d bytes at the producer, %d at the consumer, %d segments", p.total.Load(),
			g.QueuedBytes(0), g.reserved.Used())
	}
}

// Floating segments go to the channels with a backlog, and come back.
func TestFloatingSegments(t *testing.T) {
	r := newRig(t, rigOptions{})
	a := r.partition(t, PartitionOptions{ID: partitionID(0)})
	b := r.partition(t, PartitionOptions{ID: partitionID(1)})
	for i := range 20 {
		put(t, a, 0, recs(0, i*900, 900))
	}
	g := r.gate(t, recType, 0, a.ID(), b.ID())
	eventually(t, "channel 0 has all floating segments",
		func() bool { return g.reserved.Used() == 10 })
	for i := range 20 {
		put(t, b, 0, recs(0, i*900, 900))
	}
	eventually(t, "channel 1 has its own segments", func() bool { return g.reserved.Used() == 12 })
	got := make([][]item, 2)
	for len(got[0]) < 18000 || len(got[1]) < 18000 {
		c, e := g.next(t)
		got[c] = append(got[c], items(t, e)...)
	}
	if !slices.Equal(got[0], records(0, 18000)) || !slices.Equal(got[1], records(0, 18000)) {
		t.Error("records lost or out of order")
	}
	if g.reserved.Used() != 0 {
		t.Errorf("%d segments in use", g.reserved.Used())
	}
}

// Network memory that does not suffice is refused, naming the keys and what is needed.
func TestInsufficientSegments(t *testing.T) {
	r := newRig(t, rigOptions{segments: 20})
	o := GateOptions{Name: "sum (1/4)", Type: recType, Pool: r.pool, Client: r.client}
	for i := range 7 {
		o.Sources = append(o.Sources, ChannelSource{Partition: partitionID(i),
			Address: r.address()})
	}
	_, err := NewGate(o)
	if !errors.Is(err, ErrInsufficientBuffers) || !strings.Contains(err.Error(), "22 segments") ||
		!strings.Contains(err.Error(), "taskmanager.memory.network.fraction") {
		t.Errorf("7 channels with 20 segments: %v", err)
	}
	o.Sources = o.Sources[:6]
	g, err := NewGate(o)
	if err != nil {
		t.Fatalf("6 channels with 20 segments: %v", err)
	}
	if _, err := NewPartition(PartitionOptions{Channels: 1, Pool: r.pool}); err == nil ||
		!strings.Contains(err.Error(), "10 segments") {
		t.Errorf("a partition without memory left: %v", err)
	}
	g.Close()
	p, err := NewPartition(PartitionOptions{Channels: 1, Pool: r.pool})
	if err != nil {
		t.Fatal(err)
	}
	p.Fail(nil)
}

// A consumer may ask before the producer exists, and gets an error when it never does.
func TestNetworkEarlyRequest(t *testing.T) {
	r := newRig(t, rigOptions{timeout: 200 * time.Millisecond})
	early := r.gate(t, recType, 0, partitionID(1))
	p := r.partition(t, PartitionOptions{ID: partitionID(1)})
	put(t, p, 0, recs(0, 0, 3))
	if got := early.take(t, 3); !slices.Equal(got, records(0, 3)) {
		t.Errorf("got %v", got)
	}
	lost := r.gate(t, recType, 0, partitionID(2))
	_, _, err := lost.await(t)
	if !errors.Is(err, ErrPartitionNotFound) || !strings.Contains(err.Error(), "200ms") {
		t.Errorf("without a producer: %v", err)
	}
	wrong := r.gate(t, recType, 1, partitionID(1))
	if _, _, err := wrong.await(t); err == nil || !strings.Contains(err.Error(), "has 1 channels") {
		t.Errorf("a channel that does not exist: %v", err)
	}
	put(t, p, 0, recs(0, 3, 3))
	if got := early.take(t, 3); !slices.Equal(got, records(3, 3)) {
		t.Errorf("after the failures of others: %v", got)
	}
}

// A producer's failure reaches the consumer with its cause; other streams of the connection go on.
func TestProducerFails(t *testing.T) {
	r := newRig(t, rigOptions{})
	a := r.partition(t, PartitionOptions{ID: partitionID(0)})
	b := r.partition(t, PartitionOptions{ID: partitionID(1)})
	ga, gb := r.gate(t, recType, 0, a.ID()), r.gate(t, recType, 0, b.ID())
	put(t, a, 0, recs(0, 0, 1))
	ga.take(t, 1)
	a.Fail(errors.New("division by zero"))
	_, _, err := ga.await(t)
	if !errors.Is(err, ErrProducerFailed) || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("the consumer sees: %v", err)
	}
	put(t, b, 0, recs(0, 0, 2))
	if got := gb.take(t, 2); !slices.Equal(got, records(0, 2)) {
		t.Errorf("the other stream got %v", got)
	}
}

// A lost connection is an error for the tasks at both ends.
func TestConnectionLost(t *testing.T) {
	var mu sync.Mutex
	var conns []net.Conn
	r := newRig(t, rigOptions{dial: func(ctx context.Context, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, c)
		return c, err
	}})
	a := r.partition(t, PartitionOptions{ID: partitionID(0)})
	b := r.partition(t, PartitionOptions{ID: partitionID(1)})
	ga, gb := r.gate(t, recType, 0, a.ID()), r.gate(t, recType, 0, b.ID())
	put(t, a, 0, recs(0, 0, 1))
	put(t, b, 0, recs(0, 0, 1))
	ga.take(t, 1)
	gb.take(t, 1)
	if len(conns) != 1 {
		t.Fatalf("%d connections for two gates", len(conns))
	}
	conns[0].Close()
	for _, g := range []*netGate{ga, gb} {
		if _, _, err := g.await(t); !errors.Is(err, ErrConnectionLost) {
			t.Errorf("a consumer sees: %v", err)
		}
	}
	for _, p := range []*Partition{a, b} {
		eventually(t, "the producer has failed", func() bool { return p.Err() != nil })
		if err := p.Put(0, recs(0, 1, 1)); !errors.Is(err, ErrConnectionLost) {
			t.Errorf("a producer sees: %v", err)
		}
	}
	c := r.partition(t, PartitionOptions{ID: partitionID(2)})
	gc := r.gate(t, recType, 0, c.ID())
	put(t, c, 0, recs(0, 0, 1))
	gc.take(t, 1)
	if len(conns) != 2 {
		t.Errorf("%d connections were opened, want 2", len(conns))
	}
}

// An address where nobody listens is an error that names it.
func TestNoServer(t *testing.T) {
	r := newRig(t, rigOptions{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	g := r.newGate(t, recType, []ChannelSource{{Partition: partitionID(0), Address: address}})
	g.Connect()
	if _, _, err := g.await(t); !errors.Is(err, ErrConnectionLost) ||
		!strings.Contains(err.Error(), address) {
		t.Errorf("got %v", err)
	}
}

// A consumer that leaves harms neither its producer nor the other streams.
func TestNetworkConsumerLeaves(t *testing.T) {
	r := newRig(t, rigOptions{})
	p := r.partition(t, PartitionOptions{Channels: 2, MayBlock: true})
	leaver, stayer := r.gate(t, recType, 0, p.ID()), r.gate(t, recType, 1, p.ID())
	for p.Available() {
		put(t, p, 0, recs(0, 0, 100))
	}
	leaver.Close()
	for i := range 2000 {
		put(t, p, 0, recs(0, i*100, 100))
		put(t, p, 1, recs(1, i, 1))
	}
	if got := stayer.take(t, 2000); !slices.Equal(got, records(0, 2000)) {
		t.Errorf("%d records arrived, want 2000 in order", len(got))
	}
	if err := p.Finish(true); err != nil {
		t.Fatal(err)
	}
	p.Close()
	stayer.take(t, 1)
	eventually(t, "the partition is released", p.Released)
	if err := p.Err(); err != nil {
		t.Errorf("the producer failed: %v", err)
	}
	if log := r.log.String(); log != "" {
		t.Errorf("logged: %s", log)
	}
}

func greet(t testing.TB, conn net.Conn, version uint16) greeting {
	t.Helper()
	write(t, conn, greeting{version: version, segmentBytes: 32 << 10}.append(nil))
	g, err := readGreeting(conn)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func write(t testing.TB, conn net.Conn, b []byte) {
	t.Helper()
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
}

func subscribe(t testing.TB, conn net.Conn, streamID uint32, p id.Partition, channel int,
	credit uint32) {
	t.Helper()
	f := frame{kind: frameSubscribe, length: subscribeBytes, stream: streamID, number: credit}
	write(t, conn, appendSubscribe(f.append(nil), p, channel))
}

func readFrame(t testing.TB, conn net.Conn) (frame, []byte) {
	t.Helper()
	var header [frameHeader]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		t.Fatal(err)
	}
	f, err := parseFrame(&header, 32<<10)
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, f.length)
	if _, err := io.ReadFull(conn, payload); err != nil {
		t.Fatal(err)
	}
	return f, payload
}

// Whatever comes to the port, the connection is closed with a reason in the log, and nothing else
// is harmed.
func TestGarbageOnThePort(t *testing.T) {
	hello := greeting{version: ProtocolVersion, segmentBytes: 32 << 10}.append(nil)
	after := func(f frame, payload ...byte) []byte {
		return append(f.append(slices.Clone(hello)), payload...)
	}
	for _, c := range []struct {
		name, reason string
		bytes        []byte
	}{
		{"http", "which is not the exchange protocol", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
		{"zeroes", "which is not the exchange protocol", make([]byte, 100)},
		{"short", "no greeting", []byte("GFDX")},
		{"old version", "version 0", greeting{segmentBytes: 32 << 10}.append(nil)},
		{"segments", "segments of 1 bytes", greeting{version: ProtocolVersion,
			segmentBytes: 1}.append(nil)},
		{"random frames", "corrupt", append(slices.Clone(hello), bytes.Repeat([]byte{0xff},
			64)...)},
		{"huge frame", "limit is", after(frame{kind: frameSubscribe, length: 1 << 31, stream: 1})},
		{"data to a server", "corrupt", after(frame{kind: frameData, length: 1, stream: 1})},
		{"end to a server", "end from a client", after(frame{kind: frameEnd, stream: 1})},
		{"unknown stream", "does not exist", after(frame{kind: frameCredit, stream: 5, number: 1})},
		{"short subscribe", "subscribe of 3", after(frame{kind: frameSubscribe, length: 3,
			stream: 1}, 1, 2, 3)},
		{"stream 0", "after stream 0", after(frame{kind: frameSubscribe, length: subscribeBytes},
			make([]byte, subscribeBytes)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			p := r.partition(t, PartitionOptions{})
			g := r.gate(t, recType, 0, p.ID())
			conn, err := net.Dial("tcp", r.address())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			write(t, conn, c.bytes)
			_ = conn.(*net.TCPConn).CloseWrite() // the server may have closed already
			if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(),
				"reset") {
				t.Errorf("the connection was not closed: %v", err)
			}
			eventually(t, "the reason is logged", func() bool {
				return strings.Contains(r.log.String(), c.reason)
			})
			put(t, p, 0, recs(0, 0, 5))
			if got := g.take(t, 5); !slices.Equal(got, records(0, 5)) {
				t.Errorf("others got %v", got)
			}
		})
	}
}

// A connection that says nothing is closed after the handshake timeout, and connections beyond the
// limit are refused with a reason.
func TestSilentAndTooMany(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewServer(ServerOptions{Listener: l, Registry: NewRegistry(RegistryOptions{}),
		HandshakeTimeout: 50 * time.Millisecond, MaxConnections: 1,
		Logger: slogDiscard})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if n, err := silent.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("a silent connection: %d, %v", n, err)
	}
	eventually(t, "it is forgotten", func() bool { return s.Connections() == 0 })
	open := func() (net.Conn, greeting) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c, greet(t, c, ProtocolVersion)
	}
	first, g := open()
	defer first.Close()
	second, h := open()
	defer second.Close()
	if g.status != greetingOK || h.status != greetingFull {
		t.Errorf("answers are %v and %v", g.status, h.status)
	}
}

// A client refuses servers of another kind or version, and answers that break the protocol.
func TestBadServer(t *testing.T) {
	ok := greeting{version: ProtocolVersion}.append(nil)
	answer := func(f frame, payload ...byte) []byte {
		return append(f.append(slices.Clone(ok)), payload...)
	}
	for _, c := range []struct {
		name, reason string
		bytes        []byte
	}{
		{"ssh", "not the exchange protocol", []byte("SSH-2.0-OpenSSH_9.2\r\n")},
		{"version", "another version", greeting{version: 9, status: greetingVersion}.append(nil)},
		{"frame of a client", "from a server", answer(frame{kind: frameCredit, stream: 1})},
		{"unknown stream", "not open", answer(frame{kind: frameEnd, stream: 7})},
		{"sequence", "0 was to come", answer(frame{kind: frameData, length: 1, stream: 1,
			number: 3}, 0)},
		{"element", "length 0", answer(frame{kind: frameData, length: 5, stream: 1}, 0, 0, 0, 0,
			0)},
		{"batch", "corrupt", answer(frame{kind: frameData, length: 6, stream: 1}, 2, 0, 0, 0, 0,
			255)},
		{"barrier", "barrier of 1 bytes, not 27", answer(frame{kind: frameOvertake, length: 1,
			stream: 1},
			0)},
		{"too long", "limit is", answer(frame{kind: frameData, length: 33 << 10, stream: 1})},
		{"no credit", "without credit", answer(frame{kind: frameData, length: 1, stream: 1}, append(
			frame{kind: frameData, length: 1, stream: 1, number: 1}.append([]byte{1}),
			append([]byte{0},
				frame{kind: frameData, length: 1, stream: 1, number: 2}.append(nil)...)...)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				_, _ = conn.Write(c.bytes)
				_, _ = io.Copy(io.Discard, conn)
			})
			r := newRig(t, rigOptions{})
			g := r.newGate(t, recType, []ChannelSource{{Partition: partitionID(0),
				Address: l.Addr().String()}})
			g.Connect()
			_, _, err = g.await(t)
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("got %v, want %q", err, c.reason)
			}
			g.Close()
			r.client.Close()
		})
	}
}

// A thousand channels share a connection and all get their records.
func TestManyChannels(t *testing.T) {
	const channels = 1000
	r := newRig(t, rigOptions{segments: 2*channels + 8*channels})
	p := r.partition(t, PartitionOptions{Channels: channels, MayBlock: true})
	gates := make([]*netGate, channels)
	for i := range gates {
		gates[i] = r.gate(t, recType, i, p.ID())
	}
	rounds := testkit.Scaled(20)
	var wg sync.WaitGroup
	wg.Go(func() {
		for round := range rounds {
			for c := range channels {
				if err := p.Put(c, recs(c, round*50, 50)); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	defer wg.Wait()
	for c, g := range gates {
		if got := g.take(t, rounds*50); !slices.Equal(got, records(0, rounds*50)) {
			t.Fatalf("channel %d: %d records", c, len(got))
		}
	}
	if r.client.Connections() != 1 || r.server.Connections() != 1 {
		t.Errorf("%d and %d connections", r.client.Connections(), r.server.Connections())
	}
}

// A gate of a thousand channels gets its channels' records in turns.
func TestWideGate(t *testing.T) {
	const channels = 1000
	r := newRig(t, rigOptions{})
	var ids []id.Partition
	var ps []*Partition
	for i := range channels {
		p := r.partition(t, PartitionOptions{ID: partitionID(i)})
		ids, ps = append(ids, p.ID()), append(ps, p)
	}
	r.pool, _ = NewSegmentPool(3000*32<<10, 32<<10)
	g := r.gate(t, recType, 0, ids...)
	for i, p := range ps {
		put(t, p, 0, recs(i, i, 2))
	}
	got := make([][]item, channels)
	for range channels {
		c, e := g.next(t)
		got[c] = append(got[c], items(t, e)...)
	}
	for c := range got {
		if !slices.Equal(got[c], records(c, 2)) {
			t.Fatalf("channel %d: %v", c, got[c])
		}
	}
}

// Closing server or client ends all goroutines while records flow; the leak check of the package
// watches.
func TestCloseWhileBusy(t *testing.T) {
	for _, who := range []string{"server", "client"} {
		t.Run(who, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			p := r.partition(t, PartitionOptions{MayBlock: true})
			g := r.gate(t, textType, 0, p.ID())
			var wg sync.WaitGroup
			var putErr error
			wg.Go(func() {
				for i := 0; putErr == nil; i++ {
					putErr = p.Put(0, texts(fmt.Sprint(i), strings.Repeat("x", i%50_000)))
				}
			})
			g.take(t, 1000)
			if who == "server" {
				r.server.Close()
			} else {
				r.client.Close()
			}
			for {
				if _, _, err := g.await(t); err != nil {
					break
				}
			}
			wg.Wait()
			if !errors.Is(putErr, ErrConnectionLost) {
				t.Errorf("the producer sees %v", putErr)
			}
		})
	}
}
