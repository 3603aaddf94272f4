package task

import (
	"context"
	"errors"
	"fmt"
	"time"

	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/operator"
	"goflink/runtime/dataplane"
)

var errEnded = errors.New("the task has ended")

// snapshots are the task's parts of checkpoints that are not complete yet.
type snapshots struct {
	active []*snapshot
	// final is set while the task waits, after its end, for a checkpoint to be complete; finalFrom
	// is the number of the first one taken since: that or any later one will do.
	final     bool
	finalFrom uint64
	// stop is a savepoint that stops the job and was taken here, until its outcome is known.
	stop uint64
	// aborted is the newest checkpoint that was said to be given up. Its barrier may still come; if
	// it is to stop the job, no outcome follows. No checkpoint begins while such a one is under
	// way.
	aborted uint64
}

// snapshot is the task's part of one checkpoint. It is acknowledged once the operators' state is
// written, all channels that are captured have got their barrier, a barrier that may still turn
// unaligned has left the outputs, and what was captured is written. Until then the task does not
// end.
type snapshot struct {
	barrier *stream.Barrier
	metrics statebackend.SnapshotMetrics
	state   statebackend.TaskSnapshot

	// location is where the task's files of this checkpoint go.
	location statebackend.Location
	// writing says that state, or then what was in flight, is being written.
	writing bool
	// capturing says that barriers are missing, and channels are captured until they come.
	capturing bool
	// sending says that an aligned barrier with a timeout is still queued in an output.
	sending bool
	// inputs and outputs are what was in flight, encoded.
	inputs, outputs map[channelKey][]byte
}

// channelKey names a channel of a gate (an input edge) or a partition (a result).
type channelKey struct{ edge, channel int }

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

