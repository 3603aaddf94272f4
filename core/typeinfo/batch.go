package typeinfo

import (
	"fmt"
	"slices"
	"unsafe"
)

// AppendAll appends the encoded values of vs one after the other, without their number, and
// returns the extended slice. On error dst is returned as it was.
func (t *Type[T]) AppendAll(dst []byte, vs []T) ([]byte, error) {
	n := t.root
	if len(vs) == 0 || n.fixed == 0 {
		return dst, nil
	}
	p := unsafe.Pointer(unsafe.SliceData(vs))
	switch {
	case n.raw:
		return append(dst, unsafe.Slice((*byte)(p), len(vs)*int(n.size))...), nil
	case n.op == opString:
		return appendStrings(dst, unsafe.Slice((*string)(p), len(vs))), nil
	case n.fixed > 0:
		dst = slices.Grow(dst, len(vs)*n.fixed)
	}
	out, err := n.appendRun(dst, p, len(vs), 0)
	if err != nil {
		return dst, t.wrap("encode", err)
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
	r := t.root
	if n < 0 || r.min > 0 && n > len(src)/r.min {
		return dst, nil, t.wrap("decode", fmt.Errorf("%w: %d values of at least %d bytes in %d "+
			"bytes", ErrTruncated, n, r.min, len(src)))
	}
	if n == 0 {
		return dst, src, nil
	}
	done := len(dst)
	out = slices.Grow(dst, n)[:done+n]
	if r.skips {
		clear(out[done:])
	}
	p := unsafe.Pointer(unsafe.SliceData(out))
	if r.raw {
		if size := n * int(r.size); size > 0 {
			copy(unsafe.Slice((*byte)(unsafe.Add(p, uintptr(done)*r.size)), size), src)
			src = src[size:]
		}
		return out, src, nil
	}
	if rest, err = r.decodeRun(src, p, done, done+n, 0); err != nil {
		clear(out[done:])
		return dst, nil, t.wrap("decode", err)
	}
	return out, rest, nil
}
