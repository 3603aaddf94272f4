package operatortest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"goflink/core/keygroup"
	"goflink/core/statebackend"
	"goflink/core/stream"
	"goflink/operator"
)

// Checkpoint is a snapshot of all subtasks. It is pending until Write.
type Checkpoint struct {
	h         *Harness
	id        uint64
	now       int64
	canonical bool
	log       []Event
	pending   []pendingSubtask
	subs      []statebackend.OperatorSnapshot
}

type pendingSubtask struct {
	sub    *subtask
	keyed  statebackend.PendingSnapshot
	states statebackend.PendingOperatorSnapshot
}

// Checkpoint hands all subtasks a barrier and fixes their state. The checkpoint is written by
// Write, before which further steps may be run, as tasks go on while their snapshots are written.
func (h *Harness) Checkpoint() (*Checkpoint, error) { return h.checkpoint(stream.NoSavepoint) }

// Savepoint is Checkpoint in the canonical format.
func (h *Harness) Savepoint() (*Checkpoint, error) { return h.checkpoint(stream.Savepoint) }

func (h *Harness) checkpoint(kind stream.SavepointKind) (*Checkpoint, error) {
	if err := h.Flush(); err != nil {
		return nil, err
	}
	h.last++
	c := &Checkpoint{h: h, id: h.last, now: h.now, canonical: kind != stream.NoSavepoint,
		log: append([]Event(nil), h.log...)}
	for _, s := range h.subs {
		p, err := s.snapshot(c, kind)
		c.pending = append(c.pending, p)
		if err != nil {
			c.Abandon()
			return nil, err
		}
	}
	return c, nil
}

func (s *subtask) snapshot(c *Checkpoint, kind stream.SavepointKind) (
	p pendingSubtask, err error,
) {
	p.sub = s
	if sn, ok := s.op.(operator.Snapshotter); ok {
		err := sn.Snapshot(operator.Checkpoint{ID: c.id, Triggered: time.UnixMilli(c.now),
			Savepoint: kind})
		if err != nil {
			return p, fmt.Errorf("snapshot: %w", err)
		}
	}
	req := statebackend.SnapshotRequest{Checkpoint: c.id, Canonical: c.canonical,
		Location: memory{}}
	if s.rt.keyed != nil {
		if p.keyed, err = s.rt.keyed.Snapshot(req); err != nil {
			return p, err
		}
	}
	if s.rt.states != nil {
		p.states, err = s.rt.states.Snapshot(req)
	}
	return p, err
}

// Write writes the checkpoint and tells the operators that it is complete.
func (c *Checkpoint) Write() error {
	for i, p := range c.pending {
		var out statebackend.OperatorSnapshot
		if p.keyed != nil {
			k, err := p.keyed.Write(context.Background())
			c.pending[i].keyed = nil
			if err != nil {
				return err
			}
			out.Keyed = append(out.Keyed, k)
		}
		if p.states != nil {
			managed, raw, err := p.states.Write(context.Background())
			c.pending[i].states = nil
			if err != nil {
				return err
			}
			out.Operator, out.RawOperator = managed, raw
		}
		c.subs = append(c.subs, out)
	}
	for _, p := range c.pending {
		if p.sub.rt.closed {
			continue
		}
		if p.sub.rt.keyed != nil {
			p.sub.rt.keyed.CheckpointComplete(c.id)
		}
		if l, ok := p.sub.op.(operator.CheckpointListener); ok {
			if err := l.CheckpointComplete(c.id); err != nil {
				return err
			}
		}
	}
	c.pending = nil
	return c.h.runMail()
}

// Abandon gives the checkpoint up and tells the operators so.
func (c *Checkpoint) Abandon() {
	for _, p := range c.pending {
		if p.keyed != nil {
			p.keyed.Abandon()
		}
		if p.states != nil {
			p.states.Abandon()
		}
		if p.sub.rt.closed {
			continue
		}
		if p.sub.rt.keyed != nil {
			p.sub.rt.keyed.CheckpointAborted(c.id)
		}
		if l, ok := p.sub.op.(operator.CheckpointListener); ok {
			if err := l.CheckpointAborted(c.id); err != nil {
				c.h.tb.Errorf("checkpoint aborted: %v", err)
			}
		}
	}
	c.pending = nil
}

