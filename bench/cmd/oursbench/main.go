// Command oursbench runs the benchmark programs on this project's engine, under the contract of
// bench/README.md: benchflink starts it beside the same programs on Apache Flink.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"runtime/pprof"

	"goflink/bench/contract"
	"goflink/core/config"
	"goflink/datastream"
	"goflink/entrypoint"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "oursbench:", err)
		os.Exit(1)
	}
}

// programs are the benchmark programs by name.
var programs = map[string]func(b *bench, env *datastream.Environment) error{
	"wordcount": wordCount,
	"chain":     chain,
	"sliding":   sliding,
	"tumbling":  tumbling,
}

func run(args []string) error {
	o, err := contract.ParseOptions(args)
	if err != nil {
		return err
	}
	program, ok := programs[o.Program]
	if !ok {
		return fmt.Errorf("no program %q", o.Program)
	}
	stop, err := profile()
	if err != nil {
		return err
	}
	defer stop()
	progress, err := contract.OpenProgress(o.Progress, o.Parallelism)
	if err != nil {
		return err
	}
	defer progress.Close()
	if o.MemoryBytes > 0 {
		// The reserve for what the Go runtime does not count: see core/memory.
		debug.SetMemoryLimit(o.MemoryBytes * 9 / 10)
	}
	b := &bench{Options: o, progress: progress}
	return entrypoint.Run(context.Background(),
		func(env *datastream.Environment, _ []string) error {
			return program(b, env)
		}, nil, b.config())
}

// profile writes a CPU profile to the file that OURSBENCH_PROFILE names.
func profile() (stop func(), err error) {
	name := os.Getenv("OURSBENCH_PROFILE")
	if name == "" {
		return func() {}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}

// bench is one run of a program.
type bench struct {
	contract.Options
	progress *contract.Progress
}

func (b *bench) config() *config.Configuration {
	c := config.New()
	set := func(key, value string) { c.Set(key, value, "the benchmark") }
	set("parallelism.default", fmt.Sprint(b.Parallelism))
	set("pipeline.generic-types", "false")
	if b.Network {
		set("taskmanager.network.force-remote-exchange", "true")
		set("minicluster.number-of-taskmanagers", fmt.Sprint(b.Parallelism))
	}
	if b.CheckpointDir != "" {
		set("execution.checkpointing.interval", b.CheckpointInterval.String())
		set("execution.checkpointing.dir", "file://"+b.CheckpointDir)
	}
	return c
}

// WordCount is a word with a count.
type WordCount struct {
	Word  string
	Count int64
}

func wordCount(b *bench, env *datastream.Environment) error {
	lines := datastream.TextFile(env, b.Input)
	words := datastream.RichFlatMap(lines, func() datastream.FlatMapFunction[string, WordCount] {
		return &splitter{b: b}
	})
	counts := datastream.KeyBy(words, func(w WordCount) string { return w.Word }).Sum("Count")
	sink(b, counts, func(w WordCount) uint64 { return contract.DigestWord(w.Word, w.Count) },
		func(w WordCount) (string, string) { return w.Word, fmt.Sprint(w.Count) })
	_, err := env.Execute("wordcount")
	return err
}

// splitter splits lines at white space and reports how many words there were.
type splitter struct {
	b     *bench
	sub   int
	words int64
}

func (s *splitter) Open(ctx *datastream.FunctionContext) error {
	s.sub = ctx.Info().Subtask
	return nil
}

func (s *splitter) FlatMap(line string, out datastream.Collector[WordCount]) error {
	for at := 0; ; {
		for at < len(line) && line[at] <= ' ' {
			at++
		}
		if at == len(line) {
			break
		}
		from := at
		for at < len(line) && line[at] > ' ' {
			at++
		}
		out.Emit(WordCount{line[from:at], 1})
		s.words++
	}
	if s.words&1023 < 16 {
		s.b.progress.Set(s.sub, s.words)
	}
	return nil
}

func (s *splitter) Close() error {
	s.b.progress.Set(s.sub, s.words)
	return nil
}
