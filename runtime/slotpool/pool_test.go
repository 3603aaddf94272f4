package slotpool

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/internal/testkit"
)

// model is a pool as one would write it without thinking of speed: lists that are searched.
type model struct {
	t       *testing.T
	pool    *Pool
	now     time.Time
	offered map[id.Allocation]id.Worker // held by workers, for the job or not
	used    map[id.Allocation]id.SlotRequest
	free    map[id.Allocation]time.Time // since
	waiting map[id.SlotRequest]time.Time
	timer   time.Time
	need    int
	log     []string
}

// step feeds the pool and verifies each effect against the model. It says, in words:
//
//   - a slot is given only while it is free, and to a request only while it waits;
//   - requests are served by age: none waits while a younger one is served;
//   - afterwards there is no free slot, or no request that waits;
//   - what is declared is what is used and requested;
//   - something that has to expire has a timer at its time or before.
func (m *model) step(ev Event) {
	m.t.Helper()
	m.log = append(m.log, fmt.Sprintf("%v %T%+v", m.now.Unix(), ev, ev))
	switch ev := ev.(type) {
	case SlotsRequested:
		for _, r := range ev.Requests {
			m.waiting[r.ID] = m.now
		}
	case RequestsCancelled:
		for _, r := range ev.Requests {
			delete(m.waiting, r)
		}
	case SlotsReleased:
		for _, a := range ev.Allocations {
			delete(m.used, a)
			m.free[a] = m.now
		}
	}
	effects, err := m.pool.Step(m.now, ev)
	if err != nil {
		m.fail("%v", err)
	}
	for _, e := range effects {
		m.log = append(m.log, fmt.Sprintf("  %T%+v", e, e))
		m.apply(e)
	}
	m.check(ev)
	m.checkOrder(effects)
}

// checkOrder verifies that what the scheduler is told comes after what others are told.
func (m *model) checkOrder(effects []Effect) {
	m.t.Helper()
	told := false
	for _, e := range effects {
		switch e.(type) {
		case SlotsLost, RequestsTimedOut, SlotsAllocated:
			told = true
		default:
			if told {
				m.fail("%T comes after what the scheduler is told", e)
			}
		}
	}
}

func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("%s\n%s", strings.Join(m.log[max(0, len(m.log)-40):], "\n"),
		fmt.Sprintf(format, args...))
}

func (m *model) apply(e Effect) {
	m.t.Helper()
	switch e := e.(type) {
	case AcceptSlots:
		for _, a := range e.Allocations {
			if _, has := m.used[a]; !has {
				if _, has := m.free[a]; !has {
					m.free[a] = m.now
				}
			}
		}
	case RejectSlots:
		for _, a := range e.Allocations {
			delete(m.offered, a)
		}
	case FreeSlots:
		for _, a := range e.Allocations {
			since, has := m.free[a]
			if !has || m.now.Sub(since) < m.pool.opts.IdleTimeout {
				m.fail("slot %v was freed; free since %v", a, since)
			}
			delete(m.free, a)
			delete(m.offered, a)
		}
	case SlotsLost:
		for _, a := range e.Allocations {
			if _, has := m.used[a]; !has {
				m.fail("slot %v was lost that is not used", a)
			}
			delete(m.used, a)
		}
	case RequestsTimedOut:
		for _, r := range e.Requests {
			since, has := m.waiting[r]
			if !has || m.now.Sub(since) < m.pool.opts.RequestTimeout {
				m.fail("request %d timed out; waiting since %v", r, since)
			}
			delete(m.waiting, r)
		}
	case SlotsAllocated:
		for _, a := range e.Slots {
			_, free := m.free[a.Allocation]
			_, waits := m.waiting[a.Request]
			if !free || !waits || m.offered[a.Allocation] != a.Worker {
				m.fail("%+v: free %v, waits %v, of %v", a, free, waits, m.offered[a.Allocation])
			}
			delete(m.free, a.Allocation)
			delete(m.waiting, a.Request)
			m.used[a.Allocation] = a.Request
		}
		for r := range m.waiting {
			if r < e.Slots[len(e.Slots)-1].Request {
				m.fail("request %d waits, younger ones were met", r)
			}
		}
	case RequirementsChanged:
		m.need = 0
		for _, r := range e.Requirements {
			m.need += r.Count
		}
	case SetTimer:
		m.timer = e.At
	}
}

