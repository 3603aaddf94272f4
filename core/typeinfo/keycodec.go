package typeinfo

import (
	"bytes"
	"encoding/binary"
	"math"
	"reflect"
	"strings"
	"time"
	"unsafe"
)

var be = binary.BigEndian

const (
	signBit32 = 1 << 31
	signBit64 = 1 << 63

	keyEscape     = 0x00 // begins the two-byte forms inside strings
	keyEscaped    = 0xFF // keyEscape keyEscaped: a zero byte
	keyTerminator = 0x01 // keyEscape keyTerminator: the end
)

// The bits of the one NaN that keys know: quiet, positive, without payload.
const (
	keyNaN32 = 0x7fc00000
	keyNaN64 = 0x7ff8000000000000
)

// sortable64 returns bits whose unsigned order is the order of floats.
func sortable64(f float64) uint64 {
	b := math.Float64bits(f)
	switch {
	case math.IsNaN(f):
		b = keyNaN64
	case f == 0:
		b = 0 // not -0
	}
	if b&signBit64 != 0 {
		return ^b
	}
	return b | signBit64
}

func sortable32(f float32) uint32 {
	b := math.Float32bits(f)
	switch {
	case f != f:
		b = keyNaN32
	case f == 0:
		b = 0
	}
	if b&signBit32 != 0 {
		return ^b
	}
	return b | signBit32
}

// appendKey appends the canonical bytes of the key at p. It uses no reflection, so that p need
// not lie on the heap.
func appendKey(dst []byte, p unsafe.Pointer, steps []keyStep) []byte {
	for i := range steps {
		s := &steps[i]
		q := unsafe.Add(p, s.off)
		switch s.op {
		case keyBool, keyUint8:
			dst = append(dst, *(*byte)(q))
		case keyUint16:
			dst = be.AppendUint16(dst, *(*uint16)(q))
		case keyUint32:
			dst = be.AppendUint32(dst, *(*uint32)(q))
		case keyUint64:
			dst = be.AppendUint64(dst, *(*uint64)(q))
		case keyInt8:
			dst = append(dst, *(*byte)(q)^0x80)
		case keyInt16:
			dst = be.AppendUint16(dst, *(*uint16)(q)^0x8000)
		case keyInt32:
			dst = be.AppendUint32(dst, *(*uint32)(q)^signBit32)
		case keyInt64:
			dst = be.AppendUint64(dst, *(*uint64)(q)^signBit64)
		case keyFloat32:
			dst = be.AppendUint32(dst, sortable32(*(*float32)(q)))
		case keyFloat64:
			dst = be.AppendUint64(dst, sortable64(*(*float64)(q)))
		case keyFixedBytes:
			dst = append(dst, unsafe.Slice((*byte)(q), s.n)...)
		case keyString:
			dst = appendEscaped(dst, *(*string)(q))
		case keyBytes:
			b := *(*[]byte)(q)
			dst = appendEscaped(dst, unsafe.String(unsafe.SliceData(b), len(b)))
		case keyWholeString:
			dst = append(dst, *(*string)(q)...)
		case keyWholeBytes:
			dst = append(dst, *(*[]byte)(q)...)
		default:
			dst = s.append(dst, q)
		}
	}
	return dst
}

