package jobview

import (
	"context"
	"fmt"
	"strings"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/runtime/execgraph"
	"goflink/runtime/jobmaster"
	"goflink/runtime/rest"
	"goflink/runtime/rest/message"
)

// streaming is the type of all jobs.
const streaming = "STREAMING"

// life is the state of the job with its times: they belong together.
type life struct {
	state              job.Status
	start, end, lasted message.Millis
}

// life says where the job is in its life. The end of one that has just come to a terminal state is
// not known before its master is done.
func (v *View) life(ctx context.Context) (life, error) {
	l := life{start: message.At(v.o.Started), end: message.Never,
		lasted: message.Lasting(v.o.Now().Sub(v.o.Started))}
	r, over, err := v.Result(ctx)
	switch {
	case err != nil:
		return l, err
	case over:
		l.state, l.lasted, l.end = r.State, r.Runtime, l.start+r.Runtime
	default:
		l.state, err = v.Status(ctx)
	}
	return l, err
}

// counts are the numbers of subtasks by state, of a vertex or, for -1, of all.
func counts(tasks []jobmaster.Task, vertex int) (c execgraph.StateCounts) {
	for i := range tasks {
		if vertex < 0 || tasks[i].Vertex == vertex {
			c[tasks[i].State]++
		}
	}
	return c
}

// named are counts under Flink's names.
func named(c execgraph.StateCounts) map[string]int {
	all := map[string]int{}
	for _, s := range execgraph.ExecutionStates() {
		all[s.String()] = int(c[s])
	}
	return all
}

// Summary is the job in a list.
func (v *View) Summary(ctx context.Context) (message.JobSummary, error) {
	l, err := v.life(ctx)
	if err != nil {
		return message.JobSummary{}, err
	}
	tasks, err := v.c.Tasks(ctx)
	return message.JobSummary{ID: v.ID(), Name: v.o.Graph.Name, State: l.state, Start: l.start,
		End: l.end, Duration: l.lasted, Modified: max(l.start, l.end),
		Tasks: message.TaskCounts(named(counts(tasks, -1)))}, err
}

// Details is all of the job.
func (v *View) Details(ctx context.Context) (message.JobDetails, error) {
	l, err := v.life(ctx)
	d := message.JobDetails{ID: v.ID(), Name: v.o.Graph.Name, Type: streaming, State: l.state,
		Start: l.start, End: l.end, Duration: l.lasted, Now: message.At(v.o.Now()),
		Plan: v.plan(), Vertices: []message.Vertex{}}
	if err != nil {
		return d, err
	}
	d.Timestamps = v.timestamps(&d)
	tasks, err := v.c.Tasks(ctx)
	if err != nil {
		return d, err
	}
	vertices := map[string]int{}
	for i := range v.o.Graph.Vertices {
		vx := v.vertex(i, tasks, d.State.Terminal())
		vertices[vx.Status]++
		d.Vertices = append(d.Vertices, vx)
	}
	d.Counts = message.StateCounts(vertices)
	n, err := config.Get(v.o.Config, config.PipelineMaxParallelism)
	d.MaxParallelism = int64(n)
	return d, err
}

// timestamps say when the job came into its states, as far as that is known: 0 elsewhere.
func (v *View) timestamps(d *message.JobDetails) map[job.Status]message.Millis {
	at := map[job.Status]message.Millis{job.Initializing: d.Start, "RECONCILING": 0}
	for _, s := range execgraph.JobStatuses() {
		at[job.Status(s.String())] = 0
	}
	at[job.Created] = d.Start
	if d.End != message.Never {
		at[d.State] = d.End
	} else if up, ok := v.o.Metrics.Value("jobmanager." + v.ID().String() + ".uptime"); ok &&
		d.State == job.Running {
		at[job.Running] = d.Now - message.Millis(up)
	}
	return at
}

