package statebackend

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"goflink/core/keygroup"
)

// corrupt makes an error about a snapshot.
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrCorrupt, fmt.Errorf(format, args...))
}

// ReadHeader reads the header of a canonical snapshot.
func ReadHeader(r io.Reader) (SnapshotHeader, error) {
	var h SnapshotHeader
	head := make([]byte, len(canonicalMagic)+4)
	if _, err := io.ReadFull(r, head); err != nil {
		return h, truncated("header", err)
	}
	if string(head[:len(canonicalMagic)]) != canonicalMagic {
		return h, corrupt("it begins with %q, not with %q", head[:len(canonicalMagic)],
			canonicalMagic)
	}
	n := binary.LittleEndian.Uint32(head[len(canonicalMagic):])
	if n > MaxHeaderBytes {
		return h, corrupt("a header of %d bytes, at most %d are possible", n, MaxHeaderBytes)
	}
	text, err := readBytes(r, int(n)+4)
	if err != nil {
		return h, truncated("header", err)
	}
	text, sum := text[:n], binary.LittleEndian.Uint32(text[n:])
	if CRC(CRC(0, head), text) != sum {
		return h, corrupt("the checksum of the header does not match")
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, corrupt("header: %w", err)
	}
	g := h.Groups
	if len(h.States) > MaxStates || h.MaxParallelism < 1 || h.MaxParallelism > keygroup.MaxMax ||
		g.First < 0 || g.Last >= h.MaxParallelism {
		return h, corrupt("header: %d states, key groups %v of %d", len(h.States), g,
			h.MaxParallelism)
	}
	return h, nil
}

// truncated makes an error about input that could not be read.
func truncated(what string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return corrupt("truncated %s", what)
	}
	return fmt.Errorf("%s of a state snapshot: %w", what, err)
}

// readBytes reads n bytes, without taking much more memory than there is input.
func readBytes(r io.Reader, n int) ([]byte, error) {
	if n <= readStep {
		b := make([]byte, n)
		_, err := io.ReadFull(r, b)
		return b, err
	}
	var buf bytes.Buffer
	buf.Grow(readStep)
	got, err := io.CopyN(&buf, r, int64(n))
	if err == nil && got < int64(n) {
		err = io.ErrUnexpectedEOF
	}
	return buf.Bytes(), err
}

// BlockReader reads the blocks of consecutive key groups.
type BlockReader struct {
	r      *bufio.Reader
	states int
	group  int // whose block is being read
	last   int
	left   int64
}

// NewBlockReader returns a reader of the blocks of groups, which fill size bytes of r; the
// snapshot has the given number of states.
func NewBlockReader(r io.Reader, states int, groups keygroup.Range, size int64) *BlockReader {
	return &BlockReader{r: bufio.NewReaderSize(io.LimitReader(r, size), 64<<10), states: states,
		group: groups.First, last: groups.Last, left: size}
}

// Next returns the next section, whose memory belongs to the caller, and its key group. At the
// end the error is io.EOF.
func (b *BlockReader) Next() (group int, s Section, err error) {
	for b.group <= b.last {
		crc := uint32(0)
		n, err := b.uvarint(&crc)
		if err != nil {
			return 0, s, truncated(fmt.Sprintf("block of key group %d", b.group), err)
		}
		if n > 0 {
			s, err = b.section(n, crc)
			if err != nil {
				return 0, s, fmt.Errorf("key group %d: %w", b.group, err)
			}
			return b.group, s, nil
		}
		if n, err = b.uvarint(&crc); err != nil {
			return 0, s, truncated(fmt.Sprintf("block of key group %d", b.group), err)
		}
		if n != uint64(b.group) {
			return 0, s, corrupt("the block of key group %d is that of %d", b.group, n)
		}
		b.group++
	}
	if b.left != 0 {
		return 0, s, corrupt("%d bytes are left behind key group %d", b.left, b.last)
	}
	return 0, s, io.EOF
}

// uvarint reads a number and adds its bytes to crc.
func (b *BlockReader) uvarint(crc *uint32) (uint64, error) {
	v := uint64(0)
	for shift := 0; ; shift += 7 {
		c, err := b.r.ReadByte()
		if err != nil {
			return 0, err
		}
		b.left--
		*crc = CRC(*crc, []byte{c})
		if shift == 63 && c > 1 {
			return 0, corrupt("a number of more than 64 bits")
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, nil
		}
	}
}

