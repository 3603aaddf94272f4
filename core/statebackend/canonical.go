package statebackend

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"goflink/core/keygroup"
)

// The canonical format (FormatCanonical) holds the keyed state of one operator instance so that
// every backend, at any parallelism, can read it:
//
//	file    = magic, header length (4 bytes little endian), header (JSON), CRC, block of each group
//	block   = section …, 0, key group (uvarint)
//	section = 1 + number of the state (uvarint), number of entries (uvarint),
//	          length of the entries in bytes (uvarint), entry …, CRC
//	entry   = flags, [namespace], [key], [map key], value
//
// Byte strings have their length before them as uvarint. The flags say that the namespace or the
// key is that of the entry before; the first entry of a section has both, so that a section can
// be copied as it is. A map key is there if the state is mapped. A CRC is 4 bytes little endian,
// CRC-32C over what lies before it from the magic, or from the section's beginning. The positions
// of the blocks are in the handle (KeyedHandle.Offsets), so that a reader fetches only the key
// groups that it wants.
const canonicalMagic = "goflKS\x00\x01"

const (
	// MaxHeaderBytes bounds the header of a canonical snapshot.
	MaxHeaderBytes = 64 << 20
	// MaxStates bounds the states of one operator.
	MaxStates = 1 << 16
	// sectionBytes is from which size on a section is ended: what a writer holds in memory.
	sectionBytes = 256 << 10
	// readStep is how much memory a reader takes at once for a length that it cannot trust yet.
	readStep = 1 << 20
)

// Flags of an entry.
const (
	sameNamespace = 1 << iota
	sameKey
	allFlags = sameNamespace | sameKey
)

// ErrCorrupt is in the chain of errors about snapshots that are truncated or garbled.
var ErrCorrupt = errors.New("corrupt state snapshot")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CRC returns the CRC-32C of b appended to what crc is the checksum of.
func CRC(crc uint32, b []byte) uint32 { return crc32.Update(crc, castagnoli, b) }

// SnapshotHeader begins a canonical snapshot.
type SnapshotHeader struct {
	MaxParallelism int            `json:"maxParallelism"`
	Groups         keygroup.Range `json:"groups"`
	// KeySchema is KeyedOptions.KeySchema.
	KeySchema []byte `json:"keySchema,omitempty"`
	// States are the states, in the order of their numbers.
	States []StateHeader `json:"states"`
}

// Section is a run of entries of one state and key group.
type Section struct {
	// State is the number of the state in the header.
	State int
	// Count is the number of entries.
	Count int
	// Payload are the encoded entries; see Entries.
	Payload []byte
}

// CanonicalWriter writes a canonical snapshot. It is used by one goroutine.
type CanonicalWriter struct {
	w       io.Writer
	h       SnapshotHeader
	at      int64
	offsets []int64
	section Section // being collected
	out     []byte
	prev    struct{ ns, key []byte }
}

// NewCanonicalWriter writes the header of a snapshot to w and returns a writer of its blocks.
func NewCanonicalWriter(w io.Writer, h SnapshotHeader) (*CanonicalWriter, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if len(text) > MaxHeaderBytes || len(h.States) > MaxStates {
		return nil,
			fmt.Errorf("a snapshot of %d states with a header of %d bytes; at most %d states and "+
				"%d bytes are possible", len(h.States), len(text), MaxStates, MaxHeaderBytes)
	}
	out := binary.LittleEndian.AppendUint32([]byte(canonicalMagic), uint32(len(text)))
	out = append(out, text...)
	out = binary.LittleEndian.AppendUint32(out, CRC(0, out))
	c := &CanonicalWriter{w: w, h: h}
	return c, c.write(out)
}

func (c *CanonicalWriter) write(b []byte) error {
	n, err := c.w.Write(b)
	c.at += int64(n)
	return err
}

// BeginGroup begins the block of the next key group: each group of the header's range in its order.
func (c *CanonicalWriter) BeginGroup(group int) error {
	if want := c.h.Groups.First + len(c.offsets); group != want {
		return fmt.Errorf("key group %d is written when it is the turn of %d", group, want)
	}
	if err := c.endGroup(); err != nil {
		return err
	}
	c.offsets = append(c.offsets, c.at)
	return nil
}

// endGroup ends the block of the group before, if there is one.
func (c *CanonicalWriter) endGroup() error {
	if len(c.offsets) == 0 {
		return nil
	}
	if err := c.flush(); err != nil {
		return err
	}
	group := c.h.Groups.First + len(c.offsets) - 1
	return c.write(binary.AppendUvarint(append(c.out[:0], 0), uint64(group)))
}

// Entry adds an entry of a state to the block. Entries may come in any order; those of one state,
// namespace and key are best side by side. Nothing of e is kept.
func (c *CanonicalWriter) Entry(state int, e *Entry) error {
	s := &c.section
	if s.Count > 0 && (s.State != state || len(s.Payload) >= sectionBytes) {
		if err := c.flush(); err != nil {
			return err
		}
	}
	flags := byte(0)
	if s.Count > 0 && string(c.prev.ns) == string(e.Namespace) {
		flags |= sameNamespace
	}
	if s.Count > 0 && string(c.prev.key) == string(e.Key) {
		flags |= sameKey
	}
	b := append(s.Payload, flags)
	if flags&sameNamespace == 0 {
		b = appendBytes(b, e.Namespace)
		c.prev.ns = append(c.prev.ns[:0], e.Namespace...)
	}
	if flags&sameKey == 0 {
		b = appendBytes(b, e.Key)
		c.prev.key = append(c.prev.key[:0], e.Key...)
	}
	if c.h.States[state].Mapped {
		b = appendBytes(b, e.MapKey)
	}
	s.Payload = appendBytes(b, e.Value)
	s.State = state
	s.Count++
	return nil
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// flush writes the section that is being collected.
func (c *CanonicalWriter) flush() error {
	if c.section.Count == 0 {
		return nil
	}
	err := c.writeSection(c.section)
	c.section.Count = 0
	c.section.Payload = c.section.Payload[:0]
	if cap(c.section.Payload) > 4*sectionBytes {
		c.section.Payload = nil // it held a very large value
	}
	return err
}

// Copy adds a section as it is; its State is its number in the header that is being written.
func (c *CanonicalWriter) Copy(s Section) error {
	if err := c.flush(); err != nil {
		return err
	}
	return c.writeSection(s)
}

func (c *CanonicalWriter) writeSection(s Section) error {
	out := binary.AppendUvarint(c.out[:0], uint64(s.State)+1)
	out = binary.AppendUvarint(out, uint64(s.Count))
	out = binary.AppendUvarint(out, uint64(len(s.Payload)))
	crc := CRC(CRC(0, out), s.Payload)
	c.out = out
	if err := c.write(out); err != nil {
		return err
	}
	if err := c.write(s.Payload); err != nil {
		return err
	}
	c.out = binary.LittleEndian.AppendUint32(c.out[:0], crc)
	return c.write(c.out)
}

// Close ends the last block and returns the positions of the blocks. It does not close the
// underlying writer.
func (c *CanonicalWriter) Close() (offsets []int64, err error) {
	if len(c.offsets) != c.h.Groups.Len() {
		return nil, fmt.Errorf("%d of %d key groups were written", len(c.offsets), c.h.Groups.Len())
	}
	if err := c.endGroup(); err != nil {
		return nil, err
	}
	return c.offsets, nil
}
