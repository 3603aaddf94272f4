package restclient_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/runtime/rest"
	"goflink/runtime/rest/restclient"
)

// TestErrorsSayWhatToDo: R120: each error of a client names the place and what to look at.
func TestErrorsSayWhatToDo(t *testing.T) {
	x := newRig(t)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer other.Close()
	elsewhere := httptest.NewServer(http.RedirectHandler("http://"+x.address,
		http.StatusTemporaryRedirect))
	defer elsewhere.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	strip := func(url string) string { return url[strings.Index(url, "//")+2:] }
	nobody := free(t)
	for _, c := range []struct {
		name string
		o    restclient.Options
		want []string
	}{
		{"nobody listens", restclient.Options{Address: nobody}, []string{nobody,
			"the connection was refused", "rest.address", "rest.port"}},
		{"no token", restclient.Options{Address: x.address}, []string{"DELETE /v1/cluster",
			"needs the cluster's token", "401", "no token was sent"}},
		{"no token in the file", restclient.Options{Address: x.address, TokenFrom: "conf/token"},
			[]string{"401", "no token was sent: it was looked for in conf/token"}},
		{"wrong token", restclient.Options{Address: x.address, Token: "wrong",
			TokenFrom: "conf/token"}, []string{"401", "not that of this cluster",
			"the token that was sent is from conf/token"}},
		{"another server", restclient.Options{Address: other.URL, Token: token},
			[]string{strip(other.URL), "no JobManager", "404", "text/html", "rest.url-prefix"}},
		{"a redirect", restclient.Options{Address: elsewhere.URL, Token: token},
			[]string{"no JobManager", "307"}},
		{"plain to TLS", restclient.Options{Address: strip(secure.URL)},
			[]string{strip(secure.URL), "TLS", "security.ssl.rest.enabled"}},
		{"TLS to plain", restclient.Options{Address: x.address, TLS: &tls.Config{}},
			[]string{x.address, "plain HTTP", "security.ssl.rest.enabled"}},
		{"unknown authority", restclient.Options{Address: secure.URL},
			[]string{strip(secure.URL), "certificate authority"}},
		{"a wrong path", restclient.Options{Address: "http://" + x.address + "/flink",
			Token: token}, []string{"/flink/v1/cluster", "404"}},
	} {
		err := x.newClient(c.o).ShutDown(t.Context())
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		for _, part := range c.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is not in %q", c.name, part, err)
			}
		}
	}
	_, err := x.newClient(restclient.Options{Address: strip(secure.URL)}).Overview(t.Context())
	if err == nil || !strings.Contains(err.Error(), "speaks TLS only") {
		t.Errorf("plain to TLS: %v", err)
	}
	if len(x.down) > 0 {
		t.Error("one of them ended the cluster")
	}
}

// TestUnknownHost: R120: an unknown host is named.
func TestUnknownHost(t *testing.T) {
	err := &restclient.UnreachableError{Address: "master:8081", Err: &net.OpError{Op: "dial",
		Err: &net.DNSError{Name: "master", IsNotFound: true}}}
	if !strings.Contains(err.Error(), `the host "master" is not known; check rest.address`) {
		t.Error(err)
	}
}

// TestSilence: R120: a peer that does not answer is given up in time, or with the context.
func TestSilence(t *testing.T) {
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer silent.Close()
	defer close(release)
	conf := config.FromMap(map[string]string{"rest.idleness-timeout": "20 ms"}, "test")
	c, err := restclient.New(restclient.Options{Address: silent.URL, Config: conf})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err = c.Overview(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("a silent peer: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = c.Overview(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call: %v", err)
	}
}

// TestAddresses: R120: what is no address is refused before anything is asked.
func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		address string
		ok      bool
	}{
		{"localhost:8081", true}, {"http://localhost:8081", true}, {"https://h:443/flink/", true},
		{"[::1]:8081", true}, {"localhost", false}, {"", false}, {"ftp://h:21", false},
		{":8081", false}, {"h:8081?x=1", false}, {"h:port", false},
	} {
		_, err := restclient.New(restclient.Options{Address: c.address, Config: config.New()})
		if (err == nil) != c.ok {
			t.Errorf("%q: %v", c.address, err)
		}
	}
}

