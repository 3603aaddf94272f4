package config

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestResolveState: R73 and R101, with the former names of backends.
func TestResolveState(t *testing.T) {
	dir := "state.checkpoints.dir=hdfs:///c"
	for _, c := range []struct {
		name    string
		set     []string
		backend StateBackendKind
		storage CheckpointStorageKind
	}{
		{"R101: nothing set", nil, HashMapBackend, JobManagerStorage},
		{"only a directory", []string{dir}, HashMapBackend, FileSystemStorage},
		{"jobmanager", []string{"state.backend=jobmanager", dir}, HashMapBackend,
			JobManagerStorage},
		{"memory", []string{"state.backend=memory"}, HashMapBackend, JobManagerStorage},
		{"filesystem", []string{"state.backend=filesystem", dir}, HashMapBackend,
			FileSystemStorage},
		{"rocksdb", []string{"state.backend=rocksdb", dir}, PebbleBackend, FileSystemStorage},
		{"pebble", []string{"state.backend.type=pebble"}, PebbleBackend, JobManagerStorage},
		{"forst", []string{"state.backend.type=forst", dir}, PebbleBackend, FileSystemStorage},
		{"explicit storage wins",
			[]string{"state.backend=filesystem", dir, "state.checkpoint-storage=jobmanager"},
			HashMapBackend, JobManagerStorage},
		{"explicit storage", []string{"execution.checkpointing.storage=filesystem", dir},
			HashMapBackend, FileSystemStorage},
	} {
		got, err := ResolveState(newForTest(OriginDynamic, c.set...))
		if err != nil || got.Backend != c.backend || got.Storage != c.storage {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	for set, parts := range map[string][]string{
		"state.backend=filesystem": {`"state.backend"`, "filesystem",
			"execution.checkpointing.dir"},
		"state.checkpoint-storage=filesystem": {`"state.checkpoint-storage"`,
			"execution.checkpointing.dir"},
		"state.backend=mongodb":                     {"one of hashmap, pebble"},
		"state.storage.jobmanager.max-state-size=0": {"at least 1b"},
		"execution.checkpointing.storage=tape":      {"one of jobmanager, filesystem"},
	} {
		_, err := ResolveState(newForTest(OriginDynamic, set))
		expectParts(t, set, err, append(parts, "(-D)"))
	}
}

// expectParts checks that an error is a ValueError whose message holds all parts.
func expectParts(t *testing.T, name string, err error, parts []string) {
	t.Helper()
	var v *ValueError
	if !errors.As(err, &v) {
		t.Errorf("%s: error %v", name, err)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%s: %q does not contain %q", name, err, p)
		}
	}
}

// TestResolveRestartStrategy: R84.
func TestResolveRestartStrategy(t *testing.T) {
	for _, c := range []struct {
		name        string
		set         []string
		checkpoints bool
		want        RestartStrategy
	}{
		{"without checkpoints", nil, false, RestartStrategy{Kind: NoRestart}},
		{"with checkpoints", nil, true,
			RestartStrategy{Kind: FixedDelay, Attempts: UnlimitedAttempts, Delay: time.Second}},
		{"none with checkpoints", []string{"restart-strategy=none"}, true,
			RestartStrategy{Kind: NoRestart}},
		{"only attempts with checkpoints", []string{"restart-strategy.fixed-delay.attempts=3"},
			true,
			RestartStrategy{Kind: FixedDelay, Attempts: 3, Delay: time.Second}},
		{"fixed-delay", []string{"restart-strategy=fixed-delay",
			"restart-strategy.fixed-delay.attempts=3", "restart-strategy.fixed-delay.delay=10 s"},
			false, RestartStrategy{Kind: FixedDelay, Attempts: 3, Delay: 10 * time.Second}},
		{"failure-rate", []string{"restart-strategy.type=failure-rate"}, false,
			RestartStrategy{Kind: FailureRate, MaxFailures: 1, Interval: time.Minute,
				Delay: time.Second}},
		{"exponential-delay", []string{"restart-strategy.type=exponential-delay"}, false,
			RestartStrategy{Kind: ExponentialDelay, Attempts: UnlimitedAttempts,
				InitialBackoff: time.Second, MaxBackoff: time.Minute, Multiplier: 1.5, Jitter: 0.1,
				ResetThreshold: time.Hour}},
	} {
		got, err := ResolveRestartStrategy(newForTest(OriginDynamic, c.set...), c.checkpoints)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	for _, set := range [][]string{
		{"restart-strategy.type=exponential-delay",
			"restart-strategy.exponential-delay.max-backoff=500 ms"},
		{"restart-strategy.type=sometimes"},
		{"restart-strategy.type=fixed-delay", "restart-strategy.fixed-delay.attempts=-1"},
		{"restart-strategy.type=exponential-delay",
			"restart-strategy.exponential-delay.backoff-multiplier=0.5"},
	} {
		_, err := ResolveRestartStrategy(newForTest(OriginDynamic, set...), false)
		key, _, _ := strings.Cut(set[len(set)-1], "=")
		expectParts(t, key, err, []string{key, "(-D)"})
	}
}

// TestResolveCheckpointing: R81, R95 and R106.
func TestResolveCheckpointing(t *testing.T) {
	got, err := ResolveCheckpointing(New())
	want := CheckpointSettings{Mode: ExactlyOnce, Timeout: 10 * time.Minute, MaxConcurrent: 1,
		Retention: NoExternalizedCheckpoints, NumRetained: 1, AfterTasksFinish: true}
	if err != nil || got != want {
		t.Errorf("nothing set: %+v, %v", got, err)
	}
	const everySecond = "execution.checkpointing.interval=1 s"
	got, err = ResolveCheckpointing(newForTest(OriginDynamic, everySecond))
	if err != nil || !got.Enabled || got.IntervalDuringBacklog != time.Second {
		t.Errorf("interval set: %+v, %v", got, err)
	}
	got, err = ResolveCheckpointing(newForTest(OriginDynamic, everySecond,
		"execution.checkpointing.interval-during-backlog=0"))
	if err != nil || got.IntervalDuringBacklog != 0 {
		t.Errorf("none during backlog: %+v, %v", got, err)
	}
	_, err = ResolveCheckpointing(newForTest(OriginDynamic, everySecond,
		"execution.checkpointing.interval-during-backlog=100 ms"))
	expectParts(t, "backlog", err, []string{"interval-during-backlog", "at least", "(1 s)"})
	_, err = ResolveCheckpointing(newForTest(OriginDynamic,
		"execution.checkpointing.unaligned=true", "execution.checkpointing.mode=AT_LEAST_ONCE"))
	expectParts(t, "unaligned at least once", err,
		[]string{`"execution.checkpointing.unaligned"`, "execution.checkpointing.mode"})
}

func TestConflictNamesDefaults(t *testing.T) {
	c := newForTest(OriginDynamic, "restart-strategy.type=exponential-delay",
		"restart-strategy.exponential-delay.initial-backoff=2 min")
	_, err := ResolveRestartStrategy(c, false)
	expectParts(t, "default against a set value", err,
		[]string{"max-backoff", "(default)", `"1 min"`, "initial-backoff (2 min)"})
}
