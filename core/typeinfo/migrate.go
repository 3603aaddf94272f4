package typeinfo

import (
	"fmt"
	"unsafe"
)

// Decoder reads encoded values of a T, perhaps of an older form of it. It is safe for concurrent
// use.
type Decoder[T any] interface {
	// Decode reads one value from the front of src into *v and returns the bytes behind it; see
	// Type.Decode.
	Decode(src []byte, v *T) (rest []byte, err error)
}

func _[T any](v *Type[T]) { var _ Decoder[T] = v }

func _[T any](v *migration[T]) { var _ Decoder[T] = v }

// Migrate returns a Decoder for values that were written under the schema old: fields of structs
// that old does not have become zero, fields that T does not have are skipped, and the order of
// fields may differ. Every other difference is an error in whose chain is ErrIncompatible; it
// names the path of the field with its old and its new type.
func (t *Type[T]) Migrate(old Snapshot) (Decoder[T], error) {
	m, err := t.raw().migrate(old)
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return t, nil
	}
	return (*migration[T])(m), nil
}

// migrate is Migrate; it returns nil if there is nothing to do.
func (s *serializer) migrate(old Snapshot) (*older, error) {
	if old.IsZero() {
		return nil, fmt.Errorf("typeinfo: %s: %w: the old schema is missing", s.name(),
			ErrIncompatible)
	}
	from, err := old.compile()
	if err != nil {
		return nil, fmt.Errorf("typeinfo: %s: %w: %w", s.name(), ErrIncompatible, err)
	}
	if sameNodes(from, s.root, map[[2]*node]bool{}) {
		return nil, nil
	}
	m := migrator{made: map[[2]*node]*node{}}
	root, err := m.node(from, s.root, s.name())
	if err != nil {
		return nil, fmt.Errorf("typeinfo: %w", err)
	}
	return &older{s, root}, nil
}

// migration is the Decoder of a T for values of another schema.
type migration[T any] older

// older is a migration without its type parameter.
type older struct {
	now  *serializer
	root *node
}

// Decode implements Decoder.
func (m *migration[T]) Decode(src []byte, v *T) ([]byte, error) {
	clear(unsafe.Slice(v, 1)) // added fields are zero
	return (*older)(m).decode(src, unsafe.Pointer(v))
}

func (m *older) decode(src []byte, p unsafe.Pointer) ([]byte, error) {
	rest, err := decodeSteps(src, p, m.root.steps, 0)
	if err != nil {
		return nil, m.now.wrap("decode an older form of", err)
	}
	return rest, nil
}

// migrator builds nodes that read the old encoding into the new memory.
type migrator struct {
	made map[[2]*node]*node
}

// changed is the error about a type at path that is not what it was.
func changed(path string, from, to *node) error {
	return fmt.Errorf("%w: %s was %s and is now %s: a changed type cannot be read; keep the old "+
		"type, or give the new field a new name", ErrIncompatible, path, from.label(), to.label())
}

// node returns the node that reads values of the schema from into memory of type to.
func (m *migrator) node(from, to *node, path string) (*node, error) {
	pair := [2]*node{from, to}
	if n := m.made[pair]; n != nil {
		return n, nil
	}
	if from.kind != to.kind || from.length != to.length || to.opaque() && from.name != to.name {
		return nil, changed(path, from, to)
	}
	if sameNodes(from, to, map[[2]*node]bool{}) {
		m.made[pair] = to
		return to, nil
	}
	n := &node{}
	*n = *to
	n.raw, n.maps, n.fixed, n.min = false, nil, from.fixed, from.min
	m.made[pair] = n
	if to.op == opStruct {
		return n, m.structs(n, from, to, path)
	}
	n.steps = []step{{op: n.op, n: int(n.size), node: n}}
	return n, m.parts(n, from, to, path)
}

// parts migrates what a composite other than a struct consists of.
func (m *migrator) parts(n, from, to *node, path string) (err error) {
	if to.key != nil {
		if n.key, err = m.node(from.key, to.key, path+"[key]"); err != nil {
			return err
		}
	}
	if to.elem != nil {
		if n.elem, err = m.node(from.elem, to.elem, elemPath(to, path)); err != nil {
			return err
		}
	}
	if len(from.fields) != len(to.fields) {
		return changed(path, from, to)
	}
	if to.op == opTuple {
		n.steps = []step{}
	}
	n.fields = make([]nodeField, len(to.fields))
	for i, f := range to.fields {
		if from.fields[i].name != f.name {
			return changed(path, from, to)
		}
		e, err := m.node(from.fields[i].node, f.node, path+"."+f.name)
		if err != nil {
			return err
		}
		n.fields[i] = nodeField{f.name, f.off, e}
		if to.op == opTuple {
			n.steps = append(n.steps, step{op: e.op, off: f.off, n: int(e.size), node: e,
				path: f.name})
		}
	}
	return nil
}

func elemPath(n *node, path string) string {
	if n.op == opPtr || n.op == opOption {
		return path
	}
	return path + "[]"
}

// structs builds the program of a struct: one step per old field, in the old order.
func (m *migrator) structs(n, from, to *node, path string) error {
	n.steps = []step{{op: opHeader}}
	n.skips = true
	byName := map[string]nodeField{}
	for _, f := range to.fields {
		byName[f.name] = f
	}
	for _, f := range from.fields {
		now, kept := byName[f.name]
		if !kept {
			gone := &node{op: opSkip, elem: f.node}
			n.steps = append(n.steps, step{op: opSkip, node: gone, path: f.name})
			continue
		}
		e, err := m.node(f.node, now.node, path+"."+f.name)
		if err != nil {
			return err
		}
		n.steps = append(n.steps, step{op: e.op, off: now.off, n: int(e.size), node: e,
			path: f.name})
	}
	return nil
}
