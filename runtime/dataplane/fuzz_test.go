package dataplane

import (
	"bytes"
	"context"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"goflink/core/id"
	"goflink/core/stream"
)

// samples are elements of all kinds.
func samples() []stream.Element {
	return []stream.Element{
		{Kind: stream.KindBatch, Batch: recs(1, 5, 3)},
		{Kind: stream.KindBatch, Batch: texts("a", "", "bc")},
		watermark(-1),
		{Kind: stream.KindStatus, Status: stream.Idle},
		{Kind: stream.KindLatency, Latency: &stream.LatencyMarker{Emitted: 3,
			Source: id.Operator{7}, Subtask: -2}},
		{Kind: stream.KindBarrier, Barrier: &stream.Barrier{Checkpoint: 1 << 60, Triggered: -5,
			Alignment: stream.Unaligned, AlignTimeout: 9, Savepoint: stream.DrainSavepoint,
			Full: true}},
		{Kind: stream.KindCancelBarrier, Watermark: 12},
		{Kind: stream.KindEndOfInput, Drained: true},
	}
}

// Elements of all kinds survive the encoding, and no prefix of one is accepted.
func TestElementRoundTrip(t *testing.T) {
	for _, e := range samples() {
		typ := stream.AnyType(recType)
		if _, ok := e.Batch.(*stream.Batch[string]); ok {
			typ = textType
		}
		b, err := AppendElement([]byte{9}, &e)
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(b) - 1 { // of which the length prefix tells
			if _, _, err := DecodeElement(typ, b[1:1+n]); err == nil {
				t.Errorf("%s: %d of %d bytes were accepted", e.Kind, n, len(b)-1)
			}
		}
		got, rest, err := DecodeElement(typ, append(b[1:], 8))
		if err != nil || !bytes.Equal(rest, []byte{8}) {
			t.Fatalf("%s: %v, rest %v", e.Kind, err, rest)
		}
		if got.Kind == stream.KindBarrier && *got.Barrier != *e.Barrier ||
			got.Kind == stream.KindLatency && *got.Latency != *e.Latency {
			t.Errorf("got %+v, want %+v", got, e)
		}
		if got, want := items(t, got), items(t, e); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if _, err := AppendElement(nil, &stream.Element{Kind: 99}); err == nil {
		t.Error("an unknown kind was encoded")
	}
}

// Every field of a barrier and of a latency marker crosses the network: one that is added to the
// type and not to the encoding fails here.
func TestEveryFieldIsEncoded(t *testing.T) {
	barrier, latency := &stream.Barrier{}, &stream.LatencyMarker{}
	for _, v := range []reflect.Value{reflect.ValueOf(barrier).Elem(),
		reflect.ValueOf(latency).Elem()} {
		for i := range v.NumField() {
			switch f := v.Field(i); f.Kind() {
			case reflect.Bool:
				f.SetBool(true)
			case reflect.String:
				f.SetString("set")
			case reflect.Uint8, reflect.Uint64:
				f.SetUint(1)
			case reflect.Int32, reflect.Int64:
				f.SetInt(1)
			case reflect.Array:
				f.Index(0).SetUint(1)
			default:
				t.Fatalf("%s.%s is a %s", v.Type(), v.Type().Field(i).Name, f.Kind())
			}
		}
	}
	for _, e := range []stream.Element{{Kind: stream.KindBarrier, Barrier: barrier},
		{Kind: stream.KindLatency, Latency: latency}} {
		b, err := AppendElement(nil, &e)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := DecodeElement(nil, b)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("got %+v, %v, want %+v", got, err, e)
		}
	}
	long := &stream.Barrier{Alignment: stream.Unaligned, Target: strings.Repeat("x",
		maxTargetBytes+1)}
	p := newPartition(t, PartitionOptions{})
	if err := p.Broadcast(stream.Element{Kind: stream.KindBarrier, Barrier: long}); err == nil {
		t.Error("a barrier that cannot be read was accepted")
	}
	if _, err := p.BroadcastBarrierUnaligned(long); err == nil {
		t.Error("a barrier that cannot be read overtook")
	}
}

