package minicluster_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"goflink/core/stream"
	"goflink/datastream"
	"goflink/internal/sim"
	"goflink/internal/testkit"
	"goflink/runtime/checkpoint"
)

// TestSimJobs: R5, R7, R79, R80, R84, R85, R87, R90–R92, R94, R95, R99, R100, R106: random jobs
// with random faults write what they should, each record once. A seed draws
//
//   - a graph (randomPlan): one or two sources, with and without a coordinator, and up to seven
//     operators behind any of the nodes, stateless, keyed with all kinds of state and timers,
//     windowed, asynchronous, with one and two inputs, behind all partitionings, chained or not;
//     each stream ends in a sink with two-phase commit;
//   - how it is checkpointed: aligned, unaligned, aligned with a timeout, at-least-once (then
//     stateless operators, and records may come twice), or only by savepoints (then records may
//     come twice after a failure); intervals, concurrency, timeouts, retention, inline state;
//   - faults: panics of functions, lost workers, which come back or not, and times in which storage
//     is slow or full or fails in one kind of operation;
//   - slow operators and asynchronous work that takes long;
//   - up to two times, an end before its time: cancelled and begun again from any retained
//     checkpoint or from a savepoint, or stopped with a savepoint; often the next job has another
//     parallelism, each of three classes of nodes from 1 to 4, or all from 1 to 3 to 2. Or a drain,
//     after which the sinks have what follows from what the sources have read.
func TestSimJobs(t *testing.T) {
	testkit.EachSeed(t, 100, func(t *testing.T,
		seed uint64) {
		newSimCase(t, seed, true).runJobs()
	})
}

// TestSimCalm: without faults the same holds, and no file is left behind that nobody can ask for.
func TestSimCalm(t *testing.T) {
	testkit.EachSeed(t, 30, func(t *testing.T, seed uint64) {
		c := newSimCase(t, seed, false)
		c.legs = 0
		c.runJobs()
		if left := c.fs.Files(); len(left) > 0 {
			t.Errorf("the job has finished, and there are still files: %v", left)
		}
	})
}

// TestSimReplay: a seed gives the same run again, event by event.
func TestSimReplay(t *testing.T) {
	testkit.EachSeed(t, 10, func(t *testing.T, seed uint64) {
		first := newSimCase(t, seed, true)
		first.runJobs()
		second := newSimCase(t, seed, true)
		second.runJobs()
		for i, line := range first.log.lines {
			if i >= len(second.log.lines) || line != second.log.lines[i] {
				second.log.lines = second.log.lines[:min(i+1, len(second.log.lines))]
				t.Fatalf("event %d was %q; the second run had\n%s", i, line, second.log.Tail(10))
			}
		}
		if a, b := first.world, second.world; a.Hash() != b.Hash() || a.Steps() != b.Steps() {
			t.Errorf("the same events, but %d and %d turns in different orders", a.Steps(),
				b.Steps())
		}
	})
}

// mode is a way to take checkpoints.
type mode uint8

const (
	aligned mode = iota
	unaligned
	alignedTimeout
	atLeastOnce
	// savepointsOnly takes no checkpoints: after a failure a job begins again where it began.
	savepointsOnly
	numModes
)

func (m mode) String() string {
	return [numModes]string{"aligned", "unaligned", "aligned with timeout", "at least once",
		"savepoints only"}[m]
}

// jobCase is one random test.
type jobCase struct {
	*rig
	// world is the simulated one, nil if there is none.
	world  *sim.World
	plan   *plan
	mode   mode
	layout layout
	faults bool
	// legs is how many jobs may follow the first, each from a checkpoint of the one before.
	legs int
	// rescales says whether the parallelism changes between them; ladder, that it goes from 1 to 3
	// to 2.
	rescales, ladder bool
	// restarts counts those of all jobs so far.
	restarts int
}

// newSimCase returns a case in the simulated world.
func newSimCase(t *testing.T, seed uint64, faults bool) *jobCase {
	w := sim.New(seed)
	c := newCase(newRig(t, seed, simMachine{w}), faults, 1200)
	c.world = w
	w.LimitSteps(1 + c.rnd.IntN(50))
	if c.rnd.IntN(2) == 0 {
		w.SlowWork(time.Duration(1+c.rnd.IntN(8)) * time.Millisecond)
	}
	return c
}

