package metric_test

import (
	"testing"
	"time"

	"goflink/runtime/metric"
)

// TestLevels: R107: the boundaries of the grades of backpressure.
func TestLevels(t *testing.T) {
	for share, want := range map[float64]string{0: "ok", 0.10: "ok", 0.11: "low", 0.50: "low",
		0.51: "high", 1: "high"} {
		if got := metric.LevelOf(share).String(); got != want {
			t.Errorf("%.2f is %s, want %s", share, got, want)
		}
	}
}

// TestRate: R108: a rate covers the last minute, or the time since it was read last.
func TestRate(t *testing.T) {
	now := time.Unix(1000, 0)
	total := 100.0
	r := metric.NewRate(func() time.Time { return now }, func() float64 { return total })
	if got := r.PerSecond(); got != 0 {
		t.Errorf("at once: %v", got)
	}
	steps := []struct {
		after time.Duration
		grows float64
		want  float64
	}{
		{10 * time.Second, 50, 5},   // 50 in 10 s
		{0, 0, 5},                   // no time has passed
		{50 * time.Second, 10, 1},   // 60 in 60 s
		{10 * time.Second, 590, 10}, // 600 in the 60 s since the first sample
		{time.Hour, 3600, 1},        // not read for an hour: the hour
		{10 * time.Second, 100, 10}, // 100 in the 10 s since
	}
	for i, s := range steps {
		now, total = now.Add(s.after), total+s.grows
		if got := r.PerSecond(); got != s.want {
			t.Errorf("step %d: %v per second, want %v", i, got, s.want)
		}
	}
}

// TestGroups: what a group has registered, and what groups below it have, goes with it.
func TestGroups(t *testing.T) {
	r := metric.NewRegistry()
	g := r.Group("jobmanager", "job")
	other := r.Group("jobmanager", "other")
	now := func() time.Time { return time.Unix(1000, 0) }
	g.Rate("records", now, func() float64 { return 7 })
	c := g.Group("operator").Counter("hits")
	c.Add(3)
	other.Gauge("records", func() float64 { return 1 })
	want := []metric.Value{{Name: "jobmanager.job.operator.hits", Value: 3},
		{Name: "jobmanager.job.records", Value: 7},
		{Name: "jobmanager.job.recordsPerSecond", Value: 0}}
	got := r.Values("jobmanager.job.")
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got[i], want[i])
		}
	}
	g.Close()
	if _, ok := r.Value("jobmanager.job.operator.hits"); ok || len(r.Values("")) != 1 {
		t.Errorf("left: %v", r.Values(""))
	}
}

// TestHistogram: the numbers of the latest values, by nearest rank.
func TestHistogram(t *testing.T) {
	r := metric.NewRegistry()
	h := r.Group("g").Histogram("age", 100)
	check := func(want map[string]float64) {
		t.Helper()
		for suffix, w := range want {
			if got, ok := r.Value("g.age_" + suffix); !ok || got != w {
				t.Errorf("%s is %v (%t), want %v", suffix, got, ok, w)
			}
		}
	}
	check(map[string]float64{"min": 0, "max": 0, "mean": 0, "p99": 0})
	h.Add(7)
	check(map[string]float64{"min": 7, "max": 7, "mean": 7, "median": 7, "p75": 7, "p999": 7})
	for i := range 200 {
		h.Add(float64(200 - i)) // 100 to 1 are the latest
	}
	check(map[string]float64{"min": 1, "max": 100, "mean": 50.5, "median": 50, "p75": 75, "p90": 90,
		"p95": 95, "p98": 98, "p99": 99, "p999": 100})
}
