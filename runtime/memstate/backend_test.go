package memstate

import (
	"context"
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

// TestOperatorState: R60, R62, R63, R66.
func TestOperatorState(t *testing.T) {
	backendtest.RunOperator(t, func(ctx context.Context, o statebackend.OperatorOptions) (
		statebackend.OperatorStore, error,
	) {
		return NewOperatorStore(ctx, o)
	})
}
