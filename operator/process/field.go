package process

import (
	"cmp"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"goflink/core/failure"
	"goflink/core/typeinfo"
)

// kernel is what can be done with the fields of one kind. The pointers point to fields.
type kernel struct {
	// add adds v to acc; nil if values of the kind cannot be summed. Sums wrap around as Go's do.
	add func(acc, v unsafe.Pointer)
	// compare orders values as keys are ordered: NaN is the greatest number. nil if they have no
	// order.
	compare func(a, b unsafe.Pointer) int
	assign  func(dst, src unsafe.Pointer)
}

// numberKernel is that of a kind of number.
func numberKernel[N integer | ~float32 | ~float64]() kernel {
	return kernel{
		add:     func(acc, v unsafe.Pointer) { *(*N)(acc) += *(*N)(v) },
		compare: compareOrdered[N],
		assign:  assign[N],
	}
}

type integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

func compareOrdered[N cmp.Ordered](a, b unsafe.Pointer) int {
	x, y := *(*N)(a), *(*N)(b)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	case x == y:
		return 0
	}
	// One of them is not a number.
	switch {
	case x == x:
		return -1
	case y == y:
		return 1
	}
	return 0
}

func compareBool(a, b unsafe.Pointer) int {
	x, y := *(*bool)(a), *(*bool)(b)
	switch {
	case x == y:
		return 0
	case y:
		return -1
	}
	return 1
}

func compareTime(a, b unsafe.Pointer) int {
	return (*time.Time)(a).Compare(*(*time.Time)(b))
}

func assign[N any](dst, src unsafe.Pointer) { *(*N)(dst) = *(*N)(src) }

// kernels are those of the kinds of Go.
var kernels = map[reflect.Kind]kernel{
	reflect.Int: numberKernel[int](), reflect.Int8: numberKernel[int8](),
	reflect.Int16: numberKernel[int16](), reflect.Int32: numberKernel[int32](),
	reflect.Int64: numberKernel[int64](), reflect.Uint: numberKernel[uint](),
	reflect.Uint8: numberKernel[uint8](), reflect.Uint16: numberKernel[uint16](),
	reflect.Uint32: numberKernel[uint32](), reflect.Uint64: numberKernel[uint64](),
	reflect.Float32: numberKernel[float32](), reflect.Float64: numberKernel[float64](),
	reflect.String: {compare: compareOrdered[string], assign: assign[string]},
	reflect.Bool:   {compare: compareBool, assign: assign[bool]},
}

// kernelOf returns the kernel of a type; the zero kernel if there is none.
func kernelOf(t reflect.Type) kernel {
	if t == reflect.TypeFor[time.Time]() {
		return kernel{compare: compareTime, assign: assign[time.Time]}
	}
	return kernels[t.Kind()]
}

// field is a field of a record, or the whole record, with what can be done with it.
type field struct {
	kernel
	offset uintptr
}

// fieldOf finds a field for an aggregation that needs what usable looks for in its kernel; can is
// that in words. The names are those of typeinfo.Type.Field; a number names a field of a tuple, and
// the empty name (or "0", or "*") the record itself if it is no struct.
func fieldOf[T any](info *typeinfo.Type[T], name, aggregation, can string,
	usable func(k kernel) bool,
) (field, error) {
	whole := reflect.TypeFor[T]()
	typ, offset, what := whole, uintptr(0), whole.String()
	if fields := info.Fields(); len(fields) > 0 || !isWhole(name) {
		f, err := info.Field(fieldName(whole, name))
		if err != nil {
			return field{}, failure.Wrap(err, failure.FailJob, failure.User, "%s by field %q",
				aggregation, name)
		}
		typ, offset, what = f.Type, f.Offset, fmt.Sprintf("%v.%s", whole, f.Name)
	}
	k := kernelOf(typ)
	if !usable(k) {
		return field{}, failure.New(failure.FailJob, failure.User,
			"%s by field %q: %s is a %v, which cannot be %s%s", aggregation, name, what, typ, can,
			fieldsThatCan(info, can, usable))
	}
	return field{k, offset}, nil
}

// isWhole reports whether a name stands for the record itself.
func isWhole(name string) bool { return name == "" || name == "*" || name == "0" }

// fieldName translates the position of a tuple's field into its name.
func fieldName(t reflect.Type, name string) string {
	if _, err := strconv.Atoi(name); err != nil || t.Kind() != reflect.Struct {
		return name
	}
	if s, ok := reflect.Zero(t).Interface().(typeinfo.Shaped); ok && s.TypeShape() == "tuple" {
		return "F" + name
	}
	return name
}

// fieldsThatCan lists the fields that an aggregation could use.
func fieldsThatCan[T any](info *typeinfo.Type[T], can string, usable func(k kernel) bool) string {
	var names []string
	for _, f := range info.Fields() {
		if usable(kernelOf(f.Type)) {
			names = append(names, fmt.Sprintf("%s (%v)", f.Name, f.Type))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("; what can be %s: %s", can, strings.Join(names, ", "))
}
