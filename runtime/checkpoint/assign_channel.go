package checkpoint

import (
	"errors"
	"fmt"

	"goflink/core/id"
	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/graph"
	"goflink/runtime/execgraph"
)

// What an unaligned checkpoint caught in flight (R106) becomes input channel state of the
// consumers: what was queued at a consumer, and behind it what was queued at the producer of the
// same channel. Where the consumers are as many as before, each gets what was its own. Else it
// depends on how the edge distributes its records:
//
//	key groups   each new consumer gets what holds records of its key groups, and filters
//	global       the first subtask gets all
//	round robin, random   whole channels are dealt out evenly
//	all others   cannot be dealt out; such edges stay aligned, so there should be nothing
//
// Watermarks in channel state hold for the producer that sent them. If any operator of the job has
// another parallelism now, records may come in other channels than they would have, and behind
// watermarks of others: only the records are restored then. A watermark that lacks comes again.

// edgeKey tells the edges of a graph apart, the same in every graph with these operators.
type edgeKey struct {
	from    id.Operator
	tag     string
	to      id.Operator
	toInput int
	nth     int // of several equal ones
}

// keyEdges gives each edge its key.
func keyEdges(edges []Edge) []edgeKey {
	keys := make([]edgeKey, len(edges))
	seen := map[edgeKey]int{}
	for i, e := range edges {
		k := edgeKey{from: e.From, tag: e.Tag, to: e.To, toInput: e.ToInput}
		seen[k]++
		k.nth = seen[k]
		keys[i] = k
	}
	return keys
}

// edgesOf describes the edges of a job.
func edgesOf(job *graph.JobGraph) []Edge {
	var edges []Edge
	for i := range job.Vertices {
		v := &job.Vertices[i]
		for j := range v.Inputs {
			in := &v.Inputs[j]
			e := Edge{Producer: in.Producer, Result: in.Result, Consumer: i, Input: j,
				To: v.Nodes[0].Operator, ToInput: in.Input, Partitioning: in.Partitioning,
				Pattern: in.Pattern}
			for k := range job.Vertices[in.Producer].Nodes {
				n := &job.Vertices[in.Producer].Nodes[k]
				for _, out := range n.Outputs {
					if out.Result == in.Result {
						e.From, e.Tag, e.Type = n.Operator, out.Tag, out.Type
					}
				}
			}
			edges = append(edges, e)
		}
	}
	return edges
}

// inFlight is what one channel held.
type inFlight struct {
	producer, consumer int // subtasks
	// inputs were queued at the consumer, outputs at the producer.
	inputs, outputs []statebackend.Blob
}

// assignChannels deals channel state out.
func (a *assigner) assignChannels() error {
	now := map[edgeKey]*Edge{}
	edges := edgesOf(a.job)
	for i, k := range keyEdges(edges) {
		now[k] = &edges[i]
	}
	a.rescaled = a.anyRescaled()
	known := map[[2]int]bool{} // consumer and input, or ^producer and result
	for i, k := range keyEdges(a.m.Edges) {
		was := &a.m.Edges[i]
		known[[2]int{was.Consumer, was.Input}] = true
		known[[2]int{^was.Producer, was.Result}] = true
		channels, err := a.inFlight(was)
		if err != nil {
			return err
		}
		if len(channels) == 0 {
			continue
		}
		is := now[k]
		if is == nil {
			err = a.edgeGone(was)
		} else if err = a.dealChannels(was, is, channels); err != nil {
			err = fmt.Errorf("records in flight %s: %w", a.describeEdge(was), err)
		}
		if err != nil {
			return err
		}
	}
	return a.checkChannels(known)
}

// anyRescaled reports whether an operator has come, gone or changed its parallelism.
func (a *assigner) anyRescaled() bool {
	for op, was := range a.old {
		is, ok := a.now[op]
		if !ok || len(a.m.Vertices[was.vertex].Subtasks) != a.job.Vertices[is.vertex].Parallelism {
			return true
		}
	}
	return len(a.old) != len(a.now)
}

