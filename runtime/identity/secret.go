package identity

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
)

// secretBytes is the length of a secret.
const secretBytes = 32

// redacted is what is printed of secrets.
const redacted = "(secret)"

// Secret is a secret of a cluster. It cannot be printed or logged by itself; encoding/json writes
// it, since launch files hold it.
type Secret []byte

func newSecret() Secret {
	s := make(Secret, secretBytes)
	_, _ = rand.Read(s) // it never returns an error
	return s
}

func (s Secret) text() string { return hex.EncodeToString(s) }

// Format hides the secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue hides the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
