package minicluster_test

import (
	"fmt"
	"math"
	"sync"

	"goflink/core/state"
	"goflink/core/stream"
	"goflink/operator"
)

// store is an external system with transactions: what is written in one shows once it is
// committed. It outlives workers and jobs. It is safe for concurrent use.
type store struct {
	mu   sync.Mutex
	txns map[string]*txn
	// faults are calls that no sink must make.
	faults []error
}

type txn struct {
	sink int
	// checkpoint is the one that the transaction was prepared for, 0 before.
	checkpoint uint64
	recs       []rec
	committed  bool
}

func newStore() *store { return &store{txns: map[string]*txn{}} }

func (s *store) begin(name string, sink int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.txns[name] != nil {
		s.faults = append(s.faults, fmt.Errorf("transaction %s is begun twice", name))
	}
	s.txns[name] = &txn{sink: sink}
}

func (s *store) write(name string, rs []rec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.txns[name]
	if t.checkpoint != 0 {
		s.faults = append(s.faults, fmt.Errorf("%s is written to after it was prepared", name))
	}
	t.recs = append(t.recs, rs...)
}

func (s *store) prepare(name string, checkpoint uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.txns[name].checkpoint = checkpoint
}

// commit makes a prepared transaction visible; again is no error.
func (s *store) commit(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.txns[name]
	if t == nil || t.checkpoint == 0 {
		err := fmt.Errorf("transaction %s is committed, but was never prepared", name)
		s.faults = append(s.faults, err)
		return err
	}
	t.committed = true
	return nil
}

// rewind brings the store back to what it was when a checkpoint was complete.
func (s *store) rewind(checkpoint uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, t := range s.txns {
		switch {
		case t.checkpoint == 0:
			delete(s.txns, name)
		case t.checkpoint > checkpoint:
			delete(s.txns, name)
		}
	}
}

// content is what shows of a sink.
func (s *store) content(sink int) (out []rec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.txns {
		if t.sink == sink && t.committed {
			out = append(out, t.recs...)
		}
	}
	return out
}

// uncommitted lists the transactions of a leg that were prepared for a checkpoint and do not show.
func (s *store) uncommitted(checkpoint uint64) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, t := range s.txns {
		if t.checkpoint == checkpoint && !t.committed {
			names = append(names, name)
		}
	}
	return names
}

// storeSink returns the factory of a sink like o, which writes to its store with two-phase commit
// (R100).
func storeSink(o storing) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		sink := o
		return &sink, nil
	})
}

type storing struct {
	store     *store
	sink, leg int
	// atEnd says that no checkpoint comes at the end: what is left is committed then.
	atEnd bool
	touch func()
	info  operator.Info
	list  state.OperatorList[prepared]
	// open is the transaction that records go to, empty if there is none; pending are prepared.
	open    string
	pending []prepared
	begun   int
}

type prepared struct {
	Name       string
	Checkpoint uint64
}

var (
	_ operator.Snapshotter        = (*storing)(nil)
	_ operator.CheckpointListener = (*storing)(nil)
	_ operator.FinalCheckpointer  = (*storing)(nil)
	_ stream.Receiver[rec]        = (*storing)(nil)
)

// Open commits what the restored checkpoint had prepared.
func (o *storing) Open(rt operator.Runtime) (err error) {
	o.info = rt.Info()
	o.list, err = state.OpenOperatorList(rt.OperatorState(), state.ListOf[prepared]("prepared"))
	if err != nil {
		return err
	}
	for _, p := range o.list.Get() {
		if err := o.store.commit(p.Name); err != nil {
			return err
		}
	}
	o.list.Put(nil)
	return nil
}

func (o *storing) Input(int) any { return o }

func (o *storing) Batch(b *stream.Batch[rec]) error {
	if o.open == "" {
		o.open = fmt.Sprintf("%d/%d/%s/%d", o.leg, o.sink, o.info.Attempt, o.begun)
		o.begun++
		o.store.begin(o.open, o.sink)
	}
	for range b.Values {
		o.touch()
	}
	o.store.write(o.open, b.Values)
	return nil
}

func (o *storing) Watermark(int64) error              { return nil }
func (o *storing) Status(stream.Status) error         { return nil }
func (o *storing) Latency(stream.LatencyMarker) error { return nil }

// Snapshot prepares the open transaction.
func (o *storing) Snapshot(cp operator.Checkpoint) error {
	if o.open != "" {
		o.store.prepare(o.open, cp.ID)
		o.pending = append(o.pending, prepared{o.open, cp.ID})
		o.open = ""
	}
	o.list.Put(append([]prepared(nil), o.pending...))
	return nil
}

// CheckpointComplete commits what was prepared for the checkpoint and those before.
func (o *storing) CheckpointComplete(checkpoint uint64) error {
	var later []prepared
	for _, p := range o.pending {
		if p.Checkpoint > checkpoint {
			later = append(later, p)
		} else if err := o.store.commit(p.Name); err != nil {
			return err
		}
	}
	o.pending = later
	return nil
}

func (o *storing) CheckpointAborted(uint64) error { return nil }
func (o *storing) NeedsFinalCheckpoint() bool     { return o.open != "" || len(o.pending) > 0 }

// Finish commits everything if no checkpoint does: what was open counts as of one that is later
// than any.
func (o *storing) Finish() error {
	if !o.atEnd {
		return nil
	}
	if o.open != "" {
		o.store.prepare(o.open, math.MaxUint64)
		o.pending = append(o.pending, prepared{o.open, math.MaxUint64})
		o.open = ""
	}
	return o.CheckpointComplete(math.MaxUint64)
}

func (o *storing) Close() error { return nil }
