package dataplane

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"goflink/core/stream"
)

// R21, R90: elements of a channel arrive in the order in which they were put, batches whole.
func TestLocalOrder(t *testing.T) {
	p := newPartition(t, PartitionOptions{Channels: 2})
	g0 := connected(t, recType, 0, p)
	put(t, p, 0, recs(0, 0, 3))
	broadcast(t, p, watermark(7))
	put(t, p, 0, recs(0, 3, 2))
	broadcast(t, p, aligned(1, 0))
	put(t, p, 0, recs(0, 5, 1))
	if err := p.Finish(true); err != nil {
		t.Fatal(err)
	}
	want := join(records(0, 3), wm(7), records(3, 2), bar(1, stream.Aligned), records(5, 1),
		[]item{{kind: stream.KindEndOfInput, n: 1}})
	if got := drain(t, g0)[0]; !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if g0.AllEnded() {
		t.Error("the gate has ended before the partition was closed")
	}
	p.Close()
	drain(t, g0)
	if !g0.AllEnded() {
		t.Error("the gate has not ended after the partition was closed")
	}
	if p.Released() {
		t.Error("released while channel 1 has no consumer")
	}
}

// Channels with data take turns, element by element; blocked ones are passed over and keep their
// order (R94).
func TestFairAndBlocked(t *testing.T) {
	a := newPartition(t, PartitionOptions{ID: partitionID(0)})
	b := newPartition(t, PartitionOptions{ID: partitionID(1)})
	g := connected(t, recType, 0, a, b)
	for i := range 3 {
		put(t, a, 0, recs(0, i, 1))
	}
	for i := range 3 {
		put(t, b, 0, recs(1, 10+i, 1))
	}
	turns := func(n int) (order []int) {
		for range n {
			c, _, ok := poll(t, g)
			if !ok {
				t.Fatal("nothing to poll")
			}
			order = append(order, c)
		}
		return order
	}
	if got := turns(4); !slices.Equal(got, []int{0, 1, 0, 1}) {
		t.Errorf("turns are %v", got)
	}
	g.Block(0)
	put(t, a, 0, recs(0, 3, 1))
	if got := drain(t, g); len(got[0]) > 0 || !slices.Equal(got[1], records(12, 1)) {
		t.Errorf("with channel 0 blocked: %v", got)
	}
	put(t, b, 0, recs(1, 13, 1))
	g.Unblock(0)
	put(t, a, 0, recs(0, 4, 1))
	got := drain(t, g)
	if !slices.Equal(got[0], records(2, 3)) || !slices.Equal(got[1], records(13, 1)) {
		t.Errorf("after unblocking: %v", got)
	}
}

// OnReadable is called once for each time that Poll found nothing.
func TestOnReadable(t *testing.T) {
	p := newPartition(t, PartitionOptions{})
	g := connected(t, recType, 0, p)
	calls := 0
	g.OnReadable(func() { calls++ })
	put(t, p, 0, recs(0, 0, 1))
	put(t, p, 0, recs(0, 1, 1))
	if calls != 1 {
		t.Errorf("%d calls for two batches without a poll between, want 1", calls)
	}
	drain(t, g)
	put(t, p, 0, recs(0, 2, 1))
	if calls != 2 {
		t.Errorf("%d calls after a poll that found nothing, want 2", calls)
	}
}

