package dataplane

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"goflink/core/stream"
	"goflink/internal/testkit"
)

// world is a gate with its producers, and a model of what went through them. One goroutine drives
// it by chance.
type world struct {
	t     *testing.T
	rnd   *rand.Rand
	rig   *rig // nil: one process
	gate  *netGate
	parts []*Partition
	typ   stream.AnyType

	// sent and got are all elements per channel but barriers, in order.
	sent, got [][]item
	next      int64

	checkpoint uint64
	// begun is set while a checkpoint is under way; the rest belongs to it.
	begun bool
	// sentBefore is how much a channel's producer had sent before its barrier, -1 before that.
	sentBefore []int
	// arrived says that the consumer has a channel's barrier.
	arrived []bool
	// unaligned says that the consumer's capture has begun, processed what it had polled then.
	unaligned bool
	processed []int
	// fromProducer and fromConsumer are the channel state.
	fromProducer, fromConsumer [][]byte
	complete                   int
}

func newWorld(t *testing.T, seed uint64, network bool) *world {
	w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), typ: recType}
	n := 1 + w.rnd.IntN(4)
	if w.rnd.IntN(2) == 0 {
		w.typ = textType
	}
	w.sent, w.got = make([][]item, n), make([][]item, n)
	segment := 256 << w.rnd.IntN(6)
	var sources []ChannelSource
	address := ""
	registry := NewRegistry(RegistryOptions{})
	if network {
		w.rig = newRig(t, rigOptions{segmentBytes: segment, writeBytes: 1 << (8 + w.rnd.IntN(10))})
		registry, address = w.rig.registry, w.rig.address()
	}
	for i := range n {
		p := newPartition(t, PartitionOptions{ID: partitionID(i), Type: w.typ,
			Buffers: Buffers{SegmentBytes: segment}})
		if err := registry.Add(p); err != nil {
			t.Fatal(err)
		}
		w.parts = append(w.parts, p)
		sources = append(sources, ChannelSource{Partition: p.ID(), Address: address})
	}
	if network {
		w.gate = w.rig.newGate(t, w.typ, sources)
	} else {
		g, err := NewGate(GateOptions{Name: "local", Sources: sources, Type: w.typ,
			Registry: registry})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(g.Close)
		w.gate = wakeable(g)
	}
	w.gate.Connect()
	return w
}

// batch makes a batch with records that nobody else has.
func (w *world) batch() stream.Carrier {
	n := 1 + w.rnd.IntN(40)
	if w.rnd.IntN(5) == 0 {
		n = 1 + w.rnd.IntN(600)
	}
	if w.typ == stream.AnyType(recType) {
		b := recs(0, int(w.next), n)
		w.next += int64(n)
		return b
	}
	var values []string
	for range n {
		size := w.rnd.IntN(30)
		if w.rnd.IntN(200) == 0 {
			size = w.rnd.IntN(40_000)
		}
		values = append(values, fmt.Sprint(w.next, strings.Repeat("x", size)))
		w.next++
	}
	return texts(values...)
}

// put sends something on a channel; a full one only sometimes, because a task's step may not stop
// at the limit.
func (w *world) put(c int) {
	p := w.parts[c]
	if !p.Available() && w.rnd.IntN(20) > 0 {
		return
	}
	e := stream.Element{Kind: stream.KindBatch}
	switch w.rnd.IntN(8) {
	case 0:
		e = watermark(w.next)
	case 1:
		e = stream.Element{Kind: stream.KindStatus, Status: stream.Status(w.rnd.IntN(2))}
	case 2:
		e = stream.Element{Kind: stream.KindLatency,
			Latency: &stream.LatencyMarker{Emitted: w.next}}
	}
	if e.Kind != stream.KindBatch {
		w.sent[c] = append(w.sent[c], items(w.t, e)...)
		broadcast(w.t, p, e)
		return
	}
	b := w.batch()
	size := b.Len()
	copied, err := AppendRecords(nil, b, 0, size)
	if err != nil {
		w.t.Fatal(err)
	}
	w.sent[c] = append(w.sent[c], decoded(w.t, w.typ, copied)...)
	put(w.t, p, 0, b)
}

