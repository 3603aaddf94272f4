// Command socketwindow counts the words that a server sends, over the last two seconds, every
// second.
//
//	socketwindow --port PORT [--hostname HOST]
//
// To try it, let a server listen in one terminal (nc -lk 9000), start the program in another, and
// type words into the first.
package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"goflink/datastream"
	"goflink/entrypoint"
)

func main() { entrypoint.Main(entrypoint.Programs{"SocketWindowWordCount": SocketWindowWordCount}) }

// WordWithCount is a word and how often it came.
type WordWithCount struct {
	Word  string
	Count int64
}

// defaultPort is used where no port is given.
const defaultPort = 9000

// SocketWindowWordCount counts the words of the lines that --hostname sends on --port, in windows
// of two seconds that begin every second.
func SocketWindowWordCount(env *datastream.Environment, args []string) error {
	host, port, err := address(args, os.Stderr)
	if err != nil {
		return err
	}
	lines := datastream.SocketText(env, host, port)
	byWord := datastream.KeyByField(datastream.FlatMap(lines, split), "word")
	counts := datastream.TimeWindow(byWord, 2*time.Second, time.Second).Sum("count")
	counts.Print().SetParallelism(1)
	_, err = env.Execute("streaming word count")
	return err
}

// address reads where to connect to; a missing port is said on warn.
func address(args []string, warn io.Writer) (host string, port int, err error) {
	params, err := datastream.ParametersFromArgs(args)
	if err != nil {
		return "", 0, err
	}
	if !params.Has("port") {
		_, err = fmt.Fprintf(warn, "no port is given (--port PORT); the default port %d is used\n",
			defaultPort)
		if err != nil {
			return "", 0, err
		}
	}
	port, err = params.GetInt("port", defaultPort)
	return params.Get("hostname", "localhost"), port, err
}

// space is one character of white space.
var space = regexp.MustCompile(`[ \t\n\v\f\r]`)

// split emits the words of a line.
func split(line string, out datastream.Collector[WordWithCount]) {
	for _, word := range words(line) {
		out.Emit(WordWithCount{word, 1})
	}
}

// words are what lies between the characters of white space, as String.split of Java has it: two of
// these in a row have an empty word between them, and empty words at the end are left out, but an
// empty line is one empty word.
func words(line string) []string {
	if line == "" {
		return []string{""}
	}
	parts := space.Split(line, -1)
	for len(parts) > 0 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}
