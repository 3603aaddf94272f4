package restclient_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/datastream"
	"goflink/graph"
	"goflink/runtime/memfs"
	"goflink/runtime/minicluster"
	"goflink/runtime/rest"
	"goflink/runtime/rest/jobview"
	"goflink/runtime/rest/message"
	"goflink/runtime/rest/restclient"
)

const token = "the-token-of-the-tests"

// rig is a MiniCluster behind a REST server, with a client.
type rig struct {
	t       *testing.T
	cluster *minicluster.Cluster
	conf    *config.Configuration
	files   *filesystem.Registry
	server  *rest.Server
	address string
	client  *restclient.Client

	mu   sync.Mutex
	jobs []*jobview.View
	down chan struct{}
}

var _ rest.Gateway = (*rig)(nil)

func newRig(t *testing.T) *rig {
	x := &rig{t: t, down: make(chan struct{}, 1), conf: config.FromMap(map[string]string{
		"execution.checkpointing.dir":           "mem:///cp",
		"execution.checkpointing.savepoint-dir": "mem:///sp",
		"web.backpressure.num-samples":          "2",
		"rest.bind-port":                        "0",
		"rest.retry.delay":                      "1 ms",
	}, "test")}
	fs := memfs.New(memfs.Options{Now: time.Now})
	var err error
	if x.files, err = filesystem.NewRegistry("mem:///"); err == nil {
		err = x.files.Register("mem", func(context.Context, string) (
			filesystem.FileSystem, error) {
			return fs, nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	x.cluster, err = minicluster.New(minicluster.Options{TaskManagers: 2, Slots: 2, Config: x.conf,
		Files: x.files, Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	x.serve()
	x.client = x.newClient(restclient.Options{Address: x.address, Token: token})
	return x
}

// serve starts the server.
func (x *rig) serve() {
	var err error
	x.server, err = rest.New(rest.Options{Gateway: x, Config: x.conf, Token: token,
		FlinkVersion: "2.1.0", Version: "test"})
	if err != nil {
		x.t.Fatal(err)
	}
	l, err := rest.Listen(x.conf)
	if err != nil {
		x.t.Fatal(err)
	}
	x.address = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- x.server.Serve(l) }()
	x.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := errors.Join(x.server.Close(ctx), <-served); err != nil {
			x.t.Error(err)
		}
	})
}

func (x *rig) newClient(o restclient.Options) *restclient.Client {
	x.t.Helper()
	o.Config, o.FirstPoll, o.LongestPoll = x.conf, time.Millisecond, 20*time.Millisecond
	c, err := restclient.New(o)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(c.Close)
	return c
}

// submitted takes the job of a program instead of running it.
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

// submit starts a program and returns the client of its job, over REST.
func (x *rig) submit(program func(env *datastream.Environment)) *restclient.Job {
	x.t.Helper()
	s := &submitted{}
	env := datastream.New(x.t.Context(), datastream.Options{Executor: s, Config: x.conf,
		Files: x.files})
	program(env)
	if _, err := env.Execute("job"); !errors.Is(err, errSubmitted) {
		x.t.Fatal(err)
	}
	if _, err := x.cluster.Submit(x.t.Context(), s.job, s.code); err != nil {
		x.t.Fatal(err)
	}
	x.mu.Lock()
	x.jobs = append(x.jobs, jobview.New(jobview.Options{Master: x.cluster.Master(s.job.ID),
		Graph: s.job, Config: x.conf, Metrics: x.cluster.Metrics(), Started: time.Now()}))
	x.mu.Unlock()
	return x.client.Job(s.job.ID)
}

func (x *rig) Jobs(context.Context) ([]rest.Job, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []rest.Job
	for _, j := range x.jobs {
		all = append(all, j)
	}
	return all, nil
}

func (x *rig) Job(ctx context.Context, want id.Job) (rest.Job, error) {
	all, err := x.Jobs(ctx)
	for _, j := range all {
		if j.ID() == want {
			return j, nil
		}
	}
	return nil, errors.Join(err, &rest.NotFoundError{What: "job", ID: want.String()})
}

func (x *rig) TaskManagers(context.Context) (all []message.TaskManager, err error) {
	for _, tm := range x.cluster.TaskManagers() {
		all = append(all, message.TaskManager{ID: tm.Worker(), Slots: 2,
			FreeSlots: len(tm.FreeSlots())})
	}
	return all, nil
}

func (x *rig) TaskManager(_ context.Context, w id.Worker) (message.TaskManagerDetails, error) {
	return message.TaskManagerDetails{}, &rest.NotFoundError{What: "TaskManager", ID: string(w)}
}

func (x *rig) Logs(context.Context, id.Worker) ([]message.Log, error) { return nil, nil }

func (x *rig) OpenLog(context.Context, id.Worker, string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("")), nil
}

func (x *rig) DisposeSavepoint(_ context.Context, path string) error {
	if !strings.HasPrefix(path, "mem:///sp/") {
		return errors.New(path + " is no savepoint")
	}
	return nil
}

func (x *rig) ShutDown(context.Context) error {
	x.down <- struct{}{}
	return nil
}

// until asks again and again until ok.
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

// free is an address at which nobody listens.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}
