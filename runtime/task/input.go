package task

import (
	"fmt"

	"goflink/core/stream"
	"goflink/operator"
)

// input is one input of the chain's head: the gates of all edges that lead to it (a union has
// several). Its watermark is the minimum over all their channels.
type input struct {
	index    int
	receiver any
	control  stream.Control
	valve    *operator.Valve
	channels int
	// open counts the channels whose data has not ended, undrained those that ended by a stop.
	open, undrained int
}

// gateInput is a gate with its place: the channels of all gates of a task are numbered through.
type gateInput struct {
	// index is that of the gate in Options.Gates.
	index int
	gate  Gate
	input *input
	// ended is Gate.NumEnded as of the last look.
	ended int
	// first is the number of its channel 0 among those of the task, firstInInput among the input's.
	first, firstInInput int
}

// current is the batch that the task is reading.
type current struct {
	batch   stream.Carrier
	pos     int
	in      *gateInput
	channel int
}

func (c *current) release() {
	if c.batch != nil {
		c.batch.Release()
		*c = current{}
	}
}

// open builds the chain and connects its ends. It runs as the first step.
func (t *Task) open() error {
	if t.o.Restore != nil && t.o.Restore.Finished {
		t.wasFinished = true
	}
	if err := t.latency.init(t.o.Config); err != nil {
		return err
	}
	c, err := buildChain(t)
	t.chain = c
	if err != nil {
		return err
	}
	if err := t.connectInputs(); err != nil {
		return err
	}
	for _, n := range c.nodes {
		if err := n.rt.openStates(); err != nil {
			return fmt.Errorf("operator %q: operator state: %w", n.spec.Name, err)
		}
		// Restored state is opened also where the operator does not ask for it: a snapshot then
		// holds it again, and depends on no file of the checkpoint.
		if n.spec.KeySchema != nil && len(n.rt.restore.Keyed) > 0 {
			if _, err := n.rt.Keyed(); err != nil {
				return fmt.Errorf("operator %q: %w", n.spec.Name, err)
			}
		}
	}
	for _, p := range t.o.Partitions {
		p.OnAvailable(t.wake)
		p.OnBarrierTaken(t.barrierTaken)
	}
	for _, g := range t.o.Gates {
		g.OnReadable(t.wake)
	}
	if err := t.chain.open(); err != nil {
		return err
	}
	if err := t.restoreChannels(); err != nil {
		return err
	}
	for _, g := range t.o.Gates {
		g.Connect()
	}
	return nil
}

// replayEnd tells the readers of a task that had finished before the checkpoint that its data has
// ended. Its operators are open, for what they still have to commit, but Finish was called before.
func (t *Task) replayEnd() error {
	end := stream.Element{Kind: stream.KindWatermark, Watermark: stream.MaxWatermark}
	for _, p := range t.o.Partitions {
		if err := p.Broadcast(end); err != nil {
			return err
		}
	}
	t.ending = &ending{drained: true, next: len(t.chain.nodes)}
	return t.goOnFinishing()
}

func (t *Task) connectInputs() error {
	head := t.chain.nodes[0]
	byIndex := map[int]*input{}
	total := 0
	for i := range t.o.Vertex.Inputs {
		e, g := &t.o.Vertex.Inputs[i], t.o.Gates[i]
		in := byIndex[e.Input]
		if in == nil {
			in = &input{index: e.Input, receiver: head.op.Input(e.Input)}
			control, ok := in.receiver.(stream.Control)
			if !ok {
				return fmt.Errorf("operator %q: input %d is a %T, which receives nothing",
					head.spec.Name, e.Input, in.receiver)
			}
			in.control = control
			byIndex[e.Input] = in
			t.inputs = append(t.inputs, in)
		}
		t.gates = append(t.gates, gateInput{index: i, gate: g, input: in, first: total,
			firstInInput: in.channels})
		in.channels += g.Channels()
		in.open += g.Channels()
		total += g.Channels()
		t.keepAligned = t.keepAligned || e.KeepAligned
	}
	for _, in := range t.inputs {
		in.valve = operator.NewValve(in.channels)
	}
	t.aligner = newAligner(total)
	return nil
}

// pollInput does one step on the inputs; more is false if there is nothing to read.
func (t *Task) pollInput() (more bool, err error) {
	if t.cur.batch != nil {
		return true, t.deliver()
	}
	for range t.gates {
		g := &t.gates[t.next]
		if t.next++; t.next == len(t.gates) {
			t.next = 0
		}
		channel, e, ok, err := g.gate.Poll()
		if err != nil {
			return false, err
		}
		if ok {
			if err := t.element(g, channel, e); err != nil {
				return false, err
			}
		}
		if err := t.announced(g); err != nil {
			return false, err
		}
		if err := t.channelsEnded(g); err != nil || ok {
			return true, err
		}
	}
	return false, nil
}

// deliver feeds the next slice of the current batch to the head.
func (t *Task) deliver() error {
	c := &t.cur
	n := c.batch.Len() - c.pos
	n = t.o.Host.StepLimit(min(n, t.step.limit))
	from := c.pos
	c.pos += n
	began := t.o.Host.Now()
	err := c.batch.Deliver(c.in.input.receiver, from, from+n)
	t.step.done(n, t.o.Host.Now().Sub(began))
	t.io.RecordsIn.Add(int64(n))
	if c.pos == c.batch.Len() {
		c.release()
	}
	return err
}

