package metric

import (
	"math"
	"slices"
	"sync"
)

// Histogram describes the latest values of something. It is safe for concurrent use.
type Histogram struct {
	mu     sync.Mutex
	values []float64
	next   int
}

// quantiles are those that a histogram shows, under the names that Flink's REST interface gives
// them.
var quantiles = map[string]float64{"median": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p98": 0.98,
	"p99": 0.99, "p999": 0.999}

// Histogram registers a histogram of the latest size values; its numbers have the names name_min,
// name_max, name_mean, name_median and name_p75 to name_p999. They are 0 as long as there is no
// value.
func (g *Group) Histogram(name string, size int) *Histogram {
	h := &Histogram{values: make([]float64, 0, max(1, size))}
	over := func(suffix string, f func(sorted []float64) float64) {
		g.Gauge(name+"_"+suffix, func() float64 { return h.of(f) })
	}
	over("min", func(sorted []float64) float64 { return sorted[0] })
	over("max", func(sorted []float64) float64 { return sorted[len(sorted)-1] })
	over("mean", func(sorted []float64) float64 {
		sum := 0.0
		for _, v := range sorted {
			sum += v
		}
		return sum / float64(len(sorted))
	})
	for suffix, q := range quantiles {
		over(suffix, func(sorted []float64) float64 {
			at := int(math.Ceil(q*float64(len(sorted)))) - 1
			return sorted[max(0, at)]
		})
	}
	return h
}

// Add adds a value; of more than the histogram's size the oldest goes.
func (h *Histogram) Add(v float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.values) < cap(h.values) {
		h.values = append(h.values, v)
		return
	}
	h.values[h.next] = v
	h.next = (h.next + 1) % len(h.values)
}

// of computes a number of the values, sorted.
func (h *Histogram) of(f func(sorted []float64) float64) float64 {
	h.mu.Lock()
	sorted := slices.Clone(h.values)
	h.mu.Unlock()
	if len(sorted) == 0 {
		return 0
	}
	slices.Sort(sorted)
	return f(sorted)
}
