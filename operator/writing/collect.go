package writing

import (
	"fmt"

	"goflink/core/config"
	"goflink/core/state"
	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/operator"
)

// Collect returns the factory of a sink whose records a client fetches from its coordinator
// (CollectCoordinator). It must have the parallelism 1.
//
// With checkpoints each record comes once: it is part of the sink's state until the checkpoint that
// holds it is complete; then it goes to the coordinator, and is kept in the state until it is in a
// complete checkpoint of the coordinator. Without checkpoints records go at once.
func Collect[T any](typ *typeinfo.Type[T]) operator.Factory {
	return collectWithin(typ, collectLimits{held: MaxCollectBytes, window: CollectWindowBytes,
		page: CollectPageBytes, record: MaxCollectRecordBytes})
}

// collectLimits are the limits of a collecting sink, in bytes.
type collectLimits struct{ held, window, page, record int }

func collectWithin[T any](typ *typeinfo.Type[T], l collectLimits) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		return &collectOp[T]{typ: typ, limits: l}, nil
	})
}

type collectOp[T any] struct {
	operator.Forward
	typ    *typeinfo.Type[T]
	limits collectLimits
	rt     operator.Runtime
	// eager says that there are no checkpoints to wait for; final that one comes after the end.
	eager, final bool

	// pages are sealed: the first sent of them were sent, the first due may be. open takes records.
	pages     []collectPage
	sent, due int
	open      collectPage
	// marks say which pages belong to which checkpoint.
	marks []collectMark
	// bytes is the size of pages, taken what the client has.
	bytes int
	taken uint64
	// waiting are the pages that were sent and that the client does not have, as far as the sink
	// knows.
	waiting []sentPage
	// ending says that the job comes to its end: what is due goes at once.
	ending bool

	pageState  state.OperatorList[collectPage]
	firstState state.OperatorList[uint64]
}

// sentPage is the end and the size of a page.
type sentPage struct {
	end   uint64
	bytes int
}

// collectMark says that a checkpoint holds the records before end.
type collectMark struct {
	checkpoint uint64
	end        uint64
}

var (
	collectPages = state.ListOf[collectPage]("pages")
	collectFirst = state.ListOf[uint64]("first")
)

func _[T any](v *collectOp[T]) {
	var _ operator.Operator = v
	var _ operator.Snapshotter = v
	var _ operator.CheckpointListener = v
	var _ operator.FinalCheckpointer = v
	var _ operator.CoordinatorClient = v
	var _ operator.Throttled = v
}

func (o *collectOp[T]) Open(rt operator.Runtime) (err error) {
	o.rt = rt
	if n := rt.Info().Parallelism; n != 1 {
		return fmt.Errorf("results are collected by one subtask, but there are %d", n)
	}
	settings, err := config.ResolveCheckpointing(rt.Config())
	if err != nil {
		return err
	}
	o.eager, o.final = !settings.Enabled, settings.Enabled && settings.AfterTasksFinish
	if o.pageState, err = state.OpenOperatorList(rt.OperatorState(), collectPages); err != nil {
		return err
	}
	if o.firstState, err = state.OpenOperatorList(rt.OperatorState(), collectFirst); err != nil {
		return err
	}
	for _, n := range o.firstState.Get() {
		o.open.First = max(o.open.First, n)
	}
	for _, p := range o.pageState.Get() {
		o.pages = append(o.pages, p)
		o.bytes += len(p.Data)
		o.open.First = max(o.open.First, p.end())
	}
	o.due = len(o.pages) // the checkpoint that they are from is complete
	if o.eager {
		begin := o.open.First
		if len(o.pages) > 0 {
			begin = o.pages[0].First
		}
		if err := o.tell(collectEvent{Begins: true, Begin: begin}); err != nil {
			return err
		}
	}
	return o.send(true)
}

func (o *collectOp[T]) tell(e collectEvent) error {
	b, err := marshal(eventType, e)
	if err != nil {
		return err
	}
	return o.rt.SendToCoordinator(b)
}

func (o *collectOp[T]) Input(int) any { return o }

// Ready is false while results could go but the client has not fetched those before.
func (o *collectOp[T]) Ready() bool { return o.sent == o.due }

