package datastream_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"goflink/core/keygroup"
	"goflink/core/typeinfo"
	"goflink/datastream"
)

// places are the numbers from 0 to n-1, dealt out in turn to the subtasks of an operator, in whose
// order they come.
func places(env *datastream.Environment, n, parallelism int) *datastream.Stream[place] {
	numbers := datastream.FromSequence(env, 0, int64(n-1)).SetParallelism(1)
	s := datastream.Map(numbers.Rebalance(), func(n int64) place { return place{N: n} })
	return locate(s.SetParallelism(parallelism), from).SetParallelism(parallelism)
}

// route runs n records from one operator to another over an edge and returns where they went.
func route(t *testing.T, n, upstream, downstream int,
	edge func(s *datastream.Stream[place]) *datastream.Stream[place],
) []place {
	t.Helper()
	var got *results[place]
	execute(t, func(env *datastream.Environment) {
		s := locate(edge(places(env, n, upstream)), to).SetParallelism(downstream)
		got = collect(s)
	})
	return got.all()
}

// flows counts the records from subtask to subtask.
func flows(ps []place) map[[2]int]int {
	m := map[[2]int]int{}
	for _, p := range ps {
		m[[2]int{p.From, p.To}]++
	}
	return m
}

// expectFlows compares flows with what is wanted.
func expectFlows(t *testing.T, ps []place, want map[[2]int]int) {
	t.Helper()
	if got := flows(ps); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("records from subtask to subtask: %v, want %v", got, want)
	}
}

// TestGlobal: R25: everything goes to subtask 0.
func TestGlobal(t *testing.T) {
	ps := route(t, 400, 2, 4, (*datastream.Stream[place]).Global)
	expectFlows(t, ps, map[[2]int]int{{0, 0}: 200, {1, 0}: 200})
}

// TestForward: R21, R26: a forward edge keeps the subtask and the order, chained or not.
func TestForward(t *testing.T) {
	for _, chained := range []bool{true, false} {
		ps := route(t, 400, 2, 2, func(s *datastream.Stream[place]) *datastream.Stream[place] {
			if !chained {
				s.DisableChaining()
			}
			return s.Forward()
		})
		expectFlows(t, ps, map[[2]int]int{{0, 0}: 200, {1, 1}: 200})
		last := map[int]int64{0: -1, 1: -1}
		for _, p := range ps {
			if p.N <= last[p.From] {
				t.Fatalf("chained %t: number %d of subtask %d came after %d", chained, p.N, p.From,
					last[p.From])
			}
			last[p.From] = p.N
		}
	}
}

// TestDefaultPartitioning: R26: without a partitioner equal parallelisms forward, unequal ones
// rebalance.
func TestDefaultPartitioning(t *testing.T) {
	none := func(s *datastream.Stream[place]) *datastream.Stream[place] { return s }
	expectFlows(t, route(t, 300, 3, 3, none), map[[2]int]int{{0, 0}: 100, {1, 1}: 100, {2, 2}: 100})
	expectFlows(t, route(t, 600, 2, 3, none), map[[2]int]int{
		{0, 0}: 100, {0, 1}: 100, {0, 2}: 100, {1, 0}: 100, {1, 1}: 100, {1, 2}: 100})
}

// TestShuffle: R27: random targets, even in the mean: chi-square over 100,000 records on 4 targets
// with 3 degrees of freedom is below 16.27 in 999 of 1000 runs of a fair draw.
func TestShuffle(t *testing.T) {
	const n = 100_000
	ps := route(t, n, 1, 4, (*datastream.Stream[place]).Shuffle)
	var counts [4]float64
	runs, last := 0, -1
	slices.SortFunc(ps, func(a, b place) int { return int(a.N - b.N) })
	for _, p := range ps {
		counts[p.To]++
		if p.To != last {
			runs++
		}
		last = p.To
	}
	var chi float64
	for _, c := range counts {
		chi += (c - n/4) * (c - n/4) / (n / 4)
	}
	if len(ps) != n || chi > 16.27 {
		t.Errorf("%d records, %v per target: chi-square %.2f", len(ps), counts, chi)
	}
	// Neighbours go to the same target in a quarter of all cases; turns would never do so.
	if want := 0.75 * n; math.Abs(float64(runs)-want) > 0.01*n {
		t.Errorf("%d changes of target among %d records, want about %.0f", runs, n, want)
	}
}

