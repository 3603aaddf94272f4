package memory

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"goflink/core/config"
)

const mb = config.Mebibyte

// conf makes a configuration of "key=value" texts.
func conf(t *testing.T, texts ...string) *config.Configuration {
	t.Helper()
	c, err := config.ParseDynamic(texts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tm puts the prefix of TaskManager options in front.
func tm(texts ...string) []string {
	for i, s := range texts {
		texts[i] = "taskmanager.memory." + s
	}
	return texts
}

// jm puts the prefix of JobManager options in front.
func jm(texts ...string) []string {
	for i, s := range texts {
		texts[i] = "jobmanager.memory." + s
	}
	return texts
}

// TestTaskManager: R114, R115 and R116. The figures of other sizes are worked out by hand from
// the formulas in R116.
func TestTaskManager(t *testing.T) {
	base := TaskManagerMemory{
		Process: 1728 * mb, Flink: 1280 * mb, FrameworkHeap: 128 * mb, FrameworkOffHeap: 128 * mb,
		TaskHeap: 384 * mb, Network: 128 * mb, Managed: 512 * mb, Metaspace: 256 * mb,
		Overhead: 192 * mb, Segment: 32 << 10, Slots: 1, GoLimit: 1536 * mb,
	}
	with := func(change func(*TaskManagerMemory)) TaskManagerMemory {
		m := base
		change(&m)
		return m
	}
	for _, c := range []struct {
		name string
		set  []string
		want TaskManagerMemory
	}{
		{"R116: the default is 1728m", nil, base},
		{"R116: process 1728m", tm("process.size=1728m"), base},
		// 0.1/0.9 of 1536 MiB is 170.7 MiB, so the minimum of the overhead applies.
		{"the same from flink.size", tm("flink.size=1280m"), base},
		{"the same from task heap and managed",
			tm("task.heap.size=384m", "managed.size=512m"), base},
		{"all that agree", tm("process.size=1728m", "flink.size=1280m", "task.heap.size=384m",
			"managed.size=512m"), base},
		{"former key", []string{"taskmanager.heap.mb=1728"}, base},
		{"4 GiB", tm("process.size=4g"), TaskManagerMemory{
			Process: 4096 * mb, Overhead: 429496729, Metaspace: 256 * mb,
			Flink:         4294967296 - 429496729 - 268435456, // 3597035111
			FrameworkHeap: 128 * mb, FrameworkOffHeap: 128 * mb,
			Managed: 1438814044, Network: 359703511,
			TaskHeap: 3597035111 - 268435456 - 1438814044 - 359703511,
			Segment:  32 << 10, Slots: 1, GoLimit: 4294967296 - 429496729,
		}},
		{"64 GiB: both maxima apply", tm("process.size=64g"), TaskManagerMemory{
			Process: 65536 * mb, Overhead: 1024 * mb, Metaspace: 256 * mb, Flink: 64256 * mb,
			FrameworkHeap: 128 * mb, FrameworkOffHeap: 128 * mb, Network: 1024 * mb,
			Managed:  26950919782, // 0.4 of 64256 MiB, whole bytes
			TaskHeap: 64256*mb - 256*mb - 1024*mb - 26950919782,
			Segment:  32 << 10, Slots: 1, GoLimit: 64512 * mb,
		}},
		{"managed size and task off-heap", tm("process.size=1728m", "managed.size=600m",
			"task.off-heap.size=40m"), with(func(m *TaskManagerMemory) {
			m.Managed, m.TaskOffHeap, m.TaskHeap, m.GoLimit = 600*mb, 40*mb, 256*mb, 1496*mb
		})},
		{"task heap leaves the rest to the network",
			tm("process.size=1728m", "task.heap.size=300m"),
			with(func(m *TaskManagerMemory) { m.TaskHeap, m.Network = 300*mb, 212*mb })},
		{"network is the inverse fraction of the others",
			tm("task.heap.size=1g", "managed.size=1g"),
			TaskManagerMemory{
				FrameworkHeap: 128 * mb, FrameworkOffHeap: 128 * mb, TaskHeap: 1024 * mb,
				Managed: 1024 * mb, Network: 268435456, Flink: 2560 * mb, Metaspace: 256 * mb,
				Overhead: 328087779, Process: 2816*mb + 328087779, Segment: 32 << 10, Slots: 1,
				GoLimit: 2816 * mb,
			}},
		{"no metaspace, fixed overhead", tm("process.size=1472m", "jvm-metaspace.size=0",
			"jvm-overhead.min=192m", "jvm-overhead.max=192m"), with(func(m *TaskManagerMemory) {
			m.Process, m.Metaspace, m.GoLimit = 1472*mb, 0, 1280*mb
		})},
		{"overhead between process and flink", tm("process.size=1800m", "flink.size=1280m"),
			with(func(m *TaskManagerMemory) {
				m.Process, m.Overhead = 1800*mb, 264*mb
			})},
		{"slots",
			[]string{"taskmanager.numberOfTaskSlots=4", "taskmanager.memory.segment-size=64kb"},
			with(func(m *TaskManagerMemory) { m.Slots, m.Segment = 4, 64<<10 })},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := TaskManager(conf(t, c.set...))
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got\n%+v\nwant\n%+v", got, c.want)
			}
		})
	}
}

