package writing_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"goflink/core/config"
	"goflink/core/filesystem"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/internal/testkit"
	"goflink/operator"
	"goflink/operator/operatortest"
	"goflink/runtime/memfs"
	"goflink/runtime/memstate"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

// options runs an operator with operator state. With checkpoints, the job takes some.
func options(f operator.Factory, parallelism int, checkpoints bool) operatortest.Options {
	conf := config.New()
	if checkpoints {
		conf.Set("execution.checkpointing.interval", "1 s", "test")
	}
	return operatortest.Options{Factory: f, Name: "sink", Parallelism: parallelism, Config: conf,
		OperatorStates: func(o statebackend.OperatorOptions) (statebackend.OperatorStore, error) {
			return memstate.NewOperatorStore(context.Background(), o)
		},
		CheckMutation: true, Now: 1_700_000_000_000}
}

// feed makes the steps that feed values without timestamps.
func feed[T any](vs ...T) []operatortest.Step {
	var steps []operatortest.Step
	for _, v := range vs {
		steps = append(steps, operatortest.Input[T]{}.Record(v, stream.NoTimestamp))
	}
	return steps
}

// memory is a file system in memory and the registry that finds it.
func memory(t testing.TB, o memfs.Options) (*memfs.FS, *filesystem.Registry) {
	t.Helper()
	fs := memfs.New(o)
	files, err := filesystem.NewRegistry("mem:///")
	if err == nil {
		err = files.Register("mem", func(context.Context, string) (filesystem.FileSystem, error) {
			return fs, nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return fs, files
}

func equal(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s:\ngot  %q\nwant %q", what, got, want)
	}
}

// expectError demands an error that is another one and says something.
func expectError(t testing.TB, err, is error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one with %q", parts)
		return
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("the error is not %q: %v", is, err)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("the error lacks %q: %v", p, err)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
