package task

import (
	"time"

	"goflink/core/stream"
)

const (
	// stepTime is how long a step should take.
	stepTime = time.Millisecond
	// stepGrowth bounds how much larger a step may be than the one before it.
	stepGrowth = 4
)

// stepper sizes steps: as many records as take about stepTime by the last measurement.
type stepper struct{ limit int }

func (s *stepper) init() { s.limit = 1 }

// done takes the measurement of a step of n records.
func (s *stepper) done(n int, took time.Duration) {
	if n <= 0 {
		return
	}
	fits := int(int64(n) * int64(stepTime) / max(1, int64(took)))
	switch {
	case fits < s.limit:
		s.limit = max(1, fits)
	case n >= s.limit:
		s.limit = min(fits, s.limit*stepGrowth, stream.MaxBatchRecords)
	}
}