// append appends the composite at p.
func (s *keyStep) append(dst []byte, p unsafe.Pointer) []byte {
	n := s.node
	switch s.op {
	case keyTime:
		t := (*time.Time)(p)
		dst = be.AppendUint64(dst, uint64(t.Unix())^signBit64)
		return be.AppendUint32(dst, uint32(t.Nanosecond()))
	case keySlice:
		h := (*sliceHeader)(p)
		for i := range h.len {
			dst = appendKey(append(dst, 1), unsafe.Add(h.data, uintptr(i)*n.size), n.elem)
		}
		return append(dst, 0)
	case keyArray:
		for i := range n.count {
			dst = appendKey(dst, unsafe.Add(p, uintptr(i)*n.size), n.elem)
		}
		return dst
	case keyPtr:
		e := *(*unsafe.Pointer)(p)
		if e == nil {
			return append(dst, 0)
		}
		return appendKey(append(dst, 1), e, n.elem)
	case keyOption:
		if !*(*bool)(unsafe.Add(p, n.flagOff)) {
			return append(dst, 0)
		}
		return appendKey(append(dst, 1), p, n.elem)
	default: // keyEither
		if *(*bool)(unsafe.Add(p, n.flagOff)) {
			return appendKey(append(dst, 1), p, n.right)
		}
		return appendKey(append(dst, 0), p, n.elem)
	}
}

func appendEscaped(dst []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, keyEscape)
		if i < 0 {
			break
		}
		dst = append(append(dst, s[:i]...), keyEscape, keyEscaped)
		s = s[i+1:]
	}
	return append(append(dst, s...), keyEscape, keyTerminator)
}

// decodeEscaped reads what appendEscaped wrote. The result is a copy.
func decodeEscaped(src []byte) (b, rest []byte, err error) {
	for {
		i := bytes.IndexByte(src, keyEscape)
		if i < 0 || i+1 >= len(src) {
			return nil, nil, truncated("string in a key", 2, len(src)-max(i, 0))
		}
		b = append(b, src[:i]...)
		mark := src[i+1]
		src = src[i+2:]
		switch mark {
		case keyTerminator:
			return b, src, nil
		case keyEscaped:
			b = append(b, 0)
		default:
			return nil, nil, corrupt("byte %#02x behind a zero byte of a string", mark)
		}
	}
}

// decodeKey reads a key into the memory at p, which holds zeros. It accepts canonical bytes only.
func decodeKey(src []byte, p unsafe.Pointer, steps []keyStep) ([]byte, error) {
	for i := range steps {
		s := &steps[i]
		q := unsafe.Add(p, s.off)
		if size := s.op.size(); len(src) < size {
			return nil, truncated("key", size, len(src))
		}
		switch s.op {
		case keyBool:
			if src[0] > 1 {
				return nil, flagError("bool", src)
			}
			*(*byte)(q) = src[0]
		case keyUint8:
			*(*byte)(q) = src[0]
		case keyInt8:
			*(*byte)(q) = src[0] ^ 0x80
		case keyUint16:
			*(*uint16)(q) = be.Uint16(src)
		case keyInt16:
			*(*uint16)(q) = be.Uint16(src) ^ 0x8000
		case keyUint32:
			*(*uint32)(q) = be.Uint32(src)
		case keyInt32:
			*(*uint32)(q) = be.Uint32(src) ^ signBit32
		case keyUint64:
			*(*uint64)(q) = be.Uint64(src)
		case keyInt64:
			*(*uint64)(q) = be.Uint64(src) ^ signBit64
		default:
			var err error
			if src, err = s.decode(src, q); err != nil {
				return nil, err
			}
			continue
		}
		src = src[s.op.size():]
	}
	return src, nil
}

// size is the number of bytes of the operations that write a constant number.
func (o keyOp) size() int {
	switch o {
	case keyBool, keyUint8, keyInt8:
		return 1
	case keyUint16, keyInt16:
		return 2
	case keyUint32, keyInt32, keyFloat32:
		return 4
	case keyUint64, keyInt64, keyFloat64:
		return 8
	case keyTime:
		return keyTimeBytes
	default:
		return 0
	}
}

