package testkit

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { VerifyMain(m) }

// recorder stands in for a running test: it keeps what was logged and runs cleanups when told to.
type recorder struct {
	name     string
	failed   bool
	cleanups []func()
	log      []string
}

// fatal is what recorder panics with where a real test would end its goroutine.
type fatal string

func (r *recorder) Helper()          {}
func (r *recorder) Name() string     { return r.name }
func (r *recorder) Failed() bool     { return r.failed }
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Logf(format string, a ...any) {
	r.log = append(r.log, fmt.Sprintf(format, a...))
}
func (r *recorder) Error(a ...any) {
	r.failed = true
	r.log = append(r.log, fmt.Sprint(a...))
}
func (r *recorder) Fatalf(format string, a ...any) {
	r.failed = true
	panic(fatal(fmt.Sprintf(format, a...)))
}

// end runs the cleanups as the testing package does, the last first.
func (r *recorder) end() {
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
}

func TestSeedIsPrintedOnFailure(t *testing.T) {
	t.Setenv(envSeed, "")
	r := &recorder{name: "TestMerge/two (wide)"}
	seedOf(r)
	r.failed = true
	r.end()
	if len(r.log) != 1 {
		t.Fatalf("log of a failed test: %q, want one line", r.log)
	}
	for _, want := range []string{
		"seed ", "GOFLINK_SEED=", " -count=1 ",
		`-run '^TestMerge$/^two \(wide\)$'`, "./internal/testkit",
	} {
		if !strings.Contains(r.log[0], want) {
			t.Errorf("%q lacks %q", r.log[0], want)
		}
	}
}

func TestSeedIsQuietOnSuccess(t *testing.T) {
	r := &recorder{name: "TestQuiet"}
	seedOf(r)
	r.end()
	if len(r.log) != 0 {
		t.Errorf("a passing test logged %q", r.log)
	}
}

// TestSeedReplays takes the printed seed of a random run and gets the same values with it.
func TestSeedReplays(t *testing.T) {
	t.Setenv(envSeed, "")
	names := []string{"TestA", "TestA/x", "TestA/y", "TestA/x"}
	first, printed := seedsOf(t, names)
	if again, _ := seedsOf(t, names); slices.Equal(again, first) {
		t.Error("two runs without GOFLINK_SEED drew the same seeds")
	}
	t.Setenv(envSeed, printed)
	if replay, _ := seedsOf(t, names); !slices.Equal(replay, first) {
		t.Errorf("with %s=%s: got %d, want %d", envSeed, printed, replay, first)
	}
	if first[0] == first[1] || first[1] == first[2] || first[1] != first[3] {
		t.Errorf("seeds of %q: %d, want one per name", names, first)
	}
}

// seedsOf runs one failed test of each name, all open at the same time, and returns their seeds and
// the seed that they print.
func seedsOf(t *testing.T, names []string) (seeds []uint64, printed string) {
	t.Helper()
	var open []*recorder
	for _, name := range names {
		r := &recorder{name: name}
		open = append(open, r)
		seeds = append(seeds, seedOf(r))
	}
	for _, r := range slices.Backward(open) {
		r.failed = true
		r.end()
		var seed uint64
		if _, err := fmt.Sscanf(r.log[0], "seed %d;", &seed); err != nil {
			t.Fatalf("%q: %v", r.log[0], err)
		}
		if printed = fmt.Sprint(seed); printed != fmt.Sprint(seeds[0]) {
			t.Errorf("%s prints seed %s, want %d of its top-level test", r.name, printed, seeds[0])
		}
	}
	return seeds, printed
}

func TestSeedRefusesNonsense(t *testing.T) {
	t.Setenv(envSeed, "0x12")
	defer func() {
		text, ok := recover().(fatal)
		if !ok || !strings.Contains(string(text), `GOFLINK_SEED="0x12"`) {
			t.Errorf("got %q, want a failure that names the variable and its value", text)
		}
	}()
	seedOf(&recorder{name: "TestNonsense"})
}