// TestJobManager: R117.
func TestJobManager(t *testing.T) {
	base := JobManagerMemory{Process: 1600 * mb, Flink: 1152 * mb, Heap: 1024 * mb,
		OffHeap: 128 * mb, Metaspace: 256 * mb, Overhead: 192 * mb, GoLimit: 1408 * mb}
	for _, c := range []struct {
		name string
		set  []string
		want JobManagerMemory
	}{
		{"R117: the default is 1600m", nil, base},
		{"process", jm("process.size=1600m"), base},
		{"flink", jm("flink.size=1152m"), base},
		{"heap", jm("heap.size=1g"), base},
		{"heap and flink give off-heap", jm("heap.size=1000m", "flink.size=1152m"),
			JobManagerMemory{1600 * mb, 1152 * mb, 1000 * mb, 152 * mb, 256 * mb, 192 * mb,
				1408 * mb}},
		{"all that agree", jm("process.size=1600m", "flink.size=1152m", "heap.size=1g",
			"off-heap.size=128m", "jvm-metaspace.size=256m"), base},
		{"64 GiB", jm("process.size=64g"),
			JobManagerMemory{65536 * mb, 64256 * mb, 64128 * mb, 128 * mb, 256 * mb, 1024 * mb,
				64512 * mb}},
	} {
		got, err := JobManager(conf(t, c.set...))
		if err != nil || got != c.want {
			t.Errorf("%s: got\n%+v, %v\nwant\n%+v", c.name, got, err, c.want)
		}
	}
}