// describeEdge names both ends of a recorded edge.
func (a *assigner) describeEdge(e *Edge) string {
	return fmt.Sprintf("from %q to %q",
		a.m.Vertices[e.Producer].Name, a.m.Vertices[e.Consumer].Name)
}

// edgeGone judges records in flight on an edge that the job does not have.
func (a *assigner) edgeGone(e *Edge) error {
	_, from := a.now[e.From]
	_, to := a.now[e.To]
	if a.allow && (!from || !to) {
		a.out.Skipped = append(a.out.Skipped, "records in flight "+a.describeEdge(e))
		return nil
	}
	return fmt.Errorf("the checkpoint is unaligned and holds records in flight %s, an edge that "+
		"the job does not have any more: restore the unchanged program, stop it with a savepoint, "+
		"which holds no records in flight, and restore the changed one from that",
		a.describeEdge(e))
}

// inFlight collects what the channels of a recorded edge held, in the order of producers and
// consumers; channels without anything are left out.
func (a *assigner) inFlight(e *Edge) ([]inFlight, error) {
	byChannel := map[[2]int]*inFlight{}
	producers, consumers := &a.m.Vertices[e.Producer], &a.m.Vertices[e.Consumer]
	np, nc := len(producers.Subtasks), len(consumers.Subtasks)
	at := func(producer, consumer int) (*inFlight, error) {
		if producer < 0 || producer >= np || consumer < 0 || consumer >= nc {
			return nil, corrupt("channel state %s between subtasks %d of %d and %d of %d",
				a.describeEdge(e), producer, np, consumer, nc)
		}
		k := [2]int{producer, consumer}
		if byChannel[k] == nil {
			byChannel[k] = &inFlight{producer: producer, consumer: consumer}
		}
		return byChannel[k], nil
	}
	for c := range consumers.Subtasks {
		for _, h := range channelsOf(&consumers.Subtasks[c], e.Input, false) {
			f, err := at(producerOf(e, np, nc, c, h.Channel), c)
			if err != nil {
				return nil, err
			}
			f.inputs = append(f.inputs, h.Contents)
		}
	}
	for p := range producers.Subtasks {
		for _, h := range channelsOf(&producers.Subtasks[p], e.Result, true) {
			f, err := at(p, consumerOf(e, np, nc, p, h.Channel))
			if err != nil {
				return nil, err
			}
			f.outputs = append(f.outputs, h.Contents)
		}
	}
	var channels []inFlight
	if len(byChannel) == 0 {
		return nil, nil
	}
	for c := range nc {
		for p := range np {
			if f := byChannel[[2]int{p, c}]; f != nil {
				channels = append(channels, *f)
			}
		}
	}
	return channels, nil
}

// channelsOf are the handles of a subtask for one of its vertex's inputs or results.
func channelsOf(s *SubtaskState, edge int, outputs bool) (hs []statebackend.ChannelHandle) {
	for i := range s.Operators {
		all := s.Operators[i].InputChannels
		if outputs {
			all = s.Operators[i].OutputChannels
		}
		for _, h := range all {
			if h.Edge == edge {
				hs = append(hs, h)
			}
		}
	}
	return hs
}

// producerOf is the subtask behind a channel of a consumer.
func producerOf(e *Edge, producers, consumers, consumer, channel int) int {
	if e.Pattern == graph.AllToAll {
		return channel
	}
	return int(execgraph.PointWiseProducers(producers, consumers, consumer).First) + channel
}

// consumerOf is the subtask behind a channel of a producer.
func consumerOf(e *Edge, producers, consumers, producer, channel int) int {
	if e.Pattern == graph.AllToAll {
		return channel
	}
	return int(execgraph.PointWiseConsumers(producers, consumers, producer).First) + channel
}

