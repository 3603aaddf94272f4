package task

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"

	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/graph"
	"goflink/operator"
	"goflink/runtime/dataplane"
)

// restoreChannels gives the gates the channel state of the checkpoint that the task begins with:
// what was in flight to this task, on either side of its edges. It comes before anything new.
func (t *Task) restoreChannels() error {
	if t.o.Restore == nil || len(t.gates) == 0 {
		return nil
	}
	for _, h := range t.chain.nodes[0].rt.restore.InputChannels {
		if h.Edge < 0 || h.Edge >= len(t.gates) {
			return fmt.Errorf("the checkpoint has channel state of input %d; the task has %d "+
				"inputs",
				h.Edge, len(t.gates))
		}
		b, err := readBlob(t, h.Contents)
		if err != nil {
			return fmt.Errorf("channel state of input %d: %w", h.Edge, err)
		}
		g := &t.gates[h.Edge]
		switch {
		case h.Filter:
			b, err = t.filterState(h.Edge, b)
		case h.RecordsOnly:
			b, err = t.recordsOf(h.Edge, b)
		}
		if err != nil {
			return fmt.Errorf("channel state of input %d: %w", h.Edge, err)
		}
		g.gate.Restore(min(h.Channel, g.gate.Channels()-1), b)
	}
	return nil
}

// recordsOf keeps the records of encoded channel state.
func (t *Task) recordsOf(edge int, state []byte) (kept []byte, err error) {
	code, err := t.edgeCode(edge)
	if err != nil {
		return nil, err
	}
	err = dataplane.ReadState(code.Type, state, func(e stream.Element) (err error) {
		if e.Kind == stream.KindBatch {
			defer e.Batch.Release()
			kept, err = dataplane.AppendRecords(kept, e.Batch, 0, e.Batch.Len())
		}
		return err
	})
	return kept, err
}

// edgeCode is the code of the edge that leads to a gate.
func (t *Task) edgeCode(edge int) (graph.EdgeCode, error) {
	code, ok := t.o.Code.Edges[t.o.Vertex.Inputs[edge].StreamEdge]
	if !ok {
		return code, fmt.Errorf("the program has no code for it")
	}
	return code, nil
}

// filterState keeps the records of encoded channel state that the edge's router sends to this
// subtask: the router of the edge is given all, and one of its channels is kept.
func (t *Task) filterState(edge int, state []byte) ([]byte, error) {
	code, err := t.edgeCode(edge)
	if err != nil {
		return nil, err
	}
	w := &keptChannel{channels: t.o.Info.Parallelism, keep: t.o.Info.Subtask}
	r, err := code.Router(w, operator.RouterOptions{MaxParallelism: t.o.Info.MaxParallelism})
	if err != nil {
		return nil, err
	}
	err = dataplane.ReadState(code.Type, state, func(e stream.Element) error {
		if e.Kind != stream.KindBatch {
			return nil
		}
		defer e.Batch.Release()
		return e.Batch.Deliver(r, 0, e.Batch.Len())
	})
	if err == nil {
		err = r.Flush(true)
	}
	return w.state, err
}

// keptChannel is a partition of which one channel is kept, encoded.
type keptChannel struct {
	channels, keep int
	state          []byte
}

func (w *keptChannel) Channels() int { return w.channels }

func (w *keptChannel) Put(channel int, b stream.Carrier) (err error) {
	defer b.Release()
	if channel == w.keep {
		w.state, err = dataplane.AppendRecords(w.state, b, 0, b.Len())
	}
	return err
}

func (w *keptChannel) Broadcast(stream.Element) error { return nil }
func (w *keptChannel) Hungry(int) bool                { return false }

func readBlob(t *Task, b statebackend.Blob) ([]byte, error) {
	r, err := t.o.Storage.Reader().Open(t.ctx, b)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func sortedKeys(m map[channelKey][]byte) []channelKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b channelKey) int {
		return cmp.Or(cmp.Compare(a.edge, b.edge), cmp.Compare(a.channel, b.channel))
	})
}
