package restclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"goflink/runtime/rest/message"
)

// UnreachableError says that a JobManager does not answer.
type UnreachableError struct {
	// Address is where it was looked for, as host:port.
	Address string
	Err     error
}

// Error says what to look at.
func (e *UnreachableError) Error() string {
	why, hint := e.Err.Error(), "check that the cluster runs and that rest.address and rest.port "+
		"are those of its JobManager"
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		why = "the connection was refused"
	case errors.As(e.Err, &dns):
		why, hint = fmt.Sprintf("the host %q is not known", dns.Name), "check rest.address"
	case errors.Is(e.Err, io.EOF):
		why, hint = "it closed the connection without an answer", "check that it is a "+
			"JobManager, and security.ssl.rest.enabled: it may speak TLS only"
	case strings.Contains(e.Err.Error(), "HTTP response to HTTPS client"):
		why, hint = "it speaks plain HTTP", "check security.ssl.rest.enabled"
	case strings.Contains(e.Err.Error(), "tls: "), strings.Contains(e.Err.Error(), "x509: "):
		hint = "check that the certificate authority is that of the cluster"
	case errors.As(e.Err, &timeout) && timeout.Timeout():
		why, hint = "there was no answer in time", "check that the cluster is well, and that "+
			"rest.connection-timeout and rest.idleness-timeout are long enough"
	}
	return fmt.Sprintf("no JobManager at %s: %s; %s", e.Address, why, hint)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// StatusError is the answer of a JobManager that is no success.
type StatusError struct {
	// Method and Path are the request, Code is its status code.
	Method, Path string
	Code         int
	// Errors are what the JobManager says.
	Errors []string
	// Hint, if not empty, is what to do.
	Hint string
}

// Error is what the JobManager says, and what to do.
func (e *StatusError) Error() string {
	text := strings.Join(e.Errors, "; ")
	if text == "" {
		text = http.StatusText(e.Code)
	}
	text = fmt.Sprintf("%s %s: %s (status %d)", e.Method, e.Path, text, e.Code)
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// ForeignError says that what answers is no JobManager.
type ForeignError struct {
	// Address is host:port; Status and Type are those of the answer.
	Address, Status, Type string
}

// Error says what to look at.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("what answers at %s is no JobManager: it says %s, with %s; check that "+
		"rest.address, rest.port and rest.url-prefix are those of the cluster", e.Address, e.Status,
		e.Type)
}

// unreachable is the error of a call without an answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &UnreachableError{Address: c.base.Host, Err: err}
}

// httpToHTTPS is what a server with TLS says to a client without.
const httpToHTTPS = "HTTP request to an HTTPS server"

// refused is the error of an answer that is no success.
func (c *Client) refused(r *http.Request, answer *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxErrorBytes))
	if err != nil {
		return c.unreachable(r.Context(), err)
	}
	var body message.Errors
	if mediaType(answer) != "application/json" || json.Unmarshal(b, &body) != nil {
		foreign := &ForeignError{Address: c.base.Host, Status: answer.Status,
			Type: mediaType(answer)}
		if strings.Contains(string(b), httpToHTTPS) {
			return fmt.Errorf("%s speaks TLS only; check security.ssl.rest.enabled", c.base.Host)
		}
		return foreign
	}
	e := &StatusError{Method: r.Method, Path: r.URL.Path, Code: answer.StatusCode,
		Errors: body.Errors}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Hint = c.tokenHint()
	}
	return e
}

func (c *Client) tokenHint() string {
	from := c.o.TokenFrom
	switch {
	case c.o.Token == "" && from == "":
		return "no token was sent"
	case c.o.Token == "":
		return "no token was sent: it was looked for in " + from
	case from == "":
		return "a token was sent"
	}
	return "the token that was sent is from " + from
}

// transient says whether a later attempt may succeed: the JobManager is away, or busy.
func transient(err error) bool {
	var away *UnreachableError
	var status *StatusError
	if errors.As(err, &status) {
		return status.Code == http.StatusBadGateway || status.Code == http.StatusGatewayTimeout ||
			status.Code == http.StatusServiceUnavailable
	}
	return errors.As(err, &away)
}
