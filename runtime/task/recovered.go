package task

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"

	"goflink/core/statebackend"
	"goflink/core/stream"
)

// recovered is the channel state of the checkpoint that the task begins with: batches that are fed to
// the head before anything else.
type recovered struct {
	parts []recoveredPart
}

type recoveredPart struct {
	in    *gateInput
	typ   stream.AnyType
	bytes []byte
}

// openRecovered reads the channel state that falls to this task. Handles of the head's inputs are
// those that its attempt before had taken in; the state of a producer's outputs comes as such too:
// the JobMaster hands both to the consumer, in order.
func (t *Task) openRecovered() error {
	if t.o.Restore == nil || len(t.chain.nodes) == 0 {
		return nil
	}
	r := &recovered{}
	for _, h := range t.chain.nodes[0].rt.restore.InputChannels {
		if h.Edge < 0 || h.Edge >= len(t.gates) {
			return fmt.Errorf("the checkpoint has channel state of input %d; the task has %d inputs",
				h.Edge, len(t.gates))
		}
		b, err := readBlob(t, h.Contents)
		if err != nil {
			return fmt.Errorf("channel state of input %d: %w", h.Edge, err)
		}
		code, ok := t.o.Code.Edges[t.o.Vertex.Inputs[h.Edge].StreamEdge]
		if !ok {
			return fmt.Errorf("the program has no code for input %d", h.Edge)
		}
		r.parts = append(r.parts, recoveredPart{in: &t.gates[h.Edge], typ: code.Type, bytes: b})
	}
	if len(r.parts) > 0 {
		t.recover = r
	}
	return nil
}

func readBlob(t *Task, b statebackend.Blob) ([]byte, error) {
	r, err := t.o.Storage.Reader().Open(t.ctx, b)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// feedRecovered feeds the next slice of recovered records.
func (t *Task) feedRecovered() error {
	if t.cur.batch != nil {
		return t.deliver()
	}
	r := t.recover
	for len(r.parts) > 0 && len(r.parts[0].bytes) == 0 {
		r.parts = r.parts[1:]
	}
	if len(r.parts) == 0 {
		t.recover = nil
		return nil
	}
	p := &r.parts[0]
	batch, rest, err := p.typ.Decode(p.bytes)
	if err != nil {
		return fmt.Errorf("channel state: %w", err)
	}
	p.bytes = rest
	if batch.Len() == 0 {
		batch.Release()
		return nil
	}
	t.cur = current{batch: batch, in: p.in}
	return t.deliver()
}

func sortedKeys(m map[channelKey]*channelBytes) []channelKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b channelKey) int {
		return cmp.Or(cmp.Compare(a.edge, b.edge), cmp.Compare(a.channel, b.channel))
	})
}
