package dataplane

import (
	"errors"
	"fmt"
	"sync"
)

// ErrInsufficientBuffers is in the chain of errors about network memory that does not suffice.
var ErrInsufficientBuffers = errors.New("insufficient network memory")

// SegmentPool is the network memory of a process: a fixed number of segments of one size (R112).
// Partitions and gates reserve what they may hold when they are made, so that nothing runs out of
// memory while records flow. Segments are allocated when they are first used and reused from then
// on. A pool is safe for concurrent use.
type SegmentPool struct {
	segmentBytes int
	total        int

	mu struct {
		sync.Mutex
		reserved int
		made     int
		free     [][]byte
	}
}

// slabBytes is how much memory the pool allocates at once.
const slabBytes = 1 << 20

// NewSegmentPool returns a pool of networkBytes / segmentBytes segments.
func NewSegmentPool(networkBytes int64, segmentBytes int) (*SegmentPool, error) {
	if segmentBytes < minSegmentBytes || segmentBytes > maxSegmentBytes {
		return nil, fmt.Errorf("taskmanager.memory.segment-size is %d bytes: want %d to %d",
			segmentBytes, minSegmentBytes, maxSegmentBytes)
	}
	total := networkBytes / int64(segmentBytes)
	if total < 1 {
		return nil, fmt.Errorf("%w: %d bytes hold no segment of %d bytes: raise "+
			"taskmanager.memory.network.min", ErrInsufficientBuffers, networkBytes, segmentBytes)
	}
	return &SegmentPool{segmentBytes: segmentBytes, total: int(total)}, nil
}

// SegmentBytes is the size of a segment.
func (p *SegmentPool) SegmentBytes() int { return p.segmentBytes }

// Total is the number of segments.
func (p *SegmentPool) Total() int { return p.total }

// Reserved is the number of segments that are spoken for.
func (p *SegmentPool) Reserved() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.reserved
}

// Reserve sets n segments aside for who, which appears in the error when they are not there.
func (p *SegmentPool) Reserve(n int, who string) (*Reservation, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if left := p.total - p.mu.reserved; n > left {
		return nil, fmt.Errorf("%w: %s needs %d segments of %d bytes, %d of %d are free: raise "+
			"taskmanager.memory.network.fraction, taskmanager.memory.network.min and "+
			"taskmanager.memory.network.max by %d bytes, or lower the parallelism",
			ErrInsufficientBuffers, who, n, p.segmentBytes, left, p.total,
			int64(n-left)*int64(p.segmentBytes))
	}
	p.mu.reserved += n
	return &Reservation{pool: p, n: n}, nil
}

// get returns a segment; reservations make sure that there is one.
func (p *SegmentPool) get() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mu.free) == 0 {
		p.growLocked()
	}
	s := p.mu.free[len(p.mu.free)-1]
	p.mu.free = p.mu.free[:len(p.mu.free)-1]
	return s
}

// growLocked allocates a slab of segments. They hold no pointers, so the collector does not look
// into them (R113).
func (p *SegmentPool) growLocked() {
	n := max(1, min(slabBytes/p.segmentBytes, p.total-p.mu.made))
	slab := make([]byte, n*p.segmentBytes)
	for i := range n {
		from := i * p.segmentBytes
		p.mu.free = append(p.mu.free, slab[from:from+p.segmentBytes:from+p.segmentBytes])
	}
	p.mu.made += n
}

func (p *SegmentPool) put(s []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.free = append(p.mu.free, s[:p.segmentBytes])
}

// Reservation is a number of segments set aside for one owner. It is safe for concurrent use.
type Reservation struct {
	pool *SegmentPool
	n    int

	mu struct {
		sync.Mutex
		used   int
		closed bool
	}
}

// Len is the number of segments reserved.
func (r *Reservation) Len() int { return r.n }

// Used is the number of segments taken and not put back.
func (r *Reservation) Used() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.used
}

// Get returns a segment of the pool's size, or false when all of the reservation are in use or it
// is closed. The caller gives it back with Put.
func (r *Reservation) Get() ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.closed || r.mu.used == r.n {
		return nil, false
	}
	r.mu.used++
	return r.pool.get(), true
}

// Put gives a segment back that came from Get.
func (r *Reservation) Put(s []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.used--
	r.pool.put(s)
	if r.mu.closed {
		r.pool.release(1)
	}
}

// Closed reports whether Close was called.
func (r *Reservation) Closed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.closed
}

// Close ends the reservation. Segments still in use count as reserved until they are put back.
// Close may be called again.
func (r *Reservation) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.closed {
		return
	}
	r.mu.closed = true
	r.pool.release(r.n - r.mu.used)
}

func (p *SegmentPool) release(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.reserved -= n
}
