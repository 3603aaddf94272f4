// Package testkit holds what the tests of every package need: seeds that can be replayed, a check
// for goroutines left behind, and the scale of a long test.
//
// Random tests take their seed from [Seed] or [EachSeed] and nothing else, so that a failure prints
// the command that repeats it. What a user of the test commands can set:
//
//	GOFLINK_SEED=N   every seed of the run is N (in decimal), EachSeed runs once
//	GOFLINK_SEEDS=N  EachSeed runs N times instead of the number that the test asks for
//
// Only tests import this package.
package testkit
