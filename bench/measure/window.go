package measure

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The part of a run that counts, in hundredths of its input.
const (
	FromPercent = 20
	ToPercent   = 80
)

const (
	// PollInterval is how often the progress is looked at.
	PollInterval = 2 * time.Millisecond
	// peakEvery is how many polls lie between two looks at the memory.
	peakEvery = 100
)

// ErrTooShort says that a run ended before its part that counts could be seen.
var ErrTooShort = errors.New("the run ended before 80 % of its input was seen: use more events")

// Window is what happened between 20 % and 80 % of a run's input.
type Window struct {
	// Records is how many records were read, CPU what the workers took for them in user and
	// system time, Wall how long it took.
	Records   int64
	CPU, Wall time.Duration
	// Others is the CPU time of everything else on the machine meanwhile.
	Others time.Duration
	// PeakBytes is the workers' highest resident size up to the end of the window.
	PeakBytes int64
}

// PerCPUSecond returns records per CPU-second.
func (w Window) PerCPUSecond() float64 { return float64(w.Records) / w.CPU.Seconds() }

// PerSecond returns records per second.
func (w Window) PerSecond() float64 { return float64(w.Records) / w.Wall.Seconds() }

// mark is the state of affairs at one moment.
type mark struct {
	records         int64
	at              time.Time
	workers, others time.Duration
}

// Run watches one run until it ends. The ended channel is closed when the run has ended, well or
// not; progress returns the records read so far, of input in all; workers returns the usage of the
// worker processes, which must be there from the first record to the end of the window.
func Run(ctx context.Context, ended <-chan struct{}, input int64, progress func() int64,
	workers func() (Usage, error)) (Window, error) {
	var from, to *mark
	var peak int64
	ticker := time.NewTicker(PollInterval)
	defer ticker.Stop()
	for poll := 0; to == nil; poll++ {
		select {
		case <-ctx.Done():
			return Window{}, ctx.Err()
		case <-ended:
			return Window{}, ErrTooShort
		case <-ticker.C:
		}
		records := progress()
		var err error
		switch {
		case from == nil && records*100 >= input*FromPercent:
			from, err = takeMark(records, workers, &peak)
		case from != nil && records*100 >= input*ToPercent:
			to, err = takeMark(records, workers, &peak)
		case poll%peakEvery == 0 && records > 0:
			var usage Usage
			usage, err = workers()
			peak = max(peak, usage.PeakBytes)
		}
		if err != nil {
			return Window{}, fmt.Errorf("after %d of %d records: %w", records, input, err)
		}
	}
	window := Window{
		Records:   to.records - from.records,
		CPU:       to.workers - from.workers,
		Wall:      to.at.Sub(from.at),
		Others:    to.others - from.others,
		PeakBytes: peak,
	}
	if window.CPU <= 0 || window.Records <= 0 {
		return Window{}, fmt.Errorf("%d records in %s of CPU time cannot be measured: use more "+
			"events", window.Records, window.CPU)
	}
	select {
	case <-ctx.Done():
		return Window{}, ctx.Err()
	case <-ended:
		return window, nil
	}
}

func takeMark(records int64, workers func() (Usage, error), peak *int64) (*mark, error) {
	usage, err := workers()
	if err != nil {
		return nil, err
	}
	busy, err := machineBusy()
	if err != nil {
		return nil, err
	}
	*peak = max(*peak, usage.PeakBytes)
	return &mark{
		records: records,
		at:      time.Now(),
		workers: usage.CPU,
		others:  busy - usage.CPU,
	}, nil
}
