package process_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/core/typeinfo"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/operator/operatortest"
	"goflink/operator/process"
	"goflink/runtime/memstate"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

// wordCount is the record of the usual example.
type wordCount struct {
	Word  string
	Count int64
}

func (w wordCount) String() string { return fmt.Sprintf("%s=%d", w.Word, w.Count) }

func wordOf(w wordCount) string { return w.Word }

func hashOf(w wordCount) uint64 { return keygroup.HashString(w.Word) }

func byWord(tb testing.TB) process.KeyBy[wordCount, string] {
	return process.KeyBy[wordCount, string]{Selector: wordOf,
		Key: must(typeinfo.KeyOf[string]())(tb)}
}

// wordInput feeds word counts by their word.
var wordInput = operatortest.Input[wordCount]{Hash: hashOf}

func wc(word string, count int64) wordCount { return wordCount{word, count} }

// must returns a value that an error must not come with.
func must[T any](v T, err error) func(tb testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

// options runs an operator with the state of the heap backend and one main output.
func options[Out any](f operator.Factory, tags ...operatortest.AnyOutput) operatortest.Options {
	return operatortest.Options{
		Factory: f,
		Outputs: append([]operatortest.AnyOutput{operatortest.Output[Out]{}}, tags...),
		Backend: memstate.New(),
		OperatorStates: func(o statebackend.OperatorOptions) (statebackend.OperatorStore, error) {
			return memstate.NewOperatorStore(context.Background(), o)
		},
		CheckMutation: true,
	}
}

// expect compares lines of output.
func expect(tb testing.TB, got []string, want ...string) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("the output differs (- missing, + too many)\n%s\ngot %s",
			operatortest.Diff(want, got), strings.Join(got, " | "))
	}
}

// expectError demands an error that says something.
func expectError(tb testing.TB, err error, parts ...string) {
	tb.Helper()
	if err == nil {
		tb.Fatalf("no error; want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			tb.Errorf("the error lacks %q: %v", p, err)
		}
	}
}
