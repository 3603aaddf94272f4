package testkit

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"goflink/internal/invariant"
)

// The environment variables that a replay or a long run sets.
const (
	envSeed  = "GOFLINK_SEED"
	envSeeds = "GOFLINK_SEEDS"
)

// eachPrefix starts the name of a subtest of EachSeed; the seed follows.
const eachPrefix = "seed="

// maxSeeds is the largest number of runs that GOFLINK_SEEDS may ask of one test.
const maxSeeds = 1_000_000

// tb is the part of testing.TB that seeds need; the package's own tests record what happens to it.
type tb interface {
	Helper()
	Name() string
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// root is the seed of a top-level test, or of one run of EachSeed, while a test below it uses it.
type root struct {
	seed  uint64
	users int // calls of Seed whose test has not ended
}

// roots holds the seeds in use by the name of the test they belong to.
var roots struct {
	sync.Mutex
	byTest map[string]*root
}

// Seed returns the seed of the running test. When the test fails, its log says the seed and the
// command that repeats the run. Repeated calls in one test return the same value; subtests get
// values of their own that follow from the seed of their top-level test, so that one printed seed
// repeats them all. GOFLINK_SEED replaces the random choice. Seed may be called from parallel
// tests.
func Seed(t testing.TB) uint64 {
	t.Helper()
	return seedOf(t)
}

// Rand returns a new generator that starts from [Seed]; two generators of one test yield the same
// numbers. The generator belongs to the caller and is not safe for concurrent use.
func Rand(t testing.TB) *rand.Rand {
	t.Helper()
	return Source(seedOf(t))
}

// Source returns a generator for a seed: the same numbers for the same seed in every run and on
// every platform (PCG-DXSM of math/rand/v2, whose sequence its documentation fixes). The generator
// belongs to the caller and is not safe for concurrent use.
func Source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)) }

// EachSeed runs f as one subtest per seed, count times, or GOFLINK_SEEDS times when that is set, or
// once with GOFLINK_SEED. A failed subtest prints its seed and the command that repeats it alone.
// Calls of [Seed] inside f follow from that seed, too. EachSeed stops after the first seed that
// fails: what follows would only bury it.
func EachSeed(t *testing.T, count int, f func(t *testing.T, seed uint64)) {
	t.Helper()
	seeds, err := seedList(count, os.Getenv(envSeed), os.Getenv(envSeeds))
	if err != nil {
		t.Fatal(err)
	}
	for i, seed := range seeds {
		ok := t.Run(eachPrefix+strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Cleanup(func() { reportSeed(t, seed) })
			f(t, seed)
		})
		if !ok {
			t.Logf("stopped at seed %d of %d", i+1, len(seeds))
			return
		}
	}
}

// seedList returns the seeds that EachSeed runs, given what the environment says.
func seedList(count int, envOne, envCount string) ([]uint64, error) {
	if envOne != "" {
		seed, err := parseSeed(envOne)
		return []uint64{seed}, err
	}
	if envCount != "" {
		n, err := strconv.Atoi(envCount)
		if err != nil || n < 1 || n > maxSeeds {
			return nil, fmt.Errorf("%s=%q: want a number of runs from 1 to %d",
				envSeeds, envCount, maxSeeds)
		}
		count = n
	}
	if count < 1 || count > maxSeeds {
		return nil, fmt.Errorf("a test of %d seeds: want 1 to %d", count, maxSeeds)
	}
	seeds := make([]uint64, count)
	for i := range seeds {
		seeds[i] = rand.Uint64()
	}
	return seeds, nil
}

// parseSeed reads GOFLINK_SEED.
func parseSeed(text string) (uint64, error) {
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s=%q: want the decimal number of a failed test", envSeed, text)
	}
	return seed, nil
}

// seedOf implements Seed on what can be recorded.
func seedOf(t tb) uint64 {
	t.Helper()
	seed, err := acquire(t)
	if err != nil {
		t.Fatalf("%v", err)
	}
	owner, sub := splitName(t.Name())
	t.Cleanup(func() {
		release(owner)
		reportSeed(t, seed)
	})
	if sub == "" {
		return seed
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s", seed, sub)
	return h.Sum64()
}

// splitName cuts the name of a test into the part that owns a seed, the top-level test or the run
// of EachSeed inside it, and the subtest below that.
func splitName(name string) (owner, sub string) {
	owner, sub, _ = strings.Cut(name, "/")
	if next, rest, _ := strings.Cut(sub, "/"); strings.HasPrefix(next, eachPrefix) {
		return owner + "/" + next, rest
	}
	return owner, sub
}

// acquire returns the seed that t's values follow from and counts t as its user.
func acquire(t tb) (uint64, error) {
	owner, _ := splitName(t.Name())
	roots.Lock()
	defer roots.Unlock()
	r := roots.byTest[owner]
	if r == nil {
		seed, err := drawSeed(owner)
		if err != nil {
			return 0, err
		}
		r = &root{seed: seed}
		if roots.byTest == nil {
			roots.byTest = map[string]*root{}
		}
		roots.byTest[owner] = r
	}
	r.users++
	return r.seed, nil
}

// drawSeed chooses the seed of a top-level test or reads it from the name of a run of EachSeed.
func drawSeed(owner string) (uint64, error) {
	if _, each, ok := strings.Cut(owner, "/"+eachPrefix); ok {
		each, _, _ = strings.Cut(each, "#") // the number of a second run with the same seed
		return parseSeed(each)
	}
	if env := os.Getenv(envSeed); env != "" {
		return parseSeed(env)
	}
	return rand.Uint64(), nil
}

// release gives back what acquire counted; the last user of a seed forgets it, so that the next run
// of the test (-count) draws another.
func release(owner string) {
	roots.Lock()
	defer roots.Unlock()
	if r := roots.byTest[owner]; r != nil {
		if r.users--; r.users == 0 {
			delete(roots.byTest, owner)
		}
	}
}

// reportSeed logs the seed of a failed test and how to run the test with it again.
func reportSeed(t tb, seed uint64) {
	if t.Failed() {
		t.Helper()
		t.Logf("seed %d; to repeat: %s", seed, replayCommand(seed, t.Name(), packageFolder()))
	}
}

// replayCommand is the shell command, in the module's root, that runs one test with a seed.
func replayCommand(seed uint64, test, folder string) string {
	elems := strings.Split(test, "/")
	for i, e := range elems {
		elems[i] = "^" + regexp.QuoteMeta(e) + "$"
	}
	flags := ""
	if RaceEnabled {
		flags += " -race"
	}
	if invariant.Enabled {
		flags += " -tags invariants"
	}
	return fmt.Sprintf("%s=%d go test%s -count=1 -run '%s' %s",
		envSeed, seed, flags, strings.Join(elems, "/"), folder)
}

// packageFolder returns the folder of the package under test as the go command takes it in the
// module's root ("./runtime/task"), or "." when there is no module around the working directory. A
// test starts in the folder of its package.
func packageFolder() string {
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for top := dir; ; top = filepath.Dir(top) {
		if _, err := os.Stat(filepath.Join(top, "go.mod")); err == nil {
			rel, err := filepath.Rel(top, dir)
			if err != nil || rel == "." {
				return "."
			}
			return "./" + filepath.ToSlash(rel)
		}
		if top == filepath.Dir(top) {
			return "."
		}
	}
}
