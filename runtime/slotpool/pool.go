package slotpool

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"goflink/core/config"
	"goflink/core/failure"
	"goflink/core/id"
)

// Limits of what a pool holds.
const (
	// MaxSlots is the largest number of slots, in use and free.
	MaxSlots = 1 << 20
	// MaxPending is the largest number of requests that wait.
	MaxPending = 1 << 20
)

// limits are MaxSlots and MaxPending, and less in tests.
type limits struct{ slots, pending int }

// Options are the settings of a pool.
type Options struct {
	RequestTimeout time.Duration // from a request to its timeout; must be positive
	IdleTimeout    time.Duration // for how long a slot that nobody uses is kept
	Spread         bool          // over workers, instead of filling one after another
}

// OptionsOf reads the settings from a job's configuration.
func OptionsOf(c *config.Configuration) (Options, error) {
	var o Options
	var err error
	if o.RequestTimeout, err = config.Get(c, config.SlotRequestTimeout); err != nil {
		return o, err
	}
	if o.IdleTimeout, err = config.Get(c, config.SlotIdleTimeout); err != nil {
		return o, err
	}
	if o.Spread, err = config.Get(c, config.ClusterEvenlySpreadOutSlots); err != nil {
		return o, err
	}
	mode, err := config.Get(c, config.TaskManagerLoadBalanceMode)
	if err != nil {
		return o, err
	}
	switch mode {
	case "NONE":
	case "SLOTS":
		o.Spread = true
	default:
		return o, fmt.Errorf("%s (%s) is %s, which is not offered: set it to NONE or SLOTS",
			config.TaskManagerLoadBalanceMode.Key,
			config.OriginOf(c, config.TaskManagerLoadBalanceMode), mode)
	}
	return o, nil
}

// slot is a slot of the pool.
type slot struct {
	allocation id.Allocation
	worker     *worker
	used       bool
	listed     bool      // it stands in Pool.free
	idleSince  time.Time // when it was last given back
}

// worker is a TaskManager with slots in the pool.
type worker struct {
	id    id.Worker
	order int                     // in which workers came
	slots map[id.Allocation]*slot // for lookups only: a map has no order
	list  []*slot                 // in the order of the offers
	used  int

	free []*slot // while slots are matched
}

// pending is a request that waits.
type pending struct {
	Request
	since time.Time
}

// deadline is a time at which a request or an idle slot is looked at. Deadlines are queued in the
// order of time and become void when what they are about has changed.
type deadline struct {
	at      time.Time
	request id.SlotRequest
	slot    *slot
	since   time.Time
}

// Pool is the slots of one job. See the package's comment.
type Pool struct {
	opts      Options
	limits    limits
	closed    bool
	workers   map[id.Worker]*worker
	order     []*worker // as they came
	joined    int       // workers so far
	slots     map[id.Allocation]*slot
	used      int
	free      []*slot // free ones, with others that are used or gone
	waiting   map[id.SlotRequest]*pending
	queue     []id.SlotRequest // waiting ones in order, with others that do not wait any more
	unsorted  bool             // the queue is not in order
	timeouts  []deadline       // of requests
	idle      []deadline       // of free slots
	timer     time.Time        // what SetTimer asked for; zero: nothing
	declared  int
	lastError string // of the ResourceManager, while requests wait

	out output
}

// output collects the effects of one step.
type output struct {
	before    []Effect // AcceptSlots, RejectSlots
	free      []Effect
	after     []Effect // SlotsLost, RequestsTimedOut
	allocated []Allocated
}

// New returns an empty pool.
func New(opts Options) (*Pool, error) {
	if opts.RequestTimeout <= 0 || opts.IdleTimeout < 0 {
		return nil, fmt.Errorf("slot pool: %s is %v and %s is %v; they must be positive",
			config.SlotRequestTimeout.Key, opts.RequestTimeout, config.SlotIdleTimeout.Key,
			opts.IdleTimeout)
	}
	return &Pool{
		opts:    opts,
		limits:  limits{slots: MaxSlots, pending: MaxPending},
		workers: map[id.Worker]*worker{}, slots: map[id.Allocation]*slot{},
		waiting: map[id.SlotRequest]*pending{},
	}, nil
}

// Used is the number of slots that the scheduler has.
func (p *Pool) Used() int { return p.used }

// Free is the number of slots that nobody uses.
func (p *Pool) Free() int { return len(p.slots) - p.used }

// Pending is the number of requests that wait.
func (p *Pool) Pending() int { return len(p.waiting) }

