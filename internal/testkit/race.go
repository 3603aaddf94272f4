//go:build race

package testkit

// RaceEnabled is true in a test binary built with -race, which runs five to ten times slower.
const RaceEnabled = true
