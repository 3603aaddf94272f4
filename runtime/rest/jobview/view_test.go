package jobview_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/datastream"
	"goflink/graph"
	"goflink/operator/reading"
	"goflink/runtime/memfs"
	"goflink/runtime/metric"
	"goflink/runtime/minicluster"
	"goflink/runtime/rest"
	"goflink/runtime/rest/jobview"
	"goflink/runtime/rest/message"
)

// rig is a MiniCluster with a job and its view.
type rig struct {
	t *testing.T
	c *minicluster.Cluster
	v *jobview.View
	g *graph.JobGraph
}

type submitted struct {
	job  *graph.JobGraph
	code *graph.Code
}

var errSubmitted = errors.New("submitted")

func (s *submitted) Submit(_ context.Context, j *graph.JobGraph, code *graph.Code) (
	job.Client, error) {
	s.job, s.code = j, code
	return nil, errSubmitted
}

func start(t *testing.T, settings map[string]string,
	program func(env *datastream.Environment)) *rig {
	t.Helper()
	conf := config.FromMap(settings, "test")
	conf.Set("execution.checkpointing.dir", "mem:///cp", "test")
	conf.Set("web.backpressure.num-samples", "3", "test")
	conf.Set("web.backpressure.delay-between-samples", "1 ms", "test")
	fs := memfs.New(memfs.Options{Now: time.Now})
	files, err := filesystem.NewRegistry("mem:///")
	if err == nil {
		err = files.Register("mem", func(context.Context, string) (filesystem.FileSystem, error) {
			return fs, nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	x := &rig{t: t}
	x.c, err = minicluster.New(minicluster.Options{TaskManagers: 1, Slots: 2, Config: conf,
		Files: files, Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.c.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &submitted{}
	env := datastream.New(t.Context(), datastream.Options{Executor: s, Config: conf, Files: files})
	program(env)
	if _, err := env.Execute("count & show"); !errors.Is(err, errSubmitted) {
		t.Fatal(err)
	}
	started := time.Now()
	if _, err := x.c.Submit(t.Context(), s.job, s.code); err != nil {
		t.Fatal(err)
	}
	x.g = s.job
	x.v = jobview.New(jobview.Options{Master: x.c.Master(s.job.ID), Graph: s.job, Config: conf,
		Metrics: x.c.Metrics(), Started: started})
	return x
}

// twoVertices has a source with a chained map, and a sink at a parallelism of 2.
func twoVertices(env *datastream.Environment) {
	s := datastream.Generate(env, reading.Endless, 1000, func(n int64) int64 { return n })
	datastream.Map(s, func(n int64) int64 { return 2 * n }).Name("a < b").Rebalance().
		ForEach(func(int64) {}).Name("show").SetParallelism(2)
}

func (x *rig) until(what string, ok func() bool) {
	x.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			x.t.Fatalf("never %s", what)
		}
	}
}

func (x *rig) details() message.JobDetails {
	x.t.Helper()
	d, err := x.v.Details(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	return d
}

// running waits until all tasks run and records have come to the sinks.
func (x *rig) running() message.JobDetails {
	x.t.Helper()
	var d message.JobDetails
	x.until("records at the sink", func() bool {
		d = x.details()
		for _, v := range d.Vertices {
			if v.Tasks["RUNNING"] < v.Parallelism {
				return false
			}
		}
		return d.Vertices[len(d.Vertices)-1].Metrics.ReadRecords > 0
	})
	return d
}

// TestDetails: R107, R150, R151: what is shown of a job that runs.
func TestDetails(t *testing.T) {
	x := start(t, nil, twoVertices)
	d := x.running()
	if d.ID != x.g.ID || d.Name != "count & show" || d.State != job.Running ||
		d.End != message.Never || d.Duration < 0 || d.Start <= 0 || d.Now < d.Start ||
		d.Timestamps[job.Created] != d.Start || d.Timestamps[job.Running] < d.Start {
		t.Errorf("%+v", d)
	}
	if len(d.Vertices) != 2 {
		t.Fatalf("vertices %+v", d.Vertices)
	}
	source, sink := d.Vertices[0], d.Vertices[1]
	if source.Status != "RUNNING" || source.Tasks["RUNNING"] != 1 || source.Parallelism != 1 ||
		source.Metrics.WriteRecords < sink.Metrics.ReadRecords || sink.Tasks["RUNNING"] != 2 ||
		sink.ID != x.g.Vertices[1].ID || !sink.Metrics.ReadRecordsComplete {
		t.Errorf("source %+v\nsink %+v", source, sink)
	}
	if n := d.Plan.Nodes; len(n) != 2 || n[1].Parallelism != 2 || len(n[1].Inputs) != 1 ||
		n[1].Inputs[0] != (message.PlanInput{ID: source.ID, Strategy: "REBALANCE",
			Exchange: "pipelined_bounded"}) ||
		n[0].Description != "Source: Generator<br/>+- a &lt; b<br/>" {
		t.Errorf("plan %+v", d.Plan)
	}
	s, err := x.v.Summary(t.Context())
	if err != nil || s.State != job.Running || s.Tasks["running"] != 3 || s.Tasks["total"] != 3 {
		t.Errorf("summary %+v, %v", s, err)
	}
	c, err := x.v.Config(t.Context())
	if err != nil || c.Execution.RestartStrategy == "" || c.Execution.Parallelism != 1 {
		t.Errorf("config %+v, %v", c, err)
	}
	if _, over, err := x.v.Result(t.Context()); over || err != nil {
		t.Errorf("a result: %t, %v", over, err)
	}
}

// TestVertex: R107, R144: what is shown of a vertex, with its backpressure.
func TestVertex(t *testing.T) {
	x := start(t, nil, twoVertices)
	x.running()
	v, err := x.v.Vertex(t.Context(), x.g.Vertices[1].ID)
	if err != nil || len(v.Subtasks) != 2 || v.Parallelism != 2 {
		t.Fatalf("%+v, %v", v, err)
	}
	if s := v.Subtasks[1]; s.Subtask != 1 || s.Status != "RUNNING" || s.Attempt != 0 ||
		s.Worker != "taskmanager-1" || s.Host != s.Endpoint {
		t.Errorf("%+v", s)
	}
	b, err := x.v.Backpressure(t.Context(), x.g.Vertices[1].ID)
	if err != nil || b.Status != message.BackpressureOK || len(b.Subtasks) != 2 || b.Level != "ok" {
		t.Errorf("%+v, %v", b, err)
	}
	var missing *rest.NotFoundError
	if _, err := x.v.Vertex(t.Context(), id.Vertex{1}); !errors.As(err, &missing) {
		t.Errorf("a vertex that is not there: %v", err)
	}
	if _, err := x.v.Backpressure(t.Context(), id.Vertex{1}); !errors.As(err, &missing) {
		t.Errorf("a vertex that is not there: %v", err)
	}
	if _, err := x.v.Coordinate(t.Context(), id.Operator{1}, nil); !errors.As(err, &missing) {
		t.Errorf("an operator that is not there: %v", err)
	}
}

// TestCheckpoints: R90, R99: what is shown of checkpoints and savepoints.
func TestCheckpoints(t *testing.T) {
	x := start(t, nil, twoVertices)
	ctx := t.Context()
	x.running()
	number, path, err := x.v.Checkpoint(ctx)
	if err != nil || number != 1 || !strings.HasSuffix(path, "chk-1") {
		t.Fatalf("%d, %q, %v", number, path, err)
	}
	saved, err := x.v.Savepoint(ctx, "mem:///sp")
	if err != nil {
		t.Fatal(err)
	}
	c, err := x.v.Checkpoints(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if c.Counts != (message.CheckpointCounts{Total: 2, Completed: 2}) || len(c.History) != 2 {
		t.Errorf("%+v", c)
	}
	sp, cp := c.History[0], c.History[1]
	if sp.Type != "SAVEPOINT" || sp.Class != "completed" || !sp.Savepoint || sp.Path != saved ||
		sp.Format != "CANONICAL" || c.Latest.Savepoint.ID != sp.ID {
		t.Errorf("savepoint %+v", sp)
	}
	if cp.Type != "CHECKPOINT" || cp.Status != "COMPLETED" || cp.Savepoint || cp.Path != path ||
		cp.Subtasks != 3 || cp.Acknowledged != 3 || cp.LatestAck < cp.Triggered ||
		c.Latest.Completed.ID != cp.ID || c.Summary.StateSize.Max < cp.StateSize {
		t.Errorf("checkpoint %+v", cp)
	}
	o, err := x.v.CheckpointConfig(ctx)
	if err != nil || o.Mode != "exactly_once" || o.Interval != 1<<63-1 || o.Backend != "hashmap" {
		t.Errorf("%+v, %v", o, err)
	}
	m, err := x.v.Metrics(ctx)
	if err != nil || !slices.ContainsFunc(m, func(v metric.Value) bool {
		return v.Name == "numberOfCompletedCheckpoints" && v.Value == 2
	}) {
		t.Errorf("metrics %+v, %v", m, err)
	}
	if _, err := x.v.Stop(ctx, "mem:///sp", false); err != nil {
		t.Fatal(err)
	}
	<-x.c.Master(x.g.ID).Done()
	r, over, err := x.v.Result(ctx)
	if err != nil || !over || r.Application != message.Succeeded || r.State != job.Finished {
		t.Errorf("%+v, %t, %v", r, over, err)
	}
}

// TestFailures: R152: what is shown of a job that was restarted, and then failed.
func TestFailures(t *testing.T) {
	var attempts atomic.Int32
	x := start(t, map[string]string{"restart-strategy.type": "fixed-delay",
		"restart-strategy.fixed-delay.attempts": "1", "restart-strategy.fixed-delay.delay": "1 ms"},
		func(env *datastream.Environment) {
			datastream.Generate(env, 10, 0, func(n int64) int64 { return n }).
				ForEach(func(int64) {
					attempts.Add(1)
					panic("no good")
				})
		})
	<-x.c.Master(x.g.ID).Done()
	r, over, err := x.v.Result(t.Context())
	if err != nil || !over || r.Application != message.Failed || r.State != job.Failed ||
		r.Restarts != 1 || !strings.Contains(r.Failure.StackTrace, "no good") ||
		r.Failure.Class != "panic(string)" {
		t.Errorf("%+v", r)
	}
	all, truncated, err := x.v.Exceptions(t.Context())
	if err != nil || truncated || len(all) != 2 || attempts.Load() != 2 {
		t.Fatalf("%d failures of %d attempts, %v", len(all), attempts.Load(), err)
	}
	for _, e := range all {
		if !strings.HasPrefix(e.Task, "Source: Generator") || e.Worker != "taskmanager-1" ||
			e.Labels["domain"] != "USER" || e.Time <= 0 || e.Name != "panic(string)" {
			t.Errorf("%+v", e)
		}
	}
	d := x.details()
	if d.State != job.Failed || d.End == message.Never || d.End-d.Start != d.Duration ||
		d.Timestamps[job.Failed] != d.End || d.Counts["FAILED"] != 1 ||
		d.Vertices[0].Metrics.ReadRecordsComplete {
		t.Errorf("%+v", d)
	}
	v, err := x.v.Vertex(t.Context(), x.g.Vertices[0].ID)
	if err != nil || v.Subtasks[0].Attempt != 1 || v.Subtasks[0].Status != "FAILED" {
		t.Errorf("%+v, %v", v, err)
	}
	b, err := x.v.Backpressure(t.Context(), x.g.Vertices[0].ID)
	if err != nil || b.Status != message.BackpressureMissing {
		t.Errorf("%+v, %v", b, err)
	}
}
