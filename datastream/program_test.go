package datastream_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"goflink/core/config"
	"goflink/core/eventtime"
	"goflink/core/failure"
	"goflink/datastream"
	"goflink/entrypoint"
	"goflink/graph"
)

// TestParallelismLevels: R22: operator before environment before client before system.
func TestParallelismLevels(t *testing.T) {
	system, err := config.Load("config.yaml", []byte("parallelism.default: 2\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		client, env, operator, want int
		system                      bool
	}{
		{client: 3, env: 4, operator: 5, system: true, want: 5},
		{client: 3, env: 4, system: true, want: 4},
		{client: 3, system: true, want: 3},
		{system: true, want: 2},
		{want: 1},
	} {
		conf := config.New()
		if c.system {
			conf = system.Clone()
		}
		if c.client > 0 {
			conf.Set(config.ParallelismDefault.Key, fmt.Sprint(c.client), config.OriginClient)
		}
		env := datastream.New(t.Context(), datastream.Options{Executor: refuser{}, Config: conf})
		if c.env > 0 {
			env.SetParallelism(c.env)
		}
		m := datastream.Map(datastream.FromSequence(env, 1, 2), func(n int64) int64 { return n })
		if c.operator > 0 {
			m.SetParallelism(c.operator)
		}
		m.ForEach(func(int64) {})
		if got := node(t, streamGraph(t, env), "Map").Parallelism; got != c.want {
			t.Errorf("%+v: the parallelism is %d", c, got)
		}
	}
}

// TestTransformations: R24: the calls make a list of transformations before anything runs.
func TestTransformations(t *testing.T) {
	env := environment(t)
	words := datastream.Map(datastream.FromSequence(env, 1, 3), func(n int64) count {
		return count{fmt.Sprint(n % 2), n}
	})
	datastream.KeyByField(words, "word").Sum("n").Print()
	var got []string
	for i, tr := range env.Transformations() {
		if tr.ID != i+1 {
			t.Errorf("transformation %d has the id %d", i, tr.ID)
		}
		got = append(got, tr.Name)
	}
	want := []string{"Source: Sequence", "Map", "HASH", "Keyed Sum", "Sink: Print to Std. Out"}
	if !slices.Equal(got, want) {
		t.Errorf("transformations %q, want %q", got, want)
	}
	kinds := []graph.Kind{graph.KindSource, graph.KindOperator, graph.KindPartition,
		graph.KindOperator, graph.KindSink}
	for i, tr := range env.Transformations() {
		if tr.Kind != kinds[i] {
			t.Errorf("%s has the kind %d, want %d", tr.Name, tr.Kind, kinds[i])
		}
	}
}

// TestLazy: R33, R35: a program without Execute connects to nothing.
func TestLazy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	err = entrypoint.Run(t.Context(), func(env *datastream.Environment, _ []string) error {
		datastream.SocketText(env, "127.0.0.1", port).ForEach(func(string) {
			t.Error("a record of a program that was never executed")
		})
		return nil
	}, nil, settings())
	if err != nil {
		t.Fatal(err)
	}
	// Connections are accepted in the order in which they were made: ours must be the first.
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if got.RemoteAddr().String() != c.LocalAddr().String() {
		t.Errorf("a connection from %s, before that of the test (%s)", got.RemoteAddr(),
			c.LocalAddr())
	}
}

// TestSeveralJobs: R33, R124: a program may execute several jobs, one after the other; an empty
// name is replaced by pipeline.name.
func TestSeveralJobs(t *testing.T) {
	err := entrypoint.Run(t.Context(), func(env *datastream.Environment, _ []string) error {
		for _, name := range []string{"first", ""} {
			got := collect(datastream.FromSequence(env, 1, 3))
			r, err := env.Execute(name)
			if err != nil {
				return err
			}
			got.wantSet(t, "1", "2", "3")
			if want := map[string]string{"first": "first", "": "a default"}[name]; r.Name != want {
				t.Errorf("the job is called %q, want %q", r.Name, want)
			}
			if n := len(env.Transformations()); n != 0 {
				t.Errorf("%d transformations are left", n)
			}
		}
		return nil
	}, nil, settings("pipeline.name", "a default"))
	if err != nil {
		t.Fatal(err)
	}
}