// Workers are the TaskManagers with slots in the pool, in the order in which they came.
func (p *Pool) Workers() []id.Worker {
	all := make([]id.Worker, len(p.order))
	for i, w := range p.order {
		all[i] = w.id
	}
	return all
}

// Step takes an event and returns what is to be done. An error says that the event does not fit;
// the effects that come with it are to be carried out all the same.
func (p *Pool) Step(now time.Time, ev Event) ([]Effect, error) {
	err := p.dispatch(now, ev)
	if err != nil {
		err = fmt.Errorf("slot pool: %w", err)
	}
	return p.finish(), err
}

func (p *Pool) dispatch(now time.Time, ev Event) error {
	switch ev := ev.(type) {
	case SlotsOffered:
		return p.offered(now, ev)
	case SlotsRequested:
		return p.requested(now, ev)
	case RequestsCancelled:
		for _, r := range ev.Requests {
			delete(p.waiting, r)
		}
	case SlotsReleased:
		p.released(now, ev)
	case SlotsGone:
		if w := p.workers[ev.Worker]; w != nil {
			p.lose(w, ev.Allocations, ev.Cause)
		}
	case WorkerLost:
		p.workerLost(ev)
	case ResourcesRefused:
		p.lastError = ev.Reason
	case TimerFired:
		p.timer = time.Time{}
		p.expire(now)
	case Closed:
		p.close()
	default:
		return fmt.Errorf("unknown event %T", ev)
	}
	return nil
}

// finish returns the effects of a step, with what has changed in sum.
func (p *Pool) finish() []Effect {
	o := &p.out
	all := slices.Concat(o.before, o.free)
	p.compact()
	if len(p.waiting) == 0 {
		p.lastError = "" // what was refused then says nothing about later requests
	}
	if need := p.used + len(p.waiting); need != p.declared {
		p.declared = need
		r := RequirementsChanged{}
		if need > 0 {
			r.Requirements = []Requirement{{Count: need}}
		}
		all = append(all, r)
	}
	if at := p.nextDeadline(); !at.IsZero() && (p.timer.IsZero() || at.Before(p.timer)) {
		p.timer = at
		all = append(all, SetTimer{at})
	}
	all = append(all, o.after...)
	if len(o.allocated) > 0 {
		all = append(all, SlotsAllocated{o.allocated})
	}
	*o = output{}
	return all
}

// offered takes the slots that somebody waits for.
func (p *Pool) offered(now time.Time, ev SlotsOffered) error {
	accept := AcceptSlots{Worker: ev.Worker}
	reject := RejectSlots{Worker: ev.Worker, Reason: "the job does not need the slot"}
	if p.closed {
		reject.Reason = "the job has ended"
	}
	var errs []error
	free := p.Free()
	for _, o := range ev.Offers {
		known := p.slots[o.Allocation]
		switch {
		case known != nil && known.worker.id == ev.Worker:
			accept.Allocations = append(accept.Allocations, o.Allocation)
			continue
		case known != nil:
			errs = append(errs, fmt.Errorf("slot %s was offered by worker %s, but worker %s has it",
				o.Allocation, ev.Worker, known.worker.id))
		case o.Allocation.IsZero() || ev.Worker == "":
			errs = append(errs, fmt.Errorf("worker %q offered a slot without an id", ev.Worker))
		case len(p.slots) >= p.limits.slots:
			errs = append(errs, fmt.Errorf("worker %s offered a slot beyond the limit of %d",
				ev.Worker, p.limits.slots))
		case free < len(p.waiting):
			free++
			p.add(now, ev.Worker, o)
			accept.Allocations = append(accept.Allocations, o.Allocation)
			continue
		}
		reject.Allocations = append(reject.Allocations, o.Allocation)
	}
	if len(accept.Allocations) > 0 {
		p.out.before = append(p.out.before, accept)
	}
	if len(reject.Allocations) > 0 {
		p.out.before = append(p.out.before, reject)
	}
	p.match()
	return errors.Join(errs...)
}

// add takes a slot into the pool, as a free one.
func (p *Pool) add(now time.Time, from id.Worker, o Offer) {
	w := p.workers[from]
	if w == nil {
		p.joined++
		w = &worker{id: from, order: p.joined, slots: map[id.Allocation]*slot{}}
		p.workers[from] = w
		p.order = append(p.order, w)
	}
	s := &slot{allocation: o.Allocation, worker: w, idleSince: now}
	p.slots[o.Allocation], w.slots[o.Allocation] = s, s
	w.list = append(w.list, s)
	p.list(s)
}

