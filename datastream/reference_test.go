package datastream_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"goflink/core/id"
	"goflink/core/job"
	"goflink/core/source"
	"goflink/core/state"
	"goflink/core/stream"
	"goflink/datastream"
	"goflink/entrypoint"
	"goflink/operator"
)

// hit is a line of the log: pages that an app has shown.
type hit struct {
	App string
	N   int64
}

// hitAt is the record at an offset of the log: the first thousand make 50,000 pages of app1 and
// 10,000 of app2.
func hitAt(offset int64) hit {
	if offset%2 == 1 {
		return hit{"app1", 100}
	}
	return hit{"app2", 20}
}

// partition is a source of one partition with the offsets 1, 2 and so on. It has none behind limit,
// until it is moved, and ends behind end, if that is not 0.
type partition struct {
	mu         sync.Mutex
	limit, end int64
	first      int64 // the first offset that was read
	saved      map[uint64]int64
	atLimit    chan struct{}
	once       sync.Once
	wake       func() // the reader
}

func newPartition(limit, end int64) *partition {
	return &partition{limit: limit, end: end, saved: map[uint64]int64{},
		atLimit: make(chan struct{})}
}

func (p *partition) Bounded() bool    { return p.end != 0 }
func (p *partition) Replayable() bool { return true }

func (p *partition) NewEnumerator(ctx source.EnumeratorContext, restored []byte) (
	source.Enumerator, error) {
	return &onePartition{ctx: ctx, given: restored != nil}, nil
}

func (p *partition) NewReader(ctx source.ReaderContext) (source.Reader[hit], error) {
	p.mu.Lock()
	p.wake = ctx.Wake
	p.mu.Unlock()
	return &partitionReader{p: p, ctx: ctx}, ctx.RequestSplit()
}

// onePartition hands out the partition once.
type onePartition struct {
	ctx   source.EnumeratorContext
	given bool
}

func (e *onePartition) Start() error { return nil }

func (e *onePartition) RequestSplit(subtask int, _ string) error {
	if e.given {
		return e.ctx.NoMoreSplits(subtask)
	}
	e.given = true
	return e.ctx.Assign(subtask, []source.Split{{ID: "test-0", State: position(0)}})
}

func (e *onePartition) AddBack(_ int, splits []source.Split) error {
	e.given = e.given && len(splits) == 0
	return nil
}

func (e *onePartition) ReaderAdded(int) error           { return nil }
func (e *onePartition) ReaderEvent(int, []byte) error   { return nil }
func (e *onePartition) Snapshot(uint64) ([]byte, error) { return []byte{1}, nil }
func (e *onePartition) Close() error                    { return nil }

func position(offset int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(offset)) }

// partitionReader reads the partition; read is the offset of its last record.
type partitionReader struct {
	p    *partition
	ctx  source.ReaderContext
	open bool
	read int64
}

func (r *partitionReader) AddSplits(splits []source.Split) error {
	r.open, r.read = true, int64(binary.BigEndian.Uint64(splits[0].State))
	r.ctx.Wake()
	return nil
}

func (r *partitionReader) NoMoreSplits() error { return nil }

func (r *partitionReader) Poll(b *stream.Batch[hit], most int) (string, source.Status, error) {
	if !r.open {
		return "", source.Idle, nil
	}
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	for n := 0; n < most && r.read < r.p.limit; n++ {
		r.read++
		if r.p.first == 0 {
			r.p.first = r.read
		}
		b.Append(hitAt(r.read), stream.NoTimestamp)
	}
	switch {
	case r.p.end != 0 && r.read == r.p.end:
		return "test-0", source.End, nil
	case r.read == r.p.limit && b.Len() == 0:
		r.p.once.Do(func() { close(r.p.atLimit) })
		return "test-0", source.Idle, nil
	}
	return "test-0", source.More, nil
}

func (r *partitionReader) Snapshot(checkpoint uint64) ([]source.Split, error) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	r.p.saved[checkpoint] = r.read
	return []source.Split{{ID: "test-0", State: position(r.read)}}, nil
}

func (r *partitionReader) Event([]byte) error { return nil }
func (r *partitionReader) Close() error       { return nil }