// take takes the task's part of a checkpoint: b is what is sent on, began when its first barrier
// came.
func (t *Task) take(b *stream.Barrier, began int64) error {
	now := t.o.Host.Now()
	s := &snapshot{barrier: b, inputs: map[channelKey][]byte{}, outputs: map[channelKey][]byte{},
		writing: true}
	s.metrics.StartDelay = max(0, began-b.Triggered*int64(time.Millisecond))
	s.metrics.Alignment = now.UnixNano() - began
	s.metrics.Unaligned = b.Alignment == stream.Unaligned
	t.io.StartDelay.Store(s.metrics.StartDelay)
	t.io.Alignment.Store(s.metrics.Alignment)
	s.state.Finished = t.finished && t.drained
	t.snapshot.active = append(t.snapshot.active, s)
	if t.snapshot.final && t.snapshot.finalFrom == 0 {
		t.snapshot.finalFrom = b.Checkpoint
	}
	if b.Savepoint.Stops() && b.Checkpoint > t.snapshot.aborted {
		t.snapshot.stop = b.Checkpoint
	}
	if b.Alignment == stream.Unaligned && t.openChannels() && !t.keepAligned {
		if err := t.startCapture(s); err != nil {
			return err
		}
	}
	if err := t.sendBarrier(s); err != nil {
		return err
	}
	t.awaitSent(s)
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

// startCapture keeps the unread rest of the current batch and captures what comes on each channel
// before its barrier.
func (t *Task) startCapture(s *snapshot) (err error) {
	s.capturing = true
	if c := &t.cur; c.batch != nil {
		k := channelKey{c.in.index, c.channel}
		s.inputs[k], err = dataplane.AppendRecords(s.inputs[k], c.batch, c.pos, c.batch.Len())
		if err != nil {
			return err
		}
	}
	for i := range t.gates {
		index := t.gates[i].index
		sink := func(channel int, state []byte) error {
			k := channelKey{index, channel}
			s.inputs[k] = append(s.inputs[k], state...)
			return nil
		}
		if err := t.gates[i].gate.StartCapture(s.barrier.Checkpoint, sink); err != nil {
			return err
		}
	}
	t.captured = s.barrier.Checkpoint
	return nil
}

// stopCapture ends the capture for a checkpoint, if it is the one that is captured.
func (t *Task) stopCapture(checkpoint uint64) {
	if t.captured != checkpoint || checkpoint == 0 {
		return
	}
	t.captured = 0
	for i := range t.gates {
		t.gates[i].gate.StopCapture()
	}
}

// sendBarrier flushes the outputs and sends the barrier on.
func (t *Task) sendBarrier(s *snapshot) error {
	if err := t.chain.flush(true); err != nil {
		return err
	}
	b := s.barrier
	for i, p := range t.o.Partitions {
		if b.Alignment != stream.Unaligned || t.o.Vertex.Results[i].KeepAligned {
			if err := p.Broadcast(stream.Element{Kind: stream.KindBarrier,
				Barrier: b}); err != nil {
				return err
			}
			continue
		}
		overtaken, err := p.BroadcastBarrierUnaligned(b)
		if err != nil {
			return err
		}
		s.addOutputs(i, overtaken)
	}
	return nil
}

// awaitSent makes the snapshot wait for the aligned barrier to leave the outputs; when its timeout
// is over, it overtakes what is queued before it there.
func (t *Task) awaitSent(s *snapshot) {
	if !timesOut(s.barrier) || !t.holdsBarrier(s.barrier.Checkpoint) {
		return
	}
	s.sending = true
	t.atAlignTimeout(s.barrier, func() error {
		if !s.sending || t.snapshot.find(s.barrier.Checkpoint) != s {
			return nil
		}
		return t.convertOutputs(s)
	})
}

// holdsBarrier reports whether an aligned barrier is queued in an output where it may overtake.
func (t *Task) holdsBarrier(checkpoint uint64) bool {
	for i, p := range t.o.Partitions {
		if !t.o.Vertex.Results[i].KeepAligned && p.HoldsBarrier(checkpoint) {
			return true
		}
	}
	return false
}

// barrierTaken is called, by any goroutine, when a barrier has left an output.
func (t *Task) barrierTaken() {
	if t.taken.Swap(true) {
		return
	}
	t.post(func() error {
		t.taken.Store(false)
		for _, s := range append([]*snapshot(nil), t.snapshot.active...) {
			if !s.sending || t.holdsBarrier(s.barrier.Checkpoint) {
				continue
			}
			s.sending = false
			if err := t.maybeAcknowledge(s); err != nil {
				return err
			}
		}
		return nil
	})
}

// convertOutputs lets the aligned barrier overtake what is queued before it in the outputs, which
// becomes channel state. Readers that have it already turn theirs by themselves.
func (t *Task) convertOutputs(s *snapshot) error {
	for i, p := range t.o.Partitions {
		if t.o.Vertex.Results[i].KeepAligned {
			continue
		}
		states, found, err := p.ConvertToUnaligned(s.barrier.Checkpoint)
		if err != nil {
			return err
		}
		s.metrics.Unaligned = s.metrics.Unaligned || found > 0
		s.addOutputs(i, states)
	}
	s.sending = false
	return t.maybeAcknowledge(s)
}

// addOutputs keeps what a barrier overtook in an output.
func (s *snapshot) addOutputs(result int, states [][]byte) {
	for c, state := range states {
		if len(state) > 0 {
			s.outputs[channelKey{result, c}] = state
		}
	}
}

// pending is one operator's state as of the snapshot, not written yet.
type pending struct {
	op    *opRuntime
	ops   statebackend.PendingOperatorSnapshot
	keyed statebackend.PendingSnapshot
}

// takeStates brings the operators' state up to date and fixes it.
func (t *Task) takeStates(b *stream.Barrier, l statebackend.Location) ([]pending, error) {
	cp := operator.Checkpoint{ID: b.Checkpoint, Triggered: time.UnixMilli(b.Triggered),
		Savepoint: b.Savepoint}
	req := statebackend.SnapshotRequest{Checkpoint: b.Checkpoint,
		Canonical: b.Savepoint != stream.NoSavepoint,
		Full:      b.Full || b.Savepoint != stream.NoSavepoint, Location: l}
	var writes []pending
	for _, n := range t.chain.nodes {
		if sn, ok := n.op.(operator.Snapshotter); ok {
			if err := sn.Snapshot(cp); err != nil {
				return nil, fmt.Errorf("operator %q: %w", n.spec.Name, err)
			}
		}
	}
	for _, n := range t.chain.nodes {
		w, err := n.rt.takeState(req)
		if err != nil {
			for i := range writes {
				writes[i].abandon()
			}
			return nil, fmt.Errorf("operator %q: %w", n.spec.Name, err)
		}
		writes = append(writes, w)
	}
	return writes, nil
}

// takeState fixes one operator's keyed and operator state.
func (r *opRuntime) takeState(req statebackend.SnapshotRequest) (p pending, err error) {
	p.op = r
	if p.ops, err = r.states.Snapshot(req); err != nil || r.keyed == nil {
		return p, err
	}
	if p.keyed, err = r.keyed.Snapshot(req); err != nil {
		p.ops.Abandon()
	}
	return p, err
}

func (p *pending) abandon() {
	p.ops.Abandon()
	if p.keyed != nil {
		p.keyed.Abandon()
	}
}

// write writes the operator's state; on error nothing of it is held any more.
func (p *pending) write(ctx context.Context) (s statebackend.NamedSnapshot, err error) {
	s.ID = p.op.n.spec.Operator
	if p.keyed == nil {
		// State that this attempt did not open is carried on as it is.
		s.Keyed = p.op.restore.Keyed
	} else {
		h, err := p.keyed.Write(ctx)
		if err != nil {
			p.ops.Abandon()
			return s, err
		}
		s.Keyed = []statebackend.KeyedHandle{h}
	}
	s.Operator, s.RawOperator, err = p.ops.Write(ctx)
	return s, err
}

// write writes the snapshot; it runs outside the task's goroutine.
func (t *Task) write(ctx context.Context, s *snapshot, writes []pending) {
	began := t.o.Host.Now()
	var states []statebackend.NamedSnapshot
	var err error
	for i := range writes {
		if err != nil {
			writes[i].abandon()
			continue
		}
		var st statebackend.NamedSnapshot
		st, err = writes[i].write(ctx)
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

// maybeAcknowledge reports the snapshot once everything of it is there: the operators' state first,
// then what was in flight, which is complete by then.
func (t *Task) maybeAcknowledge(s *snapshot) error {
	if s.writing || s.capturing || s.sending || t.snapshot.find(s.barrier.Checkpoint) != s {
		return nil
	}
	if len(s.inputs)+len(s.outputs) > 0 {
		s.writing = true
		t.spawn("channel state", func(ctx context.Context) { t.writeChannels(ctx, s) })
		return nil
	}
	t.snapshot.remove(s)
	t.acknowledge(s)
	return t.maybeEnd()
}

func (t *Task) acknowledge(s *snapshot) {
	for i := range s.state.Operators {
		s.metrics.StateBytes += s.state.Operators[i].Bytes()
	}
	t.o.Listener.Acknowledge(t.o.Info.Attempt, s.barrier.Checkpoint, s.state, s.metrics)
}

// writeChannels writes what was in flight: inputs belong to the head, outputs to the last operator.
// It runs outside the task's goroutine.
func (t *Task) writeChannels(ctx context.Context, s *snapshot) {
	in, inBytes, err := writeAll(ctx, s.location, s.inputs)
	var out []statebackend.ChannelHandle
	var outBytes int64
	if err == nil {
		out, outBytes, err = writeAll(ctx, s.location, s.outputs)
	}
	t.post(func() error {
		if err != nil {
			return t.snapshotFailed(s, err)
		}
		ops := s.state.Operators
		ops[0].InputChannels, ops[len(ops)-1].OutputChannels = in, out
		s.metrics.ChannelBytes = inBytes + outBytes
		s.inputs, s.outputs, s.writing = nil, nil, false
		return t.maybeAcknowledge(s)
	})
}

func writeAll(ctx context.Context, l statebackend.Location, m map[channelKey][]byte) (
	hs []statebackend.ChannelHandle, bytes int64, err error) {
	for _, k := range sortedKeys(m) {
		w, err := l.Create(ctx, "channel")
		if err != nil {
			return nil, 0, err
		}
		if _, err := w.Write(m[k]); err != nil {
			w.Discard()
			return nil, 0, err
		}
		blob, err := w.Commit()
		if err != nil {
			return nil, 0, err
		}
		bytes += int64(len(m[k]))
		hs = append(hs, statebackend.ChannelHandle{Edge: k.edge, Channel: k.channel,
			Contents: blob})
	}
	return hs, bytes, nil
}

// snapshotFailed declines a snapshot; the task goes on.
func (t *Task) snapshotFailed(s *snapshot, err error) error {
	if t.snapshot.find(s.barrier.Checkpoint) != s {
		return nil
	}
	t.dropSnapshot(s)
	t.o.Listener.Decline(t.o.Info.Attempt, s.barrier.Checkpoint, Failed, err)
	return t.maybeEnd()
}

func (t *Task) dropSnapshot(s *snapshot) {
	t.snapshot.remove(s)
	t.stopCapture(s.barrier.Checkpoint)
	if t.snapshot.stop == s.barrier.Checkpoint {
		t.snapshot.stop = 0
	}
}

// abandon gives up a checkpoint that was not taken here, and tells the tasks behind.
func (t *Task) abandon(checkpoint uint64, cause DeclineCause, why string) error {
	if s := t.snapshot.find(checkpoint); s != nil {
		t.dropSnapshot(s)
	}
	t.o.Listener.Decline(t.o.Info.Attempt, checkpoint, cause, errors.New(why))
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
		t.o.Listener.Decline(t.o.Info.Attempt, a.barrier.Checkpoint, Ended, errEnded)
	}
}
