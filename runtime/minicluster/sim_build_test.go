package minicluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"goflink/core/eventtime"
	"goflink/core/state"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/core/window"
	"goflink/datastream"
	"goflink/graph"
	"goflink/operator"
	"goflink/operator/asyncio"
	"goflink/operator/process"
	"goflink/operator/reading"
	"goflink/operator/windowing"
)

// builder makes the program of a plan.
type builder struct {
	*plan
	layout layout
	env    *datastream.Environment
	// touch is called with the number of a node for each record that its function gets: it may
	// panic or take time.
	touch func(node int)
	store *store
	// leg tells the transactions of several submissions apart.
	leg int
	// uncheckpointed says that no checkpoint comes at the end of the job.
	uncheckpointed bool
	streams        []*datastream.Stream[rec]
}

// build adds the plan to the environment.
func (b *builder) build() error {
	for i := range b.nodes {
		s, err := b.node(i)
		if err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
		b.streams = append(b.streams, s)
	}
	return nil
}

func (b *builder) node(i int) (s *datastream.Stream[rec], err error) {
	n := &b.nodes[i]
	if n.kind == opSink {
		sink := b.input(i, 0).SinkTransform("store", storeSink(storing{store: b.store, sink: i,
			leg: b.leg, atEnd: b.uncheckpointed, touch: func() { b.touch(i) }}))
		sink.UID(uid(i)).SetParallelism(b.layout[n.class])
		return nil, nil
	}
	if n.kind <= opTicker {
		s = b.source(i)
	} else if s, err = b.operator(i); err != nil {
		return nil, err
	}
	s.UID(uid(i)).Name(fmt.Sprint(n.kind, " ", i)).SetParallelism(b.layout[n.class])
	switch n.chain {
	case graph.ChainHead:
		s.StartNewChain()
	case graph.ChainNever:
		s.DisableChaining()
	}
	return s, nil
}

func (b *builder) source(i int) *datastream.Stream[rec] {
	n := b.nodes[i].records
	value := func(k int64) rec { return b.sourceRecord(i, k) }
	times := eventtime.BoundedOutOfOrderness[rec](jitter * time.Millisecond).WithTimestamps(
		func(r rec) int64 { return r.Time })
	if b.nodes[i].kind == opSequence {
		return datastream.FromSource(b.env, reading.Sequence[rec]{First: 0, Last: n - 1,
			Value: value}, &times, "Sequence")
	}
	// A source without coordinator is not offered by the API: it takes the place of the engine's.
	s := datastream.FromSource(b.env, reading.Sequence[rec]{Value: value}, &times, "Ticker")
	t := s.Transformation()
	t.Coordinator = nil
	t.Factory = operator.FactoryFunc(func() (operator.Operator, error) {
		return &ticker{records: n, value: value}, nil
	})
	return s
}

// input is input k of a node, distributed as the node wants it.
func (b *builder) input(i, k int) *datastream.Stream[rec] {
	n := &b.nodes[i]
	s := b.streams[n.in[k]]
	switch n.part {
	case graph.Rebalance:
		return s.Rebalance()
	case graph.Rescale:
		return s.Rescale()
	case graph.Shuffle:
		return s.Shuffle()
	case graph.Forward:
		return s.Forward()
	case graph.Broadcast:
		return s.Broadcast()
	case graph.KeyGroup:
		return datastream.KeyBy(s, keyOf).Stream()
	case graph.Custom:
		return datastream.PartitionCustom(s, func(r rec) int64 { return r.Val },
			func(v int64, n int) int { return int(v % int64(n)) })
	}
	return s
}

func keyOf(r rec) int64 { return r.Key }

func (b *builder) operator(i int) (*datastream.Stream[rec], error) {
	n := &b.nodes[i]
	touch := func() { b.touch(i) }
	in := b.input(i, 0)
	switch n.kind {
	case opMap:
		return datastream.Map(in, func(r rec) rec { touch(); return b.mapped(n, r) }), nil
	case opFilter:
		return in.Filter(func(r rec) bool { touch(); return kept(n, r) }), nil
	case opFlatMap:
		return datastream.FlatMap(in, func(r rec, out datastream.Collector[rec]) {
			touch()
			for _, c := range b.each(n, r) {
				out.Emit(c)
			}
		}), nil
	case opAsync:
		return b.async(n, in, touch)
	case opOnce:
		return in.RichFilter(func() datastream.FilterFunction[rec] {
			return &once{touch: touch}
		}), nil
	case opUnion:
		return datastream.Map(in.Union(b.input(i, 1)),
			func(r rec) rec { touch(); return b.mapped(n, r) }), nil
	}
	f, err := b.keyedFactory(n, touch)
	if err != nil {
		return nil, err
	}
	return b.keyed(i, in, f)
}

