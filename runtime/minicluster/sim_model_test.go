package minicluster_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// The model computes what a plan must write by plain means, one record after the other.

// sourceRecords are the records of all sources of a plan.
func (p *plan) sourceRecords() map[int][]rec {
	out := map[int][]rec{}
	for i, n := range p.nodes {
		for k := range n.records {
			out[i] = append(out[i], p.sourceRecord(i, k))
		}
	}
	return out
}

// expect returns what each sink gets if the sources have read the given records.
func (p *plan) expect(sources map[int][]rec) map[int][]rec {
	streams := make([][]rec, len(p.nodes))
	sinks := map[int][]rec{}
	for i, n := range p.nodes {
		var in [][]rec
		for _, k := range n.in {
			in = append(in, streams[k])
		}
		switch {
		case n.kind <= opTicker:
			streams[i] = sources[i]
		case n.kind == opSink:
			sinks[i] = in[0]
		default:
			streams[i] = p.apply(&n, in)
		}
	}
	return sinks
}

func (p *plan) apply(n *node, in [][]rec) (out []rec) {
	switch n.kind {
	case opCount:
		return numbered(in[0])
	case opBuckets:
		return buckets(n, in[0])
	case opConnect:
		return connected(n, in[0], in[1])
	case opTumble, opSlide:
		return windows(n, in[0], n.size(), n.slide())
	case opSession:
		return sessions(n, in[0])
	case opUnion:
		in[0] = slices.Concat(in[0], in[1])
	}
	for _, r := range in[0] {
		out = append(out, p.each(n, r)...)
	}
	return out
}

// each is what becomes of a record at a node that handles each record by itself.
func (p *plan) each(n *node, r rec) []rec {
	switch n.kind {
	case opMap, opAsync, opUnion:
		return []rec{p.mapped(n, r)}
	case opFilter:
		if !kept(n, r) {
			return nil
		}
	case opFlatMap:
		var out []rec
		for i := range copies(n, r) {
			out = append(out, rec{r.Key, mix(r.Val, n.salt, i), r.Time})
		}
		return out
	case opGather:
		r.Time = 0
	}
	return []rec{r}
}

func (p *plan) mapped(n *node, r rec) rec {
	return rec{mix(r.Val, n.salt, 1) % p.keys, mix(r.Val, n.salt, 2), r.Time}
}

func kept(n *node, r rec) bool { return mix(r.Val, n.salt)%4 != 0 }

func copies(n *node, r rec) int64 { return mix(r.Val, n.salt) % 3 }

func (n *node) size() int64 {
	if n.kind == opSlide {
		return 3 * n.width
	}
	return n.width
}

func (n *node) slide() int64 { return n.width }

func byKey(rs []rec) map[int64][]rec {
	out := map[int64][]rec{}
	for _, r := range rs {
		out[r.Key] = append(out[r.Key], r)
	}
	return out
}

func numbered(in []rec) (out []rec) {
	seen := map[int64]int64{}
	for _, r := range in {
		seen[r.Key]++
		out = append(out, rec{Key: r.Key, Val: seen[r.Key]})
	}
	return out
}

// tally is a count and a sum.
type tally struct{ N, Sum int64 }

func (t tally) add(r rec) tally { return tally{t.N + 1, t.Sum + r.Val} }

// bucketEnd is the time at which the bucket of a time ends.
func (n *node) bucketEnd(time int64) int64 { return time - time%n.width + n.width - 1 }

func buckets(n *node, in []rec) (out []rec) {
	for key, rs := range byKey(in) {
		ends := map[int64]tally{}
		total := int64(0)
		for _, r := range rs {
			ends[n.bucketEnd(r.Time)] = ends[n.bucketEnd(r.Time)].add(r)
			total++
		}
		for end, t := range ends {
			out = append(out, rec{key, mix(t.N, t.Sum), end})
		}
		out = append(out, rec{key, mix(total), lastTime})
	}
	return out
}

func connected(n *node, first, second []rec) (out []rec) {
	sides := [2]map[int64]tally{{}, {}}
	keys := map[int64]bool{}
	for side, rs := range [][]rec{first, second} {
		for _, r := range rs {
			sides[side][r.Key] = sides[side][r.Key].add(r)
			keys[r.Key] = true
			out = append(out, n.passed(side, r))
		}
	}
	for key := range keys {
		out = append(out, n.joined(key, sides[0][key], sides[1][key]))
	}
	return out
}

// passed is what a connecting node emits for each record, joined what it emits at the end.
func (n *node) passed(side int, r rec) rec {
	out := rec{Key: r.Key, Val: mix(r.Val, n.salt, int64(side))}
	if n.timed {
		out.Time = r.Time
	}
	return out
}

func (n *node) joined(key int64, a, b tally) rec {
	out := rec{Key: key, Val: mix(a.N, a.Sum, b.N, b.Sum)}
	if n.timed {
		out.Time = lastTime
	}
	return out
}

// windowed is what a window emits.
func windowed(key, start, end int64, t tally) rec {
	return rec{key, mix(start, t.N, t.Sum), end - 1}
}

func windows(_ *node, in []rec, size, slide int64) (out []rec) {
	for key, rs := range byKey(in) {
		all := map[int64]tally{}
		for _, r := range rs {
			for start := r.Time - r.Time%slide; start > r.Time-size; start -= slide {
				all[start] = all[start].add(r)
			}
		}
		for start, t := range all {
			out = append(out, windowed(key, start, start+size, t))
		}
	}
	return out
}

func sessions(n *node, in []rec) (out []rec) {
	for key, rs := range byKey(in) {
		slices.SortFunc(rs, func(a, b rec) int { return cmp.Compare(a.Time, b.Time) })
		start, last, t := rs[0].Time, rs[0].Time, tally{}
		for _, r := range rs {
			if r.Time > last+n.width {
				out = append(out, windowed(key, start, last+n.width, t))
				start, t = r.Time, tally{}
			}
			last, t = r.Time, t.add(r)
		}
		out = append(out, windowed(key, start, last+n.width, t))
	}
	return out
}

// difference says how two bags of records differ: more is what got has beyond want, less what it
// lacks.
func difference(want, got []rec) (more, less map[rec]int) {
	more, less = map[rec]int{}, map[rec]int{}
	for _, r := range got {
		more[r]++
	}
	for _, r := range want {
		if more[r]--; more[r] < 0 {
			less[r]++
			more[r] = 0
		}
	}
	maps.DeleteFunc(more, func(_ rec, n int) bool { return n == 0 })
	return more, less
}

func compareRecs(a, b rec) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Val, b.Val))
}

// some shows a few of the records.
func some(rs map[rec]int) string {
	sorted := slices.SortedFunc(maps.Keys(rs), compareRecs)
	s := ""
	for i, r := range sorted {
		if i == 5 {
			return s + fmt.Sprintf(" and %d more", len(sorted)-i)
		}
		s += fmt.Sprintf(" %+v×%d", r, rs[r])
	}
	return s
}
