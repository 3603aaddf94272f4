package minicluster_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/datastream"
	"goflink/internal/sim"
	"goflink/internal/testkit"
	"goflink/runtime/memfs"
	"goflink/runtime/minicluster"
)

type count struct {
	Key int64
	N   int64
}

// TestSimCounts: R5, R7, R79: keyed counts are exact whatever fails and whenever, in every
// checkpoint mode.
func TestSimCounts(t *testing.T) {
	testkit.EachSeed(t, 50, func(t *testing.T, seed uint64) { simCounts(t, seed) })
}

func simCounts(t *testing.T, seed uint64) {
	w := sim.New(seed)
	rnd := w.Rand()
	fs := memfs.New(memfs.Options{})
	files, err := filesystem.NewRegistry("mem:///")
	if err != nil {
		t.Fatal(err)
	}
	err = files.Register("mem", func(context.Context, string) (filesystem.FileSystem, error) {
		return fs, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	conf := config.New()
	conf.Set("execution.checkpointing.interval", "10 ms", "test")
	conf.Set("execution.checkpointing.dir", "mem:///cp", "test")
	conf.Set("pipeline.check-mutation", "true", "test")
	conf.Set("restart-strategy.type", "fixed-delay", "test")
	conf.Set("restart-strategy.fixed-delay.delay", "1 ms", "test")
	unaligned := rnd.IntN(2) == 0
	conf.Set("execution.checkpointing.unaligned.enabled", fmt.Sprint(unaligned), "test")
	conf.Set("taskmanager.memory.segment-size", "4kb", "test")
	const n, keys = 40_000, 17
	parallelism := 1 + rnd.IntN(3)
	highest := map[int64]int64{}
	fail := 0
	j, code := compile(t, conf, files, func(env *datastream.Environment) {
		env.SetParallelism(parallelism)
		numbers := datastream.FromSequence(env, 0, n-1)
		shaken := numbers.Rebalance().Filter(func(int64) bool { return true }).DisableChaining()
		ones := datastream.Map(shaken, func(v int64) count { return count{v % keys, 1} })
		sums := datastream.KeyBy(ones, func(c count) int64 { return c.Key }).Reduce(
			func(a, b count) count { return count{a.Key, a.N + b.N} })
		sums.ForEach(func(c count) {
			if fail > 0 && rnd.IntN(5000) == 0 {
				fail--
				panic("a fault of the simulation")
			}
			highest[c.Key] = max(highest[c.Key], c.N)
		})
	})
	var log eventLog
	c, err := minicluster.New(minicluster.Options{Host: w, TaskManagers: 2, Slots: parallelism,
		Config: conf, Files: files, Epoch: 1,
		Trace: func(_ id.Job, e string) { log.Add(w.Now(), e) }})
	if err != nil {
		t.Fatal(err)
	}
	fail = rnd.IntN(4)
	client, err := c.Submit(t.Context(), j, code)
	if err != nil {
		t.Fatal(err)
	}
	m := c.Master(j.ID)
	over := false
	kills := rnd.IntN(3)
	done := func() bool {
		select {
		case <-m.Done():
			over = true
		default:
		}
		if kills > 0 && rnd.IntN(3000) == 0 {
			kills--
			tms := c.TaskManagers()
			c.KillTaskManager(tms[rnd.IntN(len(tms))], errors.New("killed by the simulation"))
			if _, err := c.AddTaskManager(); err != nil {
				t.Fatal(err)
			}
		}
		return over
	}
	if err := w.Run(done, 1_000_000); err != nil {
		t.Fatalf("unaligned %t: %v; the latest events:\n%s", unaligned, err, log.Tail(60))
	}
	r, err := client.Wait(t.Context())
	if err != nil {
		t.Fatalf("%v (result %+v)", err, r)
	}
	ov, err := client.Checkpoints(t.Context())
	t.Logf("restarts %d, steps %d, checkpoints %d ok %d failed, %d restores: %v", r.Restarts,
		w.Steps(), ov.Completed, ov.Failed, ov.Restored, err)
	for k := range int64(keys) {
		want := int64(n/keys) + btoi(k < n%keys)
		if highest[k] != want {
			t.Errorf("key %d: count %d, want %d (unaligned %t, parallelism %d, restarts %d)",
				k, highest[k], want, unaligned, parallelism, r.Restarts)
		}
	}
}

func btoi(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
