// Package sim is the simulated host: one goroutine runs every actor call, task step, timer and
// piece of asynchronous work of a whole cluster, in an order that a seed decides, in simulated
// time. The same seed gives the same run, so a failure that a seed finds can be replayed.
//
// Each turn takes a little time; when nothing can run, time jumps to the next timer. (The idea is
// that of deterministic simulation testing as in FoundationDB and TigerBeetle.)
package sim

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"goflink/internal/host"
)

// World is a simulated host. All its methods, and everything it runs, belong to the goroutine that
// calls Run.
type World struct {
	rnd    *rand.Rand
	now    time.Time
	ready  []*item
	timers timerHeap
	seq    uint64
	steps  int
	// most bounds StepLimit, slowest the delay of what Go starts; 0 means not at all.
	most    int
	slowest time.Duration
	// trace is the hash of what has run so far.
	trace hash.Hash64
}

var _ host.Host = (*World)(nil)

// item is something that can run now.
type item struct {
	name string
	run  func()
}

// New returns a world whose order of events follows from the seed.
func New(seed uint64) *World {
	return &World{rnd: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), trace: fnv.New64a(),
		now: time.UnixMilli(1_700_000_000_000)}
}

// LimitSteps bounds the records of a step, so that few records make many steps.
func (w *World) LimitSteps(most int) { w.most = most }

// SlowWork makes what Go starts begin up to slowest later: a busy disk.
func (w *World) SlowWork(slowest time.Duration) { w.slowest = slowest }

// Spend lets time pass within the turn at hand: what runs takes that long, and nothing else runs
// meanwhile.
func (w *World) Spend(d time.Duration) { w.now = w.now.Add(max(0, d)) }

// Note adds an event to what Hash covers.
func (w *World) Note(event string) {
	var at [8]byte
	binary.LittleEndian.PutUint64(at[:], uint64(w.now.UnixNano()))
	w.trace.Write(at[:])
	w.trace.Write([]byte(event))
}

// Hash covers what has run so far, in which order and at which times. Two worlds of one seed that
// did the same have the same hash.
func (w *World) Hash() uint64 { return w.trace.Sum64() }

// Rand is the world's source of chance, for those who choose faults.
func (w *World) Rand() *rand.Rand { return w.rnd }

// Now is the simulated time.
func (w *World) Now() time.Time { return w.now }

// Steps is the number of things that have run.
func (w *World) Steps() int { return w.steps }

// After calls f at a later time.
func (w *World) After(d time.Duration, f func()) func() {
	w.seq++
	t := &timer{at: w.now.Add(max(0, d)), seq: w.seq, f: f}
	heap.Push(&w.timers, t)
	return func() { t.f = nil }
}

// Go runs f whole, at a later moment.
func (w *World) Go(name string, f func()) {
	if w.slowest > 0 {
		w.After(time.Duration(w.rnd.Int64N(int64(w.slowest))), func() { w.add(name, f) })
		return
	}
	w.add(name, f)
}

// StepLimit returns between 1 and n.
func (w *World) StepLimit(n int) int {
	if w.most > 0 {
		n = min(n, w.most)
	}
	if n <= 1 {
		return n
	}
	return 1 + w.rnd.IntN(n)
}

// Random returns a number that follows from the seed.
func (w *World) Random() uint64 { return w.rnd.Uint64() }

// MayBlock is false.
func (w *World) MayBlock() bool { return false }

func (w *World) add(name string, f func()) { w.ready = append(w.ready, &item{name, f}) }

// Drive steps s whenever its turn comes.
func (w *World) Drive(name string, s host.Stepper, done func()) func() {
	d := &driven{w: w, name: name, s: s, done: done}
	return d.wake
}

// driven is a stepper; it is on the ready list at most once.
type driven struct {
	w      *World
	name   string
	s      host.Stepper
	done   func()
	listed bool
	// woken says that wake was called during a step.
	woken, stepping, over bool
}

