package dataplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"goflink/core/id"
)

// ProtocolVersion is the version of the exchange's wire format; both ends must have the same.
const ProtocolVersion = 1

// A connection begins with a greeting in each direction; the consumer's process, which dialled,
// speaks first. Then frames follow. Numbers are little-endian.
//
//	greeting  4 bytes magic, 2 bytes version, 2 bytes status (0 from the client), 4 bytes size of the
//	          client's segments (0 from the server)
//	frame     4 bytes payload length, 1 byte type, 1 byte 0, 2 bytes backlog, 4 bytes stream,
//	          4 bytes number, payload
//
// A stream is one channel of a partition; the client numbers them in the order in which it asks.
const (
	magic         = "GFDX"
	greetingBytes = 12
	frameHeader   = 16
	// maxMessageBytes bounds the payload of frames that are no data.
	maxMessageBytes = 8 << 10
	// maxBacklog is the largest backlog that a frame can tell.
	maxBacklog = 1<<16 - 1
)

// greetingStatus is the server's answer to a greeting.
type greetingStatus uint16

const (
	greetingOK greetingStatus = iota
	greetingVersion
	greetingSegments
	greetingFull
)

// String says what the status means to the client.
func (s greetingStatus) String() string {
	switch s {
	case greetingOK:
		return "accepted"
	case greetingVersion:
		return "it speaks another version of the exchange protocol"
	case greetingSegments:
		return "it does not accept this size of segments (taskmanager.memory.segment-size)"
	case greetingFull:
		return "it has as many connections as it allows"
	}
	return fmt.Sprintf("status %d", uint16(s))
}

type greeting struct {
	version      uint16
	status       greetingStatus
	segmentBytes uint32
}

func (g greeting) append(dst []byte) []byte {
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint16(dst, g.version)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(g.status))
	return binary.LittleEndian.AppendUint32(dst, g.segmentBytes)
}

// readGreeting reads what the other end says first.
func readGreeting(r io.Reader) (greeting, error) {
	var b [greetingBytes]byte
	n, err := io.ReadFull(r, b[:])
	if n >= len(magic) && string(b[:len(magic)]) != magic || n < len(magic) && n > 0 {
		return greeting{}, fmt.Errorf("%w: it begins with %q, which is not the exchange protocol",
			ErrCorrupt, b[:n])
	}
	if err != nil {
		return greeting{}, fmt.Errorf("no greeting: %w", err)
	}
	return greeting{
		version:      binary.LittleEndian.Uint16(b[4:]),
		status:       greetingStatus(binary.LittleEndian.Uint16(b[6:])),
		segmentBytes: binary.LittleEndian.Uint32(b[8:]),
	}, nil
}

// frameType tells frames apart.
type frameType uint8

const (
	// frameSubscribe (client) asks for a channel of a partition; number is the credit.
	frameSubscribe frameType = iota + 1
	// frameCredit (client) allows number more data frames.
	frameCredit
	// frameCancel (client) says that the consumer has left; the server answers with frameCancelled
	// or has sent frameEnd or frameFailed.
	frameCancel
	// frameData (server) carries up to one segment of the stream's encoded elements; it takes one
	// credit. number counts the server's frames of the stream from 0, backlog is how many more
	// segments wait.
	frameData
	// frameOvertake (server) carries a barrier that goes before what was sent.
	frameOvertake
	// frameAnnounce (server) carries an aligned barrier with a timeout that will follow as data.
	frameAnnounce
	// frameEnd (server) says that all was sent.
	frameEnd
	// frameFailed (server) says that there will be nothing more, and why.
	frameFailed
	// frameCancelled (server) answers frameCancel.
	frameCancelled
)

// String is the type's name in errors.
func (t frameType) String() string {
	names := [...]string{"frame 0", "subscribe", "credit", "cancel", "data", "overtake", "announce",
		"end", "failed", "cancelled"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("frame %d", uint8(t))
}

type frame struct {
	length  uint32
	kind    frameType
	backlog uint16
	stream  uint32
	number  uint32
}

func (f frame) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, f.length)
	dst = append(dst, byte(f.kind), 0)
	dst = binary.LittleEndian.AppendUint16(dst, f.backlog)
	dst = binary.LittleEndian.AppendUint32(dst, f.stream)
	return binary.LittleEndian.AppendUint32(dst, f.number)
}

