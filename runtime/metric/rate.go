package metric

import (
	"sync"
	"time"
)

const (
	// rateWindow is the time that a rate is measured over, as far as it is read often enough.
	rateWindow = time.Minute
	// rateInterval is the time between the samples that a rate keeps.
	rateInterval = 5 * time.Second
)

// Rate is how fast a total grows: per second, over the last minute or, if it was not read for
// longer, since it was read last. It is safe for concurrent use and has no goroutine: reading takes
// the samples.
type Rate struct {
	now   func() time.Time
	total func() float64

	mu      sync.Mutex
	samples []sample // oldest first
	last    float64
}

type sample struct {
	at    time.Time
	total float64
}

// NewRate returns the rate of a total that any goroutine may ask for, measured from now on.
func NewRate(now func() time.Time, total func() float64) *Rate {
	return &Rate{now: now, total: total, samples: []sample{{now(), total()}}}
}

// PerSecond is the growth per second.
func (r *Rate) PerSecond() float64 {
	total := r.total()
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	// The newest sample is kept, however old it is, for a rate that is read seldom.
	for len(r.samples) > 1 && now.Sub(r.samples[0].at) > rateWindow {
		r.samples = r.samples[1:]
	}
	base := r.samples[0]
	if d := now.Sub(base.at); d > 0 {
		r.last = (total - base.total) / d.Seconds()
	}
	if now.Sub(r.samples[len(r.samples)-1].at) >= rateInterval {
		r.samples = append(r.samples, sample{now, total})
	}
	return r.last
}

// Rate registers total and, under the same name with PerSecond behind it, its rate.
func (g *Group) Rate(name string, now func() time.Time, total func() float64) {
	g.Gauge(name, total)
	g.Gauge(name+"PerSecond", NewRate(now, total).PerSecond)
}
