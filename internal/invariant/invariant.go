// Package invariant is the one way in which the code says "this cannot happen".
//
// A broken invariant is a mistake of a programmer, never of a user, of a configuration or of the
// network: those get ordinary errors that say what to do. The package knows two builds:
//
//   - the production build returns an error that is marked with [ErrBroken]; it travels up like any
//     other error, so one job fails with a report and the process goes on;
//   - under the build tag `invariants`, with which the tests run, the same place panics, so that no
//     test passes over it and the stack shows who broke what.
//
// Cheap checks (a comparison, a nil test, a state in a table) are always made, with [Check] or
// [Brokenf]. Costly ones (walking a structure, decoding what was just encoded) stand in an
// `if invariant.Enabled` block: Enabled is a constant, and the compiler leaves the block out of the
// production build.
//
//	if invariant.Enabled {
//		if err := h.verifyOrder(); err != nil {
//			return err
//		}
//	}
//
// The package starts no goroutine and holds no state; every function may be called concurrently.
package invariant

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// ErrBroken marks every error of this package: errors.Is(err, ErrBroken) asks whether an error goes
// back to a mistake in the code, which is never worth a retry.
var ErrBroken = errors.New("broken invariant")

// brokenError is what a broken invariant looks like in the production build.
type brokenError struct {
	place string // file:line of the check, with the last folder of the file's path
	cause error  // the formatted message; keeps what %w wrapped
}

// Error names the place and says what was broken.
func (e *brokenError) Error() string {
	return ErrBroken.Error() + " at " + e.place + ": " + e.cause.Error()
}

// Unwrap shows the mark and the cause to errors.Is and errors.As.
func (e *brokenError) Unwrap() []error { return []error{ErrBroken, e.cause} }

// Check returns nil when cond holds, and otherwise what [Brokenf] returns: an error marked with
// [ErrBroken], or a panic with that error under the build tag `invariants`.
//
// The arguments of the format are evaluated and may be allocated even when cond holds. Where that
// counts (once per batch or more often), write the condition out:
//
//	if seq < last {
//		return invariant.Brokenf("sequence went from %d back to %d", last, seq)
//	}
func Check(cond bool, format string, args ...any) error {
	if cond {
		return nil
	}
	return broken(fmt.Errorf(format, args...))
}

// Brokenf reports a place that must not be reached. It returns an error marked with [ErrBroken]
// whose text holds the caller's file and line and the formatted message; %w keeps the wrapped error
// visible to errors.Is. Under the build tag `invariants` it panics with that error instead.
func Brokenf(format string, args ...any) error { return broken(fmt.Errorf(format, args...)) }

// broken marks cause with the place of the check, two frames up: Check or Brokenf, then their
// caller.
func broken(cause error) error {
	place := "unknown place"
	if _, file, line, ok := runtime.Caller(2); ok {
		place = fmt.Sprintf("%s:%d", shortPath(file), line)
	}
	err := &brokenError{place: place, cause: cause}
	if Enabled {
		panic(err)
	}
	return err
}

// shortPath keeps the last folder and the file name, so that a message is the same wherever the
// program was built.
func shortPath(file string) string {
	cut := strings.LastIndexByte(file, '/')
	if cut <= 0 {
		return file
	}
	if folder := strings.LastIndexByte(file[:cut], '/'); folder >= 0 {
		return file[folder+1:]
	}
	return file
}
