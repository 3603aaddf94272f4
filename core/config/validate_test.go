package config

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestValueErrors: an error names key, value, origin, expected form and an example.
func TestValueErrors(t *testing.T) {
	origin := FileOrigin("conf/config.yaml", 12)
	for _, c := range []struct {
		key, value string
		want       []string // parts of the message
	}{
		{"taskmanager.memory.process.size", "17 zb",
			[]string{`unknown unit "zb"`, "a memory size", `"1728m"`}},
		{"taskmanager.memory.segment-size", "1kb", []string{"less than 4kb", "from 4kb to 16mb"}},
		{"parallelism.default", "0", []string{"less than 1", "from 1 to 32768", `"1"`}},
		{"parallelism.default", "two", []string{"not a whole number"}},
		{"pipeline.max-parallelism", "40000", []string{"more than 32768"}},
		{"execution.checkpointing.interval", "5 parsecs", []string{"unknown unit", `"10 s"`, "d"}},
		{"execution.checkpointing.interval", "1 ms", []string{"less than 10 ms"}},
		{"jobstore.expiration-time", "x", []string{"without a unit: s"}},
		{"execution.checkpointing.unaligned", "yes", []string{"neither true nor false"}},
		{"taskmanager.memory.managed.fraction", "1.4", []string{"out of range", "from 0 to 1"}},
		{"execution.checkpointing.mode", "MAYBE", []string{"one of EXACTLY_ONCE, AT_LEAST_ONCE"}},
		{"yarn.ship-files", "'a", nil},
		{"pipeline.cached-files", "'a", []string{"is not closed", `a list separated by ";"`}},
		{"pipeline.global-job-parameters", "a", []string{"not of the form name:value"}},
	} {
		conf := New()
		conf.Set(c.key, c.value, origin)
		err := conf.Validate()
		if c.want == nil {
			if err != nil {
				t.Errorf("%s has no effect, yet %v", c.key, err)
			}
			continue
		}
		var v *ValueError
		if !errors.As(err, &v) || v.Key != c.key || v.Value != c.value || v.Origin != origin {
			t.Errorf("%s = %s: error %v", c.key, c.value, err)
			continue
		}
		for _, part := range append(c.want, `"`+c.key+`"`, `"`+c.value+`"`, "("+origin+")") {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s = %s: %q does not contain %q", c.key, c.value, err, part)
			}
		}
	}
	long := newForTest(OriginDynamic, "parallelism.default="+strings.Repeat("x", 1<<20))
	if err := long.Validate(); err == nil || len(err.Error()) > 1000 {
		t.Error("a long value is repeated in the error")
	}
}

func TestSecretsAreHidden(t *testing.T) {
	e := &ValueError{Key: "my.password", Value: "hunter2", Origin: OriginDynamic,
		Expected: "text", Err: errors.New(`not "hunter2"`)}
	if m := e.Error(); strings.Contains(m, "hunter2") || !strings.Contains(m, "my.password") {
		t.Errorf("error %v", m)
	}
	c := newForTest(OriginDynamic, "my.password=hunter2", "s3.secret-key=abc",
		"security.delegation.tokens.renewal.time-ratio=0.5", "parallelism.default=3")
	r := c.Redacted().ToMap()
	if r["my.password"] != hidden || r["s3.secret-key"] != hidden ||
		r["parallelism.default"] != "3" ||
		r["security.delegation.tokens.renewal.time-ratio"] != "0.5" {
		t.Errorf("for display: %v", r)
	}
	if e, _ := c.Raw("my.password"); e.Value != "hunter2" {
		t.Error("the original was changed")
	}
	for key, want := range map[string]bool{
		"fs.azure.account.key.x": true, "metrics.reporter.dd.apikey": true,
		"security.ssl.rest.key-password": true, "sasl.jaas.config": true, "s3.access-key": true,
		"security.kerberos.login.keytab": false, "taskmanager.numberOfTaskSlots": false,
		"yarn.security.appmaster.delegation.token.services": false,
		"security.delegation.token.provider.hdfs.enabled":   false,
	} {
		if Sensitive(key) != want {
			t.Errorf("Sensitive(%s) = %v", key, !want)
		}
	}
}

