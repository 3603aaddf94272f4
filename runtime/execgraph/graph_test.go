package execgraph

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"goflink/core/failure"
	"goflink/core/id"
	"goflink/graph"
	"goflink/internal/testkit"
	"goflink/runtime/execgraph/graphtest"
)

// R144: a job of three vertices with the parallelisms 2, 4 and 1, counted by hand.
func TestCounts(t *testing.T) {
	g := newGraph(t, `
		vertex source p=2
		vertex map p=4
		vertex sink p=1
		edge source map alltoall
		edge map sink alltoall`)
	if g.Len() != 7 || len(g.JobVertices()) != 3 {
		t.Errorf("%d subtasks in %d vertices, want 7 in 3", g.Len(), len(g.JobVertices()))
	}
	var results, partitions, edges, connections, executions int
	for _, jv := range g.JobVertices() {
		results += len(jv.Results())
		for _, r := range jv.Results() {
			partitions += len(r.Partitions())
		}
		edges += len(jv.Edges())
		for i := range jv.Edges() {
			connections += int(jv.Edges()[i].Producers().Count)
		}
		for i := range jv.Subtasks() {
			executions += 1 + len(jv.Subtasks()[i].Prior())
		}
	}
	// Partitions 2+4; edges one per consumer and input: 4+1; connections 2·4+4·1.
	got := fmt.Sprint(results, partitions, edges, connections, executions)
	if got != "2 6 5 12 7" {
		t.Errorf("results, partitions, edges, connections, executions: %s, want 2 6 5 12 7", got)
	}
}

// R143, R144: every edge agrees with its partitions, whatever the pattern.
func TestEdgesAgreeWithPartitions(t *testing.T) {
	for _, pattern := range []string{"alltoall", "pointwise"} {
		for _, p := range [][2]int{{2, 6}, {6, 2}, {3, 5}, {5, 3}, {1, 1}, {4, 4}} {
			g := newGraph(t, fmt.Sprintf("vertex a p=%d\nvertex b p=%d\nedge a b %s",
				p[0], p[1], pattern))
			checkEdges(t, g)
		}
	}
}

// checkEdges verifies, connection by connection, that both ends see the same.
func checkEdges(t *testing.T, g *ExecutionGraph) {
	t.Helper()
	consumer := g.JobVertices()[1]
	seen := map[string]bool{}
	for s := range consumer.Subtasks() {
		e := consumer.Subtasks()[s].Input(0)
		if e.Consumer() != &consumer.Subtasks()[s] || e.Result() != consumer.Inputs()[0] {
			t.Fatalf("edge of subtask %d belongs to another", s)
		}
		for p := e.Producers().First; p < e.Producers().End(); p++ {
			part := &e.Result().Partitions()[p]
			sub := e.Subpartition(p)
			if sub < 0 || sub >= part.Consumers().Count {
				t.Fatalf("subtask %d reads subpartition %d of %d", s, sub, part.Consumers().Count)
			}
			key := fmt.Sprint(p, "/", sub)
			if seen[key] {
				t.Fatalf("subpartition %s is read twice", key)
			}
			seen[key] = true
			if part.Producer().Subtask() != p || part.Producer().Partition(0) != part {
				t.Fatalf("partition %d is produced by %s", p, part.Producer().TaskName())
			}
		}
	}
	total := 0
	for i := range g.JobVertices()[0].Results()[0].Partitions() {
		total += int(g.JobVertices()[0].Results()[0].Partitions()[i].Consumers().Count)
	}
	if len(seen) != total {
		t.Fatalf("%d subpartitions are read, there are %d", len(seen), total)
	}
}