// TestRefusals: mistakes in a program are found by Execute, with what is wrong and where.
func TestRefusals(t *testing.T) {
	drop := func(count) {}
	for _, c := range []struct {
		name  string
		build func(env *datastream.Environment)
		parts []string
	}{
		{"no operator (R23)", func(*datastream.Environment) {}, []string{"no sink", "0 operators"}},
		{"no sink (R23)", func(env *datastream.Environment) { threeNumbers(env) },
			[]string{"no sink", "Print"}},
		{"forward between unequal parallelism (R26)", func(env *datastream.Environment) {
			threeNumbers(env).SetParallelism(2).Forward().ForEach(func(int64) {}).SetParallelism(3)
		}, []string{"forward", "Source: Sequence", "has 2", "has 3", "rebalance or rescale"}},
		{"equal UIDs (R86)", func(env *datastream.Environment) {
			threeNumbers(env).UID("x").ForEach(func(int64) {}).UID("x")
		}, []string{"Source: Sequence", "For Each", `same UID "x"`}},
		{"no UID where they are wanted", func(env *datastream.Environment) {
			env.Set("pipeline.auto-generate-uids", "false")
			threeNumbers(env).UID("x").ForEach(func(int64) {})
		}, []string{"For Each", "no UID", "pipeline.auto-generate-uids"}},
		{"unknown field to sum (R34)", func(env *datastream.Environment) {
			keyedWords(env).Sum("counts").ForEach(drop)
		}, []string{`"Keyed Sum"`, `"counts"`, "Word", "N"}},
		{"field that cannot be summed", func(env *datastream.Environment) {
			keyedWords(env).Sum("word").ForEach(drop)
		}, []string{`"Keyed Sum"`, "Word", "cannot be summed"}},
		{"unknown field to sum in windows", func(env *datastream.Environment) {
			datastream.CountWindow(keyedWords(env), 2).Sum("counts").ForEach(drop)
		}, []string{"Window(the global window, Sum)", `"counts"`, "Word", "N"}},
		{"unknown key field (R34)", func(env *datastream.Environment) {
			datastream.KeyByField(threeWords(env), "words").Sum("n").ForEach(drop)
		}, []string{"KeyByField", `"Map"`, `"words"`, "Word", "N"}},
		{"no key field", func(env *datastream.Environment) {
			datastream.KeyByField(threeWords(env)).Sum("n").ForEach(drop)
		}, []string{"KeyByField", "no field"}},
		{"key that is none", func(env *datastream.Environment) {
			datastream.KeyBy(threeWords(env), func(count) map[string]int {
				return nil
			}).Sum("n").ForEach(drop)
		}, []string{"KeyBy", `"Map"`, "map[string]int"}},
		{"records that cannot be serialised (R110)", func(env *datastream.Environment) {
			channels := datastream.Map(threeNumbers(env),
				func(int64) chan int { return nil }).Name("never")
			datastream.CountWindow(datastream.KeyBy(channels, func(chan int) int { return 1 }),
				2).Reduce(
				func(a, _ chan int) chan int { return a }).ForEach(func(chan int) {})
		}, []string{`operator "Map"`, "chan int"}},
		{"records of a generic type where none are wanted (R110)",
			func(env *datastream.Environment) {
				env.DisableGenericTypes()
				datastream.Map(threeNumbers(env),
					func(n int64) any { return n }).ForEach(func(any) {})
			}, []string{`operator "Map"`, "interface"}},
		{"accumulator that cannot be serialised", func(env *datastream.Environment) {
			datastream.Aggregate(datastream.CountWindow(keyedWords(env), 2),
				badAccumulator{}).ForEach(func(int64) {})
		}, []string{"Window(the global window, Aggregate)", "accumulator", "func()"}},
		{"window without size", func(env *datastream.Environment) {
			datastream.TimeWindow(keyedWords(env), 0).Sum("n").ForEach(drop)
		}, []string{"Window(", "size"}},
		{"count window without size", func(env *datastream.Environment) {
			datastream.CountWindow(keyedWords(env), 0).Sum("n").ForEach(drop)
		}, []string{"Window(", "count trigger", "0"}},
		{"window with three sizes", func(env *datastream.Environment) {
			datastream.TimeWindow(keyedWords(env), time.Second, time.Second,
				time.Second).Sum("n").ForEach(drop)
		}, []string{"TimeWindow", "3 times"}},
		{"parallel windows of a whole stream", func(env *datastream.Environment) {
			datastream.CountWindowAll(threeWords(env), 2).Sum("n").SetParallelism(2).ForEach(drop)
		}, []string{"WindowAll(", "cannot run in parallel", "2"}},
		{"side output of another type", func(env *datastream.Environment) {
			w := datastream.TimeWindow(keyedWords(env), time.Second).SideOutputLateData(
				datastream.NewOutputTag[count]("late")).Sum("n")
			datastream.SideOutput(w, datastream.NewOutputTag[string]("late")).
				ForEach(func(string) {})
		}, []string{"Window(", `"late"`, "count", "string"}},
		{"side output of a partitioned stream", func(env *datastream.Environment) {
			tag := datastream.NewOutputTag[string]("tag")
			datastream.SideOutput(threeWords(env).Rebalance(), tag).ForEach(func(string) {})
		}, []string{"REBALANCE", `"tag"`, "before it is partitioned"}},
		{"tag without a name", func(env *datastream.Environment) {
			datastream.SideOutput(threeWords(env), datastream.OutputTag[string]{}).
				ForEach(func(string) {})
		}, []string{`"Map"`, "NewOutputTag"}},
		{"watermarks without a generator", func(env *datastream.Environment) {
			threeWords(env).AssignTimestampsAndWatermarks(eventtime.Strategy[count]{}).ForEach(drop)
		}, []string{"Timestamps/Watermarks", "BoundedOutOfOrderness"}},
		{"projection to an unknown field", func(env *datastream.Environment) {
			datastream.Project[count](threeWords(env), "word", "m").ForEach(drop)
		}, []string{"Projection", `"m"`}},
		{"parallelism 0", func(env *datastream.Environment) {
			threeWords(env).SetParallelism(0).ForEach(drop)
		}, []string{`"Map"`, "at least 1"}},
		{"unknown state backend", func(env *datastream.Environment) {
			env.SetStateBackend("oracle")
			threeWords(env).ForEach(drop)
		}, []string{"state.backend.type", "oracle", "hashmap"}},
		{"checkpoints too often", func(env *datastream.Environment) {
			env.EnableCheckpointing(time.Millisecond, config.ExactlyOnce)
			threeWords(env).ForEach(drop)
		}, []string{"execution.checkpointing.interval", "1 ms"}},
		{"unaligned checkpoints that are not exact (R106)", func(env *datastream.Environment) {
			env.EnableUnalignedCheckpoints().EnableCheckpointing(time.Second, config.AtLeastOnce)
			threeWords(env).ForEach(drop)
		}, []string{"unaligned", "AT_LEAST_ONCE"}},
		{"restart strategy with nonsense (R84)", func(env *datastream.Environment) {
			env.SetRestartStrategy(datastream.FixedDelayRestart(-1, time.Second))
			threeWords(env).ForEach(drop)
		}, []string{"restart-strategy.fixed-delay.attempts", "-1"}},
		{"stream of another environment", func(env *datastream.Environment) {
			threeWords(env).Union(threeWords(environment(t))).ForEach(drop)
		}, []string{"not part of this environment"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := environment(t)
			c.build(env)
			refused(t, env, c.parts...)
		})
	}
}