// pageViews counts pages per app, and notes what it had when a checkpoint came.
type pageViews struct {
	seen *seenViews
	all  state.Value[int64]
	now  map[string]int64
}

type seenViews struct {
	mu    sync.Mutex
	saved map[uint64]map[string]int64
	total map[string]int64
	// counted is closed when all pages of the first thousand records are in total.
	counted chan struct{}
}

func (f *pageViews) Open(ctx *datastream.FunctionContext) (err error) {
	f.all, err = datastream.OpenValue(ctx, state.ValueOf[int64]("pv"))
	ctx.OnSnapshot(func(cp operator.Checkpoint) error {
		f.seen.mu.Lock()
		defer f.seen.mu.Unlock()
		f.seen.saved[cp.ID] = maps.Clone(f.now)
		return nil
	})
	return err
}

func (f *pageViews) ProcessElement(h hit, ctx *datastream.KeyedContext[string],
	out datastream.Collector[string]) error {
	n, _, err := f.all.Get()
	if err != nil {
		return err
	}
	f.now[h.App] = n + h.N
	f.seen.mu.Lock()
	f.seen.total[h.App] = n + h.N
	if h.App == "app2" && n+h.N == 10_000 {
		close(f.seen.counted)
	}
	f.seen.mu.Unlock()
	out.Emit(fmt.Sprint(h.App, " ", n+h.N))
	return f.all.Put(n + h.N)
}

// views runs the program that counts the pages of the partition; then does what the job is for.
func views(t *testing.T, p *partition, seen *seenViews, then func(c job.Client) error,
	pairs ...string) {
	t.Helper()
	err := entrypoint.Run(t.Context(), func(env *datastream.Environment, _ []string) error {
		log := datastream.FromSource[hit](env, p, nil, "log").SetParallelism(1).UID("log")
		apps := datastream.KeyBy(log, func(h hit) string { return h.App })
		pv := datastream.KeyedProcess(apps, func() *pageViews {
			return &pageViews{seen: seen, now: map[string]int64{}}
		}).SetParallelism(1).UID("pv")
		pv.Discard()
		c, err := env.ExecuteAsync("page views")
		if err != nil {
			return err
		}
		return then(c)
	}, nil, settings(pairs...))
	if err != nil {
		t.Fatal(err)
	}
}

func newViews() *seenViews {
	return &seenViews{saved: map[uint64]map[string]int64{}, total: map[string]int64{},
		counted: make(chan struct{})}
}

// TestReferenceJob: R82, R93: pages per app from a partition. A checkpoint behind offset 1000 holds
// that offset and the counts of exactly the records up to it, whatever comes behind the barrier; a
// job that is restored from it goes on with offset 1001.
func TestReferenceJob(t *testing.T) {
	dir := "file://" + t.TempDir()
	pairs := []string{"execution.checkpointing.dir", dir, "execution.checkpointing.interval", "1 h",
		"execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION"}
	p, seen := newPartition(1000, 0), newViews()
	var path string
	views(t, p, seen, func(c job.Client) (err error) {
		select {
		case <-seen.counted:
		case <-time.After(time.Minute):
			return fmt.Errorf("the partition was not read and counted")
		}
		if path, err = c.Checkpoint(t.Context()); err != nil {
			return err
		}
		if err := c.Cancel(t.Context()); err != nil {
			return err
		}
		if _, err := c.Wait(t.Context()); err == nil {
			return fmt.Errorf("the job was not cancelled")
		}
		return nil
	}, pairs...)
	want := map[string]int64{"app1": 50_000, "app2": 10_000}
	if len(p.saved) != 1 || len(seen.saved) != 1 {
		t.Fatalf("checkpoints of the source: %v, of the counts: %v; want one", p.saved, seen.saved)
	}
	for cp, offset := range p.saved {
		if offset != 1000 || !maps.Equal(seen.saved[cp], want) {
			t.Errorf("checkpoint %d holds the offset %d and %v; want 1000 and %v", cp, offset,
				seen.saved[cp], want)
		}
	}

	p, seen = newPartition(1010, 1010), newViews()
	views(t, p, seen, func(c job.Client) error {
		_, err := c.Wait(t.Context())
		return err
	}, append(pairs, "execution.state-recovery.path", path)...)
	if p.first != 1001 {
		t.Errorf("the restored job begins with offset %d, want 1001", p.first)
	}
	want = map[string]int64{"app1": 50_500, "app2": 10_100}
	if !maps.Equal(seen.total, want) {
		t.Errorf("counts %v, want %v", seen.total, want)
	}
}

