package typeinfo

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"reflect"
	"sync"
	"unsafe"
)

// The tags of values in the generic fallback. The types of tree-like data (what a JSON parser
// makes) are written natively; everything else is a gob message with its length before it.
const (
	tagNil byte = iota
	tagGob
	tagBool
	tagInt
	tagInt8
	tagInt16
	tagInt32
	tagInt64
	tagUint
	tagUint8
	tagUint16
	tagUint32
	tagUint64
	tagFloat32
	tagFloat64
	tagString
	tagBytes
	tagTime
	tagList // []any
	tagMap  // map[string]any
	tagEnd
)

// native are the nodes of the types that the tags name.
var native = map[byte]*node{}

// tagOf is native turned round.
var tagOf = map[reflect.Type]byte{}

func init() {
	for tag, t := range map[byte]reflect.Type{
		tagBool: reflect.TypeFor[bool](), tagInt: reflect.TypeFor[int](),
		tagInt8: reflect.TypeFor[int8](), tagInt16: reflect.TypeFor[int16](),
		tagInt32: reflect.TypeFor[int32](), tagInt64: reflect.TypeFor[int64](),
		tagUint: reflect.TypeFor[uint](), tagUint8: reflect.TypeFor[uint8](),
		tagUint16: reflect.TypeFor[uint16](), tagUint32: reflect.TypeFor[uint32](),
		tagUint64: reflect.TypeFor[uint64](), tagFloat32: reflect.TypeFor[float32](),
		tagFloat64: reflect.TypeFor[float64](), tagString: reflect.TypeFor[string](),
		tagBytes: reflect.TypeFor[[]byte](), tagTime: timeType,
		tagList: reflect.TypeFor[[]any](), tagMap: reflect.TypeFor[map[string]any](),
	} {
		root, _, err := compile(t, options{})
		if err != nil {
			panic(err) // unreachable: the list above is closed
		}
		native[tag], tagOf[t] = root, tag
	}
}

// refused holds, by reflect.Type, why a registered type cannot be used: error.
var refused sync.Map

// Register makes the concrete type of v known to the generic fallback, so that fields of
// interface type can hold it. Call it from init, with the same types in every process of a job.
// Values of type bool, the numbers, string, []byte, time.Time, []any and map[string]any need no
// registration. The others are written by encoding/gob, whose rules apply to what lies inside
// them (nil and empty slices are one, pointers are flattened). A type that cannot be used is
// reported when the first value of it is written.
func Register(v any) {
	t := reflect.TypeOf(v)
	if t == nil {
		return
	}
	if err := register(v); err != nil {
		refused.Store(t, err)
		return
	}
	if _, _, err := compile(t, options{}); err != nil {
		refused.Store(t, err)
	}
}

// register calls gob.Register, which panics when two types want one name.
func register(v any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	gob.Register(v)
	return nil
}

// appendGeneric appends the value at p: an interface, or a type that only gob knows.
func (n *node) appendGeneric(dst []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errDepth
	}
	escapeContent(p)
	v := view(n.typ, p)
	if n.typ.Kind() != reflect.Interface {
		return appendGob(append(dst, tagGob), v)
	}
	if v.IsNil() {
		return append(dst, tagNil), nil
	}
	x := v.Interface()
	switch x := x.(type) {
	case string:
		return appendString(append(dst, tagString), x), nil
	case int64:
		return le.AppendUint64(append(dst, tagInt64), uint64(x)), nil
	}
	t := reflect.TypeOf(x)
	if tag, ok := tagOf[t]; ok {
		box := reflect.New(t)
		box.Elem().Set(reflect.ValueOf(x))
		return appendSteps(append(dst, tag), box.UnsafePointer(), native[tag].steps, depth)
	}
	if err, ok := refused.Load(t); ok {
		return nil, fmt.Errorf("%s in an interface: %w", t, err.(error))
	}
	box := new(any)
	*box = x
	dst, err := appendGob(append(dst, tagGob), reflect.ValueOf(box))
	if err != nil {
		return nil, fmt.Errorf("%s in an interface, call typeinfo.Register with a value of it "+
			"in an init function: %w", t, err)
	}
	return dst, nil
}

