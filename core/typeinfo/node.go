package typeinfo

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"unsafe"

	"goflink/internal/noescape"
)

// MaxDepth is how many pointers, slices, maps and interfaces may lie inside one another in a
// value. A longer linked list, or one that runs in a circle, is refused when it is encoded.
const MaxDepth = 10_000

// MaxValueBytes is the size of the buffer beyond which a value of a recursive type is refused: a
// graph of shared pointers is written once per path through it, which can be exponentially many.
const MaxValueBytes = 1 << 31

// The header byte of structs and pointers: layout version in the high nibble, flags in the low.
const (
	headerPresent byte = 0x10
	headerNil     byte = 0x11
)

// _ fails to compile where an int is not 8 bytes: int and uint are copied as they lie in memory.
const _ = uint(unsafe.Sizeof(int(0)) - 8)

var le = binary.LittleEndian

// op is what a step does with the memory it points to.
type op uint8

const (
	opInvalid op = iota
	opHeader     // the header byte of a struct; no memory behind it
	opBool
	opRaw1 // n bytes copied as they lie in memory
	opRaw2
	opRaw4
	opRaw8
	opRaw
	opString
	opTime
	opSlice
	opArray
	opMap
	opPtr
	opStruct
	opTuple
	opOption
	opEither
	opOwn
	opGeneric
	opSkip // a value whose field no longer exists; elem is its schema
)

// step is one instruction of a compiled type. Structs, tuples and arrays by value are flattened
// into the steps of what contains them.
type step struct {
	op   op
	off  uintptr // from the start of the value the program runs on
	n    int     // bytes in memory, for the opRaw family
	node *node   // for what the loop does not do itself
	path string  // of the field, for errors
}

// nodeField is a field of a struct, tuple or either, in the order of the encoding.
type nodeField struct {
	name string
	off  uintptr
	node *node
}

// node is a type with everything needed to run over its values. It is immutable once built; a
// recursive type is a cycle of nodes.
type node struct {
	op     op
	kind   string // in schemas: "int32", "slice" …
	typ    reflect.Type
	name   string // of a named or opaque type, with its whole package path
	size   uintptr
	length int // of an array
	elem   *node
	key    *node
	fields []nodeField
	steps  []step
	heaps  []step // of a struct or tuple: where it refers to other memory, flattened

	fixed    int  // encoded size if it is constant, else -1
	min      int  // least encoded size
	raw      bool // the encoding is the memory
	heap     bool // holds pointers, strings included
	mutable  bool // holds slices, maps or pointers
	skips    bool // has fields that are left out of the encoding
	flagOff  uintptr
	valueOff uintptr

	maps    mapCodec    // opMap with common key and value types
	own     *ownCodec   // opOwn
	structs *structInfo // Go's view of the fields of a struct
}

// sliceHeader is the memory of a slice.
type sliceHeader struct {
	data unsafe.Pointer
	len  int
	cap  int
}

// Pointers to records are hidden from escape analysis (noescape.Pointer); what the memory of a
// record refers to is not: whoever copies it to the heap calls escapeContent.

// escaped is what escapeContent would write to if it ever ran; nothing sets on.
var escaped struct {
	on      bool
	content unsafe.Pointer
}

// escapeContent tells escape analysis that what the memory at p refers to may be copied to the
// heap, so that it has to lie there itself: the heap must not point into a stack. It does nothing
// at run time.
func escapeContent(p unsafe.Pointer) {
	if escaped.on {
		escaped.content = *(*unsafe.Pointer)(p)
	}
}

// view returns the value of type t at p, for use before the caller returns.
func view(t reflect.Type, p unsafe.Pointer) reflect.Value {
	return reflect.NewAt(t, noescape.Pointer(p)).Elem()
}

// labelDepthMax is how many unnamed types label spells out inside one another.
const labelDepthMax = 8

// label names the type in messages.
func (n *node) label() string { return n.labelAt(0) }

func (n *node) labelAt(depth int) string {
	switch {
	case n == nil || depth > labelDepthMax:
		return "…"
	case n.name != "":
		return n.name
	case n.op == opSlice:
		return "[]" + n.elem.labelAt(depth+1)
	case n.op == opPtr:
		return "*" + n.elem.labelAt(depth+1)
	case n.op == opArray:
		return fmt.Sprintf("[%d]%s", n.length, n.elem.labelAt(depth+1))
	case n.op == opMap:
		return "map[" + n.key.labelAt(depth+1) + "]" + n.elem.labelAt(depth+1)
	default:
		return n.kind
	}
}
