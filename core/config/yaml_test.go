package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestLoadYAML(t *testing.T) {
	text := `# a comment
parallelism.default: 4
taskmanager:
  memory:
    process.size: 1728m      # flat below nested
  numberOfTaskSlots: 2
state: {backend: {type: pebble}, checkpoints.dir: 'hdfs:///flink/checkpoints'}
execution:
  checkpointing:
    interval: 10 s
    timeout: "10 min"
    dir:
jobmanager.memory.process.size: 0x10
yarn.ship-files: [/a, "/b;c"]
external-resources:
  - gpu
  - fpga
pipeline.serialization-config:
  - org.example.A: {type: pojo}
  - org.example.B:
      type: kryo
      of: [1, "two, three"]
defaults: &d
  x: 1
pipeline.global-job-parameters: *d
web.timeout: ~
metrics.scope.jm: <host>.jobmanager
env.log.dir: |
  two
  lines
pipeline.name: true
`
	want := []Entry{
		{"parallelism.default", "4", "2"},
		{"taskmanager.memory.process.size", "1728m", "5"},
		{"taskmanager.numberOfTaskSlots", "2", "6"},
		{"state.backend.type", "pebble", "7"},
		{"state.checkpoints.dir", "hdfs:///flink/checkpoints", "7"},
		{"execution.checkpointing.interval", "10 s", "10"},
		{"execution.checkpointing.timeout", "10 min", "11"},
		{"jobmanager.memory.process.size", "0x10", "13"},
		{"yarn.ship-files", "/a;'/b;c'", "14"},
		{"external-resources", "gpu;fpga", "15"},
		{"pipeline.serialization-config", "[{org.example.A: {type: pojo}}, " +
			"{org.example.B: {type: kryo, of: [1, 'two, three']}}]", "18"},
		{"defaults.x", "1", "24"},
		{"pipeline.global-job-parameters.x", "1", "24"},
		{"metrics.scope.jm", "<host>.jobmanager", "27"},
		{"env.log.dir", "two\nlines\n", "28"},
		{"pipeline.name", "true", "31"},
	}
	c, err := Load("conf/config.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		want[i].Origin = "file conf/config.yaml:" + want[i].Origin
	}
	if got := c.Entries(); !slices.Equal(got, want) {
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Fatalf("from entry %d on: %q, want %q", i, got[min(i, len(got)):],
					want[min(i, len(want)):])
			}
		}
	}
	if l, err := Get(c, YarnShipFiles); err != nil || !slices.Equal(l, []string{"/a", "/b;c"}) {
		t.Errorf("ship files %q, %v", l, err)
	}
}

func TestLoadYAMLOfNothing(t *testing.T) {
	for _, text := range []string{"", "\n\n", "# only a comment\n", "---\n", "~\n", "{}"} {
		if c, err := LoadYAML("c.yaml", []byte(text)); err != nil || c.Len() != 0 {
			t.Errorf("%q: %v, %v", text, c.Keys(), err)
		}
	}
}

// TestYAMLErrors: every error starts with the file and the line.
func TestYAMLErrors(t *testing.T) {
	deep := strings.Repeat("{a: ", MaxDepth+1) + "1" + strings.Repeat("}", MaxDepth+1)
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 {x: 1, y: 2}\n")
	for i := range 20 {
		fmt.Fprintf(&bomb, "a%d: &a%d {x: *a%d, y: *a%d}\n", i+1, i+1, i, i)
	}
	for _, c := range []struct{ name, text, want string }{
		{"not YAML", "a: 1\nb: [1, 2\n", "c.yaml:"},
		{"tab", "a:\n\tb: 1\n", "c.yaml:2: not YAML: "},
		{"list at the top", "- a\n- b\n", `c.yaml:1: expected keys with values`},
		{"text at the top", "just text\n", `c.yaml:1: expected keys with values`},
		{"twice flat", "a.b: 1\n\na.b: 2\n", `c.yaml:3: key "a.b" is set already in line 1`},
		{"twice nested", "a.b: 1\na:\n  b: 2\n", `c.yaml:3: key "a.b" is set already in line 1`},
		{"second document", "a: 1\n---\nb: 2\n", "c.yaml:2: a second YAML document"},
		{"merge key", "x: &x {a: 1}\ny:\n  <<: *x\n", "c.yaml:3: YAML merge keys"},
		{"key with spaces", "a b: 1\n", `c.yaml:1: key "a b" holds spaces`},
		{"key of several parts", "? [a, b]\n: 1\n", "c.yaml:1: a key must be plain text"},
		{"empty key", `"": 1`, "c.yaml:1: a key must be plain text"},
		{"too deep", deep, "c.yaml:1: nested deeper than 32 levels"},
		{"too deep in a list", "a: " + strings.Repeat("[", 40) + strings.Repeat("]", 40),
			"c.yaml:1: nested deeper than 32 levels"},
		{"too many values", bomb.String(), "more than 10000 values"},
		{"unknown alias", "a: *b\n", "c.yaml: not YAML: unknown anchor"},
		{"too large", strings.Repeat("#", MaxFileBytes+1), "c.yaml: larger than"},
		{"alias of itself", "a: &a\n  b: *a\n", "c.yaml"},
	} {
		conf, err := LoadYAML("c.yaml", []byte(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), "c.yaml") ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, error %v; want %q", c.name, conf.Keys(), err, c.want)
		}
	}
}

