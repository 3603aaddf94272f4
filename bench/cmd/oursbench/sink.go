package main

import (
	"fmt"
	"io"

	"goflink/bench/contract"
	"goflink/core/stream"
	"goflink/datastream"
	"goflink/operator"
)

// sink ends a stream in the contract's sink: it discards records, but keeps their number and the
// sum of their digests, and with --verify the last value of each key.
func sink[T any](b *bench, s *datastream.Stream[T], digest func(T) uint64,
	line func(T) (key, value string)) {
	s.SinkTransform("Result", operator.FactoryFunc(func() (operator.Operator, error) {
		return &resultSink[T]{b: b, digest: digest, line: line, last: map[string]string{}}, nil
	}))
}

// sinkNumbers is sink for the program chain, in which every number is a line.
func sinkNumbers(b *bench, s *datastream.Stream[int64]) {
	n := 0
	sink(b, s, func(x int64) uint64 { return uint64(x) }, func(x int64) (string, string) {
		n++
		return fmt.Sprint(x), ""
	})
}

type resultSink[T any] struct {
	operator.Forward
	b      *bench
	sub    int
	digest func(T) uint64
	line   func(T) (key, value string)
	result contract.Result
	last   map[string]string
	order  []string
	// checkpoints counts those that were completed.
	checkpoints int64
}

// CheckpointComplete counts the checkpoint.
func (r *resultSink[T]) CheckpointComplete(uint64) error {
	r.checkpoints++
	return nil
}

// CheckpointAborted does nothing.
func (r *resultSink[T]) CheckpointAborted(uint64) error { return nil }

func (r *resultSink[T]) Open(rt operator.Runtime) error {
	r.sub = rt.Info().Subtask
	return nil
}

func (r *resultSink[T]) Input(int) any { return r }

func (r *resultSink[T]) Batch(b *stream.Batch[T]) error {
	for i := range b.Values {
		r.result.Add(r.digest(b.Values[i]))
	}
	if r.b.Verify {
		for i := range b.Values {
			k, v := r.line(b.Values[i])
			if _, seen := r.last[k]; !seen || v == "" {
				r.order = append(r.order, k)
			}
			r.last[k] = v
		}
	}
	return nil
}

// Finish writes the result files.
func (r *resultSink[T]) Finish() error {
	if r.b.Verify {
		err := contract.WriteRecords(r.b.Result, r.sub, func(out io.Writer) error {
			for _, k := range r.order {
				line := k
				if v := r.last[k]; v != "" {
					line += "\t" + v
				}
				if _, err := fmt.Fprintln(out, line); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if r.sub == 0 && r.b.CheckpointDir != "" {
		if err := contract.WriteCheckpoints(r.b.Result, r.checkpoints); err != nil {
			return err
		}
	}
	return contract.WriteResult(r.b.Result, r.sub, r.result)
}

func (r *resultSink[T]) Close() error { return nil }
