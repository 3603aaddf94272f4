package execgraph

import (
	"fmt"
	"iter"
	"slices"

	"goflink/graph"
)

// PipelinedRegion is a largest set of subtasks that are joined by pipelined results: they must run
// at the same time, and are scheduled and restarted together (R149).
type PipelinedRegion struct {
	index    int
	vertices []VertexIndex
	missing  int32 // edges of blocking results that cannot be read yet
}

// Index is the region's position in [ExecutionGraph.Regions].
func (r *PipelinedRegion) Index() int { return r.index }

// Vertices are the region's subtasks in ascending order. The slice must not be changed.
func (r *PipelinedRegion) Vertices() []VertexIndex { return r.vertices }

// InputsReady tells whether all blocking results that the region reads can be read.
func (r *PipelinedRegion) InputsReady() bool { return r.missing == 0 }

// Regions are the pipelined regions of the job, ordered by their first subtask. No region waits,
// directly or through others, for itself. The slice must not be changed.
func (g *ExecutionGraph) Regions() []PipelinedRegion { return g.regions }

// makeRegions joins subtasks by union-find over the pipelined results. An all-to-all result joins
// all its producers and consumers, so that chaining them one by one stands for their product.
func (g *ExecutionGraph) makeRegions() {
	sets := newDisjointSets(len(g.subtasks))
	for _, jv := range g.vertices {
		for _, r := range jv.results {
			if r.kind == graph.Pipelined {
				sets.joinResult(r)
			} else {
				g.blocking = true
			}
		}
	}
	regionOf := make([]int32, len(g.subtasks)) // by the root of a set; region + 1
	var sizes []int32
	for i := range g.subtasks {
		root := sets.find(int32(i))
		if regionOf[root] == 0 {
			sizes = append(sizes, 0)
			regionOf[root] = int32(len(sizes))
		}
		region := regionOf[root] - 1
		g.subtasks[i].region = region
		sizes[region]++
	}
	g.fillRegions(sizes)
}

// fillRegions lists the subtasks of each region, and counts what each region waits for.
func (g *ExecutionGraph) fillRegions(sizes []int32) {
	g.regions = make([]PipelinedRegion, len(sizes))
	all := make([]VertexIndex, len(g.subtasks))
	for i, size := range sizes {
		g.regions[i] = PipelinedRegion{index: i, vertices: all[:0:size]}
		all = all[size:]
	}
	for i := range g.subtasks {
		v := &g.subtasks[i]
		r := &g.regions[v.region]
		r.vertices = append(r.vertices, v.index)
		for in := range v.job.inputs {
			if v.Input(in).missing > 0 {
				r.missing++
			}
		}
	}
}

// ReadyRegions yields the regions that read the partition, which is of a blocking result, and whose
// inputs can all be read; a region may come several times. For an all-to-all result it yields
// nothing, at no cost, until the result is complete.
func (p *IntermediateResultPartition) ReadyRegions() iter.Seq[*PipelinedRegion] {
	return func(yield func(*PipelinedRegion) bool) {
		r := p.result
		if r.kind != graph.Blocking || r.pattern == graph.AllToAll && !r.Complete() {
			return
		}
		consumers := p.Consumers()
		for c := consumers.First; c < consumers.End(); c++ {
			if region := r.consumer.subtasks[c].Region(); region.InputsReady() {
				if !yield(region) {
					return
				}
			}
		}
	}
}

// checkRegions verifies that the regions can run one after another, by going through them as a run
// without failures would. A cycle arises where a result is read within its region and, by a
// blocking edge, outside of it by what comes back in:
//
//	A ── pipelined ──▶ C      A and C are one region, which waits for B, which waits for A.
//	A ─ blocking ─▶ B ─ blocking ─▶ C
func (g *ExecutionGraph) checkRegions() error {
	queued := make([]bool, len(g.regions))
	var queue []*PipelinedRegion
	add := func(r *PipelinedRegion) {
		if !queued[r.index] {
			queued[r.index] = true
			queue = append(queue, r)
		}
	}
	for i := range g.regions {
		if g.regions[i].InputsReady() {
			add(&g.regions[i])
		}
	}
	for next := 0; next < len(queue); next++ {
		for _, i := range queue[next].vertices {
			for _, r := range g.subtasks[i].job.results {
				p := &r.partitions[g.subtasks[i].subtask]
				p.MarkConsumable()
				for region := range p.ReadyRegions() {
					add(region)
				}
			}
		}
	}
	for i := range g.subtasks {
		for _, r := range g.subtasks[i].job.results {
			r.reset(int(g.subtasks[i].subtask))
		}
	}
	for i, ok := range queued {
		if !ok {
			v := &g.subtasks[g.regions[i].vertices[0]]
			return fmt.Errorf("job %q (%s): vertex %q waits for a blocking result that is made "+
				"from its own output: make the edges between it and the readers of that result "+
				"blocking, too",
				g.job.Name, g.job.ID, v.job.vertex.Name)
		}
	}
	return nil
}

// WithDownstream adds to a set of regions all that read, directly or through others, a blocking
// result of one of them: when the producer runs again, its result may differ. The answer is sorted
// and free of doubles. Its cost is linear in the graph, whatever the number of connections.
func (g *ExecutionGraph) WithDownstream(regions []*PipelinedRegion) []*PipelinedRegion {
	seen := make([]bool, len(g.regions))
	var queue []*PipelinedRegion
	add := func(r *PipelinedRegion) {
		if !seen[r.index] {
			seen[r.index] = true
			queue = append(queue, r)
		}
	}
	for _, r := range regions {
		add(r)
	}
	followed := map[*IntermediateResult]bool{} // all-to-all results: followed once
	for next := 0; g.blocking && next < len(queue); next++ {
		for _, i := range queue[next].vertices {
			v := &g.subtasks[i]
			for _, r := range v.job.results {
				if r.kind != graph.Blocking || followed[r] {
					continue
				}
				followed[r] = r.pattern == graph.AllToAll
				consumers := r.ConsumersOf(v.subtask)
				for c := consumers.First; c < consumers.End(); c++ {
					add(r.consumer.subtasks[c].Region())
				}
			}
		}
	}
	slices.SortFunc(queue, func(a, b *PipelinedRegion) int { return a.index - b.index })
	return queue
}

// disjointSets is union-find with path halving and union by index: the smaller index is the root
// (R. E. Tarjan, J. van Leeuwen, "Worst-case analysis of set union algorithms", J. ACM 31, 1984).
type disjointSets []int32

func newDisjointSets(n int) disjointSets {
	s := make(disjointSets, n)
	for i := range s {
		s[i] = int32(i)
	}
	return s
}

func (s disjointSets) find(i int32) int32 {
	for s[i] != i {
		s[i] = s[s[i]]
		i = s[i]
	}
	return i
}

func (s disjointSets) join(a, b VertexIndex) {
	ra, rb := s.find(int32(a)), s.find(int32(b))
	s[max(ra, rb)] = min(ra, rb)
}

// joinResult joins the subtasks at both ends of a result.
func (s disjointSets) joinResult(r *IntermediateResult) {
	producers, consumers := r.producer.subtasks, r.consumer.subtasks
	if r.pattern == graph.AllToAll {
		for i := range producers {
			s.join(producers[i].index, consumers[0].index)
		}
		for i := range consumers {
			s.join(consumers[i].index, producers[0].index)
		}
		return
	}
	for i := range consumers {
		from := r.ProducersOf(int32(i))
		for p := from.First; p < from.End(); p++ {
			s.join(producers[p].index, consumers[i].index)
		}
	}
}
