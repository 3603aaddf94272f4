package writing

import (
	"errors"
	"fmt"
	"sync/atomic"

	"goflink/core/config"
	"goflink/core/sink"
	"goflink/core/state"
	"goflink/core/stream"
	"goflink/operator"
)

// TwoPhase returns the factory of an operator that writes by transactions (R98–R102): make makes
// the sink of one subtask and attempt.
//
//	records ─▶ Begin, Write …
//	barrier ─▶ PreCommit; the transaction is part of the checkpoint
//	checkpoint complete ─▶ Commit      failure before ─▶ Abort, or Abandon by the next attempt
//
// A transaction whose checkpoint was given up waits for the next one. When the input ends, the task
// waits for a last checkpoint. Without checkpoints the transactions are committed at the end of the
// input, and a job that fails after that of one subtask writes its records again.
func TwoPhase[T, Txn any](make func() (sink.TwoPhase[T, Txn], error)) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		s, err := make()
		if err != nil {
			return nil, err
		}
		return &twoPhaseOp[T, Txn]{s: s}, nil
	})
}

type twoPhaseOp[T, Txn any] struct {
	operator.Forward
	s   sink.TwoPhase[T, Txn]
	rt  operator.Runtime
	ctx *sinkContext
	// checkpoints says that a last checkpoint comes after the end.
	checkpoints bool
	state       state.OperatorList[preCommitted]

	// txn takes the records, if begun is set.
	txn   Txn
	begun bool
	// pending are pre-committed and not known to be committed, oldest first; those with due set are
	// to be committed.
	pending []pendingTxn[Txn]
	// restored are the transactions of the restored checkpoint, of all subtasks, until Abandon was
	// called.
	restored  []Txn
	abandoned bool

	tries  int
	cancel func()
	meters commitMeters
}

// pendingTxn is a transaction that was pre-committed for a checkpoint.
type pendingTxn[Txn any] struct {
	txn        Txn
	encoded    []byte
	checkpoint uint64
	due        bool
}

// preCommitted is a pending transaction in the state of the sink.
type preCommitted struct {
	Subtask    int
	Checkpoint uint64
	Txn        []byte
}

// Every subtask gets the transactions of all, so that Abandon knows them; it commits those of the
// subtasks that fall to it.
var transactionState = state.ListOf[preCommitted]("transactions")

func _[T, Txn any](v *twoPhaseOp[T, Txn]) {
	var _ operator.Operator = v
	var _ operator.Snapshotter = v
	var _ operator.CheckpointListener = v
	var _ operator.FinalCheckpointer = v
	var _ operator.Lingerer = v
	var _ operator.Throttled = v
}

// commitMeters are the operator's metrics, under Flink's names.
type commitMeters struct {
	committed, retried, failed operator.Counter
	pending                    atomic.Int64
}

func (m *commitMeters) register(r operator.Metrics) {
	m.committed = r.Counter("successfulCommittables")
	m.retried = r.Counter("retriedCommittables")
	m.failed = r.Counter("failedCommittables")
	r.Gauge("pendingCommittables", func() float64 { return float64(m.pending.Load()) })
}

func (o *twoPhaseOp[T, Txn]) Open(rt operator.Runtime) (err error) {
	o.rt = rt
	settings, err := config.ResolveCheckpointing(rt.Config())
	if err != nil {
		return err
	}
	o.checkpoints = settings.Enabled && settings.AfterTasksFinish
	o.meters.register(rt.Metrics())
	if o.ctx, err = newSinkContext(rt); err != nil {
		return err
	}
	if err = o.s.Open(o.ctx); err != nil {
		return err
	}
	if o.state, err = state.OpenUnionList(rt.OperatorState(), transactionState); err != nil {
		return err
	}
	if err := o.restore(); err != nil {
		return err
	}
	return o.commit()
}

// restore takes the transactions of the checkpoint; it had begun to commit them, perhaps.
func (o *twoPhaseOp[T, Txn]) restore() error {
	info := o.rt.Info()
	for _, e := range o.state.Get() {
		txn, err := o.s.DecodeTxn(e.Txn)
		if err != nil {
			return fmt.Errorf("restored transaction of checkpoint %d: %w", e.Checkpoint, err)
		}
		o.restored = append(o.restored, txn)
		if e.Subtask%info.Parallelism == info.Subtask {
			o.pending = append(o.pending, pendingTxn[Txn]{txn, e.Txn, e.Checkpoint, true})
		}
	}
	return nil
}

// Ready holds records back until the restored transactions are committed.
func (o *twoPhaseOp[T, Txn]) Ready() bool { return o.abandoned }

func (o *twoPhaseOp[T, Txn]) Input(int) any { return o }

func (o *twoPhaseOp[T, Txn]) Batch(b *stream.Batch[T]) (err error) {
	if b.Len() == 0 {
		return nil
	}
	if !o.begun {
		if o.txn, err = o.s.Begin(); err != nil {
			return fmt.Errorf("begin a transaction: %w", err)
		}
		o.begun = true
	}
	return o.s.Write(o.txn, b)
}

