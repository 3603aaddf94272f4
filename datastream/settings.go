package datastream

import (
	"strconv"
	"time"

	"goflink/core/config"
	"goflink/core/typeinfo"
)

// EnableCheckpointing takes a checkpoint every interval, at least 10 ms (R79). With
// config.ExactlyOnce each record counts once in state whatever fails; with config.AtLeastOnce some
// may count again after a failure (R95).
func (e *Environment) EnableCheckpointing(interval time.Duration, mode config.CheckpointingMode,
) *Environment {
	e.Set(config.CheckpointingInterval.Key, config.FormatDuration(interval))
	e.Set(config.CheckpointingGuarantee.Key, string(mode))
	_, err := config.ResolveCheckpointing(e.conf)
	e.fail(err)
	return e
}

// EnableUnalignedCheckpoints lets barriers overtake queued records, which then become part of the
// checkpoint, so that backpressure does not delay it (R106).
func (e *Environment) EnableUnalignedCheckpoints() *Environment {
	return e.Set(config.CheckpointingUnaligned.Key, "true")
}

// SetCheckpointDirectory keeps checkpoints in files below a directory, given as a URL.
func (e *Environment) SetCheckpointDirectory(url string) *Environment {
	return e.Set(config.CheckpointsDirectory.Key, url)
}

// SetSavepointDirectory is where savepoints go whose request names no directory.
func (e *Environment) SetSavepointDirectory(url string) *Environment {
	return e.Set(config.SavepointsDirectory.Key, url)
}

// SetStateBackend chooses where working state lives: "hashmap" or "pebble", or one of Flink's other
// names for them (R67).
func (e *Environment) SetStateBackend(name string) *Environment {
	e.Set(config.StateBackendType.Key, name)
	_, err := config.Get(e.conf, config.StateBackendType)
	e.fail(err)
	return e
}

// RestartStrategy says what happens after a failure (R84); NoRestart, FixedDelayRestart,
// FailureRateRestart and ExponentialDelayRestart make it.
type RestartStrategy struct{ options [][2]string }

func restart(kind config.RestartStrategyKind, options ...[2]string) RestartStrategy {
	return RestartStrategy{append([][2]string{{config.RestartStrategyType.Key, string(kind)}},
		options...)}
}

// NoRestart lets the job fail at its first failure.
func NoRestart() RestartStrategy { return restart(config.NoRestart) }

// FixedDelayRestart restarts the job up to attempts times, each time after delay.
func FixedDelayRestart(attempts int, delay time.Duration) RestartStrategy {
	return restart(config.FixedDelay,
		[2]string{config.RestartFixedDelayAttempts.Key, strconv.Itoa(attempts)},
		[2]string{config.RestartFixedDelay.Key, config.FormatDuration(delay)})
}

// FailureRateRestart restarts the job after delay, unless more than failures happened within
// interval.
func FailureRateRestart(failures int, interval, delay time.Duration) RestartStrategy {
	return restart(config.FailureRate,
		[2]string{config.RestartFailureRateMax.Key, strconv.Itoa(failures)},
		[2]string{config.RestartFailureRateInterval.Key, config.FormatDuration(interval)},
		[2]string{config.RestartFailureRateDelay.Key, config.FormatDuration(delay)})
}

// ExponentialDelayRestart restarts the job after a time that begins with initial and grows by a
// factor with each further failure, up to most; it begins anew after reset without a failure.
func ExponentialDelayRestart(initial, most time.Duration, factor float64, reset time.Duration,
) RestartStrategy {
	return restart(config.ExponentialDelay,
		[2]string{config.RestartExponentialInitialBackoff.Key, config.FormatDuration(initial)},
		[2]string{config.RestartExponentialMaxBackoff.Key, config.FormatDuration(most)},
		[2]string{config.RestartExponentialMultiplier.Key,
			strconv.FormatFloat(factor, 'g', -1, 64)},
		[2]string{config.RestartExponentialResetThreshold.Key, config.FormatDuration(reset)})
}

// SetRestartStrategy sets what happens after a failure (R84). Without a call the configuration says
// it, and else jobs with checkpoints are restarted without limit, others not at all.
func (e *Environment) SetRestartStrategy(s RestartStrategy) *Environment {
	for _, o := range s.options {
		e.Set(o[0], o[1])
	}
	_, err := config.ResolveRestartStrategy(e.conf, false)
	e.fail(err)
	return e
}

// RegisterType lets fields of interface type hold values of the type of v, by the generic
// serializer (R110). It works for all programs of the process, as typeinfo.Register does.
func (e *Environment) RegisterType(v any) *Environment {
	typeinfo.Register(v)
	return e
}

// DisableGenericTypes refuses record types that only the generic serializer can write (R110).
func (e *Environment) DisableGenericTypes() *Environment {
	return e.Set(config.PipelineGenericTypes.Key, "false")
}
