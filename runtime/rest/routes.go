package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"goflink/core/failure"
	"goflink/core/id"
	"goflink/runtime/rest/message"
)

// route is a path with what it does. Its status code is that of success.
type route struct {
	method, path string
	access       access
	code         int
	do           func(s *Server, r *http.Request) (any, error)
}

// access says whether a request changes something.
type access bool

const (
	read  access = false
	write access = true
)

// empty is a body without fields.
type empty struct{}

// table are all routes. Each is there with and without /v1.
var table = []route{
	{"GET", "/overview", read, 200, (*Server).overview},
	{"GET", "/config", read, 200, (*Server).dashboard},
	{"DELETE", "/cluster", write, 200, (*Server).shutDown},
	{"GET", "/jobmanager/config", read, 200, (*Server).configuration},
	{"GET", "/jobmanager/logs", read, 200, (*Server).logs},
	{"GET", "/jobmanager/logs/{log}", read, 200, (*Server).log},
	{"GET", "/jobmanager/log", read, 200, (*Server).log},
	{"GET", "/taskmanagers", read, 200, (*Server).taskManagers},
	{"GET", "/taskmanagers/{worker}", read, 200, (*Server).taskManager},
	{"GET", "/taskmanagers/{worker}/logs", read, 200, (*Server).logs},
	{"GET", "/taskmanagers/{worker}/logs/{log}", read, 200, (*Server).log},
	{"GET", "/taskmanagers/{worker}/log", read, 200, (*Server).log},

	{"GET", "/jobs", read, 200, (*Server).jobs},
	{"GET", "/jobs/overview", read, 200, (*Server).jobsOverview},
	{"GET", "/jobs/metrics", read, 200, (*Server).jobsMetrics},
	{"GET", "/jobs/{job}", read, 200, ofJob(details)},
	{"PATCH", "/jobs/{job}", write, 202, ofJob(terminate)},
	{"GET", "/jobs/{job}/yarn-cancel", write, 202, ofJob(yarnCancel)},
	{"GET", "/jobs/{job}/yarn-stop", write, 202, ofJob(yarnStop)},
	{"GET", "/jobs/{job}/plan", read, 200, ofJob(plan)},
	{"GET", "/jobs/{job}/config", read, 200, ofJob(jobConfig)},
	{"GET", "/jobs/{job}/status", read, 200, ofJob(status)},
	{"GET", "/jobs/{job}/execution-result", read, 200, ofJob(executionResult)},
	{"GET", "/jobs/{job}/exceptions", read, 200, ofJob(exceptions)},
	{"GET", "/jobs/{job}/accumulators", read, 200, ofJob(accumulators)},
	{"GET", "/jobs/{job}/metrics", read, 200, ofJob(jobMetrics)},
	{"GET", "/jobs/{job}/vertices/{vertex}", read, 200, ofJob(vertex)},
	{"GET", "/jobs/{job}/vertices/{vertex}/backpressure", read, 200, ofJob(backpressure)},
	{"GET", "/jobs/{job}/checkpoints", read, 200, ofJob(checkpoints)},
	{"GET", "/jobs/{job}/checkpoints/config", read, 200, ofJob(checkpointConfig)},

	{"POST", "/jobs/{job}/checkpoints", write, 202, (*Server).triggerCheckpoint},
	{"GET", "/jobs/{job}/checkpoints/{trigger}", read, 200, (*Server).checkpointProgress},
	{"POST", "/jobs/{job}/savepoints", write, 202, (*Server).triggerSavepoint},
	{"GET", "/jobs/{job}/savepoints/{trigger}", read, 200, (*Server).savepointProgress},
	{"POST", "/jobs/{job}/stop", write, 202, (*Server).triggerStop},
	{"POST", "/savepoint-disposal", write, 202, (*Server).triggerDisposal},
	{"GET", "/savepoint-disposal/{trigger}", read, 200, (*Server).disposalProgress},
	{"POST", coordinators, write, 200, ofJob(coordinate)},
}