// Snapshot pre-commits the open transaction.
func (o *twoPhaseOp[T, Txn]) Snapshot(cp operator.Checkpoint) error {
	if err := o.preCommit(cp.ID); err != nil {
		return failTask(o.rt, fmt.Errorf("pre-commit for checkpoint %d: %w", cp.ID, err))
	}
	elements := make([]preCommitted, len(o.pending))
	for i, p := range o.pending {
		elements[i] = preCommitted{o.rt.Info().Subtask, p.checkpoint, p.encoded}
	}
	o.state.Put(elements)
	o.ctx.save()
	return nil
}

func (o *twoPhaseOp[T, Txn]) preCommit(checkpoint uint64) error {
	if !o.begun {
		return nil
	}
	txn, ok, err := o.s.PreCommit(o.txn)
	if err != nil {
		return err
	}
	o.begun, o.txn = false, *new(Txn)
	if !ok {
		return nil
	}
	encoded, err := o.s.EncodeTxn(txn)
	if err != nil {
		return errors.Join(fmt.Errorf("encode the transaction: %w", err), o.s.Abort(txn))
	}
	o.pending = append(o.pending, pendingTxn[Txn]{txn, encoded, checkpoint, false})
	o.meters.pending.Store(int64(len(o.pending)))
	return nil
}

// CheckpointComplete commits what the checkpoint and those before it hold: the news of one may be
// missed.
func (o *twoPhaseOp[T, Txn]) CheckpointComplete(checkpoint uint64) error {
	for i := range o.pending {
		if p := &o.pending[i]; p.checkpoint <= checkpoint {
			p.due = true
		}
	}
	if o.cancel != nil {
		return nil // a commit is going to be repeated; it takes these along
	}
	return o.commit()
}

// CheckpointAborted does nothing: the transaction waits for the next checkpoint.
func (o *twoPhaseOp[T, Txn]) CheckpointAborted(uint64) error { return nil }

// commit commits what is due, in order, and repeats later what failed.
func (o *twoPhaseOp[T, Txn]) commit() error {
	for len(o.pending) > 0 && o.pending[0].due {
		if err := o.s.Commit(o.pending[0].txn); err != nil {
			return o.commitFailed(err)
		}
		o.tries = 0
		o.meters.committed.Add(1)
		o.pending = o.pending[1:]
	}
	o.meters.pending.Store(int64(len(o.pending)))
	if o.abandoned {
		return nil
	}
	// What was restored came first in pending, so it is committed.
	if err := o.s.Abandon(o.restored); err != nil {
		return fmt.Errorf("abandon what earlier attempts have left: %w", err)
	}
	o.abandoned, o.restored = true, nil
	o.rt.Wake()
	return nil
}

func (o *twoPhaseOp[T, Txn]) commitFailed(err error) error {
	o.tries++
	p := &o.pending[0]
	if o.tries >= sink.CommitRetry.Attempts {
		o.meters.failed.Add(1)
		return fmt.Errorf("commit of a transaction of checkpoint %d failed %d times; it is tried "+
			"again when the job restarts: %w", p.checkpoint, o.tries, err)
	}
	o.meters.retried.Add(1)
	o.rt.Logger().Warn("commit failed and is repeated", "checkpoint", p.checkpoint, "try", o.tries,
		"error", err)
	o.cancel = o.rt.At(o.rt.Now()+sink.CommitRetry.Wait.Milliseconds(), func() error {
		o.cancel = nil
		return o.commit()
	})
	return nil
}

// Finish commits at once if no checkpoint will come.
func (o *twoPhaseOp[T, Txn]) Finish() error {
	if o.checkpoints {
		return nil
	}
	if err := o.preCommit(0); err != nil {
		return fmt.Errorf("pre-commit at the end: %w", err)
	}
	for i := range o.pending {
		o.pending[i].due = true
	}
	if o.cancel != nil {
		return nil
	}
	return o.commit()
}

// NeedsFinalCheckpoint reports whether there is something that only a checkpoint can commit.
func (o *twoPhaseOp[T, Txn]) NeedsFinalCheckpoint() bool {
	return o.begun || len(o.pending) > 0 && !o.pending[len(o.pending)-1].due
}

// Lingers reports whether a commit is to be repeated.
func (o *twoPhaseOp[T, Txn]) Lingers() bool { return o.cancel != nil }

// Close takes back what was not pre-committed.
func (o *twoPhaseOp[T, Txn]) Close() error {
	if o.cancel != nil {
		o.cancel()
		o.cancel = nil
	}
	var err error
	if o.begun {
		o.begun = false
		if err = o.s.Abort(o.txn); err != nil {
			err = fmt.Errorf("abort of the open transaction: %w", err)
		}
	}
	return errors.Join(err, o.s.Close())
}
