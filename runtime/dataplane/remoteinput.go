package dataplane

import (
	"bufio"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"goflink/core/stream"
	"goflink/internal/invariant"
)

// remoteInput is a channel from a partition of another process. The connection's goroutine fills
// segments with what comes; the task's goroutine decodes them when it polls, and with that gives
// credit back. Each credit stands for a segment that the gate has reserved, so the connection never
// waits for one channel to serve another.
type remoteInput struct {
	gate      *Gate
	channel   int
	exclusive int
	// queued are the bytes received and not taken.
	queued atomic.Int64

	mu struct {
		sync.Mutex
		conn   *clientConn
		stream uint32
		// seq is the number of the next frame.
		seq      uint32
		segments ring[segment]
		// received is the stream's position: the number of its data bytes that have come.
		received int64
		// listed says that the gate was told that there is something.
		listed        bool
		ended, closed bool

		// overtaker and announced wait for takeUrgent. unaligned is the highest checkpoint whose
		// barrier overtook, and unalignedAt the position at which it did: what ends there or
		// before is older than the barrier.
		overtaker, announced *stream.Barrier
		unaligned            uint64
		unalignedAt          int64

		// credit is how many frames the sender may send, unannounced what it does not know of yet;
		// creditListed says that the connection's writer will tell it. floats of them are floating
		// segments of the gate.
		credit, unannounced, floats, backlog int
		creditListed                         bool
	}

	// The rest is the task's. cur is being decoded; span collects an element that began in earlier
	// segments; position is how far the stream was read, span included.
	cur      segment
	span     []byte
	position int64
	// savedAt is the position that belongs to the barrier that takeUrgent returned last.
	savedAt int64
}

var _ input = (*remoteInput)(nil)

// segment holds bytes [off, n) of buf that are not read.
type segment struct {
	buf    []byte
	off, n int
}

// bind ties the input to a connection and returns its first credit; false if the gate was closed.
func (in *remoteInput) bind(conn *clientConn, stream uint32) (credit uint32, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.mu.closed {
		return 0, false
	}
	in.mu.conn, in.mu.stream = conn, stream
	in.mu.credit = in.exclusive
	return uint32(in.exclusive), true
}

// count checks that a frame is the next one of its stream.
func (in *remoteInput) count(f frame) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.countLocked(f)
}

func (in *remoteInput) countLocked(f frame) error {
	if f.number != in.mu.seq {
		return fmt.Errorf("%w: %s %d of stream %d, %d was to come", ErrCorrupt, f.kind, f.number,
			f.stream, in.mu.seq)
	}
	in.mu.seq++
	return nil
}

// receive reads a data frame's payload into a segment.
func (in *remoteInput) receive(f frame, r *bufio.Reader) error {
	in.mu.Lock()
	err := in.countLocked(f)
	if err == nil && in.mu.credit == 0 {
		err = fmt.Errorf("%w: data for stream %d without credit", ErrCorrupt, f.stream)
	}
	if err != nil {
		in.mu.Unlock()
		return err
	}
	in.mu.credit--
	closed := in.mu.closed
	in.mu.Unlock()
	var buf []byte
	if !closed {
		var ok bool
		if buf, ok = in.gate.reserved.Get(); !ok && !in.gate.reserved.Closed() {
			return invariant.Brokenf("gate of %s: no segment for credit that was given",
				in.gate.name)
		}
	}
	if buf == nil {
		_, err := r.Discard(int(f.length))
		return err
	}
	if _, err := io.ReadFull(r, buf[:f.length]); err != nil {
		in.gate.reserved.Put(buf)
		return err
	}
	in.add(segment{buf: buf, n: int(f.length)}, int(f.backlog))
	return nil
}

