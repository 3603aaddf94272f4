package memstate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"goflink/core/statebackend"
	"goflink/core/typeinfo"
)

// rawName is the name of raw operator state among handles.
const rawName = "raw"

// crcBytes is the size of the checksum behind each element.
const crcBytes = 4

// OperatorStore keeps the operator state of one instance in memory. An element is followed by its
// CRC-32C in snapshots, so that parts of them can be verified.
type OperatorStore struct {
	owner
	o        statebackend.OperatorOptions
	states   []*operatorState
	byName   map[string]*operatorState
	restored map[string][]*elements
	order    []string // of restored
	raw      [][]byte
	setRaw   []byte
}

// operatorState is a part that the program opened.
type operatorState struct {
	spec statebackend.ListSpec
	part statebackend.OperatorPart
}

// elements is what one handle holds of a state.
type elements struct {
	mode              statebackend.Redistribution
	schema, keySchema []byte
	elements          [][]byte
}

var _ statebackend.OperatorStore = (*OperatorStore)(nil)

// NewOperatorStore returns a store with what o restores.
func NewOperatorStore(ctx context.Context, o statebackend.OperatorOptions) (*OperatorStore, error) {
	s := &OperatorStore{owner: owner{o.Operator, o.UID}, o: o, byName: map[string]*operatorState{},
		restored: map[string][]*elements{}}
	for _, h := range o.Restore {
		read, err := readElements(ctx, o.Reader, h)
		if err != nil {
			return nil, s.wrap(fmt.Errorf("restore operator state %q: %w", h.Name, err))
		}
		if _, known := s.restored[h.Name]; !known {
			s.order = append(s.order, h.Name)
		}
		s.restored[h.Name] = append(s.restored[h.Name], &elements{h.Mode, h.Schema, h.KeySchema,
			read})
	}
	for _, h := range o.RestoreRaw {
		read, err := readElements(ctx, o.Reader, h)
		if err != nil {
			return nil, s.wrap(fmt.Errorf("restore raw operator state: %w", err))
		}
		s.raw = append(s.raw, read...)
	}
	return s, nil
}

// readElements reads the elements of a handle.
func readElements(ctx context.Context, r statebackend.BlobReader,
	h statebackend.OperatorStateHandle) (
	[][]byte, error,
) {
	n := h.Len()
	if n == 0 {
		return nil, nil
	}
	first, end := h.Offsets[0], h.Offsets[n]
	if first < 0 || end < first || end > h.Contents.Length {
		return nil, fmt.Errorf("%w: elements from %d to %d of %d bytes", statebackend.ErrCorrupt,
			first, end, h.Contents.Length)
	}
	in, err := r.OpenAt(ctx, h.Contents, first, end-first)
	if err != nil {
		return nil, err
	}
	var all bytes.Buffer
	_, err = io.CopyN(&all, in, end-first)
	if err = errors.Join(err, in.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", blobName(h.Contents), err)
	}
	var read [][]byte
	for i := range n {
		from, to := h.Offsets[i]-first, h.Offsets[i+1]-first
		if from < 0 || to-from < crcBytes || to > int64(all.Len()) {
			return nil, fmt.Errorf("%w: element %d from %d to %d", statebackend.ErrCorrupt, i, from,
				to)
		}
		e := all.Bytes()[from : to-crcBytes : to-crcBytes]
		sum := binary.LittleEndian.Uint32(all.Bytes()[to-crcBytes:])
		if statebackend.CRC(0, e) != sum {
			return nil, fmt.Errorf("%w: the checksum of element %d in %s does not match",
				statebackend.ErrCorrupt, i, blobName(h.Contents))
		}
		read = append(read, e)
	}
	return read, nil
}

// Open implements statebackend.Operator.
func (s *OperatorStore) Open(spec statebackend.ListSpec) (statebackend.OperatorPart, error) {
	if open := s.byName[spec.Name]; open != nil {
		if open.spec.Mode != spec.Mode || !open.spec.Schema.Equal(spec.Schema) ||
			!open.spec.KeySchema.Equal(spec.KeySchema) {
			return nil, s.wrap(fmt.Errorf("operator state %q is open already as %v of %v, and "+
				"cannot be %v of %v as well; give one of the two another name", spec.Name,
				open.spec.Mode, open.spec.Schema, spec.Mode, spec.Schema))
		}
		return open.part, nil
	}
	if spec.New == nil {
		return nil, s.wrap(fmt.Errorf("operator state %q: its ListSpec was not made by a "+
			"constructor", spec.Name))
	}
	part := spec.New()
	if s.o.CheckMutation {
		part.Watch()
	}
	for _, e := range s.restored[spec.Name] {
		if err := e.load(&spec, part); err != nil {
			return nil, s.wrap(fmt.Errorf("operator state %q: %w", spec.Name, err))
		}
	}
	delete(s.restored, spec.Name)
	open := &operatorState{spec, part}
	s.states = append(s.states, open)
	s.byName[spec.Name] = open
	return part, nil
}

