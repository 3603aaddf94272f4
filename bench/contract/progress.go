package contract

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

const (
	// MaxParallelism bounds the slots of a progress file.
	MaxParallelism = 1024
	// ProgressSlotBytes is the distance of two slots: a cache line each, so that subtasks do not
	// disturb one another.
	ProgressSlotBytes = 64
)

// Progress is a progress file mapped into memory: for each source subtask one slot whose first
// eight bytes, little endian, say how many records it has read. A subtask stores into its own slot
// only, and the runner may load at any time. Telling the runner something costs one store, yet a
// subtask should do it once per batch, or per about a thousand records, not per record.
type Progress struct {
	mapped      []byte
	parallelism int
}

// CreateProgress makes a progress file of zeros and maps it.
func CreateProgress(path string, parallelism int) (*Progress, error) {
	if parallelism < 1 || parallelism > MaxParallelism {
		return nil, fmt.Errorf("progress file %s: parallelism %d is not in 1..%d", path,
			parallelism, MaxParallelism)
	}
	zeros := make([]byte, parallelism*ProgressSlotBytes)
	if err := os.WriteFile(path, zeros, 0o644); err != nil {
		return nil, fmt.Errorf("progress file: %w", err)
	}
	return OpenProgress(path, parallelism)
}

// OpenProgress maps an existing progress file; the caller closes it.
func OpenProgress(path string, parallelism int) (*Progress, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("progress file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("progress file: %w", err)
	}
	size := parallelism * ProgressSlotBytes
	if size <= 0 || info.Size() != int64(size) {
		return nil, fmt.Errorf("progress file %s has %d bytes, but parallelism %d needs %d", path,
			info.Size(), parallelism, size)
	}
	mapped, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("progress file %s: mmap: %w", path, err)
	}
	return &Progress{mapped: mapped, parallelism: parallelism}, nil
}

// slot returns the word of one subtask; a mapping starts at a page, so it is aligned. The file's
// byte order is the machine's on the platforms supported, amd64 and arm64.
func (p *Progress) slot(subtask int) *uint64 {
	return (*uint64)(unsafe.Pointer(&p.mapped[subtask*ProgressSlotBytes]))
}

// Set says that a source subtask has read this many records so far.
func (p *Progress) Set(subtask int, records int64) {
	atomic.StoreUint64(p.slot(subtask), uint64(records))
}

// Total returns how many records all subtasks have read so far.
func (p *Progress) Total() int64 {
	var total int64
	for subtask := range p.parallelism {
		total += int64(atomic.LoadUint64(p.slot(subtask)))
	}
	return total
}

// Close unmaps the file. No subtask may use it any more.
func (p *Progress) Close() error {
	mapped := p.mapped
	p.mapped, p.parallelism = nil, 0
	if mapped == nil {
		return nil
	}
	return syscall.Munmap(mapped)
}
