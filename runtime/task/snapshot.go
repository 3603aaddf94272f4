package task

import (
	"context"
	"errors"
	"fmt"
	"time"

	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/operator"
)

var errEnded = errors.New("the task has ended")

// snapshots are the task's parts of checkpoints that are not complete yet.
type snapshots struct {
	active []*snapshot
	// final is set once the task waits for a checkpoint after its end; finalTaken is the number of
	// the first one taken since.
	final      bool
	finalTaken uint64
}

// snapshot is the task's part of one checkpoint. It is acknowledged once three things are there: the
// operators' state is written, all channels that are recorded have got their barrier, and no output
// holds the barrier back any more.
type snapshot struct {
	barrier *stream.Barrier
	metrics statebackend.SnapshotMetrics
	state   statebackend.TaskSnapshot

	// location is where the task's files of this checkpoint go.
	location statebackend.Location
	writing  bool
	// recording holds what arrives on channels whose barrier is missing.
	recording map[channelKey]*channelBytes
	// captured is what was in flight, inputs and outputs.
	inputs, outputs map[channelKey]*channelBytes
	// converting counts partitions that still hold an aligned barrier that may turn unaligned.
	converting map[int]bool
	stopTimer  func()
}

// channelKey names a channel of a gate (an input edge) or a partition (a result).
type channelKey struct{ edge, channel int }

type channelBytes struct{ b []byte }

func (s *snapshots) find(checkpoint uint64) *snapshot {
	for _, a := range s.active {
		if a.barrier.Checkpoint == checkpoint {
			return a
		}
	}
	return nil
}

func (s *snapshots) open() bool { return len(s.active) > 0 }

func (s *snapshots) remove(p *snapshot) {
	for i, a := range s.active {
		if a == p {
			s.active = append(s.active[:i], s.active[i+1:]...)
			return
		}
	}
}

