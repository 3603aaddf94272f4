// Command gentext writes the text that the wordcount benchmark reads, or finds it already written.
// It prints the directory.
package main

import (
	"flag"
	"fmt"
	"os"

	"goflink/bench/textgen"
)

func main() {
	var options textgen.Options
	root := flag.String("root", "bench/build/text", "directory in which the texts are kept")
	flag.Int64Var(&options.Lines, "lines", 20_000_000, "lines of ten words")
	flag.IntVar(&options.Parts, "parts", 8, "files")
	flag.Int64Var(&options.Seed, "seed", 1, "seed")
	flag.Parse()
	dir, err := textgen.Ensure(*root, options)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gentext:", err)
		os.Exit(1)
	}
	fmt.Println(dir)
}
