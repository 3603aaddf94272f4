package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"goflink/core/failure"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/runtime/metric"
	"goflink/runtime/rest/message"
)

// cluster is a Gateway whose answers are written down here: two jobs, two workers. It notes what
// was asked of it.
type cluster struct {
	order []*fixedJob
	mu    struct {
		sync.Mutex
		done []string
	}
}

var _ Gateway = (*cluster)(nil)

// began is when all of the cluster's life took place.
var began = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

func number16(n byte) (b [16]byte) {
	b[15] = n
	return b
}

func newCluster() *cluster {
	c := &cluster{}
	for n, st := range []job.Status{job.Running, job.Failed} {
		c.order = append(c.order, &fixedJob{c: c, id: number16(byte(n + 1)), status: st,
			gate: make(chan struct{})})
	}
	return c
}

func (c *cluster) note(format string, args ...any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.done = append(c.mu.done, fmt.Sprintf(format, args...))
	return nil
}

func (c *cluster) Jobs(context.Context) (all []Job, err error) {
	for _, j := range c.order {
		all = append(all, j)
	}
	return all, nil
}

func (c *cluster) Job(_ context.Context, want id.Job) (Job, error) {
	for _, j := range c.order {
		if j.id == want {
			return j, nil
		}
	}
	return nil, &NotFoundError{What: "job", ID: want.String()}
}

func (c *cluster) TaskManagers(context.Context) ([]message.TaskManager, error) {
	var all []message.TaskManager
	for n := range 2 {
		all = append(all, message.TaskManager{ID: id.Worker(fmt.Sprintf("taskmanager-%d", n+1)),
			Path: fmt.Sprintf("10.0.0.%d:6122", n+1), DataPort: 6121,
			LastHeartbeat: message.At(began), Slots: 4, FreeSlots: n,
			Total:    message.Resource{CPU: 4, Heap: 512, Managed: 1024, Network: 128},
			Free:     message.Resource{CPU: float64(n), Managed: int64(256 * n)},
			Hardware: message.Hardware{CPUs: 8, Physical: 16 << 30, Managed: 1 << 30},
			Memory: message.Memory{TaskHeap: 512 << 20, Network: 128 << 20, Managed: 1 << 30,
				TotalFlink: 2 << 30, TotalProcess: 3 << 30}})
	}
	return all, nil
}

func (c *cluster) TaskManager(ctx context.Context, w id.Worker) (
	message.TaskManagerDetails, error) {
	all, _ := c.TaskManagers(ctx)
	for _, t := range all {
		if t.ID == w {
			return message.TaskManagerDetails{TaskManager: t,
				Metrics: message.TaskManagerMetrics{HeapUsed: 100, HeapMax: 1000,
					Collectors: []message.Collector{{Name: "go", Count: 3, Time: 4}}},
				Allocated: []message.Slot{{Job: number16(1)}}}, nil
		}
	}
	return message.TaskManagerDetails{}, &NotFoundError{What: "TaskManager", ID: string(w)}
}

func (c *cluster) Logs(_ context.Context, w id.Worker) ([]message.Log, error) {
	if w == "taskmanager-2" {
		return nil, nil
	}
	return []message.Log{{Name: "goflink.log", Size: 21, Modified: message.At(began)}}, nil
}

func (c *cluster) OpenLog(_ context.Context, w id.Worker, name string) (io.ReadCloser, error) {
	if name != "" && name != "goflink.log" {
		return nil, &NotFoundError{What: "log file", ID: name}
	}
	return io.NopCloser(strings.NewReader(fmt.Sprintf("the log of %q\n", w))), nil
}

func (c *cluster) DisposeSavepoint(_ context.Context, path string) error {
	return c.note("dispose of %s", path)
}

func (c *cluster) ShutDown(context.Context) error { return c.note("shut down") }

// fixedJob is a job whose answers are written down here.
type fixedJob struct {
	c      *cluster
	id     id.Job
	status job.Status
	// gate lets savepoints below slow:/ go on.
	gate chan struct{}
}