// R145, R151: after one failure there is attempt 2 with a new id, and the prior one shows the
// cause.
func TestResetMakesNewAttempt(t *testing.T) {
	g := newGraph(t, "vertex map p=2")
	v := g.Subtask(1)
	first := v.Current().Attempt()
	if first != (id.Attempt{Job: graphtest.JobID, Vertex: graphtest.VertexID("map"), Subtask: 1,
		Number: 1}) {
		t.Fatalf("the first attempt is %v", first)
	}
	if err := v.Reset(time.UnixMilli(1)); err == nil ||
		!strings.Contains(err.Error(), "map (2/2) - execution attempt 1 cannot go from CREATED") {
		t.Fatalf("reset of an attempt that has not ended: %v", err)
	}
	slot := Slot{Allocation: id.Allocation{7}, Worker: "w"}
	if err := v.AssignSlot(slot); err == nil {
		t.Error("a slot was assigned before the task was scheduled")
	}
	must(t, v.Transition(time.UnixMilli(2), Scheduled, nil))
	must(t, v.AssignSlot(slot))
	must(t, v.Transition(time.UnixMilli(3), Deploying, nil))
	must(t, v.Transition(time.UnixMilli(4), Failed, &failure.Info{Message: "boom"}))
	must(t, v.Reset(time.UnixMilli(5)))
	if a := v.Current().Attempt(); a.Number != 2 || a == first || v.Current().State() != Created {
		t.Errorf("the second attempt is %v in %v", a, v.Current().State())
	}
	p := v.Prior()
	if len(p) != 1 || p[0].Failure().Message != "boom" || p[0].Attempt() != first ||
		p[0].Entered(Failed) != 4 || p[0].Slot() != slot {
		t.Errorf("the prior execution is %+v", p)
	}
	if v.PreviousSlot() != slot || v.Current().Slot() != (Slot{}) ||
		v.Current().Failure() != nil {
		t.Errorf("slots: previous %v, current %v", v.PreviousSlot(), v.Current().Slot())
	}
}

// The history of attempts is bounded: the latest are kept.
func TestPriorExecutionsAreBounded(t *testing.T) {
	g := newGraph(t, "vertex v")
	v := g.Subtask(0)
	for range MaxPriorExecutions + 3 {
		must(t, v.Transition(time.UnixMilli(1), Canceled, nil))
		must(t, v.Reset(time.UnixMilli(1)))
	}
	p := v.Prior()
	if len(p) != MaxPriorExecutions || p[0].Attempt().Number != 4 ||
		v.Current().Attempt().Number != MaxPriorExecutions+4 {
		t.Errorf("%d prior executions from attempt %d on, current %d",
			len(p), p[0].Attempt().Number, v.Current().Attempt().Number)
	}
}