// coordinators is the path whose bodies may be as large as rest.server.max-content-length.
const coordinators = "/jobs/{job}/coordinators/{operator}"

// routes returns what finds a request's route.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range table {
		for _, version := range []string{"", "/v1"} {
			mux.Handle(rt.method+" "+version+rt.path, s.serve(rt))
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.unknown(mux, w, r) })
	return mux
}

// serve returns the handler of a route.
func (s *Server) serve(rt route) http.Handler {
	limit := int64(MaxJSONBytes)
	if rt.path == coordinators {
		limit = s.s.maxContent
	}
	limit = min(limit, s.s.maxContent)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.allow(r, rt.access == write); err != nil {
			if statusOf(err) == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="goflink"`)
			}
			s.fail(w, r, err)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		body, err := rt.call(s, r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if text, ok := body.(io.ReadCloser); ok {
			s.stream(w, r, text)
			return
		}
		s.answer(w, rt.code, body)
	})
}

// call calls the handler; a panic of it is an error.
func (rt *route) call(s *Server, r *http.Request) (body any, err error) {
	defer failure.Catch(&err, failure.Internal)
	return rt.do(s, r)
}

// unknown answers requests without a route: 405 where the path is known with other methods.
func (s *Server) unknown(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	var known []string
	for _, m := range []string{"GET", "POST", "PATCH", "DELETE"} {
		other := *r
		other.Method = m
		if _, pattern := mux.Handler(&other); pattern != "/" {
			known = append(known, m)
		}
	}
	if len(known) == 0 {
		s.fail(w, r, &NotFoundError{What: "path", ID: r.URL.Path})
		return
	}
	w.Header().Set("Allow", strings.Join(known, ", "))
	s.fail(w, r, &httpError{http.StatusMethodNotAllowed, fmt.Errorf("%s %s: the method must be %s",
		r.Method, r.URL.Path, strings.Join(known, " or "))})
}

// ofJob is the handler of a path below a job.
func ofJob(f func(j Job, r *http.Request) (any, error)) func(*Server, *http.Request) (any, error) {
	return func(s *Server, r *http.Request) (any, error) {
		j, err := s.job(r)
		if err != nil {
			return nil, err
		}
		return f(j, r)
	}
}

// job finds the job of a path.
func (s *Server) job(r *http.Request) (Job, error) {
	j, err := id.ParseJob(r.PathValue("job"))
	if err != nil {
		return nil, malformed(err)
	}
	return s.o.Gateway.Job(r.Context(), j)
}

// vertexOf reads the vertex of a path.
func vertexOf(r *http.Request) (v id.Vertex, err error) {
	if err = v.UnmarshalText([]byte(r.PathValue("vertex"))); err != nil {
		return v, malformed(err)
	}
	return v, nil
}

// triggerOf reads the trigger id of a path.
func triggerOf(r *http.Request) (t message.Trigger, err error) {
	if err = t.UnmarshalText([]byte(r.PathValue("trigger"))); err != nil {
		return t, malformed(err)
	}
	return t, nil
}

// readBody reads a JSON body; none at all is like {}.
func readBody[T any](r *http.Request) (body T, err error) {
	all, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return body, &httpError{http.StatusRequestEntityTooLarge,
			fmt.Errorf("the body of the request has more than %d bytes", large.Limit)}
	case err != nil:
		return body, malformed(fmt.Errorf("the body of the request: %w", err))
	case len(bytes.TrimSpace(all)) == 0:
		return body, nil
	}
	d := json.NewDecoder(bytes.NewReader(all))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		return body, malformed(fmt.Errorf("the body of the request: %w", err))
	}
	if _, err := d.Token(); err != io.EOF {
		return body, malformed(errors.New("the body of the request goes on after its end"))
	}
	return body, nil
}

// list reads a parameter that is a list separated by commas; nil if it is not there.
func list(r *http.Request, name string) []string {
	var all []string
	for _, v := range r.URL.Query()[name] {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" && !slices.Contains(all, part) {
				all = append(all, part)
			}
		}
	}
	return all
}
