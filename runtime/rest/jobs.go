package rest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"goflink/core/id"
	"goflink/runtime/rest/message"
)

// states are the jobs with their states.
func (s *Server) states(r *http.Request) ([]message.JobState, error) {
	jobs, err := s.o.Gateway.Jobs(r.Context())
	if err != nil {
		return nil, err
	}
	states := []message.JobState{}
	for _, j := range jobs {
		st, err := j.Status(r.Context())
		if err != nil {
			return nil, err
		}
		states = append(states, message.JobState{ID: j.ID(), Status: st})
	}
	return states, nil
}

func (s *Server) jobs(r *http.Request) (any, error) {
	states, err := s.states(r)
	return message.Jobs{Jobs: states}, err
}

func (s *Server) jobsOverview(r *http.Request) (any, error) {
	jobs, err := s.o.Gateway.Jobs(r.Context())
	if err != nil {
		return nil, err
	}
	o := message.JobsOverview{Jobs: []message.JobSummary{}}
	for _, j := range jobs {
		sum, err := j.Summary(r.Context())
		if err != nil {
			return nil, err
		}
		o.Jobs = append(o.Jobs, sum)
	}
	return o, nil
}

func details(j Job, r *http.Request) (any, error) { return j.Details(r.Context()) }

func plan(j Job, r *http.Request) (any, error) {
	d, err := j.Details(r.Context())
	return message.JobPlan{Plan: d.Plan}, err
}

func jobConfig(j Job, r *http.Request) (any, error) {
	c, err := j.Config(r.Context())
	c.Execution.User = redacted(c.Execution.User)
	return c, err
}

func status(j Job, r *http.Request) (any, error) {
	st, err := j.Status(r.Context())
	return message.JobStatus{Status: st}, err
}

func vertex(j Job, r *http.Request) (any, error) {
	v, err := vertexOf(r)
	if err != nil {
		return nil, err
	}
	return j.Vertex(r.Context(), v)
}

func backpressure(j Job, r *http.Request) (any, error) {
	v, err := vertexOf(r)
	if err != nil {
		return nil, err
	}
	return j.Backpressure(r.Context(), v)
}

func executionResult(j Job, r *http.Request) (any, error) {
	result, over, err := j.Result(r.Context())
	if err != nil {
		return nil, err
	}
	if !over {
		return message.Execution{Status: message.QueueStatus{ID: message.InProgress}}, nil
	}
	return message.Execution{Status: message.QueueStatus{ID: message.Completed},
		Result: &result}, nil
}

func accumulators(j Job, r *http.Request) (any, error) {
	all, err := j.Accumulators(r.Context())
	body := message.JobAccumulators{Job: []byte("[]"), User: []message.UserAccumulator{},
		Serialized: map[string]message.Accumulator{}}
	include := r.URL.Query().Get("includeSerializedValue") == "true"
	for _, name := range slices.Sorted(maps.Keys(all)) {
		body.User = append(body.User, message.UserAccumulator{Name: name, Type: all[name].Type,
			Value: string(all[name].Value)})
		if include {
			body.Serialized[name] = all[name]
		}
	}
	return body, err
}

// defaultExceptions is the number of failures that are shown where the request says nothing.
const defaultExceptions = 20

func exceptions(j Job, r *http.Request) (any, error) {
	limit, err := limitOf(r)
	if err != nil {
		return nil, err
	}
	all, truncated, err := j.Exceptions(r.Context())
	if err != nil {
		return nil, err
	}
	slices.Reverse(all)
	if len(all) > limit {
		all, truncated = all[:limit], true
	}
	body := message.JobExceptions{All: []message.TaskException{}, Truncated: truncated,
		History: message.ExceptionHistory{Entries: []message.Exception{}, Truncated: truncated}}
	for i := range all {
		body.History.Entries = append(body.History.Entries, complete(all[i]))
		if e := &all[i]; e.Task != "" {
			body.All = append(body.All, message.TaskException{Exception: e.StackTrace,
				Task: e.Task, Endpoint: e.Endpoint, Location: e.Endpoint, Time: e.Time,
				Worker: e.Worker})
		}
	}
	if len(all) > 0 {
		body.Root, body.Time = &all[0].StackTrace, &all[0].Time
	}
	return body, nil
}

// complete gives a failure, and those that followed, the fields that must not be null.
func complete(e message.Exception) message.Exception {
	followed := []message.Exception{}
	for _, f := range e.Concurrent {
		f.Concurrent = nil
		followed = append(followed, labelled(f))
	}
	e.Concurrent = followed
	return labelled(e)
}

func labelled(e message.Exception) message.Exception {
	if e.Labels == nil {
		e.Labels = map[string]string{}
	}
	return e
}

func limitOf(r *http.Request) (int, error) {
	text := r.URL.Query().Get("maxExceptions")
	if text == "" {
		return defaultExceptions, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, malformed(fmt.Errorf("maxExceptions %q: want a number from 1", text))
	}
	return n, nil
}

var errNoStop = errors.New("the mode \"stop\" has been removed: use \"cancel\" to end the job at " +
	"once, or POST jobs/:jobid/stop to end it with a savepoint")

func terminate(j Job, r *http.Request) (any, error) {
	switch mode := r.URL.Query().Get("mode"); mode {
	case "", "cancel":
		return empty{}, j.Cancel(r.Context())
	case "stop":
		return nil, &httpError{http.StatusPermanentRedirect, errNoStop}
	default:
		return nil, malformed(fmt.Errorf("mode %q: want cancel", mode))
	}
}

func yarnCancel(j Job, r *http.Request) (any, error) { return empty{}, j.Cancel(r.Context()) }

// yarnStop is refused, as in Flink: what it did does not exist any more.
func yarnStop(Job, *http.Request) (any, error) {
	return nil, &httpError{http.StatusPermanentRedirect, errNoStop}
}

func coordinate(j Job, r *http.Request) (any, error) {
	var op id.Operator
	if err := op.UnmarshalText([]byte(r.PathValue("operator"))); err != nil {
		return nil, malformed(err)
	}
	body, err := readBody[message.CoordinationRequest](r)
	if err != nil {
		return nil, err
	}
	answer, err := j.Coordinate(r.Context(), op, body.Request)
	return message.CoordinationResponse{Result: answer}, err
}
