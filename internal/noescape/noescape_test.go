package noescape_test

import (
	"reflect"
	"testing"
	"unsafe"

	"goflink/internal/noescape"
)

// TestStackMoves: the pointer follows a value on a stack that is moved while the pointer is held by
// reflection, by a function value, and in a variable.
func TestStackMoves(t *testing.T) {
	for depth := range 200 {
		done := make(chan int)
		go func() { done <- deep(depth) }()
		if got := <-done; got != 7 {
			t.Fatalf("depth %d: %d, want 7", depth, got)
		}
	}
}

// deep uses some stack, so that the calls behind it grow it at different places.
func deep(n int) int {
	var room [64]byte
	if n > 0 {
		room[n%64] = byte(n)
		return deep(n-1) + int(room[n%64]) - n
	}
	return held()
}

var grow = func(n int) int { return grown(n) }

func grown(n int) int {
	var room [4096]byte
	room[n] = 1
	if n > 0 {
		return grown(n-1) + int(room[n]) - 1
	}
	return 0
}

func held() int {
	var v int
	p := noescape.Pointer(unsafe.Pointer(&v))
	r := reflect.NewAt(reflect.TypeFor[int](), noescape.Pointer(unsafe.Pointer(&v))).Elem()
	grow(20)
	*(*int)(p) = 3
	r.SetInt(r.Int() + 4)
	return v
}

func TestNothingEscapes(t *testing.T) {
	use := func(p unsafe.Pointer) { *(*int)(p)++ }
	if n := testing.AllocsPerRun(100, func() {
		var v int
		use(noescape.Pointer(unsafe.Pointer(&v)))
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
