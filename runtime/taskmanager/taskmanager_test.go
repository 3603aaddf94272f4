package taskmanager_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"goflink/core/id"
	"goflink/core/stream"
	"goflink/runtime/controlplane"
	"goflink/runtime/metric"
)

// TestSlots: R121, R153, R154: a worker has as many slots as it was made with; each is of one job
// at a time until it is freed, which its resource manager hears of once.
func TestSlots(t *testing.T) {
	r := newRig(t, 2)
	a := r.allocate(0)
	r.expect("w1 offers slot 0")
	for _, index := range []int{0, -1, 2} {
		if err := r.tm.Allocate(index, id.NewAllocation(), jobID, r); err == nil ||
			!strings.Contains(err.Error(), "is not free") {
			t.Errorf("slot %d: %v", index, err)
		}
	}
	if got := r.tm.FreeSlots(); !slices.Equal(got, []int{1}) || r.tm.Slots() != 2 {
		t.Errorf("free: %v of %d", got, r.tm.Slots())
	}
	r.tm.FreeSlot(a, errors.New("not needed"))
	r.tm.FreeSlot(a, errors.New("again"))
	r.expect("resource manager: a slot is free")
	r.allocate(0)
	r.allocate(1)
	r.tm.ReleaseJob(id.Job{9})
	r.expect("w1 offers slot 0", "w1 offers slot 1")
	r.tm.ReleaseJob(jobID)
	r.expect("resource manager: a slot is free", "resource manager: a slot is free")
	if got := r.tm.FreeSlots(); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("free: %v", got)
	}
}

// TestLife: R18, R130: the worker starts what it is given, reports each change, and forgets a task
// once it has ended; its metrics go with it.
func TestLife(t *testing.T) {
	r := newRig(t, 1)
	a := r.allocate(0)
	src, snk := attempt(1, 1), attempt(2, 1)
	r.submit(a, src)
	r.submit(a, snk)
	r.expectAll("sink#1 runs", "source#1 runs", "w1 offers slot 0")
	r.source.emit("a")
	r.tm.CoordinatorEvent(src, id.Operator{1}, []byte("b"))
	r.expect("sink got a", "sink got b")
	r.tm.CheckpointComplete([]id.Attempt{src, snk, attempt(2, 9)}, 1)
	r.tm.CheckpointAborted([]id.Attempt{snk}, 2)
	r.expect("sink: 1 complete", "sink: 2 aborted")
	r.tm.TriggerCheckpoint(src, &stream.Barrier{Checkpoint: 3, Alignment: stream.Aligned})
	r.expect("source#1 declined 3: there is no storage", "sink#1 declined 3: there is no storage")

	prefix := "w1.taskmanager." + jobID.String() + "." + id.Vertex{2}.String() + ".0."
	for name, want := range map[string]float64{"numRecordsIn": 2, "numRecordsOut": 0,
		"isBackPressured": 0, "mailboxQueueSize": 0} {
		if got, ok := r.metrics.Value(prefix + name); !ok || got != want {
			t.Errorf("%s is %v (%t), want %v", name, got, ok, want)
		}
	}
	if len(r.tm.Tasks()) != 2 || r.tm.IO(snk) == nil || r.tm.IO(attempt(2, 9)) != nil {
		t.Errorf("tasks: %v", r.tm.Tasks())
	}
	r.source.end = true
	r.source.emit()
	r.expectAll("sink#1 finished", "source#1 finished")
	if len(r.tm.Tasks()) != 0 || len(r.metrics.Values("w1.")) != 0 {
		t.Errorf("left: %v, %v", r.tm.Tasks(), r.metrics.Values("w1."))
	}
	// What comes for a task that is not there changes nothing.
	r.tm.CancelTask(snk)
	r.tm.TriggerCheckpoint(snk, &stream.Barrier{Checkpoint: 4})
	r.tm.CheckpointComplete([]id.Attempt{snk}, 3)
	r.tm.CoordinatorEvent(src, id.Operator{1}, nil)
	r.expect()
}

// TestFailures: R18, R150: a panic of user code ends its task, with the user's stack, and the
// worker goes on; a new attempt of the task runs.
func TestFailures(t *testing.T) {
	r := newRig(t, 1)
	a := r.allocate(0)
	r.submit(a, attempt(1, 1))
	r.submit(a, attempt(2, 1))
	r.expectAll("sink#1 runs", "source#1 runs", "w1 offers slot 0")
	r.source.emit("explode")
	r.expect("sink#1 failed: sink (1/1): panic: a fault in user code", "  in explode")
	r.tm.CancelTask(attempt(1, 1))
	r.tm.CancelTask(attempt(1, 1))
	r.expect("source#1 was cancelled")
	r.submit(a, attempt(1, 2))
	r.submit(a, attempt(2, 2))
	r.expectAll("sink#2 runs", "source#2 runs")
	r.source.emit("again")
	r.expect("sink got again")

	// R121: who loses the slot loses what runs in it.
	r.tm.FreeSlot(a, errors.New("the slot is wanted back"))
	r.expectAll("resource manager: a slot is free",
		"sink#2 failed: sink (1/1): the slot is wanted back",
		"source#2 failed: source (1/1): the slot is wanted back")
}