// parseFrame reads a frame's header. maxData bounds the payload of data; 0 allows none.
func parseFrame(b *[frameHeader]byte, maxData int) (frame, error) {
	f := frame{
		length:  binary.LittleEndian.Uint32(b[0:]),
		kind:    frameType(b[4]),
		backlog: binary.LittleEndian.Uint16(b[6:]),
		stream:  binary.LittleEndian.Uint32(b[8:]),
		number:  binary.LittleEndian.Uint32(b[12:]),
	}
	limit := maxMessageBytes
	if f.kind == frameData {
		limit = maxData
	}
	switch {
	case f.kind == 0 || f.kind > frameCancelled || b[5] != 0:
		return f, fmt.Errorf("%w: unknown %s with flags %d", ErrCorrupt, f.kind, b[5])
	case int64(f.length) > int64(limit):
		return f, fmt.Errorf("%w: %s of %d bytes, the limit is %d", ErrCorrupt, f.kind, f.length,
			limit)
	case f.kind == frameData && f.length == 0:
		return f, fmt.Errorf("%w: empty %s", ErrCorrupt, f.kind)
	}
	return f, nil
}

// subscribeBytes is the payload of frameSubscribe: a partition's id and the channel.
const subscribeBytes = 16 + 16 + 4 + 4 + 4 + 4

func appendSubscribe(dst []byte, p id.Partition, channel int) []byte {
	dst = append(dst, p.Producer.Job[:]...)
	dst = append(dst, p.Producer.Vertex[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(p.Producer.Subtask))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(p.Producer.Number))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(p.Output))
	return binary.LittleEndian.AppendUint32(dst, uint32(channel))
}

func parseSubscribe(b []byte) (p id.Partition, channel int, err error) {
	if len(b) != subscribeBytes {
		return p, 0, fmt.Errorf("%w: subscribe of %d bytes, not %d", ErrCorrupt, len(b),
			subscribeBytes)
	}
	p.Producer.Job = id.Job(b[:16])
	p.Producer.Vertex = id.Vertex(b[16:32])
	p.Producer.Subtask = int32(binary.LittleEndian.Uint32(b[32:]))
	p.Producer.Number = int32(binary.LittleEndian.Uint32(b[36:]))
	p.Output = int32(binary.LittleEndian.Uint32(b[40:]))
	return p, int(binary.LittleEndian.Uint32(b[44:])), nil
}

// failCode keeps the kind of a failure across the wire.
type failCode uint8

const (
	failProducer failCode = iota
	failNotFound
	failOther
)

// remoteFailure is an error that the producer's process told.
type remoteFailure struct {
	kind error
	text string
}

// Error is the text of the producer's process.
func (r *remoteFailure) Error() string { return r.text }

// Unwrap is the sentinel that the error was marked with there, or nil.
func (r *remoteFailure) Unwrap() error { return r.kind }

func failCodeOf(err error) failCode {
	switch {
	case errors.Is(err, ErrPartitionNotFound):
		return failNotFound
	case errors.Is(err, ErrProducerFailed):
		return failProducer
	}
	return failOther
}

// appendFailure writes the payload of frameFailed.
func appendFailure(dst []byte, err error) []byte {
	text := err.Error()
	if len(text) > maxMessageBytes-1 {
		text = text[:maxMessageBytes-1]
	}
	return append(append(dst, byte(failCodeOf(err))), text...)
}

func parseFailure(b []byte) error {
	if len(b) < 1 {
		return fmt.Errorf("%w: empty failure", ErrCorrupt)
	}
	f := &remoteFailure{text: string(b[1:])}
	switch failCode(b[0]) {
	case failProducer:
		f.kind = ErrProducerFailed
	case failNotFound:
		f.kind = ErrPartitionNotFound
	}
	return f
}
