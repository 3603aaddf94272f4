package checkpoint

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"goflink/core/id"
	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/graph"
)

// maxParallelism bounds what a metadata file says of parallelisms.
const maxParallelism = keygroup.MaxMax

// Decode reads what Encode wrote. abs, if not nil, is the inverse of Encode's rel. The result keeps
// parts of b. Whatever b holds, Decode returns an error or sound metadata, and takes memory in
// proportion to b.
func Decode(b []byte, abs func(file string) (string, error)) (*Metadata, error) {
	body, err := checkFrame(b)
	if err != nil {
		return nil, err
	}
	if abs == nil {
		abs = func(file string) (string, error) { return file, nil }
	}
	d := &decoder{b: body, abs: abs, growth: maxTextGrowth*len(b) + 1<<20}
	m := d.metadata()
	if d.err == nil && len(d.b) > 0 {
		d.fail("%d bytes are left behind the metadata", len(d.b))
	}
	if d.err == nil {
		d.err = m.check()
	}
	if d.err != nil {
		return nil, d.err
	}
	return m, nil
}

// checkFrame verifies the ends of a metadata file and its checksum, and returns what is between.
func checkFrame(b []byte) (body []byte, err error) {
	head := b[:min(len(b), len(magic))]
	if string(head) != magic[:len(head)] {
		return nil, fmt.Errorf("%w: it begins with %q, not with %q", ErrNotMetadata, head, magic)
	}
	if len(b) < headerBytes {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrTruncated, len(b))
	}
	if v := binary.LittleEndian.Uint32(b[len(magic):]); v != Version {
		return nil, fmt.Errorf("%w: it has version %d, this program reads version %d",
			ErrVersion, v, Version)
	}
	end := len(b) - trailerBytes
	if end < headerBytes || string(b[end:end+len(endMagic)]) != endMagic {
		return nil, fmt.Errorf("%w: it has %d bytes and no end mark", ErrTruncated, len(b))
	}
	if n := binary.LittleEndian.Uint64(b[end+len(endMagic):]); n != uint64(end) {
		return nil, corrupt("it has %d bytes before its end mark, %d were written", end, n)
	}
	sum := binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(b[:len(b)-4], castagnoli) != sum {
		return nil, corrupt("the checksum does not match")
	}
	return b[headerBytes:end], nil
}

// PeekBytes is how much of a metadata file Peek wants to see.
const PeekBytes = headerBytes + 2*binary.MaxVarintLen64 + 16

// Peek reads from the beginning of a metadata file which checkpoint it is, of which leader's epoch
// and job.
func Peek(b []byte) (checkpoint, epoch uint64, job id.Job, err error) {
	if len(b) < headerBytes || string(b[:len(magic)]) != magic ||
		binary.LittleEndian.Uint32(b[len(magic):]) != Version {
		return 0, 0, job, ErrNotMetadata
	}
	d := &decoder{b: b[headerBytes:]}
	checkpoint, epoch = d.uvarint(), d.uvarint()
	d.fixed(job[:])
	return checkpoint, epoch, job, d.err
}

// decoder reads the parts of the format; after an error it returns zero values.
type decoder struct {
	b      []byte
	abs    func(string) (string, error)
	err    error
	texts  []string
	prev   string
	growth int // how many bytes of text may still be made
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = corrupt(format, args...)
		d.b = nil
	}
}