// dealChannels hands the channels of edge was to the consumers of the same edge in the job.
func (a *assigner) dealChannels(was, is *Edge, channels []inFlight) error {
	if was.Type != is.Type {
		return fmt.Errorf("they are of type %s, and the edge now carries %s: restore the "+
			"unchanged program, stop it with a savepoint and restore the changed one from that",
			was.Type, is.Type)
	}
	oldV, newV := &a.m.Vertices[was.Consumer], &a.job.Vertices[is.Consumer]
	producers := a.job.Vertices[is.Producer].Parallelism
	same := len(oldV.Subtasks) == newV.Parallelism && oldV.MaxParallelism == newV.MaxParallelism &&
		was.Partitioning == is.Partitioning
	if is.Pattern == graph.PointWise {
		same = same && len(a.m.Vertices[was.Producer].Subtasks) == producers
	}
	if same {
		for i := range channels {
			a.give(is, channels[i].consumer, &channels[i], producers, false)
		}
		return nil
	}
	switch is.Partitioning {
	case graph.KeyGroup:
		a.dealByKey(oldV, newV, was, is, channels, producers)
	case graph.Global:
		for i := range channels {
			a.give(is, 0, &channels[i], producers, false)
		}
	case graph.Shuffle, graph.Rebalance:
		for i := range channels {
			a.give(is, i*newV.Parallelism/len(channels), &channels[i], producers, false)
		}
	default:
		return fmt.Errorf("the edge is partitioned as %v, and the parallelism was changed from "+
			"%d to %d: restore at the old parallelism, stop with a savepoint and restore at the "+
			"new one",
			is.Partitioning, len(oldV.Subtasks), newV.Parallelism)
	}
	return nil
}

// dealByKey gives each channel to the new consumers that own some of its key groups.
func (a *assigner) dealByKey(oldV *VertexState, newV *graph.Vertex, was, is *Edge,
	channels []inFlight, producers int,
) {
	known := was.Partitioning == graph.KeyGroup && oldV.MaxParallelism == newV.MaxParallelism
	for i := range channels {
		held := keygroup.Range{First: 0, Last: newV.MaxParallelism - 1}
		if known {
			held = keygroup.RangeOf(oldV.MaxParallelism, len(oldV.Subtasks), channels[i].consumer)
		}
		for c := range newV.Parallelism {
			own := keygroup.RangeOf(newV.MaxParallelism, newV.Parallelism, c)
			if meet := own.Intersect(held); meet.Len() > 0 {
				a.give(is, c, &channels[i], producers, meet != held)
			}
		}
	}
}

// give hands the contents of a channel to one consumer, in the order in which they came.
func (a *assigner) give(e *Edge, consumer int, f *inFlight, producers int, filter bool) {
	r := a.out.Vertices[a.job.Vertices[e.Consumer].ID][consumer]
	s := r.Operators[e.To]
	channel := f.producer % producers
	if e.Pattern == graph.PointWise {
		consumers := a.job.Vertices[e.Consumer].Parallelism
		channel -= int(execgraph.PointWiseProducers(producers, consumers, consumer).First)
	}
	for _, blobs := range [][]statebackend.Blob{f.inputs, f.outputs} {
		for _, b := range blobs {
			s.InputChannels = append(s.InputChannels, statebackend.ChannelHandle{Edge: e.Input,
				Channel: channel, Contents: b, Filter: filter, RecordsOnly: a.rescaled})
		}
	}
	r.Operators[e.To] = s
}

// checkChannels finds channel state of edges that the checkpoint does not describe.
func (a *assigner) checkChannels(known map[[2]int]bool) error {
	for i := range a.m.Vertices {
		for j := range a.m.Vertices[i].Subtasks {
			ops := a.m.Vertices[i].Subtasks[j].Operators
			for k := range ops {
				for _, h := range ops[k].InputChannels {
					if !known[[2]int{i, h.Edge}] {
						return errChannel(&a.m.Vertices[i], j)
					}
				}
				for _, h := range ops[k].OutputChannels {
					if !known[[2]int{^i, h.Edge}] {
						return errChannel(&a.m.Vertices[i], j)
					}
				}
			}
		}
	}
	return nil
}

func errChannel(v *VertexState, subtask int) error {
	return errors.Join(ErrCorrupt, fmt.Errorf("subtask %d of vertex %q has channel state of an "+
		"edge that is not there", subtask, v.Name))
}
