package taskmanager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/memory"
	"goflink/core/stream"
	"goflink/internal/host"
	"goflink/runtime/controlplane"
	"goflink/runtime/dataplane"
)

// Exchange makes the ends of exchanges between tasks: inside the process through a registry, to
// other processes over the network.
type Exchange struct {
	host     host.Host
	registry *dataplane.Registry
	buffers  dataplane.Buffers
	// remote is nil if there is no network.
	remote *network
}

// network is what an exchange with other processes needs.
type network struct {
	server *dataplane.Server
	client *dataplane.Client
	pool   *dataplane.SegmentPool
	// address is the server's; forced makes the exchange go over the network even to itself.
	address string
	forced  bool
}

// NewExchange returns an exchange inside the process.
func NewExchange(h host.Host, c *config.Configuration) (*Exchange, error) {
	perChannel, err := config.Get(c, config.NetworkBuffersPerChannel)
	if err != nil {
		return nil, err
	}
	floating, err := config.Get(c, config.NetworkFloatingBuffersPerGate)
	if err != nil {
		return nil, err
	}
	segment, err := config.Get(c, config.TaskManagerMemorySegment)
	if err != nil {
		return nil, err
	}
	x := &Exchange{host: h, buffers: dataplane.Buffers{PerChannel: perChannel, Floating: floating,
		SegmentBytes: int(segment)},
		registry: dataplane.NewRegistry(dataplane.RegistryOptions{After: h.After})}
	return x, x.buffers.EnsureDefaults()
}

// Network says how exchanges with other processes go.
type Network struct {
	// Listener accepts the connections of those who read, with or without TLS.
	Listener net.Listener
	// Dial opens a connection to another process; nil is plain TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Address is the listener's as others reach it; empty is the one that it has.
	Address string
	// Memory has the memory of segments.
	Memory memory.TaskManagerMemory
	// Forced makes exchanges inside the process take the same way.
	Forced bool
	Logger *slog.Logger
}

// Listen lets other processes read partitions, and lets gates read those of other processes.
func (x *Exchange) Listen(n Network) error {
	pool, err := dataplane.NewSegmentPool(int64(n.Memory.Network), x.buffers.SegmentBytes)
	if err != nil {
		return err
	}
	server, err := dataplane.NewServer(dataplane.ServerOptions{Listener: n.Listener,
		Registry: x.registry, Logger: n.Logger})
	if err != nil {
		return err
	}
	if n.Address == "" {
		n.Address = n.Listener.Addr().String()
	}
	x.remote = &network{server: server, pool: pool, address: n.Address, forced: n.Forced,
		client: dataplane.NewClient(dataplane.ClientOptions{Dial: n.Dial,
			SegmentBytes: x.buffers.SegmentBytes, Logger: n.Logger})}
	return nil
}

// Address is where other processes read partitions; empty without a network.
func (x *Exchange) Address() string {
	if x.remote == nil {
		return ""
	}
	return x.remote.address
}

// Partition makes and registers a result.
func (x *Exchange) Partition(p id.Partition, channels int, typ stream.AnyType) (
	*dataplane.Partition, error) {
	o := dataplane.PartitionOptions{ID: p, Channels: channels, Type: typ, Buffers: x.buffers,
		MayBlock: x.host.MayBlock(), Now: x.host.Now}
	if x.remote != nil {
		o.Pool = x.remote.pool
	}
	part, err := dataplane.NewPartition(o)
	if err != nil {
		return nil, err
	}
	return part, x.registry.Add(part)
}

// Gate makes an input. It is not connected.
func (x *Exchange) Gate(name string, d *controlplane.InputDeployment, typ stream.AnyType) (
	*dataplane.Gate, error) {
	o := dataplane.GateOptions{Name: name, Type: typ, Buffers: x.buffers, Registry: x.registry,
		Sources: make([]dataplane.ChannelSource, len(d.Producers))}
	if x.remote != nil {
		o.Pool, o.Client = x.remote.pool, x.remote.client
	}
	for i, p := range d.Producers {
		s := dataplane.ChannelSource{Partition: p.Partition, Index: d.ChannelOf(i)}
		if p.Address != x.Address() || x.remote != nil && x.remote.forced {
			s.Address = p.Address
		}
		o.Sources[i] = s
		if s.Address != "" && x.remote == nil {
			return nil, fmt.Errorf("%s reads from the worker %s at %s, but this process has no "+
				"network exchange", name, p.Worker, p.Address)
		}
	}
	return dataplane.NewGate(o)
}

// Close ends all exchanges and waits for what serves them.
func (x *Exchange) Close() error {
	x.registry.Close()
	if x.remote == nil {
		return nil
	}
	x.remote.client.Close()
	err := x.remote.server.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
