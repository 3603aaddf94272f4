package datastream_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"goflink/core/accumulator"
	"goflink/core/state"
	"goflink/core/tuple"
	"goflink/datastream"
)

// TestMap: R38: one record for each.
func TestMap(t *testing.T) {
	var got *results[string]
	execute(t, func(env *datastream.Environment) {
		got = collect(datastream.Map(elements(env, 1, 2, 3), func(n int) string {
			return strings.Repeat("x", n)
		}))
	})
	got.want(t, "x", "xx", "xxx")
}

// TestFlatMap: R38: none to many records for each.
func TestFlatMap(t *testing.T) {
	var got *results[int]
	execute(t, func(env *datastream.Environment) {
		got = collect(datastream.FlatMap(elements(env, 2, 0, 3),
			func(n int, out datastream.Collector[int]) {
				for i := range n {
					out.Emit(10*n + i)
				}
			}))
	})
	got.want(t, "20", "21", "30", "31", "32")
}

// TestFilter: R38: the records for which the function holds.
func TestFilter(t *testing.T) {
	var got *results[int]
	execute(t, func(env *datastream.Environment) {
		got = collect(elements(env, 5, 2, 8, 1).Filter(func(n int) bool { return n > 3 }))
	})
	got.want(t, "5", "8")
}

// TestProject: R38: fields of records, by name and by position.
func TestProject(t *testing.T) {
	type pair struct {
		A string
		B int
	}
	var fields *results[pair]
	var swapped *results[tuple.T2[int, string]]
	execute(t, func(env *datastream.Environment) {
		type wide struct {
			X float64
			B int
			A string
		}
		fields = collect(datastream.Project[pair](elements(env, wide{1.5, 2, "a"},
			wide{2.5, 3, "b"})))
		swapped = collect(datastream.Project[tuple.T2[int, string]](
			elements(env, tuple.New3("a", true, 1)), "2", "f0"))
	})
	fields.want(t, "pair{a='a', b=2}", "pair{a='b', b=3}")
	swapped.want(t, "(1,a)")
}

// words is a stream of the words of a text, each with the number 1.
func words(env *datastream.Environment, text string) *datastream.Stream[count] {
	return datastream.Map(elements(env, strings.Fields(text)...), func(w string) count {
		return count{w, 1}
	})
}

// TestReduce: R38: what came of all records of the key so far.
func TestReduce(t *testing.T) {
	var got, rich *results[count]
	execute(t, func(env *datastream.Environment) {
		k := datastream.KeyBy(words(env, "a b a a b"), func(c count) string { return c.Word })
		add := func(a, b count) count { return count{a.Word, a.N + b.N} }
		got = collect(k.Reduce(add))
		rich = collect(datastream.RichReduce(k, func() reducer { return add }))
	})
	want := []string{"count{word='a', n=1}", "count{word='b', n=1}", "count{word='a', n=2}",
		"count{word='a', n=3}", "count{word='b', n=2}"}
	got.want(t, want...)
	rich.want(t, want...)
}

type reducer func(a, b count) count

func (f reducer) Reduce(a, b count) (count, error) { return f(a, b), nil }

