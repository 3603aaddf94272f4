package state

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"

	"goflink/core/statebackend"
	"goflink/core/statetable"
	"goflink/core/typeinfo"
)

// OpenOperatorList opens a list whose elements are dealt out evenly when the job is restored at
// another parallelism (R62).
func OpenOperatorList[V any](o statebackend.Operator, d ListDescriptor[V]) (OperatorList[V],
	error) {
	return openOperatorList(o, d, statebackend.Split)
}

// OpenUnionList opens a list of which, when the job is restored, each subtask gets the elements of
// all.
func OpenUnionList[V any](o statebackend.Operator, d ListDescriptor[V]) (OperatorList[V], error) {
	return openOperatorList(o, d, statebackend.Union)
}

func openOperatorList[V any](o statebackend.Operator, d ListDescriptor[V],
	mode statebackend.Redistribution,
) (OperatorList[V], error) {
	if err := d.checkOperator(); err != nil {
		return nil, err
	}
	t, err := orOf(d.typ)
	if err != nil {
		return nil, fmt.Errorf("operator state %q: %w", d.name, err)
	}
	part, err := o.Open(statebackend.ListSpec{Name: d.name, Mode: mode, Schema: t.Snapshot(),
		New: func() statebackend.OperatorPart { return &operatorList[V]{name: d.name, typ: t} }})
	if err != nil {
		return nil, err
	}
	l, ok := part.(*operatorList[V])
	if !ok {
		return nil,
			fmt.Errorf("operator state %q is open already as a %T, and cannot be a list of %s",
				d.name, part, t.Name())
	}
	return l, nil
}

// checkOperator is check for operator state.
func (h head) checkOperator() error {
	if h.ttl.After != 0 {
		return fmt.Errorf("operator state %q has a time to live; only keyed state can have one",
			h.name)
	}
	return h.check()
}

// operatorList is an OperatorList. Elements are appended in place, also under a snapshot, which
// does not look behind the length that it knows.
type operatorList[V any] struct {
	name  string
	typ   *typeinfo.Type[V]
	vs    []V
	watch bool
	known []watched[V] // what vs looked like, if watch
}

// watched is what an element looked like when it was handed over.
type watched[V any] struct {
	encoded []byte
	copy    V
	err     error
}

func _[V any](v *operatorList[V]) { var _ statebackend.OperatorPart = v }

// Get implements OperatorList.
func (l *operatorList[V]) Get() []V { return slices.Clip(l.vs) }

// Add implements OperatorList.
func (l *operatorList[V]) Add(v V) {
	l.vs = append(l.vs, v)
	l.note(l.vs[len(l.vs)-1:])
}

// Put implements OperatorList.
func (l *operatorList[V]) Put(vs []V) {
	l.vs, l.known = slices.Clone(vs), nil
	l.note(l.vs)
}

// note remembers what elements look like.
func (l *operatorList[V]) note(vs []V) {
	if !l.watch {
		return
	}
	for i := range vs {
		encoded, err := l.typ.Append(nil, &vs[i])
		l.known = append(l.known, watched[V]{encoded, l.typ.Clone(vs[i]), err})
	}
}

// Watch implements statebackend.OperatorPart.
func (l *operatorList[V]) Watch() {
	if !l.watch {
		l.watch = true
		l.note(l.vs)
	}
}

// Verify implements statebackend.OperatorPart.
func (l *operatorList[V]) Verify() error {
	for i, was := range l.known {
		if was.err != nil {
			return fmt.Errorf("operator state %q, element %d: %w", l.name, i, was.err)
		}
		encoded, err := l.typ.Append(nil, &l.vs[i])
		if err != nil {
			return fmt.Errorf("operator state %q, element %d: %w", l.name, i, err)
		}
		// The encoding of a Go map has no order.
		if !bytes.Equal(encoded, was.encoded) && !reflect.DeepEqual(l.vs[i], was.copy) {
			return fmt.Errorf("operator state %q, element %d: %w: it was %+v and is %+v",
				l.name, i, statetable.ErrMutated, was.copy, l.vs[i])
		}
	}
	return nil
}

// Restore implements statebackend.OperatorPart.
func (l *operatorList[V]) Restore(schema, _ typeinfo.Snapshot, elements [][]byte) error {
	dec, err := l.typ.Migrate(schema)
	if err != nil {
		return err
	}
	for i, e := range elements {
		var v V
		if err := decodeWhole(dec, e, &v); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
		l.Add(v)
	}
	return nil
}

// Freeze implements statebackend.OperatorPart.
func (l *operatorList[V]) Freeze() statebackend.FrozenPart {
	return &frozenList[V]{l.name, l.typ, l.vs}
}

// frozenList is a snapshot of a list.
type frozenList[V any] struct {
	name string
	typ  *typeinfo.Type[V]
	vs   []V
}

// Each implements statebackend.FrozenPart.
func (l *frozenList[V]) Each(f func(element []byte) error) (err error) {
	var buf []byte
	for i := range l.vs {
		if buf, err = l.typ.Append(buf[:0], &l.vs[i]); err != nil {
			return fmt.Errorf("operator state %q, element %d: %w", l.name, i, err)
		}
		if err := f(buf); err != nil {
			return err
		}
	}
	return nil
}

// Release implements statebackend.FrozenPart.
func (l *frozenList[V]) Release() { l.vs = nil }
