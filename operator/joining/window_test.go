package joining_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"goflink/core/keygroup"
	"goflink/core/stream"
	"goflink/core/tuple"
	"goflink/core/typeinfo"
	"goflink/core/window"
	"goflink/operator"
	"goflink/operator/joining"
	"goflink/operator/operatortest"
	"goflink/operator/windowing"
)

type either = tuple.Either[order, payment]

var united = operatortest.Input[either]{Hash: func(e either) uint64 {
	return keygroup.HashString(e.Left.Customer + e.Right.Customer)
}}

func left(o order) either    { return tuple.Left[order, payment](o) }
func right(p payment) either { return tuple.Right[order](p) }

func tumbling(tb testing.TB, size time.Duration) windowing.Spec[either, string, window.Time] {
	tb.Helper()
	key, err := typeinfo.KeyOf[string]()
	if err != nil {
		tb.Fatal(err)
	}
	return windowing.Spec[either, string, window.Time]{
		Key: joining.UnionKey(func(o order) string { return o.Customer },
			func(p payment) string { return p.Customer }),
		KeyType: key, Assigner: window.TumblingEventTime[either](size),
	}
}

// unitedScript has three windows of a, of which the second has one side only, and one of b.
func unitedScript() []operatortest.Step {
	return []operatortest.Step{
		united.Record(left(order{"a", 1}), 1), united.Record(right(payment{"a", 10}), 2),
		united.Record(left(order{"a", 2}), 9), united.Record(right(payment{"a", 20}), 3),
		united.Record(right(payment{"b", 70}), 4), united.Watermark(9),
		united.Record(left(order{"a", 3}), 15), united.Watermark(19),
		united.Record(right(payment{"a", 30}), 25), united.Record(left(order{"a", 4}), 21),
		operatortest.End(),
	}
}

// TestWindowJoin: R38: the pairs of both streams in one window of one key.
func TestWindowJoin(t *testing.T) {
	f, err := joining.Join(tumbling(t, 10*time.Millisecond), func(o order, p payment) string {
		return fmt.Sprintf("%s %d+%d", o.Customer, o.Item, p.Cents)
	})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, operatortest.Explore(t, withState(f, operatortest.Output[string]{}), unitedScript()),
		"a 1+10@9", "a 1+20@9", "a 2+10@9", "a 2+20@9", "watermark 9", "watermark 19", "a 4+30@29",
		"watermark max")
}

// grouped is a co-group function that shows both sides, and notes its life.
type grouped struct {
	log *[]string
}

func (f grouped) Open(o *windowing.OpenContext) error {
	*f.log = append(*f.log, fmt.Sprint("open ", o.Runtime().Info().Subtask))
	return nil
}

func (f grouped) Close() error {
	*f.log = append(*f.log, "close")
	return nil
}

func (f grouped) CoGroup(ctx *windowing.Context[string, window.Time], orders []order,
	payments []payment, out *operator.Emitter[string],
) error {
	if len(payments) == 1 && payments[0].Cents < 0 {
		return errors.New("a negative payment")
	}
	var sides [2][]int
	for _, o := range orders {
		sides[0] = append(sides[0], o.Item)
	}
	for _, p := range payments {
		sides[1] = append(sides[1], p.Cents)
	}
	out.Emit(fmt.Sprint(ctx.Key(), ctx.Window().Start, sides))
	return nil
}

// clearing is a co-group function with something to clear.
type clearing struct{ grouped }

func (f clearing) Clear(ctx *windowing.Context[string, window.Time]) error {
	*f.log = append(*f.log, fmt.Sprint("clear ", ctx.Key()))
	return nil
}

func coGroup(tb testing.TB, create func() joining.CoGroupFunction[string, window.Time, order,
	payment,
	string],
) operatortest.Options {
	tb.Helper()
	f, err := joining.CoGroup(tumbling(tb, 10*time.Millisecond), create)
	if err != nil {
		tb.Fatal(err)
	}
	return withState(f, operatortest.Output[string]{})
}

// TestCoGroup: R38, R48: the function gets both sides of each window and key, also if one is empty.
func TestCoGroup(t *testing.T) {
	var log []string
	o := coGroup(t, func() joining.CoGroupFunction[string, window.Time, order, payment, string] {
		return grouped{log: &log}
	})
	expect(t, operatortest.Explore(t, o, unitedScript()),
		"a0 [[1 2] [10 20]]@9", "b0 [[] [70]]@9", "watermark 9", "a10 [[3] []]@19", "watermark 19",
		"a20 [[4] [30]]@29", "watermark max")
	log = nil
	h := operatortest.New(t, o)
	h.Run(united.Record(right(payment{"a", -1}), 1))
	err := h.Do(united.Watermark(10))
	if err == nil || !strings.Contains(err.Error(), "grouped: a negative payment") {
		t.Errorf("a failing function: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, log, "open 0", "close")
	log = nil
	h = operatortest.New(t, coGroup(t,
		func() joining.CoGroupFunction[string, window.Time, order, payment, string] {
			return clearing{grouped{log: &log}}
		}))
	h.Run(united.Record(left(order{"a", 1}), 1), united.Watermark(10))
	expect(t, log, "open 0", "clear a")
}

// TestTags: the operators before the union tag the records of both streams.
func TestTags(t *testing.T) {
	out := operatortest.Output[either]{}
	h := operatortest.New(t, operatortest.Options{Factory: joining.TagLeft[order, payment](),
		Outputs: []operatortest.AnyOutput{out}})
	h.Run(orders.Record(order{"a", 1}, 5))
	expect(t, h.Lines(), "Left(order{customer='a', item=1})@5")
	h = operatortest.New(t, operatortest.Options{Factory: joining.TagRight[order, payment](),
		Outputs: []operatortest.AnyOutput{out}})
	h.Run(operatortest.Input[payment]{}.Record(payment{"a", 1}, stream.NoTimestamp))
	expect(t, h.Lines(), "Right(payment{customer='a', cents=1})")
}

// TestWindowJoinRefused: what cannot work is refused when it is built or opened.
func TestWindowJoinRefused(t *testing.T) {
	if _, err := joining.Join[string, window.Time, order, payment, string](
		tumbling(t, time.Second), nil); err == nil {
		t.Error("a join without function was accepted")
	}
	_, err := operatortest.Start(t, coGroup(t,
		func() joining.CoGroupFunction[string, window.Time, order, payment, string] { return nil }))
	if err == nil || !strings.Contains(err.Error(), "returned nil") {
		t.Errorf("a factory without function: %v", err)
	}
	s := tumbling(t, time.Second)
	s.Assigner = nil
	if _, err := joining.Join(s, func(o order, _ payment) order { return o }); err == nil {
		t.Error("windows without assigner were accepted")
	}
}
