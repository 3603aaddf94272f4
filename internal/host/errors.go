package host

import "errors"

// ErrClosed is returned by Call when the actor takes no more calls.
var ErrClosed = errors.New("the component is closed")
