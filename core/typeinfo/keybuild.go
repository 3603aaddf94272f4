package typeinfo

import (
	"errors"
	"fmt"
	"reflect"
)

// keyOp is what a keyStep does.
type keyOp uint8

const (
	keyBool keyOp = iota
	keyUint8
	keyUint16
	keyUint32
	keyUint64
	keyInt8
	keyInt16
	keyInt32
	keyInt64
	keyFloat32
	keyFloat64
	keyFixedBytes // [n]byte
	keyString     // escaped and terminated
	keyBytes
	keyWholeString // all that is left
	keyWholeBytes
	keyTime
	keySlice
	keyArray
	keyPtr
	keyOption
	keyEither
)

// keyTimeBytes is the size of a time.Time in a key.
const keyTimeBytes = 12

// keyStep is one instruction of a compiled key, like step.
type keyStep struct {
	op   keyOp
	off  uintptr
	n    int // bytes of keyFixedBytes
	node *keyNode
}

// keyNode is a composite that is not flattened.
type keyNode struct {
	typ      reflect.Type
	count    int // elements of an array
	size     uintptr
	elemType reflect.Type
	elem     []keyStep // of elements, pointees, the left side or an option's value
	right    []keyStep
	flagOff  uintptr
}

var errKeyRecursive = errors.New("it contains itself")

// compileKey builds the node of a key type.
func compileKey(t reflect.Type) (*node, error) {
	n, recursive, err := start(t, &compiler{keys: true})
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	if recursive {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, errKeyRecursive)
	}
	return n, checkKey(n, t.String())
}

// checkKey refuses what has no canonical bytes.
func checkKey(n *node, path string) error {
	switch n.op {
	case opMap:
		return unsupported(path, n.typ, "a map has no canonical bytes; use a sorted slice")
	case opGeneric:
		return unsupported(path, n.typ, "a value of any type has no canonical bytes; use one type")
	}
	if n.elem != nil {
		if err := checkKey(n.elem, path); err != nil {
			return err
		}
	}
	for _, f := range n.fields {
		if err := checkKey(f.node, path+"."+f.name); err != nil {
			return err
		}
	}
	return nil
}

// keyRoot returns the program of a whole key at off.
func keyRoot(n *node, off uintptr) (steps []keyStep, fixed int) {
	switch {
	case n.op == opString:
		return []keyStep{{op: keyWholeString, off: off}}, -1
	case n.isBytes():
		return []keyStep{{op: keyWholeBytes, off: off}}, -1
	default:
		return keySteps(nil, n, off)
	}
}

// isBytes tells whether n is a slice of bytes.
func (n *node) isBytes() bool { return n.op == opSlice && n.typ.Elem().Kind() == reflect.Uint8 }

// keySteps appends the program of n at off; fixed is the size of what it writes, or -1.
func keySteps(steps []keyStep, n *node, off uintptr) (_ []keyStep, fixed int) {
	add := func(op keyOp, fixed int, k *keyNode) ([]keyStep, int) {
		return append(steps, keyStep{op: op, off: off, node: k}), fixed
	}
	switch n.op {
	case opString:
		return add(keyString, -1, nil)
	case opTime:
		return add(keyTime, keyTimeBytes, nil)
	case opSlice:
		if n.isBytes() {
			return add(keyBytes, -1, nil)
		}
		elem, _ := keySteps(nil, n.elem, 0)
		return add(keySlice, -1, &keyNode{typ: n.typ, elemType: n.elem.typ, elem: elem,
			size: n.elem.size})
	case opPtr:
		elem, _ := keySteps(nil, n.elem, 0)
		return add(keyPtr, -1, &keyNode{elemType: n.elem.typ, elem: elem})
	case opOption:
		elem, _ := keySteps(nil, n.elem, n.valueOff)
		return add(keyOption, -1, &keyNode{elem: elem, flagOff: n.flagOff})
	case opEither:
		left, l := keySteps(nil, n.fields[0].node, n.fields[0].off)
		right, r := keySteps(nil, n.fields[1].node, n.fields[1].off)
		if fixed = -1; l >= 0 && l == r {
			fixed = l + 1
		}
		return add(keyEither, fixed, &keyNode{elem: left, right: right, flagOff: n.flagOff})
	case opArray:
		return keyArraySteps(steps, n, off)
	case opStruct, opTuple:
		for _, f := range n.fields {
			var size int
			if steps, size = keySteps(steps, f.node, off+f.off); size < 0 || fixed < 0 {
				fixed = -1
			} else {
				fixed += size
			}
		}
		return steps, fixed
	default:
		return keyScalar(steps, n.typ.Kind(), off)
	}
}

func keyArraySteps(steps []keyStep, n *node, off uintptr) ([]keyStep, int) {
	if n.typ.Elem().Kind() == reflect.Uint8 {
		return append(steps, keyStep{op: keyFixedBytes, off: off, n: n.length}), n.length
	}
	elem, fixed := keySteps(nil, n.elem, 0)
	if fixed >= 0 || n.length == 0 {
		fixed = n.length * max(fixed, 0)
	}
	k := &keyNode{count: n.length, size: n.elem.size, elem: elem}
	return append(steps, keyStep{op: keyArray, off: off, node: k}), fixed
}

// keyScalars are the operations of the plain kinds and the bytes they write.
var keyScalars = map[reflect.Kind]struct {
	op    keyOp
	bytes int
}{
	reflect.Bool: {keyBool, 1}, reflect.Int: {keyInt64, 8}, reflect.Int8: {keyInt8, 1},
	reflect.Int16: {keyInt16, 2}, reflect.Int32: {keyInt32, 4}, reflect.Int64: {keyInt64, 8},
	reflect.Uint: {keyUint64, 8}, reflect.Uint8: {keyUint8, 1}, reflect.Uint16: {keyUint16, 2},
	reflect.Uint32: {keyUint32, 4}, reflect.Uint64: {keyUint64, 8},
	reflect.Float32: {keyFloat32, 4}, reflect.Float64: {keyFloat64, 8},
}

func keyScalar(steps []keyStep, kind reflect.Kind, off uintptr) ([]keyStep, int) {
	switch kind {
	case reflect.Complex64:
		return append(steps, keyStep{op: keyFloat32, off: off},
			keyStep{op: keyFloat32, off: off + 4}), 8
	case reflect.Complex128:
		return append(steps, keyStep{op: keyFloat64, off: off},
			keyStep{op: keyFloat64, off: off + 8}), 16
	}
	s := keyScalars[kind]
	return append(steps, keyStep{op: s.op, off: off}), s.bytes
}
