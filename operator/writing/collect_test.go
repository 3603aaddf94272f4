package writing_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"goflink/core/typeinfo"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/operator/operatortest"
	"goflink/operator/writing"
)

// collectRig runs a collecting sink with its coordinator and a client.
type collectRig[T any] struct {
	t testing.TB
	h *operatortest.Harness
	c operator.Coordinator
	// sent counts the events of the sink that were delivered or lost; orders go to the sink.
	sent   int
	orders [][]byte
	client *writing.Collected[T]
	got    []T
	over   bool
}

func newCollectRig[T any](t testing.TB, f operator.Factory, checkpoints bool) *collectRig[T] {
	t.Helper()
	r := &collectRig[T]{t: t, h: operatortest.New(t, options(f, 1, checkpoints)),
		client: writing.NewCollected(typeinfo.MustOf[T]())}
	r.newCoordinator()
	check(t, r.c.Start())
	check(t, r.c.SubtaskReady(0, 0))
	return r
}

func (r *collectRig[T]) newCoordinator() {
	r.t.Helper()
	var err error
	r.c, err = writing.CollectCoordinator(r)
	check(r.t, err)
}

// The rig is the coordinator's context.

func (r *collectRig[T]) Info() operator.Info                { return operator.Info{} }
func (r *collectRig[T]) Go(func() error, func(error) error) {}
func (r *collectRig[T]) Fail(err error)                     { r.t.Error(err) }
func (r *collectRig[T]) Now() int64                         { return r.h.Now() }

func (r *collectRig[T]) Send(_ int, event []byte) error {
	r.orders = append(r.orders, event)
	return nil
}

