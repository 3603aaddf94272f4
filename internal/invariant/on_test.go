//go:build invariants

package invariant

import "testing"

// TestTagPanics pins the promise of the tag: the place that broke the invariant stops at once.
func TestTagPanics(t *testing.T) {
	if got := provoke(func() error { return Brokenf("x") }); !got.panicked {
		t.Fatal("Brokenf returned under the build tag `invariants`")
	}
}
