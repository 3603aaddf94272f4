package dataplane

import (
	"slices"
	"sync/atomic"
	"testing"

	"goflink/core/stream"
)

// TestHoldsBarrier: R106: a producer learns when an aligned barrier has left its queue: because it
// was taken, overtook, or was dropped with its reader.
func TestHoldsBarrier(t *testing.T) {
	capture := func(g *Gate) error {
		if err := g.StartCapture(4, func(int, []byte) error { return nil }); err != nil {
			return err
		}
		_, err := g.ConvertToUnaligned(4)
		return err
	}
	for _, c := range []struct {
		name  string
		leave func(p *Partition, g *Gate) error
	}{
		{"taken", func(p *Partition, g *Gate) error { drain(t, g); return nil }},
		{"converted by the reader", func(p *Partition, g *Gate) error { return capture(g) }},
		{"converted by the producer", func(p *Partition, g *Gate) error {
			_, _, err := p.ConvertToUnaligned(4)
			return err
		}},
		{"the reader leaves", func(p *Partition, g *Gate) error { g.Close(); return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPartition(t, PartitionOptions{})
			calls := 0
			p.OnBarrierTaken(func() { calls++ })
			g := connected(t, recType, 0, p)
			put(t, p, 0, recs(0, 0, 3))
			broadcast(t, p, aligned(4, 30))
			poll(t, g) // the records
			if !p.HoldsBarrier(4) || p.HoldsBarrier(3) || p.HoldsBarrier(5) || calls > 0 {
				t.Fatalf("queued: holds %t, %d calls", p.HoldsBarrier(4), calls)
			}
			if err := c.leave(p, g); err != nil {
				t.Fatal(err)
			}
			if p.HoldsBarrier(4) || calls == 0 {
				t.Errorf("gone: holds %t, %d calls", p.HoldsBarrier(4), calls)
			}
		})
	}
}

// TestStuckBarrier: R106: over the network a barrier waits at the producer as long as there is no
// credit; it can be made to overtake there, or leaves when the consumer reads.
func TestStuckBarrier(t *testing.T) {
	for _, convert := range []bool{false, true} {
		r := newRig(t, rigOptions{segmentBytes: 256})
		p := r.partition(t, PartitionOptions{})
		var calls atomic.Int32
		p.OnBarrierTaken(func() { calls.Add(1) })
		g := r.gate(t, recType, 0, p.ID())
		n := 0
		for g.QueuedBytes(0) < 9*256 || p.Available() {
			if p.Available() {
				put(t, p, 0, recs(0, n, 16))
				n += 16
			}
		}
		broadcast(t, p, aligned(4, 30))
		put(t, p, 0, recs(0, n, 1))
		if !p.HoldsBarrier(4) {
			t.Fatal("the barrier is not held, though there is no credit")
		}
		var saved []item
		if convert {
			states, found, err := p.ConvertToUnaligned(4)
			if err != nil || found != 1 {
				t.Fatal(found, err)
			}
			saved = decoded(t, recType, states[0])
			if p.HoldsBarrier(4) || calls.Load() == 0 {
				t.Errorf("holds %t, %d calls", p.HoldsBarrier(4), calls.Load())
			}
		}
		got := g.take(t, n+2)
		at := slices.IndexFunc(got, func(i item) bool { return i.kind == stream.KindBarrier })
		if got := slices.Delete(slices.Clone(got), at, at+1); !slices.Equal(got, records(0, n+1)) {
			t.Errorf("not all records, or not in order: %v", got)
		}
		if convert && (at >= n || !slices.Equal(saved, records(n-len(saved), len(saved)))) {
			t.Errorf("the barrier came behind %d of %d records, and the producer saved %v", at, n,
				saved)
		}
		if !convert && at != n {
			t.Errorf("the barrier came behind %d of %d records", at, n)
		}
		eventually(t, "the barrier has left", func() bool {
			return calls.Load() > 0 && !p.HoldsBarrier(4)
		})
	}
}
