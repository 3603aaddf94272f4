// Package keygroup maps keys to key groups and key groups to subtasks (R31). A key group is the
// unit in which keyed state is partitioned and moved: a job has MaxParallelism of them for ever,
// and a subtask owns one contiguous range.
//
// A key is its canonical bytes (core/typeinfo); all here goes by them and by fixed constants, never
// by a seed of the process, because key groups outlive processes in checkpoints.
package keygroup

import (
	"fmt"
	"math/bits"

	"github.com/zeebo/xxh3"
)

const (
	// MinMax is the smallest maximal parallelism that is chosen by default.
	MinMax = 128
	// MaxMax is the largest maximal parallelism there can be.
	MaxMax = 32768
)

// Hash is the hash of a key's canonical bytes (XXH3, 64 bit).
func Hash(key []byte) uint64 { return xxh3.Hash(key) }

// HashString is Hash of the bytes of s, without a copy.
func HashString(s string) uint64 { return xxh3.HashString(s) }

// Of returns the key group of a key with the given Hash, in [0, maxParallelism). The hash is
// mixed once more (the 32-bit finaliser of MurmurHash3, as Flink mixes its hash codes) and
// scaled, so that key groups do not correlate with the bits that hash tables use.
func Of(hash uint64, maxParallelism int) int {
	h := uint32(hash>>32) ^ uint32(hash)
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	h ^= h >> 16
	return int(uint64(h) * uint64(maxParallelism) >> 32)
}

// Subtask returns the subtask that owns key group group: group · parallelism / maxParallelism.
func Subtask(group, maxParallelism, parallelism int) int {
	return group * parallelism / maxParallelism
}

// DefaultMax returns the maximal parallelism of an operator that was given none: 1.5 times its
// parallelism, rounded up to a power of two, within [MinMax, MaxMax] (R31).
func DefaultMax(parallelism int) int {
	want := parallelism + parallelism/2
	n := 1 << bits.Len(uint(max(want, 1)-1))
	return min(max(n, MinMax), MaxMax)
}

// Range is the key groups from First to Last, both included. An empty range has Last < First.
type Range struct{ First, Last int }

// RangeOf returns the key groups that subtask of parallelism owns: the inverse of Subtask.
func RangeOf(maxParallelism, parallelism, subtask int) Range {
	first := (subtask*maxParallelism + parallelism - 1) / parallelism
	last := ((subtask+1)*maxParallelism - 1) / parallelism
	return Range{First: first, Last: last}
}

// Len is the number of key groups in the range.
func (r Range) Len() int { return max(0, r.Last-r.First+1) }

// Contains reports whether group lies in the range.
func (r Range) Contains(group int) bool { return group >= r.First && group <= r.Last }

// Intersect returns the key groups that both ranges hold; it is empty if they do not meet.
func (r Range) Intersect(o Range) Range {
	return Range{First: max(r.First, o.First), Last: min(r.Last, o.Last)}
}

// String is the range as "[first,last]".
func (r Range) String() string { return fmt.Sprintf("[%d,%d]", r.First, r.Last) }
