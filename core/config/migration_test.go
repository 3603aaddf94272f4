package config

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFilesWrittenForFlink: a file copied from a Flink cluster starts, whatever the keys in it
// that mean nothing here, and means what it meant there.
func TestFilesWrittenForFlink(t *testing.T) {
	load := func(name string) *Configuration {
		t.Helper()
		file := filepath.Join("testdata", name)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Load(file, data)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%s:\n%v", name, err)
		}
		return c
	}
	old := load("flink-conf.yaml")
	settings, err := ResolveState(old)
	if want := (StateSettings{PebbleBackend, FileSystemStorage, "hdfs:///flink/checkpoints",
		"hdfs:///flink/savepoints", 5 * Mebibyte}); err != nil || settings != want {
		t.Errorf("state %+v, %v", settings, err)
	}
	restart, err := ResolveRestartStrategy(old, true)
	fixed := RestartStrategy{Kind: FixedDelay, Attempts: 3, Delay: 10 * time.Second}
	if err != nil || restart != fixed {
		t.Errorf("restart strategy %+v, %v", restart, err)
	}
	checkpoints, err := ResolveCheckpointing(old)
	if err != nil || !checkpoints.Enabled || checkpoints.Interval != time.Minute ||
		checkpoints.Retention != RetainOnCancellation || checkpoints.NumRetained != 3 ||
		!checkpoints.Incremental || checkpoints.Unaligned {
		t.Errorf("checkpoints %+v, %v", checkpoints, err)
	}
	if v, err := Get(old, HeartbeatTimeout); v != 3*time.Minute || err != nil {
		t.Errorf("heartbeat timeout %v, %v", v, err)
	}
	if v, err := Get(old, JobManagerMemoryProcess); v != 1600*Mebibyte || err != nil {
		t.Errorf("JobManager %v, %v; the current name goes before jobmanager.heap.size", v, err)
	}
	notices := strings.Join(old.Notices(), "\n")
	for _, part := range []string{"jobmanager.heap.size (file",
		"state.backend is state.backend.type",
		"env.java.opts, env.java.opts.taskmanager, classloader.resolve-order"} {
		if !strings.Contains(notices, part) {
			t.Errorf("notices lack %q:\n%s", part, notices)
		}
	}

	current := load("config.yaml")
	checkpoints, err = ResolveCheckpointing(current)
	if err != nil || checkpoints.Interval != 3*time.Minute || !checkpoints.Unaligned ||
		checkpoints.AlignedTimeout != 30*time.Second {
		t.Errorf("checkpoints %+v, %v", checkpoints, err)
	}
	restart, err = ResolveRestartStrategy(current, true)
	if err != nil || restart.Kind != ExponentialDelay || restart.Multiplier != 2 ||
		restart.MaxBackoff != 2*time.Minute {
		t.Errorf("restart strategy %+v, %v", restart, err)
	}
	weights, err := Get(current, TaskManagerMemoryManagedWeights)
	if err != nil || !maps.Equal(weights, TaskManagerMemoryManagedWeights.Default) {
		t.Errorf("weights %v, %v", weights, err)
	}
	parameters, err := Get(current, PipelineGlobalJobParameters)
	if err != nil || parameters["region"] != "eu" || len(parameters) != 2 {
		t.Errorf("parameters %v, %v", parameters, err)
	}
}

// defaultOf returns an option's default, read from an empty configuration.
func defaultOf[T any](t *testing.T, o Option[T]) T {
	t.Helper()
	v, set, err := Lookup(New(), o)
	if set || err != nil {
		t.Errorf("%s: set %v, %v", o.Key, set, err)
	}
	return v
}

// TestDefaults: the numbers of R50, R68, R73, R81, R84, R106, R107, R115, R116, R117, R133, R148
// and R154.
func TestDefaults(t *testing.T) {
	for key, pair := range map[string][2]any{
		"R50":   {defaultOf(t, PipelineTimeCharacteristic), "ProcessingTime"},
		"R68":   {defaultOf(t, CheckpointJobManagerMaxStateSize), 5 * Mebibyte},
		"R68b":  {defaultOf(t, RPCFrameSize), Memory(10485760)},
		"R73":   {defaultOf(t, CheckpointsNumRetained), 1},
		"R73b":  {defaultOf(t, CheckpointMemoryThreshold), 20 * Kibibyte},
		"R73c":  {defaultOf(t, CheckpointingIncremental), false},
		"R73d":  {defaultOf(t, StateBackendAsync), true},
		"R81":   {defaultOf(t, CheckpointingTimeout), 10 * time.Minute},
		"R81b":  {defaultOf(t, CheckpointingMaxConcurrent), 1},
		"R84":   {defaultOf(t, RestartFixedDelayAttempts), 2147483647},
		"R84b":  {defaultOf(t, RestartFailureRateMax), 1},
		"R84c":  {defaultOf(t, RestartFailureRateInterval), time.Minute},
		"R84d":  {defaultOf(t, RestartFailureRateDelay), time.Second},
		"R106":  {defaultOf(t, CheckpointingUnaligned), false},
		"R107":  {defaultOf(t, BackpressureSamples), 100},
		"R107b": {defaultOf(t, BackpressureDelay), 50 * time.Millisecond},
		"R107c": {defaultOf(t, BackpressureRefreshInterval), time.Minute},
		"R112":  {defaultOf(t, TaskManagerMemorySegment), 32 * Kibibyte},
		"R115":  {defaultOf(t, TaskManagerMemoryFrameworkHeap), 128 * Mebibyte},
		"R115b": {defaultOf(t, TaskManagerMemoryFrameworkOffHeap), 128 * Mebibyte},
		"R115c": {defaultOf(t, TaskManagerMemoryTaskOffHeap), Memory(0)},
		"R115d": {defaultOf(t, TaskManagerMemoryOverheadMin), 192 * Mebibyte},
		"R115e": {defaultOf(t, TaskManagerMemoryOverheadMax), Gibibyte},
		"R115f": {defaultOf(t, TaskManagerMemoryOverheadFraction), 0.1},
		"R116":  {defaultOf(t, TaskManagerMemoryProcess), 1728 * Mebibyte},
		"R116b": {defaultOf(t, TaskManagerMemoryManagedFraction), 0.4},
		"R116c": {defaultOf(t, TaskManagerMemoryNetworkFraction), 0.1},
		"R116d": {defaultOf(t, TaskManagerMemoryNetworkMin), 64 * Mebibyte},
		"R116e": {defaultOf(t, TaskManagerMemoryNetworkMax), Gibibyte},
		"R117":  {defaultOf(t, JobManagerMemoryProcess), 1600 * Mebibyte},
		"R117b": {defaultOf(t, JobManagerMemoryOffHeap), 128 * Mebibyte},
		"R133":  {defaultOf(t, HeartbeatInterval), 10 * time.Second},
		"R133b": {defaultOf(t, HeartbeatTimeout), 50 * time.Second},
		"R148":  {defaultOf(t, SlotRequestTimeout), 5 * time.Minute},
		"R154":  {defaultOf(t, TaskManagerNumberOfTaskSlots), 1},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: the default is %v, want %v", key, pair[0], pair[1])
		}
	}
}
