package typeinfo

import (
	"fmt"
	"slices"
	"unsafe"
)

// AppendAll appends the encoded values of vs one after the other, without their number, and
// returns the extended slice. On error dst is returned as it was.
func (t *Type[T]) AppendAll(dst []byte, vs []T) ([]byte, error) {
	return t.raw().appendAll(dst, unsafe.Pointer(unsafe.SliceData(vs)), len(vs))
}

// appendAll is AppendAll of count values at p.
func (s *serializer) appendAll(dst []byte, p unsafe.Pointer, count int) ([]byte, error) {
	n := s.root
	if count == 0 || n.fixed == 0 {
		return dst, nil
	}
	switch {
	case n.raw:
		return append(dst, unsafe.Slice((*byte)(p), count*int(n.size))...), nil
	case n.op == opString:
		return appendStrings(dst, unsafe.Slice((*string)(p), count)), nil
	case n.fixed > 0:
		dst = slices.Grow(dst, count*n.fixed)
	}
	out, err := n.appendRun(dst, p, count, 0)
	if err != nil {
		return dst, s.wrap("encode", err)
	}
	return out, nil
}

func appendStrings(dst []byte, vs []string) []byte {
	for _, s := range vs {
		dst = appendString(dst, s)
	}
	return dst
}

// DecodeAll reads n values from the front of src, appends them to dst and returns the extended
// slice and the bytes behind them. What [Type.Decode] says about memory holds here too. On error
// dst is returned as it was.
func (t *Type[T]) DecodeAll(src []byte, n int, dst []T) (out []T, rest []byte, err error) {
	if err := t.raw().claim(src, n); err != nil {
		return dst, nil, err
	}
	done := len(dst)
	out = slices.Grow(dst, n)[:done+n]
	if t.root.skips {
		clear(out[done:])
	}
	p := unsafe.Pointer(unsafe.SliceData(out))
	if rest, err = t.raw().decodeAll(src, n, p, done); err != nil {
		clear(out[done:])
		return dst, nil, err
	}
	return out, rest, nil
}

// claim verifies that src can hold n values.
func (s *serializer) claim(src []byte, n int) error {
	if r := s.root; n < 0 || r.min > 0 && n > len(src)/r.min {
		return s.wrap("decode", fmt.Errorf("%w: %d values of at least %d bytes in %d bytes",
			ErrTruncated, n, r.min, len(src)))
	}
	return nil
}

// decodeAll reads n values into the array at p, behind those that are there.
func (s *serializer) decodeAll(src []byte, n int, p unsafe.Pointer, done int) ([]byte, error) {
	r := s.root
	if r.raw {
		if size := n * int(r.size); size > 0 {
			copy(unsafe.Slice((*byte)(unsafe.Add(p, uintptr(done)*r.size)), size), src)
			src = src[size:]
		}
		return src, nil
	}
	rest, err := r.decodeRun(src, p, done, done+n, 0)
	if err != nil {
		return nil, s.wrap("decode", err)
	}
	return rest, nil
}
