package dataplane

import (
	"fmt"

	"goflink/core/stream"
)

// CaptureFunc takes channel state of one channel: one or more encoded elements, in order. state is
// only valid during the call. An error fails the gate.
type CaptureFunc func(channel int, state []byte) error

// capture is the channel state that is being collected for one checkpoint. An element belongs to it
// if it was sent before its channel's barrier and is processed after the checkpoint began here.
type capture struct {
	checkpoint uint64 // 0: none
	sink       CaptureFunc
	scratch    []byte
}

// StartCapture begins to collect the channel state of an unaligned checkpoint, when its first
// barrier has come to any gate of the task, or when the timeout of an aligned one has passed. sink
// gets, channel by channel in order, all elements that precede the checkpoint's barrier in their
// channel and were not polled before StartCapture, unless their producer saves them; some at once,
// others while they are polled or when the channel's barrier is. When the barriers of all channels
// that have not ended were polled, the state is complete, and StopCapture ends it.
//
// The rest of a batch that the task holds is the task's to save, before. StartCapture for a later
// checkpoint ends the one before.
func (g *Gate) StartCapture(checkpoint uint64, sink CaptureFunc) error {
	if checkpoint < g.capture.checkpoint || checkpoint == 0 {
		return fmt.Errorf("gate of %s: channel state of checkpoint %d asked for after that of %d",
			g.name, checkpoint, g.capture.checkpoint)
	}
	g.capture.checkpoint, g.capture.sink = checkpoint, sink
	for i := range g.channels {
		if ch := &g.channels[i]; ch.barrier == checkpoint {
			if err := g.saveOvertaken(i, ch); err != nil {
				return g.fail(i, err)
			}
		}
	}
	return nil
}

// StopCapture ends what StartCapture began, complete or not.
func (g *Gate) StopCapture() { g.capture = capture{scratch: g.capture.scratch[:0]} }

// ConvertToUnaligned makes the aligned barriers of a checkpoint that wait in channels overtake what
// is before them, so that PollPriority returns them. The checkpoint's capture must have begun. It
// returns in how many channels it found the barrier.
func (g *Gate) ConvertToUnaligned(checkpoint uint64) (found int, err error) {
	if g.capture.checkpoint != checkpoint {
		return 0, fmt.Errorf("gate of %s: checkpoint %d turns unaligned, but the channel state of "+
			"checkpoint %d is collected", g.name, checkpoint, g.capture.checkpoint)
	}
	for i := range g.channels {
		ch := &g.channels[i]
		if ch.barrier >= checkpoint {
			continue
		}
		state, ok, err := ch.in.convert(checkpoint)
		if err != nil {
			return found, g.fail(i, err)
		}
		if !ok {
			continue
		}
		found++
		if len(state) > 0 {
			if err := g.saveLocal(i, ch, checkpoint, state); err != nil {
				return found, g.fail(i, err)
			}
		}
		g.urgent(i)
	}
	return found, nil
}

// saveLocal saves what this end made a barrier overtake in a local queue, and channel state before
// it.
func (g *Gate) saveLocal(c int, ch *gateChannel, checkpoint uint64, state []byte) error {
	if err := g.save(c, ch.restored); err != nil {
		return err
	}
	ch.saved = checkpoint
	return g.save(c, state)
}

// saveOvertaken saves what the unaligned barrier that a channel got last has overtaken at this end.
func (g *Gate) saveOvertaken(c int, ch *gateChannel) error {
	if !ch.overtook || ch.barrier != g.capture.checkpoint || ch.saved >= ch.barrier {
		return nil
	}
	ch.saved = ch.barrier
	if err := g.save(c, ch.restored); err != nil {
		return err
	}
	return ch.in.saveOvertaken(func(state []byte) error { return g.save(c, state) })
}

func (g *Gate) save(c int, state []byte) error {
	if len(state) == 0 {
		return nil
	}
	if err := g.capture.sink(c, state); err != nil {
		return fmt.Errorf("channel state of checkpoint %d: %w", g.capture.checkpoint, err)
	}
	return nil
}

// captureElement saves an element that is about to be polled, if it precedes its channel's barrier.
func (g *Gate) captureElement(c int, ch *gateChannel, e *stream.Element) error {
	if g.capture.checkpoint == 0 || ch.barrier >= g.capture.checkpoint || !inState(e.Kind) {
		return nil
	}
	var err error
	if g.capture.scratch, err = AppendElement(g.capture.scratch[:0], e); err != nil {
		return err
	}
	return g.save(c, g.capture.scratch)
}