// begin starts a checkpoint; the producers' barriers follow one by one.
func (w *world) begin() {
	n := len(w.parts)
	w.checkpoint++
	w.begun, w.unaligned = true, false
	w.sentBefore, w.arrived, w.processed = make([]int, n), make([]bool, n), make([]int, n)
	w.fromProducer, w.fromConsumer = make([][]byte, n), make([][]byte, n)
	for i := range n {
		w.sentBefore[i] = -1
	}
}

// barrier lets a producer send its barrier.
func (w *world) barrier(c int) {
	if w.sentBefore[c] >= 0 {
		return
	}
	w.sentBefore[c] = len(w.sent[c])
	p := w.parts[c]
	if w.rnd.IntN(2) == 0 {
		broadcast(w.t, p, aligned(w.checkpoint, 1))
		return
	}
	states, err := p.BroadcastBarrierUnaligned(unalignedBarrier(w.checkpoint))
	if err != nil {
		w.t.Fatal(err)
	}
	w.fromProducer[c] = states[0]
}

// producerTimeout turns a producer's barrier unaligned, if it is still there.
func (w *world) producerTimeout(c int) {
	states, found, err := w.parts[c].ConvertToUnaligned(w.checkpoint)
	if err != nil {
		w.t.Fatal(err)
	}
	if found > 0 {
		w.fromProducer[c] = states[0]
	}
}

// capture begins the consumer's part of an unaligned checkpoint.
func (w *world) capture() {
	if w.unaligned {
		return
	}
	w.unaligned = true
	for c := range w.got {
		w.processed[c] = len(w.got[c])
		w.gate.Unblock(c)
	}
	err := w.gate.StartCapture(w.checkpoint, func(c int, state []byte) error {
		w.fromConsumer[c] = append(w.fromConsumer[c], state...)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// consumerTimeout is the timeout of an aligned barrier at the consumer.
func (w *world) consumerTimeout() {
	if b := w.gate.Announced(); !w.begun || b == nil && !slices.Contains(w.arrived, true) {
		return
	}
	w.capture()
	if _, err := w.gate.ConvertToUnaligned(w.checkpoint); err != nil {
		w.t.Fatal(err)
	}
}

// poll takes an element, if there is one.
func (w *world) poll() bool {
	c, e, ok, err := w.gate.Poll()
	if err != nil {
		w.t.Fatal(err)
	}
	if ok {
		w.take(c, e)
	}
	return ok
}

func (w *world) take(c int, e stream.Element) {
	if e.Kind != stream.KindBarrier {
		if w.gate.Blocked(c) {
			w.t.Fatalf("channel %d is blocked and gave %v", c, e)
		}
		w.got[c] = append(w.got[c], items(w.t, e)...)
		return
	}
	if !w.begun || e.Barrier.Checkpoint != w.checkpoint || w.arrived[c] {
		w.t.Fatalf("barrier of checkpoint %d on channel %d, at %d", e.Barrier.Checkpoint, c,
			w.checkpoint)
	}
	w.arrived[c] = true
	if e.Barrier.Alignment == stream.Unaligned {
		w.capture()
	} else if !w.unaligned {
		w.gate.Block(c)
	}
	if !slices.Contains(w.arrived, false) {
		w.finish()
	}
}

// finish checks the checkpoint: what was processed before it and what is channel state are,
// together, all that was sent before the barriers (R106).
func (w *world) finish() {
	w.begun = false
	w.complete++
	for c := range w.parts {
		processed := len(w.got[c])
		if w.unaligned {
			processed = w.processed[c]
		}
		w.gate.Unblock(c)
		want := w.sent[c][:w.sentBefore[c]]
		covered := join(w.got[c][:processed], decoded(w.t, w.typ, w.fromConsumer[c]),
			decoded(w.t, w.typ, w.fromProducer[c]))
		if got, want := restorable(covered), restorable(want); !slices.Equal(got, want) {
			w.t.Fatalf("checkpoint %d, channel %d: %d processed, %d and %d bytes of state; %s",
				w.checkpoint, c, processed, len(w.fromConsumer[c]), len(w.fromProducer[c]),
				difference(got, want))
		}
	}
	w.gate.StopCapture()
}

// restorable are the items that channel state has.
func restorable(list []item) []item {
	return slices.DeleteFunc(slices.Clone(list), func(i item) bool { return !inState(i.kind) })
}

func difference(got, want []item) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("item %d of %d is %.60s, want %.60s of %d", i, len(got),
				fmt.Sprint(got[i]), fmt.Sprint(want[i]), len(want))
		}
	}
	return fmt.Sprintf("%d items, want %d", len(got), len(want))
}

