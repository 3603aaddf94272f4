package textgen

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readAll returns the lines of a text in the order of its files.
func readAll(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return strings.Split(strings.TrimSuffix(all.String(), "\n"), "\n")
}

func TestTextIsTheSameEverywhere(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, Options{Lines: 1000, Parts: 3, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	lines := readAll(t, dir)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	const want = "5e1f775f28d82c58a6a9531e5ed01b0525d60976b1ab6d7c97b3477154338a97"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("the text of 1000 lines and seed 1 has changed, version must too: %s, want %s",
			got,
			want)
	}
	other := t.TempDir()
	if err := Write(other, Options{Lines: 1000, Parts: 1, Seed: 2}); err != nil {
		t.Fatal(err)
	}
	if slices.Equal(lines, readAll(t, other)) {
		t.Error("another seed gives the same text")
	}
}

func TestLinesHaveTenWords(t *testing.T) {
	dir := t.TempDir()
	options := Options{Lines: 100_001, Parts: 4, Seed: 9}
	if err := Write(dir, options); err != nil {
		t.Fatal(err)
	}
	lines := readAll(t, dir)
	if len(lines) != 100_001 || options.Words() != 1_000_010 {
		t.Fatalf("%d lines, %d words", len(lines), options.Words())
	}
	counts := make(map[string]int)
	for _, line := range lines {
		words := strings.Split(line, " ")
		if len(words) != 10 {
			t.Fatalf("line %q has %d words", line, len(words))
		}
		for _, word := range words {
			counts[word]++
		}
	}
	most := 0
	for _, count := range counts {
		most = max(most, count)
	}
	// By the law, the first word is 1/(2.5*(H(20001.5)-H(1.5))) = 4.3 % of the text.
	if most < 41_000 || most > 46_000 {
		t.Errorf("the most frequent word comes %d times in a million", most)
	}
	if len(counts) < 19_000 {
		t.Errorf("only %d different words", len(counts))
	}
}

func TestEveryWordCanBeDrawn(t *testing.T) {
	list := words(&generator{state: 4})
	table := drawTable(list)
	if len(list) != Vocabulary || len(table) != 1<<drawBits {
		t.Fatalf("%d words, %d entries", len(list), len(table))
	}
	drawn := make(map[string]bool)
	for _, word := range table {
		drawn[word] = true
	}
	if len(drawn) != Vocabulary {
		t.Errorf("%d of %d words can be drawn", len(drawn), Vocabulary)
	}
}

func TestEnsureWritesOnceAndRepairs(t *testing.T) {
	root := t.TempDir()
	options := Options{Lines: 10, Parts: 1, Seed: 1}
	dir, err := Ensure(root, options)
	if err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(dir, "part-000.txt")
	if err := os.WriteFile(part, []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Ensure(root, options); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(part); string(text) != "kept" {
		t.Error("a complete text was written again")
	}
	if err := os.Remove(dir + "." + doneFile); err != nil {
		t.Fatal(err)
	}
	if _, err := Ensure(root, options); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(part); string(text) == "kept" {
		t.Error("an incomplete text was taken for complete")
	}
}

func TestImpossibleTextsAreRefused(t *testing.T) {
	for _, options := range []Options{
		{Lines: 0, Parts: 1}, {Lines: MaxLines + 1, Parts: 1}, {Lines: 1, Parts: 0},
		{Lines: 1, Parts: MaxParts + 1},
	} {
		if err := Write(filepath.Join(t.TempDir(), "text"), options); err == nil {
			t.Errorf("%+v was taken", options)
		}
	}
}