func TestLoadLines(t *testing.T) {
	text := "# comment\n\n" +
		"jobmanager.rpc.address: localhost # the host\n" +
		"  taskmanager.numberOfTaskSlots:  2  \r\n" +
		"fs.default-scheme: hdfs://namenode:8020\n" +
		"env.java.opts: -Da=b: c\n" +
		"web.tmpdir:\n" +
		"parallelism.default: 1\n" +
		"parallelism.default: 3"
	c, err := Load(`C:\flink\conf\flink-conf.yaml`, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"jobmanager.rpc.address=localhost:3", "taskmanager.numberOfTaskSlots=2:4",
		"fs.default-scheme=hdfs://namenode:8020:5", "env.java.opts=-Da=b: c:6",
		"parallelism.default=3:9"}
	var got []string
	for _, e := range c.Entries() {
		got = append(got, e.Key+"="+e.Value+e.Origin[strings.LastIndex(e.Origin, ":"):])
	}
	if !slices.Equal(got, want) {
		t.Errorf("read %q", got)
	}
	for text, want := range map[string]string{
		"a: 1\nb=2\n":           `flink-conf.yaml:2: expected "key: value"`,
		"a:1\n":                 `flink-conf.yaml:1: expected "key: value"`,
		": 1\n":                 `flink-conf.yaml:1: expected "key: value"`,
		"my key: 1\n":           `flink-conf.yaml:1: expected "key: value"`,
		"password:hunter2 x\n":  `at "password"`,
		strings.Repeat("a", 10): `flink-conf.yaml:1: expected`,
	} {
		_, err := LoadLines("flink-conf.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	if _, err := LoadLines("f", make([]byte, MaxFileBytes+1)); err == nil {
		t.Error("a file above the limit was read")
	}
	var many strings.Builder
	for i := range MaxEntries + 1 {
		fmt.Fprintf(&many, "k%d: 1\n", i)
	}
	if _, err := LoadLines("f", []byte(many.String())); err == nil ||
		!strings.HasPrefix(err.Error(), "f:10001: ") {
		t.Errorf("too many keys: %v", err)
	}
}

func TestParseDynamic(t *testing.T) {
	c, err := ParseDynamic([]string{"-Dparallelism.default=4", "-D", "a.b=x=y", "c=", "-Dflag",
		"parallelism.default=5"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{{"parallelism.default", "5", "-D"}, {"a.b", "x=y", "-D"}, {"c", "", "-D"},
		{"flag", "true", "-D"}}
	if !slices.Equal(c.Entries(), want) {
		t.Errorf("read %q", c.Entries())
	}
	for _, args := range [][]string{{"-D"}, {"-D=1"}, {""}, {"-D", ""}, {"a b=1"}, {" =1"},
		{"-D", "-Dd=1"}, {"--p=1"}} {
		if c, err := ParseDynamic(args); err == nil {
			t.Errorf("%q read as %v", args, c.Entries())
		}
	}
	many := make([]string, MaxEntries+1)
	for i := range many {
		many[i] = fmt.Sprintf("-Dk%d=1", i)
	}
	if _, err := ParseDynamic(many); err == nil {
		t.Error("more keys than the limit were read")
	}
	if c, err := ParseDynamic(nil); err != nil || c.Len() != 0 {
		t.Errorf("nothing read as %v, %v", c.Entries(), err)
	}
}

// FuzzLoad: no file may make a loader or the checks behind it fail; origins name a line.
func FuzzLoad(f *testing.F) {
	f.Add("a: 1\nb:\n  c: [x, {y: z}]\n")
	f.Add("a: &a {x: *a}\n")
	f.Add("? [a]\n: b\n---\n...\n")
	f.Add("parallelism.default: 4 # c\nenv.java.opts: -Dx=y\n")
	f.Add("a: !!binary aGk=\nb: 2001-01-01\nc: !t {<<: 1}\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, file := range []string{"config.yaml", "flink-conf.yaml"} {
			c, err := Load(file, []byte(text))
			if err != nil {
				if !strings.HasPrefix(err.Error(), file) {
					t.Errorf("error without its place: %v", err)
				}
				continue
			}
			for _, e := range c.Entries() {
				if e.Key == "" || !strings.HasPrefix(e.Origin, "file "+file+":") {
					t.Errorf("entry %q", e)
				}
			}
			if err := c.Validate(); err != nil && err.Error() == "" {
				t.Error("an error without a message")
			}
			c.Notices()
		}
	})
}
