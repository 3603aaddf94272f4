package scheduling

import (
	"testing"
	"time"

	"goflink/core/config"
)

func newRestart(t *testing.T, c config.RestartStrategy, seed uint64) restartStrategy {
	t.Helper()
	s, err := newRestartStrategy(c, seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// R84: the jitter of the exponential delay lies within its share, varies, and follows from the
// seed.
func TestExponentialJitter(t *testing.T) {
	c := config.RestartStrategy{
		Kind: config.ExponentialDelay, Attempts: config.UnlimitedAttempts,
		InitialBackoff: time.Second, MaxBackoff: time.Minute, Multiplier: 2, Jitter: 0.1,
		ResetThreshold: time.Hour,
	}
	delays := func(seed uint64) []time.Duration {
		s := newRestart(t, c, seed)
		now := time.Unix(1000, 0)
		var all []time.Duration
		for range 200 {
			d, ok := s.next(now)
			if !ok {
				t.Fatal("no restart")
			}
			all = append(all, d)
			now = now.Add(d)
		}
		return all
	}
	first, again, other := delays(1), delays(1), delays(2)
	base, differ, above, below := time.Second, false, 0, 0
	for i, d := range first {
		if d != again[i] {
			t.Fatalf("delay %d is %v and %v with the same seed", i, d, again[i])
		}
		differ = differ || d != other[i]
		low, high := base-base/10, min(base+base/10, time.Minute)
		if d < low || d > high {
			t.Errorf("delay %d is %v, want %v to %v", i, d, low, high)
		}
		if d > base-base/20 {
			above++
		} else {
			below++
		}
		base = min(2*base, time.Minute)
	}
	if !differ || above < 50 || below < 20 {
		t.Errorf("other seed differs: %v; %d delays near or above the base, %d below", differ,
			above, below)
	}
}

// R84: failures of several regions within one delay wait for the same restart and count once;
// attempts are limited and counted anew after the threshold.
func TestExponentialCounting(t *testing.T) {
	s := newRestart(t, config.RestartStrategy{
		Kind: config.ExponentialDelay, Attempts: 2, InitialBackoff: 10 * time.Second,
		MaxBackoff: time.Minute, Multiplier: 2, ResetThreshold: time.Hour,
	}, 0)
	start := time.Unix(1000, 0)
	for i, c := range []struct {
		after, want time.Duration
		ok          bool
	}{
		{0, 10 * time.Second, true},
		{4 * time.Second, 6 * time.Second, true},                     // belongs to the first
		{10 * time.Second, 20 * time.Second, true},                   // the second
		{30 * time.Second, 0, false},                                 // one too many
		{30*time.Second + time.Hour - 1, 0, false},                   // not yet forgotten
		{30*time.Second + time.Hour, 10 * time.Second, true},         // counted anew
		{30*time.Second + 2*time.Hour, 20 * time.Second, true},       // ten seconds too early
		{10*time.Minute + 4*time.Hour, 10 * time.Second, true},       // counted anew
		{10*time.Minute + 4*time.Hour + 1, 10*time.Second - 1, true}, // belongs to it
	} {
		if d, ok := s.next(start.Add(c.after)); d != c.want || ok != c.ok {
			t.Errorf("failure %d after %v: %v, %v; want %v, %v", i, c.after, d, ok, c.want, c.ok)
		}
	}
}

// R84: the boundary of the failure rate: a failure as old as the interval counts, an older one does
// not.
func TestFailureRateBoundary(t *testing.T) {
	for _, c := range []struct {
		third time.Duration
		want  bool
	}{{time.Minute, false}, {time.Minute + 1, true}} {
		s := newRestart(t, config.RestartStrategy{
			Kind: config.FailureRate, MaxFailures: 2, Interval: time.Minute, Delay: time.Second,
		}, 0)
		start := time.Unix(1000, 0)
		for i, after := range []time.Duration{0, time.Second} {
			if d, ok := s.next(start.Add(after)); !ok || d != time.Second {
				t.Fatalf("failure %d: %v, %v", i, d, ok)
			}
		}
		if _, ok := s.next(start.Add(c.third)); ok != c.want {
			t.Errorf("third failure after %v: restart %v", c.third, ok)
		}
	}
}
