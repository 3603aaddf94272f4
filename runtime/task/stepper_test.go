package task

import (
	"testing"
	"time"

	"goflink/core/stream"
)

// TestStepper: a step is as many records as took about a millisecond last time, never less than
// one, and grows by a factor at most, so that one lucky measurement does not make a long step.
func TestStepper(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit int
		n     int
		took  time.Duration
		want  int
	}{
		{"fast: grows by the factor", 10, 10, time.Microsecond, 40},
		{"fast, but the step was not full: nothing is learnt of larger ones", 10, 3,
			time.Microsecond, 10},
		{"just right", 10, 10, time.Millisecond, 10},
		{"grows to what fits", 10, 10, 800 * time.Microsecond, 12},
		{"slow: shrinks at once", 1000, 1000, time.Second, 1},
		{"slow, and the step was not full", 1000, 10, 100 * time.Millisecond, 1},
		{"a record that takes longer than a step", 1, 1, time.Minute, 1},
		{"no time at all", 10, 10, 0, 40},
		{"never more than a batch", stream.MaxBatchRecords, stream.MaxBatchRecords, 1,
			stream.MaxBatchRecords},
		{"nothing done", 10, 0, time.Second, 10},
	} {
		s := stepper{limit: c.limit}
		if s.done(c.n, c.took); s.limit != c.want {
			t.Errorf("%s: limit %d, want %d", c.name, s.limit, c.want)
		}
	}
}

// TestStepperSettles: from any beginning, and whatever a record takes, a few steps are enough to
// come to a step of about a millisecond, or of one record.
func TestStepperSettles(t *testing.T) {
	for _, record := range []time.Duration{0, time.Nanosecond, 3 * time.Microsecond,
		time.Millisecond / 3, 5 * time.Millisecond, time.Second} {
		var s stepper
		s.init()
		for range 8 {
			s.done(s.limit, time.Duration(s.limit)*record)
		}
		took := time.Duration(s.limit) * record
		if s.limit > 1 && took > stepTime || took < stepTime/2 && s.limit < stream.MaxBatchRecords {
			t.Errorf("records of %s: steps of %d records take %s", record, s.limit, took)
		}
	}
}
