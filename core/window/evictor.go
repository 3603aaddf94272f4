package window

import (
	"fmt"
	"time"

	"goflink/core/stream"
)

// When says at which side of the window function an evictor removes elements.
type When bool

const (
	// BeforeFunction removes elements before the function sees them.
	BeforeFunction When = false
	// AfterFunction removes elements after the function saw them.
	AfterFunction When = true
)

// evictor makes an Evictor of what is kept of a run of elements.
type evictor[T any, W Window] struct {
	when  When
	keep  func(elements []Element[T]) []Element[T]
	check func() error
	name  string
}

func (e *evictor[T, W]) EvictBefore(elements []Element[T], _ W, _ EvictorContext) []Element[T] {
	if e.when == AfterFunction {
		return elements
	}
	return e.keep(elements)
}

func (e *evictor[T, W]) EvictAfter(elements []Element[T], _ W, _ EvictorContext) []Element[T] {
	if e.when == BeforeFunction {
		return elements
	}
	return e.keep(elements)
}

// Validate reports parameters that make no sense.
func (e *evictor[T, W]) Validate() error { return e.check() }

// String is the evictor's name.
func (e *evictor[T, W]) String() string { return e.name }

// CountEvictor keeps the last n elements (R47).
func CountEvictor[T any, W Window](n int, when When) Evictor[T, W] {
	return &evictor[T, W]{
		when: when,
		name: fmt.Sprintf("CountEvictor(%d)", n),
		keep: func(elements []Element[T]) []Element[T] {
			return elements[max(0, len(elements)-n):]
		},
		check: func() error {
			if n < 1 {
				return fmt.Errorf("a count evictor keeps %d elements; it must keep at least 1", n)
			}
			return nil
		},
	}
}

// TimeEvictor keeps the elements whose timestamp is later than the latest one minus keep.
func TimeEvictor[T any, W Window](keep time.Duration, when When) Evictor[T, W] {
	ms := keep.Milliseconds()
	return &evictor[T, W]{
		when: when,
		name: fmt.Sprintf("TimeEvictor(%v)", keep),
		keep: func(elements []Element[T]) []Element[T] {
			latest := stream.NoTimestamp
			for i := range elements {
				latest = max(latest, elements[i].Timestamp)
			}
			if latest == stream.NoTimestamp {
				return elements
			}
			return filter(elements, func(e *Element[T]) bool { return e.Timestamp > latest-ms })
		},
		check: func() error {
			if keep < time.Millisecond {
				return fmt.Errorf("a time evictor that keeps %v; it must keep at least 1ms", keep)
			}
			return nil
		},
	}
}

// DeltaEvictor removes the elements whose distance from the last one, by delta(element, last), is
// at least threshold.
func DeltaEvictor[T any, W Window](threshold float64, delta func(element, last T) float64,
	when When) Evictor[T, W] {
	return &evictor[T, W]{
		when: when,
		name: fmt.Sprintf("DeltaEvictor(%g)", threshold),
		keep: func(elements []Element[T]) []Element[T] {
			if len(elements) == 0 {
				return elements
			}
			last := elements[len(elements)-1].Value
			return filter(elements, func(e *Element[T]) bool {
				return delta(e.Value, last) < threshold
			})
		},
		check: func() error {
			if delta == nil {
				return fmt.Errorf("a delta evictor needs a function that measures distances")
			}
			return nil
		},
	}
}

// filter returns the elements for which keep holds: a part of elements if those lie side by side,
// else a copy.
func filter[T any](elements []Element[T], keep func(*Element[T]) bool) []Element[T] {
	from := 0
	for from < len(elements) && !keep(&elements[from]) {
		from++
	}
	to := from
	for to < len(elements) && keep(&elements[to]) {
		to++
	}
	kept := elements[from:to:to]
	for i := to; i < len(elements); i++ {
		if keep(&elements[i]) {
			kept = append(kept, elements[i])
		}
	}
	return kept
}
