package minicluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/core/stream"
	"goflink/datastream"
	"goflink/internal/sim"
	"goflink/operator"
	"goflink/operator/reading"
	"goflink/runtime/checkpoint"
	"goflink/runtime/jobmaster"
	"goflink/runtime/memfs"
	"goflink/runtime/minicluster"
)

// world is a simulated cluster with the log of its jobs' events.
type world struct {
	t     *testing.T
	w     *sim.World
	c     *minicluster.Cluster
	conf  *config.Configuration
	files *filesystem.Registry
	log   map[id.Job][]string
}

// newWorld starts a cluster; settings are keys and values in turn.
func newWorld(t *testing.T, workers, slots int, settings ...string) *world {
	t.Helper()
	x := &world{t: t, w: sim.New(1), conf: config.New(), log: map[id.Job][]string{}}
	fs := memfs.New(memfs.Options{Now: x.w.Now})
	var err error
	if x.files, err = filesystem.NewRegistry("mem:///"); err != nil {
		t.Fatal(err)
	}
	err = x.files.Register("mem", func(context.Context, string) (filesystem.FileSystem, error) {
		return fs, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(settings); i += 2 {
		x.conf.Set(settings[i], settings[i+1], "test")
	}
	x.c, err = minicluster.New(minicluster.Options{Host: x.w, TaskManagers: workers, Slots: slots,
		Config: x.conf, Files: x.files,
		Trace: func(j id.Job, e string) { x.log[j] = append(x.log[j], e) }})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// submit submits a program.
func (x *world) submit(program func(env *datastream.Environment)) *jobmaster.Master {
	x.t.Helper()
	s := &submitted{}
	env := datastream.New(x.t.Context(), datastream.Options{Executor: s, Config: x.conf,
		Files: x.files})
	program(env)
	if _, err := env.Execute("job"); !errors.Is(err, errSubmitted) {
		x.t.Fatal(err)
	}
	if _, err := x.c.Submit(x.t.Context(), s.job, s.code); err != nil {
		x.t.Fatal(err)
	}
	return x.c.Master(s.job.ID)
}

func over(m *jobmaster.Master) bool {
	select {
	case <-m.Done():
		return true
	default:
		return false
	}
}

// run runs the world until a job is over.
func (x *world) run(m *jobmaster.Master) (job.Result, error) {
	x.t.Helper()
	if err := x.w.Run(func() bool { return over(m) }, 5_000_000); err != nil {
		x.t.Fatalf("%v; events:\n%s", err, strings.Join(x.log[m.ID()], "\n"))
	}
	return m.Client().Wait(x.t.Context())
}

// pass runs the world for a time.
func (x *world) pass(d time.Duration) {
	x.t.Helper()
	until := x.w.Now().Add(d)
	x.w.After(d, func() {})
	if err := x.w.Run(func() bool { return !x.w.Now().Before(until) }, 5_000_000); err != nil {
		x.t.Fatal(err)
	}
}

func endless(env *datastream.Environment, group string, seen *int) {
	datastream.Generate(env, reading.Endless, 1000, func(n int64) int64 { return n }).
		SlotSharingGroup(group).ForEach(func(int64) { *seen++ })
}

func few(env *datastream.Environment, group string, seen *int) {
	datastream.Generate(env, 10, 0, func(n int64) int64 { return n }).
		SlotSharingGroup(group).ForEach(func(int64) { *seen++ })
}

// TestLifeOfAJob: R130, R131, R139, R152: what is reported of a job, in its order: the states of
// the job, of its slots and of each task.
func TestLifeOfAJob(t *testing.T) {
	x := newWorld(t, 1, 1)
	seen := 0
	m := x.submit(func(env *datastream.Environment) {
		datastream.Generate(env, 10, 0, func(n int64) int64 { return n }).Rebalance().
			ForEach(func(int64) { seen++ }).Name("count")
	})
	if _, err := x.run(m); err != nil || seen != 10 {
		t.Fatalf("%d of 10 records, %v", seen, err)
	}
	for _, c := range []struct {
		about string
		want  []string
	}{
		{"job", []string{"job CREATED -> RUNNING", "job RUNNING -> FINISHED"}},
		{"slots", []string{"slots required: 1", "slots offered: 1 of taskmanager-1",
			"slots accepted: 1 of taskmanager-1", "slots required: 0"}},
		{"task Source", taskStates("Source: Generator (1/1)")},
		{"task count", taskStates("count (1/1)")},
		{"deploy", []string{"deploy Source: Generator (1/1)", "deploy count (1/1)"}},
	} {
		var got []string
		for _, e := range x.log[m.ID()] {
			if strings.HasPrefix(e, c.about) {
				got = append(got, e)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%s\nwant:\n%s", c.about, strings.Join(got, "\n"),
				strings.Join(c.want, "\n"))
		}
	}
}

func taskStates(name string) (events []string) {
	for _, s := range []string{"SCHEDULED", "DEPLOYING", "RUNNING", "FINISHED"} {
		events = append(events, "task "+name+" -> "+s)
	}
	return events
}

// place is an operator that notes where it runs, and what it got.
type place struct {
	operator.Discard[int64]
	operator.Operator
	notes map[int][]int64
	sub   int
}

func (p *place) Open(rt operator.Runtime) error {
	if i := rt.Info(); i.Parallelism != 2 || p.notes[i.Subtask] != nil {
		return fmt.Errorf("subtask %d of %d, known: %v", i.Subtask, i.Parallelism, p.notes)
	}
	p.sub = rt.Info().Subtask
	p.notes[p.sub] = []int64{}
	return nil
}

func (p *place) Input(int) any { return p }
func (p *place) Finish() error { return nil }
func (p *place) Close() error  { return nil }

func (p *place) Batch(b *stream.Batch[int64]) error {
	p.notes[p.sub] = append(p.notes[p.sub], b.Values...)
	return nil
}

// TestSubtasks: R20, R21: an operator of parallelism 2 runs as exactly the subtasks 0 and 1, each
// with an operator of its own; a one-to-one edge keeps partitions and their order.
func TestSubtasks(t *testing.T) {
	x := newWorld(t, 2, 1)
	notes := map[int][]int64{}
	made := 0
	m := x.submit(func(env *datastream.Environment) {
		env.SetParallelism(2)
		datastream.Generate(env, 1000, 0, func(n int64) int64 { return n }).DisableChaining().
			SinkTransform("place", operator.FactoryFunc(func() (operator.Operator, error) {
				made++
				return &place{notes: notes}, nil
			}))
	})
	if _, err := x.run(m); err != nil || made != 2 || len(notes) != 2 {
		t.Fatalf("%d operators, %d subtasks, %v", made, len(notes), err)
	}
	for sub := range 2 {
		if len(notes[sub]) != 500 {
			t.Errorf("subtask %d got %d records", sub, len(notes[sub]))
		}
		for i, v := range notes[sub] {
			if v != int64(2*i+sub) {
				t.Fatalf("subtask %d got %d as number %d", sub, v, i)
			}
		}
	}
}

// TestJobWaitsForWorkers: R18: a job that finds no TaskManager waits, and runs once one is there.
func TestJobWaitsForWorkers(t *testing.T) {
	x := newWorld(t, 0, 1)
	seen := 0
	m := x.submit(func(env *datastream.Environment) { few(env, "default", &seen) })
	x.pass(time.Minute)
	if seen > 0 || over(m) {
		t.Fatalf("%d records without a worker", seen)
	}
	if _, err := x.c.AddTaskManager(); err != nil {
		t.Fatal(err)
	}
	if _, err := x.run(m); err != nil || seen != 10 {
		t.Errorf("%d of 10 records, %v", seen, err)
	}
}

// TestJobWaitsForSlots: R134, R154: when all slots are taken, the next job waits until another
// ends.
func TestJobWaitsForSlots(t *testing.T) {
	x := newWorld(t, 2, 3)
	var first, second int
	a := x.submit(func(env *datastream.Environment) {
		env.SetParallelism(6)
		endless(env, "default", &first)
	})
	x.pass(time.Second)
	b := x.submit(func(env *datastream.Environment) { few(env, "default", &second) })
	x.pass(time.Minute)
	if first == 0 || second > 0 {
		t.Fatalf("%d records of the first job, %d of the second", first, second)
	}
	if err := a.Client().Cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := x.run(b); err != nil || second != 10 {
		t.Errorf("%d of 10 records, %v", second, err)
	}
	var cancelled *job.CancelledError
	if _, err := x.run(a); !errors.As(err, &cancelled) {
		t.Errorf("the first job ended with %v", err)
	}
}

// TestPipelinesWaitAlone: R149: of two unconnected pipelines and one slot, one runs while the other
// waits. R148: all at once, neither does, and the job fails when the slots have not come in time.
func TestPipelinesWaitAlone(t *testing.T) {
	program := func(one, two *int) func(env *datastream.Environment) {
		return func(env *datastream.Environment) { few(env, "one", one); few(env, "two", two) }
	}
	var one, two int
	x := newWorld(t, 1, 1)
	if _, err := x.run(x.submit(program(&one, &two))); err != nil || one != 10 || two != 10 {
		t.Errorf("pipelined regions: %d and %d of 10 records, %v", one, two, err)
	}
	one, two = 0, 0
	x = newWorld(t, 1, 1, "jobmanager.scheduler.scheduling-strategy", "eager")
	began := x.w.Now()
	_, err := x.run(x.submit(program(&one, &two)))
	if err == nil || one+two > 0 {
		t.Errorf("eager: %d and %d records, %v", one, two, err)
	}
	if d := x.w.Now().Sub(began).Round(time.Second); d != 300*time.Second {
		t.Errorf("eager: gave up after %s, not slot.request.timeout", d)
	}
}

// TestRestartStrategies: R84: a function that always fails is started once, and as often again as
// the strategy allows.
func TestRestartStrategies(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings []string
		starts   int
	}{
		{"fixed-delay", []string{"restart-strategy", "fixed-delay",
			"restart-strategy.fixed-delay.attempts", "3",
			"restart-strategy.fixed-delay.delay", "1 s"}, 1 + 3},
		{"failure-rate", []string{"restart-strategy", "failure-rate",
			"restart-strategy.failure-rate.max-failures-per-interval", "2",
			"restart-strategy.failure-rate.failure-rate-interval", "10 s",
			"restart-strategy.failure-rate.delay", "1 s"}, 1 + 2},
		{"none", []string{"restart-strategy", "none"}, 1},
		{"unset", nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t, 1, 1, c.settings...)
			starts := 0
			m := x.submit(func(env *datastream.Environment) {
				datastream.Generate(env, 10, 0, func(n int64) int64 { return n }).
					ForEach(func(int64) { starts++; panic("always") })
			})
			r, err := x.run(m)
			if err == nil || !strings.Contains(err.Error(), "always") {
				t.Errorf("ended with %v", err)
			}
			if starts != c.starts || r.Restarts != c.starts-1 {
				t.Errorf("started %d times with %d restarts, want %d", starts, r.Restarts, c.starts)
			}
		})
	}
}

