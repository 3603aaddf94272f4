package datastream

import (
	"goflink/graph"
	"goflink/operator"
	"goflink/operator/process"
	"goflink/operator/writing"
)

// Sink is the end of a stream.
type Sink struct {
	env *Environment
	t   *graph.Transformation
}

// addSink adds an operator without output.
func addSink[T any](s *Stream[T], name string, f operator.Factory) *Sink {
	t := &graph.Transformation{Kind: graph.KindSink, Name: "Sink: " + name, Factory: f,
		Inputs: []*graph.Transformation{s.t}}
	return &Sink{env: s.env, t: s.env.add(t)}
}

// Name sets the sink's name.
func (s *Sink) Name(name string) *Sink { s.t.Name = name; return s }

// UID sets the id by which the sink finds its state in a savepoint.
func (s *Sink) UID(uid string) *Sink { s.t.UID = uid; return s }

// SetParallelism sets the sink's parallelism.
func (s *Sink) SetParallelism(n int) *Sink { setParallelism(s.env, s.t, n); return s }

// SlotSharingGroup sets the group of operators with which the sink shares slots (R123).
func (s *Sink) SlotSharingGroup(name string) *Sink { s.t.SlotSharingGroup = name; return s }

// DisableChaining keeps the sink in a task of its own.
func (s *Sink) DisableChaining() *Sink { s.t.Chaining = graph.ChainNever; return s }

// ForEach ends the stream in calls of f. f may be called by several subtasks at once, and again for
// the same record after a restart.
func (s *Stream[T]) ForEach(f func(T)) *Sink {
	return addSink(s, "For Each", process.ForEach(f))
}

// Print writes each record as a line to the standard output, in Flink's text form; with several
// subtasks lines begin with "n> ", the number of the subtask.
func (s *Stream[T]) Print() *Sink {
	return addSink(s, "Print to Std. Out", writing.Print[T](s.env.printer, ""))
}

// PrintAs is Print with lines that begin with "identifier> " or "identifier:n> ".
func (s *Stream[T]) PrintAs(identifier string) *Sink {
	return addSink(s, "Print to Std. Out", writing.Print[T](s.env.printer, identifier))
}
