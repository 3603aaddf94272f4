package reading_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"goflink/core/source"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/operator/reading"
)

func same(n int64) int64 { return n }

// numbersAre demands each number from first to last once.
func numbersAre(t *testing.T, what string, got []int64, first, last int64) {
	t.Helper()
	got = slices.Sorted(slices.Values(got))
	want := first
	for _, n := range got {
		if n != want {
			t.Fatalf("%s: got %d where %d should be (%d numbers)", what, n, want, len(got))
		}
		want++
	}
	if want != last+1 {
		t.Fatalf("%s: the last number is %d, want %d", what, want-1, last)
	}
}

// TestSequence: R37: all numbers, whatever the parallelism and the size of polls.
func TestSequence(t *testing.T) {
	for _, c := range [][2]int64{{0, 0}, {1, 100}, {-5, 5}, {0, -1}, {7, 3},
		{math.MaxInt64 - 20, math.MaxInt64}, {math.MinInt64, math.MinInt64 + 9}} {
		for p := 1; p <= 3; p++ {
			src := reading.Sequence[int64]{First: c[0], Last: c[1], Value: same}
			r := newRig(t, src, p, nil)
			r.read(1 + p*3)
			got := slices.Sorted(slices.Values(r.values()))
			n := uint64(0)
			if c[1] >= c[0] {
				n = uint64(c[1]-c[0]) + 1
			}
			if uint64(len(got)) != n || !r.ended() {
				t.Fatalf("%v: %d numbers, want %d", c, len(got), n)
			}
			for i := range got {
				if got[i] != c[0]+int64(i) {
					t.Fatalf("%v: number %d is %d", c, i, got[i])
				}
			}
			r.close()
		}
	}
}

// TestSequenceWhole: all numbers that there are make splits that touch each other.
func TestSequenceWhole(t *testing.T) {
	src := reading.Sequence[int64]{First: math.MinInt64, Last: math.MaxInt64, Value: same}
	x := &splitsOf{}
	e, err := src.NewEnumerator(x, nil)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for !x.end {
		x.splits = nil
		if err := e.RequestSplit(0, ""); err != nil {
			t.Fatal(err)
		}
		for _, s := range x.splits {
			ids = append(ids, s.ID)
		}
	}
	equal(t, "splits", ids, []string{
		"-9223372036854775808--4611686018427387905", "-4611686018427387904--1",
		"0-4611686018427387903", "4611686018427387904-9223372036854775807"})
}

// TestSequenceRestore: R62: a sequence repeats and skips nothing, whatever fails, also rescaled.
func TestSequenceRestore(t *testing.T) {
	testkit.EachSeed(t, testkit.Scaled(100), func(t *testing.T, seed uint64) {
		rnd := testkit.Source(seed)
		last := int64(rnd.IntN(200))
		src := reading.Sequence[int64]{Last: last, Value: same}
		c := chaos[int64]{r: newRig(t, src, 1+rnd.IntN(3), nil), rnd: rnd, faults: rnd.IntN(8),
			max: 20}
		c.run()
		numbersAre(t, "sequence", c.r.values(), 0, last)
	})
}

type person struct {
	Name string
	Tags []string
}

