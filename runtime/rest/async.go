package rest

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"goflink/core/failure"
	"goflink/runtime/rest/message"
)

// async runs operations. It is safe for concurrent use.
type async struct {
	now    func() time.Time
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     struct {
		sync.Mutex
		ops      operations
		draining bool
		// changed is closed, and made anew, when an operation ends or its result is read.
		changed chan struct{}
	}
}

func newAsync(now func() time.Time, keep time.Duration) *async {
	a := &async{now: now}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.mu.ops = operations{keep: keep, all: map[key]*operation{}}
	a.mu.changed = make(chan struct{})
	return a
}

var errStopping = errors.New("the cluster is being shut down")

// begin runs an operation, unless one of that key is known.
func (a *async) begin(k key, f func(ctx context.Context) (message.Operation, error)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.draining {
		return &httpError{http.StatusServiceUnavailable, errStopping}
	}
	fresh, err := a.mu.ops.begin(a.now(), k)
	if err != nil || !fresh {
		return err
	}
	a.wg.Go(func() {
		result, err := run(a.ctx, f)
		if err != nil {
			// A savepoint may be complete although what was to follow it failed.
			result = message.Operation{Location: result.Location,
				Failure: message.NewCause(failure.InfoOf(err))}
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.mu.ops.end(a.now(), k, result)
		a.changedLocked()
	})
	return nil
}

func run(ctx context.Context, f func(ctx context.Context) (message.Operation, error)) (
	result message.Operation, err error) {
	defer failure.Catch(&err, failure.Internal)
	return f(ctx)
}

func (a *async) changedLocked() {
	close(a.mu.changed)
	a.mu.changed = make(chan struct{})
}

// find says how an operation stands.
func (a *async) find(k key) (message.Progress, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, err := a.mu.ops.find(a.now(), k)
	if p.Operation != nil {
		a.changedLocked()
	}
	return p, err
}

// drain accepts no more operations and waits until all results were fetched or have expired, or
// for the end of ctx; it returns how many were not.
func (a *async) drain(ctx context.Context) int {
	for {
		a.mu.Lock()
		a.mu.draining = true
		a.mu.ops.expire(a.now())
		left, changed := a.mu.ops.unread, a.mu.changed
		a.mu.Unlock()
		if left == 0 {
			return 0
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return left
		}
	}
}

// close gives up what is under way; wait waits for its end.
func (a *async) close() { a.cancel() }
func (a *async) wait()  { a.wg.Wait() }