// record adds an element that was polled to the snapshots that record its channel.
func (s *snapshots) record(g *gateInput, channel int, e *stream.Element) error {
	if len(s.active) == 0 || e.Kind != stream.KindBatch {
		return nil
	}
	for _, a := range s.active {
		if c := a.recording[channelKey{g.index, channel}]; c != nil {
			if err := c.add(e.Batch, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *channelBytes) add(b stream.Carrier, from int) (err error) {
	c.b, err = b.Encode(c.b, from, b.Len())
	return err
}

// overtaken adds what a barrier overtook on this side of a connection.
func (s *snapshots) overtaken(cp uint64, g *gateInput, channel int, es []stream.Element) error {
	a := s.find(cp)
	if a == nil {
		return nil
	}
	return capture(a.inputs, channelKey{g.index, channel}, es)
}

func capture(into map[channelKey]*channelBytes, k channelKey, es []stream.Element) error {
	for _, e := range es {
		if e.Kind != stream.KindBatch {
			continue
		}
		c := into[k]
		if c == nil {
			c = &channelBytes{}
			into[k] = c
		}
		if err := c.add(e.Batch, 0); err != nil {
			return err
		}
	}
	return nil
}

// stopRecording ends the recording of a channel for a checkpoint, or for all (0).
func (s *snapshots) stopRecording(cp uint64, g *gateInput, channel int) {
	for _, a := range s.active {
		if cp != 0 && a.barrier.Checkpoint != cp {
			continue
		}
		k := channelKey{g.index, channel}
		if c := a.recording[k]; c != nil {
			delete(a.recording, k)
			if len(c.b) > 0 {
				merge(a.inputs, k, c)
			}
		}
	}
}

func merge(into map[channelKey]*channelBytes, k channelKey, c *channelBytes) {
	if have := into[k]; have != nil {
		have.b = append(have.b, c.b...)
		return
	}
	into[k] = c
}

// take takes the task's part of a checkpoint: b is what is sent on, began when its first barrier came.
func (t *Task) take(b *stream.Barrier, began int64) error {
	now := t.o.Host.Now()
	s := &snapshot{barrier: b, recording: map[channelKey]*channelBytes{},
		inputs: map[channelKey]*channelBytes{}, outputs: map[channelKey]*channelBytes{},
		converting: map[int]bool{}, writing: true}
	s.metrics.StartDelay = max(0, began-b.Triggered*int64(time.Millisecond))
	s.metrics.Alignment = now.UnixNano() - began
	s.metrics.Unaligned = b.Alignment == stream.Unaligned
	s.state.Finished = t.finished && t.drained
	t.snapshot.active = append(t.snapshot.active, s)
	if t.snapshot.final && t.snapshot.finalTaken == 0 {
		t.snapshot.finalTaken = b.Checkpoint
	}
	if b.Alignment == stream.Unaligned {
		if err := t.startRecording(s); err != nil {
			return err
		}
	}
	if err := t.sendBarrier(s); err != nil {
		return err
	}
	l, err := t.o.Storage.Location(b.Checkpoint, b.Target, t.o.Info.Attempt)
	if err != nil {
		return t.snapshotFailed(s, err)
	}
	s.location = l
	writes, err := t.takeStates(b, l)
	if err != nil {
		return t.snapshotFailed(s, err)
	}
	s.metrics.Sync = t.o.Host.Now().Sub(now).Nanoseconds()
	t.spawn("snapshot", func(ctx context.Context) { t.write(ctx, s, writes) })
	return nil
}

// startRecording captures the unread rest of the current batch and begins to record the channels
// whose barrier has not come.
func (t *Task) startRecording(s *snapshot) error {
	for i := range t.gates {
		g := &t.gates[i]
		for c := range g.gate.Channels() {
			st := &t.aligner.channels[g.first+c]
			if !st.closed && st.barrier < s.barrier.Checkpoint {
				s.recording[channelKey{g.index, c}] = &channelBytes{}
			}
		}
	}
	if t.cur.batch == nil {
		return nil
	}
	rest := &channelBytes{}
	var err error
	if rest.b, err = t.cur.batch.Encode(nil, t.cur.pos, t.cur.batch.Len()); err != nil {
		return err
	}
	k := channelKey{t.cur.in.index, t.cur.channel}
	if c := s.recording[k]; c != nil {
		c.b = rest.b
	} else {
		merge(s.inputs, k, rest)
	}
	return nil
}

// sendBarrier flushes the outputs and sends the barrier on.
func (t *Task) sendBarrier(s *snapshot) error {
	if err := t.chain.flush(true); err != nil {
		return err
	}
	b := s.barrier
	for i, p := range t.o.Partitions {
		keep := t.o.Vertex.Results[i].KeepAligned
		if b.Alignment == stream.Unaligned && !keep {
			overtaken, err := p.BroadcastUnaligned(b)
			if err != nil {
				return err
			}
			if err := captureAll(s.outputs, i, overtaken); err != nil {
				return err
			}
			continue
		}
		if err := p.Broadcast(stream.Element{Kind: stream.KindBarrier, Barrier: b}); err != nil {
			return err
		}
		if b.Alignment == stream.Aligned && b.AlignTimeout > 0 && !keep {
			t.watchBarrier(s, i)
		}
	}
	if len(s.converting) > 0 {
		s.stopTimer = t.o.Host.After(alignWait(t.o.Host.Now(), b), func() {
			t.post(func() error { return t.convert(s) })
		})
	}
	return nil
}

func alignWait(now time.Time, b *stream.Barrier) time.Duration {
	return max(0, time.UnixMilli(b.Triggered+b.AlignTimeout).Sub(now))
}

func captureAll(into map[channelKey]*channelBytes, edge int, overtaken [][]stream.Element) error {
	for c, es := range overtaken {
		if err := capture(into, channelKey{edge, c}, es); err != nil {
			return err
		}
	}
	return nil
}

// watchBarrier holds the acknowledgement until partition i has passed the barrier on, or the barrier
// has overtaken what is before it.
func (t *Task) watchBarrier(s *snapshot, i int) {
	s.converting[i] = true
	t.o.Partitions[i].OnBarrierGone(s.barrier.Checkpoint, func() {
		t.post(func() error {
			delete(s.converting, i)
			return t.maybeAcknowledge(s)
		})
	})
}

// convert lets the barrier overtake where it is still queued: the alignment takes too long.
func (t *Task) convert(s *snapshot) error {
	if t.snapshot.find(s.barrier.Checkpoint) != s {
		return nil
	}
	b := *s.barrier
	b.Alignment = stream.Unaligned
	for i, p := range t.o.Partitions {
		if !s.converting[i] {
			continue
		}
		overtaken, err := p.Convert(&b)
		if err != nil {
			return err
		}
		delete(s.converting, i)
		if err := captureAll(s.outputs, i, overtaken); err != nil {
			return err
		}
	}
	return t.maybeAcknowledge(s)
}

// write is the asynchronous part of one operator's snapshot.
type write func(ctx context.Context) (statebackend.NamedSnapshot, error)

// takeStates brings the operators' state up to date and fixes it.
func (t *Task) takeStates(b *stream.Barrier, l statebackend.Location) ([]write, error) {
	cp := operator.Checkpoint{ID: b.Checkpoint, Triggered: time.UnixMilli(b.Triggered),
		Savepoint: b.Savepoint}
	var writes []write
	for _, n := range t.chain.nodes {
		if sn, ok := n.op.(operator.Snapshotter); ok {
			if err := sn.Snapshot(cp); err != nil {
				return writes, fmt.Errorf("operator %q: %w", n.spec.Name, err)
			}
		}
	}
	for _, n := range t.chain.nodes {
		w, err := n.rt.takeState(b, l)
		if err != nil {
			return writes, fmt.Errorf("operator %q: %w", n.spec.Name, err)
		}
		writes = append(writes, w)
	}
	return writes, nil
}

// takeState fixes one operator's keyed and operator state.
func (r *opRuntime) takeState(b *stream.Barrier, l statebackend.Location) (write, error) {
	ops, err := r.states.Snapshot()
	if err != nil {
		return nil, err
	}
	var keyed statebackend.PendingSnapshot
	if r.keyed != nil {
		keyed, err = r.keyed.Snapshot(statebackend.SnapshotRequest{
			Checkpoint: b.Checkpoint,
			Canonical:  b.Savepoint != stream.NoSavepoint,
			Full:       b.Full || b.Savepoint != stream.NoSavepoint,
			Location:   l,
		})
		if err != nil {
			return nil, err
		}
	}
	carried := r.restore.Keyed
	opened := r.keyed != nil
	return func(ctx context.Context) (statebackend.NamedSnapshot, error) {
		s := statebackend.NamedSnapshot{ID: r.n.spec.Operator}
		if keyed != nil {
			h, err := keyed.Write(ctx)
			if err != nil {
				return s, err
			}
			s.Keyed = append(s.Keyed, h)
		} else if !opened {
			// State that this attempt did not open is carried on as it is.
			s.Keyed = carried
		}
		var err error
		s.Operator, s.RawOperator, err = ops(ctx, l)
		return s, err
	}, nil
}

// write writes the snapshot; it runs outside the task's goroutine.
func (t *Task) write(ctx context.Context, s *snapshot, writes []write) {
	began := t.o.Host.Now()
	var states []statebackend.NamedSnapshot
	var err error
	for _, w := range writes {
		var st statebackend.NamedSnapshot
		if st, err = w(ctx); err != nil {
			break
		}
		states = append(states, st)
	}
	t.post(func() error {
		if err != nil {
			return t.snapshotFailed(s, err)
		}
		s.writing = false
		s.state.Operators = states
		s.metrics.Async = t.o.Host.Now().Sub(began).Nanoseconds()
		return t.maybeAcknowledge(s)
	})
}

// channelsComplete is called when all barriers of an unaligned checkpoint are there.
func (s *snapshots) channelsComplete(t *Task, checkpoint uint64) {
	if a := s.find(checkpoint); a != nil {
		t.post(func() error { return t.maybeAcknowledge(a) })
	}
}

// maybeAcknowledge reports the snapshot once everything of it is there.
func (t *Task) maybeAcknowledge(s *snapshot) error {
	if s.writing || len(s.recording) > 0 || len(s.converting) > 0 ||
		t.snapshot.find(s.barrier.Checkpoint) != s {
		return nil
	}
	t.snapshot.remove(s)
	if s.stopTimer != nil {
		s.stopTimer()
	}
	if len(s.inputs)+len(s.outputs) == 0 {
		t.acknowledge(s)
		return t.maybeEnd()
	}
	t.spawn("channel state", func(ctx context.Context) {
		if err := t.writeChannels(ctx, s); err != nil {
			t.o.Listener.Decline(t.o.Info.Attempt, s.barrier.Checkpoint, err)
			return
		}
		t.acknowledge(s)
	})
	return t.maybeEnd()
}

func (t *Task) acknowledge(s *snapshot) {
	for i := range s.state.Operators {
		s.metrics.StateBytes += s.state.Operators[i].Bytes()
	}
	t.o.Listener.Acknowledge(t.o.Info.Attempt, s.barrier.Checkpoint, s.state, s.metrics)
}

// writeChannels writes what was in flight: inputs belong to the head, outputs to the last operator.
func (t *Task) writeChannels(ctx context.Context, s *snapshot) error {
	ops := s.state.Operators
	head, tail := &ops[0], &ops[len(ops)-1]
	var err error
	head.InputChannels, err = writeAll(ctx, s.location, s.inputs, &s.metrics)
	if err != nil {
		return err
	}
	tail.OutputChannels, err = writeAll(ctx, s.location, s.outputs, &s.metrics)
	return err
}

func writeAll(ctx context.Context, l statebackend.Location, m map[channelKey]*channelBytes,
	metrics *statebackend.SnapshotMetrics) ([]statebackend.ChannelHandle, error) {
	var hs []statebackend.ChannelHandle
	for _, k := range sortedKeys(m) {
		w, err := l.Create(ctx, "channel")
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(m[k].b); err != nil {
			w.Discard()
			return nil, err
		}
		blob, err := w.Commit()
		if err != nil {
			return nil, err
		}
		metrics.ChannelBytes += int64(len(m[k].b))
		hs = append(hs, statebackend.ChannelHandle{Edge: k.edge, Channel: k.channel,
			Contents: blob})
	}
	return hs, nil
}

// snapshotFailed declines a snapshot; the task goes on.
func (t *Task) snapshotFailed(s *snapshot, err error) error {
	if t.snapshot.find(s.barrier.Checkpoint) != s {
		return nil
	}
	t.dropSnapshot(s)
	t.o.Listener.Decline(t.o.Info.Attempt, s.barrier.Checkpoint, err)
	return t.maybeEnd()
}

func (t *Task) dropSnapshot(s *snapshot) {
	t.snapshot.remove(s)
	if s.stopTimer != nil {
		s.stopTimer()
	}
	if t.snapshot.finalTaken == s.barrier.Checkpoint {
		t.snapshot.finalTaken = 0
	}
}

// abandon gives up a checkpoint that was not taken here, and tells the tasks behind.
func (t *Task) abandon(checkpoint uint64, why string) error {
	if s := t.snapshot.find(checkpoint); s != nil {
		t.dropSnapshot(s)
	}
	t.o.Listener.Decline(t.o.Info.Attempt, checkpoint, errors.New(why))
	for _, p := range t.o.Partitions {
		err := p.Broadcast(stream.Element{Kind: stream.KindCancelBarrier,
			Watermark: int64(checkpoint)})
		if err != nil {
			return err
		}
	}
	return nil
}

// abandonAll forgets the snapshots of a task that ends.
func (s *snapshots) abandonAll(t *Task) {
	for len(s.active) > 0 {
		a := s.active[0]
		t.dropSnapshot(a)
		t.o.Listener.Decline(t.o.Info.Attempt, a.barrier.Checkpoint, errEnded)
	}
}
