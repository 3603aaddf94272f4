package task

import (
	"time"

	"goflink/core/stream"
)

// aligner follows the barriers of a task's channels. It is a state machine without I/O: it says
// what to do, the task does it.
type aligner struct {
	channels []channelState
	// open is the number of channels that are not closed.
	open int
	// pending is the checkpoint that barriers are being awaited of, nil between checkpoints; in
	// at-least-once mode there may be several.
	pending []*alignment
	// newest is the highest checkpoint that was begun, completed or cancelled.
	newest uint64
}

type channelState struct {
	closed bool
	// barrier is the newest checkpoint whose barrier came.
	barrier uint64
	blocked bool
}

// alignment is one checkpoint whose barriers are arriving.
type alignment struct {
	barrier *stream.Barrier
	// taken says that the snapshot was taken already (unaligned).
	taken bool
	began int64
}

func newAligner(channels int) *aligner {
	return &aligner{channels: make([]channelState, channels), open: channels}
}

// find returns the alignment of a checkpoint, or nil.
func (a *aligner) find(checkpoint uint64) *alignment {
	for _, p := range a.pending {
		if p.barrier.Checkpoint == checkpoint {
			return p
		}
	}
	return nil
}

// begin returns the alignment of the barrier's checkpoint, or nil for one that is over. A new one
// makes those before it void, unless barriers are not aligned.
func (a *aligner) begin(b *stream.Barrier, now int64) (p *alignment, void []uint64) {
	if p = a.find(b.Checkpoint); p != nil || b.Checkpoint <= a.newest {
		return p, nil
	}
	a.newest = b.Checkpoint
	if b.Alignment != stream.AtLeastOnce {
		for _, old := range a.pending {
			void = append(void, old.barrier.Checkpoint)
		}
		a.pending = nil
	}
	p = &alignment{barrier: b, began: now}
	a.pending = append(a.pending, p)
	return p, void
}

// complete reports whether the barriers of all open channels are there.
func (a *aligner) complete(p *alignment) bool {
	for i := range a.channels {
		c := &a.channels[i]
		if !c.closed && c.barrier < p.barrier.Checkpoint {
			return false
		}
	}
	return true
}

// remove ends an alignment, and with it those of older checkpoints, whose numbers it returns.
func (a *aligner) remove(p *alignment) (void []uint64) {
	kept := a.pending[:0]
	for _, o := range a.pending {
		switch {
		case o == p:
		case o.barrier.Checkpoint < p.barrier.Checkpoint:
			void = append(void, o.barrier.Checkpoint)
		default:
			kept = append(kept, o)
		}
	}
	a.pending = kept
	return void
}

// barrier handles a barrier, whether it came in order or has overtaken what is queued.
func (t *Task) barrier(g *gateInput, channel int, b *stream.Barrier) error {
	st := &t.aligner.channels[g.first+channel]
	st.barrier = max(st.barrier, b.Checkpoint)
	p, err := t.beginAlignment(b)
	if p == nil || err != nil {
		return err
	}
	switch {
	case b.Alignment == stream.AtLeastOnce, p.taken:
	case b.Alignment == stream.Unaligned && !t.keepAligned:
		if err := t.takeUnaligned(p); err != nil {
			return err
		}
	default:
		st.blocked = true
		g.gate.Block(channel)
	}
	return t.maybeAligned(p)
}

