// Package message holds the bodies of the REST interface: what the server answers and what clients
// send, under the names and in the shapes of Flink 1.20 to 2.x. Fields beyond Flink's are said to
// be so. Who answers for a cluster fills these types in; nobody keeps them.
package message

import (
	"time"

	"goflink/core/failure"
)

// Millis is a time in milliseconds since the epoch, or a duration in milliseconds; [Never] where
// there is none.
type Millis int64

// Never is a time that has not come, or that nobody knows.
const Never Millis = -1

// At is a time as the interface writes it; the zero time is Never.
func At(t time.Time) Millis {
	if t.IsZero() {
		return Never
	}
	return Millis(t.UnixMilli())
}

// Time is the time again; Never is the zero time.
func (m Millis) Time() time.Time {
	if m == Never {
		return time.Time{}
	}
	return time.UnixMilli(int64(m))
}

// Lasting is a duration as the interface writes it.
func Lasting(d time.Duration) Millis { return Millis(d.Milliseconds()) }

// Duration is the duration again; Never is 0.
func (m Millis) Duration() time.Duration {
	return time.Duration(max(m, 0)) * time.Millisecond
}

// Errors is the body of every answer that is no success.
type Errors struct {
	Errors []string `json:"errors"`
}

// Cause is why an operation or a job failed. Info is not Flink's: it is the whole failure.
type Cause struct {
	Class      string        `json:"class"`
	StackTrace string        `json:"stack-trace"`
	Info       *failure.Info `json:"failure-info,omitempty"`
}

// NewCause describes a failure.
func NewCause(i failure.Info) *Cause {
	return &Cause{Class: i.Kind, StackTrace: i.String(), Info: &i}
}

// Err is the failure as an error; nil for nil.
func (c *Cause) Err() error {
	switch {
	case c == nil:
		return nil
	case c.Info != nil && c.Info.Err() != nil:
		return c.Info.Err()
	case c.StackTrace != "":
		return failure.Info{Message: c.StackTrace, Kind: c.Class}.Err()
	}
	return failure.Info{Message: c.Class, Kind: c.Class}.Err()
}
