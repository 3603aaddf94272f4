// Package textgen writes the text that wordcount reads: files of lines of ten words, drawn from a
// vocabulary of 20,000 made-up words by a Zipf–Mandelbrot law (the word of rank r has weight
// 1/(r+2.5), as B. Mandelbrot proposed for natural language in 1953). It computes with integers
// alone, so that the same seed gives the same bytes on every machine.
package textgen

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"goflink/bench/contract"
)

const (
	// Vocabulary is the number of different words.
	Vocabulary = 20_000
	// MaxParts and MaxLines bound what may be asked for.
	MaxParts = 1000
	MaxLines = 1 << 32

	// version changes with the text that equal options give, so that no old copy is taken for new.
	version  = 1
	drawBits = 20
	doneFile = "DONE"
)

// Options say what to write.
type Options struct {
	// Lines is the number of lines in all files together.
	Lines int64
	// Parts is the number of files, part-000.txt and so on, of equal length as far as possible.
	Parts int
	// Seed chooses vocabulary and text.
	Seed int64
}

// Words returns how many words the text has.
func (o Options) Words() int64 { return o.Lines * contract.WordsPerLine }

// Name returns a directory name that tells this text from others.
func (o Options) Name() string {
	return fmt.Sprintf("text-v%d-%d-lines-%d-parts-seed-%d", version, o.Lines, o.Parts, o.Seed)
}

// Ensure returns the directory below root that holds the text, and writes it first if a complete
// copy is not there yet.
func Ensure(root string, options Options) (string, error) {
	dir := filepath.Join(root, options.Name())
	if _, err := os.Stat(dir + "." + doneFile); err == nil {
		return dir, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("text: %w", err)
	}
	if err := Write(dir, options); err != nil {
		return "", err
	}
	// The mark lies beside the directory: whatever is inside it is input.
	if err := os.WriteFile(dir+"."+doneFile, nil, 0o644); err != nil {
		return "", fmt.Errorf("text: %w", err)
	}
	return dir, nil
}

// Write writes the text into a directory, which it makes.
func Write(dir string, options Options) error {
	if options.Parts < 1 || options.Parts > MaxParts {
		return fmt.Errorf("text: %d parts are not in 1..%d", options.Parts, MaxParts)
	}
	if options.Lines < 1 || options.Lines > MaxLines {
		return fmt.Errorf("text: %d lines are not in 1..%d", options.Lines, int64(MaxLines))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("text: %w", err)
	}
	random := generator{state: contract.Mix(uint64(options.Seed))}
	draw := drawTable(words(&random))
	parts := int64(options.Parts)
	for part := range parts {
		lines := options.Lines*(part+1)/parts - options.Lines*part/parts
		name := filepath.Join(dir, fmt.Sprintf("part-%03d.txt", part))
		if err := writePart(name, lines, draw, &random); err != nil {
			return fmt.Errorf("text: %w", err)
		}
	}
	return nil
}

func writePart(name string, lines int64, draw []string, random *generator) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(file, 1<<20)
	line := make([]byte, 0, 1024)
	for range lines {
		line = line[:0]
		for range contract.WordsPerLine {
			line = append(line, draw[random.next()>>(64-drawBits)]...)
			line = append(line, ' ')
		}
		line[len(line)-1] = '\n'
		if _, err = out.Write(line); err != nil {
			break
		}
	}
	return errors.Join(err, out.Flush(), file.Close())
}

// words returns the vocabulary, the most frequent words first; those are the shorter ones.
func words(random *generator) []string {
	known := make(map[string]bool, Vocabulary)
	list := make([]string, 0, Vocabulary)
	for len(list) < Vocabulary {
		rank := len(list)
		shortest, spread := 4, uint64(7)
		switch {
		case rank < 40:
			shortest, spread = 2, 3
		case rank < 600:
			shortest, spread = 3, 4
		}
		word := make([]byte, shortest+int(random.next()%spread))
		for i := range word {
			word[i] = 'a' + byte(random.next()%26)
		}
		if !known[string(word)] {
			known[string(word)] = true
			list = append(list, string(word))
		}
	}
	return list
}

// drawTable returns a table in which each word stands as often as its weight demands, so that a
// uniform index draws it.
func drawTable(words []string) []string {
	weight := func(rank int) uint64 { return 1 << 40 / uint64(2*rank+5) }
	var all uint64
	for rank := range words {
		all += weight(rank)
	}
	table := make([]string, 0, 1<<drawBits)
	var sum uint64
	for rank, word := range words {
		sum += weight(rank)
		for uint64(len(table)) < sum<<drawBits/all { // all is below 2⁴³: no overflow
			table = append(table, word)
		}
	}
	return table
}

// generator is SplitMix64.
type generator struct{ state uint64 }

func (g *generator) next() uint64 {
	bits := contract.Mix(g.state)
	g.state += 0x9E3779B97F4A7C15
	return bits
}
