package typeinfo

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// textDepthMax is how deep Text looks into a value before it writes "…".
const textDepthMax = 64

// Text returns the text form of v, as print() writes it; see [AppendText].
func Text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return string(AppendText(nil, v))
}

// AppendText appends the text form of v, which is that of Flink's Java API: a type's own String
// or Error method; tuples "(a,b)"; slices "[1, 2]"; maps "{k=v, k2=v2}" in the order of the keys;
// structs "WordWithCount{word='hello', count=3}"; options "Some(x)" or "None"; either "Left(x)" or
// "Right(x)"; nil "null"; floating-point numbers as Java's Double.toString writes them; times in
// RFC 3339 with nanoseconds.
func AppendText(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case string:
		return append(dst, v...)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return appendFloat(dst, v, 64)
	}
	return appendText(dst, reflect.ValueOf(v), false, 0)
}

var (
	stringerType = reflect.TypeFor[fmt.Stringer]()
	errorType    = reflect.TypeFor[error]()
)

// appendText appends the text of v; quote puts strings between single quotes.
func appendText(dst []byte, v reflect.Value, quote bool, depth int) []byte {
	if depth > textDepthMax {
		return append(dst, "…"...)
	}
	switch v.Kind() {
	case reflect.Invalid:
		return append(dst, "null"...)
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan:
		if v.IsNil() && (v.Kind() != reflect.Map && v.Kind() != reflect.Slice) {
			return append(dst, "null"...)
		}
	}
	if out, ok := appendOwnText(dst, v, depth); ok {
		return out
	}
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(dst, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Uintptr:
		return strconv.AppendUint(dst, v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		return appendFloat(dst, v.Float(), v.Type().Bits())
	case reflect.Complex64, reflect.Complex128:
		bits := v.Type().Bits() / 2
		dst = appendFloat(append(dst, '('), real(v.Complex()), bits)
		dst = appendFloat(append(dst, ", "...), imag(v.Complex()), bits)
		return append(dst, ')')
	case reflect.String:
		if quote {
			return append(append(append(dst, '\''), v.String()...), '\'')
		}
		return append(dst, v.String()...)
	case reflect.Slice, reflect.Array:
		return appendListText(dst, v, depth)
	case reflect.Map:
		return appendMapText(dst, v, depth)
	case reflect.Pointer, reflect.Interface:
		return appendText(dst, v.Elem(), quote, depth+1)
	case reflect.Struct:
		return appendStructText(dst, v, depth)
	default:
		return append(dst, v.Type().String()...)
	}
}

// appendOwnText uses what the type says about itself: times, shapes, errors and Stringers.
func appendOwnText(dst []byte, v reflect.Value, depth int) ([]byte, bool) {
	t := v.Type()
	switch {
	case !v.CanInterface() || t.Kind() == reflect.Interface:
		return dst, false
	case t == timeType:
		return v.Interface().(time.Time).AppendFormat(dst, time.RFC3339Nano), true
	case shapeOf(t) != shapeStruct:
		return appendShapeText(dst, v, depth), true
	case t.Kind() == reflect.Pointer && (t.Elem() == timeType || shapeOf(t.Elem()) != shapeStruct):
		return dst, false // their methods are those of what they point to
	case !speaks(t) && speaks(reflect.PointerTo(t)):
		p := reflect.New(t)
		p.Elem().Set(v)
		v = p
	case !speaks(t):
		return dst, false
	}
	return append(dst, callText(v.Interface())...), true
}

// speaks tells whether t has a text of its own.
func speaks(t reflect.Type) bool { return t.Implements(errorType) || t.Implements(stringerType) }

// callText calls the method; like package fmt it turns a panic into text.
func callText(v any) (s string) {
	defer func() {
		if r := recover(); r != nil {
			s = fmt.Sprintf("(PANIC=%v)", r)
		}
	}()
	if e, ok := v.(error); ok {
		return e.Error()
	}
	return v.(fmt.Stringer).String()
}

func appendShapeText(dst []byte, v reflect.Value, depth int) []byte {
	switch shapeOf(v.Type()) {
	case shapeTuple:
		dst = append(dst, '(')
		for i := range v.NumField() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendText(dst, v.Field(i), false, depth+1)
		}
	case shapeOption:
		if !v.Field(1).Bool() {
			return append(dst, "None"...)
		}
		dst = appendText(append(dst, "Some("...), v.Field(0), false, depth+1)
	default:
		if v.Field(2).Bool() {
			dst = appendText(append(dst, "Right("...), v.Field(1), false, depth+1)
		} else {
			dst = appendText(append(dst, "Left("...), v.Field(0), false, depth+1)
		}
	}
	return append(dst, ')')
}

func appendListText(dst []byte, v reflect.Value, depth int) []byte {
	dst = append(dst, '[')
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendText(dst, v.Index(i), false, depth+1)
	}
	return append(dst, ']')
}

func appendMapText(dst []byte, v reflect.Value, depth int) []byte {
	ks := v.MapKeys()
	texts := make([]string, len(ks))
	order := make([]int, len(ks))
	for i, k := range ks {
		order[i] = i
		texts[i] = string(appendText(nil, k, false, depth+1))
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(compareKeys(ks[a], ks[b]), strings.Compare(texts[a], texts[b]))
	})
	dst = append(dst, '{')
	for i, at := range order {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(append(dst, texts[at]...), '=')
		dst = appendText(dst, v.MapIndex(ks[at]), false, depth+1)
	}
	return append(dst, '}')
}

// compareKeys orders numbers; other keys go by their text.
func compareKeys(a, b reflect.Value) int {
	switch {
	case a.CanInt():
		return cmp.Compare(a.Int(), b.Int())
	case a.CanUint():
		return cmp.Compare(a.Uint(), b.Uint())
	case a.CanFloat():
		return cmp.Compare(a.Float(), b.Float())
	default:
		return 0
	}
}

func appendStructText(dst []byte, v reflect.Value, depth int) []byte {
	t := v.Type()
	name, _, _ := strings.Cut(t.Name(), "[")
	dst = append(append(dst, name...), '{')
	first := true
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("flink")
		if !f.IsExported() && !f.Anonymous || tag == "-" {
			continue
		}
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		if tag == "" {
			tag = lowerFirst(f.Name)
		}
		dst = append(append(dst, tag...), '=')
		dst = appendText(dst, v.Field(i), true, depth+1)
	}
	return append(dst, '}')
}

// Java writes numbers below and from these magnitudes on in scientific notation.
const (
	javaPlainMin = 1e-3
	javaPlainMax = 1e7
)

// appendFloat writes f as Java's Double.toString or Float.toString does: with at least one digit
// behind the point, and as many as are needed to tell it from its neighbours
// (docs.oracle.com/en/java/javase/21/docs/api, Double.toString).
func appendFloat(dst []byte, f float64, bits int) []byte {
	abs := math.Abs(f)
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case f == 0 || abs >= javaPlainMin && abs < javaPlainMax:
		start := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, bits)
		if !slices.Contains(dst[start:], '.') {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, bits), "e")
	if len(strings.TrimPrefix(mantissa, "-")) == 1 { // Java wants two digits, the nearest ones
		mantissa, exponent, _ = strings.Cut(strconv.FormatFloat(f, 'e', 1, bits), "e")
	}
	negative := exponent[0] == '-'
	exponent = strings.TrimLeft(exponent, "+-0")
	dst = append(append(dst, mantissa...), 'E')
	if negative {
		dst = append(dst, '-')
	}
	return append(dst, exponent...)
}
