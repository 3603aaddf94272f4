package typeinfo

import (
	"reflect"
	"sync"
	"unsafe"
)

// What the Go runtime is taken to need beside the entries of a map: the header, and one control
// byte per slot at an average fill of two thirds.
const (
	mapHeaderBytes  = 48
	mapFillPercent  = 65
	mapControlBytes = 1
)

// MemSize returns an estimate of the bytes of memory that *v holds: its own and those of
// everything that it refers to (strings, arrays of slices by capacity, maps, pointees).
func (t *Type[T]) MemSize(v *T) int {
	return t.raw().memSize(unsafe.Pointer(v))
}

func (s *serializer) memSize(p unsafe.Pointer) int {
	n := int(s.root.size)
	if !s.root.heap {
		return n
	}
	if s.root.op == opString {
		return n + len(*(*string)(p))
	}
	m := s.meter()
	return n + m.behind(s.root, p, 0)
}

func (s *serializer) meter() meter {
	if s.recursive {
		return meter{seen: map[seenKey]struct{}{}}
	}
	return meter{}
}

// MemSizeAll returns the sum of MemSize over vs, in constant time for types without pointers.
func (t *Type[T]) MemSizeAll(vs []T) int {
	return t.raw().memSizeAll(unsafe.Pointer(unsafe.SliceData(vs)), len(vs))
}

func (s *serializer) memSizeAll(p unsafe.Pointer, n int) int {
	sum := n * int(s.root.size)
	if !s.root.heap {
		return sum
	}
	m := s.meter()
	return sum + m.run(s.root, p, n, 0)
}

// meter adds up memory.
type meter struct {
	seen map[seenKey]struct{} // nil for types that are not recursive
}

// behind returns the bytes that the value at p refers to, without its own.
func (m *meter) behind(n *node, p unsafe.Pointer, depth int) int {
	if !n.heap || depth > MaxDepth {
		return 0
	}
	switch n.op {
	case opString:
		return len(*(*string)(p))
	case opStruct, opTuple:
		return m.fields(n.heaps, p, depth)
	case opEither:
		sum := 0
		for i := range n.fields {
			f := &n.fields[i]
			sum += m.behind(f.node, unsafe.Add(p, f.off), depth)
		}
		return sum
	case opOption:
		return m.behind(n.elem, unsafe.Add(p, n.valueOff), depth)
	case opArray:
		return m.run(n.elem, p, n.length, depth)
	case opSlice:
		h := *(*sliceHeader)(p)
		if h.data == nil || m.visited(seenKey{h.data, n, h.len, h.cap}) {
			return 0
		}
		return h.cap*int(n.elem.size) + m.run(n.elem, h.data, h.len, depth+1)
	case opPtr:
		return m.pointee(n, *(*unsafe.Pointer)(p), depth+1)
	case opMap:
		return m.entries(n, p, depth+1)
	case opGeneric:
		return m.generic(n, p, depth+1)
	case opOwn:
		return opaqueSize(view(n.typ, p), 0)
	default: // a time's zone is shared by all times
		return 0
	}
}

// stringBytes adds up the lengths of count strings that lie size bytes apart.
func stringBytes(p unsafe.Pointer, size uintptr, count int) int {
	sum := 0
	for i := range count {
		sum += len(*(*string)(unsafe.Add(p, uintptr(i)*size)))
	}
	return sum
}

// fields adds up the parts of a struct.
func (m *meter) fields(heaps []step, p unsafe.Pointer, depth int) int {
	sum := 0
	for i := range heaps {
		h := &heaps[i]
		if h.op == opString {
			sum += len(*(*string)(unsafe.Add(p, h.off)))
			continue
		}
		sum += m.behind(h.node, unsafe.Add(p, h.off), depth)
	}
	return sum
}

func (m *meter) run(e *node, p unsafe.Pointer, count, depth int) int {
	if !e.heap {
		return 0
	}
	sum := 0
	if e.op == opStruct || e.op == opTuple {
		if len(e.heaps) == 1 && e.heaps[0].op == opString {
			return stringBytes(unsafe.Add(p, e.heaps[0].off), e.size, count)
		}
		for i := range count {
			sum += m.fields(e.heaps, unsafe.Add(p, uintptr(i)*e.size), depth)
		}
		return sum
	}
	for i := range count {
		sum += m.behind(e, unsafe.Add(p, uintptr(i)*e.size), depth)
	}
	return sum
}

