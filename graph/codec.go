package graph

import (
	"bytes"
	"encoding/json"
	"fmt"

	"goflink/core/keygroup"
)

const (
	// MaxEncodedBytes bounds an encoded JobGraph.
	MaxEncodedBytes = 64 << 20
	// MaxVertices bounds the vertices of a job.
	MaxVertices = 10_000
)

// Encode writes the graph as JSON.
func (j *JobGraph) Encode() ([]byte, error) { return json.Marshal(j) }

// Decode reads and checks what Encode wrote.
func Decode(b []byte) (*JobGraph, error) {
	if len(b) > MaxEncodedBytes {
		return nil, fmt.Errorf("job graph: %d bytes, at most %d are allowed", len(b),
			MaxEncodedBytes)
	}
	var v struct{ Version int }
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, fmt.Errorf("job graph: %w", err)
	}
	if v.Version != Version {
		return nil, fmt.Errorf("job graph: it has version %d, this program reads version %d: "+
			"client and cluster must be of one release", v.Version, Version)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	j := new(JobGraph)
	if err := d.Decode(j); err != nil {
		return nil, fmt.Errorf("job graph: %w", err)
	}
	if err := j.check(); err != nil {
		return nil, fmt.Errorf("job graph: %w", err)
	}
	return j, nil
}

// check verifies all that others index by.
func (j *JobGraph) check() error {
	if len(j.Vertices) == 0 || len(j.Vertices) > MaxVertices {
		return fmt.Errorf("it has %d vertices; 1 to %d are allowed", len(j.Vertices), MaxVertices)
	}
	for i := range j.Vertices {
		if err := j.checkVertex(i); err != nil {
			return fmt.Errorf("vertex %d (%s): %w", i, j.Vertices[i].Name, err)
		}
	}
	want, err := fingerprint(j)
	if err == nil && want != j.Fingerprint {
		return fmt.Errorf("its fingerprint is %.16s…, its contents have %.16s…", j.Fingerprint,
			want)
	}
	return err
}

func (j *JobGraph) checkVertex(i int) error {
	v := &j.Vertices[i]
	if len(v.Nodes) == 0 {
		return fmt.Errorf("it has no operator")
	}
	if v.Parallelism < 1 || v.Parallelism > v.MaxParallelism || v.MaxParallelism > keygroup.MaxMax {
		return fmt.Errorf("parallelism %d, maximal parallelism %d", v.Parallelism, v.MaxParallelism)
	}
	if err := v.checkNodes(); err != nil {
		return err
	}
	for k, r := range v.Results {
		if r.Consumer <= i || r.Consumer >= len(j.Vertices) ||
			r.ConsumerInput < 0 || r.ConsumerInput >= len(j.Vertices[r.Consumer].Inputs) ||
			r.ConsumerMaxParallelism != j.Vertices[r.Consumer].MaxParallelism ||
			r.Pattern > AllToAll || r.Type > Blocking || r.Partitioning > Custom {
			return fmt.Errorf("result %d: bad consumer or pattern", k)
		}
		if e := j.Vertices[r.Consumer].Inputs[r.ConsumerInput]; e.Producer != i || e.Result != k {
			return fmt.Errorf("result %d: its consumer reads something else", k)
		}
	}
	for k, e := range v.Inputs {
		if e.Producer < 0 || e.Producer >= i || e.Result < 0 ||
			e.Result >= len(j.Vertices[e.Producer].Results) || e.Input < 0 ||
			e.Input >= v.Nodes[0].Inputs {
			return fmt.Errorf("input %d: bad producer", k)
		}
		r := j.Vertices[e.Producer].Results[e.Result]
		if r.Consumer != i || r.ConsumerInput != k {
			return fmt.Errorf("input %d: what it reads is meant for another input", k)
		}
		if e.Pattern != r.Pattern || e.Type != r.Type || e.Partitioning != r.Partitioning ||
			e.StreamEdge != r.StreamEdge || e.KeepAligned != r.KeepAligned {
			return fmt.Errorf("input %d: its edge differs from that of what it reads", k)
		}
		if e.KeepAligned != v.Inputs[0].KeepAligned {
			return fmt.Errorf("input %d: of the inputs, only some keep barriers aligned", k)
		}
	}
	return nil
}

// checkNodes verifies where the records of each operator of the chain go.
func (v *Vertex) checkNodes() error {
	fed := make([]bool, len(v.Results))
	for k := range v.Nodes {
		for _, o := range v.Nodes[k].Outputs {
			if o.Node >= len(v.Nodes) || o.Result >= len(v.Results) ||
				(o.Node < 0) == (o.Result < 0) || o.Node >= 0 && o.Node <= k {
				return fmt.Errorf("operator %d: bad output", k)
			}
			if o.Node >= 0 && (o.Input < 0 || o.Input >= v.Nodes[o.Node].Inputs) {
				return fmt.Errorf("operator %d: bad input %d of its reader", k, o.Input)
			}
			if o.Result < 0 {
				continue
			}
			if fed[o.Result] {
				return fmt.Errorf("operator %d: result %d has records of another output already", k,
					o.Result)
			}
			fed[o.Result] = true
		}
	}
	for k, ok := range fed {
		if !ok {
			return fmt.Errorf("result %d: no operator has it as its output", k)
		}
	}
	return nil
}

// Differs names the first difference between the graph that a job was submitted with and the one
// that the same program built here; it is empty if there is none.
func Differs(submitted, built *JobGraph) string {
	if submitted.Fingerprint == built.Fingerprint {
		return ""
	}
	for i := range submitted.Vertices {
		if i >= len(built.Vertices) {
			return fmt.Sprintf("vertex %q is missing", submitted.Vertices[i].Name)
		}
		a, _ := json.Marshal(submitted.Vertices[i])
		b, _ := json.Marshal(built.Vertices[i])
		if !bytes.Equal(a, b) {
			return fmt.Sprintf("vertex %d is %q (parallelism %d) in the submitted job and %q "+
				"(parallelism %d) here", i, submitted.Vertices[i].Name,
				submitted.Vertices[i].Parallelism, built.Vertices[i].Name,
				built.Vertices[i].Parallelism)
		}
	}
	return fmt.Sprintf("there is a further vertex %q here",
		built.Vertices[len(submitted.Vertices)].Name)
}