// newCase draws a case whose sources have up to so many records, and starts its cluster.
func newCase(r *rig, faults bool, records int64) *jobCase {
	c := &jobCase{rig: r, faults: faults}
	rnd := c.rnd
	c.mode = mode(rnd.IntN(int(numModes)))
	c.plan = randomPlan(rnd, planLimits{records: records, operators: 7,
		stateless: c.mode == atLeastOnce})
	c.layout = randomLayout(rnd)
	c.legs = rnd.IntN(3)
	c.rescales = rnd.IntN(2) == 0
	if c.ladder = rnd.IntN(8) == 0; c.ladder {
		c.layout, c.legs, c.rescales = layout{1, 1, 1}, 2, true
	}
	c.configure()
	workers := 1 + rnd.IntN(3)
	c.start(workers, (4+workers-1)/workers+rnd.IntN(2))
	return c
}

// configure draws the settings.
func (c *jobCase) configure() {
	rnd := c.rnd
	either := func(values ...string) string { return values[rnd.IntN(len(values))] }
	if c.mode != savepointsOnly {
		c.set("execution.checkpointing.interval", either("10 ms", "10 ms", "15 ms", "30 ms"))
	}
	c.set("execution.checkpointing.num-retained", either("1", "2", "3"))
	c.set("execution.checkpointing.max-concurrent-checkpoints", either("1", "2"))
	// A job whose checkpoints mostly expire ends only if it may go on without them.
	if rnd.IntN(3) == 0 {
		c.set("execution.checkpointing.timeout", "50 ms")
		c.set("execution.checkpointing.tolerable-failed-checkpoints", "1000000")
	} else {
		c.set("execution.checkpointing.tolerable-failed-checkpoints", either("0", "1", "100"))
	}
	c.set("execution.checkpointing.data-inline-threshold", either("0 b", "20 kb"))
	c.set("pipeline.check-mutation", either("true", "false"))
	switch c.mode {
	case unaligned:
		c.set("execution.checkpointing.unaligned.enabled", "true")
	case alignedTimeout:
		c.set("execution.checkpointing.unaligned.enabled", "true")
		c.set("execution.checkpointing.aligned-checkpoint-timeout", either("1 ms", "2 ms", "5 ms"))
	case atLeastOnce:
		c.set("execution.checkpointing.mode", "AT_LEAST_ONCE")
	}
	if rnd.IntN(2) == 0 {
		c.slow = rnd.IntN(len(c.plan.nodes))
		c.slowness = time.Duration(1+rnd.IntN(100)) * time.Microsecond
	}
}

// trouble draws the faults of a job.
func (c *jobCase) trouble() {
	if !c.faults {
		return
	}
	c.bombOdds = max(1, (1+c.rnd.IntN(10))*int(c.plan.longest()))
	c.bombs.Store(int32(c.rnd.IntN(4)))
	c.kills, c.storms = c.rnd.IntN(3), c.rnd.IntN(3)
}

// runJobs runs the case to its end.
func (c *jobCase) runJobs() {
	c.t.Helper()
	restore := ""
	for leg := 0; ; leg++ {
		s := c.submit(leg, restore, func(env *datastream.Environment) error {
			b := &builder{plan: c.plan, layout: c.layout, env: env, touch: c.touch, store: c.store,
				leg: leg, uncheckpointed: c.mode == savepointsOnly}
			return b.build()
		})
		// A checkpoint that cannot be read when the job begins ends it for good.
		s.run(c.started.Load)
		c.trouble()
		next, ended := c.finish(s, leg)
		if ended {
			return
		}
		restore = next
		c.calm()
		c.rescale(leg)
	}
}

// rescale draws the parallelism of the next job.
func (c *jobCase) rescale(leg int) {
	switch {
	case c.ladder:
		n := 3 - leg%2
		c.layout = layout{n, n, n}
	case c.rescales:
		c.layout = randomLayout(c.rnd)
	}
}

// finish runs a job to its end, or to one before; then it returns the path to go on from.
func (c *jobCase) finish(s *submission, leg int) (restore string, ended bool) {
	c.t.Helper()
	if leg < c.legs {
		s.run(c.after(c.rnd.IntN(6000)))
		if !s.over() {
			if restore, ended, ok := c.leave(s); ok {
				return restore, ended
			}
		}
	}
	s.run(never)
	r, err := s.result()
	if err != nil {
		c.fail("%v", err)
	}
	c.restarts += int(r.Restarts)
	c.check(c.plan.sourceRecords(), "the whole job (%d restarts)", r.Restarts)
	return "", true
}

