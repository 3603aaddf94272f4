package config

import (
	"math"
	"time"
)

// RestartStrategyKind names a restart strategy.
type RestartStrategyKind string

// The restart strategies.
const (
	NoRestart        RestartStrategyKind = "none"
	FixedDelay       RestartStrategyKind = "fixed-delay"
	FailureRate      RestartStrategyKind = "failure-rate"
	ExponentialDelay RestartStrategyKind = "exponential-delay"
)

// UnlimitedAttempts is the number of restarts that stands for "without end".
const UnlimitedAttempts = math.MaxInt32

// FailoverStrategyKind names how much of a job is restarted after a failure.
type FailoverStrategyKind string

// The failover strategies.
const (
	FailoverRegion FailoverStrategyKind = "region"
	FailoverFull   FailoverStrategyKind = "full"
)

// Options of restarts after failures.
var (
	RestartStrategyType = Enum("restart-strategy.type", NoRestart,
		[]RestartStrategyKind{NoRestart, FixedDelay, FailureRate, ExponentialDelay},
		"How a failed job is restarted. Unset: fixed-delay without a limit of attempts where "+
			"checkpoints are on, else none.",
		NoDefault(), Deprecated("restart-strategy"),
		Synonym("off", "none"), Synonym("disable", "none"), Synonym("disabled", "none"),
		Synonym("fixeddelay", "fixed-delay"), Synonym("failurerate", "failure-rate"),
		Synonym("exponentialdelay", "exponential-delay"))

	RestartFixedDelayAttempts = Int("restart-strategy.fixed-delay.attempts", UnlimitedAttempts,
		"Number of restarts before the job fails for good.", Min(0), Max(math.MaxInt32))

	RestartFixedDelay = Duration("restart-strategy.fixed-delay.delay", time.Second,
		"Time between a failure and the restart.")

	RestartFailureRateMax = Int("restart-strategy.failure-rate.max-failures-per-interval", 1,
		"Number of failures within the interval that are followed by a restart; one more fails "+
			"the job.", Min(1), Max(1000000))

	RestartFailureRateInterval = Duration("restart-strategy.failure-rate.failure-rate-interval",
		time.Minute, "The interval in which failures are counted.", Min(1))

	RestartFailureRateDelay = Duration("restart-strategy.failure-rate.delay", time.Second,
		"Time between a failure and the restart.")

	RestartExponentialInitialBackoff = Duration(
		"restart-strategy.exponential-delay.initial-backoff", time.Second,
		"Time between the first failure and its restart.", Min(int64(time.Millisecond)))

	RestartExponentialMaxBackoff = Duration("restart-strategy.exponential-delay.max-backoff",
		time.Minute, "Longest time between a failure and its restart.",
		Min(int64(time.Millisecond)))

	RestartExponentialMultiplier = Float("restart-strategy.exponential-delay.backoff-multiplier",
		1.5, "Factor by which the time grows with each further failure.", Between(1, 1000))

	RestartExponentialResetThreshold = Duration(
		"restart-strategy.exponential-delay.reset-backoff-threshold", time.Hour,
		"Time without a failure after which the initial backoff applies again.", Min(1))

	RestartExponentialJitter = Float("restart-strategy.exponential-delay.jitter-factor", 0.1,
		"Largest random change of the time, as a share of it in both directions.", Between(0, 1))

	RestartExponentialAttempts = Int(
		"restart-strategy.exponential-delay.attempts-before-reset-backoff", UnlimitedAttempts,
		"Number of restarts before the job fails for good, counted anew after "+
			"reset-backoff-threshold.", Min(1), Max(math.MaxInt32))

	FailoverStrategy = Enum("jobmanager.execution.failover-strategy", FailoverRegion,
		[]FailoverStrategyKind{FailoverRegion, FailoverFull},
		"What is restarted after the failure of a task: the pipelined region it belongs to and "+
			"those that depend on it, or the whole job.",
		Synonym("individual", "region"))
)

// RestartStrategy is a restart strategy with its settings; only those of its Kind count.
type RestartStrategy struct {
	Kind RestartStrategyKind

	Attempts int           // FixedDelay, ExponentialDelay
	Delay    time.Duration // FixedDelay, FailureRate

	MaxFailures int           // FailureRate
	Interval    time.Duration // FailureRate

	InitialBackoff, MaxBackoff time.Duration // ExponentialDelay
	Multiplier, Jitter         float64       // ExponentialDelay
	ResetThreshold             time.Duration // ExponentialDelay
}

// ResolveRestartStrategy reads the restart strategy. Where none is set it depends on whether the
// job takes checkpoints.
func ResolveRestartStrategy(c *Configuration, checkpoints bool) (RestartStrategy, error) {
	var s RestartStrategy
	kind, set, err := Lookup(c, RestartStrategyType)
	if err != nil {
		return s, err
	}
	if !set && checkpoints {
		kind = FixedDelay
	}
	s.Kind = kind
	r := reader{c: c}
	switch kind {
	case FixedDelay:
		s.Attempts = read(&r, RestartFixedDelayAttempts)
		s.Delay = read(&r, RestartFixedDelay)
	case FailureRate:
		s.MaxFailures = read(&r, RestartFailureRateMax)
		s.Interval = read(&r, RestartFailureRateInterval)
		s.Delay = read(&r, RestartFailureRateDelay)
	case ExponentialDelay:
		s.InitialBackoff = read(&r, RestartExponentialInitialBackoff)
		s.MaxBackoff = read(&r, RestartExponentialMaxBackoff)
		s.Multiplier = read(&r, RestartExponentialMultiplier)
		s.Jitter = read(&r, RestartExponentialJitter)
		s.ResetThreshold = read(&r, RestartExponentialResetThreshold)
		s.Attempts = read(&r, RestartExponentialAttempts)
		if r.err == nil && s.MaxBackoff < s.InitialBackoff {
			r.err = conflict(c, RestartExponentialMaxBackoff,
				"at least "+RestartExponentialInitialBackoff.Key+" ("+
					FormatDuration(s.InitialBackoff)+")")
		}
	}
	return s, r.err
}

// reader reads several options and keeps the first error.
type reader struct {
	c   *Configuration
	err error
}

func read[T any](r *reader, o Option[T]) T {
	v, err := Get(r.c, o)
	if err != nil && r.err == nil {
		r.err = err
	}
	return v
}

// conflict reports that the value of o does not go with another option.
func conflict[T any](c *Configuration, o Option[T], expected string) error {
	e, ok := c.entryOf(o.Key, o.aliases)
	if !ok {
		e = Entry{Key: o.Key, Value: o.format(o.Default), Origin: OriginDefault}
	}
	return &ValueError{Key: e.Key, Value: e.Value, Origin: e.Origin, Expected: expected}
}
