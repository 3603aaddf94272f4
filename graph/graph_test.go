package graph_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"goflink/core/id"
	"goflink/graph"
	"goflink/runtime/execgraph"
)

// TestGraphs turns the programs of testdata into graphs. The commands are
//
//	program [parallelism=N] [max=N] [nochaining]
//	    PROGRAM     see the type program; prints how many nodes and edges the StreamGraph has
//	streamgraph     the operators and edges of the last program (R142)
//	jobgraph        its vertices and results (R143)
//	executiongraph  the subtasks and connections per vertex (R144)
//	plan, json      the plan as text and as JSON (R125)
//
// Run with -rewrite to write what comes out in the place of what is expected.
func TestGraphs(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.Contains(path, "fuzz") {
			return
		}
		var g *graph.StreamGraph
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			text, err := runCommand(t, d, &g)
			if err != nil {
				return "error: " + err.Error() + "\n"
			}
			return text
		})
	})
}

func runCommand(t *testing.T, d *datadriven.TestData, g **graph.StreamGraph) (string, error) {
	if d.Cmd == "program" {
		return runProgram(t, d, g)
	}
	if *g == nil {
		d.Fatalf(t, "there is no program before")
	}
	switch d.Cmd {
	case "streamgraph":
		return streamText(*g), nil
	case "plan":
		return (*g).PlanText() + "\n", nil
	case "json":
		b, err := (*g).PlanJSON()
		return string(b) + "\n", err
	}
	j, _, err := (*g).Compile()
	if err != nil {
		return "", err
	}
	switch d.Cmd {
	case "jobgraph":
		return jobText(j), nil
	case "executiongraph":
		return executionText(j)
	}
	d.Fatalf(t, "unknown command %q", d.Cmd)
	return "", nil
}

// runProgram reads a program and builds its graph.
func runProgram(t *testing.T, d *datadriven.TestData, g **graph.StreamGraph) (string, error) {
	s := graph.Settings{JobName: "test", Parallelism: 2, Chaining: true,
		Config: map[string]string{}}
	d.MaybeScanArgs(t, "parallelism", &s.Parallelism)
	d.MaybeScanArgs(t, "max", &s.MaxParallelism)
	s.Chaining = !d.HasArg("nochaining")
	*g = nil
	p, err := newProgram(s, d.Input)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	built, err := p.graph()
	if err != nil {
		return "", err
	}
	*g = built
	return fmt.Sprintf("%d transformations, %d nodes, %d edges\n", len(p.ts), len(built.Nodes),
		len(built.Edges)), nil
}

// executionText writes an ExecutionGraph down.
func executionText(j *graph.JobGraph) (string, error) {
	g, err := execgraph.New(time.Unix(0, 0), j)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, v := range g.JobVertices() {
		fmt.Fprintf(&b, "%s: %d subtasks", v.Vertex().Name, len(v.Subtasks()))
		for _, r := range v.Results() {
			fmt.Fprintf(&b, ", a result of %d partitions", len(r.Partitions()))
		}
		connections := 0
		for i := range v.Edges() {
			connections += int(v.Edges()[i].Producers().Count)
		}
		fmt.Fprintf(&b, ", %d edges with %d connections\n", len(v.Edges()), connections)
	}
	return b.String(), nil
}

// wordCount is the word count over a file with parallelism 2 (R141).
const wordCount = `
	source lines bounded
	op split in=lines type=text
	hash words in=split
	op count in=words
	sink print in=count p=1`

