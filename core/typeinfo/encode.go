package typeinfo

import (
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"
)

var errDepth = fmt.Errorf("value is nested more than %d levels deep, or refers to itself: "+
	"break the cycle or flatten it", MaxDepth)

var errShared = fmt.Errorf("value of a recursive type takes more than %d bytes: pointers that "+
	"are shared are written once for each path that leads to them", MaxValueBytes)

// appendSteps appends the value at p.
func appendSteps(dst []byte, p unsafe.Pointer, steps []step, depth int) ([]byte, error) {
	for i := range steps {
		s := &steps[i]
		q := unsafe.Add(p, s.off)
		switch s.op {
		case opHeader:
			dst = append(dst, headerPresent)
		case opBool, opRaw1:
			dst = append(dst, *(*byte)(q))
		case opRaw2:
			dst = le.AppendUint16(dst, *(*uint16)(q))
		case opRaw4:
			dst = le.AppendUint32(dst, *(*uint32)(q))
		case opRaw8:
			dst = le.AppendUint64(dst, *(*uint64)(q))
		case opRaw:
			dst = append(dst, unsafe.Slice((*byte)(q), s.n)...)
		case opString:
			dst = appendString(dst, *(*string)(q))
		default:
			var err error
			if dst, err = s.node.append(dst, q, depth); err != nil {
				return nil, atPath(s.path, err)
			}
		}
	}
	return dst, nil
}

// append appends the value at p of a type that is more than a copy of its memory.
func (n *node) append(dst []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	switch n.op {
	case opTime:
		return appendTime(dst, *(*time.Time)(p))
	case opSlice:
		return n.appendSlice(dst, *(*sliceHeader)(p), depth+1)
	case opArray:
		return n.appendElems(dst, p, n.length, depth)
	case opMap:
		return n.appendMap(dst, p, depth+1)
	case opPtr:
		return n.appendPtr(dst, *(*unsafe.Pointer)(p), depth+1)
	case opOption:
		if !*(*bool)(unsafe.Add(p, n.flagOff)) {
			return append(dst, 0), nil
		}
		return appendSteps(append(dst, 1), unsafe.Add(p, n.valueOff), n.elem.steps, depth)
	case opEither:
		side := 0
		if *(*bool)(unsafe.Add(p, n.flagOff)) {
			side = 1
		}
		f := &n.fields[side]
		return appendSteps(append(dst, byte(side)), unsafe.Add(p, f.off), f.node.steps, depth)
	case opOwn:
		return n.own.append(dst, p)
	case opGeneric:
		return n.appendGeneric(dst, p, depth+1)
	default:
		return appendSteps(dst, p, n.steps, depth)
	}
}

// appendCount appends the count of a slice or map; see the package comment about nil.
func appendCount(dst []byte, n int, isNil bool) []byte {
	if n == 0 && !isNil {
		return append(dst, 0x80, 0x00)
	}
	return binary.AppendUvarint(dst, uint64(n))
}

func (n *node) appendSlice(dst []byte, h sliceHeader, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errDepth
	}
	if len(dst) > MaxValueBytes && !n.elem.raw {
		return nil, errShared
	}
	dst = appendCount(dst, h.len, h.data == nil)
	if h.len == 0 {
		return dst, nil
	}
	return n.appendElems(dst, h.data, h.len, depth)
}

// appendElems appends count values of the element type that lie side by side at p.
func (n *node) appendElems(dst []byte, p unsafe.Pointer, count, depth int) ([]byte, error) {
	if n.elem.raw {
		return append(dst, unsafe.Slice((*byte)(p), count*int(n.elem.size))...), nil
	}
	return n.elem.appendRun(dst, p, count, depth)
}

// appendRun appends count values of n side by side at p, element by element.
func (n *node) appendRun(dst []byte, p unsafe.Pointer, count, depth int) ([]byte, error) {
	if n.fixed == 0 {
		return dst, nil
	}
	var err error
	for i := range count {
		dst, err = appendSteps(dst, unsafe.Add(p, uintptr(i)*n.size), n.steps, depth)
		if err != nil {
			return nil, atIndex(i, err)
		}
	}
	return dst, nil
}

func (n *node) appendPtr(dst []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	if p == nil {
		return append(dst, headerNil), nil
	}
	if depth > MaxDepth {
		return nil, errDepth
	}
	if len(dst) > MaxValueBytes {
		return nil, errShared
	}
	if n.elem.op != opStruct {
		dst = append(dst, headerPresent)
	}
	return appendSteps(dst, p, n.elem.steps, depth)
}

// pathError is an error inside a value, with the path that leads to it.
type pathError struct {
	path string
	err  error
}

// Error and Unwrap make pathError an error.
func (e *pathError) Error() string { return e.path + ": " + e.err.Error() }
func (e *pathError) Unwrap() error { return e.err }

// maxPathBytes bounds the path in an error message about a deeply nested value.
const maxPathBytes = 256

// atPath adds a field to the path of err.
func atPath(field string, err error) error {
	if field == "" {
		return err
	}
	pe, ok := err.(*pathError) // not errors.As: only this value's own path grows
	if !ok {
		return &pathError{field, err}
	}
	if len(pe.path) > maxPathBytes {
		return err
	}
	if pe.path[0] != '[' {
		field += "."
	}
	pe.path = field + pe.path
	return err
}

// atIndex adds an element to the path of err.
func atIndex(i int, err error) error { return atPath(fmt.Sprintf("[%d]", i), err) }

// appendString appends the length of s and its bytes.
func appendString(dst []byte, s string) []byte {
	if len(s) < 0x80 {
		dst = append(dst, byte(len(s)))
	} else {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
	}
	return append(dst, s...)
}
