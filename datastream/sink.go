package datastream

import (
	"time"

	"goflink/core/sink"
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

// Discard ends the stream and forgets its records.
func (s *Stream[T]) Discard() *Sink { return addSink(s, "Discard", writing.Discard[T]()) }

// SinkTo ends the stream in a sink. Its records take effect at least once; if writing one again
// does no harm, exactly once (R97).
func SinkTo[T any](s *Stream[T], to sink.Sink[T]) *Sink {
	return addSink(s, "Writer", writing.Sink(to))
}

// SinkToTwoPhase ends a stream in a sink with transactions, which take effect exactly once, when
// checkpoints are complete (R98–R102). create makes the sink, once per subtask and attempt.
func SinkToTwoPhase[T, Txn any](s *Stream[T], create func() (sink.TwoPhase[T, Txn], error)) *Sink {
	return addSink(s, "Committer", writing.TwoPhase(create))
}

// FileOption changes how files are written.
type FileOption[T any] func(f *writing.File[T])

// InBuckets puts the records into directories, such as writing.BucketByTime says.
func InBuckets[T any](b writing.Buckets[T]) FileOption[T] {
	return func(f *writing.File[T]) { f.Buckets = b }
}

// Rolling begins another part file when one has reached a size in bytes or an age; 0 means the
// defaults.
func Rolling[T any](bytes int64, age time.Duration) FileOption[T] {
	return func(f *writing.File[T]) { f.RollBytes, f.RollInterval = bytes, age }
}

// Named begins the names of files with prefix and ends them with suffix.
func Named[T any](prefix, suffix string) FileOption[T] {
	return func(f *writing.File[T]) { f.Prefix, f.Format.Suffix = prefix, suffix }
}

// WriteText ends the stream in text files in the directory path: each record is a line, in Flink's
// text form. Each record comes once: files appear when checkpoints are complete (R166), or without
// checkpoints at the end of the stream; writing.File says more.
func WriteText[T any](s *Stream[T], path string, opts ...FileOption[T]) *Sink {
	return writeFiles(s, path, writing.Text[T](), opts)
}

// WriteBinary is WriteText with records as they are encoded; BinaryFile reads them.
func WriteBinary[T any](s *Stream[T], path string, opts ...FileOption[T]) *Sink {
	var format writing.FileFormat[T]
	if s.typ != nil {
		var err error
		format, err = writing.Binary(s.typ.Info())
		s.env.fail(err)
	}
	return writeFiles(s, path, format, opts)
}

func writeFiles[T any](s *Stream[T], path string, format writing.FileFormat[T],
	opts []FileOption[T]) *Sink {
	f := writing.File[T]{Files: s.env.files, Path: path, Format: format}
	for _, o := range opts {
		o(&f)
	}
	if s.typ != nil {
		s.env.fail(f.Check())
	}
	return addSink(s, "Files", f.Factory())
}
