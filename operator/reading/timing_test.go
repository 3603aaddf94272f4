package reading_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/eventtime"
	"goflink/core/source"
	"goflink/core/stream"
	"goflink/operator/reading"
)

// fed is a source whose reader gives what the test puts into it.
type fed struct {
	reader *fedReader
	more   bool
}

func (fed) Bounded() bool      { return false }
func (f fed) Replayable() bool { return !f.more }

func (fed) NewEnumerator(x source.EnumeratorContext, _ []byte) (source.Enumerator, error) {
	return &scriptedEnumerator{x: x}, nil
}

func (f fed) NewReader(source.ReaderContext) (source.Reader[int64], error) { return f.reader, nil }

type fedReader struct {
	source.Reader[int64]
	next   []int64
	split  string
	status source.Status
}

func (r *fedReader) AddSplits([]source.Split) error { return nil }
func (r *fedReader) Close() error                   { return nil }

func (r *fedReader) Poll(b *stream.Batch[int64], _ int) (string, source.Status, error) {
	b.Values = append(b.Values, r.next...)
	r.next = nil
	return r.split, r.status, nil
}

// feed gives the operator records of a split.
func (r *fedReader) feed(t *testing.T, g *rig[int64], split string, status source.Status,
	vs ...int64) {
	t.Helper()
	r.next, r.split, r.status = vs, split, status
	g.check(g.readers[0].poll(100))
}

// timedRig runs a source whose records are their own timestamps.
func timedRig(t *testing.T, s eventtime.Strategy[int64]) (*rig[int64], *fedReader) {
	t.Helper()
	f := &fedReader{status: source.Idle}
	s = s.WithTimestamps(func(v int64) int64 { return v })
	return newRig(t, fed{reader: f}, 1, &s), f
}

func (r *rig[T]) controls(t *testing.T, what string, want ...string) {
	t.Helper()
	equal(t, what, r.readers[0].control, want)
	r.readers[0].control = nil
}

func (r *rig[T]) addSplit(t *testing.T, id string) {
	t.Helper()
	b := []byte(`{"Splits":[{"ID":"` + id + `"}]}`)
	r.check(r.readers[0].op.(interface{ CoordinatorEvent([]byte) error }).CoordinatorEvent(b))
}

// TestSplitWatermarks: R58: the watermark is the minimum over the splits, from when they are added
// until they end.
func TestSplitWatermarks(t *testing.T) {
	r, f := timedRig(t, eventtime.BoundedOutOfOrderness[int64](10*time.Millisecond))
	r.addSplit(t, "a")
	f.feed(t, r, "a", source.Idle, 100, 50)
	r.controls(t, "before the interval")
	r.advance(200)
	r.controls(t, "one split", "watermark 89")
	r.addSplit(t, "b")
	f.feed(t, r, "a", source.Idle, 300)
	r.advance(400)
	r.controls(t, "b has not been read")
	f.feed(t, r, "b", source.Idle, 150)
	r.advance(600)
	r.controls(t, "the slower of two", "watermark 139")
	f.feed(t, r, "b", source.SplitEnd)
	r.controls(t, "b has ended", "watermark 289")
	f.feed(t, r, "a", source.SplitEnd, 310)
	r.controls(t, "both have ended", "watermark 299")
	r.addSplit(t, "c")
	f.feed(t, r, "c", source.Idle, 200)
	r.advance(800)
	r.controls(t, "c is behind")
	f.feed(t, r, "c", source.Idle, 500)
	r.advance(1000)
	r.controls(t, "c has caught up", "watermark 489")
	times := []int64{}
	for _, o := range r.readers[0].out {
		times = append(times, o.Time)
	}
	if !slices.Equal(times, []int64{100, 50, 300, 150, 310, 200, 500}) {
		t.Errorf("timestamps %v", times)
	}
	r.check(r.readers[0].op.Finish())
	r.controls(t, "the end", "watermark max")
	if len(r.readers[0].timers) > 0 {
		t.Error("a timer is left after the end")
	}
}

// TestPunctuatedSplit: R55: a watermark that a record brings comes behind that record, before those
// that follow in the batch.
func TestPunctuatedSplit(t *testing.T) {
	s := eventtime.Punctuated(func(v, ts int64) (int64, bool) { return ts, v%2 == 0 })
	r, f := timedRig(t, s)
	r.tracing = true
	r.addSplit(t, "a")
	f.feed(t, r, "a", source.Idle, 1, 2, 3, 4, 5)
	equal(t, "order", r.readers[0].trace, []string{"1", "2", "watermark 2", "3", "4", "watermark 4",
		"5"})
}

// TestIdleSplits: R58: splits without records become idle and hold nothing back; at its end an idle
// source becomes active, so that its last watermark counts.
func TestIdleSplits(t *testing.T) {
	s := eventtime.Monotonous[int64]().WithIdleness(time.Second)
	r, f := timedRig(t, s)
	r.addSplit(t, "a")
	r.addSplit(t, "b")
	f.feed(t, r, "a", source.Idle, 100)
	r.advance(800)
	r.controls(t, "b holds back")
	f.feed(t, r, "a", source.Idle, 200)
	r.advance(1000)
	r.controls(t, "b is idle", "watermark 199")
	r.advance(2000)
	r.controls(t, "all are idle", "idle")
	r.advance(3000)
	r.controls(t, "still")
	f.feed(t, r, "b", source.Idle, 300)
	r.controls(t, "a record", "active")
	r.advance(3200)
	r.controls(t, "its watermark", "watermark 299")
	r.advance(5000)
	r.controls(t, "idle again", "idle")
	r.check(r.readers[0].op.Finish())
	r.controls(t, "the end", "active", "watermark max")
}

// TestIdleWithoutSplits: a reader that has no split becomes idle, too.
func TestIdleWithoutSplits(t *testing.T) {
	r, f := timedRig(t, eventtime.Monotonous[int64]().WithIdleness(time.Second))
	r.advance(800)
	r.controls(t, "no split")
	r.advance(1200)
	r.controls(t, "no split for long", "idle")
	r.addSplit(t, "a")
	f.feed(t, r, "a", source.Idle, 7)
	r.advance(1400)
	r.controls(t, "a split", "active", "watermark 6")
}

// TestBadStatus: a reader's answer that there is not is an error, no panic.
func TestBadStatus(t *testing.T) {
	f := &fedReader{status: 9}
	r := newRig(t, fed{reader: f}, 1, nil)
	expectError(t, r.settle(1), nil, "status 9")
}

// TestNotReplayable: R97: a source that cannot be read again says so where checkpoints promise
// more.
func TestNotReplayable(t *testing.T) {
	for _, replayable := range []bool{true, false} {
		for _, interval := range []string{"", "1 s"} {
			src := fed{reader: &fedReader{status: source.Idle}, more: !replayable}
			r := &rig[int64]{t: t, src: src, factory: reading.Source[int64](src, nil),
				conf: config.New()}
			if interval != "" {
				r.conf.Set("execution.checkpointing.interval", interval, "test")
			}
			r.start(1)
			said := strings.Contains(r.log.String(), "cannot be replayed")
			if want := !replayable && interval != ""; said != want {
				t.Errorf("replayable %t, interval %q: said %t", replayable, interval, said)
			}
		}
	}
}
