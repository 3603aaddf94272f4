package windowing

import (
	"context"
	"fmt"
	"testing"

	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/core/typeinfo"
	"goflink/core/window"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/operator/operatortest"
	"goflink/runtime/memstate"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

// event is a record of the tests.
type event struct {
	Key string
	V   int64
}

// String is the event as "key=value".
func (e event) String() string { return fmt.Sprintf("%s=%d", e.Key, e.V) }

func keyOf(e event) string  { return e.Key }
func hashOf(e event) uint64 { return keygroup.HashString(e.Key) }
func larger(a, b event) event {
	if b.V > a.V {
		return b
	}
	return a
}

// events is the keyed input of the operators under test.
var events = operatortest.Input[event]{Hash: hashOf, Hashes: true}

// sum adds up.
type sum struct{}

func (sum) Create() int64                { return 0 }
func (sum) Add(e event, acc int64) int64 { return acc + e.V }
func (sum) Result(acc int64) int64       { return acc }
func (sum) Merge(a, b int64) int64       { return a + b }

// distinct counts distinct values in a map that it changes in place.
type distinct struct{}

func (distinct) Create() map[int64]int64 { return map[int64]int64{} }

func (distinct) Add(e event, acc map[int64]int64) map[int64]int64 {
	acc[e.V]++
	return acc
}

func (distinct) Result(acc map[int64]int64) string {
	n := int64(0)
	for _, c := range acc {
		n += c
	}
	return fmt.Sprintf("%d of %d", len(acc), n)
}

func (distinct) Merge(a, b map[int64]int64) map[int64]int64 {
	for v, c := range b {
		a[v] += c
	}
	return a
}

// describe emits what a window got as text.
func describe[W Window, In any]() Functions[string, W, In, string] {
	return Pure(func(ctx *Context[string, W], in In, out *operator.Emitter[string]) error {
		out.Emit(fmt.Sprintf("%s %v %v", ctx.Key(), ctx.Window(), in))
		return nil
	})
}

// specOf is the Spec of windows over events.
func specOf[W Window](a window.Assigner[event, W]) Spec[event, string, W] {
	key, err := typeinfo.KeyOf[string]()
	if err != nil {
		panic(err)
	}
	return Spec[event, string, W]{Key: keyOf, KeyType: key, Assigner: a}
}

// optionsOf are the options of a harness for a window operator that emits text.
func optionsOf(f operator.Factory) operatortest.Options {
	return operatortest.Options{
		Factory: f,
		Outputs: []operatortest.AnyOutput{
			operatortest.Output[string]{},
			operatortest.Output[event]{Tag: "late"},
			operatortest.Output[string]{Tag: "side"},
		},
		Backend: memstate.New(),
		OperatorStates: func(o statebackend.OperatorOptions) (statebackend.OperatorStore, error) {
			return memstate.NewOperatorStore(context.Background(), o)
		},
		CheckMutation: true,
	}
}

// must fails the test if a factory cannot be made.
func must(tb testing.TB) func(f operator.Factory, err error) operator.Factory {
	return func(f operator.Factory, err error) operator.Factory {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return f
	}
}
