// Package host is what the shells of the runtime stand on: a clock, actors, asynchronous work and
// the driving of tasks. There are two hosts: the real one, with goroutines and the machine's clock,
// and the simulated one (internal/sim), in which one goroutine runs everything in an order that a
// seed decides, so that a failure can be replayed.
package host

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"
)

// Host runs the parts of a cluster.
type Host interface {
	// Now is the time; its difference is monotonic.
	Now() time.Time
	// After calls f once, d from now, on a goroutine that nothing is known of. stop withdraws the
	// call; it does not wait for one that has begun.
	After(d time.Duration, f func()) (stop func())
	// Go runs work that may take long, or block, elsewhere. Who starts it waits for it by means of
	// its own. Under simulation f runs later, whole, and must not block.
	Go(name string, f func())
	// NewActor returns an actor: a queue of calls that run one at a time.
	NewActor(name string) Actor
	// Drive steps s until it is done and then calls done. wake makes it step again after Blocked;
	// any goroutine may call it, at any time.
	Drive(name string, s Stepper, done func()) (wake func())
	// StepLimit returns how many of n records a step may take at most. The real host returns n; the
	// simulated one varies it.
	StepLimit(n int) int
	// Random returns a number for the names of what must not exist twice. The simulated host draws
	// it from its seed.
	Random() uint64
	// MayBlock reports whether a Stepper may block its goroutine within a step.
	MayBlock() bool
}

// Actor runs calls one at a time, in the order of Post.
type Actor interface {
	// Post enqueues f; any goroutine may call it. After Close it returns false and drops f.
	Post(f func()) bool
	// Close lets what was posted run, and accepts no more. It does not wait.
	Close()
	// Done is closed when the last call has returned after Close.
	Done() <-chan struct{}
}

// Stepper is something that runs in steps: a task.
type Stepper interface {
	// Step does some work and says how it goes on.
	Step() Status
}

// Status is the answer of a step.
type Status uint8

const (
	// Ready says that there is more to do at once.
	Ready Status = iota
	// Blocked says that there is nothing to do until wake is called. A wake during the step counts.
	Blocked
	// Done says that there will never be anything to do.
	Done
)

// Real is the host of production.
type Real struct{}

var _ Host = Real{}

// Now is the machine's clock.
func (Real) Now() time.Time { return time.Now() }

// After uses a timer of the standard library.
func (Real) After(d time.Duration, f func()) func() {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

// Go starts a goroutine.
func (Real) Go(_ string, f func()) { go f() }

// StepLimit returns n.
func (Real) StepLimit(n int) int { return n }

// Random returns a number that nobody else draws, from the machine's source.
func (Real) Random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never returns an error (its documentation)
	return binary.LittleEndian.Uint64(b[:])
}

// MayBlock is true.
func (Real) MayBlock() bool { return true }

// Drive starts a goroutine that steps s.
func (Real) Drive(_ string, s Stepper, done func()) func() {
	wake := make(chan struct{}, 1)
	go func() {
		for {
			switch s.Step() {
			case Done:
				done()
				return
			case Blocked:
				<-wake
			}
		}
	}()
	return func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// NewActor starts a goroutine that runs the actor's calls.
func (Real) NewActor(string) Actor {
	a := &actor{done: make(chan struct{})}
	a.cond.L = &a.mu
	go a.run()
	return a
}

// actor is a queue of calls with one goroutine. Its senders are bounded by protocol: each component
// has a bounded number of messages under way.
type actor struct {
	mu     sync.Mutex
	cond   sync.Cond
	queue  []func()
	closed bool
	done   chan struct{}
}

func (a *actor) Post(f func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	a.queue = append(a.queue, f)
	a.cond.Signal()
	return true
}

func (a *actor) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.cond.Signal()
}

func (a *actor) Done() <-chan struct{} { return a.done }

func (a *actor) run() {
	defer close(a.done)
	var batch []func()
	for {
		a.mu.Lock()
		for len(a.queue) == 0 && !a.closed {
			a.cond.Wait()
		}
		if len(a.queue) == 0 {
			a.mu.Unlock()
			return
		}
		batch, a.queue = a.queue, batch[:0]
		a.mu.Unlock()
		for i, f := range batch {
			f()
			batch[i] = nil
		}
	}
}

// Call runs f in the actor and waits for it, or for ctx. It must not be called by the actor itself.
func Call[T any](ctx context.Context, a Actor, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	c := make(chan result, 1)
	if !a.Post(func() { v, err := f(); c <- result{v, err} }) {
		return *new(T), ErrClosed
	}
	select {
	case r := <-c:
		return r.v, r.err
	case <-a.Done():
		select {
		case r := <-c:
			return r.v, r.err
		default:
			return *new(T), ErrClosed
		}
	case <-ctx.Done():
		return *new(T), ctx.Err()
	}
}
