package graph

// chainable reports whether the edge's target runs in the task of its source: all of R122's
// conditions. (Both ends exist in any edge.)
func (e *StreamEdge) chainable(enabled bool) bool {
	return enabled &&
		len(e.Target.In) == 1 &&
		e.Target.T.Chaining == ChainAlways &&
		(e.Source.T.Chaining == ChainAlways || e.Source.T.Chaining == ChainHead) &&
		e.Partitioning == Forward &&
		e.Source.Parallelism == e.Target.Parallelism &&
		e.Source.MaxParallelism == e.Target.MaxParallelism &&
		e.Source.SlotSharingGroup == e.Target.SlotSharingGroup
}

// chain is the nodes that run as one task, head first, in the order of their ids, which is
// topological.
type chain struct {
	nodes []*StreamNode
	index map[*StreamNode]int
}

// chains divides the graph into chains, ordered by their heads: a producer comes before its
// consumers.
func (g *StreamGraph) chains() ([]*chain, map[*StreamNode]int) {
	var all []*chain
	of := map[*StreamNode]int{}
	for _, n := range g.Nodes {
		if len(n.In) == 1 && n.In[0].chainable(g.Settings.Chaining) {
			i := of[n.In[0].Source]
			c := all[i]
			c.index[n] = len(c.nodes)
			c.nodes = append(c.nodes, n)
			of[n] = i
			continue
		}
		of[n] = len(all)
		all = append(all, &chain{nodes: []*StreamNode{n}, index: map[*StreamNode]int{n: 0}})
	}
	return all, of
}
