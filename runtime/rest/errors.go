package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"goflink/runtime/rest/message"
)

// httpError is an error with the status code that it is answered with.
type httpError struct {
	code int
	err  error
}

func (e *httpError) Error() string { return e.err.Error() }
func (e *httpError) Unwrap() error { return e.err }

// malformed makes an error the client's fault.
func malformed(err error) error { return &httpError{http.StatusBadRequest, err} }

// statusOf is the status code of an error.
func statusOf(err error) int {
	var coded *httpError
	var missing *NotFoundError
	var refused *RefusedError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &missing):
		return http.StatusNotFound
	case errors.As(err, &refused):
		return http.StatusBadRequest
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// fail answers with an error, in Flink's form.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == context.Canceled {
		return // the client has gone
	}
	code := statusOf(err)
	if code >= http.StatusInternalServerError {
		s.o.Logger.Warn("a REST request failed", "method", r.Method, "path", r.URL.Path,
			"status", code, "error", err)
	}
	s.answer(w, code, message.Errors{Errors: []string{err.Error()}})
}

// answer writes a body as JSON.
func (s *Server) answer(w http.ResponseWriter, code int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		s.o.Logger.Error("an answer cannot be written as JSON", "error", err)
		code, b = http.StatusInternalServerError, []byte(`{"errors":["internal error"]}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(code)
	if _, err := w.Write(append(b, '\n')); err != nil {
		s.o.Logger.Debug("an answer was not read", "error", err)
	}
}
