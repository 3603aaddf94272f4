package process_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"goflink/core/keygroup"
	"goflink/core/stream"
	"goflink/core/tuple"
	"goflink/core/typeinfo"
	"goflink/operator"
	"goflink/operator/operatortest"
	"goflink/operator/process"
)

// trade has fields of kinds that can be summed, compared, both and neither.
type trade struct {
	Stock  string
	Price  float64 `flink:"price"`
	Amount int32
	At     time.Time
	Open   bool
	Tags   []string
}

func (t trade) String() string { return fmt.Sprintf("%s/%g/%d", t.Stock, t.Price, t.Amount) }

func byStock(tb testing.TB) process.KeyBy[trade, string] {
	return process.KeyBy[trade, string]{Selector: func(t trade) string { return t.Stock },
		Key: must(typeinfo.KeyOf[string]())(tb)}
}

var tradeInput = operatortest.Input[trade]{
	Hash: func(t trade) uint64 { return keygroup.HashString(t.Stock) }, Hashes: true}

// trades is a script in which a's price falls, rises and comes back, with the amounts 1, 2, 4 …
func trades() []operatortest.Step {
	var steps []operatortest.Step
	for i, t := range []trade{{Stock: "a", Price: 5}, {Stock: "b", Price: 1},
		{Stock: "a", Price: 3},
		{Stock: "a", Price: 5}, {Stock: "a", Price: 3}} {
		t.Amount = 1 << i
		steps = append(steps, tradeInput.Record(t, int64(i+1)))
		if i == 2 {
			steps = append(steps, tradeInput.Watermark(3))
		}
	}
	return append(steps, operatortest.End())
}

// TestRolling: R38: rolling aggregations emit the updated value for each record, with its
// timestamp.
func TestRolling(t *testing.T) {
	info := must(typeinfo.Of[trade]())(t)
	by := byStock(t)
	for _, c := range []struct {
		name string
		f    operator.Factory
		want []string
	}{
		{"sum of an int", must(process.Sum(by, info, "amount"))(t), []string{
			"a/5/1@1", "a/5/5@3", "b/1/2@2", "watermark 3", "a/5/13@4", "a/5/29@5",
			"watermark max"}},
		{"sum of a float", must(process.Sum(by, info, "price"))(t), []string{
			"a/5/1@1", "a/8/1@3", "b/1/2@2", "watermark 3", "a/13/1@4", "a/16/1@5",
			"watermark max"}},
		{"min", must(process.Min(by, info, "price"))(t), []string{
			"a/3/1@3", "a/5/1@1", "b/1/2@2", "watermark 3", "a/3/1@4", "a/3/1@5", "watermark max"}},
		{"max", must(process.Max(by, info, "Amount"))(t), []string{
			"a/5/1@1", "a/5/4@3", "b/1/2@2", "watermark 3", "a/5/16@5", "a/5/8@4",
			"watermark max"}},
		{"minBy, first", must(process.MinBy(by, info, "price", process.KeepFirst))(t), []string{
			"a/3/4@3", "a/5/1@1", "b/1/2@2", "watermark 3", "a/3/4@4", "a/3/4@5", "watermark max"}},
		{"minBy, last", must(process.MinBy(by, info, "price", process.KeepLast))(t), []string{
			"a/3/4@3", "a/5/1@1", "b/1/2@2", "watermark 3", "a/3/16@5", "a/3/4@4",
			"watermark max"}},
		{"maxBy, first", must(process.MaxBy(by, info, "price", process.KeepFirst))(t), []string{
			"a/5/1@1", "a/5/1@3", "b/1/2@2", "watermark 3", "a/5/1@4", "a/5/1@5", "watermark max"}},
		{"maxBy, last", must(process.MaxBy(by, info, "price", process.KeepLast))(t), []string{
			"a/5/1@1", "a/5/1@3", "b/1/2@2", "watermark 3", "a/5/8@4", "a/5/8@5", "watermark max"}},
		{"reduce", process.Reduce(by, info, func(a, b trade) trade {
			return trade{Stock: a.Stock, Price: a.Price * b.Price, Amount: b.Amount}
		}), []string{
			"a/15/4@3", "a/5/1@1", "b/1/2@2", "watermark 3", "a/225/16@5", "a/75/8@4",
			"watermark max"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, operatortest.Explore(t, options[trade](c.f), trades()), c.want...)
		})
	}
}