// R104: with Available honoured, a queue never exceeds the soft limit by more than one element; it
// is available again, and says so once, when half is consumed.
func TestSoftLimit(t *testing.T) {
	now := time.Unix(0, 0)
	p := newPartition(t, PartitionOptions{Channels: 1, Now: func() time.Time { return now }})
	g := connected(t, recType, 0, p)
	available := 0
	p.OnAvailable(func() { available++ })
	soft, puts := p.limits.channelSoft, 0
	var largest int64
	for p.Available() {
		b := recs(0, puts*100, 100)
		e := stream.Element{Kind: stream.KindBatch, Batch: b}
		largest = int64(e.MemSize())
		put(t, p, 0, b)
		puts++
	}
	if n := p.QueuedBytes(0); n < soft || n >= soft+largest {
		t.Errorf("%d bytes are queued at the soft limit of %d with elements of %d", n, soft,
			largest)
	}
	if p.Hungry(0) || !p.IsBackPressured() || p.PoolUsage() != 1 {
		t.Errorf("hungry %v, back-pressured %v, usage %v", p.Hungry(0), p.IsBackPressured(),
			p.PoolUsage())
	}
	now = now.Add(3 * time.Second)
	for p.QueuedBytes(0) > soft/2 {
		if available != 0 || p.Available() {
			t.Fatalf("available again with %d of %d bytes queued", p.QueuedBytes(0), soft)
		}
		poll(t, g)
	}
	if available != 1 || !p.Available() {
		t.Errorf("%d callbacks, available %v, want 1 and true", available, p.Available())
	}
	now = now.Add(time.Hour)
	if s, h := p.BackPressured(); s != 3*time.Second || h != 0 {
		t.Errorf("back-pressured for %s and %s, want 3s and 0s", s, h)
	}
	drain(t, g)
	if !p.Hungry(0) || p.PoolUsage() != 0 {
		t.Error("not hungry after all was consumed")
	}
}

// One full channel holds back the producer although the others are empty, and the sum of many
// channels below their limits does too.
func TestLimitsOfAllChannels(t *testing.T) {
	p := newPartition(t, PartitionOptions{Channels: 100})
	for c := 0; p.Available(); c = (c + 1) % 100 {
		put(t, p, c, recs(c, 0, 200))
	}
	if n := p.QueuedBytes(0); n >= p.limits.channelSoft {
		t.Fatalf("channel 0 has %d bytes; the sum should have been reached first", n)
	}
	if n := p.total.Load(); n < p.limits.totalSoft || n > p.limits.totalSoft+16<<10 {
		t.Errorf("%d bytes are queued at the limit of %d", n, p.limits.totalSoft)
	}
	p.Fail(errors.New("over"))
}

// R104: above the hard limit Put blocks until there is room, and the time is accounted for.
func TestHardLimitBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPartition(t, PartitionOptions{MayBlock: true})
		g := connected(t, recType, 0, p)
		n := 0
		for p.QueuedBytes(0) < p.limits.channelHard {
			put(t, p, 0, recs(0, n, 100))
			n += 100
		}
		done := make(chan error)
		go func() { done <- p.Put(0, recs(0, n, 100)) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("Put returned %v at the hard limit", err)
		default:
		}
		time.Sleep(2 * time.Second) // advances the bubble's clock only
		if _, h := p.BackPressured(); h != 2*time.Second || !p.IsBackPressured() {
			t.Errorf("blocked for %s, want 2s", h)
		}
		got := len(drain(t, g)[0])
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got += len(drain(t, g)[0]); got != n+100 {
			t.Errorf("%d records arrived, want %d", got, n+100)
		}
		if _, h := p.BackPressured(); h != 2*time.Second {
			t.Errorf("blocked for %s, want 2s", h)
		}
	})
}

// A failed partition unblocks its producer and tells the consumer.
func TestFailUnblocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPartition(t, PartitionOptions{MayBlock: true})
		g := connected(t, recType, 0, p)
		told := 0
		p.OnAvailable(func() { told++ })
		for p.QueuedBytes(0) < p.limits.channelHard {
			put(t, p, 0, recs(0, 0, 100))
		}
		if p.Available() {
			t.Fatal("available at the hard limit")
		}
		done := make(chan error)
		go func() { done <- p.Put(0, recs(0, 0, 1)) }()
		synctest.Wait()
		cause := errors.New("cancelled by the JobManager")
		p.Fail(cause)
		if err := <-done; !errors.Is(err, cause) {
			t.Errorf("Put returned %v", err)
		}
		if _, _, _, err := g.Poll(); !errors.Is(err, ErrProducerFailed) || !errors.Is(err, cause) {
			t.Errorf("Poll returned %v", err)
		}
		if !p.Available() || told != 1 || !p.Released() || p.QueuedBytes(0) != 0 {
			t.Errorf("available %v, told %d, released %v, %d bytes", p.Available(), told,
				p.Released(), p.QueuedBytes(0))
		}
	})
}

