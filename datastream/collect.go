package datastream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"goflink/core/id"
	"goflink/core/job"
	"goflink/core/typeinfo"
	"goflink/graph"
	"goflink/operator/writing"
)

const (
	// collectPause and collectPauseMax lie between two questions for results when there were none.
	collectPause    = 5 * time.Millisecond
	collectPauseMax = 200 * time.Millisecond
)

// Results are the records of a stream, fetched by the program that runs the job.
type Results[T any] struct {
	typ  *typeinfo.Type[T]
	sink id.Operator
	used bool
}

// Collect ends the stream in results that the program fetches:
//
//	results := datastream.Collect(s)
//	client, err := env.ExecuteAsync("job")
//	…
//	for v, err := range results.All(ctx, client) {
//
// One subtask collects them. With checkpoints each record comes once, whatever fails, as soon as a
// checkpoint that holds it is complete; without, records come at once, and a failure after some
// were fetched is an error. Who fetches slowly holds the job back.
func Collect[T any](s *Stream[T]) *Results[T] {
	r := &Results[T]{}
	if s.typ == nil {
		return r // the type has been reported
	}
	r.typ = s.typ.Info()
	t := addSink(s, "Collect Stream Sink", writing.Collect(r.typ)).t
	t.Coordinator, t.SingleParallelism, t.Parallelism = writing.CollectCoordinator, true, 1
	s.env.onCompile(func(j *graph.JobGraph) error { return r.find(j, t.ID) })
	return r
}

// find notes which operator of a job collects.
func (r *Results[T]) find(j *graph.JobGraph, transformation int) error {
	for i := range j.Vertices {
		for _, n := range j.Vertices[i].Nodes {
			if n.Stream == transformation {
				r.sink = n.Operator
				return nil
			}
		}
	}
	return fmt.Errorf("the job has no operator for the transformation %d", transformation)
}

// All fetches the records from the job that the program has submitted, to its end. After an error,
// which comes with a zero record, nothing follows. A job that fails ends with its error. It can be
// ranged over once, while the job runs or after its end.
func (r *Results[T]) All(ctx context.Context, client job.Client) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		fail := func(err error) { yield(*new(T), err) }
		if r.used || r.sink == (id.Operator{}) {
			fail(errors.New("the results of a job can be fetched once, after it was submitted"))
			return
		}
		r.used = true
		f := &fetcher[T]{client: client, sink: r.sink, results: writing.NewCollected(r.typ),
			pause: collectPause}
		for over := false; !over; {
			var vs []T
			var err error
			if vs, over, err = f.fetch(ctx); err != nil {
				fail(err)
				return
			}
			for _, v := range vs {
				if !yield(v, nil) {
					return
				}
			}
		}
		if _, err := client.Wait(ctx); err != nil {
			fail(err)
		}
	}
}

// fetcher asks a job for results.
type fetcher[T any] struct {
	client  job.Client
	sink    id.Operator
	results *writing.Collected[T]
	pause   time.Duration
}

// fetch returns the next results; if there are none now, it waits a little.
func (f *fetcher[T]) fetch(ctx context.Context) (vs []T, over bool, err error) {
	request, err := f.results.Request()
	if err != nil {
		return nil, false, err
	}
	answer, err := f.client.Coordinate(ctx, f.sink, request)
	if err != nil {
		return nil, false, err
	}
	if vs, over, err = f.results.Read(answer); err != nil || over {
		return vs, over, err
	}
	if len(vs) > 0 {
		f.pause = collectPause
		return vs, false, nil
	}
	t := time.NewTimer(f.pause)
	defer t.Stop()
	f.pause = min(2*f.pause, collectPauseMax)
	select {
	case <-t.C:
		return nil, false, nil
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

// ExecuteAndIterate runs the program that was built and hands out the records of s, as Collect
// does. The job is cancelled when the loop is left or an error comes.
func ExecuteAndIterate[T any](s *Stream[T], name string) iter.Seq2[T, error] {
	env, results := s.env, Collect(s)
	return func(yield func(T, error) bool) {
		client, err := env.ExecuteAsync(name)
		if err != nil {
			yield(*new(T), err)
			return
		}
		for v, err := range results.All(env.ctx, client) {
			if err != nil {
				yield(v, errors.Join(err, end(env.ctx, client)))
				return
			}
			if !yield(v, nil) {
				// Nobody waits for an error any more; the job ends in any case.
				_ = end(env.ctx, client)
				return
			}
		}
	}
}

// end cancels a job, if it still runs, and waits for its end.
func end(ctx context.Context, client job.Client) error {
	ctx = context.WithoutCancel(ctx)
	status, err := client.Status(ctx)
	if err != nil || status.Terminal() {
		return err
	}
	if err := client.Cancel(ctx); err != nil {
		return err
	}
	_, err = client.Wait(ctx)
	if c := (*job.CancelledError)(nil); errors.As(err, &c) {
		return nil
	}
	return err
}

// ExecuteAndCollect runs the program that was built and returns the records of s, at most limit of
// them: then it cancels the job.
func ExecuteAndCollect[T any](s *Stream[T], name string, limit int) ([]T, error) {
	if limit < 1 {
		return nil, fmt.Errorf("ExecuteAndCollect: the limit is %d; it must be at least 1", limit)
	}
	var all []T
	for v, err := range ExecuteAndIterate(s, name) {
		if err != nil {
			return all, err
		}
		if all = append(all, v); len(all) == limit {
			break
		}
	}
	return all, nil
}
