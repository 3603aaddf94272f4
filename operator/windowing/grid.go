package windowing

import (
	"math"

	"goflink/core/window"
)

// grid is a run of intervals of one size that begin every slide, shifted by offset (milliseconds):
// interval k is [offset + k·slide, offset + k·slide + size).
type grid struct{ size, slide, offset int64 }

// start is the beginning of interval k.
func (g grid) start(k int64) int64 { return g.offset + k*g.slide }

// end is the end of interval k, the first time that does not belong to it.
func (g grid) end(k int64) int64 { return g.start(k) + g.size }

// first is the first interval that ends after t; last the last one that begins at or before t.
func (g grid) first(t int64) int64 { return floorDiv(t-g.offset-g.size, g.slide) + 1 }
func (g grid) last(t int64) int64  { return floorDiv(t-g.offset, g.slide) }

// done is the last interval that lies wholly at or before time t; it is meaningless (but in order)
// for times outside of window.TimeLimit.
func (g grid) done(t int64) int64 {
	switch {
	case t <= -window.TimeLimit-g.size:
		return math.MinInt64
	case t >= math.MaxInt64-g.slide:
		return math.MaxInt64
	}
	return floorDiv(t+1-g.offset-g.size, g.slide)
}

// lateBefore returns the time before which records are late, given the watermark: their last
// interval, with the allowed lateness, is over.
func (g grid) lateBefore(watermark, lateness int64) int64 {
	k := g.done(subtract(watermark, lateness))
	if k == math.MinInt64 || k == math.MaxInt64 {
		return k
	}
	return g.start(k + 1)
}

// subtract is a − b for b ≥ 0; it stays at the ends of the range.
func subtract(a, b int64) int64 {
	switch {
	case a == math.MaxInt64:
		return a
	case a < math.MinInt64+b:
		return math.MinInt64
	}
	return a - b
}

// plus is a + b for b ≥ 0 that stays at the end of the range.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// floorDiv is a / b rounded down, for b > 0.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// floorMod is the remainder of floorDiv.
func floorMod(a, b int64) int64 {
	m := a % b
	if m < 0 {
		m += b
	}
	return m
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// timeWindow is the window of all grids.
type timeWindow = window.Time