// list notes a slot that became free.
func (p *Pool) list(s *slot) {
	if !s.listed {
		s.listed = true
		p.free = append(p.free, s)
	}
}

// requested takes requests in.
func (p *Pool) requested(now time.Time, ev SlotsRequested) error {
	var errs []error
	for _, r := range ev.Requests {
		switch {
		case p.closed:
			errs = append(errs, fmt.Errorf("request %d came after the end of the job", r.ID))
			continue
		case r.ID <= 0:
			errs = append(errs, fmt.Errorf("request with the id %d: ids begin with 1", r.ID))
			continue
		case !r.Profile.Any():
			errs = append(errs, fmt.Errorf("request %d asks for a slot of %+v: slots of different "+
				"sizes are not offered; do not set resources of operators", r.ID, r.Profile))
			continue
		case p.waiting[r.ID] != nil:
			errs = append(errs, fmt.Errorf("request %d came twice", r.ID))
			continue
		case len(p.waiting) >= p.limits.pending:
			errs = append(errs, fmt.Errorf("request %d is beyond the limit of %d", r.ID,
				p.limits.pending))
			continue
		}
		p.waiting[r.ID] = &pending{Request: r, since: now}
		if n := len(p.queue); n > 0 && p.queue[n-1] >= r.ID {
			p.unsorted = true
		}
		p.queue = append(p.queue, r.ID)
		p.timeouts = append(p.timeouts, deadline{
			at: now.Add(p.opts.RequestTimeout), request: r.ID, since: now,
		})
	}
	p.match()
	return errors.Join(errs...)
}

// released makes slots free.
func (p *Pool) released(now time.Time, ev SlotsReleased) {
	for _, a := range ev.Allocations {
		s := p.slots[a]
		if s == nil || !s.used {
			continue
		}
		s.used, s.idleSince = false, now
		s.worker.used--
		p.used--
		p.list(s)
		p.idle = append(p.idle, deadline{
			at: now.Add(p.opts.IdleTimeout), slot: s, since: now,
		})
	}
	p.match()
}

// remove takes a slot out of the pool, and its worker with the last one.
func (p *Pool) remove(s *slot) {
	w := s.worker
	if s.used {
		w.used--
		p.used--
	}
	delete(p.slots, s.allocation)
	delete(w.slots, s.allocation)
	w.list = slices.DeleteFunc(w.list, func(o *slot) bool { return o == s })
	if len(w.list) == 0 {
		p.forget(w)
	}
}

// lose takes slots out of the pool that are gone, and tells the scheduler of those that it used.
func (p *Pool) lose(w *worker, allocations []id.Allocation, cause failure.Info) {
	lost := SlotsLost{Cause: cause}
	for _, a := range allocations {
		s := w.slots[a]
		if s == nil {
			continue
		}
		if s.used {
			lost.Allocations = append(lost.Allocations, a)
		}
		p.remove(s)
	}
	if len(lost.Allocations) > 0 {
		p.out.after = append(p.out.after, lost)
	}
}

func (p *Pool) workerLost(ev WorkerLost) {
	w := p.workers[ev.Worker]
	if w == nil {
		return
	}
	lost := SlotsLost{Cause: ev.Cause}
	if lost.Cause.Message == "" {
		lost.Cause.Message = fmt.Sprintf("TaskManager %s was lost", ev.Worker)
	}
	for _, s := range w.list {
		if s.used {
			lost.Allocations = append(lost.Allocations, s.allocation)
		}
		delete(p.slots, s.allocation)
	}
	p.used -= w.used
	p.forget(w)
	if len(lost.Allocations) > 0 {
		p.out.after = append(p.out.after, lost)
	}
}

// forget takes a worker out of the pool.
func (p *Pool) forget(w *worker) {
	delete(p.workers, w.id)
	p.order = slices.DeleteFunc(p.order, func(o *worker) bool { return o == w })
}