// deliver brings up to n messages to where they go, in their order.
func (r *collectRig[T]) deliver(n int) error {
	for ; n > 0; n-- {
		events := r.h.CoordinatorEvents()
		switch {
		case r.sent < len(events):
			r.sent++
			if err := r.c.Event(0, 0, events[r.sent-1]); err != nil {
				return err
			}
		case len(r.orders) > 0:
			o := r.orders[0]
			r.orders = r.orders[1:]
			if err := r.h.Operator(0).(operator.CoordinatorClient).CoordinatorEvent(o); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

const everything = 1 << 30

// settle delivers all messages.
func (r *collectRig[T]) settle() {
	r.t.Helper()
	check(r.t, r.deliver(everything))
}

// fetch asks once for results.
func (r *collectRig[T]) fetch() error {
	request, err := r.client.Request()
	if err != nil {
		return err
	}
	answer, err := r.c.(interface {
		Request(request []byte) ([]byte, error)
	}).Request(request)
	if err != nil {
		return err
	}
	vs, over, err := r.client.Read(answer)
	r.got, r.over = append(r.got, vs...), over
	return err
}

// fetchAll fetches until nothing more comes.
func (r *collectRig[T]) fetchAll() {
	r.t.Helper()
	for n := -1; n < len(r.got); {
		n = len(r.got)
		check(r.t, r.fetch())
		r.settle()
	}
}

// checkpoint takes a checkpoint that is completed.
func (r *collectRig[T]) checkpoint(id uint64) {
	r.t.Helper()
	_, err := r.c.Snapshot(id)
	check(r.t, err)
	c, err := r.h.Checkpoint()
	check(r.t, err)
	check(r.t, c.Write())
	check(r.t, r.c.CheckpointComplete(id))
	r.settle()
}

func ints(from, to int) (vs []int) {
	for i := from; i < to; i++ {
		vs = append(vs, i)
	}
	return vs
}

func (r *collectRig[T]) expect(what string, want []T) {
	r.t.Helper()
	if fmt.Sprint(r.got) != fmt.Sprint(want) {
		r.t.Fatalf("%s: got %v, want %v", what, r.got, want)
	}
}

// TestCollect: with checkpoints the client sees what is certain, in order; the rest after the end,
// also when the job is over.
func TestCollect(t *testing.T) {
	r := newCollectRig[int](t, writing.Collect(typeinfo.MustOf[int]()), true)
	r.h.Run(feed(ints(0, 10)...)...)
	r.settle()
	r.fetchAll()
	r.expect("before the checkpoint", nil)
	r.checkpoint(1)
	r.h.Run(feed(ints(10, 2000)...)...)
	r.fetchAll()
	r.expect("after the checkpoint", ints(0, 10))
	r.h.Run(operatortest.End())
	if !r.h.Operator(0).(operator.FinalCheckpointer).NeedsFinalCheckpoint() {
		t.Error("the end does not wait for a last checkpoint")
	}
	r.checkpoint(2)
	if r.h.Operator(0).(operator.FinalCheckpointer).NeedsFinalCheckpoint() {
		t.Error("the end waits for another checkpoint")
	}
	check(t, r.h.Close())
	check(t, r.c.Close())
	for !r.over {
		check(t, r.fetch())
	}
	r.expect("all", ints(0, 2000))
	// What the client has not said that it has is there for another one.
	r.client, r.got, r.over = writing.NewCollected(typeinfo.MustOf[int]()), nil, false
	check(t, r.fetch())
	if n := len(r.got); !r.over || n == 0 || r.got[n-1] != 1999 {
		t.Errorf("a second client got %d results, over %t", n, r.over)
	}
}

// TestCollectAtOnce: without checkpoints results come at once.
func TestCollectAtOnce(t *testing.T) {
	r := newCollectRig[string](t, writing.Collect(typeinfo.MustOf[string]()), false)
	r.h.Run(feed("a", "b")...)
	r.settle()
	r.fetchAll()
	r.expect("at once", []string{"a", "b"})
	r.h.Run(feed("c")...)
	r.h.Run(operatortest.End())
	r.settle()
	check(t, r.c.Close())
	check(t, r.fetch())
	r.expect("all", []string{"a", "b", "c"})
	if !r.over {
		t.Error("it is not over")
	}
}

// restart begins the sink anew without state.
func (r *collectRig[T]) restart(f operator.Factory) {
	r.t.Helper()
	r.settle()
	check(r.t, r.h.Close())
	check(r.t, r.c.SubtaskFailed(0, 0))
	check(r.t, r.c.SubtaskReset(0, 0))
	r.h, r.sent, r.orders = operatortest.New(r.t, options(f, 1, false)), 0, nil
	r.settle()
	check(r.t, r.c.SubtaskReady(0, 1))
}

// TestCollectRestartWithoutCheckpoints: R97: a job that begins anew makes its results again: those
// that nobody had fetched are replaced, those that somebody had are an error.
func TestCollectRestartWithoutCheckpoints(t *testing.T) {
	f := writing.Collect(typeinfo.MustOf[int]())
	r := newCollectRig[int](t, f, false)
	r.h.Run(feed(1, 2, 3)...)
	r.settle()
	r.restart(f)
	r.h.Run(feed(4, 5)...)
	r.settle()
	r.fetchAll()
	r.expect("made again", []int{4, 5})
	r.restart(f)
	expectError(t, r.fetch(), nil, "the job has failed and was restarted",
		"2 of them had been fetched",
		"with checkpoints each result comes once")
}

// TestCollectWindow: a client that does not fetch holds the job back; nothing is lost, and at the
// end all results go to the coordinator.
func TestCollectWindow(t *testing.T) {
	for _, checkpoints := range []bool{false, true} {
		f := writing.CollectWithin(typeinfo.MustOf[string](), everything, 1000, 100, 100)
		r := newCollectRig[string](t, f, checkpoints)
		ready := func() bool { return r.h.Operator(0).(operator.Throttled).Ready() }
		var want []string
		id := uint64(0)
		for n := 0; ready(); n++ {
			if n > 100 {
				t.Fatal("the job is not held back")
			}
			want = append(want, strings.Repeat(fmt.Sprint(n%10), 50))
			r.h.Run(feed(want[n])...)
			if checkpoints {
				id++
				r.checkpoint(id)
			}
			r.settle()
		}
		if n := len(want); n < 15 || n > 25 {
			t.Errorf("%d results of 51 bytes before the job is held back, want about 20", n)
		}
		check(t, r.fetch())
		check(t, r.fetch()) // asks for more, and so says that it has the first
		r.settle()
		if !ready() {
			t.Fatal("the job is still held back")
		}
		more := want[0]
		for range 40 {
			if !ready() {
				break
			}
			want = append(want, more)
			r.h.Run(feed(more)...)
		}
		r.h.Run(operatortest.End())
		if checkpoints {
			r.checkpoint(id + 1)
		}
		r.settle()
		check(t, r.h.Close())
		check(t, r.c.Close())
		for !r.over {
			check(t, r.fetch())
		}
		r.expect("all", want)
	}
}

// TestCollectLimits: a record that is too long, too much for one checkpoint, more than one subtask.
func TestCollectLimits(t *testing.T) {
	typ := typeinfo.MustOf[string]()
	run := func(vs ...string) error {
		f := writing.CollectWithin(typ, 1000, 1000, 100, 200)
		r := newCollectRig[string](t, f, true)
		for _, v := range vs {
			if err := r.h.Do(feed(v)[0]); err != nil {
				return err
			}
		}
		return r.h.Flush()
	}
	check(t, run(strings.Repeat("x", 190)))
	expectError(t, run(strings.Repeat("x", 201)), nil, "a record takes 203 bytes; at most 200")
	check(t, run(slices.Repeat([]string{strings.Repeat("x", 99)}, 9)...))
	expectError(t, run(slices.Repeat([]string{strings.Repeat("x", 99)}, 11)...), nil,
		"more than 1000 bytes", "execution.checkpointing.interval")
	_, err := operatortest.Start(t, options(writing.Collect(typ), 2, true))
	expectError(t, err, nil, "one subtask, but there are 2")
}

// TestCollectDamaged: messages that make no sense are errors.
func TestCollectDamaged(t *testing.T) {
	r := newCollectRig[int](t, writing.Collect(typeinfo.MustOf[int]()), true)
	bad := []byte{0xff}
	_, _, err := r.client.Read(bad)
	_, err2 := r.c.(interface{ Request([]byte) ([]byte, error) }).Request(bad)
	for _, err := range []error{err, err2, r.c.Event(0, 0, bad), r.c.Restore(1, bad),
		r.h.Operator(0).(operator.CoordinatorClient).CoordinatorEvent(bad)} {
		expectError(t, err, nil, "message about collected results")
	}
}

// TestCollectExactlyOnce: R96: whatever fails and whenever, the sink, its coordinator or both, the
// client gets each record once, in order.
func TestCollectExactlyOnce(t *testing.T) {
	testkit.EachSeed(t, testkit.Scaled(400), func(t *testing.T, seed uint64) {
		rnd := testkit.Source(seed)
		f := writing.CollectWithin(typeinfo.MustOf[int](), everything, 1+rnd.IntN(300),
			1+rnd.IntN(40), 100)
		x := &collectChaos{r: newCollectRig[int](t, f, true), rnd: rnd}
		x.run()
		x.r.expect("all", ints(0, x.next))
	})
}

// collectChaos runs a collecting sink with random failures.
type collectChaos struct {
	r    *collectRig[int]
	rnd  *rand.Rand
	next int
	id   uint64
	// pending is being taken, done is the latest that is complete.
	pending, done *collectTaken
}

// collectTaken is a checkpoint of the sink and of its coordinator.
type collectTaken struct {
	id    uint64
	c     *operatortest.Checkpoint
	coord []byte
	next  int
}

func (x *collectChaos) run() {
	t := x.r.t
	t.Helper()
	x.begin()
	x.complete()
	for faults := x.rnd.IntN(8); x.next < 300 || faults > 0; {
		switch n := x.rnd.IntN(20); {
		case n < 5:
			if x.r.h.Operator(0).(operator.Throttled).Ready() {
				for range 1 + x.rnd.IntN(20) {
					check(t, x.r.h.Do(feed(x.next)[0]))
					x.next++
				}
				check(t, x.r.h.Flush())
			}
		case n < 8 && x.pending == nil:
			x.begin()
		case n < 10 && x.pending != nil:
			x.complete()
		case n == 10 && x.pending != nil:
			x.pending.c.Abandon()
			x.pending = nil
		case n < 14:
			check(t, x.r.fetch())
		case n == 14 && faults > 0:
			faults--
			x.fault()
		default:
			check(t, x.r.deliver(1+x.rnd.IntN(3)))
		}
	}
	x.r.settle()
	x.r.h.Run(operatortest.End())
	if x.pending == nil {
		x.begin()
	} else {
		x.complete()
		x.begin()
	}
	x.complete()
	x.r.settle()
	check(t, x.r.h.Close())
	check(t, x.r.c.Close())
	for x.r.over = false; !x.r.over; {
		check(t, x.r.fetch())
	}
}

func (x *collectChaos) begin() {
	x.id++
	coord, err := x.r.c.Snapshot(x.id)
	check(x.r.t, err)
	check(x.r.t, x.r.deliver(x.rnd.IntN(4)))
	c, err := x.r.h.Checkpoint()
	check(x.r.t, err)
	x.pending = &collectTaken{x.id, c, coord, x.next}
}

func (x *collectChaos) complete() {
	p := x.pending
	x.pending, x.done = nil, p
	told := x.rnd.IntN(2) == 0
	if told {
		check(x.r.t, x.r.c.CheckpointComplete(p.id))
	}
	check(x.r.t, x.r.deliver(x.rnd.IntN(3)))
	check(x.r.t, p.c.Write())
	if !told {
		check(x.r.t, x.r.c.CheckpointComplete(p.id))
	}
}

// fault crashes the sink, and perhaps the coordinator with it; messages under way are lost.
func (x *collectChaos) fault() {
	r, t := x.r, x.r.t
	check(t, r.deliver(x.rnd.IntN(2)))
	check(t, r.h.Close())
	if x.pending != nil && x.rnd.IntN(2) == 0 {
		// It was complete, but nobody had heard of it.
		x.done = x.pending
		check(t, x.done.c.Write())
	}
	x.pending = nil
	r.sent, r.orders = len(r.h.CoordinatorEvents()), nil
	check(t, r.c.SubtaskFailed(0, 0))
	switch x.rnd.IntN(3) {
	case 0:
		check(t, r.c.SubtaskReset(0, x.done.id))
	case 1:
		check(t, r.c.Restore(x.done.id, x.done.coord))
	case 2:
		check(t, r.c.Close())
		r.newCoordinator()
		check(t, r.c.Restore(x.done.id, x.done.coord))
		check(t, r.c.Start())
	}
	check(t, r.h.Restore(x.done.c, 1))
	x.next = x.done.next
	check(t, r.deliver(x.rnd.IntN(3)))
	check(t, r.c.SubtaskReady(0, 1))
}
