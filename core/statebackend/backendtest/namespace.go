package backendtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"goflink/core/keygroup"
	"goflink/core/state"
	"goflink/core/statebackend"
	"goflink/core/statetable"
)

// testNamespaces: R45, R65: one key has values of its own in each namespace, in all kinds of state.
func testNamespaces(t *testing.T, s Suite) {
	j := s.newJob(t, 1)
	k := j.kindsAt("key", state.TTL{})
	names := []string{"", "w", "window [0,10)", "window [10,20)"}
	for i, ns := range names {
		k.value.SetNamespace([]byte(ns))
		k.write(t, int64(i))
	}
	for i, ns := range names {
		k.list.SetNamespace([]byte(ns))
		if string(k.sum.Namespace()) != ns {
			t.Errorf("the namespace is %q, want %q", k.sum.Namespace(), ns)
		}
		n := int64(i)
		want := contents{n, true, []string{fmt.Sprint("e", n)}, n, true, float64(n), true,
			map[string]int64{fmt.Sprint("r", n): n}}
		if got := k.read(t); !got.equal(want) {
			t.Errorf("%q has %v, want %v", ns, got, want)
		}
	}
	k.value.SetNamespace([]byte("w"))
	k.clear(t)
	table := opened[any](t)(j.subs[0].Open(statetable.NewSpec[int64]("value", state.KindValue,
		nil)))
	var got []string
	must(t, table.(statebackend.Table[int64]).Namespaces(func(ns []byte) error {
		got = append(got, string(ns))
		return nil
	}))
	if want := []string{"", "window [0,10)", "window [10,20)"}; !slices.Equal(got, want) {
		t.Errorf("namespaces %q, want %q", got, want)
	}
}

// testMerge: R65: merging namespaces as session windows do: in the order of the sources, the target
// possibly among them, sources empty afterwards.
func testMerge(t *testing.T, s Suite) {
	for _, ttl := range []state.TTL{{}, {After: 1e12}} {
		j := s.newJob(t, 1)
		k := j.kindsAt("key", ttl)
		for i, ns := range []string{"w1", "w2", "w3"} {
			k.value.SetNamespace([]byte(ns))
			k.write(t, int64(i+1))
		}
		target, sources := []byte("w2"), [][]byte{[]byte("w1"), []byte("w2"), []byte("none"),
			[]byte("w3")}
		for _, m := range []state.Merging{k.list, k.sum, k.mean} {
			must(t, m.MergeNamespaces(target, sources))
		}
		k.value.SetNamespace([]byte("w2"))
		got := k.read(t)
		if !slices.Equal(got.list, []string{"e2", "e1", "e3"}) || got.sum != 6 || got.mean != 2 {
			t.Errorf("ttl %v: merged: %v", ttl.After, got)
		}
		k.value.SetNamespace([]byte("w1"))
		if got := k.read(t); len(got.list) > 0 || got.hasSum || got.hasAvg {
			t.Errorf("ttl %v: the source still has %v", ttl.After, got)
		}
		// Into a namespace that has nothing.
		must(t, k.list.MergeNamespaces([]byte("new"), [][]byte{target}))
		must(t, k.mean.MergeNamespaces([]byte("new"), [][]byte{target}))
		k.value.SetNamespace([]byte("new"))
		if got := k.read(t); len(got.list) != 3 || got.mean != 2 {
			t.Errorf("ttl %v: merged into nothing: %v", ttl.After, got)
		}
	}
}

