package minicluster_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/datastream"
	"goflink/graph"
	"goflink/internal/sim"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/operator/reading"
	"goflink/operator/writing"
	"goflink/runtime/execgraph"
	"goflink/runtime/jobmaster"
	"goflink/runtime/localfs"
	"goflink/runtime/memfs"
	"goflink/runtime/minicluster"
)

// submitted takes the job of a program instead of running it.
type submitted struct {
	job  *graph.JobGraph
	code *graph.Code
}

var errSubmitted = errors.New("submitted")

func (s *submitted) Submit(_ context.Context, j *graph.JobGraph, code *graph.Code) (
	job.Client, error,
) {
	s.job, s.code = j, code
	return nil, errSubmitted
}

// fileJob is a simulated job that writes the numbers from 0 to n-1 to files, with failures.
type fileJob struct {
	t     *testing.T
	w     *sim.World
	rnd   *rand.Rand
	fs    *memfs.FS
	files *filesystem.Registry
	conf  *config.Configuration
	n     int64
	// log are the latest events.
	log []string
	// intervals holds, for each number, the checkpoint whose barrier came behind it at the sink,
	// in the latest attempt; complete is the highest checkpoint that was completed.
	intervals map[int64]uint64
	complete  uint64
	// panics, faults and kills are those that are still to come; stuck counts the leftovers whose
	// removal a fault has prevented.
	panics, faults, kills, stuck int
	// renames is set when a file was renamed since the finished ones were looked at.
	renames bool
}

