package dataplane

import (
	"encoding/binary"
	"errors"
	"fmt"

	"goflink/core/id"
	"goflink/core/stream"
)

// An encoded element is what crosses the network and what channel state consists of: four bytes
// with the length of the rest, one byte with the kind, the body. Numbers are little-endian. Bodies:
//
//	batch           what stream.Carrier.Encode writes
//	watermark       8 bytes
//	status          1 byte
//	latency         8 bytes emission time, 16 bytes source, 4 bytes subtask
//	barrier         8 bytes checkpoint, 8 bytes trigger time, 8 bytes align timeout, 1 byte
//	                alignment, 1 byte savepoint kind, 1 byte full, the rest is the target
//	cancel-barrier  8 bytes checkpoint
//	end-of-input    1 byte drained
const (
	elementPrefix = 4
	elementHeader = elementPrefix + 1
	latencyBytes  = 8 + 16 + 4
	barrierBytes  = 8 + 8 + 8 + 3 // without the target
)

// maxTargetBytes bounds the target directory of a savepoint, as it travels with the barrier.
const maxTargetBytes = 4096

// checkBarrier refuses a barrier that no other process could read.
func checkBarrier(b *stream.Barrier) error {
	if len(b.Target) > maxTargetBytes {
		return fmt.Errorf("barrier of checkpoint %d: the target directory has %d bytes, at most "+
			"%d are allowed: %.100s…", b.Checkpoint, len(b.Target), maxTargetBytes, b.Target)
	}
	return nil
}

// MaxElementBytes bounds one encoded element. Only a single record can come near it: batches are
// bounded by stream.MaxBatchBytes.
const MaxElementBytes = 512 << 20

// ErrCorrupt is in the chain of errors about bytes that are no encoded element or frame.
var ErrCorrupt = errors.New("corrupt exchange data")

// AppendElement appends e, encoded, to dst. On error dst is returned as it was.
func AppendElement(dst []byte, e *stream.Element) ([]byte, error) {
	if e.Kind == stream.KindBatch {
		return AppendRecords(dst, e.Batch, 0, e.Batch.Len())
	}
	mark := len(dst)
	out := append(dst, 0, 0, 0, 0, byte(e.Kind))
	switch e.Kind {
	case stream.KindWatermark, stream.KindCancelBarrier:
		out = binary.LittleEndian.AppendUint64(out, uint64(e.Watermark))
	case stream.KindStatus:
		out = append(out, byte(e.Status))
	case stream.KindLatency:
		out = binary.LittleEndian.AppendUint64(out, uint64(e.Latency.Emitted))
		out = append(out, e.Latency.Source[:]...)
		out = binary.LittleEndian.AppendUint32(out, uint32(e.Latency.Subtask))
	case stream.KindBarrier:
		if err := checkBarrier(e.Barrier); err != nil {
			return dst, err
		}
		out = appendBarrier(out, e.Barrier)
	case stream.KindEndOfInput:
		out = append(out, bit(e.Drained))
	default:
		return dst, fmt.Errorf("encode element: unknown kind %d", e.Kind)
	}
	binary.LittleEndian.PutUint32(out[mark:], uint32(len(out)-mark-elementPrefix))
	return out, nil
}

// AppendRecords appends records [from, to) of a batch as one encoded element. On error dst is
// returned as it was.
func AppendRecords(dst []byte, b stream.Carrier, from, to int) ([]byte, error) {
	mark := len(dst)
	out := append(dst, 0, 0, 0, 0, byte(stream.KindBatch))
	out, err := b.Encode(out, from, to)
	if err != nil {
		return dst, err
	}
	n := len(out) - mark - elementPrefix
	if n > MaxElementBytes {
		return dst, fmt.Errorf("%d records take %d bytes encoded; the limit for what is exchanged "+
			"at once is %d: make the records smaller", to-from, n, MaxElementBytes)
	}
	binary.LittleEndian.PutUint32(out[mark:], uint32(n))
	return out, nil
}

func appendBarrier(dst []byte, b *stream.Barrier) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, b.Checkpoint)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.Triggered))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.AlignTimeout))
	dst = append(dst, byte(b.Alignment), byte(b.Savepoint), bit(b.Full))
	return append(dst, b.Target...)
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// elementSize returns how many bytes the first encoded element of src takes, prefix included.
func elementSize(src []byte) (int, error) {
	if len(src) < elementHeader {
		return 0, fmt.Errorf("element: %w: %d bytes are too few", ErrCorrupt, len(src))
	}
	n := binary.LittleEndian.Uint32(src)
	if n < 1 || n > MaxElementBytes {
		return 0, fmt.Errorf("element: %w: length %d is not in [1, %d]", ErrCorrupt, n,
			MaxElementBytes)
	}
	return elementPrefix + int(n), nil
}

