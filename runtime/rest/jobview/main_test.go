package jobview_test

import (
	"testing"

	"goflink/internal/testkit"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }
