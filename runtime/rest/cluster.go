package rest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/runtime/rest/message"
)

func (s *Server) overview(r *http.Request) (any, error) {
	o := message.Overview{Version: s.o.FlinkVersion, Commit: s.o.Commit, Product: s.o.Version}
	workers, err := s.o.Gateway.TaskManagers(r.Context())
	if err != nil {
		return nil, err
	}
	o.TaskManagers = len(workers)
	for i := range workers {
		o.SlotsTotal += workers[i].Slots
		o.SlotsAvailable += workers[i].FreeSlots
	}
	states, err := s.states(r)
	if err != nil {
		return nil, err
	}
	for _, j := range states {
		switch j.Status {
		case job.Finished:
			o.JobsFinished++
		case job.Canceled:
			o.JobsCancelled++
		case job.Failed:
			o.JobsFailed++
		default:
			o.JobsRunning++
		}
	}
	return o, nil
}

// dashboard tells a dashboard what it may do.
func (s *Server) dashboard(*http.Request) (any, error) {
	name, offset := s.o.Now().Zone()
	return message.Dashboard{
		RefreshInterval: message.Lasting(s.s.refresh), TimezoneName: name,
		TimezoneOffset: message.Lasting(time.Duration(offset) * time.Second),
		Version:        s.o.FlinkVersion, Revision: s.o.Commit, Product: s.o.Version,
		Features: message.Features{Cancel: s.s.cancel},
	}, nil
}

func (s *Server) shutDown(r *http.Request) (any, error) {
	return empty{}, s.o.Gateway.ShutDown(r.Context())
}

// configuration shows the cluster's configuration, without secrets.
func (s *Server) configuration(*http.Request) (any, error) {
	all := []message.Setting{}
	for _, e := range s.o.Config.Redacted().Entries() {
		all = append(all, message.Setting{Key: e.Key, Value: e.Value})
	}
	slices.SortFunc(all, func(a, b message.Setting) int { return cmp.Compare(a.Key, b.Key) })
	return all, nil
}

func (s *Server) taskManagers(r *http.Request) (any, error) {
	workers, err := s.o.Gateway.TaskManagers(r.Context())
	for i := range workers {
		extend(&workers[i].Total, &workers[i].Free)
	}
	return message.TaskManagers{TaskManagers: notNil(workers)}, err
}

func (s *Server) taskManager(r *http.Request) (any, error) {
	t, err := s.o.Gateway.TaskManager(r.Context(), workerOf(r))
	extend(&t.Total, &t.Free)
	t.Allocated, t.Metrics.Collectors = notNil(t.Allocated), notNil(t.Metrics.Collectors)
	for i := range t.Allocated {
		extend(&t.Allocated[i].Resource)
	}
	return t, err
}

// extend gives resources the map that must not be null.
func extend(resources ...*message.Resource) {
	for _, r := range resources {
		if r.Extended == nil {
			r.Extended = map[string]float64{}
		}
	}
}

// workerOf is the worker of a path; "" where it is about the JobManager.
func workerOf(r *http.Request) id.Worker { return id.Worker(r.PathValue("worker")) }

func (s *Server) logs(r *http.Request) (any, error) {
	logs, err := s.o.Gateway.Logs(r.Context(), workerOf(r))
	return message.Logs{Logs: notNil(logs)}, err
}

// log opens a log file. A name that is a path is refused here, so that no Gateway forgets to.
func (s *Server) log(r *http.Request) (any, error) {
	name := r.PathValue("log")
	if name == "." || name == ".." || strings.ContainsAny(name, "/\\\x00") {
		return nil, malformed(fmt.Errorf("log file %q: want a name without a path", name))
	}
	return s.o.Gateway.OpenLog(r.Context(), workerOf(r), name)
}

// stream copies a text, and closes it.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, text io.ReadCloser) {
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	_, err := io.Copy(w, io.LimitReader(text, MaxLogBytes))
	if err = errors.Join(err, text.Close()); err != nil {
		s.o.Logger.Debug("a log file was not sent whole", "path", r.URL.Path, "error", err)
	}
}

// notNil makes a list that is written as [] of one that is nil.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// redacted masks the secrets among settings.
func redacted(settings map[string]string) map[string]string {
	return config.FromMap(settings, "").Redacted().ToMap()
}
