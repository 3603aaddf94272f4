package windowing

import (
	"context"
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"goflink/core/accumulator"
	"goflink/core/config"
	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/core/window"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/runtime/memstate"
)

// benchRuntime is an operator.Runtime with state on the heap whose outputs discard.
type benchRuntime struct {
	keyed  statebackend.Keyed
	states statebackend.OperatorStore
}

var _ operator.Runtime = (*benchRuntime)(nil)

func newBenchRuntime(b *testing.B) *benchRuntime {
	const groups = 128
	k, err := memstate.New().NewKeyed(context.Background(), statebackend.KeyedOptions{
		Groups: keygroup.Range{First: 0, Last: groups - 1}, MaxParallelism: groups})
	if err != nil {
		b.Fatal(err)
	}
	s, err := memstate.NewOperatorStore(context.Background(), statebackend.OperatorOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return &benchRuntime{keyed: k, states: s}
}

func (r *benchRuntime) Info() operator.Info                  { return operator.Info{} }
func (r *benchRuntime) Config() *config.Configuration        { return config.New() }
func (r *benchRuntime) Logger() *slog.Logger                 { return slog.Default() }
func (r *benchRuntime) Metrics() operator.Metrics            { return benchMetrics{} }
func (r *benchRuntime) Output(string) any                    { return nil }
func (r *benchRuntime) OutputTags() []string                 { return nil }
func (r *benchRuntime) Keyed() (statebackend.Keyed, error)   { return r.keyed, nil }
func (r *benchRuntime) OperatorState() statebackend.Operator { return r.states }
func (r *benchRuntime) Restored() (uint64, bool)             { return 0, false }
func (r *benchRuntime) Now() int64                           { return 0 }
func (r *benchRuntime) At(int64, func() error) func()        { return func() {} }
func (r *benchRuntime) Mail(func() error) bool               { return false }
func (r *benchRuntime) Go(string, func(ctx context.Context)) {}
func (r *benchRuntime) Wake()                                {}
func (r *benchRuntime) SendToCoordinator([]byte) error       { return nil }
func (r *benchRuntime) Accumulators() *accumulator.Registry  { return nil }
func (r *benchRuntime) BroadcastVariable(string, func() (any, error)) (any, error) {
	return nil, nil
}

type benchMetrics struct{}

func (benchMetrics) Counter(string) operator.Counter { return benchCounter{} }
func (benchMetrics) Gauge(string, func() float64)    {}

type benchCounter struct{}

func (benchCounter) Add(int64) {}

// hit is a record of the benchmarks.
type hit struct{ Key, V int64 }

// countHits counts; sumHits adds up.
type countHits struct{}

func (countHits) Create() int64              { return 0 }
func (countHits) Add(_ hit, acc int64) int64 { return acc + 1 }
func (countHits) Result(acc int64) int64     { return acc }
func (countHits) Merge(a, b int64) int64     { return a + b }

type sumHits struct{}

func (sumHits) Create() int64              { return 0 }
func (sumHits) Add(h hit, acc int64) int64 { return acc + h.V }
func (sumHits) Result(acc int64) int64     { return acc }
func (sumHits) Merge(a, b int64) int64     { return a + b }

// runBench feeds b.N records of random keys, perSecond for each second of event time, with a
// watermark per watermarkEvery records, and reports how much a record costs with all that fires.
func runBench(b *testing.B, f operator.Factory, keys, perSecond, watermarkEvery int) {
	op, err := f.New()
	if err != nil {
		b.Fatal(err)
	}
	rt := newBenchRuntime(b)
	if err := op.Open(rt); err != nil {
		b.Fatal(err)
	}
	in := op.Input(0).(stream.Receiver[hit])
	rnd := testkit.Source(1)
	const batches = 1 << 10
	pool := make([][]hit, batches)
	for i := range pool {
		pool[i] = make([]hit, stream.MaxBatchRecords)
		for j := range pool[i] {
			pool[i][j] = hit{rnd.Int64N(int64(keys)), int64(j)}
		}
	}
	batch := &stream.Batch[hit]{Times: make([]int64, stream.MaxBatchRecords)}
	next, sent := watermarkEvery, 0
	feed := func(n int) {
		for n > 0 {
			batch.Values = pool[sent/stream.MaxBatchRecords%batches]
			for i := range batch.Times {
				batch.Times[i] = int64(sent+i) * 1000 / int64(perSecond)
			}
			if err := in.Batch(batch); err != nil {
				b.Fatal(err)
			}
			sent += stream.MaxBatchRecords
			n -= stream.MaxBatchRecords
			if sent >= next {
				next += watermarkEvery
				if err := in.Watermark(batch.Times[len(batch.Times)-1] - 1); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	// Windows are full before the clock starts.
	feed(70 * perSecond)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	feed(b.N)
	b.StopTimer()
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
	if err := op.Close(); err != nil {
		b.Fatal(err)
	}
}

// cpuTime is the processor time of the process: unlike the wall clock it does not count what
// other processes take.
func cpuTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func benchSpec(a window.Assigner[hit, window.Time]) Spec[hit, int64, window.Time] {
	key, err := typeinfo.KeyOf[int64]()
	if err != nil {
		panic(err)
	}
	return Spec[hit, int64, window.Time]{Key: func(h hit) int64 { return h.Key }, KeyType: key,
		Assigner: a}
}

// BenchmarkSliding counts per key over a minute, every second; 100,000 records are a second.
func BenchmarkSliding(b *testing.B) {
	for _, s := range []strategy{panes, aligned} {
		for _, keys := range []int{1_000, 100_000} {
			b.Run(fmt.Sprintf("%v/keys=%d", s, keys), func(b *testing.B) {
				spec := benchSpec(window.SlidingEventTime[hit](time.Minute, time.Second))
				spec.force = s
				f := must(b)(Aggregate[hit, int64, window.Time, int64, int64, int64](
					spec, countHits{}, nil, nil))
				runBench(b, f, keys, 100_000, 20_000)
			})
		}
	}
}

// BenchmarkTumbling sums per key over ten seconds; 500,000 records are a second.
func BenchmarkTumbling(b *testing.B) {
	for _, s := range []strategy{aligned, general} {
		for _, keys := range []int{1_000, 1_000_000} {
			b.Run(fmt.Sprintf("%v/keys=%d", s, keys), func(b *testing.B) {
				spec := benchSpec(window.TumblingEventTime[hit](10 * time.Second))
				spec.force = s
				f := must(b)(Aggregate[hit, int64, window.Time, int64, int64, int64](
					spec, sumHits{}, nil, nil))
				runBench(b, f, keys, 500_000, 100_000)
			})
		}
	}
}

// BenchmarkSession counts per key in sessions with a gap of ten seconds; 10,000 records are a
// second.
func BenchmarkSession(b *testing.B) {
	for _, keys := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			spec := benchSpec(window.EventTimeSessions[hit](10 * time.Second))
			f := must(b)(Aggregate[hit, int64, window.Time, int64, int64, int64](
				spec, countHits{}, nil, nil))
			runBench(b, f, keys, 10_000, 2_000)
		})
	}
}

// BenchmarkCount sums up each hundred records of a key.
func BenchmarkCount(b *testing.B) {
	spec := benchSpec(nil)
	key := spec.KeyType
	s := Spec[hit, int64, window.Global]{Key: spec.Key, KeyType: key,
		Assigner: window.GlobalWindows[hit](),
		Trigger:  window.PurgingTrigger(window.CountTrigger[hit, window.Global](100))}
	f := must(b)(Aggregate[hit, int64, window.Global, int64, int64, int64](
		s, sumHits{}, nil, nil))
	runBench(b, f, 10_000, 100_000, 20_000)
}
