package graph_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"goflink/graph"
)

// everything is a program with most of what a graph can have.
const everything = `
	source a uid=A bounded p=1
	source b
	union ab in=a,b
	op m in=ab group=g max=512
	hash k in=m
	rescale r in=b
	op w in=k,r tags=late,early uid=W
	side late in=w tag=late
	side early in=w tag=early
	broadcast all in=late
	sink x in=w
	sink y in=all chain=never
	sink z in=early p=1 single`

// TestCodec: a JobGraph survives its encoding.
func TestCodec(t *testing.T) {
	for _, text := range []string{wordCount, everything} {
		j := compile(t, text)
		j.Config = map[string]string{"a": "b"}
		j.Once = map[string][]byte{"seed": {1, 2, 3}}
		j.Restore = graph.RestoreSettings{Path: "file:///sp", AllowNonRestored: true}
		b, err := j.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := graph.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, j) {
			t.Errorf("decoded %+v, want %+v", got, j)
		}
	}
}

// TestDecodeRefuses: graphs that are not what they should be are refused with a reason.
func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(j *graph.JobGraph)
	}{
		{"another version", "version 9, this program reads version 1",
			func(j *graph.JobGraph) { j.Version = 9 }},
		{"no vertices", "0 vertices", func(j *graph.JobGraph) { j.Vertices = nil }},
		{"another parallelism", "fingerprint",
			func(j *graph.JobGraph) { j.Vertices[0].Parallelism = 1 }},
		{"no parallelism", "vertex 0 (lines -> split): parallelism 0",
			func(j *graph.JobGraph) { j.Vertices[0].Parallelism = 0 }},
		{"no operator", "it has no operator", func(j *graph.JobGraph) {
			j.Vertices[2].Nodes = nil
		}},
		{"output to nowhere", "operator 1: bad output",
			func(j *graph.JobGraph) { j.Vertices[0].Nodes[1].Outputs[0].Result = 7 }},
		{"output to node and result", "operator 0: bad output",
			func(j *graph.JobGraph) { j.Vertices[0].Nodes[0].Outputs[0].Result = 0 }},
		{"output to a node before", "operator 1: bad output",
			func(j *graph.JobGraph) {
				j.Vertices[0].Nodes[1].Outputs[0].Result = -1
				j.Vertices[0].Nodes[1].Outputs[0].Node = 0
			}},
		{"input of a node that is not there", "bad input 3",
			func(j *graph.JobGraph) { j.Vertices[0].Nodes[0].Outputs[0].Input = 3 }},
		{"consumer before its producer", "result 0: bad consumer",
			func(j *graph.JobGraph) { j.Vertices[1].Results[0].Consumer = 0 }},
		{"consumer that is not there", "result 0: bad consumer",
			func(j *graph.JobGraph) { j.Vertices[1].Results[0].Consumer = 99 }},
		{"unknown partitioning", "result 0: bad consumer or pattern",
			func(j *graph.JobGraph) { j.Vertices[1].Results[0].Partitioning = 99 }},
		{"unknown partitioning of an input", "input 0",
			func(j *graph.JobGraph) { j.Vertices[2].Inputs[0].Partitioning = 99 }},
		{"unknown pattern of an input", "input 0",
			func(j *graph.JobGraph) { j.Vertices[2].Inputs[0].Pattern = 99 }},
		{"producer behind its consumer", "input 0: bad producer",
			func(j *graph.JobGraph) { j.Vertices[0].Inputs = j.Vertices[1].Inputs }},
		{"two readers of one result", "input 1",
			func(j *graph.JobGraph) {
				v := &j.Vertices[2]
				v.Inputs = append(v.Inputs, v.Inputs[0])
			}},
		{"a result that nothing feeds", "result 0",
			func(j *graph.JobGraph) { j.Vertices[1].Nodes[0].Outputs = nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := compile(t, wordCount)
			c.change(j)
			b, err := j.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err = graph.Decode(b); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	for _, c := range []struct{ text, want string }{
		{"", "unexpected end"}, {"[]", "cannot unmarshal"},
		{`{"Version":1,"Unknown":true}`, "unknown field"},
		{strings.Repeat(" ", graph.MaxEncodedBytes+1), "at most"},
	} {
		if _, err := graph.Decode([]byte(c.text)); err == nil ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%.20q: error %v, want %q", c.text, err, c.want)
		}
	}
}

// TestDecodeMixedAlignment: R106: a graph in which only some inputs of a vertex keep barriers
// aligned would lose what is in flight on the others, and is refused.
func TestDecodeMixedAlignment(t *testing.T) {
	j := compile(t, everything)
	for i := range j.Vertices {
		v := &j.Vertices[i]
		if len(v.Inputs) < 2 {
			continue
		}
		e := &v.Inputs[1]
		e.KeepAligned = !e.KeepAligned
		j.Vertices[e.Producer].Results[e.Result].KeepAligned = e.KeepAligned
		j.Fingerprint = graph.FingerprintForTesting(j)
		b, err := j.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err = graph.Decode(b); err == nil ||
			!strings.Contains(err.Error(), "only some keep") {
			t.Errorf("error %v", err)
		}
		return
	}
	t.Fatal("the program has no vertex with two inputs")
}

// FuzzDecode: whatever bytes come, Decode returns an error or a graph that can be used: named,
// spread out, encoded again and compared.
func FuzzDecode(f *testing.F) {
	reference, _, err := mustGraph(everything).Compile()
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{wordCount, everything} {
		j, _, err := mustGraph(text).Compile()
		if err != nil {
			f.Fatal(err)
		}
		b, err := j.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		// The vertices alone: their fingerprint is made right below.
		if b, err = json.Marshal(j.Vertices); err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"Version":1,"Vertices":[{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if j, err := graph.Decode(b); err == nil {
			use(t, j, reference)
		}
		// Damage behind a right fingerprint must be found by its own.
		var vs []graph.Vertex
		if json.Unmarshal(b, &vs) != nil {
			return
		}
		j := &graph.JobGraph{Version: graph.Version, Vertices: vs}
		j.Fingerprint = graph.FingerprintForTesting(j)
		if b, err := j.Encode(); err == nil {
			if j, err := graph.Decode(b); err == nil {
				use(t, j, reference)
			}
		}
	})
}

// use does with a graph what others do.
func use(t *testing.T, j, reference *graph.JobGraph) {
	jobText(j)
	if graph.Differs(j, j) != "" {
		t.Error("a graph differs from itself")
	}
	graph.Differs(j, reference)
	graph.Differs(reference, j)
	b, err := j.Encode()
	if err != nil {
		t.Fatalf("it cannot be encoded again: %v", err)
	}
	if _, err := graph.Decode(b); err != nil {
		t.Fatalf("it cannot be decoded again: %v", err)
	}
	subtasks := 0
	for _, v := range j.Vertices {
		subtasks += v.Parallelism
	}
	if subtasks > 1000 {
		return
	}
	if _, err := executionText(j); err != nil {
		t.Logf("it cannot be spread out: %v", err)
	}
}