// slowJob is a fast source, a map and a sink that takes 10 ms a record.
func slowJob(x *world, records int64) *jobmaster.Master {
	return x.submit(func(env *datastream.Environment) {
		datastream.Generate(env, records, 0, func(n int64) int64 { return n }).Name("fast").
			Rebalance().Filter(func(int64) bool { return true }).Name("middle").
			Rebalance().ForEach(func(int64) { x.w.Spend(10 * time.Millisecond) }).Name("slow")
	})
}

// latest asks for the newest checkpoint's statistics, from within the simulation.
func (x *world) overview(m *jobmaster.Master) checkpoint.Overview {
	x.t.Helper()
	if err := m.Client().Cancel(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
	if _, err := x.run(m); err == nil {
		x.t.Fatal("the job ended before it was cancelled")
	}
	o, err := m.Client().Checkpoints(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	return o
}

// TestCheckpointsUnderBackpressure: R105, R106: behind a slow sink an aligned checkpoint takes as
// long as the records that are queued; an unaligned one, or one that turns unaligned in time, does
// not wait for them and holds them instead.
func TestCheckpointsUnderBackpressure(t *testing.T) {
	type outcome struct {
		duration time.Duration
		inFlight int64
	}
	measure := func(settings ...string) outcome {
		x := newWorld(t, 1, 1, append(settings, "execution.checkpointing.interval", "100 s",
			"execution.checkpointing.dir", "mem:///cp", "taskmanager.memory.segment-size",
			"4 kb")...)
		m := slowJob(x, reading.Endless)
		x.pass(300 * time.Second)
		o := x.overview(m)
		if o.LatestCompleted == nil {
			t.Fatalf("%q: no checkpoint is complete; failed: %+v", settings, o.LatestFailed)
		}
		return outcome{o.LatestCompleted.Duration(x.w.Now()), o.LatestCompleted.ChannelBytes}
	}
	aligned := measure()
	unaligned := measure("execution.checkpointing.unaligned", "true")
	switched := measure("execution.checkpointing.unaligned", "true",
		"execution.checkpointing.aligned-checkpoint-timeout", "2 s")
	t.Logf("aligned %v, unaligned %v, switched %v", aligned, unaligned, switched)
	if aligned.duration < 10*time.Second || aligned.inFlight != 0 {
		t.Errorf("aligned: %s with %d bytes in flight", aligned.duration, aligned.inFlight)
	}
	if unaligned.duration > aligned.duration/10 || unaligned.inFlight == 0 {
		t.Errorf("unaligned: %s with %d bytes in flight", unaligned.duration, unaligned.inFlight)
	}
	if switched.duration < 2*time.Second || switched.duration > 2*time.Second+aligned.duration/10 ||
		switched.inFlight == 0 {
		t.Errorf("switched: %s with %d bytes in flight", switched.duration, switched.inFlight)
	}
}

// TestSlowSink: R104, R107, R108: the source falls to the rate of the sink and is graded HIGH, the
// sink OK; nothing is lost.
func TestSlowSink(t *testing.T) {
	x := newWorld(t, 1, 1, "taskmanager.memory.segment-size", "4 kb")
	m := slowJob(x, 30_000)
	x.pass(10 * time.Second)
	var levels []string
	for vertex := range 3 {
		m.Backpressure(vertex, func(b jobmaster.Backpressure, err error) {
			levels = append(levels, fmt.Sprintf("%d %s %v", vertex, b.Level, err))
		})
	}
	x.pass(10 * time.Second)
	slices.Sort(levels)
	if got := strings.Join(levels, ", "); got != "0 high <nil>, 1 high <nil>, 2 ok <nil>" {
		t.Errorf("levels: %s", got)
	}
	// The source takes in nothing, and what it has put out before its buffers were full counts,
	// too.
	lowest, usage := 1e9, 0.0
	for _, v := range x.c.Metrics().Values("taskmanager-1.") {
		if strings.HasSuffix(v.Name, ".numRecordsInPerSecond") && v.Value > 0 {
			lowest = min(lowest, v.Value)
		}
		if strings.HasSuffix(v.Name, ".buffers.outPoolUsage") {
			usage = max(usage, v.Value)
		}
	}
	if lowest < 90 || lowest > 110 || usage < 0.7 {
		t.Errorf("the slowest task takes %.0f records a second; outputs are used to %.2f", lowest,
			usage)
	}
	began := x.w.Now()
	if _, err := x.run(m); err != nil {
		t.Error(err)
	}
	// 30,000 records of 10 ms, 2000 of which are through.
	if d := x.w.Now().Sub(began).Round(2 * time.Second); d != 280*time.Second {
		t.Errorf("the rest took %s", d)
	}
	if n := len(x.c.Metrics().Values("")); n != 0 {
		t.Errorf("%d metrics are left", n)
	}
}

// TestCheckpointOverTheNetwork: R106: the same between processes, where barriers wait for credit at
// their producers: a checkpoint that turns unaligned in time is complete long before the records
// that are queued have been processed, and a job that is restored from it has all of them.
func TestCheckpointOverTheNetwork(t *testing.T) {
	fs := memfs.New(memfs.Options{})
	files, err := filesystem.NewRegistry("mem:///")
	if err == nil {
		err = files.Register("mem", func(context.Context, string) (filesystem.FileSystem, error) {
			return fs, nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	conf := config.FromMap(map[string]string{
		"taskmanager.network.force-remote-exchange":                 "true",
		"execution.checkpointing.dir":                               "mem:///cp",
		"execution.checkpointing.interval":                          "50 ms",
		"execution.checkpointing.unaligned":                         "true",
		"execution.checkpointing.aligned-checkpoint-timeout":        "20 ms",
		"execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
		"execution.checkpointing.max-concurrent-checkpoints":        "1",
	}, "test")
	c, err := minicluster.New(minicluster.Options{TaskManagers: 2, Slots: 1, Config: conf,
		Files: files, Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	const records = 600_000
	var slow atomic.Bool
	slow.Store(true)
	var mu sync.Mutex
	seen := map[int64]int{}
	submit := func(path string) *jobmaster.Master {
		s := &submitted{}
		env := datastream.New(t.Context(), datastream.Options{Executor: s, Config: conf,
			Files: files})
		env.SetParallelism(2)
		datastream.Generate(env, records, 0, func(n int64) int64 { return n }).Rebalance().
			ForEach(func(n int64) {
				if slow.Load() {
					<-time.After(2 * time.Millisecond)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				seen[n]++
			})
		if _, err := env.Execute("over the network"); !errors.Is(err, errSubmitted) {
			t.Fatal(err)
		}
		s.job.Restore.Path = path
		if _, err := c.Submit(t.Context(), s.job, s.code); err != nil {
			t.Fatal(err)
		}
		return c.Master(s.job.ID)
	}
	m := submit("")
	done := await(t, m, func(o checkpoint.Overview) bool {
		return o.LatestCompleted != nil && o.LatestCompleted.ChannelBytes > 0
	}).LatestCompleted
	if d := done.Duration(time.Time{}); d > 5*time.Second {
		t.Errorf("it took %s", d)
	}
	if err := m.Client().Cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-m.Done()
	o, err := m.Client().Checkpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slow.Store(false)
	m = submit(o.LatestCompleted.Path)
	r, err := m.Client().Wait(t.Context())
	if err != nil || r.Restarts != 0 {
		failures, _ := m.Client().Exceptions(t.Context())
		t.Fatalf("%d restarts, because of %+v; %v", r.Restarts, failures, err)
	}
	// What had been processed before the checkpoint is missing, and is all that comes first.
	twice := []int64{}
	for n, times := range seen {
		if times != 1 {
			twice = append(twice, n)
		}
	}
	if len(twice) > 0 {
		slices.Sort(twice)
		t.Errorf("%d records came more than once: from %d to %d", len(twice), twice[0],
			twice[len(twice)-1])
	}
	t.Logf("%d of %d records after the restore, %d bytes in flight", len(seen), records,
		o.LatestCompleted.ChannelBytes)
	missing := 0
	for n := range int64(records) {
		if seen[n] == 0 {
			missing++
		}
	}
	if missing == 0 || missing > records/10 {
		t.Errorf("%d records are missing", missing)
	}
}

// await waits until the overview of a job's checkpoints is as it should be.
func await(t *testing.T, m *jobmaster.Master,
	ok func(checkpoint.Overview) bool) checkpoint.Overview {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		o, err := m.Client().Checkpoints(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if ok(o) {
			return o
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no such checkpoint: %+v", o)
		}
	}
}