func (v *View) vertex(i int, tasks []jobmaster.Task, over bool) message.Vertex {
	g := &v.o.Graph.Vertices[i]
	c := counts(tasks, i)
	vx := message.Vertex{ID: g.ID, SlotSharing: g.SlotSharingGroup, Name: g.Name,
		MaxParallelism: g.MaxParallelism, Parallelism: g.Parallelism,
		Status: c.Aggregate().String(), Start: message.Never, End: message.Never,
		Duration: message.Never, Tasks: message.StateCounts(named(c))}
	vx.Metrics.Complete(!over)
	for t := range tasks {
		if tasks[t].Vertex == i {
			add(&vx.Metrics, v.traffic(&tasks[t]))
		}
	}
	return vx
}

// traffic is what went through a task, as far as it still runs in this process.
func (v *View) traffic(t *jobmaster.Task) (m message.IOMetrics) {
	m.Complete(true)
	get := func(name string) (float64, bool) { return v.ofTask(t, name) }
	number := func(name string, into *int64, complete *bool) {
		n, ok := get(name)
		*into, *complete = int64(n), ok
	}
	number("numBytesIn", &m.ReadBytes, &m.ReadBytesComplete)
	number("numBytesOut", &m.WriteBytes, &m.WriteBytesComplete)
	number("numRecordsIn", &m.ReadRecords, &m.ReadRecordsComplete)
	number("numRecordsOut", &m.WriteRecords, &m.WriteRecordsComplete)
	m.Busy, _ = get("accumulateBusyTimeMs")
	idle, _ := get("accumulateIdleTimeMs")
	blocked, _ := get("accumulateBackPressuredTimeMs")
	m.Idle, m.BackPressured = message.Millis(idle), message.Millis(blocked)
	return m
}

// ofTask looks up a metric of a task.
func (v *View) ofTask(t *jobmaster.Task, name string) (float64, bool) {
	if t.Worker == "" {
		return 0, false
	}
	return v.o.Metrics.Value(fmt.Sprintf("%s.taskmanager.%s.%s.%d.%s", t.Worker, t.Attempt.Job,
		t.Attempt.Vertex, t.Subtask, name))
}

// add adds up what went through several tasks; it is complete if all parts are.
func add(sum *message.IOMetrics, m message.IOMetrics) {
	sum.ReadBytes += m.ReadBytes
	sum.WriteBytes += m.WriteBytes
	sum.ReadRecords += m.ReadRecords
	sum.WriteRecords += m.WriteRecords
	sum.BackPressured += m.BackPressured
	sum.Idle += m.Idle
	sum.Busy += m.Busy
	sum.ReadBytesComplete = sum.ReadBytesComplete && m.ReadBytesComplete
	sum.WriteBytesComplete = sum.WriteBytesComplete && m.WriteBytesComplete
	sum.ReadRecordsComplete = sum.ReadRecordsComplete && m.ReadRecordsComplete
	sum.WriteRecordsComplete = sum.WriteRecordsComplete && m.WriteRecordsComplete
}

// index finds a vertex of the graph.
func (v *View) index(vertex id.Vertex) (int, error) {
	for i := range v.o.Graph.Vertices {
		if v.o.Graph.Vertices[i].ID == vertex {
			return i, nil
		}
	}
	return 0, &rest.NotFoundError{What: "vertex", ID: vertex.String(),
		In: "job " + v.ID().String()}
}

// Vertex describes a vertex with its subtasks.
func (v *View) Vertex(ctx context.Context, vertex id.Vertex) (message.VertexDetails, error) {
	i, err := v.index(vertex)
	if err != nil {
		return message.VertexDetails{}, err
	}
	g := &v.o.Graph.Vertices[i]
	d := message.VertexDetails{ID: g.ID, Name: g.Name, Parallelism: g.Parallelism,
		MaxParallelism: g.MaxParallelism, Now: message.At(v.o.Now()),
		Subtasks: []message.Subtask{}}
	tasks, err := v.c.Tasks(ctx)
	for t := range tasks {
		if tasks[t].Vertex == i {
			d.Subtasks = append(d.Subtasks, v.subtask(&tasks[t]))
		}
	}
	return d, err
}

func (v *View) subtask(t *jobmaster.Task) message.Subtask {
	s := message.Subtask{Subtask: t.Subtask, Status: t.State.String(),
		Attempt: int(t.Attempt.Number) - 1, Endpoint: message.Unassigned,
		Worker: message.Unassigned, Start: message.Never, End: message.Never,
		Duration: message.Never, StartCompatible: message.Never, Metrics: v.traffic(t)}
	if t.Worker != "" {
		s.Worker, s.Endpoint = t.Worker, v.o.Endpoint(t.Worker)
	}
	s.Host = s.Endpoint
	return s
}