func newFileJob(t *testing.T, seed uint64) *fileJob {
	t.Helper()
	w := sim.New(seed)
	x := &fileJob{t: t, w: w, rnd: w.Rand(), fs: memfs.New(memfs.Options{}), conf: config.New(),
		n: 6000, intervals: map[int64]uint64{}}
	var err error
	if x.files, err = filesystem.NewRegistry("mem:///"); err == nil {
		err = x.files.Register("mem", func(context.Context, string) (filesystem.FileSystem, error) {
			return x.fs, nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	x.set("execution.checkpointing.interval", "10 ms")
	x.set("execution.checkpointing.dir", "mem:///cp")
	x.set("execution.checkpointing.tolerable-failed-checkpoints", "1000")
	x.set("execution.checkpointing.unaligned.enabled", fmt.Sprint(x.rnd.IntN(2) == 0))
	x.set("pipeline.check-mutation", "true")
	x.set("restart-strategy.type", "fixed-delay")
	x.set("restart-strategy.fixed-delay.attempts", "1000")
	x.set("restart-strategy.fixed-delay.delay", "1 ms")
	x.set("taskmanager.memory.segment-size", "4kb")
	return x
}

func (x *fileJob) set(key, value string) { x.conf.Set(key, value, "test") }

// watch is a function before the sink, in its task: it sees which records each barrier follows.
type watch struct {
	x    *fileJob
	seen []int64
}

func (f *watch) Map(v int64) (int64, error) {
	if f.x.panics > 0 && f.x.rnd.IntN(1500) == 0 {
		f.x.panics--
		panic("a fault of the simulation")
	}
	f.seen = append(f.seen, v)
	return v, nil
}

func (f *watch) Snapshot(cp operator.Checkpoint) error {
	for _, v := range f.seen {
		f.x.intervals[v] = cp.ID
	}
	f.seen = nil
	return nil
}

// inject decides about the operations on the sink's directory.
func (x *fileJob) inject(op memfs.Op) error {
	if !strings.HasPrefix(op.Path, "/out") {
		return nil
	}
	x.renames = x.renames || op.Kind == memfs.OpRename
	if x.faults == 0 || x.rnd.IntN(150) > 0 {
		return nil
	}
	x.faults--
	switch op.Kind {
	case memfs.OpWrite, memfs.OpSync:
		return filesystem.ErrNoSpace
	case memfs.OpRemove:
		x.stuck++
	}
	return errors.New("the simulated disk does not answer")
}

// run runs a program to its end.
func (x *fileJob) run(parallelism int, program func(env *datastream.Environment)) (
	*minicluster.Cluster, *graph.JobGraph) {
	x.t.Helper()
	s := &submitted{}
	env := datastream.New(x.t.Context(), datastream.Options{Executor: s, Config: x.conf,
		Files: x.files})
	env.SetParallelism(parallelism)
	program(env)
	if _, err := env.Execute("simulated"); !errors.Is(err, errSubmitted) {
		x.t.Fatal(err)
	}
	c, err := minicluster.New(minicluster.Options{Host: x.w, TaskManagers: 2, Slots: parallelism,
		Config: x.conf, Files: x.files, Epoch: 1, Trace: x.trace})
	if err != nil {
		x.t.Fatal(err)
	}
	x.panics, x.faults, x.kills = x.rnd.IntN(4), x.rnd.IntN(6), x.rnd.IntN(3)
	x.fs.SetFault(x.inject)
	client, err := c.Submit(x.t.Context(), s.job, s.code)
	if err != nil {
		x.t.Fatal(err)
	}
	m := c.Master(s.job.ID)
	done := func() bool {
		if x.renames {
			x.renames = false
			x.look()
		}
		if x.kills > 0 && x.rnd.IntN(1500) == 0 {
			x.kills--
			tms := c.TaskManagers()
			c.KillTaskManager(tms[x.rnd.IntN(len(tms))], errors.New("killed by the simulation"))
			x.add(c)
		}
		select {
		case <-m.Done():
			return true
		default:
			return false
		}
	}
	if err := x.w.Run(done, 2_000_000); err != nil {
		x.t.Fatalf("%v; the latest events:\n%s", err, x.tail())
	}
	if r, err := client.Wait(x.t.Context()); err != nil {
		x.t.Fatalf("%v (%d restarts); the latest events:\n%s", err, r.Restarts, x.tail())
	}
	x.fs.SetFault(nil)
	return c, s.job
}

func (x *fileJob) tail() string { return strings.Join(x.log[max(0, len(x.log)-60):], "\n") }

func (x *fileJob) trace(_ id.Job, event string) {
	x.log = append(x.log, x.w.Now().Format("05.000000 ")+event)
	var n uint64
	if k, err := fmt.Sscanf(event, "checkpoint %d complete", &n); k == 1 && err == nil {
		x.complete = max(x.complete, n)
	}
}

// finished are the numbers in the files that a reader sees, sorted.
func (x *fileJob) finished() []int64 {
	x.t.Helper()
	var all []int64
	for _, p := range x.fs.Files() {
		if !strings.HasPrefix(p, "/out/") || strings.Contains(p, "/.") {
			continue
		}
		x.fs.SetFault(nil)
		f, err := x.fs.Open(context.Background(), p)
		if err != nil {
			x.t.Fatal(err)
		}
		b := make([]byte, f.Size())
		if _, err := f.ReadAt(b, 0); err != nil {
			x.t.Fatal(err)
		}
		x.fs.SetFault(x.inject)
		for line := range strings.Lines(string(b)) {
			v, err := strconv.ParseInt(strings.TrimSuffix(line, "\n"), 10, 64)
			if err != nil {
				x.t.Fatalf("%s: %v", p, err)
			}
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return all
}

// look demands that a reader sees nothing of an interval whose checkpoint is not complete, and
// nothing twice.
func (x *fileJob) look() {
	x.t.Helper()
	all := x.finished()
	for i, v := range all {
		if cp := x.intervals[v]; cp == 0 || cp > x.complete {
			x.t.Fatalf("%d is visible, of checkpoint %d, but only those up to %d are complete:\n%s",
				v, cp,
				x.complete, x.tail())
		}
		if i > 0 && all[i-1] == v {
			x.t.Fatalf("%d is visible twice:\n%s", v, x.tail())
		}
	}
}

// TestSimFiles: R96, R97, R100, R166: whatever fails and whenever (functions, workers, the disk of
// the sink, which is full at times), readers of finished files see each record once, and nothing of
// an interval before its checkpoint is complete.
func TestSimFiles(t *testing.T) {
	testkit.EachSeed(t, 100, func(t *testing.T, seed uint64) {
		x := newFileJob(t, seed)
		roll := int64(100 + x.rnd.IntN(5000))
		buckets := int64(1 + x.rnd.IntN(4))
		x.run(1+x.rnd.IntN(3), func(env *datastream.Environment) {
			numbers := datastream.Generate(env, x.n, 0, func(n int64) int64 { return n })
			shaken := numbers.Rebalance().Filter(func(int64) bool { return true }).DisableChaining()
			seen := datastream.RichMap(shaken.Rebalance(), func() *watch { return &watch{x: x} })
			datastream.WriteText(seen, "/out", datastream.Rolling[int64](roll, 0),
				datastream.InBuckets(
					writing.BucketBy(func(v int64) string { return fmt.Sprint("b=", v%buckets) })))
		})
		all := x.finished()
		for i, v := range all {
			if v != int64(i) {
				t.Fatalf("line %d is %d:\n%s", i, v, x.tail())
			}
		}
		if int64(len(all)) != x.n {
			t.Fatalf("%d lines, want %d:\n%s", len(all), x.n, x.tail())
		}
		left := slices.DeleteFunc(x.fs.Files(), func(p string) bool {
			return !strings.HasPrefix(p, "/out/.")
		})
		if len(left) > x.stuck {
			t.Errorf("left behind: %q; %d removals were prevented", left, x.stuck)
		}
	})
}

func (x *fileJob) add(c *minicluster.Cluster) {
	x.t.Helper()
	if _, err := c.AddTaskManager(); err != nil {
		x.t.Fatal(err)
	}
}

// TestSimCollect: R96: what a client fetches of a job with failures is each record once, in the
// order of the sink.
func TestSimCollect(t *testing.T) {
	testkit.EachSeed(t, 30, func(t *testing.T, seed uint64) {
		x := newFileJob(t, seed)
		numbers := []int64{}
		for n := range x.n {
			numbers = append(numbers, n*n)
		}
		if got := x.collect(numbers); !slices.Equal(got, numbers) {
			t.Fatalf("%d results, want %d:\n%s", len(got), len(numbers), x.tail())
		}
	})
}

// collect runs values through a job and fetches them when it has ended.
func (x *fileJob) collect(values []int64) (got []int64) {
	x.t.Helper()
	var results *datastream.Results[int64]
	c, j := x.run(1, func(env *datastream.Environment) {
		s := datastream.FromCollection(env, values).DisableChaining()
		results = datastream.Collect(datastream.RichMap(s, func() *watch { return &watch{x: x} }))
	})
	for v, err := range results.All(x.t.Context(), c.Master(j.ID).Client()) {
		if err != nil {
			x.t.Fatal(err)
		}
		got = append(got, v)
	}
	return got
}

// TestStopCommits: R100: a job that is stopped with a savepoint has committed what the savepoint
// holds, although nothing comes after it.
func TestStopCommits(t *testing.T) {
	for range 10 {
		testStopCommits(t)
	}
}

func testStopCommits(t *testing.T) {
	dir := t.TempDir()
	files, err := filesystem.NewRegistry("file://" + dir)
	if err == nil {
		err = files.Register("file", localfs.Open)
	}
	if err != nil {
		t.Fatal(err)
	}
	conf := config.New()
	conf.Set("execution.checkpointing.interval", "1 h", "test")
	s := &submitted{}
	env := datastream.New(t.Context(), datastream.Options{Executor: s, Config: conf, Files: files})
	reached := make(chan struct{})
	numbers := datastream.Generate(env, reading.Endless, 0, func(n int64) int64 {
		if n == 20_000 {
			close(reached)
		}
		return n
	})
	datastream.WriteText(numbers.Rebalance().Filter(func(int64) bool { return true }).
		DisableChaining(), "out")
	if _, err := env.Execute("to be stopped"); !errors.Is(err, errSubmitted) {
		t.Fatal(err)
	}
	c, err := minicluster.New(minicluster.Options{TaskManagers: 1, Slots: 1, Config: conf,
		Files: files,
		Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	client, err := c.Submit(t.Context(), s.job, s.code)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-reached:
	case <-time.After(time.Minute):
		t.Fatal("the job makes no records")
	}
	awaitRunning(t, client)
	if _, err := client.Stop(t.Context(), "savepoints", false); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	hidden, err := filepath.Glob(filepath.Join(dir, "out", ".goflink-*", "*"))
	if err != nil || len(hidden) > 0 {
		t.Errorf("pending files are left: %q, %v", hidden, err)
	}
	lines := countLines(t, files)
	if lines <= 20_000 {
		t.Errorf("%d lines are finished", lines)
	}
}

// countLines reads the finished files back and demands that they hold 0, 1, 2 and so on.
func countLines(t *testing.T, files *filesystem.Registry) int {
	t.Helper()
	fs, p, err := files.Find(t.Context(), "out")
	if err != nil {
		t.Fatal(err)
	}
	var all []int
	for info, err := range fs.List(t.Context(), p) {
		if err != nil {
			t.Fatal(err)
		}
		if info.Dir {
			continue
		}
		f, err := fs.Open(t.Context(), p+"/"+info.Name)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, f.Size())
		if _, err := f.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.FieldsSeq(string(b)) {
			v, err := strconv.Atoi(line)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, v)
		}
	}
	slices.Sort(all)
	for i, v := range all {
		if v != i {
			t.Fatalf("line %d is %d", i, v)
		}
	}
	return len(all)
}

// awaitRunning waits until the JobMaster knows that all tasks of a job run.
func awaitRunning(t *testing.T, client jobmaster.Client) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		tasks, err := client.Tasks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		waits := slices.IndexFunc(tasks, func(task jobmaster.Task) bool {
			return task.State != execgraph.Running
		})
		if waits < 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s is still %s", tasks[waits].Name, tasks[waits].State)
		}
	}
}