// decode reads what is more than an integer.
func (s *keyStep) decode(src []byte, p unsafe.Pointer) ([]byte, error) {
	switch s.op {
	case keyFloat32:
		return decodeFloat32(src, (*float32)(p))
	case keyFloat64:
		return decodeFloat64(src, (*float64)(p))
	case keyFixedBytes:
		if len(src) < s.n {
			return nil, truncated("key", s.n, len(src))
		}
		copy(unsafe.Slice((*byte)(p), s.n), src)
		return src[s.n:], nil
	case keyString, keyBytes:
		b, rest, err := decodeEscaped(src)
		if err != nil {
			return nil, err
		}
		if s.op == keyBytes {
			*(*[]byte)(p) = b
		} else {
			*(*string)(p) = string(b)
		}
		return rest, nil
	case keyWholeString:
		*(*string)(p) = string(src)
		return nil, nil
	case keyWholeBytes:
		*(*[]byte)(p) = append([]byte(nil), src...)
		return nil, nil
	case keyTime:
		nsec := be.Uint32(src[8:])
		if nsec >= 1e9 {
			return nil, corrupt("time with %d nanoseconds", nsec)
		}
		*(*time.Time)(p) = time.Unix(int64(be.Uint64(src)^signBit64), int64(nsec)).UTC()
		return src[keyTimeBytes:], nil
	case keySlice:
		return s.node.decodeSlice(src, p)
	case keyArray:
		return s.node.decodeArray(src, p)
	default:
		return s.decodeChoice(src, p)
	}
}

func decodeFloat64(src []byte, f *float64) ([]byte, error) {
	b := be.Uint64(src)
	if b&signBit64 != 0 {
		*f = math.Float64frombits(b &^ signBit64)
	} else {
		*f = math.Float64frombits(^b)
	}
	if sortable64(*f) != b {
		return nil, corrupt("float bits %#x are not canonical", b)
	}
	return src[8:], nil
}

func decodeFloat32(src []byte, f *float32) ([]byte, error) {
	b := be.Uint32(src)
	if b&signBit32 != 0 {
		*f = math.Float32frombits(b &^ signBit32)
	} else {
		*f = math.Float32frombits(^b)
	}
	if sortable32(*f) != b {
		return nil, corrupt("float bits %#x are not canonical", b)
	}
	return src[4:], nil
}

func (n *keyNode) decodeArray(src []byte, p unsafe.Pointer) (_ []byte, err error) {
	for i := range n.count {
		if src, err = decodeKey(src, unsafe.Add(p, uintptr(i)*n.size), n.elem); err != nil {
			return nil, err
		}
	}
	return src, nil
}

// decodeSlice reads elements as long as the input announces one more.
func (n *keyNode) decodeSlice(src []byte, p unsafe.Pointer) ([]byte, error) {
	h := (*sliceHeader)(p)
	v := view(n.typ, p)
	for i := 0; ; i++ {
		if len(src) == 0 || src[0] > 1 {
			return nil, flagError("slice", src)
		}
		more := src[0] == 1
		if src = src[1:]; !more {
			return src, nil
		}
		if i == v.Cap() {
			v.Grow(1)
		}
		v.SetLen(i + 1)
		var err error
		if src, err = decodeKey(src, unsafe.Add(h.data, uintptr(i)*n.size), n.elem); err != nil {
			return nil, err
		}
	}
}

// decodeChoice reads a pointer, option or either.
func (s *keyStep) decodeChoice(src []byte, p unsafe.Pointer) ([]byte, error) {
	if len(src) == 0 || src[0] > 1 {
		return nil, flagError("choice", src)
	}
	n, one, src := s.node, src[0] == 1, src[1:]
	switch {
	case s.op == keyEither && one:
		*(*bool)(unsafe.Add(p, n.flagOff)) = true
		return decodeKey(src, p, n.right)
	case s.op == keyEither:
		return decodeKey(src, p, n.elem)
	case !one:
		return src, nil
	case s.op == keyOption:
		*(*bool)(unsafe.Add(p, n.flagOff)) = true
		return decodeKey(src, p, n.elem)
	default: // keyPtr
		e := reflect.New(n.elemType).UnsafePointer()
		*(*unsafe.Pointer)(p) = e
		return decodeKey(src, e, n.elem)
	}
}
