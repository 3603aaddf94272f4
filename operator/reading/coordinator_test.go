package reading_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"goflink/core/source"
	"goflink/core/stream"
	"goflink/internal/testkit"
	"goflink/operator/reading"
)

// queue is a source that is written as users write theirs (R37): tickets of several numbers each,
// which the enumerator finds in rounds and hands out to whoever asks, and which a reader works
// off in turn. A reader that has to wait asks again when the enumerator tells it that there is
// more.
type queue struct {
	rounds, tickets, size int
}

func (queue) Bounded() bool    { return true }
func (queue) Replayable() bool { return true }

type queueEnumerator struct {
	q   queue
	ctx source.EnumeratorContext
	// Round is the next to be found, Open are the tickets that nobody has.
	Round  int
	Open   []source.Split
	hungry []int
	// added are the readers that run, over those that were told that there is no more.
	added, over map[int]bool
}

func (q queue) NewEnumerator(ctx source.EnumeratorContext, restored []byte) (
	source.Enumerator, error,
) {
	e := &queueEnumerator{q: q, ctx: ctx, added: map[int]bool{}, over: map[int]bool{}}
	if restored == nil {
		return e, nil
	}
	return e, json.Unmarshal(restored, e)
}

func (e *queueEnumerator) Start() error {
	e.find()
	return nil
}

// find finds the next round elsewhere.
func (e *queueEnumerator) find() {
	if e.Round >= e.q.rounds {
		return
	}
	round := e.Round
	var found []source.Split
	e.ctx.Go(func(ctx context.Context) error {
		for i := range e.q.tickets {
			state, err := json.Marshal(ticket{(round*e.q.tickets + i) * e.q.size, e.q.size})
			if err != nil {
				return err
			}
			found = append(found, source.Split{ID: fmt.Sprintf("%d/%d", round, i), State: state})
		}
		return ctx.Err()
	}, func(err error) error {
		if err != nil {
			return err
		}
		e.Round = round + 1
		e.Open = append(e.Open, found...)
		e.find()
		return e.serve()
	})
}

func (e *queueEnumerator) RequestSplit(subtask int, _ string) error {
	if !e.added[subtask] {
		return fmt.Errorf("reader %d asks before it was added", subtask)
	}
	if e.over[subtask] {
		return nil
	}
	e.hungry = append(e.hungry, subtask)
	return e.serve()
}

func (e *queueEnumerator) serve() error {
	for len(e.hungry) > 0 {
		s := e.hungry[0]
		switch {
		case len(e.Open) > 0:
			if err := e.ctx.Assign(s, e.Open[:1:1]); err != nil {
				return err
			}
			e.Open = e.Open[1:]
		case e.Round == e.q.rounds:
			// Tickets may still come back: readers are told by an event.
			if err := e.ctx.SendEvent(s, []byte("wait")); err != nil {
				return err
			}
		default:
			return nil
		}
		e.hungry = e.hungry[1:]
	}
	return nil
}

func (e *queueEnumerator) AddBack(_ int, splits []source.Split) error {
	e.Open = append(e.Open, splits...)
	return e.serve()
}

func (e *queueEnumerator) ReaderAdded(subtask int) error {
	e.added[subtask], e.over[subtask] = true, false
	e.hungry = slices.DeleteFunc(e.hungry, func(s int) bool { return s == subtask })
	return nil
}

// ReaderEvent takes "more?" of a reader that waits.
func (e *queueEnumerator) ReaderEvent(subtask int, event []byte) error {
	if string(event) != "more?" {
		return fmt.Errorf("event %q", event)
	}
	if len(e.Open) == 0 {
		e.over[subtask] = true
		e.hungry = slices.DeleteFunc(e.hungry, func(s int) bool { return s == subtask })
		return e.ctx.NoMoreSplits(subtask)
	}
	return e.RequestSplit(subtask, "")
}

func (e *queueEnumerator) Snapshot(uint64) ([]byte, error) { return json.Marshal(e) }
func (e *queueEnumerator) Close() error                    { return nil }