// add queues a segment and asks for floating segments for what waits at the sender.
func (in *remoteInput) add(s segment, backlog int) {
	in.mu.Lock()
	if in.mu.closed {
		in.mu.Unlock()
		in.gate.reserved.Put(s.buf)
		return
	}
	in.mu.segments.push(s)
	in.mu.received += int64(s.n)
	in.queued.Add(int64(s.n))
	in.mu.backlog = backlog
	for in.mu.credit+in.mu.unannounced < backlog && in.gate.floats.take(in) {
		in.mu.floats++
		in.mu.unannounced++
	}
	tell := !in.mu.listed
	in.mu.listed = true
	conn := in.announceLocked()
	in.mu.Unlock()
	if conn != nil {
		conn.credit(in)
	}
	if tell {
		in.gate.readable(in.channel)
	}
}

// announceLocked returns the connection that shall announce credit, or nil: it waits until that
// doubles what the sender has, so that announcements are few, but the sender never runs dry.
func (in *remoteInput) announceLocked() *clientConn {
	if in.mu.creditListed || in.mu.unannounced == 0 || in.mu.unannounced < in.mu.credit {
		return nil
	}
	in.mu.creditListed = in.mu.conn != nil
	return in.mu.conn
}

// appendCredit appends the frame that announces credit, if there is some.
func (in *remoteInput) appendCredit(dst []byte) []byte {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.mu.creditListed = false
	n := in.mu.unannounced
	if n == 0 || in.mu.closed {
		return dst
	}
	in.mu.unannounced = 0
	in.mu.credit += n
	return frame{kind: frameCredit, stream: in.mu.stream, number: uint32(n)}.append(dst)
}

// recycle gives the segment that was read back, and credit for it.
func (in *remoteInput) recycle() {
	in.gate.reserved.Put(in.cur.buf)
	in.cur = segment{}
	in.mu.Lock()
	give := in.mu.floats > 0 && in.mu.credit+in.mu.unannounced >= in.mu.backlog
	if give {
		in.mu.floats--
	} else {
		in.mu.unannounced++
	}
	conn := in.announceLocked()
	in.mu.Unlock()
	if conn != nil {
		conn.credit(in)
	}
	if give {
		in.gate.floats.give()
	}
}

// grant takes a floating segment that in has waited for; it returns false if it cannot use it.
func (in *remoteInput) grant() bool {
	in.mu.Lock()
	ok := !in.mu.closed && in.mu.credit+in.mu.unannounced < in.mu.backlog
	var conn *clientConn
	if ok {
		in.mu.floats++
		in.mu.unannounced++
		conn = in.announceLocked()
	}
	in.mu.Unlock()
	if conn != nil {
		conn.credit(in)
	}
	return ok
}

// barrier takes a barrier that overtook at the sender, or is announced.
func (in *remoteInput) barrier(b *stream.Barrier, overtook bool) {
	in.mu.Lock()
	if overtook {
		in.overtakenLocked(b, in.mu.received)
	} else {
		in.mu.announced = b
	}
	in.mu.Unlock()
	in.gate.urgent(in.channel)
}

func (in *remoteInput) overtakenLocked(b *stream.Barrier, at int64) {
	if b.Checkpoint <= in.mu.unaligned {
		return
	}
	in.mu.overtaker = b
	in.mu.unaligned, in.mu.unalignedAt = b.Checkpoint, at
	if a := in.mu.announced; a != nil && a.Checkpoint <= b.Checkpoint {
		in.mu.announced = nil
	}
}

// end notes that nothing more will come.
func (in *remoteInput) end() {
	in.mu.Lock()
	in.mu.ended = true
	tell := !in.mu.listed
	in.mu.listed = true
	in.mu.Unlock()
	if tell {
		in.gate.readable(in.channel)
	}
}

func (in *remoteInput) fail(err error) { in.gate.failed(in.channel, err) }

