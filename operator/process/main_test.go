package process_test

import (
	"testing"

	"goflink/internal/testkit"
)

func TestMain(m *testing.M) { testkit.VerifyMain(m) }

// wordCount is the record of the usual example.
type wordCount struct {
	Word  string
	Count int64
}
