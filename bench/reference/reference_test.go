package reference

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"goflink/bench/contract"
)

// naive puts each event into each of its windows, as the definition of a window says.
func naive(options contract.Options, keys, size, slide int64,
	sum bool) (contract.Result, []string) {
	type cell struct{ key, end int64 }
	cells := make(map[cell]int64)
	for event := range options.Events {
		bits := contract.Bits(event, options.Seed)
		at := contract.Time(event)
		value := int64(1)
		if sum {
			value = contract.Value(bits)
		}
		for start := at - at%slide; start > at-size; start -= slide {
			cells[cell{contract.Key(bits, keys), start + size}] += value
		}
	}
	var result contract.Result
	var lines []string
	for cell, value := range cells {
		result.Add(contract.DigestWindow(cell.key, cell.end, value))
		if options.Verify {
			lines = append(lines, fmt.Sprintf("%d\t%d\t%d", cell.key, cell.end, value))
		}
	}
	slices.Sort(lines)
	return result, lines
}

func TestWindowsFollowTheirDefinition(t *testing.T) {
	sliding := contract.Options{Program: contract.Sliding, Events: 3_001, Seed: 5, Verify: true}
	wantSliding, slidingLines := naive(sliding, contract.SlidingKeys, contract.SlidingSizeMs,
		contract.SlidingSlideMs, false)
	// Just over a window of 10 s, which begins anew at event 1,000,000.
	tumbling := contract.Options{Program: contract.Tumbling, Events: 1_000_500, Seed: 6}
	wantTumbling, _ := naive(tumbling, contract.TumblingKeys,
		contract.TumblingSizeMs, contract.TumblingSizeMs, true)
	for _, c := range []struct {
		options contract.Options
		result  contract.Result
		lines   []string
	}{
		{sliding, wantSliding, slidingLines},
		{tumbling, wantTumbling, nil},
	} {
		result, lines, err := Compute(c.options)
		if err != nil {
			t.Fatal(err)
		}
		if result != c.result || !slices.Equal(lines, c.lines) {
			t.Errorf("%s: result %v with %d lines, want %v with %d", c.options.Program, result,
				len(lines), c.result, len(c.lines))
		}
	}
}

// A window that begins after time 0 has dropped the first events. That takes more events than the
// naive computation can hold, so that the totals of windows are compared.
func TestSlidingWindowsForget(t *testing.T) {
	const events = 6_200_000 // 62 s
	out := &output{}
	totals := make(map[int64]int64)
	out.each = func(_, end, value int64) { totals[end] += value }
	sliding(contract.Options{Events: events, Seed: 1}, out)
	for end, want := range map[int64]int64{
		1_000: 100_000, 60_000: 6_000_000, 61_000: 6_000_000, 62_000: 6_000_000,
		63_000: 5_900_000, 121_000: 100_000, 122_000: 0,
	} {
		if totals[end] != want {
			t.Errorf("window ending at %d holds %d events, want %d", end, totals[end], want)
		}
	}
}

func TestWordCountCounts(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "to be or not\nto be\n", "b": "be\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	result, lines, err := Compute(contract.Options{Program: contract.WordCount, Input: dir,
		Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	var want contract.Result
	for word, count := range map[string]int64{"to": 2, "be": 3, "or": 1, "not": 1} {
		for rolling := range count {
			want.Add(contract.DigestWord(word, rolling+1))
		}
	}
	if result != want || !slices.Equal(lines, []string{"be\t3", "not\t1", "or\t1", "to\t2"}) {
		t.Errorf("result %v, want %v; lines %q", result, want, lines)
	}
	_, _, err = Compute(contract.Options{Program: contract.WordCount, Input: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "no file") {
		t.Errorf("an empty directory: error %v", err)
	}
}

func TestChainKeepsSevenOfEight(t *testing.T) {
	result, lines, err := Compute(contract.Options{Program: contract.Chain, Events: 800_000,
		Verify: true})
	if err != nil || int(result.Records) != len(lines) {
		t.Fatalf("%d records, %d lines, %v", result.Records, len(lines), err)
	}
	if result.Records < 699_000 || result.Records > 701_000 {
		t.Errorf("%d of 800,000 numbers were kept", result.Records)
	}
}

func TestImpossibleComputationsAreRefused(t *testing.T) {
	for _, options := range []contract.Options{
		{Program: "cep", Events: 1},
		{Program: contract.Chain, Events: MaxEvents + 1, Verify: true},
	} {
		if _, _, err := Compute(options); err == nil {
			t.Errorf("%+v was computed", options)
		}
	}
}