// keyed adds an operator on keyed streams.
func (b *builder) keyed(i int, in *datastream.Stream[rec], f operator.Factory) (
	*datastream.Stream[rec], error) {
	s := datastream.Transform[rec](in, "keyed", f)
	t := s.Transformation()
	if b.nodes[i].kind == opConnect {
		t.Inputs = append(t.Inputs, b.input(i, 1).Transformation())
	}
	schema, err := json.Marshal(keyType().Snapshot())
	t.KeySchema = schema
	return s, err
}

func keyType() *typeinfo.Key[int64] {
	k, err := typeinfo.KeyOf[int64]()
	if err != nil {
		panic(err)
	}
	return k
}

func (b *builder) keyedFactory(n *node, touch func()) (operator.Factory, error) {
	by := process.KeyBy[rec, int64]{Selector: keyOf, Key: keyType()}
	switch n.kind {
	case opCount:
		return process.KeyedProcess(by, func() process.KeyedProcessFunction[int64, rec, rec] {
			return &counting{touch: touch}
		}), nil
	case opBuckets:
		return process.KeyedProcess(by, func() process.KeyedProcessFunction[int64, rec, rec] {
			return &bucketing{n: n, touch: touch}
		}), nil
	case opGather:
		return process.KeyedProcess(by, func() process.KeyedProcessFunction[int64, rec, rec] {
			return &gathering{touch: touch}
		}), nil
	case opConnect:
		return process.KeyedCoProcess(by, by,
			func() process.KeyedCoProcessFunction[int64, rec, rec, rec] {
				return &connecting{n: n, touch: touch}
			}), nil
	}
	spec := windowing.Spec[rec, int64, window.Time]{Key: keyOf, KeyType: keyType()}
	ms := time.Millisecond
	switch n.kind {
	case opTumble:
		spec.Assigner = window.TumblingEventTime[rec](time.Duration(n.width) * ms)
	case opSlide:
		spec.Assigner = window.SlidingEventTime[rec](time.Duration(n.size())*ms,
			time.Duration(n.slide())*ms)
	case opSession:
		spec.Assigner = window.EventTimeSessions[rec](time.Duration(n.width) * ms)
	}
	emit := windowing.Pure(func(ctx *windowing.Context[int64, window.Time], t tally,
		out *operator.Emitter[rec]) error {
		w := ctx.Window()
		out.Emit(windowed(ctx.Key(), w.Start, w.End, t))
		return nil
	})
	return windowing.Aggregate(spec, tallying{touch}, nil, emit)
}

// tallying counts and adds up.
type tallying struct{ touch func() }

func (tallying) Create() tally { return tally{} }

func (f tallying) Add(r rec, t tally) tally { f.touch(); return t.add(r) }

func (tallying) Result(t tally) tally { return t }

func (tallying) Merge(a, b tally) tally { return tally{a.N + b.N, a.Sum + b.Sum} }

func (b *builder) async(n *node, in *datastream.Stream[rec], touch func()) (
	*datastream.Stream[rec], error) {
	wait := asyncio.UnorderedWait[rec, rec]
	if n.salt%2 == 0 {
		wait = asyncio.OrderedWait[rec, rec]
	}
	f, err := wait(asyncio.Options[rec]{Capacity: 8}, func() asyncio.AsyncFunction[rec, rec] {
		return asyncio.Func[rec, rec](func(_ context.Context, r rec) ([]rec, error) {
			touch()
			return b.each(n, r), nil
		})
	})
	return datastream.Transform[rec](in, "async", f), err
}

// once keeps a record in one of the subtasks that all get it.
type once struct {
	touch             func()
	subtask, subtasks int
}

func (o *once) Open(ctx *datastream.FunctionContext) error {
	o.subtask, o.subtasks = ctx.Info().Subtask, ctx.Info().Parallelism
	return nil
}

func (o *once) Filter(r rec) (bool, error) {
	o.touch()
	return int(r.Val%int64(o.subtasks)) == o.subtask, nil
}

