package writing_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"goflink/core/sink"
	"goflink/core/stream"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/operator/operatortest"
	"goflink/operator/writing"
)

// ledger is an external system with transactions.
type ledger struct {
	t    testing.TB
	txns map[string]*entry
	log  []string
	// fail says whether an operation fails.
	fail func(op string) error
	// instances numbers the sinks that were opened.
	instances int
}

// entry is a transaction of a ledger.
type entry struct {
	subtask, instance int
	status            string
	records           []int
}

func newLedger(t testing.TB) *ledger {
	return &ledger{t: t, txns: map[string]*entry{}, fail: func(string) error { return nil }}
}

func (l *ledger) factory() operator.Factory {
	return writing.TwoPhase(func() (sink.TwoPhase[int, string], error) {
		return &ledgerSink{l: l}, nil
	})
}

func (l *ledger) note(op string, args ...any) error {
	l.log = append(l.log, strings.TrimSpace(op+" "+fmt.Sprintln(args...)))
	return l.fail(op)
}

// visible are the records that are committed, sorted.
func (l *ledger) visible() []int {
	var vs []int
	for _, e := range l.txns {
		if e.status == "committed" {
			vs = append(vs, e.records...)
		}
	}
	slices.Sort(vs)
	return vs
}

// open counts the transactions that are neither committed nor aborted.
func (l *ledger) open() (n int) {
	for _, e := range l.txns {
		if e.status == "open" || e.status == "pre-committed" {
			n++
		}
	}
	return n
}

// move changes the status of a transaction and verifies that it may.
func (l *ledger) move(id, to string, from ...string) {
	l.t.Helper()
	e := l.txns[id]
	switch {
	case e == nil:
		l.t.Errorf("%s: there is no transaction %q", to, id)
	case !slices.Contains(from, e.status):
		l.t.Errorf("transaction %q is %s, and is to become %s", id, e.status, to)
	default:
		e.status = to
	}
}

// ledgerSink is the sink of one subtask.
type ledgerSink struct {
	l        *ledger
	ctx      sink.Context
	instance int
}

func (s *ledgerSink) Open(ctx sink.Context) error {
	s.l.instances++
	s.ctx, s.instance = ctx, s.l.instances
	return nil
}

func (s *ledgerSink) Begin() (string, error) {
	// As with systems that know transactions by name, the name comes again after a failure: who
	// begins it anew fences off the old one, which must not have been finished.
	id := fmt.Sprintf("%d-%d", s.ctx.Subtask(), s.ctx.Sequence())
	if e := s.l.txns[id]; e != nil && e.status != "aborted" {
		s.l.t.Errorf("transaction %s is begun again, but is %s", id, e.status)
	}
	s.l.txns[id] = &entry{subtask: s.ctx.Subtask(), instance: s.instance, status: "open"}
	return id, s.l.note("begin", id)
}

func (s *ledgerSink) Write(id string, b *stream.Batch[int]) error {
	e := s.l.txns[id]
	if e == nil || e.status != "open" {
		s.l.t.Errorf("write to transaction %q, which is not open", id)
		return nil
	}
	e.records = append(e.records, b.Values...)
	return s.l.note("write", id, len(b.Values))
}

func (s *ledgerSink) PreCommit(id string) (string, bool, error) {
	if err := s.l.note("pre-commit", id); err != nil {
		return "", false, err
	}
	s.l.move(id, "pre-committed", "open")
	return id, true, nil
}

func (s *ledgerSink) Commit(id string) error {
	if err := s.l.note("commit", id); err != nil {
		return err
	}
	s.l.move(id, "committed", "pre-committed", "committed")
	return nil
}

func (s *ledgerSink) Abort(id string) error {
	if err := s.l.note("abort", id); err != nil {
		return err
	}
	s.l.move(id, "aborted", "open", "pre-committed", "aborted")
	return nil
}

func (s *ledgerSink) Abandon(restored []string) error {
	slices.Sort(restored)
	if err := s.l.note("abandon", strings.Join(restored, " ")); err != nil {
		return err
	}
	for id, e := range s.l.txns {
		if e.subtask%s.ctx.Parallelism() == s.ctx.Subtask() && e.instance < s.instance &&
			!slices.Contains(restored, id) && e.status != "committed" {
			e.status = "aborted"
		}
	}
	return nil
}

