package typeinfo

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"time"
	"unsafe"
)

func truncated(what string, need, have int) error {
	return fmt.Errorf("%w: %s needs %d bytes, %d are left", ErrTruncated, what, need, have)
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// decodeSteps reads a value into the memory at p.
func decodeSteps(src []byte, p unsafe.Pointer, steps []step, depth int) ([]byte, error) {
	for i := range steps {
		s := &steps[i]
		q := unsafe.Add(p, s.off)
		switch s.op {
		case opHeader:
			if len(src) < 1 || src[0] != headerPresent {
				return nil, atPath(s.path, headerError(src))
			}
			src = src[1:]
		case opBool:
			if len(src) < 1 || src[0] > 1 {
				return nil, atPath(s.path, flagError("bool", src))
			}
			*(*bool)(q) = src[0] == 1
			src = src[1:]
		case opRaw1:
			if len(src) < 1 {
				return nil, atPath(s.path, truncated("value", 1, len(src)))
			}
			*(*byte)(q) = src[0]
			src = src[1:]
		case opRaw2:
			if len(src) < 2 {
				return nil, atPath(s.path, truncated("value", 2, len(src)))
			}
			*(*uint16)(q) = le.Uint16(src)
			src = src[2:]
		case opRaw4:
			if len(src) < 4 {
				return nil, atPath(s.path, truncated("value", 4, len(src)))
			}
			*(*uint32)(q) = le.Uint32(src)
			src = src[4:]
		case opRaw8:
			if len(src) < 8 {
				return nil, atPath(s.path, truncated("value", 8, len(src)))
			}
			*(*uint64)(q) = le.Uint64(src)
			src = src[8:]
		case opRaw:
			if len(src) < s.n {
				return nil, atPath(s.path, truncated("value", s.n, len(src)))
			}
			copy(unsafe.Slice((*byte)(q), s.n), src)
			src = src[s.n:]
		case opString:
			n, rest, err := readLen(src)
			if err != nil {
				return nil, atPath(s.path, err)
			}
			*(*string)(q) = string(rest[:n])
			src = rest[n:]
		default:
			var err error
			if src, err = s.node.decode(src, q, depth); err != nil {
				return nil, atPath(s.path, err)
			}
		}
	}
	return src, nil
}

// decode reads a value of a type that is more than a copy of its memory.
func (n *node) decode(src []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	switch n.op {
	case opTime:
		return decodeTime(src, (*time.Time)(p))
	case opSlice:
		return n.decodeSlice(src, p, depth+1)
	case opArray:
		return n.elem.decodeRun(src, p, 0, n.length, depth)
	case opMap:
		return n.decodeMap(src, p, depth+1)
	case opPtr:
		return n.decodePtr(src, p, depth+1)
	case opOption:
		return n.decodeOption(src, p, depth)
	case opEither:
		return n.decodeEither(src, p, depth)
	case opOwn:
		return n.own.decode(src, p)
	case opGeneric:
		return n.decodeGeneric(src, p, depth+1)
	case opSkip:
		return skipSteps(src, n.elem.steps, depth)
	default:
		return decodeSteps(src, p, n.steps, depth)
	}
}

func headerError(src []byte) error {
	if len(src) == 0 {
		return truncated("header", 1, 0)
	}
	return corrupt("header byte %#02x, expected %#02x", src[0], headerPresent)
}

func flagError(what string, src []byte) error {
	if len(src) == 0 {
		return truncated(what, 1, 0)
	}
	return corrupt("%s byte %#02x, expected 0 or 1", what, src[0])
}

// readLen reads a length in bytes; rest has at least n bytes.
func readLen(src []byte) (n int, rest []byte, err error) {
	if len(src) > 0 && src[0] < 0x80 {
		n, rest = int(src[0]), src[1:]
		if n <= len(rest) {
			return n, rest, nil
		}
		return 0, nil, truncated("string", n, len(rest))
	}
	u, rest, err := readUvarint(src)
	if err != nil {
		return 0, nil, err
	}
	if u > uint64(len(rest)) {
		return 0, nil, fmt.Errorf("%w: length %d, %d bytes are left", ErrTruncated, u, len(rest))
	}
	return int(u), rest, nil
}

func readUvarint(src []byte) (uint64, []byte, error) {
	u, w := binary.Uvarint(src)
	switch {
	case w == 0:
		return 0, nil, truncated("length", len(src)+1, len(src))
	case w < 0:
		return 0, nil, corrupt("length does not fit 64 bits")
	}
	return u, src[w:], nil
}

// readCount reads the count of a slice or map whose elements take at least minBytes each.
func readCount(src []byte, minBytes int) (n int, isNil bool, rest []byte, err error) {
	u, rest, err := readUvarint(src)
	if err != nil {
		return 0, false, nil, err
	}
	limit := uint64(math.MaxInt)
	if minBytes > 0 {
		limit = uint64(len(rest) / minBytes)
	}
	if u > limit {
		return 0, false, nil, fmt.Errorf("%w: %d elements of at least %d bytes, %d bytes are left",
			ErrTruncated, u, minBytes, len(rest))
	}
	return int(u), len(src)-len(rest) == 1, rest, nil
}

// Slices and maps are allocated at once as long as they are not much larger than the input that
// claims to hold them; beyond that they grow as their elements arrive. Only the slices that lie
// inside one another can all claim more than there is before the first of them fails, so the
// deeper ones may claim less: the sum over all depths stays within a small multiple of the input.
const (
	claimBytesAlways  = 64 << 10
	claimBytesPerByte = 8
)

// firstChunk returns how many of count elements to allocate before the first is read.
func firstChunk(count int, size uintptr, srcBytes, depth int) int {
	if size == 0 {
		return count
	}
	budget := max(claimBytesAlways, claimBytesPerByte*srcBytes) / max(depth, 1)
	return min(count, max(1, budget/int(size)))
}

func (n *node) decodeSlice(src []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errDepth
	}
	count, isNil, src, err := readCount(src, n.elem.min)
	if err != nil {
		return nil, err
	}
	h := (*sliceHeader)(p)
	*h = sliceHeader{}
	if count == 0 && isNil {
		return src, nil
	}
	if n.elem.raw {
		return n.decodeRawSlice(src, p, count), nil
	}
	v := view(n.typ, p)
	if count == 0 {
		v.Set(reflect.MakeSlice(n.typ, 0, 0))
		return src, nil
	}
	for done := 0; done < count; {
		upTo := min(count, max(2*done, firstChunk(count, n.elem.size, len(src), depth)))
		v.Grow(upTo - done)
		v.SetLen(upTo)
		if src, err = n.elem.decodeRun(src, h.data, done, upTo, depth); err != nil {
			*h = sliceHeader{}
			return nil, err
		}
		done = upTo
	}
	return src, nil
}

