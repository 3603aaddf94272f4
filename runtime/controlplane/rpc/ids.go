package rpc

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"goflink/core/failure"
	"goflink/core/id"
)

// ErrCorrupt is in the chain of errors about messages that no peer of this version sends.
var ErrCorrupt = errors.New("malformed message")

// idBytes and attemptBytes are the sizes of encoded ids.
const (
	idBytes      = 16
	attemptBytes = 2*idBytes + 8
)

// encodeAttempt writes an attempt: job, vertex, subtask and number.
func encodeAttempt(a id.Attempt) []byte {
	b := make([]byte, 0, attemptBytes)
	b = append(b, a.Job[:]...)
	b = append(b, a.Vertex[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(a.Subtask))
	return binary.LittleEndian.AppendUint32(b, uint32(a.Number))
}

func encodeAttempts(as []id.Attempt) [][]byte {
	out := make([][]byte, len(as))
	for i, a := range as {
		out[i] = encodeAttempt(a)
	}
	return out
}

func decodeAttempt(b []byte) (a id.Attempt, err error) {
	if len(b) != attemptBytes {
		return a, fmt.Errorf("%w: an attempt of %d bytes", ErrCorrupt, len(b))
	}
	copy(a.Job[:], b)
	copy(a.Vertex[:], b[idBytes:])
	a.Subtask = int32(binary.LittleEndian.Uint32(b[2*idBytes:]))
	a.Number = int32(binary.LittleEndian.Uint32(b[2*idBytes+4:]))
	if a.Subtask < 0 || a.Number < 0 {
		return a, fmt.Errorf("%w: subtask %d, attempt %d", ErrCorrupt, a.Subtask, a.Number)
	}
	return a, nil
}

func decodeAttempts(bs [][]byte) ([]id.Attempt, error) {
	out := make([]id.Attempt, len(bs))
	for i, b := range bs {
		var err error
		if out[i], err = decodeAttempt(b); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// decodeID reads an id of 16 bytes.
func decodeID[T ~[idBytes]byte](b []byte) (v T, err error) {
	if len(b) != idBytes {
		return v, fmt.Errorf("%w: an id of %d bytes", ErrCorrupt, len(b))
	}
	return T(b), nil
}

// encodeJSON writes what travels as JSON. The types are ours and have no part that could fail.
func encodeJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("rpc: %T has no JSON: %v", v, err))
	}
	return b
}

func decodeJSON[T any](b []byte) (v T, err error) {
	if len(b) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, fmt.Errorf("%w: %T: %w", ErrCorrupt, v, err)
	}
	return v, nil
}

func encodeFailure(i *failure.Info) []byte {
	if i == nil {
		return nil
	}
	return encodeJSON(i)
}
