// Command wordcount counts words: of a text file, or of lines that come over a socket.
//
//	wordcount --input FILE
//	wordcount --host HOST --port PORT
//
// For each word it prints how often it came so far.
package main

import (
	"errors"
	"strings"

	"goflink/datastream"
	"goflink/entrypoint"
)

func main() { entrypoint.Main(entrypoint.Programs{"WordCount": WordCount}) }

// Count is a word and how often it came.
type Count struct {
	Word  string
	Count int64
}

// WordCount counts the words of --input, or of the lines that --host sends on --port.
func WordCount(env *datastream.Environment, args []string) error {
	params, err := datastream.ParametersFromArgs(args)
	if err != nil {
		return err
	}
	lines, err := source(env, params)
	if err != nil {
		return err
	}
	words := datastream.FlatMap(lines, split)
	counts := datastream.KeyBy(words, func(c Count) string { return c.Word }).Sum("Count")
	counts.Print()
	_, err = env.Execute("word count")
	return err
}

func source(env *datastream.Environment, p datastream.Parameters) (
	*datastream.Stream[string], error,
) {
	switch {
	case p.Has("input"):
		path, err := p.Required("input")
		return datastream.TextFile(env, path), err
	case p.Has("host"), p.Has("port"):
		port, err := p.GetInt("port", 9000)
		return datastream.SocketText(env, p.Get("host", "localhost"), port), err
	}
	return nil, errors.New("say what to count: --input FILE, or --host HOST --port PORT")
}

func split(line string, out datastream.Collector[Count]) {
	for word := range strings.FieldsSeq(line) {
		out.Emit(Count{word, 1})
	}
}