// compile compiles a program.
func compile(t *testing.T, text string) *graph.JobGraph {
	t.Helper()
	j, _, err := mustGraph(text).Compile()
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// ids are the operators' ids by their names.
func ids(t *testing.T, text string) map[string]id.Operator {
	m := map[string]id.Operator{}
	for _, v := range compile(t, text).Vertices {
		for _, n := range v.Nodes {
			m[n.Name] = n.Operator
		}
	}
	return m
}

// TestOperatorIDs: R86, R89: an operator with a UID keeps its id whatever happens around it; the id
// of one without shifts when the program changes before it.
func TestOperatorIDs(t *testing.T) {
	before := ids(t, `
		source s uid=S
		op a in=s uid=A
		op b in=a
		op c in=b uid=C
		sink k in=c`)
	again := ids(t, `
		source s uid=S
		op a in=s uid=A
		op b in=a
		op c in=b uid=C
		sink k in=c`)
	for name, id := range before {
		if again[name] != id {
			t.Errorf("%s has another id when the program is built again", name)
		}
	}
	after := ids(t, `
		source other
		sink spy in=other
		source s uid=S p=3
		op new in=s
		op c in=new uid=C
		op a in=c uid=A
		op b in=a
		sink k in=b`)
	for name, kept := range map[string]bool{"s": true, "a": true, "c": true, "b": false,
		"k": false} {
		if (before[name] == after[name]) != kept {
			t.Errorf("%s: id %s before, %s after; kept should be %t", name, before[name],
				after[name],
				kept)
		}
	}
	seen := map[id.Operator]string{}
	for name, id := range after {
		if other, twice := seen[id]; twice {
			t.Errorf("%s and %s have the same id", name, other)
		}
		seen[id] = name
	}
}

// TestFingerprint: the fingerprint is equal wherever the program is built again, with another id
// and configuration; Differs names what is not.
func TestFingerprint(t *testing.T) {
	job := compile(t, wordCount)
	again := compile(t, wordCount)
	again.Config = map[string]string{"parallelism.default": "2"}
	again.Restore.Path = "file:///savepoint"
	if job.ID == again.ID {
		t.Error("two jobs have the same id")
	}
	if job.Fingerprint != again.Fingerprint || graph.Differs(job, again) != "" {
		t.Errorf("fingerprints %s and %s: %s", job.Fingerprint, again.Fingerprint,
			graph.Differs(job, again))
	}
	for _, c := range []struct{ name, change, to, want string }{
		{"parallelism", "sink print in=count p=1", "sink print in=count p=3",
			`vertex 2 is "print" (parallelism 1) in the submitted job and "print" ` +
				`(parallelism 3) here`},
		{"name", "op split", "op split", ""},
		{"chain", "op split in=lines", "op split chain=never in=lines",
			`vertex 0 is "lines -> split" (parallelism 2) in the submitted job and "lines" ` +
				`(parallelism 2) here`},
		{"record type", "op split in=lines type=text", "op split in=lines",
			`vertex 0 is "lines -> split" (parallelism 2) in the submitted job and ` +
				`"lines -> split"`},
		{"partitioning", "hash words in=split", "broadcast words in=split",
			`vertex 0 is "lines -> split"`},
		{"one less", "\tsink print in=count p=1", "", "no sink"},
		{"one more", "sink print in=count p=1", "sink print in=count p=1\nsink more in=count p=1",
			`vertex 1 is "count"`},
		{"key groups", "op count in=words", "op count max=256 in=words",
			`vertex 0 is "lines -> split"`},
		{"UID", "op count in=words", "op count uid=u in=words", `vertex 1 is "count"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(wordCount, c.change, c.to, 1)
			p, err := newProgram(graph.Settings{Parallelism: 2, Chaining: true}, text)
			if err != nil {
				t.Fatal(err)
			}
			g, err := p.graph()
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %q", err, c.want)
				}
				return
			}
			changed, _, err := g.Compile()
			if err != nil {
				t.Fatal(err)
			}
			got := graph.Differs(job, changed)
			if !strings.Contains(got, c.want) || (c.want == "") != (got == "") ||
				(job.Fingerprint == changed.Fingerprint) != (got == "") {
				t.Errorf("difference %q, want %q (fingerprints %.8s, %.8s)", got, c.want,
					job.Fingerprint, changed.Fingerprint)
			}
		})
	}
}

// TestDiffersInLength: what one of two jobs has more is named.
func TestDiffersInLength(t *testing.T) {
	short := compile(t, "source s\nsink a in=s")
	long := compile(t, "source s\nsink a in=s\nsource r\nsink b in=r p=3")
	if got := graph.Differs(long, short); got != `vertex "r" is missing` {
		t.Errorf("missing: %q", got)
	}
	if got := graph.Differs(short, long); got != `there is a further vertex "r" here` {
		t.Errorf("further: %q", got)
	}
}
