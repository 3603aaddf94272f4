package cluster

import (
	"fmt"
	"log/slog"
	"runtime"
	"syscall"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/core/stream"
	"goflink/datastream"
	"goflink/graph"
	"goflink/internal/sim"
	"goflink/resourcemgr"
	"goflink/runtime/assembly"
	"goflink/runtime/controlplane"
	"goflink/runtime/jobmaster"
	"goflink/runtime/metric"
)

// Sizes of the wide cluster: a job of two vertices, all to all, takes all of its slots.
const (
	wideWorkers     = 1000
	wideSlots       = 8
	wideParallelism = wideWorkers * wideSlots / 2
	// wideDelay is how long the simulated network takes.
	wideDelay = time.Millisecond
)

// simulated is a TaskManager whose tasks run as soon as they are there.
type simulated struct {
	w       *sim.World
	name    id.Worker
	running *int
}

var (
	_ controlplane.TaskExecutor = (*simulated)(nil)
	_ resourcemgr.Worker        = (*simulated)(nil)
)

func (s *simulated) Worker() id.Worker   { return s.name }
func (s *simulated) DataAddress() string { return string(s.name) + ":1" }

func (s *simulated) Registration() controlplane.Registration {
	return controlplane.Registration{Worker: s.name, Slots: wideSlots, DataAddress: s.DataAddress()}
}

func (s *simulated) Allocate(index int, a id.Allocation, _ id.Job, m controlplane.JobMaster) {
	s.w.After(wideDelay, func() {
		m.OfferSlots(s, []controlplane.SlotOffer{{Allocation: a, Index: index}})
	})
}

func (s *simulated) Submit(d *controlplane.TaskDeployment, m controlplane.JobMaster) {
	s.w.After(2*wideDelay, func() {
		*s.running++
		m.TaskRunning(d.Attempt)
	})
}

func (*simulated) Shutdown(string)                               {}
func (*simulated) CancelTask(id.Attempt)                         {}
func (*simulated) TriggerCheckpoint(id.Attempt, *stream.Barrier) {}
func (*simulated) CheckpointComplete([]id.Attempt, uint64)       {}
func (*simulated) CheckpointAborted([]id.Attempt, uint64)        {}
func (*simulated) CoordinatorEvent(id.Attempt, id.Operator, []byte) {
}
func (*simulated) SampleBackpressure(controlplane.BackpressureRequest, controlplane.JobMaster) {
}
func (*simulated) FreeSlot(id.Allocation, error) {}
func (*simulated) ReleaseJob(id.Job)             {}

// wideJob is the job with its code.
func wideJob(b *testing.B, files *filesystem.Registry) (*graph.JobGraph, *graph.Code) {
	b.Helper()
	env := datastream.New(b.Context(), datastream.Options{Config: config.New(), Files: files})
	env.SetParallelism(wideParallelism)
	datastream.Generate(env, 1, 0, func(n int64) int64 { return n }).SlotSharingGroup("left").
		Rebalance().ForEach(func(int64) {}).SlotSharingGroup("right")
	j, code, err := env.Compile("wide")
	if err != nil {
		b.Fatal(err)
	}
	return j, code
}

// BenchmarkWide: 1,000 simulated TaskManagers of 8 slots register, and a job of 8,000 subtasks
// comes to run on them: by ResourceManager and JobMaster as they are.
func BenchmarkWide(b *testing.B) {
	files, err := filesystem.NewRegistry("file:///")
	if err != nil {
		b.Fatal(err)
	}
	j, code := wideJob(b, files)
	var cpu time.Duration
	var heap uint64
	for b.Loop() {
		before := processorTime(b)
		w := sim.New(1)
		manager, err := resourcemgr.New(resourcemgr.Options{Host: w})
		if err != nil {
			b.Fatal(err)
		}
		checkpoints, err := assembly.Checkpoints(j.ID, assembly.Options{Config: config.New(),
			Files: files, Epoch: 1, Random: w.Random})
		if err != nil {
			b.Fatal(err)
		}
		master, err := jobmaster.New(jobmaster.Options{Host: w, Job: j, Code: code,
			Config: config.New(), Resources: manager, Checkpoints: checkpoints,
			Metrics: metric.NewRegistry().Group("jobmanager"),
			Logger:  slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		running := 0
		for i := range wideWorkers {
			s := &simulated{w: w, name: id.Worker(fmt.Sprint("w", i)), running: &running}
			w.After(wideDelay, func() {
				if err := manager.Register(s); err != nil {
					b.Error(err)
				}
			})
		}
		master.Start()
		if err := w.Run(func() bool { return running == 2*wideParallelism }, 1<<30); err != nil {
			b.Fatal(err)
		}
		cpu += processorTime(b) - before
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		heap = max(heap, m.Sys)
	}
	b.ReportMetric(cpu.Seconds()/float64(b.N), "cpu-s")
	b.ReportMetric(float64(heap)/1e6, "heap-MB")
}

// processorTime is what this process has used of all processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
