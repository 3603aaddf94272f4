package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"goflink/core/config"
	"goflink/runtime/rest/message"
)

const testToken = "a-token-for-tests"

// script is a server over the cluster of the tests.
type script struct {
	t       *testing.T
	c       *cluster
	s       *Server
	now     time.Time
	trigger string
}

// TestRequests: R120, R138: runs the requests in testdata. The commands are
//
//	server [KEY=VALUE …]       a new server with these options
//	request [token[=TOKEN]]    prints the answer; $trigger in it is the last one that was made up
//	    METHOD PATH
//	    HEADER: VALUE
//	    BODY
//	settle                     waits until no operation is under way
//	go                         lets savepoints go on that wait
//	pass DURATION              lets time pass
//	done                       what the cluster was asked to do
//
// Run with -rewrite to write what happens in the place of what is expected.
func TestRequests(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		x := &script{t: t, now: began}
		defer x.close()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			x.t = t
			return x.command(d)
		})
	})
}

func (x *script) close() {
	if x.s != nil {
		x.s.async.close()
		x.s.async.wait()
	}
}

func (x *script) command(d *datadriven.TestData) string {
	switch d.Cmd {
	case "server":
		x.close()
		conf := config.New()
		for _, a := range d.CmdArgs {
			conf.Set(a.Key, strings.Join(a.Vals, ","), "test")
		}
		x.c = newCluster()
		s, err := New(Options{Gateway: x.c, Config: conf, Token: testToken, FlinkVersion: "2.1.0",
			Version: "0.1", Commit: "abc", Now: func() time.Time { return x.now }})
		if x.s = s; err != nil {
			return err.Error() + "\n"
		}
		return ""
	case "request":
		return x.request(d)
	case "settle":
		settle(x.s.async)
	case "go":
		close(x.c.order[0].gate)
	case "pass":
		by, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			d.Fatalf(x.t, "%v", err)
		}
		x.now = x.now.Add(by)
	case "done":
		x.c.mu.Lock()
		defer x.c.mu.Unlock()
		slices.Sort(x.c.mu.done)
		return strings.Join(append(x.c.mu.done, ""), "\n")
	default:
		d.Fatalf(x.t, "unknown command %q", d.Cmd)
	}
	return ""
}

// settle waits until no operation is under way.
func settle(a *async) {
	for {
		a.mu.Lock()
		pending, changed := a.mu.ops.pending, a.mu.changed
		a.mu.Unlock()
		if pending == 0 {
			return
		}
		<-changed
	}
}

func (x *script) request(d *datadriven.TestData) string {
	lines := strings.Split(strings.ReplaceAll(d.Input, "$trigger", x.trigger), "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	lines = lines[1:]
	header := http.Header{}
	for len(lines) > 0 && !strings.ContainsAny(lines[0], "{}[") {
		name, value, _ := strings.Cut(lines[0], ": ")
		header.Set(name, value)
		lines = lines[1:]
	}
	r := httptest.NewRequest(method, path, strings.NewReader(strings.Join(lines, "\n")))
	r.Header = header
	for _, a := range d.CmdArgs {
		token := testToken
		if len(a.Vals) > 0 {
			token = a.Vals[0]
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	x.s.Handler().ServeHTTP(w, r)
	return x.show(w, d.Input)
}

// show prints an answer. Its headers are told where they are not always the same.
func (x *script) show(w *httptest.ResponseRecorder, input string) string {
	var b strings.Builder
	fmt.Fprintln(&b, w.Code)
	for _, name := range []string{"Allow", "WWW-Authenticate", "Retry-After", "Location"} {
		if v := w.Header().Get(name); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	for _, name := range []string{"Access-Control-Allow-Origin", "X-Content-Type-Options",
		"Content-Security-Policy", "Cache-Control"} {
		if w.Header().Get(name) == "" {
			fmt.Fprintf(&b, "without %s\n", name)
		}
	}
	var indented bytes.Buffer
	if w.Header().Get("Content-Type") != "application/json; charset=UTF-8" ||
		json.Indent(&indented, w.Body.Bytes(), "", "  ") != nil {
		fmt.Fprintf(&b, "Content-Type: %s\n%s", w.Header().Get("Content-Type"), w.Body)
		return b.String()
	}
	text := indented.String()
	var made message.Triggered
	if json.Unmarshal(w.Body.Bytes(), &made) == nil && strings.Contains(text, "request-id") &&
		!strings.Contains(input, made.Request.String()) {
		x.trigger = made.Request.String()
	}
	if x.trigger != "" {
		text = strings.ReplaceAll(text, x.trigger, "$trigger")
	}
	return b.String() + text
}