func threeNumbers(env *datastream.Environment) *datastream.Stream[int64] {
	return datastream.FromSequence(env, 1, 3)
}

func threeWords(env *datastream.Environment) *datastream.Stream[count] {
	return datastream.Map(threeNumbers(env), func(n int64) count { return count{"w", n} })
}

func keyedWords(env *datastream.Environment) *datastream.Keyed[string, count] {
	return datastream.KeyBy(threeWords(env), func(c count) string { return c.Word })
}

// badAccumulator has accumulators that cannot be kept.
type badAccumulator struct{}

func (badAccumulator) Create() func()               { return nil }
func (badAccumulator) Add(_ count, f func()) func() { return f }
func (badAccumulator) Result(func()) int64          { return 0 }
func (badAccumulator) Merge(f, _ func()) func()     { return f }

// TestAllMistakes: a program with several mistakes hears of all of them, up to a limit.
func TestAllMistakes(t *testing.T) {
	env := environment(t)
	for i := range 2 * datastream.MaxErrors {
		datastream.FromSequence(env, 1, 2).SetParallelism(-i).ForEach(func(int64) {})
	}
	_, err := env.Execute("")
	if err == nil {
		t.Fatal("the program was accepted")
	}
	if n := strings.Count(err.Error(), "at least 1"); n != datastream.MaxErrors {
		t.Errorf("%d mistakes are reported, want %d", n, datastream.MaxErrors)
	}
}

