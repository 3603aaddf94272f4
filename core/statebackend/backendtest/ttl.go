package backendtest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"goflink/core/state"
)

const ttlAfter = 10 * time.Second

// testTTL: R77: the matrix of update strategy and visibility, for all kinds, by a controlled clock.
func testTTL(t *testing.T, s Suite) {
	for _, update := range []state.TTLUpdate{state.OnCreateAndWrite, state.OnReadAndWrite} {
		for _, visible := range []state.TTLVisibility{state.NeverReturnExpired,
			state.ReturnExpiredIfNotCleanedUp} {
			t.Run(fmt.Sprintf("update=%d visibility=%d", update, visible), func(t *testing.T) {
				ttl := state.TTL{After: ttlAfter, Update: update, Visibility: visible}
				testTTLCell(t, s, ttl)
				testTTLParts(t, s, ttl)
			})
		}
	}
}

// testTTLCell reads at 6 s and at 12 s: reading prolongs the life if it counts as access.
func testTTLCell(t *testing.T, s Suite, ttl state.TTL) {
	j := s.newJob(t, 1)
	full := contents{7, true, []string{"e7"}, 7, true, 7, true, map[string]int64{"r7": 7}}
	var none contents
	k := j.kindsAt("key", ttl)
	read := func(when string, want contents) {
		t.Helper()
		j.at("key")
		if got := k.read(t); !got.equal(want) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	k.write(t, 7)
	*j.now += 6000
	read("after 6 s", full)
	*j.now += 6000
	switch {
	case ttl.Update == state.OnReadAndWrite:
		read("after 12 s, read after 6 s", full)
		*j.now += 9999
		read("before 10 s since the last reading", full)
		*j.now += 10_000
		fallthrough
	default:
		if ttl.Visibility == state.ReturnExpiredIfNotCleanedUp {
			read("expired, not cleaned up", full)
		}
		read("expired", none)
		read("expired, second time", none)
	}
	// Writing begins a new life with nothing of the old one.
	k.write(t, 7)
	*j.now += 9999
	if ttl.Update == state.OnCreateAndWrite {
		read("one millisecond before the end", full)
	}
	*j.now += 20_000
	j.at("key")
	must(t, k.sum.Add(1))
	must(t, k.mean.Add(1))
	sum, _, err := k.sum.Get()
	must(t, err)
	mean, _, err := k.mean.Get()
	must(t, err)
	if sum != 1 || mean != 1 {
		t.Errorf("added to expired state: sum %d, mean %g", sum, mean)
	}
}

// testTTLParts: elements of lists and entries of maps expire each for itself.
func testTTLParts(t *testing.T, s Suite, ttl state.TTL) {
	ttl.Update = state.OnCreateAndWrite
	j := s.newJob(t, 1)
	k := j.kindsAt("key", ttl)
	for i := range int64(3) {
		must(t, k.list.Add(fmt.Sprint(i)))
		must(t, k.rules.Put(fmt.Sprint(i), i))
		*j.now += 4000
	}
	*j.now += 4000 // ages: 16 s, 12 s, 8 s
	all, late := []string{"0", "1", "2"}, []string{"2"}
	for round, want := range [][]string{all, late} {
		if ttl.Visibility == state.NeverReturnExpired {
			want = late
		}
		n := opened[int](t)(k.rules.Len())
		got := opened[[]string](t)(k.list.Get())
		if !slices.Equal(got, want) {
			t.Errorf("reading %d: list %q, want %q", round, got, want)
		}
		rules := slices.Sorted(maps.Keys(maps.Collect(k.rules.All())))
		if must(t, k.rules.Err()); !slices.Equal(rules, want) || n != len(want) {
			t.Errorf("reading %d: rules %q (%d), want %q", round, rules, n, want)
		}
	}
}

// testTTLSweep: R77: expired state that nobody asks for is removed by and by, and is in no
// snapshot.
func testTTLSweep(t *testing.T, s Suite) {
	j := s.newJob(t, 1)
	ttl := state.TTL{After: ttlAfter}
	const n = 3000
	for i := range n {
		k := j.kindsAt(keyName(i), ttl)
		k.write(t, int64(i))
	}
	full := j.snapshot()[0].Contents.Length
	*j.now += 20_000
	k := j.kindsAt("another", ttl)
	k.write(t, 1)
	if small := j.snapshot()[0].Contents.Length; small > full/20 {
		t.Errorf("a snapshot of expired state has %d bytes, before it had %d", small, full)
	}
	sized, ok := j.subs[0].(interface{ MemSize() int64 })
	if !ok {
		return // the backend does not say what it takes
	}
	before := sized.MemSize()
	for range n {
		k.write(t, 1)
		k.clear(t)
	}
	if after := sized.MemSize(); after > before/3 {
		t.Errorf("expired state takes %d bytes, before the sweep it took %d", after, before)
	}
}

// testTTLChanged: a time to live may be given to state that had none, and taken away; without a
// stamp state counts as accessed at the restore.
func testTTLChanged(t *testing.T, s Suite) {
	ttl := state.TTL{After: ttlAfter}
	full := contents{7, true, []string{"e7"}, 7, true, 7, true, map[string]int64{"r7": 7}}
	var none contents
	j := s.newJob(t, 1)
	k := j.kindsAt("key", state.TTL{})
	k.write(t, 7)
	j.restore(1, j.snapshot())
	k = j.kindsAt("key", ttl)
	*j.now += 9999
	if got := k.read(t); !got.equal(full) {
		t.Errorf("with a time to live: %v", got)
	}
	handles := j.snapshot()
	*j.now += 1
	if got := k.read(t); !got.equal(none) {
		t.Errorf("expired: %v", got)
	}
	*j.now += 100_000
	j.restore(1, handles)
	k = j.kindsAt("key", state.TTL{})
	if got := k.read(t); !got.equal(full) {
		t.Errorf("without a time to live: %v", got)
	}
	j.restore(1, handles)
	k = j.kindsAt("key", ttl)
	if got := k.read(t); !got.equal(none) {
		t.Errorf("expired while the job was down: %v", got)
	}
	// The stamps come back, not the time of the restore.
	*j.now -= 100_001 + 4999
	j.restore(1, handles)
	*j.now += 5000
	k = j.kindsAt("key", ttl)
	if got := k.read(t); !got.equal(none) {
		t.Errorf("a restore prolonged the life: %v", got)
	}
}
