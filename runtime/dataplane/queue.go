package dataplane

import (
	"fmt"
	"sync"
	"sync/atomic"

	"goflink/core/stream"
)

// reader is the consuming end of a queue: a gate's channel in this process, or a connection. Its
// methods are called by the producer's goroutine, without locks held, and must not block.
type reader interface {
	// readable says that there is something to take where there was nothing before.
	readable(channel int)
	// urgent says that a barrier overtook, or that one is announced.
	urgent(channel int)
	// failed says that there will be nothing more, and why.
	failed(channel int, err error)
}

// queue is one channel at its producing end: elements in order, and at most one barrier that
// overtook them. The producer puts, one reader takes; one lock per batch on each side.
type queue struct {
	p     *Partition
	index int
	// waiting counts the elements queued, and busy says that a connection is sending some that it
	// took: for Hungry.
	waiting atomic.Int32
	busy    atomic.Bool
	// bytes is the estimated memory of what is queued; written under mu.
	bytes atomic.Int64

	// sendMu is held by a connection while it turns elements into frames, and by who lets a barrier
	// overtake, so that an element is either sent before the barrier or part of its state. It is
	// taken before mu.
	sendMu sync.Mutex
	// part is what the connection began to send; sendMu guards it.
	part partial

	mu struct {
		sync.Mutex
		elems  ring[entry]
		reader reader
		// channel is the reader's number for this queue.
		channel int
		// listed says that the reader was told that there is something, and has not found the end.
		listed bool
		full   bool
		// overtaker is the barrier that goes before all elements.
		overtaker *stream.Barrier
		// announced is an aligned barrier with a timeout that waits in elems, to be announced.
		announced *stream.Barrier
		// unaligned is the highest checkpoint whose barrier overtook; barriers up to it that are
		// still among elems are obsolete.
		unaligned uint64
		// closed says that nothing more will be put; gone that the partition knows that the reader
		// has seen it; detached that the reader takes no more.
		closed, gone, detached bool
		err                    error
	}
}

type entry struct {
	elem stream.Element
	size int64
}

// partial is what is left of a batch that did not fit into the credit that there was.
type partial struct {
	// bytes is an encoded element of which the first sent bytes are on their way.
	bytes []byte
	sent  int
	// batch holds the records from from on that are not encoded yet. They come after bytes.
	batch stream.Carrier
	from  int
}

func (p *partial) empty() bool { return len(p.bytes) == 0 && p.batch == nil }

// appendState appends what a barrier that overtakes the partial element must save: an element that
// is not complete on the other side does not count as received there.
func (p *partial) appendState(dst []byte) ([]byte, error) {
	if len(p.bytes) > 0 && inState(stream.Kind(p.bytes[elementPrefix])) {
		dst = append(dst, p.bytes...)
	}
	if p.batch != nil {
		return AppendRecords(dst, p.batch, p.from, p.batch.Len())
	}
	return dst, nil
}

// barrier is the aligned barrier that is partly sent, or nil.
func (p *partial) barrier() *stream.Barrier {
	if len(p.bytes) == 0 || stream.Kind(p.bytes[elementPrefix]) != stream.KindBarrier {
		return nil
	}
	b, err := decodeBarrier(p.bytes[elementHeader:])
	if err != nil || b.Alignment != stream.Aligned {
		return nil
	}
	return b
}

func (p *partial) drop() {
	if p.batch != nil {
		p.batch.Release()
	}
	*p = partial{}
}

// put appends e. It takes over the batch, whatever happens.
func (q *queue) put(e stream.Element, size int64) error {
	q.mu.Lock()
	if q.mu.err != nil || q.mu.detached || q.mu.closed {
		err := q.mu.err
		if err == nil && q.mu.closed {
			err = fmt.Errorf("%w: %s put into %s", ErrClosed, e.Kind, q.p.id)
		}
		q.mu.Unlock()
		if e.Batch != nil {
			e.Batch.Release()
		}
		return err
	}
	q.mu.elems.push(entry{e, size})
	q.waiting.Add(1)
	q.growLocked(size)
	tell := !q.mu.listed && q.mu.reader != nil
	if tell {
		q.mu.listed = true
	}
	urgent := false
	if e.Kind == stream.KindBarrier && timesOut(e.Barrier) {
		q.mu.announced = e.Barrier
		urgent = q.mu.reader != nil
	}
	r, channel := q.mu.reader, q.mu.channel
	q.mu.Unlock()
	if urgent {
		r.urgent(channel)
	}
	if tell {
		r.readable(channel)
	}
	return nil
}

func timesOut(b *stream.Barrier) bool {
	return b.Alignment == stream.Aligned && b.AlignTimeout > 0
}

func (q *queue) growLocked(size int64) {
	n := q.bytes.Add(size)
	q.p.total.Add(size)
	if !q.mu.full && n >= q.p.limits.channelSoft {
		q.mu.full = true
		q.p.full.Add(1)
	}
}

