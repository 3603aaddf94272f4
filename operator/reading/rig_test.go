package reading_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"slices"
	"testing"

	"goflink/core/config"
	"goflink/core/eventtime"
	"goflink/core/source"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/operator/reading"
	"goflink/runtime/memstate"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

// rig runs a source as a job does: readers in subtasks, the enumerator in its coordinator,
// messages between them in order, checkpoints whose barriers come to each reader behind the
// messages. Readers may use goroutines; all else is done by the test's goroutine.
type rig[T any] struct {
	t        testing.TB
	src      source.Source[T]
	factory  operator.Factory
	c        operator.Coordinator
	readers  []*reader[T]
	now      int64
	conf     *config.Configuration
	last     uint64
	attempts int
	// work is what the coordinator has begun elsewhere.
	work []func() error
	// failed is what the coordinator's work came to, if it failed.
	failed error
	log    bytes.Buffer
	// tracing makes readers keep their trace.
	tracing bool
}

// reader is one subtask.
type reader[T any] struct {
	operator.Runtime
	r      *rig[T]
	index  int
	ctx    context.Context
	cancel context.CancelFunc
	wait   chan struct{}
	store  statebackend.OperatorStore
	op     operator.Source
	// to and from are the messages under way to the reader and to the coordinator.
	to, from []func() error
	out      []record[T]
	control  []string
	// trace holds records and control elements in their order.
	trace  []string
	timers []*timer
	status operator.PollStatus
	over   bool
}

type record[T any] struct {
	Value T
	Time  int64
}

type timer struct {
	at int64
	f  func() error
}

// checkpoint is a snapshot of all readers and the enumerator.
type checkpoint[T any] struct {
	id    uint64
	coord []byte
	parts []part[T]
	taken int
}

// part is a reader's part of a checkpoint.
type part[T any] struct {
	handles []statebackend.OperatorStateHandle
	out     []record[T]
	done    bool
}

// newRig starts the readers of a source; nil keeps the source's timestamps.
func newRig[T any](t testing.TB, src source.Source[T], parallelism int,
	strategy *eventtime.Strategy[T]) *rig[T] {
	return startRig(t, src, parallelism, reading.Source(src, strategy))
}

func startRig[T any](t testing.TB, src source.Source[T], parallelism int,
	f operator.Factory) *rig[T] {
	t.Helper()
	r := &rig[T]{t: t, src: src, factory: f, conf: config.New()}
	r.start(parallelism)
	return r
}

func (r *rig[T]) start(parallelism int) {
	r.t.Helper()
	r.t.Cleanup(r.close)
	var err error
	r.readers = make([]*reader[T], parallelism)
	r.c, err = reading.Coordinator(r.src)(r)
	r.check(err)
	r.check(r.c.Start())
	for i := range r.readers {
		r.open(i, nil, nil)
	}
}

func (r *rig[T]) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// The rig is the coordinator's context.

func (r *rig[T]) Info() operator.Info { return operator.Info{Parallelism: len(r.readers)} }
func (r *rig[T]) Now() int64          { return r.now }
func (r *rig[T]) Fail(err error)      { r.failed = err }

func (r *rig[T]) Send(subtask int, event []byte) error {
	rd := r.readers[subtask]
	if rd == nil || rd.over {
		return fmt.Errorf("subtask %d does not run", subtask)
	}
	rd.to = append(rd.to, func() error {
		return rd.op.(operator.CoordinatorClient).CoordinatorEvent(event)
	})
	return nil
}

func (r *rig[T]) Go(work func() error, done func(err error) error) {
	r.work = append(r.work, func() error { return done(work()) })
}

// open starts the reader of a subtask with state.
func (r *rig[T]) open(i int, handles []statebackend.OperatorStateHandle, out []record[T]) {
	r.t.Helper()
	rd := &reader[T]{r: r, index: i, wait: make(chan struct{}, 1), out: slices.Clone(out)}
	rd.ctx, rd.cancel = context.WithCancel(context.Background())
	op, err := r.factory.New()
	r.check(err)
	rd.op = op.(operator.Source)
	rd.store, err = memstate.NewOperatorStore(rd.ctx,
		statebackend.OperatorOptions{Operator: "source",
			Restore: handles, Reader: inline{}, CheckMutation: true})
	r.check(err)
	r.readers[i] = rd
	r.attempts++
	r.check(rd.op.Open(rd))
	r.check(r.c.SubtaskReady(i, r.attempts))
}

// crash ends a reader without a word.
func (r *rig[T]) crash(i int) {
	rd := r.readers[i]
	rd.over = true
	rd.cancel()
	r.check(rd.op.Close())
}

