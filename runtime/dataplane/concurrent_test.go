package dataplane

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"goflink/core/stream"
	"goflink/internal/testkit"
)

// cut is what one end knows of one checkpoint on one channel.
type cut struct {
	// records is how many records were sent, or processed, before it.
	records int
	state   []byte
}

// busyProducer puts consecutive records and lets a barrier overtake for each checkpoint asked for.
func busyProducer(p *Partition, total int, asked *atomic.Uint64) (cuts []cut, err error) {
	for sent := 0; err == nil && sent < total; {
		if n := asked.Load(); n > uint64(len(cuts)) {
			var states [][]byte
			states, err = p.BroadcastBarrierUnaligned(unalignedBarrier(n))
			if err == nil {
				cuts = append(cuts, cut{sent, states[0]})
			}
			continue
		}
		n := min(1+sent%700, total-sent)
		err = p.Put(0, recs(0, sent, n))
		sent += n
	}
	return cuts, err
}

// consumeAll polls until all producers have sent everything, and asks for a checkpoint whenever
// there is none under way.
func consumeAll(t *testing.T, g *netGate, total int, asked *atomic.Uint64) (cuts [][]cut) {
	got := make([]int, g.Channels())
	arrived := g.Channels()
	var now []cut
	for slices.Max(got) < total || slices.Min(got) < total {
		c, e := g.next(t)
		if e.Kind == stream.KindBatch {
			list := items(t, e)
			if !slices.Equal(list, records(got[c], len(list))) {
				t.Errorf("channel %d, record %d: out of order", c, got[c])
			}
			got[c] += len(list)
			if arrived == g.Channels() {
				if now != nil {
					cuts = append(cuts, now)
					g.StopCapture()
				}
				now, arrived = nil, 0
				asked.Add(1)
			}
			continue
		}
		if arrived++; now == nil {
			now = make([]cut, g.Channels())
			for i := range now {
				now[i].records = got[i]
			}
			err := g.StartCapture(e.Barrier.Checkpoint, func(c int, state []byte) error {
				now[c].state = append(now[c].state, state...)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return cuts
}

// R106: with producers and consumer at full speed, each checkpoint's cut is exact on each channel.
func TestConcurrentCheckpoints(t *testing.T) {
	for _, kind := range []string{"local", "network"} {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			total := testkit.Scaled(1_000_000)
			var asked atomic.Uint64
			var wg sync.WaitGroup
			ps := make([]*Partition, 3)
			sent := make([][]cut, len(ps))
			var sources []ChannelSource
			for i := range ps {
				ps[i] = r.partition(t, PartitionOptions{ID: partitionID(i), MayBlock: true})
				s := ChannelSource{Partition: ps[i].ID()}
				if kind == "network" {
					s.Address = r.address()
				}
				sources = append(sources, s)
			}
			g := r.newGate(t, recType, sources)
			g.Connect()
			defer wg.Wait()
			for i := range ps {
				wg.Go(func() {
					var err error
					if sent[i], err = busyProducer(ps[i], total, &asked); err != nil {
						t.Error(err)
					}
				})
			}
			cuts := consumeAll(t, g, total, &asked)
			wg.Wait()
			for n, cut := range cuts {
				for c, got := range cut {
					before := sent[c][n]
					state := join(decoded(t, recType, got.state), decoded(t, recType, before.state))
					if !slices.Equal(state, records(got.records, before.records-got.records)) {
						t.Fatalf("checkpoint %d, channel %d: %d sent, %d processed, %d saved",
							n+1, c,
							before.records, got.records, len(state))
					}
				}
			}
			if len(cuts) < 3 {
				t.Errorf("%d checkpoints were completed", len(cuts))
			}
			t.Logf("%d checkpoints", len(cuts))
		})
	}
}
