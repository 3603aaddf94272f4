package typeinfo

import (
	"reflect"
	"strings"
	"unsafe"
)

// CloneStrings gives the strings in *v, not those behind its pointers, memory of their own. Strings
// are usually cut from larger buffers, which a value that is kept for long would keep too.
func (t *Type[T]) CloneStrings(v *T) {
	t.raw().cloneStrings(unsafe.Pointer(v))
}

func (s *serializer) cloneStrings(p unsafe.Pointer) {
	if s.root.op == opString {
		at := (*string)(p)
		*at = strings.Clone(*at)
		return
	}
	for i := range s.root.heaps {
		if h := &s.root.heaps[i]; h.op == opString {
			at := (*string)(unsafe.Add(p, h.off))
			*at = strings.Clone(*at)
		}
	}
}

// Clone returns a deep copy of v: nothing mutable is shared with v. A T that is not Mutable is
// returned as it is. Shared pointers stay shared and cycles stay cycles in recursive types;
// beyond [MaxDepth] levels the rest is shared with v (such a value cannot be encoded either).
// A type with its own codec is copied by its method Clone() T if it has one, else by encoding
// and decoding it; if that fails, the copy shares its inside with v. Fields that are left out
// with `flink:"-"` are copied as they are.
func (t *Type[T]) Clone(v T) T {
	if !t.root.mutable {
		return v
	}
	out := new(T) // on the heap: foreign code may see it
	*out = v
	t.raw().detach(unsafe.Pointer(out))
	return *out
}

// detach makes the shallow copy at p, which lies on the heap, a deep one.
func (s *serializer) detach(p unsafe.Pointer) {
	c := cloner{}
	if s.recursive {
		c.seen = map[seenKey]unsafe.Pointer{}
	}
	c.clone(s.root, p, 0)
}

// seenKey is a reference with its type (a struct and its first field have one address) and, for
// a slice, its length and capacity.
type seenKey struct {
	p        unsafe.Pointer
	n        *node
	len, cap int
}

// cloner replaces what is shared in a shallow copy.
type cloner struct {
	seen map[seenKey]unsafe.Pointer // nil for types that are not recursive
}

// clone turns the shallow copy at p, which lies on the heap, into a deep one.
func (c *cloner) clone(n *node, p unsafe.Pointer, depth int) {
	if !n.mutable || depth > MaxDepth {
		return
	}
	switch n.op {
	case opStruct, opTuple, opEither:
		for i := range n.fields {
			f := &n.fields[i]
			c.clone(f.node, unsafe.Add(p, f.off), depth)
		}
	case opOption:
		c.clone(n.elem, unsafe.Add(p, n.valueOff), depth)
	case opArray:
		c.cloneRun(n.elem, p, n.length, depth)
	case opSlice:
		c.cloneSlice(n, p, depth+1)
	case opPtr:
		c.clonePtr(n, (*unsafe.Pointer)(p), depth+1)
	case opMap:
		c.cloneMap(n, p, depth+1)
	case opOwn:
		n.own.clone(p)
	case opGeneric:
		c.cloneGeneric(n, p, depth+1)
	}
}

func (c *cloner) cloneRun(e *node, p unsafe.Pointer, count, depth int) {
	if !e.mutable {
		return
	}
	for i := range count {
		c.clone(e, unsafe.Add(p, uintptr(i)*e.size), depth)
	}
}

func (c *cloner) cloneSlice(n *node, p unsafe.Pointer, depth int) {
	h := (*sliceHeader)(p)
	if h.data == nil {
		return
	}
	if n.elem.raw && n.elem.size == 1 {
		old := *(*[]byte)(p)
		*(*[]byte)(p) = append(make([]byte, 0, len(old)), old...)
		return
	}
	if depth > MaxDepth {
		return
	}
	k := seenKey{h.data, n, h.len, h.cap}
	if fresh, ok := c.seen[k]; ok {
		*h = sliceHeader{fresh, h.len, h.len}
		return
	}
	old := reflect.NewAt(n.typ, p).Elem()
	fresh := reflect.MakeSlice(n.typ, h.len, h.len)
	reflect.Copy(fresh, old)
	old.Set(fresh)
	if c.seen != nil {
		c.seen[k] = h.data
	}
	c.cloneRun(n.elem, h.data, h.len, depth)
}

