package operatortest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"goflink/internal/testkit"
)

// maxAllSplits is up to how many records Explore tries every way to cut them into batches.
const maxAllSplits = 6

// variation is one way to run a script.
type variation struct {
	name string
	// cut reports whether a batch ends after the i-th record of the script.
	cut func(i int) bool
	// at are the steps before which a snapshot is taken and restored, with what parallelism.
	at []restorePoint
}

type restorePoint struct {
	step, parallelism int
	// lag is how many steps are run, and forgotten, between the snapshot and its being written.
	lag       int
	canonical bool
}

// Explore runs a script in many ways and demands that Lines is the same each time: with different
// cuts into batches, restored at each step, with other parallelism. It returns the lines. What is
// random follows from testkit.Seed.
func Explore(tb testing.TB, o Options, script []Step) []string {
	tb.Helper()
	want := runVariation(tb, o, script, variation{name: "straight"})
	rnd := testkit.Rand(tb)
	for _, v := range variations(o, script, rnd) {
		got := runVariation(tb, o, script, v)
		if !slices.Equal(got, want) {
			tb.Fatalf("%s: the output differs from the run without batches cut or restores\n%s",
				v.name, Diff(want, got))
		}
	}
	return want
}

func variations(o Options, script []Step, rnd *rand.Rand) []variation {
	vs := splits(script, rnd)
	for step := 0; step <= len(script); step++ {
		v := variation{cut: func(int) bool { return step%2 == 0 },
			at: []restorePoint{{step: step, parallelism: max(1, o.Parallelism)}}}
		v.name = fmt.Sprintf("restored before step %d", step)
		vs = append(vs, v)
		if lag := min(3, len(script)-step); lag > 0 {
			v.at = []restorePoint{{step: step, parallelism: max(1, o.Parallelism), lag: lag,
				canonical: step%2 == 1}}
			v.name = fmt.Sprintf("snapshot before step %d, written %d steps later", step, lag)
			vs = append(vs, v)
		}
		if o.NoRescale {
			continue
		}
		second := step + rnd.IntN(len(script)-step+1)
		v.at = []restorePoint{{step: step, parallelism: 3, canonical: step%2 == 0},
			{step: second, parallelism: 2}}
		v.name = fmt.Sprintf("rescaled to 3 before step %d, to 2 before step %d", step, second)
		vs = append(vs, v)
	}
	return vs
}

// splits are the cuts into batches: all of them for a few records, else some.
func splits(script []Step, rnd *rand.Rand) []variation {
	records := 0
	for i := range script {
		if script[i].record {
			records++
		}
	}
	var vs []variation
	if records <= maxAllSplits {
		for mask := range uint64(1) << max(0, records-1) {
			vs = append(vs, variation{name: fmt.Sprintf("batches cut at %b", mask),
				cut: func(i int) bool { return mask>>i&1 != 0 }})
		}
		return vs
	}
	for _, size := range []int{1, 2, 3, 7} {
		vs = append(vs, variation{name: fmt.Sprintf("batches of %d", size),
			cut: func(i int) bool { return (i+1)%size == 0 }})
	}
	for range 4 {
		cuts := make([]bool, records)
		for i := range cuts {
			cuts[i] = rnd.IntN(3) == 0
		}
		vs = append(vs, variation{name: "batches cut at random",
			cut: func(i int) bool { return cuts[i] }})
	}
	return vs
}

// runVariation runs a script in one way and returns its lines.
func runVariation(tb testing.TB, o Options, script []Step, v variation) []string {
	tb.Helper()
	h := New(tb, o)
	fail := func(step int, err error) {
		tb.Helper()
		if err != nil {
			name := "the end"
			if step < len(script) {
				name = script[step].name
			}
			tb.Fatalf("%s: step %d (%s): %v", v.name, step, name, err)
		}
	}
	at, record := v.at, 0
	for step := 0; step <= len(script); step++ {
		for len(at) > 0 && at[0].step == step {
			fail(step, h.restoreHere(script, at[0]))
			at = at[1:]
		}
		if step == len(script) {
			break
		}
		fail(step, h.Do(script[step]))
		if script[step].record {
			if v.cut != nil && v.cut(record) {
				fail(step, h.Flush())
			}
			record++
		}
	}
	fail(len(script), h.Flush())
	lines := h.Lines()
	fail(len(script), h.Close())
	return lines
}

// restoreHere takes a snapshot, lets the subtasks go on for a while, writes the snapshot and starts
// again from it.
func (h *Harness) restoreHere(script []Step, p restorePoint) error {
	take := h.Checkpoint
	if p.canonical {
		take = h.Savepoint
	}
	c, err := take()
	if err != nil {
		return err
	}
	for i := p.step; i < p.step+p.lag; i++ {
		if err := h.Do(script[i]); err != nil {
			return err
		}
	}
	if err := h.Flush(); err != nil {
		return err
	}
	if err := c.Write(); err != nil {
		return err
	}
	return h.Restore(c, p.parallelism)
}

// Diff shows which lines are missing from got (-) and which are too many (+), with the lines around
// the first difference.
func Diff(want, got []string) string {
	var b strings.Builder
	same := 0
	for same < len(want) && same < len(got) && want[same] == got[same] {
		same++
	}
	for _, l := range want[max(0, same-3):same] {
		b.WriteString("  " + l + "\n")
	}
	counts := map[string]int{}
	for _, l := range got[same:] {
		counts[l]++
	}
	shown := 0
	for _, l := range want[same:] {
		if counts[l]--; counts[l] < 0 && shown < maxDiffLines {
			b.WriteString("- " + l + "\n")
			shown++
		}
	}
	counts, shown = map[string]int{}, 0
	for _, l := range want[same:] {
		counts[l]++
	}
	for _, l := range got[same:] {
		if counts[l]--; counts[l] < 0 && shown < maxDiffLines {
			b.WriteString("+ " + l + "\n")
			shown++
		}
	}
	return b.String()
}

// maxDiffLines bounds the lines that Diff shows of each kind.
const maxDiffLines = 40

// Interleave returns up to limit orders in which the scripts of several inputs can be mixed, each
// script keeping its own order: all of them if there are not more, else random ones.
func Interleave(rnd *rand.Rand, limit int, scripts ...[]Step) [][]Step {
	var all [][]Step
	if enumerate(&all, limit+1, nil, scripts); len(all) <= limit {
		return all
	}
	all = all[:0]
	for range limit {
		all = append(all, mix(rnd, scripts))
	}
	return all
}

// enumerate appends all mixes that begin with prefix, until there are limit.
func enumerate(all *[][]Step, limit int, prefix []Step, rest [][]Step) {
	if len(*all) >= limit {
		return
	}
	done := true
	for i, s := range rest {
		if len(s) == 0 {
			continue
		}
		done = false
		next := slices.Clone(rest)
		next[i] = s[1:]
		enumerate(all, limit, append(slices.Clone(prefix), s[0]), next)
	}
	if done {
		*all = append(*all, prefix)
	}
}

func mix(rnd *rand.Rand, scripts [][]Step) []Step {
	rest := slices.Clone(scripts)
	left := 0
	for _, s := range rest {
		left += len(s)
	}
	mixed := make([]Step, 0, left)
	for ; left > 0; left-- {
		n := rnd.IntN(left)
		for i, s := range rest {
			if n < len(s) {
				mixed, rest[i] = append(mixed, s[0]), s[1:]
				break
			}
			n -= len(s)
		}
	}
	return mixed
}
