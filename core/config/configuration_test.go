package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// newForTest makes a Configuration of "key=value" texts with one origin.
func newForTest(origin string, texts ...string) *Configuration {
	c := New()
	for _, t := range texts {
		k, v, _ := strings.Cut(t, "=")
		c.Set(k, v, origin)
	}
	return c
}

func TestSetAndOrder(t *testing.T) {
	c := newForTest(OriginProgram, "b=1", "a=2", "c=3", "b=4")
	if got := c.Keys(); !slices.Equal(got, []string{"b", "a", "c"}) {
		t.Errorf("keys %v", got)
	}
	c.Unset("a")
	c.Unset("never set")
	if got := c.Keys(); !slices.Equal(got, []string{"b", "c"}) || c.Len() != 2 {
		t.Errorf("keys %v after Unset", got)
	}
	if e, ok := c.Raw("b"); !ok || e != (Entry{"b", "4", OriginProgram}) {
		t.Errorf("b is %v", e)
	}
	clone := c.Clone()
	clone.Set("d", "5", OriginDynamic)
	clone.Set("b", "6", OriginDynamic)
	if e, _ := c.Raw("b"); e.Value != "4" || c.Len() != 2 {
		t.Error("a change of the clone shows in the original")
	}
	if got := FromEntries(clone.Entries()); !slices.Equal(got.Entries(), clone.Entries()) {
		t.Errorf("entries came back as %v", got.Entries())
	}
	back := FromMap(clone.ToMap(), "job")
	if !maps.Equal(back.ToMap(), clone.ToMap()) ||
		!slices.Equal(back.Keys(), []string{"b", "c", "d"}) {
		t.Errorf("map came back as %v", back.Entries())
	}
}

func TestNilConfiguration(t *testing.T) {
	var c *Configuration
	if v, err := Get(c, ParallelismDefault); v != 1 || err != nil {
		t.Errorf("parallelism %v, %v", v, err)
	}
	if c.Len() != 0 || len(c.Keys()) != 0 || len(c.Entries()) != 0 || len(c.ToMap()) != 0 ||
		c.Clone().Len() != 0 || c.Validate() != nil || len(c.Notices()) != 0 ||
		c.Below("a").Len() != 0 || IsSet(c, PipelineName) || c.Redacted().Len() != 0 ||
		IsSet(c, MetricsReporter) {
		t.Error("a nil Configuration is not empty")
	}
	c.Unset("a")
	if _, ok := c.Raw("a"); ok {
		t.Error("a nil Configuration has a key")
	}
	if got := OriginOf(c, PipelineName); got != OriginDefault {
		t.Errorf("origin %q", got)
	}
	var zero Configuration
	zero.Set("a", "1", OriginProgram)
	zero.Merge(nil)
	if zero.Len() != 1 {
		t.Error("the zero Configuration cannot be used")
	}
}

// TestParallelismLevels: R22, the levels below the operator are layers of one configuration.
func TestParallelismLevels(t *testing.T) {
	system := newForTest(FileOrigin("conf/config.yaml", 3), "parallelism.default=2")
	client := newForTest(OriginClient, "parallelism.default=3")
	environment := newForTest(OriginProgram, "parallelism.default=4")
	for _, c := range []struct {
		layers []*Configuration
		want   int
		origin string
	}{
		{[]*Configuration{system, client, environment}, 4, OriginProgram},
		{[]*Configuration{system, client}, 3, OriginClient},
		{[]*Configuration{system}, 2, "file conf/config.yaml:3"},
		{nil, 1, OriginDefault},
	} {
		merged := New()
		for _, l := range c.layers {
			merged.Merge(l)
		}
		got, err := Get(merged, ParallelismDefault)
		if err != nil || got != c.want || OriginOf(merged, ParallelismDefault) != c.origin {
			t.Errorf("%d layers: %d from %q, %v; want %d from %q", len(c.layers), got,
				OriginOf(merged, ParallelismDefault), err, c.want, c.origin)
		}
	}
}

func TestAliases(t *testing.T) {
	for _, c := range []struct {
		name string
		set  []string
		want string
	}{
		{"none", nil, ""},
		{"current", []string{"execution.checkpointing.dir=new"}, "new"},
		{"former", []string{"state.checkpoints.dir=old"}, "old"},
		{"oldest", []string{"state.backend.fs.checkpointdir=oldest"}, "oldest"},
		{"current goes before former",
			[]string{"execution.checkpointing.dir=new", "state.checkpoints.dir=old"}, "new"},
		{"whatever the order",
			[]string{"state.checkpoints.dir=old", "execution.checkpointing.dir=new"}, "new"},
		{"former names in their order",
			[]string{"state.backend.fs.checkpointdir=oldest", "state.checkpoints.dir=old"}, "old"},
	} {
		conf := newForTest(OriginProgram, c.set...)
		got, set, err := Lookup(conf, CheckpointsDirectory)
		if err != nil || got != c.want || set != (len(c.set) > 0) {
			t.Errorf("%s: %q, %v, %v; want %q", c.name, got, set, err, c.want)
		}
		if IsSet(conf, CheckpointsDirectory) != set {
			t.Errorf("%s: IsSet and Lookup differ", c.name)
		}
	}
}