func (o *collectOp[T]) Batch(b *stream.Batch[T]) error {
	for i := range b.Values {
		had := len(o.open.Data)
		var err error
		if o.open.Data, err = o.typ.Append(o.open.Data, &b.Values[i]); err != nil {
			return fmt.Errorf("collect: %w", err)
		}
		if n := len(o.open.Data) - had; n > o.limits.record {
			return fmt.Errorf("collect: a record takes %d bytes; at most %d are possible", n,
				o.limits.record)
		}
		o.open.Count++
		if len(o.open.Data) >= o.limits.page || o.open.Count >= maxPageRecords {
			o.seal()
		}
	}
	if o.eager {
		o.seal()
		o.due = len(o.pages)
		return o.send(false)
	}
	if o.bytes > o.limits.held {
		return fmt.Errorf("collect: there are more than %d bytes of results for one checkpoint; "+
			"take checkpoints more often (%s), or write the results to files", o.limits.held,
			config.CheckpointingInterval.Key)
	}
	return nil
}

// seal ends the open page.
func (o *collectOp[T]) seal() {
	if o.open.Count == 0 {
		return
	}
	o.pages = append(o.pages, o.open)
	o.bytes += len(o.open.Data)
	o.open = collectPage{First: o.open.end()}
}

// send sends the pages that may go: all of them, or as far as the client has fetched those before.
func (o *collectOp[T]) send(all bool) error {
	waiting, kept := 0, o.waiting[:0]
	for _, p := range o.waiting {
		if p.end > o.taken {
			kept = append(kept, p)
			waiting += p.bytes
		}
	}
	o.waiting = kept
	for o.sent < o.due && (waiting < o.limits.window || all) {
		p := o.pages[o.sent]
		if err := o.tell(collectEvent{Page: p}); err != nil {
			return err
		}
		o.waiting = append(o.waiting, sentPage{p.end(), len(p.Data)})
		waiting += len(p.Data)
		o.sent++
	}
	return nil
}

// forget drops the pages before a record: nobody will ask for them again.
func (o *collectOp[T]) forget(before uint64) {
	n := 0
	for n < o.sent && o.pages[n].end() <= before {
		o.bytes -= len(o.pages[n].Data)
		n++
	}
	o.pages = append([]collectPage(nil), o.pages[n:]...)
	o.sent, o.due = o.sent-n, o.due-n
}

// CoordinatorEvent hears what the client has taken and what is safe.
func (o *collectOp[T]) CoordinatorEvent(event []byte) error {
	e, err := unmarshal(orderType, event)
	if err != nil {
		return err
	}
	o.taken = max(o.taken, e.Taken)
	if err := o.send(o.ending); err != nil {
		return err
	}
	if o.eager {
		o.forget(o.taken)
	} else {
		o.forget(e.Safe)
	}
	o.rt.Wake()
	return nil
}

// Snapshot writes the pages into the state.
func (o *collectOp[T]) Snapshot(cp operator.Checkpoint) error {
	o.seal()
	o.pageState.Put(o.pages)
	o.firstState.Put([]uint64{o.open.First})
	o.marks = append(o.marks, collectMark{cp.ID, o.open.First})
	o.ending = o.ending || cp.Savepoint.Stops()
	return nil
}

// CheckpointComplete hands over what the checkpoint holds.
func (o *collectOp[T]) CheckpointComplete(checkpoint uint64) error {
	end, kept := uint64(0), o.marks[:0]
	for _, m := range o.marks {
		if m.checkpoint <= checkpoint {
			end = max(end, m.end)
		} else {
			kept = append(kept, m)
		}
	}
	o.marks = kept
	for o.due < len(o.pages) && o.pages[o.due].end() <= end {
		o.due++
	}
	return o.send(o.ending)
}

// CheckpointAborted does nothing: the next checkpoint holds the same.
func (o *collectOp[T]) CheckpointAborted(uint64) error { return nil }

// Finish lets everything go; with checkpoints when the last one is complete.
func (o *collectOp[T]) Finish() error {
	o.ending = true
	if !o.final {
		o.seal()
		o.due = len(o.pages)
	}
	return o.send(true)
}

// NeedsFinalCheckpoint reports whether there is something that has not been handed over.
func (o *collectOp[T]) NeedsFinalCheckpoint() bool {
	return o.open.Count > 0 || o.sent < len(o.pages)
}

func (o *collectOp[T]) Close() error { return nil }
