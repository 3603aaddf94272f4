package graph

import (
	"fmt"
	"slices"

	"goflink/core/keygroup"
	"goflink/operator"
)

// DefaultSlotSharingGroup is the group of operators that were given none and inherit none.
const DefaultSlotSharingGroup = "default"

// Settings are the properties of an environment that shape its graphs.
type Settings struct {
	JobName string
	// Parallelism is used where a transformation has none; it is at least 1.
	Parallelism int
	// MaxParallelism is used where a transformation has none; 0 derives it from the parallelism.
	MaxParallelism int
	Chaining       bool
	// Config travels with the JobGraph.
	Config map[string]string
}

// StreamGraph is the program as a graph of operators (R142). Virtual transformations have become
// properties of its edges.
type StreamGraph struct {
	Settings Settings
	Nodes    []*StreamNode
	Edges    []*StreamEdge

	byTransformation map[*Transformation]*StreamNode
}

// StreamNode is one operator.
type StreamNode struct {
	// ID is that of the transformation.
	ID               int
	T                *Transformation
	Parallelism      int
	MaxParallelism   int
	MaxFixed         bool
	SlotSharingGroup string
	In, Out          []*StreamEdge
}

// StreamEdge connects two operators and says how records are distributed.
type StreamEdge struct {
	// ID numbers the edges from 1.
	ID             int
	Source, Target *StreamNode
	// Input is the target's input.
	Input        int
	Tag          string
	Partitioning Partitioning
	Router       operator.RouterFactory
	Type         operator.OutputType
}

// NewStreamGraph builds the graph of all given transformations, which are in the order of their
// making.
func NewStreamGraph(ts []*Transformation, s Settings) (*StreamGraph, error) {
	g := &StreamGraph{Settings: s, byTransformation: map[*Transformation]*StreamNode{}}
	if s.Parallelism < 1 {
		return nil, fmt.Errorf("the parallelism is %d; it must be at least 1", s.Parallelism)
	}
	sink := false
	for _, t := range ts {
		if t.Factory == nil {
			continue
		}
		if err := g.addNode(t); err != nil {
			return nil, err
		}
		sink = sink || t.Kind == KindSink
	}
	if !sink {
		return nil, fmt.Errorf("the program has no sink: end at least one stream in a sink, such "+
			"as Print, before Execute (it has %d operators)", len(g.Nodes))
	}
	return g, g.checkUIDs()
}

func (g *StreamGraph) addNode(t *Transformation) error {
	n := &StreamNode{ID: t.ID, T: t, Parallelism: t.Parallelism, MaxParallelism: t.MaxParallelism}
	if n.Parallelism == 0 {
		n.Parallelism = g.Settings.Parallelism
		if t.SingleParallelism {
			n.Parallelism = 1
		}
	}
	if err := g.sizes(n); err != nil {
		return fmt.Errorf("operator %q: %w", t.Name, err)
	}
	g.Nodes = append(g.Nodes, n)
	g.byTransformation[t] = n
	for i, in := range t.Inputs {
		if err := g.connect(n, i, in, edgeSpec{}); err != nil {
			return err
		}
	}
	n.SlotSharingGroup = slotSharingGroup(n)
	return nil
}

// sizes checks the parallelism and finds the maximal one.
func (g *StreamGraph) sizes(n *StreamNode) error {
	t := n.T
	if n.Parallelism < 1 {
		return fmt.Errorf("the parallelism is %d; it must be at least 1", n.Parallelism)
	}
	if t.SingleParallelism && n.Parallelism != 1 {
		return fmt.Errorf("the operator cannot run in parallel, but its parallelism is %d",
			n.Parallelism)
	}
	if n.MaxParallelism == 0 {
		n.MaxParallelism = g.Settings.MaxParallelism
	}
	n.MaxFixed = n.MaxParallelism > 0
	if !n.MaxFixed {
		n.MaxParallelism = keygroup.DefaultMax(n.Parallelism)
	}
	if n.MaxParallelism > keygroup.MaxMax {
		return fmt.Errorf("the maximal parallelism is %d; at most %d is possible",
			n.MaxParallelism, keygroup.MaxMax)
	}
	if n.Parallelism > n.MaxParallelism {
		return fmt.Errorf("the parallelism %d is larger than the maximal parallelism %d; raise "+
			"pipeline.max-parallelism or SetMaxParallelism", n.Parallelism, n.MaxParallelism)
	}
	return nil
}