func (r *rig[T]) close() {
	for i, rd := range r.readers {
		if rd != nil && !rd.over {
			r.crash(i)
		}
	}
	r.check(r.c.Close())
}

// reader is the operator's runtime and its output.

func (rd *reader[T]) Info() operator.Info {
	return operator.Info{OperatorName: "source", Subtask: rd.index, Parallelism: len(rd.r.readers)}
}
func (rd *reader[T]) Config() *config.Configuration { return rd.r.conf }
func (rd *reader[T]) Output(string) any             { return rd }

func (rd *reader[T]) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(&rd.r.log, nil))
}
func (rd *reader[T]) OperatorState() statebackend.Operator { return rd.store }
func (rd *reader[T]) Now() int64                           { return rd.r.now }

func (rd *reader[T]) At(at int64, f func() error) func() {
	tm := &timer{at, f}
	rd.timers = append(rd.timers, tm)
	return func() {
		rd.timers = slices.DeleteFunc(rd.timers, func(o *timer) bool { return o == tm })
	}
}

func (rd *reader[T]) Go(_ string, f func(ctx context.Context)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(rd.ctx)
	}()
	cancel := rd.cancel
	rd.cancel = func() {
		cancel()
		<-done
	}
}

func (rd *reader[T]) Wake() {
	select {
	case rd.wait <- struct{}{}:
	default:
	}
}

func (rd *reader[T]) SendToCoordinator(event []byte) error {
	attempt := rd.r.attempts
	rd.from = append(rd.from, func() error { return rd.r.c.Event(rd.index, attempt, event) })
	return nil
}

func (rd *reader[T]) Batch(b *stream.Batch[T]) error {
	for i, v := range b.Values {
		rd.out = append(rd.out, record[T]{v, b.Time(i)})
		if rd.r.tracing {
			rd.trace = append(rd.trace, fmt.Sprint(v))
		}
	}
	return nil
}

func (rd *reader[T]) Watermark(w int64) error {
	text := fmt.Sprint("watermark ", w)
	if w == stream.MaxWatermark {
		text = "watermark max"
	}
	return rd.note(text)
}

func (rd *reader[T]) Status(s stream.Status) error {
	return rd.note(s.String())
}

func (rd *reader[T]) note(control string) error {
	rd.control, rd.trace = append(rd.control, control), append(rd.trace, control)
	return nil
}

func (rd *reader[T]) Latency(stream.LatencyMarker) error { return nil }

// step does one random thing that is possible, or returns false. Readers poll up to max records.
func (r *rig[T]) step(pick func(n int) int, max int) (bool, error) {
	var acts []func() error
	for i, w := range r.work {
		acts = append(acts, func() error {
			r.work = slices.Delete(r.work, i, i+1)
			return w()
		})
	}
	for _, rd := range r.readers {
		if rd.over {
			continue
		}
		if len(rd.to) > 0 {
			acts = append(acts, func() error { return first(&rd.to) })
		}
		if len(rd.from) > 0 {
			acts = append(acts, func() error { return first(&rd.from) })
		}
		if rd.status == operator.PollMore || rd.status == operator.PollIdle && len(rd.wait) > 0 {
			acts = append(acts, func() error { return rd.poll(max) })
		}
	}
	if len(acts) == 0 {
		return false, nil
	}
	return true, acts[pick(len(acts))]()
}

func first(queue *[]func() error) error {
	f := (*queue)[0]
	*queue = (*queue)[1:]
	return f()
}

func (rd *reader[T]) poll(max int) (err error) {
	select {
	case <-rd.wait:
	default:
	}
	rd.status, err = rd.op.Poll(max)
	return err
}

// settle lets everything happen that can, without time passing.
func (r *rig[T]) settle(max int) error {
	for {
		more, err := r.step(func(int) int { return 0 }, max)
		if err != nil || !more {
			return err
		}
	}
}

// read settles and demands that there is no error.
func (r *rig[T]) read(max int) {
	r.t.Helper()
	r.check(r.settle(max))
}

// ended reports whether all readers have come to their end.
func (r *rig[T]) ended() bool {
	for _, rd := range r.readers {
		if rd.status != operator.PollEnd {
			return false
		}
	}
	return true
}

// await reads until cond holds, waiting for the readers' goroutines.
func (r *rig[T]) await(i int, cond func() bool) {
	r.t.Helper()
	for {
		r.read(stream.MaxBatchRecords)
		if cond() {
			return
		}
		select {
		case <-r.readers[i].wait:
			r.readers[i].Wake()
		case <-r.t.Context().Done():
			r.t.Fatal("the test ended while a reader was waited for")
		}
	}
}

