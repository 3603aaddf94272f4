package typeinfo

import (
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"goflink/internal/noescape"
)

// Key turns keys of type K into their canonical bytes and back. Two keys are equal exactly if
// their bytes are, and the bytes sort as the keys do. It is immutable and safe for concurrent use.
//
//	bool            0 or 1
//	integers        big-endian, for signed ones with the sign bit flipped; int and uint 8 bytes
//	floats          big-endian bits, all flipped if negative, else the sign bit; -0 is 0, all NaNs
//	                are one key behind +Inf; complex: real, imaginary
//	string, []byte  the bytes themselves if that is the whole key; inside a composite 0x00 is
//	                written 0x00 0xFF, and 0x00 0x01 ends it
//	time.Time       the instant: seconds as int64, nanoseconds as uint32; read back as UTC
//	array           the elements
//	slice           0x01 before each element, 0x00 at the end; nil and empty are one key
//	pointer         0x00 for nil, 0x01 and the value otherwise
//	option, either  0x00 (none, left) or 0x01 (some, right), then the value
//	struct, tuple   the fields in order
//
// The order-preserving forms are the usual ones of ordered stores; see the tuple layer of
// FoundationDB (github.com/apple/foundationdb, design/tuple.md) for the escaping.
type Key[K any] key

// key is a Key without its type parameter.
type key struct {
	typ      reflect.Type
	steps    []keyStep
	fixed    int // -1 if it varies
	isString bool
	isInt64  bool // of kind int or int64
	schema   *node
}

// keys holds the *key built so far, by reflect.Type.
var keys sync.Map

// KeyOf returns the key codec of K, building it at first use. Refused are types that hold maps,
// interfaces, channels or functions, that contain themselves, and structs with unexported fields
// (except time.Time). A codec of K's own is not used: keys go by their parts.
func KeyOf[K any]() (*Key[K], error) {
	k, err := keyOf(reflect.TypeFor[K]())
	return (*Key[K])(k), err
}

func keyOf(typ reflect.Type) (*key, error) {
	if k, ok := keys.Load(typ); ok {
		return k.(*key), nil
	}
	n, err := compileKey(typ)
	if err != nil {
		return nil, fmt.Errorf("typeinfo: %s cannot be a key: %w", typ, err)
	}
	steps, fixed := keyRoot(n, 0)
	kind := typ.Kind()
	k := &key{typ: typ, steps: steps, fixed: fixed, schema: n, isString: kind == reflect.String,
		isInt64: kind == reflect.Int64 || kind == reflect.Int}
	got, _ := keys.LoadOrStore(typ, k)
	return got.(*key), nil
}

// FieldKey returns a key codec that takes the named fields of a record as its key; see
// [Type.Field] for the names. With one name the key is that field's own: its bytes are those
// that KeyOf the field's type gives. With several the key is their tuple. Decode sets these
// fields only.
func (t *Type[T]) FieldKey(names ...string) (*Key[T], error) {
	k, err := t.raw().fieldKey(names)
	return (*Key[T])(k), err
}

func (s *serializer) fieldKey(names []string) (*key, error) {
	k, err := fieldKey(s.root, names)
	if err != nil {
		return nil, fmt.Errorf("typeinfo: key of %s: %w", s.name(), err)
	}
	return &k, nil
}

func fieldKey(root *node, names []string) (k key, err error) {
	k.typ = root.typ
	if len(names) == 0 {
		return k, fmt.Errorf("no field is named")
	}
	tuple := &node{op: opTuple, kind: "tuple", typ: root.typ}
	for i, name := range names {
		f, _, err := root.field(name)
		if err != nil {
			return k, err
		}
		n, err := compileKey(f.Type)
		if err != nil {
			return k, fmt.Errorf("field %q: %w", name, err)
		}
		if len(names) == 1 {
			k.steps, k.fixed = keyRoot(n, f.Offset)
			k.schema = n
			return k, nil
		}
		tuple.fields = append(tuple.fields, nodeField{fmt.Sprintf("F%d", i), f.Offset, n})
	}
	k.schema = tuple
	k.steps, k.fixed = keySteps(nil, tuple, 0)
	return k, nil
}

// IsString tells whether K's kind is string, so that the canonical bytes are the string's own.
func (k *Key[K]) IsString() bool { return k.isString }

// Fixed returns the number of canonical bytes if it is the same for all keys.
func (k *Key[K]) Fixed() (n int, ok bool) {
	if k.fixed < 0 {
		return 0, false
	}
	return k.fixed, true
}

// Snapshot returns the schema of the key. A key type whose schema has changed in any way has
// other canonical bytes: whoever restores keyed state refuses it unless the snapshots are Equal.
func (k *Key[K]) Snapshot() Snapshot { return snapshotOf(k.schema) }

// Append appends the canonical bytes of *v to dst and returns the extended slice. It allocates
// only to extend dst, and does not keep v.
func (k *Key[K]) Append(dst []byte, v *K) []byte { return (*key)(k).append(dst, unsafe.Pointer(v)) }

func (k *key) append(dst []byte, p unsafe.Pointer) []byte {
	if k.isString {
		return append(dst, *(*string)(p)...)
	}
	if k.isInt64 {
		return be.AppendUint64(dst, *(*uint64)(p)^signBit64)
	}
	return appendKey(dst, p, k.steps)
}

// Decode returns the key whose canonical bytes are src, all of it. The key does not refer to src.
// Bytes that Append does not produce are an error.
func (k *Key[K]) Decode(src []byte) (K, error) {
	var v K
	if err := (*key)(k).decode(src, noescape.Pointer(unsafe.Pointer(&v))); err != nil {
		var none K
		return none, err
	}
	return v, nil
}

// decode is Decode into the memory at p.
func (k *key) decode(src []byte, p unsafe.Pointer) error {
	rest, err := decodeKey(src, p, k.steps)
	if err == nil && len(rest) > 0 {
		err = corrupt("%d bytes behind the key", len(rest))
	}
	if err != nil {
		return fmt.Errorf("typeinfo: key %s: %w", k.typ, err)
	}
	return nil
}
