// Package noescape hides pointers from escape analysis, so that a record on a caller's stack can be
// handed to code that the compiler cannot look through (reflection, function values) without a move
// to the heap.
package noescape

import "unsafe"

// Pointer returns p. The caller promises that nobody keeps the result beyond the call it is made
// for. What the memory at p refers to is not hidden by it.
//
// It must not be inlined: the compiler would then see that the result is the number u, could keep
// it as a number across a call, and a stack that grows in that call moves what it points to. As the
// result of a call it is a pointer that the runtime follows.
//
//go:nosplit
//go:noinline
func Pointer(p unsafe.Pointer) unsafe.Pointer {
	u := uintptr(p)
	return *(*unsafe.Pointer)(unsafe.Pointer(&u))
}