// leave ends a job before its time, in one of the ways that there are. ok is false if the job has
// gone on.
func (c *jobCase) leave(s *submission) (restore string, ended, ok bool) {
	c.t.Helper()
	way := c.rnd.IntN(4)
	if way%2 == 1 && c.mode == savepointsOnly {
		// What was committed at the end of a sink cannot be taken back, and may be of an attempt
		// that read more.
		way = 2
	}
	switch way {
	case 0:
		return c.leaveCancelled(s), false, true
	case 1:
		path, err := s.savepoint(stream.Savepoint)
		if err != nil {
			return "", false, false
		}
		s.run(c.after(c.rnd.IntN(3000)))
		if s.over() {
			// It has finished meanwhile; yet it can go back.
			c.log.Add(c.host().Now(), "the job finished before it was cancelled")
		} else {
			s.cancel()
		}
		c.store.rewind(c.numberOf(s, path))
		return path, false, true
	case 2:
		path, err := s.savepoint(stream.StopSavepoint)
		return path, false, err == nil && c.stopped(s, path)
	}
	path, err := s.savepoint(stream.DrainSavepoint)
	if err != nil || !c.stopped(s, path) {
		return "", false, false
	}
	// All sinks have got what follows from what the sources have read, and nothing else.
	sources := map[int][]rec{}
	for i, n := range c.plan.nodes {
		if in := n.in; n.kind == opSink && c.plan.nodes[in[0]].kind <= opTicker {
			sources[in[0]] = c.store.content(i)
			if c.repeats() {
				// No two records of a source are equal.
				slices.SortFunc(sources[in[0]], compareRecs)
				sources[in[0]] = slices.Compact(sources[in[0]])
			}
		}
	}
	c.check(sources, "the drained job")
	return "", true, true
}

// stopped waits for the end of a job that was stopped with a savepoint, and reports whether it has
// ended by that: a fault may make it go on.
func (c *jobCase) stopped(s *submission, path string) bool {
	c.t.Helper()
	s.run(never)
	r, err := s.result()
	if err != nil {
		c.fail("the job was stopped with a savepoint, but: %v", err)
	}
	c.restarts += int(r.Restarts)
	number := c.numberOf(s, path)
	if names := c.store.uncommitted(number); len(names) > 0 {
		c.fail("the job was stopped with savepoint %d, but %v are not committed", number, names)
	}
	return true
}

// leaveCancelled cancels a job and chooses one of its retained checkpoints, or the beginning if
// there is none.
func (c *jobCase) leaveCancelled(s *submission) (restore string) {
	c.t.Helper()
	s.cancel()
	o := s.overview()
	var kept []checkpoint.Stats
	for _, h := range o.History {
		if h.Status == checkpoint.CompletedStatus && !h.Discarded && h.Path != "" {
			kept = append(kept, h)
		}
	}
	if len(kept) == 0 {
		c.store.rewind(0)
		return ""
	}
	h := kept[c.rnd.IntN(len(kept))]
	c.store.rewind(h.ID)
	return h.Path
}

// numberOf is the number of the savepoint that a job which is over has taken.
func (c *jobCase) numberOf(s *submission, path string) uint64 {
	c.t.Helper()
	o := s.overview()
	if l := o.LatestSavepoint; l != nil && l.Path == path {
		return l.ID
	}
	c.fail("nothing is known of the savepoint %s", path)
	return 0
}

// repeats reports whether records may come more than once.
func (c *jobCase) repeats() bool {
	return c.mode == atLeastOnce || c.mode == savepointsOnly && c.restarts > 0
}

// check compares what the sinks have got with what follows from what the sources have read.
func (c *jobCase) check(sources map[int][]rec, format string, args ...any) {
	c.t.Helper()
	if len(c.store.faults) > 0 {
		c.fail("%v", c.store.faults)
	}
	for sink, want := range c.plan.expect(sources) {
		more, less := difference(want, c.store.content(sink))
		if c.repeats() {
			more = nil
		}
		if len(more)+len(less) > 0 {
			c.t.Errorf("%s: sink %d: too many:%s; missing:%s", fmt.Sprintf(format, args...), sink,
				some(more), some(less))
		}
	}
	if c.t.Failed() {
		c.fail("wrong output")
	}
}

// fail fails the test with all that is known.
func (c *jobCase) fail(format string, args ...any) {
	c.t.Helper()
	c.t.Fatalf("%s\nmode: %v, layout %v, plan\n%s%s", fmt.Sprintf(format, args...), c.mode,
		c.layout,
		c.plan, c.log.Tail(tailLines))
}