// DecodeElement reads one element from the front of src and returns the bytes behind it. typ
// decodes batches; with a nil typ they are an error. Nothing in the element refers to src.
func DecodeElement(typ stream.AnyType, src []byte) (e stream.Element, rest []byte, err error) {
	size, err := elementSize(src)
	if err != nil {
		return e, src, err
	}
	if size > len(src) {
		return e, src, fmt.Errorf("element: %w: %d bytes, %d are there", ErrCorrupt, size, len(src))
	}
	e.Kind = stream.Kind(src[elementPrefix])
	body := src[elementHeader:size]
	if e.Kind == stream.KindBatch {
		e.Batch, err = decodeBatch(typ, body)
	} else {
		err = decodeControl(&e, body)
	}
	if err != nil {
		return stream.Element{}, src, err
	}
	return e, src[size:], nil
}

func decodeBatch(typ stream.AnyType, body []byte) (stream.Carrier, error) {
	if typ == nil {
		return nil, errors.New("element: a batch came where the record type is not known")
	}
	b, rest, err := typ.Decode(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if len(rest) > 0 {
		b.Release()
		return nil, fmt.Errorf("element: %w: %d bytes follow a batch of %s",
			ErrCorrupt, len(rest), typ.Name())
	}
	return b, nil
}

// controlBytes is the length of the bodies of elements that are no batches; -1 if it varies.
var controlBytes = [...]int{
	stream.KindBatch:         -1,
	stream.KindWatermark:     8,
	stream.KindStatus:        1,
	stream.KindLatency:       latencyBytes,
	stream.KindBarrier:       -1,
	stream.KindCancelBarrier: 8,
	stream.KindEndOfInput:    1,
}

func decodeControl(e *stream.Element, body []byte) error {
	if int(e.Kind) >= len(controlBytes) {
		return fmt.Errorf("element: %w: unknown kind %d", ErrCorrupt, e.Kind)
	}
	if n := controlBytes[e.Kind]; n >= 0 && len(body) != n {
		return fmt.Errorf("element: %w: a %s of %d bytes, not %d",
			ErrCorrupt, e.Kind, len(body), controlBytes[e.Kind])
	}
	switch e.Kind {
	case stream.KindWatermark, stream.KindCancelBarrier:
		e.Watermark = int64(binary.LittleEndian.Uint64(body))
	case stream.KindStatus:
		e.Status = stream.Status(body[0])
		if e.Status > stream.Idle {
			return fmt.Errorf("element: %w: unknown status %d", ErrCorrupt, body[0])
		}
	case stream.KindLatency:
		e.Latency = &stream.LatencyMarker{
			Emitted: int64(binary.LittleEndian.Uint64(body)),
			Source:  id.Operator(body[8:24]),
			Subtask: int32(binary.LittleEndian.Uint32(body[24:])),
		}
	case stream.KindBarrier:
		b, err := decodeBarrier(body)
		if err != nil {
			return err
		}
		e.Barrier = b
	case stream.KindEndOfInput:
		if body[0] > 1 {
			return fmt.Errorf("element: %w: drained is %d", ErrCorrupt, body[0])
		}
		e.Drained = body[0] == 1
	}
	return nil
}

func decodeBarrier(body []byte) (*stream.Barrier, error) {
	if len(body) < barrierBytes || len(body) > barrierBytes+maxTargetBytes {
		return nil, fmt.Errorf("element: %w: barrier of %d bytes, not %d to %d", ErrCorrupt,
			len(body), barrierBytes, barrierBytes+maxTargetBytes)
	}
	b := &stream.Barrier{
		Checkpoint:   binary.LittleEndian.Uint64(body),
		Triggered:    int64(binary.LittleEndian.Uint64(body[8:])),
		AlignTimeout: int64(binary.LittleEndian.Uint64(body[16:])),
		Alignment:    stream.Alignment(body[24]),
		Savepoint:    stream.SavepointKind(body[25]),
		Full:         body[26] == 1,
		Target:       string(body[barrierBytes:]),
	}
	if b.Alignment > stream.Unaligned || b.Savepoint > stream.DrainSavepoint || body[26] > 1 {
		return nil, fmt.Errorf("element: %w: barrier of checkpoint %d with alignment %d, "+
			"savepoint kind %d, full %d", ErrCorrupt, b.Checkpoint, body[24], body[25], body[26])
	}
	return b, nil
}

// inState reports whether elements of kind k become channel state when a barrier overtakes them.
// Records, watermarks and statuses do. Latency markers are of no use after a restore; barriers
// belong to their own checkpoint; and the end of an input is said again by a producer that is
// restored at its end.
func inState(k stream.Kind) bool {
	return k == stream.KindBatch || k == stream.KindWatermark || k == stream.KindStatus
}

// ReadState decodes channel state: it calls f with each element in order, which then owns the
// element's batch.
func ReadState(typ stream.AnyType, state []byte, f func(stream.Element) error) error {
	for n := 0; len(state) > 0; n++ {
		e, rest, err := DecodeElement(typ, state)
		if err == nil && !inState(e.Kind) {
			err = fmt.Errorf("element: %w: a %s is never channel state", ErrCorrupt, e.Kind)
		}
		if err != nil {
			return fmt.Errorf("channel state, element %d: %w", n, err)
		}
		if err := f(e); err != nil {
			return err
		}
		state = rest
	}
	return nil
}