// testSpace: the operations of window operators: many keys of one namespace at once.
func testSpace(t *testing.T, s Suite) {
	j := s.newJob(t, 1)
	table := opened[any](t)(j.subs[0].Open(statetable.NewSpec[int64]("counts",
		state.KindReducing, nil))).(statebackend.Table[int64])
	space := opened[statebackend.Space[int64]](t)(table.Space([]byte("window 1")))
	var keys [][]byte
	var hashes []uint64
	for i := range 500 {
		key := fmt.Appendf(nil, "key number %d", i%300)
		keys, hashes = append(keys, key), append(hashes, keygroup.Hash(key))
	}
	for _, all := range []func([]uint64, [][]byte, func(int, *int64, bool) error) error{
		space.UpsertAll, space.ModifyAll} {
		must(t, all(hashes, keys, func(_ int, p *int64, _ bool) error {
			*p++
			return nil
		}))
	}
	if space.Len() != 300 {
		t.Errorf("%d keys, want 300", space.Len())
	}
	seen := map[string]int64{}
	must(t, space.Each(func(hash uint64, key []byte, p *int64) (bool, error) {
		if hash != keygroup.Hash(key) {
			t.Errorf("%q has hash %d", key, hash)
		}
		seen[string(key)] = *p
		*p = -1
		return len(seen) <= 100, nil
	}))
	for i := range 300 {
		want := int64(2)
		if i < 200 {
			want = 4
		}
		if got := seen[fmt.Sprintf("key number %d", i)]; got != want {
			t.Errorf("key %d counts %d, want %d", i, got, want)
		}
	}
	if space.Len() != 100 {
		t.Errorf("%d keys stayed, want 100", space.Len())
	}
	other := opened[statebackend.Space[int64]](t)(table.Space([]byte("window 2")))
	p, found, err := other.Upsert(hashes[0], keys[0])
	must(t, err)
	if found || *p != 0 {
		t.Errorf("another window has %d (%t)", *p, found)
	}
	if p, found, err = other.Modify(hashes[0], keys[0]); err != nil || !found || *p != 0 {
		t.Errorf("found %t, %v", found, err)
	}
	must(t, space.Drop())
	if p, err = other.Find(hashes[0], keys[0]); err != nil || p == nil {
		t.Errorf("dropping one window took another's value: %v", err)
	}
	if p, err = other.Find(hashes[1], keys[1]); err != nil || p != nil {
		t.Errorf("a value that was never put: %v, %v", p, err)
	}
	space = opened[statebackend.Space[int64]](t)(table.Space([]byte("window 1")))
	if space.Len() != 0 {
		t.Errorf("%d keys after dropping", space.Len())
	}
	var names []string
	j.subs[0].SetKey(hashes[0], keys[0])
	must(t, table.NamespacesOfKey(func(ns []byte, v *int64) error {
		names = append(names, string(ns))
		return nil
	}))
	if !slices.Equal(names, []string{"window 2"}) {
		t.Errorf("the key is in %q", names)
	}
}

// testTimers: R46: timers fire once, in order of time, key and namespace; they survive restoring at
// another parallelism.
func testTimers(t *testing.T, s Suite) {
	j := s.newJob(t, 2)
	add := func(key string, time int64, ns string) {
		t.Helper()
		j.at(key)
		q := j.kindsAt(key, state.TTL{}).timer
		must(t, q.Add(time, []byte(ns)))
		must(t, q.Add(time, []byte(ns)))
	}
	for i := range 40 {
		add(fmt.Sprint("key ", i%20), int64(100-i%7), fmt.Sprint("w", i%3))
	}
	add("key 3", -5, "")
	must(t, j.kindsAt("key 3", state.TTL{}).timer.Remove(-5, nil))
	must(t, j.kindsAt("key 3", state.TTL{}).timer.Remove(-5, nil))
	fire := func(limit int64) (fired []string) {
		t.Helper()
		for _, k := range j.subs {
			q := opened[statebackend.TimerQueue](t)(k.Timers("timers"))
			var own []string
			must(t, q.PopUntil(limit, func(tm statebackend.Timer) error {
				own = append(own, fmt.Sprintf("%03d %s %s", tm.Time, tm.Key, tm.Namespace))
				if tm.Hash != keygroup.Hash(tm.Key) {
					t.Errorf("%q has hash %d", tm.Key, tm.Hash)
				}
				return nil
			}))
			if !slices.IsSorted(own) {
				t.Errorf("fired out of order: %q", own)
			}
			fired = append(fired, own...)
		}
		return fired
	}
	early := fire(96)
	handles := j.snapshot()
	late := fire(1000)
	j.restore(3, handles)
	again := fire(1000)
	slices.Sort(late)
	slices.Sort(again)
	if !slices.Equal(late, again) {
		t.Errorf("restored timers fired as %q, want %q", again, late)
	}
	all := slices.Concat(early, late)
	slices.Sort(all)
	if len(slices.Compact(all)) != 40 {
		t.Errorf("%d timers fired, want 40: %s", len(all), strings.Join(all, "; "))
	}
}
