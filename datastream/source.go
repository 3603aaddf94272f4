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

// FromElements is FromCollection of its arguments.
func FromElements[T any](env *Environment, vs ...T) *Stream[T] { return FromCollection(env, vs) }

// FromCollection makes a stream of values, in their order, read by one subtask. The values are
// encoded when it is called and travel with the job, so every process reads equal ones: what
// becomes of vs afterwards, or when the program is built again elsewhere, does not matter. They may
// take reading.MaxCollectionBytes.
func FromCollection[T any](env *Environment, vs []T) *Stream[T] {
	src, err := collectionOf(env, vs)
	if err != nil {
		env.fail(fmt.Errorf("FromCollection: %w", err))
	}
	s := FromSource[T](env, src, nil, "Collection")
	s.t.Parallelism, s.t.SingleParallelism = 1, true
	return s
}

func collectionOf[T any](env *Environment, vs []T) (*reading.Collection[T], error) {
	typ := typeOf[T](env)
	if typ == nil {
		return nil, nil // typeOf has reported why
	}
	env.collections++
	name := fmt.Sprintf("goflink:collection %d", env.collections)
	b, ok := env.once[name]
	if !ok {
		var err error
		if b, err = reading.EncodeCollection(typ.Info(), vs); err != nil {
			return nil, err
		}
	}
	if env.collected == nil {
		env.collected = map[string][]byte{}
	}
	env.collected[name] = b
	return reading.NewCollection(typ.Info(), b)
}

// Generate makes a stream of value(0), value(1) and so on: count records, or without end if count
// is reading.Endless, and at most perSecond in a second, or as many as possible if it is 0. Subtask
// i of n makes the records i, i+n, i+2n and so on. value must be pure.
func Generate[T any](env *Environment, count int64, perSecond float64, value func(n int64) T,
) *Stream[T] {
	return generate(env, reading.Generator[T]{Value: value, Count: count, PerSecond: perSecond})
}

// GenerateBatches is Generate with a function that makes many records at a time: first, first+1 and
// so on for all of dst. It is called with runs of up to stream.MaxBatchRecords, which are dealt out
// to the subtasks in turn.
func GenerateBatches[T any](env *Environment, count int64, perSecond float64,
	fill func(first int64, dst []T)) *Stream[T] {
	return generate(env, reading.Generator[T]{Fill: fill, Count: count, PerSecond: perSecond})
}

func generate[T any](env *Environment, g reading.Generator[T]) *Stream[T] {
	env.fail(g.Check())
	return FromSource(env, g, nil, "Generator")
}

// BinaryFile makes a stream of the records of a file that WriteBinary has written, of the files in
// a directory, or of those that a pattern matches. The files may hold an older form of T.
func BinaryFile[T any](env *Environment, path string) *Stream[T] {
	src := reading.BinaryFile[T]{Files: env.files, Path: path}
	if typ := typeOf[T](env); typ != nil {
		src.Type = typ.Info()
	}
	env.fail(src.Check(env.ctx))
	return FromSource(env, src, nil, "Binary File")
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
