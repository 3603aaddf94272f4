package keygroup

import (
	"encoding/binary"
	"testing"
)

// TestRangesPartition: R31: the ranges of all subtasks cover each key group exactly once, and
// agree with Subtask.
func TestRangesPartition(t *testing.T) {
	for _, maxP := range []int{1, 2, 3, 7, 128, 200, 4096} {
		for p := 1; p <= min(maxP, 40); p++ {
			next := 0
			for s := range p {
				r := RangeOf(maxP, p, s)
				if r.First != next {
					t.Fatalf("max %d p %d subtask %d: range %v, want it to begin at %d",
						maxP, p, s, r, next)
				}
				for g := r.First; g <= r.Last; g++ {
					if got := Subtask(g, maxP, p); got != s {
						t.Fatalf("max %d p %d: group %d belongs to %d, but lies in range of %d",
							maxP, p, g, got, s)
					}
				}
				next = r.Last + 1
			}
			if next != maxP {
				t.Fatalf("max %d p %d: ranges end at %d", maxP, p, next)
			}
		}
	}
}

// TestDefaultMax: R31: clamp(roundUpPow2(1.5 p), 128, 32768).
func TestDefaultMax(t *testing.T) {
	for p, want := range map[int]int{1: 128, 85: 128, 86: 256, 128: 256, 171: 256, 172: 512,
		30000: 32768} {
		if got := DefaultMax(p); got != want {
			t.Errorf("DefaultMax(%d) = %d, want %d", p, got, want)
		}
	}
}

// TestOfIsFixed pins key groups: they are part of every checkpoint and must never change.
func TestOfIsFixed(t *testing.T) {
	for key, want := range map[string]int{"": 6, "hello": 39, "flink": 21} {
		if got := Of(Hash([]byte(key)), 128); got != want {
			t.Errorf("key group of %q = %d, want %d", key, got, want)
		}
		if Hash([]byte(key)) != HashString(key) {
			t.Errorf("Hash and HashString differ for %q", key)
		}
	}
}

// TestSpread: key groups of sequential keys are even: no group has more than 1.3 of its share.
func TestSpread(t *testing.T) {
	const maxP, n = 128, 1 << 17
	var count [maxP]int
	var key [8]byte
	for i := range n {
		binary.BigEndian.PutUint64(key[:], uint64(i))
		count[Of(Hash(key[:]), maxP)]++
	}
	for g, c := range count {
		if c > n/maxP*13/10 || c < n/maxP*7/10 {
			t.Errorf("group %d has %d of %d keys", g, c, n)
		}
	}
}
