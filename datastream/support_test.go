package datastream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/eventtime"
	"goflink/core/job"
	"goflink/core/typeinfo"
	"goflink/datastream"
	"goflink/entrypoint"
	"goflink/graph"
	"goflink/internal/testkit"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

// settings returns a configuration; what it names comes on top of what all tests use.
func settings(pairs ...string) *config.Configuration {
	c := config.New()
	c.Set(config.PipelineCheckMutation.Key, "true", "the test")
	for i := 0; i < len(pairs); i += 2 {
		c.Set(pairs[i], pairs[i+1], "the test")
	}
	return c
}

// execute runs the program that build makes on an embedded cluster and returns the job's result.
func execute(t *testing.T, build func(env *datastream.Environment), pairs ...string) job.Result {
	t.Helper()
	r, err := tryExecute(t, build, pairs...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tryExecute is execute for programs that may fail.
func tryExecute(t *testing.T, build func(env *datastream.Environment), pairs ...string) (
	r job.Result, err error,
) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	err = entrypoint.Run(ctx, func(env *datastream.Environment, _ []string) (err error) {
		build(env)
		r, err = env.Execute(t.Name())
		return err
	}, nil, settings(pairs...))
	return r, err
}

// results are the records that reached a sink.
type results[T any] struct {
	mu     sync.Mutex
	values []T
}

// collect ends a stream in a sink of one subtask that keeps its records.
func collect[T any](s *datastream.Stream[T]) *results[T] {
	r := &results[T]{}
	s.ForEach(func(v T) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.values = append(r.values, v)
	}).SetParallelism(1)
	return r
}

// all are the records in the order in which they came.
func (r *results[T]) all() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.values)
}

// lines are the records in their text form.
func (r *results[T]) lines() []string {
	var lines []string
	for _, v := range r.all() {
		lines = append(lines, typeinfo.Text(v))
	}
	return lines
}

// want compares the records with their text form, in the order in which they came.
func (r *results[T]) want(t *testing.T, want ...string) {
	t.Helper()
	if got := r.lines(); !slices.Equal(got, want) {
		t.Errorf("records:\n\t%s\nwant:\n\t%s", strings.Join(got, "\n\t"),
			strings.Join(want, "\n\t"))
	}
}

// wantSet compares the records with their text form, in any order.
func (r *results[T]) wantSet(t *testing.T, want ...string) {
	t.Helper()
	got := r.lines()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("records, sorted:\n\t%s\nwant:\n\t%s", strings.Join(got, "\n\t"),
			strings.Join(want, "\n\t"))
	}
}

// elements is a stream of the given records, in their order, by one subtask.
func elements[T any](env *datastream.Environment, vs ...T) *datastream.Stream[T] {
	numbers := datastream.FromSequence(env, 0, int64(len(vs)-1)).SetParallelism(1)
	return datastream.Map(numbers, func(n int64) T {
		return vs[n]
	}).Name("Elements").SetParallelism(1)
}

// count is a word and a number.
type count struct {
	Word string
	N    int64
}

// event is something that happened to somebody at a time in milliseconds.
type event struct {
	Who string
	At  int64
	N   int64
}

// timed gives events their times; after each of them comes the watermark that follows from it with
// the given delay.
func timed(s *datastream.Stream[event], delay time.Duration) *datastream.Stream[event] {
	strategy := eventtime.Punctuated(func(_ event, at int64) (int64, bool) {
		return at - delay.Milliseconds() - 1, true
	}).WithTimestamps(func(e event) int64 { return e.At })
	return s.AssignTimestampsAndWatermarks(strategy)
}

// byWho keys events.
func byWho(s *datastream.Stream[event]) *datastream.Keyed[string, event] {
	return datastream.KeyBy(s, func(e event) string { return e.Who })
}

// place is a record's number with the subtask that handled it.
type place struct {
	N        int64
	From, To int
}

// locate tells where each record is handled: set is called with the subtask's index.
func locate(s *datastream.Stream[place], set func(p *place,
	subtask int)) *datastream.Stream[place] {
	return datastream.RichMap(s, func() *locator { return &locator{set: set} })
}

type locator struct {
	set     func(p *place, subtask int)
	subtask int
}

func (l *locator) Open(ctx *datastream.FunctionContext) error {
	l.subtask = ctx.Info().Subtask
	return nil
}

func (l *locator) Map(p place) (place, error) {
	l.set(&p, l.subtask)
	return p, nil
}

// Places of a record's way.
func from(p *place, subtask int) { p.From = subtask }
func to(p *place, subtask int)   { p.To = subtask }

// environment is one that only builds programs.
func environment(t *testing.T, pairs ...string) *datastream.Environment {
	return datastream.New(t.Context(), datastream.Options{Executor: refuser{},
		Config: settings(pairs...)})
}

// refuser accepts no job.
type refuser struct{}

var errRefused = errors.New("no job is accepted here")

func (refuser) Submit(context.Context, *graph.JobGraph, *graph.Code) (job.Client, error) {
	return nil, errRefused
}

// refused expects that the program is refused with a message that has all the parts.
func refused(t *testing.T, env *datastream.Environment, parts ...string) {
	t.Helper()
	_, err := env.Execute("refused")
	if err == nil || errors.Is(err, errRefused) {
		t.Fatalf("the program was accepted (%v); want an error with %q", err, parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not have %q", err, p)
		}
	}
}

// streamGraph is the graph of the program so far.
func streamGraph(t *testing.T, env *datastream.Environment) *graph.StreamGraph {
	t.Helper()
	g, err := env.StreamGraph("graph")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// node finds a node of a graph by its name.
func node(t *testing.T, g *graph.StreamGraph, name string) *graph.StreamNode {
	t.Helper()
	var names []string
	for _, n := range g.Nodes {
		if n.T.Name == name {
			return n
		}
		names = append(names, fmt.Sprintf("%q", n.T.Name))
	}
	t.Fatalf("no operator %q; there are %s", name, strings.Join(names, ", "))
	return nil
}