// beginAlignment finds or begins the alignment of a barrier. With an alignment timeout, a timer
// turns it unaligned.
func (t *Task) beginAlignment(b *stream.Barrier) (*alignment, error) {
	known := t.aligner.find(b.Checkpoint) != nil
	p, void := t.aligner.begin(b, t.o.Host.Now().UnixNano())
	if p != nil && !known && timesOut(b) && !t.keepAligned {
		t.atAlignTimeout(b, func() error { return t.alignTimedOut(b) })
	}
	for _, cp := range void {
		t.unblock()
		if err := t.abandon(cp, Superseded,
			"a newer checkpoint began before its barriers were complete"); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// pollPriority handles a barrier that overtook what is queued, if there is one, and announcements.
func (t *Task) pollPriority() (read bool, err error) {
	for i := range t.gates {
		g := &t.gates[i]
		channel, e, ok, err := g.gate.PollPriority()
		if err != nil {
			return false, err
		}
		if err := t.announced(g); err != nil {
			return false, err
		}
		if ok {
			return true, t.barrier(g, channel, e.Barrier)
		}
	}
	return false, nil
}

// announced begins the alignment of a barrier that is still queued behind other elements, so that
// its timeout runs. If the checkpoint has turned unaligned already, the barrier overtakes at once.
func (t *Task) announced(g *gateInput) error {
	b := g.gate.Announced()
	if b == nil || t.keepAligned {
		return nil
	}
	p, err := t.beginAlignment(b)
	if p == nil || err != nil {
		return err
	}
	return t.convertInput(g, p)
}

// maybeAligned takes the snapshot, or ends the capture of channels, once all barriers are there.
func (t *Task) maybeAligned(p *alignment) error {
	if !t.aligner.complete(p) {
		return nil
	}
	t.unblock()
	void := t.aligner.remove(p)
	if p.taken {
		t.stopCapture(p.barrier.Checkpoint)
		if s := t.snapshot.find(p.barrier.Checkpoint); s != nil {
			s.capturing = false
			if err := t.maybeAcknowledge(s); err != nil {
				return err
			}
		}
	} else if err := t.onceDrained(p.barrier, func() error {
		return t.take(p.barrier, p.began)
	}); err != nil {
		return err
	}
	for _, cp := range void {
		if err := t.abandon(cp, Superseded, "a newer checkpoint was complete first"); err != nil {
			return err
		}
	}
	return nil
}

// takeUnaligned takes the snapshot at once; what comes on channels before their barrier is
// captured. Barriers that are queued as aligned ones overtake, too.
func (t *Task) takeUnaligned(p *alignment) error {
	p.taken = true
	t.unblock()
	b := *p.barrier
	b.Alignment = stream.Unaligned
	if err := t.take(&b, p.began); err != nil {
		return err
	}
	for i := range t.gates {
		if err := t.convertInput(&t.gates[i], p); err != nil {
			return err
		}
	}
	return nil
}

// convertInput makes aligned barriers that are queued overtake, if the checkpoint has turned
// unaligned and its channel state is being captured.
func (t *Task) convertInput(g *gateInput, p *alignment) error {
	cp := p.barrier.Checkpoint
	if !p.taken || p.barrier.AlignTimeout == 0 || t.captured != cp {
		return nil
	}
	_, err := g.gate.ConvertToUnaligned(cp)
	return err
}

// timesOut reports whether an aligned barrier may turn unaligned.
func timesOut(b *stream.Barrier) bool {
	return b.Alignment == stream.Aligned && b.AlignTimeout > 0
}

// atAlignTimeout calls f in the task's goroutine when the barrier's timeout is over.
func (t *Task) atAlignTimeout(b *stream.Barrier, f func() error) {
	wait := max(0, time.UnixMilli(b.Triggered+b.AlignTimeout).Sub(t.o.Host.Now()))
	t.o.Host.After(wait, func() { t.post(f) })
}

func (t *Task) alignTimedOut(b *stream.Barrier) error {
	p := t.aligner.find(b.Checkpoint)
	if p == nil || p.taken {
		return nil
	}
	if err := t.takeUnaligned(p); err != nil {
		return err
	}
	return t.maybeAligned(p)
}

func (t *Task) unblock() {
	for i := range t.gates {
		g := &t.gates[i]
		for c := range g.gate.Channels() {
			if st := &t.aligner.channels[g.first+c]; st.blocked {
				st.blocked = false
				g.gate.Unblock(c)
			}
		}
	}
}

// cancelBarrier handles the news that a checkpoint will have no barriers.
func (t *Task) cancelBarrier(checkpoint uint64) error {
	p := t.aligner.find(checkpoint)
	if p == nil && checkpoint <= t.aligner.newest {
		return nil
	}
	t.aligner.newest = max(t.aligner.newest, checkpoint)
	if p != nil {
		t.unblock()
		t.aligner.remove(p)
		t.stopCapture(checkpoint)
	}
	return t.abandon(checkpoint, Superseded, "a task before it in the job declined the checkpoint")
}

// channelsEnded notes channels that have come to their end, which may complete an alignment.
func (t *Task) channelsEnded(g *gateInput) error {
	if g.gate.NumEnded() == g.ended {
		return nil
	}
	g.ended = g.gate.NumEnded()
	for c := range g.gate.Channels() {
		if st := &t.aligner.channels[g.first+c]; !st.closed && g.gate.Ended(c) {
			st.closed = true
			t.aligner.open--
		}
	}
	for _, p := range append([]*alignment(nil), t.aligner.pending...) {
		if err := t.maybeAligned(p); err != nil {
			return err
		}
	}
	if b := t.triggered; b != nil && !t.openChannels() {
		t.triggered = nil
		if err := t.trigger(b); err != nil {
			return err
		}
	}
	return t.maybeEnd()
}

// Trigger begins a checkpoint at a task that barriers do not reach: a source, or a task all of
// whose channels are closed. Other tasks ignore it: barriers will come. Any goroutine may call it.
func (t *Task) Trigger(b *stream.Barrier) {
	ok := t.post(func() error {
		if t.phase != phaseRunning || t.chain == nil {
			return t.abandon(b.Checkpoint, NotReady, "the task is not running yet")
		}
		if t.openChannels() {
			// Barriers will come, unless the producers have ended before they could send them.
			t.triggered = b
			return nil
		}
		return t.trigger(b)
	})
	if !ok {
		t.o.Listener.Decline(t.o.Info.Attempt, b.Checkpoint, Ended, errEnded)
	}
}

func (t *Task) trigger(b *stream.Barrier) error {
	if t.aligner != nil {
		if b.Checkpoint <= t.aligner.newest {
			return nil
		}
		t.aligner.newest = b.Checkpoint
	}
	if b.Savepoint == stream.DrainSavepoint && !t.finished && t.ending == nil {
		return t.finish(true, func() error { return t.takeAndStop(b) })
	}
	return t.onceDrained(b, func() error { return t.takeAndStop(b) })
}

// onceDrained calls take: at once, or, if the savepoint drains the job and operators of the task
// still have work under way, after they have finished. Else the savepoint would lack their last
// records, and the barrier would go before the end of the data.
func (t *Task) onceDrained(b *stream.Barrier, take func() error) error {
	if b.Savepoint != stream.DrainSavepoint || t.ending == nil {
		return take()
	}
	before := t.ending.then
	t.ending.then = func() error {
		if before != nil {
			if err := before(); err != nil {
				return err
			}
		}
		return take()
	}
	return nil
}

// takeAndStop takes the snapshot; a source then waits if the job is to stop with it.
func (t *Task) takeAndStop(b *stream.Barrier) error {
	if err := t.take(b, t.o.Host.Now().UnixNano()); err != nil {
		return err
	}
	if b.Savepoint.Stops() && t.chain.source != nil {
		t.suspended = b
	}
	return nil
}

// openChannels reports whether barriers can come from anywhere.
func (t *Task) openChannels() bool { return t.aligner != nil && t.aligner.open > 0 }