// TestSettings: R79, R84, R67, R68: the typed settings are configuration keys of the job.
func TestSettings(t *testing.T) {
	env := environment(t)
	env.EnableCheckpointing(1500*time.Millisecond, config.AtLeastOnce).
		SetRestartStrategy(datastream.FailureRateRestart(3, time.Minute, 2*time.Second)).
		SetStateBackend("rocksdb").SetCheckpointDirectory("file:///cp").
		SetSavepointDirectory("file:///sp").SetMaxParallelism(64).
		Set("state.storage.jobmanager.max-state-size", "6mb")
	datastream.FromSequence(env, 1, 2).ForEach(func(int64) {})
	j, _, err := env.Compile("settings")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"execution.checkpointing.interval":                        "1500 ms",
		"execution.checkpointing.mode":                            "AT_LEAST_ONCE",
		"execution.checkpointing.dir":                             "file:///cp",
		"execution.checkpointing.savepoint-dir":                   "file:///sp",
		"restart-strategy.type":                                   "failure-rate",
		"restart-strategy.failure-rate.max-failures-per-interval": "3",
		"restart-strategy.failure-rate.failure-rate-interval":     "1 min",
		"restart-strategy.failure-rate.delay":                     "2 s",
		"state.backend.type":                                      "rocksdb",
		"state.storage.jobmanager.max-state-size":                 "6mb",
	} {
		if j.Config[key] != want {
			t.Errorf("%s: %q, want %q", key, j.Config[key], want)
		}
	}
	for _, v := range j.Vertices {
		if v.MaxParallelism != 64 || !v.MaxParallelismFixed {
			t.Errorf("%s: maximal parallelism %d, fixed %t", v.Name, v.MaxParallelism,
				v.MaxParallelismFixed)
		}
	}
}

// TestRestartStrategies: R84: a job that fails twice survives two restarts, and not with one.
func TestRestartStrategies(t *testing.T) {
	for attempts, survives := range map[int]bool{2: true, 1: false} {
		_, err := tryExecute(t, func(env *datastream.Environment) {
			env.SetRestartStrategy(datastream.FixedDelayRestart(attempts, time.Millisecond))
			datastream.RichMap(datastream.FromSequence(env, 1, 3), func() *failing {
				return &failing{until: 3}
			}).ForEach(func(int64) {})
		})
		if survives && err != nil {
			t.Errorf("%d attempts: %v", attempts, err)
		}
		if !survives && !errors.Is(err, errFailing) && (err == nil ||
			!strings.Contains(err.Error(), errFailing.Error())) {
			t.Errorf("%d attempts: %v, want the function's error", attempts, err)
		}
	}
}

// failing fails in its first attempts.
type failing struct{ attempt, until int }

var errFailing = errors.New("this attempt fails on purpose")

func (f *failing) Open(ctx *datastream.FunctionContext) error {
	f.attempt = ctx.AttemptNumber()
	return nil
}

func (f *failing) Map(n int64) (int64, error) {
	if f.attempt < f.until {
		return 0, errFailing
	}
	return n, nil
}

// TestPanicOfUser: a panic in user code fails the job with the place of the panic, not the process.
func TestPanicOfUser(t *testing.T) {
	_, err := tryExecute(t, func(env *datastream.Environment) {
		datastream.Map(datastream.FromSequence(env, 1, 3), func(n int64) int64 {
			panic(fmt.Sprint("number ", n))
		}).Name("bad map").ForEach(func(int64) {})
	})
	if err == nil || !strings.Contains(err.Error(), "number 1") {
		t.Fatalf("error %v, want the panic's text", err)
	}
	var p *failure.Panic
	var r *failure.Remote
	if !errors.As(err, &p) && !errors.As(err, &r) {
		t.Errorf("error %T %v has no stack", err, err)
	}
}

// TestCancelled: R33: when the context ends, Execute cancels the job and returns.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := entrypoint.Run(ctx, func(env *datastream.Environment, _ []string) error {
		datastream.FromSequence(env, 1, 1<<60).ForEach(func(n int64) {
			if n == 1000 {
				cancel()
			}
		})
		_, err := env.Execute("endless")
		return err
	}, nil, settings())
	if err == nil {
		t.Error("an endless job finished")
	}
}

// TestOnce: the value of Once is made once and travels with the job.
func TestOnce(t *testing.T) {
	env := environment(t)
	calls := 0
	once := func() (int, error) {
		return datastream.Once(env, "seed", func() (int, error) { calls++; return 40 + calls, nil })
	}
	for range 2 {
		if v, err := once(); v != 41 || err != nil {
			t.Errorf("value %d, %v", v, err)
		}
	}
	datastream.FromSequence(env, 1, 2).ForEach(func(int64) {})
	j, _, err := env.Compile("once")
	if err != nil {
		t.Fatal(err)
	}
	if len(j.Once["seed"]) == 0 {
		t.Errorf("the job has the values %v", j.Once)
	}
	_, err = datastream.Once(env, "bad", func() (chan int, error) { return nil, nil })
	if err == nil || !strings.Contains(err.Error(), `Once("bad")`) {
		t.Errorf("a channel: %v", err)
	}
}
