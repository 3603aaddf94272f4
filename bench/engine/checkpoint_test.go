package engine

import (
	"context"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/job"
	"goflink/datastream"
	"goflink/graph"
	"goflink/runtime/localfs"
	"goflink/runtime/minicluster"
)

// BenchmarkCheckpointBackpressure: how long checkpoints take when the sink needs 10 ms for a
// record, so that all queues are full: aligned and unaligned.
func BenchmarkCheckpointBackpressure(b *testing.B) {
	for _, unaligned := range []string{"true", "false"} {
		b.Run("unaligned="+unaligned, func(b *testing.B) { checkpoints(b, unaligned) })
	}
}

// taker hands a compiled job to a cluster of the benchmark's own.
type taker struct {
	c      *minicluster.Cluster
	client job.Client
}

func (t *taker) Submit(ctx context.Context, j *graph.JobGraph, code *graph.Code) (
	job.Client, error,
) {
	client, err := t.c.Submit(ctx, j, code)
	t.client = client
	return client, err
}

func checkpoints(b *testing.B, unaligned string) {
	files, err := filesystem.NewRegistry("file://" + b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	if err := files.Register("file", localfs.Open); err != nil {
		b.Fatal(err)
	}
	conf := config.New()
	set := func(k, v string) { conf.Set(k, v, "the benchmark") }
	set("execution.checkpointing.interval", "1 h")
	set("execution.checkpointing.unaligned.enabled", unaligned)
	set("execution.checkpointing.dir", "file://"+b.TempDir())
	c, err := minicluster.New(minicluster.Options{TaskManagers: 1, Slots: 2, Config: conf,
		Files: files, Epoch: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	t := &taker{c: c}
	env := datastream.New(b.Context(), datastream.Options{Executor: t, Config: conf, Files: files})
	env.SetParallelism(2)
	s := datastream.FromSource(env, paced{records: 1 << 50, keys: 1000}, nil, "Paced")
	reached := make(chan struct{}, 1)
	datastream.KeyBy(s, func(d due) int64 { return d.Key }).Reduce(func(a, b due) due {
		return due{Key: b.Key, N: a.N + b.N}
	}).Rebalance().ForEach(func(due) {
		<-time.After(10 * time.Millisecond)
		select {
		case reached <- struct{}{}:
		default:
		}
	}).DisableChaining()
	client, err := env.ExecuteAsync("backpressure")
	if err != nil {
		b.Fatal(err)
	}
	for range 100 {
		<-reached // a second of the slow sink: everything before it is full
	}
	if unaligned == "false" {
		// A bound for the aligned case, whose barriers wait behind full queues.
		b.Log("aligned: one checkpoint is taken")
	}
	for b.Loop() {
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Minute)
		began := time.Now()
		_, err := client.Checkpoint(ctx)
		stop()
		b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "ms/checkpoint")
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := client.Cancel(context.Background()); err != nil {
		b.Fatal(err)
	}
	_, _ = client.Wait(context.Background()) // it was cancelled
}