// step does something.
func (w *world) step() {
	c := w.rnd.IntN(len(w.parts))
	switch n := w.rnd.IntN(100); {
	case n < 45:
		w.put(c)
	case n < 85:
		w.poll()
	case !w.begun:
		if n < 88 {
			w.begin()
		}
	case n < 93:
		w.barrier(c)
	case n < 95:
		w.producerTimeout(c)
	case n < 97:
		w.consumerTimeout()
	default:
		for range 50 {
			w.poll()
		}
	}
}

// settle ends the checkpoint and drains the gate.
func (w *world) settle() {
	if w.begun {
		for c := range w.parts {
			w.barrier(c)
		}
	}
	for c := range w.parts {
		if err := w.parts[c].Finish(true); err != nil {
			w.t.Fatal(err)
		}
		w.sent[c] = append(w.sent[c], item{kind: stream.KindEndOfInput, n: 1})
		w.parts[c].Close()
	}
	for c := range w.parts {
		for len(w.got[c]) < len(w.sent[c]) {
			w.take(w.gate.next(w.t))
		}
		if !slices.Equal(w.got[c], w.sent[c]) {
			w.t.Fatalf("channel %d: %s", c, difference(w.got[c], w.sent[c]))
		}
	}
	if w.begun {
		w.t.Fatal("a checkpoint is still under way")
	}
}

// R21, R94, R106: whatever is sent, in whatever order the two ends act, the consumer gets each
// channel's elements in order, and each checkpoint, aligned, unaligned or turned so half way, cuts
// each channel exactly at its barrier.
func TestRandomExchange(t *testing.T) {
	for _, kind := range []string{"local", "network"} {
		t.Run(kind, func(t *testing.T) {
			complete, seeds := 0, 60
			if kind == "local" {
				seeds = 15 // one goroutine: chance decides all, and more is under way
			}
			testkit.EachSeed(t, testkit.Scaled(seeds), func(t *testing.T, seed uint64) {
				w := newWorld(t, seed, kind == "network")
				for range 2000 {
					w.step()
				}
				w.settle()
				complete += w.complete
			})
			if complete == 0 {
				t.Error("no checkpoint was completed")
			}
		})
	}
}

// R106: after a restore from the state of an unaligned checkpoint, the consumer gets exactly what
// the barriers overtook, and then what is new.
func TestRandomRestore(t *testing.T) {
	testkit.EachSeed(t, testkit.Scaled(30), func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, seed%2 == 0)
		for w.complete == 0 || w.begun || !w.unaligned {
			w.step()
		}
		rest := make([][]item, len(w.parts))
		for c := range w.parts {
			rest[c] = restorable(w.sent[c][w.processed[c]:w.sentBefore[c]])
		}
		again := newWorld(t, seed, false)
		sources := again.gate.sources
		again.gate.Close()
		r := NewRegistry(RegistryOptions{})
		g, err := NewGate(GateOptions{Name: "restored", Sources: sources, Type: w.typ, Registry: r})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		for c := range w.parts {
			p := newPartition(t, PartitionOptions{ID: partitionID(c), Type: w.typ})
			if err := p.Restore(0, w.fromProducer[c]); err != nil {
				t.Fatal(err)
			}
			g.Restore(c, w.fromConsumer[c])
			if err := r.Add(p); err != nil {
				t.Fatal(err)
			}
			broadcast(t, p, watermark(int64(c)))
		}
		g.Connect()
		got := drain(t, g)
		for c := range got {
			if want := join(rest[c], wm(int64(c))); !slices.Equal(got[c], want) {
				t.Errorf("channel %d: %s", c, difference(got[c], want))
			}
		}
	})
}
