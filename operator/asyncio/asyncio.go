// Package asyncio calls services for the records of a stream without waiting for one answer before
// the next call (Flink's asynchronous I/O).
//
//	record ─▶ waiting ─▶ call (a goroutine; up to Capacity) ─▶ done ─▶ output
//	              ▲         │ fails, is retried     │
//	              └─ delay ◀┘                       └ at once, or in the order of the records
//
// The operator holds at most Capacity records and those of the batch that filled it up: beyond that
// it lets its task feed no more, so that a slow service slows the stream down. What it holds is
// operator state: after a failure the calls are made again. Results keep the timestamps of their
// records, and no result overtakes a watermark that came after its record, nor falls behind.
package asyncio

import (
	"context"
	"fmt"
	"time"

	"goflink/core/failure"
	"goflink/operator"
	"goflink/operator/process"
)

// DefaultCapacity is the default of Options.Capacity.
const DefaultCapacity = 100

// AsyncFunction makes the calls. One object serves a subtask and attempt. It may implement
// TimeoutFunction, and like other function objects process.Opener, io.Closer, operator.Snapshotter
// and operator.CheckpointListener. Close is called when no call is under way any more.
type AsyncFunction[In, Out any] interface {
	// AsyncInvoke returns the results for v, any number of them. It may block, and is called by
	// several goroutines at once. It must return soon after ctx ended: on a timeout, and when the
	// task ends.
	AsyncInvoke(ctx context.Context, v In) ([]Out, error)
}

// TimeoutFunction is implemented by functions that have results for records whose calls took too
// long; without it a timeout fails the job.
type TimeoutFunction[In, Out any] interface {
	// Timeout returns the results for v. It is called by the task's goroutine and must not block.
	Timeout(v In) ([]Out, error)
}

// Func is a function without state as an AsyncFunction.
type Func[In, Out any] func(ctx context.Context, v In) ([]Out, error)

// AsyncInvoke calls f.
func (f Func[In, Out]) AsyncInvoke(ctx context.Context, v In) ([]Out, error) { return f(ctx, v) }

// Options say how calls are made.
type Options[Out any] struct {
	// Timeout bounds the time from a record's first call to its results, retries included; 0 means
	// that there is no limit.
	Timeout time.Duration
	// Capacity bounds the records that are held and the calls under way; 0 means DefaultCapacity.
	Capacity int
	// Retry says which calls are made again; the zero value: none.
	Retry Retry[Out]
}

// check reports options that make no sense.
func (o *Options[Out]) check() error {
	switch {
	case o.Timeout < 0 || o.Timeout > 0 && o.Timeout < time.Millisecond:
		return fmt.Errorf("the timeout is %v; it must be 0 or at least 1ms", o.Timeout)
	case o.Capacity < 0:
		return fmt.Errorf("the capacity is %d; it must be positive", o.Capacity)
	}
	return o.Retry.check()
}

// OrderedWait returns the factory of an operator that emits results in the order of their records.
// create makes the function, once per subtask and attempt.
func OrderedWait[In, Out any](o Options[Out], create func() AsyncFunction[In, Out],
) (operator.Factory, error) {
	return wait(o, true, create)
}

// UnorderedWait returns the factory of an operator that emits results as soon as they are there;
// only watermarks are not overtaken. create makes the function, once per subtask and attempt.
func UnorderedWait[In, Out any](o Options[Out], create func() AsyncFunction[In, Out],
) (operator.Factory, error) {
	return wait(o, false, create)
}

func wait[In, Out any](o Options[Out], ordered bool, create func() AsyncFunction[In, Out],
) (operator.Factory, error) {
	if err := o.check(); err != nil {
		return nil, failure.Wrap(err, failure.FailJob, failure.User, "asynchronous I/O")
	}
	if o.Capacity == 0 {
		o.Capacity = DefaultCapacity
	}
	return operator.FactoryFunc(func() (operator.Operator, error) {
		f := create()
		life, err := process.NewLifecycle(f)
		if err != nil {
			return nil, err
		}
		return newAsync(o, ordered, life, f), nil
	}), nil
}