func (j *fixedJob) ID() id.Job                                 { return j.id }
func (j *fixedJob) Status(context.Context) (job.Status, error) { return j.status, nil }

func (j *fixedJob) Summary(context.Context) (message.JobSummary, error) {
	return message.JobSummary{ID: j.id, Name: "count <words>", Start: message.At(began),
		End: message.Never, Duration: 5000, State: j.status, Modified: message.At(began),
		Tasks: message.TaskCounts(map[string]int{"RUNNING": 2, "CREATED": 1})}, nil
}

func (j *fixedJob) Details(context.Context) (message.JobDetails, error) {
	v := message.Vertex{ID: number16(7), SlotSharing: "default", Name: "Source -> Map",
		MaxParallelism: 128, Parallelism: 2, Status: "RUNNING", Start: message.At(began),
		End: message.Never, Duration: 5000,
		Tasks:   message.StateCounts(map[string]int{"RUNNING": 2}),
		Metrics: message.IOMetrics{ReadRecords: 10, WriteRecords: 20}}
	v.Metrics.Complete(true)
	return message.JobDetails{ID: j.id, Name: "count <words>", Stoppable: true, State: j.status,
		Type: "STREAMING", Start: message.At(began), End: message.Never, Duration: 5000,
		MaxParallelism: 128, Now: message.At(began.Add(5 * time.Second)),
		Timestamps: map[job.Status]message.Millis{job.Running: message.At(began)},
		Vertices:   []message.Vertex{v},
		Counts:     message.StateCounts(map[string]int{"RUNNING": 1}),
		Plan: message.Plan{ID: j.id, Name: "count <words>", Type: "STREAMING",
			Nodes: []message.PlanNode{{ID: number16(7), Parallelism: 2,
				Description: "Source<br/>+- Map<br/>", Inputs: []message.PlanInput{{Number: 0,
					ID: number16(6), Strategy: "HASH", Exchange: "pipelined_bounded"}},
				Optimizer: map[string]any{}}}}}, nil
}

func (j *fixedJob) Config(context.Context) (message.JobConfig, error) {
	return message.JobConfig{ID: j.id, Name: "count <words>", Execution: message.ExecutionConfig{
		Mode: "PIPELINED", RestartStrategy: "no restart", Parallelism: 2, ObjectReuse: true,
		User: map[string]string{"topic": "words", "my.password": "geheim"}}}, nil
}

func (j *fixedJob) Vertex(_ context.Context, v id.Vertex) (message.VertexDetails, error) {
	if v != number16(7) {
		return message.VertexDetails{}, &NotFoundError{What: "vertex", ID: v.String(),
			In: "job " + j.id.String()}
	}
	return message.VertexDetails{ID: v, Name: "Source -> Map", Parallelism: 1, MaxParallelism: 128,
		Now: message.At(began), Subtasks: []message.Subtask{{Subtask: 0, Status: "RUNNING",
			Endpoint: "10.0.0.1", Host: "10.0.0.1", Start: message.At(began), End: message.Never,
			StartCompatible: message.At(began), Worker: "taskmanager-1"}}}, nil
}

func (j *fixedJob) Backpressure(context.Context, id.Vertex) (message.Backpressure, error) {
	if j.status != job.Running {
		return message.Backpressure{Status: message.BackpressureMissing}, nil
	}
	return message.Backpressure{Status: message.BackpressureOK, Level: "high", LevelOld: "high",
		End: message.At(began), Subtasks: []message.SubtaskBackpressure{{Level: "high",
			LevelOld: "high", Ratio: 0.75, Idle: 0, Busy: 0.25}}}, nil
}