func (m *meter) pointee(n *node, p unsafe.Pointer, depth int) int {
	if p == nil || m.visited(seenKey{p: p, n: n}) {
		return 0
	}
	return int(n.elem.size) + m.behind(n.elem, p, depth)
}

// visited tells whether k was counted already, and counts it.
func (m *meter) visited(k seenKey) bool {
	if m.seen == nil {
		return false
	}
	if _, ok := m.seen[k]; ok {
		return true
	}
	m.seen[k] = struct{}{}
	return false
}

func (m *meter) entries(n *node, p unsafe.Pointer, depth int) int {
	escapeContent(p)
	v := view(n.typ, p)
	if v.IsNil() || m.visited(seenKey{p: v.UnsafePointer(), n: n}) {
		return 0
	}
	slot := int(n.key.size+n.elem.size) + mapControlBytes
	sum := mapHeaderBytes + v.Len()*slot*100/mapFillPercent
	if !n.key.heap && !n.elem.heap {
		return sum
	}
	box := reflect.New(n.typ).Elem()
	box.Set(v)
	key, elem := reflect.New(n.key.typ), reflect.New(n.elem.typ)
	for it := box.MapRange(); it.Next(); {
		key.Elem().SetIterKey(it)
		elem.Elem().SetIterValue(it)
		sum += m.behind(n.key, key.UnsafePointer(), depth)
		sum += m.behind(n.elem, elem.UnsafePointer(), depth)
	}
	return sum
}

func (m *meter) generic(n *node, p unsafe.Pointer, depth int) int {
	escapeContent(p)
	v := view(n.typ, p)
	if n.typ.Kind() != reflect.Interface {
		return opaqueSize(v, 0)
	}
	if v.IsNil() {
		return 0
	}
	x := reflect.ValueOf(v.Interface())
	d := dynamic(x.Type())
	if d == nil {
		return int(x.Type().Size()) + opaqueSize(x, 0)
	}
	if m.seen == nil && d.mutable { // an interface can close a cycle that the types do not show
		m.seen = map[seenKey]struct{}{}
	}
	box := reflect.New(x.Type())
	box.Elem().Set(x)
	return int(d.size) + m.behind(d, box.UnsafePointer(), depth)
}

// dynamics caches the nodes of types met inside interfaces; nil for those that have none. It
// grows with the number of distinct Go types.
var dynamics sync.Map

// dynamic returns the node of a type met inside an interface, nil if it cannot be built.
func dynamic(t reflect.Type) *node {
	if n, ok := dynamics.Load(t); ok {
		return n.(*node)
	}
	n, _, err := compile(t, options{})
	if err != nil {
		n = nil
	}
	got, _ := dynamics.LoadOrStore(t, n)
	return got.(*node)
}

// opaqueDepthMax is how deep opaqueSize looks into types that are not ours.
const opaqueDepthMax = 8

// opaqueSize estimates what v refers to, by reflection, without v's own bytes.
func opaqueSize(v reflect.Value, depth int) int {
	if depth > opaqueDepthMax {
		return 0
	}
	sum := 0
	switch v.Kind() {
	case reflect.String:
		return v.Len()
	case reflect.Struct:
		for i := range v.NumField() {
			sum += opaqueSize(v.Field(i), depth+1)
		}
	case reflect.Array:
		if opaqueHeap(v.Type().Elem()) {
			for i := range v.Len() {
				sum += opaqueSize(v.Index(i), depth+1)
			}
		}
	case reflect.Slice:
		sum = v.Cap() * int(v.Type().Elem().Size())
		if opaqueHeap(v.Type().Elem()) {
			for i := range v.Len() {
				sum += opaqueSize(v.Index(i), depth+1)
			}
		}
	case reflect.Pointer:
		if !v.IsNil() && v.Type() != locationType {
			sum = int(v.Type().Elem().Size()) + opaqueSize(v.Elem(), depth+1)
		}
	case reflect.Map:
		e := v.Type()
		sum = mapHeaderBytes +
			v.Len()*int(e.Key().Size()+e.Elem().Size()+mapControlBytes)*100/mapFillPercent
	}
	return sum
}
