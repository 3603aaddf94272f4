package process

import (
	"errors"
	"fmt"

	"goflink/core/stream"
	"goflink/operator"
)

// scope is what the contexts of one operator share: the record or timer at hand, the watermark and
// the side outputs.
type scope struct {
	rt        operator.Runtime
	timestamp int64
	watermark int64
	sides     []side
	// err is the first mistake of the function in the use of its context.
	err error
}

// init sets what holds before the first record.
func (s *scope) init(rt operator.Runtime) {
	s.rt, s.timestamp, s.watermark = rt, stream.NoTimestamp, stream.MinWatermark
}

// Timestamp is that of the record or timer at hand in milliseconds since the epoch, or
// stream.NoTimestamp.
func (s *scope) Timestamp() int64 { return s.timestamp }

// SetTimestamp changes Timestamp, which side outputs emit with, until the next record or timer.
func (s *scope) SetTimestamp(timestamp int64) { s.timestamp = timestamp }

// Watermark is the current watermark, or stream.MinWatermark before the first one.
func (s *scope) Watermark() int64 { return s.watermark }

// ProcessingTime is the clock's time in milliseconds since the epoch.
func (s *scope) ProcessingTime() int64 { return s.rt.Now() }

func (s *scope) shared() *scope { return s }

// fail keeps a mistake; the call that it happened in fails at its end.
func (s *scope) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// flush hands on what was emitted to side outputs and returns the function's mistakes.
func (s *scope) flush() error {
	err := s.err
	for _, o := range s.sides {
		err = errors.Join(err, o.flush())
	}
	return err
}

// Outputs is a context from which side outputs can be used: that of a process function.
type Outputs interface{ shared() *scope }

// side is a SideOutput whose type the holder does not know.
type side interface {
	name() string
	flush() error
}

// SideOutput is an output beside the main one. The task's goroutine uses it.
type SideOutput[T any] struct {
	scope *scope
	tag   string
	out   *operator.Emitter[T] // nil if the output cannot be used
}

// Side returns the side output with the given tag. All uses of a tag in one function must agree on
// the type; a mistake fails the job when the function returns. What is emitted to a tag that
// nobody reads is forgotten.
func Side[T any](ctx Outputs, tag string) *SideOutput[T] {
	s := ctx.shared()
	for _, o := range s.sides {
		if o.name() != tag {
			continue
		}
		if typed, ok := o.(*SideOutput[T]); ok {
			return typed
		}
		s.fail(fmt.Errorf("side output %q is used as a %T and as a %T", tag, o, &SideOutput[T]{}))
		return &SideOutput[T]{scope: s, tag: tag}
	}
	o := &SideOutput[T]{scope: s, tag: tag}
	if tag == "" {
		s.fail(errors.New("a side output has no tag; the empty one is the main output's"))
		return o
	}
	out, err := operator.NewEmitter[T](s.rt, tag)
	if err != nil {
		s.fail(err)
		return o
	}
	o.out = out
	s.sides = append(s.sides, o)
	return o
}

// Emit emits v with the timestamp of the record or timer at hand.
func (o *SideOutput[T]) Emit(v T) { o.EmitAt(v, o.scope.timestamp) }

// EmitAt emits v with a timestamp.
func (o *SideOutput[T]) EmitAt(v T, timestamp int64) {
	if o.out != nil {
		o.out.EmitAt(v, timestamp)
	}
}

func (o *SideOutput[T]) name() string { return o.tag }

func (o *SideOutput[T]) flush() error { return o.out.Flush() }