// advance moves the clock and runs the timers that are due, each at its time.
func (r *rig[T]) advance(to int64) {
	r.t.Helper()
	for {
		var due *timer
		for _, rd := range r.readers {
			for _, tm := range rd.timers {
				if tm.at <= to && (due == nil || tm.at < due.at) {
					due = tm
				}
			}
		}
		if due == nil {
			break
		}
		for _, rd := range r.readers {
			rd.timers = slices.DeleteFunc(rd.timers, func(o *timer) bool { return o == due })
		}
		r.now = max(r.now, due.at)
		r.check(due.f())
		r.read(stream.MaxBatchRecords)
	}
	r.now = max(r.now, to)
}

// begin snapshots the enumerator and sends the barriers, behind what was sent before.
func (r *rig[T]) begin() *checkpoint[T] {
	r.t.Helper()
	r.last++
	cp := &checkpoint[T]{id: r.last, parts: make([]part[T], len(r.readers))}
	var err error
	cp.coord, err = r.c.Snapshot(cp.id)
	r.check(err)
	for i, rd := range r.readers {
		rd.to = append(rd.to, func() error { return cp.take(i, rd) })
	}
	return cp
}

func (cp *checkpoint[T]) take(i int, rd *reader[T]) error {
	if err := rd.op.(operator.Snapshotter).Snapshot(operator.Checkpoint{ID: cp.id}); err != nil {
		return err
	}
	p, err := rd.store.Snapshot(statebackend.SnapshotRequest{Checkpoint: cp.id, Location: inline{}})
	if err != nil {
		return err
	}
	cp.parts[i].handles, _, err = p.Write(context.Background())
	cp.parts[i].out, cp.parts[i].done = slices.Clone(rd.out), true
	cp.taken++
	return err
}

func (cp *checkpoint[T]) complete() bool { return cp.taken == len(cp.parts) }

// checkpoint takes a checkpoint with nothing happening meanwhile.
func (r *rig[T]) checkpoint() *checkpoint[T] {
	r.t.Helper()
	cp := r.begin()
	for !cp.complete() {
		for _, rd := range r.readers {
			for len(rd.to) > 0 {
				r.check(first(&rd.to))
			}
		}
	}
	r.check(r.c.CheckpointComplete(cp.id))
	return cp
}

// restart fails one reader and starts it again from a checkpoint, or from the beginning.
func (r *rig[T]) restart(i int, cp *checkpoint[T]) {
	r.t.Helper()
	r.crash(i)
	r.check(r.c.SubtaskFailed(i, 0))
	if cp == nil {
		r.check(r.c.SubtaskReset(i, 0))
		r.open(i, nil, nil)
		return
	}
	r.check(r.c.SubtaskReset(i, cp.id))
	r.open(i, cp.parts[i].handles, cp.parts[i].out)
}

// restore starts everything again from a checkpoint. With another number of readers, what was put
// out before is kept as the first reader's.
func (r *rig[T]) restore(cp *checkpoint[T], parallelism int) {
	r.t.Helper()
	for i := range r.readers {
		r.crash(i)
	}
	var old [][]statebackend.OperatorStateHandle
	var out []record[T]
	for _, p := range cp.parts {
		old, out = append(old, p.handles), append(out, p.out...)
	}
	dealt, err := statebackend.Redistribute(old, parallelism)
	r.check(err)
	r.readers, r.work = make([]*reader[T], parallelism), nil
	r.check(r.c.Restore(cp.id, cp.coord))
	for i := range r.readers {
		if parallelism == len(cp.parts) {
			out = cp.parts[i].out
		}
		r.open(i, dealt[i], out)
		out = nil
	}
}

// values are the records of all readers, reader by reader.
func (r *rig[T]) values() []T {
	var vs []T
	for _, rd := range r.readers {
		for _, o := range rd.out {
			vs = append(vs, o.Value)
		}
	}
	return vs
}

// inline is a checkpoint storage whose blobs carry their contents.
type inline struct{}

type inlineWriter struct{ bytes.Buffer }

func (inline) Create(context.Context, string) (statebackend.BlobWriter, error) {
	return &inlineWriter{}, nil
}

func (w *inlineWriter) Discard() { w.Reset() }

func (w *inlineWriter) Commit() (statebackend.Blob, error) {
	b := bytes.Clone(w.Bytes())
	return statebackend.Blob{Inline: b, Length: int64(len(b)),
		CRC: crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))}, nil
}

func (inline) Open(_ context.Context, b statebackend.Blob) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b.Inline)), nil
}

func (inline) OpenAt(_ context.Context, b statebackend.Blob, offset, length int64) (
	io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b.Inline[offset : offset+length])), nil
}