// TestRollingFields: R34, R38: rolling aggregations of fields that are named, of structs and
// tuples.
func TestRollingFields(t *testing.T) {
	type sale struct {
		Shop  string `flink:"shop"`
		Item  string
		Price float64
	}
	sales := []sale{{"x", "pen", 3}, {"x", "ink", 1}, {"y", "pad", 5}, {"x", "cap", 1},
		{"x", "nib", 3}}
	var got []*results[sale]
	var tuples *results[tuple.T2[string, int]]
	execute(t, func(env *datastream.Environment) {
		k := datastream.KeyByField(elements(env, sales...), "shop")
		for _, s := range []*datastream.Stream[sale]{k.Sum("price"), k.Min("Price"), k.Max("Price"),
			k.MinBy("Price", datastream.KeepFirst), k.MinBy("Price", datastream.KeepLast),
			k.MaxBy("Price", datastream.KeepLast)} {
			got = append(got, collect(s))
		}
		pairs := elements(env, tuple.New2("a", 1), tuple.New2("b", 2), tuple.New2("a", 3))
		tuples = collect(datastream.KeyByField(pairs, "0").Sum("1"))
	})
	for i, want := range [][]string{
		{"pen 3", "pen 4", "pad 5", "pen 5", "pen 8"}, // the sum, in the first record
		{"pen 3", "pen 1", "pad 5", "pen 1", "pen 1"}, // the least value, in the first record
		{"pen 3", "pen 3", "pad 5", "pen 3", "pen 3"},
		{"pen 3", "ink 1", "pad 5", "ink 1", "ink 1"}, // the record with the least value, first
		{"pen 3", "ink 1", "pad 5", "cap 1", "cap 1"}, // or last
		{"pen 3", "pen 3", "pad 5", "pen 3", "nib 3"},
	} {
		var lines []string
		for _, s := range got[i].all() {
			lines = append(lines, fmt.Sprint(s.Item, " ", s.Price))
		}
		if !slices.Equal(lines, want) {
			t.Errorf("aggregation %d: %q, want %q", i, lines, want)
		}
	}
	tuples.want(t, "(a,1)", "(b,2)", "(a,4)")
}

// TestKeyByFields: R34: a key of several fields, and one inside a struct.
func TestKeyByFields(t *testing.T) {
	type inner struct{ Zip int }
	type person struct {
		Name string
		Home inner
		N    int
	}
	people := []person{{"a", inner{1}, 1}, {"a", inner{2}, 1}, {"b", inner{1}, 1},
		{"a", inner{1}, 1}}
	var both, zip *results[person]
	execute(t, func(env *datastream.Environment) {
		s := elements(env, people...)
		both = collect(datastream.KeyByField(s, "name", "home.zip").Sum("n"))
		zip = collect(datastream.KeyByField(s, "home.zip").Sum("n"))
	})
	sums := func(r *results[person]) (ns []int) {
		for _, p := range r.all() {
			ns = append(ns, p.N)
		}
		return ns
	}
	if got := sums(both); !slices.Equal(got, []int{1, 1, 1, 2}) {
		t.Errorf("by name and zip: %v", got)
	}
	if got := sums(zip); !slices.Equal(got, []int{1, 1, 2, 3}) {
		t.Errorf("by zip: %v", got)
	}
}

// TestRollingAggregate: R38, R48: the result of an accumulator per key, for each record.
func TestRollingAggregate(t *testing.T) {
	var got *results[float64]
	execute(t, func(env *datastream.Environment) {
		s := elements(env, count{"a", 1}, count{"b", 5}, count{"a", 2}, count{"a", 6})
		k := datastream.KeyBy(s, func(c count) string { return c.Word })
		got = collect(datastream.RollingAggregate(k, mean{}))
	})
	got.want(t, "1.0", "5.0", "1.5", "3.0")
}

// mean is the mean of counts.
type mean struct{}

type sums struct {
	N, Sum int64
}

func (mean) Create() sums             { return sums{} }
func (mean) Add(c count, a sums) sums { return sums{a.N + 1, a.Sum + c.N} }
func (mean) Result(a sums) float64    { return float64(a.Sum) / float64(a.N) }
func (mean) Merge(a, b sums) sums     { return sums{a.N + b.N, a.Sum + b.Sum} }

// TestSplitSelect: R38: Split gives records names, Select routes them: even and odd, both, none.
func TestSplitSelect(t *testing.T) {
	var even, odd, both, none *results[int]
	execute(t, func(env *datastream.Environment) {
		split := datastream.Split(elements(env, 0, 1, 2, 3, 4), func(n int) []string {
			if n%2 == 0 {
				return []string{"even", "all"}
			}
			return []string{"odd", "all"}
		})
		even, odd = collect(split.Select("even")), collect(split.Select("odd"))
		both, none = collect(split.Select("even", "all")), collect(split.Select("neither"))
	})
	even.want(t, "0", "2", "4")
	odd.want(t, "1", "3")
	both.want(t, "0", "1", "2", "3", "4")
	none.want(t)
}