// slotSharingGroup is the group that was set, else that of the inputs if they agree.
func slotSharingGroup(n *StreamNode) string {
	if n.T.SlotSharingGroup != "" {
		return n.T.SlotSharingGroup
	}
	group := ""
	for _, e := range n.In {
		switch {
		case group == "":
			group = e.Source.SlotSharingGroup
		case group != e.Source.SlotSharingGroup:
			return DefaultSlotSharingGroup
		}
	}
	if group == "" {
		return DefaultSlotSharingGroup
	}
	return group
}

// edgeSpec is what virtual transformations on the way say of an edge.
type edgeSpec struct {
	partitioning Partitioning
	router       operator.RouterFactory
	tag          string
	tagged       bool
}

// connect adds the edges from in, through virtual transformations, to an input of n.
func (g *StreamGraph) connect(n *StreamNode, input int, in *Transformation, spec edgeSpec) error {
	switch in.Kind {
	case KindPartition:
		// The partitioning nearest to the reader counts.
		if spec.partitioning == Default {
			spec.partitioning, spec.router = in.Partitioning, in.Router
		}
	case KindUnion:
	case KindSideOutput:
		if spec.tagged {
			return fmt.Errorf("operator %q reads a side output of a side output", n.T.Name)
		}
		spec.tag, spec.tagged = in.Tag, true
	default:
		return g.addEdge(n, input, in, spec)
	}
	for _, up := range in.Inputs {
		if err := g.connect(n, input, up, spec); err != nil {
			return err
		}
	}
	return nil
}

func (g *StreamGraph) addEdge(n *StreamNode, input int, from *Transformation, spec edgeSpec) error {
	src := g.byTransformation[from]
	if src == nil {
		return fmt.Errorf("operator %q reads from %q, which is not part of this environment",
			n.T.Name, from.Name)
	}
	ty := from.Output
	if spec.tagged {
		if ty = from.SideOutputs[spec.tag]; ty == nil {
			return fmt.Errorf("operator %q has no side output %q", from.Name, spec.tag)
		}
	}
	if ty == nil {
		return fmt.Errorf("operator %q has no output that %q could read", from.Name, n.T.Name)
	}
	e := &StreamEdge{ID: len(g.Edges) + 1, Source: src, Target: n, Input: input, Tag: spec.tag,
		Partitioning: spec.partitioning, Router: spec.router, Type: ty}
	if err := e.resolve(); err != nil {
		return err
	}
	g.Edges = append(g.Edges, e)
	src.Out = append(src.Out, e)
	n.In = append(n.In, e)
	return nil
}

// resolve chooses the default partitioning (R26) and the router.
func (e *StreamEdge) resolve() error {
	equal := e.Source.Parallelism == e.Target.Parallelism
	switch {
	case e.Partitioning == Default && equal:
		e.Partitioning = Forward
	case e.Partitioning == Default:
		e.Partitioning = Rebalance
	case e.Partitioning == Forward && !equal:
		return fmt.Errorf("forward partitioning needs equal parallelism, but %q has %d and %q "+
			"has %d; use rebalance or rescale, or set the parallelisms equal",
			e.Source.T.Name, e.Source.Parallelism, e.Target.T.Name, e.Target.Parallelism)
	}
	if e.Router != nil {
		return nil
	}
	rs := e.Type.Routers()
	switch e.Partitioning {
	case Forward, Global:
		e.Router = rs.Single
	case Rebalance, Rescale:
		e.Router = rs.RoundRobin
	case Shuffle:
		e.Router = rs.Shuffle
	case Broadcast:
		e.Router = rs.Broadcast
	default:
		return fmt.Errorf("the %s partitioning before %q has no router", e.Partitioning,
			e.Target.T.Name)
	}
	return nil
}

func (g *StreamGraph) checkUIDs() error {
	seen := map[string]string{}
	for _, n := range g.Nodes {
		if n.T.UID == "" {
			continue
		}
		if other, ok := seen[n.T.UID]; ok {
			return fmt.Errorf("the operators %q and %q have the same UID %q; a UID must be unique "+
				"within a job", other, n.T.Name, n.T.UID)
		}
		seen[n.T.UID] = n.T.Name
	}
	return nil
}

// pattern says how the subtasks at the ends of the edge are connected (R143).
func (e *StreamEdge) pattern() Pattern {
	if e.Partitioning == Forward || e.Partitioning == Rescale {
		return PointWise
	}
	return AllToAll
}

// keepsAligned reports whether unaligned barriers wait on this edge as aligned ones do: channel
// state of a point-wise, broadcast or custom edge could not be handed to another number of
// subtasks.
func (e *StreamEdge) keepsAligned() bool {
	return slices.Contains([]Partitioning{Forward, Rescale, Broadcast, Custom}, e.Partitioning)
}
