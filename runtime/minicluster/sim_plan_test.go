package minicluster_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"goflink/graph"
)

// rec is the record of random jobs. Time is its timestamp where that follows from the plan, else 0.
type rec struct{ Key, Val, Time int64 }

// mix makes one number of several, so that every change of a record shows.
func mix(vs ...int64) int64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, v := range vs {
		h ^= uint64(v)
		h *= 0xff51afd7ed558ccd
		h ^= h >> 32
	}
	return int64(h >> 1)
}

// opKind is what a node of a plan does. The functions are chosen so that the output, as a set, does
// not depend on the order in which records of different channels come.
type opKind uint8

const (
	// opSequence and opTicker are sources: the engine's, and an operator with state of its own that
	// emits by the clock.
	opSequence opKind = iota
	opTicker
	opMap
	opFilter
	opFlatMap
	opAsync
	// opOnce gets a broadcast stream and keeps of each record one copy.
	opOnce
	// opCount numbers the records of each key.
	opCount
	// opBuckets keeps map and value state and emits by event-time timers.
	opBuckets
	// opGather keeps list state and emits by processing-time timers.
	opGather
	// opConnect shares state between two inputs; opUnion joins two streams.
	opConnect
	opUnion
	opTumble
	opSlide
	opSession
	opSink
	numKinds
)

var kindNames = [numKinds]string{"sequence", "ticker", "map", "filter", "flatmap", "async", "once",
	"count", "buckets", "gather", "connect", "union", "tumble", "slide", "session", "sink"}

func (k opKind) String() string { return kindNames[k] }

// keyed kinds get their records by key.
func (k opKind) keyed() bool {
	switch k {
	case opCount, opBuckets, opGather, opConnect, opTumble, opSlide, opSession:
		return true
	}
	return false
}

// node is one operator of a plan.
type node struct {
	kind opKind
	in   []int
	salt int64
	// class is the index of the node's parallelism in that of a leg; part how records get to it.
	class int
	part  graph.Partitioning
	chain graph.Chaining
	// width is the size of windows and buckets.
	width int64
	// records is the length of a source.
	records int64
	// timed says that Time is the timestamp of what the node emits; even, that it is an even
	// number.
	timed, even bool
}

// plan is a random job: a graph of nodes, each after its inputs.
type plan struct {
	nodes []node
	keys  int64
}

const (
	// numClasses is the number of parallelisms of a plan.
	numClasses = 3
	// lastTime is the time of the timers that only the end of event time reaches.
	lastTime = int64(1) << 40
	// jitter is by how much the times of a source are out of order.
	jitter = 20
)

// layout is the parallelism of each class.
type layout [numClasses]int

func randomLayout(rnd *rand.Rand) (l layout) {
	for i := range l {
		l[i] = 1 + rnd.IntN(4)
	}
	return l
}

// limits says how large a plan may be, and whether its operators may have state.
type planLimits struct {
	records   int64
	operators int
	stateless bool
}

// randomPlan makes a plan. The stateless ones are those whose output after a failure in
// at-least-once mode is a superset of what it should be.
func randomPlan(rnd *rand.Rand, l planLimits) *plan {
	p := &plan{keys: 1 + rnd.Int64N(20)}
	for range 1 + rnd.IntN(2) {
		kind := opSequence
		if rnd.IntN(3) == 0 {
			kind = opTicker
		}
		p.add(rnd, node{kind: kind, records: 1 + rnd.Int64N(l.records), timed: true, even: true})
	}
	sources := len(p.nodes)
	for range rnd.IntN(l.operators) + 1 {
		p.grow(rnd, l.stateless)
	}
	p.sinks(rnd, sources)
	return p
}

func (p *plan) add(rnd *rand.Rand, n node) int {
	n.salt = rnd.Int64()
	n.class = rnd.IntN(numClasses)
	n.chain = []graph.Chaining{graph.ChainAlways, graph.ChainAlways, graph.ChainHead,
		graph.ChainNever}[rnd.IntN(4)]
	// Odd: no session ends where another begins, for times are even there. If that were so, it
	// would depend on the watermark whether they are one.
	n.width = 21 + 2*rnd.Int64N(100)
	switch {
	case n.kind <= opTicker:
	case n.kind.keyed():
		n.part = graph.KeyGroup
	case n.kind == opOnce:
		n.part = graph.Broadcast
	default:
		n.part = []graph.Partitioning{graph.Rebalance, graph.Rescale, graph.Shuffle, graph.KeyGroup,
			graph.Custom, graph.Forward, graph.Default}[rnd.IntN(7)]
	}
	if len(n.in) > 0 && (n.part == graph.Forward || n.part == graph.Default) {
		// Forward needs equal parallelism.
		n.class = p.nodes[n.in[0]].class
		if len(n.in) > 1 {
			n.part = graph.Rebalance
		}
	}
	p.nodes = append(p.nodes, n)
	return len(p.nodes) - 1
}

// grow adds an operator behind a random node.
func (p *plan) grow(rnd *rand.Rand, stateless bool) {
	from := rnd.IntN(len(p.nodes))
	// Long chains are as likely as broad graphs.
	if rnd.IntN(2) == 0 {
		from = len(p.nodes) - 1
	}
	kinds := []opKind{opMap, opFilter, opFlatMap, opAsync, opOnce, opUnion}
	timed, even := p.nodes[from].timed, p.nodes[from].even
	if !stateless {
		kinds = append(kinds, opCount, opGather, opConnect)
		if timed {
			kinds = append(kinds, opBuckets, opTumble, opSlide)
		}
		if even {
			kinds = append(kinds, opSession)
		}
	}
	n := node{kind: kinds[rnd.IntN(len(kinds))], in: []int{from}, timed: timed, even: even}
	switch n.kind {
	case opUnion, opConnect:
		other := rnd.IntN(len(p.nodes))
		n.in = append(n.in, other)
		n.timed, n.even = timed && p.nodes[other].timed, even && p.nodes[other].even
	case opCount, opGather:
		n.timed, n.even = false, false
	case opBuckets, opTumble, opSlide:
		n.even = false
	}
	p.add(rnd, n)
}

// sinks ends each stream that nobody reads in a sink, and each source in one of its own.
func (p *plan) sinks(rnd *rand.Rand, sources int) {
	read := map[int]bool{}
	for _, n := range p.nodes {
		for _, i := range n.in {
			read[i] = true
		}
	}
	for i := range len(p.nodes) {
		if i < sources || !read[i] {
			p.add(rnd, node{kind: opSink, in: []int{i}})
		}
	}
}

// longest is the length of the longest source.
func (p *plan) longest() (n int64) {
	for i := range p.nodes {
		n = max(n, p.nodes[i].records)
	}
	return n
}

// String lists the nodes.
func (p *plan) String() string {
	var b strings.Builder
	for i, n := range p.nodes {
		fmt.Fprintf(&b, "%d %s%v part %s class %d chain %d", i, n.kind, n.in, n.part, n.class,
			n.chain)
		if n.records > 0 {
			fmt.Fprintf(&b, " records %d", n.records)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// uid names a node in savepoints.
func uid(node int) string { return fmt.Sprintf("node-%d", node) }

// sourceRecord is record n of the source at a node.
func (p *plan) sourceRecord(node int, n int64) rec {
	salt := p.nodes[node].salt
	return rec{Key: mix(salt, n, 1) % p.keys, Val: mix(salt, n, 2),
		Time: 1000 + 4*n + 2*(mix(salt, n, 3)%(jitter/2))}
}