func (c *cloner) clonePtr(n *node, p *unsafe.Pointer, depth int) {
	if *p == nil || depth > MaxDepth {
		return
	}
	k := seenKey{p: *p, n: n}
	if fresh, ok := c.seen[k]; ok {
		*p = fresh
		return
	}
	v := reflect.New(n.elem.typ)
	v.Elem().Set(reflect.NewAt(n.elem.typ, *p).Elem())
	*p = v.UnsafePointer()
	if c.seen != nil {
		c.seen[k] = *p
	}
	c.clone(n.elem, *p, depth)
}

func (c *cloner) cloneMap(n *node, p unsafe.Pointer, depth int) {
	old := reflect.NewAt(n.typ, p).Elem()
	if old.IsNil() || depth > MaxDepth {
		return
	}
	k := seenKey{p: old.UnsafePointer(), n: n}
	if fresh, ok := c.seen[k]; ok {
		*(*unsafe.Pointer)(p) = fresh
		return
	}
	fresh := reflect.MakeMapWithSize(n.typ, old.Len())
	if c.seen != nil {
		c.seen[k] = fresh.UnsafePointer()
	}
	for it := old.MapRange(); it.Next(); {
		key, v := reflect.New(n.key.typ), reflect.New(n.elem.typ)
		key.Elem().SetIterKey(it)
		v.Elem().SetIterValue(it)
		c.clone(n.key, key.UnsafePointer(), depth)
		c.clone(n.elem, v.UnsafePointer(), depth)
		fresh.SetMapIndex(key.Elem(), v.Elem())
	}
	old.Set(fresh)
}

// cloneGeneric copies the value of an interface by the rules of its own type.
func (c *cloner) cloneGeneric(n *node, p unsafe.Pointer, depth int) {
	v := reflect.NewAt(n.typ, p).Elem()
	if n.typ.Kind() != reflect.Interface {
		cloneByGob(v)
		return
	}
	if v.IsNil() {
		return
	}
	x := v.Elem()
	d := dynamic(x.Type())
	if d == nil || !d.mutable {
		return
	}
	if c.seen == nil { // an interface can close a cycle that the types do not show
		c.seen = map[seenKey]unsafe.Pointer{}
	}
	fresh := reflect.New(x.Type())
	fresh.Elem().Set(x)
	c.clone(d, fresh.UnsafePointer(), depth)
	v.Set(fresh.Elem())
}

// cloneByGob replaces v by a copy that has gone through gob.
func cloneByGob(v reflect.Value) {
	b, err := appendGob(nil, v)
	if err != nil {
		return
	}
	fresh := reflect.New(v.Type())
	if _, err := decodeGob(b, fresh); err == nil {
		v.Set(fresh.Elem())
	}
}

// clone replaces the value at p, which lies on the heap.
func (c *ownCodec) clone(p unsafe.Pointer) {
	v := reflect.NewAt(c.typ, p)
	if m := v.MethodByName("Clone"); m.IsValid() {
		mt := m.Type()
		if mt.NumIn() == 0 && mt.NumOut() == 1 && mt.Out(0) == c.typ {
			v.Elem().Set(m.Call(nil)[0])
			return
		}
	}
	b, err := c.append(nil, p)
	if err != nil {
		return
	}
	fresh := reflect.New(c.typ)
	if _, err := c.decode(b, fresh.UnsafePointer()); err == nil {
		v.Elem().Set(fresh.Elem())
	}
}
