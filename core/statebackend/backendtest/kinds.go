package backendtest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"goflink/core/state"
	"goflink/core/statebackend"
)

// contents is all that a key has in the states of kinds.
type contents struct {
	value  int64
	hasVal bool
	list   []string
	sum    int64
	hasSum bool
	mean   float64
	hasAvg bool
	rules  map[string]int64
}

// read reads what the current key has in the current namespace.
func (s *kinds) read(t testing.TB) (c contents) {
	t.Helper()
	var err error
	c.value, c.hasVal, err = s.value.Get()
	must(t, err)
	c.list, err = s.list.Get()
	must(t, err)
	c.list = slices.Clone(c.list)
	c.sum, c.hasSum, err = s.sum.Get()
	must(t, err)
	c.mean, c.hasAvg, err = s.mean.Get()
	must(t, err)
	c.rules = maps.Collect(s.rules.All())
	must(t, s.rules.Err())
	return c
}

func (c contents) String() string {
	return fmt.Sprintf("value %d/%t list %q sum %d/%t mean %g/%t rules %v", c.value, c.hasVal,
		c.list,
		c.sum, c.hasSum, c.mean, c.hasAvg, c.rules)
}

func (c contents) equal(o contents) bool { return c.String() == o.String() }

// write puts n into all states of the current key.
func (s *kinds) write(t testing.TB, n int64) {
	t.Helper()
	must(t, s.value.Put(n))
	must(t, s.list.Add(fmt.Sprint("e", n)))
	must(t, s.sum.Add(n))
	must(t, s.mean.Add(n))
	must(t, s.rules.Put(fmt.Sprint("r", n), n))
}

// clear empties all states of the current key.
func (s *kinds) clear(t testing.TB) {
	t.Helper()
	for _, clear := range []func() error{s.value.Clear, s.list.Clear, s.sum.Clear, s.mean.Clear,
		s.rules.Clear} {
		must(t, clear())
	}
}

// testKinds: R61: create, read, update and delete for each of the five kinds, isolated per key.
func testKinds(t *testing.T, s Suite) {
	j := s.newJob(t, 1)
	keys := []string{"", "a", "b", "a key of more than eight bytes"}
	var none contents
	for _, key := range keys {
		k := j.kindsAt(key, state.TTL{})
		if got := k.read(t); !got.equal(none) {
			t.Fatalf("%q has at first: %v", key, got)
		}
	}
	for i, key := range keys {
		k := j.kindsAt(key, state.TTL{})
		k.write(t, int64(i))
		k.write(t, 10)
	}
	want := func(i int64) contents {
		return contents{10, true, []string{fmt.Sprint("e", i), "e10"}, i + 10, true,
			float64(i+10) / 2, true, map[string]int64{fmt.Sprint("r", i): i, "r10": 10}}
	}
	for i, key := range keys {
		k := j.kindsAt(key, state.TTL{})
		if got := k.read(t); !got.equal(want(int64(i))) {
			t.Errorf("%q has %v, want %v", key, got, want(int64(i)))
		}
	}
	k := j.kindsAt("a", state.TTL{})
	k.clear(t)
	if got := k.read(t); !got.equal(none) {
		t.Errorf("after clearing: %v", got)
	}
	k = j.kindsAt("b", state.TTL{})
	if got := k.read(t); !got.equal(want(2)) {
		t.Errorf("clearing one key changed another: %v", got)
	}
	t.Run("List", func(t *testing.T) { testList(t, j) })
	t.Run("Map", func(t *testing.T) { testMap(t, j) })
}

