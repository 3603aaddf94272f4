package memstate

import (
	"testing"

	"goflink/core/statebackend"
	"goflink/core/statebackend/backendtest"
	"goflink/internal/testkit"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

// TestBackend: R61, R65, R66, R68–R70, R75, R77.
func TestBackend(t *testing.T) {
	backendtest.Run(t, backendtest.Suite{
		New:   func(testing.TB) statebackend.Backend { return New() },
		Spawn: func(f func()) { go f() },
	})
}
