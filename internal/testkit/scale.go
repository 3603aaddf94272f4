package testkit

// raceShare is the share of a long test's work that is done under the race detector, as
// 1/raceShare.
const raceShare = 8

// Scaled returns n, or an eighth of it (at least 1) under the race detector: the number of records,
// rounds or keys of a test whose work may shrink without losing its point. A test that needs a
// fixed number to show what it shows does not scale it.
func Scaled(n int) int { return scaled(n, RaceEnabled) }

func scaled(n int, race bool) int {
	if !race || n <= 0 {
		return n
	}
	return max(1, n/raceShare)
}
