package dataplane

import "errors"

var (
	// ErrClosed is returned by what was closed, and to whom it was closed by the other end.
	ErrClosed = errors.New("closed")
	// ErrProducerFailed is in the chain of the error that a gate reports when a producer failed. It
	// is a consequence: the cause is reported by the producer's task.
	ErrProducerFailed = errors.New("the producer failed")
	// ErrPartitionNotFound is in the chain of the error that a gate reports when no such partition
	// appeared in time.
	ErrPartitionNotFound = errors.New("partition not found")
	// ErrConnectionLost is in the chain of the errors at both ends of a broken connection.
	ErrConnectionLost = errors.New("connection lost")
)