// mean is an aggregate function whose accumulator is changed in place.
type mean struct{}

type meanAcc struct{ Parts []float64 }

func (mean) Create() *meanAcc { return &meanAcc{Parts: make([]float64, 2)} }

func (mean) Add(t trade, acc *meanAcc) *meanAcc {
	acc.Parts[0] += t.Price
	acc.Parts[1]++
	return acc
}

func (mean) Result(acc *meanAcc) float64 { return acc.Parts[0] / acc.Parts[1] }

func (mean) Merge(a, b *meanAcc) *meanAcc {
	a.Parts[0] += b.Parts[0]
	a.Parts[1] += b.Parts[1]
	return a
}

// TestRollingAggregate: R38: an accumulator that is changed in place is not changed under a
// snapshot (Explore writes snapshots late).
func TestRollingAggregate(t *testing.T) {
	f := process.Aggregate(byStock(t), nil, mean{})
	expect(t, operatortest.Explore(t, options[float64](f), trades()),
		"1@2", "4@3", "5@1", "watermark 3", "4.333333333333333@4", "4@5", "watermark max")
}

// TestRollingTuples: R38: fields of tuples go by position, name and Flink's name; plain numbers
// have none.
func TestRollingTuples(t *testing.T) {
	type pair = tuple.T2[string, int]
	info := must(typeinfo.Of[pair]())(t)
	by := process.KeyBy[pair, string]{Selector: func(p pair) string { return p.F0 },
		Key: must(typeinfo.KeyOf[string]())(t)}
	in := operatortest.Input[pair]{}
	for _, name := range []string{"1", "F1", "f1"} {
		h := operatortest.New(t, options[pair](must(process.Sum(by, info, name))(t)))
		h.Run(in.Record(tuple.New2("a", 1), 1), in.Record(tuple.New2("a", 2), 2))
		expect(t, h.Lines(), "(a,1)@1", "(a,3)@2")
	}
	numbers := process.KeyBy[int, bool]{Selector: func(n int) bool { return n%2 == 0 },
		Key: must(typeinfo.KeyOf[bool]())(t)}
	for _, name := range []string{"", "0", "*"} {
		f := must(process.Sum(numbers, must(typeinfo.Of[int]())(t), name))(t)
		h := operatortest.New(t, options[int](f))
		in := operatortest.Input[int]{}
		h.Run(in.Record(1, 1), in.Record(3, 2), in.Record(8, 3))
		expect(t, h.Lines(), "1@1", "4@2", "8@3")
	}
}

// wide has a field of every kind that can be summed.
type wide struct {
	Key int
	I   int
	I8  int8
	I16 int16
	I32 int32
	I64 int64
	U   uint
	U8  uint8
	U16 uint16
	U32 uint32
	U64 uint64
	F32 float32
	F64 float64
	D   time.Duration
}