func collection[T any](t testing.TB, vs []T) *reading.Collection[T] {
	t.Helper()
	typ := typeinfo.MustOf[T]()
	b, err := reading.EncodeCollection(typ, vs)
	if err != nil {
		t.Fatal(err)
	}
	c, err := reading.NewCollection(typ, b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCollection: R37: the values in their order, and not what the program does to them afterwards.
func TestCollection(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1023, 1024, 1025, 3000} {
		vs := make([]person, n)
		var want []string
		for i := range vs {
			vs[i] = person{fmt.Sprint("p", i), []string{"a", fmt.Sprint(i)}}
			want = append(want, typeinfo.Text(vs[i]))
		}
		src := collection(t, vs)
		for i := range vs {
			vs[i].Tags[0] = "changed"
		}
		r := newRig(t, src, 1, nil)
		r.read(700)
		if !r.ended() {
			t.Fatal("the reader did not end")
		}
		var got []string
		for _, v := range r.values() {
			got = append(got, typeinfo.Text(v))
		}
		equal(t, fmt.Sprint(n, " values"), got, want)
		r.close()
	}
}

// TestCollectionRestore: R62: the position of fromElements is operator state: a restored one
// repeats and skips nothing.
func TestCollectionRestore(t *testing.T) {
	vs := make([]int64, 1500)
	for i := range vs {
		vs[i] = int64(i)
	}
	src := collection(t, vs)
	for at := 0; at <= 12; at++ {
		r := newRig(t, src, 1, nil)
		for range at {
			_, err := r.step(func(int) int { return 0 }, 200)
			r.check(err)
		}
		cp := r.checkpoint()
		r.read(1024)
		r.restart(0, cp)
		r.read(1024)
		if !slices.Equal(r.values(), vs) {
			t.Fatalf("restarted after %d steps: %d values", at, len(r.values()))
		}
		r.restore(cp, 1)
		r.read(333)
		if !slices.Equal(r.values(), vs) {
			t.Fatalf("restored after %d steps: %d values", at, len(r.values()))
		}
		r.close()
	}
}

// TestCollectionErrors: values that cannot be encoded, too many, a damaged encoding, a program with
// fewer values than the restored position.
func TestCollectionErrors(t *testing.T) {
	big := make([]string, 17)
	for i := range big {
		big[i] = strings.Repeat("x", 1<<20)
	}
	typ := typeinfo.MustOf[string]()
	_, err := reading.EncodeCollection(typ, slices.Concat(big, make([]string, 5000)))
	expectError(t, err, nil, "5017 values of string", "write it to a file")
	b, err := reading.EncodeCollection(typ, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		_, err := reading.NewCollection(typ, b[:n])
		expectError(t, err, nil, "a collection of string")
	}
	reader, err := collection(t, make([]int64, 7)).NewReader(alone{})
	if err != nil {
		t.Fatal(err)
	}
	expectError(t, reader.AddSplits([]source.Split{{State: []byte{8}}}), nil, "position is 8",
		"has 7 values")
	expectError(t, reader.AddSplits([]source.Split{{ID: "x", State: []byte{1, 2}}}), nil,
		`split "x"`)
}

// TestGenerator: all numbers once; which subtask makes which follows from the parallelism.
func TestGenerator(t *testing.T) {
	for _, count := range []int64{0, 1, 2, 3, 10, 1023, 1024, 1025, 5000} {
		for p := 1; p <= 3; p++ {
			for _, lanes := range []int{0, 1, 5} {
				one := reading.Generator[int64]{Value: same, Count: count, Lanes: lanes}
				many := reading.Generator[int64]{Count: count, Lanes: lanes, Fill: fill}
				for i, g := range []reading.Generator[int64]{one, many} {
					r := newRig(t, g, p, nil)
					r.read(300)
					what := fmt.Sprintf("generator %d of %d with %d lanes at %d", i, count, lanes,
						p)
					numbersAre(t, what, r.values(), 0, count-1)
					if lanes == 0 && i == 0 {
						for s, rd := range r.readers {
							for k, o := range rd.out {
								if o.Value != int64(k*p+s) {
									t.Fatalf("%s: record %d of subtask %d is %d", what, k, s,
										o.Value)
								}
							}
						}
					}
					if !r.ended() {
						t.Fatalf("%s did not end", what)
					}
					r.close()
				}
			}
		}
	}
}

func fill(first int64, dst []int64) {
	for i := range dst {
		dst[i] = first + int64(i)
	}
}

// TestGeneratorRestore: R62: whatever fails, also rescaled, each number comes once.
func TestGeneratorRestore(t *testing.T) {
	testkit.EachSeed(t, testkit.Scaled(200), func(t *testing.T, seed uint64) {
		rnd := testkit.Source(seed)
		g := reading.Generator[int64]{Count: int64(rnd.IntN(6000)), Lanes: rnd.IntN(5)}
		if rnd.IntN(2) == 0 {
			g.Value = same
		} else {
			g.Fill = fill
		}
		c := chaos[int64]{r: newRig(t, g, 1+rnd.IntN(3), nil), rnd: rnd, faults: rnd.IntN(8),
			max: 1024}
		c.run()
		numbersAre(t, "generator", c.r.values(), 0, g.Count-1)
	})
}

// TestGeneratorEndless: without a count it does not end and says so.
func TestGeneratorEndless(t *testing.T) {
	g := reading.Generator[int64]{Value: same, Count: reading.Endless}
	if g.Bounded() {
		t.Error("an endless generator says that it is bounded")
	}
	r := newRig(t, g, 1, nil)
	for range 100 {
		_, err := r.step(func(n int) int { return n - 1 }, stream.MaxBatchRecords)
		r.check(err)
	}
	if n := len(r.values()); n < 90*stream.MaxBatchRecords {
		t.Fatalf("%d numbers", n)
	}
	numbersAre(t, "endless", r.values(), 0, int64(len(r.values()))-1)
}

// TestGeneratorRate: a rate is kept over all readers together, without a reader ever waiting in
// Poll.
func TestGeneratorRate(t *testing.T) {
	for _, c := range []struct {
		rate float64
		p    int
		seconds,
		lanes int
	}{{10, 1, 20, 0}, {10, 3, 20, 0}, {0.5, 2, 60, 0}, {1000, 2, 5, 7}, {250_000, 3, 2, 0}} {
		for _, g := range []reading.Generator[int64]{{Value: same}, {Fill: fill}} {
			g.PerSecond, g.Count, g.Lanes = c.rate, reading.Endless, c.lanes
			r := newRig(t, g, c.p, nil)
			r.read(1024)
			for s := 1; s <= c.seconds; s++ {
				r.advance(int64(s) * 1000)
				want := c.rate * float64(s)
				got := float64(len(r.values()))
				// The first record of each reader comes at once.
				if got < want-1 || got > want+float64(c.p)+1 {
					t.Fatalf("%v: %v records after %d s, want %v", c, got, s, want)
				}
			}
			r.close()
		}
	}
}

// TestGeneratorRateAfterPause: what was not made while the job stood still is not made up for.
func TestGeneratorRateAfterPause(t *testing.T) {
	g := reading.Generator[int64]{Value: same, Count: reading.Endless, PerSecond: 1000}
	r := newRig(t, g, 1, nil)
	r.read(1024)
	r.now = 3_600_000
	before := len(r.values())
	r.advance(r.now)
	if n := len(r.values()) - before; n < 50 || n > 110 {
		t.Fatalf("%d records after an hour's pause, want a burst of 100", n)
	}
	if r.readers[0].status != operator.PollIdle {
		t.Error("the reader is not idle")
	}
}

// TestGeneratorChecks: generators that are not one are refused.
func TestGeneratorChecks(t *testing.T) {
	for text, g := range map[string]reading.Generator[int64]{
		"want a Value or a Fill": {Count: 1},
		"or a Fill function":     {Count: 1, Value: same, Fill: fill},
		"count is -2":            {Count: -2, Value: same},
		"rate is -1":             {PerSecond: -1, Value: same},
		"rate is NaN":            {PerSecond: math.NaN(), Value: same},
		"40000 lanes":            {Lanes: 40_000, Value: same},
	} {
		expectError(t, g.Check(), nil, text)
		_, err := g.NewReader(alone{})
		expectError(t, err, nil, text)
		_, err = g.NewEnumerator(&splitsOf{}, nil)
		expectError(t, err, nil, text)
	}
}
