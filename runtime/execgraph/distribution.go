package execgraph

// Range is the indices First … First+Count-1 of subtasks or partitions.
type Range struct {
	First, Count int32
}

// End is the index behind the last one.
func (r Range) End() int32 { return r.First + r.Count }

// Contains tells whether index i belongs to the range.
func (r Range) Contains(i int32) bool { return i >= r.First && i < r.End() }

// PointWiseProducers returns the producers that feed one consumer of a point-wise edge (forward,
// rescale; R29). With P producers and C consumers:
//
//	P ≥ C:  consumer c reads producers  ⌊c·P/C⌋ … ⌊(c+1)·P/C⌋-1   (6→2: 0–2 | 3–5)
//	P < C:  consumer c reads producer   ⌊c·P/C⌋                   (2→6: 0,0,0,1,1,1)
//
// Every consumer so has at least one producer, every producer feeds one contiguous group of at
// least one consumer, and group sizes differ by at most one. The bounds are Flink's, so that a job
// keeps its wiring. [PointWiseConsumers] is the inverse.
func PointWiseProducers(producers, consumers, consumer int) Range {
	first := consumer * producers / consumers
	if producers < consumers {
		return Range{First: int32(first), Count: 1}
	}
	end := (consumer + 1) * producers / consumers
	return Range{First: int32(first), Count: int32(end - first)}
}

// PointWiseConsumers returns the consumers that one producer of a point-wise edge feeds: those
// whose [PointWiseProducers] contain it. Where P ≥ C that is exactly one.
func PointWiseConsumers(producers, consumers, producer int) Range {
	if producers >= consumers {
		// The last c with ⌊c·P/C⌋ ≤ producer, that is c·P < (producer+1)·C.
		return Range{First: int32(ceilDiv((producer+1)*consumers, producers) - 1), Count: 1}
	}
	first := ceilDiv(producer*consumers, producers)
	end := ceilDiv((producer+1)*consumers, producers)
	return Range{First: int32(first), Count: int32(end - first)}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