func TestSeedList(t *testing.T) {
	for _, c := range []struct {
		count           int
		one, many, fail string
		want            int
	}{
		{count: 3, want: 3},
		{count: 3, many: "5", want: 5},
		{count: 3, one: "7", many: "5", want: 1},
		{count: 3, one: "-7", fail: `GOFLINK_SEED="-7"`},
		{count: 3, many: "0", fail: `GOFLINK_SEEDS="0"`},
		{count: 3, many: "1000001", fail: `GOFLINK_SEEDS="1000001"`},
		{count: 0, fail: "a test of 0 seeds"},
	} {
		seeds, err := seedList(c.count, c.one, c.many)
		switch {
		case c.fail != "":
			if err == nil || !strings.Contains(err.Error(), c.fail) {
				t.Errorf("%+v: error %v", c, err)
			}
		case err != nil:
			t.Errorf("%+v: %v", c, err)
		case len(seeds) != c.want:
			t.Errorf("%+v: %d seeds", c, len(seeds))
		case c.one != "" && fmt.Sprint(seeds[0]) != c.one:
			t.Errorf("%+v: seed %d", c, seeds[0])
		}
	}
}

func TestEachSeed(t *testing.T) {
	t.Setenv(envSeed, "")
	t.Setenv(envSeeds, "")
	var seen []uint64
	EachSeed(t, 4, func(t *testing.T, seed uint64) {
		seen = append(seen, seed)
		if want := fmt.Sprintf("seed=%d", seed); !strings.HasSuffix(t.Name(), want) {
			t.Errorf("name %q, want it to end in %q", t.Name(), want)
		}
	})
	slices.Sort(seen)
	if len(slices.Compact(seen)) != 4 {
		t.Errorf("seeds %d, want 4 different ones", seen)
	}
	t.Setenv(envSeed, "42")
	seen = nil
	EachSeed(t, 4, func(_ *testing.T, seed uint64) { seen = append(seen, seed) })
	if !slices.Equal(seen, []uint64{42}) {
		t.Errorf("with GOFLINK_SEED=42: ran %d", seen)
	}
}

// TestEachSeedOwnsSeeds: what a run of EachSeed draws with Seed follows from the seed in its name,
// so that the replay of that run draws the same.
func TestEachSeedOwnsSeeds(t *testing.T) {
	draw := func(seed uint64) (own, below uint64) {
		EachSeed(t, 1, func(t *testing.T, got uint64) {
			if seed != 0 && got != seed {
				t.Errorf("runs seed %d, want %d", got, seed)
			}
			if own = Seed(t); own != got {
				t.Errorf("Seed is %d in the run of seed %d", own, got)
			}
			t.Run("below", func(t *testing.T) { below = Seed(t) })
		})
		return own, below
	}
	t.Setenv(envSeed, "")
	own, below := draw(0)
	if own == below {
		t.Error("the subtest got its parent's seed")
	}
	t.Setenv(envSeed, fmt.Sprint(own))
	if _, again := draw(own); again != below {
		t.Errorf("the replay drew %d below, want %d", again, below)
	}
}

func TestSourceIsFixed(t *testing.T) {
	a, b := Source(7), Source(7)
	for range 100 {
		if a.Uint64() != b.Uint64() {
			t.Fatal("the same seed gave different numbers")
		}
	}
	if Source(7).Uint64() == Source(8).Uint64() {
		t.Error("seeds 7 and 8 start alike")
	}
	if Rand(t).Uint64() != Source(Seed(t)).Uint64() {
		t.Error("Rand does not start from Seed")
	}
}

func TestPackageFolderOutsideModule(t *testing.T) {
	if got := packageFolder(); got != "./internal/testkit" {
		t.Errorf("in this package: %q", got)
	}
	dir := t.TempDir()
	if _, err := os.Stat(dir + "/go.mod"); err == nil {
		t.Fatal("a module in an empty folder")
	}
	t.Chdir(dir)
	if got := packageFolder(); got != "." {
		t.Errorf("outside of a module: %q", got)
	}
}
