package contract

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// The first outputs of SplitMix64 from states 0 and 1234567, as its reference implementation
// (https://prng.di.unimi.it/splitmix64.c) gives them.
func TestMixIsSplitMix64(t *testing.T) {
	if got := Mix(0); got != 0xE220A8397B1DCDAF {
		t.Errorf("Mix(0) = %#x", got)
	}
	if got := Mix(1234567); got != 6457827717110365317 {
		t.Errorf("Mix(1234567) = %d", got)
	}
}

// The digest of a word goes by its first, middle and last letter and its length.
func TestDigestWord(t *testing.T) {
	for word, parts := range map[string]uint64{"a": 0x61616101 << 32, "ab": 0x61626202 << 32,
		"hello": 0x686c6f05 << 32} {
		if got, want := DigestWord(word, 7), Mix(parts+7); got != want {
			t.Errorf("DigestWord(%q) = %x, want %x", word, got, want)
		}
	}
}

func TestEventsAreSharedOutWithoutGap(t *testing.T) {
	const events, parallelism = 1000, 4
	seen := make([]bool, events)
	for subtask := range parallelism {
		for index := range int64(events / parallelism) {
			number := EventNumber(index, subtask, parallelism)
			if seen[number] {
				t.Fatalf("event %d comes twice", number)
			}
			seen[number] = true
		}
	}
	if slices.Contains(seen, false) {
		t.Error("an event is missing")
	}
}

func TestKeysAndValuesStayInRange(t *testing.T) {
	for event := range int64(100_000) {
		bits := Bits(event, 3)
		if key := Key(bits, SlidingKeys); key < 0 || key >= SlidingKeys {
			t.Fatalf("key %d of event %d", key, event)
		}
		if value := Value(bits); value < 0 || value > 1023 {
			t.Fatalf("value %d of event %d", value, event)
		}
	}
	if Time(99) != 0 || Time(100) != 1 {
		t.Error("there must be 100 events in a millisecond")
	}
}

func TestOptionsSurviveTheCommandLine(t *testing.T) {
	for _, want := range []Options{
		{Program: Sliding, Events: 10, Seed: -5, Progress: "p", Result: "r", Parallelism: 2,
			MemoryBytes: 1 << 30, CheckpointInterval: 10 * time.Second},
		{Program: WordCount, Seed: 1, Input: "in", Progress: "p", Result: "r", Parallelism: 3,
			Network: true, MemoryBytes: 5, CheckpointDir: "c", CheckpointInterval: time.Minute,
			Verify: true},
	} {
		got, err := ParseOptions(want.Args())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestOptionsErrorsNameTheFlag(t *testing.T) {
	valid := []string{"--program", "chain", "--events", "10", "--progress", "p", "--result", "r"}
	if _, err := ParseOptions(valid); err != nil {
		t.Fatal(err)
	}
	for flag, args := range map[string][]string{
		"--program":             {"--program", "cep"},
		"--events":              {"--events", "11"},
		"--progress":            {"--progress", ""},
		"--result":              {"--result", ""},
		"--parallelism":         {"--parallelism", "0"},
		"--memory-bytes":        {"--memory-bytes", "0"},
		"--input":               {"--program", "wordcount"},
		"--checkpoint-interval": {"--checkpoint-dir", "c", "--checkpoint-interval", "0s"},
		"-unknown":              {"--unknown"},
		"stray":                 {"stray"},
	} {
		_, err := ParseOptions(append(slices.Clone(valid), args...))
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: error %v", flag, err)
		}
	}
}

func TestProgressIsSeenThroughTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "progress")
	runner, err := CreateProgress(path, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer runner.Close()
	worker, err := OpenProgress(path, 3)
	if err != nil {
		t.Fatal(err)
	}
	worker.Set(0, 5)
	worker.Set(2, 1<<40)
	if got, want := runner.Total(), int64(5+1<<40); got != want {
		t.Errorf("total %d, want %d", got, want)
	}
	if err := worker.Close(); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text[0] != 5 || text[2*ProgressSlotBytes+5] != 1 {
		t.Error("the file is not little endian at 64 bytes a slot")
	}
}

func TestProgressRefusesAnotherParallelism(t *testing.T) {
	path := filepath.Join(t.TempDir(), "progress")
	runner, err := CreateProgress(path, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer runner.Close()
	if _, err := OpenProgress(path, 3); err == nil || !strings.Contains(err.Error(), "128 bytes") {
		t.Errorf("error %v", err)
	}
	for _, parallelism := range []int{0, MaxParallelism + 1} {
		if _, err := CreateProgress(path, parallelism); err == nil {
			t.Errorf("parallelism %d was taken", parallelism)
		}
	}
}

func TestResultsOfAllSubtasksAreMerged(t *testing.T) {
	dir := t.TempDir()
	var want Result
	for subtask := range 2 {
		one := Result{}
		one.Add(1<<63 + uint64(subtask))
		want.Merge(one)
		if err := WriteResult(dir, subtask, one); err != nil {
			t.Fatal(err)
		}
		if err := WriteRecords(dir, subtask, func(out io.Writer) error {
			_, err := io.WriteString(out, []string{"b\t1\nd\t1\n", "c\t1\na\t1\n"}[subtask])
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadResult(dir, 2)
	if err != nil || got != want || want.Records != 2 || want.Sum != 1 {
		t.Errorf("result %v, error %v, want %v", got, err, want)
	}
	lines, err := ReadRecords(dir, 2)
	if err != nil || !slices.Equal(lines, []string{"a\t1", "b\t1", "c\t1", "d\t1"}) {
		t.Errorf("lines %q, error %v", lines, err)
	}
	if _, err := ReadResult(dir, 3); err == nil || !strings.Contains(err.Error(), "subtask 2") {
		t.Errorf("a missing subtask: error %v", err)
	}
	if _, err := ReadRecords(dir, 3); err == nil || !strings.Contains(err.Error(), "subtask 2") {
		t.Errorf("a missing subtask: error %v", err)
	}
}

func TestMalformedResultIsNamed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "checksum-0.txt"), []byte("ten"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadResult(dir, 1); err == nil || !strings.Contains(err.Error(), `"ten"`) {
		t.Errorf("error %v", err)
	}
}

func TestFailedRecordsFileDoesNotAppear(t *testing.T) {
	dir := t.TempDir()
	err := WriteRecords(dir, 0, func(io.Writer) error { return io.ErrUnexpectedEOF })
	if err == nil {
		t.Fatal("the error was lost")
	}
	if _, err := os.Stat(filepath.Join(dir, "records-0.tsv")); !os.IsNotExist(err) {
		t.Errorf("the file is there: %v", err)
	}
}

func TestCheckpointsAreCounted(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadCheckpoints(dir); err == nil {
		t.Error("a missing count was read")
	}
	if err := WriteCheckpoints(dir, 12); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadCheckpoints(dir); got != 12 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
}
