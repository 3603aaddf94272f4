package asyncio

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Retry says which calls are made again, and when.
type Retry[Out any] struct {
	// Attempts bounds the calls for one record, the first included; 0 and 1 mean no retry.
	Attempts int
	// Delay is the time between the n-th call's end and the next call, n counting from 1.
	Delay func(n int) time.Duration
	// OnError says which errors are worth another call, OnResult which results are. If both are
	// nil, all errors are. When the attempts are used up the last outcome counts.
	OnError  func(err error) bool
	OnResult func(results []Out) bool
}

// FixedDelay makes up to attempts calls with the same time between them.
func FixedDelay[Out any](attempts int, delay time.Duration) Retry[Out] {
	return Retry[Out]{Attempts: attempts, Delay: func(int) time.Duration { return delay }}
}

// ExponentialBackoff makes up to attempts calls, with the time between them growing from first by
// the given factor up to most.
func ExponentialBackoff[Out any](attempts int, first, most time.Duration,
	factor float64) Retry[Out] {
	return Retry[Out]{Attempts: attempts, Delay: func(n int) time.Duration {
		d := float64(first) * math.Pow(factor, float64(n-1))
		if d >= float64(most) { // also if it overflowed
			return most
		}
		return time.Duration(d)
	}}
}

// If returns the strategy with other predicates; one may be nil.
func (r Retry[Out]) If(onError func(err error) bool, onResult func(results []Out) bool) Retry[Out] {
	r.OnError, r.OnResult = onError, onResult
	return r
}

func (r *Retry[Out]) check() error {
	switch {
	case r.Attempts < 0:
		return fmt.Errorf("%d attempts; there must be at least one", r.Attempts)
	case r.Attempts > 1 && r.Delay == nil:
		return errors.New("a retry needs a delay; use FixedDelay or ExponentialBackoff")
	}
	return nil
}

// wants reports whether a record is called for again after n attempts, the last of which ended like
// this, and after how many milliseconds.
func (r *Retry[Out]) wants(n int, results []Out, err error) (delay int64, again bool) {
	if n >= r.Attempts {
		return 0, false
	}
	switch {
	case err == nil:
		again = r.OnResult != nil && r.OnResult(results)
	case r.OnError != nil:
		again = r.OnError(err)
	default:
		again = r.OnResult == nil
	}
	if !again {
		return 0, false
	}
	return max(0, r.Delay(n).Milliseconds()), true
}
