// Package engine holds the measurements of the embedded engine that have no peer: latency,
// checkpoints under backpressure, memory. They are benchmarks, run by make bench; none asserts a
// time.
package engine

import (
	"context"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/source"
	"goflink/core/stream"
	"goflink/datastream"
	"goflink/entrypoint"
)

// paced is a source whose record i is due at start + i/rate; its records carry the time at which
// they were due, so that a delay of the source itself counts as latency. Rate 0 means as fast as
// possible.
type paced struct {
	perSecond float64
	records   int64
	keys      int64
}

// due is a record of paced.
type due struct {
	Key int64
	// At is when the record was due, in nanoseconds since the epoch.
	At int64
	N  int64
}

func (paced) Bounded() bool    { return true }
func (paced) Replayable() bool { return false }

func (paced) NewEnumerator(source.EnumeratorContext, []byte) (source.Enumerator, error) {
	return idleEnumerator{}, nil
}

func (p paced) NewReader(ctx source.ReaderContext) (source.Reader[due], error) {
	return &pacedReader{p: p, ctx: ctx, start: time.Now()}, nil
}

type idleEnumerator struct{}

func (idleEnumerator) Start() error                      { return nil }
func (idleEnumerator) RequestSplit(int, string) error    { return nil }
func (idleEnumerator) AddBack(int, []source.Split) error { return nil }
func (idleEnumerator) ReaderAdded(int) error             { return nil }
func (idleEnumerator) ReaderEvent(int, []byte) error     { return nil }
func (idleEnumerator) Snapshot(uint64) ([]byte, error)   { return nil, nil }
func (idleEnumerator) Close() error                      { return nil }

type pacedReader struct {
	p     paced
	ctx   source.ReaderContext
	start time.Time
	next  int64
}

func (r *pacedReader) Poll(b *stream.Batch[due], max int) (string, source.Status, error) {
	n := min(int64(max), r.p.records-r.next)
	if r.p.perSecond > 0 {
		allowed := int64(time.Since(r.start).Seconds() * r.p.perSecond)
		n = min(n, allowed-r.next)
	}
	for range n {
		d := due{Key: r.next % r.p.keys, N: 1}
		if r.p.perSecond > 0 {
			offset := time.Duration(float64(r.next) / r.p.perSecond * 1e9)
			d.At = r.start.Add(offset).UnixNano()
		}
		b.Values = append(b.Values, d)
		r.next++
	}
	switch {
	case r.next == r.p.records:
		return "", source.End, nil
	case n == 0:
		r.ctx.At(r.ctx.Now()+1, func() error { r.ctx.Wake(); return nil })
		return "", source.Idle, nil
	}
	return "", source.More, nil
}

func (r *pacedReader) AddSplits([]source.Split) error          { return nil }
func (r *pacedReader) NoMoreSplits() error                     { return nil }
func (r *pacedReader) Snapshot(uint64) ([]source.Split, error) { return nil, nil }
func (r *pacedReader) Event([]byte) error                      { return nil }
func (r *pacedReader) Close() error                            { return nil }

// keyedSum runs the keyed program without windows and hands each result to sink.
func keyedSum(b *testing.B, p paced, sink func(due)) time.Duration {
	b.Helper()
	began := time.Now()
	err := entrypoint.Run(context.Background(),
		func(env *datastream.Environment, _ []string) error {
			s := datastream.FromSource(env, p, nil, "Paced")
			datastream.KeyBy(s, func(d due) int64 { return d.Key }).Reduce(func(a, b due) due {
				return due{Key: b.Key, At: b.At, N: a.N + b.N}
			}).ForEach(sink)
			_, err := env.Execute("keyed sum")
			return err
		}, nil, config.New())
	if err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// BenchmarkLatency: event-to-sink latency of the keyed program at half of its peak rate, taken from
// every 64th key, so that reading the clock is not what is measured. A virtual machine loses its
// processors for milliseconds at a time, not all of which it is told of; that only adds, so of
// several iterations the best one is reported, with the share of time that was stolen as far as it
// is known.
func BenchmarkLatency(b *testing.B) {
	const probe, unlimited, sampledKeys = 20_000_000, 1e15, 64
	measure := func(p paced) (sorted []int64, peak float64) {
		// Made in one piece: a slice that grows by copying megabytes holds the sink up for so long
		// that it is what is measured.
		latencies := make([]int64, 0, p.records/sampledKeys+p.keys)
		took := keyedSum(b, p, func(d due) {
			if d.Key%sampledKeys == 0 {
				latencies = append(latencies, time.Now().UnixNano()-d.At)
			}
		})
		latencies = latencies[len(latencies)/5:]
		slices.Sort(latencies)
		return latencies, float64(p.records) / took.Seconds()
	}
	_, peak := measure(paced{perSecond: unlimited, records: probe, keys: 10_000})
	best := math.Inf(1)
	for b.Loop() {
		records := int64(peak / 2 * 5) // five seconds
		before := processors(b)
		sorted, _ := measure(paced{perSecond: peak / 2, records: records, keys: 10_000})
		stolen := processors(b).stolenSince(before)
		at := func(q float64) float64 {
			return float64(sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]) / 1e6
		}
		if at(0.99) >= best {
			continue
		}
		best = at(0.99)
		b.ReportMetric(at(0.50), "p50-ms")
		b.ReportMetric(at(0.99), "p99-ms")
		b.ReportMetric(at(0.999), "p999-ms")
		b.ReportMetric(peak/2, "records/s")
		b.ReportMetric(100*stolen, "%stolen")
	}
}

// processorTime is the time of all processors since the start of the machine, in ticks.
type processorTime struct{ all, stolen float64 }

// processors reads /proc/stat (proc_stat(5)): user, nice, system, idle, iowait, irq, softirq,
// steal.
func processors(b *testing.B) (t processorTime) {
	b.Helper()
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		b.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line)[1:9] {
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			b.Fatalf("/proc/stat: %v", err)
		}
		t.all += ticks
		if i == 7 {
			t.stolen = ticks
		}
	}
	return t
}

// stolenSince is the share of the time that the processors were taken away.
func (t processorTime) stolenSince(o processorTime) float64 {
	return (t.stolen - o.stolen) / max(1, t.all-o.all)
}
