package dataplane

import (
	"testing"

	"goflink/core/id"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/internal/testkit"
	"goflink/operator"
)

// Routers write to partitions.
var _ operator.ChannelWriter = (*Partition)(nil)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

// rec is a record of fixed size.
type rec struct {
	Channel int64
	Seq     int64
	More    int64
}

var (
	recType  = stream.NewType(typeinfo.MustOf[rec]())
	textType = stream.NewType(typeinfo.MustOf[string]())
)

// recs makes a batch of records with consecutive numbers.
func recs(channel, from, n int) *stream.Batch[rec] {
	b := recType.NewBatch()
	for i := range n {
		b.Append(rec{Channel: int64(channel), Seq: int64(from + i)}, int64(from+i))
	}
	return b
}

func texts(values ...string) *stream.Batch[string] {
	b := textType.NewBatch()
	for _, v := range values {
		b.Append(v, stream.NoTimestamp)
	}
	return b
}

func partitionID(n int) id.Partition {
	return id.Partition{Producer: id.Attempt{Job: id.Job{1}, Vertex: id.Vertex{2},
		Subtask: int32(n)}}
}

func newPartition(t testing.TB, o PartitionOptions) *Partition {
	t.Helper()
	if o.Channels == 0 {
		o.Channels = 1
	}
	p, err := NewPartition(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// connected returns a gate with one channel from channel index of each partition, all of this
// process.
func connected(t testing.TB, typ stream.AnyType, index int, ps ...*Partition) *Gate {
	t.Helper()
	r := NewRegistry(RegistryOptions{})
	var sources []ChannelSource
	for _, p := range ps {
		if err := r.Add(p); err != nil {
			t.Fatal(err)
		}
		sources = append(sources, ChannelSource{Partition: p.ID(), Index: index})
	}
	g, err := NewGate(GateOptions{Name: "test", Sources: sources, Type: typ, Registry: r})
	if err != nil {
		t.Fatal(err)
	}
	g.Connect()
	t.Cleanup(g.Close)
	return g
}

func put(t testing.TB, p *Partition, channel int, b stream.Carrier) {
	t.Helper()
	if err := p.Put(channel, b); err != nil {
		t.Fatal(err)
	}
}

func broadcast(t testing.TB, p *Partition, e stream.Element) {
	t.Helper()
	if err := p.Broadcast(e); err != nil {
		t.Fatal(err)
	}
}

func watermark(w int64) stream.Element {
	return stream.Element{Kind: stream.KindWatermark, Watermark: w}
}

func aligned(n uint64, timeout int64) stream.Element {
	return stream.Element{Kind: stream.KindBarrier, Barrier: &stream.Barrier{
		Checkpoint: n, Alignment: stream.Aligned, AlignTimeout: timeout}}
}

func unalignedBarrier(n uint64) *stream.Barrier {
	return &stream.Barrier{Checkpoint: n, Alignment: stream.Unaligned}
}

// item is an element in a form that tests compare: a record of its own, or another element.
type item struct {
	kind  stream.Kind
	value string
	n     int64
	time  int64
}

// items takes an element apart and releases its batch.
func items(t testing.TB, e stream.Element) (list []item) {
	t.Helper()
	switch e.Kind {
	case stream.KindBatch:
		defer e.Batch.Release()
		switch b := e.Batch.(type) {
		case *stream.Batch[rec]:
			for i, v := range b.Values {
				list = append(list, item{kind: e.Kind, n: v.Seq, time: b.Time(i)})
			}
		case *stream.Batch[string]:
			for i, v := range b.Values {
				list = append(list, item{kind: e.Kind, value: v, time: b.Time(i)})
			}
		default:
			t.Fatalf("unexpected %T", b)
		}
		return list
	case stream.KindBarrier:
		return []item{{kind: e.Kind, n: int64(e.Barrier.Checkpoint),
			value: e.Barrier.Alignment.String()}}
	case stream.KindStatus:
		return []item{{kind: e.Kind, value: e.Status.String()}}
	case stream.KindLatency:
		return []item{{kind: e.Kind, n: e.Latency.Emitted, value: e.Latency.Source.String()}}
	case stream.KindEndOfInput:
		return []item{{kind: e.Kind, n: int64(bit(e.Drained))}}
	}
	return []item{{kind: e.Kind, n: e.Watermark}}
}

// poll returns what one Poll gives; it fails the test on an error.
func poll(t testing.TB, g *Gate) (int, []item, bool) {
	t.Helper()
	c, e, ok, err := g.Poll()
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return 0, nil, false
	}
	return c, items(t, e), true
}

// drain polls until there is nothing and returns what came, per channel.
func drain(t testing.TB, g *Gate) [][]item {
	t.Helper()
	got := make([][]item, g.Channels())
	for {
		c, list, ok := poll(t, g)
		if !ok {
			return got
		}
		got[c] = append(got[c], list...)
	}
}

// records are the items of recs.
func records(from, n int) (list []item) {
	for i := range n {
		list = append(list, item{kind: stream.KindBatch, n: int64(from + i), time: int64(from + i)})
	}
	return list
}

func join(lists ...[]item) (all []item) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func wm(w int64) []item { return []item{{kind: stream.KindWatermark, n: w}} }

func bar(n uint64, a stream.Alignment) []item {
	return []item{{kind: stream.KindBarrier, n: int64(n), value: a.String()}}
}

// decoded are the items of channel state.
func decoded(t testing.TB, typ stream.AnyType, state []byte) (list []item) {
	t.Helper()
	err := ReadState(typ, state, func(e stream.Element) error {
		list = append(list, items(t, e)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