// expire reports requests and gives slots back whose times are over.
func (p *Pool) expire(now time.Time) {
	out := RequestsTimedOut{}
	for p.nextTimeout(); len(p.timeouts) > 0 && !now.Before(p.timeouts[0].at); p.nextTimeout() {
		d := p.timeouts[0]
		if len(out.Requests) == 0 {
			out.Since = d.since
		}
		out.Requests = append(out.Requests, d.request)
		delete(p.waiting, d.request)
	}
	if len(out.Requests) > 0 {
		slices.Sort(out.Requests)
		out.Cause = p.timeoutCause(len(out.Requests))
		p.out.after = append(p.out.after, out)
	}
	free := FreeSlots{Reason: "the job has not used the slot for " + config.SlotIdleTimeout.Key}
	for p.nextIdle(); len(p.idle) > 0 && !now.Before(p.idle[0].at); p.nextIdle() {
		s := p.idle[0].slot
		if s.worker.id != free.Worker && len(free.Allocations) > 0 {
			p.out.free = append(p.out.free, free)
			free.Allocations = nil
		}
		free.Worker = s.worker.id
		free.Allocations = append(free.Allocations, s.allocation)
		p.remove(s) // makes all of its deadlines void: a slot may have several of one time
	}
	if len(free.Allocations) > 0 {
		p.out.free = append(p.out.free, free)
	}
}

// timeoutCause is the failure that follows from requests that were not met.
func (p *Pool) timeoutCause(count int) failure.Info {
	text := fmt.Sprintf("%d slot requests were not met within %s = %v", count,
		config.SlotRequestTimeout.Key, p.opts.RequestTimeout)
	if p.lastError != "" {
		text += "; the ResourceManager says: " + p.lastError
	}
	return failure.Info{
		Message: text, Class: failure.Retryable, Domain: failure.External,
		Kind: "slotpool.RequestsTimedOut",
	}
}

// close returns all slots and forgets all requests.
func (p *Pool) close() {
	p.closed = true
	for _, w := range p.order {
		f := FreeSlots{Worker: w.id, Reason: "the job has ended"}
		for _, s := range w.list {
			f.Allocations = append(f.Allocations, s.allocation)
		}
		p.out.free = append(p.out.free, f)
	}
	clear(p.waiting)
	clear(p.slots)
	clear(p.workers)
	p.used, p.order, p.free, p.queue, p.timeouts, p.idle = 0, nil, nil, nil, nil, nil
}

// slack is how many void entries a queue may hold beyond as many as there are live ones.
const slack = 64

// compact drops void entries where they are the most part of a queue, so that requests that come
// and go leave nothing behind.
func (p *Pool) compact() {
	if len(p.queue) > 2*len(p.waiting)+slack {
		p.queue = slices.DeleteFunc(p.queue, func(r id.SlotRequest) bool {
			return p.waiting[r] == nil
		})
	}
	if len(p.timeouts) > 2*len(p.waiting)+slack {
		p.timeouts = slices.DeleteFunc(p.timeouts, func(d deadline) bool { return !p.awaited(d) })
	}
	if len(p.idle) > 2*p.Free()+slack {
		p.idle = slices.DeleteFunc(p.idle, func(d deadline) bool { return !p.isIdle(d) })
	}
	if len(p.free) > 2*p.Free()+slack {
		p.free = slices.DeleteFunc(p.free, p.unlist)
	}
}

// unlist tells whether a slot of the list of free ones is free no more, and notes that it is
// dropped.
func (p *Pool) unlist(s *slot) bool {
	if !s.used && p.slots[s.allocation] == s {
		return false
	}
	s.listed = false
	return true
}

// awaited tells whether the request of a deadline still waits since the same time.
func (p *Pool) awaited(d deadline) bool {
	w := p.waiting[d.request]
	return w != nil && w.since.Equal(d.since)
}

// isIdle tells whether the slot of a deadline is still free since the same time.
func (p *Pool) isIdle(d deadline) bool {
	return !d.slot.used && d.slot.idleSince.Equal(d.since) && p.slots[d.slot.allocation] == d.slot
}

// nextTimeout drops deadlines of requests that do not wait any more, or wait anew.
func (p *Pool) nextTimeout() {
	for len(p.timeouts) > 0 && !p.awaited(p.timeouts[0]) {
		p.timeouts = p.timeouts[1:]
	}
}

// nextIdle drops deadlines of slots that are used, gone, or free since another time.
func (p *Pool) nextIdle() {
	for len(p.idle) > 0 && !p.isIdle(p.idle[0]) {
		p.idle = p.idle[1:]
	}
}

// nextDeadline is the next time at which something expires; zero if nothing does.
func (p *Pool) nextDeadline() time.Time {
	p.nextTimeout()
	p.nextIdle()
	var at time.Time
	if len(p.timeouts) > 0 {
		at = p.timeouts[0].at
	}
	if len(p.idle) > 0 && (at.IsZero() || p.idle[0].at.Before(at)) {
		at = p.idle[0].at
	}
	return at
}