func (j *fixedJob) Exceptions(context.Context) ([]message.Exception, bool, error) {
	if j.status == job.Running {
		return nil, false, nil
	}
	return []message.Exception{
		{Name: "first", StackTrace: "first: at line 1", Time: message.At(began)},
		{Name: "second", StackTrace: "second: at line 2", Time: message.At(began.Add(time.Second)),
			Task: "Map (1/2)", Endpoint: "10.0.0.1", Worker: "taskmanager-1",
			Concurrent: []message.Exception{{Name: "third", StackTrace: "third"}}},
	}, false, nil
}

func (j *fixedJob) Checkpoints(context.Context) (message.Checkpoints, error) {
	if j.status != job.Running {
		return message.Checkpoints{}, nil
	}
	kept := false
	done := message.Checkpoint{Class: "completed", ID: 3, Status: "COMPLETED", Type: "CHECKPOINT",
		Triggered: message.At(began), LatestAck: message.At(began), NewSize: 10, StateSize: 20,
		Duration: 30, Subtasks: 2, Acknowledged: 2, Tasks: map[id.Vertex]message.TaskCheckpoint{},
		Path: "mem:///cp/chk-3", Discarded: &kept}
	return message.Checkpoints{Counts: message.CheckpointCounts{Total: 1, Completed: 1},
		Summary: message.CheckpointSummary{Duration: message.Statistics{Min: 30, Max: 30, Avg: 30,
			P50: 30, P90: 30, P95: 30, P99: 30, P999: 30}},
		Latest:  message.LatestCheckpoints{Completed: &done},
		History: []message.Checkpoint{done}}, nil
}

func (j *fixedJob) CheckpointConfig(context.Context) (message.CheckpointConfig, error) {
	return message.CheckpointConfig{Mode: "exactly_once", Interval: 60000, Timeout: 600000,
		MaxConcurrent: 1, Externalization: message.Externalization{Enabled: true},
		Backend: "hashmap", Storage: "filesystem", AfterTasksFinish: true}, nil
}

func (j *fixedJob) Accumulators(context.Context) (map[string]message.Accumulator, error) {
	return map[string]message.Accumulator{"lines": {Type: "long", Value: []byte("12")}}, nil
}

func (j *fixedJob) Result(context.Context) (message.JobResult, bool, error) {
	if j.status == job.Running {
		return message.JobResult{}, false, nil
	}
	return message.JobResult{ID: j.id, Application: message.Failed, Runtime: 5000,
		Name: "count <words>", State: j.status, Restarts: 2,
		Accumulators: map[string]message.Accumulator{},
		Failure: message.NewCause(failure.Info{Message: "broken", Kind: "*errors.errorString",
			Domain: failure.User})}, true, nil
}

func (j *fixedJob) Metrics(context.Context) ([]metric.Value, error) {
	return []metric.Value{{Name: "numRestarts", Value: float64(j.id[15])},
		{Name: "uptime", Value: 1.5}, {Name: "lastCheckpointSize", Value: 1 << 40}}, nil
}

func (j *fixedJob) Cancel(context.Context) error { return j.c.note("cancel %s", j.id) }

func (j *fixedJob) Checkpoint(context.Context) (uint64, string, error) {
	return 4, "mem:///cp/chk-4", j.c.note("checkpoint %s", j.id)
}

func (j *fixedJob) Savepoint(ctx context.Context, target string) (string, error) {
	switch target {
	case "slow:///":
		select {
		case <-j.gate:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	case "bad:///":
		return "", errors.New("the directory cannot be written")
	case "panic:///":
		panic("a bug")
	}
	return target + "savepoint-1", j.c.note("savepoint %s in %q", j.id, target)
}

func (j *fixedJob) Stop(_ context.Context, target string, drain bool) (string, error) {
	return target + "savepoint-2", j.c.note("stop %s in %q, drain %t", j.id, target, drain)
}

func (j *fixedJob) Coordinate(_ context.Context, op id.Operator, b []byte) ([]byte, error) {
	if op != number16(9) {
		return nil, &NotFoundError{What: "a coordinator of operator", ID: op.String()}
	}
	return append([]byte("answer to "), b...), nil
}