// appendGob appends the length and the gob message of v.
func appendGob(dst []byte, v reflect.Value) ([]byte, error) {
	var buf bytes.Buffer
	if v.CanAddr() {
		// gob keeps pointers to what it encodes; it gets its own copy.
		box := reflect.New(v.Type())
		box.Elem().Set(v)
		v = box
	}
	if err := encodeGob(&buf, v); err != nil {
		return nil, err
	}
	dst = binary.AppendUvarint(dst, uint64(buf.Len()))
	return append(dst, buf.Bytes()...), nil
}

func encodeGob(buf *bytes.Buffer, v reflect.Value) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("gob panicked: %v", r)
		}
	}()
	return gob.NewEncoder(buf).EncodeValue(v)
}

// decodeGob reads a gob message into the pointer v.
func decodeGob(src []byte, v reflect.Value) (rest []byte, err error) {
	n, src, err := readLen(src)
	if err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			err = corrupt("gob panicked: %v", r)
		}
	}()
	if err := gob.NewDecoder(bytes.NewReader(src[:n])).DecodeValue(v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return src[n:], nil
}

// decodeGeneric reads what appendGeneric wrote into the memory at p.
func (n *node) decodeGeneric(src []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errDepth
	}
	if len(src) == 0 {
		return nil, truncated("tag", 1, 0)
	}
	tag, src := src[0], src[1:]
	dst := view(n.typ, p)
	dst.SetZero()
	if n.typ.Kind() != reflect.Interface {
		if tag != tagGob {
			return nil, corrupt("tag %d where gob data of %s is expected", tag, n.typ)
		}
		box := reflect.New(n.typ)
		src, err := decodeGob(src, box)
		if err != nil {
			return nil, err
		}
		dst.Set(box.Elem())
		return src, nil
	}
	var x reflect.Value
	var err error
	switch {
	case tag == tagNil:
		return src, nil
	case tag == tagGob:
		box := new(any)
		if src, err = decodeGob(src, reflect.ValueOf(box)); err != nil {
			return nil, err
		}
		x = reflect.ValueOf(*box)
	case tag < tagEnd:
		t := native[tag]
		box := reflect.New(t.typ)
		if src, err = decodeSteps(src, box.UnsafePointer(), t.steps, depth); err != nil {
			return nil, err
		}
		x = box.Elem()
	default:
		return nil, corrupt("unknown tag %d", tag)
	}
	if !x.IsValid() {
		return src, nil
	}
	if !x.Type().AssignableTo(n.typ) {
		return nil, errNotAssignable(x.Type(), n.typ)
	}
	dst.Set(x)
	return src, nil
}

// skipGeneric returns what lies behind a generic value.
func skipGeneric(src []byte, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errDepth
	}
	if len(src) == 0 {
		return nil, truncated("tag", 1, 0)
	}
	tag, src := src[0], src[1:]
	switch {
	case tag == tagNil:
		return src, nil
	case tag == tagGob:
		n, src, err := readLen(src)
		if err != nil {
			return nil, err
		}
		return src[n:], nil
	case tag < tagEnd:
		return skipSteps(src, native[tag].steps, depth)
	default:
		return nil, corrupt("unknown tag %d", tag)
	}
}

// isGobType tells whether t is left to gob because it has gob's methods and nothing better.
func isGobType(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t.Kind() != reflect.Interface && p.Implements(gobEncoderType) &&
		p.Implements(gobDecoderType) && !promoted(t, "GobDecode", gobDecoderType)
}

var (
	gobEncoderType = reflect.TypeFor[gob.GobEncoder]()
	gobDecoderType = reflect.TypeFor[gob.GobDecoder]()
)
