package task

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"goflink/core/config"
	"goflink/core/stream"
	"goflink/runtime/metric"
)

// latency measures how long records are under way: sources send markers, and each task that gets
// one notes its age (metrics.latency.interval).
type latency struct {
	interval    time.Duration
	granularity string
	size        int
	// histograms are those of the task's operators, by what granularity tells apart.
	histograms map[stream.LatencyMarker][]*metric.Histogram
}

// maxLatencies bounds the sources, or their subtasks, that a task tells apart.
const maxLatencies = 1024

func (l *latency) init(c *config.Configuration) (err error) {
	l.histograms = map[stream.LatencyMarker][]*metric.Histogram{}
	if l.interval, err = config.Get(c, config.MetricsLatencyInterval); err != nil {
		return err
	}
	if l.granularity, err = config.Get(c, config.MetricsLatencyGranularity); err != nil {
		return err
	}
	l.size, err = config.Get(c, config.MetricsLatencyHistorySize)
	return err
}

// startMarkers makes a source send markers from now on.
func (t *Task) startMarkers() {
	if t.latency.interval <= 0 || t.chain.source == nil || t.wasFinished {
		return
	}
	t.o.Host.After(t.latency.interval, func() { t.post(t.sendMarker) })
}

// sendMarker sends one marker, and sees to the next. While the outputs are full there is none:
// those that are queued tell how long it takes.
func (t *Task) sendMarker() error {
	if t.finished || t.ending != nil {
		return nil
	}
	t.startMarkers()
	if t.suspended != nil || !t.outputsAvailable() {
		return nil
	}
	n := t.chain.nodes[0]
	m := stream.LatencyMarker{Emitted: t.o.Host.Now().UnixMilli(), Source: n.spec.Operator,
		Subtask: int32(t.o.Info.Subtask)}
	for _, tag := range slices.Sorted(maps.Keys(n.outputs)) {
		if c, ok := n.outputs[tag].(stream.Control); ok {
			if err := c.Latency(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// marker notes the age of a marker and hands it on.
func (t *Task) marker(in *input, m stream.LatencyMarker) error {
	key := stream.LatencyMarker{}
	scope := "latency."
	switch t.latency.granularity {
	case "operator":
		key.Source = m.Source
		scope += fmt.Sprintf("source_id.%s.", m.Source)
	case "subtask":
		key.Source, key.Subtask = m.Source, m.Subtask
		scope += fmt.Sprintf("source_id.%s.source_subtask_index.%d.", m.Source, m.Subtask)
	}
	hs, known := t.latency.histograms[key]
	if !known && len(t.latency.histograms) < maxLatencies {
		for _, n := range t.chain.nodes {
			hs = append(hs, t.o.Metrics.Histogram(fmt.Sprintf(
				"%soperator_id.%s.operator_subtask_index.%d.latency", scope, n.spec.Operator,
				t.o.Info.Subtask), t.latency.size))
		}
		t.latency.histograms[key] = hs
	}
	age := float64(max(0, t.o.Host.Now().UnixMilli()-m.Emitted))
	for _, h := range hs {
		h.Add(age)
	}
	return in.control.Latency(m)
}
