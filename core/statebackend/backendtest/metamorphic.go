package backendtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/internal/testkit"
)

// modelKey is a key in a namespace.
type modelKey struct{ key, ns string }

// model is what the states must hold: plain Go values.
type model struct {
	values map[modelKey]int64
	lists  map[modelKey][]string
	sums   map[modelKey]int64
	seen   map[modelKey][]int64 // what the mean is of
	rules  map[modelKey]map[string]int64
	timers map[string]bool
}

func newModel() *model {
	return &model{map[modelKey]int64{}, map[modelKey][]string{}, map[modelKey]int64{},
		map[modelKey][]int64{}, map[modelKey]map[string]int64{}, map[string]bool{}}
}

// clone copies the model.
func (m *model) clone() *model {
	c := newModel()
	for k, v := range m.values {
		c.values[k] = v
	}
	for k, v := range m.lists {
		c.lists[k] = slices.Clone(v)
	}
	for k, v := range m.sums {
		c.sums[k] = v
	}
	for k, v := range m.seen {
		c.seen[k] = slices.Clone(v)
	}
	for k, rules := range m.rules {
		c.rules[k] = map[string]int64{}
		for r, v := range rules {
			c.rules[k][r] = v
		}
	}
	for k := range m.timers {
		c.timers[k] = true
	}
	return c
}

// contents is what the model has for a key, as the states would show it.
func (m *model) contents(k modelKey) (c contents) {
	c.value, c.hasVal = m.values[k]
	c.list = m.lists[k]
	c.sum, c.hasSum = m.sums[k]
	if seen := m.seen[k]; len(seen) > 0 {
		c.hasAvg = true
		sum := int64(0)
		for _, v := range seen {
			sum += v
		}
		c.mean = float64(sum) / float64(len(seen))
	}
	c.rules = m.rules[k]
	return c
}

// random runs random operations on a job and its model.
type random struct {
	*model
	t      *testing.T
	r      *rand.Rand
	j      *job
	keys   []string
	spaces []string
}

// testMetamorphic: random operations on all kinds of state do what they do on plain Go values;
// now and then the job is thrown away and restored, at another parallelism, from a snapshot that
// may be older than the latest change.
func testMetamorphic(t *testing.T, s Suite) {
	testkit.EachSeed(t, 8, func(t *testing.T, seed uint64) {
		r := testkit.Source(seed)
		x := &random{model: newModel(), t: t, r: r, j: s.newJob(t, 1+r.IntN(4)),
			spaces: []string{"", "w", "a longer namespace"}}
		for i := range 25 {
			x.keys = append(x.keys, keyName(i))
		}
		if r.IntN(4) == 0 {
			x.j.options.CheckMutation = true
			must(t, x.j.open(len(x.j.subs), nil))
		}
		for range testkit.Scaled(40) {
			for range r.IntN(150) {
				x.step()
			}
			x.checkpoint()
		}
		x.compare()
	})
}

// step does one random operation.
func (x *random) step() {
	id := modelKey{x.keys[x.r.IntN(len(x.keys))], x.spaces[x.r.IntN(len(x.spaces))]}
	k := x.j.kindsAt(id.key, state.TTL{})
	k.value.SetNamespace([]byte(id.ns))
	n := x.r.Int64N(1000)
	rule := fmt.Sprint("r", n%30)
	switch x.r.IntN(16) {
	case 0, 1:
		must(x.t, k.value.Put(n))
		x.values[id] = n
	case 2:
		must(x.t, k.value.Clear())
		delete(x.values, id)
	case 3, 4:
		must(x.t, k.list.Add(rule))
		x.lists[id] = append(x.lists[id], rule)
	case 5:
		must(x.t, k.list.Put([]string{rule, ""}))
		x.lists[id] = []string{rule, ""}
	case 6:
		must(x.t, k.sum.Add(n))
		x.sums[id] += n
	case 7, 8:
		must(x.t, k.mean.Add(n))
		x.seen[id] = append(x.seen[id], n)
	case 9, 10, 11:
		must(x.t, k.rules.Put(rule, n))
		if x.rules[id] == nil {
			x.rules[id] = map[string]int64{}
		}
		x.rules[id][rule] = n
	case 12:
		must(x.t, k.rules.Remove(rule))
		delete(x.rules[id], rule)
	case 13:
		must(x.t, k.timer.Add(n, []byte(id.ns)))
		x.timers[timerName(n, id.key, id.ns)] = true
	case 14:
		x.clearOrMerge(id, k)
	case 15:
		if got, want := k.read(x.t), x.contents(id); !got.equal(want) {
			x.t.Fatalf("%q holds %v, want %v", id, got, want)
		}
	}
}

