package dataplane

import (
	"encoding/binary"
	"fmt"

	"goflink/core/stream"
)

// visitSegments is how many segments one stream may send before others have their turn.
const visitSegments = 4

// sender is the writing half of a serverConn; its goroutine owns it.
type sender struct {
	c   *serverConn
	out []byte
	// visited are the queues from which out comes.
	visited []*queue
	scratch []byte
}

// write sends what the streams have until the connection ends.
func (c *serverConn) write() error {
	w := &sender{c: c}
	for {
		s := c.next()
		if s == nil && len(w.out) == 0 {
			w.settle()
			select {
			case <-c.wake:
				continue
			case <-c.done:
				return nil
			}
		}
		if s != nil {
			if err := w.visit(s); err != nil {
				return err
			}
			if len(w.out) < c.server.opts.WriteBytes {
				continue
			}
		}
		if err := w.flush(); err != nil {
			return err
		}
	}
}

// next takes the stream whose turn it is, or nil.
func (c *serverConn) next() *outStream {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.ready.len() == 0 {
		return nil
	}
	s := c.mu.ready.pop()
	s.listed = false
	return s
}

func (w *sender) flush() error {
	_, err := w.c.conn.Write(w.out)
	w.out = w.out[:0]
	if cap(w.out) > 4*w.c.server.opts.WriteBytes {
		w.out = nil
	}
	w.settle()
	return err
}

// settle says that what was taken from the queues is sent.
func (w *sender) settle() {
	for i, q := range w.visited {
		q.busy.Store(false)
		w.visited[i] = nil
	}
	w.visited = w.visited[:0]
}

