package typeinfo

import "fmt"

// schemaReader turns a Snapshot into nodes without Go types, which can skip values and be
// compared with the nodes of Go types.
type schemaReader struct {
	snapshot Snapshot
	defs     map[string]*node
	byValue  map[string]bool // defs being built without a reference in between
	pending  []pendingDef
	count    int
}

// pendingDef is a reference whose element is built after what contains it.
type pendingDef struct {
	node   *node
	schema *Schema
	path   string
	depth  int
}

// compile checks s and builds its nodes.
func (s Snapshot) compile() (*node, error) {
	if s.Version != SnapshotVersion {
		return nil, fmt.Errorf("typeinfo: snapshot of version %d, this program reads version %d: "+
			"use the program that wrote it or a newer one", s.Version, SnapshotVersion)
	}
	r := schemaReader{snapshot: s, defs: map[string]*node{}, byValue: map[string]bool{}}
	root, err := r.node(s.Root, "root", 0)
	for err == nil && len(r.pending) > 0 {
		p := r.pending[0]
		r.pending = r.pending[1:]
		err = r.elem(p)
	}
	if err != nil {
		return nil, fmt.Errorf("typeinfo: snapshot: %w", err)
	}
	return root, nil
}

func (r *schemaReader) node(s *Schema, path string, depth int) (*node, error) {
	r.count++
	switch {
	case s == nil:
		return nil, fmt.Errorf("%s: type is missing", path)
	case depth > snapshotDepthMax:
		return nil, fmt.Errorf("%s: nested more than %d deep", path, snapshotDepthMax)
	case r.count > snapshotNodesMax:
		return nil, fmt.Errorf("%s: more than %d types", path, snapshotNodesMax)
	}
	if s.Kind == "ref" {
		return r.ref(s.Ref, path, depth)
	}
	n := &node{kind: s.Kind, name: s.Name, fixed: -1, min: 1}
	if err := r.fill(n, s, path, depth); err != nil {
		return nil, err
	}
	if n.steps == nil {
		n.steps = []step{{op: n.op, n: int(n.size), node: n}}
	}
	return n, nil
}

// ref returns the node of a definition.
func (r *schemaReader) ref(name, path string, depth int) (*node, error) {
	if n := r.defs[name]; n != nil {
		return n, nil
	}
	def := r.snapshot.Defs[name]
	if def == nil {
		return nil, fmt.Errorf("%s: no definition of %q", path, name)
	}
	if r.byValue[name] {
		return nil, fmt.Errorf("%s: %q contains itself by value", path, name)
	}
	r.byValue[name] = true
	n, err := r.node(def, path, depth+1)
	delete(r.byValue, name)
	if err == nil {
		r.defs[name] = n
	}
	return n, err
}

func (r *schemaReader) fill(n *node, s *Schema, path string, depth int) error {
	if scalar := scalars[s.Kind]; scalar != nil {
		n.op, n.fixed, n.min = scalar.op, scalar.fixed, scalar.min
		n.size, n.raw = scalar.size, scalar.raw
		return nil
	}
	switch s.Kind {
	case "slice":
		n.op = opSlice
	case "ptr":
		n.op = opPtr
	case "map":
		n.op = opMap
	case "option":
		n.op = opOption
		var err error
		n.elem, err = r.node(s.Elem, path, depth+1)
		return err
	case "array":
		return r.array(n, s, path, depth)
	case "either":
		return r.either(n, s, path, depth)
	case "struct":
		n.op = opStruct
		return r.fields(n, s, path, depth)
	case "tuple":
		n.op = opTuple
		return r.fields(n, s, path, depth)
	default:
		return fmt.Errorf("%s: unknown kind %q", path, s.Kind)
	}
	r.pending = append(r.pending, pendingDef{n, s, path, depth + 1})
	return nil
}

// elem builds what a slice, map or pointer refers to.
func (r *schemaReader) elem(p pendingDef) (err error) {
	if p.node.op == opMap {
		if p.node.key, err = r.node(p.schema.Key, p.path+"[key]", p.depth); err != nil {
			return err
		}
	}
	p.node.elem, err = r.node(p.schema.Elem, p.path+"[]", p.depth)
	return err
}

func (r *schemaReader) array(n *node, s *Schema, path string, depth int) (err error) {
	if s.Len < 0 || s.Len > snapshotLengthMax {
		return fmt.Errorf("%s: array of length %d", path, s.Len)
	}
	n.op, n.length = opArray, s.Len
	if n.elem, err = r.node(s.Elem, path+"[]", depth+1); err != nil {
		return err
	}
	e := n.elem
	n.min = s.Len * e.min
	if e.min > 0 && s.Len > snapshotLengthMax/e.min {
		return fmt.Errorf("%s: array of %d times at least %d bytes", path, s.Len, e.min)
	}
	if e.fixed >= 0 || s.Len == 0 {
		n.setFixed(s.Len * max(e.fixed, 0))
	}
	if n.raw = e.raw; n.raw {
		n.op, n.size = opArray, uintptr(n.fixed)
		n.steps = []step{{op: opRaw, n: n.fixed, node: n}}
	}
	return nil
}

func (r *schemaReader) either(n *node, s *Schema, path string, depth int) error {
	if len(s.Fields) != 2 {
		return fmt.Errorf("%s: either with %d sides", path, len(s.Fields))
	}
	n.op = opEither
	for _, f := range s.Fields {
		e, err := r.node(f.Type, path+"."+f.Name, depth+1)
		if err != nil {
			return err
		}
		n.fields = append(n.fields, nodeField{name: f.Name, node: e})
	}
	n.min = 1 + min(n.fields[0].node.min, n.fields[1].node.min)
	return nil
}

// fields fills a struct or tuple. Its program is not flattened: it only skips.
func (r *schemaReader) fields(n *node, s *Schema, path string, depth int) error {
	n.min, n.fixed = 0, 0
	if n.op == opStruct {
		n.setFixed(1)
		n.steps = []step{{op: opHeader}}
	}
	seen := map[string]bool{}
	for _, f := range s.Fields {
		if f.Name == "" || seen[f.Name] {
			return fmt.Errorf("%s: field name %q is empty or twice there", path, f.Name)
		}
		seen[f.Name] = true
		e, err := r.node(f.Type, path+"."+f.Name, depth+1)
		if err != nil {
			return err
		}
		n.fields = append(n.fields, nodeField{name: f.Name, node: e})
		n.steps = append(n.steps, step{op: e.op, n: int(e.size), node: e, path: f.Name})
		if n.min += e.min; n.min > snapshotLengthMax {
			return fmt.Errorf("%s: a value takes more than %d bytes", path, snapshotLengthMax)
		}
		if n.fixed >= 0 && e.fixed >= 0 {
			n.fixed += e.fixed
		} else {
			n.fixed = -1
		}
	}
	if n.steps == nil {
		n.steps = []step{}
	}
	return nil
}
