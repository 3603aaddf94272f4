package typeinfo

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"unsafe"
)

// flattenMax is how many steps a composite by value may add to the program of what contains it.
const flattenMax = 256

// compiler builds the nodes of one type. What lies behind a reference is built only when all that
// contains the reference by value is complete, so that recursive types become cycles of nodes
// that are never seen half built.
type compiler struct {
	memo    map[reflect.Type]*node
	pending []pendingRef
	opts    options
	keys    bool // build for keys: a type's own codec does not count
}

// pendingRef is a slice, pointer or map whose element is not built yet.
type pendingRef struct {
	node *node
	path string
}

// compile builds the node of t.
func compile(t reflect.Type, o options) (root *node, recursive bool, err error) {
	return start(t, &compiler{opts: o})
}

func start(t reflect.Type, c *compiler) (root *node, recursive bool, err error) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return nil, false, fmt.Errorf("typeinfo: big-endian machines are not supported")
	}
	c.memo = map[reflect.Type]*node{}
	root, err = c.node(t, t.String())
	for err == nil && len(c.pending) > 0 {
		ref := c.pending[0]
		c.pending = c.pending[1:]
		err = c.buildElem(ref.node, ref.path)
	}
	if err != nil {
		return nil, false, fmt.Errorf("typeinfo: %w", err)
	}
	return root, root.inCycle(map[*node]bool{}), nil
}

// inCycle tells whether a cycle can be reached from n. In open, true is for a node on the way
// to n, false for one that is done with.
func (n *node) inCycle(open map[*node]bool) bool {
	if on, seen := open[n]; seen {
		return on
	}
	open[n] = true
	if n.key != nil && n.key.inCycle(open) || n.elem != nil && n.elem.inCycle(open) {
		return true
	}
	for _, f := range n.fields {
		if f.node.inCycle(open) {
			return true
		}
	}
	open[n] = false
	return false
}

// unsupported is the error about the type t at path.
func unsupported(path string, t reflect.Type, why string) error {
	return fmt.Errorf("%w: %s (%s): %s", ErrUnsupported, path, t, why)
}

// node returns the node of t, which lies at path.
func (c *compiler) node(t reflect.Type, path string) (*node, error) {
	if n := c.memo[t]; n != nil {
		return n, nil
	}
	n := &node{typ: t, name: typeName(t), size: t.Size(), fixed: -1, kind: t.Kind().String()}
	if err := c.build(n, path); err != nil {
		return nil, err
	}
	if n.steps == nil {
		n.steps = []step{{op: n.op, n: int(n.size), node: n}}
	}
	c.memo[t] = n
	return n, nil
}

// typeName returns the name of t for schemas: with its whole package path, "" for types that
// have no name or whose name is their kind.
func typeName(t reflect.Type) string {
	switch {
	case t.Name() != "" && t.PkgPath() != "":
		return t.PkgPath() + "." + t.Name()
	case t.Kind() == reflect.Interface:
		return t.String()
	default:
		return ""
	}
}

// build fills n, whose typ is set.
func (c *compiler) build(n *node, path string) error {
	t := n.typ
	switch {
	case t == timeType || t.Kind() == reflect.Struct && t.ConvertibleTo(timeType):
		n.op, n.kind, n.heap = opTime, "time", true
		n.setFixed(timeBytes)
		return nil
	case !c.keys && hasOwnCodec(t):
		n.op, n.kind, n.own = opOwn, "binary", newOwnCodec(t)
		n.min, n.mutable, n.heap = 1, opaqueMutable(t), opaqueHeap(t)
		return nil
	case !c.keys && isGobType(t):
		return c.buildGeneric(n, path, "only encoding/gob knows it")
	}
	switch t.Kind() {
	case reflect.Bool:
		n.op = opBool
		n.setFixed(1)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32,
		reflect.Float64, reflect.Complex64, reflect.Complex128:
		n.op, n.raw = rawOp(t.Size(), uintptr(t.Align())), true
		n.setFixed(int(t.Size()))
	case reflect.String:
		n.op, n.min, n.heap = opString, 1, true
	case reflect.Slice:
		c.buildRef(n, opSlice, path)
	case reflect.Map:
		c.buildRef(n, opMap, path)
	case reflect.Pointer:
		c.buildRef(n, opPtr, path)
	case reflect.Array:
		return c.buildArray(n, path)
	case reflect.Struct:
		return c.buildStruct(n, path)
	case reflect.Interface:
		return c.buildGeneric(n, path, "an interface can hold any type")
	default:
		return unsupported(path, t, "values of kind "+t.Kind().String()+
			" mean nothing outside their process; leave the field out with `flink:\"-\"`")
	}
	return nil
}