// TestSubtasks: R20: a stream of parallelism 2 is made by the subtasks 0 and 1.
func TestSubtasks(t *testing.T) {
	var got *results[place]
	execute(t, func(env *datastream.Environment) {
		s := datastream.Map(datastream.FromSequence(env, 1, 1000).SetParallelism(1),
			func(n int64) place { return place{N: n} }).SetParallelism(1)
		got = collect(locate(s.Rebalance(), from).SetParallelism(2))
	})
	subtasks := map[int]int{}
	for _, p := range got.all() {
		subtasks[p.From]++
	}
	if len(subtasks) != 2 || subtasks[0] == 0 || subtasks[1] == 0 || len(got.all()) != 1000 {
		t.Errorf("%d records; by subtask: %v; want both of 0 and 1", len(got.all()), subtasks)
	}
}

// TestJobClient: R131: the client of a job knows its id, sees its status become FINISHED, and gets
// its result; afterwards nothing of the embedded cluster is left (TestMain looks for goroutines).
func TestJobClient(t *testing.T) {
	err := entrypoint.Run(t.Context(), func(env *datastream.Environment, _ []string) error {
		p := newPartition(10, 20)
		datastream.FromSource[hit](env, p, nil, "log").SetParallelism(1).Discard()
		c, err := env.ExecuteAsync("followed")
		if err != nil {
			return err
		}
		<-p.atLimit
		if s, err := c.Status(t.Context()); s != job.Running || err != nil {
			t.Errorf("status %s, %v; want RUNNING", s, err)
		}
		if c.ID() == (id.Job{}) {
			t.Error("the job has no id")
		}
		p.mu.Lock()
		p.limit = 20
		p.wake()
		p.mu.Unlock()
		r, err := c.Wait(t.Context())
		if err != nil {
			return err
		}
		if s, err := c.Status(t.Context()); s != job.Finished || err != nil ||
			r.Name != "followed" ||
			r.ID != c.ID() {
			t.Errorf("status %s, %v; result %+v", s, err, r)
		}
		return nil
	}, nil, settings())
	if err != nil {
		t.Fatal(err)
	}
}

// TestSlotSharing: R155: a job of source and map (6), window (6) and sink (1) runs on two
// TaskManagers of three slots; with a slot sharing group for each of them it needs 13 slots, and
// says that there are not enough.
func TestSlotSharing(t *testing.T) {
	build := func(env *datastream.Environment, groups ...string) *results[int64] {
		s := datastream.Map(datastream.FromSequence(env, 1,
			60).SetParallelism(6).SlotSharingGroup(groups[0]),
			func(n int64) int64 { return n }).SetParallelism(6).SlotSharingGroup(groups[0])
		sums := datastream.KeyBy(s, func(n int64) int64 { return n % 7 }).Reduce(
			func(a, b int64) int64 { return a + b }).SetParallelism(6).SlotSharingGroup(groups[1])
		got := &results[int64]{}
		sums.ForEach(func(n int64) {
			got.mu.Lock()
			defer got.mu.Unlock()
			got.values = append(got.values, n)
		}).SetParallelism(1).SlotSharingGroup(groups[2])
		return got
	}
	cluster := []string{"minicluster.number-of-taskmanagers", "2", "taskmanager.numberOfTaskSlots",
		"3",
		"slot.request.timeout", "200 ms", "restart-strategy.type", "none"}
	var got *results[int64]
	execute(t, func(env *datastream.Environment) { got = build(env, "a", "a", "a") }, cluster...)
	if n := len(got.all()); n != 60 {
		t.Errorf("%d records, want 60", n)
	}
	_, err := tryExecute(t, func(env *datastream.Environment) { build(env, "a", "b", "c") },
		cluster...)
	if err == nil || !strings.Contains(err.Error(), "slot") {
		t.Errorf("13 slots on 6: %v", err)
	}
}
