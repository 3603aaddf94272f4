package dataplane

import (
	"fmt"
	"sync"
	"sync/atomic"

	"goflink/core/id"
	"goflink/core/stream"
)

// ChannelSource says where a channel of a gate gets its elements from.
type ChannelSource struct {
	Partition id.Partition
	// Index is the channel of the partition.
	Index int
	// Address is the producing process's data address; empty for a producer in this process.
	Address string
}

// GateOptions describes a gate.
type GateOptions struct {
	// Name names the consuming task and input in errors.
	Name string
	// Sources are the gate's channels.
	Sources []ChannelSource
	// Type decodes the records of remote channels and of channel state.
	Type stream.AnyType
	// Buffers says what remote channels may have under way to them.
	Buffers Buffers
	// Pool has the segments of remote channels; it may be nil if there are none.
	Pool *SegmentPool
	// Registry knows the partitions of this process; nil if all producers are in other ones.
	Registry *Registry
	// Client reads from other processes; nil if all producers are in this one.
	Client *Client
}

// Gate is the consuming end of one input of a task: channels from the subtasks that produce it.
//
// One goroutine, the task's, calls its methods; QueuedBytes, Traffic and PoolUsage may be called
// by any. Nothing in it blocks.
type Gate struct {
	name     string
	typ      stream.AnyType
	registry *Registry
	client   *Client
	buffers  Buffers
	// reserved are the segments of remote channels, floats those that no channel has.
	reserved *Reservation
	floats   floats
	sources  []ChannelSource
	channels []gateChannel
	ended    int
	capture  capture
	// local and remote count what was polled.
	local, remote traffic

	onReadable atomic.Pointer[func()]
	// urgents counts the channels in mu.urgent, so that Poll need not lock to find none.
	urgents atomic.Int32

	mu struct {
		sync.Mutex
		// ready are the channels that have something, in the order of their turns.
		ready ring[int32]
		// urgent are the channels where a barrier overtook or is announced; isUrgent tells which.
		urgent   ring[int32]
		isUrgent []bool
		// armed says that the task found nothing and wants to be told.
		armed  bool
		closed bool
		err    error
	}
	announced *stream.Barrier
}

// gateChannel is what the task's goroutine knows of a channel.
type gateChannel struct {
	in      input
	traffic *traffic // the gate's
	// restored is channel state, encoded, that comes before what in has.
	restored []byte
	// blocked channels are passed over; parked says that one was on the ready list when it was.
	blocked, parked bool
	// finished says that the end of input was taken, ended that the producer closed the channel.
	finished, ended bool
	// barrier is the highest checkpoint whose barrier was taken; overtook says how it came.
	barrier  uint64
	overtook bool
	// saved is the highest checkpoint for which what its barrier overtook has been saved.
	saved uint64
}

