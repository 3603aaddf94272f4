package execgraph

import (
	"goflink/graph"
)

// IntermediateResult is what a vertex produces for one of its outgoing edges (R144).
type IntermediateResult struct {
	producer   *ExecutionJobVertex
	consumer   *ExecutionJobVertex
	input      int // in consumer.inputs
	index      int // in producer.results
	kind       graph.ResultType
	pattern    graph.Pattern
	partitions []IntermediateResultPartition
	consumable int // number of consumable partitions
}

// Producer is the vertex that produces the result.
func (r *IntermediateResult) Producer() *ExecutionJobVertex { return r.producer }

// Consumer is the vertex that reads the result.
func (r *IntermediateResult) Consumer() *ExecutionJobVertex { return r.consumer }

// ConsumerInput is the index of the reading input in the consumer.
func (r *IntermediateResult) ConsumerInput() int { return r.input }

// Index is the index of the result in its producer.
func (r *IntermediateResult) Index() int { return r.index }

// Type says how the result is exchanged.
func (r *IntermediateResult) Type() graph.ResultType { return r.kind }

// Pattern says how producers and consumers are connected.
func (r *IntermediateResult) Pattern() graph.Pattern { return r.pattern }

// Partitions are the results of the producer's subtasks, in their order.
func (r *IntermediateResult) Partitions() []IntermediateResultPartition { return r.partitions }

// Complete tells whether all partitions are consumable.
func (r *IntermediateResult) Complete() bool { return r.consumable == len(r.partitions) }

// ProducersOf returns the producer's subtasks that feed one subtask of the consumer.
func (r *IntermediateResult) ProducersOf(consumer int32) Range {
	if r.pattern == graph.AllToAll {
		return Range{Count: int32(len(r.partitions))}
	}
	return PointWiseProducers(len(r.partitions), len(r.consumer.subtasks), int(consumer))
}

// ConsumersOf returns the consumer's subtasks that one partition feeds. Their number is the number
// of the partition's subpartitions, in their order.
func (r *IntermediateResult) ConsumersOf(producer int32) Range {
	if r.pattern == graph.AllToAll {
		return Range{Count: int32(len(r.consumer.subtasks))}
	}
	return PointWiseConsumers(len(r.partitions), len(r.consumer.subtasks), int(producer))
}

// IntermediateResultPartition is what one subtask produces for one result (R144).
type IntermediateResultPartition struct {
	result     *IntermediateResult
	producer   int32 // subtask
	consumable bool
}

// Result is the result that the partition belongs to.
func (p *IntermediateResultPartition) Result() *IntermediateResult { return p.result }

// Producer is the subtask that produces the partition.
func (p *IntermediateResultPartition) Producer() *ExecutionVertex {
	return &p.result.producer.subtasks[p.producer]
}

// Consumers are the subtasks of the result's consumer that read the partition.
func (p *IntermediateResultPartition) Consumers() Range { return p.result.ConsumersOf(p.producer) }

// Consumable tells whether the partition of the current attempt can be read.
func (p *IntermediateResultPartition) Consumable() bool { return p.consumable }

// MarkConsumable says that the partition of the current attempt can be read: a pipelined one when
// it exists, a blocking one when it is complete. It reports whether that is new. It costs time in
// the number of the partition's consumers for the last partition of a blocking all-to-all result
// and for blocking point-wise ones, and none else.
func (p *IntermediateResultPartition) MarkConsumable() bool {
	if p.consumable {
		return false
	}
	p.consumable = true
	r := p.result
	r.consumable++
	if r.kind != graph.Blocking {
		return true
	}
	if r.pattern == graph.AllToAll {
		if r.Complete() {
			r.changeMissing(Range{Count: int32(len(r.consumer.subtasks))}, -1)
		}
		return true
	}
	r.changeMissing(p.Consumers(), -1)
	return true
}

// reset takes back MarkConsumable when a producer's attempt is replaced.
func (r *IntermediateResult) reset(producer int) {
	p := &r.partitions[producer]
	if !p.consumable {
		return
	}
	wasComplete := r.Complete()
	p.consumable = false
	r.consumable--
	if r.kind != graph.Blocking {
		return
	}
	if r.pattern == graph.AllToAll {
		if wasComplete {
			r.changeMissing(Range{Count: int32(len(r.consumer.subtasks))}, 1)
		}
		return
	}
	r.changeMissing(p.Consumers(), 1)
}

// changeMissing adds to what the edges of some consumers miss, and counts the edges that become
// complete or incomplete in their regions.
func (r *IntermediateResult) changeMissing(consumers Range, delta int32) {
	for c := consumers.First; c < consumers.End(); c++ {
		v := &r.consumer.subtasks[c]
		e := v.Input(r.input)
		before := e.missing
		e.missing += delta
		switch {
		case before > 0 && e.missing == 0:
			v.Region().missing--
		case before == 0 && e.missing > 0:
			v.Region().missing++
		}
	}
}

// ExecutionEdge is one input of one subtask (R144): it joins the subtask with a contiguous range of
// the partitions of one result. All edges of an input share the result's description.
type ExecutionEdge struct {
	result   *IntermediateResult
	consumer int32 // subtask
	// missing counts what the edge waits for before its blocking result can be read: point-wise,
	// the partitions that are not consumable; all-to-all, 1 until the result is complete.
	missing   int32
	producers Range
}

// Result is the result that is read.
func (e *ExecutionEdge) Result() *IntermediateResult { return e.result }

// Consumer is the reading subtask.
func (e *ExecutionEdge) Consumer() *ExecutionVertex {
	return &e.result.consumer.subtasks[e.consumer]
}

// Producers are the subtasks of the result's producer that feed the edge: one input channel each,
// in this order.
func (e *ExecutionEdge) Producers() Range { return e.producers }

// Subpartition is the index, in the partition of a producer that feeds the edge, of the
// subpartition that the edge reads.
func (e *ExecutionEdge) Subpartition(producer int32) int32 {
	return e.consumer - e.result.ConsumersOf(producer).First
}
