package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"goflink/core/config"
	"goflink/runtime/rest/message"
)

func newServer(t *testing.T, settings map[string]string) (*Server, *cluster) {
	t.Helper()
	c := newCluster()
	s, err := New(Options{Gateway: c, Config: config.FromMap(settings, "test"), Token: testToken})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// ask makes a request with the token and returns the status and the body.
func ask(s *Server, method, path, body string) (int, string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+testToken)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

var jobOne = "/jobs/" + message.Trigger(number16(1)).String()

// TestEveryRouteIsGuarded: R120: each route that is no GET, and the two GETs that change something,
// need the token; both forms of each path are there.
func TestEveryRouteIsGuarded(t *testing.T) {
	s, c := newServer(t, nil)
	for _, rt := range table {
		changes := rt.method != "GET" || strings.Contains(rt.path, "yarn-")
		if changes != (rt.access == write) {
			t.Errorf("%s %s: access %t", rt.method, rt.path, rt.access)
		}
		path := strings.NewReplacer("{job}", strings.Repeat("0", 31)+"1", "{vertex}",
			strings.Repeat("0", 31)+"7", "{operator}", strings.Repeat("0", 31)+"9",
			"{trigger}", strings.Repeat("0", 32), "{worker}", "taskmanager-1",
			"{log}", "goflink.log").Replace(rt.path)
		for _, version := range []string{"", "/v1"} {
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, httptest.NewRequest(rt.method, version+path, nil))
			if (w.Code == 401) != changes || w.Code == 405 || w.Code >= 500 {
				t.Errorf("%s %s: status %d", rt.method, version+path, w.Code)
			}
		}
	}
	if len(c.mu.done) > 0 {
		t.Errorf("without the token there was done %v", c.mu.done)
	}
}

// TestTokenLength: R120: a server does not start with a token that can be guessed.
func TestTokenLength(t *testing.T) {
	for _, token := range []string{"", "short"} {
		_, err := New(Options{Gateway: newCluster(), Config: config.New(), Token: token})
		if err == nil || !strings.Contains(err.Error(), "security.rest.authentication") {
			t.Errorf("token %q: %v", token, err)
		}
	}
}

// TestLargeBodies: R120: bodies are read up to their limits.
func TestLargeBodies(t *testing.T) {
	s, _ := newServer(t, map[string]string{"rest.server.max-content-length": "2 mb"})
	path := jobOne + "/coordinators/" + message.Trigger(number16(9)).String()
	request := func(n int) string {
		return `{"serializedCoordinationRequest":"` + strings.Repeat("A", n) + `"}`
	}
	for _, c := range []struct {
		path, body string
		want       int
	}{
		{jobOne + "/stop", strings.Repeat(" ", MaxJSONBytes), 202},
		{jobOne + "/stop", strings.Repeat(" ", MaxJSONBytes+1), 413},
		{path, request(MaxJSONBytes), 200},
		{path, request(2 << 20), 413},
	} {
		if code, body := ask(s, "POST", c.path, c.body); code != c.want {
			t.Errorf("%s with %d bytes: %d %.200s", c.path, len(c.body), code, body)
		}
	}
	settle(s.async)
	s, _ = newServer(t, map[string]string{"rest.server.max-content-length": "100 b"})
	if code, body := ask(s, "POST", jobOne+"/stop", strings.Repeat(" ", 101)); code != 413 {
		t.Errorf("more than the server reads at all: %d %s", code, body)
	}
}

