package entrypoint

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"goflink/core/id"
	"goflink/resourcemgr"
	"goflink/runtime/dispatcher"
	"goflink/runtime/rest"
	"goflink/runtime/rest/jobview"
	"goflink/runtime/rest/message"
)

// gateway is the JobManager as its REST interface sees it.
type gateway struct{ jm *jobManager }

var _ rest.Gateway = gateway{}

func (g gateway) view(j *dispatcher.Job) rest.Job {
	return watched{jobview.New(jobview.Options{Master: j.Master, Graph: j.Graph,
		Config: j.Config, Metrics: g.jm.metrics, Started: j.Submitted}), g.jm}
}

// watched is a job of which it is noted that somebody has fetched its result.
type watched struct {
	*jobview.View
	jm *jobManager
}

// Result is how the job ended.
func (w watched) Result(ctx context.Context) (message.JobResult, bool, error) {
	r, ended, err := w.View.Result(ctx)
	if ended {
		w.jm.resultFetched()
	}
	return r, ended, err
}

// Jobs are all jobs, in the order of their submission.
func (g gateway) Jobs(context.Context) (jobs []rest.Job, err error) {
	for _, j := range g.jm.jobs.Jobs() {
		jobs = append(jobs, g.view(j))
	}
	return jobs, nil
}

// Job finds a job.
func (g gateway) Job(_ context.Context, j id.Job) (rest.Job, error) {
	if found := g.jm.jobs.Job(j); found != nil {
		return g.view(found), nil
	}
	return nil, &rest.NotFoundError{What: "job", ID: j.String()}
}

// TaskManagers are the workers that have registered.
func (g gateway) TaskManagers(context.Context) (out []message.TaskManager, err error) {
	o := g.jm.manager.Overview()
	for i := range o.Workers {
		if w := &o.Workers[i]; w.Status == resourcemgr.Serving {
			out = append(out, taskManager(w))
		}
	}
	return out, nil
}

func taskManager(w *resourcemgr.WorkerInfo) message.TaskManager {
	const mebibyte = 1 << 20
	r := &w.Registration
	_, port, _ := net.SplitHostPort(r.DataAddress) // it was reached there
	number, _ := strconv.Atoi(port)
	m := message.TaskManager{ID: r.Worker, Path: r.DataAddress, DataPort: number, JMXPort: -1,
		Slots: r.Slots, FreeSlots: w.FreeSlots}
	m.Total.CPU = float64(r.Slots)
	m.Total.Managed, m.Total.Network = r.ManagedBytes/mebibyte, r.NetworkBytes/mebibyte
	share := float64(w.FreeSlots) / float64(r.Slots)
	m.Free = m.Total
	m.Free.CPU *= share
	m.Free.Managed = int64(float64(m.Total.Managed) * share)
	m.Free.Network = int64(float64(m.Total.Network) * share)
	return m
}

// TaskManager describes a worker.
func (g gateway) TaskManager(ctx context.Context, name id.Worker) (
	d message.TaskManagerDetails, err error) {
	all, err := g.TaskManagers(ctx)
	if err != nil {
		return d, err
	}
	for _, w := range all {
		if w.ID == name {
			d.TaskManager = w
			return d, nil
		}
	}
	return d, &rest.NotFoundError{What: "TaskManager", ID: string(name)}
}

// logDir is the directory of the log files of a worker, or of the JobManager.
func (g gateway) logDir(w id.Worker) (string, error) {
	home := g.jm.l.Cluster.Home
	if w == "" {
		return g.jm.l.Cluster.Log, nil
	}
	if strings.ContainsAny(string(w), "/\x00") || w == "." || w == ".." {
		return "", &rest.NotFoundError{What: "TaskManager", ID: string(w)}
	}
	return filepath.Join(home, workersDir, string(w)), nil
}

// logFile reports whether a file of a process's directory is one of its log files.
func logFile(name string) bool {
	for _, end := range []string{".log", ".out", ".err"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// Logs are the log files of a worker, or of the JobManager.
func (g gateway) Logs(_ context.Context, w id.Worker) (out []message.Log, err error) {
	dir, err := g.logDir(w)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &rest.NotFoundError{What: "TaskManager", ID: string(w)}
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !logFile(e.Name()) {
			continue
		}
		out = append(out, message.Log{Name: e.Name(), Size: info.Size(),
			Modified: message.Millis(info.ModTime().UnixMilli())})
	}
	return out, err
}

// OpenLog opens a log file.
func (g gateway) OpenLog(_ context.Context, w id.Worker, name string) (io.ReadCloser, error) {
	dir, err := g.logDir(w)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = "taskmanager.log"
		if w == "" {
			name = "jobmanager.log"
		}
	}
	if name != filepath.Base(name) || !logFile(name) {
		return nil, &rest.NotFoundError{What: "log file", ID: name}
	}
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, &rest.NotFoundError{What: "log file", ID: name, In: string(w)}
	}
	return f, err
}

// DisposeSavepoint deletes a savepoint.
func (g gateway) DisposeSavepoint(context.Context, string) error {
	return &rest.RefusedError{Reason: "savepoints cannot be disposed of over REST here; remove " +
		"the savepoint's directory"}
}

// ShutDown begins the end of the cluster.
func (g gateway) ShutDown(context.Context) error {
	g.jm.fail(errShutDown)
	return nil
}

var errShutDown = errors.New("the cluster was told to shut down")
