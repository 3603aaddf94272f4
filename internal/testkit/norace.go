//go:build !race

package testkit

// RaceEnabled is false in a test binary built without -race.
const RaceEnabled = false
