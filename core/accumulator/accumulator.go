// Package accumulator holds values to which all subtasks of a job contribute and which the job's
// result returns: counters, sums, extremes, lists, histograms. Each subtask has a share of its own;
// shares of one name are merged on the JobMaster.
package accumulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// MaxEncodedBytes bounds the encoded share of one subtask.
const MaxEncodedBytes = 1 << 20

// Accumulator is one subtask's share. Its methods may be called by several goroutines.
type Accumulator interface {
	// Kind names how shares merge; shares of one name must be of one kind.
	Kind() string
	// Encode writes the share as JSON.
	Encode() ([]byte, error)
}

// Share is an encoded accumulator on its way to the JobMaster.
type Share struct {
	Name, Kind string
	Value      json.RawMessage
}

// Number is the sum, or the extreme, of numbers.
type Number[N int64 | float64] struct {
	kind  string
	join  func(a, b N) N
	mu    sync.Mutex
	value N
	set   bool
}

func newNumber[N int64 | float64](kind string, join func(a, b N) N) *Number[N] {
	return &Number[N]{kind: kind, join: join}
}

// NewCounter returns an accumulator that sums int64.
func NewCounter() *Number[int64] { return newNumber("long-sum", add[int64]) }

// NewSum returns an accumulator that sums float64.
func NewSum() *Number[float64] { return newNumber("double-sum", add[float64]) }

// NewMin returns an accumulator that keeps the smallest float64.
func NewMin() *Number[float64] { return newNumber("double-min", minOf) }

// NewMax returns an accumulator that keeps the largest float64.
func NewMax() *Number[float64] { return newNumber("double-max", maxOf) }

func add[N int64 | float64](a, b N) N { return a + b }
func minOf(a, b float64) float64      { return min(a, b) }
func maxOf(a, b float64) float64      { return max(a, b) }

// Add contributes n.
func (a *Number[N]) Add(n N) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.set {
		a.value, a.set = n, true
		return
	}
	a.value = a.join(a.value, n)
}

// Value is the share so far.
func (a *Number[N]) Value() N {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.value
}

// Kind names how shares merge.
func (a *Number[N]) Kind() string { return a.kind }

// Encode writes the share as JSON.
func (a *Number[N]) Encode() ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.set {
		return []byte("null"), nil
	}
	return json.Marshal(a.value)
}

// List collects strings; MaxEncodedBytes bounds it.
type List struct {
	mu     sync.Mutex
	values []string
}

// NewList returns an accumulator that collects strings.
func NewList() *List { return &List{} }

// Add contributes s.
func (a *List) Add(s string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.values = append(a.values, s)
}

// Kind names how shares merge.
func (a *List) Kind() string { return "list" }

// Encode writes the share as JSON.
func (a *List) Encode() ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return json.Marshal(a.values)
}

// Histogram counts how often each number was added.
type Histogram struct {
	mu     sync.Mutex
	counts map[int64]int64
}

// NewHistogram returns an accumulator that counts numbers.
func NewHistogram() *Histogram { return &Histogram{counts: map[int64]int64{}} }

// Add counts n once.
func (a *Histogram) Add(n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts[n]++
}

// Kind names how shares merge.
func (a *Histogram) Kind() string { return "histogram" }

// Encode writes the share as JSON.
func (a *Histogram) Encode() ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return json.Marshal(a.counts)
}

// Registry holds the accumulators of one subtask. It is safe for concurrent use.
type Registry struct {
	mu    sync.Mutex
	named map[string]Accumulator
}

// Add registers a under name.
func (r *Registry) Add(name string, a Accumulator) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.named == nil {
		r.named = map[string]Accumulator{}
	}
	if _, taken := r.named[name]; taken {
		return fmt.Errorf("accumulator %q is already registered in this subtask", name)
	}
	r.named[name] = a
	return nil
}

// Shares encodes all accumulators, sorted by name.
func (r *Registry) Shares() ([]Share, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	shares := make([]Share, 0, len(r.named))
	for _, name := range slices.Sorted(maps.Keys(r.named)) {
		b, err := r.named[name].Encode()
		if err != nil {
			return nil, fmt.Errorf("accumulator %q: %w", name, err)
		}
		if len(b) > MaxEncodedBytes {
			return nil, fmt.Errorf("accumulator %q has %d bytes, at most %d are allowed",
				name, len(b), MaxEncodedBytes)
		}
		shares = append(shares, Share{Name: name, Kind: r.named[name].Kind(), Value: b})
	}
	return shares, nil
}

// Merge joins shares of all subtasks into one value per name: int64, float64, []string or
// map[int64]int64, by kind. A number to which no subtask added anything is left out.
func Merge(shares []Share) (map[string]any, error) {
	kinds, merged := map[string]string{}, map[string]any{}
	for _, s := range shares {
		if k, seen := kinds[s.Name]; seen && k != s.Kind {
			return nil, fmt.Errorf("accumulator %q is a %s in one subtask and a %s in another",
				s.Name, k, s.Kind)
		}
		kinds[s.Name] = s.Kind
		m, ok := mergers[s.Kind]
		if !ok {
			return nil, fmt.Errorf("accumulator %q has the unknown kind %q", s.Name, s.Kind)
		}
		v, err := m(merged[s.Name], s.Value)
		if err != nil {
			return nil, fmt.Errorf("accumulator %q: %w", s.Name, err)
		}
		if v != nil {
			merged[s.Name] = v
		}
	}
	return merged, nil
}

var mergers = map[string]func(have any, share []byte) (any, error){
	"long-sum":   mergeNumber(add[int64]),
	"double-sum": mergeNumber(add[float64]),
	"double-min": mergeNumber(minOf),
	"double-max": mergeNumber(maxOf),
	"list": func(have any, share []byte) (any, error) {
		var v []string
		err := json.Unmarshal(share, &v)
		l, _ := have.([]string)
		return append(l, v...), err
	},
	"histogram": func(have any, share []byte) (any, error) {
		var v map[int64]int64
		err := json.Unmarshal(share, &v)
		h, ok := have.(map[int64]int64)
		if !ok {
			h = map[int64]int64{}
		}
		for k, n := range v {
			h[k] += n
		}
		return h, err
	},
}

func mergeNumber[N int64 | float64](join func(a, b N) N) func(any, []byte) (any, error) {
	return func(have any, share []byte) (any, error) {
		var v *N
		if err := json.Unmarshal(share, &v); err != nil {
			return have, err
		}
		h, ok := have.(N)
		switch {
		case v == nil:
			return have, nil
		case !ok:
			return *v, nil
		}
		return join(h, *v), nil
	}
}