func TestUnknownKeys(t *testing.T) {
	for key, nearest := range map[string]string{
		"paralelism.default":                 "parallelism.default",
		"parallelism.defualt":                "parallelism.default",
		"taskmanager.memory.proces.size":     "taskmanager.memory.process.size",
		"taskmanager.numberoftaskslots":      "taskmanager.numberOfTaskSlots",
		"state.checkpoint.dir":               "state.checkpoints.dir",
		"execution.checkpointing.intervall":  "execution.checkpointing.interval",
		"restart-strategy.fixeddelay.delay":  "restart-strategy.fixed-delay.delay",
		"completely.other.key.of.some.other": "",
		"x":                                  "",
	} {
		c := newForTest(OriginDynamic, key+"=1")
		err := c.Validate()
		var u *UnknownKeyError
		var v *ValidationError
		if !errors.As(err, &u) || u.Key != key || u.Origin != OriginDynamic ||
			u.Nearest != nearest {
			t.Errorf("%s: %v; want a hint to %q", key, err, nearest)
			continue
		}
		if !errors.As(err, &v) || len(v.Invalid) != 0 || len(v.Unknown) != 1 {
			t.Errorf("%s: findings %+v", key, v)
		}
		if nearest != "" && !strings.Contains(err.Error(), `did you mean "`+nearest+`"`) {
			t.Errorf("message %q", err)
		}
	}
	many := newForTest(OriginDynamic, "paralelism.default=1", "parallelism.default=x", "q=1")
	var v *ValidationError
	if err := many.Validate(); !errors.As(err, &v) || len(v.Invalid) != 1 || len(v.Unknown) != 2 ||
		strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("findings %v", err)
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b        string
		limit, want int
	}{
		{"", "", 3, 0}, {"abc", "abc", 0, 0}, {"abc", "ABC", 0, 0}, {"abc", "", 5, 3},
		{"abc", "acb", 5, 1}, {"kitten", "sitting", 5, 3}, {"abc", "xyz", 1, 2},
		{"a", "abcdef", 2, 3}, {"ab", "ba", 1, 1},
	} {
		if got := editDistance(c.a, c.b, c.limit); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
		if got := editDistance(c.b, c.a, c.limit); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

func TestNotices(t *testing.T) {
	c := New()
	c.Set("env.java.opts.all", "-XX:+UseG1GC", FileOrigin("c", 1))
	c.Set("state.backend", "rocksdb", FileOrigin("c", 2))
	c.Set("pipeline.object-reuse", "true", FileOrigin("c", 3))
	c.Set("env.java.home", "/usr", FileOrigin("c", 4))
	c.Set("state.checkpoints.dir", "hdfs:///a", FileOrigin("c", 5))
	c.Set("execution.checkpointing.dir", "hdfs:///b", OriginDynamic)
	c.Set("parallelism.default", "2", OriginDynamic)
	c.Set("yarn.application.queue", "q", OriginDynamic)
	want := []string{
		"state.checkpoints.dir (file c:5) is ignored: execution.checkpointing.dir (-D) sets the " +
			"same option",
		"former names, still accepted: state.backend is state.backend.type",
		"without effect: env.java.opts.all, env.java.home (made for the JVM, which is not used)",
		"without effect: pipeline.object-reuse (records are immutable once emitted, so there is " +
			"nothing to reuse)",
		"without effect: yarn.application.queue (read by YARN deployments only)",
	}
	got := c.Notices()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("notices\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if n := newForTest(OriginDynamic, "parallelism.default=2").Notices(); len(n) > 0 {
		t.Errorf("notices about nothing: %v", n)
	}
}

func TestFind(t *testing.T) {
	for key, want := range map[string]string{
		"parallelism.default":           "parallelism.default",
		"state.backend":                 "state.backend.type",
		"akka.ask.timeout":              "pekko.ask.timeout",
		"akka.tcp.timeout":              "akka.tcp.timeout",
		"pekko.tcp.timeout":             "pekko.tcp.timeout",
		"pekko.watch.heartbeat.pause":   "pekko.watch.*",
		"metrics.reporter.prom.port":    "metrics.reporter",
		"flink.hadoop.dfs.replication":  "flink.hadoop",
		"table.exec.mini-batch.enabled": "table.*",
		"containerized.master.env.X":    "containerized.master.env",
	} {
		if k, ok := Find(key); !ok || k.Key != want {
			t.Errorf("%s belongs to %q, %v; want %q", key, k.Key, ok, want)
		}
	}
	for _, key := range []string{"", "table", "metrics.reporter.", "metrics.reporters.x", "akka"} {
		if k, ok := Find(key); ok {
			t.Errorf("%q belongs to %q", key, k.Key)
		}
	}
}

func TestEnumSpelling(t *testing.T) {
	for in, want := range map[string]RestartStrategyKind{
		"fixed-delay": FixedDelay, "fixed_delay": FixedDelay, "FIXEDDELAY": FixedDelay,
		" none ": NoRestart, "off": NoRestart, "disable": NoRestart,
		"exponential-delay": ExponentialDelay, "failurerate": FailureRate,
	} {
		got, err := Get(newForTest(OriginDynamic, "restart-strategy="+in), RestartStrategyType)
		if err != nil || got != want {
			t.Errorf("%q read as %q, %v", in, got, err)
		}
	}
}

func TestUnitsOfBareNumbers(t *testing.T) {
	c := newForTest(OriginDynamic, "jobstore.expiration-time=3600", "yarn.heartbeat.interval=7",
		"slot.request.timeout=300000", "metrics.latency.interval=-1", "jobmanager.heap.mb=1024",
		"jobmanager.heap.size=2048m", "taskmanager.heap.mb=512 m")
	if v, err := Get(c, JobStoreExpirationTime); v != time.Hour || err != nil {
		t.Errorf("expiration %v, %v", v, err)
	}
	if v, err := Get(c, YarnHeartbeatInterval); v != 7*time.Second || err != nil {
		t.Errorf("heartbeat %v, %v", v, err)
	}
	if v, err := Get(c, SlotRequestTimeout); v != 5*time.Minute || err != nil {
		t.Errorf("slot request %v, %v", v, err)
	}
	if v, err := Get(c, MetricsLatencyInterval); v != 0 || err != nil {
		t.Errorf("latency interval %v, %v", v, err)
	}
	if v, err := Get(c, JobManagerMemoryProcess); v != 2*Gibibyte || err != nil {
		t.Errorf("JobManager %v, %v", v, err)
	}
	c.Unset("jobmanager.heap.size")
	if v, err := Get(c, JobManagerMemoryProcess); v != Gibibyte || err != nil {
		t.Errorf("JobManager in MiB %v, %v", v, err)
	}
	if v, err := Get(c, TaskManagerMemoryProcess); v != 512*Mebibyte || err != nil {
		t.Errorf("TaskManager with a unit %v, %v", v, err)
	}
}