func (q *queue) shrinkLocked(size int64) {
	n := q.bytes.Add(-size)
	q.p.total.Add(-size)
	if q.mu.full && n <= q.p.limits.channelResume {
		q.mu.full = false
		q.p.full.Add(-1)
	}
}

// taken is the outcome of a take.
type taken struct {
	elem stream.Element
	ok   bool
	// size is elem's size in bytes: in memory, or encoded.
	size int64
	// more says that there is more to take now; the queue stays listed.
	more bool
	// urgent says that a barrier overtook what is left, so that it must be taken first: an element
	// that its producer saved must not be processed before the barrier.
	urgent bool
	// overtaken says that a barrier of the asked checkpoint or a later one has overtaken, so that
	// the producer has saved elem.
	overtaken bool
	// ended says that there will be nothing more.
	ended bool
	err   error
}

// take removes the first element that is not obsolete. t.overtaken answers for checkpoint.
func (q *queue) take(checkpoint uint64) (t taken) {
	var size int64
	barrier := false
	q.mu.Lock()
	if q.mu.overtaker != nil {
		q.mu.Unlock()
		return taken{urgent: true}
	}
	for q.mu.elems.len() > 0 && !t.ok {
		e := q.mu.elems.pop()
		barrier = barrier || e.elem.Kind == stream.KindBarrier
		size += e.size
		q.waiting.Add(-1)
		t.elem, t.ok, t.size = e.elem, !q.obsoleteLocked(&e.elem), e.size
	}
	if size > 0 {
		q.shrinkLocked(size)
	}
	t.overtaken = q.mu.unaligned >= checkpoint
	t.ended, t.err = q.endedLocked(), q.mu.err
	t.more = q.mu.elems.len() > 0
	q.mu.listed = t.more
	gone := t.ended && !q.mu.gone
	if gone {
		q.mu.gone = true
	}
	q.mu.Unlock()
	if size > 0 {
		q.p.roomMade()
	}
	if gone {
		q.p.channelGone()
	}
	if barrier {
		q.p.barrierTaken()
	}
	return t
}

func (q *queue) obsoleteLocked(e *stream.Element) bool {
	return e.Kind == stream.KindBarrier && e.Barrier.Checkpoint <= q.mu.unaligned
}

func (q *queue) endedLocked() bool {
	return q.mu.closed && q.mu.elems.len() == 0
}

// takeUrgent removes the barrier that overtook and the one that is announced, if there are such.
func (q *queue) takeUrgent() (overtaker, announced *stream.Barrier) {
	q.mu.Lock()
	defer q.mu.Unlock()
	overtaker, announced = q.mu.overtaker, q.mu.announced
	q.mu.overtaker, q.mu.announced = nil, nil
	return overtaker, announced
}

// attach makes r the reader of the queue.
func (q *queue) attach(r reader, channel int) error {
	q.mu.Lock()
	if q.mu.reader != nil || q.mu.detached {
		q.mu.Unlock()
		return fmt.Errorf("channel %d of partition %s has a consumer already", q.index, q.p.id)
	}
	if err := q.mu.err; err != nil {
		q.mu.Unlock()
		return err
	}
	q.mu.reader, q.mu.channel = r, channel
	q.mu.listed = q.mu.elems.len() > 0 || q.mu.closed
	listed := q.mu.listed
	urgent := q.mu.overtaker != nil || q.mu.announced != nil
	q.mu.Unlock()
	if urgent {
		r.urgent(channel)
	}
	if listed {
		r.readable(channel)
	}
	return nil
}

// detach takes the reader away. What is queued and what will be put is dropped: a consumer that
// leaves has either seen enough, or failed and takes its producers with it.
func (q *queue) detach() {
	q.sendMu.Lock()
	q.part.drop()
	q.mu.Lock()
	q.mu.reader, q.mu.detached = nil, true
	q.dropLocked()
	gone := q.mu.closed && !q.mu.gone
	if gone {
		q.mu.gone = true
	}
	q.mu.Unlock()
	q.sendMu.Unlock()
	q.p.roomMade()
	q.p.barrierTaken()
	if gone {
		q.p.channelGone()
	}
}

func (q *queue) dropLocked() {
	var size int64
	for q.mu.elems.len() > 0 {
		e := q.mu.elems.pop()
		size += e.size
		if e.elem.Batch != nil {
			e.elem.Batch.Release()
		}
	}
	q.waiting.Store(0)
	q.mu.overtaker, q.mu.announced = nil, nil
	q.shrinkLocked(size)
}

// close says that nothing more will be put.
func (q *queue) close() {
	q.mu.Lock()
	if q.mu.closed || q.mu.err != nil {
		q.mu.Unlock()
		return
	}
	q.mu.closed = true
	gone := q.mu.detached && !q.mu.gone
	if gone {
		q.mu.gone = true
	}
	r, channel := q.mu.reader, q.mu.channel
	tell := r != nil && !q.mu.listed
	if tell {
		q.mu.listed = true
	}
	q.mu.Unlock()
	if gone {
		q.p.channelGone()
	}
	if tell {
		r.readable(channel)
	}
}

