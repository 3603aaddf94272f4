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
type Type[T any] serializer

// serializer is a Type without its type parameter. Whatever is more than a few lines is a method of
// it: those of Type are compiled again for each T.
type serializer struct {
	root      *node
	recursive bool
}

func (t *Type[T]) raw() *serializer { return (*serializer)(t) }

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

// types holds the *serializer built so far. It grows with the number of distinct Go types.
var types sync.Map

// Of returns the serializer of T, building it at first use. The error names the type and the
// path of the field that cannot be serialized, and what to do about it.
func Of[T any](opts ...Option) (*Type[T], error) {
	s, err := serializerOf(reflect.TypeFor[T](), opts)
	return (*Type[T])(s), err
}

func serializerOf(typ reflect.Type, opts []Option) (*serializer, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	ck := cacheKey{typ, o}
	if s, ok := types.Load(ck); ok {
		return s.(*serializer), nil
	}
	root, recursive, err := compile(typ, o)
	if err != nil {
		return nil, err
	}
	s, _ := types.LoadOrStore(ck, &serializer{root: root, recursive: recursive})
	return s.(*serializer), nil
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
func (t *Type[T]) Name() string { return t.raw().name() }

func (s *serializer) name() string { return s.root.typ.String() }

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
	return t.raw().append(dst, unsafe.Pointer(v))
}

func (s *serializer) append(dst []byte, p unsafe.Pointer) ([]byte, error) {
	if s.root.op == opRaw8 {
		return le.AppendUint64(dst, *(*uint64)(p)), nil
	}
	out, err := appendSteps(dst, p, s.root.steps, 0)
	if err != nil {
		return dst, s.wrap("encode", err)
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
	return t.raw().decode(src, unsafe.Pointer(v))
}

func (s *serializer) decode(src []byte, p unsafe.Pointer) (rest []byte, err error) {
	rest, err = decodeSteps(src, p, s.root.steps, 0)
	if err != nil {
		return nil, s.wrap("decode", err)
	}
	return rest, nil
}

func (s *serializer) wrap(what string, err error) error {
	return fmt.Errorf("typeinfo: %s %s: %w", what, s.name(), err)
}
