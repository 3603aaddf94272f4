// Package reading holds the operator that runs sources and the sources that come with the engine:
// collections, sequences, generators, text files and sockets (R37).
package reading

import (
	"context"
	"fmt"
	"time"

	"goflink/core/config"
	"goflink/core/eventtime"
	"goflink/core/source"
	"goflink/core/state"
	"goflink/core/stream"
	"goflink/operator"
)

// Source returns the factory of the operator that reads src in a task, with timestamps and
// watermarks by strategy; without one (nil) the records keep the source's timestamps, and no
// watermark comes before the end.
func Source[T any](src source.Source[T], strategy *eventtime.Strategy[T]) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		return &sourceOp[T]{src: src, strategy: strategy}, nil
	})
}

type sourceOp[T any] struct {
	src      source.Source[T]
	strategy *eventtime.Strategy[T]
	rt       operator.Runtime
	out      stream.Receiver[T]
	reader   source.Reader[T]
	splits   state.OperatorList[source.Split]
	timing   timing[T]
	interval time.Duration
	cancel   func()
	b        stream.Batch[T]
}

func _[T any](v *sourceOp[T]) {
	var _ operator.Source = v
	var _ operator.Snapshotter = v
	var _ operator.CoordinatorClient = v
	var _ operator.CheckpointListener = v
}

func (s *sourceOp[T]) Open(rt operator.Runtime) (err error) {
	s.rt = rt
	if s.out, err = operator.OutputOf[T](rt, ""); err != nil {
		return err
	}
	s.splits, err = state.OpenOperatorList(rt.OperatorState(), splitState)
	if err != nil {
		return err
	}
	s.timing = untimed[T]{s.out}
	if s.strategy != nil {
		s.timing = newSplitWatermarks(rt, *s.strategy, s.out)
		if s.interval, err = autoWatermarkInterval(rt); err != nil {
			return err
		}
		s.schedule()
	}
	if err := s.report(); err != nil {
		return err
	}
	if s.reader, err = s.src.NewReader(readerContext[T]{s}); err != nil {
		return err
	}
	return s.addSplits(s.splits.Get())
}

// report says, once per source, that it cannot give what checkpoints promise (R97).
func (s *sourceOp[T]) report() error {
	c, err := config.ResolveCheckpointing(s.rt.Config())
	if err != nil || !c.Enabled || s.src.Replayable() || s.rt.Info().Subtask > 0 {
		return err
	}
	s.rt.Logger().Warn("the source cannot be replayed: what it read after the last checkpoint is "+
		"lost when the job fails, so each of its records has effect at most once", "mode", c.Mode)
	return nil
}

var splitState = state.ListOf[source.Split]("splits")

// schedule asks for periodic watermarks.
func (s *sourceOp[T]) schedule() {
	if s.interval <= 0 {
		return
	}
	s.cancel = s.rt.At(s.rt.Now()+max(1, s.interval.Milliseconds()), func() error {
		s.schedule()
		return s.timing.periodic()
	})
}

func (s *sourceOp[T]) stopTimer() {
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
}

func (s *sourceOp[T]) addSplits(splits []source.Split) error {
	if len(splits) == 0 {
		return nil
	}
	for i := range splits {
		s.timing.splitAdded(splits[i].ID)
	}
	return s.reader.AddSplits(splits)
}

func (s *sourceOp[T]) Input(int) any { return nil }

// Poll reads up to max records.
func (s *sourceOp[T]) Poll(max int) (operator.PollStatus, error) {
	s.b.Reset()
	split, status, err := s.reader.Poll(&s.b, max)
	if err != nil {
		return operator.PollEnd, err
	}
	if len(s.b.Values) > 0 {
		err = s.timing.batch(split, &s.b)
	}
	if err == nil && status == source.SplitEnd {
		err = s.timing.splitEnded(split)
	}
	if int(status) >= len(pollStatus) {
		return operator.PollEnd, fmt.Errorf("the reader answered Poll with the status %d, "+
			"which there is not", status)
	}
	return pollStatus[status], err
}

var pollStatus = [...]operator.PollStatus{source.More: operator.PollMore,
	source.Idle: operator.PollIdle, source.SplitEnd: operator.PollMore,
	source.End: operator.PollEnd}

// Snapshot writes the positions of the splits that are being read.
func (s *sourceOp[T]) Snapshot(cp operator.Checkpoint) error {
	splits, err := s.reader.Snapshot(cp.ID)
	if err != nil {
		return err
	}
	s.splits.Put(splits)
	return nil
}

// CoordinatorEvent takes splits and events from the enumerator.
func (s *sourceOp[T]) CoordinatorEvent(event []byte) error {
	if s.reader == nil {
		return errNoReader
	}
	m, err := decode[toReader](event)
	if err != nil {
		return err
	}
	if len(m.Splits) > 0 {
		err = s.addSplits(m.Splits)
	}
	if err == nil && m.NoMore {
		err = s.reader.NoMoreSplits()
	}
	if err == nil && m.Event != nil {
		err = s.reader.Event(m.Event)
	}
	return err
}

func (s *sourceOp[T]) CheckpointComplete(checkpoint uint64) error {
	if l, ok := s.reader.(source.CheckpointListener); ok {
		return l.CheckpointComplete(checkpoint)
	}
	return nil
}

func (s *sourceOp[T]) CheckpointAborted(uint64) error { return nil }

// Finish brings event time to its end.
func (s *sourceOp[T]) Finish() error {
	s.stopTimer()
	if err := s.timing.finish(); err != nil {
		return err
	}
	return s.out.Watermark(stream.MaxWatermark)
}

func (s *sourceOp[T]) Close() error {
	s.stopTimer()
	if s.reader == nil {
		return nil
	}
	return s.reader.Close()
}

type readerContext[T any] struct{ s *sourceOp[T] }

func _[T any](v readerContext[T]) { var _ source.ReaderContext = v }

func (x readerContext[T]) Subtask() int     { return x.s.rt.Info().Subtask }
func (x readerContext[T]) Parallelism() int { return x.s.rt.Info().Parallelism }

func (x readerContext[T]) send(m toCoordinator) error {
	b, err := encode(m)
	if err != nil {
		return err
	}
	return x.s.rt.SendToCoordinator(b)
}

func (x readerContext[T]) RequestSplit() error {
	return x.send(toCoordinator{RequestSplit: true, Host: string(x.s.rt.Info().Worker)})
}

func (x readerContext[T]) SendEvent(event []byte) error {
	return x.send(toCoordinator{Event: event})
}
func (x readerContext[T]) Wake()      { x.s.rt.Wake() }
func (x readerContext[T]) Now() int64 { return x.s.rt.Now() }

func (x readerContext[T]) Go(name string, f func(ctx context.Context)) { x.s.rt.Go(name, f) }

func (x readerContext[T]) At(t int64, f func() error) (cancel func()) { return x.s.rt.At(t, f) }
