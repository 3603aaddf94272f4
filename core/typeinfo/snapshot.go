package typeinfo

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// SnapshotVersion is the version of the encoded form that this package writes.
const SnapshotVersion = 1

// Limits on snapshots that are read.
const (
	snapshotDepthMax  = 1_000
	snapshotNodesMax  = 100_000
	snapshotBytesMax  = 16 << 20
	snapshotLengthMax = 1 << 31 // of an array, and of a value of constant size
)

// ErrIncompatible is in the chain of the errors of [Type.Migrate] about schemas that differ in
// more than added and removed fields.
var ErrIncompatible = errors.New("incompatible schema")

// Snapshot is the schema of a type: all that is needed to read its values later, when the Go type
// may have changed. It is plain data and marshals to JSON; the zero Snapshot describes nothing.
type Snapshot struct {
	// Version is the version of the encoded form, see SnapshotVersion.
	Version int `json:"version"`
	// Root is the type itself.
	Root *Schema `json:"root,omitempty"`
	// Defs are the types that contain themselves, by the name that Schema.Ref gives.
	Defs map[string]*Schema `json:"defs,omitempty"`
}

// Schema is one type in the tree of a Snapshot.
type Schema struct {
	// Kind is "bool", "int32" and so on, "string", "time", "slice", "array", "map", "ptr",
	// "struct", "tuple", "option", "either", "binary" (own codec), "generic" or "ref".
	Kind string `json:"kind"`
	// Name is the Go name of the type. It is for messages, and part of the schema only for
	// "binary" and "generic", whose bytes only that type understands.
	Name string `json:"name,omitempty"`
	// Len is the length of an array.
	Len int `json:"len,omitempty"`
	// Ref is the name in Defs that a "ref" stands for.
	Ref string `json:"ref,omitempty"`
	// Key is the key type of a map.
	Key *Schema `json:"key,omitempty"`
	// Elem is the element type of a slice, array, map, pointer or option.
	Elem *Schema `json:"elem,omitempty"`
	// Fields are the fields of a struct or tuple, or the two sides of an either.
	Fields []FieldSchema `json:"fields,omitempty"`
}

// FieldSchema is a field in a Schema.
type FieldSchema struct {
	Name string  `json:"name"`
	Type *Schema `json:"type"`
}

// Snapshot returns the schema of T.
func (t *Type[T]) Snapshot() Snapshot { return snapshotOf(t.root) }

// ParseSnapshot reads the JSON form of a snapshot and checks that it is a usable schema.
func ParseSnapshot(data []byte) (Snapshot, error) {
	var s Snapshot
	if err := json.Unmarshal(data, &s); err != nil {
		return Snapshot{}, err
	}
	if s.IsZero() {
		return Snapshot{}, errors.New("typeinfo: snapshot describes no type")
	}
	return s, nil
}

// UnmarshalJSON reads what json.Marshal wrote and checks it.
func (s *Snapshot) UnmarshalJSON(data []byte) error {
	if len(data) > snapshotBytesMax {
		return fmt.Errorf("typeinfo: snapshot of %d bytes, the limit is %d", len(data),
			snapshotBytesMax)
	}
	type plain Snapshot
	var p plain
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("typeinfo: snapshot is not valid JSON: %w", err)
	}
	if read := Snapshot(p); !read.IsZero() {
		if _, err := read.compile(); err != nil {
			return err
		}
	}
	*s = Snapshot(p)
	return nil
}

// IsZero tells whether s is the zero Snapshot, which describes no type.
func (s Snapshot) IsZero() bool { return s.Version == 0 && s.Root == nil && s.Defs == nil }

// String returns the name of the type for messages.
func (s Snapshot) String() string {
	if s.Root == nil {
		return "no type"
	}
	r := s.Root
	if d := s.Defs[r.Ref]; d != nil {
		r = d
	}
	return r.label()
}

// label names a schema in messages.
func (s *Schema) label() string {
	switch {
	case s.Ref != "":
		return s.Ref
	case s.Name != "":
		return s.Name
	default:
		return s.Kind
	}
}

// Equal tells whether values of both are encoded alike and mean the same: equal kinds and equal
// field names in equal order. Names of Go types do not count, except where only the type itself
// can read its bytes.
func (s Snapshot) Equal(o Snapshot) bool {
	if s.IsZero() || o.IsZero() {
		return s.IsZero() == o.IsZero()
	}
	a, errA := s.compile()
	b, errB := o.compile()
	return errA == nil && errB == nil && s.Version == o.Version &&
		sameNodes(a, b, map[[2]*node]bool{})
}