// take implements input.
func (in *remoteInput) take(checkpoint uint64) (t taken) {
	for !t.ok {
		raw, err := in.nextElement(&t)
		if t.urgent {
			return t
		}
		if err == nil && raw == nil {
			break
		}
		if err == nil {
			t.elem, _, err = DecodeElement(in.gate.typ, raw)
		}
		if err != nil {
			t.err = fmt.Errorf("partition %s: %w", in.gate.sources[in.channel].Partition, err)
			return t
		}
		t.ok, t.size = true, int64(len(raw))
		if t.elem.Kind == stream.KindBarrier || checkpoint != 0 {
			in.judge(&t, checkpoint)
		}
		in.span = in.span[:0]
		if cap(in.span) > slabBytes {
			in.span = nil
		}
		if in.cur.buf != nil && in.cur.off == in.cur.n {
			in.recycle()
		}
	}
	in.rest(&t)
	return t
}

// judge compares an element with the barrier that overtook last: an older barrier is obsolete, and
// what was sent after it is saved by its producer.
func (in *remoteInput) judge(t *taken, checkpoint uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if t.elem.Kind == stream.KindBarrier && t.elem.Barrier.Checkpoint <= in.mu.unaligned {
		t.ok = false
		t.elem = stream.Element{}
	}
	t.overtaken = in.mu.unaligned >= checkpoint && in.position > in.mu.unalignedAt
}

// rest finds out whether there is more.
func (in *remoteInput) rest(t *taken) {
	if in.cur.off < in.cur.n {
		t.more = true
		return
	}
	in.mu.Lock()
	t.more = in.mu.segments.len() > 0
	in.mu.listed = t.more
	t.ended = in.mu.ended && !t.more
	in.mu.Unlock()
	if t.ended && len(in.span) > 0 {
		t.err = fmt.Errorf("partition %s: %w: it ends within an element",
			in.gate.sources[in.channel].Partition, ErrCorrupt)
	}
}

// nextElement returns the next element, encoded, or nil if it is not complete. The bytes are valid
// until the segment is recycled or span is reused.
func (in *remoteInput) nextElement(t *taken) ([]byte, error) {
	for in.cur.off < in.cur.n || in.nextSegment(t) {
		data := in.cur.buf[in.cur.off:in.cur.n]
		if len(in.span) == 0 && len(data) >= elementHeader {
			size, err := elementSize(data)
			if err != nil {
				return nil, err
			}
			if size <= len(data) {
				in.advance(size)
				return data[:size], nil
			}
		}
		complete, err := in.collect(data)
		if err != nil || complete {
			return in.span, err
		}
		if in.cur.off == in.cur.n {
			in.recycle()
		}
	}
	return nil, nil
}

// collect moves data of an element that spans segments into span, and reports whether it is
// complete.
func (in *remoteInput) collect(data []byte) (complete bool, err error) {
	want := elementHeader
	if len(in.span) >= elementHeader {
		if want, err = elementSize(in.span); err != nil {
			return false, err
		}
	}
	n := min(want-len(in.span), len(data))
	in.span = append(in.span, data[:n]...)
	in.advance(n)
	if len(in.span) < elementHeader {
		return false, nil
	}
	size, err := elementSize(in.span)
	return size == len(in.span), err
}

func (in *remoteInput) advance(n int) {
	in.cur.off += n
	in.position += int64(n)
	in.queued.Add(-int64(n))
}

// nextSegment makes the next segment current, unless a barrier overtook it.
func (in *remoteInput) nextSegment(t *taken) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	t.urgent = in.mu.overtaker != nil && in.position >= in.mu.unalignedAt
	if in.mu.segments.len() == 0 || t.urgent {
		return false
	}
	in.cur = in.mu.segments.pop()
	return true
}

// takeUrgent implements input.
func (in *remoteInput) takeUrgent() (overtaker, announced *stream.Barrier) {
	in.mu.Lock()
	defer in.mu.Unlock()
	overtaker, announced = in.mu.overtaker, in.mu.announced
	in.mu.overtaker, in.mu.announced = nil, nil
	if overtaker != nil {
		in.savedAt = in.mu.unalignedAt
	}
	return overtaker, announced
}