// counting numbers the records of each key, in a value state.
type counting struct {
	touch func()
	n     state.Value[int64]
}

func (f *counting) Open(ctx *process.FunctionContext) (err error) {
	f.n, err = process.OpenValue(ctx, state.ValueOf[int64]("n"))
	return err
}

func (f *counting) ProcessElement(r rec, _ *process.KeyedContext[int64],
	out *operator.Emitter[rec]) error {
	f.touch()
	n, _, err := f.n.Get()
	if err != nil {
		return err
	}
	out.Emit(rec{Key: r.Key, Val: n + 1})
	return f.n.Put(n + 1)
}

// bucketing adds up by key and stretch of time, in a map state.
type bucketing struct {
	n     *node
	touch func()
	ends  state.Map[int64, tally]
	total state.Value[int64]
}

func (f *bucketing) Open(ctx *process.FunctionContext) (err error) {
	if f.ends, err = process.OpenMap(ctx, state.MapOf[int64, tally]("ends")); err != nil {
		return err
	}
	f.total, err = process.OpenValue(ctx, state.ValueOf[int64]("total"))
	return err
}

func (f *bucketing) ProcessElement(r rec, ctx *process.KeyedContext[int64],
	_ *operator.Emitter[rec]) error {
	f.touch()
	if ctx.Timestamp() != r.Time {
		return fmt.Errorf("record %+v has the timestamp %d", r, ctx.Timestamp())
	}
	end := f.n.bucketEnd(r.Time)
	if end <= ctx.Watermark() {
		return fmt.Errorf("record %+v came after the watermark %d", r, ctx.Watermark())
	}
	t, _, err := f.ends.Get(end)
	if err != nil {
		return err
	}
	total, _, err := f.total.Get()
	if err != nil {
		return err
	}
	if err := f.ends.Put(end, t.add(r)); err != nil {
		return err
	}
	if err := f.total.Put(total + 1); err != nil {
		return err
	}
	if err := ctx.TimerService().RegisterEventTimeTimer(end); err != nil {
		return err
	}
	return ctx.TimerService().RegisterEventTimeTimer(lastTime)
}

func (f *bucketing) OnTimer(at int64, ctx *process.OnTimerContext[int64],
	out *operator.Emitter[rec]) error {
	if at == lastTime {
		total, _, err := f.total.Get()
		out.Emit(rec{ctx.CurrentKey(), mix(total), at})
		if err == nil {
			// A bucket may end at the same time.
			var has bool
			if has, err = f.ends.Contains(at); !has {
				return err
			}
		}
	}
	t, found, err := f.ends.Get(at)
	if err != nil || !found {
		return fmt.Errorf("timer of key %d at %d: bucket %v, %w", ctx.CurrentKey(), at, t, err)
	}
	out.Emit(rec{ctx.CurrentKey(), mix(t.N, t.Sum), at})
	return f.ends.Remove(at)
}

// gathering holds records back in a list state until a timer of the clock, or the end.
type gathering struct {
	touch func()
	held  state.List[int64]
}

func (f *gathering) Open(ctx *process.FunctionContext) (err error) {
	f.held, err = process.OpenList(ctx, state.ListOf[int64]("held"))
	return err
}

func (f *gathering) ProcessElement(r rec, ctx *process.KeyedContext[int64],
	_ *operator.Emitter[rec]) error {
	f.touch()
	if err := f.held.Add(r.Val); err != nil {
		return err
	}
	ts := ctx.TimerService()
	if err := ts.RegisterProcessingTimeTimer(ts.CurrentProcessingTime() + 3); err != nil {
		return err
	}
	return ts.RegisterEventTimeTimer(lastTime)
}

func (f *gathering) OnTimer(_ int64, ctx *process.OnTimerContext[int64],
	out *operator.Emitter[rec]) error {
	held, err := f.held.Get()
	if err != nil {
		return err
	}
	for _, v := range held {
		out.Emit(rec{Key: ctx.CurrentKey(), Val: v})
	}
	return f.held.Clear()
}

// connecting counts two inputs by key.
type connecting struct {
	n     *node
	touch func()
	sides [2]state.Value[tally]
}