// decodeRawSlice reads count elements without pointers, whose bytes readCount has found in src.
// The array is allocated with the alignment of its elements.
func (n *node) decodeRawSlice(src []byte, p unsafe.Pointer, count int) []byte {
	size := count * int(n.elem.size)
	switch n.elem.size {
	case 1:
		*(*[]byte)(p) = make([]byte, count)
	case 2:
		*(*[]uint16)(p) = make([]uint16, count)
	case 4:
		*(*[]uint32)(p) = make([]uint32, count)
	case 8:
		*(*[]uint64)(p) = make([]uint64, count)
	default:
		view(n.typ, p).Set(reflect.MakeSlice(n.typ, count, count))
	}
	if size > 0 {
		copy(unsafe.Slice((*byte)((*sliceHeader)(p).data), size), src)
	}
	return src[size:]
}

// decodeRun reads the elements from up to to of a run of n at p.
func (n *node) decodeRun(src []byte, p unsafe.Pointer, from, to, depth int) ([]byte, error) {
	if n.fixed == 0 {
		return src, nil
	}
	var err error
	for i := from; i < to; i++ {
		src, err = decodeSteps(src, unsafe.Add(p, uintptr(i)*n.size), n.steps, depth)
		if err != nil {
			return nil, atIndex(i, err)
		}
	}
	return src, nil
}

func (n *node) decodePtr(src []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	*(*unsafe.Pointer)(p) = nil
	if len(src) > 0 && src[0] == headerNil {
		return src[1:], nil
	}
	if len(src) == 0 || src[0] != headerPresent {
		return nil, headerError(src)
	}
	if depth > MaxDepth {
		return nil, errDepth
	}
	if n.elem.op != opStruct {
		src = src[1:]
	}
	q := reflect.New(n.elem.typ).UnsafePointer()
	src, err := decodeSteps(src, q, n.elem.steps, depth)
	if err != nil {
		return nil, err
	}
	*(*unsafe.Pointer)(p) = q
	return src, nil
}

func (n *node) decodeOption(src []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	if len(src) == 0 || src[0] > 1 {
		return nil, flagError("option", src)
	}
	valid := src[0] == 1
	*(*bool)(unsafe.Add(p, n.flagOff)) = valid
	q := unsafe.Add(p, n.valueOff)
	if !valid {
		view(n.elem.typ, q).SetZero()
		return src[1:], nil
	}
	return decodeSteps(src[1:], q, n.elem.steps, depth)
}

func (n *node) decodeEither(src []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	if len(src) == 0 || src[0] > 1 {
		return nil, flagError("either", src)
	}
	side := int(src[0])
	*(*bool)(unsafe.Add(p, n.flagOff)) = side == 1
	f, other := &n.fields[side], &n.fields[1-side]
	view(other.node.typ, unsafe.Add(p, other.off)).SetZero()
	return decodeSteps(src[1:], unsafe.Add(p, f.off), f.node.steps, depth)
}
