package datastream

import (
	"fmt"
	"slices"
	"strings"

	"goflink/operator/process"
)

// SplitStream is a stream whose records have names (R38); Select takes those of some names.
type SplitStream[T any] struct {
	s *Stream[T]
	// selects are filled while the program is built; the functions only read them.
	selects *[]selection
}

// selection is what one Select takes.
type selection struct {
	names []string
	tag   string
}

// takes reports whether a record with the given names is selected.
func (x *selection) takes(names []string) bool {
	for _, n := range names {
		if slices.Contains(x.names, n) {
			return true
		}
	}
	return false
}

// Split gives each record the names that selector returns for it, any number of them; selector must
// be pure.
func Split[T any](s *Stream[T], selector func(T) []string) *SplitStream[T] {
	selects := new([]selection)
	f := func() ProcessFunction[T, T] {
		return &splitFunction[T]{selector: selector, selects: selects}
	}
	return &SplitStream[T]{selects: selects,
		s: addOperator[T](s.env, "Split", process.Process(f), s.t)}
}

// Select is the stream of the records that have at least one of the names, each once. Names that no
// record has select nothing.
func (x *SplitStream[T]) Select(names ...string) *Stream[T] {
	if len(names) == 0 {
		x.s.env.failAt(x.s.t.Name, fmt.Errorf("a Select after it has no name"))
	}
	tag := fmt.Sprintf("select %s", strings.Join(names, ", "))
	if !slices.ContainsFunc(*x.selects, func(s selection) bool { return s.tag == tag }) {
		*x.selects = append(*x.selects, selection{slices.Clone(names), tag})
	}
	return SideOutput(x.s, NewOutputTag[T](tag))
}

// splitFunction hands each record to the selections of its names.
type splitFunction[T any] struct {
	selector func(T) []string
	selects  *[]selection
}

func _[T any](v *splitFunction[T]) { var _ ProcessFunction[T, T] = v }

// ProcessElement emits to side outputs only.
func (f *splitFunction[T]) ProcessElement(v T, ctx *Context, _ Collector[T]) error {
	names := f.selector(v)
	for i := range *f.selects {
		if x := &(*f.selects)[i]; x.takes(names) {
			process.Side[T](ctx, x.tag).Emit(v)
		}
	}
	return nil
}