// TestContradictions: R117, what cannot be is refused with the keys and their values.
func TestContradictions(t *testing.T) {
	for _, c := range []struct {
		name  string
		set   []string
		parts []string
	}{
		{"process too small for the engine", tm("process.size=400m"),
			[]string{"taskmanager.memory.process.size = 400mb (-D)", "metaspace 256mb",
				"overhead 192mb", "increase"}},
		{"process too small for the parts", tm("process.size=700m"),
			[]string{"engine memory 252mb of taskmanager.memory.process.size = 700mb (-D)",
				"framework.heap.size = 128mb (default)", "managed 105696460b", "network 64mb"}},
		{"engine too small", tm("flink.size=300m"),
			[]string{"taskmanager.memory.flink.size = 300mb (-D)", "managed.fraction"}},
		{"managed too large", tm("flink.size=1280m", "managed.size=1200m"),
			[]string{"managed 1200mb (taskmanager.memory.managed.size)"}},
		{"engine and metaspace above process", tm("flink.size=1600m", "process.size=1728m"),
			[]string{"engine 1600mb and metaspace 256mb", "process.size = 1728mb (-D)"}},
		{"overhead below its minimum", tm("flink.size=1300m", "process.size=1728m"),
			[]string{"overhead of 172mb", "jvm-overhead.min = 192mb (default)",
				"jvm-overhead.max = 1gb (default)"}},
		{"overhead above its maximum", tm("flink.size=1280m", "process.size=4g"),
			[]string{"overhead of 2560mb", "process.size = 4gb (-D)"}},
		{"task heap and managed above flink", tm("flink.size=1g", "task.heap.size=512m",
			"managed.size=512m"), []string{"flink.size = 1gb (-D)", "task.heap.size = 512mb (-D)",
			"managed 512mb (taskmanager.memory.managed.size)", "is less than its parts"}},
		{"rest for the network too large", tm("flink.size=4g", "task.heap.size=512m",
			"managed.size=512m"), []string{"leaves 2816mb for the network",
			"network.max = 1gb (default)"}},
		{"rest for the network too small", tm("process.size=1728m", "task.heap.size=500m"),
			[]string{"leaves 12mb for the network", "network.min = 64mb (default)"}},
		{"min above max", tm("network.min=2g"), []string{"network.min = 2gb (-D)", "is more than",
			"network.max = 1gb (default)"}},
		{"overhead min above max", tm("jvm-overhead.max=100m"),
			[]string{"jvm-overhead.min = 192mb (default)", "jvm-overhead.max = 100mb (-D)"}},
		{"inverse of fraction 1", tm("network.fraction=1", "task.heap.size=1m", "managed.size=1m"),
			[]string{"network.fraction = 1"}},
		{"segment not a power of two", tm("segment-size=33kb"),
			[]string{"segment-size = 33kb (-D)", "power of two"}},
		{"network below a segment", tm("network.min=0", "network.max=16kb"),
			[]string{"network memory 16kb", "segment-size = 32kb (default)"}},
		{"bad value", tm("process.size=17 zb"), []string{"17 zb", "process.size"}},
		{"bad fraction", tm("managed.fraction=40%"), []string{"40%", "managed.fraction"}},
		{"bad slots", []string{"taskmanager.numberOfTaskSlots=0"}, []string{"numberOfTaskSlots"}},
		{"sum above 2^63", tm("task.heap.size=9223372036854775807", "managed.size=1"),
			[]string{"2^63"}},
		{"nothing for the Go heap", tm("task.heap.size=0", "managed.size=0",
			"framework.heap.size=0", "framework.off-heap.size=0", "task.off-heap.size=1g",
			"network.min=32kb", "network.max=32kb", "jvm-metaspace.size=0"),
			[]string{"task.off-heap.size = 1gb (-D)", "Go heap"}},
		{"JobManager too small", jm("process.size=448m"),
			[]string{"jobmanager.memory.process.size = 448mb (-D)", "leaves nothing"}},
		{"JobManager without heap", jm("flink.size=128m"),
			[]string{"flink.size = 128mb (-D)", "off-heap.size = 128mb (default)"}},
		{"JobManager heap above flink", jm("flink.size=1g", "heap.size=2g"),
			[]string{"flink.size = 1gb (-D)", "heap.size = 2gb (-D)"}},
		{"JobManager parts not the sum",
			jm("flink.size=1g", "heap.size=512m", "off-heap.size=128m"),
			[]string{"flink.size = 1gb (-D)", "heap.size = 512mb (-D)",
				"off-heap.size = 128mb (-D)"}},
		{"JobManager overhead", jm("flink.size=1g", "process.size=8g"),
			[]string{"jobmanager.memory.jvm-overhead.max"}},
	} {
		_, err := TaskManager(conf(t, c.set...))
		if strings.HasPrefix(c.name, "JobManager") {
			_, err = JobManager(conf(t, c.set...))
		}
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		for _, p := range c.parts {
			if !strings.Contains(err.Error(), p) {
				t.Errorf("%s: %q does not contain %q", c.name, err, p)
			}
		}
	}
}

// TestSlots: R121 and R154, memory is divided into equal shares.
func TestSlots(t *testing.T) {
	m, err := TaskManager(conf(t, "taskmanager.numberOfTaskSlots=3"))
	if err != nil {
		t.Fatal(err)
	}
	want := Slot{TaskHeap: 128 * mb, Network: 44739242, Managed: 178956970}
	if got := m.Slot(); got != want || got.Managed != 512*mb/3 {
		t.Errorf("slot %+v, want %+v", got, want)
	}
	if got := m.NetworkBuffers(); got != 4096 {
		t.Errorf("%d network buffers, want 128 MiB / 32 KiB = 4096", got)
	}
	if (TaskManagerMemory{}).NetworkBuffers() != 0 || (TaskManagerMemory{}).Slot() != (Slot{}) {
		t.Error("memory of nothing has parts")
	}
}