func (s *ledgerSink) EncodeTxn(id string) ([]byte, error) { return []byte(id), nil }
func (s *ledgerSink) DecodeTxn(b []byte) (string, error)  { return string(b), nil }
func (s *ledgerSink) Close() error                        { return s.l.note("close") }

// takeLog returns what was done since it was called last.
func (l *ledger) takeLog() []string {
	log := l.log
	l.log = nil
	return log
}

// TestProtocol: R102, R92, R98: the whole protocol as one run.
func TestProtocol(t *testing.T) {
	l := newLedger(t)
	h := operatortest.New(t, options(l.factory(), 1, true))
	equal(t, "start", l.takeLog(), []string{"abandon"})

	c0, err := h.Checkpoint()
	check(t, err)
	check(t, c0.Write())
	equal(t, "a checkpoint without records", l.takeLog(), nil)

	h.Run(feed(1, 2)...)
	h.Run(feed(3)...)
	equal(t, "records", l.takeLog(), []string{"begin 0-0", "write 0-0 2", "write 0-0 1"})
	c1, err := h.Checkpoint()
	check(t, err)
	equal(t, "barrier", l.takeLog(), []string{"pre-commit 0-0"})
	if vs := l.visible(); len(vs) > 0 {
		t.Errorf("visible before the checkpoint is complete: %v", vs)
	}
	h.Run(feed(4)...)
	equal(t, "the next interval", l.takeLog(), []string{"begin 0-1", "write 0-1 1"})
	check(t, c1.Write())
	equal(t, "complete", l.takeLog(), []string{"commit 0-0"})

	c2, err := h.Checkpoint()
	check(t, err)
	c2.Abandon()
	equal(t, "given up", l.takeLog(), []string{"pre-commit 0-1"})
	h.Run(feed(5)...)
	c3, err := h.Checkpoint()
	check(t, err)
	l.takeLog()
	check(t, c3.Write())
	equal(t, "covers the one given up", l.takeLog(), []string{"commit 0-1", "commit 0-2"})

	h.Run(feed(6)...)
	c4, err := h.Checkpoint()
	check(t, err)
	h.Run(feed(7)...)
	l.takeLog()
	check(t, h.Close()) // a crash between pre-commit and commit
	equal(t, "crash", l.takeLog(), []string{"abort 0-4", "close"})
	check(t, c4.Write())
	check(t, h.Restore(c4, 1))
	equal(t, "recovery", l.takeLog(), []string{"commit 0-3", "abandon 0-3"})
	check(t, h.Restore(c4, 1))
	equal(t, "recovery again", l.takeLog(), []string{"close", "commit 0-3", "abandon 0-3"})

	h.Run(feed(7)...)
	l.takeLog()
	c5, err := h.Checkpoint() // never complete
	check(t, err)
	c5.Abandon()
	check(t, h.Restore(c4, 1))
	equal(t, "crash before the checkpoint is complete", l.takeLog(),
		[]string{"pre-commit 0-4", "close", "commit 0-3", "abandon 0-3"})
	if s := l.txns["0-4"].status; s != "aborted" {
		t.Errorf("the transaction of a checkpoint that was never complete is %s", s)
	}

	h.Run(feed(7, 8)...)
	h.Run(operatortest.End())
	f := h.Operator(0).(operator.FinalCheckpointer)
	if !f.NeedsFinalCheckpoint() {
		t.Error("the end does not wait for a last checkpoint")
	}
	c6, err := h.Checkpoint()
	check(t, err)
	if !f.NeedsFinalCheckpoint() {
		t.Error("the end does not wait for the last checkpoint to be complete")
	}
	check(t, c6.Write())
	if f.NeedsFinalCheckpoint() {
		t.Error("the end waits for another checkpoint")
	}
	if vs := l.visible(); !slices.Equal(vs, []int{1, 2, 3, 4, 5, 6, 7, 8}) || l.open() > 0 {
		t.Errorf("visible %v, %d transactions open", vs, l.open())
	}
}