// load adds restored elements to a part.
func (e *elements) load(spec *statebackend.ListSpec, part statebackend.OperatorPart) error {
	if e.mode != spec.Mode {
		return fmt.Errorf("it was redistributed by %v and is now opened as %v: %w", e.mode,
			spec.Mode, typeinfo.ErrIncompatible)
	}
	schema, err := typeinfo.ParseSnapshot(e.schema)
	if err != nil {
		return fmt.Errorf("its schema: %w", err)
	}
	var keySchema typeinfo.Snapshot
	if len(e.keySchema) > 0 {
		if keySchema, err = typeinfo.ParseSnapshot(e.keySchema); err != nil {
			return fmt.Errorf("the schema of its keys: %w", err)
		}
	}
	return part.Restore(schema, keySchema, e.elements)
}

// Raw implements statebackend.Operator.
func (s *OperatorStore) Raw() [][]byte { return s.raw }

// SetRaw implements statebackend.Operator.
func (s *OperatorStore) SetRaw(b []byte) { s.setRaw = b }

// pendingOperator is a snapshot of operator state that is not written yet.
type pendingOperator struct {
	owner
	req    statebackend.SnapshotRequest
	states []pendingPart
	raw    []byte
}

// pendingPart is a state of a snapshot: frozen, or carried on as it was restored.
type pendingPart struct {
	handle  statebackend.OperatorStateHandle
	frozen  statebackend.FrozenPart
	carried [][]byte
	out     statebackend.BlobWriter
}

var _ statebackend.PendingOperatorSnapshot = (*pendingOperator)(nil)

// Snapshot implements statebackend.OperatorStore.
func (s *OperatorStore) Snapshot(req statebackend.SnapshotRequest) (
	statebackend.PendingOperatorSnapshot, error,
) {
	for _, open := range s.states {
		if !s.o.CheckMutation {
			break
		}
		if err := open.part.Verify(); err != nil {
			return nil, s.wrap(err)
		}
	}
	p := &pendingOperator{owner: s.owner, req: req, raw: s.setRaw}
	for _, open := range s.states {
		h := statebackend.OperatorStateHandle{Name: open.spec.Name, Mode: open.spec.Mode}
		var err error
		if h.Schema, err = json.Marshal(open.spec.Schema); err == nil &&
			!open.spec.KeySchema.IsZero() {
			h.KeySchema, err = json.Marshal(open.spec.KeySchema)
		}
		if err != nil {
			p.Abandon()
			return nil, s.wrap(fmt.Errorf("operator state %q: %w", open.spec.Name, err))
		}
		p.states = append(p.states, pendingPart{handle: h, frozen: open.part.Freeze()})
	}
	for _, name := range s.order {
		for _, e := range s.restored[name] {
			if e.mode == statebackend.Union && s.o.Subtask > 0 {
				continue // all subtasks hold the elements of all: one carries them on
			}
			p.states = append(p.states, pendingPart{carried: e.elements,
				handle: statebackend.OperatorStateHandle{Name: name, Mode: e.mode, Schema: e.schema,
					KeySchema: e.keySchema}})
		}
	}
	return p, nil
}

// Abandon implements statebackend.PendingOperatorSnapshot.
func (p *pendingOperator) Abandon() {
	for i := range p.states {
		if f := p.states[i].frozen; f != nil {
			f.Release()
		}
	}
	p.states = nil
}

// Write implements statebackend.PendingOperatorSnapshot.
func (p *pendingOperator) Write(ctx context.Context) (
	managed, raw []statebackend.OperatorStateHandle, err error,
) {
	defer p.Abandon()
	if p.raw != nil {
		p.states = append(p.states, pendingPart{carried: [][]byte{p.raw},
			handle: statebackend.OperatorStateHandle{Name: rawName}})
	}
	if err = p.write(ctx); err != nil {
		for _, s := range p.states {
			if s.out != nil {
				s.out.Discard()
			}
		}
		return nil, nil, p.wrap(err)
	}
	for i, s := range p.states {
		if p.raw != nil && i == len(p.states)-1 {
			raw = append(raw, s.handle)
		} else {
			managed = append(managed, s.handle)
		}
	}
	return managed, raw, nil
}

// write writes all states and only then makes any of them durable.
func (p *pendingOperator) write(ctx context.Context) error {
	for i := range p.states {
		s := &p.states[i]
		if err := p.writePart(ctx, s); err != nil {
			return fmt.Errorf("operator state %q: %w", s.handle.Name, err)
		}
	}
	for i := range p.states {
		s := &p.states[i]
		var err error
		if s.handle.Contents, err = s.out.Commit(); err != nil {
			return fmt.Errorf("operator state %q: %w", s.handle.Name, err)
		}
	}
	return nil
}

// writePart writes one state into a blob of its own.
func (p *pendingOperator) writePart(ctx context.Context, s *pendingPart) (err error) {
	if s.out, err = p.req.Location.Create(ctx, "operator"); err != nil {
		return err
	}
	buf := bufio.NewWriterSize(s.out, writeBytes)
	at := int64(0)
	s.handle.Offsets = []int64{0}
	element := func(e []byte) error {
		var sum [crcBytes]byte
		binary.LittleEndian.PutUint32(sum[:], statebackend.CRC(0, e))
		at += int64(len(e)) + crcBytes
		s.handle.Offsets = append(s.handle.Offsets, at)
		_, err := buf.Write(e)
		if err == nil {
			_, err = buf.Write(sum[:])
		}
		return errors.Join(err, ctx.Err())
	}
	if s.frozen != nil {
		err = s.frozen.Each(element)
	}
	for i := 0; i < len(s.carried) && err == nil; i++ {
		err = element(s.carried[i])
	}
	if err == nil {
		err = buf.Flush()
	}
	return err
}
