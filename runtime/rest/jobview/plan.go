package jobview

import (
	"html"
	"strings"

	"goflink/graph"
	"goflink/runtime/rest/message"
)

// plan is the JobGraph as it is drawn.
func (v *View) plan() message.Plan {
	p := message.Plan{ID: v.ID(), Name: v.o.Graph.Name, Type: streaming,
		Nodes: []message.PlanNode{}}
	for i := range v.o.Graph.Vertices {
		g := &v.o.Graph.Vertices[i]
		n := message.PlanNode{ID: g.ID, Parallelism: g.Parallelism, Description: chain(g),
			Optimizer: map[string]any{}}
		for k, e := range g.Inputs {
			n.Inputs = append(n.Inputs, message.PlanInput{Number: k,
				ID: v.o.Graph.Vertices[e.Producer].ID, Strategy: e.Partitioning.String(),
				Exchange: strings.ToLower(e.Type.String())})
		}
		p.Nodes = append(p.Nodes, n)
	}
	return p
}

// chain draws the operators of a vertex as a tree in HTML: what an operator feeds stands below it.
func chain(g *graph.Vertex) string {
	var b strings.Builder
	draw(&b, g, 0, "", "")
	return b.String()
}

func draw(b *strings.Builder, g *graph.Vertex, node int, lead, below string) {
	b.WriteString(lead + html.EscapeString(g.Nodes[node].Name) + "<br/>")
	var readers []int
	for _, o := range g.Nodes[node].Outputs {
		if o.Node >= 0 {
			readers = append(readers, o.Node)
		}
	}
	for i, r := range readers {
		if i == len(readers)-1 {
			draw(b, g, r, below+"+- ", below+"   ")
		} else {
			draw(b, g, r, below+":- ", below+":  ")
		}
	}
}