// R145: what an attempt id must say to be found.
func TestFind(t *testing.T) {
	g := newGraph(t, "vertex map p=2")
	known := g.Subtask(1).Current().Attempt()
	if v, err := g.Find(known); err != nil || v != g.Subtask(1) {
		t.Fatalf("%v, %v", v, err)
	}
	for want, change := range map[string]func(*id.Attempt){
		"another job":        func(a *id.Attempt) { a.Job[3]++ },
		"no such vertex":     func(a *id.Attempt) { a.Vertex[3]++ },
		"the parallelism 2":  func(a *id.Attempt) { a.Subtask = 2 },
		`"map" has the para`: func(a *id.Attempt) { a.Subtask = -1 },
	} {
		a := known
		change(&a)
		if _, err := g.Find(a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// regionsOf prints the regions as lists of subtasks.
func regionsOf(g *ExecutionGraph) string {
	var all []string
	for i := range g.Regions() {
		var names []string
		for _, v := range g.Regions()[i].Vertices() {
			s := g.Subtask(v)
			names = append(names, fmt.Sprintf("%s%d", s.JobVertex().Vertex().Name, s.Subtask()))
		}
		all = append(all, strings.Join(names, " "))
	}
	return strings.Join(all, " | ")
}

// R149: pipelined regions.
func TestRegions(t *testing.T) {
	for _, c := range []struct{ name, graph, want string }{
		{"all-to-all joins all", "vertex a p=2\nvertex b p=3\nedge a b alltoall",
			"a0 a1 b0 b1 b2"},
		{"point-wise joins groups", "vertex a p=2\nvertex b p=4\nedge a b pointwise",
			"a0 b0 b1 | a1 b2 b3"},
		{"unconnected pipelines", `vertex a
			vertex c
			vertex b
			vertex d
			edge a b pointwise
			edge c d pointwise`, "a0 b0 | c0 d0"},
		{"a blocking edge splits", `vertex a p=2
			vertex b p=2
			vertex c
			edge a b alltoall blocking
			edge b c alltoall`, "a0 | a1 | b0 b1 c0"},
		{"point-wise, uneven", "vertex a p=3\nvertex b p=2\nedge a b pointwise",
			"a0 b0 | a1 a2 b1"},
		{"diamond", `vertex a
			vertex b
			vertex c
			vertex d
			edge a b alltoall blocking
			edge a c alltoall
			edge b d alltoall
			edge c d alltoall blocking`, "a0 c0 | b0 d0"},
	} {
		if got := regionsOf(newGraph(t, c.graph)); got != c.want {
			t.Errorf("%s: regions are %s, want %s", c.name, got, c.want)
		}
	}
}

// R149: regions that would wait for each other are refused.
func TestRegionCycleIsRefused(t *testing.T) {
	job, err := graphtest.Parse(`
		vertex a
		vertex b
		vertex c
		edge a b alltoall blocking
		edge b c alltoall blocking
		edge a c alltoall`)
	must(t, err)
	if _, err := New(time.Time{}, job); err == nil ||
		!strings.Contains(err.Error(), `vertex "a" waits for a blocking result`) {
		t.Errorf("error %v", err)
	}
}

// R149: a region can run when, and only when, the blocking results that it reads are complete.
func TestInputsReady(t *testing.T) {
	g := newGraph(t, `
		vertex a p=2
		vertex b p=2
		vertex c p=4
		edge a b alltoall blocking
		edge b c pointwise blocking`)
	ready := func() string {
		var s []string
		for i := range g.Regions() {
			if g.Regions()[i].InputsReady() {
				v := g.Subtask(g.Regions()[i].Vertices()[0])
				s = append(s, fmt.Sprintf("%s%d", v.JobVertex().Vertex().Name, v.Subtask()))
			}
		}
		return strings.Join(s, " ")
	}
	finish := func(i VertexIndex) {
		v := g.Subtask(i)
		for _, s := range []ExecutionState{Scheduled, Deploying, Running, Finished} {
			must(t, v.Transition(time.UnixMilli(1), s, nil))
		}
		if !v.Partition(0).MarkConsumable() || v.Partition(0).MarkConsumable() {
			t.Errorf("partition of %s: it must become consumable once", v.TaskName())
		}
	}
	expect := func(want string) {
		t.Helper()
		if got := ready(); got != want {
			t.Errorf("ready are %q, want %q", got, want)
		}
	}
	expect("a0 a1")
	finish(0)
	expect("a0 a1")
	finish(1)
	expect("a0 a1 b0 b1")
	finish(2) // b0 feeds c0 and c1
	expect("a0 a1 b0 b1 c0 c1")
	must(t, g.Subtask(0).Reset(time.UnixMilli(1)))
	expect("a0 a1 c0 c1")
	must(t, g.Subtask(2).Reset(time.UnixMilli(1)))
	expect("a0 a1")
}

// R149: what must run again after a region, against a search over single connections.
func TestWithDownstreamAgainstSearch(t *testing.T) {
	testkit.EachSeed(t, testkit.Scaled(200), func(t *testing.T, seed uint64) {
		r := testkit.Source(seed)
		var b strings.Builder
		n := 2 + r.IntN(5)
		for i := range n {
			fmt.Fprintf(&b, "vertex v%d p=%d\n", i, 1+r.IntN(4))
		}
		for to := 1; to < n; to++ {
			for range 1 + r.IntN(2) {
				fmt.Fprintf(&b, "edge v%d v%d %s %s\n", r.IntN(to), to,
					[]string{"alltoall", "pointwise"}[r.IntN(2)],
					[]string{"", "blocking"}[r.IntN(2)])
			}
		}
		job, err := graphtest.Parse(b.String())
		must(t, err)
		g, err := New(time.Time{}, job)
		if err != nil {
			if !strings.Contains(err.Error(), "waits for a blocking result") {
				t.Fatal(err)
			}
			return // regions in a cycle
		}
		start := &g.Regions()[r.IntN(len(g.Regions()))]
		var got []int
		for _, region := range g.WithDownstream([]*PipelinedRegion{start, start}) {
			got = append(got, region.Index())
		}
		if want := searchDownstream(g, start); !slices.Equal(got, want) {
			t.Errorf("%s\nfrom region %d: %v, want %v", b.String(), start.Index(), got, want)
		}
	})
}

// searchDownstream follows every single connection.
func searchDownstream(g *ExecutionGraph, start *PipelinedRegion) []int {
	in := map[int]bool{start.Index(): true}
	for grown := true; grown; {
		grown = false
		for i := range g.Len() {
			v := g.Subtask(VertexIndex(i))
			for in2 := range v.JobVertex().Inputs() {
				e := v.Input(in2)
				if e.Result().Type() != graph.Blocking || in[v.Region().Index()] {
					continue
				}
				for p := e.Producers().First; p < e.Producers().End(); p++ {
					producer := &e.Result().Producer().Subtasks()[p]
					if in[producer.Region().Index()] {
						in[v.Region().Index()] = true
						grown = true
					}
				}
			}
		}
	}
	var all []int
	for r := range len(g.Regions()) {
		if in[r] {
			all = append(all, r)
		}
	}
	return all
}

// R151: the state that stands for a vertex.
func TestAggregate(t *testing.T) {
	for _, c := range []struct {
		states []ExecutionState
		want   ExecutionState
	}{
		{[]ExecutionState{Created, Created}, Created},
		{[]ExecutionState{Scheduled, Created}, Scheduled},
		{[]ExecutionState{Running, Deploying}, Running},
		{[]ExecutionState{Running, Finished}, Running},
		{[]ExecutionState{Created, Finished}, Running},
		{[]ExecutionState{Finished, Finished}, Finished},
		{[]ExecutionState{Failed, Running}, Failed},
		{[]ExecutionState{Canceling, Canceled}, Canceling},
		{[]ExecutionState{Canceled, Finished}, Canceled},
	} {
		var counts StateCounts
		for _, s := range c.states {
			counts[s]++
		}
		if got := counts.Aggregate(); got != c.want {
			t.Errorf("%v: %v, want %v", c.states, got, c.want)
		}
	}
}

// A JobGraph comes from another process: what does not fit together is refused by name.
func TestInconsistentGraphs(t *testing.T) {
	const two = "vertex a p=2\nvertex b p=3\nedge a b alltoall"
	for _, c := range []struct {
		want   string
		change func(*graph.JobGraph)
	}{
		{"no vertex", func(j *graph.JobGraph) { j.Vertices = nil }},
		{"format version 99", func(j *graph.JobGraph) { j.Version = 99 }},
		{`"b" has the parallelism 0`, func(j *graph.JobGraph) { j.Vertices[1].Parallelism = 0 }},
		{`"a" has the parallelism 32769`, func(j *graph.JobGraph) {
			j.Vertices[0].Parallelism = MaxParallelism + 1
		}},
		{`vertices "a" and "b" have the same id`, func(j *graph.JobGraph) {
			j.Vertices[1].ID = j.Vertices[0].ID
		}},
		{"vertex number 1, which does not stand before it", func(j *graph.JobGraph) {
			j.Vertices[1].Inputs[0].Producer = 1
		}},
		{"vertex number -1", func(j *graph.JobGraph) { j.Vertices[1].Inputs[0].Producer = -1 }},
		{`reads result 7 of vertex "a", which has 1`, func(j *graph.JobGraph) {
			j.Vertices[1].Inputs[0].Result = 7
		}},
		{"vertex number 0, which does not stand behind it", func(j *graph.JobGraph) {
			j.Vertices[0].Results = append(j.Vertices[0].Results, graph.Result{})
		}},
		{`input 4 of vertex "b", which has 1`, func(j *graph.JobGraph) {
			j.Vertices[0].Results = append(j.Vertices[0].Results,
				graph.Result{Consumer: 1, ConsumerInput: 4})
		}},
		{"is POINTWISE PIPELINED_BOUNDED, but result 0", func(j *graph.JobGraph) {
			j.Vertices[1].Inputs[0].Pattern = graph.PointWise
		}},
		{"unknown pattern (9)", func(j *graph.JobGraph) { j.Vertices[1].Inputs[0].Pattern = 9 }},
		{"unknown pattern (9)", func(j *graph.JobGraph) { j.Vertices[0].Results[0].Pattern = 9 }},
		{"or type (9)", func(j *graph.JobGraph) { j.Vertices[0].Results[0].Type = 9 }},
		{"which reads result 0 of vertex number 0", func(j *graph.JobGraph) {
			j.Vertices[0].Results = append(j.Vertices[0].Results, j.Vertices[0].Results[0])
		}},
		{"is meant for input 0 of vertex number 1", func(j *graph.JobGraph) {
			j.Vertices[1].Inputs = append(j.Vertices[1].Inputs, j.Vertices[1].Inputs[0])
		}},
		{"more than 1048576 subtasks", func(j *graph.JobGraph) {
			for i := range 33 {
				v := graph.Vertex{ID: id.Vertex{byte(i), 1}, Name: "more",
					Parallelism: MaxParallelism}
				j.Vertices = append(j.Vertices, v)
			}
		}},
	} {
		job, err := graphtest.Parse(two)
		must(t, err)
		c.change(job)
		_, err = New(time.Time{}, job)
		if err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), `job "test"`) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkNew spreads out two vertices of 4,000 subtasks each that are connected all to all: 16
// million connections.
func BenchmarkNew(b *testing.B) {
	job, err := graphtest.Parse("vertex a p=4000\nvertex b p=4000\nedge a b alltoall")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := New(time.UnixMilli(1), job); err != nil {
			b.Fatal(err)
		}
	}
}
