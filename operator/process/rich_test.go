package process_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"goflink/core/accumulator"
	"goflink/core/failure"
	"goflink/core/state"
	"goflink/core/stream"
	"goflink/operator"
	"goflink/operator/operatortest"
	"goflink/operator/process"
)

// lived is a function object that notes its life.
type lived struct {
	name   string
	log    *[]string
	opened int
	fail   string
}

func (f *lived) note(what string) error {
	*f.log = append(*f.log, what+" "+f.name)
	if f.fail == what {
		return errors.New(what + " failed")
	}
	return nil
}

func (f *lived) Open(ctx *process.FunctionContext) error {
	f.opened++
	f.name = fmt.Sprint(ctx.Info().Subtask, "/", ctx.Info().Parallelism)
	return f.note("open")
}

func (f *lived) Close() error { return f.note("close") }

func (f *lived) Snapshot(operator.Checkpoint) error { return f.note("snapshot") }

func (f *lived) CheckpointComplete(uint64) error { return f.note("complete") }
func (f *lived) CheckpointAborted(uint64) error  { return f.note("aborted") }

func (f *lived) Map(v string) (string, error) {
	if err := f.note("map"); err != nil {
		return "", err
	}
	return fmt.Sprint(f.name, ":", v), nil
}

// TestFunctionLife: R64: the factory of a function is called once per subtask and attempt; the
// function is opened, told of checkpoints and closed.
func TestFunctionLife(t *testing.T) {
	var log []string
	made := 0
	f := process.RichMap[string, string](nil, func() process.MapFunction[string, string] {
		made++
		return &lived{log: &log}
	})
	o := options[string](f)
	o.Parallelism = 2
	h := operatortest.New(t, o)
	if made != 2 {
		t.Errorf("2 subtasks got %d functions", made)
	}
	h.Run(lineInput.Record("a", 1), lineInput.Record("b", 2))
	c := must(h.Checkpoint())(t)
	if err := c.Write(); err != nil {
		t.Fatal(err)
	}
	must(h.Checkpoint())(t).Abandon()
	if err := h.Restore(c, 1); err != nil {
		t.Fatal(err)
	}
	if made != 3 {
		t.Errorf("after a restore with one subtask there were %d functions", made)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, log, "open 0/2", "open 1/2", "map 0/2", "map 1/2", "snapshot 0/2", "snapshot 1/2",
		"complete 0/2", "complete 1/2", "snapshot 0/2", "snapshot 1/2", "aborted 0/2",
		"aborted 1/2", "close 0/2", "close 1/2", "open 0/1", "close 0/1")
}

// TestFunctionFailures: R64: errors of a function are the user's and say whose they are; what was
// opened is closed.
func TestFunctionFailures(t *testing.T) {
	for _, what := range []string{"open", "map", "snapshot"} {
		var log []string
		f := process.RichMap[string, string](nil, func() process.MapFunction[string, string] {
			return &lived{log: &log, fail: what}
		})
		h, err := operatortest.Start(t, options[string](f))
		if err == nil {
			if err = errors.Join(h.Do(lineInput.Record("a", 1)), h.Flush()); err == nil {
				_, err = h.Checkpoint()
			}
		}
		expectError(t, err, what+" failed", "process_test.lived")
		if failure.DomainOf(err) != failure.User {
			t.Errorf("%s: the error is of domain %v", what, failure.DomainOf(err))
		}
		if err := h.Close(); err != nil {
			t.Errorf("%s: close: %v", what, err)
		}
		if !slices.Contains(log, "close 0/1") {
			t.Errorf("%s: the function was not closed: %q", what, log)
		}
	}
}

// misnamed has methods that are not what their names promise.
type misnamed struct{ lived }

func (*misnamed) Open(int) error { return nil }

// TestFunctionRefused: R64: factories without a function, and functions with methods that would
// never be called, are refused by name.
func TestFunctionRefused(t *testing.T) {
	start := func(create func() process.MapFunction[string, string]) error {
		_, err := operatortest.Start(t, options[string](process.RichMap(nil, create)))
		return err
	}
	expectError(t, start(func() process.MapFunction[string, string] { return nil }), "returned nil")
	expectError(t, start(func() process.MapFunction[string, string] { return (*lived)(nil) }),
		"returned nil")
	expectError(t, start(func() process.MapFunction[string, string] { return &misnamed{} }),
		"misnamed", "Open", "process.FunctionContext")
	by := process.KeyBy[string, string]{Selector: strings.ToLower}
	f := process.RichMap(by, func() process.MapFunction[string, string] { return &misnamed{} })
	_, err := operatortest.Start(t, options[string](f))
	expectError(t, err, "misnamed")
	f = process.RichMap(by, func() process.MapFunction[string, string] {
		return &lived{log: new([]string)}
	})
	_, err = operatortest.Start(t, options[string](f))
	expectError(t, err, "without a key type")
}

