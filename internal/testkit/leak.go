package testkit

import (
	"testing"

	"go.uber.org/goleak"
)

// leakTB is what NoLeaks needs of a test; the package's own tests record what happens to it.
type leakTB interface {
	Helper()
	Cleanup(func())
	Error(args ...any)
}

// NoLeaks fails the test when goroutines that started after this call are still running at its end.
// Call it first: it looks after every cleanup that the test registers later. Goroutines on their
// way out get about half a second. Do not use it in a test that runs in parallel with others, whose
// goroutines it would count; use [VerifyMain] there.
func NoLeaks(t testing.TB) {
	t.Helper()
	noLeaks(t)
}

func noLeaks(t leakTB) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		t.Helper()
		goleak.VerifyNone(t, before)
	})
}

// VerifyMain runs the tests of a package and fails the package when goroutines are left at the end.
// It is the body of TestMain and does not return:
//
//	func TestMain(m *testing.M) { testkit.VerifyMain(m) }
func VerifyMain(m *testing.M) { goleak.VerifyTestMain(m) }