func (m *model) check(ev Event) {
	m.t.Helper()
	if _, lost := ev.(WorkerLost); lost {
		for a := range m.free {
			if m.pool.slots[a] == nil {
				delete(m.free, a)
			}
		}
	}
	if m.pool.Used() != len(m.used) || m.pool.Free() != len(m.free) ||
		m.pool.Pending() != len(m.waiting) {
		m.fail("used %d, free %d, requested %d; want %d, %d, %d", m.pool.Used(), m.pool.Free(),
			m.pool.Pending(), len(m.used), len(m.free), len(m.waiting))
	}
	if len(m.free) > 0 && len(m.waiting) > 0 {
		m.fail("%d slots are free while %d requests wait", len(m.free), len(m.waiting))
	}
	if m.need != len(m.used)+len(m.waiting) {
		m.fail("declared are %d, used %d and requested %d", m.need, len(m.used), len(m.waiting))
	}
	var next time.Time
	for _, since := range m.waiting {
		if at := since.Add(m.pool.opts.RequestTimeout); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	for _, since := range m.free {
		if at := since.Add(m.pool.opts.IdleTimeout); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if !next.IsZero() && (m.timer.IsZero() || m.timer.After(next)) {
		m.fail("something expires at %v, the timer is set to %v", next, m.timer)
	}
	if len(m.pool.queue) > 2*len(m.waiting)+slack+1 ||
		len(m.pool.timeouts) > 2*len(m.waiting)+slack+1 ||
		len(m.pool.idle) > 2*len(m.free)+slack+1 || len(m.pool.free) > 2*len(m.free)+slack+1 {
		m.fail("queues hold %d, %d, %d, %d entries", len(m.pool.queue), len(m.pool.timeouts),
			len(m.pool.idle), len(m.pool.free))
	}
}

// keys returns the keys of a map in order, so that a seed decides a run.
func keys[K comparable, V any](m map[K]V, text func(K) string) []K {
	var all []K
	for k := range m {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b K) int { return strings.Compare(text(a), text(b)) })
	return all
}

// TestRandomEvents runs random events against the model (R139).
func TestRandomEvents(t *testing.T) {
	testkit.EachSeed(t, testkit.Scaled(100), func(t *testing.T, seed uint64) {
		r := testkit.Source(seed)
		p, err := New(Options{
			RequestTimeout: time.Minute, IdleTimeout: 20 * time.Second, Spread: r.IntN(2) == 0,
		})
		if err != nil {
			t.Fatal(err)
		}
		m := &model{
			t: t, pool: p, now: time.Unix(1000, 0), offered: map[id.Allocation]id.Worker{},
			used: map[id.Allocation]id.SlotRequest{}, free: map[id.Allocation]time.Time{},
			waiting: map[id.SlotRequest]time.Time{},
		}
		slots, requests := 0, 0
		var timedOut []id.SlotRequest
		for range 1000 {
			switch n := r.IntN(100); {
			case n < 25:
				ev := SlotsOffered{Worker: id.Worker(fmt.Sprint("w", r.IntN(6)))}
				for range 1 + r.IntN(3) {
					slots++
					a := id.Allocation{0: byte(slots >> 8), 1: byte(slots), 15: 1}
					m.offered[a] = ev.Worker
					ev.Offers = append(ev.Offers, Offer{Allocation: a})
				}
				m.step(ev)
			case n < 55:
				ev := SlotsRequested{}
				for range 1 + r.IntN(4) {
					requests++
					ev.Requests = append(ev.Requests, Request{
						ID:             id.SlotRequest(requests),
						Previous:       id.Allocation{0: 0, 1: byte(r.IntN(slots + 1)), 15: 1},
						PreviousWorker: id.Worker(fmt.Sprint("w", r.IntN(8))),
					})
				}
				m.step(ev)
			case n < 60 && len(timedOut) > 0:
				old := timedOut[r.IntN(len(timedOut))]
				if _, waits := m.waiting[old]; !waits {
					m.step(SlotsRequested{Requests: []Request{{ID: old}}})
				}
				timedOut = nil
			case n < 65:
				if w := keys(m.waiting, text); len(w) > 0 {
					c := w[r.IntN(len(w))]
					timedOut = append(timedOut, c)
					m.step(RequestsCancelled{Requests: []id.SlotRequest{c}})
				}
			case n < 85:
				if u := keys(m.used, text); len(u) > 0 {
					m.step(SlotsReleased{Allocations: u[:1+r.IntN(len(u))]})
				}
			case n < 88:
				m.step(WorkerLost{Worker: id.Worker(fmt.Sprint("w", r.IntN(6)))})
			default:
				m.now = m.now.Add(time.Duration(r.IntN(20)) * time.Second)
				before := keys(m.waiting, text)
				m.timer = time.Time{}
				m.step(TimerFired{})
				for _, b := range before {
					if _, waits := m.waiting[b]; !waits {
						timedOut = append(timedOut, b)
					}
				}
			}
		}
	})
}

func text[K any](k K) string { return fmt.Sprint(k) }

// Requests that come and go, and slots that are taken and given back, leave nothing behind in the
// pool's queues, also while one old request keeps their heads in place.
func TestQueuesStaySmall(t *testing.T) {
	p, err := New(Options{RequestTimeout: time.Hour, IdleTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1000, 0)
	step := func(ev Event) {
		t.Helper()
		if _, err := p.Step(now, ev); err != nil {
			t.Fatal(err)
		}
	}
	step(SlotsRequested{Requests: []Request{{ID: 1}, {ID: 2}}})
	step(SlotsOffered{Worker: "w", Offers: []Offer{{Allocation: id.Allocation{1}}}})
	for i := range 10000 {
		r := id.SlotRequest(3 + i)
		step(SlotsRequested{Requests: []Request{{ID: r}}})
		step(RequestsCancelled{Requests: []id.SlotRequest{r}})
	}
	if n := len(p.queue) + len(p.timeouts); n > 2*(2+slack)+4 {
		t.Errorf("the queues hold %d entries for one request", n)
	}
	step(RequestsCancelled{Requests: []id.SlotRequest{2}})
	for i := range 10000 {
		step(SlotsReleased{Allocations: []id.Allocation{{1}}})
		step(SlotsRequested{Requests: []Request{{ID: id.SlotRequest(20000 + i)}}})
	}
	if n := len(p.idle) + len(p.free); n > 2*(2+slack)+4 || p.Used() != 1 {
		t.Errorf("the lists hold %d entries for one slot; %d are used", n, p.Used())
	}
}

// What does not fit into the limits is refused, and what does is not.
func TestLimits(t *testing.T) {
	p, err := New(Options{RequestTimeout: time.Hour, IdleTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if p.limits != (limits{slots: MaxSlots, pending: MaxPending}) {
		t.Errorf("the limits are %+v", p.limits)
	}
	p.limits = limits{slots: 2, pending: 3}
	request := func(ids ...id.SlotRequest) error {
		ev := SlotsRequested{}
		for _, r := range ids {
			ev.Requests = append(ev.Requests, Request{ID: r})
		}
		_, err := p.Step(time.Unix(1, 0), ev)
		return err
	}
	if err := request(1, 2, 3); err != nil {
		t.Error(err)
	}
	err = request(4)
	if err == nil || !strings.Contains(err.Error(), "request 4 is beyond the limit of 3") {
		t.Errorf("error %v", err)
	}
	effects, err := p.Step(time.Unix(1, 0), SlotsOffered{Worker: "w", Offers: []Offer{
		{Allocation: id.Allocation{1}}, {Allocation: id.Allocation{2}},
		{Allocation: id.Allocation{3}},
	}})
	if err == nil || !strings.Contains(err.Error(), "a slot beyond the limit of 2") {
		t.Errorf("error %v", err)
	}
	if p.Used() != 2 || p.Pending() != 1 {
		t.Errorf("used %d, requested %d after %+v", p.Used(), p.Pending(), effects)
	}
}

// Settings come from the keys that Flink has for them.
func TestOptionsOf(t *testing.T) {
	c := config.New()
	o, err := OptionsOf(c)
	want := Options{RequestTimeout: 5 * time.Minute, IdleTimeout: 50 * time.Second}
	if err != nil || o != want {
		t.Errorf("defaults are %+v, %v", o, err)
	}
	c.Set("slot.request.timeout", "10 s", "test")
	c.Set("slot.idle.timeout", "0 s", "test")
	c.Set("taskmanager.load-balance.mode", "SLOTS", "test")
	if o, err = OptionsOf(c); err != nil || o != (Options{RequestTimeout: 10 * time.Second,
		Spread: true}) {
		t.Errorf("settings are %+v, %v", o, err)
	}
	c.Set("taskmanager.load-balance.mode", "TASKS", "file x:3")
	if _, err = OptionsOf(c); err == nil ||
		!strings.Contains(err.Error(), "taskmanager.load-balance.mode (file x:3) is TASKS") {
		t.Errorf("error %v", err)
	}
}

// BenchmarkOffers meets 4,000 requests from 1,000 workers that offer their slots one by one, and
// takes all back.
func BenchmarkOffers(b *testing.B) {
	for _, spread := range []bool{false, true} {
		b.Run(fmt.Sprint("spread=", spread), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, err := New(Options{RequestTimeout: time.Hour, Spread: spread})
				if err != nil {
					b.Fatal(err)
				}
				requests := SlotsRequested{Requests: make([]Request, 4000)}
				for i := range requests.Requests {
					requests.Requests[i].ID = id.SlotRequest(i + 1)
				}
				events := []Event{requests}
				for i := range 4000 {
					events = append(events, SlotsOffered{
						Worker: id.Worker(fmt.Sprint("w", i%1000)),
						Offers: []Offer{{Allocation: id.Allocation{byte(i >> 8), byte(i), 1}}},
					})
				}
				for i := range 4000 {
					events = append(events, SlotsReleased{
						Allocations: []id.Allocation{{byte(i >> 8), byte(i), 1}},
					})
				}
				for _, ev := range events {
					if _, err := p.Step(time.Unix(1, 0), ev); err != nil {
						b.Fatal(err)
					}
				}
				if p.Free() != 4000 {
					b.Fatal(p.Free())
				}
			}
		})
	}
}
