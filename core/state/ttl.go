package state

import "time"

// TTL is a time to live (R77): state that was not accessed for so long expires.
type TTL struct {
	// After is the time to live; 0 means that the state never expires.
	After time.Duration
	// Update says what counts as access.
	Update TTLUpdate
	// Visibility says what a reader sees of expired state that is not removed yet.
	Visibility TTLVisibility
}

// TTLUpdate says what counts as access to state.
type TTLUpdate uint8

const (
	// OnCreateAndWrite counts creation and writing.
	OnCreateAndWrite TTLUpdate = iota
	// OnReadAndWrite counts reading, too.
	OnReadAndWrite
)

// TTLVisibility says what a reader sees of expired state.
type TTLVisibility uint8

const (
	// NeverReturnExpired hides expired state.
	NeverReturnExpired TTLVisibility = iota
	// ReturnExpiredIfNotCleanedUp shows it as long as it is there.
	ReturnExpiredIfNotCleanedUp
)
