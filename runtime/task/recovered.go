package task

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"

	"goflink/core/statebackend"
)

// restoreChannels gives the gates the channel state of the checkpoint that the task begins with: what
// was in flight to this task, on either side of its edges. It comes before anything new.
func (t *Task) restoreChannels() error {
	if t.o.Restore == nil || len(t.gates) == 0 {
		return nil
	}
	for _, h := range t.chain.nodes[0].rt.restore.InputChannels {
		if h.Edge < 0 || h.Edge >= len(t.gates) {
			return fmt.Errorf("the checkpoint has channel state of input %d; the task has %d inputs",
				h.Edge, len(t.gates))
		}
		b, err := readBlob(t, h.Contents)
		if err != nil {
			return fmt.Errorf("channel state of input %d: %w", h.Edge, err)
		}
		g := &t.gates[h.Edge]
		g.gate.Restore(min(h.Channel, g.gate.Channels()-1), b)
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

func sortedKeys(m map[channelKey][]byte) []channelKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b channelKey) int {
		return cmp.Or(cmp.Compare(a.edge, b.edge), cmp.Compare(a.channel, b.channel))
	})
}