// Backpressure measures the backpressure of a vertex. Where no task of it runs, nothing is there to
// measure.
func (v *View) Backpressure(ctx context.Context, vertex id.Vertex) (message.Backpressure, error) {
	i, err := v.index(vertex)
	if err != nil {
		return message.Backpressure{}, err
	}
	measured, err := v.c.Backpressure(ctx, i)
	if ctx.Err() != nil {
		return message.Backpressure{}, ctx.Err()
	}
	if err != nil {
		return message.Backpressure{Status: message.BackpressureMissing}, nil
	}
	tasks, err := v.c.Tasks(ctx)
	if err != nil {
		return message.Backpressure{}, err
	}
	byAttempt := map[id.Attempt]*jobmaster.Task{}
	for t := range tasks {
		byAttempt[tasks[t].Attempt] = &tasks[t]
	}
	b := message.Backpressure{Status: message.BackpressureOK, Level: measured.Level.String(),
		LevelOld: measured.Level.String(), End: message.At(measured.At)}
	for _, s := range measured.Subtasks {
		sub := message.SubtaskBackpressure{Subtask: int(s.Attempt.Subtask),
			Level: s.Level.String(), LevelOld: s.Level.String(), Ratio: s.Share}
		if t := byAttempt[s.Attempt]; t != nil {
			sub.Idle, sub.Busy = v.share(t, "idle"), v.share(t, "busy")
		}
		b.Subtasks = append(b.Subtasks, sub)
	}
	return b, nil
}

// share is how much of its time a task has lately been idle or busy.
func (v *View) share(t *jobmaster.Task, what string) float64 {
	const millisPerSecond = 1000
	ms, _ := v.ofTask(t, what+"TimeMsPerSecond")
	return min(1, max(0, ms/millisPerSecond))
}

// Exceptions are the latest failures, oldest first.
func (v *View) Exceptions(ctx context.Context) ([]message.Exception, bool, error) {
	history, err := v.c.Exceptions(ctx)
	if err != nil {
		return nil, false, err
	}
	all, truncated := []message.Exception{}, false
	for i := range history {
		e := v.exception(&history[i])
		for k := range history[i].Concurrent {
			e.Concurrent = append(e.Concurrent, v.exception(&history[i].Concurrent[k]))
		}
		truncated = truncated || history[i].Omitted > 0
		all = append(all, e)
	}
	return all, truncated, nil
}

// Config is what the job was started with.
func (v *View) Config(context.Context) (message.JobConfig, error) {
	checkpointing, err := config.ResolveCheckpointing(v.o.Config)
	if err != nil {
		return message.JobConfig{}, err
	}
	restart, err := config.ResolveRestartStrategy(v.o.Config, checkpointing.Enabled)
	if err != nil {
		return message.JobConfig{}, err
	}
	parallelism, err := config.Get(v.o.Config, config.ParallelismDefault)
	user := v.o.Graph.Config
	if user == nil {
		user = map[string]string{}
	}
	return message.JobConfig{ID: v.ID(), Name: v.o.Graph.Name, Execution: message.ExecutionConfig{
		Mode: "PIPELINED", RestartStrategy: restartText(restart), Parallelism: parallelism,
		ObjectReuse: true, User: user}}, err
}

// restartText describes a restart strategy for users.
func restartText(s config.RestartStrategy) string {
	text := strings.ToLower(string(s.Kind))
	switch s.Kind {
	case config.FixedDelay:
		return fmt.Sprintf("%s: %d attempts, %s apart", text, s.Attempts, s.Delay)
	case config.FailureRate:
		return fmt.Sprintf("%s: %d failures in %s, restarts %s apart", text, s.MaxFailures,
			s.Interval, s.Delay)
	case config.ExponentialDelay:
		return fmt.Sprintf("%s: from %s to %s, each %g times the last", text, s.InitialBackoff,
			s.MaxBackoff, s.Multiplier)
	}
	return text
}
