package main

import (
	"goflink/bench/contract"
	"goflink/core/source"
	"goflink/core/stream"
	"goflink/datastream"
)

// chain is the program of that name: a generator, three functions and a sink in one task.
func chain(b *bench, env *datastream.Environment) error {
	numbers := datastream.FromSource(env, eventSource[int64]{b: b,
		make: func(event int64) int64 { return event }}, nil, "Numbers")
	first := datastream.Map(numbers, contract.ChainFirst)
	kept := first.Filter(contract.ChainKeep)
	second := datastream.Map(kept, contract.ChainSecond)
	sinkNumbers(b, second)
	_, err := env.Execute("chain")
	return err
}

// eventSource generates the events of the contract: source subtask s of p makes s, s + p, s + 2p, …
type eventSource[T any] struct {
	b    *bench
	make func(event int64) T
	// timed gives the records the events' times.
	timed bool
}

func (s eventSource[T]) Bounded() bool    { return true }
func (s eventSource[T]) Replayable() bool { return false }

func (s eventSource[T]) NewEnumerator(source.EnumeratorContext, []byte) (source.Enumerator, error) {
	return noSplits{}, nil
}

func (s eventSource[T]) NewReader(ctx source.ReaderContext) (source.Reader[T], error) {
	return &eventReader[T]{s: s, subtask: ctx.Subtask(), parallelism: ctx.Parallelism(),
		limit: s.b.Events / int64(ctx.Parallelism())}, nil
}

// noSplits is the enumerator of a source whose readers know what to read.
type noSplits struct{}

func (noSplits) Start() error                      { return nil }
func (noSplits) RequestSplit(int, string) error    { return nil }
func (noSplits) AddBack(int, []source.Split) error { return nil }
func (noSplits) ReaderAdded(int) error             { return nil }
func (noSplits) ReaderEvent(int, []byte) error     { return nil }
func (noSplits) Snapshot(uint64) ([]byte, error)   { return nil, nil }
func (noSplits) Close() error                      { return nil }

type eventReader[T any] struct {
	s                    eventSource[T]
	subtask, parallelism int
	next, limit          int64
}

func (r *eventReader[T]) Poll(b *stream.Batch[T], max int) (string, source.Status, error) {
	n := min(int64(max), r.limit-r.next)
	values, times := b.Values, b.Times
	make := r.s.make
	event := contract.EventNumber(r.next, r.subtask, r.parallelism)
	for range n {
		values = append(values, make(event))
		if r.s.timed {
			times = append(times, contract.Time(event))
		}
		event += int64(r.parallelism)
	}
	b.Values, b.Times = values, times
	r.next += n
	r.s.b.progress.Set(r.subtask, r.next)
	if r.next == r.limit {
		return "", source.End, nil
	}
	return "", source.More, nil
}

func (r *eventReader[T]) AddSplits([]source.Split) error          { return nil }
func (r *eventReader[T]) NoMoreSplits() error                     { return nil }
func (r *eventReader[T]) Snapshot(uint64) ([]source.Split, error) { return nil, nil }
func (r *eventReader[T]) Event([]byte) error                      { return nil }
func (r *eventReader[T]) Close() error                            { return nil }