// TestPanic: R120: a bug in an operation, or in an answer, fails that one and nothing else.
func TestPanic(t *testing.T) {
	s, c := newServer(t, nil)
	id := strings.Repeat("a", 32)
	ask(s, "POST", jobOne+"/savepoints", `{"target-directory":"panic:///","triggerId":"`+id+`"}`)
	settle(s.async)
	code, body := ask(s, "GET", jobOne+"/savepoints/"+id, "")
	if code != 200 || !strings.Contains(body, "a bug") {
		t.Errorf("%d %s", code, body)
	}
	c.order[1] = nil
	if code, body := ask(s, "GET", "/jobs", ""); code != 500 || !strings.Contains(body, "errors") {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := ask(s, "GET", "/config", ""); code != 200 {
		t.Errorf("afterwards: %d", code)
	}
}

// stuck is a cluster that does not answer before the end of the request.
type stuck struct{ *cluster }

func (stuck) Jobs(ctx context.Context) ([]Job, error) {
	<-ctx.Done()
	return nil, fmt.Errorf("the JobMaster: %w", ctx.Err())
}

// TestTooManyRequests: R120: further requests are refused while too many are being answered, and
// one that takes too long is given up.
func TestTooManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conf := config.FromMap(map[string]string{"web.timeout": "10 s"}, "test")
		s, err := New(Options{Gateway: stuck{newCluster()}, Config: conf, Token: testToken})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		codes := make([]int, MaxRequests)
		for i := range codes {
			wg.Go(func() { codes[i], _ = ask(s, "GET", "/jobs", "") })
		}
		synctest.Wait()
		if code, body := ask(s, "GET", "/config", ""); code != 503 {
			t.Errorf("one too many: %d %s", code, body)
		}
		wg.Wait()
		for _, code := range codes {
			if code != 504 {
				t.Fatalf("a request without an answer: %d", code)
			}
		}
		if code, _ := ask(s, "GET", "/config", ""); code != 200 {
			t.Errorf("afterwards: %d", code)
		}
	})
}

// TestCloseWaitsForResults: R120: a server that is closed begins nothing more, and stays until the
// results of operations were fetched.
func TestCloseWaitsForResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newServer(t, nil)
		id := strings.Repeat("b", 32)
		ask(s, "POST", jobOne+"/savepoints", `{"target-directory":"slow:///","triggerId":"`+id+`"}`)
		closed := make(chan error, 1)
		go func() { closed <- s.Close(t.Context()) }()
		synctest.Wait()
		if code, _ := ask(s, "POST", jobOne+"/stop", ""); code != 503 {
			t.Errorf("an operation while the server is being closed: %d", code)
		}
		close(c.order[0].gate)
		synctest.Wait()
		if len(closed) > 0 {
			t.Fatal("closed before the result was fetched")
		}
		if _, body := ask(s, "GET", jobOne+"/savepoints/"+id, ""); !strings.Contains(body,
			"slow:///savepoint-1") {
			t.Errorf("%s", body)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

// TestCloseGivesUp: R120: Close does not wait longer than it may, and cancels what is under way.
func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newServer(t, nil)
		ask(s, "POST", jobOne+"/savepoints", `{"target-directory":"slow:///"}`)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := s.Close(ctx)
		if err == nil || !strings.Contains(err.Error(), "1 operations were not fetched") {
			t.Errorf("Close says %v", err)
		}
	})
}

// TestConcurrentClients: R120: many clients at once, over connections, each with the answer to its
// own request.
func TestConcurrentClients(t *testing.T) {
	s, c := newServer(t, nil)
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	client := &http.Client{Transport: &http.Transport{}}
	do := func(method, path string) (int, string, error) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+l.Addr().String()+path,
			nil)
		if err != nil {
			return 0, "", err
		}
		r.Header.Set("Authorization", "Bearer "+testToken)
		a, err := client.Do(r)
		if err != nil {
			return 0, "", err
		}
		b, err := io.ReadAll(a.Body)
		return a.StatusCode, string(b), errors.Join(err, a.Body.Close())
	}
	const clients, rounds = 8, 20
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			for range rounds {
				job := fmt.Sprintf("%032x", n%2+1)
				code, body, err := do("POST", "/jobs/"+job+"/checkpoints")
				if err != nil || code != 202 && code != 503 {
					t.Errorf("%d %s %v", code, body, err)
				}
				code, body, err = do("GET", "/v1/jobs/"+job)
				if err != nil || code != 200 || !strings.Contains(body, `"jid":"`+job) {
					t.Errorf("%d %s %v", code, body, err)
				}
			}
		})
	}
	wg.Wait()
	settle(s.async)
	client.CloseIdleConnections()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nobody fetches the results
	if err := s.Close(ctx); err == nil {
		t.Error("results were lost, and nobody says so")
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mu.done) == 0 || len(c.mu.done) > clients*rounds {
		t.Errorf("%d checkpoints for %d requests", len(c.mu.done), clients*rounds)
	}
}
