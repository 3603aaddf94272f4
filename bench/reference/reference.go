// Package reference computes what the benchmark programs must give, by the plainest means, so that
// each side can be checked by itself. It knows no engine.
package reference

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"goflink/bench/contract"
)

// MaxEvents bounds the events of a computation that keeps all records.
const MaxEvents = 20_000_000

// Compute returns the merged result of a program over its whole input, and, if options.Verify is
// set, its records in the sorted form of contract.ReadRecords.
func Compute(options contract.Options) (contract.Result, []string, error) {
	if options.Verify && options.Events > MaxEvents {
		return contract.Result{}, nil, fmt.Errorf("records of %d events: the limit is %d",
			options.Events, MaxEvents)
	}
	out := &output{keep: options.Verify}
	switch options.Program {
	case contract.WordCount:
		if err := wordCount(options, out); err != nil {
			return contract.Result{}, nil, fmt.Errorf("reference of wordcount: %w", err)
		}
	case contract.Sliding:
		sliding(options, out)
	case contract.Tumbling:
		tumbling(options, out)
	case contract.Chain:
		chain(options, out)
	default:
		return contract.Result{}, nil, fmt.Errorf("reference: unknown program %q",
			options.Program)
	}
	slices.Sort(out.lines)
	return out.result, out.lines, nil
}

type output struct {
	keep   bool
	result contract.Result
	lines  []string
	// each, if not nil, is called with each result of a window.
	each func(key, end, value int64)
}

func (o *output) window(key, end, value int64) {
	if o.each != nil {
		o.each(key, end, value)
	}
	o.result.Add(contract.DigestWindow(key, end, value))
	if o.keep {
		o.lines = append(o.lines, fmt.Sprintf("%d\t%d\t%d", key, end, value))
	}
}

func wordCount(options contract.Options, out *output) error {
	names, err := filepath.Glob(filepath.Join(options.Input, "*"))
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("no file in %s", options.Input)
	}
	counts := make(map[string]*int64)
	for _, name := range names {
		if err := countWords(name, counts); err != nil {
			return err
		}
	}
	for word, count := range counts {
		for rolling := int64(1); rolling <= *count; rolling++ {
			out.result.Add(contract.DigestWord(word, rolling))
		}
		if out.keep {
			out.lines = append(out.lines, fmt.Sprintf("%s\t%d", word, *count))
		}
	}
	return nil
}

func countWords(name string, counts map[string]*int64) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Split(bufio.ScanWords)
	for scanner.Scan() {
		count := counts[string(scanner.Bytes())]
		if count == nil {
			count = new(int64)
			counts[scanner.Text()] = count
		}
		*count++
	}
	return scanner.Err()
}

// sliding counts per key and slide, then adds up the slides of each window. Windows that begin
// before time 0 count too.
func sliding(options contract.Options, out *output) {
	const slides = contract.SlidingSizeMs / contract.SlidingSlideMs
	last := contract.Time(options.Events-1) / contract.SlidingSlideMs
	rings := make([][slides]int32, contract.SlidingKeys)
	sums := make([]int64, contract.SlidingKeys)
	var event int64
	for slide := int64(0); slide < last+slides; slide++ {
		slot := slide % slides
		for key := range rings {
			sums[key] -= int64(rings[key][slot])
			rings[key][slot] = 0
		}
		for event < options.Events && contract.Time(event)/contract.SlidingSlideMs == slide {
			key := contract.Key(contract.Bits(event, options.Seed), contract.SlidingKeys)
			rings[key][slot]++
			sums[key]++
			event++
		}
		end := (slide + 1) * contract.SlidingSlideMs
		for key, sum := range sums {
			if sum > 0 {
				out.window(int64(key), end, sum)
			}
		}
	}
}

func tumbling(options contract.Options, out *output) {
	sums := make([]int64, contract.TumblingKeys)
	seen := make([]bool, contract.TumblingKeys)
	for event := int64(0); event < options.Events; {
		end := (contract.Time(event)/contract.TumblingSizeMs + 1) * contract.TumblingSizeMs
		clear(sums)
		clear(seen)
		for ; event < options.Events && contract.Time(event) < end; event++ {
			bits := contract.Bits(event, options.Seed)
			key := contract.Key(bits, contract.TumblingKeys)
			sums[key] += contract.Value(bits)
			seen[key] = true
		}
		for key, sum := range sums {
			if seen[key] {
				out.window(int64(key), end, sum)
			}
		}
	}
}

func chain(options contract.Options, out *output) {
	for event := range options.Events {
		x := contract.ChainFirst(event)
		if !contract.ChainKeep(x) {
			continue
		}
		x = contract.ChainSecond(x)
		out.result.Add(uint64(x))
		if out.keep {
			out.lines = append(out.lines, fmt.Sprint(x))
		}
	}
}
