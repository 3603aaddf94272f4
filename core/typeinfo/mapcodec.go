package typeinfo

import (
	"fmt"
	"reflect"
	"unsafe"

	"goflink/internal/noescape"
)

// mapCodec runs over maps of one common type without reflection.
type mapCodec interface {
	append(dst []byte, p unsafe.Pointer) []byte
	decode(src []byte, p unsafe.Pointer, count int) ([]byte, error)
}

// appendMap appends the count and the entries, in Go's random order.
func (n *node) appendMap(dst []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errDepth
	}
	if n.maps != nil {
		return n.maps.append(dst, noescape.Pointer(p)), nil
	}
	escapeContent(p)
	m := view(n.typ, p)
	count := m.Len()
	dst = appendCount(dst, count, m.IsNil())
	if count == 0 {
		return dst, nil
	}
	// The iterator lives on the heap and must not point to a caller's stack.
	box := reflect.New(n.typ).Elem()
	box.Set(m)
	k, v := reflect.New(n.key.typ), reflect.New(n.elem.typ)
	kp, vp := k.UnsafePointer(), v.UnsafePointer()
	var err error
	for it := box.MapRange(); it.Next(); {
		k.Elem().SetIterKey(it)
		v.Elem().SetIterValue(it)
		if dst, err = appendSteps(dst, kp, n.key.steps, depth); err != nil {
			return nil, atPath("[key]", err)
		}
		if dst, err = appendSteps(dst, vp, n.elem.steps, depth); err != nil {
			return nil, atPath("[value]", err)
		}
	}
	return dst, nil
}

func (n *node) decodeMap(src []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errDepth
	}
	*(*unsafe.Pointer)(p) = nil
	minBytes := n.key.min + n.elem.min
	count, isNil, src, err := readCount(src, minBytes)
	if err != nil {
		return nil, err
	}
	if count == 0 && isNil {
		return src, nil
	}
	if minBytes == 0 && count > 1 {
		return nil, corrupt("map with %d entries whose keys take no bytes", count)
	}
	if n.maps != nil {
		return n.maps.decode(src, noescape.Pointer(p), count)
	}
	hint := firstChunk(count, n.key.size+n.elem.size+mapControlBytes, len(src), depth)
	m := reflect.MakeMapWithSize(n.typ, hint)
	for range count {
		k, v := reflect.New(n.key.typ), reflect.New(n.elem.typ)
		if src, err = decodeSteps(src, k.UnsafePointer(), n.key.steps, depth); err != nil {
			return nil, atPath("[key]", err)
		}
		if !k.Elem().Comparable() {
			return nil, corrupt("map key of a type that cannot be compared")
		}
		if src, err = decodeSteps(src, v.UnsafePointer(), n.elem.steps, depth); err != nil {
			return nil, atPath("[value]", err)
		}
		m.SetMapIndex(k.Elem(), v.Elem())
	}
	*(*unsafe.Pointer)(p) = m.UnsafePointer()
	return src, nil
}

// cell is a key or value type that mapOf knows.
type cell interface {
	string | int64 | int | int32 | float64
}

// mapOf is the mapCodec of map[K]V.
type mapOf[K interface {
	comparable
	cell
}, V cell] struct{}

func (mapOf[K, V]) append(dst []byte, p unsafe.Pointer) []byte {
	m := *(*map[K]V)(p)
	dst = appendCount(dst, len(m), m == nil)
	for k, v := range m {
		dst = appendCell(dst, &k)
		dst = appendCell(dst, &v)
	}
	return dst
}

func (mapOf[K, V]) decode(src []byte, p unsafe.Pointer, count int) ([]byte, error) {
	m := make(map[K]V, count)
	for range count {
		var k K
		var v V
		var err error
		if src, err = decodeCell(src, &k); err != nil {
			return nil, atPath("[key]", err)
		}
		if src, err = decodeCell(src, &v); err != nil {
			return nil, atPath("[value]", err)
		}
		m[k] = v
	}
	*(*map[K]V)(p) = m
	return src, nil
}

func appendCell[C cell](dst []byte, c *C) []byte {
	switch c := any(c).(type) {
	case *string:
		return appendString(dst, *c)
	case *int32:
		return le.AppendUint32(dst, uint32(*c))
	default:
		return le.AppendUint64(dst, *(*uint64)(unsafe.Pointer(c.(*C))))
	}
}

func decodeCell[C cell](src []byte, c *C) ([]byte, error) {
	switch p := any(c).(type) {
	case *string:
		n, rest, err := readLen(src)
		if err != nil {
			return nil, err
		}
		*p = string(rest[:n])
		return rest[n:], nil
	case *int32:
		if len(src) < 4 {
			return nil, truncated("value", 4, len(src))
		}
		*p = int32(le.Uint32(src))
		return src[4:], nil
	default:
		if len(src) < 8 {
			return nil, truncated("value", 8, len(src))
		}
		*(*uint64)(unsafe.Pointer(c)) = le.Uint64(src)
		return src[8:], nil
	}
}

// mapCodecs are the map types without reflection, by the kinds of key and value.
var mapCodecs = map[[2]reflect.Kind]mapCodec{
	{reflect.String, reflect.String}:  mapOf[string, string]{},
	{reflect.String, reflect.Int64}:   mapOf[string, int64]{},
	{reflect.String, reflect.Int}:     mapOf[string, int]{},
	{reflect.String, reflect.Float64}: mapOf[string, float64]{},
	{reflect.Int64, reflect.String}:   mapOf[int64, string]{},
	{reflect.Int64, reflect.Int64}:    mapOf[int64, int64]{},
	{reflect.Int64, reflect.Float64}:  mapOf[int64, float64]{},
	{reflect.Int, reflect.Int}:        mapOf[int, int]{},
	{reflect.Int, reflect.String}:     mapOf[int, string]{},
	{reflect.Int32, reflect.Int32}:    mapOf[int32, int32]{},
}

// codecOfMap returns the codec without reflection for a map type, if there is one. Key and value
// must be scalars without a codec of their own.
func codecOfMap(key, elem *node) mapCodec {
	if !key.isScalar() || !elem.isScalar() {
		return nil
	}
	return mapCodecs[[2]reflect.Kind{key.typ.Kind(), elem.typ.Kind()}]
}

// isScalar tells whether n is a string or a plain number.
func (n *node) isScalar() bool {
	return n.op == opString || n.op >= opRaw1 && n.op <= opRaw8
}

var _ mapCodec = mapOf[string, int64]{}

// errNotAssignable is for a decoded value that its interface type cannot hold.
func errNotAssignable(got reflect.Type, want reflect.Type) error {
	return fmt.Errorf("%w: %s does not implement %s", ErrCorrupt, got, want)
}