// Without leave to block, what exceeds the hard limit is accepted.
func TestHardLimitOfSimulation(t *testing.T) {
	p := newPartition(t, PartitionOptions{})
	n := 0
	for ; p.QueuedBytes(0) < 2*p.limits.channelHard; n += 100 {
		put(t, p, 0, recs(0, n, 100))
	}
	g := connected(t, recType, 0, p)
	if got := drain(t, g)[0]; !slices.Equal(got, records(0, n)) {
		t.Errorf("%d records arrived, want %d in order", len(got), n)
	}
}

// A consumer that leaves harms neither the producer nor the other consumers.
func TestConsumerLeaves(t *testing.T) {
	p := newPartition(t, PartitionOptions{Channels: 2, MayBlock: true})
	r := NewRegistry(RegistryOptions{})
	if err := r.Add(p); err != nil {
		t.Fatal(err)
	}
	gates := make([]*Gate, 2)
	for i := range gates {
		g, err := NewGate(GateOptions{Name: "g", Type: recType, Registry: r,
			Sources: []ChannelSource{{Partition: p.ID(), Index: i}}})
		if err != nil {
			t.Fatal(err)
		}
		g.Connect()
		gates[i] = g
	}
	for p.Available() {
		put(t, p, 0, recs(0, 0, 100))
	}
	gates[0].Close()
	if !p.Available() || p.QueuedBytes(0) != 0 {
		t.Errorf("%d bytes are left for a consumer that left", p.QueuedBytes(0))
	}
	for i := range 1000 {
		put(t, p, 0, recs(0, i*100, 100))
		put(t, p, 1, recs(1, i, 1))
		drain(t, gates[1])
	}
	if _, _, _, err := gates[0].Poll(); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed gate says %v", err)
	}
	if err := p.Finish(true); err != nil {
		t.Fatal(err)
	}
	p.Close()
	drain(t, gates[1])
	if !p.Released() || r.Len() != 0 {
		t.Error("not released after the last consumer took the end")
	}
}

// A consumer may come before its producer; it waits until a timeout that its error names.
func TestEarlyRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(RegistryOptions{PartitionTimeout: 5 * time.Second})
		gate := func(n int) *Gate {
			g, err := NewGate(GateOptions{Name: "early", Type: recType, Registry: r,
				Sources: []ChannelSource{{Partition: partitionID(n)}}})
			if err != nil {
				t.Fatal(err)
			}
			g.Connect()
			return g
		}
		served, lost, left := gate(1), gate(2), gate(3)
		time.Sleep(4 * time.Second)
		left.Close()
		p := newPartition(t, PartitionOptions{ID: partitionID(1)})
		put(t, p, 0, recs(0, 0, 3))
		if err := r.Add(p); err != nil {
			t.Fatal(err)
		}
		if err := r.Add(p); err == nil || !strings.Contains(err.Error(), "exists") {
			t.Errorf("adding a partition twice: %v", err)
		}
		if got := drain(t, served)[0]; !slices.Equal(got, records(0, 3)) {
			t.Errorf("got %v", got)
		}
		time.Sleep(2 * time.Second)
		_, _, _, err := lost.Poll()
		if !errors.Is(err, ErrPartitionNotFound) || !strings.Contains(err.Error(), "5s") {
			t.Errorf("without a producer: %v", err)
		}
		if n := r.mu.requests; n != 0 {
			t.Errorf("%d requests are left", n)
		}
		r.Close()
		if _, _, _, err := served.Poll(); !errors.Is(err, ErrClosed) {
			t.Errorf("after the registry was closed: %v", err)
		}
	})
}