// TestSideOutputs: a process function writes to side outputs of other types, which keep the time.
func TestSideOutputs(t *testing.T) {
	tag := datastream.NewOutputTag[string]("small")
	var got *results[int64]
	var small, again *results[string]
	execute(t, func(env *datastream.Environment) {
		s := datastream.Process(timed(elements(env, event{"a", 10, 5}, event{"b", 20, 50}), 0),
			func() datastream.ProcessFunction[event, int64] { return sieve{tag} })
		got = collect(s)
		times := datastream.Process(datastream.SideOutput(s, tag),
			func() datastream.ProcessFunction[string, string] { return stampText{} })
		small = collect(times)
		again = collect(datastream.SideOutput(s, tag).Rebalance())
	})
	got.want(t, "50")
	small.want(t, "a=5 at 10")
	again.want(t, "a=5")
}

type sieve struct{ tag datastream.OutputTag[string] }

func (f sieve) ProcessElement(e event, ctx *datastream.Context,
	out datastream.Collector[int64]) error {
	if e.N < 10 {
		datastream.Output(ctx, f.tag, fmt.Sprintf("%s=%d", e.Who, e.N))
		return nil
	}
	out.Emit(e.N)
	return nil
}

// stampText adds the timestamp of each text.
type stampText struct{}

func (stampText) ProcessElement(s string, ctx *datastream.Context,
	out datastream.Collector[string]) error {
	out.Emit(fmt.Sprintf("%s at %d", s, ctx.Timestamp()))
	return nil
}

// TestRichFunctionsOnKeys: R61: rich map, flat map and filter on a keyed stream have state per key.
func TestRichFunctionsOnKeys(t *testing.T) {
	var maps, flats, firsts *results[string]
	execute(t, func(env *datastream.Environment) {
		k := datastream.KeyBy(elements(env, strings.Fields("a b a c a b")...),
			func(s string) string { return s })
		maps = collect(datastream.RichMap(k, func() *counting { return &counting{} }))
		flats = collect(datastream.RichFlatMap(k, func() *counting { return &counting{} }))
		firsts = collect(k.RichFilter(func() datastream.FilterFunction[string] {
			return &counting{}
		}))
	})
	maps.want(t, "a1", "b1", "a2", "c1", "a3", "b2")
	flats.want(t, "b", "a", "a", "a", "b", "b")
	firsts.want(t, "a", "b", "c")
}

// counting counts the records of each key.
type counting struct{ n state.Value[int] }

func (f *counting) Open(ctx *datastream.FunctionContext) (err error) {
	f.n, err = datastream.OpenValue(ctx, state.ValueOf[int]("n"))
	return err
}

func (f *counting) next() (int, error) {
	n, _, err := f.n.Get()
	if err != nil {
		return 0, err
	}
	return n + 1, f.n.Put(n + 1)
}

func (f *counting) Map(s string) (string, error) {
	n, err := f.next()
	return fmt.Sprint(s, n), err
}

// FlatMap emits a record as often as its key came before, and b once more.
func (f *counting) FlatMap(s string, out datastream.Collector[string]) error {
	n, err := f.next()
	for range n - 1 {
		out.Emit(s)
	}
	if s == "b" {
		out.Emit(s)
	}
	return err
}

func (f *counting) Filter(string) (bool, error) {
	n, err := f.next()
	return n == 1, err
}

// TestKeyedProcess: R46, R61: a keyed process function with state, timers and side outputs: who was
// quiet for 10 ms of event time is reported.
func TestKeyedProcess(t *testing.T) {
	var got, alarms *results[string]
	execute(t, func(env *datastream.Environment) {
		s := timed(elements(env, event{"a", 0, 1}, event{"b", 3, 1}, event{"a", 9, 2},
			event{"b", 30, 2}, event{"c", 31, 1}), 0)
		quiet := datastream.KeyedProcess(byWho(s), func() *quiet { return &quiet{} })
		got = collect(quiet)
		alarms = collect(datastream.SideOutput(quiet, alarmTag))
	})
	got.want(t, "a 1", "b 1", "a 2", "b 2", "c 1")
	alarms.want(t, "a since 9", "b since 30", "c since 31")
}

var alarmTag = datastream.NewOutputTag[string]("alarm")

