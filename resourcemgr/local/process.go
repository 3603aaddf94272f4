package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"goflink/core/id"
)

// The files that a worker finds in its directory beside those of Options.Files.
const (
	recordFile = "process.json"
	outFile    = "taskmanager.out"
	errFile    = "taskmanager.err"
)

const (
	// MaxTailBytes and MaxTailLines bound what is told of the err file of an ended worker.
	MaxTailBytes = 4 << 10
	MaxTailLines = 20
	// maxRecordBytes bounds what is read of a file that should be small.
	maxRecordBytes = 4 << 10
)

// record says which process a worker is. A process id alone would not do: it is used again.
type record struct {
	Worker id.Worker
	PID    int
	// StartTicks is when the process started, in ticks since the machine did, and Boot is which
	// start of the machine that was.
	StartTicks uint64
	Boot       string
}

// process is a worker that has not ended.
type process struct {
	record
	dir   string
	watch watcher

	// Guarded by the driver's lock:
	released bool
	killed   bool
	grace    *time.Timer // runs while a released process may end by itself
}

// watcher sees the end of a process.
type watcher interface {
	// wait returns the end, once. After close it returns ok = false.
	wait() (code int, ok bool)
	// terminate and kill signal the whole group of the process, if that has not ended.
	terminate() error
	kill() error
	// close makes wait return; the process goes on.
	close() error
}

// write writes the record so that nobody ever reads half of it.
func (r *record) write(dir string) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, recordFile+".tmp")
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, recordFile))
}

// readRecord reads the record in the directory of a worker; fs.ErrNotExist if there is none.
func readRecord(dir string, w id.Worker) (r record, err error) {
	path := filepath.Join(dir, recordFile)
	b, err := readSmall(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil || r.PID <= 1 || r.Worker != w {
		return r, fmt.Errorf("%s is not the record of worker %s: %q", path, w, b)
	}
	return r, nil
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, maxRecordBytes)
	n, err := f.Read(b)
	if n == 0 && err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b[:n], nil
}

// describe reads what identifies a process now; fs.ErrNotExist if there is no such process.
func describe(w id.Worker, pid int) (record, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	b, err := readSmall(path)
	if err != nil {
		return record{}, err
	}
	ticks, err := startTicks(b)
	if err != nil {
		return record{}, fmt.Errorf("%s: %w", path, err)
	}
	boot, err := readSmall("/proc/sys/kernel/random/boot_id")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return record{}, err
	}
	return record{w, pid, ticks, string(bytes.TrimSpace(boot))}, nil
}

// startTicks finds the 22nd field of /proc/<pid>/stat. The second one, the name of the program,
// stands in parentheses and may hold blanks and parentheses itself.
func startTicks(stat []byte) (uint64, error) {
	const after = 22 - 3 // fields between the name and the start
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	if end < 0 || len(fields) <= after {
		return 0, fmt.Errorf("%q is not the status of a process", stat)
	}
	return strconv.ParseUint(fields[after], 10, 64)
}

// tail returns the last lines of a file, or "" if there are none.
func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	i, err := f.Stat()
	if err != nil {
		return ""
	}
	b := make([]byte, min(i.Size(), MaxTailBytes))
	n, _ := f.ReadAt(b, i.Size()-int64(len(b)))
	lines := strings.Split(strings.TrimSpace(string(b[:n])), "\n")
	return strings.Join(lines[max(0, len(lines)-MaxTailLines):], "\n")
}