// section reads a section behind its first number.
func (b *BlockReader) section(state uint64, crc uint32) (s Section, err error) {
	if state > uint64(b.states) {
		return s, corrupt("a section of state %d; there are %d", state-1, b.states)
	}
	count, err := b.uvarint(&crc)
	if err != nil {
		return s, truncated("section", err)
	}
	size, err := b.uvarint(&crc)
	if err != nil {
		return s, truncated("section", err)
	}
	// An entry has at least its flags and the length of its value.
	if b.left < 4 || size > uint64(b.left-4) || count > size/2 || count == 0 ||
		size > math.MaxInt-4 {
		return s, corrupt("a section of %d entries in %d bytes, of which %d are left", count, size,
			b.left)
	}
	payload, err := readBytes(b.r, int(size)+4)
	if err != nil {
		return s, truncated("section", err)
	}
	b.left -= int64(len(payload))
	payload, sum := payload[:size:size], binary.LittleEndian.Uint32(payload[size:])
	if CRC(crc, payload) != sum {
		return s, corrupt("the checksum of a section does not match")
	}
	return Section{State: int(state - 1), Count: int(count), Payload: payload}, nil
}

// Entries calls f with each entry of the section, whose state is mapped or not. The entry is valid
// until f returns; its bytes are those of the section.
func (s Section) Entries(mapped bool, f func(e *Entry) error) error {
	src := s.Payload
	var e Entry
	for i := range s.Count {
		if len(src) == 0 || src[0]&^allFlags != 0 || i == 0 && src[0] != 0 {
			return corrupt("entry %d of %d has no valid flags", i, s.Count)
		}
		flags := src[0]
		src = src[1:]
		var err error
		if flags&sameNamespace == 0 {
			e.Namespace, src, err = cutBytes(src)
		}
		if flags&sameKey == 0 && err == nil {
			e.Key, src, err = cutBytes(src)
		}
		if mapped && err == nil {
			e.MapKey, src, err = cutBytes(src)
		}
		if err == nil {
			e.Value, src, err = cutBytes(src)
		}
		if err != nil {
			return corrupt("entry %d of %d: %w", i, s.Count, err)
		}
		if err := f(&e); err != nil {
			return err
		}
	}
	if len(src) > 0 {
		return corrupt("%d bytes are left behind %d entries", len(src), s.Count)
	}
	return nil
}

// cutBytes reads a byte string.
func cutBytes(src []byte) (b, rest []byte, err error) {
	n, k := binary.Uvarint(src)
	if k <= 0 || n > uint64(len(src)-k) {
		return nil, src, errors.New("truncated byte string")
	}
	end := k + int(n)
	return src[k:end:end], src[end:], nil
}

// ReadKeyed reads the key groups of a canonical handle that lie in want: header is called first,
// then section with each section, whose memory belongs to the callee. It calls nothing if no
// group lies in want. Only the blocks that are wanted are fetched.
func ReadKeyed(ctx context.Context, r BlobReader, h KeyedHandle, want keygroup.Range,
	header func(h *SnapshotHeader) error, section func(group int, s Section) error,
) error {
	meet := h.Range.Intersect(want)
	if meet.Len() == 0 {
		return nil
	}
	if h.Format != FormatCanonical {
		return fmt.Errorf("a state handle of format %q; this backend reads %q: restore with the "+
			"backend that wrote it, or from a canonical savepoint", h.Format, FormatCanonical)
	}
	if err := h.checkOffsets(); err != nil {
		return err
	}
	sh, err := readHeaderOf(ctx, r, h)
	if err != nil {
		return err
	}
	if err := header(&sh); err != nil {
		return err
	}
	first, end := meet.First-h.Range.First, h.Contents.Length
	if i := meet.Last + 1 - h.Range.First; i < len(h.Offsets) {
		end = h.Offsets[i]
	}
	size := end - h.Offsets[first]
	in, err := r.OpenAt(ctx, h.Contents, h.Offsets[first], size)
	if err != nil {
		return err
	}
	blocks := NewBlockReader(in, len(sh.States), meet, size)
	for {
		group, s, err := blocks.Next()
		if err == nil {
			err = section(group, s)
		}
		if err == nil {
			err = ctx.Err()
		}
		if errors.Is(err, io.EOF) {
			return in.Close()
		}
		if err != nil {
			return errors.Join(err, in.Close())
		}
	}
}

func readHeaderOf(ctx context.Context, r BlobReader, h KeyedHandle) (SnapshotHeader, error) {
	in, err := r.OpenAt(ctx, h.Contents, 0, h.Offsets[0])
	if err != nil {
		return SnapshotHeader{}, err
	}
	sh, err := ReadHeader(in)
	if err == nil && sh.Groups != h.Range {
		err = corrupt("the handle is of key groups %v, its contents of %v", h.Range, sh.Groups)
	}
	return sh, errors.Join(err, in.Close())
}

// checkOffsets verifies the positions of the key groups.
func (h *KeyedHandle) checkOffsets() error {
	if len(h.Offsets) != h.Range.Len() {
		return corrupt("%d offsets of %d key groups", len(h.Offsets), h.Range.Len())
	}
	last := int64(0)
	for _, o := range h.Offsets {
		if o < last || o > h.Contents.Length {
			return corrupt("offset %d after %d in %d bytes", o, last, h.Contents.Length)
		}
		last = o
	}
	return nil
}