// TestAddressOf: R120: the address that a configuration names.
func TestAddressOf(t *testing.T) {
	for _, c := range []struct {
		settings map[string]string
		want     string
	}{
		{map[string]string{"rest.address": "master"}, "http://master:8081"},
		{map[string]string{"rest.address": "::1", "rest.port": "80", "rest.url-prefix": "/a/b/",
			"security.ssl.rest.enabled": "true"}, "https://[::1]:80/a/b"},
		{map[string]string{"rest.port": "80"}, ""},
		{map[string]string{"rest.address": "master", "rest.port": "many"}, ""},
	} {
		conf := config.FromMap(c.settings, "test")
		got, err := restclient.AddressOf(conf)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%v: %q, %v", c.settings, got, err)
		}
		if err == nil {
			_, err := restclient.New(restclient.Options{Address: got, Config: conf})
			if err != nil {
				t.Error(err)
			}
		}
	}
}

// TestUnknownJob: R120: the answer for a job that is not there names it.
func TestUnknownJob(t *testing.T) {
	x := newRig(t)
	j := id.NewJob()
	_, err := x.client.Job(j).Wait(t.Context())
	var status *restclient.StatusError
	if !errors.As(err, &status) || status.Code != 404 ||
		!strings.Contains(err.Error(), j.String()) {
		t.Errorf("Wait says %v", err)
	}
}

// TestLargeAnswer: R120: no answer is read that is larger than allowed.
func TestLargeAnswer(t *testing.T) {
	x := newRig(t)
	x.conf.Set("rest.client.max-content-length", "64 b", "test")
	_, err := x.newClient(restclient.Options{Address: x.address}).Overview(t.Context())
	if err == nil || !strings.Contains(err.Error(), "rest.client.max-content-length") {
		t.Errorf("Overview says %v", err)
	}
}

// TestTLS: R120: server and client speak TLS where they are given certificates.
func TestTLS(t *testing.T) {
	x := newRig(t)
	made := httptest.NewTLSServer(http.NotFoundHandler())
	defer made.Close()
	s, err := rest.New(rest.Options{Gateway: x, Config: x.conf, Token: token,
		TLS: &tls.Config{Certificates: made.TLS.Certificates}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := rest.Listen(x.conf)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	trust := made.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	trust.ServerName = "example.com"
	c := x.newClient(restclient.Options{Address: l.Addr().String(), Token: token, TLS: trust})
	if o, err := c.Overview(t.Context()); err != nil || o.TaskManagers != 2 {
		t.Errorf("%+v, %v", o, err)
	}
	c.Close()
	if err := errors.Join(s.Close(t.Context()), <-served); err != nil {
		t.Error(err)
	}
}

// TestWaitOutlastsRestart: R131: who waits for a job bears that the JobManager is away for a while.
func TestWaitOutlastsRestart(t *testing.T) {
	x := newRig(t)
	j := x.submit(endless)
	s, err := rest.New(rest.Options{Gateway: x, Config: x.conf, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); {
		case n == 2:
			if err := j.Cancel(r.Context()); err != nil {
				t.Error(err)
			}
			fallthrough
		case n > 2 && n < 6:
			panic(http.ErrAbortHandler) // which cuts the connection off
		}
		s.Handler().ServeHTTP(w, r)
	}))
	defer away.Close()
	_, err = x.newClient(restclient.Options{Address: away.URL}).Job(j.ID()).Wait(t.Context())
	var cancelled *job.CancelledError
	if !errors.As(err, &cancelled) || asked.Load() < 6 {
		t.Errorf("after %d requests Wait says %v", asked.Load(), err)
	}
}

// TestWaitGivesUp: R131: a JobManager that stays away is given up after rest.retry.max-attempts.
func TestWaitGivesUp(t *testing.T) {
	x := newRig(t)
	var asked atomic.Int64
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		if _, err := io.WriteString(w, `{"errors":["no leader yet"]}`); err != nil {
			t.Error(err)
		}
	}))
	defer busy.Close()
	x.conf.Set("rest.retry.max-attempts", "3", "test")
	c := x.newClient(restclient.Options{Address: busy.URL})
	_, err := c.Job(id.NewJob()).Wait(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no leader yet") || asked.Load() != 3 {
		t.Errorf("after %d requests Wait says %v", asked.Load(), err)
	}
	if _, err := c.Overview(t.Context()); err == nil || asked.Load() != 4 {
		t.Errorf("after %d requests Overview says %v", asked.Load(), err)
	}
}
