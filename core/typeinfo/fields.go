package typeinfo

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Shaped is implemented by the generic composites of package tuple, which their types' names
// alone cannot tell apart. The result is "tuple", "option" or "either", and the struct must have
// the fields of that shape: F0, F1 …; Value and Valid; Left, Right and IsRight.
type Shaped interface {
	// TypeShape says which of the known shapes the type has.
	TypeShape() string
}

type shape uint8

const (
	shapeStruct shape = iota
	shapeTuple
	shapeOption
	shapeEither
)

var shapedType = reflect.TypeFor[Shaped]()

// shapes caches shapeOf. It grows with the number of distinct Go types.
var shapes sync.Map

// shapeOf returns the shape of a type.
func shapeOf(t reflect.Type) shape {
	if t.Kind() != reflect.Struct {
		return shapeStruct
	}
	if s, ok := shapes.Load(t); ok {
		return s.(shape)
	}
	s := inspectShape(t)
	shapes.Store(t, s)
	return s
}

// inspectShape finds the shape of a struct type. The fields are checked because a struct that
// embeds a tuple has its method too.
func inspectShape(t reflect.Type) shape {
	if !t.Implements(shapedType) {
		return shapeStruct
	}
	switch reflect.Zero(t).Interface().(Shaped).TypeShape() {
	case "tuple":
		for i := range t.NumField() {
			if f := t.Field(i); f.Name != fmt.Sprintf("F%d", i) || f.Anonymous {
				return shapeStruct
			}
		}
		return shapeTuple
	case "option":
		if hasFields(t, "Value", "Valid") {
			return shapeOption
		}
	case "either":
		if hasFields(t, "Left", "Right", "IsRight") {
			return shapeEither
		}
	}
	return shapeStruct
}

// hasFields tells whether t has exactly these fields, the last of which is a bool.
func hasFields(t reflect.Type, names ...string) bool {
	if t.NumField() != len(names) {
		return false
	}
	for i, name := range names {
		if t.Field(i).Name != name {
			return false
		}
	}
	return t.Field(len(names)-1).Type.Kind() == reflect.Bool
}

// Field is a field of a record that is reachable without following a pointer.
type Field struct {
	// Name is the name in schemas: the tag if there is one, else the Go name.
	Name string
	// GoName is the name in the Go struct.
	GoName string
	// Type is the field's Go type.
	Type reflect.Type
	// Offset is the field's distance in bytes from the start of the record.
	Offset uintptr
}

// structInfo is what a struct type says about its fields.
type structInfo struct {
	fields   []Field
	embedded []int // indexes into fields whose own fields are promoted
	skips    bool  // has fields that are left out
}

// inspect lists the encoded fields of a struct type at path.
func inspect(t reflect.Type, tuple, key bool, path string) (*structInfo, error) {
	info := &structInfo{}
	seen := map[string]string{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, err := fieldName(f, tuple, key, path)
		if err != nil {
			return nil, err
		}
		if name == "" {
			info.skips = true
			continue
		}
		if other, dup := seen[name]; dup {
			return nil, fmt.Errorf("%w: fields %s.%s and %s.%s are both called %q: change a tag",
				ErrUnsupported, path, other, path, f.Name, name)
		}
		seen[name] = f.Name
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			info.embedded = append(info.embedded, len(info.fields))
		}
		info.fields = append(info.fields, Field{name, f.Name, f.Type, f.Offset})
	}
	return info, nil
}

// fieldName returns the name of a field in schemas, "" for one that is left out.
func fieldName(f reflect.StructField, tuple, key bool, path string) (string, error) {
	tag, tagged := f.Tag.Lookup("flink")
	switch {
	case tuple:
		return f.Name, nil
	case tag == "-" || f.Name == "_":
		return "", nil
	case !f.IsExported() && !f.Anonymous:
		advice := ""
		if !key {
			advice = ", or give the struct the methods AppendBinary and UnmarshalBinary"
		}
		return "", fmt.Errorf("%w: field %s.%s (%s) is not exported and would be lost: export it "+
			"or leave it out with `flink:\"-\"`%s", ErrUnsupported, path, f.Name, f.Type, advice)
	case !tagged:
		return f.Name, nil
	case tag == "" || strings.ContainsAny(tag, ".,\"[] \t\n"):
		return "", fmt.Errorf("%w: field %s.%s has the tag `flink:%q`: a name must not be empty "+
			"nor contain dots, commas, quotes, brackets or blanks", ErrUnsupported, path, f.Name,
			tag)
	}
	return tag, nil
}

// Fields lists the fields of a struct or tuple in the order of the encoding. It is empty for
// every other type.
func (t *Type[T]) Fields() []Field {
	return t.raw().fields()
}

func (s *serializer) fields() []Field {
	if s.root.structs == nil {
		return nil
	}
	return append([]Field(nil), s.root.structs.fields...)
}

// Field returns the field of a struct or tuple with the given name: its tag, its Go name, or its
// Go name with the first letter in lower case (so that Flink's "f0" and "word" work). A name with
// dots, "address.zip", leads into structs that are held by value. The offset counts from the
// start of T. The error lists the known fields.
func (t *Type[T]) Field(name string) (Field, error) {
	return t.raw().field(name)
}

func (s *serializer) field(name string) (Field, error) {
	f, _, err := s.root.field(name)
	if err != nil {
		return Field{}, fmt.Errorf("typeinfo: %s: %w", s.name(), err)
	}
	return f, nil
}

// field resolves a dotted name.
func (n *node) field(name string) (Field, *node, error) {
	var offset uintptr
	at := n
	for rest := name; ; {
		part, more, dotted := strings.Cut(rest, ".")
		if at.structs == nil {
			return Field{}, nil, fmt.Errorf("no field %q: %s is not a struct or tuple", name,
				at.typ)
		}
		f, e, ok := at.lookup(part)
		if !ok {
			return Field{}, nil, fmt.Errorf("no field %q in %s; its fields are %s", part, at.typ,
				strings.Join(at.fieldNames(), ", "))
		}
		offset += f.Offset
		if !dotted {
			f.Offset = offset
			return f, e, nil
		}
		at, rest = e, more
	}
}

// lookup finds a field by one name, in embedded structs too, whose fields count as the struct's
// own unless it has one of that name.
func (n *node) lookup(name string) (Field, *node, bool) {
	matches := []func(Field) bool{
		func(f Field) bool { return f.Name == name },
		func(f Field) bool { return f.GoName == name },
		func(f Field) bool { return lowerFirst(f.GoName) == name },
	}
	for _, match := range matches {
		for i, f := range n.structs.fields {
			if match(f) {
				return f, n.fields[i].node, true
			}
		}
	}
	for _, i := range n.structs.embedded {
		e := n.fields[i].node
		if e.structs == nil {
			continue
		}
		if f, en, ok := e.lookup(name); ok {
			f.Offset += n.fields[i].off
			return f, en, true
		}
	}
	return Field{}, nil, false
}

func (n *node) fieldNames() []string {
	names := make([]string, len(n.fields))
	for i, f := range n.fields {
		names[i] = f.name
	}
	return names
}

// lowerFirst returns s with its first letter in lower case.
func lowerFirst(s string) string {
	r, w := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[w:]
}
