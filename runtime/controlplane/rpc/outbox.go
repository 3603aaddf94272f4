package rpc

import (
	"errors"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"
)

const (
	// maxQueued and maxQueuedBytes bound what waits for one connection: the deployment of a wide
	// job fits, an other side that has stopped reading is found out.
	maxQueued      = 1 << 17
	maxQueuedBytes = 512 << 20
	// MaxMessageBytes bounds one message: a snapshot with state in it is the largest.
	MaxMessageBytes = 128 << 20
)

// ErrSlow says that the other side did not read what was sent to it.
var ErrSlow = errors.New("the other side does not read")

// errTooLarge says that a message exceeds MaxMessageBytes.
var errTooLarge = errors.New("the message is too large")

// outbox is the queue of what is to be sent on a connection. Any goroutine may put; one takes.
type outbox[M proto.Message] struct {
	mu    sync.Mutex
	queue []M
	bytes int
	err   error
	// ready has an element when the queue is not empty or the box is closed.
	ready chan struct{}
	// failed is closed when err is set.
	failed chan struct{}
}

func newOutbox[M proto.Message]() *outbox[M] {
	return &outbox[M]{ready: make(chan struct{}, 1), failed: make(chan struct{})}
}

// put enqueues a message. After close it does nothing.
func (o *outbox[M]) put(m M) {
	size := proto.Size(m)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return
	}
	switch {
	case size > MaxMessageBytes:
		o.closeLocked(fmt.Errorf("%w: %d bytes, at most %d", errTooLarge, size, MaxMessageBytes))
		return
	case len(o.queue) >= maxQueued || o.bytes+size > maxQueuedBytes:
		o.closeLocked(fmt.Errorf("%w: %d messages of %d bytes wait", ErrSlow, len(o.queue),
			o.bytes))
		return
	}
	o.queue = append(o.queue, m)
	o.bytes += size
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// take returns all that is queued; old is used again.
func (o *outbox[M]) take(old []M) ([]M, error) {
	clear(old)
	o.mu.Lock()
	defer o.mu.Unlock()
	batch := o.queue
	o.queue, o.bytes = old[:0], 0
	if len(batch) == 0 {
		return nil, o.err
	}
	return batch, nil
}

// close ends the box: what is queued is dropped.
func (o *outbox[M]) close(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closeLocked(err)
}

func (o *outbox[M]) closeLocked(err error) {
	if o.err != nil {
		return
	}
	o.err = err
	o.queue, o.bytes = nil, 0
	close(o.failed)
}

// cause is why the box was closed.
func (o *outbox[M]) cause() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
