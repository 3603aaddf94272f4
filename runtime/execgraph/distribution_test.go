package execgraph

import (
	"testing"
)

// R29: each producer feeds a fixed contiguous group; cases computed by hand.
func TestPointWiseCases(t *testing.T) {
	for _, c := range []struct {
		producers, consumers int
		want                 []Range // producers of each consumer
	}{
		{2, 6, []Range{{0, 1}, {0, 1}, {0, 1}, {1, 1}, {1, 1}, {1, 1}}},
		{6, 2, []Range{{0, 3}, {3, 3}}},
		{3, 5, []Range{{0, 1}, {0, 1}, {1, 1}, {1, 1}, {2, 1}}},
		{5, 3, []Range{{0, 1}, {1, 2}, {3, 2}}},
		{4, 4, []Range{{0, 1}, {1, 1}, {2, 1}, {3, 1}}},
		{1, 3, []Range{{0, 1}, {0, 1}, {0, 1}}},
		{3, 1, []Range{{0, 3}}},
	} {
		for i, want := range c.want {
			if got := PointWiseProducers(c.producers, c.consumers, i); got != want {
				t.Errorf("%d→%d: consumer %d reads %v, want %v",
					c.producers, c.consumers, i, got, want)
			}
		}
	}
}

// checkPointWise verifies what must hold for every pair of parallelisms.
func checkPointWise(t *testing.T, producers, consumers int) {
	t.Helper()
	fed := make([]int, producers) // consumers per producer
	smallest, largest := producers, 0
	next := int32(0)
	for c := range consumers {
		r := PointWiseProducers(producers, consumers, c)
		if r.Count < 1 || r.First < 0 || int(r.End()) > producers {
			t.Fatalf("%d→%d: consumer %d reads %v: want at least one producer, all in range",
				producers, consumers, c, r)
		}
		if r.First > next || r.First < next-1 {
			t.Fatalf("%d→%d: consumer %d reads %v: producers before %d were read",
				producers, consumers, c, r, next)
		}
		next = r.End()
		smallest, largest = min(smallest, int(r.Count)), max(largest, int(r.Count))
		for p := r.First; p < r.End(); p++ {
			fed[p]++
			if !PointWiseConsumers(producers, consumers, int(p)).Contains(int32(c)) {
				t.Fatalf("%d→%d: consumer %d reads producer %d, which does not feed it",
					producers, consumers, c, p)
			}
		}
	}
	if largest-smallest > 1 {
		t.Fatalf("%d→%d: consumers read %d to %d producers", producers, consumers, smallest,
			largest)
	}
	end := int32(0)
	for p, n := range fed {
		r := PointWiseConsumers(producers, consumers, p)
		if int(r.Count) != n || n < 1 {
			t.Fatalf("%d→%d: producer %d feeds %v, but %d consumers read it",
				producers, consumers, p, r, n)
		}
		if producers < consumers && r.First != end {
			t.Fatalf("%d→%d: group %v of producer %d does not follow on %d",
				producers, consumers, r, p, end)
		}
		if producers >= consumers && n != 1 {
			t.Fatalf("%d→%d: producer %d feeds %d consumers", producers, consumers, p, n)
		}
		end = r.End()
	}
	if int(end) != consumers {
		t.Fatalf("%d→%d: the groups end at consumer %d", producers, consumers, end)
	}
}

// R29: the groups cover everything, are contiguous and fair, and the two directions agree, for all
// small pairs and some of the largest.
func TestPointWiseProperties(t *testing.T) {
	for p := 1; p <= 60; p++ {
		for c := 1; c <= 60; c++ {
			checkPointWise(t, p, c)
		}
	}
	for _, pair := range [][2]int{
		{MaxParallelism, 1}, {1, MaxParallelism}, {MaxParallelism, MaxParallelism},
		{MaxParallelism, MaxParallelism - 1}, {MaxParallelism - 1, MaxParallelism},
		{32749, 127}, {127, 32749}, {4000, 3999},
	} {
		checkPointWise(t, pair[0], pair[1])
	}
}