// visit appends a stream's frames.
func (w *sender) visit(s *outStream) error {
	c := w.c
	c.mu.Lock()
	q, credit, failure, cancelled := s.q, s.credit, s.err, s.cancelled
	s.pending = false
	// It may have been enlisted again while its last frame was made.
	over := c.mu.streams[s.id] != s
	c.mu.Unlock()
	switch {
	case over:
		return nil
	case cancelled:
		w.last(s, frame{kind: frameCancelled}, nil)
		return nil
	case failure != nil:
		w.scratch = appendFailure(w.scratch[:0], failure)
		w.last(s, frame{kind: frameFailed}, w.scratch)
		return nil
	case q == nil:
		return nil
	}
	v := visit{s: s, q: q, credit: min(credit, visitSegments), room: w.c.segmentBytes}
	q.busy.Store(true)
	w.visited = append(w.visited, q)
	err := w.fill(&v)
	if v.barrier {
		q.p.barrierTaken()
	}
	if err != nil {
		// A record that cannot be encoded is the producer's failure, not the connection's.
		q.p.Fail(fmt.Errorf("channel %d: %w", q.index, err))
		return nil
	}
	if v.ended {
		w.last(s, frame{kind: frameEnd}, nil)
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.credit -= v.used
	if v.more {
		s.pending = true
		if s.credit > 0 {
			s.enlistLocked()
		}
	}
	return nil
}

// last appends a stream's last frame and forgets the stream.
func (w *sender) last(s *outStream, f frame, payload []byte) {
	w.message(s, f, payload)
	w.c.mu.Lock()
	delete(w.c.mu.streams, s.id)
	w.c.mu.Unlock()
}

// message appends a frame that is no data.
func (w *sender) message(s *outStream, f frame, payload []byte) {
	f.length, f.stream, f.number = uint32(len(payload)), s.id, s.seq
	s.seq++
	w.out = append(f.append(w.out), payload...)
}

// visit is the state of one visit to a stream.
type visit struct {
	s *outStream
	q *queue
	// credit is how many data frames may be sent, used how many were.
	credit, used uint32
	// room is the most that a frame carries.
	room int
	// more says that there is more to send, ended that there never will be.
	more, ended bool
	// barrier says that the rest of a barrier was sent.
	barrier bool
}

// fill appends frames with what the queue has, as far as the credit allows. While it runs, no
// barrier overtakes: what it completes is sent before the next barrier, and what it leaves in
// q.part counts as not sent.
func (w *sender) fill(v *visit) error {
	q, s := v.q, v.s
	q.sendMu.Lock()
	defer q.sendMu.Unlock()
	overtaker, announced := q.takeUrgent()
	if announced != nil {
		w.scratch = appendBarrier(w.scratch[:0], announced)
		w.message(s, frame{kind: frameAnnounce}, w.scratch)
	}
	if overtaker != nil {
		w.scratch = appendBarrier(w.scratch[:0], overtaker)
		w.message(s, frame{kind: frameOvertake}, w.scratch)
	}
	lastFrame := -1
	v.more = true
	for v.used < v.credit && v.more && !v.ended && len(w.out) < w.c.server.opts.WriteBytes {
		start := len(w.out)
		w.out = frame{kind: frameData, stream: s.id, number: s.seq}.append(w.out)
		err := w.fillFrame(v, start+frameHeader+v.room)
		n := len(w.out) - start - frameHeader
		if n == 0 {
			w.out = w.out[:start]
		} else {
			binary.LittleEndian.PutUint32(w.out[start:], uint32(n))
			lastFrame = start
			s.seq++
			v.used++
		}
		if err != nil {
			return err
		}
	}
	if v.more && !v.ended && q.part.empty() {
		v.more, v.ended = q.state()
	}
	if lastFrame >= 0 && v.more {
		backlog := (q.bytes.Load()+int64(len(q.part.bytes)-q.part.sent))/int64(v.room) + 1
		binary.LittleEndian.PutUint16(w.out[lastFrame+6:], uint16(min(backlog, maxBacklog)))
	}
	return nil
}

// spareShare is the share of a segment that is rather left empty than filled with a piece of a
// batch.
const spareShare = 16

// fillFrame appends encoded elements up to position end of out. It clears v.more when the queue is
// empty.
func (w *sender) fillFrame(v *visit, end int) error {
	part := &v.q.part
	start := len(w.out)
	for len(w.out) < end {
		room := end - len(w.out)
		switch {
		case len(part.bytes) > 0:
			n := min(room, len(part.bytes)-part.sent)
			w.out = append(w.out, part.bytes[part.sent:part.sent+n]...)
			if part.sent += n; part.sent == len(part.bytes) {
				v.barrier = v.barrier || part.barrier() != nil
				part.bytes, part.sent = part.bytes[:0], 0
				if cap(part.bytes) > slabBytes {
					part.bytes = nil
				}
			}
		case part.batch != nil:
			full, err := w.fillBatch(v, room, len(w.out) > start)
			if err != nil || full {
				return err
			}
		default:
			t := v.q.take(0)
			if t.err != nil || !t.ok {
				v.more, v.ended = false, t.ended
				return nil
			}
			if t.elem.Kind == stream.KindBatch {
				part.batch, part.from = t.elem.Batch, 0
				continue
			}
			if err := w.fillWhole(v, room, func(dst []byte) ([]byte, error) {
				return AppendElement(dst, &t.elem)
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// fillBatch appends the next piece of the batch in q.part: as many records as are likely to fit.
// full says that it rather waits for the next frame; begun that this one has something already.
func (w *sender) fillBatch(v *visit, room int, begun bool) (full bool, err error) {
	part := &v.q.part
	left := part.batch.Len() - part.from
	if v.s.perRecord == 0 {
		v.s.perRecord = max(1, part.batch.MemSize()/max(1, left))
	}
	n := min(left, max(1, (room-batchOverhead)/v.s.perRecord))
	if n < left && begun && (room < v.room/spareShare || room < v.s.perRecord+batchOverhead) {
		return true, nil
	}
	before := len(w.out)
	err = w.fillWhole(v, room, func(dst []byte) ([]byte, error) {
		at := len(dst)
		dst, err := AppendRecords(dst, part.batch, part.from, part.from+n)
		if n > 0 {
			// Round up: a piece that is too long costs a copy, one that is too short little.
			v.s.perRecord = max(1, (len(dst)-at+n-1)/n)
		}
		return dst, err
	})
	if err != nil {
		return false, err
	}
	if part.from += n; part.from == part.batch.Len() {
		part.batch.Release()
		part.batch = nil
	}
	return len(w.out)-before >= room, nil
}

// batchOverhead is about what a batch takes beside its records.
const batchOverhead = elementHeader + 4

// fillWhole appends an element of which what exceeds the frame waits in q.part.
func (w *sender) fillWhole(v *visit, room int, encode func(dst []byte) ([]byte, error)) error {
	mark := len(w.out)
	out, err := encode(w.out)
	if err != nil {
		return err
	}
	w.out = out
	if len(w.out)-mark > room {
		part := &v.q.part
		part.bytes, part.sent = append(part.bytes[:0], w.out[mark:]...), room
		w.out = w.out[:mark+room]
	}
	return nil
}