func (d *decoder) raw(n int) []byte {
	if d.err != nil || n > len(d.b) {
		d.fail("%d bytes are wanted where %d are left", n, len(d.b))
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) fixed(into []byte) { copy(into, d.raw(len(into))) }

func (d *decoder) byte() byte {
	if b := d.raw(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) flag() bool {
	b := d.byte()
	if b > 1 {
		d.fail("a flag of %d", b)
	}
	return b == 1
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail("a number is cut off or too large")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail("a number is cut off or too large")
		return 0
	}
	d.b = d.b[n:]
	return v
}

// upTo reads a number of at most limit.
func (d *decoder) upTo(limit int, what string) int {
	v := d.uvarint()
	if v > uint64(limit) {
		d.fail("%s is %d, at most %d is possible", what, v, limit)
		return 0
	}
	return int(v)
}

// list reads the length of a list whose elements take at least size bytes each.
func (d *decoder) list(size int, what string) int {
	n := d.uvarint()
	if n > uint64(len(d.b)/size) {
		d.fail("%d %s in %d bytes", n, what, len(d.b))
		return 0
	}
	return int(n)
}

// bytes returns nil where there are none.
func (d *decoder) bytes() []byte {
	n := d.list(1, "bytes")
	if n == 0 {
		return nil
	}
	return d.raw(n)
}

func (d *decoder) text() string {
	if number := d.uvarint(); number > 0 {
		if number > uint64(len(d.texts)) {
			d.fail("text %d of %d", number, len(d.texts))
			return ""
		}
		return d.texts[number-1]
	}
	shared := d.upTo(len(d.prev), "a shared prefix")
	rest := d.bytes()
	n := shared + len(rest)
	if d.growth -= n; n > MaxTextBytes || d.growth < 0 {
		d.fail("a text of %d bytes", n)
	}
	if d.err != nil {
		return ""
	}
	s := d.prev[:shared] + string(rest)
	d.texts = append(d.texts, s)
	d.prev = s
	return s
}

// schema returns a text as bytes, nil for none.
func (d *decoder) schema() []byte {
	if s := d.text(); s != "" {
		return []byte(s)
	}
	return nil
}

func (d *decoder) metadata() *Metadata {
	m := &Metadata{Checkpoint: d.uvarint(), Epoch: d.uvarint()}
	d.fixed(m.Job[:])
	m.JobName = d.text()
	m.Triggered, m.Completed = d.varint(), d.varint()
	m.Kind = stream.SavepointKind(d.byte())
	m.Full = d.flag()
	m.Vertices = make([]VertexState, d.list(20, "vertices"))
	for i := range m.Vertices {
		d.vertex(&m.Vertices[i])
	}
	if n := d.list(40, "edges"); n > 0 {
		m.Edges = make([]Edge, n)
	}
	for i := range m.Edges {
		d.edge(&m.Edges[i])
	}
	return m
}

func (d *decoder) vertex(v *VertexState) {
	d.fixed(v.ID[:])
	v.Name = d.text()
	v.MaxParallelism = d.upTo(maxParallelism, "a maximal parallelism")
	v.Operators = make([]OperatorInfo, d.list(19, "operators"))
	for i := range v.Operators {
		o := &v.Operators[i]
		d.fixed(o.ID[:])
		o.UID, o.Name = d.text(), d.text()
		if o.Coordinated = d.flag(); !o.Coordinated {
			continue
		}
		there := d.flag()
		if o.Coordinator = d.bytes(); there && o.Coordinator == nil {
			o.Coordinator = []byte{}
		} else if !there && o.Coordinator != nil {
			d.fail("a coordinator without state has %d bytes of it", len(o.Coordinator))
		}
	}
	subtasks := d.list(2, "subtasks")
	if subtasks > maxParallelism {
		d.fail("%d subtasks", subtasks)
		return
	}
	v.Subtasks = make([]SubtaskState, subtasks)
	for i := range v.Subtasks {
		s := &v.Subtasks[i]
		s.Finished = d.flag()
		if !d.flag() {
			continue
		}
		if len(v.Operators) > len(d.b) {
			d.fail("%d operators in %d bytes", len(v.Operators), len(d.b))
			return
		}
		s.Operators = make([]statebackend.OperatorSnapshot, len(v.Operators))
		for j := range s.Operators {
			d.snapshot(&s.Operators[j])
		}
	}
}

func (d *decoder) edge(e *Edge) {
	for _, n := range []*int{&e.Producer, &e.Result, &e.Consumer, &e.Input, &e.ToInput} {
		*n = d.upTo(math.MaxInt32, "an index of an edge")
	}
	d.fixed(e.From[:])
	e.Tag = d.text()
	d.fixed(e.To[:])
	e.Type = d.text()
	e.Partitioning, e.Pattern = graph.Partitioning(d.byte()), graph.Pattern(d.byte())
}

func (d *decoder) snapshot(s *statebackend.OperatorSnapshot) {
	lists := d.byte()
	if lists&^allLists != 0 {
		d.fail("a snapshot with the lists %#x", lists)
	}
	if lists&hasKeyed != 0 {
		s.Keyed = d.keyed()
	}
	if lists&hasOperator != 0 {
		s.Operator = d.operator()
	}
	if lists&hasRawKeyed != 0 {
		s.RawKeyed = d.keyed()
	}
	if lists&hasRawOperator != 0 {
		s.RawOperator = d.operator()
	}
	if lists&hasInputChannels != 0 {
		s.InputChannels = d.channels()
	}
	if lists&hasOutputChannels != 0 {
		s.OutputChannels = d.channels()
	}
}

func (d *decoder) keyed() []statebackend.KeyedHandle {
	hs := make([]statebackend.KeyedHandle, d.list(11, "keyed states"))
	for i := range hs {
		h := &hs[i]
		first := d.upTo(maxParallelism, "a key group")
		n := d.upTo(maxParallelism-first, "a number of key groups")
		h.Range = keygroup.Range{First: first, Last: first + n - 1}
		h.Format = d.text()
		d.blob(&h.Contents)
		h.Offsets = d.offsets()
		h.Private = d.bytes()
	}
	return hs
}

func (d *decoder) operator() []statebackend.OperatorStateHandle {
	hs := make([]statebackend.OperatorStateHandle, d.list(11, "operator states"))
	for i := range hs {
		h := &hs[i]
		h.Name = d.text()
		if h.Mode = statebackend.Redistribution(d.byte()); h.Mode > statebackend.Broadcast {
			d.fail("operator state %q has the redistribution %d", h.Name, uint8(h.Mode))
		}
		h.Schema, h.KeySchema = d.schema(), d.schema()
		d.blob(&h.Contents)
		h.Offsets = d.offsets()
	}
	return hs
}

func (d *decoder) channels() []statebackend.ChannelHandle {
	hs := make([]statebackend.ChannelHandle, d.list(8, "channel states"))
	for i := range hs {
		hs[i].Edge = d.upTo(math.MaxInt32, "an index of an edge")
		hs[i].Channel = d.upTo(maxParallelism, "an index of a channel")
		d.blob(&hs[i].Contents)
	}
	return hs
}

func (d *decoder) offsets() []int64 {
	n := d.list(1, "offsets")
	if n == 0 {
		return nil
	}
	offsets := make([]int64, n)
	last := int64(0)
	for i := range offsets {
		last += d.varint()
		offsets[i] = last
	}
	return offsets
}

func (d *decoder) blob(b *statebackend.Blob) {
	bits := d.byte()
	if bits&^allBlobBits != 0 {
		d.fail("a blob with the bits %#x", bits)
	}
	b.Exclusive = bits&blobExclusive != 0
	if bits&blobInFile == 0 {
		b.Inline = d.bytes()
		b.Length = int64(len(b.Inline))
	} else {
		b.File = d.text()
		b.Offset = int64(d.upTo(math.MaxInt64, "an offset"))
		b.Length = int64(d.upTo(int(math.MaxInt64-b.Offset), "a length"))
		d.file(b)
	}
	if sum := d.raw(4); sum != nil {
		b.CRC = binary.LittleEndian.Uint32(sum)
	}
}

// file completes the path of a blob's file.
func (d *decoder) file(b *statebackend.Blob) {
	if d.err != nil {
		return
	}
	if b.File == "" {
		d.fail("a file without a name")
		return
	}
	var err error
	if b.File, err = d.abs(b.File); err != nil {
		d.fail("state file: %w", err)
	}
}

// check verifies what the parts say of each other.
func (m *Metadata) check() error {
	if m.Checkpoint == 0 || m.Kind > stream.DrainSavepoint {
		return corrupt("checkpoint %d of kind %d", m.Checkpoint, m.Kind)
	}
	seen := map[id.Operator]bool{}
	for i := range m.Vertices {
		v := &m.Vertices[i]
		if len(v.Operators) == 0 || len(v.Subtasks) == 0 || v.MaxParallelism < len(v.Subtasks) {
			return corrupt("vertex %q has %d operators and %d of at most %d subtasks", v.Name,
				len(v.Operators), len(v.Subtasks), v.MaxParallelism)
		}
		for j := range v.Operators {
			if seen[v.Operators[j].ID] {
				return corrupt("operator %s is there twice", v.Operators[j].describe())
			}
			seen[v.Operators[j].ID] = true
		}
	}
	for i := range m.Edges {
		e := &m.Edges[i]
		if e.Producer >= len(m.Vertices) || e.Consumer >= len(m.Vertices) {
			return corrupt("edge %d joins vertices %d and %d of %d", i, e.Producer, e.Consumer,
				len(m.Vertices))
		}
		if e.Partitioning > graph.Custom || e.Pattern > graph.AllToAll {
			return corrupt("edge %d has the partitioning %d and the pattern %d", i,
				uint8(e.Partitioning), uint8(e.Pattern))
		}
	}
	return nil
}
