package dataplane

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"goflink/core/id"
	"goflink/core/stream"
)

// maxChannels bounds the channels of a partition and of a gate.
const maxChannels = 1 << 16

// PartitionOptions describes a partition.
type PartitionOptions struct {
	ID id.Partition
	// Channels is the number of consuming subtasks that this producer feeds.
	Channels int
	// Type decodes channel state that is restored; nil if there is none.
	Type stream.AnyType
	// Buffers bounds what may be queued.
	Buffers Buffers
	// MayBlock says that Put and Broadcast block the producer's goroutine at the hard limit. If
	// not, the queues grow over it: a simulation has one goroutine for all.
	MayBlock bool
	// Now is the clock of the time blocked; time.Now if nil.
	Now func() time.Time
	// Pool, if not nil, is charged with the partition's buffers.
	Pool *SegmentPool
}

// Partition is the producing end of one result of one attempt: a bounded queue per channel.
//
// One goroutine, the task's, calls its methods; Available, Hungry, PoolUsage, QueuedBytes, Traffic,
// BackPressured, Released, Err and Fail may be called by any. It implements operator.ChannelWriter.
type Partition struct {
	id       id.Partition
	typ      stream.AnyType
	queues   []queue
	limits   limits
	mayBlock bool
	now      func() time.Time
	reserved *Reservation
	number   uint64 // set by the registry
	traffic  traffic

	// total is the estimated memory of all that is queued, full the number of channels over their
	// soft limit.
	total atomic.Int64
	full  atomic.Int32
	// waiting says that the producer found no room and wants to be told; since is when.
	waiting     atomic.Bool
	since       atomic.Int64
	onAvailable atomic.Pointer[func()]
	// onBarrier is called when a barrier has left a queue.
	onBarrier atomic.Pointer[func()]
	// stuck says that the producer blocks at the hard limit; wake ends that.
	stuck      atomic.Bool
	stuckSince atomic.Int64
	wake       chan struct{}
	// softNanos and hardNanos are the times of blocking that have ended.
	softNanos, hardNanos atomic.Int64

	failure atomic.Pointer[error]
	// live counts the channels whose readers have not seen the end.
	live atomic.Int32
	// released is set once nobody needs the partition any more; onRelease is called then.
	released  atomic.Bool
	onRelease atomic.Pointer[func()]
}

// NewPartition returns an open partition. Registry.Add makes it known to consumers.
func NewPartition(o PartitionOptions) (*Partition, error) {
	if err := o.Buffers.EnsureDefaults(); err != nil {
		return nil, fmt.Errorf("partition %s: %w", o.ID, err)
	}
	if o.Channels < 1 || o.Channels > maxChannels {
		return nil, fmt.Errorf("partition %s: %d channels, want 1 to %d", o.ID, o.Channels,
			maxChannels)
	}
	p := &Partition{
		id: o.ID, typ: o.Type, queues: make([]queue, o.Channels),
		limits: o.Buffers.limits(o.Channels), mayBlock: o.MayBlock, now: o.Now,
		wake: make(chan struct{}, 1),
	}
	if p.now == nil {
		p.now = time.Now
	}
	if o.Pool != nil {
		r, err := o.Pool.Reserve(o.Buffers.segments(o.Channels), "partition "+o.ID.String())
		if err != nil {
			return nil, err
		}
		p.reserved = r
	}
	for i := range p.queues {
		p.queues[i].p, p.queues[i].index = p, i
	}
	p.live.Store(int32(o.Channels))
	return p, nil
}

// ID is the partition's identity.
func (p *Partition) ID() id.Partition { return p.id }

// Channels is the number of channels.
func (p *Partition) Channels() int { return len(p.queues) }

// Available reports whether the producer should go on: no channel, nor all together, is over the
// soft limit. After it returned false, the OnAvailable callback is called once when it would
// return true. It is also true after a failure, so that the producer finds out.
func (p *Partition) Available() bool {
	waiting := p.waiting.Load()
	if p.roomy(waiting) {
		p.endWait()
		return true
	}
	if waiting {
		return false
	}
	p.since.Store(p.now().UnixNano())
	p.waiting.Store(true)
	// A reader that made room before it could see waiting has told nobody.
	return p.roomy(true) && p.endWait()
}

// roomy reports whether there is room; to go on after waiting there must be more of it.
func (p *Partition) roomy(waiting bool) bool {
	limit := p.limits.totalSoft
	if waiting {
		limit = p.limits.totalResume
	}
	return p.full.Load() == 0 && p.total.Load() < limit || p.failure.Load() != nil
}

