// Package writing holds the operators that run sinks and the sinks that come with the engine.
package writing

import (
	"fmt"
	"io"
	"strconv"
	"sync"

	"goflink/core/stream"
	"goflink/core/typeinfo"
	"goflink/operator"
)

// Printer is a writer that several subtasks of a process print to, whole lines at a time.
type Printer struct {
	mu sync.Mutex
	w  io.Writer
}

// NewPrinter returns a printer onto w.
func NewPrinter(w io.Writer) *Printer { return &Printer{w: w} }

// write writes whole lines.
func (p *Printer) write(b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.w.Write(b)
	return err
}

// Print returns the factory of a sink that writes each record as a line in Flink's text form
// (typeinfo.Text). As in Flink, lines begin with "identifier:n> ", where n is the subtask counted
// from 1; without identifier with "n> ", and if there is only one subtask, with nothing.
func Print[T any](p *Printer, identifier string) operator.Factory {
	return operator.FactoryFunc(func() (operator.Operator, error) {
		return &printOp[T]{p: p, identifier: identifier}, nil
	})
}

type printOp[T any] struct {
	operator.Forward
	p          *Printer
	identifier string
	prefix     string
	line       []byte
}

func _[T any](v *printOp[T]) { var _ operator.Operator = v }

func (o *printOp[T]) Open(rt operator.Runtime) error {
	info := rt.Info()
	o.prefix = o.identifier
	if info.Parallelism > 1 {
		if o.prefix != "" {
			o.prefix += ":"
		}
		o.prefix += strconv.Itoa(info.Subtask + 1)
	}
	if o.prefix != "" {
		o.prefix += "> "
	}
	return nil
}

func (o *printOp[T]) Input(int) any { return o }

func (o *printOp[T]) Batch(b *stream.Batch[T]) error {
	o.line = o.line[:0]
	for i := range b.Values {
		o.line = append(o.line, o.prefix...)
		o.line = typeinfo.AppendText(o.line, b.Values[i])
		o.line = append(o.line, '\n')
	}
	if err := o.p.write(o.line); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func (o *printOp[T]) Finish() error { return nil }
func (o *printOp[T]) Close() error  { return nil }
