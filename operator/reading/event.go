package reading

import (
	"encoding/json"
	"fmt"

	"goflink/core/source"
)

// MaxSplitsPerEvent bounds the splits of one message; more go in several.
const MaxSplitsPerEvent = 1000

// toReader is a message of the coordinator to a source operator.
type toReader struct {
	Splits []source.Split `json:",omitempty"`
	NoMore bool           `json:",omitempty"`
	Event  []byte         `json:",omitempty"`
}

// toCoordinator is a message of a source operator to its coordinator.
type toCoordinator struct {
	RequestSplit bool   `json:",omitempty"`
	Host         string `json:",omitempty"`
	Event        []byte `json:",omitempty"`
}

func encode(v any) ([]byte, error) { return json.Marshal(v) }

func decode[T any](b []byte) (v T, err error) {
	if err = json.Unmarshal(b, &v); err != nil {
		err = fmt.Errorf("message between a source and its coordinator: %w", err)
	}
	return v, err
}
