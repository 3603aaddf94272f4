package entrypoint

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"goflink/core/config"
	"goflink/core/id"
	"goflink/core/job"
	"goflink/datastream"
	"goflink/graph"
	"goflink/runtime/controlplane"
)

// capture is an executor that keeps the jobs it is given; each ends at once.
type capture struct {
	jobs  []*graph.JobGraph
	codes []*graph.Code
	// results are those of the jobs, in order.
	results []controlplane.JobOutcome
}

func (c *capture) Submit(_ context.Context, j *graph.JobGraph, code *graph.Code) (job.Client,
	error) {
	c.jobs, c.codes = append(c.jobs, j), append(c.codes, code)
	return replayed{c.results[len(c.jobs)-1]}, nil
}

// twoJobs is a program whose second job depends on the result of the first, and on a value of Once.
func twoJobs(seed func() (int64, error)) Program {
	return func(env *datastream.Environment, args []string) error {
		datastream.FromSequence(env, 1, 3).ForEach(func(int64) {}).Name("first " + args[0])
		r, err := env.Execute("one")
		if err != nil {
			return err
		}
		n, err := datastream.Once(env, "seed", seed)
		if err != nil {
			return err
		}
		env.SetParallelism(int(r.Accumulators["parallelism"].(int64)))
		datastream.FromSequence(env, 1, 3).ForEach(func(int64) {}).
			Name(fmt.Sprint("second ", n))
		_, err = env.Execute("two")
		return err
	}
}

// submitted runs a program and returns what its n-th job is described as.
func submitted(t *testing.T, p Program, n int, results ...controlplane.JobOutcome) (
	*controlplane.JobDescription, *capture) {
	t.Helper()
	files, err := newFiles()
	if err != nil {
		t.Fatal(err)
	}
	c := &capture{results: results}
	env := datastream.New(t.Context(), datastream.Options{Executor: c, Config: config.New(),
		Files: files})
	if err := p(env, []string{"x"}); err != nil {
		t.Fatal(err)
	}
	b, err := c.jobs[n].Encode()
	if err != nil {
		t.Fatal(err)
	}
	return &controlplane.JobDescription{Graph: b, Execute: n, Earlier: results[:n]}, c
}

func again(t *testing.T, p Program, d *controlplane.JobDescription, args ...string) (
	*graph.JobGraph, *graph.Code, error) {
	t.Helper()
	files, err := newFiles()
	if err != nil {
		t.Fatal(err)
	}
	return rebuild(t.Context(), p, args, d, files)
}

// TestRebuild: R136, R125: a job of a program is built again from the program, with the results of
// earlier jobs replayed and values of Once as they were; the program does not go on behind it.
func TestRebuild(t *testing.T) {
	results := []controlplane.JobOutcome{{Result: job.Result{ID: id.Job{1},
		Accumulators: map[string]any{"parallelism": int64(2)}}}, {}}
	calls := 0
	p := twoJobs(func() (int64, error) { calls++; return int64(40 + calls), nil })
	d, c := submitted(t, p, 1, results...)
	for range 2 {
		g, code, err := again(t, p, d, "x")
		if err != nil {
			t.Fatal(err)
		}
		if g.ID != c.jobs[1].ID || g.Vertices[0].Parallelism != 2 ||
			!strings.Contains(g.Vertices[0].Name, "second 41") {
			t.Errorf("job %s, vertex %+v", g.ID, g.Vertices[0])
		}
		if len(code.Nodes) != len(c.codes[1].Nodes) {
			t.Errorf("code of %d operators, want %d", len(code.Nodes), len(c.codes[1].Nodes))
		}
	}
	if calls != 1 {
		t.Errorf("the value of Once was made %d times", calls)
	}
	// The job's id and configuration are those of the submission; the graph of the first job is
	// built with no results.
	first, _ := submitted(t, p, 0, results...)
	if _, _, err := again(t, p, first, "x"); err != nil {
		t.Error(err)
	}
}

// TestRebuildDiffers: a program that builds another job elsewhere is refused; the message names the
// first vertex that is not the same, or what the program did instead.
func TestRebuildDiffers(t *testing.T) {
	results := []controlplane.JobOutcome{{Result: job.Result{
		Accumulators: map[string]any{"parallelism": int64(1)}}}, {}}
	p := twoJobs(func() (int64, error) { return 1, nil })
	d, _ := submitted(t, p, 0, results...)
	second, _ := submitted(t, p, 1, results...)
	for _, c := range []struct {
		name    string
		program Program
		d       *controlplane.JobDescription
		want    []string
	}{
		{"another name", func(env *datastream.Environment, _ []string) error {
			return p(env, []string{"y"})
		}, d, []string{"vertex 0", "first x", "first y", "Once"}},
		{"another parallelism", func(env *datastream.Environment, args []string) error {
			env.SetParallelism(3)
			return p(env, args)
		}, d, []string{"vertex 0", "(parallelism 1) in the submitted", "(parallelism 3) here"}},
		{"no second job", func(env *datastream.Environment, args []string) error {
			datastream.FromSequence(env, 1, 3).ForEach(func(int64) {})
			_, err := env.Execute("one")
			return err
		}, second, []string{`job "two"`, "has ended after 1 calls of Execute"}},
		{"an error", func(*datastream.Environment, []string) error {
			return errors.New("the file is not here")
		}, d, []string{`job "one"`, "the file is not here"}},
		{"a panic", func(*datastream.Environment, []string) error { panic("oh") }, d,
			[]string{`job "one"`, "oh"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := again(t, c.program, c.d, "x")
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
		})
	}
}
