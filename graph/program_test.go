package graph_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"goflink/core/typeinfo"
	"goflink/graph"
	"goflink/operator"
	"goflink/operator/routing"
)

// The record types of test programs.
var (
	numbers = routing.NewType(typeinfo.MustOf[int64]())
	texts   = routing.NewType(typeinfo.MustOf[string]())
)

// never is the factory of operators that are only drawn.
var never = operator.FactoryFunc(func() (operator.Operator, error) {
	return nil, errors.New("this operator never runs")
})

// partitionings are those of test programs by the word that makes them.
var partitionings = map[string]graph.Partitioning{"global": graph.Global, "forward": graph.Forward,
	"shuffle": graph.Shuffle, "rebalance": graph.Rebalance, "rescale": graph.Rescale,
	"broadcast": graph.Broadcast, "hash": graph.KeyGroup, "custom": graph.Custom}

// program is a program as text, one transformation per line:
//
//	KIND NAME [in=A,B] [p=N] [max=N] [uid=U] [group=G] [chain=head|never] [type=text] [tags=A,B]
//	          [tag=T] [single] [bounded]
//
// KIND is source, op, sink, union, side or a partitioning. type is that of the output, tags are the
// side outputs, tag is what a side reads.
type program struct {
	settings graph.Settings
	ts       []*graph.Transformation
	named    map[string]*graph.Transformation
}

// newProgram reads a program.
func newProgram(s graph.Settings, text string) (*program, error) {
	p := &program{settings: s, named: map[string]*graph.Transformation{}}
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 0 {
			if err := p.add(fields); err != nil {
				return nil, fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
			}
		}
	}
	return p, nil
}

// mustGraph is the graph of a program with parallelism 2 that must be right.
func mustGraph(text string) *graph.StreamGraph {
	p, err := newProgram(graph.Settings{JobName: "test", Parallelism: 2, Chaining: true,
		Config: map[string]string{}}, text)
	if err == nil {
		var g *graph.StreamGraph
		if g, err = p.graph(); err == nil {
			return g
		}
	}
	panic(err)
}

func (p *program) graph() (
	*graph.StreamGraph, error,
) {
	return graph.NewStreamGraph(p.ts, p.settings)
}

// add adds one transformation.
func (p *program) add(fields []string) error {
	if len(fields) < 2 {
		return errors.New("want KIND NAME")
	}
	t := &graph.Transformation{ID: len(p.ts) + 1, Name: fields[1]}
	switch kind := fields[0]; kind {
	case "source":
		t.Kind, t.Factory, t.Output = graph.KindSource, never, numbers
	case "op":
		t.Kind, t.Factory, t.Output = graph.KindOperator, never, numbers
	case "sink":
		t.Kind, t.Factory = graph.KindSink, never
	case "union":
		t.Kind = graph.KindUnion
	case "side":
		t.Kind = graph.KindSideOutput
	default:
		t.Kind, t.Partitioning = graph.KindPartition, partitionings[kind]
		if t.Partitioning == graph.Default {
			return fmt.Errorf("unknown kind %q", kind)
		}
		if kind == "hash" || kind == "custom" {
			t.Router = routing.Single(numbers)
		}
	}
	for _, f := range fields[2:] {
		name, value, _ := strings.Cut(f, "=")
		if err := p.set(t, name, value); err != nil {
			return err
		}
	}
	p.ts = append(p.ts, t)
	p.named[t.Name] = t
	return nil
}

// set sets one property.
func (p *program) set(t *graph.Transformation, name, value string) (err error) {
	switch name {
	case "in":
		for _, in := range strings.Split(value, ",") {
			if p.named[in] == nil {
				return fmt.Errorf("there is no %q before it", in)
			}
			t.Inputs = append(t.Inputs, p.named[in])
		}
	case "p":
		t.Parallelism, err = strconv.Atoi(value)
	case "max":
		t.MaxParallelism, err = strconv.Atoi(value)
	case "uid":
		t.UID = value
	case "group":
		t.SlotSharingGroup = value
	case "chain":
		t.Chaining = map[string]graph.Chaining{"head": graph.ChainHead,
			"never": graph.ChainNever}[value]
	case "type":
		t.Output = texts
	case "tags":
		t.SideOutputs = map[string]operator.OutputType{}
		for _, tag := range strings.Split(value, ",") {
			t.SideOutputs[tag] = texts
		}
	case "tag":
		t.Tag = value
	case "single":
		t.SingleParallelism = true
	case "bounded":
		t.Bounded = true
	default:
		return fmt.Errorf("unknown property %q", name)
	}
	return err
}

// streamText writes a StreamGraph down: operators, then edges.
func streamText(g *graph.StreamGraph) string {
	var b strings.Builder
	for _, n := range g.Nodes {
		fmt.Fprintf(&b, "[%d] %s: parallelism %d of %d, slot group %s, %d in, %d out\n", n.ID,
			n.T.Name,
			n.Parallelism, n.MaxParallelism, n.SlotSharingGroup, len(n.In), len(n.Out))
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "edge %d: [%d] -> [%d]", e.ID, e.Source.ID, e.Target.ID)
		if e.Input > 0 {
			fmt.Fprintf(&b, " input %d", e.Input)
		}
		fmt.Fprintf(&b, " %s of %s", e.Partitioning, e.Type.Name())
		if e.Tag != "" {
			fmt.Fprintf(&b, " (side output %s)", e.Tag)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// jobText writes a JobGraph down: vertices with what they read and produce.
func jobText(j *graph.JobGraph) string {
	var b strings.Builder
	for i, v := range j.Vertices {
		fmt.Fprintf(&b, "%d: %s: parallelism %d of %d, slot group %s", i, v.Name, v.Parallelism,
			v.MaxParallelism, v.SlotSharingGroup)
		if v.Bounded {
			b.WriteString(", bounded")
		}
		b.WriteByte('\n')
		for _, n := range v.Nodes {
			b.WriteString("   " + nodeText(&v, &n) + "\n")
		}
		for _, r := range v.Results {
			fmt.Fprintf(&b, "   result: %s %s %s to %d", r.Type, r.Pattern, r.Partitioning,
				r.Consumer)
			if r.KeepAligned {
				b.WriteString(", aligned")
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// nodeText writes a node of a chain down with where its records go.
func nodeText(v *graph.Vertex, n *graph.Node) string {
	var to []string
	for _, o := range n.Outputs {
		target := fmt.Sprintf("result %d", o.Result)
		if o.Node >= 0 {
			target = v.Nodes[o.Node].Name
		}
		if o.Tag != "" {
			target = o.Tag + " to " + target
		}
		to = append(to, target)
	}
	if len(to) == 0 {
		to = []string{"nothing"}
	}
	slices.Sort(to)
	return fmt.Sprintf("%s (%d inputs) -> %s", n.Name, n.Inputs, strings.Join(to, ", "))
}