// endWait ends the state of waiting; it returns whether this call ended it.
func (p *Partition) endWait() bool {
	if !p.waiting.Load() || !p.waiting.CompareAndSwap(true, false) {
		return false
	}
	p.softNanos.Add(p.now().UnixNano() - p.since.Load())
	return true
}

// OnAvailable sets the callback that says that Available may return true again. It is called by
// any goroutine without locks held, and must not block. It is also called when the partition fails.
// Set it before the partition is used.
func (p *Partition) OnAvailable(f func()) { p.onAvailable.Store(&f) }

// roomMade is called after something was taken out of a queue.
func (p *Partition) roomMade() {
	if p.stuck.Load() {
		p.wakeUp()
	}
	if p.waiting.Load() && p.roomy(true) && p.endWait() {
		p.callback(&p.onAvailable)
	}
}

func (p *Partition) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *Partition) callback(f *atomic.Pointer[func()]) {
	if f := f.Load(); f != nil {
		(*f)()
	}
}

// Put appends a batch to a channel and takes it over. At the hard limit it blocks, if the partition
// may block, until there is room or the partition fails.
func (p *Partition) Put(channel int, b stream.Carrier) error {
	q := &p.queues[channel]
	e := stream.Element{Kind: stream.KindBatch, Batch: b}
	size := int64(e.MemSize())
	if err := p.waitForRoom(q); err != nil {
		b.Release()
		return err
	}
	p.traffic.add(size)
	return q.put(e, size)
}

// Broadcast appends an element that is no batch to each channel. Watermarks, statuses and latency
// markers block like batches; barriers and the end of the input are always accepted.
func (p *Partition) Broadcast(e stream.Element) error {
	if e.Kind == stream.KindBatch {
		return errors.New("a batch belongs to one channel and cannot be broadcast")
	}
	if e.Kind == stream.KindBarrier {
		if err := checkBarrier(e.Barrier); err != nil {
			return fmt.Errorf("partition %s: %w", p.id, err)
		}
	}
	mayWait := inState(e.Kind) || e.Kind == stream.KindLatency
	for i := range p.queues {
		q := &p.queues[i]
		if mayWait {
			if err := p.waitForRoom(q); err != nil {
				return err
			}
		}
		if err := q.put(e, stream.ElementOverhead); err != nil {
			return err
		}
	}
	return nil
}

// waitForRoom blocks while the hard limit is reached.
func (p *Partition) waitForRoom(q *queue) error {
	if err := p.Err(); err != nil {
		return err
	}
	if !p.mayBlock || p.below(q) {
		return nil
	}
	start := p.now().UnixNano()
	p.stuckSince.Store(start)
	p.stuck.Store(true)
	for !p.below(q) && p.failure.Load() == nil {
		<-p.wake
	}
	p.stuck.Store(false)
	p.hardNanos.Add(p.now().UnixNano() - start)
	return p.Err()
}

func (p *Partition) below(q *queue) bool {
	return q.bytes.Load() < p.limits.channelHard && p.total.Load() < p.limits.totalHard
}

// Hungry reports whether the channel's receiver has nothing queued.
func (p *Partition) Hungry(channel int) bool {
	q := &p.queues[channel]
	return q.waiting.Load() == 0 && !q.busy.Load()
}

// BroadcastBarrierUnaligned puts an unaligned barrier before all that is queued and returns what it
// overtook: per channel the encoded elements in order (see ReadState), nil where there was nothing.
// They are still delivered. The barrier's checkpoint must be later than those before.
func (p *Partition) BroadcastBarrierUnaligned(b *stream.Barrier) ([][]byte, error) {
	if b.Alignment != stream.Unaligned {
		return nil, fmt.Errorf("partition %s: barrier of checkpoint %d is %s, not unaligned",
			p.id, b.Checkpoint, b.Alignment)
	}
	if err := checkBarrier(b); err != nil {
		return nil, fmt.Errorf("partition %s: %w", p.id, err)
	}
	states := make([][]byte, len(p.queues))
	for i := range p.queues {
		var err error
		if states[i], err = p.queues[i].overtake(b); err != nil {
			return nil, err
		}
	}
	return states, nil
}