// TestWithoutCheckpoints: without checkpoints the transactions are committed at the end.
func TestWithoutCheckpoints(t *testing.T) {
	l := newLedger(t)
	h := operatortest.New(t, options(l.factory(), 1, false))
	h.Run(feed(1, 2)...)
	s, err := h.Savepoint() // nobody is told that it is complete
	check(t, err)
	s.Abandon()
	h.Run(feed(3)...)
	if len(l.visible()) > 0 {
		t.Errorf("visible before the end: %v", l.visible())
	}
	h.Run(operatortest.End())
	if vs := l.visible(); !slices.Equal(vs, []int{1, 2, 3}) {
		t.Errorf("visible %v", vs)
	}
	if h.Operator(0).(operator.FinalCheckpointer).NeedsFinalCheckpoint() {
		t.Error("the end waits for a checkpoint")
	}
}

// failing makes an operation fail so often.
func (l *ledger) failing(op string, times int) error {
	err := errors.New(op + " does not work")
	l.fail = func(o string) error {
		if o != op || times == 0 {
			return nil
		}
		times--
		return err
	}
	return err
}

// TestCommitRetries: R100: a commit that fails is repeated without holding up the task, also after
// the end and at a restore, and fails the task when it does not get better.
func TestCommitRetries(t *testing.T) {
	l := newLedger(t)
	h := operatortest.New(t, options(l.factory(), 1, true))
	now := h.Now()
	wait := int64(sink.CommitRetry.Wait / time.Millisecond)
	lingers := func() bool { return h.Operator(0).(operator.Lingerer).Lingers() }
	complete := func() error {
		t.Helper()
		c, err := h.Checkpoint()
		check(t, err)
		return c.Write()
	}
	h.Run(feed(1)...)
	l.failing("commit", 2)
	check(t, complete())
	h.Run(feed(2)...)
	check(t, complete()) // no further attempt before its time
	if h.Counter("retriedCommittables") != 1 {
		t.Errorf("%d repeated", h.Counter("retriedCommittables"))
	}
	h.Run(operatortest.AdvanceTo(now + wait))
	if !lingers() || len(l.visible()) > 0 {
		t.Error("committed too early")
	}
	h.Run(operatortest.AdvanceTo(now + 2*wait))
	if lingers() || !slices.Equal(l.visible(), []int{1, 2}) {
		t.Errorf("visible %v", l.visible())
	}

	h.Run(feed(3)...)
	h.Run(operatortest.End())
	l.failing("commit", 1)
	check(t, complete())
	if !lingers() {
		t.Error("the task may end before its last commit")
	}
	now = h.Now()
	h.Run(operatortest.AdvanceTo(now + wait))
	if lingers() || !slices.Equal(l.visible(), []int{1, 2, 3}) {
		t.Errorf("visible %v", l.visible())
	}
	if h.Counter("successfulCommittables") != 3 || h.Counter("retriedCommittables") != 3 {
		t.Errorf("%d committed, %d repeated", h.Counter("successfulCommittables"),
			h.Counter("retriedCommittables"))
	}
}

// TestCommitRetriesAtRestore: records wait until what was restored is committed.
func TestCommitRetriesAtRestore(t *testing.T) {
	l := newLedger(t)
	h := operatortest.New(t, options(l.factory(), 1, true))
	h.Run(feed(1)...)
	c, err := h.Checkpoint()
	check(t, err)
	check(t, h.Close())
	check(t, c.Write())
	l.failing("commit", sink.CommitRetry.Attempts-1)
	l.takeLog()
	check(t, h.Restore(c, 1))
	ready := func() bool { return h.Operator(0).(operator.Throttled).Ready() }
	for range sink.CommitRetry.Attempts - 1 {
		if ready() {
			t.Fatal("records may come")
		}
		h.Run(operatortest.AdvanceTo(h.Now() + int64(sink.CommitRetry.Wait/time.Millisecond)))
	}
	if !ready() || !slices.Equal(l.visible(), []int{1}) {
		t.Errorf("ready %t, visible %v", ready(), l.visible())
	}
	if last := l.log[len(l.log)-1]; last != "abandon 0-0" {
		t.Errorf("the last operation is %q", last)
	}

	cause := l.failing("commit", 100)
	h.Run(feed(2)...)
	c, err = h.Checkpoint()
	check(t, err)
	check(t, c.Write())
	for err = nil; err == nil; {
		err = h.Do(operatortest.AdvanceTo(h.Now() + int64(sink.CommitRetry.Wait/time.Millisecond)))
	}
	expectError(t, err, cause, "failed 5 times", "checkpoint 2")
	if h.Counter("failedCommittables") != 1 {
		t.Error("the failure was not counted")
	}
}

