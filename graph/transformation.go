// Package graph turns what the APIs build into what the runtime runs:
//
//	Transformations ─▶ StreamGraph ─▶ (chaining) ─▶ JobGraph
//
// A JobGraph is plain data: it is serialised, versioned, fingerprinted and shipped. What cannot be
// serialised, the functions, stays in the Code that belongs to it: every process that runs a vertex
// builds the same program again and takes the code from there.
package graph

import (
	"goflink/operator"
)

// Kind says what a Transformation is.
type Kind uint8

// The kinds of transformations. Partition, Union, Select and Feedback-free joints are virtual: they
// become properties of edges (R142).
const (
	KindOperator Kind = iota
	KindSource
	KindSink
	KindPartition
	KindUnion
	KindSideOutput
)

// Partitioning says how the records of an edge are distributed (R25–R32).
type Partitioning uint8

// The eight ways to partition, and Default: forward between equal parallelisms, else rebalance.
const (
	Default Partitioning = iota
	Global
	Forward
	Shuffle
	Rebalance
	Rescale
	Broadcast
	KeyGroup
	Custom
)

// String is the partitioner's name in plans, as Flink prints it.
func (p Partitioning) String() string {
	return [...]string{"DEFAULT", "GLOBAL", "FORWARD", "SHUFFLE", "REBALANCE", "RESCALE",
		"BROADCAST",
		"HASH", "CUSTOM"}[p]
}

// Chaining says whether an operator may be chained to its neighbours (R122).
type Chaining uint8

const (
	// ChainAlways chains with both sides wherever the conditions hold.
	ChainAlways Chaining = iota
	// ChainHead begins a chain: successors may be chained to it, it to no predecessor.
	ChainHead
	// ChainNever is chained with nothing.
	ChainNever
)

// Transformation is one step of a program, as the APIs build it (R24). It is changed only while the
// program is being built, by one goroutine.
type Transformation struct {
	// ID numbers the transformations of an environment from 1 in the order of their making.
	ID     int
	Kind   Kind
	Name   string
	UID    string
	Inputs []*Transformation

	// Parallelism is 0 where the environment's is to be used.
	Parallelism int
	// MaxParallelism is 0 where it is to be derived.
	MaxParallelism   int
	SlotSharingGroup string
	Chaining         Chaining

	// Factory makes the operator (KindOperator, KindSource, KindSink); Coordinator its part on the
	// JobMaster, or nil.
	Factory     operator.Factory
	Coordinator operator.CoordinatorFactory
	// Output is the type of the main output, SideOutputs those of the others by tag.
	Output      operator.OutputType
	SideOutputs map[string]operator.OutputType
	// KeySchema describes the key type of a keyed operator (typeinfo.Snapshot as JSON), else nil.
	KeySchema []byte
	// Bounded says of a source whether it ends by itself.
	Bounded bool
	// SingleParallelism marks operators that cannot run in parallel.
	SingleParallelism bool

	// Partitioning and Router are set for KindPartition.
	Partitioning Partitioning
	Router       operator.RouterFactory
	// Tag is set for KindSideOutput.
	Tag string
}
