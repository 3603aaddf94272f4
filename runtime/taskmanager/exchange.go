package taskmanager

import (
	"goflink/core/id"
	"goflink/core/stream"
	"goflink/internal/host"
	"goflink/runtime/controlplane"
	"goflink/runtime/dataplane"
	"goflink/runtime/metric"
	"goflink/runtime/task"
)

// LocalExchange connects tasks of one process through a registry.
type LocalExchange struct {
	Host     host.Host
	Registry *dataplane.Registry
	Buffers  dataplane.Buffers
	Pool     *dataplane.SegmentPool
}

var _ Exchange = (*LocalExchange)(nil)

// Partition makes and registers a result.
func (x *LocalExchange) Partition(p id.Partition, channels int, typ stream.AnyType) (
	*dataplane.Partition, error) {
	part, err := dataplane.NewPartition(dataplane.PartitionOptions{ID: p, Channels: channels,
		Type: typ, Buffers: x.Buffers, MayBlock: x.Host.MayBlock(), Now: x.Host.Now})
	if err != nil {
		return nil, err
	}
	return part, x.Registry.Add(part)
}

// Gate makes an input.
func (x *LocalExchange) Gate(name string, d *controlplane.InputDeployment, typ stream.AnyType) (
	*dataplane.Gate, error) {
	sources := make([]dataplane.ChannelSource, len(d.Producers))
	for i, p := range d.Producers {
		sources[i] = dataplane.ChannelSource{Partition: p.Partition, Index: d.ChannelOf(i)}
	}
	return dataplane.NewGate(dataplane.GateOptions{Name: name, Sources: sources, Type: typ,
		Buffers: x.Buffers, Pool: x.Pool, Registry: x.Registry})
}

// registerIO registers a task's counts under Flink's names.
func registerIO(g *metric.Group, c *task.IO) {
	g.Gauge("numRecordsIn", func() float64 { return float64(c.RecordsIn.Load()) })
	g.Gauge("numRecordsOut", func() float64 { return float64(c.RecordsOut.Load()) })
	g.Gauge("accumulateIdleTimeMs", func() float64 { return float64(c.Idle.Load()) / 1e6 })
	g.Gauge("accumulateBackPressuredTimeMs", func() float64 {
		return float64(c.Backpressured.Load()) / 1e6
	})
	g.Gauge("currentInputWatermark", func() float64 { return float64(c.Watermark.Load()) })
}
