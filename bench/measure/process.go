// Package measure takes the measurements of a benchmark from outside: the CPU time and memory of
// worker processes, from /proc as proc(5) describes it, and the part of a run between two marks.
package measure

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc: USER_HZ is 100 on all platforms supported.
const tick = 10 * time.Millisecond

// stat is what the package reads of /proc/<pid>/stat.
type stat struct {
	parent int
	// own is the user and system time of the process, reaped that of its children waited for.
	own, reaped time.Duration
}

// parseStat reads the text of a stat file. The name of the command, in brackets, may hold
// anything, so that fields are counted from its end.
func parseStat(text []byte) (stat, error) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return stat{}, fmt.Errorf("stat line %q has no command", text)
	}
	fields := bytes.Fields(text[end+1:])
	const parent, utime, stime, cutime, cstime = 1, 11, 12, 13, 14
	if len(fields) <= cstime {
		return stat{}, fmt.Errorf("stat line %q has %d fields after the command", text, len(fields))
	}
	var numbers [5]int64
	for i, field := range []int{parent, utime, stime, cutime, cstime} {
		number, err := strconv.ParseInt(string(fields[field]), 10, 64)
		if err != nil {
			return stat{}, fmt.Errorf("stat line %q: %w", text, err)
		}
		numbers[i] = number
	}
	return stat{
		parent: int(numbers[0]),
		own:    time.Duration(numbers[1]+numbers[2]) * tick,
		reaped: time.Duration(numbers[3]+numbers[4]) * tick,
	}, nil
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(text)
}

// Usage is what a set of processes has taken.
type Usage struct {
	// CPU is user and system time since their starts.
	CPU time.Duration
	// PeakBytes is the sum of the processes' highest resident sizes.
	PeakBytes int64
}

// Processes returns the usage of processes that must all be alive.
func Processes(pids ...int) (Usage, error) {
	var usage Usage
	for _, pid := range pids {
		stat, err := readStat(pid)
		if err != nil {
			return Usage{}, fmt.Errorf("process %d: %w", pid, err)
		}
		peak, err := peakBytes(pid)
		if err != nil {
			return Usage{}, fmt.Errorf("process %d: %w", pid, err)
		}
		usage.CPU += stat.own
		usage.PeakBytes += peak
	}
	return usage, nil
}

// Tree returns the usage of a process and of all that descend from it, including descendants that
// have ended and were waited for. A process that detached itself from the tree is not seen.
func Tree(root int) (Usage, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return Usage{}, err
	}
	children := make(map[int][]int)
	stats := make(map[int]stat)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := readStat(pid)
		if err != nil {
			continue // Ended since the directory was read.
		}
		stats[pid] = stat
		children[stat.parent] = append(children[stat.parent], pid)
	}
	if _, alive := stats[root]; !alive {
		return Usage{}, fmt.Errorf("process %d has ended", root)
	}
	var usage Usage
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		pid := queue[0]
		queue = append(queue, children[pid]...)
		usage.CPU += stats[pid].own + stats[pid].reaped
		if peak, err := peakBytes(pid); err == nil {
			usage.PeakBytes += peak
		}
	}
	return usage, nil
}

// peakBytes returns the highest resident size a process had. One that has ended, but was not waited
// for, has none left.
func peakBytes(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		value, found := strings.CutPrefix(line, "VmHWM:")
		if !found {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(
			strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("VmHWM %q: %w", value, err)
		}
		return kib << 10, nil
	}
	return 0, nil
}

// machineBusy returns the CPU time that the whole machine has spent working since its start, time
// stolen by the hypervisor included.
func machineBusy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	const user, steal, idle, iowait = 1, 8, 4, 5
	if len(fields) <= steal || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var ticks int64
	for i := user; i <= steal; i++ {
		number, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		if i != idle && i != iowait {
			ticks += number
		}
	}
	return time.Duration(ticks) * tick, nil
}