type ticket struct{ Next, Left int }

type queueReader struct {
	ctx     source.ReaderContext
	tickets []source.Split
	asked   bool
	over    bool
}

func (q queue) NewReader(ctx source.ReaderContext) (source.Reader[int], error) {
	r := &queueReader{ctx: ctx}
	// Before the subtask is known to run.
	r.asked = true
	return r, ctx.RequestSplit()
}

func (r *queueReader) AddSplits(splits []source.Split) error {
	r.tickets, r.asked = append(r.tickets, splits...), false
	r.ctx.Wake()
	return nil
}

func (r *queueReader) NoMoreSplits() error {
	r.over = true
	r.ctx.Wake()
	return nil
}

func (r *queueReader) Event([]byte) error { return r.ctx.SendEvent([]byte("more?")) }

func (r *queueReader) Poll(b *stream.Batch[int], max int) (string, source.Status, error) {
	switch {
	case len(r.tickets) > 0:
	case r.over:
		return "", source.End, nil
	case r.asked:
		return "", source.Idle, nil
	default:
		r.asked = true
		return "", source.Idle, r.ctx.RequestSplit()
	}
	var t ticket
	s := &r.tickets[0]
	if err := json.Unmarshal(s.State, &t); err != nil {
		return "", source.End, err
	}
	n := min(max, t.Left)
	for range n {
		b.Append(t.Next, int64(t.Next))
		t.Next, t.Left = t.Next+1, t.Left-1
	}
	if t.Left == 0 {
		id := s.ID
		r.tickets = r.tickets[1:]
		return id, source.SplitEnd, nil
	}
	var err error
	s.State, err = json.Marshal(t)
	return s.ID, source.More, err
}

func (r *queueReader) Snapshot(uint64) ([]source.Split, error) {
	return slices.Clone(r.tickets),
		nil
}
func (r *queueReader) Close() error { return nil }

// TestUserSource: R37: a source of the user's own.
func TestUserSource(t *testing.T) {
	q := queue{rounds: 3, tickets: 4, size: 5}
	r := newRig(t, q, 2, nil)
	r.read(3)
	if !r.ended() {
		t.Fatal("the readers did not end")
	}
	checkQueue(t, q, r.values())
	for _, rd := range r.readers {
		for _, o := range rd.out {
			if o.Time != int64(o.Value) {
				t.Fatalf("record %d has the timestamp %d", o.Value, o.Time)
			}
		}
	}
}

func checkQueue(t *testing.T, q queue, got []int) {
	t.Helper()
	slices.Sort(got)
	for i := range q.rounds * q.tickets * q.size {
		if i >= len(got) || got[i] != i {
			t.Fatalf("record %d: got %v", i, got)
		}
	}
	if len(got) != q.rounds*q.tickets*q.size {
		t.Fatalf("%d records, want %d", len(got), q.rounds*q.tickets*q.size)
	}
}

// TestSplitsGivenBack: R97, R99: whatever fails and whenever, exactly the splits come back that a
// reader had got since the checkpoint that it begins with: each record counts once.
func TestSplitsGivenBack(t *testing.T) {
	testkit.EachSeed(t, testkit.Scaled(300), func(t *testing.T, seed uint64) {
		rnd := testkit.Source(seed)
		q := queue{rounds: 1 + rnd.IntN(3), tickets: rnd.IntN(6), size: 1 + rnd.IntN(4)}
		c := chaos[int]{r: newRig(t, q, 1+rnd.IntN(3), nil), rnd: rnd, faults: rnd.IntN(12)}
		c.run()
		checkQueue(t, q, c.r.values())
	})
}

// chaos runs a rig in random order with checkpoints and failures.
type chaos[T any] struct {
	r      *rig[T]
	rnd    *rand.Rand
	faults int
	// pending is being taken, done is the latest that is complete, its completion perhaps not told.
	pending, done *checkpoint[T]
	told          bool
	max           int
}