// rawOp returns the operation that copies size bytes at the given alignment.
func rawOp(size, align uintptr) op {
	switch {
	case size == 1:
		return opRaw1
	case size == 2 && align >= 2:
		return opRaw2
	case size == 4 && align >= 4:
		return opRaw4
	case size == 8 && align >= 8:
		return opRaw8
	}
	return opRaw
}

func (n *node) setFixed(bytes int) { n.fixed, n.min = bytes, bytes }

func (c *compiler) buildGeneric(n *node, path, why string) error {
	if c.opts.noGeneric {
		return unsupported(path, n.typ, why+", and the generic fallback is forbidden "+
			"(pipeline.generic-types: false)")
	}
	n.op, n.kind, n.min, n.mutable, n.heap = opGeneric, "generic", 1, true, true
	if n.typ.Kind() != reflect.Interface {
		n.mutable, n.heap = opaqueMutable(n.typ), opaqueHeap(n.typ)
	}
	return nil
}

// buildRef fills a slice, pointer or map, all but its element.
func (c *compiler) buildRef(n *node, o op, path string) {
	n.op, n.min, n.mutable, n.heap = o, 1, true, true
	c.pending = append(c.pending, pendingRef{n, path})
}

// buildElem adds to a reference what it refers to.
func (c *compiler) buildElem(n *node, path string) (err error) {
	switch n.op {
	case opMap:
		if n.key, err = c.node(n.typ.Key(), path+"[key]"); err != nil {
			return err
		}
		if n.elem, err = c.node(n.typ.Elem(), path+"[value]"); err != nil {
			return err
		}
		n.maps = codecOfMap(n.key, n.elem)
	case opSlice:
		n.elem, err = c.node(n.typ.Elem(), path+"[]")
	default:
		n.elem, err = c.node(n.typ.Elem(), path)
	}
	return err
}

func (c *compiler) buildArray(n *node, path string) (err error) {
	if n.elem, err = c.node(n.typ.Elem(), path+"[]"); err != nil {
		return err
	}
	e := n.elem
	n.op, n.length = opArray, n.typ.Len()
	n.min = n.length * e.min
	if e.fixed >= 0 {
		n.fixed = n.length * e.fixed
	}
	if n.length == 0 {
		n.setFixed(0)
	}
	n.raw, n.heap = e.raw, e.heap && n.length > 0
	n.mutable, n.skips = e.mutable && n.length > 0, e.skips
	if n.raw {
		n.steps = []step{{op: opRaw, n: int(n.size), node: n}}
	}
	return nil
}

// buildStruct fills a struct, tuple, option or either.
func (c *compiler) buildStruct(n *node, path string) error {
	switch shapeOf(n.typ) {
	case shapeTuple:
		n.op, n.kind = opTuple, "tuple"
		return c.buildFields(n, path)
	case shapeOption:
		n.op, n.kind = opOption, "option"
		return c.buildOption(n, path)
	case shapeEither:
		n.op, n.kind = opEither, "either"
		return c.buildEither(n, path)
	default:
		n.op = opStruct
		return c.buildFields(n, path)
	}
}

func (c *compiler) buildOption(n *node, path string) (err error) {
	value, valid := n.typ.Field(0), n.typ.Field(1)
	if n.elem, err = c.node(value.Type, path+".Value"); err != nil {
		return err
	}
	n.valueOff, n.flagOff, n.min = value.Offset, valid.Offset, 1
	n.mutable, n.heap, n.skips = n.elem.mutable, n.elem.heap, n.elem.skips
	return nil
}