// sameNodes compares two schemas; pairs on the way are taken to be equal.
func sameNodes(a, b *node, seen map[[2]*node]bool) bool {
	pair := [2]*node{a, b}
	if a == b || seen[pair] {
		return true
	}
	seen[pair] = true
	if (a == nil) != (b == nil) || a.kind != b.kind || a.length != b.length ||
		len(a.fields) != len(b.fields) || a.opaque() && a.name != b.name {
		return false
	}
	if a.key != nil && !sameNodes(a.key, b.key, seen) ||
		a.elem != nil && !sameNodes(a.elem, b.elem, seen) {
		return false
	}
	for i := range a.fields {
		if a.fields[i].name != b.fields[i].name ||
			!sameNodes(a.fields[i].node, b.fields[i].node, seen) {
			return false
		}
	}
	return true
}

// opaque tells whether only the Go type itself understands its bytes.
func (n *node) opaque() bool { return n.op == opOwn || n.op == opGeneric }

// snapshotOf turns a node into a schema.
func snapshotOf(root *node) Snapshot {
	w := schemaWriter{cyclic: map[*node]bool{}, names: map[*node]string{}, done: map[*node]bool{}}
	w.findCyclic(root, nil)
	s := Snapshot{Version: SnapshotVersion, Root: w.schema(root)}
	if len(w.defs) > 0 {
		s.Defs = w.defs
	}
	return s
}

// schemaWriter turns nodes into schemas; the heads of cycles become Defs.
type schemaWriter struct {
	cyclic map[*node]bool
	names  map[*node]string
	done   map[*node]bool
	defs   map[string]*Schema
}

// findCyclic marks the nodes at which a depth-first walk closes a cycle.
func (w *schemaWriter) findCyclic(n *node, open []*node) {
	if n == nil {
		return
	}
	if slices.Contains(open, n) {
		w.cyclic[n] = true
		return
	}
	if w.done[n] {
		return
	}
	open = append(open, n)
	w.findCyclic(n.key, open)
	w.findCyclic(n.elem, open)
	for _, f := range n.fields {
		w.findCyclic(f.node, open)
	}
	w.done[n] = true
}

func (w *schemaWriter) schema(n *node) *Schema {
	if n == nil {
		return nil
	}
	if !w.cyclic[n] {
		return w.body(n)
	}
	name, known := w.names[n]
	if !known {
		base := n.label()
		name = base
		for i := 2; w.defs[name] != nil; i++ {
			name = fmt.Sprintf("%s#%d", base, i)
		}
		w.names[n] = name
		if w.defs == nil {
			w.defs = map[string]*Schema{}
		}
		def := &Schema{}
		w.defs[name] = def
		*def = *w.body(n)
	}
	return &Schema{Kind: "ref", Ref: name}
}

func (w *schemaWriter) body(n *node) *Schema {
	s := &Schema{Kind: n.kind, Name: n.name, Len: n.length, Key: w.schema(n.key),
		Elem: w.schema(n.elem)}
	for _, f := range n.fields {
		s.Fields = append(s.Fields, FieldSchema{f.name, w.schema(f.node)})
	}
	return s
}

// kinds of scalars in schemas: how their values are skipped.
var scalars = map[string]*node{
	"string": {op: opString, fixed: -1, min: 1},
	"time":   {op: opTime, fixed: timeBytes, min: timeBytes},
	"bool":   {op: opBool, fixed: 1, min: 1},
	"binary": {op: opOwn, fixed: -1, min: 1}, "generic": {op: opGeneric, fixed: -1, min: 1},
}

func init() {
	for k := reflect.Int; k <= reflect.Complex128; k++ {
		if k == reflect.Uintptr {
			continue
		}
		size := map[reflect.Kind]int{reflect.Int8: 1, reflect.Uint8: 1, reflect.Int16: 2,
			reflect.Uint16: 2, reflect.Int32: 4, reflect.Uint32: 4, reflect.Float32: 4,
			reflect.Complex128: 16}[k]
		if size == 0 {
			size = 8
		}
		scalars[k.String()] = &node{op: opRaw, fixed: size, min: size, size: uintptr(size),
			raw: true}
	}
}
