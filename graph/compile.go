package graph

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"goflink/core/id"
	"goflink/operator"
)

// Compile turns the graph into a JobGraph with a new id, and the code that belongs to it.
func (g *StreamGraph) Compile() (*JobGraph, *Code, error) {
	chains, of := g.chains()
	j := &JobGraph{Version: Version, ID: id.NewJob(), Name: g.Settings.JobName,
		Config: maps.Clone(g.Settings.Config), Vertices: make([]Vertex, len(chains))}
	c := &compiler{g: g, j: j, chains: chains, of: of, ids: g.operatorIDs(),
		code: &Code{Nodes: map[int]NodeCode{}, Edges: map[int]EdgeCode{}}}
	for i := range chains {
		if err := c.vertex(i); err != nil {
			return nil, nil, err
		}
	}
	j.keepAligned()
	var err error
	j.Fingerprint, err = fingerprint(j)
	return j, c.code, err
}

// keepAligned makes all inputs of a vertex keep barriers aligned if one of them does: the task then
// takes its part when all barriers are there, so what a barrier had overtaken on another input
// would be in no part of the checkpoint.
func (j *JobGraph) keepAligned() {
	for i := range j.Vertices {
		inputs := j.Vertices[i].Inputs
		if !slices.ContainsFunc(inputs, func(e Edge) bool { return e.KeepAligned }) {
			continue
		}
		for k := range inputs {
			e := &inputs[k]
			e.KeepAligned = true
			j.Vertices[e.Producer].Results[e.Result].KeepAligned = true
		}
	}
}

type compiler struct {
	g      *StreamGraph
	j      *JobGraph
	chains []*chain
	of     map[*StreamNode]int
	ids    map[*StreamNode]id.Operator
	code   *Code
}

func (c *compiler) vertex(i int) error {
	ch, v := c.chains[i], &c.j.Vertices[i]
	head := ch.nodes[0]
	v.ID = id.Vertex(c.ids[head])
	v.Name = ch.name(head)
	v.Parallelism, v.MaxParallelism = head.Parallelism, head.MaxParallelism
	v.MaxParallelismFixed = head.MaxFixed
	v.SlotSharingGroup = head.SlotSharingGroup
	v.Bounded = head.T.Kind == KindSource && head.T.Bounded
	for _, n := range ch.nodes {
		if err := c.node(i, n); err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) node(vertex int, n *StreamNode) error {
	t, v := n.T, &c.j.Vertices[vertex]
	spec := Node{Stream: n.ID, Operator: c.ids[n], UID: t.UID, Name: t.Name, Inputs: len(t.Inputs),
		Source: t.Kind == KindSource, Sink: t.Kind == KindSink, Coordinated: t.Coordinator != nil,
		KeySchema: t.KeySchema}
	code := NodeCode{Factory: t.Factory, Coordinator: t.Coordinator,
		Outputs: map[string]operator.OutputType{}}
	if t.Output != nil {
		code.Outputs[""] = t.Output
	}
	maps.Copy(code.Outputs, t.SideOutputs)
	c.code.Nodes[n.ID] = code
	for _, e := range n.Out {
		schema, err := digest(e.Type.Schema())
		if err != nil {
			return fmt.Errorf("operator %q: schema of %s: %w", t.Name, e.Type.Name(), err)
		}
		out := Output{Tag: e.Tag, Type: e.Type.Name(), Schema: schema, Node: -1, Input: e.Input,
			Result: -1}
		if c.of[e.Target] == vertex {
			out.Node = c.chains[vertex].index[e.Target]
		} else {
			out.Result = len(v.Results)
			c.edge(vertex, e)
		}
		spec.Outputs = append(spec.Outputs, out)
	}
	v.Nodes = append(v.Nodes, spec)
	return nil
}

// edge adds the result that carries e, and the consumer's input.
func (c *compiler) edge(producer int, e *StreamEdge) {
	consumer := c.of[e.Target]
	from, to := &c.j.Vertices[producer], &c.j.Vertices[consumer]
	from.Results = append(from.Results, Result{Type: Pipelined, StreamEdge: e.ID,
		Partitioning: e.Partitioning, Pattern: e.pattern(), Consumer: consumer,
		ConsumerInput: len(to.Inputs), ConsumerMaxParallelism: e.Target.MaxParallelism,
		KeepAligned: e.keepsAligned()})
	to.Inputs = append(to.Inputs, Edge{Input: e.Input, Producer: producer,
		Result: len(from.Results) - 1, Partitioning: e.Partitioning, Pattern: e.pattern(),
		Type: Pipelined, StreamEdge: e.ID, KeepAligned: e.keepsAligned()})
	c.code.Edges[e.ID] = EdgeCode{Router: e.Router, Type: e.Type}
}

// name is the names of the chain from n on, as Flink writes them: "A -> B" and "A -> (B, C -> D)".
func (c *chain) name(n *StreamNode) string {
	var next []string
	for _, e := range n.Out {
		if _, ok := c.index[e.Target]; ok {
			next = append(next, c.name(e.Target))
		}
	}
	switch len(next) {
	case 0:
		return n.T.Name
	case 1:
		return n.T.Name + " -> " + next[0]
	}
	return n.T.Name + " -> (" + strings.Join(next, ", ") + ")"
}

// operatorIDs derives the ids of all operators: from the UID where the user gave one, else from the
// operator's place: its number among the operators and the ids of its inputs. Such ids shift when
// the program changes before them (R89).
func (g *StreamGraph) operatorIDs() map[*StreamNode]id.Operator {
	ids := map[*StreamNode]id.Operator{}
	for i, n := range g.Nodes {
		if n.T.UID != "" {
			ids[n] = id.OperatorFromUID(n.T.UID)
			continue
		}
		place := binary.BigEndian.AppendUint32([]byte("place:"), uint32(i))
		for _, e := range n.In {
			in := ids[e.Source]
			place = append(place, in[:]...)
		}
		ids[n] = id.OperatorFromHash(place)
	}
	return ids
}

func digest(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:8]), nil
}

// fingerprint covers what must be equal wherever the program is built again.
func fingerprint(j *JobGraph) (string, error) {
	b, err := json.Marshal(j.Vertices)
	if err != nil {
		return "", err
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:]), nil
}
