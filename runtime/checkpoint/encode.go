package checkpoint

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"goflink/core/statebackend"
)

// Encode writes a checkpoint's metadata file. rel, if not nil, shortens the paths of state files,
// as to names relative to the metadata's directory; Decode gets the inverse. It writes in one pass
// and holds no copy of the state.
func Encode(w io.Writer, m *Metadata, rel func(file string) string) error {
	if rel == nil {
		rel = func(file string) string { return file }
	}
	e := &encoder{w: bufio.NewWriterSize(w, 64<<10), rel: rel, texts: map[string]uint64{}}
	e.raw([]byte(magic))
	e.raw(binary.LittleEndian.AppendUint32(nil, Version))
	e.metadata(m)
	end := binary.LittleEndian.AppendUint64([]byte(endMagic), uint64(e.n))
	e.raw(end)
	e.raw(binary.LittleEndian.AppendUint32(nil, e.crc))
	if e.err != nil {
		return e.err
	}
	return e.w.Flush()
}

// encoder writes the parts of the format; after an error it does nothing.
type encoder struct {
	w     *bufio.Writer
	rel   func(string) string
	crc   uint32
	n     int64
	err   error
	texts map[string]uint64
	prev  string
	buf   []byte
}

func (e *encoder) raw(b []byte) {
	if e.err != nil {
		return
	}
	e.crc = crc32.Update(e.crc, castagnoli, b)
	e.n += int64(len(b))
	_, e.err = e.w.Write(b)
}

func (e *encoder) uvarint(v uint64) {
	e.buf = binary.AppendUvarint(e.buf[:0], v)
	e.raw(e.buf)
}

func (e *encoder) varint(v int64) {
	e.buf = binary.AppendVarint(e.buf[:0], v)
	e.raw(e.buf)
}

// count writes a number that cannot be negative.
func (e *encoder) count(v int) {
	if v < 0 && e.err == nil {
		e.err = fmt.Errorf("checkpoint metadata: %d where no negative number can be", v)
	}
	e.uvarint(uint64(v))
}

func (e *encoder) flag(v bool) {
	b := byte(0)
	if v {
		b = 1
	}
	e.raw([]byte{b})
}

func (e *encoder) bytes(b []byte) {
	e.count(len(b))
	e.raw(b)
}

func (e *encoder) text(s string) {
	if number, known := e.texts[s]; known {
		e.uvarint(number)
		return
	}
	if len(s) > MaxTextBytes && e.err == nil {
		e.err = fmt.Errorf("checkpoint metadata: a name, schema or path of %d bytes; at most %d "+
			"are possible: %.100q", len(s), MaxTextBytes, s)
	}
	e.uvarint(0)
	shared := sharedPrefix(e.prev, s)
	e.count(shared)
	e.bytes([]byte(s[shared:]))
	e.texts[s] = uint64(len(e.texts)) + 1
	e.prev = s
}

func sharedPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func (e *encoder) metadata(m *Metadata) {
	e.uvarint(m.Checkpoint)
	e.uvarint(m.Epoch)
	e.raw(m.Job[:])
	e.text(m.JobName)
	e.varint(m.Triggered)
	e.varint(m.Completed)
	e.raw([]byte{byte(m.Kind)})
	e.flag(m.Full)
	e.count(len(m.Vertices))
	for i := range m.Vertices {
		e.vertex(&m.Vertices[i])
	}
	e.count(len(m.Edges))
	for i := range m.Edges {
		e.edge(&m.Edges[i])
	}
}

func (e *encoder) vertex(v *VertexState) {
	e.raw(v.ID[:])
	e.text(v.Name)
	e.count(v.MaxParallelism)
	e.count(len(v.Operators))
	for i := range v.Operators {
		o := &v.Operators[i]
		e.raw(o.ID[:])
		e.text(o.UID)
		e.text(o.Name)
		e.flag(o.Coordinated)
		if o.Coordinated {
			e.flag(o.Coordinator != nil)
			e.bytes(o.Coordinator)
		}
	}
	e.count(len(v.Subtasks))
	for i := range v.Subtasks {
		s := &v.Subtasks[i]
		e.flag(s.Finished)
		e.flag(s.Operators != nil)
		if s.Operators == nil {
			continue
		}
		if len(s.Operators) != len(v.Operators) && e.err == nil {
			e.err = fmt.Errorf("checkpoint metadata: vertex %q has %d operators, its subtask %d "+
				"has snapshots of %d", v.Name, len(v.Operators), i, len(s.Operators))
		}
		for j := range s.Operators {
			e.snapshot(&s.Operators[j])
		}
	}
}

func (e *encoder) edge(d *Edge) {
	for _, n := range []int{d.Producer, d.Result, d.Consumer, d.Input, d.ToInput} {
		e.count(n)
	}
	e.raw(d.From[:])
	e.text(d.Tag)
	e.raw(d.To[:])
	e.text(d.Type)
	e.raw([]byte{byte(d.Partitioning), byte(d.Pattern)})
}

func (e *encoder) snapshot(s *statebackend.OperatorSnapshot) {
	lists := 0
	for i, n := range []int{len(s.Keyed), len(s.Operator), len(s.RawKeyed), len(s.RawOperator),
		len(s.InputChannels), len(s.OutputChannels)} {
		if n > 0 {
			lists |= 1 << i
		}
	}
	e.raw([]byte{byte(lists)})
	e.keyed(s.Keyed)
	e.operator(s.Operator)
	e.keyed(s.RawKeyed)
	e.operator(s.RawOperator)
	e.channels(s.InputChannels)
	e.channels(s.OutputChannels)
}

func (e *encoder) keyed(hs []statebackend.KeyedHandle) {
	if len(hs) == 0 {
		return
	}
	e.count(len(hs))
	for i := range hs {
		h := &hs[i]
		e.count(h.Range.First)
		e.count(h.Range.Len())
		e.text(h.Format)
		e.blob(&h.Contents)
		e.offsets(h.Offsets)
		e.bytes(h.Private)
	}
}

func (e *encoder) operator(hs []statebackend.OperatorStateHandle) {
	if len(hs) == 0 {
		return
	}
	e.count(len(hs))
	for i := range hs {
		h := &hs[i]
		e.text(h.Name)
		e.raw([]byte{byte(h.Mode)})
		e.text(string(h.Schema))
		e.text(string(h.KeySchema))
		e.blob(&h.Contents)
		e.offsets(h.Offsets)
	}
}

func (e *encoder) channels(hs []statebackend.ChannelHandle) {
	if len(hs) == 0 {
		return
	}
	e.count(len(hs))
	for i := range hs {
		e.count(hs[i].Edge)
		e.count(hs[i].Channel)
		e.blob(&hs[i].Contents)
	}
}

func (e *encoder) offsets(offsets []int64) {
	e.count(len(offsets))
	last := int64(0)
	for _, o := range offsets {
		e.varint(o - last)
		last = o
	}
}

func (e *encoder) blob(b *statebackend.Blob) {
	bits := byte(0)
	if b.File != "" {
		bits |= blobInFile
	}
	if b.Exclusive {
		bits |= blobExclusive
	}
	e.raw([]byte{bits})
	if b.File == "" {
		e.bytes(b.Inline)
	} else {
		e.text(e.rel(b.File))
		e.count(int(b.Offset))
		e.count(int(b.Length))
	}
	e.raw(binary.LittleEndian.AppendUint32(nil, b.CRC))
}