func (c *chaos[T]) run() {
	c.r.t.Helper()
	if c.max == 0 {
		c.max = 4
	}
	for {
		switch c.rnd.IntN(12) {
		case 0:
			if c.pending == nil && !c.r.ended() {
				c.pending = c.r.begin()
			}
		case 1:
			if c.faults > 0 {
				c.faults--
				c.fault()
			}
		case 2:
			c.tell()
		}
		more, err := c.r.step(c.rnd.IntN, 1+c.rnd.IntN(c.max))
		c.r.check(err)
		if c.pending != nil && c.pending.complete() {
			c.tell()
			c.pending, c.done, c.told = nil, c.pending, false
		}
		if !more && c.pending == nil {
			if c.faults == 0 {
				return
			}
			c.faults--
			c.fault()
		}
	}
}

// tell tells the coordinator that the latest checkpoint is complete.
func (c *chaos[T]) tell() {
	if c.done != nil && !c.told {
		c.told = true
		c.r.check(c.r.c.CheckpointComplete(c.done.id))
	}
}

func (c *chaos[T]) fault() {
	// A pending checkpoint is given up; its barriers still arrive and count for nothing.
	c.pending = nil
	i := c.rnd.IntN(len(c.r.readers))
	if c.done != nil && c.rnd.IntN(3) == 0 {
		c.r.restore(c.done, 1+c.rnd.IntN(3))
		return
	}
	if c.done != nil && len(c.done.parts) != len(c.r.readers) {
		c.r.restore(c.done, len(c.r.readers))
		return
	}
	c.r.restart(i, c.done)
}

// held is a context for tests of a coordinator alone.
type held struct {
	*rig[int]
	sent []string
}

func (h *held) Send(subtask int, event []byte) error {
	h.sent = append(h.sent, fmt.Sprint(subtask, ": ", string(event)))
	return nil
}

// scripted is a source whose enumerator does what the test says.
type scripted struct {
	source.Source[int]
	made   *[]*scriptedEnumerator
	refuse error
}

type scriptedEnumerator struct {
	source.Enumerator
	x      source.EnumeratorContext
	log    []string
	closed bool
}

func (s scripted) NewEnumerator(x source.EnumeratorContext, b []byte) (source.Enumerator, error) {
	e := &scriptedEnumerator{x: x, log: []string{"restored " + string(b)}}
	*s.made = append(*s.made, e)
	return e, s.refuse
}

func (e *scriptedEnumerator) note(format string, args ...any) error {
	e.log = append(e.log, fmt.Sprintf(format, args...))
	return nil
}

func (e *scriptedEnumerator) Start() error { return e.note("start") }
func (e *scriptedEnumerator) RequestSplit(s int, host string) error {
	return e.note("ask %d %s", s, host)
}
func (e *scriptedEnumerator) ReaderAdded(s int) error { return e.note("added %d", s) }
func (e *scriptedEnumerator) ReaderEvent(s int,
	b []byte) error {
	return e.note("event %d %s", s, b)
}
func (e *scriptedEnumerator) Snapshot(cp uint64) ([]byte, error) { return []byte("state"), nil }

func (e *scriptedEnumerator) AddBack(s int, splits []source.Split) error {
	var ids []string
	for _, sp := range splits {
		ids = append(ids, sp.ID)
	}
	return e.note("back %d %s", s, strings.Join(ids, ","))
}

func (e *scriptedEnumerator) Close() error {
	e.closed = true
	return nil
}

