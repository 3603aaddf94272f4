package memstate

import (
	"context"
	"fmt"
	"time"

	"goflink/core/statebackend"
)

// Backend is the state backend "hashmap". It has no state of its own and is safe for concurrent
// use.
type Backend struct{}

var _ statebackend.Backend = (*Backend)(nil)

// New returns the backend.
func New() *Backend { return &Backend{} }

// Name implements statebackend.Backend.
func (*Backend) Name() string { return "hashmap" }

// NewKeyed implements statebackend.Backend. What is restored is read into memory, but decoded only
// when it is opened.
func (*Backend) NewKeyed(ctx context.Context, o statebackend.KeyedOptions) (
	statebackend.Keyed, error,
) {
	if o.Now == nil {
		o.Now = func() int64 { return time.Now().UnixMilli() }
	}
	k := newKeyed(o)
	if err := k.restore(ctx); err != nil {
		return nil, k.wrap(err)
	}
	return k, nil
}

// owner names an operator in errors.
type owner struct{ name, uid string }

func (o owner) wrap(err error) error {
	if o.uid == "" {
		return fmt.Errorf("state of operator %q: %w", o.name, err)
	}
	return fmt.Errorf("state of operator %q (uid %q): %w", o.name, o.uid, err)
}