// ConvertToUnaligned makes the aligned barrier of a checkpoint unaligned in each channel where it
// is still queued: it goes before all else. It returns per channel what it overtook, encoded, and
// in how many channels the barrier was found; where it was not, the consumer has it already.
func (p *Partition) ConvertToUnaligned(checkpoint uint64) (states [][]byte, found int, err error) {
	states = make([][]byte, len(p.queues))
	for i := range p.queues {
		state, ok, err := p.queues[i].convert(checkpoint)
		if err != nil {
			return nil, found, err
		}
		if ok {
			states[i] = state
			found++
		}
	}
	return states, found, nil
}

// HoldsBarrier reports whether an aligned barrier of a checkpoint is still queued in a channel, or
// not completely sent: whether ConvertToUnaligned would find it.
func (p *Partition) HoldsBarrier(checkpoint uint64) bool {
	for i := range p.queues {
		if p.queues[i].holds(checkpoint) {
			return true
		}
	}
	return false
}

// OnBarrierTaken sets the callback that says that HoldsBarrier may return false now: a barrier has
// left a queue. It is called by any goroutine and must not block. Set it before the partition is
// used.
func (p *Partition) OnBarrierTaken(f func()) { p.onBarrier.Store(&f) }

func (p *Partition) barrierTaken() { p.callback(&p.onBarrier) }

// Restore puts the channel state of a checkpoint into a channel, before anything else is put.
func (p *Partition) Restore(channel int, state []byte) error {
	err := ReadState(p.typ, state, func(e stream.Element) error {
		return p.queues[channel].put(e, int64(e.MemSize()))
	})
	if err != nil {
		return fmt.Errorf("partition %s, channel %d: restore: %w", p.id, channel, err)
	}
	return nil
}

// Finish says to all channels that the input has ended; drained as in stream.Element. Barriers may
// follow, and then Close.
func (p *Partition) Finish(drained bool) error {
	return p.Broadcast(stream.Element{Kind: stream.KindEndOfInput, Drained: drained})
}

// Close says that nothing more will be put. What is queued stays until the consumers have taken
// it; then the partition is released. Close does not wait for that.
func (p *Partition) Close() {
	for i := range p.queues {
		p.queues[i].close()
	}
}

// Fail drops all that is queued, unblocks the producer, makes its calls return err and tells the
// consumers. The first failure counts. After the consumers have seen the end it does nothing.
func (p *Partition) Fail(err error) {
	if err == nil {
		err = ErrClosed
	}
	if p.released.Load() || !p.failure.CompareAndSwap(nil, &err) {
		return
	}
	seen := fmt.Errorf("%w: partition %s: %w", ErrProducerFailed, p.id, err)
	for i := range p.queues {
		p.queues[i].fail(seen)
	}
	p.wakeUp()
	p.endWait()
	p.callback(&p.onAvailable)
	p.release()
}

// Err is the error with which the partition failed, or nil.
func (p *Partition) Err() error {
	if err := p.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// channelGone notes that a channel's reader has seen the end.
func (p *Partition) channelGone() {
	if p.live.Add(-1) == 0 {
		p.release()
	}
}

func (p *Partition) release() {
	if !p.released.CompareAndSwap(false, true) {
		return
	}
	if p.reserved != nil {
		p.reserved.Close()
	}
	p.callback(&p.onRelease)
}

// Released reports whether the partition has failed, or was closed and all consumers have taken
// everything.
func (p *Partition) Released() bool { return p.released.Load() }

// QueuedBytes is the estimated memory of what is queued in a channel.
func (p *Partition) QueuedBytes(channel int) int64 { return p.queues[channel].bytes.Load() }

// PoolUsage is the share of the soft limit that is used, from 0 to 1: Flink's outPoolUsage (R108).
func (p *Partition) PoolUsage() float64 {
	return min(1, float64(p.total.Load())/float64(p.limits.totalSoft))
}

// Traffic is what was put so far: numBuffersOut and numBytesOut, by batches and estimated memory.
func (p *Partition) Traffic() Traffic { return p.traffic.load() }

// BackPressured is how long the producer has been without room so far: soft is the time between an
// Available that returned false and the end of that, hard the time that Put and Broadcast blocked.
func (p *Partition) BackPressured() (soft, hard time.Duration) {
	now := p.now().UnixNano()
	s, h := p.softNanos.Load(), p.hardNanos.Load()
	if p.waiting.Load() {
		s += max(0, now-p.since.Load())
	}
	if p.stuck.Load() {
		h += max(0, now-p.stuckSince.Load())
	}
	return time.Duration(s), time.Duration(h)
}

// IsBackPressured reports whether the producer is without room at this moment; what samplers of
// back pressure ask (R107).
func (p *Partition) IsBackPressured() bool { return p.waiting.Load() || p.stuck.Load() }
