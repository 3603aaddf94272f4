package memstate

import (
	"bufio"
	"context"

	"goflink/core/statebackend"
	"goflink/core/statetable"
)

// writeBytes is the size of the buffer before a checkpoint's files.
const writeBytes = 128 << 10

// pending is a snapshot of keyed state that is not written yet.
type pending struct {
	owner
	req    statebackend.SnapshotRequest
	header statebackend.SnapshotHeader
	frozen []statetable.Frozen // one for each of the first states of the header
	// carried are the states that the program did not open: the other states of the header.
	carried []*part
}

var _ statebackend.PendingSnapshot = (*pending)(nil)

// Snapshot implements statebackend.Keyed. Every snapshot is complete and in the canonical format.
func (k *keyed) Snapshot(req statebackend.SnapshotRequest) (statebackend.PendingSnapshot, error) {
	if k.closed {
		return nil, k.wrap(errClosed)
	}
	if k.o.CheckMutation {
		for _, s := range k.states {
			if err := s.table.Verify(); err != nil {
				return nil, k.wrap(err)
			}
		}
	}
	p := &pending{owner: k.owner, req: req, header: statebackend.SnapshotHeader{
		MaxParallelism: k.o.MaxParallelism, Groups: k.o.Groups, KeySchema: k.o.KeySchema}}
	now := k.o.Now()
	for _, s := range k.states {
		p.header.States = append(p.header.States, s.header)
		p.frozen = append(p.frozen, s.table.Freeze(now))
	}
	for _, id := range k.order {
		for _, part := range k.restored[id] {
			p.header.States = append(p.header.States, part.header)
			p.carried = append(p.carried, part)
		}
	}
	return p, nil
}

// Abandon implements statebackend.PendingSnapshot.
func (p *pending) Abandon() {
	for _, f := range p.frozen {
		f.Release()
	}
	p.frozen = nil
}

// Write implements statebackend.PendingSnapshot.
func (p *pending) Write(ctx context.Context) (statebackend.KeyedHandle, error) {
	defer p.Abandon()
	h, err := p.write(ctx)
	if err != nil {
		return statebackend.KeyedHandle{}, p.wrap(err)
	}
	return h, nil
}

func (p *pending) write(ctx context.Context) (h statebackend.KeyedHandle, err error) {
	for _, f := range p.frozen {
		if err := f.Sort(p.header.MaxParallelism, p.header.Groups); err != nil {
			return h, err
		}
	}
	out, err := p.req.Location.Create(ctx, "keyed")
	if err != nil {
		return h, err
	}
	buf := bufio.NewWriterSize(out, writeBytes)
	offsets, err := p.writeGroups(ctx, buf)
	if err == nil {
		err = buf.Flush()
	}
	if err != nil {
		out.Discard()
		return h, err
	}
	blob, err := out.Commit()
	if err != nil {
		out.Discard()
		return h, err
	}
	return statebackend.KeyedHandle{Range: p.header.Groups, Format: statebackend.FormatCanonical,
		Contents: blob, Offsets: offsets}, nil
}

// writeGroups writes header and blocks.
func (p *pending) writeGroups(ctx context.Context, buf *bufio.Writer) ([]int64, error) {
	w, err := statebackend.NewCanonicalWriter(buf, p.header)
	if err != nil {
		return nil, err
	}
	next := make([]int, len(p.carried)) // sections of carried that were copied
	for g := p.header.Groups.First; g <= p.header.Groups.Last; g++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := w.BeginGroup(g); err != nil {
			return nil, err
		}
		for state, f := range p.frozen {
			err := f.Each(g, func(e *statebackend.Entry) error { return w.Entry(state, e) })
			if err != nil {
				return nil, err
			}
		}
		for i, c := range p.carried {
			for ; next[i] < len(c.sections) && c.sections[next[i]].group == g; next[i]++ {
				s := c.sections[next[i]].Section
				s.State = len(p.frozen) + i
				if err := w.Copy(s); err != nil {
					return nil, err
				}
			}
		}
	}
	return w.Close()
}
