package resourcemgr

import (
	"testing"

	"goflink/internal/testkit"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }
