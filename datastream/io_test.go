package datastream_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"goflink/datastream"
	"goflink/entrypoint"
	"goflink/operator/reading"
)

// collected runs the program that build makes and fetches the records of the stream it returns.
func collected[T any](t *testing.T, limit int,
	build func(env *datastream.Environment) *datastream.Stream[T],
	pairs ...string) (vs []T) {
	t.Helper()
	err := entrypoint.Run(t.Context(), func(env *datastream.Environment, _ []string) (err error) {
		vs, err = datastream.ExecuteAndCollect(build(env), t.Name(), limit)
		return err
	}, nil, settings(pairs...))
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

// TestCollections: R37: elements and collections come in their order; what becomes of the slice
// after the call does not matter. The results are fetched by the program, with checkpoints and
// without.
func TestCollections(t *testing.T) {
	for _, pairs := range [][]string{nil, {"execution.checkpointing.interval", "10 ms"}} {
		got := collected(t, 100, func(env *datastream.Environment) *datastream.Stream[count] {
			vs := []count{{"a", 1}, {"b", 2}, {"c", 3}}
			s := datastream.FromCollection(env, vs)
			vs[0] = count{"changed", 9}
			return s
		}, pairs...)
		if want := []count{{"a", 1}, {"b", 2}, {"c", 3}}; !slices.Equal(got, want) {
			t.Errorf("%v: collection %v, want %v", pairs, got, want)
		}
	}
	got := collected(t, 100, func(env *datastream.Environment) *datastream.Stream[string] {
		return datastream.FromElements(env, "x", "y")
	})
	if !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("elements %v", got)
	}
}

// TestCollectLimit: a job without end is cancelled once the program has as many records as it
// wants.
func TestCollectLimit(t *testing.T) {
	got := collected(t, 5, func(env *datastream.Environment) *datastream.Stream[int64] {
		return datastream.Generate(env, reading.Endless, 0, func(n int64) int64 { return n * n }).
			SetParallelism(1)
	})
	if !slices.Equal(got, []int64{0, 1, 4, 9, 16}) {
		t.Errorf("records %v", got)
	}
}

// TestCollectFailure: records that were fetched before a failure come, and then the error.
func TestCollectFailure(t *testing.T) {
	err := entrypoint.Run(t.Context(), func(env *datastream.Environment, _ []string) error {
		s := datastream.Map(datastream.FromElements(env, 1, 0), func(n int) int { return 1 / n })
		_, err := datastream.ExecuteAndCollect(s, "divides", 10)
		return err
	}, nil, settings())
	if err == nil || !strings.Contains(err.Error(), "divide by zero") {
		t.Errorf("error %v", err)
	}
}

// TestFiles: R37, R166: what one job writes to files, as text and as records, another one reads.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	text, binary := filepath.Join(dir, "text"), filepath.Join(dir, "binary")
	execute(t, func(env *datastream.Environment) {
		s := datastream.Map(datastream.FromSequence(env, 1, 1000), func(n int64) count {
			return count{fmt.Sprint("word ", n%10), n}
		})
		datastream.WriteText(s, text, datastream.Named[count]("out", ".txt"))
		datastream.WriteBinary(s, binary)
	}, "execution.checkpointing.interval", "10 ms")
	var lines *results[string]
	var records *results[count]
	execute(t, func(env *datastream.Environment) {
		lines = collect(datastream.TextFile(env, text))
		records = collect(datastream.BinaryFile[count](env, binary))
	})
	sum := int64(0)
	for _, c := range records.all() {
		sum += c.N
	}
	if n := len(records.all()); n != 1000 || sum != 500_500 {
		t.Errorf("%d records with the sum %d", n, sum)
	}
	if n := len(lines.all()); n != 1000 || !slices.Contains(lines.all(),
		"count{word='word 7', n=777}") {
		t.Errorf("%d lines, such as %q", n, lines.all()[:min(n, 3)])
	}
	names, err := filepath.Glob(filepath.Join(text, "out*.txt"))
	if err != nil || len(names) == 0 {
		t.Errorf("no file out….txt, %v", err)
	}
}

// TestDirectoryWithoutPermission: R166: a directory that cannot be written to fails the job by its
// name.
func TestDirectoryWithoutPermission(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := tryExecute(t, func(env *datastream.Environment) {
		datastream.WriteText(datastream.FromSequence(env, 1, 10), filepath.Join(file, "below"))
	})
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v, want one that names %s", err, file)
	}
}

// TestCorruptCheckpoint: a job that starts from a damaged checkpoint, or from none, says which.
func TestCorruptCheckpoint(t *testing.T) {
	dir := t.TempDir()
	damaged := filepath.Join(dir, "chk-1", "_metadata")
	if err := os.MkdirAll(filepath.Dir(damaged), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(damaged, []byte("this is no checkpoint"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{filepath.Dir(damaged): "chk-1",
		filepath.Join(dir, "chk-2"): "chk-2"} {
		_, err := tryExecute(t, func(env *datastream.Environment) {
			datastream.FromSequence(env, 1, 10).Discard()
		}, "execution.state-recovery.path", path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
