package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goflink/core/job"
	"goflink/core/typeinfo"
	"goflink/datastream"
	"goflink/entrypoint"
	"goflink/graph"
	"goflink/internal/testkit"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

// TestAddress: R34: without a port 9000 is used and said; host and port come from the arguments.
func TestAddress(t *testing.T) {
	for _, c := range []struct {
		args, host, says string
		port             int
	}{
		{"", "localhost", "default port 9000", 9000},
		{"--hostname example.org", "example.org", "default port 9000", 9000},
		{"--port 1234", "localhost", "", 1234},
		{"--hostname h --port=77", "h", "", 77},
	} {
		var warned strings.Builder
		host, port, err := address(strings.Fields(c.args), &warned)
		if err != nil || host != c.host || port != c.port {
			t.Errorf("%q: %s:%d (%v)", c.args, host, port, err)
		}
		if says := warned.String(); (says == "") != (c.says == "") ||
			!strings.Contains(says, c.says) {
			t.Errorf("%q: says %q, want %q", c.args, says, c.says)
		}
	}
	_, _, err := address([]string{"--port", "many"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), `--port is "many"`) {
		t.Errorf("a port that is no number: %v", err)
	}
}

// TestSplit: R34: words lie between characters of white space; empty ones at the end are left out.
func TestSplit(t *testing.T) {
	for line, want := range map[string][]string{
		"hello world":     {"hello", "world"},
		"a  b":            {"a", "", "b"},
		" a":              {"", "a"},
		"a b  ":           {"a", "b"},
		"a\tb\r":          {"a", "b"},
		"":                {""},
		"   ":             nil,
		"one\vtwo\fthree": {"one", "two", "three"},
	} {
		if got := words(line); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// TestText: R34: the text form of a record.
func TestText(t *testing.T) {
	const want = "WordWithCount{word='hello', count=3}"
	if got := typeinfo.Text(WordWithCount{"hello", 3}); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// taker takes the job instead of running it.
type taker struct{ job *graph.JobGraph }

func (x *taker) Submit(_ context.Context, j *graph.JobGraph, _ *graph.Code) (job.Client, error) {
	x.job = j
	return nil, io.EOF
}

// TestJob: R34: the job's name and the parallelism of its sink.
func TestJob(t *testing.T) {
	x := &taker{}
	env := datastream.New(t.Context(), datastream.Options{Executor: x})
	env.SetParallelism(3)
	if err := SocketWindowWordCount(env, []string{"--port", "1"}); err != io.EOF {
		t.Fatal(err)
	}
	if x.job.Name != "streaming word count" {
		t.Errorf("the job is called %q", x.job.Name)
	}
	sink := x.job.Vertices[len(x.job.Vertices)-1]
	if sink.Parallelism != 1 || !strings.Contains(sink.Name, "Print") {
		t.Errorf("the last vertex is %q with parallelism %d", sink.Name, sink.Parallelism)
	}
}

// TestSocketWindow: R1, R8, R34: lines over a socket; each word is counted in exactly two windows,
// so that the counts that are printed add up to twice its occurrences.
func TestSocketWindow(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	done := make(chan struct{})
	served := make(chan error, 1)
	go func() { served <- serve(l, "hello big world\nhello world\nhello\n", done) }()

	printed, restore := captureStdout(t)
	sums := make(chan map[string]int64, 1)
	want := map[string]int64{"hello": 6, "big": 2, "world": 4}
	go func() { sums <- sumPrinted(printed, want, func() { close(done) }) }()

	port := l.Addr().(*net.TCPAddr).Port
	err = entrypoint.Run(ctx, SocketWindowWordCount,
		[]string{"--hostname", "127.0.0.1", "--port", fmt.Sprint(port)}, nil)
	restore()
	got := <-sums
	if err != nil {
		t.Errorf("the program: %v (printed %v)", err, got)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("printed counts %v, want %v", got, want)
	}
	l.Close()
	if err := <-served; err != nil {
		t.Errorf("the server: %v", err)
	}
}

// serve sends text to the first client and keeps the connection until done is closed.
func serve(l net.Listener, text string, done chan struct{}) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	<-done
	return c.Close()
}

// captureStdout makes the standard output a pipe until restore is called.
func captureStdout(t *testing.T) (printed *os.File, restore func()) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stdout
	os.Stdout = w
	return r, func() {
		os.Stdout = before
		w.Close()
	}
}

// sumPrinted adds up the counts of the lines, until they end. It calls full as soon as every word
// has what is wanted of it, or the lines end.
func sumPrinted(r *os.File, want map[string]int64, full func()) map[string]int64 {
	defer r.Close()
	once := sync.OnceFunc(full)
	defer once()
	sums := map[string]int64{}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		line := strings.NewReplacer("'", " ", ",", " ", "}", "").Replace(lines.Text())
		var word string
		var count int64
		if _, err := fmt.Sscanf(line, "WordWithCount{word= %s   count=%d", &word,
			&count); err != nil {
			word = fmt.Sprintf("unexpected line %q (%v)", lines.Text(), err)
		}
		sums[word] += count
		if fmt.Sprint(sums) == fmt.Sprint(want) {
			once()
		}
	}
	return sums
}