// waiting returns a copy of what was received from the current element on, up to position end.
func (in *remoteInput) waiting(end int64) []byte {
	left := int(end - in.position)
	if left <= 0 {
		return nil
	}
	b := make([]byte, 0, len(in.span)+left)
	b = append(b, in.span...)
	add := func(s segment) {
		n := min(left, s.n-s.off)
		b = append(b, s.buf[s.off:s.off+n]...)
		left -= n
	}
	add(in.cur)
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := 0; i < in.mu.segments.len() && left > 0; i++ {
		add(*in.mu.segments.at(i))
	}
	return b
}

// saveOvertaken implements input.
func (in *remoteInput) saveOvertaken(sink func(state []byte) error) error {
	b := in.waiting(in.savedAt)
	for len(b) >= elementHeader {
		size, err := elementSize(b)
		if err != nil {
			return err
		}
		if size > len(b) {
			break // it was not completely sent: the producer saves it
		}
		if inState(stream.Kind(b[elementPrefix])) {
			if err := sink(b[:size]); err != nil {
				return err
			}
		}
		b = b[size:]
	}
	return nil
}

// convert implements input. What the barrier overtakes is saved when it is polled.
func (in *remoteInput) convert(checkpoint uint64) (state []byte, found bool, err error) {
	in.mu.Lock()
	received := in.mu.received
	in.mu.Unlock()
	b := in.waiting(received)
	at := in.position - int64(len(in.span))
	for len(b) >= elementHeader {
		size, err := elementSize(b)
		if err != nil {
			return nil, false, err
		}
		if size > len(b) {
			break
		}
		if stream.Kind(b[elementPrefix]) == stream.KindBarrier {
			e, _, err := DecodeElement(nil, b[:size])
			if err != nil {
				return nil, false, err
			}
			if e.Barrier.Checkpoint == checkpoint && e.Barrier.Alignment == stream.Aligned {
				return nil, in.overtake(unaligned(e.Barrier), at), nil
			}
		}
		b, at = b[size:], at+int64(size)
	}
	return nil, false, nil
}

func (in *remoteInput) overtake(b *stream.Barrier, at int64) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.mu.unaligned >= b.Checkpoint {
		return false
	}
	in.overtakenLocked(b, at)
	return true
}

// left reports whether the input was closed.
func (in *remoteInput) left() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.mu.closed
}

// queuedBytes implements input.
func (in *remoteInput) queuedBytes() int64 { return in.queued.Load() }

// close implements input.
func (in *remoteInput) close() {
	if in.cur.buf != nil {
		in.gate.reserved.Put(in.cur.buf)
		in.cur = segment{}
	}
	in.mu.Lock()
	in.mu.closed = true
	for in.mu.segments.len() > 0 {
		in.gate.reserved.Put(in.mu.segments.pop().buf)
	}
	conn, id := in.mu.conn, in.mu.stream
	in.mu.Unlock()
	in.queued.Store(0)
	if conn != nil {
		conn.cancel(id)
	}
}

// floats are the floating segments of a gate: those that no channel has.
type floats struct {
	mu struct {
		sync.Mutex
		free int
		// waiting are channels that wanted more than there were.
		waiting ring[*remoteInput]
		asked   map[*remoteInput]bool
	}
}

// take takes a segment for in, or notes that it wants one.
func (f *floats) take(in *remoteInput) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.free > 0 {
		f.mu.free--
		return true
	}
	if !f.mu.asked[in] {
		f.mu.asked[in] = true
		f.mu.waiting.push(in)
	}
	return false
}

// give returns a segment, or hands it to the channel that has waited longest.
func (f *floats) give() {
	for {
		f.mu.Lock()
		if f.mu.waiting.len() == 0 {
			f.mu.free++
			f.mu.Unlock()
			return
		}
		in := f.mu.waiting.pop()
		delete(f.mu.asked, in)
		f.mu.Unlock()
		if in.grant() {
			return
		}
	}
}
