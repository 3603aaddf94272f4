package contract

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// MaxRecordsBytes bounds what ReadRecords takes into memory from one records file.
const MaxRecordsBytes = 1 << 30

// Result is what a program's sinks saw: how many records, and the sum of their digests modulo 2⁶⁴,
// which does not depend on their order.
type Result struct {
	Records int64
	Sum     uint64
}

// Add takes one record's digest into account.
func (r *Result) Add(digest uint64) {
	r.Records++
	r.Sum += digest
}

// Merge adds the result of another subtask.
func (r *Result) Merge(other Result) {
	r.Records += other.Records
	r.Sum += other.Sum
}

// String returns the form in which results are written and reported.
func (r Result) String() string { return fmt.Sprintf("%d %016x", r.Records, r.Sum) }

// WriteResult writes the result of one sink subtask into the result directory, once, at the end
// of its input.
func WriteResult(dir string, subtask int, result Result) error {
	name := filepath.Join(dir, fmt.Sprintf("checksum-%d.txt", subtask))
	return writeFile(name, func(out io.Writer) error {
		_, err := fmt.Fprintln(out, result)
		return err
	})
}

// WriteRecords writes the records file of one sink subtask; each line is one record, its fields
// divided by tabs: word and final count, or key, end of window in ms and value, or one number.
func WriteRecords(dir string, subtask int, write func(out io.Writer) error) error {
	return writeFile(filepath.Join(dir, fmt.Sprintf("records-%d.tsv", subtask)), write)
}

const checkpointsFile = "checkpoints.txt"

// WriteCheckpoints writes how many checkpoints were completed, once per run, if the options asked
// for checkpoints.
func WriteCheckpoints(dir string, completed int64) error {
	return writeFile(filepath.Join(dir, checkpointsFile), func(out io.Writer) error {
		_, err := fmt.Fprintln(out, completed)
		return err
	})
}

// ReadCheckpoints returns how many checkpoints were completed.
func ReadCheckpoints(dir string) (int64, error) {
	name := filepath.Join(dir, checkpointsFile)
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, fmt.Errorf("number of checkpoints: %w", err)
	}
	completed, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("number of checkpoints in %s: %w", name, err)
	}
	return completed, nil
}

// writeFile makes a file appear whole or not at all.
func writeFile(name string, write func(out io.Writer) error) error {
	file, err := os.Create(name + ".tmp")
	if err != nil {
		return fmt.Errorf("result file: %w", err)
	}
	out := bufio.NewWriterSize(file, 1<<16)
	err = errors.Join(write(out), out.Flush(), file.Close())
	if err != nil {
		return fmt.Errorf("result file %s: %w", name, err)
	}
	return os.Rename(name+".tmp", name)
}

// ReadResult merges the results of all sink subtasks; each must have written its file.
func ReadResult(dir string, parallelism int) (Result, error) {
	var merged Result
	for subtask := range parallelism {
		name := filepath.Join(dir, fmt.Sprintf("checksum-%d.txt", subtask))
		text, err := os.ReadFile(name)
		if err != nil {
			return Result{}, fmt.Errorf("result of sink subtask %d: %w", subtask, err)
		}
		var one Result
		if _, err := fmt.Sscanf(string(text), "%d %x", &one.Records, &one.Sum); err != nil {
			return Result{}, fmt.Errorf("result file %s holds %q: want \"<records> <16 hex "+
				"digits>\": %w", name, text, err)
		}
		merged.Merge(one)
	}
	return merged, nil
}

// ReadRecords returns the lines of all records files, sorted.
func ReadRecords(dir string, parallelism int) ([]string, error) {
	var lines []string
	for subtask := range parallelism {
		name := filepath.Join(dir, fmt.Sprintf("records-%d.tsv", subtask))
		more, err := readLines(name)
		if err != nil {
			return nil, fmt.Errorf("records of sink subtask %d: %w", subtask, err)
		}
		lines = append(lines, more...)
	}
	slices.Sort(lines)
	return lines, nil
}

func readLines(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > MaxRecordsBytes {
		return nil, fmt.Errorf("%s has %d bytes, the limit is %d: compare on fewer events", name,
			info.Size(), MaxRecordsBytes)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var lines []string
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return lines, nil
}