// TestRebalance: R28: 1000 records on 4 targets are 250 each, in turn over all targets.
func TestRebalance(t *testing.T) {
	ps := route(t, 1000, 1, 4, (*datastream.Stream[place]).Rebalance)
	expectFlows(t, ps, map[[2]int]int{{0, 0}: 250, {0, 1}: 250, {0, 2}: 250, {0, 3}: 250})
}

// TestRescale: R29: 2→6 gives each source three targets of its own, 6→2 each target three sources.
func TestRescale(t *testing.T) {
	ps := route(t, 1200, 2, 6, (*datastream.Stream[place]).Rescale)
	expectFlows(t, ps, map[[2]int]int{{0, 0}: 200, {0, 1}: 200, {0, 2}: 200,
		{1, 3}: 200, {1, 4}: 200, {1, 5}: 200})
	ps = route(t, 1200, 6, 2, (*datastream.Stream[place]).Rescale)
	expectFlows(t, ps, map[[2]int]int{{0, 0}: 200, {1, 0}: 200, {2, 0}: 200,
		{3, 1}: 200, {4, 1}: 200, {5, 1}: 200})
}

// TestBroadcast: R30: each of three targets gets every record once.
func TestBroadcast(t *testing.T) {
	ps := route(t, 100, 2, 3, (*datastream.Stream[place]).Broadcast)
	expectFlows(t, ps, map[[2]int]int{{0, 0}: 50, {0, 1}: 50, {0, 2}: 50,
		{1, 0}: 50, {1, 1}: 50, {1, 2}: 50})
	seen := map[place]bool{}
	for _, p := range ps {
		if seen[p] {
			t.Fatalf("record %d came twice to subtask %d", p.N, p.To)
		}
		seen[p] = true
	}
}

// TestKeyGroups: R21, R31: a key goes to the subtask that owns its group.
func TestKeyGroups(t *testing.T) {
	const parallelism, maxParallelism = 3, 128
	var got *results[place]
	execute(t, func(env *datastream.Environment) {
		k := datastream.KeyBy(places(env, 2000, 2), func(p place) int64 { return p.N % 100 })
		s := datastream.RichMap(k, func() *locator { return &locator{set: to} })
		got = collect(s.SetParallelism(parallelism))
	})
	key, err := typeinfo.KeyOf[int64]()
	if err != nil {
		t.Fatal(err)
	}
	used := map[int]bool{}
	for _, p := range got.all() {
		k := p.N % 100
		group := keygroup.Of(keygroup.Hash(key.Append(nil, &k)), maxParallelism)
		if want := group * parallelism / maxParallelism; p.To != want {
			t.Errorf("key %d of group %d is on subtask %d, want %d", k, group, p.To, want)
		}
		used[p.To] = true
	}
	if len(got.all()) != 2000 || len(used) != parallelism {
		t.Errorf("%d records on %d subtasks", len(got.all()), len(used))
	}
}

// TestCustomPartitioner: R32: a partitioner that sends even numbers to 0 and odd ones to 1; one
// that names a partition that is not there fails the job.
func TestCustomPartitioner(t *testing.T) {
	parity := func(wrong int) func(s *datastream.Stream[place]) *datastream.Stream[place] {
		return func(s *datastream.Stream[place]) *datastream.Stream[place] {
			return datastream.PartitionCustom(s, func(p place) int64 { return p.N },
				func(key int64, n int) int { return int(key%2) + wrong*n })
		}
	}
	ps := route(t, 100, 1, 3, parity(0))
	expectFlows(t, ps, map[[2]int]int{{0, 0}: 50, {0, 1}: 50})
	for _, p := range ps {
		if int(p.N%2) != p.To {
			t.Errorf("number %d is on subtask %d", p.N, p.To)
		}
	}
	_, err := tryExecute(t, func(env *datastream.Environment) {
		locate(parity(1)(places(env, 10, 1)), to).SetParallelism(3).ForEach(func(place) {})
	})
	if err == nil || !strings.Contains(err.Error(), "custom partitioner returned 3") {
		t.Errorf("a partition that is not there: %v", err)
	}
}

// TestUnion: R38, R142: a union reads all its streams, with the partitioning of each.
func TestUnion(t *testing.T) {
	var got *results[place]
	execute(t, func(env *datastream.Environment) {
		a := places(env, 60, 1)
		b := places(env, 60, 1)
		u := a.Global().Union(b.Rebalance(), a.Broadcast())
		got = collect(locate(u, to).SetParallelism(3))
	})
	// 60 to subtask 0, 20 to each, and 60 to each.
	expectFlows(t, got.all(), map[[2]int]int{{0, 0}: 140, {0, 1}: 80, {0, 2}: 80})
}
