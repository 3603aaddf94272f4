// Package restclient is the client of the REST interface: of a cluster ([Client]) and of its jobs
// ([Job], a job.Client for jobs of other processes).
//
// A call is made once, so that a wrong address is told at once. Waiting for a job or an operation
// bears a JobManager that is away for a while: as long as rest.retry.max-attempts and
// rest.retry.delay say. An operation is begun under a trigger id that the client chooses.
package restclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/runtime/rest/message"
)

const (
	// DefaultFirstPoll is the time after which a client asks again for what was not ready;
	// it doubles up to DefaultLongestPoll.
	DefaultFirstPoll   = 50 * time.Millisecond
	DefaultLongestPoll = 2 * time.Second
	// maxErrorBytes bounds what is read of an answer that is no success.
	maxErrorBytes = 1 << 20
)

// Options describes a client.
type Options struct {
	// Address is where the JobManager is: host:port, or a URL with a path in front of all paths.
	Address string
	// Token proves who the client is; TokenFrom tells users where it came from, or should have.
	Token, TokenFrom string
	// TLS is how the server is known; nil: plain HTTP, unless Address is an https URL.
	TLS *tls.Config
	// Config has the options of clients, below rest.
	Config *config.Configuration
	// FirstPoll and LongestPoll are as DefaultFirstPoll and DefaultLongestPoll, which 0 means.
	FirstPoll, LongestPoll time.Duration
}

// Client asks a cluster. It is safe for concurrent use.
type Client struct {
	o          Options
	base       *url.URL
	http       *http.Client
	maxContent int64
	attempts   int
	delay      time.Duration
}

// New returns a client. It does not connect; an error says what is wrong with the options.
func New(o Options) (*Client, error) {
	if o.FirstPoll <= 0 {
		o.FirstPoll = DefaultFirstPoll
	}
	if o.LongestPoll <= 0 {
		o.LongestPoll = DefaultLongestPoll
	}
	base, err := baseOf(o.Address, o.TLS != nil)
	if err != nil {
		return nil, err
	}
	c := &Client{o: o, base: base}
	if c.attempts, err = config.Get(o.Config, config.RestRetryMaxAttempts); err != nil {
		return nil, err
	}
	if c.delay, err = config.Get(o.Config, config.RestRetryDelay); err != nil {
		return nil, err
	}
	limit, err := config.Get(o.Config, config.RestClientMaxContentLength)
	if err != nil {
		return nil, err
	}
	c.maxContent = limit.Bytes()
	connect, err := config.Get(o.Config, config.RestConnectionTimeout)
	if err != nil {
		return nil, err
	}
	idle, err := config.Get(o.Config, config.RestIdlenessTimeout)
	if err != nil {
		return nil, err
	}
	c.http = &http.Client{
		// The token must not go elsewhere: neither by a redirect nor through a proxy.
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{TLSClientConfig: o.TLS, IdleConnTimeout: idle,
			DialContext:         (&net.Dialer{Timeout: connect}).DialContext,
			TLSHandshakeTimeout: connect, ResponseHeaderTimeout: idle},
	}
	return c, nil
}

// baseOf reads an address.
func baseOf(address string, secure bool) (*url.URL, error) {
	text := address
	if !strings.Contains(text, "://") {
		text = "http://" + text
		if secure {
			text = "https://" + address
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Port() == "" || u.RawQuery != "" ||
		u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no address of a JobManager: want host:port, as in "+
			"localhost:8081, or a URL with a port", address)
	}
	return u, nil
}

// Close gives back idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Overview counts the cluster's workers, slots and jobs.
func (c *Client) Overview(ctx context.Context) (o message.Overview, err error) {
	return o, c.call(ctx, http.MethodGet, "/overview", nil, &o)
}

// Jobs are the jobs that the cluster knows, running or ended.
func (c *Client) Jobs(ctx context.Context) ([]message.JobSummary, error) {
	var o message.JobsOverview
	err := c.call(ctx, http.MethodGet, "/jobs/overview", nil, &o)
	return o.Jobs, err
}

// TaskManagers are the workers that are there.
func (c *Client) TaskManagers(ctx context.Context) ([]message.TaskManager, error) {
	var o message.TaskManagers
	err := c.call(ctx, http.MethodGet, "/taskmanagers", nil, &o)
	return o.TaskManagers, err
}

// Cancel asks a job to end; it does not wait for the end.
func (c *Client) Cancel(ctx context.Context, j id.Job) error {
	return c.call(ctx, http.MethodPatch, jobPath(j)+"?mode=cancel", nil, nil)
}

// ShutDown asks the cluster to end; it does not wait for the end.
func (c *Client) ShutDown(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/cluster", nil, nil)
}

// DisposeSavepoint deletes a savepoint.
func (c *Client) DisposeSavepoint(ctx context.Context, path string) error {
	var t message.Triggered
	err := c.call(ctx, http.MethodPost, "/savepoint-disposal",
		message.DisposalRequest{Path: path}, &t)
	if err != nil {
		return err
	}
	_, err = c.await(ctx, "/savepoint-disposal/"+t.Request.String())
	return err
}

// call makes one call. into is filled from the answer, unless it is nil.
func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		content = bytes.NewReader(b)
	}
	address := strings.TrimSuffix(c.base.String(), "/") + "/v1" + path
	r, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.o.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.o.Token)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return c.refused(r, answer)
	}
	if kind := mediaType(answer); kind != "application/json" {
		return &ForeignError{Address: c.base.Host, Status: answer.Status, Type: kind}
	}
	return c.read(ctx, answer.Body, into, method+" "+path)
}

func mediaType(answer *http.Response) string {
	kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil {
		return "an unknown type"
	}
	return kind
}

// read reads an answer.
func (c *Client) read(ctx context.Context, body io.Reader, into any, what string) error {
	b, err := io.ReadAll(io.LimitReader(body, c.maxContent+1))
	switch {
	case err != nil:
		return c.unreachable(ctx, err)
	case int64(len(b)) > c.maxContent:
		return fmt.Errorf("%s: the answer has more than the %d bytes that %s allows", what,
			c.maxContent, config.RestClientMaxContentLength.Key)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: the answer of %s is not understood: %w", what, c.base.Host, err)
	}
	return nil
}
