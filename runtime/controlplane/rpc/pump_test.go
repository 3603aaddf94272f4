package rpc

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"goflink/runtime/controlplane/controlpb"
)

// pipe is a stream in memory: what is sent can be looked at, what is received is put in.
type pipe struct {
	ctx  context.Context
	sent chan *controlpb.ToWorker
	in   chan *controlpb.FromWorker
}

func (p *pipe) Context() context.Context { return p.ctx }

func (p *pipe) Send(m *controlpb.ToWorker) error {
	select {
	case p.sent <- m:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

func (p *pipe) Recv() (*controlpb.FromWorker, error) {
	select {
	case m, ok := <-p.in:
		if !ok {
			return nil, io.EOF
		}
		return m, nil
	case <-p.ctx.Done():
		return nil, p.ctx.Err()
	}
}

type pumped struct {
	*pipe
	box   *outbox[*controlpb.ToWorker]
	ended chan error
}

func startPump(t *testing.T, handle func(*controlpb.FromWorker) error) *pumped {
	ctx, stop := context.WithCancel(t.Context())
	p := &pumped{box: newOutbox[*controlpb.ToWorker](), ended: make(chan error, 1),
		pipe: &pipe{ctx: ctx, sent: make(chan *controlpb.ToWorker),
			in: make(chan *controlpb.FromWorker)}}
	beat := func() *controlpb.ToWorker {
		return &controlpb.ToWorker{Kind: &controlpb.ToWorker_Heartbeat{}}
	}
	go func() {
		p.ended <- pump[*controlpb.ToWorker, *controlpb.FromWorker](p.pipe, p.box, beat,
			Heartbeats{Interval: 10 * time.Second, Timeout: 50 * time.Second}, stop, handle)
	}()
	return p
}

func ignore(*controlpb.FromWorker) error { return nil }

// TestHeartbeats: R133: when there is nothing to say, a heartbeat is sent in each interval; a
// message is as good as one; silence for the time-out ends the connection.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPump(t, ignore)
		began := time.Now()
		for i := range 3 {
			if m := <-p.sent; m.GetKind() == nil {
				t.Error("no heartbeat")
			}
			if d := time.Since(began); d != time.Duration(i+1)*10*time.Second {
				t.Errorf("heartbeat %d after %s", i, d)
			}
		}
		time.Sleep(5 * time.Second)
		p.box.put(&controlpb.ToWorker{Kind: &controlpb.ToWorker_Shutdown{}})
		<-p.sent
		<-p.sent
		if d := time.Since(began); d != 45*time.Second {
			t.Errorf("after a message the next heartbeat came at %s", d)
		}
		p.in <- &controlpb.FromWorker{}
		for range 4 {
			<-p.sent
		}
		if err := <-p.ended; !errors.Is(err, ErrSilent) {
			t.Errorf("ended with %v", err)
		}
		if d := time.Since(began); d != 95*time.Second {
			t.Errorf("ended after %s", d)
		}
	})
}

// TestSlowReader: who does not read what is sent is cut off, with memory bounded.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPump(t, ignore)
		for range maxQueued + 2 { // one is being sent
			p.box.put(&controlpb.ToWorker{Kind: &controlpb.ToWorker_Heartbeat{}})
			synctest.Wait()
			if p.box.cause() != nil {
				break
			}
		}
		if err := <-p.ended; !errors.Is(err, ErrSlow) {
			t.Errorf("ended with %v", err)
		}
		p.box.put(&controlpb.ToWorker{}) // nobody is there, nothing happens
	})
}

// TestLargeMessage: a message above the limit ends the connection on the side that makes it.
func TestLargeMessage(t *testing.T) {
	box := newOutbox[*controlpb.FromWorker]()
	box.put(&controlpb.FromWorker{Kind: &controlpb.FromWorker_SlotFreed{
		SlotFreed: make([]byte, MaxMessageBytes+1)}})
	if err := box.cause(); !errors.Is(err, errTooLarge) {
		t.Errorf("%v", err)
	}
}

// TestConnectionEnds: the end of the stream, or a message that nobody understands, ends the pump.
func TestConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPump(t, ignore)
		close(p.in)
		if err := <-p.ended; !errors.Is(err, io.EOF) {
			t.Errorf("ended with %v", err)
		}
		p = startPump(t, func(*controlpb.FromWorker) error { return ErrCorrupt })
		p.in <- &controlpb.FromWorker{}
		if err := <-p.ended; !errors.Is(err, ErrCorrupt) {
			t.Errorf("ended with %v", err)
		}
	})
}

// FuzzToWorker: whatever bytes come, a worker reads them or refuses them.
func FuzzToWorker(f *testing.F) {
	add := func(m *controlpb.ToWorker) {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	id := make([]byte, idBytes)
	add(&controlpb.ToWorker{Kind: &controlpb.ToWorker_Submit{Submit: &controlpb.Submit{
		Attempt: make([]byte, attemptBytes), Allocation: id,
		Inputs: []*controlpb.Input{{List: 1, Channels: []uint32{1},
			Producers: []*controlpb.Producer{{Attempt: make([]byte, attemptBytes)}}}}}}})
	add(&controlpb.ToWorker{Kind: &controlpb.ToWorker_TriggerCheckpoint{
		TriggerCheckpoint: &controlpb.TriggerCheckpoint{
			Attempts: [][]byte{make([]byte, attemptBytes)}}}})
	add(&controlpb.ToWorker{Kind: &controlpb.ToWorker_CoordinatorEvent{
		CoordinatorEvent: &controlpb.OperatorEvent{Attempt: make([]byte, attemptBytes),
			Operator: id}}})
	f.Fuzz(func(t *testing.T, b []byte) {
		var m controlpb.ToWorker
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		var lists listMemory
		var err error
		switch k := m.Kind.(type) {
		case *controlpb.ToWorker_Submit:
			if k.Submit != nil {
				_, err = lists.decode(k.Submit)
			}
		case *controlpb.ToWorker_TriggerCheckpoint:
			_, _, err = decodeTrigger(k.TriggerCheckpoint)
		case *controlpb.ToWorker_CoordinatorEvent:
			_, _, err = decodeOperatorEvent(k.CoordinatorEvent)
		case *controlpb.ToWorker_SampleBackpressure:
			_, err = decodeSample(k.SampleBackpressure)
		}
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("an error that is not ErrCorrupt: %v", err)
		}
	})
}