// numbered counts the records of each key and drops or doubles some.
type numbered struct{ n state.Value[int] }

func (f *numbered) Open(ctx *process.FunctionContext) (err error) {
	f.n, err = process.OpenValue(ctx, state.ValueOf[int]("n"))
	return err
}

func (f *numbered) next() (int, error) {
	n, _, err := f.n.Get()
	return n + 1, errors.Join(err, f.n.Put(n+1))
}

func (f *numbered) Map(w wordCount) (string, error) {
	n, err := f.next()
	return fmt.Sprint(w.Word, n), err
}

func (f *numbered) FlatMap(w wordCount, out *operator.Emitter[string]) error {
	n, err := f.next()
	for range n - 1 {
		out.Emit(fmt.Sprint(w.Word, n))
	}
	return err
}

func (f *numbered) Filter(wordCount) (bool, error) {
	n, err := f.next()
	return n%2 == 1, err
}

// TestRichKeyed: R38, R61: state of rich maps, flat maps and filters is bound to the key, and
// survives restores and changes of the parallelism.
func TestRichKeyed(t *testing.T) {
	script := []operatortest.Step{
		wordInput.Record(wc("a", 0), 1), wordInput.Record(wc("b", 0), 2),
		wordInput.Record(wc("a", 0), 3), wordInput.Watermark(3), wordInput.Record(wc("a", 0), 5),
		wordInput.Record(wc("b", 0), 6), operatortest.End(),
	}
	by := byWord(t)
	m := process.RichMap(by, func() process.MapFunction[wordCount, string] { return &numbered{} })
	expect(t, operatortest.Explore(t, options[string](m), script),
		"a1@1", "a2@3", "b1@2", "watermark 3", "a3@5", "b2@6", "watermark max")
	fm := process.RichFlatMap(by, func() process.FlatMapFunction[wordCount, string] {
		return &numbered{}
	})
	expect(t, operatortest.Explore(t, options[string](fm), script),
		"a2@3", "watermark 3", "a3@5", "a3@5", "b2@6", "watermark max")
	fi := process.RichFilter(by, func() process.FilterFunction[wordCount] { return &numbered{} })
	expect(t, operatortest.Explore(t, options[wordCount](fi), script),
		"a=0@1", "b=0@2", "watermark 3", "a=0@5", "watermark max")
}

// TestStateWithoutKey: R61: keyed state outside a keyed context is an error.
func TestStateWithoutKey(t *testing.T) {
	f := process.RichMap[wordCount, string](nil,
		func() process.MapFunction[wordCount, string] { return &numbered{} })
	o := options[string](f)
	o.Backend = nil
	_, err := operatortest.Start(t, o)
	expectError(t, err, "not keyed")
	h := operatortest.New(t, options[string](f)) // the input is keyed, the operator is not
	expectError(t, errors.Join(h.Do(wordInput.Record(wc("a", 0), 1)), h.Flush()), "no current key")
}

// positions is a function whose state is a list of the subtask.
type positions struct {
	held []int
}

func (f *positions) Open(ctx *process.FunctionContext) error {
	return process.KeepList(ctx, "positions", f)
}

func (f *positions) Map(v int) (string, error) {
	f.held = append(f.held, v)
	return fmt.Sprint(len(f.held)), nil
}

func (f *positions) SnapshotState(operator.Checkpoint) ([]int, error) {
	return slices.Clone(f.held), nil
}

func (f *positions) RestoreState(held []int) error {
	f.held = slices.Clone(held)
	return nil
}