// TestPreCommitFails: R98: who cannot prepare says no, and fails: what was written is in doubt.
func TestPreCommitFails(t *testing.T) {
	l := newLedger(t)
	h := operatortest.New(t, options(l.factory(), 1, true))
	h.Run(feed(1)...)
	cause := l.failing("pre-commit", 1)
	_, err := h.Checkpoint()
	expectError(t, err, cause, "pre-commit for checkpoint 1")
	err = h.Flush()
	expectError(t, err, cause, "pre-commit for checkpoint 1")
	l.takeLog()
	check(t, h.Close())
	equal(t, "close", l.takeLog(), []string{"abort 0-0", "close"})
}

// TestFailuresOfTheSink: what the sink says fails the task.
func TestFailuresOfTheSink(t *testing.T) {
	for _, op := range []string{"begin", "write"} {
		l := newLedger(t)
		h := operatortest.New(t, options(l.factory(), 1, true))
		cause := l.failing(op, 1)
		check(t, h.Do(feed(1)[0]))
		expectError(t, h.Flush(), cause)
	}
	for op, text := range map[string]string{"abort": "abort of the open transaction", "close": ""} {
		l := newLedger(t)
		h := operatortest.New(t, options(l.factory(), 1, true))
		h.Run(feed(1)...)
		cause := l.failing(op, 1)
		expectError(t, h.Close(), cause, text)
		if last := l.log[len(l.log)-1]; last != "close" {
			t.Errorf("the sink was not closed: %q", l.log)
		}
	}
	l := newLedger(t)
	cause := l.failing("abandon", 1)
	_, err := operatortest.Start(t, options(l.factory(), 1, true))
	expectError(t, err, cause, "abandon what earlier attempts have left")
}

// TestExactlyOnce: R96, R100: whatever fails and whenever, also with other parallelisms: a reader
// of what is committed sees nothing of an interval before its checkpoint is complete, and
// everything once afterwards.
func TestExactlyOnce(t *testing.T) {
	testkit.EachSeed(t, testkit.Scaled(400), func(t *testing.T, seed uint64) {
		rnd := testkit.Source(seed)
		l := newLedger(t)
		r := &exactlyOnce{t: t, rnd: rnd, visible: l.visible, failing: func(on bool) {
			l.fail = func(op string) error {
				if on && rnd.IntN(12) == 0 {
					return errors.New(op + " fails by chance")
				}
				return nil
			}
		}}
		r.run(l.factory())
		if n := l.open(); n > 0 {
			t.Errorf("%d transactions are left open", n)
		}
	})
}

// exactlyOnce drives a sink of ints with random failures, and compares what is visible with what
// was written.
type exactlyOnce struct {
	t       testing.TB
	rnd     *rand.Rand
	visible func() []int
	// failing switches the faults of the outside world on and off.
	failing func(on bool)
	// crash takes the outside world down, perhaps; nil if it never does.
	crash func()
	h     *operatortest.Harness
	next  int
	// pending are being taken, done is the latest that is complete.
	pending []taken
	done    taken
	// restored is how many records the restored checkpoint holds; promised is how many must be
	// visible.
	restored, promised int
}

// taken is a checkpoint with the number of the next record at its barrier.
type taken struct {
	c    *operatortest.Checkpoint
	next int
}

const exactlyOnceRecords = 200

