package engine

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/job"
	"goflink/datastream"
	"goflink/entrypoint"
)

// BenchmarkIdle: the resident memory of a process whose embedded cluster runs a job without
// records.
func BenchmarkIdle(b *testing.B) {
	for b.Loop() {
		err := entrypoint.Run(b.Context(), func(env *datastream.Environment, _ []string) error {
			s := datastream.FromSource(env, paced{records: 1 << 50, perSecond: 1e-6, keys: 1}, nil,
				"Paced")
			datastream.KeyBy(s, func(d due) int64 { return d.Key }).Reduce(func(a, b due) due {
				return b
			}).ForEach(func(due) {})
			client, err := env.ExecuteAsync("idle")
			if err != nil {
				return err
			}
			for status := job.Status(""); status != job.Running; {
				if status, err = client.Status(b.Context()); err != nil {
					return err
				}
			}
			<-time.After(2 * time.Second)
			b.ReportMetric(resident(b), "rss-MB")
			debug.FreeOSMemory()
			b.ReportMetric(resident(b), "rss-after-gc-MB")
			if err := client.Cancel(b.Context()); err != nil {
				return err
			}
			_, _ = client.Wait(b.Context()) // it was cancelled
			return nil
		}, nil, config.New())
		if err != nil {
			b.Fatal(err)
		}
	}
}

// resident is the resident memory of this process in MB.
func resident(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		b.Fatalf("/proc/self/status has no VmRSS: %v", err)
	}
	return kb / 1000
}
