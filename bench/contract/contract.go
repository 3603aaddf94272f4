// Package contract holds what both sides of a benchmark agree on: the programs, the arithmetic of
// their events and digests, the flags a side is started with, the progress file it keeps and the
// result files it leaves behind. bench/README.md says the same in prose, for readers of the Java
// side. The package uses the standard library alone and nothing of the engine.
package contract

// The benchmark programs.
const (
	WordCount = "wordcount"
	Sliding   = "sliding"
	Tumbling  = "tumbling"
	Chain     = "chain"
)

// Programs lists the benchmark programs in the order in which they are reported.
var Programs = []string{WordCount, Sliding, Tumbling, Chain}

// Constants of the programs' events and windows.
const (
	// EventsPerMs is the density of events in event time: event i happens at i/EventsPerMs ms.
	EventsPerMs = 100
	// SlidingKeys and TumblingKeys are the numbers of keys, drawn uniformly.
	SlidingKeys  = 100_000
	TumblingKeys = 1_000_000
	// SlidingSizeMs and SlidingSlideMs shape the sliding windows, TumblingSizeMs the tumbling ones.
	SlidingSizeMs  = 60_000
	SlidingSlideMs = 1_000
	TumblingSizeMs = 10_000
	// WordsPerLine is the number of words in each line of the generated text.
	WordsPerLine = 10
)

// Mix is the output function of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom
// Number Generators, OOPSLA 2014), one step from state x.
func Mix(x uint64) uint64 {
	z := x + 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// Bits returns the random bits of an event, from which Key and Value are taken.
func Bits(event, seed int64) uint64 { return Mix(uint64(event) + uint64(seed)) }

// Key returns the key, out of keys keys, of an event with these bits.
func Key(bits uint64, keys int64) int64 { return int64(bits>>1) % keys }

// Value returns the value 0..1023 of an event with these bits.
func Value(bits uint64) int64 { return int64(bits >> 54) }

// Time returns the event time of an event in milliseconds.
func Time(event int64) int64 { return event / EventsPerMs }

// EventNumber returns the number of the index-th event of one source subtask: the events of
// subtask s are those with number ≡ s modulo the parallelism, in rising order.
func EventNumber(index int64, subtask, parallelism int) int64 {
	return index*int64(parallelism) + int64(subtask)
}

// DigestWindow returns the digest of one result of a window program; windowEnd is the exclusive
// end of the window in milliseconds of event time.
func DigestWindow(key, windowEnd, value int64) uint64 {
	return Mix(Mix(Mix(uint64(key))+uint64(windowEnd)) + uint64(value))
}

// DigestWord returns the digest of one result (word, count) of wordcount. Of the word it takes the
// length and three letters, which cost both sides the same: a hash of all letters is one that Java
// keeps with the string, so that it would cost the other side only. Words hold ASCII letters only,
// at least one.
func DigestWord(word string, count int64) uint64 {
	n := len(word)
	return Mix(uint64(word[0])<<56 + uint64(word[n/2])<<48 + uint64(word[n-1])<<40 +
		uint64(n)<<32 + uint64(count))
}

// ChainFirst is the first map of the chain program.
func ChainFirst(x int64) int64 { return x*6364136223846793005 + 1442695040888963407 }

// ChainKeep is the filter of the chain program; it keeps seven numbers out of eight.
func ChainKeep(x int64) bool { return uint64(x)>>61 != 0 }

// ChainSecond is the second map of the chain program. The digest of its results is the number.
func ChainSecond(x int64) int64 { return int64(uint64(x) ^ uint64(x)>>29) }
