package operatortest

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"goflink/core/keygroup"
	"goflink/core/stream"
	"goflink/internal/testkit"
	"goflink/operator"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

// echo hands numbers on, in the way that its fields say.
type echo struct {
	operator.Forward
	rt  operator.Runtime
	out *operator.Emitter[int]
	// keep makes it emit each batch only with the next one, which it must not.
	keep bool
	kept *stream.Batch[int]
	// count makes it emit how many records it saw, which it does not keep in state.
	count bool
	n     int
	// later makes it emit from a timer, async from another goroutine's mail.
	later, async bool
	got          int
}

func (o *echo) Open(rt operator.Runtime) (err error) {
	o.rt = rt
	o.out, err = operator.NewEmitter[int](rt, "")
	o.Outs = append(o.Outs, o.out.Out())
	return err
}

func (o *echo) Input(int) any { return o }
func (o *echo) Finish() error { return nil }
func (o *echo) Close() error  { return nil }

func (o *echo) Batch(b *stream.Batch[int]) error {
	for i, v := range b.Values {
		o.n++
		switch {
		case o.count:
			o.out.EmitAt(o.n, b.Time(i))
		case o.later:
			o.rt.At(o.rt.Now()+int64(v), func() error {
				o.out.EmitAt(v, o.rt.Now())
				return o.out.Flush()
			})
		case o.async:
			o.rt.Go("echo", func(context.Context) {
				o.rt.Mail(func() error {
					o.got++
					o.out.EmitAt(v, int64(v))
					return o.out.Flush()
				})
			})
		case o.keep:
			if o.kept != nil {
				o.out.EmitAt(o.kept.Values[0], b.Time(i))
			}
			o.kept = b
		default:
			o.out.EmitAt(v, b.Time(i))
		}
	}
	return o.out.Flush()
}

func options(op echo) Options {
	return Options{
		Factory: operator.FactoryFunc(func() (operator.Operator, error) {
			o := op
			return &o, nil
		}),
		Outputs: []AnyOutput{Output[int]{}},
	}
}

func hash(v int) uint64 {
	return keygroup.Hash(binary.BigEndian.AppendUint64(nil, uint64(v)))
}

var in = Input[int]{Hash: hash}

// fakeTB records that a test failed.
type fakeTB struct {
	testing.TB
	failure string
}

type failed struct{}

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.failure = fmt.Sprintf(format, args...)
	panic(failed{})
}

func (f *fakeTB) Errorf(format string, args ...any) { f.failure = fmt.Sprintf(format, args...) }

// failureOf returns with what message f fails its test.
func failureOf(t *testing.T, f func(tb testing.TB)) string {
	fake := &fakeTB{TB: t}
	func() {
		defer func() {
			if r := recover(); r != nil && r != (failed{}) {
				panic(r)
			}
		}()
		f(fake)
	}()
	return fake.failure
}

func TestExploreAcceptsStateless(t *testing.T) {
	got := Explore(t, options(echo{}), []Step{
		in.Record(3, 30), in.Record(1, 10), in.Watermark(20), in.Record(2, 25),
		in.Status(stream.Idle), End(),
	})
	want := "1@10|3@30|watermark 20|2@25|idle|watermark max"
	if text := strings.Join(got, "|"); text != want {
		t.Errorf("got %s, want %s", text, want)
	}
}

func TestExploreFindsLostState(t *testing.T) {
	msg := failureOf(t, func(tb testing.TB) {
		Explore(tb, options(echo{count: true}), []Step{in.Record(3, 30), in.Record(1, 10)})
	})
	if !strings.Contains(msg, "before step 1:") || !strings.Contains(msg, "- 2@10") {
		t.Errorf("a count that is not in state was reported as %q", msg)
	}
}

func TestExploreFindsRetainedBatches(t *testing.T) {
	o := options(echo{keep: true})
	o.NoRescale = true
	msg := failureOf(t, func(tb testing.TB) {
		Explore(tb, o, []Step{in.Record(3, 30), in.Record(1, 10)})
	})
	if !strings.Contains(msg, "batches cut at 1") || !strings.Contains(msg, "+ 0@10") {
		t.Errorf("a kept batch was reported as %q", msg)
	}
}

func TestClock(t *testing.T) {
	h := New(t, options(echo{later: true}))
	h.Run(in.Record(20, 0), in.Record(5, 0), AdvanceTo(10), JumpTo(50))
	if got := strings.Join(h.Lines(), "|"); got != "20@50|5@5" {
		t.Errorf("got %s", got)
	}
}

func TestMail(t *testing.T) {
	h := New(t, options(echo{async: true}))
	h.Run(in.Record(2, 0), in.Record(1, 0), Await("both", func(h *Harness) bool {
		return h.Operator(0).(*echo).got == 2
	}))
	if got := strings.Join(h.Lines(), "|"); got != "1@1|2@2" {
		t.Errorf("got %s", got)
	}
}

func TestWrongInputType(t *testing.T) {
	h := New(t, options(echo{}))
	err := h.Do(Input[string]{}.Record("x", 0))
	if err == nil || !strings.Contains(err.Error(), "does not receive string") {
		t.Errorf("feeding strings to an input of numbers: %v", err)
	}
}

func TestInterleave(t *testing.T) {
	rnd := testkit.Rand(t)
	a, b := []Step{{name: "a1"}, {name: "a2"}}, []Step{{name: "b1"}, {name: "b2"}}
	if got := len(Interleave(rnd, 10, a, b)); got != 6 {
		t.Errorf("2 and 2 steps have 6 mixes, got %d", got)
	}
	for _, mix := range Interleave(rnd, 4, a, b) {
		if len(mix) != 4 || before(mix, "a2", "a1") || before(mix, "b2", "b1") {
			t.Errorf("mix %v breaks an order", mix)
		}
	}
}

func before(mix []Step, x, y string) bool {
	for _, s := range mix {
		if s.name == x || s.name == y {
			return s.name == x
		}
	}
	return false
}