// Whatever is decoded, there is no panic, and what is accepted and no batch is encoded alike.
func FuzzDecodeElement(f *testing.F) {
	for _, e := range samples() {
		b, err := AppendElement(nil, &e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, typ := range []stream.AnyType{recType, textType} {
			e, rest, err := DecodeElement(typ, src)
			if err != nil {
				continue
			}
			again, err := AppendElement(nil, &e)
			if err != nil {
				t.Fatal(err)
			}
			if used := src[:len(src)-len(rest)]; e.Kind != stream.KindBatch && !bytes.Equal(again,
				used) {
				t.Errorf("%x was read as %x", used, again)
			}
			back, _, err := DecodeElement(typ, again)
			if err != nil || !slices.Equal(items(t, back), items(t, e)) {
				t.Errorf("%x does not come back: %v", again, err)
			}
		}
		_ = ReadState(textType, src, func(e stream.Element) error {
			items(t, e)
			return nil
		})
	})
}

// pipeListener hands out connections that the test makes.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// Whatever a client sends, the server ends the connection in order and nothing panics or stays.
func FuzzServer(f *testing.F) {
	sub := appendSubscribe(frame{kind: frameSubscribe, length: subscribeBytes, stream: 1,
		number: 4}.append(nil), partitionID(0), 0)
	f.Add(sub)
	f.Add(frame{kind: frameCredit, stream: 1, number: 7}.append(slices.Clone(sub)))
	f.Add(frame{kind: frameCancel, stream: 1}.append(slices.Clone(sub)))
	f.Add(append(slices.Clone(sub), appendSubscribe(frame{kind: frameSubscribe,
		length: subscribeBytes,
		stream: 2}.append(nil), partitionID(0), 0)...))
	f.Fuzz(func(t *testing.T, input []byte) {
		l := newPipeListener()
		registry := NewRegistry(RegistryOptions{})
		p := newPartition(t, PartitionOptions{ID: partitionID(0)})
		if err := registry.Add(p); err != nil {
			t.Fatal(err)
		}
		put(t, p, 0, recs(0, 0, 100))
		s, err := NewServer(ServerOptions{Listener: l, Registry: registry,
			Logger: slogDiscard})
		if err != nil {
			t.Fatal(err)
		}
		near, far := net.Pipe()
		l.conns <- far
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(io.Discard, near) })
		_, _ = near.Write(append(greeting{version: ProtocolVersion,
			segmentBytes: 512}.append(nil), input...))
		near.Close()
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		registry.Close()
		if !p.Released() || p.total.Load() != 0 {
			t.Errorf("released %v, %d bytes queued", p.Released(), p.total.Load())
		}
	})
}

// Whatever a server sends, the gate gets elements or an error, and nothing panics or stays.
func FuzzClient(f *testing.F) {
	data := func(payload []byte) []byte {
		return append(frame{kind: frameData, length: uint32(len(payload)), stream: 1}.append(nil),
			payload...)
	}
	for _, e := range samples() {
		b, err := AppendElement(nil, &e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data(b))
	}
	barrier := appendBarrier(nil, unalignedBarrier(3))
	f.Add(append(frame{kind: frameOvertake, length: barrierBytes, stream: 1}.append(nil),
		barrier...))
	f.Add(append(frame{kind: frameAnnounce, length: barrierBytes, stream: 1}.append(nil),
		barrier...))
	f.Add(frame{kind: frameEnd, stream: 1}.append(nil))
	f.Add(frame{kind: frameCancelled, stream: 1}.append(nil))
	f.Add(append(frame{kind: frameFailed, length: 3, stream: 1}.append(nil), 1, 'n', 'o'))
	f.Fuzz(func(t *testing.T, input []byte) {
		near, far := net.Pipe()
		client := NewClient(ClientOptions{SegmentBytes: 512, Logger: slogDiscard,
			Dial: func(context.Context, string) (net.Conn, error) { return far, nil }})
		pool, err := NewSegmentPool(10*512, 512)
		if err != nil {
			t.Fatal(err)
		}
		g, err := NewGate(GateOptions{Name: "fuzz", Type: recType, Pool: pool, Client: client,
			Buffers: Buffers{SegmentBytes: 512},
			Sources: []ChannelSource{{Partition: partitionID(0), Address: "pipe"}}})
		if err != nil {
			t.Fatal(err)
		}
		n := wakeable(g)
		g.Connect()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(io.Discard, near) })
		wg.Go(func() {
			_, _ = near.Write(append(greeting{version: ProtocolVersion}.append(nil), input...))
			near.Close()
		})
		for !g.AllEnded() {
			_, e, ok, err := g.Poll()
			if err != nil {
				break
			}
			if ok {
				items(t, e)
			} else if !g.AllEnded() {
				<-n.wake
			}
		}
		g.Close()
		client.Close()
		wg.Wait()
		if pool.Reserved() != 0 {
			t.Errorf("%d segments are still reserved", pool.Reserved())
		}
	})
}