type quiet struct{ last state.Value[int64] }

func (f *quiet) Open(ctx *datastream.FunctionContext) (err error) {
	f.last, err = datastream.OpenValue(ctx, state.ValueOf[int64]("last"))
	return err
}

func (f *quiet) ProcessElement(e event, ctx *datastream.KeyedContext[string],
	out datastream.Collector[string]) error {
	out.Emit(fmt.Sprint(ctx.CurrentKey(), " ", e.N))
	if err := f.last.Put(e.At); err != nil {
		return err
	}
	return ctx.TimerService().RegisterEventTimeTimer(e.At + 10)
}

func (f *quiet) OnTimer(at int64, ctx *datastream.OnTimerContext[string],
	_ datastream.Collector[string]) error {
	last, _, err := f.last.Get()
	if err == nil && last+10 == at {
		datastream.Output(ctx, alarmTag, fmt.Sprint(ctx.CurrentKey(), " since ", last))
	}
	return err
}

// TestKeyedStateNeedsKey: R61: keyed state on a stream that is not keyed is an error that says so.
func TestKeyedStateNeedsKey(t *testing.T) {
	_, err := tryExecute(t, func(env *datastream.Environment) {
		collect(datastream.RichMap(elements(env, "a"), func() *counting { return &counting{} }))
	})
	if err == nil || !strings.Contains(err.Error(), "not keyed") ||
		!strings.Contains(err.Error(), "KeyBy") {
		t.Errorf("error %v", err)
	}
}

// TestAccumulators: the subtasks' shares come merged with the job's result.
func TestAccumulators(t *testing.T) {
	r := execute(t, func(env *datastream.Environment) {
		s := datastream.RichMap(datastream.FromSequence(env, 1, 100).Rebalance(),
			func() *adding { return &adding{} })
		s.SetParallelism(3).ForEach(func(int64) {})
	})
	if r.Accumulators["sum"] != int64(5050) || r.Accumulators["largest"] != 100.0 {
		t.Errorf("accumulators %v", r.Accumulators)
	}
}

type adding struct {
	sum     *accumulator.Number[int64]
	largest *accumulator.Number[float64]
}

func (f *adding) Open(ctx *datastream.FunctionContext) error {
	f.sum, f.largest = accumulator.NewCounter(), accumulator.NewMax()
	if err := ctx.Accumulators().Add("sum", f.sum); err != nil {
		return err
	}
	return ctx.Accumulators().Add("largest", f.largest)
}

func (f *adding) Map(n int64) (int64, error) {
	f.sum.Add(n)
	f.largest.Add(float64(n))
	return n, nil
}

// TestBroadcastVariable: R103: four subtasks of one TaskManager share one copy.
func TestBroadcastVariable(t *testing.T) {
	var mu sync.Mutex
	loads, copies := 0, map[*[]string]int{}
	execute(t, func(env *datastream.Environment) {
		s := datastream.RichMap(datastream.FromSequence(env, 1, 100).Rebalance(),
			func() *lookingUp {
				return &lookingUp{load: func() (*[]string, error) {
					mu.Lock()
					defer mu.Unlock()
					loads++
					return &[]string{"zero", "one", "two"}, nil
				}, seen: func(p *[]string) {
					mu.Lock()
					defer mu.Unlock()
					copies[p]++
				}}
			})
		s.SetParallelism(4).ForEach(func(string) {})
	})
	if loads != 1 || len(copies) != 1 {
		t.Errorf("%d loads, %d copies", loads, len(copies))
	}
	for p, n := range copies {
		if n != 4 || !slices.Equal(*p, []string{"zero", "one", "two"}) {
			t.Errorf("%d subtasks have %q", n, *p)
		}
	}
}

type lookingUp struct {
	load  func() (*[]string, error)
	seen  func(*[]string)
	names *[]string
}

func (f *lookingUp) Open(ctx *datastream.FunctionContext) (err error) {
	f.names, err = datastream.BroadcastVariable(ctx, "names", f.load)
	f.seen(f.names)
	return err
}

func (f *lookingUp) Map(n int64) (string, error) { return (*f.names)[n%3], nil }