func TestOneAliasOfTwoOptions(t *testing.T) {
	c := newForTest(OriginProgram, "state.backend.local-recovery=true")
	from, err1 := Get(c, StateLocalRecovery)
	backup, err2 := Get(c, CheckpointingLocalBackup)
	if !from || !backup || err1 != nil || err2 != nil {
		t.Errorf("%v, %v; %v, %v", from, backup, err1, err2)
	}
}

// TestMergeAcrossSpellings: the later source wins, whatever names both use.
func TestMergeAcrossSpellings(t *testing.T) {
	file := newForTest(FileOrigin("conf/config.yaml", 1), "state.backend.type=pebble",
		"restart-strategy=none", "parallelism.default=2")
	dynamic := newForTest(OriginDynamic, "state.backend=hashmap",
		"restart-strategy.type=fixed-delay")
	file.Merge(dynamic)
	if b, err := Get(file, StateBackendType); b != HashMapBackend || err != nil {
		t.Errorf("backend %q, %v", b, err)
	}
	if r, err := Get(file, RestartStrategyType); r != FixedDelay || err != nil {
		t.Errorf("restart strategy %q, %v", r, err)
	}
	if got := OriginOf(file, StateBackendType); got != OriginDynamic {
		t.Errorf("origin %q", got)
	}
	both := New()
	both.Merge(newForTest(OriginProgram, "state.backend.type=pebble", "state.backend=hashmap"))
	if both.Len() != 2 {
		t.Errorf("two spellings in one source: %v; Notices must see them", both.Keys())
	}
}

func TestMapOptions(t *testing.T) {
	for name, c := range map[string]*Configuration{
		"one value": newForTest(OriginProgram, "pipeline.global-job-parameters=a:1,b:x"),
		"keys": newForTest(OriginProgram, "pipeline.global-job-parameters.a=1", "other=2",
			"pipeline.global-job-parameters.b=x"),
	} {
		got, set, err := Lookup(c, PipelineGlobalJobParameters)
		if err != nil || !set || !maps.Equal(got, map[string]string{"a": "1", "b": "x"}) {
			t.Errorf("%s: %v, %v, %v", name, got, set, err)
		}
		if OriginOf(c, PipelineGlobalJobParameters) != OriginProgram {
			t.Errorf("%s: origin %q", name, OriginOf(c, PipelineGlobalJobParameters))
		}
	}
	c := newForTest(OriginProgram, "yarn.taskmanager.env.LANG=C", "yarn.taskmanager.env.TZ=a:b,c")
	got, err := Get(c, ContainerTaskManagerEnvironment)
	if err != nil || !maps.Equal(got, map[string]string{"LANG": "C", "TZ": "a:b,c"}) {
		t.Errorf("below a former name: %v, %v", got, err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	r := newForTest(OriginProgram, "metrics.reporter.prom.port=9249", "metrics.reporter.prom.x.y=1",
		"metrics.reporter.promised.port=1", "metrics.reporter.prom=0").
		Below("metrics.reporter.prom")
	if !maps.Equal(r.ToMap(), map[string]string{"port": "9249", "x.y": "1"}) {
		t.Errorf("below a prefix: %v", r.Entries())
	}
}

func TestPut(t *testing.T) {
	c := newForTest(FileOrigin("f", 1), "state.backend=rocksdb")
	put := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	put(Put(c, StateBackendType, HashMapBackend, OriginProgram))
	put(Put(c, CheckpointingInterval, 90*time.Second, OriginProgram))
	put(Put(c, TaskManagerMemoryProcess, 1729*Mebibyte, OriginProgram))
	put(Put(c, YarnShipFiles, []string{"a;b", "c"}, OriginProgram))
	put(Put(c, TaskManagerCPUCores, 0.5, OriginProgram))
	put(Put(c, PipelineGlobalJobParameters, map[string]string{"k": "v,w"}, OriginProgram))
	if want := []string{"state.backend.type", "execution.checkpointing.interval",
		"taskmanager.memory.process.size", "yarn.ship-files", "taskmanager.cpu.cores",
		"pipeline.global-job-parameters"}; !slices.Equal(c.Keys(), want) {
		t.Errorf("keys %v", c.Keys())
	}
	if v, err := Get(c, CheckpointingInterval); v != 90*time.Second || err != nil {
		t.Errorf("interval %v, %v", v, err)
	}
	if v, err := Get(c, YarnShipFiles); !slices.Equal(v, []string{"a;b", "c"}) || err != nil {
		t.Errorf("files %v, %v", v, err)
	}
	if v, err := Get(c, PipelineGlobalJobParameters); v["k"] != "v,w" || err != nil {
		t.Errorf("parameters %v, %v", v, err)
	}
	if err := Put(c, ParallelismDefault, 0, OriginProgram); err == nil {
		t.Error("parallelism 0 was set")
	}
	var foreign Option[int]
	if Put(c, foreign, 1, OriginProgram) == nil {
		t.Error("an option without a constructor was set")
	}
	c.Set("", "1", OriginProgram)
	if _, err := Get(c, foreign); err == nil {
		t.Error("an option without a constructor was read")
	}
}
