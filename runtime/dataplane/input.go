package dataplane

import (
	"sync/atomic"

	"goflink/core/stream"
)

// input is where one channel of a gate takes its elements from. The gate's goroutine calls its
// methods; queuedBytes may come from any.
type input interface {
	// take removes the first element, as queue.take does. overtaken says whether checkpoint's
	// barrier overtook the element and its producer has saved it.
	take(checkpoint uint64) taken
	// takeUrgent removes the barrier that overtook and the one that is announced.
	takeUrgent() (overtaker, announced *stream.Barrier)
	// saveOvertaken calls sink with the elements received before the barrier that was last returned
	// by takeUrgent and not taken yet, encoded, unless the producer saves them.
	saveOvertaken(sink func(state []byte) error) error
	// convert makes the aligned barrier of a checkpoint overtake what is before it, if it is there.
	// What the producer does not save by itself, it returns or leaves to saveOvertaken.
	convert(checkpoint uint64) (state []byte, found bool, err error)
	queuedBytes() int64
	close()
}

// localInput is a channel from a partition of this process: its queue is the partition's own.
type localInput struct {
	registry *Registry
	q        atomic.Pointer[queue]
	request  atomic.Pointer[request]
}

var _ input = (*localInput)(nil)

func (l *localInput) take(checkpoint uint64) taken {
	if q := l.q.Load(); q != nil {
		return q.take(checkpoint)
	}
	return taken{}
}

func (l *localInput) takeUrgent() (overtaker, announced *stream.Barrier) {
	if q := l.q.Load(); q != nil {
		return q.takeUrgent()
	}
	return nil, nil
}

func (l *localInput) saveOvertaken(func([]byte) error) error { return nil }

func (l *localInput) convert(checkpoint uint64) ([]byte, bool, error) {
	if q := l.q.Load(); q != nil {
		return q.convert(checkpoint)
	}
	return nil, false, nil
}

func (l *localInput) queuedBytes() int64 {
	if q := l.q.Load(); q != nil {
		return q.bytes.Load()
	}
	return 0
}

func (l *localInput) close() {
	if r := l.request.Load(); r != nil {
		l.registry.withdraw(r)
	}
	if q := l.q.Load(); q != nil {
		q.detach()
	}
}