// TestKeepList: R62: a list of 6 elements of 2 subtasks is dealt out to 3 as 2 each.
func TestKeepList(t *testing.T) {
	var made []*positions
	f := process.RichMap[int, string](nil, func() process.MapFunction[int, string] {
		p := &positions{}
		made = append(made, p)
		return p
	})
	o := options[string](f)
	o.Parallelism = 2
	h := operatortest.New(t, o)
	in := operatortest.Input[int]{}
	for i := range 6 {
		h.Run(in.Record(i, 1))
	}
	c := must(h.Checkpoint())(t)
	if err := c.Write(); err != nil {
		t.Fatal(err)
	}
	if err := h.Restore(c, 3); err != nil {
		t.Fatal(err)
	}
	var all []int
	for _, p := range made[2:] {
		if len(p.held) != 2 {
			t.Errorf("a subtask got %v, want 2 elements", p.held)
		}
		all = append(all, p.held...)
	}
	slices.Sort(all)
	if fmt.Sprint(all) != "[0 1 2 3 4 5]" {
		t.Errorf("restored %v", all)
	}
}

// lookup reads a broadcast variable and counts what it finds.
type lookup struct {
	table *map[string]int
	ctx   *process.FunctionContext
	loads *int
}

func (f *lookup) Open(ctx *process.FunctionContext) (err error) {
	f.ctx = ctx
	f.table, err = process.BroadcastVariable(ctx, "table", func() (*map[string]int, error) {
		*f.loads++
		return &map[string]int{"a": 1}, nil
	})
	return err
}

func (f *lookup) Map(v string) (string, error) { return fmt.Sprint((*f.table)[v]), nil }

// TestBroadcastVariable: R103: 4 subtasks of one process share one copy.
func TestBroadcastVariable(t *testing.T) {
	loads := 0
	var made []*lookup
	o := options[string](process.RichMap[string, string](nil,
		func() process.MapFunction[string, string] {
			f := &lookup{loads: &loads}
			made = append(made, f)
			return f
		}))
	o.Parallelism = 4
	h := operatortest.New(t, o)
	h.Run(lineInput.Record("a", 1), lineInput.Record("b", 2))
	expect(t, h.Lines(), "0@2", "1@1")
	if loads != 1 {
		t.Errorf("the value was loaded %d times", loads)
	}
	for _, f := range made {
		if f.table != made[0].table {
			t.Error("two subtasks have two copies")
		}
	}
	_, err := process.BroadcastVariable(made[0].ctx, "table", func() (int, error) { return 1, nil })
	expectError(t, err, "map[string]int", "not a int", "another name")
	_, err = process.BroadcastVariable(made[0].ctx, "none", func() (int, error) {
		return 0, errors.New("no file")
	})
	expectError(t, err, `"none"`, "no file")
}

// TestUserPanicPasses: a panic of a function reaches the task.
func TestUserPanicPasses(t *testing.T) {
	h := operatortest.New(t, options[int](process.Map(func(int) int { panic("mine") })))
	defer func() {
		if v := recover(); v != "mine" {
			t.Errorf("recovered %v", v)
		}
	}()
	in := operatortest.Input[int]{}
	h.Run(in.Record(1, 1))
	t.Error("no panic")
}

// curious is a map function that looks at all of its context.
type curious struct{ report *string }

func (f curious) Open(ctx *process.FunctionContext) error {
	i := ctx.Info()
	_, restored := ctx.Restored()
	keyed, err := ctx.Keyed()
	if err != nil {
		return err
	}
	list, err := state.OpenOperatorList(ctx.OperatorState(), state.ListOf[int]("list"))
	if err != nil {
		return err
	}
	list.Add(1)
	ctx.Metrics().Counter("seen").Add(1)
	ctx.Logger().Info("open")
	visits := accumulator.NewCounter()
	if err := ctx.Accumulators().Add("visits", visits); err != nil {
		return err
	}
	*f.report = fmt.Sprint(i.JobName, i.Subtask, i.Parallelism, ctx.AttemptNumber(), restored,
		keyed.MaxParallelism(), ctx.Now(), ctx.Watermark() == stream.MinWatermark,
		ctx.Config() != nil)
	return ctx.Accumulators().Add("visits", visits)
}

func (f curious) Map(v wordCount) (string, error) { return v.Word, nil }

// TestFunctionContext: R64–R66: what a function can ask of its context.
func TestFunctionContext(t *testing.T) {
	var report string
	f := process.RichMap(process.Keying[wordCount](byWord(t)),
		func() process.MapFunction[wordCount, string] { return curious{&report} })
	o := options[string](f)
	o.Now = 77
	h, err := operatortest.Start(t, o)
	expectError(t, err, `accumulator "visits" is already registered`)
	if want := "test0 1 0 false 16 77 true true"; report != want {
		t.Errorf("the context says %q, want %q", report, want)
	}
	if h.Counter("seen") != 1 {
		t.Error("the counter was not counted")
	}
}