// TestRollingKinds: R38: all numeric kinds can be summed and compared; sums wrap around.
func TestRollingKinds(t *testing.T) {
	info := must(typeinfo.Of[wide]())(t)
	by := process.KeyBy[wide, int]{Selector: func(w wide) int { return w.Key },
		Key: must(typeinfo.KeyOf[int]())(t)}
	in := operatortest.Input[wide]{}
	first := wide{1, 1, 127, 1, 1, 1, 1, 255, 1, 1, 1, 1.5, 1.5, time.Second}
	second := wide{1, 2, 1, 2, 2, 2, 2, 1, 2, 2, 2, 2.5, 2.5, time.Second}
	sums := map[string]any{"I": 3, "I8": int8(-128), "I16": int16(3), "I32": int32(3),
		"I64": int64(3), "U": uint(3), "U8": uint8(0), "U16": uint16(3), "U32": uint32(3),
		"U64": uint64(3), "F32": float32(4), "F64": 4.0, "D": 2 * time.Second}
	fields := map[string]func(w wide) any{
		"I": func(w wide) any { return w.I }, "I8": func(w wide) any { return w.I8 },
		"I16": func(w wide) any { return w.I16 }, "I32": func(w wide) any { return w.I32 },
		"I64": func(w wide) any { return w.I64 }, "U": func(w wide) any { return w.U },
		"U8": func(w wide) any { return w.U8 }, "U16": func(w wide) any { return w.U16 },
		"U32": func(w wide) any { return w.U32 }, "U64": func(w wide) any { return w.U64 },
		"F32": func(w wide) any { return w.F32 }, "F64": func(w wide) any { return w.F64 },
		"D": func(w wide) any { return w.D },
	}
	for name, get := range fields {
		last := func(f operator.Factory) any {
			h := operatortest.New(t, options[wide](f))
			h.Run(in.Record(first, 1), in.Record(second, 2))
			got := operatortest.Values[wide](h, "")
			return get(got[len(got)-1])
		}
		if got := last(must(process.Sum(by, info, name))(t)); got != sums[name] {
			t.Errorf("sum of %s is %v, want %v", name, got, sums[name])
		}
		low, high := get(first), get(second)
		if name == "I8" || name == "U8" {
			low, high = high, low
		}
		if got := last(must(process.Min(by, info, name))(t)); got != low {
			t.Errorf("min of %s is %v, want %v", name, got, low)
		}
		if got := last(must(process.Max(by, info, name))(t)); got != high {
			t.Errorf("max of %s is %v, want %v", name, got, high)
		}
	}
}

// TestRollingOrders: R38: strings, bools and times have an order; NaN is the greatest number, as it
// is among keys.
func TestRollingOrders(t *testing.T) {
	info := must(typeinfo.Of[trade]())(t)
	early, late := time.Unix(100, 0).UTC(), time.Unix(200, 0).UTC()
	nan := math.NaN()
	for _, c := range []struct {
		name      string
		low, high trade
	}{
		{"Stock", trade{Stock: "a"}, trade{Stock: "b"}},
		{"Open", trade{Open: false}, trade{Open: true}},
		{"At", trade{At: early}, trade{At: late}},
		{"price", trade{Price: math.Inf(1)}, trade{Price: nan}},
		{"price", trade{Price: math.Inf(-1)}, trade{Price: 0}},
	} {
		one := process.KeyBy[trade, bool]{Selector: func(trade) bool { return true },
			Key: must(typeinfo.KeyOf[bool]())(t)}
		in := operatortest.Input[trade]{}
		low, high := c.low, c.high
		low.Amount, high.Amount = 1, 2
		for _, order := range [][2]trade{{low, high}, {high, low}} {
			last := func(f operator.Factory) int32 {
				h := operatortest.New(t, options[trade](f))
				h.Run(in.Record(order[0], 1), in.Record(order[1], 2))
				got := operatortest.Values[trade](h, "")
				return got[len(got)-1].Amount
			}
			if last(must(process.MinBy(one, info, c.name, process.KeepFirst))(t)) != 1 {
				t.Errorf("minBy %s of %v", c.name, order)
			}
			if last(must(process.MaxBy(one, info, c.name, process.KeepFirst))(t)) != 2 {
				t.Errorf("maxBy %s of %v", c.name, order)
			}
		}
	}
}