// NewGate returns a gate that is not connected yet.
func NewGate(o GateOptions) (*Gate, error) {
	if err := o.Buffers.EnsureDefaults(); err != nil {
		return nil, fmt.Errorf("gate of %s: %w", o.Name, err)
	}
	if len(o.Sources) < 1 || len(o.Sources) > maxChannels {
		return nil, fmt.Errorf("gate of %s: %d channels, want 1 to %d",
			o.Name, len(o.Sources), maxChannels)
	}
	g := &Gate{
		name: o.Name, typ: o.Type, registry: o.Registry, client: o.Client, buffers: o.Buffers,
		sources: o.Sources, channels: make([]gateChannel, len(o.Sources)),
	}
	g.mu.armed = true
	g.mu.isUrgent = make([]bool, len(o.Sources))
	remote := 0
	for i := range g.channels {
		switch local := o.Sources[i].Address == ""; {
		case local && o.Registry == nil:
			return nil, fmt.Errorf("gate of %s, channel %d: no registry for a local producer",
				o.Name, i)
		case local:
			g.channels[i] = gateChannel{in: &localInput{registry: o.Registry}, traffic: &g.local}
		default:
			in := &remoteInput{gate: g, channel: i, exclusive: o.Buffers.PerChannel}
			g.channels[i] = gateChannel{in: in, traffic: &g.remote}
			remote++
		}
	}
	if remote > 0 {
		if err := g.reserve(o, remote); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// reserve sets the segments of remote channels aside.
func (g *Gate) reserve(o GateOptions, remote int) (err error) {
	switch {
	case o.Client == nil || o.Pool == nil || o.Type == nil:
		return fmt.Errorf("gate of %s: remote producers need a client, a segment pool and a type",
			g.name)
	case o.Pool.SegmentBytes() != o.Client.opts.SegmentBytes:
		return fmt.Errorf("gate of %s: the pool's segments have %d bytes, the client's %d",
			g.name, o.Pool.SegmentBytes(), o.Client.opts.SegmentBytes)
	}
	g.floats.mu.free = o.Buffers.Floating
	g.floats.mu.asked = map[*remoteInput]bool{}
	g.reserved, err = o.Pool.Reserve(o.Buffers.segments(remote), "gate of "+g.name)
	return err
}

// Connect asks for the partitions. It does not wait for them: what goes wrong is reported by Poll.
func (g *Gate) Connect() {
	for i := range g.channels {
		s := &g.sources[i]
		switch in := g.channels[i].in.(type) {
		case *localInput:
			in.request.Store(g.registry.connect(s.Partition, s.Index, g, i))
		case *remoteInput:
			g.client.subscribe(s.Address, in)
		}
	}
}

// Channels is the number of channels.
func (g *Gate) Channels() int { return len(g.channels) }

// OnReadable sets the callback that says that there is something to poll. It is called once after a
// Poll that found nothing, and always when PollPriority has something new or the gate fails; by any
// goroutine, without locks held. It must not block. Set it before Connect.
func (g *Gate) OnReadable(f func()) { g.onReadable.Store(&f) }

func (g *Gate) tell(yes bool) {
	if f := g.onReadable.Load(); yes && f != nil {
		(*f)()
	}
}

// bind gives a local channel its queue.
func (g *Gate) bind(channel int, q *queue) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.closed {
		return false
	}
	g.channels[channel].in.(*localInput).q.Store(q)
	return true
}

func (g *Gate) readable(channel int) {
	g.mu.Lock()
	g.mu.ready.push(int32(channel))
	armed := g.mu.armed
	g.mu.armed = false
	g.mu.Unlock()
	g.tell(armed)
}

func (g *Gate) urgent(channel int) {
	g.mu.Lock()
	if !g.mu.isUrgent[channel] {
		g.mu.isUrgent[channel] = true
		g.mu.urgent.push(int32(channel))
		g.urgents.Add(1)
	}
	g.mu.armed = false
	g.mu.Unlock()
	g.tell(true)
}

func (g *Gate) failed(channel int, err error) {
	g.mu.Lock()
	if g.mu.err == nil {
		g.mu.err = fmt.Errorf("gate of %s, channel %d: %w", g.name, channel, err)
	}
	g.mu.armed = false
	g.mu.Unlock()
	g.tell(true)
}

// Poll returns the next element and its channel, which take turns; ok is false when there is none
// in channels that are not blocked. Barriers that overtook come first (see PollPriority). The
// caller owns a batch and releases it. An error is final.
func (g *Gate) Poll() (channel int, e stream.Element, ok bool, err error) {
	if g.urgents.Load() > 0 {
		if channel, e, ok, err = g.PollPriority(); ok || err != nil {
			return channel, e, ok, err
		}
	}
	for {
		c, ok, err := g.next()
		if !ok || err != nil {
			return 0, stream.Element{}, false, err
		}
		ch := &g.channels[c]
		if ch.blocked {
			ch.parked = true
			continue
		}
		if e, ok, err = g.pollChannel(c, ch); ok || err != nil {
			return c, e, ok, err
		}
	}
}

// next takes the channel whose turn it is from the ready list.
func (g *Gate) next() (int, bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.err != nil {
		return 0, false, g.mu.err
	}
	if g.mu.ready.len() == 0 {
		g.mu.armed = true
		return 0, false, nil
	}
	return int(g.mu.ready.pop()), true, nil
}

// relist gives a channel another turn.
func (g *Gate) relist(channel int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.ready.push(int32(channel))
}

func (g *Gate) pollChannel(c int, ch *gateChannel) (e stream.Element, ok bool, err error) {
	if len(ch.restored) > 0 {
		// Whatever put the channel on the list stands for what the input has; so it stays there.
		g.relist(c)
		if e, ch.restored, err = DecodeElement(g.typ, ch.restored); err != nil {
			return e, false, g.fail(c, fmt.Errorf("channel state: %w", err))
		}
		return e, true, g.captureElement(c, ch, &e)
	}
	t := ch.in.take(g.capture.checkpoint)
	if t.urgent {
		g.relist(c)
		return g.pollUrgent(c, ch)
	}
	if t.err != nil {
		return e, false, g.fail(c, t.err)
	}
	if t.more {
		g.relist(c)
	}
	if t.ok {
		if t.elem.Kind == stream.KindBatch {
			ch.traffic.add(t.size)
		}
		if err := g.taken(c, ch, &t); err != nil {
			return e, false, g.fail(c, err)
		}
	}
	if t.ended && !ch.ended {
		if !ch.finished {
			return e, false, g.fail(c, fmt.Errorf("%w: partition %s was closed before its end",
				ErrProducerFailed, g.sources[c].Partition))
		}
		ch.ended = true
		g.ended++
	}
	return t.elem, t.ok, nil
}

// taken notes what an element means for its channel.
func (g *Gate) taken(c int, ch *gateChannel, t *taken) error {
	switch t.elem.Kind {
	case stream.KindBarrier:
		if n := t.elem.Barrier.Checkpoint; n > ch.barrier {
			ch.barrier, ch.overtook = n, false
		}
	case stream.KindEndOfInput:
		ch.finished = true
	}
	if t.overtaken {
		return nil
	}
	return g.captureElement(c, ch, &t.elem)
}

// fail makes err the gate's error, if it is the first.
func (g *Gate) fail(channel int, err error) error {
	g.failed(channel, err)
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.err
}

// PollPriority returns the next barrier that overtook what is queued in its channel, whether the
// channel is blocked or not; ok is false when there is none. It does not lock when there is none.
// Before the next Poll the caller calls StartCapture for a checkpoint that has not begun here.
func (g *Gate) PollPriority() (channel int, e stream.Element, ok bool, err error) {
	for g.urgents.Load() > 0 {
		c, ok, err := g.nextUrgent()
		if err != nil {
			return 0, e, false, err
		}
		if !ok {
			break
		}
		if e, ok, err = g.pollUrgent(c, &g.channels[c]); ok || err != nil {
			return c, e, ok, err
		}
	}
	return 0, e, false, nil
}

// pollUrgent takes the barrier that overtook in a channel, if there is one.
func (g *Gate) pollUrgent(c int, ch *gateChannel) (e stream.Element, ok bool, err error) {
	overtaker, announced := ch.in.takeUrgent()
	if announced != nil && (g.announced == nil || g.announced.Checkpoint < announced.Checkpoint) {
		g.announced = announced
	}
	if overtaker == nil || overtaker.Checkpoint <= ch.barrier {
		return e, false, nil
	}
	ch.barrier, ch.overtook = overtaker.Checkpoint, true
	if err := g.saveOvertaken(c, ch); err != nil {
		return e, false, g.fail(c, err)
	}
	return stream.Element{Kind: stream.KindBarrier, Barrier: overtaker}, true, nil
}

func (g *Gate) nextUrgent() (int, bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.err != nil {
		return 0, false, g.mu.err
	}
	if g.mu.urgent.len() == 0 {
		return 0, false, nil
	}
	c := int(g.mu.urgent.pop())
	g.mu.isUrgent[c] = false
	g.urgents.Add(-1)
	return c, true, nil
}

// Announced returns, once, the latest aligned barrier with a timeout that waits in a channel
// behind other elements, or nil: from its Triggered and AlignTimeout follows when
// ConvertToUnaligned is due. Poll and PollPriority collect announcements, and OnReadable is called
// for them.
func (g *Gate) Announced() *stream.Barrier {
	b := g.announced
	g.announced = nil
	return b
}

// Block makes Poll pass over a channel: an early barrier came from it (R94). What it has stays
// queued, in order.
func (g *Gate) Block(channel int) { g.channels[channel].blocked = true }

// Unblock ends Block.
func (g *Gate) Unblock(channel int) {
	ch := &g.channels[channel]
	ch.blocked = false
	if ch.parked {
		ch.parked = false
		g.relist(channel)
	}
}

// Blocked reports whether a channel is blocked.
func (g *Gate) Blocked(channel int) bool { return g.channels[channel].blocked }

// Ended reports whether the producer of a channel has closed it and all of it was polled: no
// barrier will come from it any more.
func (g *Gate) Ended(channel int) bool { return g.channels[channel].ended }

// NumEnded counts the channels that are Ended.
func (g *Gate) NumEnded() int { return g.ended }

// AllEnded reports whether all channels are Ended.
func (g *Gate) AllEnded() bool { return g.ended == len(g.channels) }

// Restore gives a channel channel state, encoded, that Poll returns before anything else of it. The
// gate keeps state. Call it before Connect.
func (g *Gate) Restore(channel int, state []byte) {
	ch := &g.channels[channel]
	if len(ch.restored) == 0 && len(state) > 0 {
		g.relist(channel)
	}
	ch.restored = append(ch.restored, state...)
}

// Restored reports whether all channel state given to Restore was polled.
func (g *Gate) Restored() bool {
	for i := range g.channels {
		if len(g.channels[i].restored) > 0 {
			return false
		}
	}
	return true
}

// QueuedBytes is the memory of what is queued in a channel: estimated for a local one, encoded for
// a remote one.
func (g *Gate) QueuedBytes(channel int) int64 { return g.channels[channel].in.queuedBytes() }

// Traffic is what was polled from producers in this process and in others so far, channel state
// apart: numBuffersInLocal, numBytesInLocal, numBuffersInRemote and numBytesInRemote, by batches;
// bytes are estimated memory for local channels and encoded for remote ones.
func (g *Gate) Traffic() (local, remote Traffic) { return g.local.load(), g.remote.load() }

// PoolUsage is the share of the gate's buffers that is used, from 0 to 1: Flink's inPoolUsage
// (R108).
func (g *Gate) PoolUsage() float64 {
	var n int64
	for i := range g.channels {
		if l, ok := g.channels[i].in.(*localInput); ok {
			n += l.queuedBytes()
		}
	}
	if g.reserved != nil {
		n += int64(g.reserved.Used() * g.buffers.SegmentBytes)
	}
	all := g.buffers.segments(len(g.channels)) * g.buffers.SegmentBytes
	return min(1, float64(n)/float64(max(1, all)))
}

// Close leaves all channels. What was queued is dropped, and what producers put later too. It does
// not wait; the segments of remote channels are free when it returns, except those being filled.
func (g *Gate) Close() {
	g.mu.Lock()
	if g.mu.closed {
		g.mu.Unlock()
		return
	}
	g.mu.closed = true
	if g.mu.err == nil {
		g.mu.err = fmt.Errorf("gate of %s: %w", g.name, ErrClosed)
	}
	g.mu.Unlock()
	for i := range g.channels {
		g.channels[i].in.close()
	}
	if g.reserved != nil {
		g.reserved.Close()
	}
}