// element handles one element of a channel.
func (t *Task) element(g *gateInput, channel int, e stream.Element) error {
	if t.wasFinished && e.Kind < stream.KindBarrier {
		// Its producers had finished, too: what they replay is their end.
		return nil
	}
	in, ch := g.input, g.firstInInput+channel
	switch e.Kind {
	case stream.KindBatch:
		t.cur = current{batch: e.Batch, in: g, channel: channel}
		return t.deliver()
	case stream.KindWatermark:
		if w, grown := in.valve.Watermark(ch, e.Watermark); grown {
			return t.watermark(in, w)
		}
	case stream.KindStatus:
		return t.status(in, ch, e.Status)
	case stream.KindLatency:
		return t.marker(in, *e.Latency)
	case stream.KindBarrier:
		return t.barrier(g, channel, e.Barrier)
	case stream.KindCancelBarrier:
		return t.cancelBarrier(uint64(e.Watermark))
	case stream.KindEndOfInput:
		return t.endOfInput(in, ch, e.Drained)
	}
	return nil
}

func (t *Task) watermark(in *input, w int64) error {
	low := w
	for _, o := range t.inputs {
		low = min(low, o.valve.Last())
	}
	t.io.Watermark.Store(low)
	return in.control.Watermark(w)
}

func (t *Task) status(in *input, channel int, s stream.Status) error {
	status, changed, w, grown := in.valve.Status(channel, s)
	if grown {
		if err := t.watermark(in, w); err != nil {
			return err
		}
	}
	if changed {
		return in.control.Status(status)
	}
	return nil
}

// endOfInput notes that a channel's data has ended; with the last one of an input the operator
// hears of it, with the last of all the task ends.
func (t *Task) endOfInput(in *input, channel int, drained bool) error {
	in.open--
	if !drained {
		in.undrained++
	}
	if in.open > 0 {
		// An ended channel holds back no watermark. A drained one has sent the last watermark.
		if !drained {
			return t.status(in, channel, stream.Idle)
		}
		return nil
	}
	e, ok := t.chain.nodes[0].op.(operator.InputEnder)
	if ok && in.undrained == 0 && !t.wasFinished {
		if err := e.EndInput(in.index); err != nil {
			return err
		}
	}
	undrained := false
	for _, o := range t.inputs {
		if o.open > 0 {
			return nil
		}
		undrained = undrained || o.undrained > 0
	}
	if t.wasFinished {
		return t.replayEnd()
	}
	return t.finish(!undrained, nil)
}

// finish ends the data of the task: drained says that it came to its natural end. then, if not
// nil, is called once the operators have finished, which may take time.
func (t *Task) finish(drained bool, then func() error) error {
	t.ending = &ending{drained: drained, then: then}
	if !drained {
		t.ending.cut(len(t.chain.nodes))
	}
	return t.goOnFinishing()
}

// ending is the way of a task from the end of its input to that of its output.
type ending struct {
	drained bool
	// next is the operator to be finished next.
	next int
	then func() error
}

// cut makes it the end of a task that was stopped: none of its operators is finished any more.
func (e *ending) cut(operators int) { e.drained, e.next = false, operators }

// goOnFinishing finishes the operators as far as they have no work under way. A task whose part of
// a savepoint that stops the job was taken before it had finished waits: what it would still do is
// done again by the job that goes on from there.
func (t *Task) goOnFinishing() (err error) {
	e := t.ending
	if e.drained && t.snapshot.stop != 0 {
		return nil
	}
	if e.next < len(t.chain.nodes) {
		if e.next, err = t.chain.finish(e.next); err != nil || e.next < len(t.chain.nodes) {
			return err
		}
	}
	t.ending = nil
	t.finished, t.drained = true, e.drained
	if err := t.chain.flush(true); err != nil {
		return err
	}
	for _, p := range t.o.Partitions {
		err := p.Broadcast(stream.Element{Kind: stream.KindEndOfInput, Drained: e.drained})
		if err != nil {
			return err
		}
	}
	if e.drained && t.o.FinalCheckpoint && t.chain.needsFinalCheckpoint() {
		t.snapshot.final = true
		t.o.Listener.WantsCheckpoint(t.o.Info.Attempt)
	}
	if e.then != nil {
		if err := e.then(); err != nil {
			return err
		}
	}
	return t.maybeEnd()
}

// maybeEnd ends the task once nothing is left for it: its data has ended, no barrier can come any
// more, and no snapshot of it is under way or awaited.
func (t *Task) maybeEnd() error {
	switch {
	case !t.finished, t.phase != phaseRunning, t.suspended != nil:
	case t.openChannels():
	case t.snapshot.final, t.snapshot.open(), t.chain.lingers():
	case t.snapshot.stop != 0 && t.chain.needsFinalCheckpoint():
		// The sources have ended because the savepoint is complete; the news of it is on its way
		// here.
	default:
		return t.end()
	}
	return nil
}

// end lets the task be closed: nothing comes after it.
func (t *Task) end() error {
	t.phase = phaseClosing
	return nil
}

// pollSource does one step on the source; more is false if it has nothing now.
func (t *Task) pollSource() (more bool, err error) {
	n := t.o.Host.StepLimit(t.step.limit)
	began := t.o.Host.Now()
	status, err := t.chain.source.Poll(n)
	if status != operator.PollIdle {
		t.step.done(n, t.o.Host.Now().Sub(began))
	}
	if err != nil {
		return false, err
	}
	if status == operator.PollEnd {
		return true, t.finish(true, nil)
	}
	return status == operator.PollMore, nil
}