// TestManagedMemory: R121, R113, R154: a slot has its share of the managed memory; who gets none
// fails, and what runs in other slots goes on.
func TestManagedMemory(t *testing.T) {
	r := newRig(t, 4)
	a, b := r.allocate(0), r.allocate(1)
	r.submit(a, attempt(1, 1))
	r.settle()
	r.lines = nil
	r.stateful = true
	r.submit(b, attempt(2, 1))
	r.expect(`sink#1 failed: sink (1/1): operator "sink": keyed state: there is no memory`)
	if len(r.backend.asked) != 1 || r.backend.asked[0].ManagedBytes != 1000/4 {
		t.Errorf("asked for %+v", r.backend.asked)
	}
	if got := r.tm.Tasks(); !slices.Equal(got, []id.Attempt{attempt(1, 1)}) {
		t.Errorf("what runs: %v", got)
	}
	r.tm.Close()
	r.expect("source#1 was cancelled")
}

// TestSubmitRefused: a deployment that cannot be carried out is refused with a reason, and nothing
// of it is left.
func TestSubmitRefused(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(r *rig, d *controlplane.TaskDeployment)
	}{
		{"unknown job", "is not known", func(_ *rig, d *controlplane.TaskDeployment) {
			d.Attempt.Job = id.Job{9}
		}},
		{"slot gone", "does not belong to the job any more",
			func(_ *rig, d *controlplane.TaskDeployment) { d.Allocation = id.NewAllocation() }},
		{"no such vertex", "the job has no vertex 5",
			func(_ *rig, d *controlplane.TaskDeployment) { d.Vertex = 5 }},
		{"inputs", "has 1 inputs and 0 outputs, the vertex 0 and 1",
			func(_ *rig, d *controlplane.TaskDeployment) {
				d.Outputs, d.Inputs = nil, make([]controlplane.InputDeployment, 1)
			}},
		{"no code", "no code for edge 1", func(r *rig, _ *controlplane.TaskDeployment) {
			clear(r.code.Edges)
		}},
		{"no channels", "0 channels", func(_ *rig, d *controlplane.TaskDeployment) {
			d.Outputs = []int{0}
		}},
		{"shut down", "is shutting down",
			func(r *rig, _ *controlplane.TaskDeployment) { r.tm.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 1)
			d := deployment(r.allocate(0), attempt(1, 1))
			c.change(r, d)
			m := &refused{rig: r}
			r.tm.Submit(d, m)
			if m.end == nil || m.end.Failure == nil ||
				!strings.Contains(m.end.Failure.Message, c.want) ||
				!strings.Contains(m.end.Failure.Message, "w1") {
				t.Errorf("end %+v, want %q", m.end, c.want)
			} else if m.end.SlotGone != (c.name == "slot gone") {
				t.Errorf("the slot is gone: %t", m.end.SlotGone)
			}
			r.expect("w1 offers slot 0")
			if n := len(r.tm.Tasks()) + len(r.metrics.Values("w1.")); n != 0 {
				t.Errorf("%d things are left", n)
			}
		})
	}
	r := newRig(t, 1)
	a := r.allocate(0)
	r.submit(a, attempt(1, 1))
	r.submit(a, attempt(1, 1)) // what comes twice changes nothing
	r.tm.Close()
	r.expect("w1 offers slot 0", "source#1 was cancelled")
}

// refused is a master that hears how a deployment ended that was not carried out.
type refused struct {
	*rig
	end *controlplane.TaskEnd
}

func (m *refused) TaskEnded(_ id.Attempt, end controlplane.TaskEnd) { m.end = &end }

// TestKill: R18: the masters of a worker that is lost hear of that, once each, and nothing of its
// tasks.
func TestKill(t *testing.T) {
	r := newRig(t, 2)
	a := r.allocate(0)
	r.allocate(1)
	r.submit(a, attempt(1, 1))
	r.expect("w1 offers slot 0", "w1 offers slot 1", "source#1 runs")
	r.tm.Kill(errors.New("the machine is gone"))
	r.expect("w1 is lost: the machine is gone")
	if len(r.tm.Tasks()) != 0 {
		t.Errorf("tasks are left: %v", r.tm.Tasks())
	}
	if err := r.tm.Allocate(0, id.NewAllocation(), jobID, r); err == nil {
		t.Error("a worker that is lost gave a slot")
	}
}