// TestAnyMemory: for random options the parts add up, and what is frozen is computed again to the
// byte, also where the other process has other options.
func TestAnyMemory(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	accepted := 0
	for range 1500 {
		c := config.New()
		set := func(key string, most int64) {
			if r.IntN(3) == 0 {
				c.Set(key, fmt.Sprintf("%db", r.Int64N(most)), config.OriginDynamic)
			}
		}
		for _, k := range []string{"process.size", "flink.size", "managed.size", "task.heap.size"} {
			set("taskmanager.memory."+k, 16<<30)
			set("jobmanager.memory."+k, 16<<30)
		}
		for _, k := range []string{"framework.heap.size", "task.off-heap.size",
			"jvm-metaspace.size", "jvm-overhead.min", "network.min", "off-heap.size"} {
			set("taskmanager.memory."+k, 512<<20)
			set("jobmanager.memory."+k, 512<<20)
		}
		c.Set("jobmanager.memory.heap.size", "1g", config.OriginDynamic)
		if r.IntN(2) == 0 {
			c.Unset("jobmanager.memory.heap.size")
		}
		if m, err := TaskManager(c); err == nil {
			accepted++
			checkTaskManager(t, c, m)
		}
		if m, err := JobManager(c); err == nil {
			accepted++
			checkJobManager(t, c, m)
		}
	}
	if accepted < 500 {
		t.Errorf("only %d of 3000 were accepted; the test says little", accepted)
	}
}

func checkTaskManager(t *testing.T, c *config.Configuration, m TaskManagerMemory) {
	t.Helper()
	engine := m.FrameworkHeap + m.FrameworkOffHeap + m.TaskHeap + m.TaskOffHeap +
		m.Network + m.Managed
	if m.Process != m.Flink+m.Metaspace+m.Overhead || m.Flink != engine ||
		m.GoLimit != m.Process-m.Overhead-m.TaskOffHeap || m.TaskHeap < 0 || m.GoLimit <= 0 {
		t.Errorf("%v: parts do not add up: %+v", c.Entries(), m)
	}
	frozen, err := m.Freeze()
	if err != nil {
		t.Error(err)
		return
	}
	if again, err := TaskManager(frozen); err != nil || again != m {
		t.Errorf("frozen %+v\nbecame %+v, %v", m, again, err)
	}
	other := conf(t, "taskmanager.heap.mb=100", "taskmanager.memory.network.fraction=0.9",
		"taskmanager.memory.size=1", "taskmanager.numberOfTaskSlots=77")
	other.Merge(frozen)
	if again, err := TaskManager(other); err != nil || again != m {
		t.Errorf("frozen over other options %+v\nbecame %+v, %v", m, again, err)
	}
}

func checkJobManager(t *testing.T, c *config.Configuration, m JobManagerMemory) {
	t.Helper()
	if m.Process != m.Flink+m.Metaspace+m.Overhead || m.Flink != m.Heap+m.OffHeap ||
		m.GoLimit != m.Process-m.Overhead || m.Heap < 0 {
		t.Errorf("%v: parts do not add up: %+v", c.Entries(), m)
	}
	frozen, err := m.Freeze()
	if err != nil {
		t.Error(err)
		return
	}
	if again, err := JobManager(frozen); err != nil || again != m {
		t.Errorf("frozen %+v\nbecame %+v, %v", m, again, err)
	}
}

// TestMultiply: fractions are decimal, not binary.
func TestMultiply(t *testing.T) {
	for _, c := range []struct {
		base config.Memory
		f    float64
		want config.Memory
	}{
		{10, 0.1, 1}, {30, 0.1, 3}, {1 << 62, 0.1, 461168601842738790}, {19, 0.1, 1}, {7, 0, 0},
		{1 << 62, 1, 1 << 62}, {1 << 62, 1000, 1<<63 - 1}, {1000, 0.29, 290},
	} {
		if got := multiply(c.base, c.f); got != c.want {
			t.Errorf("%d × %v = %d, want %d", c.base, c.f, got, c.want)
		}
	}
}