// TestRollingRefused: R38: a field that is not there, or cannot be summed, is refused when the
// operator is built; the error names what there is.
func TestRollingRefused(t *testing.T) {
	info := must(typeinfo.Of[trade]())(t)
	by := byStock(t)
	_, err := process.Sum(by, info, "amnt")
	expectError(t, err, "sum", `"amnt"`, "Stock, price, Amount, At, Open, Tags")
	_, err = process.Sum(by, info, "Stock")
	expectError(t, err, `"Stock"`, "a string", "cannot be summed", "price (float64)",
		"Amount (int32)")
	_, err = process.MaxBy(by, info, "Tags", process.KeepLast)
	expectError(t, err, "maxBy", "[]string", "cannot be compared", "At (time.Time)")
	_, err = process.Min(by, info, "")
	expectError(t, err, "min", "its fields are")
	_, err = process.Max(by, info, "0")
	expectError(t, err, "max", `"0"`)
	words := process.KeyBy[string, string]{Selector: func(s string) string { return s },
		Key: must(typeinfo.KeyOf[string]())(t)}
	_, err = process.Sum(words, must(typeinfo.Of[string]())(t), "")
	expectError(t, err, "a string", "cannot be summed")
	_, err = process.Sum(words, must(typeinfo.Of[string]())(t), "count")
	expectError(t, err, `"count"`, "not a struct")
	_, err = process.Sum(words, nil, "")
	expectError(t, err, "type of the records")
	_, err = process.Sum(process.KeyBy[trade, string]{}, info, "price")
	expectError(t, err, "without a selector")
	_, err = operatortest.Start(t, options[trade](process.Reduce(by, info, nil)))
	expectError(t, err, "no function")
	_, err = operatortest.Start(t, options[trade](process.Aggregate[trade, string, int, int](by,
		nil, nil)))
	expectError(t, err, "no function")
}

// wordReduce is a reduce function with a life, which refuses to sum beyond a limit.
type wordReduce struct {
	lived
	limit int64
}

func (f *wordReduce) Reduce(a, b wordCount) (wordCount, error) {
	a.Count += b.Count
	if a.Count > f.limit {
		return a, errors.New("over the limit")
	}
	return a, nil
}

// TestRichReduce: R38, R64: a reduce function with a life of its own.
func TestRichReduce(t *testing.T) {
	var log []string
	f := process.RichReduce(byWord(t), nil, func() process.ReduceFunction[wordCount] {
		return &wordReduce{lived: lived{log: &log}, limit: 10}
	})
	h := operatortest.New(t, options[wordCount](f))
	h.Run(wordInput.Record(wc("a", 4), 1), wordInput.Record(wc("a", 5), 2))
	expect(t, h.Lines(), "a=4@1", "a=9@2")
	err := errors.Join(h.Do(wordInput.Record(wc("a", 5), 3)), h.Flush())
	expectError(t, err, "over the limit", "wordReduce")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, log, "open 0/1", "close 0/1")
}

// TestRollingAllocatesNothing: a rolling aggregation allocates nothing per record.
func TestRollingAllocatesNothing(t *testing.T) {
	info := must(typeinfo.Of[wordCount]())(t)
	by := byWord(t)
	for name, f := range map[string]operator.Factory{
		"sum":   must(process.Sum(by, info, "count"))(t),
		"max":   must(process.Max(by, info, "Count"))(t),
		"minBy": must(process.MinBy(by, info, "Word", process.KeepFirst))(t),
		"reduce": process.Reduce(by, info, func(a, b wordCount) wordCount {
			return wordCount{a.Word, a.Count + b.Count}
		}),
	} {
		o := options[wordCount](f)
		o.Outputs, o.CheckMutation = nil, false
		h := operatortest.New(t, o)
		expectNoAllocs(t, name, h.Operator(0).Input(0).(stream.Receiver[wordCount]),
			batches(words(1024, 300), hashOf)[0])
	}
}

// expectNoAllocs feeds a batch until nothing grows any more, and then counts allocations.
func expectNoAllocs[T any](t *testing.T, name string, in stream.Receiver[T], b *stream.Batch[T]) {
	t.Helper()
	feed := func() {
		if err := in.Batch(b); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		feed()
	}
	if n := testing.AllocsPerRun(10, feed); n > 0 {
		t.Errorf("%s: %v allocations per batch of %d records", name, n, b.Len())
	}
}