// TestBackpressure: R107, R108: with a slow sink the source waits for room nearly always, and the
// sink never; buffers and times say the same.
func TestBackpressure(t *testing.T) {
	r := newRig(t, 1)
	a := r.allocate(0)
	src, snk := attempt(1, 1), attempt(2, 1)
	r.submit(a, src)
	r.submit(a, snk)
	r.settle()
	r.sink.takes = func() { r.w.Spend(10 * time.Millisecond) }
	r.source.endless = true
	r.source.rt.Wake()
	run := func(d time.Duration) {
		t.Helper()
		until := r.w.Now().Add(d)
		if err := r.w.Run(func() bool { return !r.w.Now().Before(until) }, turnsMax); err != nil {
			t.Fatal(err)
		}
	}
	run(10 * time.Second)
	r.tm.SampleBackpressure(controlplane.BackpressureRequest{Request: 4,
		Attempts: []id.Attempt{src, snk, attempt(2, 9)}, Samples: 100,
		Delay: 50 * time.Millisecond}, r)
	run(20 * time.Second)
	if len(r.samples) != 1 || r.samples[0].Request != 4 || len(r.samples[0].Tasks) != 2 {
		t.Fatalf("samples: %+v", r.samples)
	}
	for i, want := range []metric.Level{metric.High, metric.OK} {
		s := r.samples[0].Tasks[i]
		if got := metric.LevelOf(s.Share); got != want {
			t.Errorf("%s: %s at %.2f, want %s", name(s.Attempt), got, s.Share, want)
		}
	}
	at := func(vertex byte, name string) float64 {
		t.Helper()
		v, ok := r.metrics.Value("w1.taskmanager." + jobID.String() + "." +
			id.Vertex{vertex}.String() + ".0." + name)
		if !ok {
			t.Fatalf("no metric %s", name)
		}
		return v
	}
	for _, c := range []struct {
		vertex   byte
		name     string
		from, to float64
	}{
		{1, "backPressuredTimeMsPerSecond", 900, 1000}, {1, "softBackPressuredTimeMsPerSecond", 900,
			1000},
		{1, "hardBackPressuredTimeMsPerSecond", 0, 0}, {1, "idleTimeMsPerSecond", 0, 10},
		{1, "busyTimeMsPerSecond", 0, 100}, {1, "isBackPressured", 1, 1},
		{1, "buffers.outPoolUsage", 0.7, 1}, {1, "accumulateBackPressuredTimeMs", 20_000, 31_000},
		{2, "backPressuredTimeMsPerSecond", 0, 0}, {2, "busyTimeMsPerSecond", 900, 1000},
		{2, "isBackPressured", 0, 0}, {2, "buffers.outPoolUsage", 0, 0},
		{2, "buffers.inPoolUsage", 0.5, 1}, {2, "accumulateBusyTimeMs", 20_000, 31_000},
		{2, "numRecordsInPerSecond", 90, 110}, {1, "numRecordsOutPerSecond", 90, 2000},
	} {
		if got := at(c.vertex, c.name); got < c.from || got > c.to {
			t.Errorf("vertex %d: %s is %.2f, want %.2f to %.2f", c.vertex, c.name, got, c.from,
				c.to)
		}
	}
	r.tm.Close()
	r.settle()
	if len(r.tm.Tasks()) != 0 {
		t.Errorf("tasks are left: %v", r.tm.Tasks())
	}
}

// TestSamplingEnds: sampling ends with the tasks that it looks at, and says what it saw.
func TestSamplingEnds(t *testing.T) {
	r := newRig(t, 1)
	a := r.allocate(0)
	r.submit(a, attempt(1, 1))
	r.settle()
	ask := func() {
		r.tm.SampleBackpressure(controlplane.BackpressureRequest{Request: 1, Samples: 100,
			Attempts: []id.Attempt{attempt(1, 1)}, Delay: time.Second}, r)
	}
	ask()
	if err := r.w.Pass(5*time.Second, turnsMax); err != nil {
		t.Fatal(err)
	}
	r.tm.CancelTask(attempt(1, 1))
	if err := r.w.Pass(2*time.Second, turnsMax); err != nil {
		t.Fatal(err)
	}
	ask()
	if len(r.samples) != 2 || len(r.samples[0].Tasks) != 1 || len(r.samples[1].Tasks) != 0 {
		t.Errorf("samples: %+v", r.samples)
	}
}