// fail drops all that is queued and tells the reader, unless it has seen the end.
func (q *queue) fail(err error) {
	q.sendMu.Lock()
	q.part.drop()
	q.mu.Lock()
	if q.mu.err != nil || q.mu.gone {
		q.mu.Unlock()
		q.sendMu.Unlock()
		return
	}
	q.mu.err = err
	q.dropLocked()
	r, channel := q.mu.reader, q.mu.channel
	q.mu.reader = nil
	q.mu.Unlock()
	q.sendMu.Unlock()
	if r != nil {
		r.failed(channel, err)
	}
}

// overtake puts b before all that is queued and returns that, encoded.
func (q *queue) overtake(b *stream.Barrier) (state []byte, err error) {
	q.sendMu.Lock()
	q.mu.Lock()
	r, channel := q.mu.reader, q.mu.channel
	if q.mu.err != nil || q.mu.detached {
		r, err = nil, q.mu.err
	} else if state, err = q.stateLocked(q.mu.elems.len()); err != nil {
		r = nil
	} else {
		q.overtakenLocked(b)
	}
	q.mu.Unlock()
	q.sendMu.Unlock()
	if r != nil {
		r.urgent(channel)
	}
	return state, err
}

// stateLocked encodes what was begun and the first n elements.
func (q *queue) stateLocked(n int) ([]byte, error) {
	state, err := q.part.appendState(nil)
	for i := 0; i < n && err == nil; i++ {
		if e := q.mu.elems.at(i); inState(e.elem.Kind) {
			state, err = AppendElement(state, &e.elem)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("channel %d of partition %s: state: %w", q.index, q.p.id, err)
	}
	return state, nil
}

func (q *queue) overtakenLocked(b *stream.Barrier) {
	q.mu.overtaker = b
	q.mu.unaligned = b.Checkpoint
	if a := q.mu.announced; a != nil && a.Checkpoint <= b.Checkpoint {
		q.mu.announced = nil
	}
}

// convert turns the aligned barrier of a checkpoint, if it is still queued, into one that overtakes
// what is queued before it, and returns that, encoded.
func (q *queue) convert(checkpoint uint64) (state []byte, found bool, err error) {
	q.sendMu.Lock()
	q.mu.Lock()
	state, found, err = q.convertLocked(checkpoint)
	r, channel := q.mu.reader, q.mu.channel
	q.mu.Unlock()
	q.sendMu.Unlock()
	if found {
		q.p.roomMade()
		q.p.barrierTaken()
		if r != nil {
			r.urgent(channel)
		}
	}
	return state, found, err
}

// holds reports whether the aligned barrier of a checkpoint is queued, or not completely sent.
func (q *queue) holds(checkpoint uint64) bool {
	q.sendMu.Lock()
	defer q.sendMu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.partHoldsLocked(checkpoint) != nil || q.findLocked(checkpoint) >= 0
}

// partHoldsLocked returns the aligned barrier of a checkpoint if it is partly sent.
func (q *queue) partHoldsLocked(checkpoint uint64) *stream.Barrier {
	b := q.part.barrier()
	if b == nil || b.Checkpoint != checkpoint || q.mu.unaligned >= checkpoint {
		return nil
	}
	return b
}

func (q *queue) convertLocked(checkpoint uint64) (state []byte, found bool, err error) {
	if q.mu.err != nil {
		return nil, false, q.mu.err
	}
	if b := q.partHoldsLocked(checkpoint); b != nil {
		// Nothing is before it, but it waits for credit. The reader drops it when it comes.
		q.overtakenLocked(unaligned(b))
		return nil, true, nil
	}
	at := q.findLocked(checkpoint)
	if at < 0 {
		return nil, false, nil
	}
	if state, err = q.stateLocked(at); err != nil {
		return nil, false, err
	}
	e := q.mu.elems.remove(at)
	q.waiting.Add(-1)
	q.shrinkLocked(e.size)
	q.overtakenLocked(unaligned(e.elem.Barrier))
	return state, true, nil
}

// unaligned returns b as a barrier that overtakes.
func unaligned(b *stream.Barrier) *stream.Barrier {
	c := *b
	c.Alignment = stream.Unaligned
	return &c
}

// findLocked is the index of the aligned barrier of a checkpoint, or -1.
func (q *queue) findLocked(checkpoint uint64) int {
	if q.mu.unaligned >= checkpoint {
		return -1
	}
	for i := range q.mu.elems.len() {
		e := &q.mu.elems.at(i).elem
		if e.Kind == stream.KindBarrier && e.Barrier.Checkpoint == checkpoint &&
			e.Barrier.Alignment == stream.Aligned {
			return i
		}
	}
	return -1
}

// state reports whether there is something to take, or that there never will be.
func (q *queue) state() (more, ended bool) {
	q.mu.Lock()
	more = q.mu.elems.len() > 0
	ended = q.endedLocked() && q.mu.err == nil
	q.mu.listed = more
	gone := ended && !q.mu.gone
	if gone {
		q.mu.gone = true
	}
	q.mu.Unlock()
	if gone {
		q.p.channelGone()
	}
	return more, ended
}