func timerName(time int64, key, ns string) string { return fmt.Sprintf("%d %q %q", time, key, ns) }

// clearOrMerge empties all states, merges a namespace into another or fires timers.
func (x *random) clearOrMerge(id modelKey, k kinds) {
	switch x.r.IntN(3) {
	case 0:
		k.clear(x.t)
		delete(x.values, id)
		delete(x.lists, id)
		delete(x.sums, id)
		delete(x.seen, id)
		delete(x.rules, id)
	case 1:
		to := modelKey{id.key, x.spaces[x.r.IntN(len(x.spaces))]}
		for _, m := range []state.Merging{k.list, k.sum, k.mean} {
			must(x.t, m.MergeNamespaces([]byte(to.ns), [][]byte{[]byte(id.ns)}))
		}
		if to == id {
			return
		}
		if v, ok := x.sums[id]; ok {
			x.sums[to] += v
		}
		x.lists[to] = append(x.lists[to], x.lists[id]...)
		x.seen[to] = append(x.seen[to], x.seen[id]...)
		delete(x.lists, id)
		delete(x.sums, id)
		delete(x.seen, id)
	case 2:
		limit := x.r.Int64N(300)
		for _, sub := range x.j.subs {
			q := opened[statebackend.TimerQueue](x.t)(sub.Timers("timers"))
			must(x.t, q.PopUntil(limit, func(tm statebackend.Timer) error {
				name := timerName(tm.Time, string(tm.Key), string(tm.Namespace))
				if tm.Time > limit || !x.timers[name] {
					return fmt.Errorf("timer %s fired at %d", name, limit)
				}
				delete(x.timers, name)
				return nil
			}))
		}
		for name := range x.timers {
			var time int64
			if _, err := fmt.Sscan(strings.Fields(name)[0], &time); err != nil || time <= limit {
				x.t.Fatalf("timer %s did not fire at %d: %v", name, limit, err)
			}
		}
	}
}

// checkpoint takes a snapshot, goes on for a while, writes it, and perhaps restores it.
func (x *random) checkpoint() {
	then := x.clone()
	pending := x.j.freeze()
	for range x.r.IntN(60) {
		x.step()
	}
	if x.r.IntN(5) == 0 {
		for _, p := range pending {
			p.Abandon()
		}
		return
	}
	var handles []statebackend.KeyedHandle
	for _, p := range pending {
		h, err := p.Write(context.Background())
		must(x.t, err)
		handles = append(handles, h)
	}
	if x.r.IntN(3) == 0 {
		for _, k := range x.j.subs {
			k.CheckpointComplete(x.j.checkpoints)
		}
		return
	}
	x.j.restore(1+x.r.IntN(4), handles)
	x.model = then
	x.compare()
}

// compare compares all that the states hold with the model.
func (x *random) compare() {
	for _, key := range x.keys {
		for _, ns := range x.spaces {
			k := x.j.kindsAt(key, state.TTL{})
			k.value.SetNamespace([]byte(ns))
			id := modelKey{key, ns}
			if got, want := k.read(x.t), x.contents(id); !got.equal(want) {
				x.t.Fatalf("%q holds %v, want %v", id, got, want)
			}
		}
	}
	n := 0
	for _, sub := range x.j.subs {
		q := opened[statebackend.TimerQueue](x.t)(sub.Timers("timers"))
		n += q.Len()
		must(x.t, q.Each(func(tm statebackend.Timer) error {
			name := timerName(tm.Time, string(tm.Key), string(tm.Namespace))
			if !x.timers[name] {
				return fmt.Errorf("timer %s should not be there", name)
			}
			return nil
		}))
	}
	if n != len(x.timers) {
		x.t.Fatalf("%d timers, want %d", n, len(x.timers))
	}
}
