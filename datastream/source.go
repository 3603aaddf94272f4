package datastream

import (
	"goflink/core/eventtime"
	"goflink/core/source"
	"goflink/graph"
	"goflink/operator/reading"
)

// FromSource makes a stream of what src reads. With a strategy the records get timestamps and
// watermarks per split of the source; nil keeps the source's own timestamps.
func FromSource[T any](env *Environment, src source.Source[T], strategy *eventtime.Strategy[T],
	name string) *Stream[T] {
	typ := typeOf[T](env)
	t := &graph.Transformation{Kind: graph.KindSource, Name: "Source: " + name,
		Factory: reading.Source(src, strategy), Coordinator: reading.Coordinator(src),
		Bounded: src.Bounded()}
	if typ != nil {
		t.Output = typ
	}
	return &Stream[T]{env: env, t: env.add(t), typ: typ}
}

// FromSequence makes a stream of the numbers from first to last.
func FromSequence(env *Environment, first, last int64) *Stream[int64] {
	return FromSource(env, reading.Sequence[int64]{First: first, Last: last,
		Value: func(n int64) int64 { return n }}, nil, "Sequence")
}

// TextFile makes a stream of the lines of a text file, of the files in a directory, or of those that
// a pattern matches; .gz files are unpacked. Files are read in parallel. A path that does not exist
// is a mistake in the program.
func TextFile(env *Environment, path string) *Stream[string] {
	src := reading.TextFile{Files: env.files, Path: path}
	env.fail(src.Check(env.ctx))
	return FromSource(env, src, nil, "Text File")
}