func (d *driven) wake() {
	switch {
	case d.over:
	case d.stepping:
		d.woken = true
	case !d.listed:
		d.listed = true
		d.w.add(d.name, d.step)
	}
}

func (d *driven) step() {
	d.listed, d.woken, d.stepping = false, false, true
	status := d.s.Step()
	d.stepping = false
	switch {
	case status == host.Done:
		d.over = true
		d.done()
	case status == host.Ready || d.woken:
		d.wake()
	}
}

// NewActor returns an actor whose calls run one by one, each as a turn of its own.
func (w *World) NewActor(name string) host.Actor {
	return &actor{w: w, name: name, done: make(chan struct{})}
}

type actor struct {
	w              *World
	name           string
	queue          []func()
	listed, closed bool
	done           chan struct{}
	over           bool
}

func (a *actor) Post(f func()) bool {
	if a.closed {
		return false
	}
	a.queue = append(a.queue, f)
	a.list()
	return true
}

func (a *actor) list() {
	if !a.listed {
		a.listed = true
		a.w.add(a.name, a.turn)
	}
}

func (a *actor) turn() {
	a.listed = false
	if len(a.queue) > 0 {
		f := a.queue[0]
		a.queue = a.queue[1:]
		f()
	}
	switch {
	case len(a.queue) > 0:
		a.list()
	case a.closed && !a.over:
		a.over = true
		close(a.done)
	}
}

func (a *actor) Close() {
	a.closed = true
	a.list()
}

func (a *actor) Done() <-chan struct{} { return a.done }

// Run runs the world until done holds, or nothing is left that could run, or limit things have run.
// It returns an error that says what was waiting if done does not hold at the end.
func (w *World) Run(done func() bool, limit int) error {
	for n := 0; !done(); n++ {
		if n == limit {
			return fmt.Errorf("not done after %d steps, at %s; ready: %s", n, w.now, w.names())
		}
		if len(w.ready) == 0 && !w.advance() {
			return fmt.Errorf("not done, and nothing is left to run, after %d steps, at %s", n,
				w.now)
		}
		w.due()
		if len(w.ready) > 0 {
			w.turn()
		}
	}
	return nil
}

// turn runs one of the things that are ready.
func (w *World) turn() {
	w.steps++
	w.now = w.now.Add(time.Duration(w.rnd.Int64N(int64(maxStep))))
	i := w.rnd.IntN(len(w.ready))
	it := w.ready[i]
	last := len(w.ready) - 1
	w.ready[i] = w.ready[last]
	w.ready[last] = nil
	w.ready = w.ready[:last]
	w.Note(it.name)
	it.run()
}

// maxStep bounds the time that one turn takes.
const maxStep = 50 * time.Microsecond

// next is the time of the next timer, if there is one.
func (w *World) next() (time.Time, bool) {
	for len(w.timers) > 0 && w.timers[0].f == nil {
		heap.Pop(&w.timers)
	}
	if len(w.timers) == 0 {
		return time.Time{}, false
	}
	return w.timers[0].at, true
}

// advance jumps to the next timer.
func (w *World) advance() bool {
	at, ok := w.next()
	if ok && at.After(w.now) {
		w.now = at
	}
	return ok
}

// due makes the timers ready whose time has come.
func (w *World) due() {
	for len(w.timers) > 0 && !w.timers[0].at.After(w.now) {
		t := heap.Pop(&w.timers).(*timer)
		w.add("timer", func() {
			if f := t.f; f != nil {
				f()
			}
		})
	}
}

func (w *World) names() string {
	s := ""
	for i, it := range w.ready {
		if i == 10 {
			return s + fmt.Sprintf(" and %d more", len(w.ready)-i)
		}
		s += " " + it.name
	}
	return s
}

type timer struct {
	at  time.Time
	seq uint64
	f   func()
}

// timerHeap orders timers by time, then by their making.
type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)   { *h = append(*h, x.(*timer)) }
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	*h = old[:len(old)-1]
	return t
}