// Bytes is the size of the state that was written.
func (c *Checkpoint) Bytes() (n int64) {
	for i := range c.subs {
		n += c.subs[i].Bytes()
	}
	return n
}

// Restore closes the running subtasks without ending them, as a failure does, and starts others
// from the checkpoint, which must have been written. The clock and the log of the outputs go back
// to where they were at the checkpoint.
func (h *Harness) Restore(c *Checkpoint, parallelism int) error {
	if c.subs == nil {
		return errors.New("the checkpoint was not written")
	}
	if err := h.Close(); err != nil {
		return err
	}
	h.mail.mu.Lock()
	h.mail.queue = nil
	h.mail.mu.Unlock()
	h.now, h.log = c.now, append([]Event(nil), c.log...)
	h.restored = c.id
	return h.start(parallelism, c)
}

// deal returns what each of the new subtasks is restored from.
func (h *Harness) deal(parallelism int, c *Checkpoint) ([]statebackend.OperatorSnapshot, error) {
	dealt := make([]statebackend.OperatorSnapshot, parallelism)
	if c == nil {
		return dealt, nil
	}
	var managed, raw [][]statebackend.OperatorStateHandle
	for i := range c.subs {
		managed = append(managed, c.subs[i].Operator)
		raw = append(raw, c.subs[i].RawOperator)
		for p := range dealt {
			groups := keygroup.RangeOf(h.o.MaxParallelism, parallelism, p)
			for _, k := range c.subs[i].Keyed {
				if k.Range.Intersect(groups).Len() > 0 {
					dealt[p].Keyed = append(dealt[p].Keyed, k)
				}
			}
		}
	}
	if h.o.OperatorStates == nil {
		return dealt, nil
	}
	managed, err := statebackend.Redistribute(managed, parallelism)
	if err != nil {
		return nil, err
	}
	if raw, err = statebackend.Redistribute(raw, parallelism); err != nil {
		return nil, err
	}
	for p := range dealt {
		dealt[p].Operator, dealt[p].RawOperator = managed[p], raw[p]
	}
	return dealt, nil
}

// memory is a checkpoint storage whose blobs carry their contents.
type memory struct{}

var (
	_ statebackend.Location   = memory{}
	_ statebackend.BlobReader = memory{}
)

// Create implements statebackend.Location.
func (memory) Create(context.Context, string) (statebackend.BlobWriter, error) {
	return &blobWriter{}, nil
}

type blobWriter struct{ bytes.Buffer }

// Commit implements statebackend.BlobWriter.
func (w *blobWriter) Commit() (statebackend.Blob, error) {
	b := bytes.Clone(w.Bytes())
	return statebackend.Blob{Inline: b, Length: int64(len(b)),
		CRC: crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))}, nil
}

// Discard implements statebackend.BlobWriter.
func (w *blobWriter) Discard() { w.Reset() }

// Open implements statebackend.BlobReader.
func (m memory) Open(ctx context.Context, b statebackend.Blob) (io.ReadCloser, error) {
	return m.OpenAt(ctx, b, 0, b.Length)
}

// OpenAt implements statebackend.BlobReader.
func (memory) OpenAt(_ context.Context, b statebackend.Blob, offset, length int64) (
	io.ReadCloser, error,
) {
	if b.File != "" {
		return nil, fmt.Errorf("blob in file %q, which this storage did not write", b.File)
	}
	if offset < 0 || length < 0 || offset+length > int64(len(b.Inline)) {
		return nil, fmt.Errorf("%d bytes from %d of a blob of %d", length, offset, len(b.Inline))
	}
	return io.NopCloser(bytes.NewReader(b.Inline[offset : offset+length])), nil
}
