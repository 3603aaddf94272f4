package typeinfo

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unsafe"
)

// ErrTruncated is in the chain of every Decode error for input that ends too early.
var ErrTruncated = errors.New("truncated")

// ErrCorrupt is in the chain of every Decode error for input that cannot be an encoded value.
var ErrCorrupt = errors.New("corrupt")

// ErrUnsupported is in the chain of the errors about types that cannot be records, keys or state.
var ErrUnsupported = errors.New("unsupported type")

// Type is the serializer and schema of the Go type T. It is immutable and safe for concurrent
// use. Get one from [Of].
type Type[T any] struct {
	root      *node
	recursive bool
}

// Option changes how a type is built.
type Option func(*options)

type options struct {
	noGeneric bool
}

// WithoutGeneric refuses types that need the generic fallback (interfaces, types that only know
// gob), naming the type and the field path. It is what pipeline.generic-types: false asks for.
func WithoutGeneric() Option { return func(o *options) { o.noGeneric = true } }

type cacheKey struct {
	typ  reflect.Type
	opts options
}

// types holds the *Type[T] built so far. It grows with the number of distinct Go types.
var types sync.Map

// Of returns the serializer of T, building it at first use. The error names the type and the
// path of the field that cannot be serialized, and what to do about it.
func Of[T any](opts ...Option) (*Type[T], error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	ck := cacheKey{reflect.TypeFor[T](), o}
	if t, ok := types.Load(ck); ok {
		return t.(*Type[T]), nil
	}
	root, recursive, err := compile(ck.typ, o)
	if err != nil {
		return nil, err
	}
	t, _ := types.LoadOrStore(ck, &Type[T]{root: root, recursive: recursive})
	return t.(*Type[T]), nil
}

// MustOf is [Of] for variables of packages whose type is known to be good. It panics if it is
// not, which is then a mistake in the program found when it starts.
func MustOf[T any]() *Type[T] {
	t, err := Of[T]()
	if err != nil {
		panic(err)
	}
	return t
}

// Name returns the Go name of T, such as "tuple.T2[string,int64]".
func (t *Type[T]) Name() string { return t.root.typ.String() }

// FixedSize returns the number of bytes of every encoded T, if it is the same for all.
func (t *Type[T]) FixedSize() (n int, ok bool) {
	if t.root.fixed < 0 {
		return 0, false
	}
	return t.root.fixed, true
}

// Mutable tells whether T contains slices, maps or pointers, so that a value has to be copied
// when two owners shall have it. Strings are immutable and do not count.
func (t *Type[T]) Mutable() bool { return t.root.mutable }

// Append appends the encoded *v to dst and returns the extended slice. The value is not kept.
// On error dst is returned as it was. Errors come from types with their own codec, from the
// generic fallback and from values deeper than [MaxDepth].
func (t *Type[T]) Append(dst []byte, v *T) ([]byte, error) {
	if t.root.op == opRaw8 {
		return le.AppendUint64(dst, *(*uint64)(unsafe.Pointer(v))), nil
	}
	out, err := appendSteps(dst, unsafe.Pointer(v), t.root.steps, 0)
	if err != nil {
		return dst, t.wrap("encode", err)
	}
	return out, nil
}

// Decode reads one value from the front of src into *v and returns the bytes behind it. Nothing
// in *v refers to src afterwards, and nothing that *v held before is reused. It never panics,
// and never allocates more than a multiple of len(src) that depends on T only. After an error
// *v is undefined.
func (t *Type[T]) Decode(src []byte, v *T) (rest []byte, err error) {
	if t.root.skips {
		clear(unsafe.Slice(v, 1))
	}
	rest, err = decodeSteps(src, unsafe.Pointer(v), t.root.steps, 0)
	if err != nil {
		return nil, t.wrap("decode", err)
	}
	return rest, nil
}

func (t *Type[T]) wrap(what string, err error) error {
	return fmt.Errorf("typeinfo: %s %s: %w", what, t.Name(), err)
}
