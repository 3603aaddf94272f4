package taskmanager

import (
	"time"

	"goflink/runtime/dataplane"
	"goflink/runtime/metric"
	"goflink/runtime/task"
)

// registerTask registers what is measured of a task, under Flink's names (R107, R108).
func registerTask(g *metric.Group, o *task.Options, t *task.Task) {
	now, c := o.Host.Now, t.IO()
	g.Rate("numRecordsIn", now, func() float64 { return float64(c.RecordsIn.Load()) })
	g.Rate("numRecordsOut", now, func() float64 { return float64(c.RecordsOut.Load()) })
	g.Rate("numBytesIn", now, func() float64 { return float64(received(o.Gates).Bytes) })
	g.Rate("numBytesOut", now, func() float64 { return float64(sent(o.Partitions).Bytes) })
	g.Rate("numBuffersIn", now, func() float64 { return float64(received(o.Gates).Batches) })
	g.Rate("numBuffersOut", now, func() float64 { return float64(sent(o.Partitions).Batches) })
	g.Gauge("currentInputWatermark", func() float64 { return float64(c.Watermark.Load()) })
	g.Gauge("checkpointAlignmentTime", func() float64 { return float64(c.Alignment.Load()) })
	g.Gauge("checkpointStartDelayNanos", func() float64 { return float64(c.StartDelay.Load()) })
	g.Gauge("mailboxQueueSize", func() float64 { return float64(t.QueuedMail()) })
	g.Gauge("buffers.inPoolUsage", func() float64 { return usage(o.Gates) })
	g.Gauge("buffers.outPoolUsage", func() float64 { return usage(o.Partitions) })
	registerTimes(g, o, t)
}

// registerTimes registers how a task has spent its time: it is busy while it waits neither for
// input nor for room in its outputs.
func registerTimes(g *metric.Group, o *task.Options, t *task.Task) {
	now := o.Host.Now
	idle := func() float64 { _, d, _ := t.IO().Times(now()); return millis(d) }
	soft := func() float64 { _, _, d := t.IO().Times(now()); return millis(d) }
	hard := func() float64 { return millis(stuck(o.Partitions)) }
	blocked := func() float64 { return soft() + hard() }
	busy := func() float64 {
		all, idle, soft := t.IO().Times(now())
		return max(0, millis(all-idle-soft)-hard())
	}
	g.Gauge("accumulateIdleTimeMs", idle)
	g.Gauge("accumulateBackPressuredTimeMs", blocked)
	g.Gauge("accumulateBusyTimeMs", busy)
	for name, total := range map[string]func() float64{
		"idleTimeMsPerSecond": idle, "busyTimeMsPerSecond": busy,
		"backPressuredTimeMsPerSecond":     blocked,
		"softBackPressuredTimeMsPerSecond": soft,
		"hardBackPressuredTimeMsPerSecond": hard,
	} {
		g.Gauge(name, metric.NewRate(now, total).PerSecond)
	}
	g.Gauge("isBackPressured", func() float64 {
		if t.BackPressured() {
			return 1
		}
		return 0
	})
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// received sums what came in through gates, sent what went out through partitions.
func received(gates []task.Gate) (all dataplane.Traffic) {
	for _, g := range gates {
		if g, ok := g.(*dataplane.Gate); ok {
			local, remote := g.Traffic()
			all.Batches += local.Batches + remote.Batches
			all.Bytes += local.Bytes + remote.Bytes
		}
	}
	return all
}

func sent(partitions []task.Partition) (all dataplane.Traffic) {
	for _, p := range partitions {
		if p, ok := p.(*dataplane.Partition); ok {
			n := p.Traffic()
			all.Batches += n.Batches
			all.Bytes += n.Bytes
		}
	}
	return all
}

// stuck is how long puts into partitions have blocked within steps. One goroutine puts, so the
// times do not overlap.
func stuck(partitions []task.Partition) (all time.Duration) {
	for _, p := range partitions {
		if p, ok := p.(*dataplane.Partition); ok {
			_, hard := p.BackPressured()
			all += hard
		}
	}
	return all
}

// usage is the highest share of buffers in use of several gates or partitions (R108).
func usage[E any](ends []E) (highest float64) {
	for _, e := range ends {
		if u, ok := any(e).(interface{ PoolUsage() float64 }); ok {
			highest = max(highest, u.PoolUsage())
		}
	}
	return highest
}