// TestCoordinatorScript follows one coordinator: what it holds for readers that do not run, what it
// gives back, and that a replaced enumerator can do nothing any more.
func TestCoordinatorScript(t *testing.T) {
	var made []*scriptedEnumerator
	h := &held{rig: &rig[int]{t: t, readers: make([]*reader[int], 2)}}
	c, err := reading.Coordinator[int](scripted{made: &made})(h)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(err)
	check(c.Start())
	e := made[0]
	check(c.Event(1, 0, []byte(`{"RequestSplit":true,"Host":"h"}`)))
	check(e.x.Assign(1, []source.Split{{ID: "early"}}))
	if len(h.sent) > 0 {
		t.Fatalf("sent to a reader that does not run: %q", h.sent)
	}
	check(c.SubtaskReady(1, 0))
	equal(t, "enumerator", e.log, []string{"restored ", "start", "added 1", "ask 1 h"})
	equal(t, "sent", h.sent, []string{`1: {"Splits":[{"ID":"early","State":null}]}`})

	state, err := c.Snapshot(1)
	check(err)
	check(e.x.Assign(1, []source.Split{{ID: "a"}, {ID: "b"}}))
	check(c.CheckpointComplete(1))
	_, err = c.Snapshot(2)
	check(err)
	check(e.x.Assign(1, []source.Split{{ID: "c"}}))
	e.log, h.sent = nil, nil
	check(c.SubtaskFailed(1, 0))
	check(e.x.Assign(1, []source.Split{{ID: "to a dead one"}}))
	check(c.SubtaskReset(1, 1))
	equal(t, "given back", e.log, []string{"back 1 a,b,c,to a dead one"})
	check(e.x.NoMoreSplits(1))
	check(e.x.NoMoreSplits(1))
	check(c.SubtaskReady(1, 1))
	equal(t, "sent", h.sent, []string{`1: {"NoMore":true}`})
	expectError(t, e.x.Assign(1, []source.Split{{ID: "d"}}), nil, "told that there are no more")
	expectError(t, e.x.Assign(2, nil), nil, "there is no reader 2")
	expectError(t, c.Event(1, 1, []byte("{")), nil, "message between a source and its coordinator")

	var cancelled error
	e.x.Go(func(ctx context.Context) error { return ctx.Err() }, func(err error) error {
		return errors.New("an old enumerator goes on")
	})
	e.x.Go(func(ctx context.Context) error { cancelled = ctx.Err(); return nil }, nil)
	check(c.Restore(1, state))
	for _, w := range h.work {
		check(w())
	}
	if cancelled == nil || !e.closed || len(made) != 2 {
		t.Errorf("cancelled %v, closed %t, %d enumerators", cancelled, e.closed, len(made))
	}
	equal(t, "new enumerator", made[1].log, []string{"restored state", "start"})
	expectError(t, e.x.Assign(1, nil), nil, "closed")
	expectError(t, c.Restore(1, []byte{9}), nil, "version 9")
	check(c.Close())
	check(c.Close())
}

// TestCoordinatorLimit: messages for a reader that never runs are bounded.
func TestCoordinatorLimit(t *testing.T) {
	var made []*scriptedEnumerator
	h := &held{rig: &rig[int]{t: t, readers: make([]*reader[int], 1)}}
	c, err := reading.Coordinator[int](scripted{made: &made})(h)
	if err = errors.Join(err, c.Start()); err != nil {
		t.Fatal(err)
	}
	for range reading.MaxHeldMessages {
		if err := errors.Join(c.Event(0, 0, nil), made[0].x.SendEvent(0, nil)); err != nil {
			t.Fatal(err)
		}
	}
	expectError(t, c.Event(0, 0, nil), nil, "before it ran")
	expectError(t, made[0].x.SendEvent(0, nil), nil, "which does not run")
}

// TestEnumeratorRefuses: an enumerator that cannot be made fails the start and each restore.
func TestEnumeratorRefuses(t *testing.T) {
	var made []*scriptedEnumerator
	h := &held{rig: &rig[int]{t: t, readers: make([]*reader[int], 1)}}
	refuse := errors.New("no connection")
	c, err := reading.Coordinator[int](scripted{made: &made, refuse: refuse})(h)
	if err != nil {
		t.Fatal(err)
	}
	expectError(t, c.Start(), refuse)
	expectError(t, c.Restore(0, nil), refuse)
	if err := errors.Join(c.SubtaskReady(0, 1), c.Event(0, 1, []byte(`{"RequestSplit":true}`)),
		c.SubtaskReset(0, 0), c.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = c.Snapshot(1)
	expectError(t, err, nil, "not running")
}
