// Package metric holds the numbers by which a running cluster is observed. Names and scopes are
// Flink's. The hot path adds to atomics of its own; nothing is looked up by label there.
package metric

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// MaxMetrics bounds the metrics of one registry, so that a function that makes names out of data
// cannot fill the memory; further ones are not registered and are counted in Dropped.
const MaxMetrics = 1 << 20

// Registry holds all metrics of a process (or of a simulated one). It is safe for concurrent use.
type Registry struct {
	mu     sync.RWMutex
	gauges map[string]func() float64
	// Dropped counts metrics that were refused because of MaxMetrics.
	Dropped atomic.Int64
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry { return &Registry{gauges: map[string]func() float64{}} }

// Group is a scope in a registry: its name is a path joined by dots.
type Group struct {
	r     *Registry
	scope string
	// owned are the names registered through this group or one derived from it.
	owned *owned
}

type owned struct {
	mu    sync.Mutex
	names []string
}

// Group returns a scope.
func (r *Registry) Group(scope ...string) *Group {
	return &Group{r: r, scope: strings.Join(scope, "."), owned: &owned{}}
}

// Group returns a scope below g, which is closed with g.
func (g *Group) Group(scope ...string) *Group {
	return &Group{r: g.r, scope: g.scope + "." + strings.Join(scope, "."), owned: g.owned}
}

// Counter registers a counter.
func (g *Group) Counter(name string) *Counter {
	c := &Counter{}
	g.Gauge(name, func() float64 { return float64(c.n.Load()) })
	return c
}

// Gauge registers a function, which any goroutine may call. A later one of the same name replaces
// an earlier one.
func (g *Group) Gauge(name string, value func() float64) {
	full := g.scope + "." + name
	g.r.mu.Lock()
	if len(g.r.gauges) >= MaxMetrics {
		g.r.mu.Unlock()
		g.r.Dropped.Add(1)
		return
	}
	g.r.gauges[full] = value
	g.r.mu.Unlock()
	g.owned.mu.Lock()
	defer g.owned.mu.Unlock()
	g.owned.names = append(g.owned.names, full)
}

// Close removes the group's metrics.
func (g *Group) Close() {
	g.owned.mu.Lock()
	defer g.owned.mu.Unlock()
	g.r.mu.Lock()
	defer g.r.mu.Unlock()
	for _, n := range g.owned.names {
		delete(g.r.gauges, n)
	}
	g.owned.names = nil
}

// Value returns a metric by its full name.
func (r *Registry) Value(name string) (float64, bool) {
	r.mu.RLock()
	f, ok := r.gauges[name]
	r.mu.RUnlock()
	if !ok {
		return 0, false
	}
	return f(), true
}

// Values returns all metrics whose full name has the prefix, sorted by name.
func (r *Registry) Values(prefix string) []Value {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var vs []Value
	for _, name := range slices.Sorted(maps.Keys(r.gauges)) {
		if strings.HasPrefix(name, prefix) {
			vs = append(vs, Value{name, r.gauges[name]()})
		}
	}
	return vs
}

// Value is a metric with its value.
type Value struct {
	Name  string
	Value float64
}

// Counter counts up. It is safe for concurrent use.
type Counter struct{ n atomic.Int64 }

// Add adds n.
func (c *Counter) Add(n int64) { c.n.Add(n) }

// Value is the count.
func (c *Counter) Value() int64 { return c.n.Load() }
