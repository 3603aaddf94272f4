package scheduling

import (
	"fmt"
	"math"
	"time"

	"goflink/core/config"
)

// restartStrategy says whether and when a job is restarted after a failure (R84). It is asked once
// for each failure that counts.
type restartStrategy interface {
	// next counts a failure. It returns the time from the failure to the restart, or false: the job
	// fails for good.
	next(now time.Time) (time.Duration, bool)
	// refusal says, after next returned false, why. It completes "no restart: ".
	refusal() string
}

// newRestartStrategy makes the strategy that a configuration describes. The zero value is none.
func newRestartStrategy(c config.RestartStrategy, seed uint64) (restartStrategy, error) {
	switch c.Kind {
	case config.NoRestart, "":
		return noRestart{}, nil
	case config.FixedDelay:
		if c.Attempts < 0 || c.Delay < 0 {
			return nil, fmt.Errorf("restart strategy %s: %d attempts with a delay of %v",
				c.Kind, c.Attempts, c.Delay)
		}
		return &fixedDelay{attempts: c.Attempts, delay: c.Delay}, nil
	case config.FailureRate:
		if c.MaxFailures < 1 || c.Interval <= 0 || c.Delay < 0 {
			return nil, fmt.Errorf("restart strategy %s: %d failures in %v with a delay of %v",
				c.Kind, c.MaxFailures, c.Interval, c.Delay)
		}
		return &failureRate{max: c.MaxFailures, interval: c.Interval, delay: c.Delay}, nil
	case config.ExponentialDelay:
		if c.InitialBackoff <= 0 || c.MaxBackoff < c.InitialBackoff || c.Multiplier < 1 ||
			c.ResetThreshold <= 0 || c.Jitter < 0 || c.Jitter > 1 || c.Attempts < 0 {
			return nil, fmt.Errorf("restart strategy %s: inconsistent settings %+v", c.Kind, c)
		}
		return &exponentialDelay{c: c, seed: seed}, nil
	}
	return nil, fmt.Errorf("unknown restart strategy %q: set %s to %s, %s, %s or %s", c.Kind,
		config.RestartStrategyType.Key, config.NoRestart, config.FixedDelay, config.FailureRate,
		config.ExponentialDelay)
}

// noRestart fails the job at its first failure.
type noRestart struct{}

func (noRestart) next(time.Time) (time.Duration, bool) { return 0, false }

func (noRestart) refusal() string {
	return fmt.Sprintf("the restart strategy is %s", config.NoRestart)
}

// fixedDelay allows a number of restarts, all after the same time.
type fixedDelay struct {
	attempts, used int
	delay          time.Duration
}

func (f *fixedDelay) next(time.Time) (time.Duration, bool) {
	if f.used >= f.attempts {
		return 0, false
	}
	f.used++
	return f.delay, true
}

func (f *fixedDelay) refusal() string {
	return fmt.Sprintf("the restart strategy %s allows %d restarts (%s), all used",
		config.FixedDelay, f.attempts, config.RestartFixedDelayAttempts.Key)
}

// failureRate allows restarts as long as no more than max failures lie within an interval. A
// failure that is older than the interval, not as old as it, is forgotten.
type failureRate struct {
	max             int
	interval, delay time.Duration
	failures        []time.Time // the latest, oldest first; at most max
}

func (f *failureRate) next(now time.Time) (time.Duration, bool) {
	old := 0
	for old < len(f.failures) && now.Sub(f.failures[old]) > f.interval {
		old++
	}
	f.failures = append(f.failures[:0], f.failures[old:]...)
	if len(f.failures) >= f.max {
		return 0, false
	}
	f.failures = append(f.failures, now)
	return f.delay, true
}

func (f *failureRate) refusal() string {
	return fmt.Sprintf("the restart strategy %s allows %d failures in %v (%s, %s)",
		config.FailureRate, f.max, f.interval, config.RestartFailureRateMax.Key,
		config.RestartFailureRateInterval.Key)
}

// exponentialDelay multiplies the delay with each failure, up to a maximum, and begins anew after a
// time without one. A failure within the delay of an earlier one (of other regions of the job)
// belongs to it: it waits for the same moment and does not count.
type exponentialDelay struct {
	c       config.RestartStrategy
	seed    uint64
	drawn   uint64    // random numbers drawn so far
	used    int       // restarts since the last reset
	restart time.Time // when the latest restart is or was due
}

func (e *exponentialDelay) next(now time.Time) (time.Duration, bool) {
	if e.used > 0 && now.Before(e.restart) {
		return e.restart.Sub(now), true
	}
	if e.used > 0 && now.Sub(e.restart) >= e.c.ResetThreshold {
		e.used = 0
	}
	if e.used >= e.c.Attempts {
		return 0, false
	}
	delay := e.backoff()
	e.used++
	e.restart = now.Add(delay)
	return delay, true
}

// backoff is initial·multiplierⁿ, changed by up to ±jitter of itself, and at most the maximum.
func (e *exponentialDelay) backoff() time.Duration {
	most := float64(e.c.MaxBackoff)
	d := min(float64(e.c.InitialBackoff)*math.Pow(e.c.Multiplier, float64(e.used)), most)
	d += d * e.c.Jitter * e.random()
	return time.Duration(min(d, most))
}

// random returns a number in [-1, 1) that follows from the seed and the number of calls: SplitMix64
// (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA
// 2014).
func (e *exponentialDelay) random() float64 {
	e.drawn++
	z := e.seed + e.drawn*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return float64(z>>11)/(1<<52) - 1
}

func (e *exponentialDelay) refusal() string {
	return fmt.Sprintf("the restart strategy %s allows %d restarts (%s), all used",
		config.ExponentialDelay, e.c.Attempts, config.RestartExponentialAttempts.Key)
}
