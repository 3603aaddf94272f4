package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// planNode is a node of the plan as Flink's info prints it.
type planNode struct {
	ID           int          `json:"id"`
	Type         string       `json:"type"`
	Pact         string       `json:"pact"`
	Contents     string       `json:"contents"`
	Parallelism  int          `json:"parallelism"`
	Predecessors []planSource `json:"predecessors,omitempty"`
}

type planSource struct {
	ID           int    `json:"id"`
	ShipStrategy string `json:"ship_strategy"`
	Side         string `json:"side"`
}

// PlanJSON is the graph in the form of Flink's execution plan: nodes with their predecessors, sinks
// last. The side of a predecessor is "second" throughout, as Flink writes it.
func (g *StreamGraph) PlanJSON() ([]byte, error) {
	var plan struct {
		Nodes []planNode `json:"nodes"`
	}
	var sinks []planNode
	for _, n := range g.Nodes {
		p := planNode{ID: n.ID, Type: n.T.Name, Pact: pact(n), Contents: n.T.Name,
			Parallelism: n.Parallelism}
		for _, e := range n.In {
			p.Predecessors = append(p.Predecessors, planSource{ID: e.Source.ID,
				ShipStrategy: e.Partitioning.String(), Side: "second"})
		}
		if n.T.Kind == KindSink {
			sinks = append(sinks, p)
		} else {
			plan.Nodes = append(plan.Nodes, p)
		}
	}
	plan.Nodes = append(plan.Nodes, sinks...)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(plan)
	return bytes.TrimRight(out.Bytes(), "\n"), err
}

func pact(n *StreamNode) string {
	switch n.T.Kind {
	case KindSource:
		return "Data Source"
	case KindSink:
		return "Data Sink"
	}
	return "Operator"
}

// PlanText is the graph as a tree of text: sinks first, what they read indented below. An operator
// that several read is drawn once and named afterwards.
func (g *StreamGraph) PlanText() string {
	var b strings.Builder
	seen := map[*StreamNode]bool{}
	for _, n := range g.Nodes {
		if len(n.Out) == 0 {
			writeTree(&b, n, "", "", "", seen, g.Settings.Chaining)
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

func writeTree(b *strings.Builder, n *StreamNode, lead, below, edge string,
	seen map[*StreamNode]bool, chaining bool) {
	fmt.Fprintf(b, "%s[%d] %s  (parallelism %d)", lead, n.ID, n.T.Name, n.Parallelism)
	if edge != "" {
		fmt.Fprintf(b, "  ── %s ▶", edge)
	}
	if seen[n] {
		b.WriteString("  see above\n")
		return
	}
	seen[n] = true
	b.WriteByte('\n')
	for i, e := range n.In {
		edge := e.Partitioning.String()
		if e.Tag != "" {
			edge += " of side output " + e.Tag
		}
		if e.chainable(chaining) {
			edge += ", chained"
		}
		if i == len(n.In)-1 {
			writeTree(b, e.Source, below+"└─ ", below+"   ", edge, seen, chaining)
		} else {
			writeTree(b, e.Source, below+"├─ ", below+"│  ", edge, seen, chaining)
		}
	}
}
