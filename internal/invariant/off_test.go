//go:build !invariants

package invariant

import "testing"

// TestProductionReturns pins the promise of the production build: no panic, an error.
func TestProductionReturns(t *testing.T) {
	if err := Brokenf("x"); err == nil {
		t.Fatal("Brokenf returned nil")
	}
}