func (r *exactlyOnce) run(f operator.Factory) {
	r.t.Helper()
	o := options(f, 1+r.rnd.IntN(3), true)
	r.h = operatortest.New(r.t, o)
	cp, err := r.h.Checkpoint()
	check(r.t, err)
	check(r.t, cp.Write())
	r.done = taken{cp, 0}
	faults := r.rnd.IntN(10)
	for r.next < exactlyOnceRecords || len(r.pending) > 0 {
		r.failing(faults > 0)
		err := r.act()
		r.failing(false)
		if err != nil {
			faults--
			r.recover()
		} else if faults > 0 && r.rnd.IntN(25) == 0 {
			faults--
			r.recover()
		}
		r.compare()
	}
	for !r.ready() {
		r.h.Run(operatortest.AdvanceTo(r.h.Now() + sink.CommitRetry.Wait.Milliseconds()))
	}
	r.h.Run(operatortest.End())
	cp, err = r.h.Checkpoint()
	check(r.t, err)
	check(r.t, cp.Write())
	r.h.Run(operatortest.AdvanceTo(r.h.Now() + 10_000))
	r.done, r.promised = taken{cp, r.next}, r.next
	r.compare()
	check(r.t, r.h.Close())
}

// act does one thing at random.
func (r *exactlyOnce) act() error {
	if !r.ready() {
		return r.h.Do(operatortest.AdvanceTo(r.h.Now() + sink.CommitRetry.Wait.Milliseconds()))
	}
	switch n := r.rnd.IntN(10); {
	case n < 5:
		for range min(1+r.rnd.IntN(20), exactlyOnceRecords-r.next) {
			if err := r.h.Do(feed(r.next)[0]); err != nil {
				return err
			}
			r.next++
		}
		return r.h.Flush()
	case n < 7 && len(r.pending) < 2:
		c, err := r.h.Checkpoint()
		if err == nil {
			r.pending = append(r.pending, taken{c, r.next})
		}
		return err
	case n < 9 && len(r.pending) > 0:
		p := r.pending[0]
		r.pending = r.pending[1:]
		if r.rnd.IntN(4) == 0 {
			p.c.Abandon()
			return nil
		}
		r.done = p
		return p.c.Write()
	}
	return r.h.Do(operatortest.AdvanceTo(r.h.Now() + int64(r.rnd.IntN(400))))
}

// recover crashes the subtasks and starts them from the latest checkpoint; perhaps one was complete
// that nobody had been told of.
func (r *exactlyOnce) recover() {
	// The crash may come while the outside world does not answer.
	r.failing(true)
	_ = r.h.Close()
	r.failing(false)
	if r.crash != nil {
		r.crash()
	}
	if len(r.pending) > 0 && r.rnd.IntN(2) == 0 {
		r.done = r.pending[0]
		check(r.t, r.done.c.Write())
	}
	r.pending = nil
	for {
		r.failing(r.rnd.IntN(2) == 0)
		err := r.h.Restore(r.done.c, 1+r.rnd.IntN(3))
		r.failing(false)
		if err == nil {
			break
		}
	}
	r.next, r.restored, r.promised = r.done.next, r.done.next, 0
	r.ready()
}

// ready reports whether the restored transactions are committed: only then records may come.
func (r *exactlyOnce) ready() bool {
	for i := range r.h.Parallelism() {
		if !r.h.Operator(i).(operator.Throttled).Ready() {
			return false
		}
	}
	r.promised = max(r.promised, min(r.next, r.restored))
	return true
}

// compare demands that all promised records are visible, once, and none beyond the latest
// checkpoint.
func (r *exactlyOnce) compare() {
	r.t.Helper()
	vs := r.visible()
	for i, v := range vs {
		if v >= r.done.next {
			r.t.Fatalf("record %d is visible, but the latest checkpoint ends before %d", v,
				r.done.next)
		}
		if i > 0 && vs[i-1] == v {
			r.t.Fatalf("record %d is visible twice", v)
		}
	}
	seen := 0
	for _, v := range vs {
		if v < r.promised {
			seen++
		}
	}
	if seen != r.promised {
		r.t.Fatalf("%d of the first %d records are visible", seen, r.promised)
	}
}
