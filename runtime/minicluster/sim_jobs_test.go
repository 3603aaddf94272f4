//go:build simrandom

package minicluster_test

import (
	"fmt"
	"testing"
	"time"

	"goflink/core/stream"
	"goflink/datastream"
	"goflink/internal/testkit"
	"goflink/runtime/checkpoint"
)

// TestSimJobs: R5, R7, R79, R80, R85, R90–R92, R94, R95, R106: random jobs with random faults, in
// every checkpoint mode, cancelled, stopped and restored at random moments, write what they should:
// each record once.
func TestSimJobs(t *testing.T) {
	testkit.EachSeed(t, 300, func(t *testing.T, seed uint64) { newCase(t, seed, true).run() })
}

// TestSimCalm: without faults the same holds, and no file is left behind that nobody can ask for.
func TestSimCalm(t *testing.T) {
	testkit.EachSeed(t, 30, func(t *testing.T, seed uint64) {
		c := newCase(t, seed, false)
		c.legs = 0
		c.run()
		if left := c.fs.Files(); len(left) > 0 {
			t.Errorf("the job has finished, and there are still files: %v", left)
		}
	})
}

// TestSimReplay: a seed gives the same run again, event by event.
func TestSimReplay(t *testing.T) {
	testkit.EachSeed(t, 10, func(t *testing.T, seed uint64) {
		first := newCase(t, seed, true)
		first.run()
		second := newCase(t, seed, true)
		second.run()
		for i, line := range first.log.lines {
			if i >= len(second.log.lines) || line != second.log.lines[i] {
				second.log.lines = second.log.lines[:min(i+1, len(second.log.lines))]
				t.Fatalf("event %d was %q; the second run had\n%s", i, line, second.log.Tail(10))
			}
		}
		if first.w.Hash() != second.w.Hash() || first.w.Steps() != second.w.Steps() {
			t.Errorf("the same events, but %d and %d turns in different orders", first.w.Steps(),
				second.w.Steps())
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
	numModes
)

// simCase is one random test.
type simCase struct {
	*simRig
	plan   *plan
	mode   mode
	layout layout
	faults bool
	// legs is how many jobs may follow the first, each from a checkpoint of the one before.
	legs int
	// rescales says whether the parallelism changes between them.
	rescales bool
}

func newCase(t *testing.T, seed uint64, faults bool) *simCase {
	c := &simCase{simRig: newSimRig(t, seed), faults: faults}
	rnd := c.rnd
	c.mode = mode(rnd.IntN(int(numModes)))
	c.plan = randomPlan(rnd, planLimits{records: 1200, operators: 7, stateless: c.mode == atLeastOnce})
	c.layout = randomLayout(rnd)
	c.legs = rnd.IntN(3)
	c.rescales = rnd.IntN(2) == 0
	c.configure()
	c.trouble()
	workers := 1 + rnd.IntN(3)
	c.start(workers, (4+workers-1)/workers+rnd.IntN(2))
	return c
}

// configure draws the settings.
func (c *simCase) configure() {
	rnd := c.rnd
	either := func(values ...string) string { return values[rnd.IntN(len(values))] }
	c.set("execution.checkpointing.interval", either("10 ms", "10 ms", "15 ms", "30 ms"))
	c.set("execution.checkpointing.num-retained", either("1", "2", "3"))
	c.set("execution.checkpointing.max-concurrent-checkpoints", either("1", "2"))
	c.set("execution.checkpointing.tolerable-failed-checkpoints", either("0", "1", "100"))
	c.set("execution.checkpointing.timeout", either("10 min", "10 min", "20 ms"))
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
	c.w.LimitSteps(1 + rnd.IntN(50))
	if rnd.IntN(2) == 0 {
		c.w.SlowWork(time.Duration(1+rnd.IntN(8)) * time.Millisecond)
	}
	if rnd.IntN(2) == 0 {
		c.slow = rnd.IntN(len(c.plan.nodes))
		c.slowness = time.Duration(1+rnd.IntN(100)) * time.Microsecond
	}
}

// trouble draws the faults of the next job.
func (c *simCase) trouble() {
	c.calm()
	if !c.faults {
		return
	}
	c.bombs, c.bombOdds = c.rnd.IntN(4), 1000*(1+c.rnd.IntN(10))
	c.kills, c.storms = c.rnd.IntN(3), c.rnd.IntN(3)
}

// run runs the case to its end.
func (c *simCase) run() {
	c.t.Helper()
	restore := ""
	for leg := 0; ; leg++ {
		s := c.submit(leg, restore, func(env *datastream.Environment) error {
			b := &builder{plan: c.plan, layout: c.layout, env: env, touch: c.touch, store: c.store,
				leg: leg}
			return b.build()
		})
		next, ended := c.finish(s, leg)
		if ended {
			return
		}
		restore = next
		c.trouble()
		if c.rescales {
			c.layout = randomLayout(c.rnd)
		}
	}
}

// finish runs a job to its end, or to one before; then it returns the path to go on from.
func (c *simCase) finish(s *submission, leg int) (restore string, ended bool) {
	c.t.Helper()
	if leg < c.legs {
		s.run(turns(c.rnd.IntN(6000)))
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
	c.check(c.plan.sourceRecords(), "the whole job (%d restarts)", r.Restarts)
	return "", true
}

// leave ends a job before its time, in one of the ways that there are. ok is false if the job has
// gone on.
func (c *simCase) leave(s *submission) (restore string, ended, ok bool) {
	c.t.Helper()
	switch c.rnd.IntN(4) {
	case 0:
		return c.leaveCancelled(s), false, true
	case 1:
		path, err := s.savepoint(stream.Savepoint)
		if err != nil {
			return "", false, false
		}
		s.run(turns(c.rnd.IntN(3000)))
		if s.over() {
			// It has finished meanwhile; yet it can go back.
			c.log.Add(c.w.Now(), "the job finished before it was cancelled")
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
		}
	}
	c.check(sources, "the drained job")
	return "", true, true
}

// stopped waits for the end of a job that was stopped with a savepoint, and reports whether it has
// ended by that: a fault may make it go on.
func (c *simCase) stopped(s *submission, path string) bool {
	c.t.Helper()
	s.run(never)
	if _, err := s.result(); err != nil {
		c.fail("the job was stopped with a savepoint, but: %v", err)
	}
	number := c.numberOf(s, path)
	if names := c.store.uncommitted(number); len(names) > 0 {
		c.fail("the job was stopped with savepoint %d, but %v are not committed", number, names)
	}
	return true
}

// leaveCancelled cancels a job and chooses one of its retained checkpoints, or the beginning if
// there is none.
func (c *simCase) leaveCancelled(s *submission) (restore string) {
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
func (c *simCase) numberOf(s *submission, path string) uint64 {
	c.t.Helper()
	o := s.overview()
	if l := o.LatestSavepoint; l != nil && l.Path == path {
		return l.ID
	}
	c.fail("nothing is known of the savepoint %s", path)
	return 0
}

// check compares what the sinks have got with what follows from what the sources have read.
func (c *simCase) check(sources map[int][]rec, format string, args ...any) {
	c.t.Helper()
	if len(c.store.faults) > 0 {
		c.fail("%v", c.store.faults)
	}
	for sink, want := range c.plan.expect(sources) {
		more, less := difference(want, c.store.content(sink))
		if c.mode == atLeastOnce {
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
func (c *simCase) fail(format string, args ...any) {
	c.t.Helper()
	c.t.Fatalf("%s\nmode %d, layout %v, plan\n%s%s", fmt.Sprintf(format, args...), c.mode, c.layout,
		c.plan, c.log.Tail(100))
}
