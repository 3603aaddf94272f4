package jobmaster

import (
	"sync"
	"time"

	"goflink/runtime/checkpoint"
	"goflink/runtime/execgraph"
	"goflink/runtime/metric"
)

// metrics is what is measured of a job as a whole, under Flink's names. The master writes it in its
// actor; any goroutine may read the gauges.
type metrics struct {
	now func() time.Time

	mu       sync.Mutex
	status   execgraph.JobStatus
	restarts int
	// since is when the job began to run, or to fail, without interruption.
	since   time.Time
	numbers checkpoint.Numbers
}

func newMetrics(o *Options) *metrics {
	m := &metrics{now: o.Host.Now, since: o.Host.Now()}
	if o.Metrics != nil {
		m.register(o.Metrics)
	}
	return m
}

// register registers the gauges. What there is no number of yet is -1, as in Flink.
func (m *metrics) register(g *metric.Group) {
	gauge := func(name string, value func() float64) {
		g.Gauge(name, func() float64 {
			m.mu.Lock()
			defer m.mu.Unlock()
			return value()
		})
	}
	gauge("numRestarts", func() float64 { return float64(m.restarts) })
	gauge("uptime", func() float64 { return m.lasting(execgraph.JobRunning) })
	gauge("downtime", func() float64 {
		return max(m.lasting(execgraph.JobFailing), m.lasting(execgraph.JobRestarting))
	})
	gauge("totalNumberOfCheckpoints", func() float64 { return float64(m.numbers.Total) })
	gauge("numberOfInProgressCheckpoints", func() float64 { return float64(m.numbers.InProgress) })
	gauge("numberOfCompletedCheckpoints", func() float64 { return float64(m.numbers.Completed) })
	gauge("numberOfFailedCheckpoints", func() float64 { return float64(m.numbers.Failed) })
	gauge("lastCheckpointRestoreTimestamp", func() float64 {
		if m.numbers.Restored.IsZero() {
			return -1
		}
		return float64(m.numbers.Restored.UnixMilli())
	})
	for name, value := range map[string]func(s *checkpoint.Stats) int64{
		"lastCompletedCheckpointId": func(s *checkpoint.Stats) int64 { return int64(s.ID) },
		"lastCheckpointDuration": func(s *checkpoint.Stats) int64 {
			return s.Duration(s.Ended).Milliseconds()
		},
		"lastCheckpointSize":          func(s *checkpoint.Stats) int64 { return s.NewBytes },
		"lastCheckpointFullSize":      func(s *checkpoint.Stats) int64 { return s.StateBytes },
		"lastCheckpointPersistedData": func(s *checkpoint.Stats) int64 { return s.ChannelBytes },
	} {
		gauge(name, func() float64 {
			if m.numbers.Latest == nil {
				return -1
			}
			return float64(value(m.numbers.Latest))
		})
	}
}

// lasting is how many milliseconds the job has been in a state; 0 if it is in another one.
func (m *metrics) lasting(status execgraph.JobStatus) float64 {
	if m.status != status {
		return 0
	}
	return float64(m.now().Sub(m.since).Milliseconds())
}

// jobState notes the job's new state. From a failure to the new start it is down.
func (m *metrics) jobState(now time.Time, to execgraph.JobStatus, restarts int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.status != execgraph.JobFailing || to != execgraph.JobRestarting {
		m.since = now
	}
	m.status, m.restarts = to, restarts
}

// checkpoints notes the numbers of checkpoints.
func (m *metrics) checkpoints(c *checkpoint.Coordinator) {
	n := c.Numbers()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.numbers = n
}
