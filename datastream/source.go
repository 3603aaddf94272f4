package datastream

import (
	"fmt"

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

// TextFile makes a stream of the lines of a text file, of the files in a directory, or of those
// that a pattern matches; .gz files are unpacked. Files are read in parallel. A path that does
// not exist is a mistake in the program.
func TextFile(env *Environment, path string) *Stream[string] {
	src := reading.TextFile{Files: env.files, Path: path}
	env.fail(src.Check(env.ctx))
	return FromSource(env, src, nil, "Text File")
}

// SocketText makes a stream of the lines that a server sends; when the connection ends, the stream
// ends (R34). Lines that were received before a failure and not processed are lost.
func SocketText(env *Environment, host string, port int) *Stream[string] {
	return SocketTextRetrying(env, host, port, '\n', 0)
}

// SocketTextRetrying is SocketText with a delimiter and a number of attempts to connect again after
// the connection was lost; -1 means without limit.
func SocketTextRetrying(env *Environment, host string, port int, delimiter byte,
	retries int) *Stream[string] {
	if port < 1 || port > 65535 {
		env.fail(fmt.Errorf("SocketText: port %d is not in 1 to 65535", port))
	}
	s := FromSource(env, reading.Socket{Host: host, Port: port, Delimiter: delimiter,
		Retries: retries}, nil, "Socket Stream")
	s.t.Parallelism, s.t.SingleParallelism = 1, true
	return s
}
