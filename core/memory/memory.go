// Package memory divides the memory of a TaskManager's or JobManager's process into its parts.
//
// The options and the arithmetic are Apache Flink's (docs/deployment/memory; FLIP-49, FLIP-116),
// to the byte, so that state and caches sized for Flink keep their sizes:
//
//	process = engine + metaspace + overhead
//	engine  = framework heap + framework off-heap + task heap + task off-heap
//	          + network + managed                                    (TaskManager)
//	engine  = heap + off-heap                                        (JobManager)
//
// One of these is fixed and the rest follows from it, in this order: task heap and managed
// memory (for a JobManager: heap), engine, process. Sizes that contradict each other are refused
// with an error that names the keys and their values.
//
// A Go process has no areas of fixed size but one soft limit (GOMEMLIMIT) on all that the Go
// runtime takes from the operating system. Built without cgo, managed and network memory lie on
// the Go heap as well, so the limit is the process without its overhead (program text, kernel
// tables, reserve) and without what user code takes from the operating system by itself:
//
//	GoLimit = process - overhead - task off-heap
//
// What a JVM would have needed as metaspace is thereby left to the Go heap.
package memory

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"goflink/core/config"
)

// OriginDerived is the origin of the values that [TaskManagerMemory.Freeze] and
// [JobManagerMemory.Freeze] set.
const OriginDerived = "derived from the memory options"

// outer is the part that both kinds of process share.
type outer struct {
	process, flink, metaspace, overhead config.Memory
}

// outerKeys are the options of the shared part for one kind of process.
type outerKeys struct {
	process, flink, metaspace config.Option[config.Memory]
	overhead                  rangeKeys
}

// rangeKeys are the options of a part that is a fraction of another within bounds.
type rangeKeys struct {
	min, max config.Option[config.Memory]
	fraction config.Option[float64]
}

// span is what the options of a rangeKeys say.
type span struct {
	min, max config.Memory
	fraction float64
	keys     rangeKeys
}

// calc reads options and keeps the first error, so that formulas stay readable.
type calc struct {
	c   *config.Configuration
	err error
}

func (k *calc) fail(err error) {
	if k.err == nil {
		k.err = err
	}
}

// get reads an option; a zero value after an error is never used.
func get[T any](k *calc, o config.Option[T]) T {
	v, err := config.Get(k.c, o)
	if err != nil {
		k.fail(err)
	}
	return v
}

// span reads a fraction with its bounds.
func (k *calc) span(keys rangeKeys) span {
	s := span{
		min: get(k, keys.min), max: get(k, keys.max), fraction: get(k, keys.fraction), keys: keys,
	}
	if k.err == nil && s.min > s.max {
		k.fail(fmt.Errorf("memory: %s is more than %s", k.show(keys.min), k.show(keys.max)))
	}
	return s
}

// show writes an option as "key = value (origin)".
func (k *calc) show(o config.Option[config.Memory]) string {
	v, err := config.Get(k.c, o)
	if err != nil {
		return o.Key
	}
	return fmt.Sprintf("%s = %v (%s)", o.Key, v, config.OriginOf(k.c, o))
}

// showAll joins several options for an error.
func (k *calc) showAll(options ...config.Option[config.Memory]) string {
	parts := make([]string, len(options))
	for i, o := range options {
		parts[i] = k.show(o)
	}
	return strings.Join(parts, ", ")
}

// of returns fraction times base within the bounds.
func (s span) of(base config.Memory) config.Memory {
	return s.clamp(multiply(base, s.fraction))
}

// beside returns the part that is the fraction of base plus itself, within the bounds.
func (s span) beside(base config.Memory) (config.Memory, error) {
	if s.fraction >= 1 {
		return 0, fmt.Errorf("memory: %s = 1 leaves nothing for the other parts; "+
			"set a smaller fraction", s.keys.fraction.Key)
	}
	return s.clamp(multiply(base, s.fraction/(1-s.fraction))), nil
}

func (s span) clamp(m config.Memory) config.Memory { return min(max(m, s.min), s.max) }

// contains tells whether a size that follows from others lies within the bounds.
func (s span) contains(m config.Memory) bool { return s.min <= m && m <= s.max }

// multiply returns the whole bytes of base times the decimal number f, computed exactly: 0.1 is
// one tenth and not its binary neighbour.
func multiply(base config.Memory, f float64) config.Memory {
	r, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64))
	if !ok {
		return 0
	}
	r.Mul(r, new(big.Rat).SetInt64(int64(base)))
	q := new(big.Int).Quo(r.Num(), r.Denom())
	if !q.IsInt64() {
		return math.MaxInt64
	}
	return config.Memory(q.Int64())
}

// sum adds sizes and stops at the largest one instead of overflowing.
func sum(parts ...config.Memory) config.Memory {
	var s config.Memory
	for _, p := range parts {
		if s > math.MaxInt64-p {
			return math.MaxInt64
		}
		s += p
	}
	return s
}

// engineFromProcess derives engine memory from process.size.
func (k *calc) engineFromProcess(keys outerKeys) outer {
	o := outer{process: get(k, keys.process), metaspace: get(k, keys.metaspace)}
	overhead := k.span(keys.overhead)
	if k.err != nil {
		return o
	}
	o.overhead = overhead.of(o.process)
	if taken := sum(o.metaspace, o.overhead); taken >= o.process {
		k.fail(fmt.Errorf("memory: %s leaves nothing for the engine after metaspace %v (%s) and "+
			"overhead %v (%s, %s); increase %s", k.show(keys.process), o.metaspace,
			keys.metaspace.Key, o.overhead, keys.overhead.min.Key, keys.overhead.fraction.Key,
			keys.process.Key))
		return o
	}
	o.flink = o.process - o.metaspace - o.overhead
	return o
}

// processFromEngine derives the process from its engine memory. Where process.size is set, too,
// overhead is what lies between and must be within its bounds.
func (k *calc) processFromEngine(keys outerKeys, flink config.Memory) outer {
	o := outer{flink: flink, metaspace: get(k, keys.metaspace)}
	overhead := k.span(keys.overhead)
	process, set, err := config.Lookup(k.c, keys.process)
	if err != nil {
		k.fail(err)
	}
	if k.err != nil {
		return o
	}
	inner := sum(flink, o.metaspace)
	if !set {
		if o.overhead, err = overhead.beside(inner); err != nil {
			k.fail(err)
		}
		o.process = sum(inner, o.overhead)
		if o.process == math.MaxInt64 {
			k.fail(errors.New("memory: the configured sizes add up to more than 2^63 bytes"))
		}
		return o
	}
	o.process = process
	if inner > process {
		k.fail(fmt.Errorf("memory: engine %v and metaspace %v (%s) are more than %s; increase it "+
			"or leave it unset", flink, o.metaspace, keys.metaspace.Key, k.show(keys.process)))
		return o
	}
	o.overhead = process - inner
	if !overhead.contains(o.overhead) {
		k.fail(fmt.Errorf("memory: %s less engine %v and metaspace %v (%s) leaves an overhead of "+
			"%v, which is outside %s and %s; change one of these sizes", k.show(keys.process),
			flink, o.metaspace, keys.metaspace.Key, o.overhead,
			k.show(keys.overhead.min), k.show(keys.overhead.max)))
	}
	return o
}