func (c *compiler) buildEither(n *node, path string) error {
	n.flagOff, n.min = n.typ.Field(2).Offset, 1
	for i := range 2 {
		f := n.typ.Field(i)
		e, err := c.node(f.Type, path+"."+f.Name)
		if err != nil {
			return err
		}
		n.fields = append(n.fields, nodeField{f.Name, f.Offset, e})
		n.mutable, n.heap = n.mutable || e.mutable, n.heap || e.heap
		n.skips = n.skips || e.skips
	}
	l, r := n.fields[0].node, n.fields[1].node
	n.min = 1 + min(l.min, r.min)
	if l.fixed >= 0 && l.fixed == r.fixed {
		n.fixed = 1 + l.fixed
	}
	return nil
}

// buildFields fills the fields of a struct or tuple and derives its program.
func (c *compiler) buildFields(n *node, path string) error {
	info, err := inspect(n.typ, n.op == opTuple, c.keys, path)
	if err != nil {
		return err
	}
	n.structs, n.skips = info, info.skips
	fixed, minBytes := 0, 0
	if n.op == opStruct {
		fixed, minBytes = 1, 1
		n.steps = append(n.steps, step{op: opHeader})
	}
	n.raw = n.op == opTuple
	for _, f := range info.fields {
		e, err := c.node(f.Type, path+"."+f.GoName)
		if err != nil {
			return err
		}
		n.fields = append(n.fields, nodeField{f.Name, f.Offset, e})
		minBytes += e.min
		if fixed >= 0 && e.fixed >= 0 {
			fixed += e.fixed
		} else {
			fixed = -1
		}
		n.raw = n.raw && e.raw
		n.heap, n.mutable = n.heap || e.heap, n.mutable || e.mutable
		n.skips = n.skips || e.skips
		n.steps = addSteps(n.steps, e, f.Offset, f.Name)
		n.heaps = addHeaps(n.heaps, e, f.Offset)
	}
	n.fixed, n.min = fixed, minBytes
	n.raw = n.raw && uintptr(fixed) == n.size
	if n.raw {
		n.steps = []step{{op: rawOp(n.size, uintptr(n.typ.Align())), n: int(n.size), node: n}}
	}
	return nil
}

// addSteps appends the program of a field to that of its struct: composites by value are
// flattened, and plain memory that continues the previous step is copied together with it.
func addSteps(steps []step, e *node, off uintptr, name string) []step {
	inline := e.op == opStruct || e.op == opTuple || e.op == opArray && e.raw
	if !inline || len(e.steps) > flattenMax {
		s := step{op: e.op, off: off, n: int(e.size), node: e, path: name}
		return addStep(steps, s)
	}
	for _, s := range e.steps {
		s.off += off
		if s.path == "" {
			s.path = name
		} else {
			s.path = name + "." + s.path
		}
		steps = addStep(steps, s)
	}
	return steps
}

func addStep(steps []step, s step) []step {
	if s.op == opHeader || !s.op.isRaw() || len(steps) == 0 {
		return append(steps, s)
	}
	last := &steps[len(steps)-1]
	if !last.op.isRaw() || last.off+uintptr(last.n) != s.off {
		return append(steps, s)
	}
	last.n += s.n
	last.op = opRaw
	last.path += ", " + s.path
	if last.n == 8 && last.off%unsafe.Alignof(uint64(0)) == 0 {
		last.op = opRaw8
	}
	return steps
}

func (o op) isRaw() bool { return o >= opRaw1 && o <= opRaw }

// addHeaps appends the places of a field at off that refer to other memory.
func addHeaps(heaps []step, e *node, off uintptr) []step {
	if !e.heap || e.op == opTime {
		return heaps
	}
	if e.op != opStruct && e.op != opTuple {
		return append(heaps, step{op: e.op, off: off, node: e})
	}
	for _, h := range e.heaps {
		h.off += off
		heaps = append(heaps, h)
	}
	return heaps
}