func (f *connecting) Open(ctx *process.FunctionContext) (err error) {
	for i := range f.sides {
		f.sides[i], err = process.OpenValue(ctx, state.ValueOf[tally](fmt.Sprint("side ", i)))
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *connecting) ProcessElement1(r rec, ctx *process.KeyedContext[int64],
	out *operator.Emitter[rec]) error {
	return f.take(0, r, ctx, out)
}

func (f *connecting) ProcessElement2(r rec, ctx *process.KeyedContext[int64],
	out *operator.Emitter[rec]) error {
	return f.take(1, r, ctx, out)
}

func (f *connecting) take(side int, r rec, ctx *process.KeyedContext[int64],
	out *operator.Emitter[rec]) error {
	f.touch()
	t, _, err := f.sides[side].Get()
	if err != nil {
		return err
	}
	if err := f.sides[side].Put(t.add(r)); err != nil {
		return err
	}
	out.Emit(f.n.passed(side, r))
	return ctx.TimerService().RegisterEventTimeTimer(lastTime)
}

func (f *connecting) OnTimer(_ int64, ctx *process.OnTimerContext[int64],
	out *operator.Emitter[rec]) error {
	var ts [2]tally
	for i := range ts {
		var err error
		if ts[i], _, err = f.sides[i].Get(); err != nil {
			return err
		}
	}
	out.Emit(f.n.joined(ctx.CurrentKey(), ts[0], ts[1]))
	return nil
}

// ticker is a source that reads a few numbers at each tick of the clock. Its positions are operator
// state, which is dealt out anew when the parallelism changes.
type ticker struct {
	records int64
	value   func(n int64) rec
	rt      operator.Runtime
	out     *operator.Emitter[rec]
	ranges  state.OperatorList[span]
	open    []span
	ticks   int
	low     int64
}

// span is a range of numbers that is left to read.
type span struct{ Next, End int64 }

var (
	_ operator.Source      = (*ticker)(nil)
	_ operator.Snapshotter = (*ticker)(nil)
)

// tickerSpans is into how many ranges a ticker's numbers are divided.
const tickerSpans = 7

func (s *ticker) Open(rt operator.Runtime) (err error) {
	s.rt = rt
	if s.out, err = operator.NewEmitter[rec](rt, ""); err != nil {
		return err
	}
	s.ranges, err = state.OpenOperatorList(rt.OperatorState(), state.ListOf[span]("spans"))
	if err != nil {
		return err
	}
	if _, restored := rt.Restored(); restored {
		s.open = append(s.open, s.ranges.Get()...)
	} else {
		for i := int64(0); i < tickerSpans; i++ {
			if int(i)%rt.Info().Parallelism == rt.Info().Subtask {
				s.open = append(s.open, span{s.records * i / tickerSpans,
					s.records * (i + 1) / tickerSpans})
			}
		}
	}
	s.low = stream.MinWatermark
	rt.At(rt.Now()+1, s.tick)
	return nil
}

func (s *ticker) tick() error {
	s.ticks++
	s.rt.At(s.rt.Now()+1, s.tick)
	s.rt.Wake()
	return nil
}

func (s *ticker) Input(int) any { return nil }

// Poll reads up to a few numbers of one range, with the lowest time of all ranges as watermark.
func (s *ticker) Poll(most int) (operator.PollStatus, error) {
	if len(s.open) == 0 {
		return operator.PollEnd, nil
	}
	if s.ticks == 0 {
		return operator.PollIdle, nil
	}
	s.ticks--
	at := int(s.open[0].Next) % len(s.open)
	for range min(most, 20) {
		r := &s.open[at]
		if r.Next == r.End {
			break
		}
		v := s.value(r.Next)
		s.out.EmitAt(v, v.Time)
		r.Next++
	}
	if r := s.open[at]; r.Next == r.End {
		s.open = append(s.open[:at], s.open[at+1:]...)
	}
	if err := s.out.Flush(); err != nil {
		return operator.PollEnd, err
	}
	return operator.PollMore, s.watermark()
}

func (s *ticker) watermark() error {
	low := stream.MaxWatermark
	for _, r := range s.open {
		low = min(low, s.value(r.Next).Time-jitter)
	}
	if low <= s.low || low == stream.MaxWatermark {
		return nil
	}
	s.low = low
	return s.out.Out().Watermark(low)
}

func (s *ticker) Snapshot(operator.Checkpoint) error {
	s.ranges.Put(append([]span(nil), s.open...))
	return nil
}

func (s *ticker) Finish() error { return s.out.Out().Watermark(stream.MaxWatermark) }

func (s *ticker) Close() error { return nil }