// R106: an unaligned barrier goes before all that is queued; that is returned and still delivered.
func TestUnalignedOvertakes(t *testing.T) {
	p := newPartition(t, PartitionOptions{Channels: 2})
	g := connected(t, recType, 0, p)
	put(t, p, 0, recs(0, 0, 3))
	broadcast(t, p, watermark(5))
	put(t, p, 0, recs(0, 3, 2))
	broadcast(t, p, stream.Element{Kind: stream.KindLatency,
		Latency: &stream.LatencyMarker{Emitted: 9}})
	states, err := p.BroadcastBarrierUnaligned(unalignedBarrier(1))
	if err != nil {
		t.Fatal(err)
	}
	put(t, p, 0, recs(0, 5, 1))
	if got := decoded(t, recType, states[0]); !slices.Equal(got, join(records(0, 3), wm(5),
		records(3, 2))) {
		t.Errorf("channel state is %v", got)
	}
	if got := decoded(t, recType, states[1]); !slices.Equal(got, wm(5)) {
		t.Errorf("channel state of channel 1 is %v", got)
	}
	c, e, ok, err := g.PollPriority()
	if c != 0 || !ok || err != nil || e.Barrier.Checkpoint != 1 {
		t.Fatalf("PollPriority returned %d, %v, %v, %v", c, e, ok, err)
	}
	g.Block(0)
	if _, err := p.BroadcastBarrierUnaligned(unalignedBarrier(2)); err != nil {
		t.Fatal(err)
	}
	if _, got, ok := poll(t, g); !ok || !slices.Equal(got, bar(2, stream.Unaligned)) {
		t.Errorf("a barrier that overtakes does not pass a blocked channel: %v", got)
	}
	g.Unblock(0)
	want := join(records(0, 3), wm(5), records(3, 2),
		[]item{{kind: stream.KindLatency, n: 9, value: strings.Repeat("0", 32)}}, records(5, 1))
	if got := drain(t, g)[0]; !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if _, err := p.BroadcastBarrierUnaligned(&stream.Barrier{Checkpoint: 3}); err == nil {
		t.Error("an at-least-once barrier overtook")
	}
}