// testList tests what only lists can do.
func testList(t *testing.T, j *job) {
	l := j.kindsAt("list", state.TTL{}).list
	vs := []string{"x", "y"}
	must(t, l.Put(vs))
	must(t, l.AddAll([]string{"z", "x"}))
	must(t, l.AddAll(nil))
	got := opened[[]string](t)(l.Get())
	if want := []string{"x", "y", "z", "x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// Neither what was put nor what was got is the state's own to append to.
	_ = append(got, "foreign")
	must(t, l.Add("own"))
	_ = append(vs[:1], "foreign")
	got = opened[[]string](t)(l.Get())
	if want := []string{"x", "y", "z", "x", "own"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	must(t, l.Put(nil))
	if got = opened[[]string](t)(l.Get()); len(got) != 0 {
		t.Errorf("after putting nothing: %q", got)
	}
}

// testMap tests what only maps can do: all operations, and order.
func testMap(t *testing.T, j *job) {
	m := j.kindsAt("map", state.TTL{}).rules
	for i := range int64(200) {
		must(t, m.Put(fmt.Sprint("rule ", i*7%200), i*7%200))
	}
	for i := int64(0); i < 200; i += 2 {
		must(t, m.Remove(fmt.Sprint("rule ", i)))
	}
	must(t, m.Remove("rule that never was"))
	if n := opened[int](t)(m.Len()); n != 100 {
		t.Errorf("%d entries, want 100", n)
	}
	for i := range int64(4) {
		name := fmt.Sprint("rule ", i)
		v, found, err := m.Get(name)
		has := opened[bool](t)(m.Contains(name))
		if err != nil || found != (i%2 == 1) || has != found || found && v != i {
			t.Errorf("%s: %d, found %t, contained %t, %v", name, v, found, has, err)
		}
	}
	var names []string
	for k, v := range m.All() {
		if k != fmt.Sprint("rule ", v) {
			t.Errorf("%s is %d", k, v)
		}
		names = append(names, k)
	}
	must(t, m.Err())
	if len(names) != 100 || !slices.IsSorted(names) {
		t.Errorf("%d entries, sorted: %t", len(names), slices.IsSorted(names))
	}
	n := 0
	for range m.All() {
		if n++; n == 3 {
			break
		}
	}
	if must(t, m.Err()); n != 3 {
		t.Errorf("left after 3 entries, saw %d", n)
	}
}

// testNoKey: R61: access outside a keyed context is an error that names the state.
func testNoKey(t *testing.T, s Suite) {
	j := s.newJob(t, 1)
	k := opened[kinds](t)(openKinds(j.subs[0], state.TTL{}))
	check := func(when string) {
		t.Helper()
		_, _, e1 := k.value.Get()
		_, e2 := k.list.Get()
		_, _, e3 := k.sum.Get()
		_, _, e4 := k.mean.Get()
		_, _, e5 := k.rules.Get("r")
		for i, err := range []error{e1, e2, e3, e4, e5, k.value.Put(1), k.list.Add(""),
			k.sum.Add(1),
			k.mean.Add(1), k.rules.Put("r", 1), k.timer.Add(1, nil)} {
			if !errors.Is(err, statebackend.ErrNoKey) {
				t.Errorf("%s, access %d: %v", when, i, err)
			}
		}
		if e1 != nil && !strings.Contains(e1.Error(), `"value"`) {
			t.Errorf("the error does not name the state: %v", e1)
		}
		for range k.rules.All() {
			t.Error("an entry of no key")
		}
		if !errors.Is(k.rules.Err(), statebackend.ErrNoKey) {
			t.Errorf("%s, iteration: %v", when, k.rules.Err())
		}
	}
	check("at first")
	j.at("key")
	k.write(t, 1)
	j.subs[0].UnsetKey()
	check("after UnsetKey")
}

// testReopen: opening a state again gives the same one; as another kind or type it is refused.
func testReopen(t *testing.T, s Suite) {
	j := s.newJob(t, 1)
	k := j.at("a")
	v := opened[state.InternalValue[int64]](t)(state.OpenValue(k, state.ValueOf[int64]("v")))
	must(t, v.Put(5))
	again := opened[state.InternalValue[int64]](t)(state.OpenValue(k, state.ValueOf[int64]("v")))
	if got, _, err := again.Get(); err != nil || got != 5 {
		t.Errorf("the state that was opened again holds %d, %v", got, err)
	}
	_, e1 := state.OpenValue(k, state.ValueOf[string]("v"))
	_, e2 := state.OpenList(k, state.ListOf[int64]("v"))
	_, e3 := state.OpenMap(k, state.MapOf[string, int64]("v"))
	_, e4 := state.OpenValue(k, state.ValueOf[int64](""))
	_, e5 := state.OpenValue(k, state.ValueOf[chan int]("channel"))
	_, e6 := state.OpenMap(k, state.MapOf[map[string]int, int]("mapkey"))
	_, e7 := state.OpenReducing(k, state.ReducingOf[int64]("r", nil))
	for i, err := range []error{e1, e2, e3, e4, e5, e6, e7} {
		if err == nil {
			t.Errorf("%d was opened", i+1)
		}
	}
	for i, name := range []string{"v", "v", "v", "name", "channel", "mapkey", "r"} {
		if err := []error{e1, e2, e3, e4, e5, e6, e7}[i]; err != nil &&
			!strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %q: %v", name, err)
		}
	}
}
