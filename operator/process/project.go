package process

import (
	"fmt"
	"reflect"
	"unsafe"

	"goflink/core/failure"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/operator"
)

// Project returns the factory of an operator that makes an Out of each T by copying fields (R38).
// With names, the i-th field of Out gets the field of T with the i-th name; the names are those
// of typeinfo.Type.Field or positions of a tuple's fields. Without, each field of Out gets the
// field of T with its name. Types must be equal; that is checked here.
func Project[T, Out any](names ...string) (operator.Factory, error) {
	in, err := typeinfo.Of[T]()
	if err != nil {
		return nil, err
	}
	out, err := typeinfo.Of[Out]()
	if err != nil {
		return nil, err
	}
	fields := out.Fields()
	if len(fields) == 0 {
		return nil, failure.New(failure.FailJob, failure.User,
			"project to %s: it is no struct or tuple with fields", out.Name())
	}
	if len(names) > 0 && len(names) != len(fields) {
		return nil, failure.New(failure.FailJob, failure.User,
			"project to %s: %d fields are named, it has %d", out.Name(), len(names), len(fields))
	}
	copies := make([]fieldCopy, len(fields))
	for i, f := range fields {
		name := f.Name
		if len(names) > 0 {
			name = fieldName(reflect.TypeFor[T](), names[i])
		}
		from, err := in.Field(name)
		if err == nil && from.Type != f.Type {
			err = fmt.Errorf("it is a %v in %s and a %v in %s", from.Type, in.Name(), f.Type,
				out.Name())
		}
		if err != nil {
			return nil, failure.Wrap(err, failure.FailJob, failure.User,
				"project %s to %s: field %q", in.Name(), out.Name(), name)
		}
		copies[i] = fieldCopy{from: from.Offset, to: f.Offset, assign: assignOf(f.Type)}
	}
	return operator.FactoryFunc(func() (operator.Operator, error) {
		return &projectOp[T, Out]{copies: copies}, nil
	}), nil
}

// fieldCopy copies one field.
type fieldCopy struct {
	from, to uintptr
	assign   func(dst, src unsafe.Pointer)
}

// assignOf returns a function that copies values of a type.
func assignOf(t reflect.Type) func(dst, src unsafe.Pointer) {
	if k := kernelOf(t); k.assign != nil {
		return k.assign
	}
	return func(dst, src unsafe.Pointer) {
		reflect.NewAt(t, dst).Elem().Set(reflect.NewAt(t, src).Elem())
	}
}

type projectOp[T, Out any] struct {
	oneInput[Out]
	copies []fieldCopy
	b      stream.Batch[Out]
}

func _[T, Out any](v *projectOp[T, Out]) { var _ inOperator[T] = v }

// Open finds the output.
func (o *projectOp[T, Out]) Open(rt operator.Runtime) error { return o.open(rt) }

func (o *projectOp[T, Out]) Input(int) any { return o }

// Batch keeps the records' timestamps.
func (o *projectOp[T, Out]) Batch(b *stream.Batch[T]) error {
	values := o.b.Values[:0]
	for i := range b.Values {
		var v Out
		values = append(values, v)
		dst, src := unsafe.Pointer(&values[i]), unsafe.Pointer(&b.Values[i])
		for _, c := range o.copies {
			c.assign(unsafe.Add(dst, c.to), unsafe.Add(src, c.from))
		}
	}
	o.b.Values, o.b.Times = values, b.Times
	err := o.out.Batch(&o.b)
	o.b.Times = nil
	return err
}