// R106: an aligned barrier whose timeout has passed turns unaligned while it is queued; it is
// announced before.
func TestConvertToUnaligned(t *testing.T) {
	for _, side := range []string{"producer", "consumer"} {
		t.Run(side, func(t *testing.T) {
			p := newPartition(t, PartitionOptions{})
			g := connected(t, recType, 0, p)
			put(t, p, 0, recs(0, 0, 3))
			broadcast(t, p, aligned(4, 30))
			put(t, p, 0, recs(0, 3, 2))
			poll(t, g) // records 0 to 2 are processed before
			put(t, p, 0, recs(0, 5, 1))
			if _, _, ok, _ := g.PollPriority(); ok {
				t.Fatal("an aligned barrier overtook")
			}
			if b := g.Announced(); b == nil || b.Checkpoint != 4 || g.Announced() != nil {
				t.Fatalf("announced: %v", b)
			}
			put(t, p, 0, recs(0, 6, 1))
			broadcast(t, p, aligned(5, 30))
			put(t, p, 0, recs(0, 7, 1))
			var state []item
			if side == "producer" {
				states, found, err := p.ConvertToUnaligned(5)
				if err != nil || found != 1 {
					t.Fatal(found, err)
				}
				state = decoded(t, recType, states[0])
			} else {
				if _, err := g.ConvertToUnaligned(5); err == nil {
					t.Error("converted without a capture")
				}
				err := g.StartCapture(5, func(_ int, b []byte) error {
					state = append(state, decoded(t, recType, b)...)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if found, err := g.ConvertToUnaligned(5); err != nil || found != 1 {
					t.Fatal(found, err)
				}
			}
			if want := records(3, 4); !slices.Equal(state, want) {
				t.Errorf("channel state is %v, want %v", state, want)
			}
			// The barrier of checkpoint 4 was overtaken: it is obsolete.
			want := join(bar(5, stream.Unaligned), records(3, 5))
			if got := drain(t, g)[0]; !slices.Equal(got, want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
			if _, found, err := p.ConvertToUnaligned(5); found != 0 || err != nil {
				t.Errorf("converted twice: %d, %v", found, err)
			}
		})
	}
}

// R106: each element is saved by exactly one end: the consumer's from its first barrier on, until
// the producer's own barrier overtakes.
func TestCaptureOfTwoChannels(t *testing.T) {
	a := newPartition(t, PartitionOptions{ID: partitionID(0)})
	b := newPartition(t, PartitionOptions{ID: partitionID(1)})
	g := connected(t, recType, 0, a, b)
	put(t, b, 0, recs(1, 0, 2))
	put(t, b, 0, recs(1, 2, 2))
	put(t, b, 0, recs(1, 4, 2))
	poll(t, g)
	if _, err := a.BroadcastBarrierUnaligned(unalignedBarrier(1)); err != nil {
		t.Fatal(err)
	}
	var state []item
	if c, _, ok := poll(t, g); c != 0 || !ok {
		t.Fatal("the barrier of channel 0 did not come first")
	}
	err := g.StartCapture(1, func(c int, b []byte) error {
		if c != 1 {
			t.Errorf("channel state of channel %d", c)
		}
		state = append(state, decoded(t, recType, b)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	poll(t, g) // 2 and 3: before the barrier of channel 1
	states, err := b.BroadcastBarrierUnaligned(unalignedBarrier(1))
	if err != nil {
		t.Fatal(err)
	}
	put(t, b, 0, recs(1, 6, 2))
	drain(t, g)
	g.StopCapture()
	if !slices.Equal(state, records(2, 2)) {
		t.Errorf("the consumer saved %v", state)
	}
	if got := decoded(t, recType, states[0]); !slices.Equal(got, records(4, 2)) {
		t.Errorf("the producer saved %v", got)
	}
}

// R106: restored channel state comes before what is new, the consumer's before the producer's, and
// is saved again by a barrier that overtakes it.
func TestRestore(t *testing.T) {
	encode := func(lists ...*stream.Batch[rec]) (state []byte) {
		for _, b := range lists {
			state, _ = AppendRecords(state, b, 0, b.Len())
		}
		return state
	}
	p := newPartition(t, PartitionOptions{Type: recType})
	if err := p.Restore(0, encode(recs(0, 4, 2))); err != nil {
		t.Fatal(err)
	}
	r := NewRegistry(RegistryOptions{})
	g, err := NewGate(GateOptions{Name: "g", Type: recType, Registry: r,
		Sources: []ChannelSource{{Partition: p.ID()}}})
	if err != nil {
		t.Fatal(err)
	}
	g.Restore(0, encode(recs(0, 0, 2), recs(0, 2, 2)))
	g.Connect()
	if err := r.Add(p); err != nil {
		t.Fatal(err)
	}
	put(t, p, 0, recs(0, 6, 1))
	_, first, _ := poll(t, g)
	states, err := p.BroadcastBarrierUnaligned(unalignedBarrier(1))
	if err != nil {
		t.Fatal(err)
	}
	_, _, _ = poll(t, g)
	var state []item
	err = g.StartCapture(1, func(_ int, b []byte) error {
		state = append(state, decoded(t, recType, b)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if g.Restored() {
		t.Error("restored before all was polled")
	}
	if got := append(first, drain(t, g)[0]...); !slices.Equal(got, records(0, 7)) {
		t.Errorf("got %v", got)
	}
	state = append(state, decoded(t, recType, states[0])...)
	if !slices.Equal(state, records(2, 5)) || !g.Restored() {
		t.Errorf("saved %v", state)
	}
	if err := p.Restore(0, []byte{1, 2, 3}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("garbage restored: %v", err)
	}
}

// A partition that is closed without the end of its input is an error of the producer.
func TestClosedBeforeItsEnd(t *testing.T) {
	p := newPartition(t, PartitionOptions{})
	g := connected(t, recType, 0, p)
	p.Close()
	if _, _, _, err := g.Poll(); !errors.Is(err, ErrProducerFailed) {
		t.Errorf("Poll returned %v", err)
	}
	if err := p.Put(0, recs(0, 0, 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("Put after Close returned %v", err)
	}
}
